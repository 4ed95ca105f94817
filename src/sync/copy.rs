//! Fresh copies: a copied or restored file is a new node. Journal, history and what waits are kept; the lineage says from
//! which commit of which node it goes on; of what peers know, only what they have confirmed is claimed.

use std::path::Path;

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, MAIN_DB};

use crate::sync::error::{Error, Result};
use crate::sync::guid::NodeId;
use crate::sync::node::{Node, NodeInfo, Role};
use crate::sync::schema::quote;
use crate::sync::store;

impl Node {
    /// Makes a new node from this one's file, level with it at once: nothing to send. `file` must not exist.
    pub fn fresh_copy(&mut self, file: &Path, name: &str, role: Role) -> Result<Node> {
        self.fresh_copy_as(file, NodeInfo { guid: NodeId::random(), name: name.to_owned(), role })
    }

    /// The same with a GUID that is given; it must never have been used before.
    pub fn fresh_copy_as(&mut self, file: &Path, info: NodeInfo) -> Result<Node> {
        if file.exists() {
            return Err(Error::storage(format!("the file exists already and was left as it is: {}", file.display())));
        }
        let part = file.with_extension("part");
        let copied = (|| {
            self.refresh()?;
            self.conn.backup(MAIN_DB, &part, None::<fn(rusqlite::backup::Progress)>)?;
            let conn = Connection::open(&part)?;
            store::configure(&conn)?;
            become_new_node(&conn, &info)?;
            conn.execute_batch(
                "DELETE FROM objsync_set; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;",
            )?;
            drop(conn);
            Ok(std::fs::rename(&part, file)?)
        })();
        if let Err(error) = copied {
            for ending in ["part", "part-wal", "part-shm"] {
                let _ = std::fs::remove_file(file.with_extension(ending));
            }
            return Err(error);
        }
        let copy = Node::open(file)?.with_clock(self.clock.clone());
        self.meet(&copy.identity()?)?;
        Ok(copy)
    }

    /// Makes this file, which was copied or restored from a backup, a new node with the same name and role. Nothing in it is
    /// lost: what was filed since the backup at the old node comes back from its peers, what is filed from now on has numbers
    /// of its own.
    pub fn rejoin(&mut self) -> Result<NodeInfo> {
        self.rejoin_as(NodeId::random())
    }

    /// The same with a GUID that is given; it must never have been used before.
    pub fn rejoin_as(&mut self, guid: NodeId) -> Result<NodeInfo> {
        let info = NodeInfo { guid, ..self.info.clone() };
        self.write(|node| become_new_node(&node.conn, &info))?;
        self.info = info.clone();
        self.refresh()?;
        Ok(info)
    }
}

fn become_new_node(conn: &Connection, info: &NodeInfo) -> Result<()> {
    // Vectors of the old node: its own entry becomes one among the others. Entries are pairs of LEB128 integers.
    conn.create_scalar_function(
        "objsync_with",
        3,
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC,
        |arguments| {
            let mut rest: Vec<u8> = arguments.get::<Option<Vec<u8>>>(0)?.unwrap_or_default();
            for mut value in [arguments.get::<i64>(1)? as u64, arguments.get::<i64>(2)? as u64] {
                while value >= 0x80 {
                    rest.push(value as u8 | 0x80);
                    value >>= 7;
                }
                rest.push(value as u8);
            }
            Ok(rest)
        },
    )?;
    let (old, number, clock): (i64, u64, i64) =
        conn.query_row("SELECT node, number, clock FROM objsync_state", [], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
    conn.execute(
        "INSERT INTO objsync_node (guid, name, role) VALUES (?1, ?2, ?3)",
        (info.guid.0 as i64, &info.name, info.role.name()),
    )?;
    let new = conn.last_insert_rowid();
    conn.execute(
        "INSERT INTO objsync_lineage (node, place, ancestor, number) VALUES (?1, 0, ?2, ?3)",
        (new, old, number),
    )?;
    conn.execute(
        "INSERT INTO objsync_lineage (node, place, ancestor, number)
         SELECT ?1, place + 1, ancestor, number FROM objsync_lineage WHERE node = ?2",
        (new, old),
    )?;
    conn.execute("UPDATE objsync_sync_time SET sent = acknowledged", [])?;
    conn.execute(
        "INSERT OR REPLACE INTO objsync_sync_time (peer, received, seen_number, seen_clock) VALUES (?1, ?2, ?2, ?3)",
        (old, number, clock),
    )?;
    conn.execute("UPDATE objsync_state SET node = ?1, serial = 0", [new])?;
    let tables: Vec<String> = conn
        .prepare("SELECT table_name FROM objsync_class")?
        .query_map([], |r| r.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let versions = tables.iter().flat_map(|t| [format!("objsync_object_{t}"), format!("objsync_tombstone_{t}")]);
    for table in versions.chain(["objsync_journal".to_owned()]) {
        let sql = format!("UPDATE {} SET rest = objsync_with(rest, ?1, own), own = 0 WHERE own > 0", quote(&table));
        conn.execute(&sql, [old])?;
    }
    conn.remove_function("objsync_with", 3)?;
    Ok(())
}
