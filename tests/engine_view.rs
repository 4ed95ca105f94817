//! What the window is told by the real engine: marks, lanes, cards, conflicts; and what it can ask for.

#![cfg(feature = "app")]

use std::path::PathBuf;

use objsync::app::Engine;
use objsync::app::view::{Action, Backend, Choose, Done, Filed, Line, Mark, PickValue, View};
use objsync::demo::install::{Installation, install};
use objsync::demo::model::{Decimal, OrderDraft};
use objsync::demo::populate::Amounts;
use objsync::sync::{Node, Progress, RecordState, Rule};

struct Demo {
    dir: tempfile::TempDir,
    engine: Engine,
}

impl Demo {
    fn new() -> Demo {
        let dir = tempfile::tempdir().unwrap();
        let amounts = Amounts { items: 5, customers: 5, employees: 5, orders: 20 };
        install(dir.path(), &Installation { amounts, seed: Some(1), ..Installation::default() }, &Progress::default())
            .unwrap();
        let engine = Engine::open(dir.path()).unwrap();
        Demo { dir, engine }
    }

    fn quantity(&mut self, side: usize, number: i64, quantity: i64) {
        let changes = OrderDraft { quantity: Some(Decimal::whole(quantity)), ..OrderDraft::default() };
        self.engine.run(Action::EditOrder { side, number, changes }).unwrap();
    }

    fn sql(&self, file: &str, sql: &str) {
        rusqlite::Connection::open(self.dir.path().join(file)).unwrap().execute_batch(sql).unwrap();
    }

    fn set(&self, name: &str) -> PathBuf {
        self.dir.path().join("sets").join(name)
    }

    fn run(&mut self, action: Action) -> Done {
        self.engine.run(action).unwrap()
    }

    fn view(&mut self) -> View {
        self.engine.view().unwrap()
    }
}

fn line(view: &View, side: usize, number: i64) -> &Line {
    view.lines.iter().find(|l| l.orders[side].as_ref().is_some_and(|o| o.order_num == number)).unwrap()
}

#[test]
fn marks_say_what_each_side_did() {
    let mut demo = Demo::new();
    assert!(demo.view().equal);
    assert!(demo.view().lines.iter().all(|l| l.marks == [Mark::None; 2] && l.differs == [false; 6]));
    demo.engine.run(Action::RandomOrders { side: 0, count: 2 }).unwrap();
    demo.quantity(1, 3, 7);
    demo.engine.run(Action::DeleteOrders { side: 0, numbers: vec![4, 5] }).unwrap();
    let view = demo.view();
    assert!(!view.equal);
    assert_eq!((view.lines.len(), view.sides[0].orders, view.sides[1].orders), (22, 20, 20));
    assert_eq!(line(&view, 0, 21).marks, [Mark::New, Mark::None]);
    assert_eq!(line(&view, 1, 4).marks, [Mark::Deleted, Mark::None]);
    let changed = line(&view, 1, 3);
    assert_eq!(
        (changed.marks, changed.differs),
        ([Mark::None, Mark::Changed], [false, false, false, false, true, false])
    );
    assert_eq!((view.lanes[0].objects, view.lanes[0].transactions), (4, 3));
    assert_eq!((view.lanes[1].objects, view.lanes[1].transactions), (1, 1));
}

