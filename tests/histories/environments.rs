//! Random histories of whole environments: files are copied by hand in the middle of everything, backups put back, in place of the
//! file or into it, and used on; classes are switched on and off, a table altered, nodes purged. What is asked is answered as it
//! says. In the end all nodes hold the same, and every text that any of them had. Single cases: `tests/restored.rs`, `nodes.rs`,
//! `schema.rs`.

use std::collections::BTreeSet;
use std::path::Path;

use objsync::sync::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::common::assert_sound;

struct Folder {
    dir: tempfile::TempDir,
    env: Environment,
    found_out: usize,
    disagreed: usize,
    /// A node is older than what another has forgotten: it must be made anew.
    too_old: bool,
}

/// What was done, so that none of it is never tried.
#[derive(Default, Debug)]
struct Tally {
    copied: usize,
    restored: usize,
    switched: usize,
    altered: usize,
    purged: usize,
    /// Exchanges refused because the nodes did not journal the same classes.
    disagreed: usize,
    /// Histories that ended because a backup, or a copy, was older than what the others had forgotten.
    too_old: usize,
    /// Histories in which something waits in the end for what is gone.
    waiting: usize,
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
        let table = "
            CREATE TABLE tags (id INTEGER PRIMARY KEY, note TEXT, hand INTEGER);
            CREATE TABLE words (word TEXT PRIMARY KEY, note TEXT) WITHOUT ROWID;
            CREATE TABLE notes (
                id INTEGER PRIMARY KEY, text TEXT NOT NULL, hand INTEGER, tag INTEGER REFERENCES tags (id)
            );
            INSERT INTO tags VALUES (1, 'red', NULL), (2, 'blue', NULL);";
        rusqlite::Connection::open(&file).unwrap().execute_batch(table).unwrap();
        let info = NodeInfo { guid: NodeId::random(), name: "MASTER".into(), role: Role::Master };
        let specs = [("Tag", "tags", false), ("Word", "words", true), ("Note", "notes", true)];
        let specs =
            specs.map(|(name, table, journaled)| ClassSpec { name: name.into(), table: table.into(), journaled });
        Node::create(&file, info, &specs).unwrap();
        let mut env = Environment::open(dir.path()).unwrap();
        for name in ["A", "B"] {
            env.add_client(name, 0).unwrap();
        }
        Folder { dir, env, found_out: 0, disagreed: 0, too_old: false }
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

    /// One direction. Where it is found out that a file was put back, it becomes a new node, as the refusal says. Refused where the
    /// two do not journal the same classes.
    fn exchange(&mut self, source: usize, target: usize) {
        let pair = [source, target].map(|place| self.env.nodes[place].path().to_owned());
        // Each of the two can have been put back, and nobody a second time.
        for tries in 0.. {
            let [source, target] = [0, 1].map(|i| self.env.nodes.iter().position(|n| n.path() == pair[i]).unwrap());
            let Err(error) = self.env.exchange(source, target, None) else { break };
            match error.refusal() {
                Some(Refusal::Restored) => {}
                Some(Refusal::Schema) => {
                    let journaled = [source, target].map(|place| self.journaled(place));
                    assert_ne!(journaled[0], journaled[1], "{error}");
                    self.disagreed += 1;
                    break;
                }
                Some(Refusal::Purged) => {
                    self.too_old = true;
                    break;
                }
                _ => panic!("{error}"),
            }
            assert!(tries < 2, "it was mended as it says, and again: {error}");
            let place = self.env.nodes.iter().position(|node| Some(node.info().guid) == error.node());
            self.env.rejoin(place.unwrap(), None).unwrap();
            self.found_out += 1;
        }
    }

    fn journaled(&self, place: usize) -> Vec<bool> {
        self.env.nodes[place].classes().iter().map(|class| class.journaled).collect()
    }

    fn has_column(&self, place: usize, column: &str) -> bool {
        let conn = self.env.nodes[place].connection();
        let sql = "SELECT EXISTS(SELECT 1 FROM pragma_table_info('notes') WHERE name = ?1)";
        conn.query_row(sql, [column], |r| r.get(0)).unwrap()
    }

    /// Adds a column to notes, where it is not there yet.
    fn alter(&mut self, place: usize, (column, declared): (&str, &str)) -> bool {
        let there = self.has_column(place, column);
        if !there {
            let sql = format!("ALTER TABLE notes ADD COLUMN {column} {declared}");
            self.env.nodes[place].connection().execute_batch(&sql).unwrap();
        }
        !there
    }

