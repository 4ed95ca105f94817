//! `kill -9` at random times on the real program while it writes, applies and synchronizes.

use std::process::{Command, Stdio};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::environment;
use super::judge;

/// How often; OBJSYNC_KILLS asks for another number.
const ROUNDS: usize = 40;

#[test]
fn a_killed_program_leaves_whole_databases_and_loses_nothing_that_it_had_said() {
    let home = environment();
    let dir = home.path().canonicalize().unwrap();
    let rounds = std::env::var("OBJSYNC_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(ROUNDS);
    let seed = std::env::var("OBJSYNC_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let mut dice = StdRng::seed_from_u64(seed);
    let mut killed = 0;
    for round in 0..rounds {
        let words: &[&str] = match round % 4 {
            0 => &["random-order", "--node", "MASTER", "--count", "2000"],
            1 => &["random-order", "--node", "CLIENT", "--count", "2000"],
            2 => &["populate", "--node", "CLIENT", "--orders", "3000"],
            _ => &["sync"],
        };
        let mut child = Command::new(env!("CARGO_BIN_EXE_objsync"))
            .args(words)
            .arg("--dir")
            .arg(&dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(dice.random_range(0..150_000)));
        killed += usize::from(child.try_wait().unwrap().is_none());
        // SIGKILL, by id.
        let _ = child.kill();
        child.wait().unwrap();
        judge::whole(&dir, None, &[], &format!("seed {seed}, round {round}: {words:?}"));
    }
    println!("killed {killed} times out of {rounds}");
    judge::level(&dir, &format!("seed {seed}"));
}
