//! Tables that nobody made for objsync: keys of any kind, STRICT, generated columns, blobs, cascades, triggers of the user's.

mod common;

use common::pair::{Pair, whole};
use common::{assert_same, dump};
use objsync::sync::syncset::{Change, SetObject};
use objsync::sync::*;

#[test]
fn every_kind_of_key_travels() {
    let mut pair = Pair::workshop();
    pair.sql(0, "INSERT INTO country VALUES ('fr', 'France'); UPDATE country SET name = 'Italia' WHERE code = 'IT'");
    pair.sql(
        0,
        "INSERT INTO stock VALUES ('east', 'OIL-5', 7); DELETE FROM stock WHERE van = 'south' AND sku = 'WIP-9'",
    );
    pair.sql(0, "UPDATE stock SET quantity = 1 WHERE van = 'north' AND sku = 'BRK-1'");
    pair.sql(0, "INSERT INTO part (sku, label, cents, photo) VALUES ('NEW-1', 'Lamp', 5, x'00')");
    pair.sql(1, "INSERT INTO job VALUES (102, 'Lamp', 1, 0); INSERT INTO job_part VALUES (102, 'WIP-9', 1)");
    let report = pair.send(0);
    assert_eq!(
        (report.inserted, report.updated, report.deleted, report.requeued),
        (3, 2, 1, 0),
        "{:?}",
        report.objects
    );
    let stock = report.objects.iter().find(|o| o.class == "stock" && o.outcome == Outcome::Updated).unwrap();
    assert_eq!((stock.name().as_str(), stock.number), ("north, BRK-1", None), "keys that are content name the object");
    assert_eq!(pair.text(1, "SELECT euros FROM part WHERE sku = 'NEW-1'"), "Real(0.05)");
    pair.level();
    pair.both("SELECT group_concat(van || sku || quantity) FROM (SELECT * FROM stock ORDER BY 1, 2)");
}

#[test]
fn a_set_says_what_was_before_and_by_what_key_a_deleted_object_was_known() {
    let mut pair = Pair::workshop();
    let sql = "SELECT quantity FROM stock WHERE van = 'north' AND sku = 'BRK-1'";
    let before: i64 = pair.nodes[0].connection().query_row(sql, [], |r| r.get(0)).unwrap();
    pair.sql(
        0,
        "UPDATE stock SET quantity = quantity + 1 WHERE van = 'north' AND sku = 'BRK-1';
         DELETE FROM stock WHERE van = 'south' AND sku = 'WIP-9'; DELETE FROM job_part WHERE job = 100; DELETE FROM job WHERE id = 100",
    );
    let set = syncset::read(&pair.set(0), syncset::Size::Usual).unwrap();
    let found = |class: &str, change: Change| {
        let of_class = |o: &&SetObject| set.header.classes[o.class].name == class && o.change == change;
        let object = set.objects.iter().find(of_class).unwrap();
        (object.name(&set.header.classes[object.class]), object.was.clone())
    };
    assert_eq!(found("stock", Change::Changed), ("north, BRK-1".to_owned(), vec![(2, Value::Integer(before))]));
    let (name, was) = found("stock", Change::Deleted);
    let places: Vec<usize> = was.iter().map(|(place, _)| *place).collect();
    assert_eq!((&*name, &places[..]), ("south, WIP-9", &[0, 1][..]), "its key and nothing else: {was:?}");
    assert_eq!(found("job", Change::Deleted), ("100".to_owned(), Vec::new()), "its number says it");
}

