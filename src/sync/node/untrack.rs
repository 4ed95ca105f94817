//! Making a node an ordinary database again: what is the engine's is taken out, and nothing else.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use serde::Serialize;

use crate::sync::data::guid::NodeId;
use crate::sync::data::schema::quote;
use crate::sync::error::{Error, ErrorKind, Result};
use crate::sync::node::{NodeInfo, Role, look, open_file, store, trackable, triggers};

/// What became of a node's file.
#[derive(Clone, Debug, Serialize)]
pub struct Untracked {
    /// Who it was.
    pub was: NodeInfo,
    /// It is still in WAL mode: it was before it became a node, or an earlier version did not note whether it was, or another
    /// program has it open.
    pub wal: bool,
}

/// Takes everything of the engine's out of a node's file; the user's tables stay as they are. What its peers have not received,
/// they will not; a table can be altered in any way then, and tracked anew.
pub fn untrack(file: &Path) -> Result<Untracked> {
    look::is_file(file)?;
    let taken_out = || {
        let not_found =
            || Error::new(ErrorKind::NotFound, "the database is not a node of objsync; nothing was changed");
        if look::is_other_database(file) {
            return Err(not_found());
        }
        let mut conn = open_file(file)?;
        if !store::is_node(&conn)? {
            return Err(not_found());
        }
        // The node's key must not be left in the file, not even in a page that is free.
        conn.execute_batch("PRAGMA secure_delete = ON")?;
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let who = "SELECT guid, name, role FROM objsync_node WHERE n = (SELECT node FROM objsync_state)";
        let was = tx.query_row(who, [], |r| {
            let role = Role::parse(&r.get::<_, String>(2)?).unwrap_or_default();
            Ok(NodeInfo { guid: NodeId(r.get::<_, i64>(0)? as u64), name: r.get(1)?, role })
        })?;
        let was_wal = was_wal(&tx);
        drop_all(&tx)?;
        tx.commit()?;
        // It is done. The key is in the log, too, until that goes.
        let emptied = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if was_wal == Some(false) && emptied.is_ok() {
            let _ = conn.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()));
        }
        let mode: String = conn.query_row("PRAGMA journal_mode", [], |r| r.get(0)).unwrap_or_default();
        Ok(Untracked { was, wal: mode == "wal" })
    };
    taken_out().map_err(|e: Error| e.of_file(file).while_doing(file.display()))
}

/// Whether the database was in WAL mode before it was a node; `None`: an earlier version did not note it.
fn was_wal(conn: &Connection) -> Option<bool> {
    let found = conn.query_row("SELECT was_wal FROM objsync_state", [], |r| r.get(0)).optional();
    found.ok().flatten().flatten()
}

fn drop_all(conn: &Connection) -> Result<()> {
    let list = |sql: &str| -> Result<Vec<String>> {
        Ok(conn.prepare(sql)?.query_map([], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?)
    };
    let classes = list("SELECT table_name FROM objsync_class")?;
    let own_triggers: Vec<String> = classes.iter().flat_map(|table| triggers::names(table)).collect();
    let own_tables = trackable::own_tables(conn)?;
    // Triggers first: they would be in the way of the tables. Indexes go with these.
    for (kind, own) in [("trigger", own_triggers), ("table", own_tables)] {
        for name in list(&format!("SELECT name FROM sqlite_master WHERE type = '{kind}'"))? {
            if own.contains(&name) {
                conn.execute_batch(&format!("DROP {kind} {}", quote(&name)))?;
            }
        }
    }
    Ok(())
}
