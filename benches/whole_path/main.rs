//! The whole path, beside plain SQLite in the same run: what it costs that changes are tracked, to prepare a set, to apply it.
//!
//! `cargo bench --bench whole_path -- --help` says what can be chosen; without options, the demo's tables with 100,000 orders,
//! 100,000 changes in transactions of 10, in memory. Figures are medians of ratios, each of a run of the engine and a run of the
//! floor right after each other, so that what the machine does meanwhile falls on both.
//!
//! The **floor** is what people write by hand: the same rows in the same tables with a random UUID as text, unique, and no
//! tracking at all; WAL, synchronous NORMAL, prepared statements, the engine's cache, one transaction for what is applied.

mod floor;
mod workload;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Parser;
use floor::{ByHand, guid, meeting, net};
use objsync::demo::install::{Installation, install};
use objsync::demo::populate::Amounts;
use objsync::sync::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rusqlite::Connection;
use workload::{Change, changes, write};

/// What it costs to track, to prepare and to apply, as ratios to plain SQLite.
#[derive(Parser)]
struct Options {
    /// Orders that are there before.
    #[arg(long, default_value_t = 100_000)]
    orders: usize,
    /// Changes: 80 % inserts, 15 % updates of two columns, 5 % deletes.
    #[arg(long, default_value_t = 100_000)]
    changes: usize,
    /// Changes in a transaction.
    #[arg(long, default_value_t = 10, value_parser = at_least_one)]
    transaction: usize,
    /// Runs, of which the median is told.
    #[arg(long, default_value_t = 5, value_parser = at_least_one)]
    runs: usize,
    /// Where the files lie; if not said, in memory (/dev/shm) where there is such a folder.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// What is measured.
    #[arg(long, value_enum, default_value_t = What::All)]
    what: What,
    /// For the parts that this program runs as processes of their own.
    #[arg(long, hide = true)]
    part: Option<String>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum What {
    /// Writes, prepare, apply, both ways.
    All,
    /// Writes, prepare and apply one way.
    OneWay,
    /// Both ways with 1 % conflicts.
    BothWays,
    /// Peak memory while preparing and applying.
    Memory,
    /// A comparison of all rows.
    Verify,
    /// 1,000 changes on 1,000,000 orders ÷ on 1,000.
    Flat,
    /// All of the above, for transactions of 1, 10 and 1,000 and 1,000 to 1,000,000 orders: about ten minutes.
    Table,
}

fn at_least_one(text: &str) -> std::result::Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "1 or more".to_owned())
}

fn main() {
    let options = Options::parse();
    if let (Some(part), Some(dir)) = (&options.part, &options.dir) {
        return memory_of(part, dir);
    }
    let in_memory = Path::new("/dev/shm");
    let folder = match &options.dir {
        Some(dir) => dir.clone(),
        None if in_memory.is_dir() => in_memory.to_owned(),
        None => std::env::temp_dir(),
    };
    std::fs::create_dir_all(&folder).expect("a folder");
    println!("in {}", folder.display());
    let bench = Bench { folder, runs: options.runs };
    let (orders, changes, transaction) = (options.orders, options.changes, options.transaction);
    match options.what {
        What::All => {
            bench.one_way(orders, changes, transaction);
            bench.both_ways(orders, changes, transaction);
        }
        What::OneWay => {
            bench.one_way(orders, changes, transaction);
        }
        What::BothWays => bench.both_ways(orders, changes, transaction),
        What::Memory => bench.memory(orders, changes, transaction),
        What::Verify => bench.verify(orders),
        What::Flat => bench.flat(),
        What::Table => {
            for (orders, changes, transaction) in [
                (100_000, 100_000, 10),
                (100_000, 100_000, 1),
                (100_000, 100_000, 1000),
                (1_000, 100_000, 10),
                (1_000_000, 100_000, 10),
                (1_000, 10_000, 10),
                (100_000, 10_000, 10),
                (1_000_000, 10_000, 10),
            ] {
                bench.one_way(orders, changes, transaction);
            }
            bench.flat();
            bench.both_ways(100_000, 100_000, 10);
            bench.memory(1_000, 1_000_000, 10);
            bench.verify(1_000_000);
        }
    }
}

struct Bench {
    folder: PathBuf,
    runs: usize,
}

/// Files to start from, copied for each run.
struct Base {
    dir: tempfile::TempDir,
    guids: BTreeMap<i64, String>,
}

