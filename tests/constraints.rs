//! What a schema does when rows arrive: conflict clauses, partial and expression indexes, unique values that change, the user's
//! triggers.

mod common;

use common::pair::Pair;
use objsync::sync::*;

#[test]
fn a_conflict_clause_of_the_table_removes_no_row_and_takes_nothing_back() {
    for clause in ["REPLACE", "IGNORE", "FAIL", "ROLLBACK"] {
        for logged in [false, true] {
            let mut sql = format!(
                "CREATE TABLE tag (id INTEGER PRIMARY KEY, name TEXT UNIQUE ON CONFLICT {clause}, note NOT NULL ON CONFLICT {clause} DEFAULT 'x');
                 CREATE TABLE other (id INTEGER PRIMARY KEY, a);
                 CREATE TABLE seen (name TEXT PRIMARY KEY ON CONFLICT REPLACE, n);
                 INSERT INTO tag VALUES (1, 'one', 'x'), (2, 'two', 'x');"
            );
            if logged {
                sql += "CREATE TRIGGER see AFTER INSERT ON tag BEGIN INSERT INTO seen VALUES (substr(new.name, 1, 1), new.id); END";
            }
            let mut pair = Pair::new(&sql, &["tag", "other"]);
            pair.sql(0, "INSERT INTO tag VALUES (10, 'red', 'of 0')");
            pair.sql(1, "INSERT INTO tag VALUES (11, 'red', 'of 1'), (12, 'rose', 'x'), (13, 'ruby', 'x')");
            pair.sql(1, "UPDATE tag SET name = 'blue' WHERE id = 1; INSERT INTO other VALUES (1, 'goes on')");
            pair.sql(0, "INSERT INTO tag VALUES (14, 'blue', 'in the way of an update')");
            let before = pair.text(0, "SELECT * FROM tag ORDER BY id");
            let report = pair.send(1);
            // The insert of red and the update to blue wait; everything else is there.
            assert_eq!((report.requeued, report.inserted), (2, 3), "{clause} {logged}: {:?}", report.objects);
            let waiting = pair.nodes[0].requeue().unwrap();
            assert!(waiting.iter().all(|w| w.cause == Cause::Unique), "{clause} {logged}: {waiting:?}");
            assert_eq!(
                pair.text(0, "SELECT note FROM tag WHERE id IN (10, 14) ORDER BY id").matches("Text").count(),
                2
            );
            if logged {
                // Its own clause stands for the log: the last of two that begin alike.
                assert_eq!(
                    pair.text(0, "SELECT n FROM seen WHERE name = 'r'"),
                    pair.text(1, "SELECT n FROM seen WHERE name = 'r'")
                );
            }
            common::pair::whole(&pair.nodes[0]);
            let seq = pair.nodes[0].set_records(1).unwrap()[0].seq;
            pair.nodes[0].take_back(seq).unwrap();
            assert_eq!(pair.text(0, "SELECT * FROM tag ORDER BY id"), before);
        }
    }
}

#[test]
fn a_trigger_that_rolls_back_makes_its_row_wait_and_nothing_else() {
    let mut pair = Pair::new("CREATE TABLE t (id INTEGER PRIMARY KEY, a)", &["t"]);
    let text = "CREATE TRIGGER no BEFORE INSERT ON t WHEN NEW.a = 'no' BEGIN SELECT RAISE(ROLLBACK, 'not here'); END";
    pair.sql(1, text);
    pair.sql(0, "INSERT INTO t VALUES (1, 'no'), (2, 'yes')");
    let report = pair.send(0);
    assert_eq!((report.requeued, report.inserted), (1, 1), "{:?}", report.objects);
    assert!(pair.nodes[1].requeue().unwrap()[0].reason.contains("not here"));
    let stands: String = pair.nodes[1]
        .connection()
        .query_row("SELECT sql FROM sqlite_master WHERE name = 'no'", [], |r| r.get(0))
        .unwrap();
    assert_eq!(stands, text, "as its owner wrote it");
}

#[test]
fn a_row_outside_a_partial_index_is_in_nobodys_way() {
    let mut pair = Pair::new(
        "CREATE TABLE bed (id INTEGER PRIMARY KEY, ward, taken);
         CREATE UNIQUE INDEX one_taken ON bed (ward) WHERE taken = 1;
         INSERT INTO bed VALUES (1, 28, 1), (2, 30, 0), (3, 31, 1)",
        &["bed"],
    );
    pair.sql(0, "UPDATE bed SET ward = 30 WHERE id = 1; UPDATE OR REPLACE bed SET id = 4, ward = 31 WHERE id = 2");
    pair.send(0);
    let beds = "SELECT group_concat(ward || '/' || taken) FROM (SELECT * FROM bed ORDER BY ward, taken)";
    assert_eq!(pair.both(beds), pair.text(0, "SELECT '30/1,31/0,31/1'"));
    // Its condition alone brings it in: the row that is there goes, and that travels.
    pair.sql(0, "UPDATE OR REPLACE bed SET taken = 1 WHERE id = 4");
    pair.send(0);
    assert_eq!(pair.both(beds), pair.text(0, "SELECT '30/1,31/1'"));
    pair.level();
}

