//! What is refused, and that a refusal changes nothing: whatever bytes a file holds, applying it succeeds whole or leaves the
//! node as it was.

mod common;

use std::path::{Path, PathBuf};

use common::{dump, dump_but_points, skip};
use objsync::sync::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;
use serde_json::{Value as Json, json};

const SCHEMA: &str = "
CREATE TABLE kinds (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE notes (id INTEGER PRIMARY KEY, code TEXT UNIQUE, amount, kind INTEGER REFERENCES kinds (id));
INSERT INTO kinds VALUES (1, 'one');
INSERT INTO notes VALUES (1, 'a', 1, 1), (2, 'b', 2, NULL), (3, 'c', 3, 1);
";

struct Pair {
    dir: tempfile::TempDir,
    here: Node,
    there: Node,
    sets: i64,
}

fn specs() -> Vec<ClassSpec> {
    [("Kind", "kinds", false), ("Note", "notes", true)]
        .map(|(name, table, journaled)| ClassSpec { name: name.into(), table: table.into(), journaled })
        .to_vec()
}

impl Pair {
    fn new() -> Pair {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("here.db");
        Connection::open(&file).unwrap().execute_batch(SCHEMA).unwrap();
        let info = NodeInfo { guid: NodeId::random(), name: "HERE".into(), role: Role::Master };
        let mut here = Node::create(&file, info, &specs()).unwrap();
        let mut there = here.fresh_copy(&dir.path().join("there.db"), "THERE", Role::Client).unwrap();
        // Who signs is asked elsewhere; here it is what unsigned sets say.
        common::accept_unsigned(&mut there, &here);
        Pair { dir, here, there, sets: 0 }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A set from one to the other.
    fn set(&mut self, from_here: bool, since: Since) -> PathBuf {
        self.sets += 1;
        let file = self.file(&format!("{}.syncset", self.sets));
        let (source, target) = match from_here {
            true => (&mut self.here, &self.there),
            false => (&mut self.there, &self.here),
        };
        source.meet(&target.identity().unwrap()).unwrap();
        let options = PrepareOptions {
            id: self.sets,
            file,
            since,
            upto: None,
            overwrite: false,
            compress: false,
            update_sync_time: true,
        };
        source.prepare(target.info().guid, &options).unwrap().file
    }

    /// Both ways twice, from what was acknowledged; then they are equal and nothing is left.
    #[track_caller]
    fn level(&mut self) {
        for _ in 0..2 {
            let set = self.set(false, Since::Acknowledged);
            apply(&mut self.here, &set).unwrap();
            let set = self.set(true, Since::Acknowledged);
            apply(&mut self.there, &set).unwrap();
        }
        let both = [self.here.contents("Note").unwrap(), self.there.contents("Note").unwrap()];
        assert_eq!(Contents::differences(&both), []);
        assert_eq!(self.here.requeue().unwrap(), []);
        assert_eq!(self.there.requeue().unwrap(), []);
    }
}

fn apply(node: &mut Node, file: &Path) -> Result<Report> {
    node.apply(file, ApplyOptions::default())
}

fn write(node: &Node, sql: &str) {
    node.connection().execute_batch(sql).unwrap();
}

/// Refused for this reason, with a way out, and nothing changed.
#[track_caller]
fn refused(node: &mut Node, file: &Path, why: Refusal) -> Error {
    let before = dump(node);
    let error = apply(node, file).expect_err("it was applied");
    assert_eq!(error.refusal(), Some(why), "{error}");
    assert!(error.message().contains("nothing was changed") && !error.what_next().is_empty(), "{error}");
    assert_eq!(dump(node), before, "{error}");
    error
}

/// A small set with one object of each kind, and a pair that has not applied it.
fn small() -> (Pair, PathBuf, Vec<u8>) {
    let mut pair = Pair::new();
    write(&pair.here, "UPDATE notes SET amount = 12.5 WHERE id = 1");
    write(&pair.here, "DELETE FROM notes WHERE id = 2");
    write(&pair.here, "INSERT INTO notes (code, amount, kind) VALUES ('new', x'00ff', 1)");
    let file = pair.set(true, Since::Sent);
    let bytes = std::fs::read(&file).unwrap();
    (pair, file, bytes)
}

#[test]
fn a_file_cut_short_or_with_anything_added_is_refused() {
    let (mut pair, file, bytes) = small();
    let mut rng = StdRng::seed_from_u64(1);
    let ends = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i);
    let mut cuts: Vec<usize> = ends.flat_map(|i| [i, i + 1]).filter(|i| *i < bytes.len()).collect();
    cuts.extend((0..100).map(|_| rng.random_range(0..bytes.len())));
    cuts.extend([0, 1, bytes.len() - 1]);
    for cut in cuts {
        std::fs::write(&file, &bytes[..cut]).unwrap();
        refused(&mut pair.there, &file, Refusal::Damaged);
    }
    for added in [&b"\n"[..], b" ", b"\0", b"{}", &bytes] {
        std::fs::write(&file, [&bytes, added].concat()).unwrap();
        refused(&mut pair.there, &file, Refusal::Damaged);
        std::fs::write(&file, [added, &bytes].concat()).unwrap();
        refused(&mut pair.there, &file, Refusal::Damaged);
    }
    // The digest in capitals, where it has letters.
    let text = String::from_utf8(bytes.clone()).unwrap();
    let (head, digest) = text.rsplit_once("\"blake3\":").unwrap();
    std::fs::write(&file, format!("{head}\"blake3\":{}", digest.to_uppercase())).unwrap();
    refused(&mut pair.there, &file, Refusal::Damaged);
    // Lines in another order, one taken out, one twice, other line ends.
    let lines: Vec<&str> = text.lines().collect();
    let of = |order: &[usize]| order.iter().map(|i| format!("{}\n", lines[*i])).collect::<String>();
    assert_eq!(lines.len(), 5);
    for wrong in
        [of(&[0, 2, 1, 3, 4]), of(&[0, 1, 3, 4]), of(&[0, 1, 1, 2, 3, 4]), of(&[0, 4]), text.replace('\n', "\r\n")]
    {
        std::fs::write(&file, wrong).unwrap();
        refused(&mut pair.there, &file, Refusal::Damaged);
    }
    std::fs::write(&file, &bytes).unwrap();
    assert_eq!(apply(&mut pair.there, &file).unwrap().objects.len(), 3, "whole, it is applied");
    pair.level();
}

#[test]
fn any_changed_byte_is_refused() {
    let (mut pair, file, bytes) = small();
    let before = dump(&pair.there);
    let mut rng = StdRng::seed_from_u64(2);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= [1 << rng.random_range(0..8), 0x20, 0xff][rng.random_range(0..3)];
        std::fs::write(&file, &changed).unwrap();
        let error = apply(&mut pair.there, &file).expect_err("a changed byte went through");
        // In the first line it may name another node, or another key.
        let first_line = bytes.iter().position(|b| *b == b'\n').is_some_and(|end| at <= end);
        let fits = match error.refusal() {
            Some(Refusal::Damaged) => true,
            Some(Refusal::NewerFormat | Refusal::WrongNode | Refusal::Signature) => first_line,
            _ => false,
        };
        assert!(fits, "byte {at}: {error}");
    }
    assert_eq!(dump(&pair.there), before);
    std::fs::write(&file, &bytes).unwrap();
    apply(&mut pair.there, &file).unwrap();
    pair.level();
}

