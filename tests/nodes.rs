//! More nodes, ranges, classes switched on and off, purge, and peers that are given up.

mod common;

use std::path::{Path, PathBuf};

use common::{assert_same, dump};
use objsync::sync::*;
use rusqlite::Connection;

const SCHEMA: &str = "
CREATE TABLE people (id INTEGER PRIMARY KEY, code TEXT UNIQUE, name TEXT);
CREATE TABLE tasks (id INTEGER PRIMARY KEY, person INTEGER REFERENCES people (id), text TEXT);
INSERT INTO people VALUES (1, 'a', 'Ada'), (2, 'b', 'Bob');
INSERT INTO tasks VALUES (1, 1, 'one'), (2, 2, 'two');
";

struct World {
    dir: tempfile::TempDir,
    env: Environment,
    sets: i64,
}

impl World {
    /// MASTER and clients; Task is journaled, Person identified only.
    fn new(clients: &[&str]) -> World {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("master.db");
        Connection::open(&file).unwrap().execute_batch(SCHEMA).unwrap();
        let classes = [("Person", "people", false), ("Task", "tasks", true)]
            .map(|(name, table, journaled)| ClassSpec { name: name.into(), table: table.into(), journaled });
        let info = NodeInfo { guid: NodeId(1), name: "MASTER".into(), role: Role::Master };
        drop(Node::create(&file, info, &classes).unwrap());
        let mut env = Environment::open(dir.path()).unwrap();
        for name in clients {
            env.add_client(name, 0).unwrap();
        }
        World { dir, env, sets: 0 }
    }

    fn node(&mut self, name: &str) -> &mut Node {
        self.env.node(name).unwrap()
    }

    fn write(&mut self, name: &str, sql: &str) {
        self.node(name).edit(|edit| Ok(edit.connection().execute_batch(sql)?)).unwrap();
    }

    fn options(&mut self, since: Since) -> PrepareOptions {
        self.sets += 1;
        let file = self.dir.path().join(format!("{}.syncset", self.sets));
        PrepareOptions {
            id: self.sets,
            file,
            since,
            upto: None,
            overwrite: false,
            compress: false,
            update_sync_time: true,
        }
    }

    fn prepare(&mut self, from: &str, to: &str, options: &PrepareOptions) -> Result<PathBuf> {
        let (source, target) = (self.env.index(from).unwrap(), self.env.index(to).unwrap());
        self.env.prepare(source, target, options).map(|p| p.file)
    }

    fn apply(&mut self, at: &str, file: &Path) -> Result<Report> {
        self.node(at).apply(file, ApplyOptions::default())
    }

    fn send(&mut self, from: &str, to: &str) -> Report {
        let options = self.options(Since::Acknowledged);
        let file = self.prepare(from, to, &options).unwrap();
        self.apply(to, &file).unwrap()
    }

    fn texts(&mut self, name: &str, sql: &str) -> Vec<String> {
        let mut statement = self.node(name).connection().prepare(sql).unwrap();
        statement.query_map([], |r| r.get(0)).unwrap().map(|t| t.unwrap()).collect()
    }

    /// All hold the same of every journaled class, and nothing is left to send.
    fn level(&mut self) {
        self.env.sync(None).unwrap();
        self.env.sync(None).unwrap();
        let found = self.env.verify().unwrap();
        assert!(found.equal, "{found:?}");
        let status = self.env.status().unwrap();
        for node in &status.nodes {
            for peer in node.peers.iter().filter(|p| p.name == "MASTER" || node.name == "MASTER") {
                assert_eq!(peer.to_send.objects, 0, "{} to {}", node.name, peer.name);
            }
        }
    }
}