#[test]
fn replace_through_an_expression_a_generated_column_or_a_default_is_journaled() {
    let mut pair = Pair::new(
        "CREATE TABLE p (id INTEGER PRIMARY KEY, x TEXT, g AS (upper(x)), n INT NOT NULL ON CONFLICT REPLACE DEFAULT 7, y);
         CREATE UNIQUE INDEX pe ON p (lower(x) DESC) WHERE \"y\" IS NULL;
         CREATE UNIQUE INDEX pg ON p (g, y);
         CREATE UNIQUE INDEX pn ON p (n) WHERE y = 'n';
         INSERT INTO p (x, n, y) VALUES ('A', 1, NULL), ('B', 2, NULL), ('c', 3, 3), ('d', 7, 'n')",
        &["p"],
    );
    pair.sql(0, "INSERT OR REPLACE INTO p (id, x, n) VALUES (10, 'b', 1)");
    pair.sql(0, "INSERT OR REPLACE INTO p (id, x, n, y) VALUES (11, 'C', 1, 3)");
    pair.sql(0, "INSERT OR REPLACE INTO p (id, x, n, y) VALUES (12, 'e', NULL, 'n')");
    pair.sql(0, "UPDATE OR REPLACE p SET x = 'B' WHERE id = 1; INSERT INTO p (id, x, n) VALUES (2, 'again', 1)");
    pair.send(0);
    assert_eq!(
        pair.both("SELECT group_concat(id) FROM (SELECT id FROM p ORDER BY id)"),
        pair.text(0, "SELECT '1,2,11,12'")
    );
    pair.level();
}

/// A log of what happened to a table, as its author has it.
const LOG: &str = "CREATE TABLE log (what);
    CREATE TRIGGER li AFTER INSERT ON t BEGIN INSERT INTO log VALUES ('insert ' || new.u); END;
    CREATE TRIGGER ld AFTER DELETE ON t BEGIN INSERT INTO log VALUES ('delete ' || old.u); END;
    CREATE TRIGGER lu AFTER UPDATE OF u ON t BEGIN INSERT INTO log VALUES (old.u || ' to ' || new.u); END;";

fn log(pair: &Pair, node: usize) -> Vec<String> {
    let conn = pair.nodes[node].connection();
    let mut statement = conn.prepare("SELECT what FROM log ORDER BY what").unwrap();
    statement.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn an_update_of_what_is_unique_is_an_update_for_triggers_also_where_values_change_places() {
    for table in [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, u INT NOT NULL UNIQUE CHECK (u BETWEEN -9 AND 99), a)",
        "CREATE TABLE t (id INT, u INT PRIMARY KEY, a) WITHOUT ROWID",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT, a); CREATE UNIQUE INDEX tu ON t (abs(u))",
    ] {
        let sql = format!(
            "{table}; {LOG} INSERT INTO t VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c'), (4, 4, 'd'); DELETE FROM log"
        );
        let mut pair = Pair::new(&sql, &["t"]);
        // A swap, a rotation's part, a value that is freed and taken by a new row; and a change that the log does not see.
        pair.nodes[0]
            .edit(|edit| {
                Ok(edit.connection().execute_batch(
                    "UPDATE t SET u = 9 WHERE id = 1; UPDATE t SET u = 1 WHERE id = 2; UPDATE t SET u = 2 WHERE id = 1;
                     UPDATE t SET u = 5 WHERE id = 3; INSERT INTO t VALUES (7, 3, 'new'); UPDATE t SET a = 'x' WHERE id = 4",
                )?)
            })
            .unwrap();
        let report = pair.send(0);
        assert_eq!((report.updated, report.inserted, report.requeued), (4, 1, 0), "{table}: {:?}", report.objects);
        assert_eq!(log(&pair, 1), ["1 to 2", "2 to 1", "3 to 5", "insert 3"], "{table}");
        pair.both("SELECT id || u || a FROM t ORDER BY id");
        pair.sql(1, "DELETE FROM log");
        let seq = pair.nodes[1].set_records(1).unwrap()[0].seq;
        pair.nodes[1].take_back(seq).unwrap();
        assert_eq!(log(&pair, 1), ["1 to 2", "2 to 1", "5 to 3", "delete 3"], "{table}: taken back");
        common::pair::whole(&pair.nodes[1]);
        let file = pair.dir.path().join("1.syncset");
        pair.nodes[1].apply(&file, ApplyOptions::default()).unwrap();
        pair.sql(1, "DELETE FROM log");
        let seq = pair.nodes[1].set_records(1).unwrap()[0].seq;
        pair.nodes[1].revert(seq).unwrap();
        assert_eq!(log(&pair, 1), ["1 to 2", "2 to 1", "5 to 3", "delete 3"], "{table}: reverted");
        pair.level();
    }
}

