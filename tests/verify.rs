//! What `verify`, `status`, `check` and reports say is so: rows that no trigger saw, retired nodes with news, columns that one side
//! lacks, what only an application has, values that differ by their type.

mod common;

use common::pair::Pair;
use objsync::sync::*;
use rusqlite::config::DbConfig;

/// By a program that has switched triggers off.
fn unseen(pair: &Pair, node: usize, sql: &str) {
    let conn = rusqlite::Connection::open(pair.nodes[node].path()).unwrap();
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
    conn.execute_batch(sql).unwrap();
}

fn compared(pair: &mut Pair) -> Verification {
    verify(&mut pair.nodes).unwrap()
}

/// The SQL of a proposed command: its last word, unquoted as a shell does.
fn proposed_sql(todo: &str) -> String {
    let start = todo.find(" '").unwrap() + 2;
    todo[start..todo.len() - 1].replace("'\\''", "'")
}

#[test]
fn rows_that_no_trigger_saw_are_compared_and_named_and_travel_once_they_are_written_again() {
    let tables = [
        ("number", "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'x')", "(2, 'new')", "2"),
        (
            "text",
            "CREATE TABLE t (k TEXT PRIMARY KEY, v TEXT); INSERT INTO t VALUES ('a', 'x')",
            "('it''s', 'new')",
            "it's",
        ),
        (
            "several columns",
            "CREATE TABLE t (a TEXT, b INTEGER, v TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID; INSERT INTO t VALUES ('a', 1, 'x')",
            "('a', 2, 'new')",
            "a, 2",
        ),
        (
            "a generated column",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, w TEXT AS (v || v) STORED); INSERT INTO t (id, v) VALUES (1, 'x')",
            "(7, 'new')",
            "7",
        ),
    ];
    for (name, schema, row, key) in tables {
        let mut pair = Pair::new(schema, &["t"]);
        assert!(compared(&mut pair).equal, "{name}");
        let columns = if name == "a generated column" { "t (id, v)" } else { "t" };
        unseen(&pair, 0, &format!("INSERT INTO {columns} VALUES {row}"));
        pair.send(0);
        let found = compared(&mut pair);
        assert!(!found.equal, "{name}: the tables differ");
        let said = &found.classes[0].unseen;
        assert_eq!(
            said.iter().map(|row| (row.node.as_str(), row.key.as_str(), row.removed)).collect::<Vec<_>>(),
            [("WORKSHOP", key, false)],
            "{name}"
        );
        let digests: Vec<_> = found.classes[0].digests.values().collect();
        assert_ne!(digests[0], digests[1], "{name}: digests differ where rows do");
        let todo = said[0].todo.clone();
        let checked = pair.nodes[0].check().unwrap();
        let flaws: Vec<_> = checked.flaws.listed.iter().map(|flaw| (flaw.kind, flaw.todo.clone())).collect();
        assert_eq!(flaws, [(FlawKind::Unidentified, todo.clone())], "{name}: check proposes the same");
        pair.sql(0, &proposed_sql(&todo));
        assert_eq!(pair.send(0).inserted, 1, "{name}");
        assert!(compared(&mut pair).equal, "{name}");
        pair.level();
    }
}

#[test]
fn the_same_row_written_unseen_at_both_sides_is_equal_and_still_named() {
    let mut pair = Pair::new("CREATE TABLE t (id INTEGER PRIMARY KEY, v)", &["t"]);
    for node in [0, 1] {
        unseen(&pair, node, "INSERT INTO t VALUES (5, 'same')");
    }
    let found = compared(&mut pair);
    assert!(found.equal && found.classes[0].unseen.len() == 2, "{found:?}");
    unseen(&pair, 1, "UPDATE t SET v = 'other'");
    assert!(!compared(&mut pair).equal);
}

#[test]
fn a_row_that_went_unseen_is_named() {
    let mut pair = Pair::new("CREATE TABLE t (k TEXT PRIMARY KEY, v); INSERT INTO t VALUES ('a', 1), ('b', 2)", &["t"]);
    unseen(&pair, 1, "DELETE FROM t WHERE k = 'b'");
    let found = compared(&mut pair);
    assert!(!found.equal);
    let [row] = found.classes[0].unseen.as_slice() else { panic!("{found:?}") };
    assert_eq!((row.node.as_str(), row.key.as_str(), row.removed), ("VAN", "b", true));
    // As it proposes: put back with triggers off, then deleted with them.
    unseen(&pair, 1, "INSERT INTO t VALUES ('b', 2)");
    assert!(compared(&mut pair).equal);
    pair.sql(1, "DELETE FROM t WHERE k = 'b'");
    assert_eq!(pair.send(1).deleted, 1);
    pair.level();
}

