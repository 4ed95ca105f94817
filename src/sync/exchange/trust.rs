//! By which keys a node knows others, and whose sets it takes.
//!
//! A set is taken only if it is signed with the key by which its source is known. A node becomes known by its key
//! 1. when both files are at hand: one is made as a copy of the other, or they exchange (`objsync sync`);
//! 2. by a certificate in its own sets: who is made of a node's file, by a copy or a rejoin, is *introduced* by that node's key,
//!    which the file held;
//! 3. by the word of a known node, which *vouches* in its signed sets for the keys that it knows; this never replaces a key, and
//!    the first way replaces it;
//! 4. by hand: [`Node::trust`], or an invitation that the node wrote (`invitation.rs`).
//!
//! For nodes that cannot sign there is an exception, made by hand for each ([`Node::accept_unsigned`]).

use std::collections::HashMap;

use rusqlite::OptionalExtension;

use crate::sync::data::guid::NodeId;
use crate::sync::error::{Error, Refusal, Result};
use crate::sync::exchange::signature::{PublicKey, Signature, Signing, Statement};
use crate::sync::exchange::syncset::{Header, Introduction};
use crate::sync::node::{Identity, Node, NodeInfo};
use crate::words::quoted;

/// A node that is known, and the key it is known by.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct KnownKey {
    /// The node.
    pub node: NodeInfo,
    /// Its public key; `None`: not known here.
    pub key: Option<PublicKey>,
    /// The node that introduced it: it was made of that one's file.
    pub introduced_by: Option<NodeInfo>,
    /// The node that vouched for the key.
    pub vouched_by: Option<NodeInfo>,
    /// Its sets are taken without a signature, too.
    pub unsigned: bool,
}

impl Node {
    /// What this node signs with.
    pub(crate) fn signing(&self) -> Result<Signing> {
        Signing::of_file(&self.conn)
    }

    /// The public key that a node is known by here; of this node its own.
    pub fn public_key(&self, node: NodeId) -> Result<Option<PublicKey>> {
        let sql = "SELECT public FROM objsync_node WHERE guid = ?1";
        let found: Option<Option<Vec<u8>>> =
            self.conn.prepare_cached(sql)?.query_row([node.0 as i64], |r| r.get(0)).optional()?;
        Ok(found.flatten().and_then(PublicKey::stored))
    }

