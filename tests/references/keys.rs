//! Keys that are references: one-to-one tables, chains of them, and keys of several columns.

use objsync::sync::*;

use crate::common::pair::{Pair, whole};
use crate::common::{assert_same, dump};
use crate::{pilots, whose};

const TWO: &str = "INSERT INTO person VALUES (1, 'Ada'), (2, 'Eve'); INSERT INTO pilot VALUES (1, 'A1'), (2, 'E1');
    INSERT INTO wing VALUES ('A1', 1); INSERT INTO log VALUES (1, 1, 'a'), (2, 2, 'e');
    INSERT INTO rating VALUES (1, 'kite', 10); INSERT INTO exam VALUES (1, 1, 'kite', 5)";

#[test]
fn all_that_hangs_on_a_key_follows_when_its_parent_gets_another_number() {
    let mut pair = pilots("");
    pair.sql(0, "INSERT INTO person VALUES (1, 'Ada'), (2, 'Abe'); INSERT INTO pilot VALUES (1, 'A1')");
    pair.sql(
        1,
        "INSERT INTO person VALUES (1, 'Ben'), (2, 'Bea'); INSERT INTO pilot VALUES (1, 'B1'), (2, 'B2'); INSERT INTO wing VALUES ('B2', 2);
         INSERT INTO log VALUES (1, 2, 'b'); INSERT INTO rating VALUES (2, 'kite', 20); INSERT INTO exam VALUES (7, 2, 'kite', 3)",
    );
    let report = pair.send(1);
    let line = report.objects.iter().find(|o| o.class == "pilot" && o.source_number == Some(2)).unwrap();
    assert_eq!((line.number, &*line.reason), (Some(4), "inserted as pilot 4, the number of its person here"));
    pair.level();
    let all = [
        "exam 3 is of 20",
        "log b is of B2",
        "pilot A1 is Ada",
        "pilot B1 is Ben",
        "pilot B2 is Bea",
        "rating 20 is of B2",
        "wing B2 is of B2",
    ];
    assert_eq!((whose(&pair, 0), whose(&pair, 1)), (all.map(String::from).to_vec(), all.map(String::from).to_vec()));
}

#[test]
fn a_key_that_is_given_to_another_row_travels_and_takes_along_what_hangs_on_it() {
    let mut pair = pilots(TWO);
    pair.sql(0, "INSERT INTO person VALUES (3, 'Cleo')");
    pair.sql(1, "INSERT INTO person VALUES (3, 'Dan'); UPDATE pilot SET id = 3 WHERE id = 1");
    pair.level();
    for node in [0, 1] {
        let all = [
            "exam 5 is of 10",
            "log a is of A1",
            "log e is of E1",
            "pilot A1 is Dan",
            "pilot E1 is Eve",
            "rating 10 is of A1",
            "wing A1 is of A1",
        ];
        assert_eq!(whose(&pair, node), all, "at {node}");
    }
    // What the numbers meant is known still.
    let pilot = pair.nodes[0].class("pilot").unwrap().clone();
    let guid = pair.nodes[0].guid_of(&pilot, 4).unwrap().unwrap();
    let history = pair.nodes[0].history("pilot", guid).unwrap();
    let person = |entry: &HistoryEntry| entry.filed.state.content.as_ref().unwrap()[0].clone();
    let ada = pair.nodes[0].guid_of(pair.nodes[0].class("person").unwrap(), 1).unwrap().unwrap();
    assert_eq!(history.iter().map(|e| e.filed.key).collect::<Vec<_>>(), [Some(4), Some(1)]);
    assert_eq!(person(&history[1]), Value::Reference(ada));
    let before = pair.nodes[0].number().unwrap() - 1;
    let moment = pair.nodes[0].moment("wing", before, 10).unwrap();
    assert_eq!(moment.objects[0].values[1], Value::Reference(guid), "the wing was of the same pilot then");
}

