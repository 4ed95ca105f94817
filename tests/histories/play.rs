//! Playing histories: many, by seed, on all cores; kept ones; and what becomes of one that fails. It is shrunk, printed, and kept
//! as a file in `kept/`, which is played ever after.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use objsync::sync::Node;

use crate::choices::{Choices, Step, Steps, from_text, to_text};
use crate::common::dump;

/// A kind of histories.
#[derive(Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    pub play: fn(&mut Choices, &mut Tally),
}

/// How often what was tried, so that none of it is never tried.
#[derive(Default, Debug)]
pub struct Tally(BTreeMap<&'static str, usize>);

impl Tally {
    pub fn add(&mut self, what: &'static str, times: usize) {
        *self.0.entry(what).or_default() += times;
    }

    pub fn of(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// Fails unless each was tried that often.
    pub fn at_least(&self, least: &[(&str, usize)]) {
        for (what, times) in least {
            assert!(self.of(what) >= *times, "too little was tried: {what} {times} times at least; {self:?}");
        }
    }
}

/// How a history failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Where it was noticed, and the words up to the first colon: two failures that agree in this are one fault.
    place: String,
    pub words: String,
    /// What was played until then.
    pub steps: Steps,
}

impl Failure {
    pub fn same(&self, other: &Failure) -> bool {
        let first = |words: &str| words.split(':').next().unwrap_or_default().to_owned();
        self.place == other.place && first(&self.words) == first(&other.words)
    }
}

thread_local! {
    /// Where this thread last panicked while a history was played; `None`: it plays none.
    static PANICKED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Plays; a panic is a failure, and is told by whoever asked.
pub fn attempt(kind: Kind, mut choices: Choices, tally: &mut Tally) -> Result<Choices, Box<Failure>> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let noted = PANICKED.with_borrow_mut(|noted| {
                let playing = noted.is_some();
                if playing {
                    *noted = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
                }
                playing
            });
            if !noted {
                usual(info);
            }
        }));
    });
    PANICKED.set(Some(String::new()));
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (kind.play)(&mut choices, tally)));
    let place = PANICKED.take().unwrap_or_default();
    match played {
        Ok(()) => Ok(choices),
        Err(panic) => Err(Box::new(Failure { place, words: words(&*panic), steps: choices.played })),
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Leaves out steps, and lowers choices, while it still fails in the same way; at most so many tries.
pub fn shrink(kind: Kind, failure: &Failure, mut tries: usize) -> Failure {
    let mut least = failure.clone();
    let mut still_fails = |steps: &[Step], least: &mut Failure| -> bool {
        if tries == 0 {
            return false;
        }
        tries -= 1;
        match attempt(kind, Choices::given(steps), &mut Tally::default()) {
            Err(fails) if fails.same(least) => {
                *least = *fails;
                true
            }
            _ => false,
        }
    };
    loop {
        let before: Vec<Vec<u64>> = least.steps.iter().map(|step| step.chosen.clone()).collect();
        // Half of the steps, a quarter of them, … one; the first line makes the world.
        let mut size = (least.steps.len() / 2).max(1);
        loop {
            let mut end = least.steps.len();
            while end > 1 {
                let start = end.saturating_sub(size).max(1);
                let mut fewer = least.steps.clone();
                fewer.drain(start..end);
                still_fails(&fewer, &mut least);
                end = start.min(least.steps.len());
            }
            if size == 1 {
                break;
            }
            size /= 2;
        }
        let mut at = 0;
        while at < least.steps.len() {
            let mut place = 0;
            while place < least.steps[at].chosen.len() {
                let value = least.steps[at].chosen[place];
                for lower in [0, value / 2, value.saturating_sub(1)] {
                    let mut lowered = least.steps.clone();
                    lowered[at].chosen[place] = lower;
                    if lower < value && still_fails(&lowered, &mut least) {
                        break;
                    }
                    if at >= least.steps.len() {
                        break;
                    }
                }
                place += 1;
                if at >= least.steps.len() {
                    break;
                }
            }
            at += 1;
        }
        if before.iter().eq(least.steps.iter().map(|step| &step.chosen)) {
            return least;
        }
    }
}

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories/kept")
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |n| n.parse().unwrap_or_else(|e| panic!("{variable}={n}: {e}")))
}