#[test]
fn a_conflict_is_foretold_then_recorded() {
    let mut demo = Demo::new();
    let before = line(&demo.view(), 0, 9).orders[0].clone().unwrap();
    demo.quantity(0, 9, 401);
    demo.quantity(1, 9, 460);
    demo.sql("client.db", "UPDATE orders SET price = 446 WHERE order_num = 9");
    assert!(demo.engine.changed(), "another program's change is noticed");
    let view = demo.view();
    assert!(!demo.engine.changed());
    let ahead = line(&view, 0, 9);
    assert_eq!(ahead.marks, [Mark::Conflict; 2]);
    let common = ahead.common.clone().unwrap();
    assert_eq!((common.quantity, common.price, common.customer), (before.quantity, before.price, before.customer));
    assert_eq!(ahead.changed, [[false, false, false, false, true, false], [false, false, false, false, true, true]]);

    demo.engine.run(Action::Prepare { side: 1, id: 1000, file: None, overwrite: false }).unwrap();
    let view = demo.view();
    let card = &view.lanes[1].prepared[0];
    assert_eq!((card.id, card.counts.changed, card.counts.conflicts), (1000, 1, 1));
    let file = demo.set("syncFromCLIENT-1000.syncset");
    let refused = demo.engine.run(Action::Apply { side: 1, file: file.clone(), rule: None }).unwrap_err();
    assert!(refused.message.contains("addressed to MASTER") && !refused.hint.is_empty(), "{refused:?}");
    let done = demo.engine.run(Action::ApplyWhereAddressed { file, rule: None }).unwrap();
    assert!(done.text.contains("1 conflict"), "{done:?}");
    assert_eq!(done.conflict, Some((0, 1)));
    let view = demo.view();
    assert!(view.lanes[1].prepared.is_empty(), "an applied set is no card any more");
    let conflict = &view.conflicts[0];
    assert_eq!((conflict.side, conflict.chosen.as_str(), conflict.chosen_side), (0, "CLIENT", Some(1)));
    let quantity = &conflict.properties[0];
    assert_eq!(quantity.name, "quantity");
    assert_eq!((quantity.values.clone(), quantity.changed), (["401".to_owned(), "460".to_owned()], [true, true]));
    assert_eq!((quantity.ancestor.clone(), quantity.result.as_str()), (before.quantity.to_string(), "460"));
    assert!(conflict.why.contains("made at CLIENT"), "{}", conflict.why);

    demo.engine.run(Action::SyncBoth).unwrap();
    assert!(demo.view().equal);
    let done = demo.engine.run(Action::Verify).unwrap();
    assert!(done.text.contains("hold the same"), "{done:?}");
}

#[test]
fn sets_are_saved_elsewhere_and_nothing_is_overwritten_unasked() {
    let mut demo = Demo::new();
    demo.engine.run(Action::RandomOrders { side: 0, count: 1 }).unwrap();
    let own = demo.dir.path().join("own.syncset");
    demo.engine.run(Action::Prepare { side: 0, id: 5, file: Some(own.clone()), overwrite: false }).unwrap();
    let to = demo.dir.path().join("copy.syncset");
    let save = |overwrite| Action::SaveSetAs { file: own.clone(), to: to.clone(), overwrite };
    demo.engine.run(save(false)).unwrap();
    assert_eq!(std::fs::read(&own).unwrap(), std::fs::read(&to).unwrap());
    std::fs::write(&to, "mine").unwrap();
    let refused = demo.engine.run(save(false)).unwrap_err();
    assert!(refused.message.contains("exists already"), "{refused:?}");
    assert_eq!(std::fs::read(&to).unwrap(), b"mine");
    demo.engine.run(save(true)).unwrap();
    assert_eq!(std::fs::read(&own).unwrap(), std::fs::read(&to).unwrap());
    let again = demo.engine.run(Action::Prepare { side: 0, id: 5, file: None, overwrite: false }).unwrap_err();
    assert!(again.message.contains("set 5 already"), "{again:?}");
}

