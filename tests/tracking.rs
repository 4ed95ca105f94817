//! Making nodes of anybody's databases: what cannot be synchronized is left out and named, nothing is half done, and a node becomes
//! again what it was.

mod common;

use std::path::{Path, PathBuf};

use common::{assert_sound, send};
use objsync::sync::*;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

/// A connection of the program that owns the database: it has a function of its own.
fn owner(file: &Path) -> Connection {
    let conn = Connection::open(file).unwrap();
    conn.create_scalar_function("area", 1, FunctionFlags::SQLITE_DETERMINISTIC, |_| Ok(1)).unwrap();
    conn
}

fn database(dir: &tempfile::TempDir, sql: &str) -> PathBuf {
    let file = dir.path().join("a.db");
    owner(&file).execute_batch(sql).unwrap();
    file
}

fn track(file: &Path, tables: &[&str]) -> Result<(Node, Tracked)> {
    let info = NodeInfo { guid: NodeId::random(), name: "A".into(), role: Role::Master };
    let tables: Vec<String> = tables.iter().map(|t| t.to_string()).collect();
    Node::track(file, info, &tables, &Progress::default())
}

/// Why a table was left out.
#[track_caller]
fn why<'a>(tracked: &'a Tracked, table: &str) -> &'a str {
    let found = tracked.left_out.iter().find(|(left, _)| left == table);
    found.map(|(_, why)| why.as_str()).unwrap_or_else(|| panic!("{table} is not named: {tracked:?}"))
}

fn names(file: &Path, like: &str) -> Vec<String> {
    let conn = Connection::open(file).unwrap();
    let mut found = conn.prepare("SELECT name FROM sqlite_master WHERE name LIKE ?1 ORDER BY name").unwrap();
    found.query_map([like], |r| r.get(0)).unwrap().map(|r| r.unwrap()).collect()
}

#[test]
fn a_named_table_that_cannot_be_tracked_leaves_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    let file = database(
        &dir,
        "CREATE TABLE good (id INTEGER PRIMARY KEY, v); INSERT INTO good VALUES (1, 1);
         CREATE TABLE measured (id INTEGER PRIMARY KEY, form CHECK (area(form) > 0));
         CREATE TABLE loose (v); CREATE TABLE null_key (k TEXT PRIMARY KEY); INSERT INTO null_key VALUES (NULL);
         CREATE TABLE dict (good INTEGER REFERENCES good ON DELETE CASCADE);",
    );
    let before = std::fs::read(&file).unwrap();
    for (table, says) in [("measured", "area"), ("loose", "no primary key"), ("null_key", "NULL"), ("nix", "no table")]
    {
        let error = track(&file, &["good", table]).err().expect(table);
        assert!(error.message().contains(says) && error.message().contains("nothing was changed"), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), before, "{table}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "{table}");
    }
    // Further tables of a node: the same, and the node goes on.
    track(&file, &["good"]).unwrap();
    let (tables, classes) = (names(&file, "objsync%"), |node: &Node| node.classes().len());
    for table in ["measured", "loose", "null_key"] {
        track(&file, &[table]).err().expect(table);
        assert_eq!(names(&file, "objsync%"), tables, "{table}");
        assert_eq!(classes(&Node::open(&file).unwrap()), 1);
    }
}

