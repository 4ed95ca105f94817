//! Mutated sets: each is read, previewed and applied at a real node.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use objsync::sync::syncset;

use crate::judge::{Tried, try_file};
use crate::mutate::Case;
use crate::worlds::{Target, World};
use crate::{MUTANTS, Watchdog, seed, times};

/// One of how many goes on to exchange with a copy, where it is applied.
const SAMPLED: u64 = 4;

fn try_case(world: &World, case: &Case, exchange: bool, dog: &Watchdog, tried: &Tried) -> Result<(), String> {
    let target = &world.targets[case.target];
    let file = world.dir.path().join("hostile.syncset");
    std::fs::write(&file, case.bytes(&world.targets)).unwrap();
    let done = dog.watch(&format!("{case:?}"), || try_file(target, &file, exchange, tried));
    if done.is_err() {
        target.restore();
    }
    done
}

/// Leaves out what is not needed to fail, and writes the set where it can be kept.
fn simplest(world: &World, mut case: Case, exchange: bool, dog: &Watchdog) -> (Case, PathBuf) {
    let fails = |case: &Case| try_case(world, case, exchange, dog, &Tried::default()).is_err();
    while let Some(simpler) = case.simpler().into_iter().find(fails) {
        case = simpler;
    }
    let target = world.targets[case.target].file.file_stem().unwrap().to_str().unwrap();
    let bytes = case.bytes(&world.targets);
    let name = format!("{target}-{}.syncset", &blake3::hash(&bytes).to_hex()[..8]);
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&kept, bytes).unwrap();
    (case, kept)
}

#[test]
fn mutated_sets_are_refused_or_applied_whole() {
    let (seed, many) = (seed(), times(MUTANTS));
    let (next, tried, failed) = (AtomicU64::new(0), Tried::default(), Mutex::new(Vec::new()));
    let work = || {
        let (world, dog) = (World::new(), Watchdog::new());
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= many || failed.lock().unwrap().len() >= 10 {
                return;
            }
            let (case, exchange) = (Case::draw(seed << 32 | n, &world.targets), n % SAMPLED == 0);
            if let Err(why) = try_case(&world, &case, exchange, &dog, &tried) {
                let (case, kept) = simplest(&world, case, exchange, &dog);
                let what = format!("seed {seed}, case {n}: {why}\n{case:?}\nthe set: {}", kept.display());
                eprintln!("{what}");
                failed.lock().unwrap().push(what);
            }
        }
    };
    std::thread::scope(|scope| {
        (0..2).for_each(|_| drop(scope.spawn(work)));
    });
    let [refused, applied, exchanged] =
        [&tried.refused, &tried.applied, &tried.exchanged].map(|n| n.load(Ordering::Relaxed));
    println!(
        "{many} mutated sets, seed {seed}: {refused} refused, {applied} applied, {exchanged} of these exchanged on"
    );
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} sets failed:\n{}", failed.len(), failed.join("\n\n"));
    assert!(applied > many / 10 && refused > many / 4, "the mutations reach both ends");
}

/// So that mutating them tests something.
#[test]
fn the_sets_that_are_mutated_are_applied_as_they_are_from_whoever_is_known() {
    use crate::mutate::{Closing, Packing};
    let (world, dog) = (World::new(), Watchdog::new());
    for (target, t) in world.targets.iter().enumerate() {
        for set in 0..t.sets.len() {
            for closing in [Closing::Kept, Closing::Signed] {
                for packing in [Packing::None, Packing::Zstd, Packing::TwoFrames] {
                    let case = Case { target, set, steps: vec![], closing, packing, last: vec![] };
                    let tried = Tried::default();
                    try_case(&world, &case, true, &dog, &tried).unwrap_or_else(|e| panic!("{case:?}: {e}"));
                    assert_eq!(tried.exchanged.into_inner(), 1, "{case:?}");
                }
            }
            for closing in [Closing::Repaired, Closing::Strange] {
                let case = Case { target, set, steps: vec![], closing, packing: Packing::None, last: vec![] };
                let tried = Tried::default();
                try_case(&world, &case, true, &dog, &tried).unwrap_or_else(|e| panic!("{case:?}: {e}"));
                assert_eq!(tried.refused.into_inner(), 1, "{case:?}");
            }
        }
    }
}

/// So that a set which is kept finds the node as it was.
#[test]
fn a_world_is_the_same_every_time() {
    let texts = || -> Vec<String> {
        let world = World::new();
        let texts = world.targets.iter().flat_map(|t| &t.sets).map(|seed| crate::common::forge(&seed.text, |_| {}));
        // But for the keys, and when it was made.
        texts.map(|text| text.lines().skip(1).filter(|l| !l.contains("blake3")).collect()).collect()
    };
    assert_eq!(texts(), texts());
}

/// Sets that once failed, each named for the node it is addressed to.
#[test]
fn kept_sets_are_refused_or_applied_whole() {
    let (world, dog) = (World::new(), Watchdog::new());
    for kept in std::fs::read_dir("tests/files/hostile").into_iter().flatten() {
        let kept = kept.unwrap().path();
        let name = kept.file_name().unwrap().to_str().unwrap();
        let of = |t: &&Target| name.starts_with(t.file.file_stem().unwrap().to_str().unwrap());
        let target = world.targets.iter().find(of).unwrap_or_else(|| panic!("{name}: for whom?"));
        let file = world.dir.path().join("hostile.syncset");
        std::fs::copy(&kept, &file).unwrap();
        // They are unsigned, and have to come further than that.
        let source = syncset::read_header(&file, syncset::Size::Usual).unwrap().source.guid;
        target.open().accept_unsigned(source, true).unwrap();
        let done = dog.watch(name, || try_file(target, &file, true, &Tried::default()));
        done.unwrap_or_else(|e| panic!("{name}: {e}"));
        target.restore();
    }
}
