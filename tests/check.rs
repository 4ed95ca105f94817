//! `objsync check`: every kind of damage is done, and named. That nothing legal is called wrong, `histories` show.

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use common::{assert_sound, checked, send};
use objsync::sync::*;
use rusqlite::Connection;
use rusqlite::config::DbConfig;

const SCHEMA: &str = "
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers (id), amount INTEGER NOT NULL);
CREATE TABLE words (word TEXT PRIMARY KEY, note TEXT);
INSERT INTO customers VALUES (1, 'Ann'), (2, 'Bob');
INSERT INTO orders VALUES (1, 1, 10), (2, 2, 20), (3, NULL, 30), (4, 1, 40);
INSERT INTO words VALUES ('red', NULL), ('blue', NULL);";

/// NORTH, with something of everything that a node keeps, and SOUTH, its peer: their files, and one of SOUTH's from before.
struct Files {
    dir: tempfile::TempDir,
    north: PathBuf,
    south: PathBuf,
    backup: PathBuf,
}

impl Files {
    fn new() -> Files {
        let dir = tempfile::tempdir().unwrap();
        let [north, south, backup] = ["north.db", "south.db", "backup"].map(|name| dir.path().join(name));
        Connection::open(&north).unwrap().execute_batch(SCHEMA).unwrap();
        let specs = [("Customer", "customers", false), ("Order", "orders", true), ("Word", "words", true)];
        let specs =
            specs.map(|(name, table, journaled)| ClassSpec { name: name.into(), table: table.into(), journaled });
        let info = NodeInfo { guid: NodeId::random(), name: "NORTH".into(), role: Role::Master };
        let mut n = Node::create(&north, info, &specs).unwrap();
        let mut s = n.fresh_copy(&south, "SOUTH", Role::Client).unwrap();
        let sql = |node: &Node, sql: &str| node.connection().execute_batch(sql).unwrap();
        sql(
            &n,
            "UPDATE orders SET amount = 11 WHERE id = 1; DELETE FROM orders WHERE id = 3; UPDATE words SET note = 'n'",
        );
        sql(&s, "UPDATE orders SET amount = 12 WHERE id = 1; UPDATE words SET note = 's' WHERE word = 'red'");
        settle(&s);
        std::fs::copy(&south, &backup).unwrap();
        // Both of one commit wait at NORTH, for a customer that is only identified.
        sql(&s, "INSERT INTO customers VALUES (9, 'New')");
        s.edit(|e| {
            Ok(e.connection()
                .execute_batch("INSERT INTO orders VALUES (9, 9, 90); UPDATE orders SET amount = 41 WHERE id = 4")?)
        })
        .unwrap();
        send(&mut s, &mut n, 1000);
        send(&mut n, &mut s, 1000);
        sql(
            &n,
            "UPDATE orders SET id = 22 WHERE id = 2; UPDATE orders SET amount = 21 WHERE id = 22; UPDATE orders SET amount = 22 WHERE id = 22",
        );
        assert!(n.conflict_count().unwrap() > 0 && n.requeue().unwrap().len() == 2);
        assert_sound(&[n, s]);
        Files { dir, north, south, backup }
    }

    /// NORTH's file once more, damaged.
    fn damaged(&self, name: &str, damage: impl FnOnce(&Connection)) -> PathBuf {
        let file = self.dir.path().join(name);
        std::fs::copy(&self.north, &file).unwrap();
        damage(&Connection::open(&file).unwrap());
        file
    }

    /// Says of a damaged copy that it was moved, which is believed where the original is not there.
    fn say_moved(&self, node: &mut Node) {
        let aside = self.north.with_extension("aside");
        std::fs::rename(&self.north, &aside).unwrap();
        node.moved().unwrap();
        std::fs::rename(&aside, &self.north).unwrap();
    }
}

