//! Sets that libFuzzer makes out of real ones, for it sees which of them reach new code. Each is closed with the right digest, so
//! that what lies behind it is reached, and held against what `tests/hostile` holds its own against.
//!
//! The first byte says to whom the set goes. With OBJSYNC_FUZZ_SEEDS=FOLDER the real sets are written there first.

#![no_main]

#[path = "../common/mod.rs"]
mod common;
#[path = "../hostile/judge.rs"]
mod judge;
#[path = "../hostile/worlds.rs"]
#[allow(dead_code, reason = "part of it is for tests/hostile")]
mod worlds;

use std::cell::OnceCell;

use libfuzzer_sys::fuzz_target;

use objsync::sync::NodeId;

use judge::{Tried, try_file};
use worlds::World;

thread_local! {
    static WORLD: OnceCell<World> = const { OnceCell::new() };
}

/// The last line, with the digest of those before it.
fn closed(text: &[u8]) -> Vec<u8> {
    let end = text.len() - usize::from(text.ends_with(b"\n"));
    let start = text[..end].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let mut closed = text.to_vec();
    let name = b"\"blake3\":\"";
    if let Some(at) = text[start..end].windows(name.len()).position(|w| w == name) {
        let digest = start + at + name.len();
        let length = text[digest..end].iter().position(|b| *b == b'"').unwrap_or(end - digest);
        let hash = blake3::hash(&text[..start]).to_hex();
        closed.splice(digest..digest + length, hash.bytes());
    }
    closed
}

/// Who signs is asked first, and no fuzzer finds a signature: what lies behind it is reached without.
fn accepting() -> World {
    let mut world = World::new();
    for target in &mut world.targets {
        let mut node = target.open();
        for source in worlds::NODES.map(NodeId).into_iter().filter(|guid| *guid != node.info().guid) {
            node.accept_unsigned(source, true).unwrap();
        }
        drop(node);
        target.keep();
    }
    world
}

fn write_seeds(world: &World) {
    let Some(folder) = std::env::var_os("OBJSYNC_FUZZ_SEEDS") else { return };
    for (place, target) in world.targets.iter().enumerate() {
        for (n, seed) in target.sets.iter().enumerate() {
            // Unsigned, so that a change is no forgery.
            let text = common::forge(&seed.text, |_| {});
            let bytes = [&[place as u8], text.as_bytes()].concat();
            std::fs::write(std::path::Path::new(&folder).join(format!("real-{place}-{n}")), bytes).unwrap();
        }
    }
}

fuzz_target!(
    init: {
        WORLD.with(|world| write_seeds(world.get_or_init(accepting)));
    },
    |data: &[u8]| {
        let Some((&place, text)) = data.split_first() else { return };
        WORLD.with(|world| {
            let world = world.get_or_init(accepting);
            let target = &world.targets[usize::from(place) % world.targets.len()];
            let file = world.dir.path().join("fuzzed.syncset");
            std::fs::write(&file, closed(text)).unwrap();
            try_file(target, &file, false, &Tried::default());
        });
    }
);