#[test]
fn clients_around_a_master_and_directly_with_each_other_converge() {
    let mut world = World::new(&["NORTH", "SOUTH"]);
    assert!(world.env.status().unwrap().equal, "a fresh copy is level at once");
    world.write("NORTH", "INSERT INTO tasks VALUES (3, 1, 'north')");
    world.write("SOUTH", "INSERT INTO tasks VALUES (3, 2, 'south')");
    world.write("MASTER", "UPDATE tasks SET text = 'master' WHERE id = 1");
    // Past the master, and then through it.
    assert_eq!(world.send("NORTH", "SOUTH").inserted, 1);
    assert_eq!(world.send("SOUTH", "NORTH").inserted, 1);
    world.level();
    // A client made from a client knows what that one knows.
    let third = world.env.index("SOUTH").unwrap();
    world.env.add_client("EAST", third).unwrap();
    world.write("EAST", "DELETE FROM tasks WHERE id = 2");
    world.write("NORTH", "UPDATE tasks SET text = 'two!' WHERE id = 2");
    assert_eq!(world.send("EAST", "NORTH").conflicts, 1);
    world.level();
    for name in ["MASTER", "NORTH", "SOUTH", "EAST"] {
        let texts = world.texts(name, "SELECT text FROM tasks ORDER BY text");
        assert_eq!(texts.len(), if texts.contains(&"two!".to_owned()) { 4 } else { 3 }, "{texts:?}");
    }
    let names: Vec<_> = world.env.nodes.iter().map(|n| n.info().name.clone()).collect();
    assert_eq!(names, ["MASTER", "EAST", "NORTH", "SOUTH"]);
    let error = world.env.add_client("north", 0).unwrap_err();
    assert!(error.message().contains("there is a node NORTH already"), "{error}");
    // They are the folder's from now on.
    assert_eq!(Environment::open(world.dir.path()).unwrap().nodes.len(), 4);
}

#[test]
fn ranges_are_given_and_a_gap_names_the_set_that_is_missing() {
    let mut world = World::new(&["CLIENT"]);
    for text in ["x", "y", "z"] {
        world.write("MASTER", &format!("UPDATE tasks SET text = '{text}' WHERE id = 1"));
    }
    let number = world.node("MASTER").number().unwrap();
    // An extra copy does not count as sent.
    let options = PrepareOptions { compress: false, update_sync_time: false, ..world.options(Since::Sent) };
    world.prepare("MASTER", "CLIENT", &options).unwrap();
    // Up to an earlier transaction: the state as of then.
    let options = PrepareOptions { upto: Some(number - 1), ..world.options(Since::Sent) };
    let first = world.prepare("MASTER", "CLIENT", &options).unwrap();
    let set = syncset::read(&first, syncset::Size::Usual).unwrap();
    assert_eq!((set.header.start, set.header.end), (number - 3, number - 1));
    assert_eq!(set.objects[0].state.content.as_ref().unwrap()[1], Value::Text("y".into()));
    // The next one goes on from there, and lacks its predecessor.
    let options = world.options(Since::Sent);
    let second = world.prepare("MASTER", "CLIENT", &options).unwrap();
    let error = world.apply("CLIENT", &second).unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::Gap));
    assert!(error.message().contains("which the sets 2, 1 carried, are missing"), "{error}");
    assert!(error.what_next().contains("apply the earlier set first"), "{error}");
    // From a transaction on, repaired by hand.
    let options = world.options(Since::Number(number - 3));
    let all = world.prepare("MASTER", "CLIENT", &options).unwrap();
    assert_eq!(world.apply("CLIENT", &all).unwrap().updated, 1);
    assert_eq!(world.apply("CLIENT", &first).unwrap().skipped, 1, "late, and nothing new");
    let options = PrepareOptions { upto: Some(number + 5), ..world.options(Since::Sent) };
    assert_eq!(world.prepare("MASTER", "CLIENT", &options).unwrap_err().kind(), ErrorKind::Usage);
    world.level();
}

#[test]
fn a_set_of_the_first_format_is_still_read() {
    let mut world = World::new(&["CLIENT"]);
    world.write("MASTER", "UPDATE tasks SET text = 'x' WHERE id = 1");
    let options = world.options(Since::Sent);
    let file = world.prepare("MASTER", "CLIENT", &options).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let known = format!("\"format\":{}", syncset::FORMAT);
    let old = common::forge(&text, |lines| {
        assert!(lines[0].contains(&known) && lines[0].contains("\"earlier\":[],"));
        lines[0] = lines[0].replacen(&known, "\"format\":1", 1).replacen("\"earlier\":[],", "", 1);
    });
    std::fs::write(&file, old).unwrap();
    assert_eq!(world.apply("CLIENT", &file).unwrap_err().refusal(), Some(Refusal::Signature), "it is not signed");
    let master = world.node("MASTER").info().guid;
    world.node("CLIENT").accept_unsigned(master, true).unwrap();
    assert_eq!(world.apply("CLIENT", &file).unwrap().updated, 1);
}

