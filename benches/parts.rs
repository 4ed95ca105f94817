//! What is done for every object, by itself (criterion): comparing and joining versions, deciding, reading a set's lines.
//!
//! `cargo bench --bench parts --no-default-features`. What these come to together, beside plain SQLite, is in `whole_path`.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use objsync::sync::*;

fn vector(entries: u64, ahead: u64) -> Vector {
    (1..=entries).map(|n| (NodeId(n), 1000 + (n + ahead) % 3)).collect()
}

fn versions(c: &mut Criterion) {
    for entries in [2, 5] {
        let (a, b) = (vector(entries, 0), vector(entries, 1));
        c.bench_function(&format!("versions of {entries} entries: has one seen the other"), |bench| {
            bench.iter(|| black_box(&a).leq(black_box(&b)));
        });
        c.bench_function(&format!("versions of {entries} entries: joined"), |bench| {
            bench.iter(|| black_box(&a).join(black_box(&b)));
        });
    }
}

fn decisions(c: &mut Criterion) {
    let row = |quantity, price| -> Content {
        let date = Value::Text("2026-11-26 10:00:00".to_owned());
        Some(vec![Value::Integer(7), Value::Integer(3), date, Value::Integer(quantity), Value::Real(price)])
    };
    let (base, ours, theirs) = (row(1, 1.5), row(2, 1.5), row(1, 2.5));
    let at = |content, time, author, role| Version {
        content,
        stamp: Stamp { time, author: NodeId(author) },
        role,
        written: None,
        doubtful: false,
    };
    for rule in Rule::ALL {
        c.bench_function(&format!("a conflict decided: {}", rule.name()), |bench| {
            let (ours, theirs) = (at(&ours, 20, 1, Role::Master), at(&theirs, 10, 2, Role::Client));
            bench.iter(|| decide(black_box(&[&base]), ours, theirs, rule));
        });
    }
}

/// 10,000 objects in a set.
fn sets(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("here.db");
    let conn = rusqlite::Connection::open(&file).expect("a file");
    conn.execute_batch("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL)").expect("a table");
    drop(conn);
    let info = NodeInfo { guid: NodeId(1), name: "HERE".into(), role: Role::Master };
    let spec = ClassSpec { name: "Item".into(), table: "item".into(), journaled: true };
    let mut here = Node::create(&file, info, &[spec]).expect("a node");
    let there = here.fresh_copy(&dir.path().join("there.db"), "THERE", Role::Client).expect("a copy");
    here.edit(|edit| {
        let mut insert = edit.connection().prepare_cached("INSERT INTO item (name, price) VALUES (?1, ?2)")?;
        for n in 0..10_000 {
            insert.execute((format!("item number {n}"), f64::from(n) / 7.0))?;
        }
        Ok(())
    })
    .expect("an edit");
    let mut id = 0;
    for compress in [false, true] {
        let how = if compress { "packed" } else { "plain" };
        let mut prepare = |node: &mut Node| {
            id += 1;
            let (file, since) = (dir.path().join(format!("{id}.syncset")), Since::Acknowledged);
            let options =
                PrepareOptions { id, file, since, upto: None, overwrite: false, compress, update_sync_time: true };
            node.prepare(there.info().guid, &options).expect("a set").file
        };
        let file = prepare(&mut here);
        c.bench_function(&format!("a set of 10,000 objects read and checked, {how}"), |bench| {
            bench.iter(|| syncset::read(&file, syncset::Size::Usual).expect("a set"));
        });
        c.bench_function(&format!("a set of 10,000 objects prepared, {how}"), |bench| {
            bench.iter_batched(|| (), |()| prepare(&mut here), BatchSize::PerIteration);
        });
    }
}

criterion_group! {
    name = parts;
    config = Criterion::default().sample_size(20);
    targets = versions, decisions, sets
}
criterion_main!(parts);