#[test]
fn a_key_that_is_content_changes_and_swaps_like_anything_else() {
    let mut pair = Pair::workshop();
    let key = pair.nodes[0].guid_by_key(&pair.nodes[0].class("country").unwrap().clone(), "it").unwrap().unwrap();
    // Its case only, which the key's collation does not see; then another one, with what refers to it.
    pair.sql(0, "UPDATE country SET code = 'IT' WHERE code = 'it'; UPDATE country SET code = 'GE' WHERE code = 'de'");
    let report = pair.send(0);
    assert_eq!((report.updated, report.inserted, report.deleted), (4, 0, 0), "{:?}", report.objects);
    assert_eq!(pair.both("SELECT code FROM country ORDER BY 1"), "Text([97, 116])|Text([71, 69])|Text([73, 84])");
    assert_eq!(pair.both("SELECT count(*) FROM mechanic WHERE country = 'GE'"), "Integer(2)");
    let class = pair.nodes[1].class("country").unwrap().clone();
    assert_eq!(pair.nodes[1].guid_by_key(&class, "It").unwrap(), Some(key), "the same object under its new key");
    // Two keys change places, by way of a third in one commit.
    pair.nodes[1]
        .edit(|edit| {
            Ok(edit.connection().execute_batch(
                "UPDATE stock SET van = 'aside' WHERE van = 'north' AND sku = 'BRK-1';
                 UPDATE stock SET van = 'north' WHERE van = 'south' AND sku = 'BRK-1';
                 UPDATE stock SET van = 'south' WHERE van = 'aside'",
            )?)
        })
        .unwrap();
    let report = pair.send(1);
    assert_eq!((report.updated, report.requeued), (2, 0), "{:?}", report.objects);
    assert_eq!(pair.both("SELECT quantity FROM stock WHERE sku = 'BRK-1' ORDER BY van"), "Integer(2)|Integer(8)");
    pair.level();
}

#[test]
fn replace_by_any_key_is_journaled() {
    let mut pair = Pair::workshop();
    // By the key: the same object. By another unique value: that one is deleted.
    pair.sql(0, "REPLACE INTO stock VALUES ('NORTH', 'BRK-1', 1), ('north', 'BRK-1', 9)");
    pair.sql(0, "REPLACE INTO country VALUES ('DE', 'Deutschland')");
    pair.sql(0, "DELETE FROM stock WHERE sku = 'WIP-9'; DELETE FROM job_part WHERE sku = 'WIP-9'");
    pair.sql(0, "INSERT OR REPLACE INTO part (sku, label, cents) VALUES ('WIP-10', 'Wiper', 1)");
    pair.sql(0, "UPDATE OR REPLACE stock SET van = 'north' WHERE van = 'south' AND sku = 'BRK-1'");
    let report = pair.send(0);
    assert_eq!(report.requeued, 0, "{:?}", report.objects);
    assert_eq!(report.objects.iter().filter(|o| o.class == "country").count(), 1);
    pair.level();
    assert_eq!(pair.both("SELECT quantity FROM stock WHERE van = 'north' AND sku = 'BRK-1'"), "Integer(2)");
    assert_eq!(
        pair.both("SELECT group_concat(code || name) FROM country WHERE name LIKE 'D%'"),
        "Text([68, 69, 68, 101, 117, 116, 115, 99, 104, 108, 97, 110, 100])"
    );
}

#[test]
fn the_same_key_made_on_both_sides_waits_for_people() {
    let mut pair = Pair::workshop();
    pair.sql(0, "INSERT INTO country VALUES ('ch', 'Schweiz'); INSERT INTO mechanic VALUES (8, 'Dora', 1, 'ch')");
    pair.sql(1, "INSERT INTO country VALUES ('CH', 'Switzerland')");
    let report = pair.send(0);
    // They are two objects, and only one of them can have the key; what names it by content is content with either.
    assert_eq!((report.inserted, report.requeued), (1, 1), "{:?}", report.objects);
    let waiting = &pair.nodes[1].requeue().unwrap()[0];
    assert_eq!((waiting.cause, waiting.name()), (Cause::Unique, "ch".to_owned()));
    assert!(waiting.reason.contains("country CH at VAN has it"), "{}", waiting.reason);
    pair.sql(1, "DELETE FROM mechanic WHERE name = 'nobody'");
    pair.nodes[1].edit(|e| Ok(e.connection().execute_batch("PRAGMA defer_foreign_keys = ON; DELETE FROM country WHERE name = 'Switzerland'; INSERT INTO country VALUES ('xx', 'none'); UPDATE mechanic SET country = 'xx' WHERE country = 'ch'")?)).unwrap();
    pair.level();
    assert_eq!(pair.nodes[1].requeue().unwrap().len(), 0);
}

