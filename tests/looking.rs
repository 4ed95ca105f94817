//! Looking at files changes none of them: somebody's other database stays as it is, byte for byte, and a node that cannot be written is
//! read as it is.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use objsync::sync::*;
use rusqlite::Connection;

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let is_shared_memory = |path: &PathBuf| path.to_string_lossy().ends_with("-shm");
    entries.filter(|path| !is_shared_memory(path)).map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect()
}

#[test]
fn a_file_that_is_no_node_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    Connection::open(dir.path().join("plain.db")).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    let in_wal = Connection::open(dir.path().join("in-wal.db")).unwrap();
    in_wal.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    in_wal.execute_batch("CREATE TABLE t (a)").unwrap();
    // As a program that was killed leaves it: with a log that nobody has open.
    for ending in ["", "-wal"] {
        let from = dir.path().join(format!("in-wal.db{ending}"));
        std::fs::copy(from, dir.path().join(format!("left.db{ending}"))).unwrap();
    }
    drop(in_wal);
    std::fs::write(dir.path().join("empty.db"), "").unwrap();
    std::fs::write(dir.path().join("text.db"), "this is no database, and nobody has ever said so ".repeat(40)).unwrap();
    let before = files(dir.path());
    assert!(before.len() == 6 && before.values().any(|bytes| bytes.len() > 4096), "a log with something in it");
    for name in ["plain", "in-wal", "left", "empty", "text"] {
        let file = dir.path().join(name).with_extension("db");
        Node::open(&file).err().expect(name);
        Node::open_to_read(&file).err().expect(name);
        untrack(&file).expect_err(name);
        assert_eq!(files(dir.path()), before, "{name}");
    }
    assert!(Environment::open(dir.path()).is_err());
    assert_eq!(files(dir.path()), before);
}

#[test]
fn a_copy_of_a_node_takes_nobodys_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.db");
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY)").unwrap();
    let info = NodeInfo { guid: NodeId::random(), name: "A".into(), role: Role::Master };
    let (mut node, _) = Node::track(&file, info, &[], &Progress::default()).unwrap();
    for name in ["b.part", "b.part-wal", "b.part-shm", "c.db"] {
        std::fs::write(dir.path().join(name), "mine").unwrap();
    }
    let mine = |name: &str| std::fs::read(dir.path().join(name)).unwrap() == b"mine";
    node.fresh_copy(&dir.path().join("b.db"), "B", Role::Client).unwrap();
    node.fresh_copy(&dir.path().join("c.db"), "C", Role::Client).err().expect("it is there");
    node.fresh_copy(&dir.path().join("no/folder.db"), "D", Role::Client).err().expect("there is no folder");
    assert!(["b.part", "b.part-wal", "b.part-shm", "c.db"].into_iter().all(mine));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::os::unix::fs::symlink(dir.path().join("nowhere"), dir.path().join("link.db")).unwrap();
        node.fresh_copy(&dir.path().join("link.db"), "D", Role::Client).err().expect("a link, if to nowhere");
        let mode = dir.path().join("b.db").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "its key is nobody else's to read");
    }
    let left = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.starts_with(".objsync")).count(), 0);
}
