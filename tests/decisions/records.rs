//! What a record holds, and what deciding it again does.

use objsync::sync::*;
use serde_json::json;

use crate::common::{assert_same, dump};
use crate::pair::{CLIENT, MASTER, Pair};

#[test]
fn a_record_holds_both_states_what_they_come_from_and_the_rest_of_the_transaction() {
    let mut pair = Pair::new();
    pair.write(MASTER, "UPDATE tasks SET low = 2 WHERE id = 1");
    pair.write(CLIENT, "UPDATE tasks SET low = 3 WHERE id = 1; UPDATE tasks SET low = 4 WHERE id = 2");
    pair.send(CLIENT, None);
    let record = pair.record(MASTER);
    let guid =
        |id| pair.nodes[MASTER].guid_of(pair.nodes[MASTER].class("Task").unwrap(), id).unwrap().unwrap().to_string();
    assert_eq!((record.guid.clone(), record.siblings.clone()), (guid(1), vec![guid(2)]));
    assert_eq!((record.kind, record.properties.as_slice()), (ConflictKind::ChangedChanged, &["low".to_owned()][..]));
    assert_eq!(record.ancestors.iter().map(|a| a["low"].clone()).collect::<Vec<_>>(), [json!(1)]);
    assert_eq!((&record.ours.content["low"], record.ours.author.as_str()), (&json!(2), "MASTER"));
    assert_eq!((&record.theirs.content["low"], record.theirs.author.as_str()), (&json!(3), "CLIENT"));
    assert!(record.ours.time < record.theirs.time && record.theirs.time <= record.at);
    assert_eq!((record.source.as_str(), record.set), ("CLIENT", 1000));
}

#[test]
fn deciding_again_changes_only_what_differs_and_asks_where_the_object_moved_on() {
    let mut pair = Pair::new();
    pair.conflict();
    pair.send(CLIENT, Some(Rule::Ask));
    let id = pair.record(MASTER).id;
    assert_eq!((pair.nodes[MASTER].open_conflicts().unwrap(), pair.task(MASTER, 1)), (1, (2, 8)));
    let resolve =
        |pair: &mut Pair, choice: &Choice, confirmed| pair.nodes[MASTER].resolve(id, choice, confirmed).unwrap();

    // To leave ours as it is, is a decision too: nothing is filed, and the record is not open any more.
    let number = pair.nodes[MASTER].number().unwrap();
    let Resolution::Filed { record, changes } = resolve(&mut pair, &Choice::Ours, false) else { panic!("asked") };
    assert_eq!((record.state, record.again.len(), changes.as_str()), (RecordState::Decided, 1, ""));
    assert_eq!((pair.nodes[MASTER].number().unwrap(), pair.nodes[MASTER].open_conflicts().unwrap()), (number, 0));
    assert_eq!((record.chosen, record.rule.as_str()), (Chosen::Ours, "ask"), "what was chosen first is kept");
    assert_eq!(record.again[0].number, None, "no commit filed it");

    // The other side's.
    let Resolution::Filed { record, changes } = resolve(&mut pair, &Choice::Theirs, false) else { panic!("asked") };
    assert_eq!((changes.as_str(), pair.task(MASTER, 1)), ("low 2 → 3, high 8 → 7", (3, 7)));
    assert_eq!(record.again[1].number, Some(number + 1), "the commit that filed it");
    assert_eq!(pair.nodes[MASTER].moved_on(&record).unwrap(), "");
    // To say it once more is no new decision.
    let Resolution::Filed { record: same, .. } = resolve(&mut pair, &Choice::Theirs, false) else { panic!("asked") };
    assert_eq!((same.again.len(), pair.nodes[MASTER].number().unwrap()), (2, number + 1));

    // Somebody changes one property. The decision for ours would change both: it is shown, and asked.
    pair.write(MASTER, "UPDATE tasks SET high = 6 WHERE id = 1");
    assert_eq!(pair.nodes[MASTER].moved_on(&record).unwrap(), "high 7 → 6");
    let Resolution::MovedOn { moved_on, changes } = resolve(&mut pair, &Choice::Ours, false) else { panic!("filed") };
    assert_eq!((moved_on.as_str(), changes.as_str()), ("high 7 → 6", "low 3 → 2, high 6 → 8"));
    assert_eq!(pair.task(MASTER, 1), (3, 6), "nothing was done");
    // What does not differ from the record is left alone: the 6 stays.
    let low = Choice::Set(vec![("low".into(), Value::Integer(5))]);
    let Resolution::Filed { record, .. } = resolve(&mut pair, &low, true) else { panic!("asked again") };
    assert_eq!((pair.task(MASTER, 1), record.standing().0), ((5, 6), Chosen::Merged));
    assert_eq!((&record.standing().1["low"], &record.standing().1["high"]), (&json!(5), &json!(6)));
    assert_eq!(pair.nodes[MASTER].moved_on(&record).unwrap(), "");

    // Values that the table refuses, properties that there are not, references to nobody.
    let before = dump(&pair.nodes[MASTER]);
    for (property, text, expected) in [
        ("low", "9", "low lies below high"),
        ("depth", "1", "has no property `depth`"),
        ("person", "77", "no Person 77"),
    ] {
        let value = pair.nodes[MASTER].typed("Task", property, text);
        let error = value.and_then(|v| pair.nodes[MASTER].resolve(id, &Choice::Set(vec![(property.into(), v)]), true));
        let error = error.unwrap_err();
        assert!(error.message().contains(expected) && error.message().contains("nothing was changed"), "{error}");
    }
    let error = pair.nodes[MASTER].resolve(id, &Choice::Set(vec![("low".into(), Value::Null)]), true).unwrap_err();
    let said = format!("record {id} was not decided so: tasks.low must have a value; nothing was changed");
    assert_eq!(
        (error.message(), error.what_next()),
        (&*said, "choose other values, or change what stands in the way first")
    );
    assert_same(&dump(&pair.nodes[MASTER]), &before, "refused decisions");
    assert_eq!(pair.nodes[MASTER].typed("Task", "person", "null").unwrap(), Value::Null, "to nobody");
    let person = pair.nodes[MASTER].typed("Task", "person", "2").unwrap();
    pair.nodes[MASTER].resolve(id, &Choice::Set(vec![("person".into(), person)]), false).unwrap();
    assert_eq!(pair.value::<i64>(MASTER, "SELECT person FROM tasks WHERE id = 1"), 2);
    assert_eq!(pair.nodes[MASTER].resolve(99, &Choice::Ours, false).unwrap_err().kind(), ErrorKind::Usage);

    // Every decision is kept, also by the file, and travels.
    let reopened = Node::open(pair.nodes[MASTER].path()).unwrap();
    assert_eq!(reopened.conflict(id).unwrap().again.len(), 4);
    pair.level();
    assert_eq!(pair.task(CLIENT, 1), (5, 6));
}