#[test]
fn a_parent_that_is_renumbered_by_its_program_is_no_change_of_those_that_follow() {
    let mut pair = pilots(TWO);
    let before = whose(&pair, 0);
    pair.sql(1, "PRAGMA foreign_keys = ON; UPDATE person SET id = 90 WHERE id = 1");
    pair.level();
    assert_eq!((whose(&pair, 0), whose(&pair, 1)), (before.clone(), before));
    assert_eq!(pair.text(0, "SELECT id FROM wing"), "Integer(1)", "numbers are each node's own");
    assert_eq!(pair.text(1, "SELECT id FROM wing"), "Integer(90)");
    // And what is changed there afterwards comes to the right row.
    pair.sql(1, "UPDATE pilot SET licence = 'A2' WHERE id = 90; INSERT INTO log VALUES (9, 90, 'new')");
    pair.level();
    assert_eq!(
        pair.text(0, "SELECT licence FROM pilot WHERE id = 1"),
        pair.text(1, "SELECT licence FROM pilot WHERE id = 90")
    );
    assert_eq!(pair.text(0, "SELECT pilot FROM log WHERE text = 'new'"), "Integer(1)");
}

#[test]
fn keys_that_are_references_change_places() {
    let mut pair = pilots(TWO);
    pair.nodes[1]
        .edit(|edit| {
            Ok(edit.connection().execute_batch(
                "INSERT INTO person VALUES (50, 'nobody'); UPDATE pilot SET id = 50 WHERE id = 1; UPDATE pilot SET id = 1 WHERE id = 2;
                 UPDATE pilot SET id = 2 WHERE id = 50; DELETE FROM person WHERE id = 50",
            )?)
        })
        .unwrap();
    pair.level();
    let all = [
        "exam 5 is of 10",
        "log a is of A1",
        "log e is of E1",
        "pilot A1 is Eve",
        "pilot E1 is Ada",
        "rating 10 is of A1",
        "wing A1 is of A1",
    ];
    assert_eq!(whose(&pair, 0), all);
    assert_eq!(whose(&pair, 1), all);
}

#[test]
fn two_rows_for_one_parent_clash_and_the_second_waits_with_the_reason() {
    let mut pair = pilots("INSERT INTO person VALUES (1, 'Ada'), (2, 'Eve'), (3, 'Dan')");
    pair.sql(0, "INSERT INTO pilot VALUES (1, 'of workshop')");
    pair.sql(1, "INSERT INTO pilot VALUES (1, 'of van'); INSERT INTO pilot VALUES (2, 'other')");
    let report = pair.send(1);
    assert_eq!((report.inserted, report.requeued), (1, 1), "{:?}", report.objects);
    let waiting = pair.nodes[0].requeue().unwrap();
    assert_eq!(waiting[0].cause, Cause::Unique);
    assert!(
        waiting[0].reason.contains("its id 1 must be unique, and pilot 1 at WORKSHOP has it"),
        "{}",
        waiting[0].reason
    );
    // An update comes to clash, too.
    pair.sql(1, "UPDATE pilot SET id = 3 WHERE id = 1");
    pair.level();
    assert_eq!(whose(&pair, 0), ["pilot of van is Dan", "pilot of workshop is Ada", "pilot other is Eve"]);
    pair.sql(0, "UPDATE pilot SET id = 9 WHERE id = 9; INSERT INTO person VALUES (8, 'Flo'); UPDATE pilot SET id = 8 WHERE licence = 'of van'");
    pair.sql(1, "UPDATE pilot SET licence = 'mine' WHERE licence = 'other'");
    pair.level();
    assert_eq!(whose(&pair, 1), ["pilot mine is Eve", "pilot of van is Flo", "pilot of workshop is Ada"]);
}

#[test]
fn an_applied_move_of_a_key_is_taken_back_and_reverted() {
    let mut pair = pilots(TWO);
    pair.level();
    let before = (dump(&pair.nodes[0]), whose(&pair, 0));
    pair.sql(1, "INSERT INTO person VALUES (3, 'Dan'); UPDATE pilot SET id = 3 WHERE id = 1; UPDATE pilot SET id = 1 WHERE id = 2; INSERT INTO log VALUES (7, 3, 'n')");
    let report = pair.send(1);
    assert_eq!(report.requeued, 0);
    let moved = whose(&pair, 0);
    assert_ne!(moved, before.1);
    let set = |node: &Node| node.set_records(100).unwrap().into_iter().find(|s| !s.sent).unwrap();
    let record = set(&pair.nodes[0]);
    pair.nodes[0].take_back(record.seq).unwrap();
    whole(&pair.nodes[0]);
    let after = (dump(&pair.nodes[0]), whose(&pair, 0));
    assert_eq!(after.1, before.1);
    for table in crate::TABLES {
        let of = |tables: &std::collections::BTreeMap<String, Vec<String>>| {
            [(table.to_owned(), tables[table].clone())].into()
        };
        assert_same(&of(&after.0), &of(&before.0), table);
    }
    // Applied again, and reverted by a new change that travels.
    let again = pair.nodes[0].apply(&record.file, ApplyOptions::default()).unwrap();
    assert_eq!(again.requeued, 0);
    assert_eq!(whose(&pair, 0), moved);
    let record = set(&pair.nodes[0]);
    pair.nodes[0].revert(record.seq).unwrap();
    assert_eq!(whose(&pair, 0), before.1);
    pair.level();
    assert_eq!(whose(&pair, 1), before.1);
}