#[test]
fn a_class_that_cannot_be_written_makes_no_node_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = database(
        &dir,
        "CREATE TABLE shape (id INTEGER PRIMARY KEY, form); CREATE TABLE seen (n);
         CREATE TRIGGER measure AFTER INSERT ON shape WHEN area(new.form) > 0 BEGIN INSERT INTO seen VALUES (1); END;",
    );
    let before = std::fs::read(&file).unwrap();
    let info = NodeInfo { guid: NodeId::random(), name: "A".into(), role: Role::Master };
    let spec = ClassSpec { name: "Shape".into(), table: "shape".into(), journaled: true };
    let error = Node::create(&file, info, &[spec]).err().expect("its trigger cannot be compiled");
    assert!(error.message().contains("area"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn what_cannot_be_tracked_is_left_out_and_named_and_the_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let file = database(
        &dir,
        "CREATE TABLE good (id INTEGER PRIMARY KEY, v);
         CREATE TABLE loose (v);
         CREATE TABLE cascading (good INTEGER REFERENCES good ON DELETE CASCADE);
         CREATE TABLE null_key (k TEXT PRIMARY KEY); INSERT INTO null_key VALUES (NULL);
         CREATE TABLE checked (id INTEGER PRIMARY KEY, form CHECK (area(form) > 0));
         CREATE TABLE computed (id INTEGER PRIMARY KEY, form, size GENERATED ALWAYS AS (area(form)));
         CREATE TABLE indexed (id INTEGER PRIMARY KEY, form); CREATE INDEX by_area ON indexed (area(form));
         CREATE TABLE partial (id INTEGER PRIMARY KEY, form); CREATE INDEX big ON partial (id) WHERE area(form) > 1;
         CREATE TABLE sorted (word TEXT PRIMARY KEY COLLATE NOCASE);
         CREATE TABLE triggered (id INTEGER PRIMARY KEY, form);
         CREATE TRIGGER measure AFTER UPDATE ON triggered BEGIN SELECT area(new.form); END;
         CREATE TABLE drawn (id INTEGER PRIMARY KEY, form INTEGER REFERENCES checked (id));
         CREATE TABLE objsync_notes (id INTEGER PRIMARY KEY);
         CREATE TABLE noted (id INTEGER PRIMARY KEY, note INTEGER REFERENCES objsync_notes (id));
         CREATE TABLE guarded (id INTEGER PRIMARY KEY);
         CREATE TRIGGER objsync_guarded_insert AFTER INSERT ON guarded BEGIN SELECT 1; END;
         CREATE VIRTUAL TABLE words USING fts5(word);
         CREATE VIEW seen AS SELECT * FROM good;",
    );
    // A virtual table of a module that nobody here knows, and a table that it keeps its rows in; a collation of that kind.
    Connection::open(&file)
        .unwrap()
        .execute_batch(
            "CREATE TABLE strange_rows (id INTEGER PRIMARY KEY); PRAGMA writable_schema = ON;
             UPDATE sqlite_master SET sql = replace(sql, 'NOCASE', 'own') WHERE name = 'sorted';
             INSERT INTO sqlite_master VALUES ('table', 'strange', 'strange', 0, 'CREATE VIRTUAL TABLE strange USING unheard_of(v)')",
        )
        .unwrap();
    let (node, tracked) = track(&file, &[]).unwrap();
    assert_eq!(tracked.journaled, ["drawn", "good"], "{tracked:?}");
    // So that what refers to its rows by number names the same row elsewhere.
    assert_eq!(tracked.identified, ["checked"]);
    for table in ["checked", "computed", "indexed", "partial", "triggered"] {
        assert!(
            why(&tracked, table).contains("only be written by its own program")
                && why(&tracked, table).contains("area"),
            "{tracked:?}"
        );
    }
    assert!(why(&tracked, "sorted").contains("own"));
    assert!(why(&tracked, "loose").contains("no primary key"));
    assert!(why(&tracked, "null_key").contains("NULL"));
    assert!(why(&tracked, "cascading").contains("a row of good that is deleted elsewhere waits here"));
    assert!(why(&tracked, "objsync_notes").contains("name as objsync's own"));
    assert!(why(&tracked, "noted").contains("refers by number to objsync_notes"));
    assert!(why(&tracked, "guarded").contains("objsync_guarded_insert"));
    for table in ["strange", "words"] {
        assert!(why(&tracked, table).contains("virtual table"), "{tracked:?}");
    }
    assert!(why(&tracked, "strange_rows").contains("virtual table `strange`"));
    assert_eq!(tracked.left_out.len(), 15, "{tracked:?}");
    // Its own program goes on writing all of them, and the file is sound.
    owner(&file)
        .execute_batch(
            "INSERT INTO checked VALUES (5, 'x'); INSERT INTO drawn VALUES (1, 5); INSERT INTO triggered VALUES (1, 1);
             UPDATE triggered SET form = 2; INSERT INTO good VALUES (1, 1)",
        )
        .unwrap();
    let mut node = node;
    let mut copy = node.fresh_copy(&dir.path().join("b.db"), "B", Role::Client).unwrap();
    owner(&file).execute_batch("INSERT INTO good VALUES (2, 2); UPDATE drawn SET id = 3").unwrap();
    exchange(&mut node, &mut copy);
    assert!(verify(&mut [node, copy]).unwrap().equal);
}

fn exchange(from: &mut Node, to: &mut Node) {
    let id = from.next_set_id().unwrap();
    send(from, to, id);
}

#[test]
fn a_deleted_parent_waits_where_a_table_without_a_key_refers_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = database(
        &dir,
        "CREATE TABLE good (id INTEGER PRIMARY KEY, v); CREATE TABLE odd (good INTEGER REFERENCES good ON DELETE CASCADE);
         INSERT INTO good VALUES (1, 1), (2, 2); INSERT INTO odd VALUES (1)",
    );
    let (mut a, _) = track(&file, &[]).unwrap();
    let mut b = a.fresh_copy(&dir.path().join("b.db"), "B", Role::Client).unwrap();
    a.connection().execute_batch("DELETE FROM good").unwrap();
    exchange(&mut a, &mut b);
    let left = |node: &Node| -> (i64, i64) {
        let sql = "SELECT (SELECT count(*) FROM good), (SELECT count(*) FROM odd)";
        node.connection().query_row(sql, [], |r| Ok((r.get(0)?, r.get(1)?))).unwrap()
    };
    assert_eq!(left(&a), (0, 0), "its own database deletes both");
    assert_eq!(left(&b), (1, 1), "one goes, one is referred to");
    let waiting = b.requeue().unwrap();
    assert!(waiting.len() == 1 && waiting[0].reason.contains("odd"), "{waiting:?}");
    b.connection().execute_batch("DELETE FROM odd").unwrap();
    b.retry(ApplyOptions::default()).unwrap();
    assert_eq!(left(&b), (0, 0));
    assert!(verify(&mut [a, b]).unwrap().equal);
}

