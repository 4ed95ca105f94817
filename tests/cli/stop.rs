//! Ctrl-C.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::demo::Demo;

#[cfg(unix)]
#[test]
fn ctrl_c_stops_cleanly() {
    let demo = Demo::new();
    let before = demo.status();
    // More orders than anybody waits for.
    let child = Command::new(env!("CARGO_BIN_EXE_objsync"))
        .args([
            "populate",
            "--node",
            "MASTER",
            "--orders",
            "1000000000",
            "--json",
            "--dir",
            demo.dir().to_str().unwrap(),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // What outgrows the cache goes to the log: then it is at work.
    let log = demo.dir().join("master.db-wal");
    while log.metadata().map_or(0, |m| m.len()) < 100_000 {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert_eq!(said, "objsync: cancelled; nothing was changed\n");
    assert!(output.stdout.is_empty());
    assert_eq!(demo.status(), before);
}
