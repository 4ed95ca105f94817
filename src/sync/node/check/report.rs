//! What a check finds, in words and for programs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::sync::data::guid::{Guid, NodeId};

/// Flaws of one kind that are listed at most; the others are only counted.
const LISTED: usize = 50;

/// What kind of thing is wrong. `objsync check --json` names it as it is here, with dashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlawKind {
    /// SQLite itself finds pages or indexes of the file damaged (`PRAGMA integrity_check`).
    Damaged,
    /// A row breaks a constraint of its own table: it was written with the constraint switched off. The file is sound.
    Constraint,
    /// Something of the engine's could not be read to its end, so what comes after it was not checked.
    Unreadable,
    /// A foreign key names a row that is not there (`PRAGMA foreign_key_check`).
    DanglingReference,
    /// A table and what is noted of its class do not agree: it is gone, or was altered behind the journal.
    Schema,
    /// The triggers that fill the journal are missing, others, or stand behind one of the user's.
    Triggers,
    /// A row has no identity: it was written while the triggers were away, and does not travel.
    Unidentified,
    /// An object has an identity and no row: the row went while the triggers were away.
    Vanished,
    /// An identity that cannot be: of two objects, of a living and a deleted one, or never given.
    Identity,
    /// A vector or author of an object that cannot be: unreadable, or it has seen commits that nobody is known to have made.
    Version,
    /// This node's own times are later than its clock, which never goes back: it was set back in the file.
    Clock,
    /// A filing event that cannot be: of no class or object, out of order, or its before-image does not fit what it did.
    Event,
    /// An object's events are not linked from its present version to its first one.
    Chain,
    /// States contradict each other: a later one has not seen an earlier, or two of one version hold different values.
    History,
    /// The journal holds what is said to be purged.
    Purge,
    /// A conflict record names what is not there, or its result is not what it says was chosen.
    Record,
    /// What waits is known here already, or names what is not there.
    Requeue,
    /// A state that a merge is said to have taken into account was not.
    Merged,
    /// The record of a set names what is not there, or more than was exchanged.
    Set,
    /// What is noted of a peer, of lineage, or of what was told to others cannot be.
    Peer,
    /// It is not known which object a deleted object's number meant, or it is noted for what is no object.
    FormerKey,
    /// The node's own row, its key for signing, or a chosen rule cannot be.
    State,
    /// Two files go on as one node.
    SameNode,
    /// A node has heard of what another one never did: that one's file was put back from a backup, or is a copy.
    Restored,
    /// Two nodes say different things of what they have exchanged.
    Disagree,
    /// Two nodes hold one version of an object with different values.
    Content,
}

impl FlawKind {
    /// What helps, where nothing better is known in the case.
    fn way_out(self) -> &'static str {
        const ANEW: &str = "put back a copy of the file from before (then objsync rejoin), or send what can be sent and make it anew as a copy of another node (objsync copy, objsync add-client)";
        match self {
            FlawKind::Constraint => "correct the row, or change the constraint",
            FlawKind::Damaged | FlawKind::Unreadable => {
                "put back a copy of the file from before (then objsync rejoin), or save what can be read with the sqlite3 command `.recover`"
            }
            FlawKind::DanglingReference => {
                "make the row that is missing, or change or delete the one that refers to it; until then it waits wherever it is sent"
            }
            FlawKind::Unidentified => {
                "take its values down, delete the row, and insert it again: then it is an object of its own and travels"
            }
            FlawKind::Content => {
                "find out which is right (objsync verify names both), and write it once more at that node: the change travels"
            }
            FlawKind::Requeue => {
                "try again what waits (objsync requeue retry), or give it up (objsync requeue discard NUMBER)"
            }
            _ => ANEW,
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Flaw {
    /// What kind of thing.
    pub kind: FlawKind,
    /// The class it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The object, if it is about one that has an identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guid: Option<Guid>,
    /// The object's local number, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
    /// What is wrong, in one sentence.
    pub what: String,
    /// What to do about it.
    pub todo: String,
}

impl Flaw {
    pub(crate) fn new(kind: FlawKind, what: impl Into<String>) -> Flaw {
        Flaw { kind, class: None, guid: None, number: None, what: what.into(), todo: kind.way_out().to_owned() }
    }

    pub(crate) fn todo(self, todo: impl Into<String>) -> Flaw {
        Flaw { todo: todo.into(), ..self }
    }
}

/// The flaws that were found, those of one kind up to a bound.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Flaws {
    /// Those that are listed, in the order in which they were found.
    pub listed: Vec<Flaw>,
    /// How many there are of each kind in all.
    pub counts: BTreeMap<FlawKind, usize>,
}

impl Flaws {
    pub(crate) fn add(&mut self, flaw: Flaw) {
        let count = self.counts.entry(flaw.kind).or_default();
        *count += 1;
        if *count <= LISTED {
            self.listed.push(flaw);
        }
    }

    /// Takes out what was found of one kind: what is listed of it, and how many there were.
    pub(crate) fn take(&mut self, kind: FlawKind) -> (Vec<Flaw>, usize) {
        let (taken, rest) = std::mem::take(&mut self.listed).into_iter().partition(|flaw| flaw.kind == kind);
        self.listed = rest;
        (taken, self.counts.remove(&kind).unwrap_or(0))
    }

    /// How many there are in all.
    pub fn total(&self) -> usize {
        self.counts.values().sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

/// How much a check looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LookedAt {
    /// Classes.
    pub classes: usize,
    /// Living objects.
    pub objects: usize,
    /// Deleted objects that are remembered.
    pub deleted: usize,
    /// Filing events.
    pub events: usize,
    /// Conflict records.
    pub records: usize,
    /// Objects that wait.
    pub waiting: usize,
    /// Sets prepared and applied.
    pub sets: usize,
    /// Peers.
    pub peers: usize,
}

/// What checking one node found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckReport {
    /// The node's name.
    pub node: String,
    /// The node.
    pub guid: NodeId,
    /// Its file.
    #[serde(serialize_with = "crate::words::path_as_text")]
    pub file: PathBuf,
    /// How much was looked at.
    pub looked_at: LookedAt,
    /// What is wrong.
    pub flaws: Flaws,
    /// What other programs did that the engine follows before it does anything next; nothing is wrong with it.
    pub notes: Vec<String>,
}

/// What checking several nodes found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Checked {
    /// Each by itself.
    pub nodes: Vec<CheckReport>,
    /// What they say about each other.
    pub between: Flaws,
    /// What was not held against each other; nothing is wrong with it.
    pub notes: Vec<String>,
    /// Files that could not be checked.
    pub unchecked: Vec<Unchecked>,
}

impl Checked {
    /// Whether nothing is wrong with what was checked.
    pub fn is_sound(&self) -> bool {
        self.between.is_empty() && self.nodes.iter().all(|node| node.flaws.is_empty())
    }

    /// All that is listed.
    pub fn flaws(&self) -> impl Iterator<Item = &Flaw> {
        self.nodes.iter().flat_map(|node| &node.flaws.listed).chain(&self.between.listed)
    }
}

/// A file that could not be checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unchecked {
    /// The file.
    #[serde(serialize_with = "crate::words::path_as_text")]
    pub file: PathBuf,
    /// Why.
    pub why: String,
    /// What to do.
    pub todo: String,
}