#[test]
fn a_conflict_about_a_key_is_decided_again_by_the_number_of_a_parent() {
    let mut pair =
        pilots("INSERT INTO person VALUES (1, 'Ada'), (2, 'Eve'), (3, 'Dan'); INSERT INTO pilot VALUES (1, 'X')");
    pair.sql(0, "UPDATE pilot SET id = 2 WHERE id = 1");
    pair.sql(1, "UPDATE pilot SET id = 3 WHERE id = 1");
    let report = pair.send(1);
    assert_eq!(report.conflicts, 1);
    assert_eq!(whose(&pair, 0), ["pilot X is Dan"], "the client's wins");
    let record = report.objects.iter().find_map(|o| o.conflict).unwrap();
    let typed = pair.nodes[0].typed("pilot", "id", "1").unwrap();
    pair.nodes[0].resolve(record, &Choice::Set(vec![("id".into(), typed)]), false).unwrap();
    assert_eq!(whose(&pair, 0), ["pilot X is Ada"]);
    pair.level();
    assert_eq!(whose(&pair, 1), ["pilot X is Ada"]);
}

#[test]
fn a_row_whose_parent_is_unknown_waits_for_it() {
    let mut pair = pilots("");
    pair.sql(1, "PRAGMA foreign_keys = OFF; INSERT INTO pilot VALUES (7, 'lost')");
    let report = pair.send(1);
    assert_eq!(report.requeued, 1);
    let reason = pair.nodes[0].requeue().unwrap()[0].reason.clone();
    assert!(reason.contains("its id (7) named no person at the sender either"), "{reason}");
    pair.sql(0, "INSERT INTO person VALUES (7, 'another')");
    pair.nodes[0].retry(ApplyOptions::default()).unwrap();
    assert!(whose(&pair, 0).is_empty(), "it is not attached to another row");
    pair.sql(1, "INSERT INTO person VALUES (7, 'its own'); UPDATE pilot SET licence = 'found' WHERE id = 7");
    pair.level();
    assert_eq!(whose(&pair, 0), ["pilot found is its own"]);
}

#[test]
fn keys_that_refer_to_each_other_in_a_circle_still_hang_together() {
    let sql = "CREATE TABLE a (id INTEGER PRIMARY KEY REFERENCES b (id) DEFERRABLE INITIALLY DEFERRED, text TEXT);
               CREATE TABLE b (id INTEGER PRIMARY KEY REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED, text TEXT);
               CREATE TABLE c (id INTEGER PRIMARY KEY REFERENCES c (id), text TEXT);";
    let mut pair = Pair::new(sql, &["a", "b", "c"]);
    for node in [0, 1] {
        pair.sql(
            node,
            &format!("BEGIN; INSERT INTO a VALUES (1, 'of {node}'); INSERT INTO b VALUES (1, 'of {node}'); INSERT INTO c VALUES (1, 'of {node}'); COMMIT"),
        );
    }
    pair.level();
    for node in [0, 1] {
        let rows = pair.text(node, "SELECT count(*) FROM a JOIN b USING (id, text)");
        assert_eq!((rows, pair.text(node, "SELECT count(*) FROM c")), ("Integer(2)".into(), "Integer(2)".into()));
    }
}