/// Where nobody signs, the digest alone tells.
#[test]
fn a_changed_value_is_refused_without_a_signature_too() {
    let (mut pair, file, bytes) = small();
    let unsigned = common::forge(std::str::from_utf8(&bytes).unwrap(), |_| {});
    for (was, is) in [("12.5", "12.6"), ("new", "old")] {
        assert!(unsigned.contains(was), "{unsigned}");
        std::fs::write(&file, unsigned.replacen(was, is, 1)).unwrap();
        refused(&mut pair.there, &file, Refusal::Damaged);
    }
    std::fs::write(&file, unsigned).unwrap();
    apply(&mut pair.there, &file).unwrap();
    pair.level();
}

/// Whatever else should have told that a file was put back and used on: no state is taken for another.
#[test]
fn one_version_with_two_contents_is_refused() {
    let (mut pair, file, _) = small();
    apply(&mut pair.there, &file).unwrap();
    write(&pair.here, "UPDATE notes SET amount = 4 WHERE id = 3");
    let again = pair.set(true, Since::Number(1));
    let good = std::fs::read_to_string(&again).unwrap();
    let other = |lines: &mut Vec<String>| lines.iter_mut().for_each(|line| *line = line.replace("12.5", "12.6"));
    std::fs::write(&again, common::forge(&good, other)).unwrap();
    let error = refused(&mut pair.there, &again, Refusal::Restored);
    assert!(error.message().contains("known here with another content"), "{error}");
    std::fs::write(&again, good).unwrap();
    apply(&mut pair.there, &again).unwrap();
    pair.level();
}

