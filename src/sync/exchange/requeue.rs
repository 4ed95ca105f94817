//! The requeue: units that could not be applied yet, as they came, until they can be.

use rusqlite::Row;
use serde::{Deserialize, Serialize};

use crate::sync::data::guid::{Guid, NodeId};
use crate::sync::data::schema::Property;
use crate::sync::data::stamp::Stamp;
use crate::sync::error::{Error, Result};
use crate::sync::exchange::report::{Outcome, Report, object_name};
use crate::sync::exchange::spool::Spooled;
use crate::sync::exchange::syncset::{Change, Header, SetObject};
use crate::sync::node::Node;
use crate::sync::node::dots::{Dots, authors_dot};
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
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    /// Which commits wrote its properties, as far as its sender said; `None`: not known.
    pub(crate) dots: Option<Dots>,
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
    pub(crate) fn from_set(node: &Node, header: &Header, object: SetObject) -> Result<Pending> {
        let theirs = &header.classes[object.class];
        let class = node.classes.iter().position(|c| c.name == theirs.name);
        let class = class.ok_or_else(|| Error::storage(format!("class {} is not known here", theirs.name)))?;
        let mut state = object.state;
        let dots = (header.format >= 5).then(|| {
            let usual = authors_dot(&state);
            let dot = |p: &Property| {
                let place = theirs.properties.iter().position(|q| q.name == p.name)?;
                let listed = object.dots.iter().find(|(i, _)| *i == place).map(|(_, dot)| *dot);
                let named = object.change != Change::Changed || object.was.iter().any(|(i, _)| *i == place);
                listed.or(named.then_some(usual))
            };
            node.classes[class].properties.iter().map(dot).collect()
        });
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
            dots,
            peer: header.source.guid,
            set: header.id,
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
    /// What waits under a number.
    pub(crate) fn waiting_one(&self, id: i64) -> Result<Option<Pending>> {
        let mut statement = self.conn.prepare_cached(&format!("{WAITING} WHERE id = ?1"))?;
        let mut rows = statement.query([id])?;
        rows.next()?.map(|r| self.waiting_row(r)).transpose()
    }

    fn waiting_row(&self, r: &Row<'_>) -> Result<Pending> {
        let id: i64 = r.get(0)?;
        let class = self.classes.iter().position(|c| c.id == id);
        let class = class.ok_or_else(|| Error::storage(format!("class {id} is not known in this file")))?;
        let (content, dots): (Option<String>, Option<String>) = (r.get(9)?, r.get(11)?);
        let state = State {
            content: content.map(|text| content_from_text(&self.classes[class], &text)).transpose()?,
            vector: self.nodes.decode(&r.get::<_, Vec<u8>>(4)?)?,
            stamp: Stamp { time: r.get(5)?, author: self.nodes.guid(r.get(6)?)? },
        };
        Ok(Pending {
            id: Some(r.get(10)?),
            class,
            guid: self.nodes.object(r.get(1)?)?,
            state,
            dots: dots.map(|text| self.dots_from_text(&text, self.classes[class].properties.len())).transpose()?,
            peer: self.nodes.guid(r.get(2)?)?,
            set: r.get(3)?,
            key: r.get(7)?,
            number: r.get(8)?,
            fresh: false,
        })
    }

    /// What waits, in order, and what was filed together at its origin.
    pub(crate) fn waiting(&self) -> Result<(Vec<Pending>, Vec<Vec<Guid>>)> {
        let mut statement = self.conn.prepare_cached(&format!("{WAITING} ORDER BY id"))?;
        let mut rows = statement.query([])?;
        let mut pending = Vec::new();
        while let Some(r) = rows.next()? {
            pending.push(self.waiting_row(r)?);
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

    /// Stores a state that waits from now on, with its reason. One that waited before keeps its number.
    pub(crate) fn store_waiting(&self, p: &Pending, obstacle: &Obstacle) -> Result<()> {
        let cause = obstacle.cause.name();
        if let Some(id) = p.id {
            let sql =
                "UPDATE objsync_waiting SET reason = ?2, cause = ?3 WHERE id = ?1 AND (reason, cause) <> (?2, ?3)";
            self.conn.prepare_cached(sql)?.execute((id, &obstacle.text, cause))?;
            return Ok(());
        }
        let class = &self.classes[p.class];
        self.conn
            .prepare_cached(
                "INSERT INTO objsync_waiting (class, object, peer, set_id, vector, time, author, key, number, content, reason, cause, dots)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?
            .execute(rusqlite::params![
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
                cause,
                p.dots.as_ref().map(|dots| self.dots_to_text(dots)).transpose()?,
            ])?;
        Ok(())
    }

    /// Forgets what waited and does not any more.
    pub(crate) fn forget_waiting(&self, id: i64) -> Result<()> {
        self.conn.prepare_cached("DELETE FROM objsync_waiting WHERE id = ?1")?.execute([id])?;
        Ok(())
    }

    /// Stores what was filed together, as far as any of it waits.
    pub(crate) fn store_bonds(&self) -> Result<()> {
        self.conn.execute("DELETE FROM objsync_bond", [])?;
        let waits = "SELECT EXISTS(SELECT 1 FROM objsync_waiting)";
        if !self.conn.prepare_cached(waits)?.query_row([], |r| r.get(0))? {
            return Ok(());
        }
        let mut insert = self.conn.prepare_cached("INSERT INTO objsync_bond (bond, object) VALUES (?1, ?2)")?;
        self.bonds_left(|bond, guid| Ok(insert.execute((bond, self.nodes.id(guid)?)).map(drop)?))
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
    pub(crate) fn report_known(&mut self, set: &Spooled, report: &mut Report) -> Result<()> {
        let queue = self.queue(Some(set))?;
        for index in queue.waiting..queue.finished.len() {
            self.going_on("finding what is known", index, Some(queue.finished.len()))?;
            let Some(p) = self.load(&queue, [index].into_iter())?.pop() else { continue };
            let (node, source) = (&self.info.name, self.called_here(&set.header.source));
            let reason = format!("received before: {node} has all of {source}'s transactions up to here");
            report.add(index, self.line(&p, None, Outcome::Skipped, reason)?);
        }
        Ok(())
    }
}

const WAITING: &str =
    "SELECT class, object, peer, set_id, vector, time, author, key, number, content, id, dots FROM objsync_waiting";
