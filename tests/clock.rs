//! A node's clock: it heals after it was wrong once, and what carries a time from then is the later for no rule.

mod common;

use common::pair::Pair;
use common::{TestClock, assert_sound};
use objsync::sync::*;

const DAY: i64 = 24 * 3600 * 1_000_000;

/// Two nodes at one machine's time, which stands where the test puts it from now on.
fn pair() -> (Pair, TestClock, i64) {
    let mut pair = Pair::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT); INSERT INTO t VALUES (1, 'x', 'x'), (2, 'x', 'x')",
        &["t"],
    );
    let clock = TestClock::new();
    let now = system_clock()();
    clock.set(now);
    pair.nodes = pair.nodes.map(|node| node.with_clock(clock.clock()));
    (pair, clock, now)
}

fn write(pair: &mut Pair, at: usize, sql: &str) {
    pair.nodes[at].edit(|edit| Ok(edit.connection().execute_batch(sql)?)).unwrap();
}

/// The time of row `id` at a node.
fn time(pair: &Pair, at: usize, id: i64) -> i64 {
    let sql = "SELECT time FROM objsync_object_t WHERE key = ?1";
    pair.nodes[at].connection().query_row(sql, [id], |r| r.get(0)).unwrap()
}

#[test]
fn a_clock_that_was_wrong_once_goes_on_from_the_machines_whoever_writes_next() {
    for by_another_program in [false, true] {
        let (mut pair, clock, now) = pair();
        clock.set(now + 400 * DAY);
        write(&mut pair, 1, "UPDATE t SET a = 'clock wrong' WHERE id = 1");
        assert_eq!(time(&pair, 1, 1), now + 400 * DAY);
        pair.send(1);
        clock.set(now + 1_000_000);
        match by_another_program {
            true => pair.sql(1, "UPDATE t SET a = 'right' WHERE id = 2"),
            false => write(&mut pair, 1, "UPDATE t SET a = 'right' WHERE id = 2"),
        }
        let healed = time(&pair, 1, 2);
        assert!((now..now + DAY).contains(&healed), "{healed}");
        assert_eq!(pair.nodes[1].clock_was().unwrap().unwrap().0 / DAY, (now + 400 * DAY) / DAY);
        // What it said under the wrong clock is its own still, when it comes back; points go on, and nobody is accused.
        write(&mut pair, 0, "UPDATE t SET b = 'touched' WHERE id = 2");
        pair.level();
        for n in 0..5 {
            clock.set(now + (n + 2) * 1_000_000);
            write(&mut pair, 1, &format!("UPDATE t SET a = 'again {n}' WHERE id = 2"));
            pair.level();
        }
        assert!(time(&pair, 0, 2) < now + DAY);
        assert_sound(&pair.nodes);
    }
}

#[test]
fn a_file_that_an_earlier_version_made_heals_as_well() {
    let (pair, _, now) = pair();
    let file = pair.nodes[1].path().to_owned();
    pair.sql(1, "DROP TRIGGER objsync_clock; DROP TABLE objsync_clock_was");
    pair.sql(1, &format!("UPDATE objsync_state SET clock = {}", now + 400 * DAY));
    drop(pair.nodes);
    let node = Node::open(&file).unwrap();
    node.connection().execute("UPDATE t SET a = 'right' WHERE id = 2", []).unwrap();
    let sql = "SELECT time FROM objsync_object_t WHERE key = 2";
    let time: i64 = node.connection().query_row(sql, [], |r| r.get(0)).unwrap();
    assert!(time < now + DAY);
    assert!(node.check().unwrap().flaws.is_empty());
}

#[test]
fn a_clock_less_than_a_day_ahead_never_goes_back() {
    let (mut pair, clock, now) = pair();
    clock.set(now + DAY - 60_000_000);
    write(&mut pair, 1, "UPDATE t SET a = 'ahead' WHERE id = 1");
    clock.set(now);
    write(&mut pair, 1, "UPDATE t SET a = 'later' WHERE id = 1");
    assert_eq!(time(&pair, 1, 1), now + DAY - 60_000_000 + 1);
    pair.sql(1, "UPDATE t SET a = 'later still' WHERE id = 1");
    assert_eq!(time(&pair, 1, 1), now + DAY - 60_000_000 + 2);
    // A machine that has lost its clock is wrong itself: the file's goes on.
    for lost in [-5 * DAY, 0, 1_000 * DAY] {
        clock.set(lost);
        let before = time(&pair, 1, 1);
        write(&mut pair, 1, &format!("UPDATE t SET a = 'lost {lost}' WHERE id = 1"));
        assert_eq!(time(&pair, 1, 1), before + 1);
    }
    assert_eq!(pair.nodes[1].clock_was().unwrap(), None);
}

#[test]
fn a_doubtful_time_never_beats_another_by_time() {
    for rule in [Rule::LatestWins, Rule::ClientWins, Rule::MasterWins, Rule::MergeProperties] {
        // Roles do not tell clients apart, so these rules go by time, too.
        let (mut pair, clock, now) = pair();
        let mut other = pair.nodes[0].fresh_copy(&pair.dir.path().join("east.db"), "EAST", Role::Client).unwrap();
        other = other.with_clock(clock.clock());
        pair.nodes[0] = other;
        clock.set(now + 400 * DAY);
        write(&mut pair, 1, "UPDATE t SET a = 'clock wrong', b = 'only there' WHERE id = 1");
        clock.set(now + 1_000_000);
        write(&mut pair, 0, "UPDATE t SET a = 'right' WHERE id = 1");
        for node in &mut pair.nodes {
            node.set_rule(None, Some(rule)).unwrap();
        }
        let report = pair.send(1);
        assert_eq!((report.conflicts, report.warnings.len()), (1, 1), "{report:?}");
        assert!(report.objects[0].reason.contains("ahead"), "{}", report.objects[0].reason);
        pair.level();
        let merged = rule == Rule::MergeProperties;
        let row = if merged { "right, only there" } else { "right, x" };
        for node in &pair.nodes {
            let sql = "SELECT a || ', ' || b FROM t WHERE id = 1";
            let found: String = node.connection().query_row(sql, [], |r| r.get(0)).unwrap();
            assert_eq!(found, row, "{rule:?}");
        }
    }
}
