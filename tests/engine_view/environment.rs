//! The environment as a whole: its nodes, its past, its comparison, what others do to it.

use objsync::app::Engine;
use objsync::app::others::Stood;
use objsync::app::view::{Action, Backend, Mark};
use objsync::demo::install::{Installation, install};
use objsync::demo::model::{Decimal, OrderDraft};
use objsync::sync::{Environment, Progress};

use super::{Demo, line};

#[test]
fn the_demo_restarts_here_and_may_be_replaced_from_outside() {
    let mut demo = Demo::new();
    demo.engine.run(Action::RandomOrders { side: 1, count: 3 }).unwrap();
    let before = demo.view().sides[0].guid.clone();
    demo.restart();
    let view = demo.view();
    assert!(view.equal && view.sides[0].orders == 1000 && view.sides[0].guid != before);
    // Another program cannot replace files that are open here, and says so; nothing changes.
    let what = Installation { overwrite: true, ..Installation::default() };
    let refused = install(demo.dir.path(), &what, &Progress::default()).err().unwrap();
    assert!(refused.to_string().contains("open"), "{refused}");
    assert_eq!(demo.view().sides[0].guid, view.sides[0].guid);

    let elsewhere = tempfile::tempdir().unwrap();
    let refused = demo.engine.run(Action::Open { dir: elsewhere.path().to_owned() }).unwrap_err();
    assert!(refused.hint.contains("New environment…"), "{refused:?}");
    assert!(demo.view().equal, "the environment that was open still is");
}

#[test]
fn any_two_nodes_are_shown_and_sets_find_theirs() {
    let mut demo = Demo::new();
    assert_eq!(demo.view().nodes, ["CLIENT", "MASTER"]);
    // Added by another program: the window follows.
    let mut env = objsync::sync::Environment::open(demo.dir.path()).unwrap();
    env.add_client("NORTH", 0).unwrap();
    drop(env);
    assert!(demo.engine.changed());
    let view = demo.view();
    assert_eq!((view.nodes.len(), view.sides[0].name.as_str(), view.sides[1].name.as_str()), (3, "MASTER", "CLIENT"));
    assert!(!demo.engine.changed());

    demo.engine.run(Action::ShowNode { side: 0, name: "NORTH".into() }).unwrap();
    let view = demo.view();
    assert_eq!((view.sides[0].name.as_str(), view.sides[1].name.as_str()), ("NORTH", "CLIENT"));
    // Two clients exchange directly.
    demo.quantity(0, 1, 77);
    demo.engine.run(Action::SyncBoth).unwrap();
    let view = demo.view();
    assert_eq!(line(&view, 1, 1).orders[1].as_ref().unwrap().quantity, Decimal::whole(77));
    assert!(view.equal, "these two are level, whatever MASTER lacks");
    // A set for a node that is not shown brings it into view.
    demo.engine.run(Action::ShowNode { side: 1, name: "MASTER".into() }).unwrap();
    demo.engine.run(Action::Prepare { side: 0, id: 5, file: None, overwrite: false }).unwrap();
    let file = demo.set("syncFromNORTH-5.syncset");
    demo.engine.run(Action::ShowNode { side: 1, name: "CLIENT".into() }).unwrap();
    let done = demo.engine.run(Action::ApplyWhereAddressed { file, rule: None }).unwrap();
    assert!(done.text.contains("at MASTER"), "{done:?}");
    assert_eq!(demo.view().sides.map(|s| s.name), ["MASTER", "CLIENT"]);
    // The other pane's node: they change places.
    demo.engine.run(Action::ShowNode { side: 0, name: "CLIENT".into() }).unwrap();
    assert_eq!(demo.view().sides.map(|s| s.name), ["CLIENT", "MASTER"]);
    assert!(demo.engine.run(Action::ShowNode { side: 0, name: "NOBODY".into() }).is_err());
}

