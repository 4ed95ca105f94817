//! Bad days: a disk that is full or fails, files that cannot be written, other programs that write all the time, folders that are gone,
//! clocks that are wrong. What cannot be done is said in words and changed nothing; afterwards the same is done as if nothing had been.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use common::pair::Pair;
use common::{TestClock, assert_same, assert_sound, dump, folder, skip};
use objsync::sync::*;
use rusqlite::Connection;

const NOTES: &str =
    "CREATE TABLE notes (id INTEGER PRIMARY KEY, text); INSERT INTO notes VALUES (1, 'one'), (2, 'two');";

fn program(dir: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_objsync"));
    command.args(words.split(' ')).arg("--dir").arg(dir);
    command
}

#[track_caller]
fn done(output: &Output) {
    assert!(output.status.success(), "{:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
}

/// Refused or failed, with what it means for what was there.
#[track_caller]
fn failed(output: &Output, what: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{what}: {said}");
    let says = ["nothing was changed", "nothing else was changed", "nothing counts as sent"];
    assert!(says.iter().any(|says| said.contains(says)), "{what}: {said}");
}

/// What a command does, run in `dir`, while some of its calls fail as strace injects it, and the first that did; `None`: none did.
#[cfg(target_os = "linux")]
fn with_fault(command: &Command, dir: &Path, calls: &str, fault: &str) -> Option<(Output, String)> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new("strace")
        .args(["-f", "-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:{fault}"), "-o"])
        .arg(log.path())
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(dir)
        .output()
        .unwrap();
    let calls_made = std::fs::read_to_string(log.path()).unwrap();
    let hit = calls_made.lines().find(|l| l.contains("(INJECTED)"))?;
    Some((output, hit.to_owned()))
}

/// A demo environment with something to send at both sides.
fn demo() -> tempfile::TempDir {
    let home = folder();
    for words in [
        "install --items 3 --customers 3 --employees 3 --orders 8 --seed 1",
        "random-order --node MASTER",
        "order put 5 --node CLIENT --quantity 460",
        "order put 5 --node MASTER --quantity 401",
        "prepare --node CLIENT --to MASTER --id 1",
    ] {
        done(&program(home.path(), words).output().unwrap());
    }
    home
}

/// The files of a folder and its folders, less what only helps programs to share a database.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false if path.extension().is_some_and(|e| e == "db-shm") => {}
            false => drop(found.insert(path.clone(), std::fs::read(&path).unwrap())),
        }
    }
    found
}

/// Puts a folder back. What stays keeps its place on the disk, by which nodes are known.
fn put_back(dir: &Path, before: &BTreeMap<PathBuf, Vec<u8>>) {
    for path in files(dir).keys().filter(|path| !before.contains_key(*path)) {
        std::fs::remove_file(path).unwrap();
    }
    for (path, bytes) in before {
        let _ = std::fs::remove_file(path.with_extension("db-shm"));
        std::fs::write(path, bytes).unwrap();
    }
}

