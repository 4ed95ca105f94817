//! A set of many objects: time and memory to prepare and to apply it, beside plain SQLite writing the same rows in the same run.
//!
//! `cargo bench --bench size --no-default-features -- [OBJECTS]` (1,000,000 if not said). Each part runs in a process of its own,
//! so that the peaks of memory do not mix (Linux: VmHWM of /proc/self/status).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use objsync::sync::*;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let outcome = match args.as_slice() {
        [part, dir, packed] => part_of(part, Path::new(dir), packed == "true"),
        [n] => all(n.parse().expect("how many objects")),
        _ => all(1_000_000),
    };
    outcome.expect("the bench");
}

fn all(objects: usize) -> Result<()> {
    let dir = tempfile::tempdir().expect("a folder");
    make(dir.path(), objects)?;
    println!("{objects} objects, transactions of 10");
    let run = |part: &str, packed: bool| -> (f64, f64) {
        let exe = std::env::current_exe().expect("this program");
        let output = Command::new(exe).args([part, &dir.path().to_string_lossy(), &packed.to_string()]).output();
        let output = output.expect("the part runs");
        assert!(output.status.success(), "{part}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut numbers = text.split_whitespace().map(|n| n.parse().expect("a number"));
        (numbers.next().expect("seconds"), numbers.next().expect("megabytes"))
    };
    let (floor, _) = run("floor", false);
    println!("plain SQLite inserts them in   {floor:6.1} s");
    for packed in [false, true] {
        let (prepare, memory) = run("prepare", packed);
        let bytes = set(dir.path(), packed).metadata().map_or(0, |m| m.len());
        let how = if packed { "packed" } else { "plain " };
        println!(
            "prepare, {how}                {prepare:6.1} s = {:.2} x, {memory:5.0} MB above idle, {:.0} bytes an object",
            prepare / floor,
            bytes as f64 / objects as f64
        );
        let (apply, memory) = run("apply", packed);
        println!("apply, {how}                  {apply:6.1} s = {:.2} x, {memory:5.0} MB above idle", apply / floor);
    }
    Ok(())
}

fn set(dir: &Path, packed: bool) -> PathBuf {
    dir.join(if packed { "packed.syncset" } else { "plain.syncset" })
}

/// A node with many objects that its copy has not.
fn make(dir: &Path, objects: usize) -> Result<()> {
    let file = dir.join("here.db");
    rusqlite::Connection::open(&file)?
        .execute_batch("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL)")?;
    let info = NodeInfo { guid: NodeId(1), name: "HERE".into(), role: Role::Master };
    let spec = ClassSpec { name: "Item".into(), table: "item".into(), journaled: true };
    let mut here = Node::create(&file, info, &[spec])?;
    here.fresh_copy(&dir.join("there.db"), "THERE", Role::Client)?;
    here.connection().execute_batch("PRAGMA synchronous = OFF")?;
    for first in (0..objects).step_by(10) {
        here.edit(|edit| {
            let mut insert = edit.connection().prepare_cached("INSERT INTO item (name, price) VALUES (?1, ?2)")?;
            for n in first..objects.min(first + 10) {
                insert.execute((format!("item number {n}"), n as f64 / 7.0))?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn part_of(part: &str, dir: &Path, packed: bool) -> Result<()> {
    let idle = memory();
    let start = Instant::now();
    match part {
        "floor" => {
            let from = rusqlite::Connection::open(dir.join("here.db"))?;
            let mut to = rusqlite::Connection::open(dir.join("floor.db"))?;
            to.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL, guid TEXT NOT NULL UNIQUE)")?;
            let tx = to.transaction()?;
            let mut read = from.prepare("SELECT id, name, price FROM item")?;
            let mut rows = read.query([])?;
            let mut insert = tx.prepare("INSERT INTO item VALUES (?1, ?2, ?3, ?4)")?;
            while let Some(r) = rows.next()? {
                let guid = format!("{:032x}----", rand::random::<u128>());
                insert.execute((r.get::<_, i64>(0)?, r.get::<_, String>(1)?, r.get::<_, f64>(2)?, guid))?;
            }
            drop(insert);
            tx.commit()?;
        }
        "prepare" => {
            let mut here = Node::open(&dir.join("here.db"))?;
            let peer = here.peer("THERE")?.guid;
            let id = here.next_set_id()?;
            let options = PrepareOptions {
                id,
                file: set(dir, packed),
                since: Since::Acknowledged,
                upto: None,
                overwrite: false,
                compress: packed,
                update_sync_time: true,
            };
            here.prepare(peer, &options)?;
        }
        _ => {
            let mut there = Node::open(&dir.join("there.db"))?;
            // Previewed, so that it can be measured once more: the same work, taken back in the end.
            there.preview(&set(dir, packed), ApplyOptions::default())?;
        }
    }
    println!("{} {}", start.elapsed().as_secs_f64(), memory() - idle);
    Ok(())
}

/// The peak so far, megabytes; 0 where this machine does not tell.
fn memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