fn settle(node: &Node) {
    node.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

fn found(files: &[&Path]) -> Checked {
    let files: Vec<PathBuf> = files.iter().map(|file| file.to_path_buf()).collect();
    check(&files, &Progress::default()).unwrap()
}

fn kinds(checked: &Checked) -> BTreeSet<FlawKind> {
    checked.flaws().map(|flaw| flaw.kind).collect()
}

const LAST: &str = "(SELECT last FROM objsync_object_orders WHERE key = 22)";

/// What is damaged, as SQL with foreign keys and triggers off, and what must be found of it, and nothing else. What it must say.
fn damages() -> Vec<(FlawKind, String, &'static str)> {
    use FlawKind::*;
    let seen = "unhex(printf('01%02x', (SELECT number FROM objsync_state)))";
    let of_22 = "(SELECT object FROM objsync_object_orders WHERE key = 22)";
    let all = [
        (Unreadable, "UPDATE objsync_told SET number = 'x'", "could not be read"),
        (
            DanglingReference,
            "DELETE FROM customers WHERE id = 2; DELETE FROM objsync_object_customers WHERE key = 2",
            "orders",
        ),
        (Schema, "DROP TABLE words", "words"),
        (Schema, "DROP TABLE objsync_tombstone_words", "objsync_tombstone_words"),
        (Schema, "UPDATE objsync_property SET declared = 'BLOB' WHERE name = 'amount'", "orders.amount"),
        (Triggers, "DROP TRIGGER objsync_orders_update", "not every change is journaled"),
        (Triggers, "DROP TRIGGER objsync_orders_before_insert", "guards"),
        (Triggers, "CREATE TRIGGER mine AFTER INSERT ON orders BEGIN SELECT 1; END", "fires before"),
        (Unidentified, "INSERT INTO orders VALUES (77, 1, 5)", "Order 77"),
        (Unidentified, "INSERT INTO words VALUES ('green', NULL)", "Word green"),
        (Vanished, "DELETE FROM orders WHERE id = 22", "Order 22"),
        (
            Identity,
            "INSERT INTO objsync_tombstone_customers (object) SELECT object FROM objsync_object_customers WHERE key = 1",
            "alive and deleted",
        ),
        (
            Identity,
            "UPDATE objsync_object_customers SET object = (SELECT object FROM objsync_object_words LIMIT 1) WHERE key = 2",
            "identity of a",
        ),
        (Identity, "UPDATE objsync_state SET serial = 1", "nobody is known to have given"),
        (Version, "UPDATE objsync_object_orders SET own = 999 WHERE key = 22", "transaction 999 of NORTH"),
        (Version, "UPDATE objsync_object_orders SET rest = x'80' WHERE key = 22", "Order 22"),
        (Version, "UPDATE objsync_object_orders SET rest = x'028f4e' WHERE key = 22", "transaction 9999 of SOUTH"),
        (Version, "UPDATE objsync_object_orders SET rest = x'0101' WHERE key = 22", "twice"),
        (Version, "UPDATE objsync_object_orders SET author = 99 WHERE key = 22", "not known here"),
        (Clock, "UPDATE objsync_object_orders SET time = 9223372036854775807 WHERE key = 22", "not come yet"),
        (Clock, "UPDATE objsync_state SET clock = 0", "stands at 1970-01-01"),
        (Version, "UPDATE objsync_journal SET own = 999 WHERE pos = LAST", "before transaction"),
        (
            Event,
            "INSERT INTO objsync_journal (number, class, object, kind, before) SELECT number, 99, OF_22, 1, 0 FROM objsync_state",
            "class that is not known",
        ),
        (Event, "UPDATE objsync_journal SET v1 = NULL WHERE pos = LAST", "before-image"),
        (Event, "UPDATE objsync_journal SET origin = 99 WHERE pos = LAST", "no other node"),
        (Event, "UPDATE objsync_journal SET kind = 7 WHERE pos = LAST", "does not fit"),
        (Event, "UPDATE objsync_journal SET number = 999 WHERE pos = LAST", "transaction 999"),
        (Chain, "DELETE FROM objsync_journal WHERE pos = LAST", "Order 22 has lost the event that filed it last"),
        (
            Chain,
            "DELETE FROM objsync_journal WHERE pos = (SELECT previous FROM objsync_journal WHERE pos = LAST)",
            "Order 22 has lost the event before",
        ),
        (
            Chain,
            "UPDATE objsync_object_orders SET last = (SELECT previous FROM objsync_journal WHERE pos = LAST) WHERE key = 22",
            "Order 22 has an event after",
        ),
        (Chain, "UPDATE objsync_object_orders SET last = NULL WHERE key = 4", "never filed"),
        (Chain, "DELETE FROM objsync_tombstone_orders", "nowhere else"),
        (Chain, "UPDATE objsync_journal SET kind = 3 WHERE pos = LAST", "is alive"),
        (History, "UPDATE objsync_object_orders SET own = 1 WHERE key = 22", "had not seen"),
        (History, "UPDATE objsync_journal SET number = number - 1 WHERE pos = LAST", "under another number"),
        (
            History,
            "UPDATE objsync_merged SET content = '{\"customer\":null,\"amount\":4711}' WHERE class = 2",
            "two contents",
        ),
        (Purge, "UPDATE objsync_state SET floor = number", "purged"),
        (Record, "UPDATE objsync_conflict SET number = 999", "transaction 999"),
        (Record, "UPDATE objsync_conflict SET number = 3", "did not file"),
        (Record, "UPDATE objsync_conflict SET object = OF_22", "another object"),
        (
            Record,
            "UPDATE objsync_conflict SET record = json_set(record, '$.result.amount', 4711) WHERE class = 2",
            "what it says was chosen",
        ),
        (Record, "UPDATE objsync_conflict SET record = '{}'", "cannot be read"),
        (Record, "UPDATE objsync_conflict SET state = 9", "no state"),
        (Requeue, "UPDATE objsync_waiting SET set_id = 4242", "set 4242"),
        (
            Requeue,
            "UPDATE objsync_waiting SET object = OF_22, vector = x'' WHERE id = (SELECT min(id) FROM objsync_waiting)",
            "known here already",
        ),
        (Requeue, "UPDATE objsync_waiting SET class = 99", "nothing is known"),
        (Requeue, "UPDATE objsync_waiting SET content = '{'", "cannot be read"),
        (Requeue, "UPDATE objsync_waiting SET author = 99", "not known here"),
        (
            Requeue,
            "INSERT INTO objsync_waiting SELECT id + 9, class, object, peer, set_id, vector, time, author, key, number, content, reason, cause, dots FROM objsync_waiting",
            "waits twice",
        ),
        (Requeue, "DELETE FROM objsync_waiting", "none waits"),
        (Merged, "UPDATE objsync_merged SET vector = SEEN", "has not seen"),
        (Merged, "UPDATE objsync_merged SET class = 99", "class that is not known"),
        (Set, "UPDATE objsync_set SET last_own = 999 WHERE sent = 0", "as transactions"),
        (Set, "UPDATE objsync_set SET peer = 99 WHERE sent = 1", "not known here"),
        (Set, "UPDATE objsync_set SET report = '{' WHERE sent = 1", "cannot be read"),
        (Peer, "UPDATE objsync_sync_time SET acknowledged = 999", "confirmed 999"),
        (Peer, "UPDATE objsync_sync_time SET received = 0", "were applied up to"),
        (Peer, "UPDATE objsync_sync_time SET heard = 9223372036854775807", "heard of a point"),
        (Peer, "UPDATE objsync_told SET number = 999", "were told"),
        (Peer, "UPDATE objsync_lineage SET place = 4", "was made from"),
        (FormerKey, "DELETE FROM objsync_former_key", "which number it had"),
        (FormerKey, "UPDATE objsync_former_key SET until = 999 WHERE key = 2", "former number 2"),
        (State, "UPDATE objsync_state SET mode = 1", "open"),
        (State, "UPDATE objsync_state SET secret = randomblob(32)", "key"),
        (State, "INSERT INTO objsync_rule VALUES (0, 'dice')", "dice"),
    ];
    let sql = |sql: &str| sql.replace("LAST", LAST).replace("OF_22", of_22).replace("SEEN", seen);
    all.into_iter().map(|(kind, text, says)| (kind, sql(text), says)).collect()
}

#[test]
fn every_damage_is_named() {
    let files = Files::new();
    let mut wrong = Vec::new();
    for (n, (kind, sql, says)) in damages().into_iter().enumerate() {
        let file = files.damaged(&format!("{n}.damaged"), |conn| {
            conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
            conn.execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}")).unwrap_or_else(|e| panic!("{sql}: {e}"));
        });
        let checked = found(&[&file]);
        let named = checked.flaws().any(|flaw| flaw.kind == kind && flaw.what.contains(says) && !flaw.todo.is_empty());
        if !named || kinds(&checked) != BTreeSet::from([kind]) {
            wrong.push(format!(
                "{kind:?} ({says}): {sql}\n{:#?}{:?}",
                checked.flaws().map(|f| (f.kind, &f.what)).collect::<Vec<_>>(),
                checked.unchecked
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn what_nodes_say_about_each_other_is_held_against_them() {
    use FlawKind::*;
    let files = Files::new();
    let mut count = 0;
    let mut untouched = |sql: &str| {
        count += 1;
        files.damaged(&format!("{count}.damaged"), |conn| {
            conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
            conn.execute_batch(sql).unwrap();
        })
    };
    let mut numbered = 0;
    let cases = [
        (SameNode, untouched("")),
        (Content, untouched("UPDATE orders SET amount = 4711 WHERE id = 1")),
        (Content, untouched("UPDATE words SET note = '?' WHERE word = 'blue'")),
        // Rules decide by stamps.
        (Content, untouched("UPDATE objsync_object_words SET time = time - 1000 WHERE k0 = 'blue'")),
        (
            Content,
            untouched("UPDATE objsync_tombstone_orders SET author = (SELECT n FROM objsync_node WHERE name = 'SOUTH')"),
        ),
        (Disagree, untouched("UPDATE objsync_sync_time SET acknowledged = (SELECT number FROM objsync_state)")),
        (Disagree, untouched("UPDATE objsync_node SET public = randomblob(32) WHERE name = 'SOUTH'")),
        (Disagree, untouched("INSERT INTO objsync_lineage SELECT n, 1, 1, 1 FROM objsync_node WHERE name = 'SOUTH'")),
        (Restored, untouched("UPDATE objsync_sync_time SET received = 999")),
        (Restored, files.backup.clone()),
    ];
    for (kind, file) in cases {
        let other = if kind == SameNode || file == files.backup { &files.north } else { &files.south };
        let checked = found(&[&file, other]);
        assert!(checked.nodes.iter().all(|node| node.flaws.is_empty()), "{kind:?}: {checked:?}");
        let between: BTreeSet<FlawKind> = checked.between.counts.keys().copied().collect();
        assert_eq!(between, BTreeSet::from([kind]), "{:?}", checked.between);
        let flaw = &checked.between.listed[0];
        // What to do can be done as it is said: at which node, to which object.
        match kind {
            SameNode => assert!(flaw.todo.contains(&format!("--db {}", other.display())), "{}", flaw.todo),
            Restored => assert!(flaw.todo.contains("rejoin --node "), "{}", flaw.todo),
            Content if flaw.class.as_deref() == Some("Order") && flaw.number.is_some() => {
                assert!(flaw.what.starts_with("Order 1 ("), "{}", flaw.what);
                numbered += 1;
            }
            _ => {}
        }
    }
    assert_eq!(numbered, 1);
}

/// Nothing is said to be right that nobody looked at.
#[test]
fn what_was_not_held_against_each_other_is_said() {
    let files = Files::new();
    assert_eq!(found(&[&files.north, &files.south]).notes, [] as [&str; 0]);
    let alone = found(&[&files.north]);
    assert_eq!(alone.notes, ["SOUTH, with which NORTH exchanges, is not among these files"]);
    let other = files.damaged("other.db", |_| ());
    let mut node = Node::open(&other).unwrap();
    files.say_moved(&mut node);
    node.journal_class("Word", false).unwrap();
    drop(node);
    let notes = found(&[&other, &files.south]).notes;
    assert_eq!(notes, ["Word is synchronized at SOUTH, not at NORTH (objsync classes): no change goes from there"]);
    let behind = "DROP TRIGGER objsync_orders_update; UPDATE orders SET amount = 4711 WHERE id = 1";
    let damaged = files.damaged("behind.db", |conn| conn.execute_batch(behind).unwrap());
    let checked = found(&[&damaged, &files.south]);
    assert!(checked.between.is_empty() && !checked.is_sound(), "{checked:?}");
    assert_eq!(checked.notes, ["the rows of NORTH were not held against those of others: see above"]);
}

#[test]
fn a_clock_that_was_set_back_is_one_flaw() {
    let files = Files::new();
    let file = files.damaged("clock.db", |conn| conn.execute_batch("UPDATE objsync_state SET clock = 0").unwrap());
    let checked = found(&[&file]);
    assert_eq!(checked.flaws().map(|flaw| flaw.kind).collect::<Vec<_>>(), [FlawKind::Clock], "{checked:#?}");
    let todo = checked.flaws().next().unwrap().todo.clone();
    let sql = todo.split('"').nth(1).unwrap();
    Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    assert!(found(&[&file]).is_sound(), "{todo}");
}

#[test]
fn a_file_that_is_named_twice_is_checked_once() {
    let files = Files::new();
    let same = files.north.parent().unwrap().join(".").join("north.db");
    let checked = found(&[&files.north, &files.south, &same]);
    assert!(checked.nodes.len() == 2 && checked.is_sound(), "{checked:?}");
}

/// As on a medium that cannot be written: what SQLite reads by cannot be made beside the file.
#[cfg(unix)]
#[test]
fn a_file_in_a_folder_that_cannot_be_written_is_checked() {
    let files = Files::new();
    let [north, odd] = ["north.db", "50% of #1?.db"].map(|name| files.dir.path().join(name));
    std::fs::copy(north, &odd).unwrap();
    for file in [&files.south, &odd] {
        let mut shm = file.clone().into_os_string();
        shm.push("-shm");
        // SQLite follows no link there.
        std::os::unix::fs::symlink(files.dir.path().join("nowhere"), &shm).unwrap();
        let before = std::fs::read(file).unwrap();
        assert!(Connection::open(file).unwrap().execute_batch("SELECT count(*) FROM orders").is_err());
        let _ =
            std::fs::remove_file(file.with_file_name(format!("{}-wal", file.file_name().unwrap().to_string_lossy())));
        let checked = found(&[file]);
        assert!(checked.nodes.len() == 1 && checked.is_sound(), "{checked:?}");
        assert!(checked.nodes[0].looked_at.objects > 5 && std::fs::read(file).unwrap() == before);
    }
}

#[test]
fn a_damaged_page_is_told_and_keeps_nothing_else_from_being_checked() {
    let files = Files::new();
    let whole = std::fs::read(&files.north).unwrap();
    let page = 4096;
    let (mut told, mut read) = (0, 0);
    for start in (0..whole.len()).step_by(page) {
        let mut bytes = whole.clone();
        bytes[start..(start + page).min(whole.len())].fill(0xa5);
        let file = files.dir.path().join("page.damaged");
        std::fs::write(&file, &bytes).unwrap();
        let checked = found(&[&file, &files.south]);
        told += usize::from(!checked.is_sound() || !checked.unchecked.is_empty());
        read += usize::from(checked.nodes.len() == 2);
        let why = checked.unchecked.iter().map(|file| (&file.why, &file.todo));
        assert!(why.into_iter().all(|(why, todo)| !why.is_empty() && !todo.is_empty()));
        assert!(checked.nodes.iter().any(|node| node.node == "SOUTH" && node.flaws.is_empty()), "{checked:?}");
    }
    // A page that is free says nothing.
    assert!(told > whole.len() / page / 2 && read > 1, "{told} told, {read} read of {} pages", whole.len() / page);
}

#[test]
fn what_there_is_to_follow_is_no_flaw_and_nothing_is_written() {
    let files = Files::new();
    let alterations = [
        "ALTER TABLE orders ADD COLUMN more TEXT DEFAULT 'x'; UPDATE orders SET more = 'y' WHERE id = 22",
        "ALTER TABLE orders RENAME COLUMN amount TO quantity; UPDATE orders SET quantity = 5 WHERE id = 22",
        "ALTER TABLE orders RENAME COLUMN customer TO who",
        "DELETE FROM customers WHERE id = 1; INSERT INTO customers VALUES (1, 'Another')",
    ];
    for (n, sql) in alterations.into_iter().enumerate() {
        let file = files.damaged(&format!("{n}.altered"), |conn| {
            conn.execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}")).unwrap();
        });
        let before = std::fs::read(&file).unwrap();
        let beside = |dir: &Path| dir.read_dir().unwrap().map(|e| e.unwrap().file_name()).collect::<BTreeSet<_>>();
        let folder = beside(files.dir.path());
        let checked = found(&[&file]);
        assert_eq!(beside(files.dir.path()), folder, "nothing is left behind");
        assert!(checked.is_sound(), "{sql}: {checked:?}");
        assert_eq!(checked.nodes[0].notes.len(), 1, "{sql}: it is said");
        assert_eq!(std::fs::read(&file).unwrap(), before, "{sql}: something was written");
        // Followed, it is sound as well.
        let mut node = Node::open(&file).unwrap();
        files.say_moved(&mut node);
        let checked = checked_alone(&node);
        assert!(checked.flaws.is_empty() && checked.notes.is_empty(), "{sql}: {checked:?}");
    }
}

fn checked_alone(node: &Node) -> CheckReport {
    let report = node.check().unwrap();
    assert_eq!(checked(std::slice::from_ref(node)).nodes[0], report, "by the node as by its file");
    report
}

#[test]
fn a_report_says_what_was_looked_at() {
    let files = Files::new();
    let node = Node::open(&files.north).unwrap();
    let report = checked_alone(&node);
    let conn = node.connection();
    let count =
        |sql: &str| -> usize { conn.query_row(&format!("SELECT count(*) FROM {sql}"), [], |r| r.get(0)).unwrap() };
    let LookedAt { classes, objects, deleted, events, records, waiting, sets, peers } = report.looked_at;
    assert_eq!((classes, objects), (3, count("orders") + count("words") + count("customers")));
    assert_eq!((deleted, events), (1, count("objsync_journal")));
    assert_eq!((records, waiting, sets, peers), (count("objsync_conflict"), 2, 2, 1));
}

#[test]
fn many_flaws_of_a_kind_are_counted_and_some_listed() {
    let files = Files::new();
    let file = files.damaged("many.damaged", |conn| {
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
        let sql = "WITH RECURSIVE n (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 399) INSERT INTO orders SELECT i, 1, i FROM n";
        conn.execute_batch(sql).unwrap();
    });
    let flaws = &found(&[&file]).nodes[0].flaws;
    assert_eq!((flaws.total(), flaws.counts[&FlawKind::Unidentified]), (300, 300));
    assert!(
        flaws.listed.len() < 300
            && flaws.listed.iter().all(|flaw| flaw.class.as_deref() == Some("Order") && flaw.number.is_some())
    );
}

#[test]
fn what_cannot_be_checked_says_why() {
    let files = Files::new();
    let [none, text, other] = ["none", "text", "other"].map(|name| files.dir.path().join(name));
    std::fs::write(&text, "no database, but long enough to be taken for one if nobody looks at how it begins").unwrap();
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    let newer = files.damaged("newer", |conn| conn.execute_batch("UPDATE objsync_state SET format = 99").unwrap());
    let stateless = files.damaged("stateless", |conn| conn.execute_batch("DELETE FROM objsync_state").unwrap());
    let says = [
        (none, "no file"),
        (text, "not a database"),
        (other, "not a node"),
        (newer, "storage format 99"),
        (stateless, "stateless"),
    ];
    for (file, says) in says {
        let checked = found(&[&file]);
        assert_eq!(checked.nodes.len(), 0);
        let [unchecked] = checked.unchecked.as_slice() else { panic!("{checked:?}") };
        assert!(unchecked.why.contains(says) && !unchecked.todo.is_empty(), "{unchecked:?}");
    }
}
