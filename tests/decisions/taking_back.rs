//! Sets taken back and reverted.

use objsync::sync::*;

use crate::common::{assert_same, dump};
use crate::pair::{CLIENT, MASTER, Pair, last_set, why_not};

#[test]
fn a_set_is_taken_back_only_while_nothing_stands_on_it() {
    let mut pair = Pair::new();
    pair.write(CLIENT, "INSERT INTO people VALUES (5, 'e', 'Eva'); UPDATE tasks SET low = 2 WHERE id = 1");
    pair.send(CLIENT, None);
    // Something else is no hindrance; a change of what it brought, or a reference to it, is.
    pair.write(MASTER, "UPDATE tasks SET low = 5 WHERE id = 3");
    assert!(pair.nodes[MASTER].can_take_back(&last_set(&pair)).unwrap().is_ok());
    pair.write(MASTER, "UPDATE tasks SET person = 5 WHERE id = 3");
    let error = pair.nodes[MASTER].take_back(last_set(&pair).seq).unwrap_err();
    assert!(error.message().contains("Task 3 refers to Person 5, which this set brought"), "{error}");
    assert_eq!(pair.value::<i64>(MASTER, "SELECT person FROM tasks WHERE id = 3"), 5, "nothing was changed");
    pair.write(MASTER, "UPDATE tasks SET person = 1 WHERE id = 3");
    pair.write(MASTER, "UPDATE people SET name = 'Eve' WHERE id = 5");
    assert_eq!(why_not(&mut pair), "Person 5 was changed since");

    pair.write(CLIENT, "UPDATE tasks SET low = 3 WHERE id = 2");
    let first = last_set(&pair);
    let second = pair.prepare(CLIENT);
    pair.apply(MASTER, &second, None);
    let why = pair.nodes[MASTER].can_take_back(&first).unwrap().unwrap_err();
    assert_eq!(why, "set 1001 from CLIENT was applied since; take that one back first");
    // Back, and forth again; then something is prepared.
    pair.nodes[MASTER].take_back(last_set(&pair).seq).unwrap();
    assert!(last_set(&pair).taken_back && pair.task(MASTER, 2) == (1, 9));
    let error = pair.nodes[MASTER].revert(last_set(&pair).seq).unwrap_err();
    assert!(error.message().contains("taken back already"), "{error}");
    assert_eq!(pair.apply(MASTER, &second, None).updated, 1);
    pair.prepare(MASTER);
    assert_eq!(why_not(&mut pair), "set 1002 was prepared here for CLIENT since");
    // A copy knows of it, too.
    pair.write(CLIENT, "UPDATE tasks SET low = 4 WHERE id = 2");
    pair.send(CLIENT, None);
    let copy = pair.dir.path().join("copy.db");
    pair.nodes[MASTER].fresh_copy(&copy, "THIRD", Role::Client).unwrap();
    assert_eq!(why_not(&mut pair), "THIRD was made as a copy of this database since");
}

#[test]
fn a_purge_makes_sets_final_only_where_it_forgets_something() {
    let mut pair = Pair::new();
    pair.write(MASTER, "UPDATE tasks SET low = 2 WHERE id = 1");
    pair.level();
    pair.write(CLIENT, "UPDATE tasks SET low = 3 WHERE id = 1");
    pair.send(CLIENT, None);
    assert_eq!(pair.nodes[MASTER].purge(0).unwrap().events, 0);
    assert!(pair.nodes[MASTER].can_take_back(&last_set(&pair)).unwrap().is_ok(), "nothing was forgotten");
    let purged = pair.nodes[MASTER].purge(u64::MAX).unwrap();
    assert!(purged.events > 0 && purged.tombstones == 0, "{purged:?}");
    assert_eq!(why_not(&mut pair), "the journal was purged since");
}

