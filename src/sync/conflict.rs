//! Conflict records: what was found, what was chosen and why; kept for good.

use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::sync::decide::{Because, Chosen, Decision};
use crate::sync::error::{Error, Result};
use crate::sync::guid::{Guid, NodeId};
use crate::sync::history::{Content, State, content_to_json};
use crate::sync::node::Node;
use crate::sync::rule::Rule;
use crate::sync::schema::Class;

/// What the two sides did. Every conflict is one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConflictKind {
    /// Changed here, changed there.
    #[serde(rename = "changed/changed")]
    ChangedChanged,
    /// Changed here, deleted there.
    #[serde(rename = "changed/deleted")]
    ChangedDeleted,
    /// Deleted here, changed there.
    #[serde(rename = "deleted/changed")]
    DeletedChanged,
}

impl ConflictKind {
    fn of(ours: &Content, theirs: &Content) -> Self {
        match (ours, theirs) {
            (None, _) => ConflictKind::DeletedChanged,
            (_, None) => ConflictKind::ChangedDeleted,
            _ => ConflictKind::ChangedChanged,
        }
    }

    /// For people: `changed on both sides`, `changed here, deleted there`.
    pub fn words(self) -> &'static str {
        match self {
            ConflictKind::ChangedChanged => "changed on both sides",
            ConflictKind::ChangedDeleted => "changed here, deleted there",
            ConflictKind::DeletedChanged => "deleted here, changed there",
        }
    }
}

/// One of the two states of a conflict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConflictSide {
    /// The values by property, `{"ref": GUID}` for references; null: deleted.
    pub content: Json,
    /// When the content was made, microseconds since 1970 UTC.
    pub time: i64,
    /// The name of the node that made it.
    pub author: String,
    /// The author's role, `master` or `client`.
    pub role: String,
    /// What it had seen, `[node GUID, commit]`.
    pub vector: Vec<(String, u64)>,
}

/// A conflict record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConflictRecord {
    /// Its number at this node.
    #[serde(default)]
    pub id: i64,
    /// The object's class.
    pub class: String,
    /// The object.
    pub guid: String,
    /// Its local number here.
    pub number: Option<i64>,
    /// Its local number at the source.
    pub source_number: Option<i64>,
    /// What the two sides did.
    pub kind: ConflictKind,
    /// The properties that differ between the sides.
    pub properties: Vec<String>,
    /// The newest common states, by property; none known after a purge.
    pub ancestors: Vec<Json>,
    /// The state here.
    pub ours: ConflictSide,
    /// The state that came.
    pub theirs: ConflictSide,
    /// `ours` or `theirs`.
    pub chosen: String,
    /// The rule that chose.
    pub rule: String,
    /// Why, in words.
    pub why: String,
    /// The node that sent the set.
    pub source: String,
    /// The set's number at its source.
    pub set: i64,
    /// The other objects of the transaction.
    pub siblings: Vec<String>,
    /// When it was decided, microseconds since 1970 UTC.
    pub at: i64,
}

/// A decided conflict, about to be recorded.
pub(crate) struct Found<'a> {
    pub(crate) class: &'a Class,
    pub(crate) guid: Guid,
    pub(crate) number: Option<i64>,
    pub(crate) source_number: Option<i64>,
    pub(crate) ancestors: &'a [State],
    pub(crate) ours: &'a State,
    pub(crate) theirs: &'a State,
    pub(crate) decision: Decision,
    pub(crate) rule: Rule,
    pub(crate) source: NodeId,
    pub(crate) set: i64,
    pub(crate) siblings: &'a [Guid],
    /// The commit here.
    pub(crate) commit: u64,
}

impl Node {
    fn side(&self, class: &Class, state: &State) -> ConflictSide {
        let author = self.nodes.find(state.stamp.author);
        ConflictSide {
            content: state.content.as_ref().map_or(Json::Null, |values| content_to_json(class, values)),
            time: state.stamp.time,
            author: self.nodes.name(state.stamp.author),
            role: author.map(|a| a.role).unwrap_or_default().name().to_owned(),
            vector: state.vector.entries().iter().map(|(node, n)| (node.to_string(), *n)).collect(),
        }
    }

