//! Random histories of real nodes: what SYNC-MODEL.md says must always hold, held against tables with references, unique
//! values and raw SQL, while files are lost, repeated, late and misdelivered.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use common::dump;
use objsync::sync::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;

const SCHEMA: &str = "
CREATE TABLE kinds (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE customers (id INTEGER PRIMARY KEY, code TEXT UNIQUE, note TEXT, best INTEGER REFERENCES orders (id));
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers (id), kind INTEGER REFERENCES kinds (id), amount INTEGER
);
INSERT INTO kinds VALUES (1, 'one'), (2, 'two');
INSERT INTO customers VALUES (1, 'a', NULL, NULL), (2, 'b', NULL, NULL);
INSERT INTO orders VALUES (1, 1, 1, 0), (2, 2, 1, 0), (3, NULL, 2, 0);
";
const JOURNALED: [(&str, &str); 2] = [("Customer", "customers"), ("Order", "orders")];

struct World {
    dir: tempfile::TempDir,
    nodes: Vec<Node>,
    sets: i64,
}

/// A set that was written: for whom, and where.
#[derive(Clone)]
struct Sent {
    target: usize,
    file: PathBuf,
}

impl World {
    /// Identities and times are the same in every run, so that a seed tells the whole history.
    fn new(count: usize) -> World {
        let time = Arc::new(AtomicI64::new(4_000_000_000_000_000));
        let clock: Clock = Arc::new(move || time.fetch_add(1000, Ordering::SeqCst));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("HUB.db");
        Connection::open(&file).unwrap().execute_batch(SCHEMA).unwrap();
        let mut specs: Vec<ClassSpec> = JOURNALED
            .map(|(name, table)| ClassSpec { name: name.into(), table: table.into(), journaled: true })
            .to_vec();
        specs.insert(0, ClassSpec { name: "Kind".into(), table: "kinds".into(), journaled: false });
        let info = NodeInfo { guid: NodeId(50), name: "HUB".into(), role: Role::Master };
        let mut nodes = vec![Node::create(&file, info, &specs).unwrap().with_clock(clock)];
        // From now on ahead of this machine's clock, which the triggers look at.
        nodes[0].edit(|_| Ok(())).unwrap();
        for i in 1..count {
            let name = format!("C{i}");
            let file = dir.path().join(format!("{name}.db"));
            let info = NodeInfo { guid: NodeId([0, 30, 70, 40][i]), name, role: Role::Client };
            let copy = nodes[0].fresh_copy_as(&file, info).unwrap();
            nodes.push(copy);
        }
        for node in &nodes {
            node.connection().execute_batch("PRAGMA synchronous = OFF").unwrap();
        }
        World { dir, nodes, sets: 0 }
    }