#[test]
fn taking_back_says_what_becomes_of_each_object() {
    let mut pair = Pair::new();
    pair.write(MASTER, "UPDATE tasks SET low = 5 WHERE id = 3");
    // Tasks refer to Ada, who stays; two codes change places; what MASTER says of task 3 wins, so its row is the same.
    pair.write(
        CLIENT,
        "UPDATE people SET code = NULL WHERE id = 1; UPDATE people SET code = 'a' WHERE id = 2;
         UPDATE people SET code = 'b', name = 'Anna' WHERE id = 1; DELETE FROM tasks WHERE id = 2; UPDATE tasks SET low = 2 WHERE id = 3;
         INSERT INTO people VALUES (5, 'e', 'Eva')",
    );
    pair.send(CLIENT, Some(Rule::MasterWins));
    let report = pair.nodes[MASTER].take_back(last_set(&pair).seq).unwrap();
    for (class, number, outcome, row_changed, reason) in [
        ("Person", 1, Outcome::Updated, true, "restored: code b → a, name Anna → Ada"),
        ("Person", 2, Outcome::Updated, true, "restored: code a → b"),
        ("Person", 5, Outcome::Deleted, true, "deleted again: this set had brought it"),
        ("Task", 2, Outcome::Inserted, true, "brought back"),
        ("Task", 3, Outcome::Skipped, false, "its row is the same; its version is as before"),
    ] {
        let line = report.objects.iter().find(|o| o.class == class && o.number == Some(number));
        let line = line.unwrap_or_else(|| panic!("{class} {number}: {:?}", report.objects));
        assert_eq!((line.outcome, line.row_changed, &*line.reason), (outcome, row_changed, reason), "{class} {number}");
    }
    // What would not fit any more is not put back.
    pair.write(CLIENT, "UPDATE people SET code = 'z' WHERE id = 1");
    pair.send(CLIENT, Some(Rule::MasterWins));
    pair.write(MASTER, "INSERT INTO people VALUES (6, 'b', 'Amy')");
    let before = dump(&pair.nodes[MASTER]);
    let error = pair.nodes[MASTER].take_back(last_set(&pair).seq).unwrap_err();
    assert!(error.message().contains("Person 2 as it was does not fit any more"), "{error}");
    assert!(error.message().contains("nothing was changed") && error.what_next().contains("revert"), "{error}");
    assert_same(&dump(&pair.nodes[MASTER]), &before, "refused");
}

#[test]
fn taking_back_brings_back_what_waited_and_marks_the_records() {
    let mut pair = Pair::new();
    pair.write(MASTER, "INSERT INTO people (id, code) VALUES (7, 'x')");
    pair.write(CLIENT, "INSERT INTO people (id, code) VALUES (8, 'x')");
    pair.send(CLIENT, None);
    let waiting = pair.nodes[MASTER].requeue().unwrap();
    assert_eq!(waiting.len(), 1);
    let error = pair.nodes[MASTER].revert(last_set(&pair).seq).unwrap_err();
    assert!(error.message().contains("it changed nothing here"), "{error}");
    // A newer state of what waits, and a conflict.
    pair.conflict();
    pair.write(CLIENT, "UPDATE people SET code = 'z' WHERE id = 8");
    pair.send(CLIENT, None);
    assert!(pair.nodes[MASTER].requeue().unwrap().is_empty());
    let record = pair.record(MASTER);
    let set = last_set(&pair);
    let report = pair.nodes[MASTER].take_back(set.seq).unwrap();
    assert_eq!((report.deleted, report.updated), (1, 1), "{:?}", report.objects);
    assert_eq!((report.id, &*report.node, &*report.source, &report.file), (set.id, "MASTER", "CLIENT", &set.file));
    assert_eq!((pair.nodes[MASTER].requeue().unwrap(), pair.task(MASTER, 1)), (waiting, (2, 8)));
    let marked = pair.nodes[MASTER].conflict(record.id).unwrap();
    assert_eq!((marked.state, pair.nodes[MASTER].conflict_count().unwrap()), (RecordState::TakenBack, 0));
    let error = pair.nodes[MASTER].resolve(record.id, &Choice::Ours, false).unwrap_err();
    assert!(error.message().contains("taken back"), "{error}");
    // A numbers is not given again, and what was taken back comes again by itself.
    let number = pair.nodes[MASTER].number().unwrap();
    pair.write(MASTER, "UPDATE tasks SET low = 4 WHERE id = 3");
    assert_eq!(pair.nodes[MASTER].number().unwrap(), number + 1);
    pair.level();
    assert_eq!(pair.value::<i64>(MASTER, "SELECT count(*) FROM people WHERE code = 'z'"), 1);
}

