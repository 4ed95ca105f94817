//! Sync times: per peer, how far each has heard of the other. And what descent alone proves where one file is a copy of
//! the other.

use rusqlite::OptionalExtension;
use serde::Serialize;

use crate::sync::data::guid::NodeId;
use crate::sync::error::Result;
use crate::sync::node::{Identity, Node};

/// What is known of a peer; all are commit numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SyncTimes {
    /// Own number up to which sets were prepared for the peer.
    pub sent: u64,
    /// Own number up to which the peer said it has everything.
    pub acknowledged: u64,
    /// The peer's number up to which this node has everything.
    pub received: u64,
}

/// From where a set starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Since {
    /// After what was sent last, the default, as in the original.
    #[default]
    Sent,
    /// After what the peer has acknowledged: repairs a lost set.
    Acknowledged,
    /// After that commit.
    Number(u64),
}

impl Node {
    /// The sync times with a peer; zeros where there are none.
    pub fn sync_times(&self, peer: NodeId) -> Result<SyncTimes> {
        let sql = "SELECT sent, acknowledged, received FROM objsync_sync_time WHERE peer = ?1";
        let Ok(n) = self.nodes.number(peer) else { return Ok(SyncTimes::default()) };
        let found = self
            .conn
            .prepare_cached(sql)?
            .query_row([n], |r| Ok(SyncTimes { sent: r.get(0)?, acknowledged: r.get(1)?, received: r.get(2)? }));
        Ok(found.optional()?.unwrap_or_default())
    }

    pub(crate) fn set_sync_times(&self, peer: NodeId, t: SyncTimes) -> Result<()> {
        self.conn
            .prepare_cached(
                "INSERT INTO objsync_sync_time (peer, sent, acknowledged, received) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (peer) DO UPDATE SET sent = excluded.sent, acknowledged = excluded.acknowledged,
                     received = excluded.received",
            )?
            .execute((self.nodes.number(peer)?, t.sent, t.acknowledged, t.received))?;
        Ok(())
    }

    /// After which commit of ours a set for the peer starts.
    pub fn start_for(&self, peer: NodeId, since: Since) -> Result<u64> {
        let times = self.sync_times(peer)?;
        let base = match since {
            Since::Sent => times.sent,
            Since::Acknowledged => times.acknowledged,
            Since::Number(number) => return Ok(number),
        };
        Ok(base.max(self.level_with(peer)?))
    }

    /// Up to which commit of ours the peer has everything by descent alone, because one file was copied from the other.
    fn level_with(&self, peer: NodeId) -> Result<u64> {
        let theirs = self.lineage_of(peer)?;
        let own = self.number()?;
        let covers = |name: NodeId| {
            let copied = theirs.iter().filter(|(node, _)| *node == name).map(|(_, n)| *n).max().unwrap_or(0);
            // The peer has all of its own commits; how many that are matters not, those in question are in our lineage.
            if name == peer { u64::MAX } else { copied }
        };
        let shared = self.lineage_of(self.info.guid)?.into_iter().map(|(node, n)| n.min(covers(node)));
        // Commits of an ancestor carry the same numbers in every copy of its journal.
        Ok(shared.chain([own.min(covers(self.info.guid))]).max().unwrap_or(0))
    }

    /// Up to which commit of `source` this node has received everything. `upto`: the source's last commit.
    pub fn has_of(&self, source: &Identity, upto: u64) -> Result<u64> {
        let mut have = upto.min(self.covers(source.info.guid)?);
        for (node, number) in &source.lineage {
            have = have.max((*number).min(self.covers(*node)?));
        }
        Ok(have)
    }

    /// Up to which commit of a node everything is known here: its own, received, or by descent.
    pub(crate) fn covers(&self, name: NodeId) -> Result<u64> {
        let own = if name == self.info.guid { self.number()? } else { 0 };
        let lineage = self.lineage_of(self.info.guid)?;
        let copied = lineage.iter().filter(|(node, _)| *node == name).map(|(_, n)| *n).max().unwrap_or(0);
        Ok(own.max(copied).max(self.sync_times(name)?.received))
    }
}
