//! Sets that become much more than they are: packed nothing, deep and endless lines. They are refused in little memory.

#![cfg(target_os = "linux")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use crate::mutate::{Case, Closing, Packing};
use crate::worlds::World;

/// What the program may take, in all: SQLite's cache, a line of the longest, and as much again to read it.
const MEMORY_KB: u64 = 1_000_000;

/// Applies a set with the real program, which is given no more memory than that.
fn apply(file: &Path, node: &Path, size: &[&str]) -> Output {
    let limited = format!("ulimit -v {MEMORY_KB}; exec \"$@\"");
    let program = env!("CARGO_BIN_EXE_objsync");
    let mut command = Command::new("sh");
    command.args(["-c", &limited, "sh", program, "apply"]).args(size).arg(file).arg("--db").arg(node);
    command.output().unwrap()
}

/// Writes a packed set: the header of a real one, changed, then so many times the same, and an end.
fn bomb(file: &Path, header: &str, start: &str, again: &str, times: usize, end: &str) {
    let mut out = zstd::Encoder::new(std::fs::File::create(file).unwrap(), 1).unwrap();
    out.write_all(header.as_bytes()).unwrap();
    out.write_all(start.as_bytes()).unwrap();
    let many = again.repeat(1 << 16);
    for _ in 0..times.div_ceil(1 << 16) {
        out.write_all(many.as_bytes()).unwrap();
    }
    out.write_all(end.as_bytes()).unwrap();
    out.finish().unwrap();
}

#[test]
fn what_unpacks_to_much_more_than_it_is_is_refused_in_little_memory() {
    let world = World::new();
    let target = &world.targets[0];
    let (steps, last) = (vec![], vec![]);
    let case = Case { target: 0, set: 1, steps, closing: Closing::Signed, packing: Packing::None, last };
    let text = String::from_utf8(case.bytes(&world.targets)).unwrap();
    let (header, rest) = text.split_once('\n').unwrap();
    let line = rest.lines().next().unwrap();
    let header_line = format!("{header}\n");
    let tie = rest.lines().find(|l| !l.contains("\"v\"")).unwrap().to_owned() + "\n";
    let before = |text: &str, key: &str| text[..text.find(key).unwrap_or_else(|| panic!("{key} in {text}"))].to_owned();
    // As many as fit into a line, and more.
    let line_full = 100 << 20;
    let cases = [
        ("a header without an end", "", "x".to_owned(), "x", 1 << 29, ""),
        (
            "a header of many numbers",
            "",
            "{\"objsync\":\"syncset\",\"format\":4,\"keys\":[0".to_owned(),
            ",0",
            line_full,
            "]}\n",
        ),
        (
            "a header of many points",
            "",
            before(header, "\"told\":") + "\"told\":[[0,0]",
            ",[0,0]",
            line_full / 3,
            "]}\n",
        ),
        ("a line without an end", &header_line, String::new(), "x", 1 << 29, ""),
        ("many values", &header_line, before(line, "\"p\":") + "\"p\":[0", ",0", line_full, "]}\n"),
        ("many values in one", &header_line, before(line, "\"p\":") + "\"p\":[{\"blob\":[0", ",0", line_full, "]}]}\n"),
        (
            "many old values",
            &header_line,
            before(line, "\"p\":") + "\"p\":[],\"w\":[[0,0]",
            ",[0,0]",
            line_full / 3,
            "]}\n",
        ),
        ("many commits", &header_line, before(line, "\"n\":") + "\"n\":[1", ",1", line_full, "]}\n"),
        (
            "many nodes in a vector",
            &header_line,
            before(line, "\"v\":") + "\"v\":[[0,1]",
            ",[0,1]",
            line_full / 3,
            "]}\n",
        ),
        ("a key without an end", &header_line, "{\"".to_owned(), "k", line_full, "\":0}\n"),
        ("the same tie again and again", &header_line, String::new(), &tie, 1 << 24, ""),
    ];
    for (what, header, start, again, times, end) in cases {
        let file = world.dir.path().join("bomb.syncset");
        bomb(&file, header, &start, again, times, end);
        // Also where a set may be as large as it likes.
        for size in [&[][..], &["--any-size"]] {
            let output = apply(&file, &target.file, size);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{what}: {:?} {said}", output.status);
            assert!(said.contains("nothing was changed"), "{what}: {said}");
            assert!(!said.contains("it ends early"), "{what}: it was read to its end: {said}");
        }
    }
    // With no more memory it does what it is to do.
    let file = world.dir.path().join("good.syncset");
    std::fs::write(&file, &text).unwrap();
    let output = apply(&file, &target.file, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
