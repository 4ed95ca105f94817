//! The nodes named in a file. There each has a small number, so that object ids and vectors stay short; everywhere else a
//! node is its GUID.

use std::collections::{BTreeMap, HashMap};

use rusqlite::Connection;

use crate::sync::data::guid::{Guid, NodeId};
use crate::sync::data::vector::Vector;
use crate::sync::error::{Error, Result};
use crate::sync::node::store;
use crate::sync::node::{NodeInfo, Role};

/// The nodes named in a file. A set may name thousands, and each value of it may name one.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    by_number: BTreeMap<i64, NodeInfo>,
    numbers: HashMap<NodeId, i64>,
}

impl Registry {
    pub(crate) fn read(conn: &Connection) -> Result<Registry> {
        let mut registry = Registry::default();
        let mut statement = conn.prepare_cached("SELECT n, guid, name, role FROM objsync_node ORDER BY n")?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let role = Role::parse(&r.get::<_, String>(3)?).unwrap_or_default();
            let info = NodeInfo { guid: NodeId(r.get::<_, i64>(1)? as u64), name: r.get(2)?, role };
            registry.note(r.get(0)?, &info);
        }
        Ok(registry)
    }

    /// Notes a node that was written, with its small number.
    pub(crate) fn note(&mut self, n: i64, info: &NodeInfo) {
        self.numbers.insert(info.guid, n);
        self.by_number.insert(n, info.clone());
    }

    /// In the order in which they became known.
    pub(crate) fn all(&self) -> impl Iterator<Item = &NodeInfo> {
        self.by_number.values()
    }

    pub(crate) fn find(&self, guid: NodeId) -> Option<&NodeInfo> {
        self.numbers.get(&guid).and_then(|n| self.by_number.get(n))
    }

    /// The name to call a node by.
    pub(crate) fn name(&self, guid: NodeId) -> String {
        self.find(guid).map_or_else(|| guid.to_string(), |info| info.name.clone())
    }

    pub(crate) fn number(&self, guid: NodeId) -> Result<i64> {
        let found = self.numbers.get(&guid).copied();
        found.ok_or_else(|| Error::storage(format!("node {guid} is not known in this file")))
    }

    pub(crate) fn guid(&self, n: i64) -> Result<NodeId> {
        let found = self.by_number.get(&n).map(|info| info.guid);
        found.ok_or_else(|| {
            Error::storage(format!("node number {n} is not known in this file: objsync_node is damaged"))
        })
    }

    /// The integer by which this file names an object.
    pub(crate) fn id(&self, guid: Guid) -> Result<i64> {
        Ok((self.number(guid.node)? << store::SERIAL_BITS) | guid.serial as i64)
    }

    /// The same, `None` where its node is not even known here.
    pub(crate) fn known_id(&self, guid: Guid) -> Option<i64> {
        self.id(guid).ok()
    }

    pub(crate) fn object(&self, id: i64) -> Result<Guid> {
        let serial = (id & ((1 << store::SERIAL_BITS) - 1)) as u64;
        Ok(Guid { node: self.guid(id >> store::SERIAL_BITS)?, serial })
    }

    /// Writes vector entries, each as [`push_entry`] does.
    pub(crate) fn encode(&self, entries: impl Iterator<Item = (NodeId, u64)>) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for (node, number) in entries {
            push_entry(&mut bytes, self.number(node)?, number);
        }
        Ok(bytes)
    }

    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<Vector> {
        let damaged = || Error::storage("a version vector in this file is damaged");
        let (mut values, mut value, mut shift) = (Vec::new(), 0u64, 0);
        for byte in bytes {
            value |= u64::from(byte & 0x7f).checked_shl(shift).ok_or_else(damaged)?;
            shift += 7;
            if byte & 0x80 == 0 {
                values.push(value);
                (value, shift) = (0, 0);
            }
        }
        if shift != 0 || values.len() % 2 != 0 {
            return Err(damaged());
        }
        values.chunks(2).map(|pair| Ok((self.guid(pair[0] as i64)?, pair[1]))).collect()
    }
}

/// Appends an entry to a stored vector: the node's small number and the commit number, as variable-length integers (LEB128).
fn push_entry(bytes: &mut Vec<u8>, n: i64, number: u64) {
    for mut value in [n as u64, number] {
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
    }
}