    fn texts(&self, place: usize) -> BTreeSet<String> {
        let conn = self.env.nodes[place].connection();
        let mut statement =
            conn.prepare("SELECT text FROM notes UNION SELECT note FROM tags UNION SELECT note FROM words").unwrap();
        statement.query_map([], |r| r.get(0)).unwrap().map(|r| r.unwrap()).collect()
    }

    /// What stands in a node's records.
    fn recorded(&self, place: usize) -> BTreeSet<String> {
        let records = self.env.nodes[place].conflicts(usize::MAX).unwrap();
        let sides = records.iter().flat_map(|record| [&record.ours.content, &record.theirs.content]);
        sides.filter_map(|side| side["text"].as_str().or(side["note"].as_str()).map(str::to_owned)).collect()
    }
}

/// Columns that are added to notes, at whatever node first.
const COLUMNS: [(&str, &str); 3] =
    [("more", "TEXT DEFAULT 'x'"), ("most", "INTEGER NOT NULL DEFAULT 3"), ("last", "BLOB")];

/// What somebody writes: texts are given once, and only those of `deleted` go away again.
fn writing(rng: &mut StdRng, serial: usize, deleted: &mut BTreeSet<String>) -> String {
    let tag = ["NULL", "(SELECT min(id) FROM tags)", "(SELECT max(id) FROM tags)"][rng.random_range(0..3)];
    let note = rng.random_range(1..8);
    match rng.random_range(0..8) {
        0..3 => format!("INSERT INTO notes (text, tag) VALUES ('{serial}', {tag})"),
        3 => format!("UPDATE notes SET hand = {serial} WHERE id = {note}"),
        4 => format!("UPDATE notes SET tag = {tag}, hand = {serial} WHERE id = {note}"),
        5 => {
            format!("INSERT INTO tags (note) VALUES ('t{serial}'); INSERT INTO words VALUES ('w{serial}', 'w{serial}')")
        }
        6 => format!("UPDATE tags SET hand = {serial} WHERE id = {}", note % 4),
        _ => {
            deleted.extend((1..=serial).map(|n| n.to_string()));
            format!("DELETE FROM notes WHERE id = {note}")
        }
    }
}

