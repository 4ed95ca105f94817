//! Random histories: edits by the engine and by raw SQL, sets that are lost, repeated, late, misdelivered, cut short and crossed;
//! sets taken back and reverted, conflicts decided again, units discarded.

use std::collections::BTreeMap;

use objsync::sync::*;

use crate::choices::Choices;
use crate::common::{assert_same, assert_sound, dump};
use crate::play::{Kind, Tally, asked, play, play_kept};
use crate::world::{MOST, Sent, World};

/// What somebody does at a node: one commit of one to four changes, by the engine or by raw SQL.
fn edit(rng: &mut Choices, node: &mut Node, serial: &mut u64) {
    let statements: Vec<String> = (0..rng.random_range(1..5)).map(|_| change(rng, serial)).collect();
    if rng.random_range(0..3) == 0 {
        // Another program; what the constraints refuse is refused.
        rng.say(format!("raw at {}: {}", node.info().name, statements[0]));
        let _ = node.connection().execute_batch(&statements[0]);
        return;
    }
    rng.say(format!("at {}: {}", node.info().name, statements.join("; ")));
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

fn change(rng: &mut Choices, serial: &mut u64) -> String {
    *serial += 1;
    let n = *serial;
    let any = |rng: &mut Choices, table: &str| {
        format!("(SELECT id FROM {table} ORDER BY id LIMIT 1 OFFSET {})", rng.random_range(0..6))
    };
    let (c, o, k) = (any(rng, "customers"), any(rng, "orders"), rng.random_range(1..3));
    let code = ["'a'", "'b'", "'c'", "'d'", "'e'", "NULL"][rng.random_range(0..6)];
    let w = ["'red'", "'RED'", "'blue'", "'green'", "'x'"][rng.random_range(0..5)];
    match rng.random_range(0..19) {
        0 | 1 => format!("INSERT INTO orders (customer, kind, amount) VALUES ({c}, {k}, {n})"),
        2 => format!("INSERT INTO customers (code, note) VALUES ({code}, 'n{n}')"),
        3 => format!("UPDATE customers SET note = 'n{n}' WHERE id = {c}"),
        4 => format!("UPDATE OR IGNORE customers SET code = {code} WHERE id = {c}"),
        5 | 6 => format!("UPDATE orders SET amount = {n} WHERE id = {o}"),
        7 => format!("UPDATE orders SET customer = {c}, kind = {k} WHERE id = {o}"),
        8 => format!("UPDATE customers SET best = {o} WHERE id = {c}"),
        9 => format!("UPDATE customers SET best = NULL WHERE best = {o}; DELETE FROM orders WHERE id = {o}"),
        10 => "UPDATE orders SET customer = NULL WHERE customer = (SELECT max(id) FROM customers); DELETE FROM customers WHERE id = (SELECT max(id) FROM customers)".to_string(),
        11 => format!("INSERT OR REPLACE INTO orders (id, customer, kind, amount) VALUES ({o}, {c}, {k}, {n})"),
        12 => format!("INSERT OR IGNORE INTO words VALUES ({w}, 'n{n}')"),
        13 => format!("INSERT INTO uses VALUES ({c}, {w}, 'n{n}')"),
        14 => format!("UPDATE uses SET note = 'n{n}' WHERE word = {w}"),
        15 => format!("REPLACE INTO uses VALUES ({c}, {w}, 'n{n}')"),
        16 => format!("UPDATE words SET word = {w}, note = 'n{n}' WHERE word = (SELECT max(word) FROM words)"),
        17 => format!("DELETE FROM uses WHERE word = {w}; DELETE FROM words WHERE word = {w}"),
        _ => format!("UPDATE orders SET amount = {}", rng.random_range(0..2)),
    }
}

/// The tables that tell what a node holds and what it knows of others' sets, less what taking a set back leaves: numbers, clocks,
/// names learnt, what is known of peers, the records and the list of sets.
fn standing(node: &Node) -> BTreeMap<String, Vec<String>> {
    let not = [
        "objsync_state",
        "objsync_clock_was",
        "objsync_node",
        "objsync_lineage",
        "objsync_sync_time",
        "objsync_set",
        "objsync_conflict",
    ];
    let mut tables = dump(node);
    tables.retain(|t, _| !not.contains(&t.as_str()) && t != "objsync_aside");
    let received: Vec<String> = node
        .peers()
        .unwrap()
        .iter()
        .map(|p| format!("{p} {}", node.sync_times(*p).unwrap().received))
        .filter(|said| !said.ends_with(" 0"))
        .collect();
    tables.insert("received".to_owned(), received);
    tables
}

/// Applies a set; perhaps takes it back, or reverts it.
fn apply(world: &mut World, rng: &mut Choices, set: &Sent, rule: Rule, tally: &mut Tally) {
    let at = set.target;
    let before = if world.brisk { BTreeMap::new() } else { standing(&world.nodes[at]) };
    let seen = world.observers.seen(at);
    let contents = |world: &mut World| {
        ["Customer", "Order", "Word", "Use"].map(|class| world.nodes[at].contents(class).unwrap().digest())
    };
    let digests = contents(world);
    let newest = |world: &World| world.nodes[at].set_records(1).unwrap().pop();
    let known = newest(world).map(|r| r.seq);
    let applied = world.apply(at, set, rule).is_some();
    let Some(record) = newest(world).filter(|r| applied && Some(r.seq) != known) else {
        return; // refused, or it came before and did nothing
    };
    match rng.random_range(0..8) {
        0 | 1 => {
            // Something unrelated in between, sometimes.
            if rng.random_range(0..3) == 0 {
                world.edit(at, |node| {
                    node.connection().execute_batch("INSERT INTO customers (note) VALUES (NULL)").unwrap()
                });
                assert!(world.nodes[at].can_take_back(&record).unwrap().is_ok(), "nothing newer stands on it");
                world.nodes[at].take_back(record.seq).unwrap();
                world.observers.forget(at, seen);
                let versions = world.versions(at);
                world.observers.note(at, &versions);
            } else {
                world.nodes[at].take_back(record.seq).unwrap();
                world.observers.forget(at, seen);
                if !world.altered && !world.brisk {
                    assert_same(&standing(&world.nodes[at]), &before, "as if it had not been applied");
                }
                assert_eq!(contents(world), digests);
            }
            crate::world::check_sound(&world.nodes[at]);
            let again = world.nodes[at].take_back(record.seq).unwrap_err();
            assert!(again.message().contains("taken back already"), "{again}");
            tally.add("taken back", 1);
            // The set is there still, and does what it did.
            if rng.random() {
                assert!(world.apply(at, set, rule).is_some());
            }
        }
        2 | 3 => {
            let (first, last) = record.filed_as.unwrap();
            let planned = world.nodes[at].preview_revert(record.seq);
            let done = world.edit(at, |node| node.revert(record.seq));
            match (planned, done) {
                (Ok(planned), Ok(done)) => {
                    assert_eq!(planned.objects, done.objects);
                    assert!(done.kept.is_empty(), "nothing came after the set: {done:?}");
                    assert_eq!(contents(world), digests, "what it changed is restored");
                    tally.add("reverted", 1);
                }
                (Err(planned), Err(done)) => {
                    assert_eq!(planned.to_string(), done.to_string());
                    assert_eq!(done.kind(), ErrorKind::Constraint, "{done}");
                    assert!(first > last || done.message().contains("nothing was changed"), "{done}");
                }
                other => panic!("a plan is what is done: {other:?}"),
            }
        }
        _ => {}
    }
}

/// Somebody decides a record, or decides it again.
fn resolve(world: &mut World, rng: &mut Choices, at: usize, tally: &mut Tally) {
    let records = world.nodes[at].conflicts(usize::MAX).unwrap();
    if records.is_empty() {
        return;
    }
    let record = records[rng.random_range(0..records.len())].clone();
    let property = match record.class.as_str() {
        "Order" => ("amount", Value::Integer(0)),
        _ => ("note", Value::Null),
    };
    let choice = match rng.random_range(0..3) {
        0 => Choice::Ours,
        1 => Choice::Theirs,
        _ => Choice::Set(vec![(property.0.to_owned(), property.1)]),
    };
    let before = standing(&world.nodes[at]);
    let confirmed = rng.random();
    let resolved = world.edit(at, |node| node.resolve(record.id, &choice, confirmed));
    match resolved {
        Ok(Resolution::Filed { record: now, .. }) => {
            // To say once more what stands is no new decision.
            assert!(now.again.len() == record.again.len() + 1 || now.again == record.again, "{now:?}");
            assert_ne!(now.state, RecordState::Open);
            assert_eq!(world.nodes[at].conflict(record.id).unwrap(), *now, "kept");
            assert!(world.nodes[at].moved_on(&now).unwrap().is_empty(), "the object is what the record says: {now:?}");
            tally.add("resolved", 1);
        }
        Ok(Resolution::MovedOn { moved_on, .. }) => {
            assert!(!confirmed && !moved_on.is_empty());
            assert_same(&standing(&world.nodes[at]), &before, "nothing was confirmed");
            tally.add("moved on", 1);
        }
        Err(e) => {
            assert!(matches!(e.kind(), ErrorKind::Constraint | ErrorKind::Usage), "{e}");
            assert!(e.message().contains("nothing was changed"), "{e}");
            assert_same(&standing(&world.nodes[at]), &before, "refused");
        }
    }
}

fn discard(world: &mut World, rng: &mut Choices, at: usize, tally: &mut Tally) {
    let waiting = world.nodes[at].requeue().unwrap();
    if waiting.is_empty() {
        return;
    }
    let id = waiting[rng.random_range(0..waiting.len())].id;
    let known = world.nodes[at].conflicts(usize::MAX).unwrap().iter().map(|r| r.id).max().unwrap_or(0);
    let before = world.versions(at);
    let report = world.nodes[at].discard(Some(&[id])).unwrap();
    assert!(!world.nodes[at].requeue().unwrap().iter().any(|w| w.id == id));
    let records = world.records_after(at, known);
    assert_eq!(records.len(), report.discarded);
    let after = world.versions(at);
    for (guid, old) in &before {
        assert_eq!(old.content, after[guid].content, "what is here stays");
    }
    world.observers.applied(at, (&before, &after), &records, &Default::default());
    tally.add("discarded", 1);
}

/// Nodes that exchange sets by way of a hub.
pub const NODES: Kind = Kind { name: "nodes", play: history };

fn history(rng: &mut Choices, tally: &mut Tally) {
    let rule = Rule::ALL[rng.of_seed(|seed| seed % 7) as usize % 7];
    let count = 2 + rng.of_seed(|seed| seed / 7 % 4) as usize;
    let crossed = rng.of_seed(|seed| seed % 2) == 1 && rule.same_at_both_ends();
    let mut world = World::new(count);
    // Each third history is judged a few objects at a time.
    let batch = rng.of_seed(|seed| if seed % 3 == 1 { 1 + seed / 3 % 3 } else { 0 }) as usize;
    world.batch = (batch > 0).then_some(batch);
    world.compress = rng.of_seed(|seed| u64::from(seed % 4 == 2)) == 1;
    // With triggers of the user's an apply goes a slower way.
    if rng.of_seed(|seed| u64::from(seed % 4 == 1)) == 0 {
        for node in &world.nodes {
            node.connection().execute_batch("DROP TRIGGER order_in; DROP TRIGGER order_out").unwrap();
        }
    }
    let purging = rng.of_seed(|seed| u64::from(seed.is_multiple_of(3))) == 1;
    // At moments that move from history to history.
    let moment = rng.of_seed(|seed| seed % 8) as usize;
    world.brisk = rng.of_seed(|seed| u64::from(seed % 4 != 2)) == 1;
    let mut altered = [false; MOST];
    let (mut on_the_way, mut serial): (Vec<Sent>, u64) = (Vec::new(), 1);
    let mut step = 0;
    while rng.next_step(55) {
        if step % 8 == moment && !world.brisk {
            assert_sound(&world.nodes);
        }
        step += 1;
        let count = world.nodes.len();
        let i = rng.random_range(0..count);
        match rng.random_range(0..35) {
            0..9 => world.edit(i, |node| edit(rng, node, &mut serial)),
            9..14 => {
                let other = if i == 0 { rng.random_range(1..count) } else { 0 };
                let since = if rng.random_range(0..3) == 0 { Since::Sent } else { Since::Acknowledged };
                let number = world.nodes[i].number().unwrap();
                let upto = (rng.random_range(0..4) == 0).then(|| number.saturating_sub(rng.random_range(0..4)));
                rng.say(format!("{i} prepares for {other}, {since:?}, up to {upto:?}"));
                on_the_way.extend(world.prepare(i, other, since, upto));
            }
            14 | 22 => resolve(&mut world, rng, i, tally),
            15 | 23 | 24 => discard(&mut world, rng, i, tally),
            25 | 26 if purging => {
                rng.say(format!("{i} purges"));
                world.nodes[i].purge(u64::MAX).unwrap();
                world.observers.purged(i);
                tally.add("purged", 1);
            }
            27 => {
                serial += 1;
                // Another program adds a column, and writes to it before anybody looks.
                let sql = if altered[i] {
                    format!("UPDATE orders SET more = {serial} WHERE id = {}", rng.random_range(1..6))
                } else {
                    tally.add("altered", 1);
                    format!(
                        "ALTER TABLE orders ADD COLUMN more INTEGER DEFAULT 1; UPDATE orders SET more = {serial} WHERE id = 2"
                    )
                };
                rng.say(format!("at {i}: {sql}"));
                (altered[i], world.altered) = (true, true);
                world.edit(i, |node| node.connection().execute_batch(&sql).unwrap());
            }
            29 => {
                let by = [-172_800, -3_600, -20, 20, 3_600, 172_800][rng.random_range(0..6)];
                rng.say(format!("the clock at {i} is set by {by} s"));
                world.set_clock(i, by * 1_000_000);
                tally.add("clocks set", 1);
            }
            30 if count < MOST => {
                rng.say(format!("{i} is copied as {count}"));
                altered[count] = altered[i];
                world.copy(i);
                tally.add("copied", 1);
            }
            // Another program, which has had the file open all along; perhaps it goes on reading what was there.
            31 => {
                let sql = match rng.random() {
                    true => change(rng, &mut serial),
                    false => "BEGIN; SELECT count(*) FROM orders".to_owned(),
                };
                rng.say(format!("by another program at {i}: {sql}"));
                world.edit_beside(i, &sql);
                tally.add("beside", 1);
            }
            28 => give_key_to_another(&mut world, rng, i, &mut serial, tally),
            _ if on_the_way.is_empty() => {}
            what => {
                let at = rng.random_range(0..on_the_way.len());
                let set = on_the_way[at].clone();
                let name = set.file.file_name().unwrap().to_string_lossy().into_owned();
                match what {
                    16 => {
                        rng.say(format!("{name} is lost"));
                        on_the_way.swap_remove(at);
                    }
                    17 => {
                        let wrong = (set.target + 1) % count;
                        rng.say(format!("{name} comes to {wrong}, to whom it is not addressed"));
                        world.apply(wrong, &set, rule);
                    }
                    32 => {
                        let left = rng.random_range(0..100_000);
                        rng.say(format!("{name} comes cut short"));
                        world.apply_cut(&set, left);
                        tally.add("cut", 1);
                    }
                    18 => {
                        rng.say(format!("{} applies {name}, which comes once more later", set.target));
                        world.apply(set.target, &set, rule);
                    }
                    _ => {
                        rng.say(format!("{} applies {name}", set.target));
                        apply(&mut world, rng, &set, rule, tally);
                        on_the_way.swap_remove(at);
                    }
                }
            }
        }
        rng.stands(|| world.stands());
    }
    world.quiet(rule, crossed);
    // What is late does nothing new.
    let before: Vec<_> = (0..world.nodes.len()).map(|i| world.versions(i)).collect();
    for set in &on_the_way {
        world.apply(set.target, set, rule);
    }
    let after: Vec<_> = (0..world.nodes.len()).map(|i| world.versions(i)).collect();
    assert_eq!(after, before, "late sets changed something");
    let waiting = world.check_level();
    assert_sound(&world.nodes);
    world.observers.check_nothing_lost(&before[0], &waiting);
    rng.stands(|| world.stands());
    tally.add("waiting", waiting.len());
    tally.add("level", usize::from(waiting.is_empty()));
    tally.add("written", world.observers.written());
    for node in &world.nodes {
        let records = node.conflicts(usize::MAX).unwrap();
        let open = records.iter().take_while(|r| r.state == RecordState::Open).count();
        assert_eq!(open, records.iter().filter(|r| r.state == RecordState::Open).count(), "open ones first");
        assert_eq!(node.open_conflicts().unwrap(), open);
        tally.add("conflicts", node.conflict_count().unwrap());
        tally.add("combined", records.iter().filter(|r| r.state == RecordState::Combined).count());
    }
}

/// The shell, with foreign_keys off: another object gets the key that rows refer by.
fn give_key_to_another(world: &mut World, rng: &mut Choices, at: usize, serial: &mut u64, tally: &mut Tally) {
    *serial += 1;
    let (key, table) = (rng.random_range(1..4), ["customers", "orders"][rng.random_range(0..2)]);
    let value = match table {
        "orders" => format!("amount) SELECT {key}, {serial}"),
        _ => format!("note) SELECT {key}, 'n{serial}'"),
    };
    rng.say(format!("at {at}, by the shell: another object gets number {key} of {table}"));
    let sql = format!(
        "PRAGMA foreign_keys = OFF; BEGIN; CREATE TEMP TABLE there AS SELECT id FROM {table} WHERE id = {key};
         DELETE FROM {table} WHERE id = {key}; INSERT INTO {table} (id, {value} WHERE EXISTS (SELECT 1 FROM there); COMMIT"
    );
    world.edit(at, |node| {
        rusqlite::Connection::open(node.path()).unwrap().execute_batch(&sql).unwrap();
    });
    tally.add("given", 1);
}

#[test]
fn random_histories_converge_and_lose_nothing() {
    let histories = asked(8, 84);
    let tally = play(NODES, histories);
    if histories >= 84 {
        tally.at_least(&[("conflicts", 60), ("combined", 5), ("waiting", 1), ("level", 20), ("taken back", 40)]);
        tally.at_least(&[("reverted", 10), ("resolved", 10), ("discarded", 2), ("written", 500)]);
        tally.at_least(&[("purged", 50), ("altered", 50), ("given", 20)]);
        tally.at_least(&[("clocks set", 50), ("copied", 20), ("beside", 50), ("cut", 20)]);
    }
    // Rarer: not in every hundred histories.
    if histories >= 1000 {
        tally.at_least(&[("moved on", 1)]);
    }
}

#[test]
fn histories_that_once_failed_do_not_fail_again() {
    assert!(play_kept(NODES) >= 16);
}
