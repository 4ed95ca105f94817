//! The records of sets: what was prepared here and what was applied here.

use std::path::PathBuf;

use serde::Serialize;

use crate::sync::error::Result;
use crate::sync::guid::NodeId;
use crate::sync::node::Node;

/// A set that was prepared or applied at a node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SetRecord {
    /// Prepared here, or else applied here.
    pub sent: bool,
    /// The other node.
    pub peer: NodeId,
    /// The other node's name.
    pub peer_name: String,
    /// The set's number at its source.
    pub id: i64,
    /// BLAKE3 over the set, hexadecimal.
    pub digest: String,
    /// Where the file was.
    pub file: PathBuf,
    /// The first commit it covers.
    pub first: u64,
    /// The last commit it covers.
    pub last: u64,
    /// How many objects it carries.
    pub objects: usize,
    /// When, microseconds since 1970 UTC.
    pub at: i64,
    /// The report of the apply, or what was prepared, as JSON.
    pub report: serde_json::Value,
}

impl Node {
    /// The sets prepared and applied here, newest first, at most `limit`.
    pub fn set_records(&self, limit: usize) -> Result<Vec<SetRecord>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT s.sent, n.guid, n.name, s.id, s.digest, s.file, s.first, s.last, s.objects, s.at, s.report
             FROM objsync_set s JOIN objsync_node n ON n.n = s.peer ORDER BY s.seq DESC LIMIT ?1",
        )?;
        let rows = statement.query_map([limit], |r| {
            Ok(SetRecord {
                sent: r.get(0)?,
                peer: NodeId(r.get::<_, i64>(1)? as u64),
                peer_name: r.get(2)?,
                id: r.get(3)?,
                digest: r.get(4)?,
                file: PathBuf::from(r.get::<_, String>(5)?),
                first: r.get(6)?,
                last: r.get(7)?,
                objects: r.get(8)?,
                at: r.get(9)?,
                report: serde_json::from_str(&r.get::<_, String>(10)?).unwrap_or_default(),
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