#[test]
fn what_is_no_set_is_said_to_be_none() {
    let (mut pair, file, bytes) = small();
    for foreign in [
        &b""[..],
        b"\n",
        b"hello\n",
        b"{}\n",
        b"[]\n",
        b"{\"objsync\":\"other\"}\n",
        b"\xff\xfe\n",
        b"SQLite format 3\0",
    ] {
        std::fs::write(&file, foreign).unwrap();
        let error = refused(&mut pair.there, &file, Refusal::Damaged);
        assert!(error.message().contains("not a sync set"), "{error}");
    }
    let text = String::from_utf8(bytes).unwrap();
    std::fs::write(
        &file,
        text.replacen(&format!("\"format\":{}", syncset::FORMAT), &format!("\"format\":{}", syncset::FORMAT + 1), 1),
    )
    .unwrap();
    let error = refused(&mut pair.there, &file, Refusal::NewerFormat);
    assert!(error.message().contains(&format!("format {}", syncset::FORMAT + 1)), "{error}");
    let before = dump(&pair.there);
    for missing in [pair.dir.path().to_owned(), pair.file("nothing.syncset")] {
        let error = apply(&mut pair.there, &missing).unwrap_err();
        assert!(error.message().contains("nothing was changed") && !error.what_next().is_empty(), "{error}");
    }
    assert_eq!(dump(&pair.there), before);
    let database = pair.there.path().to_owned();
    refused(&mut pair.there, &database, Refusal::Damaged);
}

#[test]
fn a_set_for_another_node_and_a_gap_are_named() {
    let (mut pair, first, _) = small();
    let error = refused(&mut pair.here, &first, Refusal::WrongNode);
    assert!(error.message().contains("addressed to THERE") && !error.message().contains("same name"), "{error}");
    assert_eq!(error.what_next(), "apply it at THERE");
    let mut third = pair.here.fresh_copy(&pair.file("third.db"), "THERE", Role::Client).unwrap();
    let error = refused(&mut third, &first, Refusal::WrongNode);
    assert!(error.message().contains("of the same name"), "{error}");
    assert_eq!(error.what_next(), "apply it at THERE, or have HERE prepare a set for THERE");
    let numbers = syncset::read(&first, syncset::Size::Usual).unwrap().header;
    write(&pair.here, "UPDATE notes SET amount = 99 WHERE id = 3");
    let second = pair.set(true, Since::Sent);
    let error = refused(&mut pair.there, &second, Refusal::Gap);
    let (first_missing, last_missing, id) = (numbers.start + 1, numbers.end, numbers.id);
    let missing = format!("transactions {first_missing} to {last_missing}, which set {id} carried, are missing");
    assert!(error.message().contains(&missing), "{error} does not say: {missing}");
    assert!(error.what_next().contains("--since acknowledged"), "{error}");
    let healed = pair.set(true, Since::Acknowledged);
    assert_eq!(apply(&mut pair.there, &healed).unwrap().objects.len(), 4);
    // What was missing, and what came too early, does nothing new now.
    for late in [first, second, healed] {
        let before = pair.there.contents("Note").unwrap().digest();
        let report = apply(&mut pair.there, &late).unwrap();
        assert_eq!(report.skipped, report.objects.len());
        assert_eq!(pair.there.contents("Note").unwrap().digest(), before);
    }
    pair.level();
    // One that came is not missing, though nobody has confirmed it yet.
    let mut sets = Vec::new();
    for amount in 100..103 {
        write(&pair.here, &format!("UPDATE notes SET amount = {amount} WHERE id = 3"));
        sets.push(pair.set(true, Since::Sent));
    }
    assert_eq!(apply(&mut pair.there, &sets[0]).unwrap().warnings, [""; 0]);
    let error = refused(&mut pair.there, &sets[2], Refusal::Gap);
    let lost = syncset::read_header(&sets[1], syncset::Size::Usual).unwrap();
    let missing = format!("transaction {}, which set {} carried, is missing", lost.end, lost.id);
    assert!(error.message().contains(&missing), "{error} does not say: {missing}");
}