#[test]
fn a_record_of_a_class_that_is_switched_off_is_decided_when_it_is_on_again() {
    let mut pair = Pair::new();
    pair.conflict();
    pair.send(CLIENT, Some(Rule::Ask));
    let id = pair.record(MASTER).id;
    let switch = |pair: &mut Pair, on| pair.nodes.iter_mut().for_each(|n| drop(n.journal_class("Task", on).unwrap()));
    switch(&mut pair, false);
    let before = dump(&pair.nodes[MASTER]);
    let error = pair.nodes[MASTER].resolve(id, &Choice::Theirs, false).unwrap_err();
    assert!(error.message().contains("Task is not synchronized") && error.what_next().contains("journal"), "{error}");
    assert_same(&dump(&pair.nodes[MASTER]), &before, "a decision that was refused");
    switch(&mut pair, true);
    pair.nodes[MASTER].resolve(id, &Choice::Theirs, false).unwrap();
    pair.level();
    assert_eq!(pair.task(CLIENT, 1), (3, 7));
}

#[test]
fn a_deletion_that_won_can_be_undone_by_deciding_again_and_the_other_way_round() {
    let mut pair = Pair::new();
    pair.write(MASTER, "DELETE FROM tasks WHERE id = 1");
    pair.write(CLIENT, "UPDATE tasks SET low = 3 WHERE id = 1");
    pair.send(CLIENT, Some(Rule::KeepOurs));
    let record = pair.record(MASTER);
    assert_eq!((record.kind, &record.result), (ConflictKind::DeletedChanged, &json!(null)));
    let set = Choice::Set(vec![("low".into(), Value::Integer(4))]);
    let error = pair.nodes[MASTER].resolve(record.id, &set, false).unwrap_err();
    assert!(error.message().contains("deleted, so it has no properties"), "{error}");
    let guid: Guid = record.guid.parse().unwrap();
    for (choice, count) in [(Choice::Theirs, 1), (Choice::Ours, 0), (Choice::Theirs, 1)] {
        let done = pair.nodes[MASTER].resolve(record.id, &choice, false).unwrap();
        assert!(matches!(done, Resolution::Filed { .. }), "{done:?}");
        assert_eq!(pair.value::<i64>(MASTER, "SELECT count(*) FROM tasks WHERE id = 1"), count);
    }
    let class = pair.nodes[MASTER].class("Task").unwrap().clone();
    assert_eq!(pair.nodes[MASTER].guid_of(&class, 1).unwrap(), Some(guid), "the same object");
    // Somebody brings it back against a decision: to confirm that one again changes nothing, for it says nothing new.
    pair.nodes[MASTER].resolve(record.id, &Choice::Ours, false).unwrap();
    let values = [Value::Null, Value::Integer(3), Value::Integer(9)];
    pair.nodes[MASTER].edit(|edit| edit.insert_as("Task", guid, &values)).unwrap();
    pair.nodes[MASTER].resolve(record.id, &Choice::Ours, true).unwrap();
    assert_eq!(pair.nodes[MASTER].guid_of(&class, 1).unwrap(), Some(guid), "it is left as it is");
    pair.level();
    assert_eq!(pair.task(CLIENT, 1), (3, 9));
}

#[test]
fn open_records_stand_first() {
    let mut pair = Pair::new();
    pair.conflict();
    pair.send(CLIENT, Some(Rule::Ask));
    pair.level();
    pair.write(MASTER, "UPDATE tasks SET low = 5 WHERE id = 2");
    pair.write(CLIENT, "UPDATE tasks SET low = 6 WHERE id = 2");
    pair.send(CLIENT, Some(Rule::ClientWins));
    let records = pair.nodes[MASTER].conflicts(10).unwrap();
    assert_eq!(
        records.iter().map(|r| (r.id, r.state)).collect::<Vec<_>>(),
        [(1, RecordState::Open), (2, RecordState::Decided)]
    );
    assert_eq!(pair.nodes[MASTER].conflicts(1).unwrap()[0].id, 1);
    assert_eq!((pair.nodes[MASTER].conflict_count().unwrap(), pair.nodes[MASTER].open_conflicts().unwrap()), (2, 1));
}