    /// This node, its peers, and whoever else is known by a key.
    pub fn known_keys(&self) -> Result<Vec<KnownKey>> {
        let peers = self.peers()?;
        let mut known = Vec::new();
        let sql = "SELECT n, public, introduced_by, vouched_by, unsigned FROM objsync_node ORDER BY n";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let find = |n: i64| self.nodes.guid(n).map(|guid| self.nodes.find(guid).cloned());
            let Some(node) = find(r.get(0)?)? else { continue };
            let key = r.get::<_, Option<Vec<u8>>>(1)?.and_then(PublicKey::stored);
            let introduced_by = r.get::<_, Option<i64>>(2)?.map(find).transpose()?.flatten();
            let vouched_by = r.get::<_, Option<i64>>(3)?.map(find).transpose()?.flatten();
            let unsigned = r.get(4)?;
            if key.is_some() || unsigned || peers.contains(&node.guid) {
                known.push(KnownKey { node, key, introduced_by, vouched_by, unsigned });
            }
        }
        Ok(known)
    }

    /// From now on a node is known by this key, whatever key it was known by before; what another key has signed of where it was,
    /// is forgotten. Compare it with what that node itself says (`objsync keys`), by a way on which nobody can change it.
    pub fn trust(&mut self, node: NodeId, key: PublicKey) -> Result<()> {
        self.check_is_another(node)?;
        self.write(|here| {
            here.note_stranger(node)?;
            let sql = "UPDATE objsync_node SET introduced_by = NULL, introduction = NULL WHERE guid = ?1";
            here.conn.execute(sql, [node.0 as i64])?;
            here.replace_key(node, key)
        })
    }

    /// What was signed with another key, that node has not said.
    fn replace_key(&self, node: NodeId, key: PublicKey) -> Result<()> {
        let sql = "UPDATE objsync_node SET seen_number = 0, seen_clock = 0, seen_proof = NULL, said_number = max(said_number, seen_number)
                   WHERE guid = ?1 AND public <> ?2 AND seen_proof IS NOT NULL";
        self.conn.prepare_cached(sql)?.execute((node.0 as i64, key.bytes()))?;
        let sql = "UPDATE objsync_node SET public = ?2, vouched_by = NULL WHERE guid = ?1";
        Ok(self.conn.prepare_cached(sql)?.execute((node.0 as i64, key.bytes())).map(drop)?)
    }

    /// The key that a node is known by at first hand: not by what others say.
    fn key_at_first_hand(&self, node: NodeId) -> Result<Option<PublicKey>> {
        let sql = "SELECT public FROM objsync_node WHERE guid = ?1 AND public IS NOT NULL AND vouched_by IS NULL";
        let found: Option<Vec<u8>> =
            self.conn.prepare_cached(sql)?.query_row([node.0 as i64], |r| r.get(0)).optional()?;
        Ok(found.and_then(PublicKey::stored))
    }

    /// Takes sets in the name of a node without a signature, too, or no more: whoever can give this node a file can then speak
    /// for that one.
    pub fn accept_unsigned(&mut self, node: NodeId, accept: bool) -> Result<()> {
        self.check_is_another(node)?;
        self.write(|here| {
            here.note_stranger(node)?;
            let sql = "UPDATE objsync_node SET unsigned = ?2 WHERE guid = ?1";
            Ok(here.conn.execute(sql, (node.0 as i64, accept)).map(drop)?)
        })
    }

    fn check_is_another(&self, node: NodeId) -> Result<()> {
        match node == self.info.guid {
            true => Err(Error::usage("a node's own key is made with it; nothing was changed")),
            false => Ok(()),
        }
    }

    fn accepts_unsigned(&self, node: NodeId) -> Result<bool> {
        let sql = "SELECT unsigned FROM objsync_node WHERE guid = ?1";
        Ok(self.conn.prepare_cached(sql)?.query_row([node.0 as i64], |r| r.get(0)).optional()?.unwrap_or(false))
    }

    /// Whether each set is taken once only, see [`Node::take_each_once`].
    pub fn takes_each_once(&self) -> Result<bool> {
        Ok(self.conn.prepare_cached("SELECT each_once FROM objsync_state")?.query_row([], |r| r.get(0))?)
    }

    /// Takes each set once, none that is older than what was applied from its source, and none without a signature, whatever
    /// [`Node::accept_unsigned`] says; or again as usual. Without, to apply a set again does nothing.
    pub fn take_each_once(&mut self, once: bool) -> Result<()> {
        self.write(|node| {
            node.conn.execute("UPDATE objsync_state SET each_once = ?1", [once])?;
            Ok(())
        })
    }

    /// Notes a key that is seen at first hand, where none is known but by the word of others.
    pub(crate) fn note_key(&self, node: NodeId, key: PublicKey) -> Result<()> {
        match self.key_at_first_hand(node)? {
            Some(_) => Ok(()),
            None => self.replace_key(node, key),
        }
    }

    /// Notes a key for which another node vouches, where none is known.
    fn note_vouched_key(&self, node: NodeId, key: PublicKey, by: NodeId) -> Result<()> {
        let sql = "UPDATE objsync_node SET public = ?2, vouched_by = ?3 WHERE guid = ?1 AND public IS NULL";
        self.conn.prepare_cached(sql)?.execute((node.0 as i64, key.bytes(), self.nodes.number(by)?))?;
        Ok(())
    }

    /// Who introduced a node of whose file this one's was made, or this one itself: every certificate in the file.
    pub(crate) fn introductions(&self) -> Result<Vec<Introduction>> {
        let sql =
            "SELECT guid, introduced_by, introduction FROM objsync_node WHERE introduction IS NOT NULL ORDER BY n";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while let Some(r) = rows.next()? {
            let (node, by) = (NodeId(r.get::<_, i64>(0)? as u64), self.nodes.guid(r.get(1)?)?);
            all.extend(Signature::stored(r.get(2)?).map(|signature| Introduction { node, by, signature }));
        }
        Ok(all)
    }

    /// Refuses a set by what its header says: addressed to somebody else, or by somebody whose word is not taken. Asked before anything
    /// else of the set is read. `at_hand`: the source, where its file is.
    pub(crate) fn check_sender(&self, header: &Header, at_hand: Option<&Identity>) -> Result<()> {
        let (us, source, target) = (&self.info, &header.source, &header.target);
        let name = self.called_here(source);
        if target.guid != us.guid {
            let other = self.called_here(target);
            let also = if other == us.name { " (of the same name)" } else { "" };
            let addressee = match self.nodes.find(target.guid) {
                Some(_) => format!("{other} {}", target.guid),
                None => format!("node {}", target.guid),
            };
            let what = format!(
                "the set is addressed to {addressee}, another node than {} {}{also}; nothing was changed",
                us.name, us.guid
            );
            return Err(Error::refused(Refusal::WrongNode, what).hint(match source.guid == us.guid {
                true => format!("apply it at {other}"),
                false => format!("apply it at {other}, or have {name} prepare a set for {}", us.name),
            }));
        }
        self.check_not_retired(&NodeInfo { name: name.clone(), ..source.clone() })?;
        let refused = |what: String, hint: String| Err(Error::refused(Refusal::Signature, what).hint(hint));
        let (guid, node) = (source.guid, quoted(&us.name));
        let unsigned = !self.takes_each_once()? && self.accepts_unsigned(guid)?;
        let seen_at_hand = at_hand.filter(|at_hand| at_hand.info.guid == guid).and_then(|at_hand| at_hand.key);
        let known = self.key_at_first_hand(guid)?.or(seen_at_hand).or(self.public_key(guid)?);
        match (header.key, known) {
            (Some(key), Some(known)) if key == known => Ok(()),
            (Some(key), Some(known)) => refused(
                format!(
                    "the set is signed with the key {key}, but {} knows {name} by {known}: somebody else made it, or {name} has a new key; nothing was changed",
                    us.name
                ),
                format!(
                    "ask its owner what `objsync keys` says there; if it is so: objsync keys trust {guid} {key} --node {node}"
                ),
            ),
            _ if unsigned => Ok(()),
            (Some(_), None) if self.introduced(header)?.is_some() => Ok(()),
            (None, Some(_)) => refused(
                format!("the set is not signed, and {} knows {name} by its key; nothing was changed", us.name),
                format!(
                    "prepare it again there with this version of objsync; if that cannot be, and you know who made this file: objsync keys accept-unsigned {guid} --node {node}"
                ),
            ),
            (key, None) => {
                let unknown = format!(
                    "the set comes from a node that {} does not know yet: {guid}, which calls itself {}; nothing was changed",
                    us.name, source.name
                );
                refused(
                    unknown,
                    match key {
                        Some(key) => format!(
                            "introduce it: exchange with both files at hand (sync); or have an invitation written there (keys invite) and accept it here: objsync keys accept FILE --node {node}; or, if its owner reads out this key: objsync keys trust {guid} {key} --node {node}"
                        ),
                        None => format!(
                            "the set is not signed either: prepare it again there with this version of objsync, have an invitation written there (keys invite) and accept it here: objsync keys accept FILE --node {node}; if that cannot be, and you know who made this file: objsync keys accept-unsigned {guid} --node {node}"
                        ),
                    },
                )
            }
        }
    }

    /// What a node is called here; by its GUID where it is not known, since a name is what its owner likes to call it.
    pub(crate) fn called_here(&self, info: &NodeInfo) -> String {
        self.nodes.name(info.guid)
    }

    /// Refuses a set that came before, or one after a newer one, where each is taken once.
    pub(crate) fn check_taken_once(&self, header: &Header, digest: &str) -> Result<()> {
        if !self.takes_each_once()? {
            return Ok(());
        }
        let seen = self.seen(header.source.guid)?;
        let sql = "SELECT taken_back FROM objsync_set WHERE sent = 0 AND digest = ?1 ORDER BY seq DESC LIMIT 1";
        let applied: Option<bool> = self.conn.prepare_cached(sql)?.query_row([digest], |r| r.get(0)).optional()?;
        if applied == Some(false) || header.clock < seen.clock || header.number < seen.number {
            let (us, source) = (&self.info.name, self.called_here(&header.source));
            let what = format!(
                "the set is not newer than what was applied from {source} already, and {us} takes none twice; nothing was changed"
            );
            return Err(Error::refused(Refusal::Signature, what)
                .hint(format!("prepare a new one at {source} (--since acknowledged)")));
        }
        Ok(())
    }

    /// Notes the key of a set's source, and those for which it vouches, where its word is signed.
    pub(crate) fn note_keys(&mut self, header: &Header) -> Result<()> {
        let source = header.source.guid;
        if header.key.is_none() {
            return Ok(());
        }
        if self.public_key(source)?.is_none() {
            for Introduction { node, by, signature } in self.introduced(header)?.unwrap_or_default() {
                let (n, by) = (self.nodes.number(node)?, self.nodes.number(by)?);
                let key = header.key_of(node).map(|key| *key.bytes());
                let sql = "UPDATE objsync_node SET public = ?2, introduced_by = ?3, introduction = ?4 WHERE n = ?1 AND public IS NULL";
                self.conn.prepare_cached(sql)?.execute((n, key, by, signature.bytes()))?;
            }
        }
        // One whose unsigned sets are taken, too, may be anybody.
        if self.public_key(source)? == header.key {
            for (node, key) in header.keys.iter().filter(|(node, _)| *node != source) {
                self.note_vouched_key(*node, *key, source)?;
            }
        }
        Ok(())
    }

    /// The certificates that lead from a set's source to a node whose key is known here, and that are right; `None` where there are
    /// none. Nobody is introduced by a node that was given up here, whoever has its file now.
    fn introduced(&self, header: &Header) -> Result<Option<Vec<Introduction>>> {
        let by_node: HashMap<NodeId, &Introduction> = header.introductions.iter().map(|i| (i.node, i)).collect();
        let (mut chain, mut node) = (Vec::new(), header.source.guid);
        loop {
            let Some(step) = by_node.get(&node).filter(|_| chain.len() < by_node.len()) else { return Ok(None) };
            let Some(key) = header.key_of(node) else { return Ok(None) };
            if self.is_retired(step.by)? {
                return Ok(None);
            }
            let known = self.public_key(step.by)?;
            let Some(by) = known.or_else(|| header.key_of(step.by)) else { return Ok(None) };
            if !by.has_signed(&Statement::Introduction(node, key), &step.signature) {
                return Ok(None);
            }
            chain.push(Introduction::clone(step));
            if known.is_some() {
                return Ok(Some(chain));
            }
            node = step.by;
        }
    }
}