#[test]
fn another_schema_is_refused_with_what_differs() {
    let (mut pair, file, _) = small();
    // What the journal cannot follow is told before anything is applied.
    let triggers: Vec<String> = {
        let mut statement =
            pair.there.connection().prepare("SELECT sql FROM sqlite_master WHERE name GLOB 'objsync_notes_*'").unwrap();
        statement.query_map([], |r| r.get(0)).unwrap().map(|r| r.unwrap()).collect()
    };
    write(&pair.there, "DROP TRIGGER objsync_notes_update");
    let error = apply(&mut pair.there, &file).unwrap_err();
    assert!(error.message().contains("altered behind the journal") && !error.what_next().is_empty(), "{error}");
    write(&pair.there, triggers.iter().find(|sql| sql.contains("objsync_notes_update\"")).unwrap());
    apply(&mut pair.there, &file).unwrap();
    // A set whose classes are others, though it is whole.
    let (mut pair, file, _) = small();
    for (from, to, word) in [
        (json!("TEXT"), json!("INTEGER"), "Note.code is TEXT here and INTEGER"),
        (json!("code"), json!("cod"), "has no property code at the sender"),
        (json!("Kind"), json!("Sort"), "has no class Kind"),
    ] {
        let set = forged(&file, |lines| {
            let text = lines[0]["classes"].to_string().replace(&from.to_string(), &to.to_string());
            lines[0]["classes"] = serde_json::from_str(&text).unwrap();
        });
        let error = refused(&mut pair.there, &set, Refusal::Schema);
        assert!(error.message().contains(word), "{error}");
        assert!(error.what_next().starts_with("make the tables and classes of both nodes alike"), "{error}");
    }
}

/// A copy of a set, changed and closed with the right counts and digest.
fn forged(file: &Path, change: impl FnOnce(&mut Vec<Json>)) -> PathBuf {
    let text = std::fs::read_to_string(file).unwrap();
    let unsigned = common::forge(&text, |_| {});
    let mut lines: Vec<Json> = unsigned.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    lines.pop();
    change(&mut lines);
    let body: String = lines.iter().map(|l| format!("{l}\n")).collect();
    let ties = lines.iter().skip(1).filter(|l| l.get("v").is_none()).count();
    let commits: std::collections::BTreeSet<u64> = lines
        .iter()
        .skip(1)
        .filter(|l| l.get("v").is_some())
        .filter_map(|l| l["n"].as_array())
        .flatten()
        .filter_map(Json::as_u64)
        .collect();
    let closing = json!({"objects": lines.len() - 1 - ties, "ties": ties, "transactions": commits.len(),
                         "blake3": blake3::hash(body.as_bytes()).to_hex().to_string()});
    let forged = file.with_extension("forged");
    std::fs::write(&forged, format!("{body}{closing}\n")).unwrap();
    forged
}

