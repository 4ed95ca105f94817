//! What must hold of a set's file, whatever it holds.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use objsync::sync::*;

use crate::common::{assert_same, dump};
use crate::worlds::{Target, folder, prepare};

#[derive(Default)]
pub struct Tried {
    pub refused: AtomicU64,
    pub applied: AtomicU64,
    pub exchanged: AtomicU64,
}

/// A file is refused, and nothing changed; or it is applied, the node is sound and goes on.
pub fn try_file(target: &Target, file: &Path, exchange: bool, tried: &Tried) {
    let mut node = target.open();
    let before = dump(&node);
    let read = syncset::read(file, syncset::Size::Usual);
    let header = syncset::read_header(file, syncset::Size::Usual);
    assert!(read.is_err() || header.is_ok(), "the set can be read, but not its header");
    let preview = node.preview(file, ApplyOptions::default());
    assert_same(&dump(&node), &before, "a preview changed something");
    match (node.apply(file, ApplyOptions::default()), preview) {
        (Err(error), Err(foretold)) => {
            tried.refused.fetch_add(1, Ordering::Relaxed);
            assert_same(&dump(&node), &before, &format!("refused, but not without a change: {error}"));
            assert_eq!(error.to_string(), foretold.to_string(), "the preview says why");
            assert!(error.refusal().is_some(), "a set is refused, it does not fail: {error:?}");
            drop(node);
        }
        (Ok(report), Ok(preview)) => {
            tried.applied.fetch_add(1, Ordering::Relaxed);
            assert_eq!(preview.report, report, "the preview is the apply");
            read.expect("what is applied can be read");
            sound(&node);
            if exchange {
                tried.exchanged.fetch_add(1, Ordering::Relaxed);
                goes_on(&mut node);
            }
            drop(node);
            target.restore();
        }
        (done, foretold) => panic!("the preview is not the apply: {foretold:#?} {done:#?}"),
    }
}

fn sound(node: &Node) {
    let integrity: String = node.connection().query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
    assert_eq!(integrity, "ok");
    let flaws = node.check().unwrap().flaws;
    // What is no number in a column of references is kept as it came, as where foreign_keys is off. What a sender says that others
    // have done is held against nothing here.
    let lie = |flaw: &Flaw| flaw.what.contains("of which nothing after");
    let lied = flaws.listed.iter().any(lie);
    // Of a version that cannot be, no more is known: what was merged into it is not found, either.
    let borne =
        |flaw: &&Flaw| flaw.kind == FlawKind::DanglingReference || lie(flaw) || (lied && flaw.kind == FlawKind::Merged);
    let wrong: Vec<&Flaw> = flaws.listed.iter().filter(|flaw| !borne(flaw)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What waits is given up, for what it waits for may be in no set; then the node edits, is copied, and it and its copy come to hold the same.
fn goes_on(node: &mut Node) {
    let dir = folder();
    let set = dir.path().join("set");
    node.discard(None).unwrap();
    let mut copy = node.fresh_copy(&dir.path().join("copy.db"), "COPY", Role::Client).unwrap();
    node.edit(|e| {
        Ok(e.connection().execute_batch("INSERT INTO notes (code) VALUES ('node'); UPDATE notes SET amount = 'n'")?)
    })
    .unwrap();
    copy.edit(|e| {
        Ok(e.connection().execute_batch(
            "INSERT INTO notes (code) VALUES ('copy'); UPDATE notes SET amount = 'c'; DELETE FROM words",
        )?)
    })
    .unwrap();
    for _ in 0..2 {
        let sent = prepare(&mut copy, node, &set, None).unwrap();
        node.apply(&sent, ApplyOptions::default()).unwrap();
        let sent = prepare(node, &mut copy, &set, None).unwrap();
        copy.apply(&sent, ApplyOptions::default()).unwrap();
    }
    for class in ["Kind", "Note", "Word", "Pair"] {
        let both = [node.contents(class).unwrap(), copy.contents(class).unwrap()];
        assert_eq!(Contents::differences(&both), [], "{class}");
    }
    [node, &copy].iter().for_each(|node| sound(node));
}
