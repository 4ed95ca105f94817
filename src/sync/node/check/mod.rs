//! Checking a node: whether journal, vectors, history, records and requeue agree with each other and with the tables. What the
//! tests hold against every random history, for anybody's files.
//!
//! It only reads, by a connection of its own that cannot write, and in one transaction, so that it sees one moment whatever other
//! programs do. It follows nothing (`follow.rs`): what there is to follow is noted, and no flaw. Each part stands for itself, so
//! that what is damaged keeps nothing else from being checked. Every invariant here holds in every legal state: `tests/histories`
//! ask at random moments.
//!
//! `tables.rs` holds rows against identities, `versions.rs` vectors and stamps, `journal.rs` the chains of events, `kept.rs`
//! records, requeue and merges, `states.rs` what is recorded twice, `notes.rs` peers, sets and the rest, `between.rs` what nodes
//! say about each other.

mod between;
mod journal;
mod kept;
mod notes;
mod report;
mod states;
mod tables;
mod versions;

pub use report::{CheckReport, Checked, Flaw, FlawKind, Flaws, LookedAt, Unchecked};

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::sync::data::guid::{Guid, NodeId};
use crate::sync::data::schema::Class;
use crate::sync::data::stamp::{sensible, system_clock};
use crate::sync::data::vector::Vector;
use crate::sync::error::{Error, ErrorKind, Result};
use crate::sync::node::look::{is_file, look_into};
use crate::sync::node::registry::Registry;
use crate::sync::node::{Node, clock, store};
use crate::sync::progress::Progress;
use crate::words::same_name;

impl Node {
    /// Checks this node's file as it is committed: whether all that it keeps agrees with itself and with the tables. Only reads.
    pub fn check(&self) -> Result<CheckReport> {
        Check::run(&mut Node::open_to_look(&self.path, &self.progress)?)
    }

    /// Opens a node's file without writing to it, and without following what other programs did to its tables.
    fn open_to_look(path: &Path, progress: &Progress) -> Result<Node> {
        is_file(path)?;
        let looked = || -> Result<Node> {
            let conn = look_into(path)?;
            if !store::is_node(&conn)? {
                return Err(Error::new(ErrorKind::NotFound, "the database is not a node of objsync")
                    .hint("name a node's file; `objsync track` makes this database one"));
            }
            let format: i64 = conn.query_row("SELECT format FROM objsync_state", [], |r| r.get(0))?;
            if format != store::FORMAT {
                let hint = match format < store::FORMAT {
                    true => "any other command brings it to the present format (objsync status), then check again",
                    false => "check it with the version of objsync that made it, or a later one",
                };
                return Err(Error::storage(format!("it is a node of storage format {format}")).hint(hint));
            }
            let nodes = Registry::read(&conn)?;
            let own: i64 = conn.query_row("SELECT node FROM objsync_state", [], |r| r.get(0))?;
            let info = nodes.find(nodes.guid(own)?).cloned();
            let info = info.ok_or_else(|| Error::storage("this node is not in objsync_node"))?;
            let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            let mut node = Node {
                conn,
                path,
                info,
                classes: Vec::new(),
                nodes,
                clock: sensible(system_clock()),
                was_at: None,
                users_triggers: Default::default(),
                schema_version: -1,
                progress: Progress::default(),
                behind: None,
                read_only: true,
                listening: Arc::default(),
            };
            node.set_progress(progress.clone())?;
            node.listen(true);
            Ok(node)
        };
        looked().map_err(|e| e.while_doing(path.display()))
    }
}

