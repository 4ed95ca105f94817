//! What is given up at both ends: of two objects that exclude each other one stays, by every rule.

use objsync::sync::*;

use crate::common::{TestClock, assert_sound, pair::Pair};

const SCHEMA: &str = "
CREATE TABLE setting (k TEXT PRIMARY KEY, v TEXT);
CREATE TABLE tag (id INTEGER PRIMARY KEY, name TEXT UNIQUE, color TEXT);
INSERT INTO tag VALUES (1, 'old', 'grey');
";

/// Two nodes with a clock that goes on by a second with every step.
fn world() -> (Pair, TestClock) {
    let mut pair = Pair::new(SCHEMA, &["setting", "tag"]);
    let clock = TestClock::new();
    clock.set(system_clock()());
    pair.nodes = pair.nodes.map(|node| node.with_clock(clock.clock()));
    for at in [0, 1] {
        pair.sql(at, "PRAGMA synchronous = OFF");
    }
    (pair, clock)
}

fn write(pair: &mut Pair, clock: &TestClock, at: usize, sql: &str) {
    clock.0.fetch_add(1_000_000, std::sync::atomic::Ordering::SeqCst);
    pair.nodes[at].edit(|edit| Ok(edit.connection().execute_batch(sql)?)).unwrap();
}

fn discard(pair: &mut Pair, clock: &TestClock, at: usize) {
    clock.0.fetch_add(1_000_000, std::sync::atomic::Ordering::SeqCst);
    let foretold = pair.nodes[at].preview_discard(None).unwrap();
    let done = pair.nodes[at].discard(None).unwrap();
    assert_eq!(foretold, done);
    assert!(done.discarded > 0);
}

fn send(pair: &mut Pair, from: usize) -> Report {
    let file = pair.set(from);
    pair.nodes[1 - from].apply(&file, ApplyOptions::default()).unwrap()
}

/// What both sides make: the same setting, the same tag, or a tag that one side makes and the other renames an old one to.
const BOTH: [[&str; 2]; 3] = [
    ["INSERT INTO setting VALUES ('theme', 'dark')", "INSERT INTO setting VALUES ('theme', 'dark')"],
    ["INSERT INTO tag VALUES (7, 'red', 'a')", "INSERT INTO tag VALUES (7, 'red', 'b')"],
    ["INSERT INTO tag VALUES (7, 'red', 'a')", "UPDATE tag SET name = 'red' WHERE id = 1"],
];

#[test]
fn what_both_sides_give_up_of_each_other_stays_once_by_every_rule_in_turn_and_crossed() {
    for (kind, [here, there]) in BOTH.into_iter().enumerate() {
        for rule in Rule::ALL {
            for (first, crossed) in [(0, false), (1, false), (0, true), (1, true)] {
                let of_place = !rule.same_at_both_ends();
                if crossed && of_place {
                    continue; // these promise nothing where sets cross
                }
                for sends_first in if crossed { vec![first] } else { vec![0, 1] } {
                    let case =
                        format!("{kind} {rule:?}, {first} gives up first, crossed {crossed}, {sends_first} sends");
                    let (mut pair, clock) = world();
                    for node in &mut pair.nodes {
                        node.set_rule(None, Some(rule)).unwrap();
                    }
                    write(&mut pair, &clock, 0, here);
                    write(&mut pair, &clock, 1, there);
                    send(&mut pair, 0);
                    send(&mut pair, 1);
                    for node in &pair.nodes {
                        assert_eq!(node.requeue().unwrap().len(), 1, "{case}");
                    }
                    discard(&mut pair, &clock, first);
                    discard(&mut pair, &clock, 1 - first);
                    if crossed {
                        let sets = [pair.set(0), pair.set(1)];
                        for at in [sends_first, 1 - sends_first] {
                            pair.nodes[at].apply(&sets[1 - at], ApplyOptions::default()).unwrap();
                        }
                    } else {
                        send(&mut pair, sends_first);
                        send(&mut pair, 1 - sends_first);
                    }
                    pair.level();
                    let sql = "SELECT (SELECT count(*) FROM setting WHERE k = 'theme') + (SELECT count(*) FROM tag WHERE name = 'red')";
                    for node in &pair.nodes {
                        let left: i64 = node.connection().query_row(sql, [], |r| r.get(0)).unwrap();
                        assert_eq!((left, node.requeue().unwrap().len()), (1, 0), "{case}");
                        let recorded = node.conflicts(10).unwrap();
                        assert!(recorded.iter().any(|r| r.kind == ConflictKind::Discarded), "{case}");
                    }
                    assert_sound(&pair.nodes);
                }
            }
        }
    }
}

#[test]
fn given_up_at_one_end_the_other_follows_and_says_nothing_more() {
    for [here, there] in BOTH {
        for at in [0, 1] {
            let (mut pair, clock) = world();
            write(&mut pair, &clock, 0, here);
            write(&mut pair, &clock, 1, there);
            send(&mut pair, 0);
            send(&mut pair, 1);
            discard(&mut pair, &clock, at);
            let report = send(&mut pair, at);
            assert_eq!(report.conflicts, 0, "nothing was said against it: {report:?}");
            pair.level();
            assert!(pair.nodes.iter().all(|node| node.requeue().unwrap().is_empty()));
        }
    }
}
