//! What takes long can be watched, and stopped at any moment: then everything is as before.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use common::{assert_same, dump_but_points};
use objsync::sync::*;

const SCHEMA: &str = "
CREATE TABLE kinds (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT, kind INTEGER REFERENCES kinds (id));
INSERT INTO kinds VALUES (1, 'a'), (2, 'b'), (3, 'c');
INSERT INTO notes VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3), (4, 'four', 3);
";

/// MASTER and CLIENT with something of everything on the way: conflicts, what waits, deletions.
fn environment(dir: &Path) -> Environment {
    let file = dir.join("master.db");
    rusqlite::Connection::open(&file).unwrap().execute_batch(SCHEMA).unwrap();
    let classes = [("Kind", "kinds"), ("Note", "notes")].map(|(name, table)| ClassSpec {
        name: name.into(),
        table: table.into(),
        journaled: true,
    });
    let info = NodeInfo { guid: NodeId(1), name: "MASTER".into(), role: Role::Master };
    let mut master = Node::create(&file, info, &classes).unwrap();
    let client = NodeInfo { guid: NodeId(2), name: "CLIENT".into(), role: Role::Client };
    master.fresh_copy_as(&dir.join("client.db"), client).unwrap();
    drop(master);
    let mut env = Environment::open(dir).unwrap();
    env.sync(None).unwrap();
    let write = |env: &mut Environment, at: usize, sql: &str| {
        env.nodes[at].edit(|edit| Ok(edit.connection().execute_batch(sql)?)).unwrap();
    };
    write(&mut env, 1, "INSERT INTO kinds VALUES (9, 'taken'); UPDATE notes SET text = 'by the client' WHERE id = 1");
    write(&mut env, 1, "DELETE FROM notes WHERE id = 4");
    write(&mut env, 0, "INSERT INTO kinds VALUES (5, 'e'); INSERT INTO notes VALUES (5, 'five', 5)");
    write(&mut env, 0, "INSERT INTO kinds VALUES (6, 'taken')");
    write(&mut env, 0, "INSERT INTO notes VALUES (6, 'waits', 6)");
    write(&mut env, 0, "UPDATE notes SET text = 'by the master' WHERE id = 1");
    write(&mut env, 0, "DELETE FROM notes WHERE id = 2");
    std::fs::create_dir_all(env.sets()).unwrap();
    env
}

/// What the databases hold, and which files lie in the folders.
type Standing = (BTreeMap<String, Vec<String>>, Vec<String>);

fn standing(env: &Environment) -> Standing {
    let mut all = BTreeMap::new();
    for node in &env.nodes {
        all.extend(
            dump_but_points(node).into_iter().map(|(table, rows)| (format!("{} {table}", node.info().name), rows)),
        );
    }
    let mut files: Vec<String> = [env.dir().to_owned(), env.sets()]
        .iter()
        .flat_map(|dir| std::fs::read_dir(dir).unwrap())
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        // SQLite's own, which come and go.
        .filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm"))
        .collect();
    files.sort();
    (all, files)
}

/// Stops at the n-th step; tells how many there were, and what was said to be done.
fn stop_at(n: usize) -> (Progress, Arc<AtomicUsize>, Arc<Mutex<Vec<&'static str>>>) {
    let (asked, told) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (count, list) = (asked.clone(), told.clone());
    let progress = Progress::watched(move |progress, step| {
        assert!(step.total.is_none_or(|total| step.done <= total), "{step:?}");
        let mut list = list.lock().unwrap();
        if list.last() != Some(&step.what) {
            list.push(step.what);
        }
        if count.fetch_add(1, Ordering::SeqCst) + 1 >= n {
            progress.cancel();
        }
    });
    (progress, asked, told)
}