#[test]
fn journal_times_and_history_are_shown() {
    let mut demo = Demo::new();
    demo.quantity(1, 1, 3);
    demo.engine.run(Action::SyncBoth).unwrap();
    let view = demo.view();
    let newest = &view.sides[0].journal[0];
    assert_eq!((newest.title.as_str(), newest.mark), ("Order 1", Mark::Changed));
    assert!(newest.changes.contains("→ 3") && newest.origin == "set 1000 from CLIENT", "{newest:?}");
    let times = view.sides[1].times;
    assert_eq!((times.sent, view.sides[0].times.received), (view.sides[1].transaction, view.sides[1].transaction));
    let history = demo.engine.run(Action::History { side: 0, guid: newest.guid }).unwrap().history.unwrap();
    assert_eq!((history.title.as_str(), history.states.len()), ("Order 1", 2));
    assert_eq!((history.states[0].author.as_str(), history.states[1].changes.as_str()), ("CLIENT", "made"));
    let customer = history.states[0].values.iter().find(|(name, _)| name == "customer").unwrap();
    assert!(view.sides[0].customers.iter().any(|c| c.name == customer.1), "by name: {customer:?}");
}

#[test]
fn a_tour_has_an_environment_of_its_own_and_leads_home() {
    let mut demo = Demo::new();
    let home = demo.view().dir.clone();
    let done = demo.run(Action::StartTour { scenario: 2, ready: true });
    assert_eq!(done.tour.map(|told| told.len()), Some(2));
    let view = demo.view();
    assert_ne!(view.dir, home);
    assert!(line(&view, 0, 1000).conflict(), "the situation is not there");
    let mut conflict = None;
    for step in 2..8 {
        let done = demo.run(Action::PlayStep { step });
        conflict = conflict.or(done.conflict);
        assert!(!done.details.is_empty(), "step {step}");
    }
    assert_eq!(conflict, Some((0, 1)));
    assert!(demo.view().equal);
    let tour = view.dir.clone();
    demo.run(Action::Open { dir: home.clone() });
    assert_eq!(demo.view().dir, home);
    assert!(!tour.exists(), "the tour's files are left behind");
    let late = demo.engine.run(Action::PlayStep { step: 0 }).unwrap_err();
    assert!(late.message.contains("not open any more"), "{late:?}");
}

#[test]
fn a_side_is_read_as_it_was() {
    let mut demo = Demo::new();
    let before = demo.view();
    let then = before.sides[0].transaction;
    let quantity = line(&before, 0, 20).orders[0].as_ref().unwrap().quantity;
    let changes = OrderDraft { quantity: Some(Decimal::whole(7)), ..OrderDraft::default() };
    demo.run(Action::EditOrder { side: 0, number: 20, changes });
    demo.run(Action::DeleteOrders { side: 0, numbers: vec![5] });
    demo.run(Action::RandomOrders { side: 0, count: 1 });
    let moment = demo.run(Action::TravelTo { side: 0, number: then }).moment.unwrap();
    assert_eq!((moment.number, moment.rows.len(), moment.more), (then, 20, false));
    let row = |number: i64| moment.rows.iter().find(|r| r.number == number).unwrap();
    assert_eq!(row(20).texts[4], quantity.to_string());
    assert_eq!((row(20).since, row(20).gone), ([false, false, false, false, true, false], false));
    assert!(row(5).gone && !row(6).gone);
    assert_eq!(moment.rows[0].number, 20, "not the highest number first");
    // A number that does not exist is the next one that does.
    let last = demo.run(Action::TravelTo { side: 0, number: u64::MAX }).moment.unwrap();
    assert_eq!((last.number, last.rows.len()), (then + 3, 20));
    assert!(last.filed[0].title.starts_with("Order"), "{:?}", last.filed);
}

