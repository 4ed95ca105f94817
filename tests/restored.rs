//! A file put back from a backup and used on: its numbers are given twice. The engine refuses, and `rejoin` makes the file a
//! new node that loses nothing.

use std::path::Path;

use objsync::sync::*;

fn node(file: &Path, name: &str) -> Node {
    let conn = rusqlite::Connection::open(file).unwrap();
    conn.execute_batch("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)").unwrap();
    let class = ClassSpec { name: "Note".into(), table: "notes".into(), journaled: true };
    Node::create(file, NodeInfo { guid: NodeId::random(), name: name.into(), role: Role::Master }, &[class]).unwrap()
}

fn write(node: &Node, sql: &str) {
    node.connection().execute(sql, []).unwrap();
}

fn exchange(dir: &Path, from: &mut Node, to: &mut Node) -> Result<Report> {
    let id = from.next_set_id()?;
    // A restored node gives the same id again, so the file's name says more.
    let file = dir.join(format!("{}-{id}-{}.syncset", from.info().guid, std::fs::read_dir(dir)?.count()));
    from.meet(&to.identity()?)?;
    let options = PrepareOptions {
        id,
        file: file.clone(),
        since: Since::Acknowledged,
        upto: None,
        overwrite: false,
        compress: false,
        update_sync_time: true,
    };
    from.prepare(to.info().guid, &options)?;
    to.apply(&file, ApplyOptions::default())
}

fn texts(node: &Node) -> Vec<String> {
    let mut rows = node.connection().prepare("SELECT text FROM notes ORDER BY text").unwrap();
    rows.query_map([], |r| r.get(0)).unwrap().map(|t| t.unwrap()).collect()
}

/// Every text in a node's tables and conflict records.
fn kept(node: &Node) -> Vec<String> {
    let records = node.conflicts(100).unwrap();
    let sides = records.iter().flat_map(|r| [&r.ours, &r.theirs]);
    let recorded = sides.filter_map(|s| s.content["text"].as_str().map(str::to_owned));
    texts(node).into_iter().chain(recorded).collect()
}

#[test]
fn a_restored_file_that_was_used_on_is_refused_and_rejoins_without_loss() {
    let dir = tempfile::tempdir().unwrap();
    let (file, backup) = (dir.path().join("south.db"), dir.path().join("backup"));
    let mut north = node(&dir.path().join("north.db"), "NORTH");
    let mut south = north.fresh_copy(&file, "SOUTH", Role::Client).unwrap();
    write(&south, "INSERT INTO notes VALUES (1, 'common')");
    exchange(dir.path(), &mut south, &mut north).unwrap();
    exchange(dir.path(), &mut north, &mut south).unwrap();
    // Sent, but not yet confirmed when the backup is made.
    write(&south, "INSERT INTO notes VALUES (2, 'before the backup')");
    south.connection().execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    write(&south, "UPDATE notes SET text = 'changed after it' WHERE id = 1");
    write(&south, "INSERT INTO notes VALUES (3, 'lost here, known at NORTH')");
    exchange(dir.path(), &mut south, &mut north).unwrap();
    drop(south);

    // The backup comes back, and somebody goes on with it: the same numbers and serials once more.
    std::fs::copy(&backup, &file).unwrap();
    for ending in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{ending}", file.display()));
    }
    let mut south = Node::open(&file).unwrap();
    write(&south, "UPDATE notes SET text = 'changed otherwise' WHERE id = 1");
    write(&south, "INSERT INTO notes VALUES (3, 'another third')");
    let before = (texts(&north), texts(&south));
    for refused in [exchange(dir.path(), &mut south, &mut north), exchange(dir.path(), &mut north, &mut south)] {
        let error = refused.unwrap_err();
        assert_eq!(error.refusal(), Some(Refusal::Restored), "{error}");
        assert!(error.to_string().contains("rejoin"), "{error}");
    }
    assert_eq!((texts(&north), texts(&south)), before);

    let old = south.info().guid;
    let new = south.rejoin().unwrap();
    assert_ne!(new.guid, old);
    for _ in 0..3 {
        exchange(dir.path(), &mut south, &mut north).unwrap();
        exchange(dir.path(), &mut north, &mut south).unwrap();
    }
    assert_eq!(texts(&north), texts(&south));
    let contents = [north.contents("Note").unwrap(), south.contents("Note").unwrap()];
    assert_eq!(Contents::differences(&contents), []);
    let start = north.start_for(new.guid, Since::Acknowledged).unwrap();
    assert_eq!(north.to_send(new.guid, start).unwrap().objects, 0, "and then nothing is left to send");
    let all: Vec<String> = kept(&north).into_iter().chain(kept(&south)).collect();
    for text in
        ["before the backup", "changed after it", "lost here, known at NORTH", "changed otherwise", "another third"]
    {
        assert!(all.iter().any(|t| t == text), "`{text}` is lost: {all:?}");
    }
    // What was sent before the backup is the same on both sides: no conflict about it.
    assert_eq!(all.iter().filter(|t| *t == "before the backup").count(), 2, "{all:?}");
}

