//! Which identities a file may know: serials are given in order, so one above the highest that is here was never here.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::sync::data::guid::{Guid, NodeId};
use crate::sync::error::Result;
use crate::sync::node::Node;
use crate::sync::node::store::SERIAL_BITS;

/// The highest serial of each node that any object of this file has, living or deleted, as it was when that was first asked
/// for. Most of what comes is new, and needs no look into the tables.
#[derive(Default)]
pub(crate) struct Given(RefCell<HashMap<NodeId, u64>>);

impl Given {
    /// Whether an object cannot be here, in no class. Not for what is applied meanwhile.
    pub(crate) fn is_new(&self, node: &Node, guid: Guid) -> Result<bool> {
        if let Some(highest) = self.0.borrow().get(&guid.node) {
            return Ok(guid.serial > *highest);
        }
        let highest = node.highest_serial(guid.node)?;
        self.0.borrow_mut().insert(guid.node, highest);
        Ok(guid.serial > highest)
    }
}

impl Node {
    fn highest_serial(&self, of: NodeId) -> Result<u64> {
        let mask = (1 << SERIAL_BITS) - 1;
        let Some(first) = self.nodes.known_id(Guid { node: of, serial: 0 }) else { return Ok(0) };
        let mut highest = 0;
        for class in &self.classes {
            for table in [class.objects(), class.tombstones()] {
                let sql = format!("SELECT max(object) FROM {table} WHERE object BETWEEN ?1 AND ?2");
                let found: Option<i64> =
                    self.conn.prepare_cached(&sql)?.query_row((first, first | mask), |r| r.get(0))?;
                highest = highest.max(found.map_or(0, |id| (id & mask) as u64));
            }
        }
        Ok(highest)
    }
}
