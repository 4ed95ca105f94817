//! Real nodes with something of everything, and real sets for them.

use std::path::{Path, PathBuf};

use objsync::sync::*;
use rusqlite::Connection;

use crate::common::TestClock;

const SCHEMA: &str = "
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE kinds (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE notes (id INTEGER PRIMARY KEY, code TEXT UNIQUE, amount, kind INTEGER REFERENCES kinds (id),
    parent INTEGER REFERENCES notes (id), person INTEGER REFERENCES people (id), CHECK (amount IS NOT 13));
CREATE TABLE words (word TEXT PRIMARY KEY, note);
CREATE TABLE pairs (a INTEGER, b TEXT, data BLOB, PRIMARY KEY (a, b)) WITHOUT ROWID;
INSERT INTO people VALUES (1, 'Ann');
INSERT INTO kinds VALUES (1, 'one'), (2, 'two');
INSERT INTO notes VALUES (1, 'a', 1, 1, NULL, 1), (2, 'b', 2.5, NULL, 1, NULL), (3, 'c', NULL, 2, 1, NULL), (4, 'd', 4, 1, NULL, 1);
INSERT INTO words VALUES ('red', NULL), ('blue', 1);
INSERT INTO pairs VALUES (1, 'x', x'00ff'), (2, 'y', NULL);";

/// A node's file, to which sets are addressed.
pub struct Target {
    pub file: PathBuf,
    /// The file when nothing was applied yet.
    bytes: Vec<u8>,
    clock: TestClock,
    pub sets: Vec<Seed>,
}

/// A real set.
pub struct Seed {
    /// Unpacked.
    pub text: String,
    /// Its sender's Ed25519 key.
    pub secret: [u8; 32],
}

/// HERE, THERE and THIRD.
pub const NODES: [u64; 3] = [0x1111, 0x2222, 0x3333];

pub struct World {
    pub dir: tempfile::TempDir,
    pub targets: Vec<Target>,
}

fn info(guid: u64, name: &str, role: Role) -> NodeInfo {
    NodeInfo { guid: NodeId(guid), name: name.into(), role }
}

/// Applies nothing: only asks for a set.
pub fn prepare(from: &mut Node, to: &mut Node, file: &Path, upto: Option<u64>) -> Result<PathBuf> {
    from.meet(&to.identity()?)?;
    let id = from.next_set_id()?;
    let (file, since) = (file.to_owned(), Since::Acknowledged);
    let options = PrepareOptions { id, file, since, upto, overwrite: true, compress: false, update_sync_time: true };
    Ok(from.prepare(to.info().guid, &options)?.file)
}

fn secret(node: &Node) -> [u8; 32] {
    node.connection().query_row("SELECT secret FROM objsync_state", [], |r| r.get(0)).unwrap()
}

/// Leaves the whole file in one piece.
pub fn settle(node: &Node) {
    node.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

/// In memory where there is such a folder: syncs are not waited for.
pub fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

impl World {
    pub fn new() -> World {
        let dir = folder();
        let path = |name: &str| dir.path().join(name);
        Connection::open(path("here.db")).unwrap().execute_batch(SCHEMA).unwrap();
        let classes = [("Person", "people", false), ("Kind", "kinds", true), ("Note", "notes", true)];
        let classes = classes.into_iter().chain([("Word", "words", true), ("Pair", "pairs", true)]);
        let specs: Vec<ClassSpec> = classes
            .map(|(name, table, journaled)| ClassSpec { name: name.into(), table: table.into(), journaled })
            .collect();
        let clock = TestClock::new();
        // 2026; every call is a little later.
        clock.set(1_770_000_000_000_000);
        let here = Node::create(&path("here.db"), info(NODES[0], "HERE", Role::Master), &specs).unwrap();
        let mut here = here.with_clock(clock.clock());
        // It was made by this machine's clock. A set that is kept must find the same times.
        let tables = ["people", "kinds", "notes", "words", "pairs"];
        let tables = tables.map(|table| format!("UPDATE objsync_object_{table} SET time = 1;"));
        let early = "UPDATE objsync_state SET clock = 1; UPDATE objsync_told SET clock = 1;";
        here.connection().execute_batch(&(early.to_owned() + &tables.concat())).unwrap();
        let mut copy = |name: &str, guid| {
            let info = info(guid, &name.to_uppercase(), Role::Client);
            here.fresh_copy_as(&path(&format!("{name}.db")), info).unwrap().with_clock(clock.clock())
        };
        let (mut there, mut third) = (copy("there", NODES[1]), copy("third", NODES[2]));
        let commit = |node: &mut Node, sql: &str| {
            clock.set((clock.clock())() + 1_000_000);
            node.edit(|edit| Ok(edit.connection().execute_batch(sql)?)).unwrap();
        };
        let send = |from: &mut Node, to: &mut Node, rule| {
            let set = prepare(from, to, &path("on-its-way"), None).unwrap();
            to.apply(&set, ApplyOptions { rule: Some(rule), ..Default::default() }).unwrap();
        };
        // A unit waits at THERE, for a person that is only identified.
        commit(
            &mut here,
            "INSERT INTO people VALUES (7, 'Eve'); INSERT INTO notes VALUES (7, 'w', 1, 1, 7, 7); UPDATE words SET note = 2 WHERE word = 'blue'",
        );
        send(&mut here, &mut there, Rule::ClientWins);
        assert!(!there.requeue().unwrap().is_empty());
        // Both sides, and a third, go on.
        commit(&mut third, "UPDATE notes SET amount = 'third' WHERE id = 3; INSERT INTO kinds VALUES (3, 'three')");
        send(&mut third, &mut here, Rule::LatestWins);
        commit(
            &mut here,
            "UPDATE notes SET amount = x'00ff00' WHERE id = 1; UPDATE kinds SET name = 'uno' WHERE id = 1",
        );
        commit(
            &mut here,
            "UPDATE notes SET code = 'swap' WHERE id = 2; UPDATE notes SET code = 'b' WHERE id = 1; UPDATE notes SET code = 'a' WHERE id = 2",
        );
        commit(
            &mut there,
            "UPDATE notes SET kind = 2 WHERE id IN (1, 2); UPDATE words SET note = 'there' WHERE word = 'red'",
        );
        commit(
            &mut there,
            "UPDATE notes SET amount = 44 WHERE id = 4; INSERT INTO notes (code, kind) VALUES ('same', 1)",
        );
        // What waits at both, what conflicts and is combined, and ties: all came to HERE, and part of it goes back.
        send(&mut there, &mut here, Rule::MergeProperties);
        let middle = here.number().unwrap();
        commit(
            &mut here,
            "DELETE FROM notes WHERE id = 4; INSERT INTO notes (code, amount, kind, parent) VALUES ('new', 9e999, 3, 3);
             INSERT INTO words VALUES ('grün ☃ \"', CAST(x'ff00' AS TEXT)); DELETE FROM pairs WHERE a = 2",
        );
        commit(
            &mut there,
            "UPDATE notes SET amount = 45 WHERE id = 4; UPDATE pairs SET data = zeroblob(300); DELETE FROM words WHERE word = 'red'",
        );
        commit(&mut here, "UPDATE pairs SET data = NULL; UPDATE pairs SET a = 5 WHERE a = 1");
        commit(
            &mut third,
            "UPDATE notes SET parent = id WHERE id = 2; INSERT INTO notes (code, parent) VALUES ('ring', 2)",
        );

        let seed = |from: &mut Node, to: &mut Node, upto| {
            let file = prepare(from, to, &path("seed"), upto).unwrap();
            Seed { text: std::fs::read_to_string(file).unwrap(), secret: secret(from) }
        };
        there.meet(&third.identity().unwrap()).unwrap();
        let sets_there = vec![
            seed(&mut here, &mut there, Some(middle)),
            seed(&mut here, &mut there, None),
            seed(&mut third, &mut there, None),
        ];
        let sets_here = vec![seed(&mut there, &mut here, None), seed(&mut third, &mut here, None)];
        let text = &sets_there[1].text;
        assert!(text.lines().any(|l| l.starts_with("{\"c\"") && !l.contains("\"v\"")), "there is a tie: {text}");
        let mut targets = Vec::new();
        for (node, sets) in [(there, sets_there), (here, sets_here)] {
            settle(&node);
            let file = node.path().to_owned();
            drop(node);
            let target = Target { bytes: std::fs::read(&file).unwrap(), file, clock: clock.clone(), sets };
            targets.push(target);
        }
        World { dir, targets }
    }
}

impl Target {
    /// It is put back as it is now, from now on. Nobody may have it open.
    #[allow(dead_code, reason = "for tests/fuzz")]
    pub fn keep(&mut self) {
        settle(&self.open());
        self.bytes = std::fs::read(&self.file).unwrap();
    }

    pub fn open(&self) -> Node {
        Node::open(&self.file).unwrap().with_clock(self.clock.clock())
    }

    /// Puts the file back as it was; nobody may have it open.
    pub fn restore(&self) {
        self.put(&self.bytes, None);
    }

    /// Puts other bytes in the file's place, and in that of the log beside it. It stays the same file, by which nodes are known.
    pub fn put(&self, bytes: &[u8], log: Option<&[u8]>) {
        for ending in ["db-wal", "db-shm", "db-journal"] {
            let _ = std::fs::remove_file(self.file.with_extension(ending));
        }
        std::fs::write(&self.file, bytes).unwrap();
        if let Some(log) = log {
            std::fs::write(self.file.with_extension("db-wal"), log).unwrap();
        }
    }
}