impl Base {
    fn new(folder: &Path, orders: usize) -> Base {
        let dir = tempfile::Builder::new().prefix("objsync-bench-").tempdir_in(folder).expect("a folder");
        let what = Installation {
            amounts: Amounts { items: 50, customers: 50, employees: 100, orders: orders as u32 },
            seed: Some(1),
            ..Installation::default()
        };
        drop(install(dir.path(), &what, &Progress::default()).expect("an environment"));
        let mut base = Base { dir, guids: BTreeMap::new() };
        base.make_floor().expect("the floor");
        base
    }

    /// The demo's tables as somebody would have them who synchronizes by hand, with the same rows.
    fn make_floor(&mut self) -> rusqlite::Result<()> {
        let conn = open_floor(&self.dir.path().join("floor.db"))?;
        conn.execute("ATTACH ?1 AS demo", [self.dir.path().join("master.db").to_string_lossy()])?;
        let mut tables = Vec::new();
        for name in ["items", "customers", "employees", "orders"] {
            let sql = "SELECT sql FROM demo.sqlite_master WHERE name = ?1";
            tables.push((name, conn.query_row(sql, [name], |r| r.get::<_, String>(0))?));
        }
        let mut rng = StdRng::seed_from_u64(2);
        conn.execute_batch("BEGIN")?;
        for (name, sql) in tables {
            if name != "orders" {
                conn.execute_batch(&sql)?;
                conn.execute_batch(&format!("INSERT INTO main.{name} SELECT * FROM demo.{name}"))?;
                continue;
            }
            let end = sql.rfind(')').expect("a table has columns");
            conn.execute_batch(&format!("{}, guid TEXT NOT NULL UNIQUE)", &sql[..end]))?;
            let mut read = conn.prepare("SELECT * FROM demo.orders ORDER BY order_num")?;
            let mut insert = conn.prepare("INSERT INTO main.orders VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
            let mut rows = read.query([])?;
            while let Some(row) = rows.next()? {
                for i in 0..7 {
                    insert.raw_bind_parameter(i + 1, row.get::<_, rusqlite::types::Value>(i)?)?;
                }
                let guid = guid(&mut rng);
                insert.raw_bind_parameter(8, &guid)?;
                insert.raw_execute()?;
                self.guids.insert(row.get(0)?, guid);
            }
        }
        conn.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")
    }

    /// GUIDs for the new orders of `changes`, too.
    fn name(&mut self, changes: &[Change]) {
        let mut rng = StdRng::seed_from_u64(3);
        for change in changes {
            self.guids.entry(change.order()).or_insert_with(|| guid(&mut rng));
        }
    }

    fn fresh(&self) -> Run {
        let dir = tempfile::Builder::new().prefix("run-").tempdir_in(self.dir.path()).expect("a folder");
        let copy = |from: &str, to: &str| {
            std::fs::copy(self.dir.path().join(from), dir.path().join(to)).expect("a copy");
        };
        copy("floor.db", "floor.db");
        copy("floor.db", "floor-there.db");
        copy("master.db", "master.db");
        copy("client.db", "client.db");
        std::fs::create_dir(dir.path().join("sets")).expect("a folder");
        let run = Run { dir };
        for name in ["master", "client"] {
            // The files that these are copies of are never used.
            run.node(name).moved().expect("the copy takes the place of the file");
        }
        run
    }
}

struct Run {
    dir: tempfile::TempDir,
}

fn open_floor(file: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open(file)?;
    conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384")?;
    Ok(conn)
}

impl Run {
    fn node(&self, name: &str) -> Node {
        Node::open(&self.dir.path().join(format!("{name}.db"))).expect("a node")
    }

    fn write_floor(&self, changes: &[Change], size: usize, guids: &BTreeMap<i64, String>) -> Duration {
        let conn = open_floor(&self.dir.path().join("floor.db")).expect("the floor");
        let by_hand = ByHand::new(&conn, guids);
        timed(|| {
            for some in changes.chunks(size) {
                conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
                for change in some {
                    by_hand.write(change)?;
                }
                conn.prepare_cached("COMMIT")?.execute([])?;
            }
            Ok::<_, rusqlite::Error>(())
        })
    }

    fn apply_floor(&self, net: &[Change], guids: &BTreeMap<i64, String>) -> Duration {
        let conn = open_floor(&self.dir.path().join("floor-there.db")).expect("the floor");
        let by_hand = ByHand::new(&conn, guids);
        timed(|| {
            conn.execute_batch("BEGIN IMMEDIATE")?;
            for change in net {
                assert_eq!(by_hand.apply(change)?, 1);
            }
            conn.execute_batch("COMMIT")
        })
    }

    fn write_tracked(&self, name: &str, changes: &[Change], size: usize) -> Duration {
        let mut node = self.node(name);
        timed(|| {
            for some in changes.chunks(size) {
                node.edit(|edit| {
                    for change in some {
                        write(edit.connection(), change)?;
                    }
                    Ok(())
                })?;
            }
            Ok::<_, Error>(())
        })
    }