#[test]
fn several_that_prepare_at_once_take_ids_of_their_own_and_overwrite_nothing() {
    let mut world = World::new(&["CLIENT"]);
    world.write("MASTER", "UPDATE tasks SET text = 'x' WHERE id = 1");
    let (client, dir) = (world.node("CLIENT").info().guid, world.dir.path().to_owned());
    let options = PrepareOptions { update_sync_time: false, ..world.options(Since::Sent) };
    // A file of that name, which nobody may touch.
    std::fs::write(dir.join("set-1001"), "mine").unwrap();
    let prepare = || {
        let mut master = Node::open(&dir.join("master.db")).unwrap();
        let file_of = |id| dir.join(format!("set-{id}"));
        (0..3).map(|_| master.prepare_next(client, &options, &file_of).unwrap()).collect::<Vec<_>>()
    };
    let mut all: Vec<Prepared> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..4).map(|_| scope.spawn(prepare)).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    all.sort_by_key(|prepared| prepared.id);
    let ids: Vec<i64> = all.iter().map(|prepared| prepared.id).collect();
    assert_eq!(ids, [vec![1000], (1002..1013).collect()].concat());
    for prepared in &all {
        assert_eq!(syncset::read(&prepared.file, syncset::Size::Usual).unwrap().header.id, prepared.id);
    }
    assert_eq!(std::fs::read_to_string(dir.join("set-1001")).unwrap(), "mine");
    // Where a file is named, it is not passed by.
    let taken = dir.join("set-1000");
    let error = world.node("MASTER").prepare_next(client, &options, &|_| taken.clone()).unwrap_err();
    assert!(error.message().contains("exists already"), "{error}");
}

// -- classes -----------------------------------------------------------------------------------------------------------------

#[test]
fn what_refers_to_an_unknown_person_and_loses_does_not_wait() {
    let mut world = World::new(&["CLIENT"]);
    world.write("CLIENT", "INSERT INTO people VALUES (7, 'x', 'Xia'); UPDATE tasks SET person = 7 WHERE id = 1");
    world.write("CLIENT", "INSERT INTO tasks VALUES (9, 7, 'for Xia')");
    world.write("MASTER", "UPDATE tasks SET text = 'here' WHERE id = 1");
    world.node("MASTER").set_rule(None, Some(Rule::MasterWins)).unwrap();
    let report = world.send("CLIENT", "MASTER");
    assert_eq!((report.requeued, report.conflicts), (1, 1), "the new task alone waits: {:?}", report.objects);
    assert_eq!(world.texts("MASTER", "SELECT text || person FROM tasks WHERE id = 1"), ["here1"]);
    assert_eq!(world.node("MASTER").requeue().unwrap()[0].source_number, Some(9));
}