/// Nodes of one environment can ask each other, so that even a file that has made more commits than it lost is found out.
#[test]
fn a_restored_file_is_found_out_by_sync_however_much_it_has_done_since() {
    use objsync::demo::install::{Installation, install};
    use objsync::demo::populate::{Amounts, random_order, rng};
    for since in 0..4 {
        let dir = tempfile::tempdir().unwrap();
        let amounts = Amounts { items: 3, customers: 3, employees: 3, orders: 10 };
        let mut env = install(
            dir.path(),
            &Installation { amounts, seed: Some(1), ..Installation::default() },
            &Progress::default(),
        )
        .unwrap();
        let backup = dir.path().join("backup");
        env.nodes[1].connection().execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
        random_order(&mut env.nodes[1], &mut rng(Some(2))).unwrap();
        env.sync(None).unwrap();
        drop(env);
        // Into the file itself, so that only its numbers tell.
        std::fs::copy(&backup, dir.path().join("client.db")).unwrap();
        for ending in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(dir.path().join(format!("client.db{ending}")));
        }
        let mut env = Environment::open(dir.path()).unwrap();
        for i in 0..since {
            random_order(&mut env.nodes[1], &mut rng(Some(10 + i))).unwrap();
        }
        assert!(!env.status().unwrap().equal, "{since} orders since: called in sync");
        let error = env.sync(None).unwrap_err();
        assert_eq!(error.refusal(), Some(Refusal::Restored), "{since} orders since: {error}");
        let way = "objsync rejoin --node CLIENT); nothing in it is lost, and what it lacks comes back from MASTER";
        assert!(error.what_next().contains(way), "{}", error.what_next());
        env.nodes[1].rejoin().unwrap();
        for _ in 0..2 {
            env.sync(None).unwrap();
        }
        assert!(env.status().unwrap().equal && env.verify().unwrap().equal, "{since} orders since");
    }
}

/// A node and a peer, in folders of their own.
fn settled(dir: &Path) -> (std::path::PathBuf, Node, Node) {
    std::fs::create_dir_all(dir.join("a")).unwrap();
    let file = dir.join("a/a.db");
    let mut a = node(&file, "A");
    let b = a.fresh_copy(&dir.join("b.db"), "B", Role::Client).unwrap();
    write(&a, "INSERT INTO notes (text) VALUES ('first')");
    (file, a, b)
}

#[test]
fn a_copied_file_writes_nothing_until_somebody_says_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (file, mut a, mut b) = settled(dir.path());
    exchange(dir.path(), &mut a, &mut b).unwrap();
    drop(a);
    // Moved with its folder: nothing is asked.
    std::fs::rename(dir.path().join("a"), dir.path().join("moved")).unwrap();
    let file = dir.path().join("moved").join(file.file_name().unwrap());
    assert_eq!(Node::open(&file).unwrap().was_at(), None);

    let copy = dir.path().join("copy.db");
    std::fs::copy(&file, &copy).unwrap();
    let mut twin = Node::open(&copy).unwrap();
    assert!(twin.was_at().is_some(), "a copy is found out");
    let guid = twin.info().guid;
    let error = exchange(dir.path(), &mut twin, &mut b).unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::Moved));
    for words in ["moved or copied", "nothing was changed"] {
        assert!(error.message().contains(words), "{error}");
    }
    assert!(error.what_next().contains("rejoin") && error.what_next().contains("objsync moved"), "{error}");
    assert!(twin.edit(|edit| Ok(edit.connection().execute("DELETE FROM notes", [])?)).is_err());
    assert_eq!(texts(&twin), ["first"]);
    drop(twin);
    // The safe answer: a new node that goes on with everything.
    let mut twin = Node::open(&copy).unwrap();
    assert_ne!(twin.rejoin().unwrap().guid, guid);
    assert!(twin.peers().unwrap().contains(&guid), "the original goes on, elsewhere");
    write(&twin, "INSERT INTO notes (text) VALUES ('twin')");
    exchange(dir.path(), &mut twin, &mut b).unwrap();
    assert_eq!(texts(&b), ["first", "twin"]);
    assert_eq!(Node::open(&copy).unwrap().was_at(), None, "it knows its place");
    // The original was never in doubt.
    let mut a = Node::open(&file).unwrap();
    exchange(dir.path(), &mut b, &mut a).unwrap();
    assert_eq!(texts(&a), ["first", "twin"]);
}