#[test]
fn references_by_content_are_judged_in_the_end() {
    let mut pair = Pair::workshop();
    // Named before it is there, in another commit; dangling while foreign_keys is off.
    pair.sql(
        0,
        "PRAGMA foreign_keys = OFF; INSERT INTO mechanic VALUES (9, 'Eve', NULL, 'es'); PRAGMA foreign_keys = ON",
    );
    let report = pair.send(0);
    assert_eq!(report.requeued, 1);
    let waiting = &pair.nodes[1].requeue().unwrap()[0];
    assert_eq!(waiting.cause, Cause::UnknownReference);
    assert!(
        waiting.reason.contains("its country is 'es', and the table country at VAN has no such row"),
        "{}",
        waiting.reason
    );
    pair.sql(0, "INSERT INTO country VALUES ('ES', 'Spain')");
    assert_eq!(pair.send(0).inserted, 2);
    // What is still named cannot be deleted here.
    pair.sql(1, "INSERT INTO mechanic VALUES (20, 'Fay', 2, 'it')");
    pair.sql(0, "DELETE FROM country WHERE code = 'it'");
    assert_eq!(pair.send(0).requeued, 1);
    let waiting = &pair.nodes[1].requeue().unwrap()[0];
    assert_eq!(waiting.cause, Cause::StillReferredTo, "{}", waiting.reason);
    whole(&pair.nodes[1]);
    // There, the row that names it waits in turn; one of the two gives way.
    assert_eq!(pair.send(1).requeued, 1);
    pair.sql(1, "UPDATE mechanic SET country = 'de' WHERE id = 20");
    pair.level();
    assert_eq!(pair.both("SELECT count(*) FROM country WHERE code = 'it'"), "Integer(0)");
}

#[test]
fn cascades_travel_as_what_they_did() {
    let mut pair = Pair::workshop();
    pair.sql(0, "DELETE FROM job WHERE id = 100; DELETE FROM mechanic WHERE id = 3; UPDATE part SET sku = 'WIP-1' WHERE sku = 'WIP-9'");
    let report = pair.send(0);
    // A job with two parts; a mechanic and the job that is nobody's now; a part, its stock and its use.
    assert_eq!((report.deleted, report.updated, report.requeued), (4, 4, 0), "{:?}", report.objects);
    pair.level();
    assert_eq!(pair.both("SELECT mechanic FROM job WHERE id = 101"), "Null");
    assert_eq!(
        pair.both("SELECT sku FROM stock WHERE van = 'south' ORDER BY 1"),
        pair.both("SELECT sku FROM stock WHERE van = 'south' ORDER BY 1")
    );
    // A row that the sender had not seen is not swept away: the deletion waits until somebody decides.
    pair.sql(0, "DELETE FROM job WHERE id = 101");
    pair.sql(1, "INSERT INTO job_part VALUES (101, 'OIL-5', 1)");
    let report = pair.send(0);
    assert_eq!((report.deleted, report.requeued), (1, 1), "{:?}", report.objects);
    assert_eq!(pair.nodes[1].requeue().unwrap()[0].cause, Cause::StillReferredTo);
    whole(&pair.nodes[1]);
    pair.sql(1, "DELETE FROM job_part WHERE job = 101");
    pair.level();
    assert_eq!(pair.both("SELECT count(*) FROM job"), "Integer(0)");
}