/// What people see of every node.
fn stand(dir: &Path) -> Vec<String> {
    let mut env = Environment::open(dir).unwrap();
    assert_sound(&env.nodes);
    let of = |node: &mut Node| {
        let orders = node.contents("Order").unwrap().digest();
        let sets: Vec<(bool, i64)> = node.set_records(99).unwrap().iter().map(|s| (s.sent, s.id)).collect();
        let told = |sql: &str| node.connection().query_row(sql, [], |r| r.get::<_, String>(0)).unwrap();
        let events = told("SELECT count(*) || ' from ' || coalesce(min(pos), 0) FROM objsync_journal");
        let rules = told("SELECT coalesce(group_concat(class || ' ' || rule), '') FROM objsync_rule");
        format!("{} {} {orders} {sets:?}, {events}, {rules}", node.info().name, node.number().unwrap())
    };
    env.nodes.iter_mut().map(of).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_or_fails_at_any_call_leaves_everything_as_it_was() {
    if Command::new("strace").arg("-V").output().is_err() {
        return skip("strace", "there is no strace");
    }
    let home = demo();
    let dir = home.path().canonicalize().unwrap();
    let commands = [
        "random-order --node MASTER",
        "prepare --node MASTER --to CLIENT --id 2",
        "apply sets/syncFromCLIENT-1.syncset --node MASTER",
        "take-back 1 --node MASTER",
        "rules set ask --class Order",
        "sync",
        "purge --node MASTER",
    ];
    // Once full, a disk stays full; one that fails may recover, or not. Messages are written, too: of these calls one fails.
    let database = "pwrite64,pwritev,ftruncate,fallocate,fsync,fdatasync";
    let faults = [
        (database, "ENOSPC", "+"),
        (database, "EIO", ""),
        (database, "EIO", "+"),
        ("write,rename,renameat,renameat2,linkat", "ENOSPC", ""),
    ];
    let (mut broken, mut refused, mut later) = (0, 0, 0);
    for words in commands {
        let before = files(&dir);
        let stood = stand(&dir);
        for (calls, error, on) in faults {
            for n in 1.. {
                put_back(&dir, &before);
                let fault = format!("error={error}:when={n}{on}");
                let Some((output, hit)) = with_fault(&program(&dir, words), &dir, calls, &fault) else { break };
                // Nobody can be told.
                if hit.contains("write(1,") || hit.contains("write(2,") {
                    continue;
                }
                broken += 1;
                let what = format!("{words}: {error} at {calls}, {n}{on}: {hit}");
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(!said.contains("panicked"), "{what}: {said}");
                let left = stand(&dir);
                for set in files(&dir).keys().filter(|f| f.extension().is_some_and(|e| e == syncset::EXTENSION)) {
                    syncset::read(set, syncset::Size::Usual).unwrap_or_else(|e| panic!("{what}: {e}"));
                }
                if output.status.success() {
                    assert_ne!(left, stood, "{what}: it said that it was done: {said}");
                    continue;
                }
                refused += 1;
                failed(&output, &what);
                // Some are several transactions, at both nodes, and those that were finished stay.
                if said.contains("nothing else was changed") || said.contains("exchanged before stay") {
                    later += 1;
                    assert!(["sync", "rules set ask --class Order"].contains(&words), "{what}: {said}");
                    assert_ne!(left, stood, "{what}: {said}");
                } else {
                    assert_eq!(left, stood, "{what}: {said}");
                }
                done(&program(&dir, words).current_dir(&dir).output().unwrap());
            }
        }
        put_back(&dir, &before);
        done(&program(&dir, words).current_dir(&dir).output().unwrap());
    }
    println!("{broken} times a call failed; {refused} times the command said so, {later} of them with a part done");
    assert!(refused > 100 && later > 10, "{refused} of {broken}: was anything broken?");
}

/// All that a database holds, less the points that a node notes before it tells anybody what it holds.
fn holds(file: &Path) -> BTreeMap<String, Vec<String>> {
    let conn = Connection::open(file).unwrap();
    let list = |sql: &str| -> Vec<String> {
        conn.prepare(sql).unwrap().query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let mut found = BTreeMap::from([(
        "schema".to_owned(),
        list("SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master ORDER BY 1"),
    )]);
    for table in list(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('objsync_told', 'objsync_clock_was')",
    ) {
        let mut statement = conn.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let row = |r: &rusqlite::Row<'_>| {
            let told = columns.iter().enumerate().filter(|(_, name)| table != "objsync_state" || *name != "clock");
            Ok(told.map(|(i, _)| format!("{:?}", r.get_ref(i).unwrap())).collect::<Vec<_>>().join("|"))
        };
        let rows = statement.query_map([], row).unwrap().map(Result::unwrap).collect();
        found.insert(table, rows);
    }
    found
}

#[cfg(target_os = "linux")]
#[test]
fn a_command_on_databases_that_fails_at_any_step_leaves_all_of_them_as_they_were() {
    if Command::new("strace").arg("-V").output().is_err() {
        return skip("strace", "there is no strace");
    }
    let home = folder();
    let dir = home.path().canonicalize().unwrap();
    let run = |words: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_objsync"));
        command.args(words.split(' ')).current_dir(&dir);
        command
    };
    let sql = |file: &str, sql: &str| Connection::open(dir.join(file)).unwrap().execute_batch(sql).unwrap();
    sql(
        "new.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TABLE u (k TEXT PRIMARY KEY, t REFERENCES t); INSERT INTO t VALUES (1, 1); INSERT INTO u VALUES ('x', 1)",
    );
    sql("a.db", &format!("{NOTES} CREATE TABLE more (id INTEGER PRIMARY KEY, v); INSERT INTO more VALUES (1, 1)"));
    done(&run("track a.db notes").output().unwrap());
    done(&run("copy a.db b.db").output().unwrap());
    done(&run("sync --db a.db --db b.db").output().unwrap());
    sql("b.db", "INSERT INTO notes (text) VALUES ('b'); PRAGMA wal_checkpoint(TRUNCATE)");
    std::fs::copy(dir.join("b.db"), dir.join("c.db")).unwrap();
    sql("c.db", "INSERT INTO notes (text) VALUES ('c')");
    let mut refused = 0;
    let commands = [
        "track new.db",
        "track a.db more",
        "copy a.db d.db",
        "untrack b.db",
        "rejoin --db c.db --name C",
        "classes stop notes --db a.db",
        "retire B --db a.db",
        "sample s.db",
    ];
    for words in commands {
        let before = files(&dir);
        let held = || -> BTreeMap<PathBuf, _> {
            let all = files(&dir).into_keys().filter(|f| f.extension().is_some_and(|e| e == "db"));
            all.map(|file| (file.clone(), holds(&file))).collect()
        };
        let stood = held();
        for (calls, on) in [
            ("pwrite64,pwritev,ftruncate,fallocate,fsync,fdatasync", "+"),
            ("rename,renameat,renameat2,linkat,openat", ""),
        ] {
            for n in 1.. {
                put_back(&dir, &before);
                let fault = format!("error=ENOSPC:when={n}{on}");
                let Some((output, hit)) = with_fault(&run(words), &dir, calls, &fault) else { break };
                let what = format!("{words}: {n}{on} of {calls}: {hit}");
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(!said.contains("panicked"), "{what}: {said}");
                if output.status.success() || output.status.code() == Some(127) {
                    continue;
                }
                refused += 1;
                let now = held();
                assert_eq!(now.keys().collect::<Vec<_>>(), stood.keys().collect::<Vec<_>>(), "{what}: {said}");
                for (file, held) in &stood {
                    assert_same(&now[file], held, &format!("{what}: {said}: {}", file.display()));
                }
                let left: Vec<PathBuf> =
                    files(&dir).into_keys().filter(|f| f.to_string_lossy().contains(".part")).collect();
                assert!(left.is_empty(), "{what}: {left:?}");
            }
        }
        put_back(&dir, &before);
        done(&run(words).output().unwrap());
    }
    assert!(refused > 100, "only {refused} refused: was anything broken?");
}

