//! Nodes with references, unique values and an identified class, and what can be done with them. Every step is held against
//! the observers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use objsync::sync::*;
use rusqlite::Connection;

use crate::common::{assert_same, dump};
use crate::observers::{Observers, Versions, whole};

const SCHEMA: &str = "
CREATE TABLE kinds (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE customers (id INTEGER PRIMARY KEY, code TEXT UNIQUE, note TEXT, best INTEGER REFERENCES orders (id));
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers (id), kind INTEGER REFERENCES kinds (id), amount INTEGER
);
CREATE TABLE words (word TEXT PRIMARY KEY COLLATE NOCASE, note TEXT);
CREATE TABLE uses (
    customer INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE, word TEXT NOT NULL REFERENCES words (word) ON UPDATE CASCADE,
    note TEXT, PRIMARY KEY (customer, word)
) WITHOUT ROWID;
CREATE TABLE total (n INTEGER NOT NULL);
INSERT INTO total VALUES (0);
CREATE TRIGGER order_in AFTER INSERT ON orders BEGIN UPDATE total SET n = (SELECT count(*) FROM orders); END;
CREATE TRIGGER order_out AFTER DELETE ON orders BEGIN UPDATE total SET n = (SELECT count(*) FROM orders); END;
";
const ROWS: &str = "
INSERT INTO words VALUES ('red', NULL), ('blue', NULL);
INSERT INTO kinds VALUES (1, 'one'), (2, 'two');
INSERT INTO customers VALUES (1, 'a', NULL, NULL), (2, 'b', NULL, NULL);
INSERT INTO orders VALUES (1, 1, 1, 0), (2, 2, 1, 0), (3, NULL, 2, 0);
INSERT INTO uses VALUES (1, 'red', NULL), (2, 'blue', NULL);
";
pub const JOURNALED: [(&str, &str); 4] =
    [("Customer", "customers"), ("Order", "orders"), ("Word", "words"), ("Use", "uses")];

pub struct World {
    pub dir: tempfile::TempDir,
    pub nodes: Vec<Node>,
    pub observers: Observers,
    /// How many objects are judged at once.
    pub batch: Option<usize>,
    /// Whether sets are packed.
    pub compress: bool,
    /// A table was altered somewhere, so that nodes may have taken in what they knew nothing of.
    pub altered: bool,
    /// No previews, and no comparison of whole files: many such histories are played in the time of a few that look everywhere.
    pub brisk: bool,
    /// A clock was set by more than a day, so there may be times that are kept and not followed.
    doubtful: bool,
    /// Per node, how far its machine's clock is ahead of the others, microseconds.
    clocks: Vec<Arc<AtomicI64>>,
    /// Per node, another program that has its file open, too.
    others: Vec<Connection>,
    time: Arc<AtomicI64>,
    sets: i64,
}

/// Identities, so that some are above and some below those of the nodes that they are copies of.
const GUIDS: [u64; 5] = [50, 30, 70, 40, 60];

/// The most nodes that a history has.
pub const MOST: usize = GUIDS.len();

/// A machine's clock: time goes on whenever anybody looks.
fn clock_of(time: &Arc<AtomicI64>, ahead: &Arc<AtomicI64>) -> Clock {
    let (time, ahead) = (time.clone(), ahead.clone());
    Arc::new(move || time.fetch_add(1000, Ordering::SeqCst) + ahead.load(Ordering::SeqCst))
}

/// A set that was written: for whom, and where.
#[derive(Clone)]
pub struct Sent {
    pub target: usize,
    pub file: PathBuf,
    /// How many objects it carries.
    objects: usize,
}