#[test]
fn a_long_shift_of_unique_values_arrives() {
    let sql = format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, u INT UNIQUE); {LOG}
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO t SELECT i, i FROM n; DELETE FROM log"
    );
    let mut pair = Pair::new(&sql, &["t"]);
    // Each takes the place of the next, the last that of the first.
    pair.nodes[0]
        .edit(|edit| {
            Ok(edit
                .connection()
                .execute_batch("UPDATE t SET u = -u; UPDATE t SET u = 1 - u; UPDATE t SET u = 1 WHERE id = 1000")?)
        })
        .unwrap();
    pair.sql(1, "DELETE FROM log");
    let report = pair.send(0);
    assert_eq!((report.updated, report.requeued), (1000, 0));
    assert_eq!(pair.both("SELECT sum(u = id + 1) FROM t"), "Integer(999)");
    assert_eq!(log(&pair, 1).len(), 1000);
    assert!(log(&pair, 1).contains(&"1000 to 1".to_owned()) && log(&pair, 1).contains(&"1 to 2".to_owned()));
    pair.level();
}

#[test]
fn what_waits_stops_no_swap() {
    let mut pair = Pair::new(
        "CREATE TABLE list (id INTEGER PRIMARY KEY, pos INT UNIQUE);
         INSERT INTO list VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 7)",
        &["list"],
    );
    // 6 waits for good: 20 is taken there; so does 7, which needs what 6 has.
    pair.sql(1, "INSERT INTO list VALUES (30, 20)");
    pair.sql(0, "UPDATE list SET pos = 20 WHERE id = 6; UPDATE list SET pos = 6 WHERE id = 7");
    assert_eq!(pair.send(0).requeued, 2);
    // A swap and a rotation, each row a transaction of its own.
    pair.sql(0, "UPDATE list SET pos = -1 WHERE id = 1; UPDATE list SET pos = 1 WHERE id = 2; UPDATE list SET pos = 2 WHERE id = 1");
    pair.sql(0, "UPDATE list SET pos = -1 WHERE id = 3; UPDATE list SET pos = 3 WHERE id = 5; UPDATE list SET pos = 5 WHERE id = 4; UPDATE list SET pos = 4 WHERE id = 3");
    let report = pair.send(0);
    assert_eq!((report.updated, report.requeued), (5, 0), "{:?}", report.objects);
    assert_eq!(pair.nodes[1].requeue().unwrap().len(), 2);
    assert_eq!(
        pair.text(1, "SELECT id FROM list WHERE pos < 6 ORDER BY pos"),
        pair.text(0, "SELECT id FROM list WHERE pos < 6 ORDER BY pos")
    );
}