#[test]
fn hostile_sets_are_refused_or_applied_whole() {
    let (mut pair, mut set, mut good) = small();
    let bytes = common::forge(std::str::from_utf8(&good).unwrap(), |_| {}).into_bytes();
    assert!(std::fs::read(forged(&set, |_| ())).unwrap() == bytes, "a set that is closed again is itself, unsigned");
    let extremes = [
        json!(0),
        json!(-1),
        json!(1),
        json!(i64::MAX),
        json!(i64::MAX - 1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e300),
        json!(null),
        json!("x"),
        json!([]),
        json!({}),
        json!([0, 0]),
        json!([99, 1]),
        json!([0, u64::MAX]),
        json!([1, 1]),
        json!([[0, i64::MAX - 1]]),
        json!([[1, 1]]),
        json!([[2, 1]]),
        json!({"dangling": i64::MIN}),
        json!({"real": "nan"}),
        json!({"text": "ff"}),
        json!({"blob": "0"}),
        json!({"ref": "00000000-0000-0000-0000-000000000000"}),
        json!("\u{0}"),
        json!(true),
    ];
    let text = String::from_utf8(bytes.clone()).unwrap();
    let mut places: Vec<(usize, String)> = Vec::new();
    for (i, line) in text.lines().enumerate().take(4) {
        let line: Json = serde_json::from_str(line).unwrap();
        paths(&line, String::new(), &mut places, i);
    }
    let (mut through, mut turned_away) = (0, 0);
    for (line, path) in places.iter().filter(|(_, p)| !p.starts_with("/keys/")) {
        for value in &extremes {
            std::fs::write(&set, &good).unwrap();
            let hostile = forged(&set, |lines| *lines[*line].pointer_mut(path).unwrap() = value.clone());
            let before = dump(&pair.there);
            match apply(&mut pair.there, &hostile) {
                Err(error) => {
                    turned_away += 1;
                    assert_eq!(dump(&pair.there), before, "line {line} {path} {value}: {error}");
                }
                Ok(report) => {
                    through += 1;
                    assert!(!report.node.is_empty());
                    let what = format!("line {line} {path} {value}");
                    still_works(&mut pair.there, &what);
                    (pair, set, good) = small();
                }
            }
        }
    }
    assert!(through > 20 && turned_away > 500, "{through} applied, {turned_away} refused");
}

#[test]
fn what_no_sender_can_say_is_damage() {
    let (mut pair, set, good) = small();
    let impossible: [(&str, Json); 2] = [
        // A local number where a reference stands, and a commit that the sender has not made.
        ("/p/2", json!(1)),
        ("/v/0/1", json!(999)),
    ];
    for (path, value) in impossible {
        std::fs::write(&set, &good).unwrap();
        let hostile = forged(&set, |lines| *lines[1].pointer_mut(path).unwrap() = value);
        let error = refused(&mut pair.there, &hostile, Refusal::Damaged);
        assert!(error.message().contains("line 2"), "{path}: {error}");
    }
}

#[test]
fn what_this_node_cannot_have_done_is_not_believed() {
    let (mut pair, set, good) = small();
    write(&pair.there, "UPDATE notes SET amount = 33 WHERE id = 3");
    let made = pair.there.number().unwrap();
    let object: Json = serde_json::from_slice(good.split(|b| *b == b'\n').nth(1).unwrap()).unwrap();
    let cases: [(&[(&str, Json)], &str); 3] = [
        (&[("/v/0", json!([1, made]))], "a version that THERE made, and this file has not"),
        // Also where it is news for the sender's part.
        (&[("/v", json!([object["v"][0], [1, made]]))], "a version that THERE made, and this file has not"),
        (&[("/a", json!(1)), ("/t", json!(i64::MAX))], "a time that its clock has not reached"),
    ];
    for (lies, words) in cases {
        std::fs::write(&set, &good).unwrap();
        let hostile =
            forged(&set, |l| lies.iter().for_each(|(path, lie)| *l[1].pointer_mut(path).unwrap() = lie.clone()));
        let error = refused(&mut pair.there, &hostile, Refusal::Unproven);
        assert!(error.message().contains(words), "{error}");
    }
}

fn paths(json: &Json, at: String, found: &mut Vec<(usize, String)>, line: usize) {
    if !at.is_empty() {
        found.push((line, at.clone()));
    }
    match json {
        Json::Object(members) => {
            members.iter().for_each(|(key, value)| paths(value, format!("{at}/{key}"), found, line));
        }
        Json::Array(values) => {
            values.iter().enumerate().for_each(|(i, value)| paths(value, format!("{at}/{i}"), found, line));
        }
        _ => {}
    }
}

