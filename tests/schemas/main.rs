//! Random schemas, with all that ordinary ones have: keys of every kind, unique columns with conflict clauses, partial and expression
//! indexes, foreign keys with actions, triggers. Programs write to them as they like.
//!
//! - A tracked database behaves as the same database untracked does (`twin`), statement by statement.
//! - What only one side writes, is at the other side afterwards, and nothing waits.
//! - Where both write, both are equal in the end, or something waits and says why.
//! - `check` finds no flaw at any time.
//!
//! `OBJSYNC_SCHEMAS=10000` plays more, `OBJSYNC_SEED=17` starts elsewhere. A failing one is shrunk and shown.

#[path = "../common/mod.rs"]
mod common;
mod schema;

use objsync::sync::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;

use schema::{Schema, Table};

/// What happens, in order.
#[derive(Clone, Debug)]
enum Step {
    /// A program writes at a node.
    Write(usize, String),
    Sync,
}

/// A world to be played.
#[derive(Clone)]
struct World {
    schema: Vec<String>,
    tables: Vec<String>,
    steps: Vec<Step>,
    /// Only the first node is written to.
    one_way: bool,
}

fn open(path: &std::path::Path) -> Connection {
    let conn = Connection::open(path).unwrap();
    conn.execute_batch("PRAGMA foreign_keys = ON; PRAGMA synchronous = OFF").unwrap();
    conn
}

/// Does a program's transaction; it is all or nothing.
fn write(conn: &Connection, sql: &str) -> bool {
    let done = conn.execute_batch(&format!("BEGIN; {sql}; COMMIT")).is_ok();
    if !conn.is_autocommit() {
        conn.execute_batch("ROLLBACK").unwrap();
    }
    done
}

/// All rows of all tables.
fn rows(conn: &Connection, tables: &[String]) -> Vec<String> {
    let mut all = Vec::new();
    for table in tables {
        let mut statement = conn.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let row = |r: &rusqlite::Row<'_>| {
            let values: Vec<String> = (0..columns).map(|i| format!("{:?}", r.get_ref(i).unwrap())).collect();
            Ok(format!("{table} {}", values.join("|")))
        };
        let mut found: Vec<String> = statement.query_map([], row).unwrap().map(Result::unwrap).collect();
        found.sort();
        all.extend(found);
    }
    all
}

fn differ(what: &str, a: &[String], b: &[String]) -> Result<(), String> {
    if a == b {
        return Ok(());
    }
    let only = |a: &[String], b: &[String]| a.iter().filter(|r| !b.contains(r)).cloned().collect::<Vec<_>>();
    Err(format!("{what}: {:?} against {:?}", only(a, b), only(b, a)))
}

fn sound(env: &Environment) -> Result<(), String> {
    let flaws = common::checked(&env.nodes);
    match flaws.is_sound() {
        true => Ok(()),
        false => Err(format!("check: {:?}", flaws.flaws().map(|f| &f.what).collect::<Vec<_>>())),
    }
}

