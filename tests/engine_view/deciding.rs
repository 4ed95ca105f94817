//! What decides, what is given up, what is undone.

use objsync::app::view::{Action, Backend, Choose, Done, Filed, PickValue, View};
use objsync::demo::model::{Decimal, OrderDraft};
use objsync::sync::{RecordState, Rule};

use super::{Demo, conflict, line};

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
fn what_a_revert_has_restored_can_be_undone() {
    let mut demo = Demo::new();
    demo.quantity(1, 1, 3);
    demo.run(Action::SyncBoth);
    let set = demo.view().sets.iter().find(|s| !s.sent && s.side == 0 && s.objects > 0).unwrap().seq;
    let quantity = |demo: &mut Demo| line(&demo.view(), 0, 1).orders[0].as_ref().unwrap().quantity;
    assert_eq!(quantity(&mut demo), Decimal::whole(3));
    let done = demo.run(Action::Revert { side: 0, seq: set, confirmed: true });
    assert_ne!(quantity(&mut demo), Decimal::whole(3));
    let (side, first, last) = done.filed.expect("something to be undone");
    let filed = Filed { side, node: demo.view().sides[0].guid.clone(), first, last, what: "reverting".into() };
    demo.run(Action::Undo { filed, again: false, confirmed: false });
    assert_eq!(quantity(&mut demo), Decimal::whole(3));
}
