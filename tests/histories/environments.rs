//! Random histories of whole environments: files are copied by hand in the middle of everything, backups put back, in place of the
//! file or into it, and used on; classes are switched on and off, a table altered, nodes purged. What is asked is answered as it
//! says. In the end all nodes hold the same, and every text that any of them had. Single cases: `tests/restored.rs`, `nodes.rs`,
//! `schema.rs`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use objsync::sync::*;

use crate::choices::Choices;
use crate::common::assert_sound;
use crate::play::{Kind, Tally, asked, play, play_kept};

struct Folder {
    dir: tempfile::TempDir,
    env: Environment,
    clock: Clock,
    /// Identities given so far.
    given: u64,
    found_out: usize,
    disagreed: usize,
    /// A node is older than what another has forgotten: it must be made anew.
    too_old: bool,
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

/// Some are above and some below those before.
fn identity(n: u64) -> u64 {
    n * 7_919 % 10_007
}

impl Folder {
    fn new() -> Folder {
        let dir = crate::common::folder();
        let file = dir.path().join("master.db");
        let tables = "
            CREATE TABLE tags (id INTEGER PRIMARY KEY, note TEXT, hand INTEGER);
            CREATE TABLE words (word TEXT PRIMARY KEY, note TEXT) WITHOUT ROWID;
            CREATE TABLE notes (
                id INTEGER PRIMARY KEY, text TEXT NOT NULL, hand INTEGER, tag INTEGER REFERENCES tags (id)
            )";
        rusqlite::Connection::open(&file).unwrap().execute_batch(tables).unwrap();
        let info = NodeInfo { guid: NodeId(identity(1)), name: "MASTER".into(), role: Role::Master };
        let specs = [("Tag", "tags", false), ("Word", "words", true), ("Note", "notes", true)];
        let specs =
            specs.map(|(name, table, journaled)| ClassSpec { name: name.into(), table: table.into(), journaled });
        // Ahead of this machine's clock, which the triggers look at.
        let time = AtomicI64::new(4_000_000_000_000_000);
        let clock: Clock = Arc::new(move || time.fetch_add(1000, Ordering::SeqCst));
        let mut master = Node::create(&file, info, &specs).unwrap().with_clock(clock.clone());
        let rows = "INSERT INTO tags VALUES (1, 'red', NULL), (2, 'blue', NULL)";
        master.connection().execute_batch("DROP TRIGGER objsync_clock").unwrap();
        master.edit(|edit| Ok(edit.connection().execute_batch(rows)?)).unwrap();
        for (guid, name) in [(2, "A"), (3, "B")] {
            let info = NodeInfo { guid: NodeId(identity(guid)), name: name.into(), role: Role::Client };
            master.fresh_copy_as(&dir.path().join(format!("{}.db", name.to_lowercase())), info).unwrap();
        }
        drop(master);
        let env = Environment::open(dir.path()).unwrap();
        let mut folder = Folder { dir, env, clock, given: 3, found_out: 0, disagreed: 0, too_old: false };
        folder.opened();
        folder
    }

    /// What the nodes are told of the machine: the time, and that it does not lose power.
    fn opened(&mut self) {
        let nodes = std::mem::take(&mut self.env.nodes).into_iter();
        self.env.nodes = nodes.map(|node| node.with_clock(self.clock.clone())).collect();
        for node in &self.env.nodes {
            node.connection().execute_batch("PRAGMA synchronous = OFF").unwrap();
        }
    }

    fn rejoin(&mut self, place: usize) {
        self.given += 1;
        self.env.rejoin_as(place, None, NodeId(identity(self.given))).unwrap();
    }