#[test]
fn what_comes_back_under_another_number_is_still_named_by_old_states() {
    let mut pair = Pair::new();
    pair.write(MASTER, "UPDATE tasks SET low = 2 WHERE id = 3");
    pair.level();
    pair.write(CLIENT, "UPDATE tasks SET person = NULL WHERE id = 3; DELETE FROM people WHERE id = 2");
    pair.send(CLIENT, None);
    pair.write(MASTER, "INSERT INTO people VALUES (2, 'c', 'Cid')");
    pair.nodes[MASTER].take_back(last_set(&pair).seq).unwrap();
    let names = "SELECT group_concat(id || name, ' ') FROM (SELECT * FROM people ORDER BY id)";
    assert_eq!(pair.value::<String>(MASTER, names), "1Ada 2Cid 3Bob");
    assert_eq!(pair.value::<i64>(MASTER, "SELECT person FROM tasks WHERE id = 3"), 3);
    let class = pair.nodes[MASTER].class("Task").unwrap().clone();
    let guid = pair.nodes[MASTER].guid_of(&class, 3).unwrap().unwrap();
    let bob = Value::Reference(Guid { node: NodeId(1), serial: 2 });
    for entry in pair.nodes[MASTER].history("Task", guid).unwrap() {
        assert_eq!(entry.filed.state.content.unwrap()[0], bob, "in every state");
    }
}

#[test]
fn a_revert_restores_what_the_set_changed_but_never_what_came_later() {
    let mut pair = Pair::new();
    pair.write(
        CLIENT,
        "INSERT INTO people VALUES (5, 'e', 'Eva'), (6, 'f', 'Flo'); UPDATE tasks SET low = 2, high = 8 WHERE id = 1;
         UPDATE people SET code = NULL WHERE id = 1; UPDATE people SET code = 'a' WHERE id = 2;
         UPDATE people SET code = 'b' WHERE id = 1; DELETE FROM tasks WHERE id = 2",
    );
    pair.send(CLIENT, None);
    let set = last_set(&pair);
    pair.write(MASTER, "UPDATE tasks SET high = 7 WHERE id = 1; UPDATE people SET name = 'Florence' WHERE id = 6");
    let planned = pair.nodes[MASTER].preview_revert(set.seq).unwrap();
    let done = pair.nodes[MASTER].revert(set.seq).unwrap();
    assert_eq!((&planned.objects, &planned.kept), (&done.objects, &done.kept));
    assert_eq!(done.number, Some(pair.nodes[MASTER].number().unwrap()), "one transaction");
    // Swapped unique values are swapped back, the deleted task is there again, Eva is gone; what came later stays.
    assert_eq!((pair.task(MASTER, 1), pair.task(MASTER, 2)), ((1, 7), (1, 9)));
    let people: String =
        pair.value(MASTER, "SELECT group_concat(code || name, ' ') FROM (SELECT * FROM people ORDER BY id)");
    assert_eq!(people, "aAda bBob fFlorence");
    assert_eq!(done.kept.len(), 2, "{:?}", done.kept);
    assert!(done.kept.iter().any(|k| k.contains("Task 1: high 7 was changed since")), "{:?}", done.kept);
    assert!(done.kept.iter().any(|k| k.contains("Person 6: it was changed since")), "{:?}", done.kept);
    // Once is enough, and it is remembered.
    let set = pair.nodes[MASTER].set_record(set.seq).unwrap();
    assert_eq!(set.reverted, done.number);
    let error = pair.nodes[MASTER].revert(set.seq).unwrap_err();
    assert!(error.message().contains("reverted already, by transaction"), "{error}");
    let guid = done.objects.iter().find(|o| o.class == "Task" && o.number == Some(1)).unwrap().guid;
    let history = pair.nodes[MASTER].history("Task", guid).unwrap();
    assert_eq!(history[0].through.words(), "made here, reverting set 1000 from CLIENT");
    pair.send(MASTER, None);
    let sent = pair.nodes[MASTER].set_records(10).unwrap().into_iter().find(|set| set.sent).unwrap();
    let error = pair.nodes[MASTER].revert(sent.seq).unwrap_err();
    assert!(error.message().contains("it was prepared here, not applied"), "{error}");
    pair.level();
    assert_eq!(pair.task(CLIENT, 2), (1, 9), "it travels");
}

#[test]
fn a_revert_that_would_leave_a_reference_without_its_object_is_refused() {
    let mut pair = Pair::new();
    pair.write(CLIENT, "INSERT INTO people VALUES (5, 'e', 'Eva')");
    pair.send(CLIENT, None);
    pair.write(MASTER, "UPDATE tasks SET person = 5 WHERE id = 3");
    let before = dump(&pair.nodes[MASTER]);
    let error = pair.nodes[MASTER].revert(last_set(&pair).seq).unwrap_err();
    assert!(error.message().contains("Task 3 refers to Person 5"), "{error}");
    assert_same(&dump(&pair.nodes[MASTER]), &before, "refused");
}
