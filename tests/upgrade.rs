//! A file that an earlier version of objsync made is brought to the present storage format when it is opened, whole or not at
//! all. `tests/files/format-1.sql` is such a file, as text: MASTER of a small demo after a synchronization that found a
//! conflict, deleted an order, and left one waiting.

mod common;

use std::path::{Path, PathBuf};

use common::{assert_same, assert_sound, dump};
use objsync::sync::*;
use rusqlite::Connection;

fn old_file(dir: &Path) -> PathBuf {
    let file = dir.join("master.db");
    let text = include_str!("files/format-1.sql");
    Connection::open(&file).unwrap().execute_batch(text).unwrap();
    file
}

#[test]
fn a_file_of_format_1_goes_on_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let file = old_file(dir.path());
    let mut node = Node::open(&file).unwrap();
    let format: i64 = node.connection().query_row("SELECT format FROM objsync_state", [], |r| r.get(0)).unwrap();
    assert_eq!(format, 7);
    assert!(node.check().unwrap().flaws.is_empty());
    // Its record stands, and can be decided again.
    let record = node.conflict(1).unwrap();
    assert_eq!((record.state, record.chosen), (RecordState::Decided, Chosen::Theirs));
    assert_eq!(record.result, record.theirs.content, "what was chosen then");
    assert_eq!(node.moved_on(&record).unwrap(), "");
    let Resolution::Filed { changes, .. } = node.resolve(1, &Choice::Ours, false).unwrap() else { panic!("asked") };
    assert!(changes.contains("quantity 3 → 2"), "{changes}");
    // What waits, waits on; a set applied before has not noted how to take it back.
    let waiting = node.requeue().unwrap();
    assert_eq!((waiting.len(), waiting[0].source_number), (1, Some(9)));
    let set = node.set_records(10).unwrap().into_iter().find(|s| !s.sent).unwrap();
    for answer in [node.can_take_back(&set).unwrap(), node.can_revert(&set).unwrap()] {
        assert!(answer.unwrap_err().contains("earlier version"));
    }
    // The deleted order is remembered, and the journal goes on.
    let class = node.class("Order").unwrap().clone();
    let deleted = node.guid_by_number(&class, 2).unwrap().unwrap();
    assert_eq!(node.history("Order", deleted).unwrap()[0].changes, "deleted");
    let number = node.number().unwrap();
    node.connection().execute_batch("UPDATE orders SET order_num = 50, quantity = 9 WHERE order_num = 3").unwrap();
    assert_eq!(node.number().unwrap(), number + 1);
    node.discard(None).unwrap();
    let copy = node.fresh_copy(&dir.path().join("copy.db"), "COPY", Role::Client).unwrap();
    assert_eq!(copy.number().unwrap(), node.number().unwrap());
    assert_sound(&[copy, node]);
    let node = Node::open(&file).unwrap();
    // Opened again, nothing is left to do.
    let before = dump(&node);
    drop(node);
    assert_same(&dump(&Node::open(&file).unwrap()), &before, "opened again");
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = old_file(dir.path());
    let conn = Connection::open(&file).unwrap();
    conn.execute("UPDATE objsync_state SET format = 99", []).unwrap();
    let schema = |conn: &Connection| -> i64 { conn.query_row("PRAGMA schema_version", [], |r| r.get(0)).unwrap() };
    let before = schema(&conn);
    let error = Node::open(&file).err().expect("a later format");
    assert!(
        error.message().contains("storage format 99") && error.message().contains("nothing was changed"),
        "{error}"
    );
    assert!(!error.what_next().is_empty());
    assert_eq!(schema(&conn), before);
}

#[test]
fn an_upgrade_that_fails_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = old_file(dir.path());
    let conn = Connection::open(&file).unwrap();
    // A table in the way of the last step.
    conn.execute_batch("CREATE TABLE objsync_former_key (something)").unwrap();
    assert!(Node::open(&file).is_err());
    let format: i64 = conn.query_row("SELECT format FROM objsync_state", [], |r| r.get(0)).unwrap();
    let columns: i64 = conn
        .query_row("SELECT count(*) FROM pragma_table_info('objsync_set') WHERE name = 'undo'", [], |r| r.get(0))
        .unwrap();
    assert_eq!((format, columns), (1, 0), "whole or not at all");
    conn.execute_batch("DROP TABLE objsync_former_key").unwrap();
    Node::open(&file).unwrap();
}