#[test]
fn triggers_of_the_users_run_where_they_belong() {
    let mut pair = Pair::workshop();
    let open = "SELECT n FROM open_jobs";
    let words = "SELECT group_concat(word) FROM (SELECT word FROM part_words ORDER BY word)";
    assert_eq!(pair.both(open), "Integer(2)");
    pair.sql(0, "INSERT INTO job VALUES (200, 'a', NULL, 0), (201, 'b', NULL, 0), (202, 'c', NULL, 1)");
    pair.sql(0, "UPDATE job SET done = 1 WHERE id = 201; UPDATE part SET label = 'Wiper blade' WHERE sku = 'WIP-9'");
    pair.sql(1, "DELETE FROM job_part WHERE job = 100; DELETE FROM job WHERE id = 100");
    pair.send(0);
    pair.send(1);
    // Totals and words follow on both sides; when it was changed is what it was where that was done.
    assert_eq!(pair.both(open), "Integer(2)");
    assert!(pair.both(words).len() > 10);
    pair.both("SELECT changed_at FROM part ORDER BY sku");
    let triggers =
        "SELECT group_concat(name) FROM (SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name)";
    pair.both(triggers);
    pair.level();
    // Taken back, they follow, too.
    let before: Vec<String> = [open, words].iter().map(|sql| pair.text(1, sql)).collect();
    pair.sql(0, "INSERT INTO job VALUES (300, 'x', NULL, 0); UPDATE part SET label = 'Disc' WHERE sku = 'BRK-2'");
    pair.send(0);
    assert_ne!(pair.text(1, open), before[0]);
    let seq = pair.nodes[1].set_records(1).unwrap()[0].seq;
    pair.nodes[1].take_back(seq).unwrap();
    assert_eq!([open, words].iter().map(|sql| pair.text(1, sql)).collect::<Vec<_>>(), before);
    assert_eq!(pair.text(0, triggers), pair.text(1, triggers));
    whole(&pair.nodes[1]);
}

/// Ours are told by how their names begin, and SQLite's LIKE takes no notice of case.
#[test]
fn a_trigger_whose_name_is_nearly_ours_is_the_users() {
    let schema = "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY, of INTEGER);
                  CREATE TRIGGER Objsync_audit AFTER INSERT ON a BEGIN INSERT INTO b (of) VALUES (new.id); END";
    let mut pair = Pair::new(schema, &["a", "b"]);
    pair.sql(0, "INSERT INTO a VALUES (1)");
    pair.send(0);
    assert_eq!(pair.both("SELECT count(*) FROM b"), "Integer(1)");
    pair.level();
}

#[test]
fn a_trigger_that_refuses_makes_the_row_wait() {
    let mut pair = Pair::workshop();
    for (name, refusal) in
        [("RAISE(ABORT, 'no jobs on Sundays')", "no jobs on Sundays"), ("RAISE(IGNORE)", "leaves the row out")]
    {
        let before = dump(&pair.nodes[1]);
        pair.sql(
            1,
            &format!("CREATE TRIGGER sunday BEFORE INSERT ON job WHEN NEW.title = 'sunday' BEGIN SELECT {name}; END"),
        );
        pair.sql(0, "INSERT INTO job VALUES (400, 'sunday', NULL, 0), (401, 'monday', NULL, 0)");
        let report = pair.send(0);
        assert_eq!((report.inserted, report.requeued), (1, 1), "{:?}", report.objects);
        let waiting = &pair.nodes[1].requeue().unwrap()[0];
        assert!(waiting.reason.contains(refusal), "{}", waiting.reason);
        whole(&pair.nodes[1]);
        assert_ne!(dump(&pair.nodes[1]), before);
        pair.sql(1, "DROP TRIGGER sunday");
        assert_eq!(pair.nodes[1].retry(ApplyOptions::default()).unwrap().inserted, 1);
        pair.sql(0, "DELETE FROM job WHERE id >= 400");
        pair.level();
    }
}

