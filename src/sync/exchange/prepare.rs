//! Preparing a set: the net state of every object filed in a range of commits, less what came unchanged from the peer.

use std::collections::HashMap;
use std::path::PathBuf;

use rusqlite::OptionalExtension;
use serde::Serialize;

use crate::sync::data::guid::{Guid, NodeId};
use crate::sync::data::schema::Key;
use crate::sync::data::value::Value;
use crate::sync::error::{Error, Refusal, Result};
use crate::sync::exchange::sync_times::{Since, SyncTimes};
use crate::sync::exchange::syncset::{Change, Header, SetObject, Target, Tie, Writer};
use crate::sync::node::{Node, NodeInfo};

/// What to prepare, and where to.
#[derive(Clone, Debug)]
pub struct PrepareOptions {
    /// The set's number at this node, above 0 and not used before.
    pub id: i64,
    /// Its file.
    pub file: PathBuf,
    /// After which commit it starts.
    pub since: Since,
    /// The last commit it covers; `None`: all there are.
    pub upto: Option<u64>,
    /// Whether a used id or a file that is there may be replaced.
    pub overwrite: bool,
    /// Whether "last sent" moves on. Without, the set is an extra copy: the next one covers its range again.
    pub update_sync_time: bool,
}

/// A set that was prepared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Prepared {
    /// Its number at the source.
    pub id: i64,
    /// Its file, absolute.
    pub file: PathBuf,
    /// The name of the node that sends.
    pub source: String,
    /// The name of the node that it is addressed to.
    pub target: String,
    /// The first commit it covers.
    pub first_transaction: u64,
    /// The last; one less than the first where nothing new was filed.
    pub last_transaction: u64,
    /// How many objects it carries.
    pub objects: usize,
    /// In how many commits they were filed.
    pub transactions: usize,
    /// The size of the file.
    pub bytes: u64,
}

/// What a set prepared now would carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ToSend {
    /// Objects.
    pub objects: usize,
    /// The commits in which they were filed.
    pub transactions: usize,
}

/// An object filed in a range.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) class: i64,
    pub(crate) object: i64,
    first_pos: i64,
    /// What was there before its first event in the range, as `objsync_journal.before` has it.
    before: i64,
    last_pos: i64,
    origin: Option<i64>,
    commits: Vec<u64>,
}

impl Node {
    /// Writes a set for `peer`. The file is complete, synced and in place before "last sent" is noted.
    pub fn prepare(&mut self, peer: NodeId, options: &PrepareOptions) -> Result<Prepared> {
        if options.id <= 0 {
            return Err(Error::usage(format!(
                "a set's id is a number above 0, not {}; nothing was changed",
                options.id
            )));
        }
        // The set tells others our numbers, so what it holds must be on disk first: a power loss that took commits back
        // after the set had left would let this node give their numbers twice.
        self.conn.execute_batch("PRAGMA synchronous = FULL")?;
        let result = self.prepare_durably(peer, options);
        self.conn.execute_batch("PRAGMA synchronous = NORMAL")?;
        result
    }

