//! The requeue: units that could not be applied yet, as they came, until they can be.

use serde::{Deserialize, Serialize};

use crate::sync::data::guid::{Guid, NodeId};
use crate::sync::data::schema::Property;
use crate::sync::data::stamp::Stamp;
use crate::sync::error::{Error, Result};
use crate::sync::exchange::report::{ObjectReport, Outcome, Report, object_name};
use crate::sync::exchange::syncset::{SetObject, SyncSet};
use crate::sync::node::Node;
use crate::sync::node::history::{State, content_from_text, content_to_json};

/// Why a unit waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// It refers to an object that is not here.
    UnknownReference,
    /// It deletes an object that a row here refers to.
    StillReferredTo,
    /// Another row here has what must be unique.
    Unique,
    /// A CHECK constraint here refuses it.
    Check,
    /// A column here must have a value.
    NotNull,
    /// The application holds it back.
    Held,
    /// Another object of its transaction cannot be applied.
    Together,
    /// Something else, which the reason says.
    Other,
}

impl Cause {
    /// Whether the table itself refuses the row.
    pub(crate) fn is_constraint(self) -> bool {
        matches!(self, Cause::Unique | Cause::Check | Cause::NotNull | Cause::Other)
    }

    fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }

    fn parse(name: &str) -> Cause {
        serde_json::from_value(name.into()).unwrap_or(Cause::Other)
    }
}

/// What is in the way of a unit, for people.
#[derive(Clone, Debug)]
pub(crate) struct Obstacle {
    pub(crate) cause: Cause,
    pub(crate) text: String,
}

/// A state that is to be applied: it came with the set at hand, or waits since an earlier one.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    /// Its number in the requeue, where it waits already.
    pub(crate) id: Option<i64>,
    /// Place of its class in this node's list.
    pub(crate) class: usize,
    pub(crate) guid: Guid,
    pub(crate) state: State,
    /// Who sent it, in which set, under which local number.
    pub(crate) peer: NodeId,
    pub(crate) set: i64,
    pub(crate) key: Option<i64>,
    /// The sender's commit that filed it last.
    pub(crate) number: u64,
    /// Whether it came with the set at hand.
    pub(crate) fresh: bool,
}

impl Pending {
    pub(crate) fn from_set(node: &Node, set: &SyncSet, object: &SetObject) -> Result<Pending> {
        let theirs = &set.header.classes[object.class];
        let class = node.classes.iter().position(|c| c.name == theirs.name);
        let class = class.ok_or_else(|| Error::storage(format!("class {} is not known here", theirs.name)))?;
        let mut state = object.state.clone();
        // The sender's columns may stand in another order, and some may be missing.
        if let Some(values) = &mut state.content {
            let ours = &node.classes[class].properties;
            let place = |name: &str| theirs.properties.iter().position(|p| p.name == name);
            let value = |p: &Property| match place(&p.name) {
                Some(i) => Some(values[i].clone()),
                // The sender does not have it yet, so no state of the sender's can say anything else.
                None => p.added.clone(),
            };
            *values = ours.iter().filter_map(value).collect();
        }
        Ok(Pending {
            id: None,
            class,
            guid: object.guid,
            state,
            peer: set.header.source.guid,
            set: set.header.id,
            key: object.key,
            number: object.commits.last().copied().unwrap_or(0),
            fresh: true,
        })
    }
}

/// An object that waits, for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Waiting {
    /// Its number in the requeue, while it waits.
    pub id: i64,
    /// Its class.
    pub class: String,
    /// Its identity.
    pub guid: Guid,
    /// Its key where that is content: `DE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its local number at its source.
    pub source_number: Option<i64>,
    /// Who sent it.
    pub source: String,
    /// In which set.
    pub set: i64,
    /// In which of the source's transactions.
    pub transaction: u64,
    /// Whether it is a deletion.
    pub deletion: bool,
    /// What is in the way.
    pub cause: Cause,
    /// Why it waits, and what helps.
    pub reason: String,
    /// What it has seen.
    #[serde(skip)]
    pub vector: crate::sync::data::vector::Vector,
}

impl Waiting {
    /// What people call it beside its class: its number at the source, its key, or its GUID.
    pub fn name(&self) -> String {
        object_name(self.source_number, self.key.as_deref(), &self.guid)
    }
}

