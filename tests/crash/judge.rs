//! What must hold of what a crash leaves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use objsync::sync::{Environment, Node, Progress, syncset};
use serde_json::{Value as Json, json};

use super::program;

/// What people see of every node: its last transaction, what it holds of each class, records, what waits, sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Stand(BTreeMap<PathBuf, Json>);

impl Stand {
    pub fn of(dir: &Path) -> Stand {
        Stand(
            Environment::files_in(dir).into_iter().map(|file| (file.clone(), stand(&mut opened(&file, &[])))).collect(),
        )
    }
}

fn stand(node: &mut Node) -> Json {
    let names: Vec<String> = node.classes().iter().map(|c| c.name.clone()).collect();
    let contents: Vec<Json> = names.iter().map(|name| json!([name, node.contents(name).unwrap().digest()])).collect();
    let journaled: Vec<bool> = node.classes().iter().map(|c| c.journaled).collect();
    let rules = format!("{:?}", node.rules().unwrap());
    let records: Vec<Json> = node.conflicts(usize::MAX).unwrap().iter().map(|r| json!([r.id, r.again.len()])).collect();
    let waits: Vec<i64> = node.requeue().unwrap().iter().map(|w| w.id).collect();
    let sets: Vec<Json> =
        node.set_records(1000).unwrap().iter().map(|s| json!([s.seq, s.sent, s.id, s.digest, s.taken_back])).collect();
    json!([node.number().unwrap(), contents, journaled, rules, records, waits, sets, node.floor().unwrap()])
}

/// A file that the command was making is found in another place than it was made in.
fn opened(file: &Path, made: &[PathBuf]) -> Node {
    let mut node = Node::open(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    if made.iter().any(|m| m == file) {
        node.moved().unwrap();
    }
    node
}

/// Says that a file that was copied back is the node it was.
pub fn stays(file: &Path) {
    Node::open(file).unwrap().moved().unwrap();
}

/// Everything is there whole: the databases, the sets, and, of a command that is one transaction, that or nothing of it.
pub fn whole(dir: &Path, allowed: Option<[&Stand; 2]>, made: &[PathBuf], what: &str) {
    let mut numbers = BTreeMap::new();
    for file in Environment::files_in(dir) {
        let conn = rusqlite::Connection::open(&file).unwrap();
        let check: String = conn.query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
        assert_eq!(check, "ok", "{what}: {}", file.display());
        drop(conn);
        let mut node = opened(&file, made);
        let now = stand(&mut node);
        numbers.insert(node.info().guid, node.number().unwrap());
        if let Some(allowed) = allowed {
            let either = allowed.iter().filter_map(|stand| stand.0.get(&file)).collect::<Vec<_>>();
            assert!(
                either.contains(&&now),
                "{what}: {} is neither as before nor as after:\n{now}\n{either:#?}",
                file.display()
            );
        }
    }
    let files = Environment::files_in(dir);
    let found = objsync::sync::check(&files, &Progress::default()).unwrap();
    assert!(found.is_sound() && found.unchecked.is_empty(), "{what}: {found:#?}");
    for entry in std::fs::read_dir(dir.join("sets")).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == syncset::EXTENSION) {
            let set = syncset::read(&path, syncset::Size::Usual).unwrap_or_else(|e| panic!("{what}: {e}"));
            // What it tells others is on its sender's disk, or the sender would make other changes under the same numbers.
            let number = numbers[&set.header.source.guid];
            assert!(set.header.number <= number, "{what}: {} tells more than is on disk ({number})", path.display());
        }
    }
}

/// The command can be given again, and in the end both sides hold the same.
pub fn converges(dir: &Path, words: &[&str], what: &str) {
    let again = program(dir, words);
    // Where it was done already, doing it again may be refused, or say what to do first. It never fails in another way.
    let said = String::from_utf8_lossy(&again.stderr);
    assert!([Some(0), Some(2), Some(3)].contains(&again.status.code()), "{what}: again {:?}: {said}", again.status);
    Environment::files_in(dir).iter().for_each(|file| stays(file));
    level(dir, what);
}

/// Both sides come to hold the same, also the orders that wait for a customer.
pub fn level(dir: &Path, what: &str) {
    for words in ["sync", "classes journal Customer", "sync", "verify"] {
        let output = program(dir, &words.split(' ').collect::<Vec<_>>());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{what}: {words} afterwards {:?}: {said}", output.status);
    }
}
