//! Damaged databases: bytes of a node's file and of the log beside it, and anything in the engine's tables. Whatever is asked is
//! answered or refused in words.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use objsync::sync::*;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;

use crate::mutate::change_bytes;
use crate::questions::{questions, unguarded};
use crate::worlds::{Target, World};
use crate::{Watchdog, seed, times};

/// Damaged files where nobody asks for another number.
const DAMAGES: u64 = 80;

/// How often the real program is asked, too.
const PROGRAM: u64 = 20;

const PAGE: usize = 4096;

/// Damages pages; says what was done.
fn damage_bytes(bytes: &mut Vec<u8>, dice: &mut StdRng) -> String {
    let pages = bytes.len().div_ceil(PAGE);
    if pages == 0 {
        return "nothing to damage".to_owned();
    }
    let (page, other) = (dice.random_range(0..pages), dice.random_range(0..pages));
    let range = |page: usize| page * PAGE..((page + 1) * PAGE).min(bytes.len());
    let (here, there) = (range(page), range(other));
    match dice.random_range(0..7) {
        0 => {
            bytes[here].fill(0);
            format!("page {page} zeroed")
        }
        1 => {
            let length = here.len().min(there.len());
            let copied = bytes[there][..length].to_vec();
            bytes[here][..length].copy_from_slice(&copied);
            format!("page {other} once more as page {page}")
        }
        2 => {
            let length = dice.random_range(0..bytes.len());
            bytes.truncate(length);
            format!("cut to {length} bytes")
        }
        3 => {
            let at = dice.random_range(0..bytes.len().min(100));
            bytes[at] = dice.random();
            format!("byte {at} of the header")
        }
        4 => {
            // What tells where the cells of a page are.
            let at = (here.start + dice.random_range(0..32)).min(bytes.len() - 1);
            bytes[at] = dice.random();
            format!("byte {at}")
        }
        _ => {
            let many = dice.random_range(1..16);
            for _ in 0..many {
                let at = dice.random_range(here.clone());
                bytes[at] ^= 1 << dice.random_range(0..8);
            }
            format!("{many} bits of page {page}")
        }
    }
}

/// Puts anything into some rows of the engine's tables; says what was done.
fn damage_rows(conn: &Connection, dice: &mut StdRng) -> rusqlite::Result<String> {
    let names =
        |sql: &str| -> rusqlite::Result<Vec<String>> { conn.prepare(sql)?.query_map([], |r| r.get(0))?.collect() };
    let tables = names("SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'objsync_*' ORDER BY name")?;
    let table = tables.choose(dice).unwrap();
    let columns = names(&format!("SELECT name FROM pragma_table_info('{table}')"))?;
    let column = columns.choose(dice).unwrap();
    let values = [
        "NULL",
        "''",
        "'x'",
        "x''",
        "x'ff'",
        "x'80808080808080808080'",
        "zeroblob(3000000)",
        "CAST(x'ff00' AS TEXT)",
        "-1",
        "0",
        "1",
        "9223372036854775807",
        "9223372036854775806",
        "-9223372036854775808",
        "1e300",
        "'{}'",
        "'[]'",
        "'[9,9]'",
        "printf('%.*c', 100000, '[')",
        "replace(hex(zeroblob(3000)), '0', '[[],')",
        "random()",
    ];
    let other = columns.choose(dice).unwrap();
    let value = match dice.random_range(0..4) {
        0 => format!("{other} {}", ["", "+ 1", "- 1", "* 2"].choose(dice).unwrap()),
        _ => (*values.choose(dice).unwrap()).to_owned(),
    };
    let which = ["", " WHERE abs(random()) % 3 = 0"].choose(dice).unwrap();
    let sql = match dice.random_range(0..12) {
        0 => format!("DELETE FROM {table}{which}"),
        1 => format!("INSERT INTO {table} SELECT * FROM {table}"),
        2 => format!("DROP TABLE {table}"),
        3 => format!("ALTER TABLE {table} DROP COLUMN {column}"),
        _ => format!("UPDATE OR REPLACE {table} SET {column} = {value}{which}"),
    };
    // What the tables do not take is another case.
    Ok(match conn.execute_batch(&sql) {
        Ok(()) => sql,
        Err(_) => format!("{sql} (in vain)"),
    })
}