/// The node edits, sends and tells how it stands.
#[track_caller]
fn still_works(node: &mut Node, what: &str) {
    let new = "INSERT INTO notes (code) VALUES ('still works')";
    node.connection().execute_batch(new).unwrap_or_else(|e| panic!("{what}: {e}"));
    let peer = *node.peers().unwrap().first().unwrap();
    node.contents("Note").unwrap_or_else(|e| panic!("{what}: {e}"));
    node.requeue().unwrap_or_else(|e| panic!("{what}: {e}"));
    node.retry(ApplyOptions::default()).unwrap_or_else(|e| panic!("{what}: {e}"));
    let file = node.path().with_extension("works");
    let id = node.next_set_id().unwrap();
    let options = PrepareOptions {
        id,
        file,
        since: Since::Acknowledged,
        upto: None,
        overwrite: true,
        compress: false,
        update_sync_time: true,
    };
    node.prepare(peer, &options).unwrap_or_else(|e| panic!("{what}: {e}"));
    Node::open(node.path()).unwrap_or_else(|e| panic!("{what}: {e}"));
    // What is no number in a column of references is kept as it came, as where foreign_keys is off.
    let mut flaws = node.check().unwrap().flaws;
    flaws.counts.remove(&FlawKind::DanglingReference);
    assert!(flaws.is_empty(), "{what}: {flaws:?}");
}

#[test]
fn a_restored_file_is_told_and_rejoins_without_loss() {
    for sender in [false, true] {
        let mut pair = Pair::new();
        pair.level();
        let backup = pair.file("backup.db");
        write(&pair.there, "PRAGMA wal_checkpoint(TRUNCATE)");
        std::fs::copy(pair.there.path(), &backup).unwrap();
        write(&pair.there, "UPDATE notes SET amount = 'after the backup' WHERE id = 1");
        write(&pair.there, "INSERT INTO notes (code) VALUES ('made after')");
        pair.level();
        let file = pair.there.path().to_owned();
        let Pair { dir, here, there, sets } = pair;
        drop(there);
        for ending in ["db-wal", "db-shm"] {
            let _ = std::fs::remove_file(file.with_extension(ending));
        }
        std::fs::copy(&backup, &file).unwrap();
        pair = Pair { dir, here, there: Node::open(&file).unwrap(), sets };
        write(&pair.here, "UPDATE notes SET amount = 'meanwhile' WHERE id = 3");
        let error = if sender {
            // It gives numbers a second time.
            write(&pair.there, "UPDATE notes SET amount = 'again' WHERE id = 2");
            let set = pair.set(false, Since::Acknowledged);
            refused(&mut pair.here, &set, Refusal::Restored)
        } else {
            let set = pair.set(true, Since::Acknowledged);
            refused(&mut pair.there, &set, Refusal::Restored)
        };
        assert!(error.what_next().contains("objsync rejoin --node THERE"), "{error}");
        if sender {
            continue; // what was edited before the file rejoined is the subject of the next test
        }
        let old = pair.there.info().guid;
        assert_ne!(pair.there.rejoin().unwrap().guid, old);
        write(&pair.there, "UPDATE notes SET amount = 'later' WHERE id = 2");
        pair.level();
        let amounts = "SELECT group_concat(amount, ',') FROM (SELECT amount FROM notes WHERE id < 4 ORDER BY id)";
        for node in [&pair.here, &pair.there] {
            let found: String = node.connection().query_row(amounts, [], |r| r.get(0)).unwrap();
            assert_eq!(found, "after the backup,later,meanwhile");
        }
    }
}

#[test]
fn what_was_edited_before_a_restored_file_rejoins_travels() {
    let mut pair = Pair::new();
    pair.level();
    write(&pair.there, "PRAGMA wal_checkpoint(TRUNCATE)");
    let (backup, file) = (pair.file("backup.db"), pair.there.path().to_owned());
    std::fs::copy(&file, &backup).unwrap();
    write(&pair.there, "UPDATE notes SET amount = 'after the backup' WHERE id = 1");
    pair.level();
    let Pair { dir, here, there, sets } = pair;
    drop(there);
    for ending in ["db-wal", "db-shm"] {
        let _ = std::fs::remove_file(file.with_extension(ending));
    }
    std::fs::copy(&backup, &file).unwrap();
    pair = Pair { dir, here, there: Node::open(&file).unwrap(), sets };
    write(&pair.there, "UPDATE notes SET amount = 'again' WHERE id = 2");
    pair.there.rejoin().unwrap();
    pair.level();
}