/// Stops something at every moment at which it can be stopped, then lets it end; gives what it was said to be doing.
fn stop_everywhere<T>(
    env: &mut Environment,
    what: &str,
    mut work: impl FnMut(&mut Environment) -> Result<T>,
) -> (T, Vec<&'static str>) {
    let before = standing(env);
    for n in 1.. {
        let (progress, asked, told) = stop_at(n);
        env.set_progress(&progress).unwrap();
        let result = work(env);
        env.set_progress(&Progress::default()).unwrap();
        match result {
            Ok(done) => {
                assert!(asked.load(Ordering::SeqCst) < n, "{what} went on though it was to stop at step {n}");
                assert!(n > 1, "{what} tells no steps");
                let told = told.lock().unwrap().clone();
                return (done, told);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Cancelled, "{what}, step {n}: {error}");
                assert!(error.message().contains("cancelled; nothing was changed"), "{what}: {error}");
                let after = standing(env);
                assert_same(&after.0, &before.0, &format!("{what}, stopped at step {n}"));
                assert_eq!(after.1, before.1, "{what}, stopped at step {n}: the files");
            }
        }
    }
    unreachable!()
}

fn options(env: &Environment, id: i64, compress: bool) -> PrepareOptions {
    PrepareOptions {
        id,
        file: env.sets().join(format!("{id}.syncset")),
        since: Since::Sent,
        upto: None,
        overwrite: false,
        compress,
        update_sync_time: true,
    }
}

#[test]
fn exchanges_stop_anywhere_and_leave_everything_as_before() {
    for batch in [None, Some(1)] {
        let dir = tempfile::tempdir().unwrap();
        let mut env = environment(dir.path());
        let [master, client] = [0, 1].map(|at| env.nodes[at].info().guid);
        let first = options(&env, 5000, false);
        let (_, told) = stop_everywhere(&mut env, "prepare", |env| env.nodes[0].prepare(client, &first));
        assert_eq!(told, ["reading the journal"]);
        let apply = ApplyOptions { batch, ..ApplyOptions::default() };
        let (preview, told) = stop_everywhere(&mut env, "preview", |env| env.nodes[1].preview(&first.file, apply));
        for what in
            ["reading the set", "looking for news", "finding what belongs together", "applying", "noting what waits"]
        {
            assert!(told.contains(&what), "{told:?}");
        }
        let (report, _) = stop_everywhere(&mut env, "apply", |env| env.nodes[1].apply(&first.file, apply));
        assert_eq!(report, preview.report);
        assert!(report.conflicts == 1 && report.requeued > 1 && report.deleted == 1, "{report:?}");
        let (again, _) = stop_everywhere(&mut env, "apply again", |env| env.nodes[1].apply(&first.file, apply));
        assert_eq!(again.inserted + again.updated + again.deleted + again.conflicts, 0, "{again:?}");
        stop_everywhere(&mut env, "retry", |env| env.nodes[1].retry(apply));
        // Packed, the other way; the echo leaves ties.
        let second = options(&env, 5001, true);
        stop_everywhere(&mut env, "prepare packed", |env| env.nodes[1].prepare(master, &second));
        let (report, _) = stop_everywhere(&mut env, "apply packed", |env| env.nodes[0].apply(&second.file, apply));
        assert_eq!((report.deleted, report.requeued), (1, 2), "{report:?}");
        let set = env.nodes[0].set_records(1).unwrap().remove(0);
        stop_everywhere(&mut env, "take back", |env| env.nodes[0].take_back(set.seq));
        env.nodes[0].apply(&second.file, apply).unwrap();
        let set = env.nodes[0].set_records(1).unwrap().remove(0);
        stop_everywhere(&mut env, "revert", |env| env.nodes[0].revert(set.seq));
    }
}

