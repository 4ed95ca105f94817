//! Conflict records: what was found, what was chosen and why; kept for good.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::sync::data::guid::{Guid, NodeId};
use crate::sync::data::schema::Class;
use crate::sync::decisions::decide::{Because, Chosen, Decision, Finding, Taken};
use crate::sync::error::{Error, Result};
use crate::sync::exchange::report::object_name;
use crate::sync::node::Node;
use crate::sync::node::history::{Content, State};
use crate::words::{local_time, quoted, two_times};

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
    /// What came could not be applied here, and somebody gave it up.
    #[serde(rename = "discarded")]
    Discarded,
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
            ConflictKind::Discarded => "came, could not be applied, and was discarded",
        }
    }
}

/// How a record stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordState {
    /// A rule or a person has decided.
    #[default]
    Decided,
    /// Somebody is to decide; ours stays until then.
    Open,
    /// No conflict: the sides changed different properties, which `merge properties` combined. Recorded because the result
    /// is a row that nobody wrote.
    Combined,
    /// The set was taken back, and this decision with it.
    TakenBack,
}

impl RecordState {
    const ALL: [RecordState; 4] =
        [RecordState::Decided, RecordState::Open, RecordState::Combined, RecordState::TakenBack];

    pub(crate) fn code(self) -> i64 {
        self as i64
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
    /// How it stands.
    #[serde(default)]
    pub state: RecordState,
    /// The object's class.
    pub class: String,
    /// The object.
    pub guid: String,
    /// Its key where that is content: `DE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its local number here.
    pub number: Option<i64>,
    /// Its local number at the source.
    pub source_number: Option<i64>,
    /// What the two sides did.
    pub kind: ConflictKind,
    /// The properties that differ between the sides.
    pub properties: Vec<String>,
    /// The newest common states, by property; none where these are not all known here, or do not tell what has changed since.
    pub ancestors: Vec<Json>,
    /// The state here.
    pub ours: ConflictSide,
    /// The state that came.
    pub theirs: ConflictSide,
    /// What was chosen when it was found.
    pub chosen: Chosen,
    /// The values that were chosen, by property; null: deleted.
    #[serde(default)]
    pub result: Json,
    /// Property by property, where the rule decides so: whose value was taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<TakenProperty>,
    /// The rule that chose.
    pub rule: String,
    /// Why, in words.
    pub why: String,
    /// The node that sent the set.
    pub source: String,
    /// The set's number at its source.
    pub set: i64,
    /// The other objects of the transaction, or of all that had to be applied with it; at most 100.
    pub siblings: Vec<String>,
    /// When it was found, microseconds since 1970 UTC.
    pub at: i64,
    /// What people decided later, oldest first; the last one stands.
    #[serde(default)]
    pub again: Vec<DecidedAgain>,
}

/// Whose value of a property was taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TakenProperty {
    /// The property.
    pub property: String,
    /// `ours` or `theirs`.
    pub from: Chosen,
    /// Both sides changed it, and the later one stands; else only that side did.
    pub both: bool,
}

/// A decision of a person about a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecidedAgain {
    /// What was chosen.
    pub chosen: Chosen,
    /// The values, by property; null: deleted.
    pub result: Json,
    /// When, microseconds since 1970 UTC.
    pub at: i64,
    /// The commit here that filed it; none where nothing had to change.
    pub number: Option<u64>,
}

impl ConflictRecord {
    /// What people call the object beside its class: its number here, or at the source, its key, or its GUID.
    pub fn name(&self) -> String {
        object_name(self.number.or(self.source_number), self.key.as_deref(), &self.guid)
    }

