//! A file that was copied by hand, written to at both places, and made a node of its own by `rejoin`.

mod common;

use objsync::sync::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;

const SCHEMA: &str = "
CREATE TABLE shelf (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT, shelf INTEGER REFERENCES shelf (id));
CREATE TABLE word (word TEXT PRIMARY KEY, meaning TEXT);
CREATE TABLE tag (book INTEGER REFERENCES book (id), word TEXT, note TEXT, PRIMARY KEY (book, word));
INSERT INTO shelf VALUES (1, 'first'), (2, 'second');
INSERT INTO book VALUES (1, 'one', 1), (2, 'two', 2);
INSERT INTO word VALUES ('a', 'the letter');
INSERT INTO tag VALUES (1, 'a', 'x');
";

/// Something that a program writes; `by` makes it differ from what the other file's program writes.
fn write(rng: &mut StdRng, conn: &Connection, by: &str) {
    let n = rng.random_range(0..1_000_000);
    let some = |table: &str| format!("(SELECT id FROM {table} ORDER BY random() LIMIT 1)");
    let sql = match rng.random_range(0..9) {
        0 => format!("INSERT INTO shelf (name) VALUES ('{by} {n}')"),
        1 | 2 => format!("INSERT INTO book (title, shelf) VALUES ('{by} {n}', {})", some("shelf")),
        3 => format!("INSERT INTO word VALUES ('{by} {n}', 'of {by}')"),
        4 => format!("INSERT OR IGNORE INTO tag VALUES ({}, '{by} {n}', 'n')", some("book")),
        5 => format!("UPDATE book SET title = '{by} {n}' WHERE id = {}", some("book")),
        6 => format!(
            "UPDATE word SET meaning = '{by} {n}' WHERE word = (SELECT word FROM word ORDER BY random() LIMIT 1)"
        ),
        7 => format!("UPDATE book SET shelf = {} WHERE id = {}", some("shelf"), some("book")),
        _ => "DELETE FROM tag WHERE rowid = (SELECT max(rowid) FROM tag)".to_owned(),
    };
    conn.execute_batch(&format!("PRAGMA foreign_keys = ON; {sql}")).unwrap();
}