    /// Prepared at one, for the other: how long, and the file.
    fn prepare(&self, name: &str, compress: bool) -> (Duration, PathBuf) {
        let mut node = self.node(name);
        let file = self.dir.path().join("sets").join(format!("{name}-{compress}"));
        (timed(|| prepare(&mut node, &file, compress)), file)
    }

    fn apply(&self, name: &str, file: &Path) -> Duration {
        let mut node = self.node(name);
        let mut report = None;
        let took = timed(|| node.apply(file, ApplyOptions::default()).map(|r| report = Some(r)));
        assert_eq!(report.expect("a report").requeued, 0, "all of it can be applied");
        took
    }
}

/// A set of all that is new for the only peer.
fn prepare(node: &mut Node, file: &Path, compress: bool) -> Result<Prepared> {
    let (peer, id, since) = (node.peers()?[0], node.next_set_id()?, Since::Sent);
    let file = file.to_owned();
    let options = PrepareOptions { id, file, since, upto: None, overwrite: false, compress, update_sync_time: true };
    node.prepare(peer, &options)
}

fn timed<T, E: std::fmt::Debug>(work: impl FnOnce() -> std::result::Result<T, E>) -> Duration {
    let start = Instant::now();
    work().expect("the work");
    start.elapsed()
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// Pairs of durations: the median of the first, of the second, and of their ratio.
#[derive(Default)]
struct Pairs(Vec<(f64, f64)>);

impl Pairs {
    fn push(&mut self, ours: Duration, floor: Duration) {
        self.0.push((ours.as_secs_f64(), floor.as_secs_f64()));
    }

    fn medians(&self) -> (f64, f64) {
        (median(self.0.iter().map(|p| p.0).collect()), median(self.0.iter().map(|p| p.1).collect()))
    }

    fn say(&self, what: &str, wanted: &str) {
        let (ours, floor) = self.medians();
        let ratios: Vec<f64> = self.0.iter().map(|p| p.0 / p.1).collect();
        let (low, high) = (ratios.iter().copied().fold(f64::MAX, f64::min), ratios.iter().copied().fold(0.0, f64::max));
        println!(
            "  {what:<44} {:>8.1} ms {:>8.1} ms  {:>6.2}  ({low:.2} to {high:.2}; {wanted})",
            ours * 1e3,
            floor * 1e3,
            median(ratios)
        );
    }
}

impl Bench {
    /// Gives what all of it took, ours and the floor's, seconds.
    fn one_way(&self, orders: usize, count: usize, size: usize) -> (f64, f64) {
        println!("{orders} orders, {count} changes in transactions of {size}");
        let mut base = Base::new(&self.folder, orders);
        let all = changes(count, orders, orders as i64 + 1, 7);
        base.name(&all);
        let net = net(&all);
        // What came and went meanwhile is nowhere at the other side.
        let net: Vec<Change> =
            net.into_iter().filter(|c| !matches!(c, Change::Delete(order) if *order > orders as i64)).collect();
        let (mut writes, mut prepares, mut packs, mut applies, mut whole) =
            <(Pairs, Pairs, Pairs, Pairs, Pairs)>::default();
        let mut bytes = [0, 0];
        for _ in 0..self.runs {
            let run = base.fresh();
            let floor = run.write_floor(&all, size, &base.guids);
            let tracked = run.write_tracked("master", &all, size);
            writes.push(tracked, floor);
            let floor_apply = run.apply_floor(&net, &base.guids);
            let (packed, file) = run.prepare("master", true);
            let apply = run.apply("client", &file);
            applies.push(apply, floor_apply);
            packs.push(packed, floor_apply);
            bytes[0] = file.metadata().map_or(0, |m| m.len());
            whole.push(tracked + packed + apply, floor + floor_apply);
            drop(run);
            let run = base.fresh();
            run.write_tracked("master", &all, size);
            let (plain, file) = run.prepare("master", false);
            prepares.push(plain, floor_apply);
            bytes[1] = file.metadata().map_or(0, |m| m.len());
        }
        writes.say("tracked writes ÷ plain writes", "wanted 1.25");
        packs.say("prepare, packed ÷ floor's apply", "wanted 0.3");
        prepares.say("prepare, plain ÷ floor's apply", "wanted 0.3");
        applies.say("apply ÷ floor's apply", "wanted 1.5");
        whole.say("all of it ÷ floor's", "the sum of the above");
        let each = |bytes: u64| bytes as f64 / net.len() as f64;
        println!("  bytes an object in the set: {:.1} packed, {:.1} plain (wanted 32)", each(bytes[0]), each(bytes[1]));
        whole.medians()
    }

    /// What many orders that nothing is done with cost.
    fn flat(&self) {
        let [few, many] = [1_000, 1_000_000].map(|orders| self.one_way(orders, 1_000, 10));
        let grown = |of: fn((f64, f64)) -> f64| of(many) / of(few);
        let (ours, floor) = (grown(|both| both.0), grown(|both| both.1));
        println!(
            "  1,000 changes, all of it: 1,000,000 orders ÷ 1,000: {ours:.2}, the floor's {floor:.2} (wanted its × 1.1)"
        );
    }

    fn both_ways(&self, orders: usize, count: usize, size: usize) {
        println!(
            "both ways, {orders} orders, {count} changes a side in transactions of {size}, 1 % of them made to meet"
        );
        let mut base = Base::new(&self.folder, orders);
        let here = changes(count, orders, orders as i64 + 1, 7);
        let there = changes(count, orders, (orders + count) as i64 + 1, 8);
        let there = meeting(&here, &there, 1, 9);
        base.name(&here);
        base.name(&there);
        let mut both = Pairs::default();
        let mut records = 0;
        for _ in 0..self.runs {
            let across = |run: &Run, from: &str, to: &str| {
                let (prepared, file) = run.prepare(from, true);
                prepared + run.apply(to, &file)
            };
            let run = base.fresh();
            run.write_tracked("master", &here, size);
            run.write_tracked("client", &there, size);
            let ours = across(&run, "client", "master") + across(&run, "master", "client");
            records = run.node("master").conflict_count().expect("records");
            drop(run);
            let mut one_way = Duration::ZERO;
            for (from, to, changes) in [("master", "client", &here), ("client", "master", &there)] {
                let run = base.fresh();
                run.write_tracked(from, changes, size);
                one_way += across(&run, from, to);
            }
            both.push(ours, one_way);
        }
        both.say("both ways ÷ two one way", "wanted 1.2");
        println!("  {records} conflicts");
    }

    /// Each in a process of its own, so that the peaks do not mix.
    fn memory(&self, orders: usize, count: usize, size: usize) {
        println!("memory, {orders} orders, {count} changes in transactions of {size}");
        let base = Base::new(&self.folder, orders);
        let run = base.fresh();
        run.write_tracked("master", &changes(count, orders, orders as i64 + 1, 7), size);
        for part in ["prepare", "apply"] {
            let exe = std::env::current_exe().expect("this program");
            let output =
                Command::new(exe).args(["--part", part, "--dir"]).arg(run.dir.path()).output().expect("the part runs");
            assert!(output.status.success(), "{part}: {}", String::from_utf8_lossy(&output.stderr));
            print!("{}", String::from_utf8_lossy(&output.stdout));
        }
    }

    fn verify(&self, orders: usize) {
        println!("verify, {orders} orders a side");
        let base = Base::new(&self.folder, orders);
        let (mut pairs, mut alone) = (Pairs::default(), Pairs::default());
        let run = base.fresh();
        for _ in 0..self.runs {
            let conn = open_floor(&run.dir.path().join("floor.db")).expect("the floor");
            let floor = timed(|| {
                let mut read = conn
                    .prepare("SELECT order_num, employee, customer, date_order, item, quantity, price FROM orders")?;
                let mut rows = read.query([])?;
                let mut read = 0;
                while let Some(row) = rows.next()? {
                    for i in 0..7 {
                        read += usize::from(row.get_ref(i)? != rusqlite::types::ValueRef::Null);
                    }
                }
                assert_eq!(read, orders * 7);
                Ok::<_, rusqlite::Error>(())
            });
            let mut environment = Environment::open(run.dir.path()).expect("the environment");
            pairs.push(timed(|| environment.verify().map(|v| assert!(v.equal))), floor);
            drop(environment);
            let mut node = run.node("master");
            alone.push(timed(|| node.contents("Order")), floor);
        }
        pairs.say("verify, both sides ÷ one table read once", "wanted 2.0");
        alone.say("contents of one side ÷ its table read once", "wanted 2.0");
    }
}

fn memory_of(part: &str, dir: &Path) {
    let peak = || -> f64 {
        // Linux tells; elsewhere 0.
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    };
    let idle = peak();
    let name = if part == "prepare" { "master" } else { "client" };
    let mut node = Node::open(&dir.join(format!("{name}.db"))).expect("a node");
    let file = dir.join("memory.syncset");
    if part == "prepare" {
        prepare(&mut node, &file, true).expect("a set");
    } else {
        node.apply(&file, ApplyOptions::default()).expect("a report");
    }
    println!("  {part:<8} {:>6.1} MB above idle (wanted 64)", peak() - idle);
}
