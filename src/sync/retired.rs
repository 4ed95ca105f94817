//! What a node that was given up has and nobody else: it is not sent any more, and is lost with its file.

use std::path::PathBuf;

use serde::Serialize;

use crate::sync::data::guid::NodeId;
use crate::sync::environment::Environment;
use crate::sync::error::Result;

/// What a node at hand that was retired at another one at hand has, and that one has not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unsent {
    /// The retired node.
    pub node: String,
    /// The same.
    pub guid: NodeId,
    /// Its file.
    pub file: PathBuf,
    /// Where it was retired.
    pub at: String,
    /// How many objects it has in a state that is not known there.
    pub objects: usize,
    /// What the first [`Unsent::NAMED`] of them are called.
    pub named: Vec<String>,
}

impl Unsent {
    /// So many objects are named at most.
    pub const NAMED: usize = 10;
}

impl Environment {
    /// What nodes have that were retired and are at hand, and that is not known where they were. What passed on by way of a third
    /// node counts as known.
    pub fn unsent_of_retired(&self) -> Result<Vec<Unsent>> {
        let mut all = Vec::new();
        for (i, node) in self.nodes.iter().enumerate() {
            for (j, at) in self.nodes.iter().enumerate().filter(|(j, _)| *j != i) {
                if !at.is_retired(node.info().guid)? {
                    continue;
                }
                let (mut objects, mut named) = (0, Vec::new());
                let mut failed = None;
                let start = self.has_of(j, i)?.max(node.floor()?);
                node.news_for(at, start, |class, guid| {
                    objects += 1;
                    if named.len() < Unsent::NAMED {
                        let key = node.key_of(class, guid).and_then(|key| match key {
                            Some(key) => node.called_by_key(class, key),
                            None => Ok(node.called(class, None, None, guid)),
                        });
                        key.map_or_else(|e| failed = Some(e), |name| named.push(name));
                    }
                    failed.is_none()
                })?;
                if let Some(e) = failed {
                    return Err(e);
                }
                if objects > 0 {
                    let (info, file) = (node.info().clone(), node.path().to_owned());
                    let at = at.info().name.clone();
                    all.push(Unsent { node: info.name, guid: info.guid, file, at, objects, named });
                }
            }
        }
        Ok(all)
    }
}
