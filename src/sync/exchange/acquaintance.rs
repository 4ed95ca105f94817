//! Whom a node has been in touch with, directly or by others; and what two nodes at hand tell each other without a set.

use std::collections::BTreeSet;

use crate::sync::data::guid::NodeId;
use crate::sync::error::{Error, Refusal, Result};
use crate::sync::exchange::sync_times::SyncTimes;
use crate::sync::exchange::syncset::Header;
use crate::sync::exchange::told::Seen;
use crate::sync::node::Node;
use crate::words::{quoted, quoted_path};

/// What one node tells another without a set: nothing was filed that the other has not in sight.
struct Word {
    /// The other has everything up to this commit of the one's.
    upto: u64,
    /// The one has everything up to this commit of the other's.
    acknowledged: u64,
}

impl Node {
    /// The nodes that this one knows: itself, those of which its file was a copy, those that told it a point, and those that sent it
    /// something.
    fn acquaintances(&self) -> Result<BTreeSet<NodeId>> {
        let mut known = BTreeSet::from([self.info.guid]);
        known.extend(self.lineage_of(self.info.guid)?.into_iter().map(|(node, _)| node));
        known.extend(self.all_seen()?.into_iter().map(|seen| seen.node));
        for peer in self.peers()? {
            known.extend(Some(peer).filter(|_| self.sync_times(peer).is_ok_and(|times| times.received > 0)));
        }
        Ok(known)
    }

    fn has_objects(&self) -> Result<bool> {
        for class in self.classes.iter().filter(|class| class.journaled) {
            let sql = format!("SELECT EXISTS(SELECT 1 FROM {})", class.objects());
            if self.conn.prepare_cached(&sql)?.query_row([], |r| r.get(0))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Refuses a set with objects from a node that has nothing in common with this one, which has some, too: what both have, would
    /// be there twice.
    pub(crate) fn check_no_stranger(&self, header: &Header, objects: usize) -> Result<()> {
        let received = header.received.iter().filter(|(_, number)| *number > 0).map(|(node, _)| *node);
        let lineage = header.lineage.iter().map(|(node, _)| *node);
        let seen = header.seen.iter().map(|(node, ..)| *node);
        let theirs: BTreeSet<NodeId> = received.chain(lineage).chain(seen).chain([header.source.guid]).collect();
        if objects == 0 || !self.has_objects()? || !self.acquaintances()?.is_disjoint(&theirs) {
            return Ok(());
        }
        let hint = format!(
            "if one was a copy of the other, do not track both: make one anew from the other (objsync copy); to join two separate collections, say so (objsync apply SET --join --node {})",
            quoted(&self.info.name)
        );
        Err(self.are_strangers(&self.called_here(&header.source)).hint(hint))
    }

    /// The same for a node at hand.
    pub(crate) fn check_no_stranger_at_hand(&self, other: &Node) -> Result<()> {
        let strangers = || Ok::<_, Error>(self.acquaintances()?.is_disjoint(&other.acquaintances()?));
        if !strangers()? || !self.has_objects()? || !other.has_objects()? {
            return Ok(());
        }
        let hint = format!(
            "if one was a copy of the other, go on with one of them: untrack the other, put it aside, and make it anew (objsync copy {} COPY.db); then repeat in the copy what only the other had. To join two separate collections, say so (objsync sync --join)",
            quoted_path(&self.path)
        );
        Err(self.are_strangers(&other.info.name).hint(hint))
    }

    fn are_strangers(&self, other: &str) -> Error {
        let us = &self.info.name;
        let what = format!(
            "{us} and {other} have never been in touch, neither is a copy of the other made by objsync, and both have rows: every row that is in both would be there twice; nothing was changed"
        );
        Error::refused(Refusal::Strangers, what)
    }

    /// Whether another node knows all the columns and classes that this one would tell it of, and the other way round.
    pub(crate) fn has_the_classes_of(&self, other: &Node) -> Result<bool> {
        let told = |node: &Node| -> Result<Vec<serde_json::Value>> {
            let mut classes = node.classes.clone();
            classes.sort_by(|a, b| a.name.cmp(&b.name));
            for class in &mut classes {
                class.properties.sort_by(|a, b| a.name.cmp(&b.name));
            }
            let json = |class| serde_json::to_value(class).map_err(|e| Error::storage(e.to_string()));
            classes.into_iter().map(json).collect()
        };
        Ok(told(self)? == told(other)?)
    }

    fn word_for(&self, other: &Node) -> Result<Word> {
        Ok(Word { upto: self.number()?, acknowledged: self.sync_times(other.info.guid)?.received })
    }

    /// Tells a node at hand what a set without objects would tell it, where that is new to it. Two transactions: what this node
    /// tells it must remember first.
    pub(crate) fn tell_without_set(&mut self, other: &mut Node) -> Result<()> {
        self.check_whereabouts()?;
        other.check_whereabouts()?;
        let word = self.word_for(other)?;
        let times = other.sync_times(self.info.guid)?;
        let identity = self.identity()?;
        let has = other.has_of(&identity, word.upto)?;
        if (has < word.upto && times.received < word.upto) || times.acknowledged < word.acknowledged {
            let peer = other.info.clone();
            self.meet(&other.identity()?)?;
            let point = self.tell()?;
            let seen = self.signed_point(point)?;
            self.write(|node| {
                let own = node.sync_times(peer.guid)?;
                node.set_sync_times(peer.guid, SyncTimes { sent: own.sent.max(word.upto), ..own })?;
                node.make_final(&format!("{} heard of what is here since", peer.name))
            })?;
            other.hear(&identity, &word, &seen)?;
        }
        // The other knows this node at that point.
        let seen = other.seen(self.info.guid)?;
        self.note_heard(other.info.guid, seen)
    }

    fn hear(&mut self, source: &crate::sync::node::Identity, word: &Word, seen: &Seen) -> Result<()> {
        self.meet(source)?;
        self.write(|node| {
            let peer = source.info.guid;
            let times = node.sync_times(peer)?;
            let (received, acknowledged) = (times.received.max(word.upto), times.acknowledged.max(word.acknowledged));
            node.set_sync_times(peer, SyncTimes { received, acknowledged, ..times })?;
            node.note_seen(seen)?;
            node.make_final(&format!("{} was heard of since", source.info.name))
        })
    }

    /// Makes this node and another one acquainted, who have nothing in common.
    pub(crate) fn acquaint_with(&mut self, other: &mut Node) -> Result<()> {
        if !self.acquaintances()?.is_disjoint(&other.acquaintances()?) {
            return Ok(());
        }
        let point = self.tell()?;
        let (identity, seen) = (self.identity()?, self.signed_point(point)?);
        self.meet(&other.identity()?)?;
        other.meet(&identity)?;
        other.write(|node| node.note_seen(&seen))
    }
}