#[test]
fn a_backup_in_the_place_of_a_file_is_found_out_at_once_and_a_moved_file_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (file, a, _b) = settled(dir.path());
    drop(a);
    let backup = dir.path().join("backup.db");
    std::fs::copy(&file, &backup).unwrap();
    // Put in its place as most programs do: another file under the same name.
    std::fs::rename(&backup, &file).unwrap();
    let mut node = Node::open(&file).unwrap();
    let error = node.retry(ApplyOptions::default()).unwrap_err();
    assert!(error.message().contains("was replaced by another one"), "{error}");
    // Or it was moved from another device, and somebody says so.
    let guid = node.info().guid;
    node.moved().unwrap();
    node.retry(ApplyOptions::default()).unwrap();
    drop(node);
    let node = Node::open(&file).unwrap();
    assert_eq!((node.was_at(), node.info().guid), (None, guid));
    // Or it becomes a new node, and the old one, which is nowhere any more, is none to wait for.
    drop(node);
    std::fs::copy(&file, &backup).unwrap();
    std::fs::rename(&backup, &file).unwrap();
    let mut node = Node::open(&file).unwrap();
    node.rejoin().unwrap();
    assert!(!node.peers().unwrap().contains(&guid));
}

/// Puts an older copy into a node's file, so that its place does not tell.
fn put_back(backup: &Path, file: &Path) -> Node {
    std::fs::copy(backup, file).unwrap();
    for ending in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{ending}", file.display()));
    }
    let node = Node::open(file).unwrap();
    assert_eq!(node.was_at(), None, "the same place");
    node
}

/// A peer that never answers cannot ask; it sees from the set alone that the sender was somewhere else before, however much has been
/// done since and although no number stands in it that was given twice.
#[test]
fn a_restored_sender_is_found_out_by_who_only_listens() {
    let dir = tempfile::tempdir().unwrap();
    let (file, backup) = (dir.path().join("south.db"), dir.path().join("backup"));
    let mut north = node(&dir.path().join("north.db"), "NORTH");
    let mut south = north.fresh_copy(&file, "SOUTH", Role::Client).unwrap();
    write(&south, "INSERT INTO notes VALUES (1, 'first')");
    exchange(dir.path(), &mut south, &mut north).unwrap();
    south.connection().execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    write(&south, "UPDATE notes SET text = 'known at NORTH' WHERE id = 1");
    exchange(dir.path(), &mut south, &mut north).unwrap();
    drop(south);
    let mut south = put_back(&backup, &file);
    for n in 0..5 {
        write(&south, &format!("UPDATE notes SET text = 'otherwise {n}' WHERE id = 1"));
    }
    let error = exchange(dir.path(), &mut south, &mut north).unwrap_err();
    assert_eq!((error.refusal(), error.node()), (Some(Refusal::Restored), Some(south.info().guid)), "{error}");
    assert_eq!(texts(&north), ["known at NORTH"]);
    // The way out, and nothing is lost.
    south.rejoin().unwrap();
    exchange(dir.path(), &mut south, &mut north).unwrap();
    exchange(dir.path(), &mut north, &mut south).unwrap();
    assert_eq!(texts(&north), texts(&south));
    let all = [kept(&north), kept(&south)].concat();
    assert!(["known at NORTH", "otherwise 4"].iter().all(|text| all.iter().any(|kept| kept == text)), "{all:?}");
}