#[test]
fn a_task_for_an_unknown_person_waits_until_the_class_is_journaled() {
    let mut world = World::new(&["CLIENT"]);
    world.write("CLIENT", "INSERT INTO people VALUES (7, 'x', 'Xia'); INSERT INTO tasks VALUES (9, 7, 'for Xia')");
    assert_eq!(world.send("CLIENT", "MASTER").requeued, 1);
    let reason = &world.node("MASTER").requeue().unwrap()[0].reason;
    assert!(reason.contains("Person is not journaled"), "{reason}");

    // At one end only: refused, with the command that mends it.
    let switched = world.node("CLIENT").journal_class("Person", true).unwrap();
    assert_eq!((switched.baseline, switched.journaled), (3, true));
    let options = world.options(Since::Sent);
    let file = world.prepare("CLIENT", "MASTER", &options).unwrap();
    let before = dump(world.node("MASTER"));
    let error = world.apply("MASTER", &file).unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::Schema));
    assert!(error.message().contains("Person is not journaled here and journaled at the sender"), "{error}");
    let way = "(objsync classes journal Person --node MASTER, or objsync classes stop Person --node CLIENT), then";
    assert!(error.what_next().contains(way), "{error}");
    assert_same(&dump(world.node("MASTER")), &before, "refused");

    world.node("MASTER").journal_class("Person", true).unwrap();
    assert_eq!(world.node("MASTER").journal_class("Person", true).unwrap().baseline, 0, "it is already");
    let report = world.send("CLIENT", "MASTER");
    assert_eq!(
        (report.inserted, report.conflicts, report.skipped),
        (2, 0, 3),
        "equal content is no conflict: {report:?}"
    );
    assert!(world.node("MASTER").requeue().unwrap().is_empty());
    world.level();
    // From now on changes travel, made by any program.
    world.node("MASTER").connection().execute("UPDATE people SET name = 'Xiao' WHERE code = 'x'", []).unwrap();
    world.level();
    assert_eq!(world.texts("CLIENT", "SELECT name FROM people WHERE code = 'x'"), ["Xiao"]);
}

#[test]
fn contents_that_differ_when_a_class_is_switched_on_are_conflicts() {
    let mut world = World::new(&["CLIENT"]);
    world.write("MASTER", "UPDATE people SET name = 'M' WHERE id = 1");
    world.write("CLIENT", "UPDATE people SET name = 'C' WHERE id = 1; DELETE FROM tasks WHERE person = 2; DELETE FROM people WHERE id = 2");
    for name in ["MASTER", "CLIENT"] {
        world.node(name).journal_class("Person", true).unwrap();
    }
    assert_eq!(world.send("CLIENT", "MASTER").conflicts, 1, "nothing tells which is the newer");
    world.level();
    assert_eq!(world.texts("MASTER", "SELECT name FROM people ORDER BY id"), ["C", "Bob"]);
    assert_eq!(world.texts("CLIENT", "SELECT name FROM people ORDER BY id"), ["C", "Bob"], "a baseline brings back");
}

#[test]
fn off_and_on_again_files_what_differs_and_what_had_not_travelled() {
    let mut world = World::new(&["CLIENT"]);
    for name in ["MASTER", "CLIENT"] {
        world.node(name).journal_class("Person", true).unwrap();
    }
    world.write("MASTER", "INSERT INTO people VALUES (3, 'c', 'Cid'), (4, 'd', 'Dan'), (5, 'e', 'Eva')");
    world.level();
    // One change that has not travelled, one deletion that has not; then the class is off.
    world.write("MASTER", "UPDATE people SET name = 'Ada!' WHERE id = 1; DELETE FROM people WHERE id = 5");
    for name in ["MASTER", "CLIENT"] {
        world.node(name).journal_class("Person", false).unwrap();
    }
    world.write("MASTER", "UPDATE tasks SET text = 'meanwhile' WHERE id = 1");
    world.env.sync(None).unwrap();
    assert_eq!(world.texts("CLIENT", "SELECT name FROM people WHERE id = 1"), ["Ada"], "people do not travel now");
    assert_eq!(world.texts("CLIENT", "SELECT text FROM tasks WHERE id = 1"), ["meanwhile"]);
    // Off: a change, a new one, a deletion.
    world.write("CLIENT", "UPDATE people SET name = 'Cidney' WHERE id = 3; DELETE FROM people WHERE id = 4; INSERT INTO people VALUES (6, 'f', 'Flo')");
    let baselines: Vec<usize> =
        ["MASTER", "CLIENT"].map(|name| world.node(name).journal_class("Person", true).unwrap().baseline).to_vec();
    assert_eq!(baselines, [2, 3], "what had not travelled; what differs; nothing else");
    let reports = world.env.sync(None).unwrap();
    assert_eq!(reports.iter().map(|r| r.conflicts).sum::<usize>(), 0, "{reports:?}");
    world.level();
    for name in ["MASTER", "CLIENT"] {
        assert_eq!(world.texts(name, "SELECT name FROM people ORDER BY code"), ["Ada!", "Bob", "Cidney", "Flo"]);
    }
    // The states in between are remembered.
    let class = world.node("CLIENT").class("Person").unwrap().clone();
    let cid = world.node("CLIENT").guid_of(&class, 3).unwrap().unwrap();
    let history = world.node("CLIENT").history("Person", cid).unwrap();
    assert_eq!(history.iter().map(|e| e.changes.as_str()).collect::<Vec<_>>(), ["name Cid → Cidney", "made"]);
}