#[test]
fn a_database_that_may_not_grow_is_full_and_unchanged() {
    let mut pair = Pair::new(NOTES, &["notes"]);
    pair.sql(0, "WITH RECURSIVE n (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 200) INSERT INTO notes SELECT i, zeroblob(2000) FROM n");
    let set = pair.set(0);
    let before = dump(&pair.nodes[1]);
    let limit = |pair: &Pair, more: &str| pair.text(1, &format!("PRAGMA max_page_count = {more}"));
    let pages: i64 = pair.nodes[1].connection().query_row("PRAGMA page_count", [], |r| r.get(0)).unwrap();
    for more in [0, 1, 5, 20, 60] {
        limit(&pair, &(pages + more).to_string());
        let error = pair.nodes[1].apply(&set, ApplyOptions::default()).unwrap_err();
        assert!(error.to_string().contains("the disk is full; nothing was changed"), "{more}: {error}");
        let sql = "INSERT INTO notes VALUES (1000, zeroblob(3000000))";
        let error = pair.nodes[1].edit(|e| Ok(e.connection().execute_batch(sql)?)).unwrap_err();
        assert!(error.to_string().contains("the disk is full; nothing was changed"), "{more}: {error}");
        assert_same(&dump(&pair.nodes[1]), &before, &format!("{more} pages more"));
    }
    limit(&pair, "1000000");
    assert_eq!(pair.nodes[1].apply(&set, ApplyOptions::default()).unwrap().inserted, 191);
    pair.sql(1, "UPDATE notes SET text = 'journaled again' WHERE id = 1");
    pair.level();
}

