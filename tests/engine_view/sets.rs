//! Sets that are prepared, previewed, applied, taken back, lost.

use objsync::app::Engine;
use objsync::app::view::{Action, Backend, Mark, View};
use objsync::demo::model::Decimal;
use objsync::sync::Rule;

use super::{Demo, conflict, line};

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