impl World {
    /// Identities and times are the same in every run, so that a seed tells the whole history.
    pub fn new(count: usize) -> World {
        let time = Arc::new(AtomicI64::new(4_000_000_000_000_000));
        let ahead = Arc::new(AtomicI64::new(0));
        let dir = crate::common::folder();
        let file = dir.path().join("HUB.db");
        Connection::open(&file).unwrap().execute_batch(SCHEMA).unwrap();
        let mut specs: Vec<ClassSpec> = JOURNALED
            .map(|(name, table)| ClassSpec { name: name.into(), table: table.into(), journaled: true })
            .to_vec();
        specs.insert(0, ClassSpec { name: "Kind".into(), table: "kinds".into(), journaled: false });
        let info = NodeInfo { guid: NodeId(GUIDS[0]), name: "HUB".into(), role: Role::Master };
        let mut hub = Node::create(&file, info, &specs).unwrap().with_clock(clock_of(&time, &ahead));
        hub.connection().execute_batch("PRAGMA synchronous = OFF").unwrap();
        // From now on ahead of this machine's clock, which the triggers look at; so they must not set it right.
        hub.connection().execute_batch("DROP TRIGGER objsync_clock").unwrap();
        hub.edit(|edit| Ok(edit.connection().execute_batch(ROWS)?)).unwrap();
        let mut world = World {
            dir,
            others: vec![another_program(&hub)],
            nodes: vec![hub],
            clocks: vec![ahead],
            time,
            sets: 0,
            batch: None,
            compress: false,
            altered: false,
            brisk: false,
            doubtful: false,
            observers: Observers::new(),
        };
        let versions = world.versions(0);
        world.observers.note(0, &versions);
        (1..count).for_each(|_| world.copy(0));
        world
    }

    /// Another node is made as a copy of one, and the hub hears of it.
    pub fn copy(&mut self, from: usize) {
        let at = self.nodes.len();
        let name = format!("C{at}");
        let file = self.dir.path().join(format!("{name}.db"));
        let info = NodeInfo { guid: NodeId(GUIDS[at]), name, role: Role::Client };
        let ahead = Arc::new(AtomicI64::new(0));
        let copy = self.nodes[from].fresh_copy_as(&file, info).unwrap();
        let mut copy = copy.with_clock(clock_of(&self.time, &ahead));
        copy.connection().execute_batch("PRAGMA synchronous = OFF").unwrap();
        let hub = self.nodes[0].identity().unwrap();
        copy.meet(&hub).unwrap();
        self.nodes[0].meet(&copy.identity().unwrap()).unwrap();
        self.others.push(another_program(&copy));
        self.nodes.push(copy);
        self.clocks.push(ahead);
        self.observers.copied(from);
        let versions = self.versions(at);
        self.observers.note(at, &versions);
    }

    /// A machine's clock is set: so many microseconds on, or back.
    pub fn set_clock(&mut self, at: usize, by: i64) {
        self.doubtful |= by.abs() >= DOUBTFUL_AHEAD;
        self.clocks[at].fetch_add(by, Ordering::SeqCst);
    }