#[test]
fn minus_zero_is_zero_for_triggers_sets_digests_and_check() {
    let mut pair = Pair::new("CREATE TABLE t (id INTEGER PRIMARY KEY, x, r REAL)", &["t"]);
    let insert = |pair: &Pair, node: usize, id: i64, x: f64| {
        pair.nodes[node].connection().execute("INSERT INTO t VALUES (?1, ?2, ?2)", (id, x)).unwrap();
    };
    insert(&pair, 0, 1, -0.0);
    pair.level();
    // No trigger notices it, so there is nothing to send, and nothing differs.
    pair.sql(1, "UPDATE t SET x = 0.0, r = 0.0");
    assert!(compared(&mut pair).equal);
    pair.level();
    insert(&pair, 1, 2, -0.0);
    pair.sql(
        0,
        "UPDATE t SET x = -0.0 WHERE id = 1; UPDATE t SET x = -1.5 WHERE id = 1; UPDATE t SET x = -0.0 WHERE id = 1",
    );
    pair.level();
    assert!(compared(&mut pair).equal);
    common::assert_sound(&pair.nodes);
}

#[test]
fn reports_and_verify_show_types_where_values_differ_by_nothing_else() {
    let mut pair = Pair::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 1), (2, ''), (3, x'31'), (4, 1), (5, 'plain'), (6, x'010203')",
        &["t"],
    );
    pair.sql(
        1,
        "UPDATE t SET v = '1' WHERE id = 1; UPDATE t SET v = NULL WHERE id = 2; UPDATE t SET v = '1' WHERE id = 3; UPDATE t SET v = 1.0 WHERE id = 4;
         UPDATE t SET v = 'other' WHERE id = 5; UPDATE t SET v = x'010204' WHERE id = 6",
    );
    let found = compared(&mut pair);
    let first = &found.classes[0].differences[0].properties[0];
    assert_eq!(
        (first.name.as_str(), first.values.as_slice()),
        ("v", [Some("1".to_owned()), Some("\"1\"".to_owned())].as_slice())
    );
    let report = pair.send(1);
    let said: Vec<&str> = report.objects.iter().map(|o| o.reason.as_str()).collect();
    let expected = [
        "updated: v 1 → \"1\"",
        "updated: v \"\" → –",
        "updated: v x'31' → \"1\"",
        "updated: v 1 → 1.0",
        "updated: v plain → other",
        "updated: v x'010203' → x'010204'",
    ];
    assert_eq!(said, expected);
    let guid = pair.nodes[0].guid_of(&pair.nodes[0].classes()[0].clone(), 1).unwrap().unwrap();
    let history = pair.nodes[0].history("t", guid).unwrap();
    assert_eq!(history[0].changes, "v 1 → \"1\"");
}

#[test]
fn conflicts_show_types_where_values_differ_by_nothing_else() {
    let mut pair = Pair::new("CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 0)", &["t"]);
    pair.sql(0, "UPDATE t SET v = 1");
    pair.sql(1, "UPDATE t SET v = '1'");
    pair.send(1);
    let record = pair.nodes[0].conflicts(1).unwrap().remove(0);
    let lines = objsync::demo::scenario::conflict_lines(&pair.nodes[0], &record);
    assert!(lines.iter().any(|line| line == "  v: last common 0; here 1; there \"1\"; result \"1\""), "{lines:?}");
}

/// A folder with a master and VAN, which is retired there and has news.
fn retired() -> (tempfile::TempDir, Environment) {
    let dir = tempfile::tempdir().unwrap();
    let [file, van] = ["a.db", "van.db"].map(|name| dir.path().join(name));
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'x')";
    rusqlite::Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    let info = NodeInfo { guid: NodeId::random(), name: "A".into(), role: Role::Master };
    let specs = [ClassSpec { name: "t".into(), table: "t".into(), journaled: true }];
    let mut node = Node::create(&file, info, &specs).unwrap();
    drop(node.fresh_copy(&van, "VAN", Role::Client).unwrap());
    drop(node);
    let mut env = Environment::open_files(&[file, van]).unwrap();
    env.sync(None).unwrap();
    let guid = env.nodes[1].info().guid;
    env.nodes[0].retire(guid).unwrap();
    (dir, env)
}

