//! What each row and each conflict is told to be.

use objsync::app::Engine;
use objsync::app::view::{Action, Backend, Choose, Line, Mark, View};
use objsync::demo::model::{Decimal, OrderDraft};
use objsync::sync::{Node, Rule};

use super::{Demo, line};

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

/// Another program may give any number that SQLite takes.
#[test]
fn orders_with_the_largest_numbers_are_shown() {
    let mut demo = Demo::new();
    for number in [i64::MAX, i64::MAX - 1, i64::MIN] {
        let columns = "employee, customer, date_order, item, quantity, price FROM orders WHERE order_num = 1";
        demo.sql("master.db", &format!("INSERT INTO orders SELECT {number}, {columns}"));
        assert_eq!(line(&demo.view(), 0, number).marks, [Mark::New, Mark::None]);
    }
    demo.sql("master.db", &format!("UPDATE orders SET quantity = 7 WHERE order_num = {}", i64::MAX));
    assert_eq!(demo.view().sides[0].orders, 23);
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

/// What is kept from one view to the next is what a window that has just been opened would read.
#[test]
fn after_anything_that_any_program_does_the_view_is_as_if_read_anew() {
    let mut demo = Demo::new();
    let same = |demo: &mut Demo, what: &str| {
        let lines = |view: &View| view.lines.iter().collect::<Vec<Line>>();
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
    demo.restart();
    same(&mut demo, "a new demo");
}

/// After sets that crossed, both sides have decided the same conflict: who decides again by hand at one side is told that the
/// other's decision is still on its way.
#[test]
fn a_decision_that_would_meet_another_is_foretold() {
    let mut demo = Demo::new();
    demo.quantity(0, 7, 5);
    demo.quantity(1, 7, 6);
    let prepare = |side, id| Action::Prepare { side, id, file: None, overwrite: false };
    demo.run(prepare(0, 1));
    demo.run(prepare(1, 2));
    let (master, client) = (demo.set("syncFromMASTER-1.syncset"), demo.set("syncFromCLIENT-2.syncset"));
    demo.run(Action::Apply { side: 0, file: client, rule: None });
    assert!(!demo.view().conflicts[0].unseen, "CLIENT has decided nothing yet");
    demo.run(Action::Apply { side: 1, file: master, rule: None });
    assert_eq!(demo.view().conflicts.iter().map(|c| c.unseen).collect::<Vec<_>>(), [true, true]);
    demo.run(Action::SyncBoth);
    assert!(demo.view().conflicts.iter().all(|c| !c.unseen), "both have heard of each other");
}