    /// Records a conflict; returns the record.
    pub(crate) fn record_conflict(&self, found: &Found<'_>) -> Result<ConflictRecord> {
        let Found { class, ours, theirs, decision, .. } = found;
        let (winner, loser) = match decision.chosen {
            Chosen::Ours => (self.side(class, ours), self.side(class, theirs)),
            Chosen::Theirs => (self.side(class, theirs), self.side(class, ours)),
        };
        let properties = match (&ours.content, &theirs.content) {
            (Some(a), Some(b)) => class
                .properties
                .iter()
                .enumerate()
                .filter(|(i, _)| a[*i] != b[*i])
                .map(|(_, p)| p.name.clone())
                .collect(),
            _ => Vec::new(),
        };
        let mut record = ConflictRecord {
            id: 0,
            class: class.name.clone(),
            guid: found.guid.to_string(),
            number: found.number,
            source_number: found.source_number,
            kind: ConflictKind::of(&ours.content, &theirs.content),
            properties,
            ancestors: found
                .ancestors
                .iter()
                .map(|a| a.content.as_ref().map_or(Json::Null, |values| content_to_json(class, values)))
                .collect(),
            ours: self.side(class, ours),
            theirs: self.side(class, theirs),
            chosen: if decision.chosen == Chosen::Ours { "ours" } else { "theirs" }.to_owned(),
            rule: found.rule.name().to_owned(),
            why: why(*decision, &winner, &loser),
            source: self.nodes.name(found.source),
            set: found.set,
            siblings: found.siblings.iter().map(Guid::to_string).collect(),
            at: (self.clock)(),
        };
        let json = serde_json::to_string(&record).map_err(|e| Error::storage(e.to_string()))?;
        self.conn
            .prepare_cached(
                "INSERT INTO objsync_conflict (class, object, at, number, record) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((class.id, self.nodes.id(found.guid)?, record.at, found.commit, json))?;
        record.id = self.conn.last_insert_rowid();
        Ok(record)
    }

    /// The conflict records, newest first, at most `limit`.
    pub fn conflicts(&self, limit: usize) -> Result<Vec<ConflictRecord>> {
        let rows = self
            .conn
            .prepare_cached("SELECT id, record FROM objsync_conflict ORDER BY id DESC LIMIT ?1")?
            .query_map([limit as i64], |r| Ok((r.get(0)?, r.get::<_, String>(1)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        rows.into_iter()
            .map(|(id, json)| {
                let record: ConflictRecord = serde_json::from_str(&json)
                    .map_err(|e| Error::storage(format!("conflict record {id} is damaged: {e}")))?;
                Ok(ConflictRecord { id, ..record })
            })
            .collect()
    }

    /// How many conflict records there are.
    pub fn conflict_count(&self) -> Result<usize> {
        let count: Option<usize> = self
            .conn
            .prepare_cached("SELECT count(*) FROM objsync_conflict")?
            .query_row([], |r| r.get(0))
            .optional()?;
        Ok(count.unwrap_or(0))
    }
}

fn why(decision: Decision, winner: &ConflictSide, loser: &ConflictSide) -> String {
    match decision.because {
        Because::OtherUnchanged => format!("{} changed nothing", loser.author),
        Because::Role => format!("made at {}, a {}, which wins over the {}", winner.author, winner.role, loser.role),
        Because::Later => {
            format!("made later, at {} ({} against {})", winner.author, clock_time(winner.time), clock_time(loser.time))
        }
        Because::TieBreak => format!("made at the same time; {} comes first by role and node", winner.author),
    }
}

/// Local date and time, to the millisecond.
pub(crate) fn clock_time(micros: i64) -> String {
    let time = chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default();
    time.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}
