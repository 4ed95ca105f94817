//! Exchanges between nodes at hand: none where nothing is new, and none between strangers who both have rows.

mod common;

use objsync::sync::*;
use rusqlite::Connection;

fn info(name: &str, role: Role) -> NodeInfo {
    NodeInfo { guid: NodeId::random(), name: name.to_owned(), role }
}

const SCHEMA: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, v)";

/// Two files in a folder, tracked each by itself, with these rows.
fn strangers(rows: [&str; 2]) -> (tempfile::TempDir, Environment) {
    let dir = common::folder();
    for (name, rows, role) in [("a", rows[0], Role::Master), ("b", rows[1], Role::Client)] {
        let file = dir.path().join(format!("{name}.db"));
        Connection::open(&file).unwrap().execute_batch(&format!("{SCHEMA}; {rows}")).unwrap();
        Node::track(&file, info(&name.to_uppercase(), role), &[], &Progress::default()).unwrap();
    }
    let env = Environment::open(dir.path()).unwrap();
    (dir, env)
}

fn pair() -> (tempfile::TempDir, Environment) {
    let dir = common::folder();
    let file = dir.path().join("a.db");
    Connection::open(&file).unwrap().execute_batch(&format!("{SCHEMA}; INSERT INTO t VALUES (1, 1)")).unwrap();
    let (mut a, _) = Node::track(&file, info("A", Role::Master), &[], &Progress::default()).unwrap();
    a.fresh_copy_as(&dir.path().join("b.db"), info("B", Role::Client)).unwrap();
    drop(a);
    let env = Environment::open(dir.path()).unwrap();
    (dir, env)
}

fn rows(node: &Node) -> Vec<String> {
    let sql = "SELECT id || ' ' || v FROM t ORDER BY id";
    node.connection().prepare(sql).unwrap().query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Everything in both files, and the names of the files there are.
fn everything(
    dir: &tempfile::TempDir,
    env: &Environment,
) -> (Vec<std::collections::BTreeMap<String, Vec<String>>>, Vec<String>) {
    let files = |path: std::path::PathBuf| -> Vec<String> {
        let found = std::fs::read_dir(path).into_iter().flatten();
        found.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect()
    };
    let mut all = [files(dir.path().to_owned()), files(dir.path().join(SETS))].concat();
    all.sort();
    (env.nodes.iter().map(common::dump).collect(), all)
}

const INSERT: &str = "INSERT INTO t VALUES (1, 'one'), (2, 'two')";

#[test]
fn strangers_who_both_have_rows_are_refused_by_every_way_and_nothing_is_changed() {
    let (dir, mut env) = strangers([INSERT, INSERT]);
    let before = everything(&dir, &env);
    let refused = |error: Error| {
        assert_eq!(error.refusal(), Some(Refusal::Strangers), "{error}");
        assert!(error.message().contains("nothing was changed") && error.what_next().contains("--join"), "{error}");
    };
    refused(env.sync(None).unwrap_err());
    refused(env.exchange(0, 1, None).unwrap_err());
    refused(env.exchange_until_quiet(&[(1, 0), (0, 1)], None).unwrap_err());
    assert_eq!(everything(&dir, &env), before);
    // As a file, which may come from far away.
    let options = PrepareOptions {
        id: 7,
        file: dir.path().join("7.syncset"),
        since: Since::Sent,
        upto: None,
        overwrite: false,
        compress: false,
        update_sync_time: true,
    };
    env.prepare(0, 1, &options).unwrap();
    let before = everything(&dir, &env);
    refused(env.preview(1, &options.file, ApplyOptions::default()).unwrap_err());
    refused(env.apply(1, &options.file, ApplyOptions::default()).unwrap_err());
    assert_eq!(everything(&dir, &env), before);
    // Whoever says so has it: both rows of each.
    let joined = ApplyOptions { join: true, ..ApplyOptions::default() };
    assert_eq!(env.preview(1, &options.file, joined).unwrap().report.inserted, 2);
    assert_eq!(env.apply(1, &options.file, joined).unwrap().inserted, 2);
    // From then on they are no strangers.
    env.sync(None).unwrap();
    assert!(env.nodes.iter().all(|node| rows(node).len() == 4));
    assert!(env.verify().unwrap().equal);
}

#[test]
fn joined_strangers_have_the_rows_of_both() {
    let (_dir, mut env) = strangers([INSERT, "INSERT INTO t VALUES (1, 'eins')"]);
    env.sync(None).unwrap_err();
    env.join().unwrap();
    env.sync(None).unwrap();
    assert_eq!(env.nodes.iter().map(|node| rows(node).len()).collect::<Vec<_>>(), [3, 3]);
    assert!(env.verify().unwrap().equal);
}

#[test]
fn a_stranger_without_rows_is_welcome_whoever_it_is() {
    for rows_of in [[INSERT, ""], ["", INSERT]] {
        let (dir, mut env) = strangers(rows_of);
        env.sync(None).unwrap();
        assert!(env.nodes.iter().all(|node| rows(node) == ["1 one", "2 two"]), "{rows_of:?}");
        // A copy of either has a common ancestor with the other.
        env.add_client("C", 1).unwrap();
        drop(env);
        let mut env = Environment::open(dir.path()).unwrap();
        env.nodes[0].connection().execute_batch("INSERT INTO t VALUES (3, 'three')").unwrap();
        env.exchange_until_quiet(&[(2, 0), (0, 2)], None).unwrap();
        assert!(rows(&env.nodes[2]).contains(&"3 three".to_owned()));
    }
}

#[test]
fn an_exchange_with_nothing_new_leaves_nothing() {
    let (dir, mut env) = pair();
    env.nodes[1].connection().execute_batch("INSERT INTO t VALUES (2, 2)").unwrap();
    assert_eq!(env.sync(None).unwrap().len(), 1, "only what is new is sent");
    // What is acknowledged by then, is told once more.
    assert_eq!(env.sync(None).unwrap().len(), 0);
    let before = everything(&dir, &env);
    for _ in 0..3 {
        assert_eq!(env.sync(None).unwrap().len(), 0);
    }
    assert_eq!(everything(&dir, &env), before);
    // It is known at both that the other has everything.
    for (at, other) in [(0, 1), (1, 0)] {
        let times = env.nodes[at].sync_times(env.nodes[other].info().guid).unwrap();
        let number = env.nodes[at].number().unwrap();
        assert_eq!((times.sent, times.acknowledged), (number, number), "at {at}");
    }
    assert!(env.nodes.iter_mut().all(|node| node.purge(u64::MAX).unwrap().upto > 0));
    common::assert_sound(&env.nodes);
}

#[test]
fn a_node_put_back_from_a_backup_is_found_out_after_quiet_exchanges_too() {
    let (dir, mut env) = pair();
    env.sync(None).unwrap();
    let file = dir.path().join("b.db");
    let backup = |to: &std::path::Path, from: &std::path::Path| {
        Connection::open(from).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        std::fs::copy(from, to).unwrap();
    };
    backup(&dir.path().join("kept"), &file);
    env.nodes[1].connection().execute_batch("INSERT INTO t VALUES (2, 'lost')").unwrap();
    env.sync(None).unwrap();
    env.sync(None).unwrap();
    drop(env);
    // Written over in place, so that the file lies where it was.
    let bytes = std::fs::read(dir.path().join("kept")).unwrap();
    std::fs::remove_file(dir.path().join("kept")).unwrap();
    for ending in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(dir.path().join(format!("b.db{ending}")));
    }
    std::fs::write(&file, bytes).unwrap();
    let mut env = Environment::open(dir.path()).unwrap();
    assert_eq!(env.sync(None).unwrap_err().refusal(), Some(Refusal::Restored));
}

