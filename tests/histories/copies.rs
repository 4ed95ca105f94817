//! Random histories in which files are copied by hand in the middle of everything, and backups put back, in place of the file or
//! into it, and used on. What is asked is answered as it says. In the end all nodes hold the same, and every row that any of them
//! had. Single cases: `tests/restored.rs`.

use std::collections::BTreeSet;
use std::path::Path;

use objsync::sync::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

struct Folder {
    dir: tempfile::TempDir,
    env: Environment,
    found_out: usize,
}

/// What was done, so that none of it is never tried.
#[derive(Default, Debug)]
struct Tally {
    copied: usize,
    restored: usize,
    /// Backups that were found out only when the node exchanged.
    found_out: usize,
}

/// How a file comes where another one is.
#[derive(Clone, Copy, Debug)]
enum Put {
    /// The old one is removed first; the new one may get its inode.
    Removed,
    /// The new one is renamed to it.
    Renamed,
    /// The old one is written over, as `cp` does.
    Into,
}

fn put(from: &Path, file: &Path, how: Put) {
    match how {
        Put::Removed => {
            std::fs::remove_file(file).unwrap();
            std::fs::copy(from, file).unwrap();
        }
        Put::Renamed => {
            let beside = file.with_extension("new");
            std::fs::copy(from, &beside).unwrap();
            std::fs::rename(&beside, file).unwrap();
        }
        Put::Into => assert!(std::fs::copy(from, file).is_ok()),
    }
}

/// A database file by itself, without its log.
fn settle(node: &Node) {
    node.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

impl Folder {
    fn new() -> Folder {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("master.db");
        let table = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL, hand INTEGER)";
        rusqlite::Connection::open(&file).unwrap().execute_batch(table).unwrap();
        let info = NodeInfo { guid: NodeId::random(), name: "MASTER".into(), role: Role::Master };
        let spec = ClassSpec { name: "Note".into(), table: "notes".into(), journaled: true };
        Node::create(&file, info, &[spec]).unwrap();
        let mut env = Environment::open(dir.path()).unwrap();
        for name in ["A", "B"] {
            env.add_client(name, 0).unwrap();
        }
        Folder { dir, env, found_out: 0 }
    }

    /// Closes every file, does something with them, opens them again, and answers what is asked.
    fn behind_its_back(&mut self, work: impl FnOnce(&Path)) {
        self.env.nodes.iter().for_each(settle);
        self.env.nodes.clear();
        work(self.dir.path());
        self.env = Environment::open(self.dir.path()).unwrap();
        while let Some(place) = self.env.nodes.iter().position(|node| node.was_at().is_some()) {
            let error = self.env.nodes[place].purge(0).unwrap_err();
            assert_eq!(error.refusal(), Some(Refusal::Moved), "nothing is written until that is answered");
            assert_eq!(error.node(), Some(self.env.nodes[place].info().guid));
            self.env.rejoin(place, None).unwrap();
        }
        let mut names: Vec<&str> = self.env.nodes.iter().map(|node| node.info().name.as_str()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), self.env.nodes.len(), "each has a name of its own: {names:?}");
        let masters = self.env.nodes.iter().filter(|node| node.info().role == Role::Master).count();
        assert!(masters <= 1, "{masters} masters");
    }

    /// One direction. Where it is found out that a file was put back, it becomes a new node, as the refusal says.
    fn exchange(&mut self, source: usize, target: usize) {
        let pair = [source, target].map(|place| self.env.nodes[place].path().to_owned());
        // Each of the two can have been put back, and nobody a second time.
        for tries in 0.. {
            let [source, target] = [0, 1].map(|i| self.env.nodes.iter().position(|n| n.path() == pair[i]).unwrap());
            let Err(error) = self.env.exchange(source, target, None) else { break };
            assert_eq!(error.refusal(), Some(Refusal::Restored), "{error}");
            assert!(tries < 2, "it was mended as it says, and again: {error}");
            let place = self.env.nodes.iter().position(|node| Some(node.info().guid) == error.node());
            self.env.rejoin(place.unwrap(), None).unwrap();
            self.found_out += 1;
        }
    }

    fn texts(&self, place: usize) -> BTreeSet<String> {
        let conn = self.env.nodes[place].connection();
        let mut statement = conn.prepare("SELECT text FROM notes").unwrap();
        statement.query_map([], |r| r.get(0)).unwrap().map(|r| r.unwrap()).collect()
    }

    /// What stands in a node's records.
    fn recorded(&self, place: usize) -> BTreeSet<String> {
        let records = self.env.nodes[place].conflicts(usize::MAX).unwrap();
        let sides = records.iter().flat_map(|record| [&record.ours.content, &record.theirs.content]);
        sides.filter_map(|side| side["text"].as_str().map(str::to_owned)).collect()
    }
}

