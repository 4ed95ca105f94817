//! Random edits of one-to-one rows and what hangs on them, judged by names only: each node changes rows of its own, so what each of
//! them says of its rows must stand at both in the end.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use objsync::sync::*;

use crate::{TABLES, pilots, whose};

/// One statement on a node's own rows; what a constraint refuses is refused.
fn change(rng: &mut StdRng, node: &str, serial: &mut u32) -> String {
    *serial += 1;
    let name = format!("{node}{serial}");
    let mine = |table: &str, column: &str, n: u32| {
        format!("(SELECT id FROM {table} WHERE {column} LIKE '{node}%' ORDER BY {column} LIMIT 1 OFFSET {n})")
    };
    let person = mine("person", "name", rng.random_range(0..4));
    let pilot = mine("pilot", "licence", rng.random_range(0..3));
    let other = mine("person", "name", rng.random_range(0..4));
    match rng.random_range(0..12) {
        0 | 1 => format!("INSERT INTO person (name) VALUES ('{name}')"),
        // A key that is NULL would be any number.
        2 | 3 => format!("INSERT INTO pilot SELECT p, '{name}' FROM (SELECT {person} AS p) WHERE p IS NOT NULL"),
        4 => format!("INSERT INTO wing SELECT '{name}', p FROM (SELECT {pilot} AS p) WHERE p IS NOT NULL"),
        5 => format!("INSERT INTO log (pilot, text) VALUES ({pilot}, '{name}')"),
        6 => format!(
            "INSERT INTO rating SELECT p, 'kite', '{name}' FROM (SELECT {pilot} AS p) WHERE p IS NOT NULL; INSERT INTO exam (pilot, craft, mark) VALUES ({pilot}, 'kite', '{name}')"
        ),
        7..=9 => format!("UPDATE pilot SET id = {other} WHERE id = {pilot}"),
        10 => format!("UPDATE person SET id = {} WHERE id = {person}", rng.random_range(1..40)),
        _ => format!("DELETE FROM {} WHERE id = {pilot}", ["pilot", "wing"][rng.random_range(0..2)]),
    }
}

/// What a node says of its own rows.
fn of_its_own(rows: Vec<String>, node: &str) -> BTreeSet<String> {
    rows.into_iter().filter(|row| row.split(' ').nth(1).is_some_and(|name| name.starts_with(node))).collect()
}

fn play(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut pair = pilots("");
    let mut serial = 0;
    for node in &pair.nodes {
        node.connection().execute_batch("PRAGMA foreign_keys = ON").unwrap();
    }
    for _ in 0..rng.random_range(2..7) {
        for node in [0, 1] {
            let name = ["w", "v"][node];
            for _ in 0..rng.random_range(0..7) {
                let statements: Vec<String> =
                    (0..rng.random_range(1..4)).map(|_| change(&mut rng, name, &mut serial)).collect();
                // By the engine as one commit, or by another program.
                if rng.random_range(0..2) == 0 {
                    let _ = pair.nodes[node].edit(|edit| {
                        for sql in &statements {
                            edit.connection().execute_batch(sql)?;
                        }
                        Ok(())
                    });
                } else {
                    let _ = pair.nodes[node].connection().execute_batch(&statements[0]);
                }
            }
        }
        let from = rng.random_range(0..2);
        let (to, before) = (1 - from, whose(&pair, 1 - from));
        pair.send(from);
        if rng.random_range(0..3) == 0 {
            let set = pair.nodes[to].set_records(100).unwrap().into_iter().find(|s| !s.sent && !s.taken_back);
            if let Some(set) = set.filter(|set| matches!(pair.nodes[to].can_take_back(set), Ok(Ok(()))))
                && pair.nodes[to].take_back(set.seq).is_ok()
            {
                assert_eq!(whose(&pair, to), before, "seed {seed}: taken back");
                pair.nodes[to].apply(&set.file, ApplyOptions::default()).unwrap();
            }
        }
    }
    let said = [0, 1].map(|node| of_its_own(whose(&pair, node), ["w", "v"][node]));
    for _ in 0..3 {
        pair.send(1);
        pair.send(0);
    }
    for node in [0, 1] {
        assert!(
            pair.nodes[node].requeue().unwrap().is_empty(),
            "seed {seed}: {:?}",
            pair.nodes[node].requeue().unwrap()
        );
        for (of, said) in said.iter().enumerate() {
            let now = of_its_own(whose(&pair, node), ["w", "v"][of]);
            assert_eq!(&now, said, "seed {seed}: rows of {of} at {node}");
        }
    }
    for table in TABLES {
        let [a, b] = pair.nodes.each_mut().map(|n| n.contents(table).unwrap());
        assert!(Contents::differences(&[a, b]).is_empty(), "seed {seed}: {table} differs");
    }
    pair.same();
}

#[test]
fn what_each_node_says_of_its_own_rows_stands_at_both_in_the_end() {
    (0..25).for_each(play);
}
