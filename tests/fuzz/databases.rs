//! Damaged databases that libFuzzer makes, for it sees which damage reaches new code: anything in the engine's tables. What a node
//! is asked then is answered or refused in words, as in `tests/hostile`.
//!
//! The first byte says what is asked; what follows is one damage after the other: the table, the column, the row (0: all of them), what
//! kind of value, how long it is, and the value. With OBJSYNC_FUZZ_SEEDS=FOLDER values that stand there are written to it first.

#![no_main]

#[path = "../common/mod.rs"]
mod common;
#[path = "../hostile/questions.rs"]
mod questions;
#[path = "../hostile/worlds.rs"]
#[allow(dead_code, reason = "part of it is for sets")]
mod worlds;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use objsync::sync::Node;
use rusqlite::Connection;
use rusqlite::types::Value;

use questions::{questions, unguarded};
use worlds::World;

/// A table, its columns, and what tells its rows apart.
struct Table {
    name: String,
    columns: Vec<String>,
    key: String,
}

struct Subject {
    world: World,
    /// The node's file, which takes anything.
    bytes: Vec<u8>,
    tables: Vec<Table>,
}

thread_local! {
    static SUBJECT: OnceCell<Subject> = const { OnceCell::new() };
}

fn names(conn: &Connection, sql: &str) -> Vec<String> {
    conn.prepare(sql).unwrap().query_map([], |r| r.get(0)).unwrap().map(|name| name.unwrap()).collect()
}

fn tables(conn: &Connection) -> Vec<Table> {
    let all = "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'objsync_*' ORDER BY name";
    let of = |name: String| {
        let columns = names(conn, &format!("SELECT name FROM pragma_table_info('{name}')"));
        let key = names(conn, &format!("SELECT name FROM pragma_table_info('{name}') WHERE pk > 0")).join(", ");
        let key = if key.is_empty() { "rowid".to_owned() } else { key };
        Table { name, columns, key }
    };
    names(conn, all).into_iter().map(of).collect()
}

impl Subject {
    fn new() -> Subject {
        let world = World::new();
        let conn = unguarded(&world.targets[1].file);
        let tables = tables(&conn);
        drop(conn);
        let bytes = std::fs::read(&world.targets[1].file).unwrap();
        std::fs::write(world.dir.path().join("real.syncset"), &world.targets[1].sets[0].text).unwrap();
        Subject { world, bytes, tables }
    }

    fn paths(&self) -> [PathBuf; 2] {
        ["real.syncset", "third.db"].map(|name| self.world.dir.path().join(name))
    }

    /// What the tables do not take is another case.
    fn damage(&self, conn: &Connection, mut bytes: &[u8]) {
        while let [table, column, row, kind, length, rest @ ..] = bytes {
            let (data, others) = rest.split_at(usize::from(*length).min(rest.len()));
            bytes = others;
            let Table { name, columns, key } = &self.tables[usize::from(*table) % self.tables.len()];
            let column = &columns[usize::from(*column) % columns.len()];
            let rows = match row {
                0 => String::new(),
                row => format!(" WHERE ({key}) IN (SELECT {key} FROM {name} LIMIT 1 OFFSET {})", row - 1),
            };
            let number = || data.iter().rev().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
            let text = String::from_utf8_lossy(data);
            let value = match kind % 7 {
                0 => Value::Null,
                1 => Value::Integer(number().cast_signed()),
                2 => Value::Real(f64::from_bits(number())),
                3 => Value::Text(text.into_owned()),
                4 => Value::Blob(data.to_vec()),
                5 => {
                    let from = &columns[usize::from(data.first().copied().unwrap_or(0)) % columns.len()];
                    let _ = conn.execute(&format!("UPDATE OR REPLACE {name} SET {column} = {from}{rows}"), []);
                    continue;
                }
                _ => {
                    let _ = conn.execute(&format!("DELETE FROM {name}{rows}"), []);
                    continue;
                }
            };
            let _ = conn.execute(&format!("UPDATE OR REPLACE {name} SET {column} = ?1{rows}"), [value]);
        }
    }

    fn ask(&self, question: u8, damage: &[u8]) {
        let target = &self.world.targets[1];
        target.put(&self.bytes, None);
        let conn = Connection::open(&target.file).unwrap();
        conn.execute_batch(
            "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; PRAGMA synchronous = OFF",
        )
        .unwrap();
        self.damage(&conn, damage);
        drop(conn);
        let [set, peer] = self.paths();
        let asked = questions(&set, &peer);
        let (_, asked) = &asked[usize::from(question) % asked.len()];
        if let Err(error) = Node::open(&target.file).and_then(|mut node| asked(&mut node)) {
            assert!(!error.message().is_empty(), "{error:?}");
        }
    }

    /// For every column what a row of it holds, if that is short, put into the first row; each with the next question.
    fn write_seeds(&self, folder: &Path) {
        let conn = Connection::open(&self.world.targets[1].file).unwrap();
        let mut all = 0;
        let [set, peer] = self.paths();
        let questions = questions(&set, &peer).len();
        for (t, table) in self.tables.iter().enumerate() {
            for (c, column) in table.columns.iter().enumerate() {
                let sql = format!("SELECT {column} FROM {} WHERE {column} IS NOT NULL LIMIT 1", table.name);
                let value = conn.query_row(&sql, [], |r| r.get::<_, Value>(0)).unwrap_or(Value::Null);
                let (kind, bytes) = match value {
                    Value::Null => (0, Vec::new()),
                    Value::Integer(n) => (1, n.to_le_bytes().to_vec()),
                    Value::Real(n) => (2, n.to_bits().to_le_bytes().to_vec()),
                    Value::Text(text) => (3, text.into_bytes()),
                    Value::Blob(bytes) => (4, bytes),
                };
                let Ok(length) = u8::try_from(bytes.len()) else { continue };
                let damage = [&[(all % questions) as u8, t as u8, c as u8, 1, kind, length], &bytes[..]].concat();
                std::fs::write(folder.join(format!("real-{}-{column}", table.name)), damage).unwrap();
                all += 1;
            }
        }
    }
}

fuzz_target!(
    init: {
        SUBJECT.with(|subject| {
            let subject = subject.get_or_init(Subject::new);
            if let Some(folder) = std::env::var_os("OBJSYNC_FUZZ_SEEDS") {
                subject.write_seeds(Path::new(&folder));
            }
        });
    },
    |data: &[u8]| {
        let Some((&question, damage)) = data.split_first() else { return };
        SUBJECT.with(|subject| subject.get_or_init(Subject::new).ask(question, damage));
    }
);