#[test]
fn what_goes_back_is_tied_to_what_its_commit_filed_with_it() {
    let mut world = World::new(&["CLIENT"]);
    world.write("MASTER", "INSERT INTO tasks VALUES (3, 2, 'three'), (4, 2, 'four')");
    world.level();
    // Three of one transaction come, and one of them meets a change here: it alone goes back, and says with whom it was filed.
    world.write("MASTER", "UPDATE tasks SET text = 'here' WHERE id = 2");
    world.write("CLIENT", "UPDATE tasks SET text = 'there' WHERE id <= 3");
    assert_eq!(world.send("CLIENT", "MASTER").conflicts, 1);
    let class = world.node("MASTER").class("Task").unwrap().clone();
    let guid = |world: &mut World, id| world.node("MASTER").guid_of(&class, id).unwrap().unwrap();
    let [one, two, three, four] = [1, 2, 3, 4].map(|id| guid(&mut world, id));
    let carried = |world: &mut World| {
        let client = world.node("CLIENT").info().guid;
        let master = world.node("MASTER");
        let start = master.start_for(client, Since::Sent).unwrap();
        let foretold = master.objects_to_send("Task", client, start).unwrap();
        assert_eq!(master.objects_to_send("Person", client, start).unwrap(), []);
        let options = world.options(Since::Sent);
        let set = syncset::read(&world.prepare("MASTER", "CLIENT", &options).unwrap(), syncset::Size::Usual).unwrap();
        let objects: Vec<(Guid, Vec<u64>)> = set.objects.into_iter().map(|o| (o.guid, o.commits)).collect();
        assert_eq!(objects.iter().map(|(guid, _)| *guid).collect::<Vec<_>>(), foretold);
        (objects, set.ties.into_iter().map(|tie| (tie.guid, tie.commits)).collect::<Vec<_>>())
    };
    let number = world.node("MASTER").number().unwrap();
    // The object was changed here by the commit before.
    let expected = (vec![(two, vec![number - 1, number])], vec![(one, vec![number]), (three, vec![number])]);
    assert_eq!(carried(&mut world), expected);
    // What was filed alone is tied to nothing.
    world.write("CLIENT", "UPDATE tasks SET text = 'alone' WHERE id = 1");
    world.send("CLIENT", "MASTER");
    world.write("MASTER", "UPDATE tasks SET text = 'alone, too' WHERE id = 4");
    assert_eq!(carried(&mut world), (vec![(four, vec![number + 2])], Vec::new()));
    world.level();
}

// -- purge and retirement ------------------------------------------------------------------------------------------------------

