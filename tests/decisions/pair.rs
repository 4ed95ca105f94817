//! MASTER and CLIENT with people and their tasks.

use std::path::{Path, PathBuf};

use objsync::sync::*;
use rusqlite::Connection;

use crate::common::{TestClock, assert_same, dump};

const SCHEMA: &str = "
CREATE TABLE people (id INTEGER PRIMARY KEY, code TEXT UNIQUE, name TEXT);
CREATE TABLE tasks (
    id INTEGER PRIMARY KEY, person INTEGER REFERENCES people (id), low INTEGER NOT NULL DEFAULT 1, high INTEGER DEFAULT 9,
    CONSTRAINT \"low lies below high\" CHECK (low < high)
);
INSERT INTO people VALUES (1, 'a', 'Ada'), (2, 'b', 'Bob');
INSERT INTO tasks VALUES (1, 1, 1, 9), (2, 1, 1, 9), (3, 2, 1, 9);
";

pub struct Pair {
    pub dir: tempfile::TempDir,
    pub clock: TestClock,
    pub nodes: [Node; 2],
    sets: i64,
}

pub const MASTER: usize = 0;
pub const CLIENT: usize = 1;

impl Pair {
    /// MASTER and CLIENT; every edit is a second later than the one before.
    pub fn new() -> Pair {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("master.db");
        Connection::open(&file).unwrap().execute_batch(SCHEMA).unwrap();
        let classes = [("Person", "people"), ("Task", "tasks")].map(|(name, table)| ClassSpec {
            name: name.into(),
            table: table.into(),
            journaled: true,
        });
        let info = NodeInfo { guid: NodeId(1), name: "MASTER".into(), role: Role::Master };
        let clock = TestClock::new();
        clock.set(4_000_000_000_000_000);
        let mut master = Node::create(&file, info, &classes).unwrap().with_clock(clock.clock());
        let client = master.fresh_copy(&dir.path().join("client.db"), "CLIENT", Role::Client).unwrap();
        Pair { dir, clock, nodes: [master, client], sets: 999 }
    }

    pub fn write(&mut self, at: usize, sql: &str) {
        self.clock.0.fetch_add(1_000_000, std::sync::atomic::Ordering::SeqCst);
        self.nodes[at].edit(|edit| Ok(edit.connection().execute_batch(sql)?)).unwrap();
    }

    pub fn prepare(&mut self, from: usize) -> PathBuf {
        self.sets += 1;
        let target = self.nodes[1 - from].identity().unwrap();
        self.nodes[from].meet(&target).unwrap();
        let file = self.dir.path().join(format!("{}.syncset", self.sets));
        let options = PrepareOptions {
            id: self.sets,
            file,
            since: Since::Acknowledged,
            upto: None,
            overwrite: false,
            compress: false,
            update_sync_time: true,
        };
        self.nodes[from].prepare(target.info.guid, &options).unwrap().file
    }

    pub fn apply(&mut self, at: usize, file: &Path, rule: Option<Rule>) -> Report {
        let report = self.nodes[at].apply(file, ApplyOptions { rule, ..ApplyOptions::default() }).unwrap();
        let [name, source] = [at, 1 - at].map(|at| self.nodes[at].info().name.as_str());
        let id = report.file.file_stem().unwrap().to_string_lossy();
        assert_eq!((&*report.node, &*report.source, &*report.file), (name, source, file));
        assert_eq!(report.id.to_string(), id);
        report
    }

    /// One direction.
    pub fn send(&mut self, from: usize, rule: Option<Rule>) -> Report {
        let file = self.prepare(from);
        self.apply(1 - from, &file, rule)
    }

    pub fn level(&mut self) {
        for _ in 0..2 {
            self.send(CLIENT, None);
            self.send(MASTER, None);
        }
        for class in ["Person", "Task"] {
            let [a, b] = &mut self.nodes;
            assert_eq!(a.contents(class).unwrap().digest(), b.contents(class).unwrap().digest(), "{class}");
        }
        for from in [MASTER, CLIENT] {
            let peer = self.nodes[1 - from].info().guid;
            let start = self.nodes[from].start_for(peer, Since::Acknowledged).unwrap();
            assert_eq!(self.nodes[from].to_send(peer, start).unwrap().objects, 0, "then nothing is left to send");
        }
    }

    pub fn value<T: rusqlite::types::FromSql>(&self, at: usize, sql: &str) -> T {
        self.nodes[at].connection().query_row(sql, [], |r| r.get(0)).unwrap()
    }

    pub fn task(&self, at: usize, id: i64) -> (i64, i64) {
        let sql = "SELECT low, high FROM tasks WHERE id = ?1";
        self.nodes[at].connection().query_row(sql, [id], |r| Ok((r.get(0)?, r.get(1)?))).unwrap()
    }

    /// Both change task 1: MASTER first, CLIENT later.
    pub fn conflict(&mut self) {
        self.write(MASTER, "UPDATE tasks SET low = 2, high = 8 WHERE id = 1");
        self.write(CLIENT, "UPDATE tasks SET low = 3, high = 7 WHERE id = 1");
    }

    pub fn record(&self, at: usize) -> ConflictRecord {
        let records = self.nodes[at].conflicts(usize::MAX).unwrap();
        records.into_iter().max_by_key(|r| r.id).expect("a record")
    }
}

/// The last set applied at MASTER.
pub fn last_set(pair: &Pair) -> SetRecord {
    pair.nodes[MASTER].set_records(usize::MAX).unwrap().into_iter().find(|s| !s.sent).unwrap()
}

/// Why that one cannot be taken back: it is said, and refused so.
pub fn why_not(pair: &mut Pair) -> String {
    let set = last_set(pair);
    let why = pair.nodes[MASTER].can_take_back(&set).unwrap().unwrap_err();
    let before = dump(&pair.nodes[MASTER]);
    let error = pair.nodes[MASTER].take_back(set.seq).unwrap_err();
    assert!(error.message().contains(&why) && error.message().contains("nothing was changed"), "{error}");
    assert!(error.what_next().contains("revert"), "{error}");
    assert_same(&dump(&pair.nodes[MASTER]), &before, "a refusal");
    why
}