/// What one peer knows of a node, others hear with its sets.
#[test]
fn a_restored_file_is_found_out_by_who_has_only_heard_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let (file, backup) = (dir.path().join("south.db"), dir.path().join("backup"));
    let mut north = node(&dir.path().join("north.db"), "NORTH");
    let mut south = north.fresh_copy(&file, "SOUTH", Role::Client).unwrap();
    let mut east = north.fresh_copy(&dir.path().join("east.db"), "EAST", Role::Client).unwrap();
    south.connection().execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    write(&south, "INSERT INTO notes VALUES (1, 'known at NORTH')");
    exchange(dir.path(), &mut south, &mut north).unwrap();
    exchange(dir.path(), &mut north, &mut east).unwrap();
    drop(south);
    let mut south = put_back(&backup, &file);
    for n in 1..4 {
        write(&south, &format!("INSERT INTO notes VALUES ({n}, 'since {n}')"));
    }
    for refused in [exchange(dir.path(), &mut south, &mut east), exchange(dir.path(), &mut east, &mut south)] {
        let error = refused.unwrap_err();
        assert_eq!((error.refusal(), error.node()), (Some(Refusal::Restored), Some(south.info().guid)), "{error}");
    }
    assert_eq!(texts(&east), ["known at NORTH"]);
}

/// A node that was not put back is believed, whatever was lost, late or repeated on the way, and whoever heard of it from whom.
#[test]
fn nobody_is_taken_for_restored_without_cause() {
    let dir = tempfile::tempdir().unwrap();
    let mut north = node(&dir.path().join("north.db"), "NORTH");
    let mut south = north.fresh_copy(&dir.path().join("south.db"), "SOUTH", Role::Client).unwrap();
    let mut east = north.fresh_copy(&dir.path().join("east.db"), "EAST", Role::Client).unwrap();
    for round in 0..20 {
        write(&south, &format!("INSERT INTO notes (text) VALUES ('s{round}')"));
        write(&north, &format!("INSERT INTO notes (text) VALUES ('n{round}')"));
        // Prepared and lost.
        let _ = exchange(&dir.path().join("nowhere"), &mut south, &mut north);
        exchange(dir.path(), &mut south, &mut north).unwrap();
        if round % 3 == 0 {
            exchange(dir.path(), &mut north, &mut east).unwrap();
            exchange(dir.path(), &mut east, &mut south).unwrap();
        }
        if round % 7 == 0 {
            exchange(dir.path(), &mut north, &mut south).unwrap();
        }
    }
    let mut sets: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    sets.retain(|file| file.extension().is_some_and(|ending| ending == "syncset"));
    sets.sort();
    assert!(sets.len() > 20);
    for file in sets {
        let target = syncset::read_header(&file, syncset::Size::Usual).unwrap().target.guid;
        let node = [&mut north, &mut south, &mut east].into_iter().find(|node| node.info().guid == target).unwrap();
        node.apply(&file, ApplyOptions::default()).unwrap();
    }
}

/// A backup that was used on exchanges with somebody who had heard of nothing since. When another who has is at hand, what he
/// knows tells which commits are the old node's, so that he gets the others.
#[test]
fn a_restored_file_that_has_misled_a_peer_loses_nothing_when_it_rejoins() {
    let dir = tempfile::tempdir().unwrap();
    let (file, backup) = (dir.path().join("south.db"), dir.path().join("backup"));
    let north_file = dir.path().join("north.db");
    let mut north = node(&north_file, "NORTH");
    let mut south = north.fresh_copy(&file, "SOUTH", Role::Client).unwrap();
    let mut east = north.fresh_copy(&dir.path().join("east.db"), "EAST", Role::Client).unwrap();
    south.connection().execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    for n in 1..6 {
        write(&south, &format!("INSERT INTO notes VALUES ({n}, 'first life {n}')"));
    }
    exchange(dir.path(), &mut south, &mut north).unwrap();
    drop(south);
    let mut south = put_back(&backup, &file);
    // Objects of EAST's, so that no identity is given twice.
    for n in 1..4 {
        write(&east, &format!("INSERT INTO notes VALUES ({n}, 'from EAST')"));
    }
    exchange(dir.path(), &mut east, &mut south).unwrap();
    for n in 1..4 {
        write(&south, &format!("UPDATE notes SET text = 'second life {n}' WHERE id = {n}"));
    }
    exchange(dir.path(), &mut south, &mut east).unwrap();
    exchange(dir.path(), &mut east, &mut south).unwrap();
    drop((south, north));
    let mut env = Environment::open_files(&[north_file, file]).unwrap();
    let error = env.exchange(1, 0, None).unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::Restored), "{error}");
    env.rejoin(1, None).unwrap();
    for (source, target) in [(1, 0), (0, 1)] {
        env.exchange(source, target, None).unwrap();
    }
    assert!(env.verify().unwrap().equal);
    let found = texts(&env.nodes[0]);
    for life in ["first life 1", "first life 5", "second life 1", "second life 3"] {
        assert!(found.iter().any(|text| text == life), "{life}: {found:?}");
    }
}

