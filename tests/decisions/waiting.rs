//! What waits and why, tried again, and given up.

use objsync::sync::*;
use serde_json::json;

use crate::pair::{CLIENT, MASTER, Pair, last_set};

#[test]
fn trying_again_what_waits_makes_sets_final_only_where_it_did_something() {
    let mut pair = Pair::new();
    pair.write(MASTER, "INSERT INTO people (id, code) VALUES (7, 'x')");
    pair.write(CLIENT, "INSERT INTO people (id, code) VALUES (8, 'x')");
    pair.send(CLIENT, None);
    let tried = pair.nodes[MASTER].retry(ApplyOptions::default()).unwrap();
    assert_eq!((&*tried.node, tried.requeued, tried.total()), ("MASTER", 1, 1));
    assert!(!tried.objects[0].reason.contains("transaction waits"), "it is alone: {}", tried.objects[0].reason);
    assert!(pair.nodes[MASTER].can_take_back(&last_set(&pair)).unwrap().is_ok(), "all is as it was");
    pair.write(MASTER, "UPDATE people SET code = 'y' WHERE id = 7");
    assert_eq!(pair.nodes[MASTER].retry(ApplyOptions::default()).unwrap().inserted, 1);
    let why = pair.nodes[MASTER].can_take_back(&last_set(&pair)).unwrap().unwrap_err();
    assert_eq!(why, "what waits was tried again since");
}

#[test]
fn a_set_that_comes_again_is_listed_only_where_it_did_something() {
    let mut pair = Pair::new();
    let listed = |pair: &Pair| pair.nodes[MASTER].set_records(100).unwrap().iter().filter(|set| !set.sent).count();
    pair.write(MASTER, "INSERT INTO people (id, code) VALUES (7, 'x')");
    pair.write(CLIENT, "INSERT INTO people (id, code) VALUES (8, 'x')");
    let file = pair.prepare(CLIENT);
    for _ in 0..2 {
        assert_eq!(pair.apply(MASTER, &file, None).inserted, 0);
        assert_eq!(listed(&pair), 1);
    }
    // What waited goes through when it comes once more: that can be taken back.
    pair.write(MASTER, "UPDATE people SET code = 'y' WHERE id = 7");
    assert_eq!(pair.apply(MASTER, &file, None).inserted, 1);
    assert_eq!((listed(&pair), pair.apply(MASTER, &file, None).inserted, listed(&pair)), (2, 0, 2));
    // One that carries nothing says that nothing is lacking.
    pair.level();
    let before = listed(&pair);
    assert_eq!(pair.send(CLIENT, None).total(), 0);
    assert_eq!(listed(&pair), before + 1);
}

#[test]
fn what_waits_names_its_constraint_and_the_rows() {
    let mut pair = Pair::new();
    // At CLIENT: a code that MASTER has given to another person, and an order of one transaction that needs it.
    pair.write(MASTER, "INSERT INTO people (id, code, name) VALUES (7, 'x', 'Mia')");
    pair.write(
        CLIENT,
        "INSERT INTO people (id, code, name) VALUES (8, 'x', 'Cleo'); INSERT INTO tasks (id, person) VALUES (9, 8)",
    );
    let report = pair.send(CLIENT, None);
    assert_eq!((report.requeued, report.inserted), (2, 0), "a transaction is never half applied: {:?}", report.objects);
    let waiting = pair.nodes[MASTER].requeue().unwrap();
    let of = |class: &str| waiting.iter().find(|w| w.class == class).unwrap();
    assert_eq!((of("Person").cause, of("Task").cause), (Cause::Unique, Cause::Together));
    assert_eq!((&*of("Person").name(), &*of("Task").name()), ("8", "9"));
    let line = report.objects.iter().find(|o| o.class == "Person").unwrap();
    assert!(line.reason.ends_with("; the whole transaction waits"), "{}", line.reason);
    let reason = &of("Person").reason;
    for part in ["code x", "Person 7 at MASTER", "people.code", "goes through once"] {
        assert!(reason.contains(part), "{part} in {reason}");
    }
    assert!(of("Task").reason.contains("Person 8 of the same transaction"), "{:?}", of("Task"));
    let ids: Vec<i64> = waiting.iter().map(|w| w.id).collect();
    assert_eq!(pair.nodes[MASTER].retry(ApplyOptions::default()).unwrap().requeued, 2);
    assert_eq!(pair.nodes[MASTER].requeue().unwrap().iter().map(|w| w.id).collect::<Vec<_>>(), ids, "numbers stay");
    // The way out that was named; what waits is tried again at the end of every apply.
    pair.write(MASTER, "UPDATE people SET code = 'y' WHERE id = 7");
    assert_eq!(pair.send(CLIENT, None).inserted, 2);
    pair.level();
}

#[test]
fn checks_and_missing_values_are_named() {
    let mut pair = Pair::new();
    // Another program has given MASTER's table other rules than CLIENT's.
    let conn = pair.nodes[MASTER].connection();
    conn.execute_batch("CREATE TRIGGER none BEFORE UPDATE ON tasks WHEN 0 BEGIN SELECT 1; END").unwrap();
    let conn = pair.nodes[CLIENT].connection();
    conn.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    pair.write(CLIENT, "UPDATE tasks SET low = 20 WHERE id = 1");
    pair.send(CLIENT, None);
    let waiting = pair.nodes[MASTER].requeue().unwrap();
    assert_eq!(waiting[0].cause, Cause::Check);
    assert!(waiting[0].reason.contains("low lies below high") && waiting[0].reason.contains("corrected at its source"));
    // A newer state of it drops what waits.
    pair.write(CLIENT, "UPDATE tasks SET low = 4 WHERE id = 1");
    assert_eq!(pair.send(CLIENT, None).updated, 1);
    assert!(pair.nodes[MASTER].requeue().unwrap().is_empty(), "superseded");
    pair.level();
}