#[test]
fn a_column_that_names_part_of_a_key_follows_also_where_its_target_has_a_number_of_its_own() {
    let sql = "CREATE TABLE org (id INTEGER PRIMARY KEY, name TEXT);
               CREATE TABLE team (id INTEGER PRIMARY KEY, org INT REFERENCES org (id), name TEXT, UNIQUE (id, org));
               CREATE TABLE task (id INTEGER PRIMARY KEY, team INT, org INT, name TEXT, FOREIGN KEY (team, org) REFERENCES team (id, org));
               CREATE TABLE note (id INTEGER PRIMARY KEY, org INT REFERENCES flag (org), name TEXT);
               CREATE TABLE flag (id INTEGER PRIMARY KEY, org INT UNIQUE REFERENCES org (id), name TEXT);";
    let mut pair = Pair::new(sql, &["org", "team", "task", "note", "flag"]);
    for (node, name) in [(0, "w"), (1, "v")] {
        pair.sql(
            node,
            &format!("INSERT INTO org VALUES (1, '{name}'); INSERT INTO team VALUES (1, 1, '{name}'); INSERT INTO task VALUES (1, 1, 1, '{name}');
                      INSERT INTO flag VALUES (1, 1, '{name}'); INSERT INTO note VALUES (1, 1, '{name}')"),
        );
    }
    pair.level();
    for node in [0, 1] {
        let right = "SELECT (SELECT count(*) FROM task t JOIN team e ON e.id = t.team JOIN org o ON o.id = t.org WHERE e.name = t.name AND o.name = t.name),
                            (SELECT count(*) FROM note n JOIN flag f USING (org, name) JOIN org o ON o.id = n.org AND o.name = n.name)";
        let conn = pair.nodes[node].connection();
        assert_eq!(conn.query_row(right, [], |r| Ok((r.get(0)?, r.get(1)?))).unwrap(), (2, 2), "at {node}");
    }
}

#[test]
fn a_key_comes_to_follow_once_its_parent_is_a_class() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("w.db");
    let sql = "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE pilot (licence TEXT, id INTEGER NOT NULL PRIMARY KEY REFERENCES person (id));
               INSERT INTO person VALUES (1, 'Ada'), (2, 'Eve'); INSERT INTO pilot VALUES ('A1', 1)";
    rusqlite::Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    let spec = |name: &str| ClassSpec { name: name.into(), table: name.into(), journaled: true };
    let info = NodeInfo { guid: NodeId::random(), name: "WORKSHOP".into(), role: Role::Master };
    let mut node = Node::create(&file, info, &[spec("pilot")]).unwrap();
    assert_eq!(node.class("pilot").unwrap().properties.len(), 1, "its number is its own");
    node.connection().execute_batch("UPDATE pilot SET licence = 'A2'").unwrap();
    node.add_classes(&[spec("person")]).unwrap();
    let mut node = Node::open(&file).unwrap();
    let pilot = node.class("pilot").unwrap().clone();
    assert_eq!(pilot.properties[1].references.as_deref(), Some("person"));
    // What was filed before is read as if it had been so.
    let guid = node.guid_of(&pilot, 1).unwrap().unwrap();
    let ada = node.guid_of(node.class("person").unwrap(), 1).unwrap().unwrap();
    for entry in node.history("pilot", guid).unwrap() {
        assert_eq!(entry.filed.state.content.unwrap()[1], Value::Reference(ada));
    }
    let van = node.fresh_copy(&dir.path().join("van.db"), "VAN", Role::Client).unwrap();
    let mut pair = Pair::of(dir, [node, van]);
    pair.sql(1, "UPDATE pilot SET id = 2 WHERE id = 1");
    pair.level();
    assert_eq!(pair.both("SELECT id FROM pilot"), "Integer(2)");
}

#[test]
fn a_node_that_takes_such_a_key_for_a_number_is_refused() {
    let mut pair = pilots("INSERT INTO person VALUES (1, 'Ada')");
    pair.sql(0, "INSERT INTO pilot VALUES (1, 'A1')");
    let file = pair.set(0);
    // As a version that knows no such keys would have written it.
    let text = std::fs::read_to_string(&file).unwrap();
    let [writer, reader] = &mut pair.nodes;
    crate::common::accept_unsigned(reader, writer);
    let old = crate::common::forge(&text, |lines| {
        let mut header: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        let place = header["classes"].as_array().unwrap().iter().position(|c| c["name"] == "pilot").unwrap();
        header["classes"][place]["properties"].as_array_mut().unwrap().remove(0);
        lines[0] = header.to_string();
        for line in &mut lines[1..] {
            let mut object: serde_json::Value = serde_json::from_str(line).unwrap();
            if object["c"] == place {
                object["p"].as_array_mut().unwrap().remove(0);
                *line = object.to_string();
            }
        }
    });
    std::fs::write(&file, old).unwrap();
    let before = dump(&pair.nodes[1]);
    let error = pair.nodes[1].apply(&file, ApplyOptions::default()).unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::Schema), "{error}");
    assert!(error.message().contains("pilot has no property id at the sender"), "{error}");
    assert_same(&dump(&pair.nodes[1]), &before, "nothing was changed");
}