    pub fn prepare(&mut self, source: usize, target: usize, since: Since, upto: Option<u64>) -> Option<Sent> {
        self.sets += 1;
        let identity = self.nodes[target].identity().unwrap();
        self.nodes[source].meet(&identity).unwrap();
        let file = self.dir.path().join(format!("{}.syncset", self.sets));
        let options = PrepareOptions {
            id: self.sets,
            file: file.clone(),
            since,
            upto,
            overwrite: false,
            compress: self.compress,
            update_sync_time: true,
        };
        match self.nodes[source].prepare(identity.info.guid, &options) {
            Ok(prepared) => Some(Sent { target, file, objects: prepared.objects }),
            // Somebody was copied from a client, and has not said yet what it has of this node: it sends first.
            Err(e) if e.refusal() == Some(Refusal::Purged) => {
                let (peer, us) = (&self.nodes[target], &self.nodes[source]);
                assert_eq!(us.sync_times(identity.info.guid).unwrap().acknowledged, 0, "it has been heard of: {e}");
                let has = peer.has_of(&us.identity().unwrap(), us.number().unwrap()).unwrap();
                assert!(has >= us.floor().unwrap(), "what it needs was purged: {e}, and it has {has}");
                assert!(e.what_next().contains("sends its own changes first"), "{e}");
                None
            }
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Usage, "only a range that does not exist: {e}");
                None
            }
        }
    }

    /// Applies at any node; gives the report where it was accepted. Holds every apply, and its preview, against what must
    /// hold.
    pub fn apply(&mut self, at: usize, set: &Sent, rule: Rule) -> Option<Report> {
        let before = self.versions(at);
        let content = (!self.brisk).then(|| dump(&self.nodes[at]));
        let known = self.nodes[at].conflicts(usize::MAX).unwrap().iter().map(|r| r.id).max().unwrap_or(0);
        // Nobody else writes while a set is applied; nobody waits for that for long here.
        let other = &self.others[at];
        let keep_out = |_: &str, _: Guid| {
            let error = other.execute_batch("UPDATE orders SET amount = 1 WHERE id = 1").unwrap_err();
            assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy), "{error}");
            None
        };
        let mut options = ApplyOptions { rule: Some(rule), batch: self.batch, ..ApplyOptions::default() };
        if !self.brisk {
            options.hold = Some(&keep_out);
        }
        let node = &mut self.nodes[at];
        let preview = content.as_ref().map(|content| {
            let preview = node.preview(&set.file, options);
            assert_same(&dump(node), content, "a preview changed something");
            preview
        });
        let report = match node.apply(&set.file, options) {
            Ok(report) => report,
            Err(e) => {
                let expected: &[Refusal] = if at == set.target { &[Refusal::Gap] } else { &[Refusal::WrongNode] };
                assert!(e.refusal().is_some_and(|r| expected.contains(&r)), "{e}");
                assert!(e.message().contains("nothing was changed") && !e.what_next().is_empty(), "{e}");
                if let (Some(preview), Some(content)) = (preview, content) {
                    assert_eq!(preview.unwrap_err().to_string(), e.to_string(), "a preview is refused as the apply is");
                    assert_same(&dump(&self.nodes[at]), &content, "a refusal changed something");
                }
                return None;
            }
        };
        assert_eq!(at, set.target, "a set for another node was applied");
        let preview = preview.map(|preview| preview.unwrap());
        if let Some(preview) = &preview {
            assert_eq!(preview.report, report, "preview equals apply");
        }
        check_sound(&self.nodes[at]);
        let theirs = syncset::read(&set.file, syncset::Size::Usual).unwrap();
        for object in &theirs.objects {
            self.observers.came(at, object.guid, &object.state);
        }
        let records = self.records_after(at, known);
        let told: BTreeSet<i64> = report.objects.iter().filter_map(|o| o.conflict).collect();
        assert_eq!(records.iter().map(|r| r.id).collect::<BTreeSet<_>>(), told, "the report names every record");
        let combined = records.iter().filter(|r| r.state == RecordState::Combined).count();
        assert_eq!((records.len() - combined, combined), (report.conflicts, report.combined));
        let mut foretold = preview.map_or(Vec::new(), |preview| preview.records);
        foretold.sort_by_key(|r| r.id);
        for (was, is) in foretold.iter().zip(&records) {
            assert_eq!((&was.result, &was.why, was.chosen), (&is.result, &is.why, is.chosen));
        }
        let after = self.versions(at);
        let mut once = BTreeSet::new();
        let twice = report.objects.iter().map(|o| o.guid).filter(|guid| !once.insert(*guid)).collect();
        self.observers.applied(at, (&before, &after), &records, &twice);
        self.observers.look(at, &after);
        for record in &records {
            // More than one line: after this decision something newer was taken.
            let guid: Guid = record.guid.parse().unwrap();
            if !twice.contains(&guid) {
                let (ours, theirs) = (record.ours.time, record.theirs.time);
                let stamps = match record.chosen {
                    Chosen::Ours => vec![ours],
                    Chosen::Theirs => vec![theirs],
                    // One that is more than a day ahead of the machine's clock may be doubtful.
                    Chosen::Merged if ours.abs_diff(theirs) > DOUBTFUL_AHEAD.unsigned_abs() => vec![ours, theirs],
                    Chosen::Merged => vec![ours.max(theirs)],
                };
                assert!(stamps.contains(&after[&guid].stamp.time), "the stamp of the content that won");
            }
        }
        Some(report)
    }

    /// What is left of a set that was cut short is refused, by apply and preview.
    pub fn apply_cut(&mut self, set: &Sent, left: usize) {
        let bytes = std::fs::read(&set.file).unwrap();
        let file = set.file.with_extension("cut");
        std::fs::write(&file, &bytes[..left % bytes.len()]).unwrap();
        let node = &mut self.nodes[set.target];
        let content = dump(node);
        let previewed = node.preview(&file, ApplyOptions::default()).unwrap_err();
        let applied = node.apply(&file, ApplyOptions::default()).unwrap_err();
        assert_eq!(applied.refusal(), Some(Refusal::Damaged), "{applied}");
        assert_eq!(previewed.to_string(), applied.to_string());
        assert_same(&dump(node), &content, "a refusal changed something");
    }

    /// The records made after one, oldest first.
    pub fn records_after(&self, at: usize, known: i64) -> Vec<ConflictRecord> {
        let all = self.nodes[at].conflicts(usize::MAX).unwrap();
        let mut new: Vec<_> = all.into_iter().filter(|r| r.id > known).collect();
        new.sort_by_key(|r| r.id);
        new
    }

    /// Somebody changes something at a node, with what is there in sight.
    pub fn edit<T>(&mut self, at: usize, work: impl FnOnce(&mut Node) -> T) -> T {
        let before = self.versions(at);
        let result = work(&mut self.nodes[at]);
        // What another program did beside the journal is followed when the engine looks next.
        self.nodes[at].edit(|_| Ok(())).unwrap();
        let after = self.versions(at);
        for (guid, new) in after.iter().filter(|_| !self.doubtful) {
            let upon = before.get(guid).filter(|old| *old != new).map_or(0, |old| old.stamp.time);
            assert!(new.stamp.time > upon, "an edit is later than what it was made upon: {guid} {new:?}");
        }
        self.observers.edited((at, self.nodes[at].info().guid), &before, &after);
        check_sound(&self.nodes[at]);
        result
    }

    /// Another program, which has the file open all along, does something. What it went on reading is over by then.
    pub fn edit_beside(&mut self, at: usize, sql: &str) {
        let other = std::mem::replace(&mut self.others[at], Connection::open_in_memory().unwrap());
        if !other.is_autocommit() {
            other.execute_batch("END").unwrap();
        }
        let done = self.edit(at, |_| other.execute_batch(sql));
        self.others[at] = other;
        if let Err(error) = done {
            assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::ConstraintViolation), "{sql}: {error}");
        }
    }

    pub fn versions(&self, at: usize) -> Versions {
        let node = &self.nodes[at];
        let mut found: Versions = BTreeMap::new();
        for (name, table) in JOURNALED {
            let class = node.class(name).unwrap();
            for guid in guids(node, table) {
                found.insert(guid, whole(node.current(class, guid).unwrap().unwrap().state));
            }
        }
        found
    }

    /// Quiet rounds through the hub, from what was acknowledged, until sets carry nothing. `crossed`: both ends of a pair
    /// prepare before either applies.
    pub fn quiet(&mut self, rule: Rule, crossed: bool) {
        for _ in 0..14 {
            let before: Vec<_> = (0..self.nodes.len()).map(|i| self.versions(i)).collect();
            let mut carried = 0;
            for client in 1..self.nodes.len() {
                let mut ready = Vec::new();
                for (source, target) in [(client, 0), (0, client)] {
                    let Some(set) = self.prepare(source, target, Since::Acknowledged, None) else {
                        // It has not been heard of: that is what the first of the two is for.
                        assert!(crossed && source == 0, "a client has sent");
                        carried += 1;
                        continue;
                    };
                    carried += set.objects;
                    ready.push(set);
                    if !crossed {
                        let set = ready.remove(0);
                        assert!(self.apply(target, &set, rule).is_some(), "from what was acknowledged: no gap");
                    }
                }
                for set in ready {
                    assert!(self.apply(set.target, &set, rule).is_some(), "from what was acknowledged: no gap");
                }
            }
            if carried == 0 {
                let after: Vec<_> = (0..self.nodes.len()).map(|i| self.versions(i)).collect();
                assert_eq!(after, before, "quiet: sets that carry nothing changed something");
                return;
            }
        }
        panic!("quiet: it does not come to rest");
    }

    /// What all nodes hold, less what waits anywhere; and that nothing is left to send.
    pub fn check_level(&mut self) -> BTreeSet<Guid> {
        let mut waiting: BTreeSet<Guid> = BTreeSet::new();
        for node in &self.nodes {
            for w in node.requeue().unwrap() {
                assert!(!w.reason.is_empty() && w.reason.len() > 20, "a reason with a way out: {w:?}");
                waiting.insert(w.guid);
            }
        }
        for (class, _) in JOURNALED {
            let all: Vec<Contents> = self.nodes.iter_mut().map(|n| n.contents(class).unwrap()).collect();
            let differ: Vec<_> =
                Contents::differences(&all).into_iter().filter(|d| !waiting.contains(&d.guid)).collect();
            assert!(differ.is_empty(), "diverged: {class}: {differ:?}; waiting {waiting:?}");
        }
        for i in 0..self.nodes.len() {
            for j in (0..self.nodes.len()).filter(|j| *j != i && (*j == 0 || i == 0)) {
                let peer = self.nodes[j].info().guid;
                let start = self.nodes[i].start_for(peer, Since::Acknowledged).unwrap();
                assert_eq!(
                    self.nodes[i].to_send(peer, start).unwrap().objects,
                    0,
                    "quiet: left to send from {i} to {j}"
                );
            }
        }
        waiting
    }

    /// How all nodes stand, in all that is the same wherever and whenever it is played.
    pub fn stands(&self) -> String {
        self.nodes.iter().map(|node| format!("{:?}", crate::play::stands(node))).collect()
    }

    pub fn sync(&mut self) {
        self.quiet(Rule::default(), false);
    }

    pub fn rows(&self, at: usize, sql: &str) -> Vec<String> {
        let mut statement = self.nodes[at].connection().prepare(sql).unwrap();
        let columns = statement.column_count();
        statement
            .query_map([], |r| {
                let values: Vec<String> = (0..columns)
                    .map(|i| Ok(format!("{:?}", r.get::<_, rusqlite::types::Value>(i)?)))
                    .collect::<rusqlite::Result<_>>()?;
                Ok(values.join(" "))
            })
            .unwrap()
            .map(|r| r.unwrap())
            .collect()
    }

    pub fn write(&mut self, at: usize, sql: &str) {
        let done = self.edit(at, |node| node.edit(|edit| Ok(edit.connection().execute_batch(sql)?)));
        done.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
}