    fn prepare_durably(&mut self, peer: NodeId, options: &PrepareOptions) -> Result<Prepared> {
        let now = (self.clock)();
        let durable = self.write(|node| {
            node.conn.execute("UPDATE objsync_state SET clock = max(clock, ?1)", [now])?;
            node.number()
        })?;
        self.write(|node| {
            let info = node.nodes.find(peer).cloned();
            let info = info.ok_or_else(|| Error::usage(format!("{} does not know node {peer}", node.info.name)))?;
            node.check_not_retired(&info)?;
            node.check_unused(options)?;
            let (start, end) = node.range(&info, options, durable)?;
            let header = node.header(&info, options.id, start, end)?;
            let target = Target { file: &options.file, overwrite: options.overwrite };
            let mut writer = Writer::new(&target, &header)?;
            let (mut sent, tied) = node.outgoing(peer, start, end)?;
            sent.sort_by_key(|o| o.last_pos);
            for outgoing in &sent {
                if let Some(object) = node.set_object(&header, outgoing, end)? {
                    writer.object(&object)?;
                }
            }
            for outgoing in tied {
                let (class, guid) = (node.place(&header, outgoing.class)?, node.nodes.object(outgoing.object)?);
                writer.tie(&Tie { class, guid, commits: outgoing.commits })?;
            }
            let written = writer.finish(&target, &node.signing()?)?;
            let times = node.sync_times(peer)?;
            if options.update_sync_time {
                node.set_sync_times(peer, SyncTimes { sent: times.sent.max(end), ..times })?;
            }
            let prepared = Prepared {
                id: options.id,
                file: written.file,
                source: node.info.name.clone(),
                target: info.name.clone(),
                first_transaction: start + 1,
                last_transaction: end,
                objects: written.objects,
                transactions: written.transactions,
                bytes: written.bytes,
            };
            node.make_final(&format!("set {} was prepared here for {} since", options.id, info.name))?;
            node.conn.execute(
                "DELETE FROM objsync_set WHERE sent = 1 AND id = ?1",
                [options.id],
            )?;
            node.conn.execute(
                "INSERT INTO objsync_set (sent, peer, id, digest, file, first, last, objects, transactions, bytes, at, report)
                 VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                rusqlite::params![
                    node.nodes.number(peer)?,
                    options.id,
                    written.digest,
                    prepared.file.to_string_lossy(),
                    prepared.first_transaction,
                    prepared.last_transaction,
                    prepared.objects,
                    prepared.transactions,
                    prepared.bytes,
                    now,
                    serde_json::to_string(&prepared).map_err(|e| Error::storage(e.to_string()))?,
                ],
            )?;
            Ok(prepared)
        })
    }

    fn check_unused(&self, options: &PrepareOptions) -> Result<()> {
        let used: bool = self.conn.query_row(
            "SELECT EXISTS(SELECT 1 FROM objsync_set WHERE sent = 1 AND id = ?1)",
            [options.id],
            |r| r.get(0),
        )?;
        if used && !options.overwrite {
            return Err(Error::storage(format!(
                "{} has prepared a set {} already; nothing was changed",
                self.info.name, options.id
            ))
            .hint(format!(
                "use another id, such as {}, or replace that set on purpose (--overwrite)",
                self.next_set_id()?
            )));
        }
        Ok(())
    }

    /// An id that no set prepared here has: 1000, or one more than the highest.
    pub fn next_set_id(&self) -> Result<i64> {
        let highest: Option<i64> =
            self.conn.query_row("SELECT max(id) FROM objsync_set WHERE sent = 1", [], |r| r.get(0))?;
        Ok(highest.map_or(1000, |id| id.saturating_add(1)))
    }

    fn range(&self, peer: &NodeInfo, options: &PrepareOptions, durable: u64) -> Result<(u64, u64)> {
        let mut start = self.start_for(peer.guid, options.since)?;
        if options.overwrite {
            // What a replaced set carried must not be lost with it.
            let sql = "SELECT min(first) - 1 FROM objsync_set WHERE sent = 1 AND id = ?1 AND peer = ?2";
            let replaced: Option<u64> =
                self.conn.query_row(sql, (options.id, self.nodes.number(peer.guid)?), |r| r.get(0))?;
            let confirmed = self.start_for(peer.guid, Since::Acknowledged)?;
            start = replaced.map_or(start, |first| start.min(first.max(confirmed)));
        }
        let end = options.upto.unwrap_or(durable).min(self.number()?);
        let (name, floor) = (&self.info.name, self.floor()?);
        if start < floor {
            let what = format!(
                "{} needs {name}'s transactions after {start}, which are purged up to {floor}; nothing was changed",
                peer.name
            );
            return Err(Error::refused(Refusal::Purged, what).hint(format!(
                "{} sends its own changes first; if it stays behind, make it anew as a fresh copy of {name}",
                peer.name
            )));
        }
        if options.upto.is_some_and(|upto| upto > end) || start > end {
            return Err(Error::usage(format!(
                "there is no range from {} to {} at {name}, whose last transaction is {}; nothing was changed",
                start + 1,
                options.upto.unwrap_or(end),
                self.number()?
            )));
        }
        Ok((start, end))
    }