#[test]
fn a_locked_database_is_busy_and_unchanged() {
    let (mut pair, file, _) = small();
    // Not the five seconds that it waits by itself.
    write(&pair.there, "PRAGMA busy_timeout = 50");
    let before = dump(&pair.there);
    let other = Connection::open(pair.there.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = apply(&mut pair.there, &file).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(error.message().contains("nothing was changed") && !error.what_next().is_empty(), "{error}");
    assert!(error.message().contains(&pair.there.path().display().to_string()), "which one? {error}");
    let sql = "UPDATE notes SET amount = 0";
    assert_eq!(pair.there.edit(|e| Ok(e.connection().execute_batch(sql)?)).unwrap_err().kind(), ErrorKind::Busy);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(dump(&pair.there), before);
    apply(&mut pair.there, &file).unwrap();
    // Triggers and foreign keys are on again after a failure.
    assert!(pair.there.connection().execute("INSERT INTO notes (kind) VALUES (77)", []).is_err());
    pair.level();
}

#[test]
fn a_set_that_cannot_be_written_does_not_count_as_sent() {
    let mut pair = Pair::new();
    write(&pair.here, "UPDATE notes SET amount = 7");
    let peer = pair.there.info().guid;
    let before = dump_but_points(&pair.here);
    let missing = pair.file("no folder").join("1.syncset");
    let options = PrepareOptions {
        id: 1,
        file: missing,
        since: Since::Sent,
        upto: None,
        overwrite: false,
        compress: false,
        update_sync_time: true,
    };
    let error = pair.here.prepare(peer, &options).unwrap_err();
    assert!(error.message().contains("nothing counts as sent") && !error.what_next().is_empty(), "{error}");
    assert_eq!(dump_but_points(&pair.here), before);
    assert_eq!(
        apply(&mut pair.there, &pair.dir.path().join("no folder/1.syncset")).unwrap_err().kind(),
        ErrorKind::Storage
    );
    let set = pair.set(true, Since::Sent);
    assert_eq!(apply(&mut pair.there, &set).unwrap().updated, 3);
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let mut pair = Pair::new();
    let folder = pair.file("locked");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o555)).unwrap();
    if std::fs::write(folder.join("probe"), "").is_ok() {
        return skip("permissions", "this user may write anywhere, so no folder can be made read-only");
    }
    let file = folder.join("1.syncset");
    let options = PrepareOptions {
        id: 1,
        file,
        since: Since::Sent,
        upto: None,
        overwrite: false,
        compress: false,
        update_sync_time: true,
    };
    let error = pair.here.prepare(pair.there.info().guid, &options).unwrap_err();
    assert!(error.message().contains("nothing counts as sent"), "{error}");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn files_that_are_no_nodes_are_told_apart() {
    let pair = Pair::new();
    let failure = |file: &Path| match Node::open(file) {
        Ok(_) => panic!("{} was opened", file.display()),
        Err(e) => (e.kind(), e.to_string()),
    };
    let (kind, text) = failure(&pair.file("missing.db"));
    assert!(kind == ErrorKind::NotFound && text.contains("there is no file"), "{text}");
    assert!(!pair.file("missing.db").exists(), "asking makes nothing");
    assert_eq!(failure(pair.dir.path()).0, ErrorKind::NotFound);
    let file = pair.file("text.db");
    std::fs::write(&file, "not a database, but long enough to have a header of a hundred bytes ".repeat(20)).unwrap();
    let (kind, text) = failure(&file);
    assert!(kind == ErrorKind::Storage && text.contains("not a database") && text.contains("text.db"), "{text}");
    let file = pair.file("plain.db");
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let (kind, text) = failure(&file);
    assert!(kind == ErrorKind::NotFound && text.contains("not a node"), "{text}");
    write(&pair.here, "UPDATE objsync_state SET format = 99");
    let (kind, text) = failure(pair.here.path());
    assert!(
        kind == ErrorKind::Storage && text.contains("99") && text.contains("the version of objsync that made it"),
        "{text}"
    );
    write(&pair.there, "DROP TRIGGER objsync_notes_update");
    let (kind, text) = failure(pair.there.path());
    assert!(kind == ErrorKind::Storage && text.contains("behind the journal"), "{text}");
}