#[test]
fn a_purge_forgets_only_what_every_peer_has_confirmed() {
    let mut world = World::new(&["NORTH", "SOUTH"]);
    world.write("MASTER", "UPDATE tasks SET text = 'x' WHERE id = 1; DELETE FROM tasks WHERE id = 2");
    world.level();
    world.write("MASTER", "UPDATE tasks SET text = 'y' WHERE id = 1");
    let confirmed = world.node("MASTER").number().unwrap() - 1;
    world.send("MASTER", "NORTH");
    world.send("NORTH", "MASTER");
    let purged = world.node("MASTER").purge(u64::MAX).unwrap();
    assert_eq!((purged.upto, purged.tombstones), (confirmed, 1), "SOUTH has not confirmed the last one: {purged:?}");
    assert_eq!((purged.confirmed[0].peer.name.as_str(), purged.confirmed[0].upto), ("SOUTH", confirmed));
    assert_eq!(world.node("MASTER").purge(u64::MAX).unwrap().events, 0, "nothing more");
    assert_eq!(world.node("NORTH").purge(0).unwrap().events, 0, "a bound");
    // Everything goes on; what was forgotten cannot be prepared.
    world.write("SOUTH", "UPDATE tasks SET text = 'south' WHERE id = 1");
    world.level();
    assert_eq!(world.node("MASTER").conflict_count().unwrap(), 1);
    let options = world.options(Since::Number(0));
    let error = world.prepare("MASTER", "SOUTH", &options).unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::Purged));
    assert!(!error.what_next().is_empty());
    // Nor can a set be reverted, which asks the journal for what was before.
    let master = world.node("MASTER");
    master.purge(u64::MAX).unwrap();
    let brought = |set: &&SetRecord| !set.sent && set.filed_as.is_some_and(|(first, last)| first <= last);
    let set = master.set_records(100).unwrap().iter().find(brought).unwrap().clone();
    let error = master.revert(set.seq).unwrap_err();
    assert!(error.message().contains("the journal is purged up to transaction"), "{error}");
}

#[test]
fn what_is_filed_after_a_purge_of_everything_does_not_mix_with_what_was() {
    let mut world = World::new(&["CLIENT"]);
    world.level();
    assert!(world.node("CLIENT").purge(u64::MAX).unwrap().events > 0);
    world.write("CLIENT", "UPDATE tasks SET text = 'two!' WHERE id = 2");
    world.write("CLIENT", "UPDATE tasks SET text = 'changed' WHERE id = 1");
    let class = world.node("CLIENT").class("Task").unwrap().clone();
    let guid = world.node("CLIENT").guid_of(&class, 1).unwrap().unwrap();
    let told: Vec<String> =
        world.node("CLIENT").history("Task", guid).unwrap().into_iter().map(|e| e.changes).collect();
    assert_eq!(told, ["text one → changed", "made"]);
    world.level();
}

#[test]
fn a_retired_peer_holds_nothing_and_comes_back_as_a_fresh_copy() {
    let mut world = World::new(&["NORTH", "SOUTH"]);
    world.write("MASTER", "UPDATE tasks SET text = 'x' WHERE id = 1");
    world.send("MASTER", "NORTH");
    world.send("NORTH", "MASTER");
    let last = world.node("MASTER").number().unwrap();
    assert!(world.node("MASTER").purge(u64::MAX).unwrap().upto < last, "SOUTH holds it");
    let south = world.node("SOUTH").info().guid;
    world.node("MASTER").retire(south).unwrap();
    assert_eq!(world.node("MASTER").purge(u64::MAX).unwrap().upto, last);
    // No sets either way, and nothing is changed.
    let options = world.options(Since::Sent);
    let error = world.prepare("MASTER", "SOUTH", &options).unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::Retired));
    world.write("SOUTH", "UPDATE tasks SET text = 'late' WHERE id = 2");
    let options = world.options(Since::Sent);
    let file = world.prepare("SOUTH", "MASTER", &options).unwrap();
    let before = dump(world.node("MASTER"));
    let error = world.apply("MASTER", &file).unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::Retired));
    assert!(error.message().contains("nothing was changed") && error.what_next().contains("add-client"), "{error}");
    assert_same(&dump(world.node("MASTER")), &before, "refused");
    // The others go on without it.
    world.write("NORTH", "UPDATE tasks SET text = 'on' WHERE id = 1");
    assert_eq!(world.env.sync(None).unwrap().len(), 1);
    assert!(world.env.status().unwrap().nodes[0].peers.iter().any(|p| p.name == "SOUTH" && p.retired));
    let place = world.env.add_client("SOUTH2", 0).unwrap();
    assert_eq!(world.env.nodes[place].info().role, Role::Client);
    world.write("SOUTH2", "UPDATE tasks SET text = 'again' WHERE id = 2");
    assert_eq!(world.send("SOUTH2", "MASTER").updated, 1);
}