#[test]
fn what_waits_is_tried_again_although_nothing_is_new() {
    let dir = common::folder();
    let file = dir.path().join("a.db");
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, v UNIQUE)").unwrap();
    let (mut a, _) = Node::track(&file, info("A", Role::Master), &[], &Progress::default()).unwrap();
    a.fresh_copy_as(&dir.path().join("b.db"), info("B", Role::Client)).unwrap();
    drop(a);
    let mut env = Environment::open(dir.path()).unwrap();
    for node in &env.nodes {
        node.connection().execute_batch("INSERT INTO t (v) VALUES ('same')").unwrap();
    }
    env.sync(None).unwrap();
    assert!(env.nodes.iter().all(|node| node.requeue().unwrap().len() == 1));
    assert_eq!(env.sync(None).unwrap().len(), 0);
    // The obstacle goes by what is no change to be sent.
    let sql = "DELETE FROM t WHERE v = 'same'";
    env.nodes[0].connection().execute_batch(sql).unwrap();
    let reports = env.sync(None).unwrap();
    assert!(reports.iter().any(|r| r.inserted == 1), "{reports:?}");
}

#[test]
fn a_column_that_only_one_side_has_is_told_although_no_row_is_new() {
    let (_dir, mut env) = pair();
    env.sync(None).unwrap();
    env.nodes[0].connection().execute_batch("ALTER TABLE t ADD COLUMN more DEFAULT 7").unwrap();
    env.sync(None).unwrap();
    let known = env.nodes[1].class("t").unwrap().properties.iter().any(|p| p.name == "more");
    assert!(known, "B knows of it");
}

