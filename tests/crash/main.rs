//! Crashes: the program is stopped at every write, sync, truncate, rename and removal that it asks of the system, and killed at
//! random times; afterwards everything is there whole or not at all, and the same command, given again, converges.
//!
//! `trace.rs` reads what `strace` saw a real command do, `disk.rs` is a disk that knows what was synced, `judge.rs` says what must
//! hold of what is left. A command runs once; then every crash is a prefix of what it did, put in place of the folder: as a killed
//! program leaves it, as a power loss does that takes all that was not synced, and as one that takes some of it.
//!
//! Needs Linux and `strace`; OBJSYNC_REQUIRE=strace makes its absence a failure. OBJSYNC_CRASH=all gives the command again after
//! every crash, not after some of them, and tears more ways.

#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
mod disk;
mod judge;
mod kill;
mod trace;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::skip;
use disk::{Disk, Fate};
use judge::Stand;

/// A command, and what it may leave.
struct Step {
    words: &'static str,
    /// It is one transaction at each node that it writes to: what is there afterwards is what was before, or what comes of it.
    one: bool,
}

const fn one(words: &'static str) -> Step {
    Step { words, one: true }
}

const fn many(words: &'static str) -> Step {
    Step { words, one: false }
}

/// Writing, preparing, applying with a conflict, deciding, taking back, what waits, copying, switching a class, purging.
const STEPS: &[Step] = &[
    one("random-order --node MASTER"),
    one("order put 5 --node CLIENT --quantity 460"),
    one("order put 5 --node MASTER --quantity 401"),
    one("order delete 6 --node CLIENT"),
    one("prepare --node CLIENT --to MASTER --id 1000"),
    one("apply sets/syncFromCLIENT-1000.syncset --node MASTER"),
    one("resolve 1 --ours --node MASTER"),
    one("prepare --node MASTER --to CLIENT --id 1001 --zstd"),
    one("apply sets/syncFromMASTER-1001.syncset --node CLIENT"),
    one("take-back 1001 --node CLIENT"),
    one("apply sets/syncFromMASTER-1001.syncset --node CLIENT"),
    one("requeue retry --node CLIENT"),
    one("requeue discard --all --node CLIENT"),
    one("revert 1001 --node CLIENT"),
    many("sync"),
    one("purge --node MASTER"),
    one("rules set ask --class Order"),
    many("add-client NORTH"),
    many("classes journal Customer"),
    many("sync"),
];

/// How many crashes out of which the command is given again.
const AGAIN: usize = 19;

fn program(dir: &Path, words: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_objsync")).args(words).args(["--dir"]).arg(dir).current_dir(dir).output().unwrap()
}

fn done(dir: &Path, words: &[&str]) {
    let output = program(dir, words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An environment in which an order refers to a customer that the other side does not know.
fn environment() -> tempfile::TempDir {
    // Syncs are counted, not waited for: in memory where there is such a folder.
    let memory = Path::new("/dev/shm");
    let home = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let small = ["install", "--items", "3", "--customers", "3", "--employees", "3", "--orders", "8", "--seed", "1"];
    done(home.path(), &small);
    let master = rusqlite::Connection::open(home.path().join("master.db")).unwrap();
    master
        .execute_batch(
            "INSERT INTO customers (id, code, cust_name) VALUES (9, 'c9', 'New'); \
             INSERT INTO orders SELECT 20, employee, 9, date_order, item, 1, 2 FROM orders WHERE order_num = 1",
        )
        .unwrap();
    home
}

#[test]
fn every_crash_leaves_each_step_whole_or_not_done_and_the_same_command_converges() {
    if Command::new("strace").arg("-V").output().is_err() {
        return skip("strace", "there is no strace");
    }
    let home = environment();
    let dir = home.path().canonicalize().unwrap();
    let always = std::env::var("OBJSYNC_CRASH").is_ok_and(|v| v == "all");
    let all = [Fate::Kept, Fate::Lost, Fate::Torn(1), Fate::Torn(2), Fate::Torn(3)];
    let fates = if always { &all[..] } else { &all[..3] };
    let (mut crashes, mut given_again) = (0, 0);
    for step in STEPS {
        let words: Vec<&str> = step.words.split(' ').collect();
        let before = (Disk::of(&dir), Stand::of(&dir));
        let log = trace::run(&dir, &words);
        let after = (Disk::of(&dir), Stand::of(&dir));
        let allowed = step.one.then_some([&before.1, &after.1]);
        let made: Vec<PathBuf> = after.0.names().filter(|name| !before.0.has(name)).cloned().collect();
        for stop in 0..=log.len() {
            for fate in fates.iter().copied() {
                let mut disk = before.0.clone();
                log[..stop].iter().for_each(|event| disk.event(event));
                disk.crash(fate, stop as u64);
                disk.write_to(&dir);
                crashes += 1;
                let what = format!("{}, stopped after {stop} of {}, {fate:?}", step.words, log.len());
                judge::whole(&dir, allowed, &made, &what);
                if always || (crashes % AGAIN) == 0 {
                    given_again += 1;
                    judge::converges(&dir, &words, &what);
                }
            }
        }
        after.0.write_to(&dir);
        // A file that was made in this step was made anew since.
        made.iter().filter(|name| name.extension().is_some_and(|e| e == "db")).for_each(|file| judge::stays(file));
    }
    println!("{crashes} crashes in {} commands; {given_again} times the command was given again", STEPS.len());
    assert!(crashes > 1000, "only {crashes}: was anything seen?");
}