#[test]
fn conflicts_are_decided_and_taken_back_on_any_key() {
    let mut pair = Pair::workshop();
    pair.sql(0, "UPDATE stock SET quantity = 100 WHERE van = 'north' AND sku = 'BRK-1'; DELETE FROM stock WHERE van = 'north' AND sku = 'OIL-5'");
    pair.sql(1, "UPDATE stock SET quantity = 50 WHERE van = 'north'");
    let before = dump(&pair.nodes[1]);
    let file = pair.set(0);
    let report = pair.nodes[1].apply(&file, ApplyOptions::default()).unwrap();
    assert_eq!(report.conflicts, 2, "{:?}", report.objects);
    let records = pair.nodes[1].conflicts(10).unwrap();
    assert!(records.iter().all(|r| r.number.is_none() && r.name().starts_with("north, ")), "{records:?}");
    let seq = pair.nodes[1].set_records(1).unwrap()[0].seq;
    pair.nodes[1].take_back(seq).unwrap();
    let (mut now, mut then) = (dump(&pair.nodes[1]), before);
    for kept in ["objsync_conflict", "objsync_set", "objsync_state", "objsync_node", "objsync_sync_time"] {
        now.remove(kept);
        then.remove(kept);
    }
    assert_same(&now, &then, "taken back");
    pair.nodes[1].apply(&file, ApplyOptions::default()).unwrap();
    let record = pair.nodes[1].conflicts(10).unwrap().into_iter().find(|r| r.name() == "north, BRK-1").unwrap();
    pair.nodes[1].resolve(record.id, &Choice::Theirs, false).unwrap();
    pair.level();
    assert_eq!(pair.both("SELECT quantity FROM stock WHERE van = 'north' ORDER BY sku"), "Integer(100)|Integer(50)");
    let report = pair.nodes[1].set_records(20).unwrap();
    let applied = report.iter().find(|s| !s.sent && s.objects > 0).unwrap();
    pair.nodes[1].revert(applied.seq).unwrap();
    pair.level();
}

#[test]
fn what_cannot_be_told_apart_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let info = || NodeInfo { guid: NodeId::random(), name: "N".into(), role: Role::Master };
    for (i, (sql, why)) in [
        ("CREATE TABLE t (a, b)", "no primary key"),
        ("CREATE VIEW t AS SELECT 1 AS a", "is a view"),
        ("CREATE VIRTUAL TABLE t USING fts5(a)", "is a virtual"),
        ("CREATE TABLE t (a TEXT PRIMARY KEY); INSERT INTO t VALUES (NULL)", "rows without a key"),
        ("CREATE TABLE other (a)", "no table `t`"),
    ]
    .into_iter()
    .enumerate()
    {
        let file = dir.path().join(format!("{i}.db"));
        rusqlite::Connection::open(&file).unwrap().execute_batch(sql).unwrap();
        let spec = ClassSpec { name: "T".into(), table: "t".into(), journaled: true };
        let error = Node::create(&file, info(), &[spec]).err().unwrap();
        assert!(error.message().contains(why), "{sql}: {error}");
        let tables = "SELECT count(*) FROM sqlite_master WHERE name GLOB 'objsync*'";
        let left: i64 = rusqlite::Connection::open(&file).unwrap().query_row(tables, [], |r| r.get(0)).unwrap();
        assert_eq!(left, 0, "nothing was changed");
    }
    // A key that is NULL later on is refused by the table itself, whoever writes.
    let pair = Pair::new("CREATE TABLE t (a TEXT PRIMARY KEY, b)", &["t"]);
    for sql in ["INSERT INTO t VALUES (NULL, 1)", "INSERT INTO t VALUES ('x', 1); UPDATE t SET a = NULL"] {
        let error = pair.nodes[0].connection().execute_batch(sql).unwrap_err();
        assert!(error.to_string().contains("needs a key"), "{error}");
    }
}
