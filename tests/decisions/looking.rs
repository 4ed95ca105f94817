//! The history of an object, and what the old states in it name.

use objsync::sync::*;

use crate::pair::{CLIENT, MASTER, Pair, last_set};

#[test]
fn the_history_of_an_object_says_what_who_when_and_through_which_set() {
    let mut pair = Pair::new();
    pair.write(CLIENT, "UPDATE tasks SET low = 2 WHERE id = 1");
    pair.send(CLIENT, None); // set 1000
    pair.conflict();
    pair.send(CLIENT, None); // set 1001
    pair.write(MASTER, "DELETE FROM tasks WHERE id = 1");
    let guid: Guid = pair.record(MASTER).guid.parse().unwrap();
    let told: Vec<(String, String, String)> = pair.nodes[MASTER]
        .history("Task", guid)
        .unwrap()
        .iter()
        .map(|e| (e.changes.clone(), pair.nodes[MASTER].name_of(e.filed.state.stamp.author), e.through.words()))
        .collect();
    let line = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(
        told,
        [
            line("deleted", "MASTER", "made here"),
            line("low 2 → 3, high 8 → 7", "CLIENT", "decided here (record 1), applying set 1001 from CLIENT"),
            line("high 9 → 8", "MASTER", "made here"),
            line("low 1 → 2", "CLIENT", "set 1000 from CLIENT"),
            line("made", "MASTER", "made here"),
        ]
    );
    // The journal tells the same, event by event, and finds the deleted one by its number.
    let class = pair.nodes[MASTER].class("Task").unwrap().clone();
    assert_eq!(pair.nodes[MASTER].guid_by_number(&class, 1).unwrap(), Some(guid));
    let query = JournalQuery { object: Some(guid), ..JournalQuery::default() };
    let events = pair.nodes[MASTER].journal(&query).unwrap();
    assert_eq!(
        events.iter().map(|e| e.kind).collect::<Vec<_>>(),
        [EventKind::Delete, EventKind::Update, EventKind::Update, EventKind::Update, EventKind::Insert]
    );
    for pair in events.windows(2) {
        assert_eq!(pair[0].before, pair[1].after, "one leads to the next");
    }
    let middle = JournalQuery { after: events[3].number - 1, upto: events[2].number, limit: 10, object: None };
    let some = pair.nodes[MASTER].journal(&middle).unwrap();
    assert_eq!(some, events[2..4], "from the middle of the journal");
}

#[test]
fn an_old_state_names_what_it_referred_to_then_whatever_has_the_number_now() {
    let mut pair = Pair::new();
    pair.write(MASTER, "UPDATE tasks SET person = NULL WHERE id = 3");
    pair.write(MASTER, "DELETE FROM people WHERE id = 2");
    pair.write(MASTER, "INSERT INTO people VALUES (2, 'c', 'Cid')");
    let before = pair.nodes[MASTER].guid_by_number(pair.nodes[MASTER].class("Person").unwrap(), 2).unwrap();
    pair.write(MASTER, "UPDATE people SET id = 20 WHERE id = 2"); // a new number
    pair.write(MASTER, "INSERT INTO people VALUES (2, 'd', 'Dan')");
    pair.write(MASTER, "UPDATE tasks SET person = 2 WHERE id = 3");
    let class = pair.nodes[MASTER].class("Task").unwrap().clone();
    let guid = pair.nodes[MASTER].guid_of(&class, 3).unwrap().unwrap();
    let people: Vec<Option<Value>> = pair.nodes[MASTER]
        .history("Task", guid)
        .unwrap()
        .into_iter()
        .map(|e| e.filed.state.content.map(|values| values[0].clone()))
        .collect();
    let person = |serial| Some(Value::Reference(Guid { node: NodeId(1), serial }));
    // Bob is the second object that was made, Cid the sixth, Dan the seventh.
    assert_eq!(before, Some(Guid { node: NodeId(1), serial: 6 }));
    assert_eq!(people, [person(7), Some(Value::Null), person(2)]);

    // A deletion comes in one transaction with the row that referred to it, and the number is given again afterwards.
    pair.level();
    pair.write(
        CLIENT,
        "UPDATE tasks SET person = NULL WHERE id = 3; DELETE FROM people WHERE code = 'd';
         UPDATE tasks SET low = 2 WHERE id = 3",
    );
    pair.send(CLIENT, None);
    pair.write(MASTER, "INSERT INTO people VALUES (2, 'e', 'Eli')");
    let referred = |pair: &mut Pair, state: usize| {
        pair.nodes[MASTER].history("Task", guid).unwrap()[state].filed.state.content.as_ref().unwrap()[0].clone()
    };
    let dan = Value::Reference(Guid { node: NodeId(1), serial: 7 });
    assert_eq!(referred(&mut pair, 1), dan);
    // The same by an edit of the engine's own: a revert brings Dan back, and another one takes him away again.
    let set = last_set(&pair);
    pair.nodes[MASTER].revert(set.seq).unwrap();
    assert_eq!(referred(&mut pair, 0), dan);
    let key: i64 = pair.value(MASTER, "SELECT id FROM people WHERE code = 'd'");
    let dan_guid = Guid { node: NodeId(1), serial: 7 };
    let wanted = |class: &str, guid, content| Wanted { class: class.into(), guid, content };
    pair.nodes[MASTER]
        .edit(|edit| {
            let task = vec![Value::Null, Value::Integer(2), Value::Integer(9)];
            edit.file(&[wanted("Person", dan_guid, None), wanted("Task", guid, Some(task))])
        })
        .unwrap();
    pair.write(MASTER, &format!("INSERT INTO people VALUES ({key}, 'g', 'Gus')"));
    assert_eq!(referred(&mut pair, 1), dan);
}