    /// Closes every file, does something with them, opens them again, and answers what is asked.
    fn behind_its_back(&mut self, work: impl FnOnce(&Path)) {
        self.env.nodes.iter().for_each(settle);
        self.env.nodes.clear();
        work(self.dir.path());
        self.env = Environment::open(self.dir.path()).unwrap();
        self.opened();
        while let Some(place) = self.env.nodes.iter().position(|node| node.was_at().is_some()) {
            let error = self.env.nodes[place].purge(0).unwrap_err();
            assert_eq!(error.refusal(), Some(Refusal::Moved), "nothing is written until that is answered");
            assert_eq!(error.node(), Some(self.env.nodes[place].info().guid));
            self.rejoin(place);
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
            self.rejoin(place.unwrap());
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
fn writing(rng: &mut Choices, serial: usize, deleted: &mut BTreeSet<String>) -> String {
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

/// Environments whose files are copied and put back.
pub const FILES: Kind = Kind { name: "files", play: history };

fn history(rng: &mut Choices, tally: &mut Tally) {
    let mut folder = Folder::new();
    let (mut serial, mut restored) = (0, false);
    // What only stood in the records of a file that an older one was put over is gone with it, and so may be what was deleted.
    let mut gone: BTreeSet<String> = BTreeSet::new();
    // Each history has some of these, so that what one does not allow is tried with the others.
    let switching = rng.of_seed(|seed| u64::from(seed % 3 != 1)) == 1;
    let purging = rng.of_seed(|seed| u64::from(seed % 4 == 1)) == 1;
    let deleting = rng.of_seed(|seed| u64::from(seed % 5 == 2)) == 1;
    let moment = rng.of_seed(|seed| seed % 8) as usize;
    let mut step = 0;
    while rng.next_step(45) {
        step += 1;
        if step % 8 == moment {
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
                    let writing = writing(rng, serial, &mut deleted);
                    if deleting || deleted.is_empty() {
                        sql += &format!("{writing};");
                        gone.extend(deleted);
                    }
                }
                for (column, _) in COLUMNS.iter().filter(|(column, _)| folder.has_column(place, column)) {
                    sql += &format!("UPDATE notes SET {column} = {serial} WHERE id = {};", rng.random_range(1..20));
                }
                let raw = rng.random();
                rng.say(format!("{}at {place}: {sql}", if raw { "raw " } else { "" }));
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
                rng.say(format!("{place} sends to {other}"));
                folder.exchange(place, other);
            }
            11 if count < 5 => {
                let from = folder.env.nodes[place].path().to_owned();
                folder.behind_its_back(|dir| {
                    assert!(std::fs::copy(&from, dir.join(format!("copy{serial}-{count}.db"))).is_ok())
                });
                rng.say(format!("{place} is copied"));
                tally.add("copied", 1);
            }
            12 => {
                rng.say(format!("{place} is backed up"));
                let from = folder.env.nodes[place].path().to_owned();
                folder.behind_its_back(|_| assert!(std::fs::copy(&from, from.with_extension("backup")).is_ok()));
            }
            13 | 20 | 21 => {
                let file = folder.env.nodes[place].path().to_owned();
                let backup = file.with_extension("backup");
                if backup.exists() {
                    gone.extend(folder.recorded(place));
                    let how = [Put::Removed, Put::Renamed, Put::Into, Put::Into][rng.random_range(0..4)];
                    rng.say(format!("the backup of {place} is put back, {how:?}"));
                    folder.behind_its_back(|_| put(&backup, &file, how));
                    restored = true;
                    tally.add("restored", 1);
                }
            }
            14..17 if switching => {
                let (class, on) = (["Note", "Tag", "Word"][rng.random_range(0..3)], rng.random());
                // Mostly everywhere, or nothing would be exchanged for long.
                let everywhere = rng.random_range(0..3) > 0;
                rng.say(format!(
                    "{class} is journaled: {on}, {}",
                    if everywhere { "everywhere".to_owned() } else { format!("at {place}") }
                ));
                for place in if everywhere { 0..count } else { place..place + 1 } {
                    folder.env.nodes[place].journal_class(class, on).unwrap();
                    tally.add("switched", 1);
                }
            }
            17 => {
                let column = COLUMNS[rng.random_range(0..COLUMNS.len())];
                rng.say(format!("at {place} notes get the column {}", column.0));
                tally.add("altered", usize::from(folder.alter(place, column)));
            }
            18 | 19 if purging => {
                rng.say(format!("{place} purges"));
                folder.env.nodes[place].purge(u64::MAX).unwrap();
                tally.add("purged", 1);
            }
            _ => {}
        }
        rng.stands(|| folder.env.nodes.iter().map(|node| format!("{:?}", crate::play::stands(node))).collect());
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
    rng.stands(|| folder.env.nodes.iter().map(|node| format!("{:?}", crate::play::stands(node))).collect());
    tally.add("found out", folder.found_out);
    tally.add("disagreed", folder.disagreed);
    if folder.too_old {
        tally.add("too old", 1);
        return;
    }
    let waiting: Vec<Waiting> = folder.env.nodes.iter().flat_map(|node| node.requeue().unwrap()).collect();
    if !waiting.is_empty() {
        // What it refers to went with the file that an older one was put over.
        assert!(restored, "{waiting:?}");
        tally.add("waiting", 1);
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
    let histories = asked(2, 24);
    let tally = play(FILES, histories);
    if histories >= 24 {
        tally.at_least(&[("copied", 3), ("restored", 3), ("switched", 3), ("altered", 3), ("purged", 3)]);
        tally.at_least(&[("disagreed", 3), ("found out", 1)]);
        // A backup was older than what the others had forgotten, or something waits in the end for what is gone.
        let ended = tally.of("too old") + tally.of("waiting");
        assert!(ended < histories as usize / 4, "too little was tried to its end: {tally:?}");
    }
}

#[test]
fn histories_of_files_that_once_failed_do_not_fail_again() {
    play_kept(FILES);
}