/// Checks single files, and what their nodes say about each other. One that cannot be checked keeps no other from it; one that is
/// named twice is checked once.
pub fn check(files: &[PathBuf], progress: &Progress) -> Result<Checked> {
    let (mut checked, mut nodes) = (Checked::default(), Vec::new());
    // All are opened before any is read through, so that they are seen at one moment.
    let mut named = BTreeSet::new();
    let files = files.iter().filter(|file| named.insert(file.canonicalize().unwrap_or_else(|_| file.to_path_buf())));
    let opened: Vec<_> = files.map(|file| (file, Node::open_to_look(file, progress))).collect();
    for (file, opened) in opened {
        let looked = opened.and_then(|mut node| {
            let report = Check::run(&mut node)?;
            Ok((node, report))
        });
        match looked {
            Ok((node, report)) => {
                nodes.push((node, report.flaws.is_empty() && report.notes.is_empty()));
                checked.nodes.push(report);
            }
            Err(e) if e.kind() == ErrorKind::Cancelled => return Err(e),
            Err(e) => {
                let todo = match e.what_next() {
                    "" => "name a node's file; or put back a copy of this one from before (then objsync rejoin)",
                    todo => todo,
                };
                let (why, todo) = (e.message().to_owned(), todo.to_owned());
                checked.unchecked.push(Unchecked { file: file.clone(), why, todo });
            }
        }
    }
    between::check(&nodes, &mut checked.between, &mut checked.notes)?;
    checked.notes.extend(nodes.iter().filter_map(|(node, _)| versions::doubtful(node).ok().flatten()));
    Ok(checked)
}

/// Of some files those that are to be checked: databases that are no nodes are left out.
pub(crate) fn nodes_among(mut files: Vec<PathBuf>) -> Vec<PathBuf> {
    files.retain(|file| match Node::open_to_look(file, &Progress::default()) {
        Err(e) => e.kind() != ErrorKind::NotFound,
        Ok(_) => true,
    });
    files
}

/// Of some files those of the node of that name, compared without case, or of that GUID. Where there is none, the error says which
/// files it may be that could not be read.
pub(crate) fn files_of(mut files: Vec<PathBuf>, name: &str) -> Result<Vec<PathBuf>> {
    let mut unread = Vec::new();
    files.retain(|file| match Node::open_to_look(file, &Progress::default()) {
        Ok(node) => same_name(&node.info.name, name) || node.info.guid.to_string() == name,
        Err(e) => {
            unread.push(e.message().to_owned());
            false
        }
    });
    if files.is_empty() {
        let error = Error::new(ErrorKind::Usage, format!("there is no node `{name}` here that can be read"));
        return Err(match unread.is_empty() {
            true => error,
            false => error.hint(format!("it may be one of these: {}", unread.join("; "))),
        });
    }
    Ok(files)
}

/// A check that goes on.
struct Check<'a> {
    node: &'a Node,
    /// Those of which more can be said.
    classes: Vec<Class>,
    report: CheckReport,
    /// Last commit, last serial, how far the clock has come, purge mark; this node's small number.
    number: i64,
    serial: i64,
    clock: i64,
    floor: i64,
    own: i64,
    /// The latest of its own times, where one is later than its clock.
    latest: i64,
    /// The highest commit of each node that is known to have been made; none of one of which that is not known for certain.
    made: HashMap<NodeId, u64>,
    /// Events at positions before this one may be purged.
    whole_from: i64,
}

impl<'a> Check<'a> {
    fn run(node: &mut Node) -> Result<CheckReport> {
        let report = CheckReport {
            node: node.info.name.clone(),
            guid: node.info.guid,
            file: node.path.clone(),
            looked_at: LookedAt::default(),
            flaws: Flaws::default(),
            notes: Vec::new(),
        };
        let mut first = Check::new(node, report)?;
        first.part("the file", Check::file)?;
        first.part("what is noted of this node", Check::state)?;
        first.part("the classes", Check::find_classes)?;
        let Check { report, classes, .. } = first;
        node.classes = classes;
        let mut check = Check::new(node, report)?;
        check.rest()?;
        Ok(check.report)
    }