#[test]
fn a_sync_goes_on_until_nothing_is_left_to_send() {
    // A decision that is made at the client while it takes the master's set has still to be told to the master.
    let mut world = World::new(&["CLIENT"]);
    world.write("CLIENT", "INSERT INTO people VALUES (7, 'x', 'Xia'); UPDATE tasks SET person = 7 WHERE id = 1");
    world.env.sync(None).unwrap();
    world.write("MASTER", "UPDATE tasks SET text = 'master' WHERE id = 1");
    world.env.sync(None).unwrap();
    let status = world.env.status().unwrap();
    assert!(status.nodes.iter().flat_map(|n| &n.peers).all(|p| p.to_send.objects == 0), "{status:?}");
    // So to give up what waits is the end of it.
    assert_eq!(world.node("MASTER").discard(None).unwrap().discarded, 1);
    world.env.sync(None).unwrap();
    assert!(world.node("MASTER").requeue().unwrap().is_empty());
    world.level();
}

/// A deletion that was forgotten is known again where somebody decides about it.
#[test]
fn a_purge_does_not_change_what_a_later_decision_comes_to() {
    for purged in [&[][..], &["MASTER"], &["CLIENT"], &["MASTER", "CLIENT"]] {
        let mut world = World::new(&["CLIENT"]);
        world.write("MASTER", "UPDATE tasks SET text = 'changed' WHERE id = 1");
        world.write("CLIENT", "DELETE FROM tasks WHERE id = 1");
        for _ in 0..2 {
            world.env.sync(None).unwrap();
        }
        for name in purged {
            world.node(name).purge(u64::MAX).unwrap();
        }
        let record = world.node("MASTER").conflicts(1).unwrap()[0].id;
        let done = world.node("MASTER").resolve(record, &Choice::Ours, false).unwrap();
        assert!(matches!(done, Resolution::Filed { .. }), "{purged:?}: {done:?}");
        let reports = world.env.sync(None).unwrap();
        assert!(reports.iter().all(|r| r.conflicts == 0), "{purged:?}: {reports:?}");
        for name in ["MASTER", "CLIENT"] {
            assert_eq!(world.texts(name, "SELECT text FROM tasks WHERE text = 'changed'"), ["changed"], "{purged:?}");
        }
    }
}

/// A backup from before a deletion that was purged since: its row does not come back without a word.
#[test]
fn a_forgotten_deletion_is_a_conflict_for_who_has_not_heard_of_it() {
    for rule in [Rule::MasterWins, Rule::ClientWins] {
        let mut world = World::new(&["CLIENT"]);
        let (file, backup) = (world.node("CLIENT").path().to_owned(), world.dir.path().join("backup"));
        world.node("CLIENT").connection().execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
        world.write("MASTER", "DELETE FROM tasks WHERE id = 1");
        for _ in 0..2 {
            world.env.sync(None).unwrap();
        }
        assert_eq!(world.node("MASTER").purge(u64::MAX).unwrap().tombstones, 1);
        world.env.nodes.clear();
        std::fs::rename(&backup, &file).unwrap();
        world.env = Environment::open(world.dir.path()).unwrap();
        let place = world.env.index("CLIENT").unwrap();
        world.env.rejoin(place, None).unwrap();
        world.write("CLIENT", "UPDATE tasks SET text = 'changed' WHERE id = 1; INSERT INTO tasks VALUES (9, 1, 'new')");
        let options = world.options(Since::Acknowledged);
        let set = world.prepare("CLIENT", "MASTER", &options).unwrap();
        let rule_of = ApplyOptions { rule: Some(rule), ..ApplyOptions::default() };
        let report = world.node("MASTER").apply(&set, rule_of).unwrap();
        assert_eq!((report.conflicts, report.inserted), (1, 1), "{:?}", report.objects);
        let record = world.node("MASTER").conflicts(1).unwrap().remove(0);
        assert_eq!((record.kind, record.ancestors.len()), (ConflictKind::DeletedChanged, 0));
        let expected: &[&str] = if rule == Rule::MasterWins { &["new", "two"] } else { &["changed", "new", "two"] };
        assert_eq!(world.texts("MASTER", "SELECT text FROM tasks ORDER BY text"), expected);
    }
}