#[test]
fn a_permanent_pair_names_its_way_out_at_both_ends_and_discarding_ends_it() {
    // A person is deleted there, a task for the same person is made here.
    for discard_at in [MASTER, CLIENT] {
        let mut pair = Pair::new();
        pair.write(MASTER, "UPDATE tasks SET person = 1");
        pair.level();
        pair.write(MASTER, "DELETE FROM people WHERE id = 2");
        pair.write(CLIENT, "INSERT INTO tasks (id, person) VALUES (9, 2)");
        pair.send(CLIENT, None);
        pair.send(MASTER, None);
        let [at_master, at_client] = [MASTER, CLIENT].map(|at| pair.nodes[at].requeue().unwrap().remove(0));
        assert_eq!((at_master.cause, at_client.cause), (Cause::UnknownReference, Cause::StillReferredTo));
        assert!(at_master.reason.contains("its person is unknown at MASTER"), "{}", at_master.reason);
        for part in ["Task 9 here refers to it", "tasks.person", "change or delete", "bring it back"] {
            assert!(at_client.reason.contains(part), "{part} in {}", at_client.reason);
        }
        let foretold = pair.nodes[discard_at].preview_discard(None).unwrap();
        let done = pair.nodes[discard_at].discard(None).unwrap();
        assert_eq!((foretold, done.discarded), (done.clone(), 1));
        let record = pair.record(discard_at);
        assert_eq!((record.kind, record.chosen), (ConflictKind::Discarded, Chosen::Ours));
        assert!(record.why.contains("gave up"), "{}", record.why);
        // It travels: the other side follows, and nothing waits anywhere.
        pair.level();
        for node in &pair.nodes {
            assert!(node.requeue().unwrap().is_empty(), "{:?}", node.requeue().unwrap());
        }
        let left =
            (pair.value(CLIENT, "SELECT count(*) FROM people"), pair.value(CLIENT, "SELECT count(*) FROM tasks"));
        // Discarding the task leaves the deletion; discarding the deletion leaves both.
        assert_eq!(left, if discard_at == MASTER { (1, 3) } else { (2, 4) });
        assert_eq!(pair.nodes[discard_at].discard(None).unwrap().discarded, 0, "nothing is left to give up");
    }
}

#[test]
fn discarding_one_leaves_the_others_waiting() {
    let mut pair = Pair::new();
    pair.write(CLIENT, "INSERT INTO tasks (id, person) VALUES (4, 1)");
    pair.level();
    pair.nodes[CLIENT].connection().execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    pair.write(CLIENT, "UPDATE tasks SET low = 20 WHERE id IN (1, 4)");
    pair.write(CLIENT, "UPDATE tasks SET low = 21 WHERE id IN (2, 3)");
    pair.send(CLIENT, None);
    let waiting = pair.nodes[MASTER].requeue().unwrap();
    assert_eq!(waiting.len(), 4);
    // Two of one transaction go together.
    let second = waiting.iter().find(|w| w.source_number == Some(2)).unwrap().id;
    assert_eq!(pair.nodes[MASTER].discard(Some(&[second])).unwrap().discarded, 2);
    let records = pair.nodes[MASTER].conflicts(10).unwrap();
    assert!(records.len() == 2 && records[0].siblings == [records[1].guid.clone()], "{records:?}");
    let left = pair.nodes[MASTER].requeue().unwrap();
    let of_first = [(waiting[0].id, Some(1)), (waiting[1].id, Some(4))];
    assert_eq!(left.iter().map(|w| (w.id, w.source_number)).collect::<Vec<_>>(), of_first);
    let error = pair.nodes[MASTER].discard(Some(&[second])).unwrap_err();
    assert!(error.message().contains("nothing waits under number"), "{error}");
    assert_eq!(pair.nodes[MASTER].requeue().unwrap(), left);
    pair.send(MASTER, None);
    assert_eq!((pair.task(CLIENT, 2), pair.task(CLIENT, 1)), ((1, 9), (20, 9)), "the decision has travelled");
}

#[test]
fn what_is_discarded_is_recorded_with_what_both_come_from_and_the_rest_of_its_transaction() {
    let mut pair = Pair::new();
    pair.nodes[CLIENT].connection().execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    pair.write(CLIENT, "UPDATE tasks SET low = 20 WHERE id = 1; UPDATE tasks SET low = 21 WHERE id = 2");
    pair.write(MASTER, "UPDATE tasks SET high = 8 WHERE id = 1");
    pair.send(CLIENT, Some(Rule::ClientWins));
    let report = pair.nodes[MASTER].discard(None).unwrap();
    assert_eq!((&*report.node, report.discarded), ("MASTER", 2));
    assert!(report.objects.iter().all(|o| !o.row_changed), "{:?}", report.objects);
    let guid = |id| pair.nodes[MASTER].guid_of(pair.nodes[MASTER].class("Task").unwrap(), id).unwrap().unwrap();
    let records = pair.nodes[MASTER].conflicts(10).unwrap();
    for (id, other, high) in [(1, 2, 8), (2, 1, 9)] {
        let record = records.iter().find(|r| r.guid == guid(id).to_string()).unwrap();
        assert_eq!(record.siblings, [guid(other).to_string()]);
        let both = |state: &serde_json::Value| (state["low"].clone(), state["high"].clone());
        assert_eq!(record.ancestors.iter().map(both).collect::<Vec<_>>(), [(json!(1), json!(9))], "{id}");
        assert_eq!(both(&record.ours.content), (json!(1), json!(high)), "{id}");
    }
}
