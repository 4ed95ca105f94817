//! Random histories in which files are copied by hand in the middle of everything. What is asked is answered as it says. In the end
//! all nodes hold the same, and every row that any of them had. Backups that are put back: `tests/restored.rs`.

use std::collections::BTreeSet;
use std::path::Path;

use objsync::sync::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

struct Folder {
    dir: tempfile::TempDir,
    env: Environment,
    rejoined: usize,
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
        Folder { dir, env, rejoined: 0 }
    }

    /// Closes every file, does something with them, opens them again, and answers what is asked.
    fn behind_its_back(&mut self, work: impl FnOnce(&Path)) {
        self.env.nodes.iter().for_each(settle);
        self.env.nodes.clear();
        work(self.dir.path());
        self.env = Environment::open(self.dir.path()).unwrap();
        for place in 0..self.env.nodes.len() {
            if self.env.nodes[place].was_at().is_some() {
                let error = self.env.nodes[place].purge(0).unwrap_err();
                assert_eq!(error.refusal(), Some(Refusal::Moved), "nothing is written until that is answered");
                self.env.nodes[place].rejoin().unwrap();
                self.rejoined += 1;
            }
        }
    }

    fn exchange(&mut self, source: usize, target: usize) {
        self.env.exchange(source, target, None).unwrap();
    }

    fn texts(&self, place: usize) -> BTreeSet<String> {
        let conn = self.env.nodes[place].connection();
        let mut statement = conn.prepare("SELECT text FROM notes").unwrap();
        statement.query_map([], |r| r.get(0)).unwrap().map(|r| r.unwrap()).collect()
    }
}

fn play(seed: u64, tally: &mut usize) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut folder = Folder::new();
    let mut serial = 0;
    for _ in 0..40 {
        let count = folder.env.nodes.len();
        let place = rng.random_range(0..count);
        match rng.random_range(0..11) {
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
    for node in &folder.env.nodes {
        for record in node.conflicts(usize::MAX).unwrap() {
            let sides = [&record.ours.content, &record.theirs.content];
            kept.extend(sides.iter().filter_map(|side| side["text"].as_str().map(str::to_owned)));
        }
    }
    let lost: Vec<_> = must.difference(&kept).cloned().collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    *tally += folder.rejoined;
}

#[test]
fn files_copied_in_the_middle_lose_nothing() {
    let histories: u64 = std::env::var("OBJSYNC_HISTORIES").map_or(20, |n| n.parse().unwrap());
    let first: u64 = std::env::var("OBJSYNC_SEED").map_or(0, |n| n.parse().unwrap());
    let mut tally = 0;
    for seed in first..first + histories {
        let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play(seed, &mut tally)));
        played.unwrap_or_else(|_| panic!("the history with seed {seed} failed (OBJSYNC_SEED={seed})"));
    }
    if histories >= 20 {
        assert!(tally > 20, "too little was copied: {tally}");
    }
}