#[test]
fn what_frameworks_note_of_their_migrations_stays_at_home_unless_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = database(
        &dir,
        "CREATE TABLE ware (id INTEGER PRIMARY KEY); CREATE TABLE alembic_version (version_num TEXT NOT NULL PRIMARY KEY);
         CREATE TABLE Django_Migrations (id INTEGER PRIMARY KEY, name); CREATE TABLE migrations_of_birds (id INTEGER PRIMARY KEY)",
    );
    let (_, tracked) = track(&file, &[]).unwrap();
    assert_eq!(tracked.journaled, ["migrations_of_birds", "ware"]);
    for table in ["alembic_version", "Django_Migrations"] {
        assert!(why(&tracked, table).contains("migrations"), "{tracked:?}");
    }
    let (node, tracked) = track(&file, &["django_migrations"]).unwrap();
    assert_eq!((tracked.journaled, tracked.was_node), (vec!["Django_Migrations".to_owned()], true));
    assert_sound(&[node]);
}

#[test]
fn untrack_takes_out_what_is_the_engines_and_nothing_else() {
    for wal in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let file = database(
            &dir,
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TABLE t_insert (id INTEGER PRIMARY KEY);
             CREATE TABLE objsync_notes (n); INSERT INTO objsync_notes VALUES ('mine'); INSERT INTO t VALUES (1, 1);
             CREATE TRIGGER objsync_mine AFTER UPDATE ON t BEGIN UPDATE objsync_notes SET n = n || '.'; END;
             CREATE INDEX objsync_by_v ON t (v)",
        );
        let conn = Connection::open(&file).unwrap();
        let wanted = if wal { "wal" } else { "delete" };
        let mode = |conn: &Connection| conn.query_row("PRAGMA journal_mode", [], |r| r.get::<_, String>(0)).unwrap();
        conn.query_row(&format!("PRAGMA journal_mode = {wanted}"), [], |_| Ok(())).unwrap();
        drop(conn);
        let before = names(&file, "%");
        let (mut node, _) = track(&file, &[]).unwrap();
        // A trigger of the user's is none of ours, whatever its name: it is there after sets have come, and has run.
        let mut copy = node.fresh_copy(&dir.path().join("b.db"), "B", Role::Client).unwrap();
        copy.connection().execute_batch("UPDATE t SET v = 2").unwrap();
        exchange(&mut copy, &mut node);
        let secret: Vec<u8> =
            node.connection().query_row("SELECT secret FROM objsync_state", [], |r| r.get(0)).unwrap();
        drop(node);
        let untracked = untrack(&file).unwrap();
        assert_eq!((untracked.was.name.as_str(), untracked.wal), ("A", wal));
        assert_eq!(names(&file, "%"), before);
        let conn = Connection::open(&file).unwrap();
        assert_eq!(mode(&conn), wanted);
        let notes: String = conn.query_row("SELECT n FROM objsync_notes", [], |r| r.get(0)).unwrap();
        assert_eq!(notes, "mine.");
        conn.execute_batch("UPDATE t SET v = 3").unwrap();
        for entry in std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path()) {
            let bytes = std::fs::read(&entry).unwrap();
            let of_a = entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with("a.db"));
            assert!(!of_a || !bytes.windows(32).any(|w| w == secret), "the key is in {}", entry.display());
        }
    }
}

#[test]
fn a_trigger_that_came_later_and_needs_its_own_program_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = database(
        &dir,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 1); CREATE TABLE seen (n)",
    );
    let (mut node, _) = track(&file, &[]).unwrap();
    let mut copy = node.fresh_copy(&dir.path().join("b.db"), "B", Role::Client).unwrap();
    drop(node);
    owner(&file)
        .execute_batch("CREATE TRIGGER measure AFTER UPDATE ON t BEGIN INSERT INTO seen VALUES (area(new.v)); END")
        .unwrap();
    let mut node = Node::open(&file).unwrap();
    copy.connection().execute_batch("UPDATE t SET v = 2").unwrap();
    exchange(&mut copy, &mut node);
    assert_eq!(names(&file, "measure"), ["measure"]);
    owner(&file).execute_batch("UPDATE t SET v = 3").unwrap();
    exchange(&mut node, &mut copy);
    assert!(verify(&mut [node, copy]).unwrap().equal);
}