/// All rows whose identity is that of the program that wrote them.
fn rows(conn: &Connection, by: &str) -> Vec<String> {
    let sql = "SELECT 'book ' || title FROM book WHERE title LIKE ?1 || ' %' UNION ALL SELECT 'shelf ' || name FROM shelf WHERE name LIKE ?1 || ' %'
               UNION ALL SELECT 'word ' || word FROM word WHERE word LIKE ?1 || ' %' ORDER BY 1";
    conn.prepare(sql).unwrap().query_map([by], |r| r.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn what_a_copy_and_its_original_wrote_is_there_once_everywhere_and_nobody_is_accused() {
    let histories: u64 = std::env::var("OBJSYNC_PARTINGS").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    for seed in 0..histories {
        let mut rng = StdRng::seed_from_u64(seed);
        let dir = common::folder();
        let file = |name: &str| dir.path().join(name);
        Connection::open(file("hub.db")).unwrap().execute_batch(SCHEMA).unwrap();
        let info = |guid, name: &str, role| NodeInfo { guid: NodeId(guid), name: name.to_owned(), role };
        let (mut hub, _) =
            Node::track(&file("hub.db"), info(100 + seed, "HUB", Role::Master), &[], &Progress::default()).unwrap();
        drop(hub.fresh_copy_as(&file("b.db"), info(200 + seed, "B", Role::Client)).unwrap());
        drop(hub);
        let all = |names: &[&str]| Environment::open_files(&names.iter().map(|n| file(n)).collect::<Vec<_>>());
        let raw = |name: &str, by: &str, most: u32, rng: &mut StdRng| {
            let conn = Connection::open(file(name)).unwrap();
            (0..rng.random_range(0..=most)).for_each(|_| write(rng, &conn, by));
            conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        };
        raw("b.db", "before", 4, &mut rng);
        if rng.random() {
            all(&["hub.db", "b.db"]).unwrap().sync(None).unwrap();
            raw("b.db", "before", 3, &mut rng);
        }
        std::fs::copy(file("b.db"), file("c.db")).unwrap();
        raw("b.db", "original", 5, &mut rng);
        if rng.random() {
            all(&["hub.db", "b.db"]).unwrap().sync(None).unwrap();
            raw("b.db", "original", 3, &mut rng);
        }
        raw("c.db", "copy", 6, &mut rng);
        let mut copy = all(&["c.db"]).unwrap();
        copy.rejoin_as(0, Some("C"), NodeId(300 + seed)).unwrap();
        drop(copy);
        raw("b.db", "original", 2, &mut rng);
        raw("c.db", "copy", 2, &mut rng);
        let written = |name: &str| {
            let conn = Connection::open(file(name)).unwrap();
            ["before", "original", "copy"].map(|by| rows(&conn, by))
        };
        let (at_b, at_c) = (written("b.db"), written("c.db"));
        for pair in [["hub.db", "c.db"], ["hub.db", "b.db"], ["hub.db", "c.db"]] {
            all(&pair).unwrap().sync(None).unwrap_or_else(|e| panic!("seed {seed}, {pair:?}: {e}\n{}", e.what_next()));
        }
        let mut three = all(&["hub.db", "b.db", "c.db"]).unwrap();
        three.sync(None).unwrap();
        let report = verify(&mut three.nodes).unwrap();
        assert!(report.equal, "seed {seed}: {report:?}");
        common::assert_sound(&three.nodes);
        for node in &three.nodes {
            assert!(node.requeue().unwrap().is_empty(), "seed {seed}");
        }
        // A row is there under the words of who wrote it last, once, unless both wrote to one that both had.
        let now = rows(three.nodes[0].connection(), "original");
        let made = |all: &[String], what: &str| all.iter().filter(|r| r.starts_with(what)).cloned().collect::<Vec<_>>();
        assert_eq!(made(&now, "shelf"), made(&at_b[1], "shelf"), "seed {seed}");
        assert_eq!(made(&now, "word"), made(&at_b[1], "word"), "seed {seed}");
        let now = rows(three.nodes[0].connection(), "copy");
        assert_eq!(made(&now, "shelf"), made(&at_c[2], "shelf"), "seed {seed}");
        assert_eq!(made(&now, "word"), made(&at_c[2], "word"), "seed {seed}");
        let books =
            |conn: &Connection| -> i64 { conn.query_row("SELECT count(*) FROM book", [], |r| r.get(0)).unwrap() };
        let made = |at: &str, by: &str| {
            let conn = Connection::open(file(at)).unwrap();
            let sql = "SELECT count(*) FROM book b JOIN objsync_object_book o ON o.key = b.id JOIN objsync_node n ON n.n = o.object >> 40 WHERE n.name = ?1";
            conn.query_row(sql, [by], |r| r.get::<_, i64>(0)).unwrap()
        };
        assert_eq!(books(three.nodes[0].connection()), 2 + made("hub.db", "B") + made("hub.db", "C"), "seed {seed}");
        assert_eq!(made("b.db", "C"), made("c.db", "C"), "seed {seed}");
    }
}

#[test]
fn without_its_original_a_copy_accuses_nobody_and_no_identity_is_given_twice_from_then_on() {
    let dir = common::folder();
    let file = |name: &str| dir.path().join(name);
    Connection::open(file("a.db")).unwrap().execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, v)").unwrap();
    let info = |name: &str, role| NodeInfo { guid: NodeId::random(), name: name.to_owned(), role };
    let (mut a, _) = Node::track(&file("a.db"), info("A", Role::Master), &[], &Progress::default()).unwrap();
    drop(a.fresh_copy_as(&file("b.db"), info("B", Role::Client)).unwrap());
    drop(a);
    let all = |names: &[&str]| Environment::open_files(&names.iter().map(|n| file(n)).collect::<Vec<_>>()).unwrap();
    all(&["a.db", "b.db"]).sync(None).unwrap();
    let sql = |name: &str, sql: &str| Connection::open(file(name)).unwrap().execute_batch(sql).unwrap();
    sql("b.db", "PRAGMA wal_checkpoint(TRUNCATE)");
    std::fs::copy(file("b.db"), file("c.db")).unwrap();
    sql("c.db", "INSERT INTO t (v) VALUES ('copy 1'), ('copy 2')");
    std::fs::create_dir(file("away")).unwrap();
    std::fs::rename(file("b.db"), file("away/b.db")).unwrap();
    all(&["c.db"]).rejoin_as(0, Some("C"), NodeId::random()).unwrap();
    std::fs::rename(file("away/b.db"), file("b.db")).unwrap();
    all(&["a.db", "c.db"]).sync(None).unwrap();
    all(&["a.db", "b.db"]).sync(None).unwrap();
    sql("b.db", "INSERT INTO t (v) VALUES ('original')");
    for _ in 0..2 {
        all(&["a.db", "b.db", "c.db"]).sync(None).unwrap();
    }
    let mut three = all(&["a.db", "b.db", "c.db"]);
    assert!(verify(&mut three.nodes).unwrap().equal);
    let sql = "SELECT group_concat(v, ', ') FROM (SELECT v FROM t ORDER BY v)";
    let found: String = three.nodes[0].connection().query_row(sql, [], |r| r.get(0)).unwrap();
    assert_eq!(found, "copy 1, copy 2, original");
}

#[test]
fn rows_that_only_have_identities_are_told_apart_too() {
    let dir = common::folder();
    let file = |name: &str| dir.path().join(name);
    Connection::open(file("a.db")).unwrap().execute_batch(SCHEMA).unwrap();
    let info = |name: &str, role| NodeInfo { guid: NodeId::random(), name: name.to_owned(), role };
    let tables = ["book".to_owned()];
    let (mut a, tracked) = Node::track(&file("a.db"), info("A", Role::Master), &tables, &Progress::default()).unwrap();
    assert_eq!(tracked.identified, ["shelf"]);
    drop(a.fresh_copy_as(&file("b.db"), info("B", Role::Client)).unwrap());
    drop(a);
    let sql = |name: &str, sql: &str| Connection::open(file(name)).unwrap().execute_batch(sql).unwrap();
    sql("b.db", "INSERT INTO shelf (name) VALUES ('both'); PRAGMA wal_checkpoint(TRUNCATE)");
    std::fs::copy(file("b.db"), file("c.db")).unwrap();
    for (name, by) in [("b.db", "original"), ("c.db", "copy")] {
        sql(
            name,
            &format!(
                "INSERT INTO shelf VALUES (4, '{by}'); INSERT INTO book VALUES (3, 'new at {by}', 4), (4, 'old at {by}', 3)"
            ),
        );
    }
    let all = |names: &[&str]| Environment::open_files(&names.iter().map(|n| file(n)).collect::<Vec<_>>()).unwrap();
    all(&["c.db"]).rejoin_as(0, Some("C"), NodeId::random()).unwrap();
    let mut two = all(&["b.db", "c.db"]);
    two.sync(None).unwrap();
    let titles = |node: &Node| -> String {
        let sql = "SELECT group_concat(title || ' on ' || name, ', ') FROM (SELECT title, name FROM book JOIN shelf ON shelf.id = shelf ORDER BY 1)";
        node.connection().query_row(sql, [], |r| r.get(0)).unwrap()
    };
    // A book on a shelf that is not here waits; it is not put on another one of the same number.
    for (node, by, other) in [(&two.nodes[0], "original", "copy"), (&two.nodes[1], "copy", "original")] {
        let expected =
            format!("new at {by} on {by}, old at copy on both, old at original on both, one on first, two on second");
        assert_eq!(titles(node), expected);
        let waiting = node.requeue().unwrap();
        assert_eq!(waiting.len(), 1, "{other}: {waiting:?}");
    }
    common::assert_sound(&two.nodes);
}
