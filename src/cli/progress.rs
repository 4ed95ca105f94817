//! How far a command is, on a terminal, where it takes a while; and Ctrl-C, which stops it with nothing changed.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::sync::{Progress, Step};
use crate::words::grouped;

/// What is quicker says nothing.
const SLOW: Duration = Duration::from_millis(500);
/// How often the line is written.
const TICK: Duration = Duration::from_millis(100);

/// A line is on the terminal that must go before anything else is said.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// A handle that shows what goes on, and that Ctrl-C stops.
pub(super) fn start() -> Progress {
    let terminal = std::io::stderr().is_terminal();
    let (since, last) = (Instant::now(), Mutex::new(None::<Instant>));
    let progress = Progress::watched(move |_, step| {
        if !terminal || since.elapsed() < SLOW {
            return;
        }
        let Ok(mut last) = last.lock() else { return };
        if last.is_none_or(|last| last.elapsed() >= TICK) {
            *last = Some(Instant::now());
            show(step);
        }
    });
    let handle = progress.clone();
    // A second one ends the program at once, which leaves the databases whole, too.
    let stop = move || if handle.is_cancelled() { std::process::exit(3) } else { handle.cancel() };
    // Where no handler can be set, Ctrl-C ends the program, as it does anyway.
    let _ = ctrlc::set_handler(stop);
    progress
}

fn show(step: Step) {
    let total = step.total.map(|n| format!(" of {}", grouped(n as u64))).unwrap_or_default();
    let _ = write!(std::io::stderr().lock(), "\r{} {}{total}\x1b[K", step.what, grouped(step.done as u64));
    SHOWN.store(true, Ordering::SeqCst);
}

/// Takes the line away.
pub(super) fn clear() {
    if SHOWN.swap(false, Ordering::SeqCst) {
        let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
    }
}
