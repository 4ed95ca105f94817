//! What several test programs share.
#![allow(dead_code, reason = "each test program uses its own part")]

pub mod pair;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use objsync::sync::{ApplyOptions, Checked, Clock, Node, PrepareOptions, Progress, Since};

/// Whether `what` is named in OBJSYNC_REQUIRE: what a machine lacks is then a failure, not a skip.
pub fn required(what: &str) -> bool {
    std::env::var("OBJSYNC_REQUIRE").is_ok_and(|list| list.split(',').any(|w| w.trim() == what))
}

/// Says loudly that a test was skipped, or fails where it is required. Written past the test runner's capture.
pub fn skip(what: &str, why: &str) {
    assert!(!required(what), "OBJSYNC_REQUIRE={what}, but {why}");
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "\n*** SKIPPED ({what}): {why} ***\n");
}

/// A folder for a history's files, in memory where the machine has such a place: what is on disk is not the question here.
pub fn folder() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let folder = tempfile::Builder::new().prefix("objsync-").tempdir_in(memory);
    folder.or_else(|_| tempfile::tempdir()).unwrap()
}

/// A clock that stands where the test puts it, microseconds.
#[derive(Clone)]
pub struct TestClock(pub Arc<AtomicI64>);

impl TestClock {
    pub fn new() -> Self {
        TestClock(Arc::new(AtomicI64::new(0)))
    }

    pub fn set(&self, micros: i64) {
        self.0.store(micros, Ordering::SeqCst);
    }

    pub fn clock(&self) -> Clock {
        let time = self.0.clone();
        Arc::new(move || time.load(Ordering::SeqCst))
    }
}

/// Prepares a set for another node under that id, beside the file of the first, and applies it.
pub fn send(from: &mut Node, to: &mut Node, id: i64) {
    let file = from.path().with_file_name(format!("{}-{id}.syncset", from.info().name));
    let options = PrepareOptions {
        id,
        file: file.clone(),
        since: Since::Sent,
        upto: None,
        overwrite: false,
        compress: false,
        update_sync_time: true,
    };
    from.prepare(to.info().guid, &options).unwrap();
    to.apply(&file, ApplyOptions::default()).unwrap();
}

/// The rows of every table in the file, ours and the user's.
pub fn dump(node: &Node) -> BTreeMap<String, Vec<String>> {
    let conn = node.connection();
    let mut statement = conn.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").unwrap();
    let tables: Vec<String> = statement.query_map([], |r| r.get(0)).unwrap().map(|r| r.unwrap()).collect();
    tables
        .into_iter()
        .map(|table| {
            let mut statement = conn.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
            let columns = statement.column_count();
            let row = |r: &rusqlite::Row<'_>| {
                let shown = |i| match r.get_ref(i).unwrap() {
                    rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                    value => format!("{value:?}"),
                };
                Ok((0..columns).map(shown).collect::<Vec<_>>().join("|"))
            };
            let mut rows: Vec<String> = statement.query_map([], row).unwrap().map(|r| r.unwrap()).collect();
            rows.sort_unstable();
            drop(statement);
            (table, rows)
        })
        .collect()
}

/// The same, less the point that a node notes before it tells anybody what it holds, and its clock, which that moves: they stay
/// also where nothing comes of it.
pub fn dump_but_points(node: &Node) -> BTreeMap<String, Vec<String>> {
    let mut tables = dump(node);
    tables.remove("objsync_told");
    tables.remove("objsync_clock_was");
    let sql = "SELECT clock FROM objsync_state";
    let clock: i64 = node.connection().query_row(sql, [], |r| r.get(0)).unwrap();
    let clock = format!("|Integer({clock})|");
    tables.get_mut("objsync_state").unwrap().iter_mut().for_each(|row| *row = row.replacen(&clock, "|clock|", 1));
    tables
}

/// Fails with the rows that differ, not with whole databases.
pub fn assert_same(now: &BTreeMap<String, Vec<String>>, before: &BTreeMap<String, Vec<String>>, what: &str) {
    let tables: std::collections::BTreeSet<&String> = now.keys().chain(before.keys()).collect();
    let mut odd = Vec::new();
    for table in tables {
        let rows = |dump: &BTreeMap<String, Vec<String>>| dump.get(table).cloned().unwrap_or_default();
        let (now, before) = (rows(now), rows(before));
        odd.extend(before.iter().filter(|r| !now.contains(r)).map(|r| format!("- {table} {r}")));
        odd.extend(now.iter().filter(|r| !before.contains(r)).map(|r| format!("+ {table} {r}")));
    }
    assert!(odd.is_empty(), "{what}:\n{}", odd.join("\n"));
}

/// A node that takes what [`forge`] makes in the name of another one.
pub fn accept_unsigned(node: &mut Node, from: &Node) {
    node.accept_unsigned(from.info().guid, true).unwrap();
}

/// What a node signs with.
pub fn secret(node: &Node) -> [u8; 32] {
    node.connection().query_row("SELECT secret FROM objsync_state", [], |r| r.get(0)).unwrap()
}

/// A set's lines but the last, changed; closed with the right digest, and signed as its sender would, which lies.
pub fn lie(text: &str, secret: &[u8; 32], change: impl FnOnce(&mut Vec<String>)) -> String {
    use ed25519_dalek::Signer;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut closing: serde_json::Value = serde_json::from_str(&lines.pop().unwrap()).unwrap();
    change(&mut lines);
    let body: String = lines.iter().map(|l| format!("{l}\n")).collect();
    let digest = blake3::hash(body.as_bytes());
    let signed = [b"objsync syncset\0", digest.as_bytes().as_slice()].concat();
    let signature = ed25519_dalek::SigningKey::from_bytes(secret).sign(&signed).to_bytes();
    closing["blake3"] = digest.to_hex().to_string().into();
    closing["signature"] = signature.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
    format!("{body}{closing}\n")
}

/// A set's lines but the last, changed; closed with the right digest, and unsigned, as whoever has not the sender's key would.
pub fn forge(text: &str, change: impl FnOnce(&mut Vec<String>)) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let closing = lines.pop().unwrap();
    let mut header: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    header.as_object_mut().unwrap().remove("proofs");
    for node in header["nodes"].as_array_mut().unwrap() {
        ["key", "by", "introduction"].iter().for_each(|signed| drop(node.as_object_mut().unwrap().remove(*signed)));
    }
    lines[0] = header.to_string();
    change(&mut lines);
    let body: String = lines.iter().map(|l| format!("{l}\n")).collect();
    let at = closing.find("\"blake3\":\"").unwrap() + 10;
    format!("{body}{}{}\"}}\n", &closing[..at], blake3::hash(body.as_bytes()).to_hex())
}

/// What `objsync check` finds at nodes, and between them.
pub fn checked(nodes: &[Node]) -> Checked {
    let files: Vec<_> = nodes.iter().map(|node| node.path().to_owned()).collect();
    let checked = objsync::sync::check(&files, &Progress::default()).unwrap();
    assert!(checked.unchecked.is_empty(), "{:?}", checked.unchecked);
    checked
}

/// Fails with the flaws that are found at nodes, or between them.
pub fn assert_sound(nodes: &[Node]) {
    let checked = checked(nodes);
    assert!(checked.is_sound(), "{:#?}", checked.flaws().collect::<Vec<_>>());
}
