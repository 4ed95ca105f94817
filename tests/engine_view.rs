//! What the window is told by the real engine: marks, lanes, cards, conflicts; and what it can ask for.

#![cfg(feature = "app")]

use std::path::PathBuf;

use objsync::app::Engine;
use objsync::app::view::{Action, Backend, Line, Mark, View};
use objsync::demo::install::{Installation, install};
use objsync::demo::model::{Decimal, OrderDraft};
use objsync::demo::populate::Amounts;
use objsync::sync::Rule;

struct Demo {
    dir: tempfile::TempDir,
    engine: Engine,
}

impl Demo {
    fn new() -> Demo {
        let dir = tempfile::tempdir().unwrap();
        let amounts = Amounts { items: 5, customers: 5, employees: 5, orders: 20 };
        install(dir.path(), &Installation { amounts, seed: Some(1), ..Installation::default() }).unwrap();
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
    let refused = demo.engine.run(Action::Apply { side: 1, file: file.clone(), rule: Rule::ClientWins }).unwrap_err();
    assert!(refused.message.contains("addressed to MASTER") && !refused.hint.is_empty(), "{refused:?}");
    let done = demo.engine.run(Action::ApplyWhereAddressed { file, rule: Rule::ClientWins }).unwrap();
    assert!(done.text.contains("1 conflict"), "{done:?}");
    assert_eq!(done.conflict, Some((0, 1)));
    let view = demo.view();
    assert!(view.lanes[1].prepared.is_empty(), "an applied set is no card any more");
    let conflict = &view.conflicts[0];
    assert_eq!((conflict.side, conflict.chosen.as_str(), conflict.chosen_side), (0, "CLIENT", 1));
    let quantity = &conflict.properties[0];
    assert_eq!(quantity.name, "quantity");
    assert_eq!((quantity.values.clone(), quantity.changed), (["401".to_owned(), "460".to_owned()], [true, true]));
    assert_eq!((quantity.ancestor.clone(), quantity.result.as_str()), (before.quantity.to_string(), "460"));
    assert!(conflict.why.contains("made at CLIENT"), "{}", conflict.why);

    demo.engine.run(Action::SyncBoth { rule: Rule::ClientWins }).unwrap();
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
    let refused = install(demo.dir.path(), &what).err().unwrap();
    assert!(refused.to_string().contains("open"), "{refused}");
    assert_eq!(demo.view().sides[0].guid, view.sides[0].guid);

    let elsewhere = tempfile::tempdir().unwrap();
    let refused = demo.engine.run(Action::Open { dir: elsewhere.path().to_owned() }).unwrap_err();
    assert!(refused.hint.contains("install"), "{refused:?}");
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
    let done = demo.engine.run(Action::Apply { side: 1, file, rule: Rule::ClientWins }).unwrap();
    assert!(done.text.contains("1 conflict"), "{done:?}");
    let view = demo.view();
    assert_eq!(line(&view, 1, 8).marks, [Mark::None, Mark::Changed], "MASTER had it and deleted it");
    assert_eq!(view.conflicts[0].kind, "changed here, deleted there");
    demo.engine.run(Action::SyncBoth { rule: Rule::ClientWins }).unwrap();
    assert_eq!(demo.view().sides[0].orders, 20);
}
