//! Hostile input: whatever a set's file, a request or a database holds, the answer is in words. Nothing panics, nothing hangs, memory
//! stays bounded, and what is refused changed nothing.
//!
//! `mutate.rs` changes real sets, which `worlds.rs` makes, byte by byte and by what they mean; `sets.rs` hands each to `judge.rs`,
//! which reads, previews and applies it at a real node. `bombs.rs` has sets that unpack to much more than
//! they are, `databases.rs` damages nodes' files and asks what `questions.rs` has, `requests.rs` sends bodies to the services in
//! `services.rs`. `tests/fuzz` asks and judges by the same files, with inputs that libFuzzer makes.
//!
//! Everything is drawn from a seed: OBJSYNC_SEED=2 draws anew, OBJSYNC_MUTANTS=1000000 draws that many sets (and of databases and
//! requests in proportion). A set that fails is made as simple as it can be while it still fails, and written to target/tmp: kept
//! in tests/files/hostile, it is tried at every run.

#[path = "../common/mod.rs"]
mod common;

mod bombs;
mod databases;
mod judge;
mod mutate;
mod questions;
#[cfg(feature = "rest")]
mod requests;
#[cfg(feature = "rest")]
#[path = "../rest/served.rs"]
#[allow(dead_code, reason = "part of it is for tests/rest")]
mod served;
#[cfg(feature = "rest")]
mod services;
mod sets;
mod worlds;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How many mutated sets there are where nobody asks for another number.
const MUTANTS: u64 = 2_000;

/// Long enough for the slowest machine: who takes longer, hangs.
const PATIENCE: Duration = Duration::from_secs(180);

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |n| n.parse().unwrap_or_else(|_| panic!("{variable}: no number: {n}")))
}

fn seed() -> u64 {
    number("OBJSYNC_SEED", 1)
}

/// How many of something of which there are `usual` by default.
fn times(usual: u64) -> u64 {
    (number("OBJSYNC_MUTANTS", MUTANTS) * usual).div_ceil(MUTANTS)
}

/// What goes on now, and since when: the program ends, and names it, where that takes too long.
#[derive(Clone)]
struct Watchdog(Arc<Mutex<Option<(String, Instant)>>>);

impl Watchdog {
    fn new() -> Watchdog {
        let watched: Arc<Mutex<Option<(String, Instant)>>> = Arc::default();
        let weak = Arc::downgrade(&watched);
        std::thread::spawn(move || {
            while let Some(watched) = weak.upgrade() {
                let late = watched.lock().unwrap().clone().filter(|(_, since)| since.elapsed() > PATIENCE);
                if let Some((what, _)) = late {
                    eprintln!("HANGS: {what}");
                    std::process::abort();
                }
                drop(watched);
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        Watchdog(watched)
    }

    /// Does something; a panic is an error as any other.
    fn watch<T>(&self, what: &str, work: impl FnOnce() -> T) -> Result<T, String> {
        *self.0.lock().unwrap() = Some((what.to_owned(), Instant::now()));
        let done = catch_unwind(AssertUnwindSafe(work));
        *self.0.lock().unwrap() = None;
        done.map_err(|panic| {
            let said = panic.downcast_ref::<String>().cloned();
            said.or(panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_else(|| "a panic".to_owned())
        })
    }
}