#[test]
fn a_trigger_that_writes_an_index_and_its_row_runs_and_leaves_the_row_to_the_set() {
    let mut pair = Pair::new(
        "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT, at);
         CREATE TABLE shelf (id INTEGER PRIMARY KEY, notes INT); INSERT INTO shelf VALUES (1, 0);
         CREATE TABLE log (what);
         CREATE VIRTUAL TABLE words USING fts5(body, content = 'note', content_rowid = 'id');
         CREATE TRIGGER only AFTER INSERT ON note BEGIN UPDATE shelf SET notes = notes + 1; END;
         CREATE TRIGGER shelved AFTER UPDATE ON shelf BEGIN INSERT INTO log VALUES (new.notes); END;
         CREATE TRIGGER ni AFTER INSERT ON note BEGIN INSERT INTO words (rowid, body) VALUES (new.id, new.body); END;
         CREATE TRIGGER nd AFTER DELETE ON note BEGIN
            INSERT INTO words (words, rowid, body) VALUES ('delete', old.id, old.body); UPDATE shelf SET notes = notes - 1; END;
         CREATE TRIGGER nu AFTER UPDATE OF body ON note BEGIN
            INSERT INTO words (words, rowid, body) VALUES ('delete', old.id, old.body);
            INSERT INTO words (rowid, body) VALUES (new.id, new.body);
            UPDATE note SET at = random() WHERE id = new.id; INSERT INTO log VALUES ('after'); END;
         INSERT INTO note (body) VALUES ('hello'), ('gone')",
        &["note", "shelf"],
    );
    let triggers =
        "SELECT name || sql FROM sqlite_master WHERE type = 'trigger' AND name NOT GLOB 'objsync_*' ORDER BY rowid";
    let as_made = pair.text(1, triggers);
    pair.sql(0, "UPDATE note SET body = 'changed' WHERE id = 1; DELETE FROM note WHERE id = 2");
    for i in 0..300 {
        pair.sql(0, &format!("INSERT INTO note (body) VALUES ('fresh n{i}')"));
    }
    pair.sql(1, "DELETE FROM log");
    pair.send(0);
    let index = |pair: &Pair, word: &str| pair.both(&format!("SELECT count(*) FROM words WHERE words MATCH '{word}'"));
    for (word, found) in [("changed", 1), ("fresh", 300), ("n7", 1), ("hello", 0), ("gone", 0)] {
        assert_eq!(index(&pair, word), format!("Integer({found})"), "{word}");
    }
    pair.sql(1, "INSERT INTO words (words, rank) VALUES ('integrity-check', 1)");
    // The row is its author's, stamp included; the shelf was counted where that was done, and logged here once.
    pair.both("SELECT at FROM note ORDER BY id");
    assert_eq!(pair.both("SELECT notes FROM shelf"), "Integer(301)");
    assert_eq!(pair.text(1, "SELECT count(*) FROM log"), "Integer(2)", "one change of the shelf, one of a body");
    assert_eq!(pair.text(1, triggers), as_made, "in the order in which they were made");
    // Undone here, the index follows.
    let seq = pair.nodes[1].set_records(1).unwrap()[0].seq;
    pair.nodes[1].take_back(seq).unwrap();
    pair.sql(1, "INSERT INTO words (words, rank) VALUES ('integrity-check', 1)");
    assert_eq!(pair.text(1, "SELECT count(*) FROM words WHERE words MATCH 'hello OR gone'"), "Integer(2)");
    common::pair::whole(&pair.nodes[1]);
}

#[test]
fn a_view_that_a_trigger_writes_to_stays_writable() {
    let mut pair = Pair::new(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, x); CREATE TABLE b (id INTEGER PRIMARY KEY, x); CREATE TABLE log (x);
         CREATE VIEW both AS SELECT x FROM b;
         CREATE TRIGGER into_b INSTEAD OF INSERT ON both BEGIN INSERT INTO b (x) VALUES (new.x); END;
         CREATE TRIGGER through AFTER INSERT ON a BEGIN INSERT INTO both VALUES (new.x); INSERT INTO log VALUES (new.x); END",
        &["a", "b"],
    );
    pair.sql(0, "INSERT INTO a VALUES (1, 'x')");
    let report = pair.send(0);
    assert_eq!((report.inserted, report.requeued), (2, 0), "{:?}", report.objects);
    assert_eq!(pair.both("SELECT count(*) FROM b"), "Integer(1)");
    assert_eq!(pair.both("SELECT count(*) FROM log"), "Integer(1)");
    pair.level();
}

#[test]
fn a_key_that_others_follow_is_put_back_with_them_or_not_at_all() {
    let sql = "CREATE TABLE town (code TEXT PRIMARY KEY); CREATE TABLE road (id INTEGER PRIMARY KEY, town TEXT REFERENCES town (code) ON UPDATE CASCADE);
               INSERT INTO town VALUES ('old'); INSERT INTO road VALUES (1, 'old')";
    let mut pair = Pair::new(sql, &["town", "road"]);
    pair.nodes[0].edit(|edit| Ok(edit.connection().execute_batch("UPDATE town SET code = 'new'")?)).unwrap();
    let number = pair.nodes[0].number().unwrap();
    pair.nodes[0].undo(number, number).unwrap();
    pair.level();
    assert_eq!(pair.both("SELECT town FROM road"), pair.text(0, "SELECT 'old'"));
    pair.nodes[0].undo(number + 1, number + 1).unwrap();
    pair.sql(0, "INSERT INTO road VALUES (2, 'new')");
    let last = number + 2;
    let error = pair.nodes[0].undo(last, last).unwrap_err();
    assert!(error.message().contains("road 2"), "{error}");
    pair.level();
    assert_eq!(pair.both("SELECT count(*) FROM road WHERE town = 'new'"), "Integer(2)");
}
