//! How an environment stands: what its nodes hold, know of each other and have to send.

use std::path::PathBuf;

use serde::Serialize;

use crate::sync::data::guid::NodeId;
use crate::sync::environment::Environment;
use crate::sync::error::Result;
use crate::sync::exchange::prepare::ToSend;
use crate::sync::exchange::sync_times::Since;
use crate::sync::node::verify::{added_differently, lacking_columns};
use crate::sync::node::{Identity, Node, Role};
use crate::sync::private_file::readable_by_others;
use crate::sync::retired::Unsent;

/// How an environment stands.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Its folder.
    #[serde(serialize_with = "crate::words::path_as_text")]
    pub dir: PathBuf,
    /// Nothing to send anywhere and nothing waiting, as versions tell; no rows are read.
    pub equal: bool,
    /// Its nodes.
    pub nodes: Vec<NodeStatus>,
    /// What nodes have that were retired, and that nobody will be sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unsent: Vec<Unsent>,
    /// Columns that some nodes have and others lack, with what to do; what is in them is kept beside the table there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lacking: Vec<String>,
}

/// How a node stands.
#[derive(Clone, Debug, Serialize)]
pub struct NodeStatus {
    /// Its namespace.
    pub name: String,
    /// Its GUID.
    pub guid: String,
    /// Its role.
    pub role: Role,
    /// Its file.
    #[serde(serialize_with = "crate::words::path_as_text")]
    pub file: PathBuf,
    /// Its last commit.
    pub transaction: u64,
    /// Its classes.
    pub classes: Vec<ClassStatus>,
    /// What it knows of the others.
    pub peers: Vec<PeerStatus>,
    /// Where its file lay, if that is elsewhere now: it was moved or copied, which somebody must say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was_at: Option<String>,
    /// Its file cannot be written, so it was only looked at.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// Others than its owner can read its file, and with it the key that the node signs with: the permissions, such as `644`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readable_by_others: Option<String>,
    /// A node here knows that this one's file was put back from a backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored: Option<String>,
    /// Where its clock stood, microseconds since 1970 UTC, when it was more than a day ahead of the machine's and started from there
    /// again: times from then still stand on what was written, and no rule takes them for the later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_was: Option<i64>,
    /// Conflict records still to be decided.
    pub open_conflicts: usize,
    /// Objects that wait.
    pub requeued: usize,
}

/// A class at a node.
#[derive(Clone, Debug, Serialize)]
pub struct ClassStatus {
    /// Its name.
    pub name: String,
    /// Its table.
    pub table: String,
    /// Whether it is synchronized.
    pub journaled: bool,
    /// How many objects.
    pub count: u64,
}

/// A peer as a node knows it.
#[derive(Clone, Debug, Serialize)]
pub struct PeerStatus {
    /// Its namespace.
    pub name: String,
    /// Its GUID.
    pub guid: String,
    /// Own number up to which sets were prepared for it, or that it shares by descent.
    pub sent: u64,
    /// Own number up to which it has said that it has everything, or that it shares by descent.
    pub acknowledged: u64,
    /// Its number up to which everything was received, or is shared by descent.
    pub received: u64,
    /// What a set prepared for it now would carry.
    pub to_send: ToSend,
    /// One of the two has given the other up: nothing is exchanged any more.
    pub retired: bool,
    /// Its file is not at hand: what it has is known by its sets only.
    pub elsewhere: bool,
}