/// How many histories are to be played where `share` of ten are of this kind; without a wish `otherwise`.
pub fn asked(share: u64, otherwise: u64) -> u64 {
    number("OBJSYNC_HISTORIES", otherwise * 10 / share) * share / 10
}

/// Plays histories by seed, on all cores. The first that fails is shrunk, printed and kept.
pub fn play(kind: Kind, histories: u64) -> Tally {
    let first = number("OBJSYNC_SEED", 0);
    let next = AtomicU64::new(first);
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let player = || {
        let mut tally = Tally::default();
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= first + histories {
                return Ok(tally);
            }
            if let Err(failure) = attempt(kind, Choices::seeded(seed), &mut tally) {
                // Nobody begins another one.
                next.store(first + histories, Ordering::SeqCst);
                return Err((seed, failure));
            }
        }
    };
    let done: Vec<_> = std::thread::scope(|scope| {
        let players: Vec<_> = (0..cores).map(|_| scope.spawn(player)).collect();
        players.into_iter().map(|player| player.join().unwrap()).collect()
    });
    let mut whole = Tally::default();
    for done in done {
        match done {
            Ok(tally) => tally.0.into_iter().for_each(|(what, times)| whole.add(what, times)),
            Err((seed, failure)) => keep(kind, seed, &failure),
        }
    }
    println!("{histories} histories of {} from seed {first}, all sound: {:?}", kind.name, whole.0);
    whole
}

fn keep(kind: Kind, seed: u64, failure: &Failure) -> ! {
    let least = shrink(kind, failure, number("OBJSYNC_SHRINK", 500) as usize);
    let first = least.words.lines().next().unwrap_or_default();
    let shown: String = first.chars().take(200).collect();
    let text = format!("# Seed {seed}, at {}: {shown}\n{}", least.place, to_text(&least.steps));
    let file = kept().join(format!("{}-{seed}.steps", kind.name));
    let kept = match std::fs::write(&file, &text) {
        Ok(()) => format!("kept as {}", file.display()),
        Err(e) => format!("not kept ({e})"),
    };
    panic!(
        "the history of {} with seed {seed} failed (OBJSYNC_SEED={seed}) at {}: {}\nshrunk from {} steps to {}, {kept}:\n{text}",
        kind.name,
        failure.place,
        failure.words,
        failure.steps.len(),
        least.steps.len(),
    )
}

/// Plays what was kept of a kind, all of it.
pub fn play_kept(kind: Kind) -> usize {
    let mut files: Vec<PathBuf> = std::fs::read_dir(kept()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let name = |file: &Path| file.file_name().unwrap().to_string_lossy().into_owned();
    files.retain(|file| name(file).starts_with(&format!("{}-", kind.name)));
    for file in &files {
        let steps = from_text(&std::fs::read_to_string(file).unwrap());
        if let Err(failure) = attempt(kind, Choices::given(&steps), &mut Tally::default()) {
            panic!("{} fails at {}: {}", name(file), failure.place, failure.words);
        }
    }
    files.len()
}

/// How a node stands, in all that is the same wherever and whenever a history is played: less its keys, which are drawn by
/// chance, what is signed by them, and places of files.
pub fn stands(node: &Node) -> BTreeMap<String, Vec<String>> {
    let mut tables = dump(node);
    for table in ["objsync_set", "objsync_state", "objsync_node"] {
        tables.remove(table);
    }
    let state = |sql: &str| node.connection().query_row(sql, [], |r| r.get::<_, String>(0)).unwrap();
    let known = "SELECT group_concat(guid || ' ' || name || ' ' || role, ', ') FROM objsync_node";
    let counted = "SELECT number || ' ' || clock || ' ' || serial || ' ' || floor FROM objsync_state";
    tables.insert("state".to_owned(), vec![state(known), state(counted)]);
    tables
}