    /// What stands by the record: the last decision and its values.
    pub fn standing(&self) -> (Chosen, &Json) {
        self.again.last().map_or((self.chosen, &self.result), |d| (d.chosen, &d.result))
    }
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
    /// `None` finds the kind by the contents.
    pub(crate) kind: Option<ConflictKind>,
    pub(crate) decision: &'a Decision,
    pub(crate) rule: &'a str,
    /// In front of the decision's own reason.
    pub(crate) because: &'a str,
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
            content: class.content_json(&state.content),
            time: state.stamp.time,
            author: self.nodes.name(state.stamp.author),
            role: author.map(|a| a.role).unwrap_or_default().name().to_owned(),
            vector: state.vector.entries().iter().map(|(node, n)| (node.to_string(), *n)).collect(),
        }
    }

    /// Records a conflict; returns the record.
    pub(crate) fn record_conflict(&self, found: &Found<'_>) -> Result<ConflictRecord> {
        let Found { class, ours, theirs, decision, .. } = found;
        let properties = match (&ours.content, &theirs.content) {
            (Some(a), Some(b)) => class
                .properties
                .iter()
                .zip(a.iter().zip(b))
                .filter(|(_, (a, b))| a != b)
                .map(|(p, _)| p.name.clone())
                .collect(),
            _ => Vec::new(),
        };
        let taken = match &decision.because {
            Because::ByProperty(taken) => taken
                .iter()
                .map(|t| TakenProperty {
                    property: class.properties[t.property].name.clone(),
                    from: t.from,
                    both: t.both,
                })
                .collect(),
            _ => Vec::new(),
        };
        let mut record = ConflictRecord {
            id: 0,
            state: match decision.finding() {
                Finding::Combined => RecordState::Combined,
                Finding::Open => RecordState::Open,
                _ => RecordState::Decided,
            },
            class: class.name.clone(),
            guid: found.guid.to_string(),
            key: self.key_text(class, ours.content.as_deref().or(theirs.content.as_deref())),
            number: class.number_shown(found.number),
            source_number: found.source_number,
            kind: found.kind.unwrap_or_else(|| ConflictKind::of(&ours.content, &theirs.content)),
            properties,
            ancestors: found.ancestors.iter().map(|a| class.content_json(&a.content)).collect(),
            ours: self.side(class, ours),
            theirs: self.side(class, theirs),
            chosen: decision.chosen,
            result: class.content_json(&decision.content),
            taken,
            rule: found.rule.to_owned(),
            why: String::new(),
            source: self.nodes.name(found.source),
            set: found.set,
            siblings: found.siblings.iter().map(Guid::to_string).collect(),
            at: (self.clock)(),
            again: Vec::new(),
        };
        record.why = format!("{}{}", found.because, self.why(class, decision, &record));
        self.conn
            .prepare_cached(
                "INSERT INTO objsync_conflict (class, object, at, number, record, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((
                class.id,
                self.nodes.id(found.guid)?,
                record.at,
                found.commit,
                stored(&record)?,
                record.state.code(),
            ))?;
        record.id = self.conn.last_insert_rowid();
        Ok(record)
    }

    /// Why the rule chose as it did: `made at CLIENT, which wins over MASTER`.
    fn why(&self, class: &Class, decision: &Decision, record: &ConflictRecord) -> String {
        let (winner, loser) = match decision.chosen {
            Chosen::Theirs => (&record.theirs, &record.ours),
            _ => (&record.ours, &record.theirs),
        };
        match &decision.because {
            Because::OtherUnchanged => format!("{} changed nothing", loser.author),
            Because::Role => format!("made at {}, which wins over {}", winner.author, loser.author),
            Because::Later => {
                let (later, earlier) = two_times(winner.time, loser.time);
                format!("made later, at {} ({later} against {earlier})", winner.author)
            }
            Because::Undoubted => format!(
                "the time of the other one, {}, is more than a day ahead of this machine's clock, so the one made at {} counts as the later",
                local_time(loser.time),
                winner.author
            ),
            Because::TieBreak => format!("made at the same time; {} comes first by role and node", winner.author),
            Because::Kept => "the rule keeps what is here".to_owned(),
            Because::Accepted => "the rule takes what comes".to_owned(),
            Because::Asked => "somebody is to decide".to_owned(),
            Because::Own(why) => why.clone(),
            Because::ByProperty(taken) => self.whose_was_what(class, taken, decision, record),
        }
    }

    /// `quantity 7 from MASTER, price 70 from CLIENT; item 12 from CLIENT, the later where both changed it (…)`
    fn whose_was_what(&self, class: &Class, taken: &[Taken], decision: &Decision, record: &ConflictRecord) -> String {
        let value = |t: &Taken| {
            let value =
                decision.content.as_ref().map(|values| self.shown(&class.properties[t.property], &values[t.property]));
            format!("{} {}", class.properties[t.property].name, value.unwrap_or_default())
        };
        let side = |from| if from == Chosen::Ours { &self.info.name } else { &record.source };
        let (both, one): (Vec<&Taken>, Vec<&Taken>) = taken.iter().partition(|t| t.both);
        let mut said: Vec<String> = Vec::new();
        if !one.is_empty() {
            let each: Vec<String> = one.iter().map(|t| format!("{} from {}", value(t), side(t.from))).collect();
            said.push(each.join(", "));
        }
        if let Some(first) = both.first() {
            let (later, earlier) = match first.from {
                Chosen::Theirs => (&record.theirs, &record.ours),
                _ => (&record.ours, &record.theirs),
            };
            let each: Vec<String> = both.iter().map(|t| value(t)).collect();
            let (later_time, earlier_time) = two_times(later.time, earlier.time);
            let doubt =
                if later.time < earlier.time { ", which is more than a day ahead and does not count" } else { "" };
            said.push(format!(
                "{} from {}, the later where both changed it (made at {}, {later_time} against {earlier_time}{doubt})",
                each.join(" and "),
                side(first.from),
                later.author,
            ));
        }
        said.join("; ")
    }

    /// The conflict records, those to be decided first, then the newest first; at most `limit`.
    pub fn conflicts(&self, limit: usize) -> Result<Vec<ConflictRecord>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.records("SELECT id, state, record FROM objsync_conflict ORDER BY state = 1 DESC, id DESC LIMIT ?1", limit)
    }

    /// The record with that number.
    pub fn conflict(&self, record: i64) -> Result<ConflictRecord> {
        let found = self.records("SELECT id, state, record FROM objsync_conflict WHERE id = ?1", record)?.pop();
        found.ok_or_else(|| {
            let here = &self.info.name;
            Error::usage(format!("{here} has no conflict record {record}; nothing was changed"))
                .hint(format!("objsync conflicts --node {} lists them", quoted(here)))
        })
    }

    fn records(&self, sql: &str, parameter: i64) -> Result<Vec<ConflictRecord>> {
        let rows = self
            .conn
            .prepare_cached(sql)?
            .query_map([parameter], |r| Ok((r.get(0)?, r.get::<_, usize>(1)?, r.get::<_, String>(2)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        rows.into_iter()
            .map(|(id, state, json)| {
                let mut record: ConflictRecord = serde_json::from_str(&json)
                    .map_err(|e| Error::storage(format!("conflict record {id} is damaged: {e}")))?;
                // Records of storage format 1 do not say what came of them.
                if record.result.is_null() && record.again.is_empty() {
                    let chosen = if record.chosen == Chosen::Theirs { &record.theirs } else { &record.ours };
                    record.result = chosen.content.clone();
                }
                let state = RecordState::ALL.get(state).copied().unwrap_or_default();
                Ok(ConflictRecord { id, state, ..record })
            })
            .collect()
    }

    /// Writes a record that was decided again.
    pub(crate) fn store_record(&self, record: &ConflictRecord) -> Result<()> {
        self.conn.prepare_cached("UPDATE objsync_conflict SET record = ?2, state = ?3 WHERE id = ?1")?.execute((
            record.id,
            stored(record)?,
            record.state.code(),
        ))?;
        Ok(())
    }

    /// How many conflicts were recorded; combinations and what was taken back do not count.
    pub fn conflict_count(&self) -> Result<usize> {
        let counts = self.record_counts()?;
        let of = |state| counts.get(&state).copied().unwrap_or(0);
        Ok(of(RecordState::Decided.code()) + of(RecordState::Open.code()))
    }

    /// How many records are still to be decided.
    pub fn open_conflicts(&self) -> Result<usize> {
        Ok(self.record_counts()?.get(&RecordState::Open.code()).copied().unwrap_or(0))
    }

    fn record_counts(&self) -> Result<HashMap<i64, usize>> {
        let rows = self
            .conn
            .prepare_cached("SELECT state, count(*) FROM objsync_conflict GROUP BY state")?
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }
}

/// Number and state stand in columns of their own.
fn stored(record: &ConflictRecord) -> Result<String> {
    serde_json::to_string(record).map_err(|e| Error::storage(e.to_string()))
}
