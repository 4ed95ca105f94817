//! Purge: forgetting journal, history and tombstones that every peer has confirmed; and retiring a peer that never will.
//!
//! Nothing that a peer may still need is forgotten, so a purge changes no later outcome but the ancestors that a record names.
//! What is forgotten cannot be prepared, taken back, reverted or looked into any more.

use rusqlite::OptionalExtension;
use serde::Serialize;

use crate::sync::data::guid::NodeId;
use crate::sync::error::{Error, Refusal, Result};
use crate::sync::exchange::sync_times::Since;
use crate::sync::node::{Node, NodeInfo};
use crate::words::quoted;

/// How far a peer has confirmed this node's commits, which bounds a purge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Confirmed {
    /// The peer.
    pub peer: NodeInfo,
    /// Up to which commit it has everything, by its word or by descent.
    pub upto: u64,
    /// It is retired and bounds nothing.
    pub retired: bool,
}

/// What a purge did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Purged {
    /// Commits up to this one are purged, now or before.
    pub upto: u64,
    /// Filing events that were forgotten.
    pub events: usize,
    /// Deleted objects that were forgotten.
    pub tombstones: usize,
    /// Notes of sets and of what was told that are not needed any more.
    pub notes: usize,
    /// What every peer has confirmed, the least first: those in front keep the rest.
    pub confirmed: Vec<Confirmed>,
}

/// Up to which commit every peer that is not retired has everything; 0 where there is none.
pub(crate) fn confirmed_by_all(confirmed: &[Confirmed]) -> u64 {
    confirmed.iter().filter(|c| !c.retired).map(|c| c.upto).min().unwrap_or(0)
}

impl Node {
    /// Commits up to here are purged.
    pub fn floor(&self) -> Result<u64> {
        Ok(self.conn.prepare_cached("SELECT floor FROM objsync_state")?.query_row([], |r| r.get(0))?)
    }

    /// What every peer has confirmed, the least first, retired ones last.
    pub fn confirmed(&self) -> Result<Vec<Confirmed>> {
        let mut list = Vec::new();
        for node in self.peers()? {
            let Some(peer) = self.nodes.find(node).cloned() else { continue };
            let upto = self.start_for(node, Since::Acknowledged)?;
            list.push(Confirmed { peer, upto, retired: self.is_retired(node)? });
        }
        list.sort_by_key(|c| (c.retired, c.upto));
        Ok(list)
    }

    /// Forgets what every peer that is not retired has confirmed, but nothing after commit `bound`. A node that knows no peer
    /// forgets nothing: whoever comes may need it.
    pub fn purge(&mut self, bound: u64) -> Result<Purged> {
        self.write(|node| {
            let confirmed = node.confirmed()?;
            let floor = confirmed_by_all(&confirmed).min(bound).min(node.number()?).max(node.floor()?);
            let start = node.first_pos_after(floor)?;
            node.going_on("purging the journal", 0, None)?;
            // The last one stays, so that no position is ever given again: objects still point to those that are gone.
            let sql = "DELETE FROM objsync_journal WHERE pos < ?1 AND pos < (SELECT max(pos) FROM objsync_journal)";
            let events = node.conn.execute(sql, [start])?;
            let mut tombstones = 0;
            for class in &node.classes {
                tombstones += node.forget_tombstones(class, start)?;
            }
            node.conn.execute("UPDATE objsync_state SET floor = ?1", [floor])?;
            if events + tombstones > 0 {
                node.make_final("the journal was purged since")?;
            }
            let notes = node.forget_notes(&confirmed, floor)?;
            Ok(Purged { upto: floor, events, tombstones, notes, confirmed })
        })
    }