impl Environment {
    /// How everything stands. Reads the journal since the last exchange, no tables.
    pub fn status(&mut self) -> Result<Status> {
        let mut nodes = Vec::new();
        // One node alone is level with nobody.
        let mut equal = self.nodes.len() > 1 && self.are_level()? && added_differently(&self.nodes).is_empty();
        for i in 0..self.nodes.len() {
            let (mut peers, mut restored) = (Vec::new(), None);
            for j in (0..self.nodes.len()).filter(|j| *j != i) {
                let identity = self.nodes[j].identity()?;
                self.nodes[i].meet(&identity)?;
                let retired = self.is_retired(i, j)?;
                let received = self.has_of(i, j)?;
                if !retired && self.nodes[i].check_not_restored(&self.nodes[j]).is_err() {
                    restored = Some(identity.info.name.clone());
                    equal = false;
                }
                let node = &mut self.nodes[i];
                let sent = node.start_for(identity.info.guid, Since::Sent)?;
                peers.push(PeerStatus {
                    name: identity.info.name.clone(),
                    guid: identity.info.guid.to_string(),
                    sent,
                    acknowledged: node.start_for(identity.info.guid, Since::Acknowledged)?,
                    received,
                    to_send: if retired { ToSend::default() } else { node.to_send(identity.info.guid, sent)? },
                    retired,
                    elsewhere: false,
                });
            }
            let here: Vec<NodeId> = self.nodes.iter().map(|n| n.info().guid).collect();
            let node = &mut self.nodes[i];
            for peer in node.peers()?.into_iter().filter(|peer| !here.contains(peer)) {
                peers.extend(node.distant_peer(peer)?);
            }
            let node = &self.nodes[i];
            let requeued = node.requeue()?.len();
            equal &= requeued == 0;
            nodes.push(NodeStatus {
                name: node.info().name.clone(),
                guid: node.info().guid.to_string(),
                role: node.info().role,
                file: node.path().to_owned(),
                transaction: node.number()?,
                classes: node.class_counts()?,
                peers,
                was_at: node.was_at().map(str::to_owned),
                clock_was: node.clock_was()?.map(|(was, _)| was).filter(|was| node.is_doubtful(*was)),
                read_only: node.is_read_only(),
                readable_by_others: readable_by_others(node.path()),
                restored,
                open_conflicts: node.open_conflicts()?,
                requeued,
            });
        }
        let (unsent, lacking) = (self.unsent_of_retired()?, lacking_columns(&self.nodes));
        Ok(Status { dir: self.dir().to_owned(), equal, nodes, unsent, lacking })
    }

    /// Whether no node has news for another, be it retired or not: what is not sent any more makes nobody level. Two that are level with the same third are level: one may have forgotten what it would take
    /// to tell from the two alone.
    fn are_level(&mut self) -> Result<bool> {
        let mut group: Vec<usize> = (0..self.nodes.len()).collect();
        for i in 0..group.len() {
            for j in 0..i {
                if group[i] != group[j] && !self.has_news(i, j)? && !self.has_news(j, i)? {
                    let (from, to) = (group[i], group[j]);
                    group.iter_mut().filter(|g| **g == from).for_each(|g| *g = to);
                }
            }
        }
        Ok(group.iter().all(|g| *g == group[0]))
    }
}

impl Node {
    /// How a peer stands whose file is not at hand. Not one that was given up.
    fn distant_peer(&mut self, peer: NodeId) -> Result<Option<PeerStatus>> {
        let identity = self.nodes.find(peer).cloned().map(|info| (info, self.lineage_of(peer)));
        let Some((info, lineage)) = identity else { return Ok(None) };
        if self.is_retired(peer)? {
            return Ok(None);
        }
        let sent = self.start_for(peer, Since::Sent)?;
        Ok(Some(PeerStatus {
            name: info.name.clone(),
            guid: peer.to_string(),
            sent,
            acknowledged: self.start_for(peer, Since::Acknowledged)?,
            received: self.has_of(&Identity { info, lineage: lineage?, key: None }, i64::MAX as u64)?,
            to_send: self.to_send(peer, sent)?,
            retired: false,
            elsewhere: true,
        }))
    }

    /// How many objects each class has.
    pub fn class_counts(&self) -> Result<Vec<ClassStatus>> {
        self.classes()
            .iter()
            .map(|class| {
                let count =
                    self.conn.query_row(&format!("SELECT count(*) FROM {}", class.objects()), [], |r| r.get(0))?;
                Ok(ClassStatus {
                    name: class.name.clone(),
                    table: class.table.clone(),
                    journaled: class.journaled,
                    count,
                })
            })
            .collect()
    }
}
