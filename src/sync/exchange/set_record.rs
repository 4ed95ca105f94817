//! The records of sets: what was prepared here and what was applied here.

use std::path::PathBuf;

use rusqlite::{OptionalExtension, Row};
use serde::Serialize;

use crate::sync::data::guid::NodeId;
use crate::sync::error::{Error, Result};
use crate::sync::node::Node;

/// A set that was prepared or applied at a node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SetRecord {
    /// Its place among the sets of this node, in the order in which they were prepared and applied.
    pub seq: i64,
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
    #[serde(serialize_with = "crate::words::path_as_text")]
    pub file: PathBuf,
    /// The first commit it covers.
    pub first: u64,
    /// The last commit it covers.
    pub last: u64,
    /// How many objects it carries.
    pub objects: usize,
    /// When, microseconds since 1970 UTC.
    pub at: i64,
    /// The size of the file, bytes.
    pub bytes: u64,
    /// Applied: it was taken back afterwards.
    pub taken_back: bool,
    /// Applied: the commit here that reverted it.
    pub reverted: Option<u64>,
    /// Applied: why it cannot be taken back any more, if that is known once and for all.
    pub final_because: Option<String>,
    /// Applied: the first and the last commit here in which it was; the first is one more where nothing was filed. `None`:
    /// an earlier version of objsync did not note it.
    pub filed_as: Option<(u64, u64)>,
    /// The report of the apply, or what was prepared, as JSON.
    pub report: serde_json::Value,
}

const COLUMNS: &str = "s.sent, n.guid, n.name, s.id, s.digest, s.file, s.first, s.last, s.objects, s.at, s.report, s.seq, s.bytes, \
     s.taken_back, s.final, s.first_own, s.last_own, s.reverted FROM objsync_set s JOIN objsync_node n ON n.n = s.peer";

fn record(r: &Row<'_>) -> rusqlite::Result<SetRecord> {
    let filed_as: (Option<u64>, Option<u64>) = (r.get(15)?, r.get(16)?);
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
        seq: r.get(11)?,
        bytes: r.get(12)?,
        taken_back: r.get(13)?,
        reverted: r.get(16 + 1)?,
        final_because: r.get(14)?,
        filed_as: filed_as.0.zip(filed_as.1),
    })
}

impl Node {
    /// The sets prepared and applied here, newest first, at most `limit`.
    pub fn set_records(&self, limit: usize) -> Result<Vec<SetRecord>> {
        let sql = format!("SELECT {COLUMNS} ORDER BY s.seq DESC LIMIT ?1");
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.conn.prepare_cached(&sql)?.query_map([limit], record)?.collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }

    /// The record with that [`SetRecord::seq`].
    pub fn set_record(&self, seq: i64) -> Result<SetRecord> {
        let sql = format!("SELECT {COLUMNS} WHERE s.seq = ?1");
        let found = self.conn.prepare_cached(&sql)?.query_row([seq], record).optional()?;
        found
            .ok_or_else(|| Error::usage(format!("{} knows no set at place {seq}; nothing was changed", self.info.name)))
    }

    /// The records of sets with that id, newest first: prepared here, or applied here; with `peer`, only those exchanged with
    /// the node of that name (compared without case).
    pub fn sets_of(&self, id: i64, sent: bool, peer: Option<&str>) -> Result<Vec<SetRecord>> {
        let sql = format!("SELECT {COLUMNS} WHERE s.id = ?1 AND s.sent = ?2 ORDER BY s.seq DESC");
        let mut rows: Vec<SetRecord> =
            self.conn.prepare_cached(&sql)?.query_map((id, sent), record)?.collect::<rusqlite::Result<_>>()?;
        rows.retain(|r| peer.is_none_or(|peer| crate::words::same_name(&r.peer_name, peer)));
        Ok(rows)
    }
}