/// NORTH, which has a note of SOUTH's, and SOUTH, put back from a backup, which has given the note's identity to a tag.
fn given_twice(dir: &Path) -> [Node; 2] {
    let (file, backup) = (dir.join("south.db"), dir.join("backup"));
    let north = dir.join("north.db");
    let conn = rusqlite::Connection::open(&north).unwrap();
    let tables =
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT); CREATE TABLE tags (id INTEGER PRIMARY KEY, text TEXT)";
    conn.execute_batch(tables).unwrap();
    let classes = ["notes", "tags"].map(|t| ClassSpec { name: t.into(), table: t.into(), journaled: true });
    let info = NodeInfo { guid: NodeId::random(), name: "NORTH".into(), role: Role::Master };
    let mut north = Node::create(&north, info, &classes).unwrap();
    let mut south = north.fresh_copy(&file, "SOUTH", Role::Client).unwrap();
    south.connection().execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    write(&south, "INSERT INTO notes VALUES (1, 'a note')");
    exchange(dir, &mut south, &mut north).unwrap();
    drop(south);
    let mut south = put_back(&backup, &file);
    write(&south, "INSERT INTO tags VALUES (1, 'a tag')");
    south.rejoin().unwrap();
    [north, south]
}

fn both_ways(dir: &Path, [north, south]: [&mut Node; 2]) {
    for _ in 0..2 {
        exchange(dir, south, north).unwrap();
        exchange(dir, north, south).unwrap();
    }
}

/// A backup and the file that it was made of have both given an identity, one to a note and the other to a tag: neither can be taken for
/// the other.
#[test]
fn an_identity_that_was_given_in_two_classes_waits_with_its_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let [mut north, mut south] = given_twice(dir.path());
    both_ways(dir.path(), [&mut north, &mut south]);
    for node in [&north, &south] {
        let waiting = node.requeue().unwrap();
        assert_eq!(waiting.len(), 1, "{waiting:?}");
        assert!(waiting[0].reason.contains("deleted and made anew at its source"), "{}", waiting[0].reason);
    }
    // The way out.
    write(&south, "DELETE FROM tags");
    write(&south, "INSERT INTO tags VALUES (1, 'a tag')");
    both_ways(dir.path(), [&mut north, &mut south]);
    assert_eq!(north.connection().query_row("SELECT text FROM tags", [], |r| r.get::<_, String>(0)).unwrap(), "a tag");
    assert!(north.requeue().unwrap().is_empty());
    south.purge(u64::MAX).unwrap();
    south.retry(ApplyOptions::default()).unwrap();
    assert_eq!((texts(&south), south.requeue().unwrap().len()), (vec!["a note".to_owned()], 0));
}

/// Who gives up the tag has a deletion of it, and the note still: a later state of the tag must not live beside the note.
#[test]
fn an_identity_that_was_given_up_in_one_class_does_not_live_in_both() {
    let dir = tempfile::tempdir().unwrap();
    let [mut north, mut south] = given_twice(dir.path());
    exchange(dir.path(), &mut south, &mut north).unwrap();
    assert_eq!(north.discard(None).unwrap().discarded, 1);
    write(&south, "UPDATE tags SET text = 'another text'");
    both_ways(dir.path(), [&mut north, &mut south]);
    let count = |node: &Node, table: &str| -> i64 {
        node.connection().query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get(0)).unwrap()
    };
    assert_eq!((count(&north, "notes"), count(&north, "tags")), (1, 0), "both have one identity");
    for node in [&north, &south] {
        assert!(node.check().unwrap().flaws.is_empty(), "{:?}", node.check().unwrap().flaws);
    }
}