#[test]
fn purging_forgets_what_is_noted_of_confirmed_sets_and_points() {
    let (_dir, mut env) = pair();
    for n in 0..20 {
        env.nodes[n % 2].connection().execute_batch(&format!("INSERT INTO t (v) VALUES ({n})")).unwrap();
        env.sync(None).unwrap();
    }
    env.sync(None).unwrap();
    let count = |node: &Node, table: &str| -> i64 {
        node.connection().query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get(0)).unwrap()
    };
    for node in &mut env.nodes {
        assert!(count(node, "objsync_set") >= 20);
        let next = node.next_set_id().unwrap();
        assert!(node.purge(u64::MAX).unwrap().notes > 0);
        assert_eq!((count(node, "objsync_set"), count(node, "objsync_told")), (2, 1), "the last of each kind");
        assert_eq!(node.next_set_id().unwrap(), next, "no id is given twice");
    }
    common::assert_sound(&env.nodes);
    env.nodes[0].connection().execute_batch("INSERT INTO t (v) VALUES ('on')").unwrap();
    env.sync(None).unwrap();
    assert!(env.verify().unwrap().equal);
}

#[test]
fn history_names_who_made_what_came_with_the_copy() {
    let (_dir, mut env) = pair();
    env.nodes[1].connection().execute_batch("UPDATE t SET v = 5").unwrap();
    let guid = env.nodes[1].guid_of(env.nodes[1].class("t").unwrap(), 1).unwrap().unwrap();
    let words = |entries: Vec<String>| entries;
    let history = env.nodes[1].history("t", guid).unwrap().iter().map(|e| e.through.words()).collect();
    assert_eq!(words(history), ["made here", "made at A"]);
    let journal = env.nodes[1].journal(&JournalQuery::default()).unwrap();
    assert_eq!(journal.iter().map(|e| e.through.words()).collect::<Vec<_>>(), ["made here", "made at A"]);
    let history = env.nodes[0].history("t", guid).unwrap();
    assert_eq!(history[0].through.words(), "made here");
}

#[test]
fn a_deletion_is_told_where_what_it_deletes_waits() {
    let dir = common::folder();
    let file = dir.path().join("a.db");
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE t (k TEXT PRIMARY KEY, v UNIQUE)").unwrap();
    let (mut a, _) = Node::track(&file, info("A", Role::Master), &[], &Progress::default()).unwrap();
    a.fresh_copy_as(&dir.path().join("b.db"), info("B", Role::Client)).unwrap();
    drop(a);
    let mut env = Environment::open(dir.path()).unwrap();
    env.nodes[0].connection().execute_batch("INSERT INTO t VALUES ('here', 'Lamp')").unwrap();
    env.nodes[1].connection().execute_batch("INSERT INTO t VALUES ('there', 'Lamp')").unwrap();
    env.sync(None).unwrap();
    assert!(env.nodes.iter().all(|node| node.requeue().unwrap().len() == 1));
    env.nodes[1].connection().execute_batch("DELETE FROM t WHERE k = 'there'").unwrap();
    env.sync(None).unwrap();
    assert!(env.nodes.iter().all(|node| node.requeue().unwrap().is_empty()), "what waited is deleted, and goes in");
    env.nodes[0].connection().execute_batch("UPDATE t SET v = 'another'").unwrap();
    env.sync(None).unwrap();
    assert!(env.verify().unwrap().equal);
    let count: i64 = env.nodes[0].connection().query_row("SELECT count(*) FROM t", [], |r| r.get(0)).unwrap();
    assert_eq!(count, 1, "what was deleted stays deleted");
}

#[test]
fn a_copy_was_not_moved_while_its_original_is_there() {
    let (dir, env) = pair();
    drop(env);
    let (from, to) = (dir.path().join("b.db"), dir.path().join("copy.db"));
    std::fs::copy(&from, &to).unwrap();
    let mut copy = Node::open(&to).unwrap();
    let error = copy.moved().unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::Moved), "{error}");
    assert!(error.what_next().contains("rejoin --db"), "{}", error.what_next());
    assert!(copy.was_at().is_some(), "it is still in doubt");
    std::fs::remove_file(&from).unwrap();
    copy.moved().unwrap();
    assert!(copy.was_at().is_none());
}

#[test]
fn nodes_of_other_tables_are_told_so_and_do_not_meet() {
    let dir = common::folder();
    for (name, columns) in [("a", "v"), ("b", "w")] {
        let file = dir.path().join(format!("{name}.db"));
        let sql = format!(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, {columns} NOT NULL); CREATE TABLE {name} (id INTEGER PRIMARY KEY)"
        );
        Connection::open(&file).unwrap().execute_batch(&sql).unwrap();
        Node::track(&file, info(&name.to_uppercase(), Role::Master), &[], &Progress::default()).unwrap();
    }
    let mut env = Environment::open(dir.path()).unwrap();
    let before = everything(&dir, &env);
    for error in [env.join().unwrap_err(), env.exchange(0, 1, None).unwrap_err()] {
        assert_eq!(error.refusal(), Some(Refusal::Schema), "{error}");
        assert!(error.message().contains("nothing was changed"), "{error}");
    }
    assert_eq!(everything(&dir, &env), before);
}