fn play(seed: u64, tally: &mut Tally) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut folder = Folder::new();
    let mut serial = 0;
    // What only stood in the records of a file that an older one was put over is gone with it.
    let mut gone: BTreeSet<String> = BTreeSet::new();
    for _ in 0..40 {
        let count = folder.env.nodes.len();
        let place = rng.random_range(0..count);
        match rng.random_range(0..15) {
            0..5 => {
                serial += 1;
                let sql = format!(
                    "INSERT INTO notes (text) VALUES ('{serial}'); UPDATE notes SET hand = {serial} WHERE id = {}",
                    rng.random_range(1..8)
                );
                let raw = rng.random();
                let node = &mut folder.env.nodes[place];
                match raw {
                    true => node.connection().execute_batch(&sql).unwrap(),
                    false => node.edit(|edit| Ok(edit.connection().execute_batch(&sql)?)).unwrap(),
                }
            }
            5..9 => {
                let other = if place == 0 { rng.random_range(1..count) } else { 0 };
                folder.exchange(place, other);
            }
            9 | 10 if count < 5 => {
                let from = folder.env.nodes[place].path().to_owned();
                folder.behind_its_back(|dir| {
                    assert!(std::fs::copy(&from, dir.join(format!("copy{serial}-{count}.db"))).is_ok())
                });
                tally.copied += 1;
            }
            11 | 12 => {
                let from = folder.env.nodes[place].path().to_owned();
                folder.behind_its_back(|_| assert!(std::fs::copy(&from, from.with_extension("backup")).is_ok()));
            }
            13 | 14 => {
                let file = folder.env.nodes[place].path().to_owned();
                let backup = file.with_extension("backup");
                if backup.exists() {
                    gone.extend(folder.recorded(place));
                    let how = [Put::Removed, Put::Renamed, Put::Into][rng.random_range(0..3)];
                    folder.behind_its_back(|_| put(&backup, &file, how));
                    tally.restored += 1;
                }
            }
            _ => {}
        }
    }
    let must: BTreeSet<String> = (0..folder.env.nodes.len()).flat_map(|place| folder.texts(place)).collect();
    let count = folder.env.nodes.len();
    for _ in 0..4 {
        for place in 1..count {
            folder.exchange(place, 0);
        }
        for place in 1..count {
            folder.exchange(0, place);
        }
    }
    let found = folder.env.verify().unwrap();
    assert!(found.equal, "{found:?}");
    assert!(folder.env.status().unwrap().equal, "nothing is left to send");
    // An identity that was given twice, by a file and by its copy, is one object with a conflict: recorded.
    let mut kept = folder.texts(0);
    kept.extend((0..count).flat_map(|place| folder.recorded(place)).chain(gone));
    let lost: Vec<_> = must.difference(&kept).cloned().collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    tally.found_out += folder.found_out;
}

#[test]
fn files_copied_and_put_back_in_the_middle_lose_nothing() {
    let histories: u64 = std::env::var("OBJSYNC_HISTORIES").map_or(20, |n| n.parse().unwrap());
    let first: u64 = std::env::var("OBJSYNC_SEED").map_or(0, |n| n.parse().unwrap());
    let mut tally = Tally::default();
    for seed in first..first + histories {
        let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play(seed, &mut tally)));
        played.unwrap_or_else(|_| panic!("the history with seed {seed} failed (OBJSYNC_SEED={seed})"));
    }
    if histories >= 20 {
        let least = tally.copied.min(tally.restored).min(tally.found_out);
        assert!(least >= 5, "too little was tried: {tally:?}");
    }
}