#[test]
fn what_keeps_two_nodes_apart_keeps_nobody_else_from_exchanging() {
    let mut world = World::new(&["A", "B", "C"]);
    world.node("B").journal_class("Person", true).unwrap();
    world.write("A", "INSERT INTO tasks VALUES (10, 1, 'from A')");
    let error = world.env.sync(None).unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::Schema));
    assert!(
        error.message().starts_with("from B to MASTER") && error.message().contains("exchanged before stay"),
        "{error}"
    );
    assert_eq!(world.texts("C", "SELECT text FROM tasks WHERE id = 10"), ["from A"]);
    // Where nothing at all could be exchanged, nothing was done.
    let mut world = World::new(&["A"]);
    world.node("A").journal_class("Person", true).unwrap();
    let error = world.env.sync(None).unwrap_err();
    assert!(!error.message().contains("exchanged") && error.message().contains("nothing was changed"), "{error}");
}

#[test]
fn a_name_means_the_peer_that_was_not_given_up() {
    let mut world = World::new(&["N"]);
    let old = world.node("N").info().guid;
    world.node("MASTER").retire(old).unwrap();
    let file = world.node("N").path().to_owned();
    world.env.nodes.pop();
    std::fs::remove_file(&file).unwrap();
    world.env.add_client("N", 0).unwrap();
    let new = world.node("N").info().guid;
    assert_ne!(new, old);
    assert_eq!(world.node("MASTER").peer("n").unwrap().guid, new);
    assert_eq!(world.node("MASTER").peer(&old.to_string()).unwrap().guid, old);
    // Two that are alike otherwise must be told apart.
    let third = NodeInfo { guid: NodeId(77), name: "N".into(), role: Role::Client };
    world.node("MASTER").meet(&Identity { info: third, lineage: Vec::new(), key: None }).unwrap();
    let error = world.node("MASTER").peer("N").unwrap_err();
    assert!(error.message().contains("2 peers named N") && error.what_next().contains(&new.to_string()), "{error}");
}

#[test]
fn a_node_alone_says_what_it_has_to_send_to_whom_it_was_copied_from() {
    let mut world = World::new(&["CLIENT"]);
    world.write("CLIENT", "UPDATE tasks SET text = 'x'");
    let file = world.node("CLIENT").path().to_owned();
    let status = Environment::open_files(&[file]).unwrap().status().unwrap();
    let peer = &status.nodes[0].peers[0];
    assert_eq!((peer.name.as_str(), peer.elsewhere, peer.to_send.objects), ("MASTER", true, 2));
}

#[test]
fn the_history_of_what_was_deleted_while_its_class_was_off_is_its_own() {
    let mut world = World::new(&["A"]);
    world.write("MASTER", "UPDATE tasks SET text = 'changed' WHERE id = 1");
    let node = world.node("MASTER");
    let bob = node.guid_of(node.class("Person").unwrap(), 2).unwrap().unwrap();
    // Person is identified only, so what stands last in the journal is of a task.
    node.connection().execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM people WHERE id = 2").unwrap();
    let history = node.history("Person", bob).unwrap();
    let told: Vec<&str> = history.iter().map(|entry| entry.changes.as_str()).collect();
    assert_eq!(told, ["deleted before it came here"], "no state of anything else");
}

#[test]
fn the_history_of_a_copy_has_no_state_from_within_a_commit_either() {
    let mut world = World::new(&[]);
    world
        .write("MASTER", "UPDATE tasks SET text = 'between' WHERE id = 1; UPDATE tasks SET text = 'done' WHERE id = 1");
    world.write("MASTER", "UPDATE tasks SET text = 'later' WHERE id = 1");
    world.env.add_client("A", 0).unwrap();
    let told = |node: &mut Node| {
        let task = node.guid_of(node.class("Task").unwrap(), 1).unwrap().unwrap();
        let history = node.history("Task", task).unwrap();
        history.into_iter().map(|entry| entry.changes).collect::<Vec<String>>()
    };
    let original = told(world.node("MASTER"));
    assert!(!format!("{original:?}").contains("between"), "{original:?}");
    assert_eq!(told(world.node("A")), original);
}