    fn header(&self, peer: &NodeInfo, id: i64, start: u64, end: u64) -> Result<Header> {
        let mut nodes = vec![self.info.clone(), peer.clone()];
        nodes.extend(self.nodes.all().filter(|n| n.guid != self.info.guid && n.guid != peer.guid).cloned());
        let (mut received, mut seen) = (Vec::new(), Vec::new());
        for node in self.peers()? {
            let times = self.sync_times(node)?;
            received.push((node, times.received));
            if times.seen_number > 0 {
                seen.push((node, times.seen_number, times.seen_clock));
            }
        }
        Ok(Header {
            id,
            source: self.info.clone(),
            target: peer.clone(),
            nodes,
            lineage: self.lineage_of(self.info.guid)?,
            number: self.number()?,
            clock: self.conn.query_row("SELECT clock FROM objsync_state", [], |r| r.get(0))?,
            start,
            end,
            received,
            seen,
            earlier: self.unconfirmed_sets(peer)?,
            classes: self.classes.clone(),
            key: self.public_key(self.info.guid)?,
            keys: self.known_keys()?.into_iter().filter_map(|known| Some((known.node.guid, known.key?))).collect(),
        })
    }

    /// Sets prepared for a peer that it has not confirmed, so that it can tell which one it lacks.
    fn unconfirmed_sets(&self, peer: &NodeInfo) -> Result<Vec<(i64, u64, u64)>> {
        let confirmed = self.start_for(peer.guid, Since::Acknowledged)?;
        let sql = "SELECT id, first, last FROM objsync_set WHERE sent = 1 AND peer = ?1 AND last > ?2 AND first <= last
                   ORDER BY seq DESC LIMIT 100";
        let rows = self
            .conn
            .prepare_cached(sql)?
            .query_map((self.nodes.number(peer.guid)?, confirmed), |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }

    fn place(&self, header: &Header, class: i64) -> Result<usize> {
        let name = &self.class_by_id(class)?.name;
        let found = header.classes.iter().position(|c| c.name == *name);
        found.ok_or_else(|| Error::storage(format!("class {name} is not in the set's header")))
    }

    /// The first journal position after commit `number`. Positions and numbers grow together, so it is found by halving.
    pub(crate) fn first_pos_after(&self, number: u64) -> Result<i64> {
        let max: Option<i64> =
            self.conn.prepare_cached("SELECT max(pos) FROM objsync_journal")?.query_row([], |r| r.get(0))?;
        let (mut low, mut high) = (0, max.unwrap_or(0) + 1);
        let mut at =
            self.conn.prepare_cached("SELECT number FROM objsync_journal WHERE pos >= ?1 ORDER BY pos LIMIT 1")?;
        while low < high {
            let middle = low + (high - low) / 2;
            let found: Option<u64> = at.query_row([middle], |r| r.get(0)).optional()?;
            match found {
                Some(n) if n <= number => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// What was filed in (start, end]: what is to be sent to `peer`, and the ties to what is not.
    pub(crate) fn outgoing(&self, peer: NodeId, start: u64, end: u64) -> Result<(Vec<Outgoing>, Vec<Outgoing>)> {
        let mut filed: HashMap<i64, Outgoing> = HashMap::new();
        let mut shared: HashMap<u64, usize> = HashMap::new();
        let mut events = self.conn.prepare_cached(
            "SELECT pos, number, class, object, origin, before FROM objsync_journal WHERE pos >= ?1 ORDER BY pos",
        )?;
        let mut rows = events.query([self.first_pos_after(start)?])?;
        while let Some(r) = rows.next()? {
            let (pos, number, object): (i64, u64, i64) = (r.get(0)?, r.get(1)?, r.get(3)?);
            if number > end {
                break;
            }
            let (class, origin, before) = (r.get(2)?, r.get(4)?, r.get(5)?);
            // A class that is switched off does not travel; on again, its baseline covers what was left out.
            if !self.class_by_id(class)?.journaled {
                continue;
            }
            let entry = filed.entry(object).or_insert_with(|| Outgoing {
                class,
                object,
                first_pos: pos,
                before,
                last_pos: pos,
                origin,
                commits: Vec::new(),
            });
            (entry.last_pos, entry.origin) = (pos, origin);
            if entry.commits.last() != Some(&number) {
                entry.commits.push(number);
                *shared.entry(number).or_default() += 1;
            }
        }
        let echo = self.nodes.number(peer)?;
        let (sent, rest): (Vec<_>, Vec<_>) = filed.into_values().partition(|o| o.origin != Some(echo));
        let tied = rest.into_iter().filter(|o| o.commits.iter().any(|n| shared[n] > 1)).collect();
        Ok((sent, tied))
    }

    fn set_object(&self, header: &Header, outgoing: &Outgoing, end: u64) -> Result<Option<SetObject>> {
        let (class, guid) = (self.class_by_id(outgoing.class)?, self.nodes.object(outgoing.object)?);
        let Some(current) = self.current(class, guid)? else { return Ok(None) };
        let Some(filed) = self.as_of(class, current, end)? else { return Ok(None) };
        let change = match (&filed.state.content, outgoing.before) {
            (None, _) => Change::Deleted,
            (Some(_), 1) => Change::Changed,
            (Some(_), _) => Change::New,
        };
        let was = match (&filed.state.content, change) {
            (Some(now), Change::Changed) => {
                let before = self.image(class, outgoing.first_pos)?.1;
                before.into_iter().enumerate().filter(|(i, old)| now[*i] != *old).collect()
            }
            // A deletion says by what key it was known, where that is content.
            (None, _) if !class.has_numbers() => {
                let before = filed.pos.map(|pos| self.replaced_at(class, pos)).transpose()?.flatten();
                let old = before.and_then(|state| state.content).unwrap_or_default();
                let is_key = |i: &usize| matches!(&class.key, Key::Content(places) if places.contains(i));
                old.into_iter().enumerate().filter(|(i, _)| is_key(i)).collect()
            }
            _ => Vec::<(usize, Value)>::new(),
        };
        Ok(Some(SetObject {
            class: self.place(header, outgoing.class)?,
            guid,
            key: self.class_by_id(outgoing.class)?.number_shown(filed.key),
            change,
            commits: outgoing.commits.clone(),
            state: filed.state,
            was,
        }))
    }

    /// The objects of a class that a set for `peer` that starts after commit `start` would carry.
    pub fn objects_to_send(&mut self, class: &str, peer: NodeId, start: u64) -> Result<Vec<Guid>> {
        self.read(|node| {
            let id = node.class(class)?.id;
            let (sent, _) = node.outgoing(peer, start, node.number()?)?;
            sent.iter().filter(|o| o.class == id).map(|o| node.nodes.object(o.object)).collect()
        })
    }

    /// What a set for `peer` that starts after commit `start` would carry. Reads the journal from there, no tables.
    pub fn to_send(&mut self, peer: NodeId, start: u64) -> Result<ToSend> {
        self.read(|node| {
            let (sent, _) = node.outgoing(peer, start, node.number()?)?;
            let mut commits: Vec<u64> = sent.iter().flat_map(|o| o.commits.iter().copied()).collect();
            commits.sort_unstable();
            commits.dedup();
            Ok(ToSend { objects: sent.len(), transactions: commits.len() })
        })
    }
}