    fn prepare(&mut self, source: usize, target: usize, since: Since, upto: Option<u64>) -> Option<Sent> {
        self.sets += 1;
        let identity = self.nodes[target].identity().unwrap();
        self.nodes[source].meet(&identity).unwrap();
        let file = self.dir.path().join(format!("{}.syncset", self.sets));
        let options = PrepareOptions { id: self.sets, file: file.clone(), since, upto, overwrite: false };
        match self.nodes[source].prepare(identity.info.guid, &options) {
            Ok(_) => Some(Sent { target, file }),
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Usage, "only a range that does not exist: {e}");
                None
            }
        }
    }

    /// Applies at any node; says whether it was accepted. Holds every apply against what must hold.
    fn apply(&mut self, at: usize, set: &Sent, rule: Rule) -> bool {
        let before = self.versions(at);
        let content = dump(&self.nodes[at]);
        let records = self.nodes[at].conflict_count().unwrap();
        let node = &mut self.nodes[at];
        let report = match node.apply(&set.file, ApplyOptions { rule, hold: None }) {
            Ok(report) => report,
            Err(e) => {
                let expected: &[Refusal] = if at == set.target { &[Refusal::Gap] } else { &[Refusal::WrongNode] };
                assert!(e.refusal().is_some_and(|r| expected.contains(&r)), "{e}");
                assert!(e.message().contains("nothing was changed") && !e.what_next().is_empty(), "{e}");
                assert_eq!(dump(&self.nodes[at]), content, "a refusal changed something");
                return false;
            }
        };
        assert_eq!(at, set.target, "a set for another node was applied");
        check_sound(&self.nodes[at]);
        // Nothing is overwritten by somebody who had not seen it, unless a record says so.
        let after = self.versions(at);
        let told: BTreeSet<Guid> = report.objects.iter().filter(|o| o.conflict.is_some()).map(|o| o.guid).collect();
        assert_eq!(self.nodes[at].conflict_count().unwrap() - records, report.conflicts);
        for (guid, old) in &before {
            let new = after.get(guid).unwrap_or_else(|| panic!("{guid} vanished"));
            assert!(old.vector.leq(&new.vector), "{guid} went back");
            if old.content != new.content && !told.contains(guid) {
                let theirs = syncset::read(&set.file).unwrap();
                let came = theirs.objects.iter().find(|o| o.guid == *guid);
                // Taken from the set: it had seen ours, or ours had changed nothing (a state equal to an ancestor).
                if let Some(came) = came.filter(|c| c.state.content == new.content && c.state.vector == new.vector) {
                    assert!(old.vector.leq(&came.state.vector), "{guid} was overwritten unseen");
                }
            }
        }
        for record in self.nodes[at].conflicts(report.conflicts).unwrap() {
            assert_ne!(record.ours.content, record.theirs.content, "{record:?}");
            let leq = |a: &ConflictSide, b: &ConflictSide| {
                a.vector.iter().all(|(n, x)| b.vector.iter().any(|(m, y)| n == m && x <= y))
            };
            assert!(!leq(&record.ours, &record.theirs) && !leq(&record.theirs, &record.ours), "needless: {record:?}");
            let chosen = if record.chosen == "ours" { &record.ours } else { &record.theirs };
            let guid: Guid = record.guid.parse().unwrap();
            let now = &after[&guid];
            for side in [&record.ours, &record.theirs] {
                for (node, number) in &side.vector {
                    assert!(now.vector.get(node.parse().unwrap()) >= *number, "a decision has seen both sides");
                }
            }
            // More than one line: after this decision something newer was taken.
            if report.objects.iter().filter(|o| o.guid == guid).count() == 1 {
                assert_eq!(now.stamp.time, chosen.time, "the stamp of the content that won");
            }
        }
        true
    }

    fn versions(&self, at: usize) -> BTreeMap<Guid, State> {
        let node = &self.nodes[at];
        let mut found = BTreeMap::new();
        for (name, table) in JOURNALED {
            let class = node.class(name).unwrap();
            for guid in guids(node, table) {
                found.insert(guid, node.current(class, guid).unwrap().unwrap().state);
            }
        }
        found
    }

    /// Quiet rounds through the hub, from what was acknowledged, until two rounds in a row change nothing.
    fn quiet(&mut self, rule: Rule) {
        let mut still = 0;
        for _ in 0..12 {
            let before: Vec<_> = (0..self.nodes.len()).map(|i| self.versions(i)).collect();
            for client in 1..self.nodes.len() {
                let set = self.prepare(client, 0, Since::Acknowledged, None).unwrap();
                assert!(self.apply(0, &set, rule), "a set from what was acknowledged leaves no gap");
            }
            for client in 1..self.nodes.len() {
                let set = self.prepare(0, client, Since::Acknowledged, None).unwrap();
                assert!(self.apply(client, &set, rule), "a set from what was acknowledged leaves no gap");
            }
            let after: Vec<_> = (0..self.nodes.len()).map(|i| self.versions(i)).collect();
            still = if before == after { still + 1 } else { 0 };
            if still == 2 {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    /// What all nodes hold, less what waits anywhere; and that nothing is left to send.
    fn check_level(&mut self) -> usize {
        let mut waiting: BTreeSet<Guid> = BTreeSet::new();
        for node in &self.nodes {
            for w in node.requeue().unwrap() {
                assert!(!w.reason.is_empty() && w.reason.len() > 20, "a reason with a way out: {w:?}");
                waiting.insert(w.guid);
            }
        }
        for (class, _) in JOURNALED {
            let all: Vec<Contents> = self.nodes.iter_mut().map(|n| n.contents(class).unwrap()).collect();
            let differ: Vec<_> =
                Contents::differences(&all).into_iter().filter(|d| !waiting.contains(&d.guid)).collect();
            assert!(differ.is_empty(), "{class}: {differ:?}; waiting {waiting:?}");
        }
        for i in 0..self.nodes.len() {
            for j in (0..self.nodes.len()).filter(|j| *j != i && (*j == 0 || i == 0)) {
                let peer = self.nodes[j].info().guid;
                let start = self.nodes[i].start_for(peer, Since::Acknowledged).unwrap();
                assert_eq!(self.nodes[i].to_send(peer, start).unwrap().objects, 0, "left to send from {i} to {j}");
            }
        }
        waiting.len()
    }

    fn sync(&mut self) {
        self.quiet(Rule::default());
    }

    fn rows(&self, at: usize, sql: &str) -> Vec<String> {
        let mut statement = self.nodes[at].connection().prepare(sql).unwrap();
        let columns = statement.column_count();
        statement
            .query_map([], |r| {
                let values: Vec<String> = (0..columns)
                    .map(|i| Ok(format!("{:?}", r.get::<_, rusqlite::types::Value>(i)?)))
                    .collect::<rusqlite::Result<_>>()?;
                Ok(values.join(" "))
            })
            .unwrap()
            .map(|r| r.unwrap())
            .collect()
    }

    fn write(&mut self, at: usize, sql: &str) {
        self.nodes[at].edit(|edit| Ok(edit.connection().execute_batch(sql)?)).unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
}

/// Every object of a table that this node ever heard of.
fn guids(node: &Node, table: &str) -> Vec<Guid> {
    let conn = node.connection();
    let sql = format!("SELECT object FROM objsync_object_{table} UNION SELECT object FROM objsync_tombstone_{table}");
    let mut statement = conn.prepare(&sql).unwrap();
    let ids: Vec<i64> = statement.query_map([], |r| r.get(0)).unwrap().map(|r| r.unwrap()).collect();
    ids.into_iter()
        .map(|id| {
            let sql = "SELECT guid FROM objsync_node WHERE n = ?1";
            let guid: i64 = conn.query_row(sql, [id >> 40], |r| r.get(0)).unwrap();
            Guid { node: NodeId(guid as u64), serial: (id & ((1 << 40) - 1)) as u64 }
        })
        .collect()
}

/// Identities are exactly the keys, and every reference names something.
fn check_sound(node: &Node) {
    for (_, table) in JOURNALED {
        let sql = format!(
            "SELECT (SELECT count(*) FROM {table}) - (SELECT count(*) FROM {table} t JOIN objsync_object_{table} o ON o.key = t.id),
             (SELECT count(*) FROM objsync_object_{table}) - (SELECT count(*) FROM {table})"
        );
        let odd: (i64, i64) = node.connection().query_row(&sql, [], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
        assert_eq!(odd, (0, 0), "{table} at {}", node.info().name);
    }
    let sql = "SELECT \"table\" || ' ' || rowid || ' to ' || parent FROM pragma_foreign_key_check";
    let mut statement = node.connection().prepare(sql).unwrap();
    let broken: Vec<String> = statement.query_map([], |r| r.get(0)).unwrap().map(|r| r.unwrap()).collect();
    assert!(broken.is_empty(), "references at {} that name nothing: {broken:?}", node.info().name);
}

/// What somebody does at a node: one commit of one to four changes, by the engine or by raw SQL.
fn edit(rng: &mut StdRng, node: &mut Node, serial: &mut u64) {
    let statements: Vec<String> = (0..rng.random_range(1..5)).map(|_| change(rng, serial)).collect();
    if rng.random_range(0..3) == 0 {
        // Another program; what the constraints refuse is refused.
        let _ = node.connection().execute_batch(&statements[0]);
        return;
    }
    let done = node.edit(|edit| {
        for sql in &statements {
            edit.connection().execute_batch(sql)?;
        }
        Ok(())
    });
    if let Err(e) = done {
        assert_eq!(e.kind(), ErrorKind::Constraint, "{statements:?}: {e}");
    }
}

fn change(rng: &mut StdRng, serial: &mut u64) -> String {
    *serial += 1;
    let n = *serial;
    let any = |rng: &mut StdRng, table: &str| {
        format!("(SELECT id FROM {table} ORDER BY id LIMIT 1 OFFSET {})", rng.random_range(0..6))
    };
    let (c, o, k) = (any(rng, "customers"), any(rng, "orders"), rng.random_range(1..3));
    let code = ["'a'", "'b'", "'c'", "'d'", "'e'", "NULL"][rng.random_range(0..6)];
    match rng.random_range(0..13) {
        0 | 1 => format!("INSERT INTO orders (customer, kind, amount) VALUES ({c}, {k}, {n})"),
        2 => format!("INSERT INTO customers (code, note) VALUES ({code}, 'n{n}')"),
        3 => format!("UPDATE customers SET note = 'n{n}' WHERE id = {c}"),
        4 => format!("UPDATE OR IGNORE customers SET code = {code} WHERE id = {c}"),
        5 | 6 => format!("UPDATE orders SET amount = {n} WHERE id = {o}"),
        7 => format!("UPDATE orders SET customer = {c}, kind = {k} WHERE id = {o}"),
        8 => format!("UPDATE customers SET best = {o} WHERE id = {c}"),
        9 => format!("UPDATE customers SET best = NULL WHERE best = {o}; DELETE FROM orders WHERE id = {o}"),
        10 => "UPDATE orders SET customer = NULL WHERE customer = (SELECT max(id) FROM customers); DELETE FROM customers WHERE id = (SELECT max(id) FROM customers)".to_string(),
        11 => format!("INSERT OR REPLACE INTO orders VALUES ({o}, {c}, {k}, {n})"),
        _ => format!("UPDATE orders SET amount = {}", rng.random_range(0..2)),
    }
}

fn play(seed: u64) -> (usize, usize) {
    let mut rng = StdRng::seed_from_u64(seed);
    let rule = Rule::ALL[seed as usize % 2];
    let count = 2 + seed as usize / 2 % 3;
    let mut world = World::new(count);
    let (mut on_the_way, mut conflicts, mut serial): (Vec<Sent>, u64, u64) = (Vec::new(), 0, 0);
    for _ in 0..45 {
        let i = rng.random_range(0..count);
        match rng.random_range(0..20) {
            0..9 => edit(&mut rng, &mut world.nodes[i], &mut serial),
            9..14 => {
                let other = if i == 0 { rng.random_range(1..count) } else { 0 };
                let since = if rng.random_range(0..3) == 0 { Since::Sent } else { Since::Acknowledged };
                let number = world.nodes[i].number().unwrap();
                let upto = (rng.random_range(0..4) == 0).then(|| number.saturating_sub(rng.random_range(0..4)));
                on_the_way.extend(world.prepare(i, other, since, upto));
            }
            _ if on_the_way.is_empty() => {}
            what => {
                let at = rng.random_range(0..on_the_way.len());
                let set = on_the_way[at].clone();
                match what {
                    14 => drop(on_the_way.swap_remove(at)),                        // lost
                    15 => drop(world.apply((set.target + 1) % count, &set, rule)), // misdelivered
                    16 => drop(world.apply(set.target, &set, rule)),               // and once more later
                    _ => {
                        world.apply(set.target, &set, rule);
                        on_the_way.swap_remove(at);
                    }
                }
            }
        }
        check_sound(&world.nodes[i]);
    }
    world.quiet(rule);
    // What is late does nothing new.
    let before: Vec<_> = (0..count).map(|i| world.versions(i)).collect();
    for set in &on_the_way {
        world.apply(set.target, set, rule);
    }
    assert_eq!((0..count).map(|i| world.versions(i)).collect::<Vec<_>>(), before, "late sets changed something");
    let waiting = world.check_level();
    for node in &world.nodes {
        conflicts += node.conflict_count().unwrap() as u64;
    }
    (conflicts as usize, waiting)
}

#[test]
fn random_histories_converge_and_lose_nothing() {
    let histories: u64 = std::env::var("OBJSYNC_HISTORIES").map_or(60, |n| n.parse().unwrap());
    let first: u64 = std::env::var("OBJSYNC_SEED").map_or(0, |n| n.parse().unwrap());
    let (mut conflicts, mut waiting, mut level) = (0, 0, 0);
    for seed in first..first + histories {
        let played = std::panic::catch_unwind(|| play(seed));
        let (c, w) = played.unwrap_or_else(|_| panic!("the history with seed {seed} failed (OBJSYNC_SEED={seed})"));
        (conflicts, waiting, level) = (conflicts + c, waiting + w, level + usize::from(w == 0));
    }
    if histories >= 60 {
        assert!(conflicts > 60 && waiting > 0 && level > 20, "{conflicts} conflicts, {waiting} waiting, {level} level");
    }
}

#[test]
fn unique_values_that_change_places_in_one_commit_are_applied() {
    let mut world = World::new(2);
    world.write(0, "UPDATE customers SET code = NULL WHERE id = 1; UPDATE customers SET code = 'a' WHERE id = 2; UPDATE customers SET code = 'b' WHERE id = 1");
    world.sync();
    assert_eq!(world.check_level(), 0);
    assert_eq!(world.rows(1, "SELECT code FROM customers ORDER BY id"), ["Text(\"b\")", "Text(\"a\")"]);
    // In two commits, by way of a value in between; and a value that passes from a deleted object to a new one.
    world.write(1, "UPDATE customers SET code = 'x' WHERE id = 1");
    world.write(1, "UPDATE customers SET code = 'b' WHERE id = 2");
    world.write(1, "UPDATE customers SET code = 'a' WHERE id = 1");
    world.write(1, "UPDATE orders SET customer = 1; DELETE FROM customers WHERE id = 2; INSERT INTO customers (id, code) VALUES (9, 'b')");
    world.sync();
    assert_eq!(world.check_level(), 0);
    assert_eq!(
        world.rows(0, "SELECT id, code FROM customers ORDER BY id"),
        ["Integer(1) Text(\"a\")", "Integer(9) Text(\"b\")"]
    );
}

#[test]
fn objects_of_one_transaction_that_refer_to_each_other_are_applied() {
    let mut world = World::new(2);
    // Both keys are taken at the other side by other objects.
    world.write(1, "INSERT INTO customers (id, code) VALUES (3, 'z'); INSERT INTO orders VALUES (4, 3, 1, 4)");
    world.write(0, "INSERT INTO customers (id, code) VALUES (3, 'm'); INSERT INTO orders VALUES (4, 3, 1, 7); UPDATE customers SET best = 4 WHERE id = 3");
    world.sync();
    assert_eq!(world.check_level(), 0);
    for at in 0..2 {
        let pairs = "SELECT o.amount, c.code, b.amount FROM orders o JOIN customers c ON c.id = o.customer LEFT JOIN orders b ON b.id = c.best WHERE o.amount > 0 ORDER BY 1";
        assert_eq!(world.rows(at, pairs), ["Integer(4) Text(\"z\") Null", "Integer(7) Text(\"m\") Integer(7)"]);
    }
}

#[test]
fn what_cannot_fit_waits_at_both_and_says_how_it_ends() {
    let mut world = World::new(2);
    world.write(0, "UPDATE orders SET customer = NULL WHERE customer = 2; DELETE FROM customers WHERE id = 2");
    world.write(1, "INSERT INTO orders VALUES (9, 2, 1, 99)");
    world.sync();
    assert!(world.check_level() > 0);
    let reasons = |world: &World, at: usize| -> Vec<String> {
        world.nodes[at].requeue().unwrap().into_iter().map(|w| w.reason).collect()
    };
    assert!(reasons(&world, 0).iter().any(|r| r.contains("customer is unknown at HUB")), "{:?}", reasons(&world, 0));
    let at_client = reasons(&world, 1);
    assert!(
        at_client.iter().any(|r| r.contains("Order 9 here refers to it") && r.contains("change or delete")),
        "{at_client:?}"
    );
    // A whole transaction waits: the order that lost its customer in the same commit still has it.
    assert_eq!(world.rows(1, "SELECT customer FROM orders WHERE id = 2"), ["Integer(2)"]);
    // The way out that was named.
    world.write(1, "UPDATE orders SET customer = 1 WHERE id = 9");
    world.sync();
    assert_eq!(world.check_level(), 0);
    assert_eq!(world.rows(1, "SELECT id FROM customers"), ["Integer(1)"]);
    assert_eq!(world.rows(0, "SELECT customer FROM orders WHERE amount = 99"), ["Integer(1)"]);
}

#[test]
fn what_refers_to_an_object_that_a_decision_leaves_deleted_waits() {
    let mut world = World::new(2);
    world.write(0, "UPDATE orders SET customer = NULL");
    world.sync();
    // Its number is another one's by now, so it would get a new one if it came back.
    world.write(1, "DELETE FROM customers WHERE id = 1");
    world.write(1, "INSERT INTO customers (id, code) VALUES (1, 'other')");
    world.write(0, "UPDATE customers SET note = 'wanted' WHERE id = 1");
    world.write(0, "UPDATE orders SET customer = 1 WHERE id = 1");
    let set = world.prepare(0, 1, Since::Sent, None).unwrap();
    assert!(world.apply(1, &set, Rule::ClientWins));
    let waiting = world.nodes[1].requeue().unwrap();
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    assert!(waiting[0].reason.contains("customer is unknown at C1"), "{waiting:?}");
    assert_eq!(world.rows(1, "SELECT customer FROM orders WHERE id = 1"), ["Null"]);
}

#[test]
fn a_reference_to_a_deleted_object_does_not_become_one_to_its_successor() {
    let mut world = World::new(2);
    world.write(0, "UPDATE orders SET customer = NULL WHERE customer = 2");
    world.sync();
    world.write(1, "INSERT INTO orders VALUES (9, 2, 1, 99)");
    world.write(0, "DELETE FROM customers WHERE id = 2");
    world.write(0, "INSERT INTO customers (code) VALUES ('new')"); // takes number 2 again
    assert_eq!(world.rows(0, "SELECT id FROM customers WHERE code = 'new'"), ["Integer(2)"]);
    world.sync();
    let of_order = "SELECT c.code FROM orders o JOIN customers c ON c.id = o.customer WHERE o.amount = 99";
    assert_eq!(world.rows(1, of_order), ["Text(\"b\")"], "it referred to the one that was deleted elsewhere");
    assert!(world.check_level() > 0, "the deletion waits here, the order waits there");
    world.write(1, "UPDATE orders SET customer = (SELECT id FROM customers WHERE code = 'new') WHERE id = 9");
    world.sync();
    assert_eq!(world.check_level(), 0);
    assert_eq!(world.rows(0, of_order), ["Text(\"new\")"]);
}

#[test]
fn no_node_ever_shows_half_of_a_transaction() {
    // Every commit writes one number into all the rows it touches, and touches both orders; so the two always agree.
    for seed in 0..6 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut world = World::new(3);
        world.write(0, "UPDATE orders SET amount = 0");
        world.sync();
        let mut number = 0;
        let mut sets = Vec::new();
        for _ in 0..40 {
            let i = rng.random_range(0..3);
            match rng.random_range(0..4) {
                0 => {
                    number += 1;
                    let also = ["1", "2"][rng.random_range(0..2)];
                    world.write(
                        i,
                        &format!("UPDATE orders SET amount = {number}, customer = {also} WHERE id IN (1, 2)"),
                    );
                }
                1 => {
                    let other = if i == 0 { rng.random_range(1..3) } else { 0 };
                    sets.extend(world.prepare(i, other, Since::Acknowledged, None));
                }
                _ if !sets.is_empty() => {
                    let set: Sent = sets[rng.random_range(0..sets.len())].clone();
                    world.apply(set.target, &set, Rule::LatestWins);
                }
                _ => {}
            }
            for at in 0..3 {
                let seen = world.rows(at, "SELECT amount, customer FROM orders WHERE id IN (1, 2)");
                let two = seen.iter().map(|s| s.split(' ').next()).collect::<BTreeSet<_>>();
                assert_eq!(two.len(), 1, "seed {seed}: {seen:?}");
            }
        }
        world.quiet(Rule::LatestWins);
        assert_eq!(world.check_level(), 0);
    }
}