/// Asks everything of a damaged file. Every answer is put back as it was damaged.
fn ask(
    target: &Target,
    world: &World,
    what: &str,
    with_program: bool,
    dog: &Watchdog,
    answers: &[AtomicUsize; 2],
    failed: &mut Vec<String>,
) {
    let damaged = (std::fs::read(&target.file).unwrap(), std::fs::read(target.file.with_extension("db-wal")).ok());
    let (set, peer) = (world.dir.path().join("real.syncset"), world.dir.path().join("third.db"));
    std::fs::write(&set, &target.sets[0].text).unwrap();
    for (question, asked) in questions(&set, &peer) {
        let said = dog
            .watch(&format!("{what}: {question}"), || Node::open(&target.file).and_then(|mut node| asked(&mut node)));
        match said {
            Err(panic) => {
                target.restore();
                return failed.push(format!("{what}: {question}: {panic}"));
            }
            Ok(Ok(())) => answers[0].fetch_add(1, Ordering::Relaxed),
            Ok(Err(error)) => {
                assert!(!error.message().is_empty(), "{what}: {question}: {error:?}");
                answers[1].fetch_add(1, Ordering::Relaxed)
            }
        };
        target.put(&damaged.0, damaged.1.as_deref());
    }
    let commands =
        ["status", "check", "journal", "conflicts", "requeue", "sets", "verify", "sync-times", "classes", "rejoin"];
    for command in commands.iter().filter(|_| with_program) {
        let run =
            || Command::new(env!("CARGO_BIN_EXE_objsync")).args([command, "--db"]).arg(&target.file).output().unwrap();
        let output = dog.watch(&format!("{what}: objsync {command}"), run).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code().is_some_and(|code| code <= 3),
            "{what}: objsync {command}: {:?} {said}",
            output.status
        );
        assert!(!said.contains("panicked"), "{what}: objsync {command}: {said}");
        target.put(&damaged.0, damaged.1.as_deref());
    }
}

/// Damages that once made it panic, or go on without end.
#[test]
fn damages_that_once_did_harm_do_none() {
    let (world, dog, answers) = (World::new(), Watchdog::new(), [AtomicUsize::new(0), AtomicUsize::new(0)]);
    let (target, mut failed) = (&world.targets[1], Vec::new());
    let bytes = std::fs::read(&target.file).unwrap();
    for sql in [
        "UPDATE objsync_journal SET previous = pos",
        "UPDATE objsync_journal SET previous = pos + 1 WHERE previous IS NOT NULL",
        "UPDATE objsync_journal SET number = 0",
        "UPDATE objsync_journal SET number = 9223372036854775807",
        "UPDATE objsync_journal SET pos = 9223372036854775807 WHERE pos = (SELECT max(pos) FROM objsync_journal)",
        "UPDATE objsync_told SET clock = 9223372036854775807 WHERE clock = (SELECT max(clock) FROM objsync_told)",
        "UPDATE objsync_sync_time SET heard = 9223372036854775807",
        "UPDATE OR REPLACE objsync_class SET id = journaled * 2",
        "DELETE FROM objsync_property WHERE place = 0",
        "UPDATE objsync_class SET key = '[9,9]' WHERE key LIKE '[%'",
        "UPDATE OR REPLACE objsync_bond SET bond = -9223372036854775808",
        "UPDATE objsync_set SET first_own = 0, last_own = 9223372036854775807",
    ] {
        target.put(&bytes, None);
        unguarded(&target.file).execute_batch(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        ask(target, &world, sql, false, &dog, &answers, &mut failed);
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn a_damaged_database_is_answered_or_refused_in_words() {
    let (many, seed) = (times(DAMAGES), seed());
    let (world, dog, answers) = (World::new(), Watchdog::new(), [AtomicUsize::new(0), AtomicUsize::new(0)]);
    let target = &world.targets[1];
    // What was written last stands in the log alone.
    let node = target.open();
    let before = std::fs::read(&target.file).unwrap();
    node.connection().execute_batch("UPDATE notes SET amount = 'log'; DELETE FROM pairs").unwrap();
    let log = std::fs::read(target.file.with_extension("db-wal")).unwrap();
    drop(node);
    let after = std::fs::read(&target.file).unwrap();
    assert!(log.len() > PAGE, "there is a log");
    let mut failed = Vec::new();
    for n in 0..many {
        let dice = &mut StdRng::seed_from_u64(seed << 32 | n);
        let mut what = format!("seed {seed}, damage {n}");
        match n % 4 {
            0 => {
                let mut bytes = after.clone();
                for _ in 0..dice.random_range(1..4) {
                    what += &format!("; {}", damage_bytes(&mut bytes, dice));
                }
                target.put(&bytes, None);
            }
            1 => {
                let mut log = log.clone();
                what += "; the log: ";
                match dice.random_bool(0.5) {
                    true => what += &damage_bytes(&mut log, dice),
                    false => change_bytes(&mut log, dice),
                }
                target.put(&before, Some(&log));
            }
            _ => {
                target.put(&after, None);
                let conn = unguarded(&target.file);
                for _ in 0..dice.random_range(1..4) {
                    what += &format!("; {}", damage_rows(&conn, dice).unwrap());
                }
            }
        }
        ask(target, &world, &what, n % PROGRAM == 0, &dog, &answers, &mut failed);
    }
    let [answered, refused] = answers.map(AtomicUsize::into_inner);
    println!("{many} damaged databases, seed {seed}: {answered} questions answered, {refused} refused in words");
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
    assert!(answered > refused / 20 && refused > answered / 20, "both ends are reached");
}