/// Somebody else than root, who may not write here.
#[cfg(target_os = "linux")]
#[test]
fn a_file_or_folder_that_cannot_be_written_is_said_and_left() {
    use std::os::unix::fs::PermissionsExt;
    let home = demo();
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let other = |words: &str| {
        let plain = program(home.path(), words);
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(plain.get_program()).args(plain.get_args()).output()
    };
    mode(home.path(), 0o555);
    files(home.path()).keys().for_each(|file| mode(file, 0o444));
    mode(&home.path().join("sets"), 0o555);
    let able = other("--version").is_ok_and(|output| output.status.success());
    if !able {
        return skip("permissions", "nobody else than this user can be made to run the program here");
    }
    let before = files(home.path());
    for words in [
        "random-order --node MASTER",
        "prepare --node MASTER --to CLIENT --id 2",
        "apply sets/syncFromCLIENT-1.syncset --node MASTER",
        "sync",
        "purge --node MASTER",
    ] {
        let output = other(words).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(3) && said.contains("hint:"), "{words}: {:?} {said}", output.status);
        assert_eq!(files(home.path()), before, "{words}");
    }
    // To look is possible, and to take a copy along: it is a new node that loses nothing.
    let out = tempfile::tempdir().unwrap();
    mode(out.path(), 0o777);
    for words in [
        "status",
        "journal --node MASTER",
        "history 5 --node MASTER",
        "sets --node CLIENT",
        "show --id 1 --node CLIENT",
        "conflicts --node MASTER",
        "preview sets/syncFromCLIENT-1.syncset --node MASTER",
        "check",
        "order list --node CLIENT",
    ] {
        let set = home.path().join("sets/syncFromCLIENT-1.syncset");
        done(&other(&words.replace("sets/syncFromCLIENT-1.syncset", set.to_str().unwrap())).unwrap());
        assert_eq!(files(home.path()), before, "{words}");
    }
    assert_eq!(other("verify").unwrap().status.code(), Some(1), "they are read, and differ");
    let [master, copy] = [home.path().join("master.db"), out.path().join("north.db")].map(|f| f.display().to_string());
    let mut copying = Command::new("setpriv");
    copying.args([
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        env!("CARGO_BIN_EXE_objsync"),
        "copy",
        &master,
        &copy,
    ]);
    done(&copying.output().unwrap());
    assert_eq!(files(home.path()), before, "copy");
    mode(home.path(), 0o755);
    mode(&home.path().join("sets"), 0o755);
    files(home.path()).keys().for_each(|file| mode(file, 0o644));
    done(&program(home.path(), "sync").output().unwrap());
    // The copy and the original, which has gone on: they meet by their sets.
    std::fs::copy(&copy, home.path().join("north.db")).unwrap();
    std::fs::remove_file(&copy).unwrap();
    done(&program(home.path(), "moved --node NORTH").output().unwrap());
    done(&program(home.path(), "random-order --node NORTH").output().unwrap());
    done(&program(home.path(), "sync").output().unwrap());
    done(&program(home.path(), "verify").output().unwrap());
    stand(home.path());
}