    /// Forgets what was noted of sets that are confirmed, but for the last from and for each peer; and the points of this node before
    /// the last that all peers have heard of. What names a set that waits, stays.
    fn forget_notes(&self, confirmed: &[Confirmed], floor: u64) -> Result<usize> {
        let mut forgotten = 0;
        for c in confirmed {
            let sql = "DELETE FROM objsync_set WHERE peer = ?1
                       AND (sent = 1 AND (last <= ?2 OR ?4) OR sent = 0 AND undo IS NULL AND last_own <= ?3
                            AND NOT EXISTS (SELECT 1 FROM objsync_waiting w WHERE w.peer = ?1 AND w.set_id = objsync_set.id))
                       AND seq NOT IN (SELECT max(seq) FROM objsync_set WHERE peer = ?1 GROUP BY sent)
                       AND (sent = 0 OR id < (SELECT max(id) FROM objsync_set WHERE sent = 1))";
            let peer = self.nodes.number(c.peer.guid)?;
            forgotten += self.conn.execute(sql, (peer, c.upto, floor, c.retired))?;
        }
        let sql = "DELETE FROM objsync_told WHERE clock < (SELECT min(heard) FROM objsync_sync_time WHERE retired = 0)";
        Ok(forgotten + self.conn.execute(sql, [])?)
    }

    /// Forgets the deleted objects of a class whose last event lies before a journal position, save those that wait, that a row
    /// still refers to, or that a record could bring back: what is decided again must be known to have seen the deletion.
    fn forget_tombstones(&self, class: &crate::sync::data::schema::Class, start: i64) -> Result<usize> {
        let table = class.tombstones();
        let rows = self
            .conn
            .prepare(&format!(
                "SELECT object, key FROM {table} WHERE (last IS NULL OR last < ?1)
                 AND NOT EXISTS (SELECT 1 FROM objsync_waiting w WHERE w.object = {table}.object AND w.class = ?2)
                 AND NOT EXISTS (SELECT 1 FROM objsync_conflict c WHERE c.object = {table}.object AND c.class = ?2)"
            ))?
            .query_map((start, class.id), |r| Ok((r.get::<_, i64>(0)?, r.get::<_, Option<i64>>(1)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let mut count = 0;
        let total = Some(rows.len());
        for (n, (object, key)) in rows.into_iter().enumerate() {
            self.going_on("purging deleted objects", n, total)?;
            if let Some(key) = key
                && self.guid_of(class, key)?.is_none()
                && self.referrer(class, key)?.is_some()
            {
                continue;
            }
            self.conn.prepare_cached(&format!("DELETE FROM {table} WHERE object = ?1"))?.execute([object])?;
            self.conn.prepare_cached("DELETE FROM objsync_merged WHERE object = ?1")?.execute([object])?;
            count += 1;
        }
        // Keys that a before-image may still name, and those of deleted objects that are remembered, stay.
        let sql =
            "DELETE FROM objsync_former_key WHERE class = ?1 AND until < ?2 AND object NOT IN (SELECT object FROM";
        self.conn.execute(&format!("{sql} {table})"), (class.id, start))?;
        Ok(count)
    }

    /// Whether sets to and from a peer are refused because it was given up.
    pub fn is_retired(&self, peer: NodeId) -> Result<bool> {
        let Ok(n) = self.nodes.number(peer) else { return Ok(false) };
        let found = self
            .conn
            .prepare_cached("SELECT retired FROM objsync_sync_time WHERE peer = ?1")?
            .query_row([n], |r| r.get(0))
            .optional()?;
        Ok(found.unwrap_or(false))
    }

    /// Gives up a peer: nothing is prepared for it or taken from it any more, and it bounds no purge. It comes back as a
    /// fresh copy, under a new identity. What it has not sent is lost to this node, so it should send first.
    pub fn retire(&mut self, peer: NodeId) -> Result<()> {
        self.write(|node| {
            let n = node.nodes.number(peer).ok().filter(|_| peer != node.info.guid);
            let n =
                n.ok_or_else(|| Error::usage(format!("{} knows no peer {peer}; nothing was changed", node.info.name)))?;
            node.conn.execute("INSERT OR IGNORE INTO objsync_sync_time (peer) VALUES (?1)", [n])?;
            node.conn.execute("UPDATE objsync_sync_time SET retired = 1 WHERE peer = ?1", [n])?;
            Ok(())
        })
    }

    pub(crate) fn check_not_retired(&self, peer: &NodeInfo) -> Result<()> {
        if !self.is_retired(peer.guid)? {
            return Ok(());
        }
        let (us, them) = (&self.info.name, &peer.name);
        Err(Error::refused(Refusal::Retired, format!("{them} {} was retired at {us}; nothing was changed", peer.guid))
            .hint(format!("make it anew as a fresh copy of {us} (objsync add-client {})", quoted(them))))
    }
}