/// What is asked over HTTP and what the window does is one thing, also after the environment was made anew.
#[cfg(feature = "rest")]
#[test]
fn the_window_serves_rest_for_the_environment_it_shows() {
    use objsync::app::settings::RestSettings;
    let mut demo = Demo::new();
    // Any port that is free.
    let rest = RestSettings { port: 0, ..RestSettings::default() };
    let text = demo.run(Action::Serve { rest: rest.clone() }).text;
    let address = demo.view().rest.address.unwrap();
    assert!(text.contains(address.trim_start_matches("http://")), "{text}");
    let make = |address: &str| -> u16 {
        let url = format!("{address}/synchmaster/rest/v1/randomorder");
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        agent.post(url).header("Authorization", "Basic c3VwZXJ1c2VyOnN5cw==").send_empty().unwrap().status().as_u16()
    };
    assert_eq!(make(&address), 200);
    assert!(demo.engine.changed(), "another program wrote");
    assert_eq!(demo.view().sides[0].orders, 21);
    demo.restart();
    assert_eq!(demo.view().sides[0].orders, 1000, "the databases it had open were in nobody's way");
    assert_eq!((make(&address), demo.view().sides[0].orders), (200, 1001));
    // A second window on the same environment does not serve, and says so.
    let mut second = Engine::open(demo.dir.path()).unwrap();
    let text = second.run(Action::Serve { rest: rest.clone() }).unwrap().text;
    assert!(text.contains("not served") && text.contains("serves"), "{text}");
    assert!(second.view().unwrap().rest.why_not.is_some());
    // Another environment is served in its place.
    let other = Demo::new();
    demo.run(Action::Open { dir: other.dir.path().to_owned() });
    let there = demo.view().rest.address.unwrap();
    assert_eq!((make(&there), demo.view().sides[0].orders), (200, 21));
    demo.run(Action::Serve { rest: RestSettings { on: false, ..rest } });
    assert_eq!(demo.view().rest, Default::default());
    assert!(std::net::TcpStream::connect(there.trim_start_matches("http://")).is_err());
}

#[test]
fn a_comparison_begins_with_what_is_synchronized() {
    let mut demo = Demo::new();
    demo.quantity(0, 1, 9);
    let done = demo.engine.run(Action::Verify).unwrap();
    assert_eq!(done.details[0].text, "Order: 1 differs");
    assert!(done.details.iter().any(|d| d.text.starts_with("Customer (not synchronized, does not count)")));
}

#[test]
fn equal_names_are_told_apart_by_their_keys() {
    let mut demo = Demo::new();
    let name = demo.view().sides[0].customers[0].clone();
    demo.sql("master.db", &format!("INSERT INTO customers (id, code, cust_name) VALUES (77, 'c77', '{}')", name.name));
    let names: Vec<String> = demo.view().sides[0].customers.iter().map(|c| c.name.clone()).collect();
    for key in [name.key, 77] {
        assert!(names.contains(&format!("{} ({key})", name.name)), "{names:?}");
    }
    assert!(demo.view().sides[1].customers.contains(&name), "there is only one at CLIENT");
}

#[test]
fn what_other_programs_do_is_told() {
    let mut demo = Demo::new();
    let stood = Stood::of(&demo.view());
    assert_eq!(stood.since(&demo.view()), None);
    demo.sql("master.db", "UPDATE orders SET quantity = 401 WHERE order_num = 7");
    let view = demo.view();
    let others = stood.since(&view).expect("a change");
    let guid = line(&view, 0, 7).guid;
    assert!(others.text.starts_with("Another program: Order 7 at MASTER, quantity"), "{}", others.text);
    assert!(others.text.ends_with("→ 401"), "{}", others.text);
    assert_eq!((others.changed, others.details[0].object), (vec![(0, guid)], Some((0, guid))));

    let stood = Stood::of(&view);
    let mut outside = Environment::open(demo.dir.path()).unwrap();
    outside.exchange_until_quiet(&[(1, 0), (0, 1)], None).unwrap();
    let others = stood.since(&demo.view()).expect("sets");
    let said: Vec<&str> = others.details.iter().map(|d| d.text.as_str()).collect();
    assert!(said.iter().any(|text| text.contains("from MASTER was applied at CLIENT")), "{said:?}");
    assert!(said.iter().any(|text| text.starts_with("Order 7 at CLIENT, quantity")), "{said:?}");
    drop(outside);
    demo.restart();
    assert_eq!(stood.since(&demo.view()), None, "other databases");
}