#[test]
fn what_another_program_writes_all_the_time_is_neither_lost_nor_in_the_way() {
    let mut pair = Pair::new(NOTES, &["notes"]);
    let stop = AtomicBool::new(false);
    let paths = [0, 1].map(|n| pair.nodes[n].path().to_owned());
    let write = |place: usize| {
        let conn = Connection::open(&paths[place]).unwrap();
        conn.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
        let mut written = Vec::new();
        for n in 0.. {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            let text = format!("{place} wrote {n}");
            conn.execute("INSERT INTO notes (text) VALUES (?1)", [&text]).unwrap();
            conn.execute("UPDATE notes SET text = text || '.' WHERE id = 1", []).unwrap();
            written.push(text);
            std::thread::yield_now();
        }
        written
    };
    let written: Vec<String> = std::thread::scope(|scope| {
        let writers = [0, 1].map(|place| {
            let write = &write;
            scope.spawn(move || write(place))
        });
        for round in 0..12 {
            // A preview is of its moment, so only the apply is asked.
            let file = pair.set(round % 2);
            let to = &mut pair.nodes[1 - round % 2];
            to.apply(&file, ApplyOptions::default()).unwrap();
            assert!(to.check().unwrap().flaws.is_empty());
            verify(&mut pair.nodes).unwrap();
        }
        stop.store(true, Ordering::SeqCst);
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    pair.level();
    let conn = pair.nodes[0].connection();
    let mut texts = conn.prepare("SELECT text FROM notes").unwrap();
    let all: BTreeSet<String> = texts.query_map([], |r| r.get(0)).unwrap().map(|r| r.unwrap()).collect();
    let lost: Vec<&String> = written.iter().filter(|text| !all.contains(*text)).collect();
    assert!(written.len() > 10 && lost.is_empty(), "{lost:?} of {}", written.len());
}

#[test]
fn a_folder_of_sets_that_is_gone_is_made_and_a_file_in_its_place_is_told() {
    let home = demo();
    let sets = home.path().join("sets");
    std::fs::remove_dir_all(&sets).unwrap();
    done(&program(home.path(), "prepare --node MASTER --to CLIENT --id 2").output().unwrap());
    assert!(sets.join("syncFromMASTER-2.syncset").is_file());
    let lost =
        program(home.path(), "apply sets/syncFromCLIENT-1.syncset --node MASTER").current_dir(home.path()).output();
    failed(&lost.unwrap(), "a set that is gone");
    std::fs::remove_dir_all(&sets).unwrap();
    std::fs::write(&sets, "no folder").unwrap();
    let before = stand(home.path());
    let output = program(home.path(), "prepare --node MASTER --to CLIENT --id 3").output().unwrap();
    failed(&output, "a file in the place of the folder");
    assert_eq!(stand(home.path()), before);
    std::fs::remove_file(&sets).unwrap();
    // `sync` heals what the lost sets left out.
    done(&program(home.path(), "sync").output().unwrap());
    done(&program(home.path(), "verify").output().unwrap());
}

#[test]
fn clocks_that_are_wrong_in_any_way_disturb_nothing() {
    let now = (system_clock())();
    let year = 365 * 24 * 3_600_000_000;
    let times = [now, now + 10 * year, now - 50 * year, 0, -1, i64::MIN, i64::MAX, i64::MAX - 1, now + year, 1, now];
    for rule in [Rule::LatestWins, Rule::ClientWins, Rule::MergeProperties] {
        let mut pair = Pair::new(NOTES, &["notes"]);
        let clocks = [0, 1].map(|_| TestClock::new());
        let Pair { dir, nodes, .. } = pair;
        let [a, b] = nodes;
        pair = Pair::of(dir, [a.with_clock(clocks[0].clock()), b.with_clock(clocks[1].clock())]);
        let mut doubts = 0;
        for (n, time) in times.iter().enumerate() {
            for (node, clock) in clocks.iter().enumerate() {
                // One is wrong, the other right; then the other way round.
                clock.set(if n % 2 == node { *time } else { now });
                let sql = format!(
                    "UPDATE notes SET text = '{node} {n}'; INSERT INTO notes (text) VALUES ('made {node} {n}')"
                );
                pair.nodes[node].edit(|e| Ok(e.connection().execute_batch(&sql)?)).unwrap();
            }
            for from in [0, 1] {
                let file = pair.set(from);
                let report =
                    pair.nodes[1 - from].apply(&file, ApplyOptions { rule: Some(rule), ..Default::default() }).unwrap();
                doubts += report.warnings.iter().filter(|w| w.contains("24 hours ahead")).count();
            }
            // What any program writes takes this machine's clock.
            pair.sql(n % 2, &format!("UPDATE notes SET text = 'sql {n}' WHERE id = 2"));
        }
        assert!(doubts > 0, "a doubtful time is told");
        pair.level();
        pair.nodes.iter_mut().for_each(|node| drop(node.journal(&JournalQuery::default()).unwrap()));
    }
}
