//! What a database file holds, told without opening it as a node: nothing is written, upgraded or followed.

use std::path::Path;

use rusqlite::Connection;

use crate::sync::data::guid::NodeId;
use crate::sync::error::{Error, Result};
use crate::sync::node::look::look_into;
use crate::sync::node::{NodeInfo, Role, store};

/// A node as its file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peeked {
    /// Who it is.
    pub info: NodeInfo,
    /// Its classes.
    pub classes: Vec<PeekedClass>,
}

/// A class as the node's file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeekedClass {
    /// Its name.
    pub name: String,
    /// Its table.
    pub table: String,
    /// The table's columns as they are now; none where there is no such table.
    pub columns: Vec<String>,
}

/// Looks into a database file. `None`: it is a database and no node. An error: it cannot be read.
pub fn peek(file: &Path) -> Result<Option<Peeked>> {
    let conn = look_into(file)?;
    if !store::is_node(&conn)? {
        return Ok(None);
    }
    let who = "SELECT guid, name, role FROM objsync_node WHERE n = (SELECT node FROM objsync_state)";
    let info = conn.query_row(who, [], |r| {
        let role = Role::parse(&r.get::<_, String>(2)?).unwrap_or_default();
        Ok(NodeInfo { guid: NodeId(r.get::<_, i64>(0)? as u64), name: r.get(1)?, role })
    })?;
    Ok(Some(Peeked { info, classes: classes(&conn)? }))
}

fn classes(conn: &Connection) -> Result<Vec<PeekedClass>> {
    let mut statement = conn.prepare("SELECT name, table_name FROM objsync_class ORDER BY id")?;
    let named = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let class = |(name, table): (String, String)| {
        let columns = conn
            .prepare_cached("SELECT name FROM pragma_table_info(?1)")?
            .query_map([&table], |r| r.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok::<_, Error>(PeekedClass { name, table, columns })
    };
    named.into_iter().map(class).collect()
}