#[test]
fn the_demo_restarts_here_and_may_be_replaced_from_outside() {
    let mut demo = Demo::new();
    demo.engine.run(Action::RandomOrders { side: 1, count: 3 }).unwrap();
    let before = demo.view().sides[0].guid.clone();
    demo.engine.run(Action::RestartDemo).unwrap();
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
fn a_deletion_that_lost_is_not_called_new() {
    let mut demo = Demo::new();
    demo.engine.run(Action::DeleteOrders { side: 0, numbers: vec![8] }).unwrap();
    demo.quantity(1, 8, 12);
    assert_eq!(line(&demo.view(), 1, 8).marks, [Mark::Conflict; 2]);
    demo.engine.run(Action::Prepare { side: 0, id: 1, file: None, overwrite: false }).unwrap();
    let file = demo.set("syncFromMASTER-1.syncset");
    let done = demo.engine.run(Action::Apply { side: 1, file, rule: None }).unwrap();
    assert!(done.text.contains("1 conflict"), "{done:?}");
    let view = demo.view();
    assert_eq!(line(&view, 1, 8).marks, [Mark::None, Mark::Changed], "MASTER had it and deleted it");
    assert_eq!(view.conflicts[0].kind, "changed here, deleted there");
    demo.engine.run(Action::SyncBoth).unwrap();
    assert_eq!(demo.view().sides[0].orders, 20);
}

/// Order 1 is changed on both sides, and CLIENT's set for it is prepared.
fn conflict(demo: &mut Demo) -> PathBuf {
    demo.quantity(0, 1, 2);
    demo.quantity(1, 1, 3);
    demo.engine.run(Action::Prepare { side: 1, id: 1000, file: None, overwrite: false }).unwrap();
    demo.set("syncFromCLIENT-1000.syncset")
}

#[test]
fn a_preview_shows_every_object_and_the_records_that_would_be() {
    let mut demo = Demo::new();
    let file = conflict(&mut demo);
    let before = demo.view();
    let done = demo.engine.run(Action::Preview { file: file.clone(), rule: Some(Rule::MasterWins) }).unwrap();
    let preview = done.preview.expect("a preview");
    assert_eq!(
        (preview.side, preview.source.as_str(), preview.id, preview.summary.as_str()),
        (0, "CLIENT", 1000, "1 conflict")
    );
    assert_eq!((preview.checks.len(), preview.objects.len()), (3, 1));
    assert!(preview.checks[2].contains("No gap"), "{:?}", preview.checks);
    let (transaction, change) = (preview.objects[0].transaction, preview.objects[0].change.as_str());
    assert!(transaction > 0 && change.starts_with("quantity ") && change.contains(" → "), "{transaction}: {change}");
    let record = preview.objects[0].conflict.as_ref().expect("the record that would be made");
    assert_eq!((record.chosen_side, record.rule.as_str()), (Some(0), "master-wins"));
    let after = demo.view();
    assert_eq!((after.lines.len(), after.conflicts.len()), (before.lines.len(), 0), "nothing was changed");
    let report = demo.engine.run(Action::Apply { side: 0, file, rule: Some(Rule::MasterWins) }).unwrap();
    assert!(report.details[0].text.contains(&preview.objects[0].reason), "{report:?}");
}

#[test]
fn the_rule_is_the_environments() {
    let mut demo = Demo::new();
    demo.engine.run(Action::SetRule { class: None, rule: Some(Rule::KeepOurs) }).unwrap();
    assert_eq!(demo.view().rules.default, Rule::KeepOurs);
    let file = conflict(&mut demo);
    demo.engine.run(Action::Apply { side: 0, file, rule: None }).unwrap();
    assert_eq!(demo.view().conflicts[0].chosen, "MASTER");
    for file in ["master.db", "client.db"] {
        let node = objsync::sync::Node::open(&demo.dir.path().join(file)).unwrap();
        assert_eq!(node.rules().unwrap().default, Rule::KeepOurs, "at both nodes");
    }
}

#[test]
fn a_conflict_is_decided_and_asked_about_where_the_order_moved_on() {
    let mut demo = Demo::new();
    let file = conflict(&mut demo);
    demo.engine.run(Action::Apply { side: 0, file, rule: Some(Rule::Ask) }).unwrap();
    let open = demo.view().conflicts[0].clone();
    assert_eq!((open.state, open.moved_on.len()), (RecordState::Open, 0));
    let row = open.properties.iter().find(|p| p.name == "quantity").unwrap();
    assert_eq!((row.values.clone(), row.result.as_str(), row.from), (["2".into(), "3".into()], "2", Some(0)));
    let resolve = |choice, confirmed| Action::Resolve { side: 0, record: open.record, choice, confirmed };
    let done = demo.engine.run(resolve(Choose::Side(1), false)).unwrap();
    assert!(done.ask.is_none() && done.text.contains("quantity 2 → 3"), "{done:?}");
    let decided = demo.view().conflicts[0].clone();
    assert_eq!((decided.state, decided.chosen_side, decided.again.len()), (RecordState::Decided, Some(1), 1));
    assert_eq!(decided.why, "CLIENT's stands, decided by hand at MASTER.");
    assert!(open.ruled.is_empty() && decided.ruled == open.why, "{decided:?}");

    demo.quantity(0, 1, 9);
    let moved = demo.view().conflicts[0].clone();
    assert!(moved.moved_on[0].contains("quantity 3 → 9"), "{moved:?}");
    let picks = vec![("quantity".into(), PickValue::Side(0)), ("price".into(), PickValue::Text("77".into()))];
    let asked = demo.engine.run(resolve(Choose::Properties(picks), false)).unwrap();
    let question = asked.ask.expect("a question");
    assert!(question.text.contains("quantity 9 → 2") && question.text.contains("→ 77"), "{question:?}");
    assert_eq!(line(&demo.view(), 0, 1).orders[0].as_ref().unwrap().quantity, Decimal::whole(9), "nothing was done");
    demo.engine.run(question.action).unwrap();
    let order = line(&demo.view(), 0, 1).orders[0].clone().unwrap();
    assert_eq!((order.quantity, order.price), (Decimal::whole(2), Decimal::whole(77)));
    let typed = demo.view().conflicts[0].clone();
    assert_eq!(typed.chosen_side, None, "values of both, or typed");
    assert_eq!(typed.why, "Values that were picked or typed stand, decided by hand at MASTER.");
    // A value that is none is refused in words.
    let wrong = vec![("customer".into(), PickValue::Text("Nobody".into()))];
    let failure = demo.engine.run(resolve(Choose::Properties(wrong), true)).unwrap_err();
    assert!(failure.message.contains("no customer at MASTER is called “Nobody”"), "{failure:?}");
    assert!(failure.message.contains("nothing was changed"));
    // A name, and a number with the commas that the window writes.
    let customer = demo.view().sides[0].customers[0].clone();
    let unique = demo.view().sides[0].customers.iter().filter(|c| c.name == customer.name).count() == 1;
    assert!(unique, "the sample names differ");
    let typed = vec![
        ("customer".into(), PickValue::Text(customer.name.to_uppercase())),
        ("price".into(), PickValue::Text("1,249.60".into())),
    ];
    demo.engine.run(resolve(Choose::Properties(typed), true)).unwrap();
    let order = line(&demo.view(), 0, 1).orders[0].clone().unwrap();
    assert_eq!((order.customer, order.price), (customer.key, Decimal::from_hundredths(124_960)));
}

#[test]
fn sets_are_taken_back_and_reverted_and_say_when_not() {
    let mut demo = Demo::new();
    demo.quantity(1, 1, 3);
    demo.engine.run(Action::Prepare { side: 1, id: 1000, file: None, overwrite: false }).unwrap();
    let file = demo.set("syncFromCLIENT-1000.syncset");
    demo.engine.run(Action::Apply { side: 0, file: file.clone(), rule: None }).unwrap();
    assert!(demo.view().lanes[1].prepared.is_empty());
    let applied = |view: &View| view.sets.iter().find(|s| !s.sent && s.side == 0).unwrap().clone();
    let set = applied(&demo.view());
    assert_eq!((&set.take_back, &set.revert), (&Some(Ok(())), &Some(Ok(()))));
    demo.engine.run(Action::TakeBack { side: 0, seq: set.seq }).unwrap();
    let view = demo.view();
    assert!(applied(&view).taken_back && applied(&view).take_back.is_none());
    assert_eq!(view.lanes[1].prepared.len(), 1, "its card is there again");
    assert_ne!(line(&view, 0, 1).orders[0].as_ref().unwrap().quantity, Decimal::whole(3));

    demo.engine.run(Action::Apply { side: 0, file, rule: None }).unwrap();
    demo.engine.run(Action::Prepare { side: 0, id: 7, file: None, overwrite: false }).unwrap();
    let set = applied(&demo.view());
    assert!(set.take_back.clone().unwrap().unwrap_err().contains("set 7 was prepared"), "{set:?}");
    let asked = demo.engine.run(Action::Revert { side: 0, seq: set.seq, confirmed: false }).unwrap();
    let question = asked.ask.expect("a question");
    assert!(question.text.contains("travel") && question.lines[0].contains("quantity 3 →"), "{question:?}");
    demo.engine.run(question.action).unwrap();
    let view = demo.view();
    assert_ne!(line(&view, 0, 1).orders[0].as_ref().unwrap().quantity, Decimal::whole(3));
    assert_eq!(line(&view, 0, 1).marks, [Mark::Changed, Mark::None], "a new change, to be sent");
}

#[test]
fn what_waits_says_why_and_is_given_up_only_when_confirmed() {
    let mut demo = Demo::new();
    demo.sql("client.db", "INSERT INTO customers (id, code, cust_name) VALUES (9, 'c9', 'New Customer')");
    demo.sql(
        "client.db",
        "INSERT INTO orders SELECT 21, employee, 9, date_order, item, 1, 2 FROM orders WHERE order_num = 1",
    );
    demo.engine.run(Action::SyncBoth).unwrap();
    let waiting = demo.view().sides[0].requeued[0].clone();
    assert_eq!((waiting.cause.as_str(), waiting.title.as_str()), ("a reference is unknown", "Order 21"));
    let done = demo.engine.run(Action::Retry { side: 0 }).unwrap();
    assert!(done.text.contains("1 waits"), "{done:?}");
    let discard = |confirmed| Action::Discard { side: 0, ids: vec![waiting.id], confirmed };
    let question = demo.engine.run(discard(false)).unwrap().ask.expect("a question");
    assert_eq!((question.action.clone(), demo.view().sides[0].requeued.len()), (discard(true), 1));
    demo.engine.run(question.action).unwrap();
    assert!(demo.view().sides[0].requeued.is_empty());
    demo.engine.run(Action::SyncBoth).unwrap();
    assert!(demo.view().equal);
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
fn what_the_rule_combines_is_not_called_a_conflict() {
    let mut demo = Demo::new();
    demo.quantity(0, 1, 2);
    let price = OrderDraft { price: Some(Decimal::whole(5)), ..OrderDraft::default() };
    demo.engine.run(Action::EditOrder { side: 1, number: 1, changes: price }).unwrap();
    assert_eq!(line(&demo.view(), 0, 1).marks, [Mark::Conflict; 2]);
    demo.engine.run(Action::SetRule { class: None, rule: Some(Rule::MergeProperties) }).unwrap();
    assert_eq!(line(&demo.view(), 0, 1).marks, [Mark::Combine; 2]);
    // Both changed the quantity: that is one, whatever the rule.
    demo.quantity(1, 1, 3);
    assert_eq!(line(&demo.view(), 0, 1).marks, [Mark::Conflict; 2]);
    demo.engine.run(Action::SetRule { class: Some("Order".into()), rule: Some(Rule::ClientWins) }).unwrap();
    assert_eq!(demo.view().rules.of("Order"), Rule::ClientWins);
}

#[test]
fn sync_both_ways_goes_on_until_nothing_is_left_to_send() {
    let mut demo = Demo::new();
    demo.sql("client.db", "INSERT INTO customers (id, code, cust_name) VALUES (9, 'c9', 'New Customer')");
    demo.sql("client.db", "UPDATE orders SET customer = 9 WHERE order_num = 1");
    demo.engine.run(Action::SyncBoth).unwrap();
    // CLIENT decides a conflict while it takes MASTER's set, which MASTER has to be told.
    demo.quantity(0, 1, 2);
    demo.engine.run(Action::SyncBoth).unwrap();
    let view = demo.view();
    assert_eq!((view.lanes[0].objects, view.lanes[1].objects), (0, 0));
    let ids = view.sides[0].requeued.iter().map(|w| w.id).collect();
    demo.engine.run(Action::Discard { side: 0, ids, confirmed: true }).unwrap();
    demo.engine.run(Action::SyncBoth).unwrap();
    assert!(demo.view().equal && demo.view().sides[0].requeued.is_empty(), "to give up what waits is the end of it");
}

#[test]
fn edits_new_and_deleted_orders_are_undone_through_the_engine() {
    let mut demo = Demo::new();
    let before = demo.view();
    let number = line(&before, 0, 20).orders[0].as_ref().unwrap().quantity;
    let changes = OrderDraft { quantity: Some(Decimal::whole(7)), ..OrderDraft::default() };
    let node = before.sides[0].guid.clone();
    let filed = |done: &Done, what: &str| {
        let (side, first, last) = done.filed.unwrap_or_else(|| panic!("nothing was filed by {what}"));
        Filed { side, node: node.clone(), first, last, what: what.to_owned() }
    };
    let edited = demo.run(Action::EditOrder { side: 0, number: 20, changes });
    let made = demo.run(Action::RandomOrders { side: 0, count: 3 });
    let deleted = demo.run(Action::DeleteOrders { side: 0, numbers: vec![5, 6] });
    let orders = |view: &View| view.sides[0].orders;
    assert_eq!(orders(&demo.view()), 21);
    let undo = |filed: &Filed| Action::Undo { filed: filed.clone(), again: false, confirmed: false };
    let back = demo.run(undo(&filed(&deleted, "deleting")));
    assert_eq!(orders(&demo.view()), 23);
    demo.run(undo(&filed(&made, "inserting")));
    assert_eq!(orders(&demo.view()), 20);
    // The deletion once more, by undoing what undid it.
    let again = Action::Undo { filed: filed(&back, "deleting"), again: true, confirmed: false };
    assert!(demo.run(again).text.starts_with("Did again"));
    assert_eq!(orders(&demo.view()), 18);

    // Somebody has changed the quantity since: it is asked about, and stays.
    let sql = "UPDATE orders SET quantity = 8, price = 5 WHERE order_num = 20";
    rusqlite::Connection::open(&before.sides[0].file).unwrap().execute(sql, []).unwrap();
    let nothing = demo.run(undo(&filed(&edited, "changing order 20")));
    assert!(nothing.text.starts_with("Nothing is left to be undone"), "{}", nothing.text);
    assert!(nothing.details.iter().any(|d| d.text.contains("quantity 8 was changed since")), "{:?}", nothing.details);
    let sql = "UPDATE orders SET quantity = 7 WHERE order_num = 20";
    rusqlite::Connection::open(&before.sides[0].file).unwrap().execute(sql, []).unwrap();
    demo.run(undo(&filed(&edited, "changing order 20")));
    assert_eq!(line(&demo.view(), 0, 20).orders[0].as_ref().unwrap().quantity, number);
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

#[test]
fn a_file_is_written_whole_and_replaced_only_on_purpose() {
    let mut demo = Demo::new();
    let to = demo.view().dir.join("orders.csv");
    let write = |text: &str, overwrite| Action::Write {
        what: "the orders".into(),
        text: text.to_owned().into(),
        to: to.clone(),
        overwrite,
    };
    demo.run(write("one", false));
    let refused = demo.engine.run(write("two", false)).unwrap_err();
    assert!(!refused.hint.is_empty(), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "one");
    demo.run(write("two", true));
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "two");
}

#[test]
fn a_lost_or_damaged_set_is_shown_and_prepared_again() {
    let mut demo = Demo::new();
    demo.run(Action::RandomOrders { side: 0, count: 2 });
    demo.run(Action::Prepare { side: 0, id: 1000, file: None, overwrite: false });
    let first = demo.set("syncFromMASTER-1000.syncset");
    assert_eq!(demo.view().lanes[0].prepared[0].trouble, None);
    std::fs::remove_file(&first).unwrap();
    let card = demo.view().lanes[0].prepared[0].clone();
    assert!(card.trouble.unwrap().contains("not there any more"), "a lost set is not shown as lost");
    demo.run(Action::PrepareAgain { side: 0 });
    let lane = demo.view().lanes[0].clone();
    assert_eq!(lane.prepared.len(), 2);
    let next = lane.next().unwrap().clone();
    assert_eq!((next.id, next.objects), (1001, 2));
    std::fs::write(&next.file, b"{}").unwrap();
    let mut later = Engine::open(demo.dir.path()).unwrap();
    assert!(later.view().unwrap().lanes[0].prepared[1].trouble.as_ref().unwrap().contains("damaged"));
    demo.run(Action::PrepareAgain { side: 0 });
    let file = demo.set("syncFromMASTER-1002.syncset");
    demo.run(Action::Apply { side: 1, file, rule: None });
    // What was lost came by another way, so it is no trouble any more.
    assert!(demo.view().lanes[0].prepared.is_empty(), "{:?}", demo.view().lanes[0].prepared);
}

/// What is kept from one view to the next is what a window that has just been opened would read.
#[test]
fn after_anything_that_any_program_does_the_view_is_as_if_read_anew() {
    let mut demo = Demo::new();
    let same = |demo: &mut Demo, what: &str| {
        let lines = |view: &View| {
            let mut lines: Vec<Line> = view.lines.iter().cloned().collect();
            lines.sort_by_key(|l| l.guid);
            lines
        };
        let kept = demo.view();
        let anew = Engine::open(demo.dir.path()).unwrap().view().unwrap();
        assert_eq!(lines(&kept), lines(&anew), "{what}");
        assert_eq!(kept.lanes.each_ref().map(|l| l.objects), anew.lanes.each_ref().map(|l| l.objects), "{what}");
    };
    let elsewhere = |demo: &Demo, side: usize, work: &mut dyn FnMut(&mut Node)| {
        let file = demo.dir.path().join(["master.db", "client.db"][side]);
        work(&mut Node::open(&file).unwrap());
    };
    same(&mut demo, "at first");
    demo.run(Action::RandomOrders { side: 0, count: 3 });
    demo.quantity(1, 4, 9);
    same(&mut demo, "made and changed here");
    demo.sql(
        "client.db",
        "UPDATE orders SET price = 3 WHERE order_num IN (4, 7); DELETE FROM orders WHERE order_num = 9",
    );
    demo.quantity(0, 4, 11);
    same(&mut demo, "changed by another program, one in conflict");
    demo.sql("master.db", "UPDATE orders SET order_num = 500 WHERE order_num = 12");
    same(&mut demo, "another number");
    demo.run(Action::Prepare { side: 0, id: 50, file: None, overwrite: false });
    let file = demo.set("syncFromMASTER-50.syncset");
    demo.run(Action::Apply { side: 1, file, rule: None });
    same(&mut demo, "a set applied");
    elsewhere(&demo, 1, &mut |node| {
        let set = node.set_records(1).unwrap().remove(0);
        node.take_back(set.seq).unwrap();
    });
    same(&mut demo, "taken back by another program");
    demo.sql("client.db", "UPDATE orders SET quantity = 1 WHERE order_num = 15");
    same(&mut demo, "the journal grows again over what was taken back");
    demo.sql("master.db", "INSERT INTO customers (id, code, cust_name) VALUES (77, 'N', 'New'); UPDATE orders SET customer = 77 WHERE order_num = 3");
    same(&mut demo, "a new customer");
    demo.sql("master.db", "BEGIN; PRAGMA defer_foreign_keys = ON; UPDATE customers SET id = 78 WHERE id = 77; UPDATE orders SET customer = 78 WHERE customer = 77; COMMIT");
    same(&mut demo, "a customer of another number");
    demo.run(Action::SyncBoth);
    same(&mut demo, "synchronized");
    elsewhere(&demo, 0, &mut |node| {
        let number = node.number().unwrap();
        node.purge(number).unwrap();
    });
    demo.quantity(0, 8, 13);
    same(&mut demo, "purged");
    demo.run(Action::SetRule { class: None, rule: Some(Rule::MergeProperties) });
    demo.quantity(1, 8, 14);
    demo.sql("master.db", "UPDATE orders SET price = 2 WHERE order_num = 2");
    demo.quantity(1, 2, 14);
    same(&mut demo, "another rule");
    demo.run(Action::RestartDemo);
    same(&mut demo, "a new demo");
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
    demo.run(Action::RestartDemo);
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
    assert!(done.details.iter().any(|d| d.text.starts_with("Customer (not journaled, does not count)")));
}

/// Sets that crossed, and a decision by hand in between: both states of before are common to the two that conflict then.
#[test]
fn every_common_state_is_shown() {
    let mut demo = Demo::new();
    demo.quantity(0, 7, 5);
    demo.quantity(1, 7, 6);
    let prepare = |side, id| Action::Prepare { side, id, file: None, overwrite: false };
    demo.run(prepare(0, 1));
    demo.run(prepare(1, 2));
    let (master, client) = (demo.set("syncFromMASTER-1.syncset"), demo.set("syncFromCLIENT-2.syncset"));
    demo.run(Action::Apply { side: 0, file: client, rule: None });
    let record = demo.view().conflicts[0].record;
    demo.run(Action::Resolve { side: 0, record, choice: Choose::Side(0), confirmed: true });
    demo.run(Action::Apply { side: 1, file: master, rule: None });
    demo.run(prepare(0, 3));
    let file = demo.set("syncFromMASTER-3.syncset");
    demo.run(Action::Apply { side: 1, file, rule: None });
    let view = demo.view();
    let last = view.conflicts.iter().filter(|c| c.side == 1).max_by_key(|c| c.record).unwrap();
    let quantity = last.properties.iter().find(|p| p.name == "quantity").unwrap();
    let mut common: Vec<&str> = quantity.ancestor.split(" / ").collect();
    common.sort_unstable();
    assert_eq!((common, quantity.changed), (vec!["5", "6"], [true, true]), "{quantity:?}");
}