    fn new(node: &'a Node, report: CheckReport) -> Result<Check<'a>> {
        let sql = "SELECT number, serial, clock, floor, node FROM objsync_state";
        let (number, serial, now, floor, own) =
            node.conn.query_row(sql, [], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?)))?;
        // It may have given times that it started from the machine's again since.
        let clock = clock::highest(&node.conn).unwrap_or(now);
        let (classes, made) = (node.classes.clone(), HashMap::new());
        let (latest, whole_from) = (0, i64::MIN);
        Ok(Check { node, classes, report, number, serial, clock, floor, own, latest, made, whole_from })
    }

    /// What needs to know the classes.
    fn rest(&mut self) -> Result<()> {
        self.part("what is noted of other nodes", Check::peers)?;
        for class in self.classes.clone() {
            self.part(&format!("the rows of {}", class.table), |c| c.rows(&class))?;
            self.part(&format!("the versions of {}", class.name), |c| c.versions(&class))?;
            self.part(&format!("the former numbers of {}", class.name), |c| c.former_keys(&class))?;
        }
        self.part("the identities", Check::identities)?;
        self.part("the journal", Check::journal)?;
        for class in self.classes.clone() {
            self.part(&format!("the journal of {}", class.name), |c| c.chains(&class))?;
        }
        self.part("the sets", Check::sets)?;
        self.part("the conflict records", Check::records)?;
        self.part("the requeue", Check::requeue)?;
        self.part("what merges have seen", Check::merged)?;
        if self.report.notes.is_empty() {
            self.part("what is recorded of states", Check::states)?;
        }
        self.part("this node's clock", Check::own_clock)
    }

    /// Does one part; what cannot be read is a flaw, and keeps no other part from being done.
    fn part(&mut self, what: &str, work: impl FnOnce(&mut Check<'a>) -> Result<()>) -> Result<()> {
        match work(self) {
            Err(e) if matches!(e.kind(), ErrorKind::Cancelled | ErrorKind::Busy) => Err(e),
            Err(e) if e.lacks().is_some() => {
                self.not_checked(what, &e);
                Ok(())
            }
            Err(e) => {
                self.flaw(FlawKind::Unreadable, format!("{what} could not be read to the end: {}", e.message()));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Notes what cannot be checked here because only an application has what it takes. Nothing is wrong with it.
    fn not_checked(&mut self, what: &str, error: &Error) {
        self.report
            .notes
            .push(format!("{what} cannot be checked here: {}; nothing is known to be wrong", error.message()));
    }

    fn flaw(&mut self, kind: FlawKind, what: impl Into<String>) {
        self.report.flaws.add(Flaw::new(kind, what));
    }

    /// A flaw of an object: `what` follows what it is called.
    fn flaw_of(&mut self, kind: FlawKind, class: &Class, object: i64, key: Option<i64>, what: impl AsRef<str>) {
        let guid = self.node.nodes.object(object).ok();
        let number = class.number_shown(key);
        let name = number.map(|n| n.to_string()).or(guid.map(|g| g.to_string()));
        let name = name.unwrap_or_else(|| format!("with the inner number {object}"));
        let what = format!("{} {name} {}", class.name, what.as_ref());
        self.report.flaws.add(Flaw { class: Some(class.name.clone()), guid, number, ..Flaw::new(kind, what) });
    }

    fn going_on(&self, what: &'static str, done: usize) -> Result<()> {
        match done.is_multiple_of(1_000) {
            true => self.node.going_on(what, done, None),
            false => Ok(()),
        }
    }

    /// An object by the integer that stands in the file; `None` where that cannot be one.
    fn object(&self, id: i64) -> Option<Guid> {
        self.node.nodes.object(id).ok().filter(|guid| guid.serial > 0)
    }

    /// A stored vector; `own`: this node's entry, where that stands by itself. Says what is wrong with it.
    fn vector(&self, rest: &[u8], own: Option<i64>) -> std::result::Result<Vector, String> {
        let here = self.node.info.guid;
        let mut vector = self.node.nodes.decode(rest).map_err(|e| e.message().to_owned())?;
        if let Some(own) = own {
            if vector.get(here) > 0 {
                return Err("has this node twice in its version vector".to_owned());
            }
            vector.set(here, u64::try_from(own).map_err(|_| "has a negative number in its version vector")?);
        }
        for (node, number) in vector.entries() {
            if let Some(made) = self.made.get(node).filter(|made| number > *made) {
                let name = self.node.nodes.name(*node);
                return Err(format!(
                    "has seen transaction {number} of {name}, of which nothing after {made} is known here"
                ));
            }
        }
        Ok(vector)
    }

    fn is_node(&self, n: i64) -> bool {
        self.node.nodes.guid(n).is_ok()
    }
}