#[test]
fn verify_purge_copy_and_switching_stop_anywhere_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut env = environment(dir.path());
    let (found, told) = stop_everywhere(&mut env, "verify", |env| env.verify());
    assert!(!found.equal);
    assert_eq!(told, ["comparing"]);
    env.sync(None).unwrap();
    env.sync(None).unwrap();
    let (purged, told) = stop_everywhere(&mut env, "purge", |env| env.nodes[0].purge(u64::MAX));
    assert!(purged.events > 3 && purged.tombstones > 0, "{purged:?}");
    assert!(told.contains(&"purging deleted objects"), "{told:?}");
    env.nodes[0].journal_class("Note", false).unwrap();
    env.nodes[0].connection().execute_batch("UPDATE notes SET text = 'off'").unwrap();
    let (switched, _) = stop_everywhere(&mut env, "journal a class", |env| env.nodes[0].journal_class("Note", true));
    assert!(switched.baseline > 2, "{switched:?}");
}

#[test]
fn a_copy_that_is_stopped_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut env = environment(dir.path());
    // Enough pages for some steps.
    env.nodes[0]
        .connection()
        .execute_batch("CREATE TABLE ballast (x); INSERT INTO ballast VALUES (zeroblob(5000000))")
        .unwrap();
    let file = dir.path().join("north.db");
    let (copy, told) = stop_everywhere(&mut env, "copy", |env| env.nodes[0].fresh_copy(&file, "NORTH", Role::Client));
    assert_eq!(told, ["copying pages"]);
    assert_eq!(copy.info().name, "NORTH");
}

#[test]
fn a_database_whose_tracking_is_stopped_is_no_node() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("some.db");
    let sql = "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (word TEXT PRIMARY KEY);
               INSERT INTO a VALUES (1), (2), (3); INSERT INTO b VALUES ('x'), ('y')";
    rusqlite::Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    let tables = |file: &Path| -> i64 {
        let conn = rusqlite::Connection::open(file).unwrap();
        conn.query_row("SELECT count(*) FROM sqlite_master WHERE type <> 'index'", [], |r| r.get(0)).unwrap()
    };
    let info = NodeInfo { guid: NodeId::random(), name: "SOME".into(), role: Role::Master };
    for n in 1..=5 {
        let (progress, ..) = stop_at(n);
        let error = Node::track(&file, info.clone(), &[], &progress).err().expect("stopped");
        assert_eq!((error.kind(), tables(&file)), (ErrorKind::Cancelled, 2), "at row {n}: {error}");
        assert!(error.message().contains("nothing was changed"), "{error}");
        assert_eq!(Node::open(&file).err().unwrap().kind(), ErrorKind::NotFound);
    }
    let (progress, _, told) = stop_at(6);
    let (node, _) = Node::track(&file, info, &[], &progress).unwrap();
    assert_eq!(told.lock().unwrap().as_slice(), ["giving rows identities"]);
    assert_eq!(node.class_counts().unwrap().iter().map(|class| class.count).sum::<u64>(), 5);
}

#[test]
fn a_synchronization_that_is_stopped_keeps_what_was_exchanged_and_goes_on_later() {
    let mut said = Vec::new();
    for n in (1..).step_by(7) {
        let dir = tempfile::tempdir().unwrap();
        let mut env = environment(dir.path());
        let applied = |env: &Environment| -> usize {
            env.nodes.iter().map(|n| n.set_records(100).unwrap().iter().filter(|s| !s.sent).count()).sum()
        };
        let before = applied(&env);
        let (progress, ..) = stop_at(n);
        env.set_progress(&progress).unwrap();
        let result = env.sync(None);
        env.set_progress(&Progress::default()).unwrap();
        let exchanged = applied(&env) - before;
        match result {
            Ok(_) => {
                assert!(said.len() > 4 && said.contains(&1) && said.contains(&0), "{said:?}");
                return;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
                let says = match exchanged {
                    0 => String::new(),
                    n => format!("{n} set{} exchanged before stay", if n == 1 { "" } else { "s" }),
                };
                let message = error.message();
                assert!(message.starts_with("cancelled; ") && message.contains(&says), "{exchanged}: {error}");
                said.push(exchanged);
            }
        }
        // Nothing is in the way of the next one.
        env.sync(None).unwrap();
        let waits = env.nodes.iter().any(|n| !n.requeue().unwrap().is_empty());
        assert!(waits, "the one that cannot be applied here");
    }
}