fn play(seed: u64, tally: &mut Tally) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut folder = Folder::new();
    let (mut serial, mut restored) = (0, false);
    // What only stood in the records of a file that an older one was put over is gone with it, and so may be what was deleted.
    let mut gone: BTreeSet<String> = BTreeSet::new();
    // Each history has some of these, so that what one does not allow is tried with the others.
    let (switching, purging, deleting) = (seed % 3 != 1, seed % 4 == 1, seed % 5 == 2);
    for step in 0..45 {
        if step % 8 == seed % 8 {
            folder.env.nodes.iter().for_each(|node| assert_sound(std::slice::from_ref(node)));
        }
        let count = folder.env.nodes.len();
        let place = rng.random_range(0..count);
        match rng.random_range(0..22) {
            0..6 => {
                let mut sql = String::new();
                for _ in 0..rng.random_range(1..4) {
                    serial += 1;
                    let mut deleted = BTreeSet::new();
                    let writing = writing(&mut rng, serial, &mut deleted);
                    if deleting || deleted.is_empty() {
                        sql += &format!("{writing};");
                        gone.extend(deleted);
                    }
                }
                for (column, _) in COLUMNS.iter().filter(|(column, _)| folder.has_column(place, column)) {
                    sql += &format!("UPDATE notes SET {column} = {serial} WHERE id = {};", rng.random_range(1..20));
                }
                let raw = rng.random();
                let node = &mut folder.env.nodes[place];
                // What the constraints refuse is refused.
                let done = match raw {
                    true => node.connection().execute_batch(&sql).map_err(Error::from),
                    false => node.edit(|edit| Ok(edit.connection().execute_batch(&sql)?)),
                };
                assert!(done.as_ref().err().is_none_or(|e| e.kind() == ErrorKind::Constraint), "{sql}: {done:?}");
            }
            6..11 => {
                let other = if place == 0 { rng.random_range(1..count) } else { 0 };
                folder.exchange(place, other);
            }
            11 if count < 5 => {
                let from = folder.env.nodes[place].path().to_owned();
                folder.behind_its_back(|dir| {
                    assert!(std::fs::copy(&from, dir.join(format!("copy{serial}-{count}.db"))).is_ok())
                });
                tally.copied += 1;
            }
            12 => {
                let from = folder.env.nodes[place].path().to_owned();
                folder.behind_its_back(|_| assert!(std::fs::copy(&from, from.with_extension("backup")).is_ok()));
            }
            13 | 20 | 21 => {
                let file = folder.env.nodes[place].path().to_owned();
                let backup = file.with_extension("backup");
                if backup.exists() {
                    gone.extend(folder.recorded(place));
                    let how = [Put::Removed, Put::Renamed, Put::Into, Put::Into][rng.random_range(0..4)];
                    folder.behind_its_back(|_| put(&backup, &file, how));
                    restored = true;
                    tally.restored += 1;
                }
            }
            14..17 if switching => {
                let (class, on) = (["Note", "Tag", "Word"][rng.random_range(0..3)], rng.random());
                // Mostly everywhere, or nothing would be exchanged for long.
                let everywhere = rng.random_range(0..3) > 0;
                for place in if everywhere { 0..count } else { place..place + 1 } {
                    folder.env.nodes[place].journal_class(class, on).unwrap();
                    tally.switched += 1;
                }
            }
            17 => tally.altered += usize::from(folder.alter(place, COLUMNS[rng.random_range(0..COLUMNS.len())])),
            18 | 19 if purging => {
                folder.env.nodes[place].purge(u64::MAX).unwrap();
                tally.purged += 1;
            }
            _ => {}
        }
    }
    let count = folder.env.nodes.len();
    let must: BTreeSet<String> = (0..count).flat_map(|place| folder.texts(place)).collect();
    for place in 0..count {
        for class in ["Note", "Tag", "Word"] {
            folder.env.nodes[place].journal_class(class, true).unwrap();
        }
        for column in COLUMNS {
            folder.alter(place, column);
        }
    }
    for _ in 0..5 {
        for place in 1..count {
            folder.exchange(place, 0);
        }
        for place in 1..count {
            folder.exchange(0, place);
        }
    }
    tally.found_out += folder.found_out;
    tally.disagreed += folder.disagreed;
    if folder.too_old {
        tally.too_old += 1;
        return;
    }
    let waiting: Vec<Waiting> = folder.env.nodes.iter().flat_map(|node| node.requeue().unwrap()).collect();
    if !waiting.is_empty() {
        // What it refers to went with the file that an older one was put over.
        assert!(restored, "{waiting:?}");
        tally.waiting += 1;
        return;
    }
    let found = folder.env.verify().unwrap();
    assert!(found.equal, "{found:?}");
    assert_sound(&folder.env.nodes);
    let status = folder.env.status().unwrap();
    assert!(status.equal, "nothing is left to send: {status:?}");
    let unset = "SELECT count(*) FROM notes WHERE more IS NULL OR most IS NULL";
    let unset: i64 = folder.env.nodes[0].connection().query_row(unset, [], |r| r.get(0)).unwrap();
    assert_eq!(unset, 0, "a default that nobody has overwritten");
    // An identity that was given twice, by a file and by its copy, is one object with a conflict: recorded.
    let mut kept = folder.texts(0);
    kept.extend((0..count).flat_map(|place| folder.recorded(place)).chain(gone));
    let lost: Vec<_> = must.difference(&kept).cloned().collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
}

#[test]
fn whatever_happens_to_files_and_classes_nothing_is_lost() {
    let histories: u64 = std::env::var("OBJSYNC_HISTORIES").map_or(24, |n| n.parse().unwrap());
    let first: u64 = std::env::var("OBJSYNC_SEED").map_or(0, |n| n.parse().unwrap());
    let mut tally = Tally::default();
    for seed in first..first + histories {
        let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play(seed, &mut tally)));
        played.unwrap_or_else(|_| panic!("the history with seed {seed} failed (OBJSYNC_SEED={seed})"));
    }
    if histories >= 24 {
        let Tally { copied, restored, switched, altered, purged, disagreed, too_old, waiting, found_out } = tally;
        let least = [copied, restored, switched, altered, purged, disagreed].into_iter().min();
        assert!(
            least >= Some(3) && found_out > 0 && too_old + waiting < histories as usize / 4,
            "too little was tried: {tally:?}"
        );
    }
}