impl World {
    fn play(&self) -> Result<(), String> {
        let dir = common::folder();
        let file = |name: &str| dir.path().join(name);
        let made =
            |name: &str| open(&file(name)).execute_batch(&self.schema.join(";\n")).map_err(|e| format!("schema: {e}"));
        made("a.db")?;
        std::fs::create_dir(file("twins")).unwrap();
        for twin in ["twins/0.db", "twins/1.db"] {
            made(twin)?;
        }
        let info = |name: &str, role| NodeInfo { guid: NodeId::random(), name: name.to_owned(), role };
        let (mut a, tracked) = Node::track(&file("a.db"), info("A", Role::Master), &[], &Progress::default())
            .map_err(|e| format!("track: {e}"))?;
        if !tracked.left_out.is_empty() {
            return Err(format!("left out: {:?}", tracked.left_out));
        }
        a.fresh_copy_as(&file("b.db"), info("B", Role::Client)).map_err(|e| format!("copy: {e}"))?;
        drop(a);
        let mut env = Environment::open(dir.path()).map_err(|e| e.to_string())?;
        let programs = [open(&file("a.db")), open(&file("b.db"))];
        let twins = [open(&file("twins/0.db")), open(&file("twins/1.db"))];
        let mut apart = false;
        for step in &self.steps {
            match step {
                Step::Write(at, sql) => {
                    let done = write(&programs[*at], sql);
                    // Once sets were applied that the twins have not had, these tell nothing.
                    if !apart {
                        if done != write(&twins[*at], sql) {
                            // A REPLACE in a table without triggers that refers to itself leaves references dangling, by a fault of SQLite's.
                            if !done && twins[*at].prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap() {
                                return Ok(());
                            }
                            return Err(format!(
                                "{sql}: it is {done} that a tracked database takes it, and its twin does not agree"
                            ));
                        }
                        differ(
                            &format!("{sql}: tracked, its twin"),
                            &rows(&programs[*at], &self.tables),
                            &rows(&twins[*at], &self.tables),
                        )?;
                    }
                }
                Step::Sync => {
                    // What the other side gets is written by its own twin's rules no more.
                    apart |= !self.one_way;
                    for _ in 0..3 {
                        env.sync(None).map_err(|e| format!("sync: {e}"))?;
                    }
                    let [at_a, at_b] = [0, 1].map(|at| rows(&programs[at], &self.tables));
                    let waiting: Vec<String> =
                        env.nodes.iter().flat_map(|node| node.requeue().unwrap()).map(|w| w.reason).collect();
                    if self.one_way && !waiting.is_empty() {
                        return Err(format!("it waits: {waiting:?}"));
                    }
                    let level = differ("A, B", &at_a, &at_b);
                    if waiting.is_empty() && !env.verify().map_err(|e| format!("verify: {e}"))?.equal {
                        return Err(format!("not equal and nothing waits: {:?}", level.err()));
                    }
                    // A number is local: a row keeps the one that it has here.
                    let numbers_change = |step: &Step| matches!(step, Step::Write(_, sql) if sql.contains("SET id"));
                    if self.one_way && !self.steps.iter().any(numbers_change) {
                        level?;
                    }
                }
            }
            sound(&env)?;
        }
        Ok(())
    }

    /// The same failure with less: steps, then parts of the schema, are left out as long as it still fails.
    fn shrink(mut self, kind: &str) -> World {
        let fails = |world: &World| matches!(attempt(world), Err(what) if kind_of(&what) == kind);
        loop {
            let before = (self.steps.len(), self.schema.len());
            for i in (0..self.steps.len()).rev() {
                let mut less = self.clone();
                less.steps.remove(i);
                if fails(&less) {
                    self = less;
                }
            }
            for i in (0..self.schema.len()).rev() {
                let mut less = self.clone();
                less.schema.remove(i);
                if fails(&less) {
                    self = less;
                }
            }
            if before == (self.steps.len(), self.schema.len()) {
                return self;
            }
        }
    }
}

fn attempt(world: &World) -> Result<(), String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.play()))
        .unwrap_or_else(|e| Err(format!("panic: {:?}", e.downcast_ref::<String>())))
}

fn kind_of(what: &str) -> String {
    what.split(':').next().unwrap_or_default().to_owned()
}

fn random(seed: u64) -> World {
    let mut rng = StdRng::seed_from_u64(seed);
    let schema = Schema::random(&mut rng);
    let one_way = rng.random();
    let mut steps = Vec::new();
    for _ in 0..rng.random_range(2..5) {
        for _ in 0..rng.random_range(1..9) {
            let at = if one_way { 0 } else { rng.random_range(0..2) };
            steps.push(Step::Write(at, schema.statements(&mut rng)));
        }
        steps.push(Step::Sync);
    }
    World {
        tables: schema.tables.iter().map(|t: &Table| t.name.clone()).collect(),
        schema: schema.sql(),
        steps,
        one_way,
    }
}

#[test]
fn databases_of_any_schema_behave_as_before_and_meet() {
    let number = |name: &str| std::env::var(name).ok().map(|n| n.parse::<u64>().unwrap());
    let (first, count) = (number("OBJSYNC_SEED").unwrap_or(0), number("OBJSYNC_SCHEMAS").unwrap_or(150));
    for seed in first..first + count {
        let world = random(seed);
        if let Err(what) = attempt(&world) {
            let less = world.shrink(&kind_of(&what));
            let still = attempt(&less).err().unwrap_or(what);
            panic!(
                "seed {seed} ({}): {still}\n{};\n{:#?}",
                if less.one_way { "one way" } else { "both ways" },
                less.schema.join(";\n"),
                less.steps
            );
        }
    }
}