fn another_program(node: &Node) -> Connection {
    let conn = Connection::open(node.path()).unwrap();
    conn.execute_batch("PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON").unwrap();
    conn.busy_timeout(std::time::Duration::ZERO).unwrap();
    conn
}

/// Every object of a table that this node ever heard of.
fn guids(node: &Node, table: &str) -> Vec<Guid> {
    let sql = format!(
        "SELECT n.guid, object & (1 << 40) - 1
         FROM (SELECT object FROM objsync_object_{table} UNION SELECT object FROM objsync_tombstone_{table})
         JOIN objsync_node n ON n.n = object >> 40"
    );
    let mut statement = node.connection().prepare_cached(&sql).unwrap();
    let guid = |r: &rusqlite::Row<'_>| Ok(Guid { node: NodeId(r.get::<_, i64>(0)? as u64), serial: r.get(1)? });
    statement.query_map([], guid).unwrap().map(|r| r.unwrap()).collect()
}

/// Identities are exactly the keys, and every reference names something.
pub fn check_sound(node: &Node) {
    for (_, table) in JOURNALED {
        let same = match table {
            "words" => "o.k0 = t.word",
            "uses" => "o.k0 = t.customer AND o.k1 = t.word",
            _ => "o.key = t.id",
        };
        let sql = format!(
            "SELECT (SELECT count(*) FROM {table}) - (SELECT count(*) FROM {table} t JOIN objsync_object_{table} o ON {same}),
             (SELECT count(*) FROM objsync_object_{table}) - (SELECT count(*) FROM {table})"
        );
        let mut statement = node.connection().prepare_cached(&sql).unwrap();
        let odd: (i64, i64) = statement.query_row([], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
        assert_eq!(odd, (0, 0), "{table} at {}", node.info().name);
    }
    let total = "SELECT iif(EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'order_in'), n - (SELECT count(*) FROM orders), 0) FROM total";
    let total: i64 = node.connection().prepare_cached(total).unwrap().query_row([], |r| r.get(0)).unwrap();
    assert_eq!(total, 0, "the user's triggers follow at {}", node.info().name);
    let sql = "SELECT \"table\" || ' ' || coalesce(rowid, '') || ' to ' || parent FROM pragma_foreign_key_check";
    let mut statement = node.connection().prepare_cached(sql).unwrap();
    let broken: Vec<String> = statement.query_map([], |r| r.get(0)).unwrap().map(|r| r.unwrap()).collect();
    assert!(broken.is_empty(), "references at {} that name nothing: {broken:?}", node.info().name);
}