impl Node {
    /// What waits, in order, and what was filed together at its origin.
    pub(crate) fn waiting(&self) -> Result<(Vec<Pending>, Vec<Vec<Guid>>)> {
        let mut statement = self.conn.prepare_cached(
            "SELECT class, object, peer, set_id, vector, time, author, key, number, content, id FROM objsync_waiting ORDER BY id",
        )?;
        let mut rows = statement.query([])?;
        let mut pending = Vec::new();
        while let Some(r) = rows.next()? {
            let id: i64 = r.get(0)?;
            let class = self.classes.iter().position(|c| c.id == id);
            let class = class.ok_or_else(|| Error::storage(format!("class {id} is not known in this file")))?;
            let content: Option<String> = r.get(9)?;
            let state = State {
                content: content.map(|text| content_from_text(&self.classes[class], &text)).transpose()?,
                vector: self.nodes.decode(&r.get::<_, Vec<u8>>(4)?)?,
                stamp: Stamp { time: r.get(5)?, author: self.nodes.guid(r.get(6)?)? },
            };
            pending.push(Pending {
                id: Some(r.get(10)?),
                class,
                guid: self.nodes.object(r.get(1)?)?,
                state,
                peer: self.nodes.guid(r.get(2)?)?,
                set: r.get(3)?,
                key: r.get(7)?,
                number: r.get(8)?,
                fresh: false,
            });
        }
        let mut bonds: Vec<(i64, Vec<Guid>)> = Vec::new();
        let mut statement = self.conn.prepare_cached("SELECT bond, object FROM objsync_bond ORDER BY bond")?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let (bond, guid) = (r.get(0)?, self.nodes.object(r.get(1)?)?);
            match bonds.last_mut() {
                Some((last, members)) if *last == bond => members.push(guid),
                _ => bonds.push((bond, vec![guid])),
            }
        }
        Ok((pending, bonds.into_iter().map(|(_, members)| members).collect()))
    }

    /// Stores what waits from now on, each with its reason. What waited before keeps its number.
    pub(crate) fn store_waiting(&self, waiting: &[(Pending, Obstacle)], bonds: &[Vec<Guid>]) -> Result<()> {
        let last: i64 = self.conn.query_row("SELECT coalesce(max(id), 0) FROM objsync_waiting", [], |r| r.get(0))?;
        let mut ids = last + 1..;
        self.conn.execute_batch("DELETE FROM objsync_waiting; DELETE FROM objsync_bond;")?;
        for (p, obstacle) in waiting {
            let class = &self.classes[p.class];
            self.conn
                .prepare_cached(
                    "INSERT INTO objsync_waiting (id, class, object, peer, set_id, vector, time, author, key, number, content, reason, cause)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
                )?
                .execute(rusqlite::params![
                    p.id.or_else(|| ids.next()),
                    class.id,
                    self.nodes.id(p.guid)?,
                    self.nodes.number(p.peer)?,
                    p.set,
                    self.nodes.encode(p.state.vector.entries().iter().copied())?,
                    p.state.stamp.time,
                    self.nodes.number(p.state.stamp.author)?,
                    p.key,
                    p.number,
                    p.state.content.as_ref().map(|values| content_to_json(class, values).to_string()),
                    obstacle.text,
                    obstacle.cause.name(),
                ])?;
        }
        let waits: std::collections::HashSet<Guid> = waiting.iter().map(|(p, _)| p.guid).collect();
        for (number, bond) in bonds.iter().filter(|b| b.iter().any(|g| waits.contains(g))).enumerate() {
            for guid in bond {
                self.conn
                    .prepare_cached("INSERT OR IGNORE INTO objsync_bond (bond, object) VALUES (?1, ?2)")?
                    .execute((number as i64, self.nodes.id(*guid)?))?;
            }
        }
        Ok(())
    }

    /// What waits, in order, for people.
    pub fn requeue(&self) -> Result<Vec<Waiting>> {
        let reasons: Vec<(String, String)> = self
            .conn
            .prepare_cached("SELECT reason, cause FROM objsync_waiting ORDER BY id")?
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let (pending, _) = self.waiting()?;
        pending
            .into_iter()
            .zip(reasons)
            .map(|(p, (reason, cause))| {
                Ok(Waiting {
                    id: p.id.unwrap_or_default(),
                    class: self.classes[p.class].name.clone(),
                    guid: p.guid,
                    key: self.pending_key(&p)?,
                    source_number: p.key,
                    source: self.nodes.name(p.peer),
                    set: p.set,
                    transaction: p.number,
                    deletion: p.state.content.is_none(),
                    cause: Cause::parse(&cause),
                    reason,
                    vector: p.state.vector,
                })
            })
            .collect()
    }

    /// A set that holds nothing new: every object of it was received before.
    pub(crate) fn report_known(&self, set: &SyncSet, report: &mut Report) -> Result<()> {
        for object in &set.objects {
            let name = &set.header.classes[object.class].name;
            let class = self.class(name)?;
            report.add(ObjectReport {
                class: name.clone(),
                guid: object.guid,
                key: self.key_text(class, object.state.content.as_deref()),
                number: class.number_shown(self.key_of(class, object.guid)?),
                source_number: object.key,
                outcome: Outcome::Skipped,
                reason: format!(
                    "received before: {} has all of {}'s transactions up to here",
                    self.info.name, set.header.source.name
                ),
                conflict: None,
                row_changed: false,
            });
        }
        Ok(())
    }
}