#[test]
fn a_retired_node_with_news_is_named_and_its_news_can_be_saved() {
    let (_dir, mut env) = retired();
    let status = env.status().unwrap();
    assert!(status.equal && status.unsent.is_empty(), "it has nothing that is not known");
    env.nodes[1]
        .connection()
        .execute_batch("INSERT INTO t VALUES (7, 'news'); UPDATE t SET v = 'y' WHERE id = 1")
        .unwrap();
    assert!(env.sync(None).unwrap().is_empty(), "nothing is exchanged with it");
    let status = env.status().unwrap();
    assert!(!status.equal);
    let [unsent] = status.unsent.as_slice() else { panic!("{:?}", status.unsent) };
    assert_eq!((unsent.node.as_str(), unsent.at.as_str(), unsent.objects), ("VAN", "A", 2));
    assert_eq!(unsent.named, ["t 7", "t 1"]);
    // The way out that is proposed, also after the master has forgotten what all others have confirmed.
    env.nodes[0].purge(u64::MAX).unwrap();
    env.rejoin(1, None).unwrap();
    env.sync(None).unwrap();
    let row = |node: &Node| -> String {
        node.connection()
            .query_row("SELECT group_concat(v) FROM (SELECT v FROM t ORDER BY id)", [], |r| r.get(0))
            .unwrap()
    };
    assert_eq!(env.nodes.iter().map(row).collect::<Vec<_>>(), ["y,news", "y,news"]);
    assert!(env.verify().unwrap().equal);
    let status = env.status().unwrap();
    assert!(status.equal && status.unsent.is_empty(), "{status:?}");
}

#[test]
fn a_column_that_one_side_lacks_is_named_with_the_command_that_adds_it() {
    let mut pair =
        Pair::new("CREATE TABLE ware (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO ware VALUES (1, 'w')", &["ware"]);
    pair.sql(0, "ALTER TABLE ware ADD COLUMN remark TEXT DEFAULT 'it''s'; UPDATE ware SET remark = 'r'");
    pair.send(0);
    let found = compared(&mut pair);
    assert!(found.equal, "what is in it is kept");
    let [said] = found.lacking.as_slice() else { panic!("{:?}", found.lacking) };
    assert!(said.contains("ware has no column remark at VAN, which WORKSHOP added"), "{said}");
    pair.sql(1, &proposed_sql(said));
    assert!(compared(&mut pair).lacking.is_empty());
    assert_eq!(pair.both("SELECT remark FROM ware"), "Text([114])");
    pair.level();
}

#[test]
fn what_only_an_application_has_stops_no_other_table_and_is_no_damage() {
    let schema = "CREATE TABLE name (id INTEGER PRIMARY KEY, w TEXT); CREATE TABLE other (id INTEGER PRIMARY KEY, v);
                  INSERT INTO other VALUES (1, 1); INSERT INTO name VALUES (1, 'x')";
    for index in ["CREATE INDEX i ON name (folding(w))", "CREATE UNIQUE INDEX i ON name (folding(w), id)"] {
        let mut pair = Pair::new(schema, &["name", "other"]);
        let application = rusqlite::Connection::open(pair.nodes[1].path()).unwrap();
        let flags =
            rusqlite::functions::FunctionFlags::SQLITE_DETERMINISTIC | rusqlite::functions::FunctionFlags::SQLITE_UTF8;
        application.create_scalar_function("folding", 1, flags, |c| c.get::<Option<String>>(0)).unwrap();
        application.execute_batch(index).unwrap();
        pair.sql(0, "UPDATE name SET w = 'y'; UPDATE other SET v = 2");
        let report = pair.send(0);
        assert_eq!((report.updated, report.requeued), (1, 1), "{index}: {report:?}");
        let [waiting] = pair.nodes[1].requeue().unwrap().try_into().unwrap_or_else(|w| panic!("{w:?}"));
        assert!(waiting.reason.contains("fold") && waiting.reason.contains("application"), "{}", waiting.reason);
        let checked = common::checked(&pair.nodes);
        assert!(checked.is_sound(), "{index}: {:?}", checked.flaws().collect::<Vec<_>>());
        let notes = &checked.nodes[1].notes;
        assert!(notes.iter().any(|note| note.contains("the table name cannot be checked here")), "{notes:?}");
        // The way out.
        application.execute_batch("DROP INDEX i").unwrap();
        assert_eq!(pair.nodes[1].retry(ApplyOptions::default()).unwrap().updated, 1);
        pair.level();
    }
}

#[test]
fn a_row_of_settings_made_at_both_sides_names_the_one_that_is_in_its_way() {
    let mut pair = Pair::new("CREATE TABLE setup (id INTEGER PRIMARY KEY CHECK (id = 1), v)", &["setup"]);
    for (node, v) in [(0, "of a"), (1, "of b")] {
        pair.sql(node, &format!("INSERT INTO setup VALUES (1, '{v}')"));
    }
    assert_eq!(pair.send(0).requeued, 1);
    let waiting = pair.nodes[1].requeue().unwrap().remove(0);
    assert!(waiting.reason.contains("setup 1 at VAN has its number"), "{}", waiting.reason);
    // As it says: with the one here away it goes through.
    pair.sql(1, "DELETE FROM setup");
    assert_eq!(pair.nodes[1].retry(ApplyOptions::default()).unwrap().inserted, 1);
}
