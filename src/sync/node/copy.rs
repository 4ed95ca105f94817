//! Fresh copies: a copied or restored file is a new node. Journal, history and what waits are kept; the lineage says from
//! which commit of which node it goes on; of what peers know, only what they have confirmed is claimed.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::functions::FunctionFlags;

use crate::sync::data::guid::NodeId;
use crate::sync::error::{Error, Result};
use crate::sync::exchange::signature::{self, Signing, Statement};
use crate::sync::exchange::told::{Point, last_told};
use crate::sync::node::look::beside;
use crate::sync::node::parting::{self, Parting};
use crate::sync::node::registry::Registry;
use crate::sync::node::store;
use crate::sync::node::{Node, NodeInfo, Role, open_file};
use crate::sync::part_file;

impl Node {
    /// Makes a new node from this one's file, level with it at once: nothing to send. `file` must not exist; it can be read by its
    /// owner alone. Of a node that cannot be written (`open_to_read`) the copy is one as by hand, made a new node: the node learns
    /// of it with its first set.
    pub fn fresh_copy(&mut self, file: &Path, name: &str, role: Role) -> Result<Node> {
        self.fresh_copy_as(file, NodeInfo { guid: NodeId::random(), name: name.to_owned(), role })
    }

    /// The same with a GUID that is given; it must never have been used before.
    pub fn fresh_copy_as(&mut self, file: &Path, info: NodeInfo) -> Result<Node> {
        NodeInfo::check_name(&info.name)?;
        // A link to nowhere is somebody's, too.
        if file.symlink_metadata().is_ok() {
            return Err(exists(file));
        }
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let part = part_file::begin(folder).map_err(|e| cannot_write(file, &e))?.into_temp_path();
        let copied = (|| {
            if !self.read_only {
                // The copy tells others what this node held.
                self.tell()?;
            }
            let mut conn = open_file(&part)?;
            self.copy_pages(&mut conn)?;
            store::configure(&conn)?;
            // The file could be put back from a backup without having noted that anybody had heard of later commits.
            let seen = last_told(&conn, i64::MAX)?;
            become_new_node(&conn, &info, &Parting::after(seen), None)?;
            conn.execute_batch(
                "DELETE FROM objsync_set; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;",
            )?;
            Ok(())
        })();
        for ending in ["-wal", "-shm", "-journal"] {
            let _ = std::fs::remove_file(beside(&part, ending));
        }
        copied.map_err(|e: Error| e.of_file(file))?;
        part.persist_noclobber(file).map_err(|e| match e.error.kind() {
            std::io::ErrorKind::AlreadyExists => exists(file),
            _ => cannot_write(file, &e.error),
        })?;
        let begun = self.begin(file);
        if begun.is_err() {
            for ending in ["", "-wal", "-shm", "-journal"] {
                let _ = std::fs::remove_file(beside(file, ending));
            }
        }
        begun.map_err(|e| e.and_nothing_changed())
    }

    /// Opens a copy in its place, and notes here that there is one.
    fn begin(&mut self, file: &Path) -> Result<Node> {
        let mut copy = Node::open(file)?.with_clock(self.clock.clone());
        copy.set_progress(self.progress.clone())?;
        if self.read_only {
            return Ok(copy);
        }
        let identity = copy.identity()?;
        self.write(|node| {
            node.make_final(&format!("{name} was made as a copy of this database since", name = identity.info.name))?;
            node.note_peer(&identity)
        })?;
        Ok(copy)
    }

    fn copy_pages(&self, to: &mut Connection) -> Result<()> {
        let backup = Backup::new(&self.conn, to)?;
        loop {
            match backup.step(1_000)? {
                StepResult::Done => return Ok(()),
                StepResult::More => {}
                _ => std::thread::sleep(std::time::Duration::from_millis(20)),
            }
            let pages = backup.progress();
            let [total, left] = [pages.pagecount, pages.remaining].map(|n| usize::try_from(n).unwrap_or_default());
            self.going_on("copying pages", total - left.min(total), Some(total))?;
        }
    }

    /// Makes this file, which was copied or restored from a backup, a new node with the same name and role. Nothing in it is
    /// lost: what the old node filed after the backup comes back from its peers. Where the original still lies where this file
    /// was copied from, the two tell what was written since, and rows made since get identities of the new node. Else it is not
    /// known from which commit on this file went its own way, only that it had told others of some; what was filed after
    /// these counts as the new node's. Where that was the old node's after all, both say the same, which is no conflict; where
    /// numbers were given twice, it is one.
    ///
    /// Where other nodes are at hand, [`Environment::rejoin`](crate::sync::Environment::rejoin) asks them what they know of it.
    pub fn rejoin(&mut self) -> Result<NodeInfo> {
        self.rejoin_as(NodeId::random())
    }

    /// The same with a GUID that is given; it must never have been used before.
    pub fn rejoin_as(&mut self, guid: NodeId) -> Result<NodeInfo> {
        let certain = self.certain_point(&[])?;
        self.rejoin_from(NodeInfo { guid, ..self.info.clone() }, certain)
    }

    /// The same as another node in all, and with what is known to be the old node's.
    pub(crate) fn rejoin_from(&mut self, info: NodeInfo, certain: Point) -> Result<NodeInfo> {
        NodeInfo::check_name(&info.name)?;
        let was_at = self.was_at.take();
        // Where there is no other file that goes on as the old node, it is no peer.
        // A name that is no UTF-8 is not kept as it was.
        let is_gone = |at: &String| Path::new(at) == self.path || !at.contains('\u{fffd}') && !Path::new(at).exists();
        let gone = was_at.as_ref().is_none_or(is_gone);
        let old = self.info.guid;
        let original = was_at.as_ref().filter(|_| !gone).map(Path::new);
        self.write(|node| {
            node.make_final("this database became a new node since")?;
            let compared = match original {
                Some(original) => parting::compare(&node.conn, original, old)?,
                None => None,
            };
            let original = original.filter(|_| compared.is_some());
            become_new_node(&node.conn, &info, &compared.unwrap_or(Parting::after(certain)), original)?;
            if gone {
                let sql = "DELETE FROM objsync_sync_time WHERE peer = (SELECT n FROM objsync_node WHERE guid = ?1)";
                node.conn.execute(sql, [old.0 as i64])?;
            }
            node.find_whereabouts()
        })
        .inspect_err(|_| self.was_at = was_at)?;
        self.info = info.clone();
        self.refresh()?;
        Ok(info)
    }
}

fn exists(file: &Path) -> Error {
    Error::storage(format!("the file exists already and was left as it is: {}", file.display()))
        .hint("name another file")
}

fn cannot_write(file: &Path, e: &std::io::Error) -> Error {
    Error::storage(format!("the copy cannot be written, nothing was changed: {e}: {}", file.display()))
        .hint("check that the folder is there and can be written, or name another file")
}

/// Commits up to the parting stay the old node's; those after it, if any, are the new node's, under the same numbers.
fn become_new_node(conn: &Connection, info: &NodeInfo, parting: &Parting, original: Option<&Path>) -> Result<()> {
    let Point { number: certain, clock } = parting.seen;
    let old: i64 = conn.query_row("SELECT node FROM objsync_state", [], |r| r.get(0))?;
    conn.execute(
        "INSERT INTO objsync_node (guid, name, role) VALUES (?1, ?2, ?3)",
        (info.guid.0 as i64, &info.name, info.role.name()),
    )?;
    let new = conn.last_insert_rowid();
    // The old node's own entry in a vector becomes one among the others, in its place, so that a vector has one form.
    let nodes = Registry::read(conn)?;
    let former = nodes.guid(old)?;
    conn.create_scalar_function(
        "objsync_with",
        2,
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC,
        move |arguments| {
            let rest: Vec<u8> = arguments.get::<Option<Vec<u8>>>(0)?.unwrap_or_default();
            let number: u64 = arguments.get(1)?;
            let vector = nodes.decode(&rest).and_then(|mut vector| {
                vector.set(former, number);
                nodes.encode(vector.entries().iter().copied())
            });
            vector.map_err(|e| rusqlite::Error::UserFunctionError(Box::new(e)))
        },
    )?;
    conn.execute(
        "INSERT INTO objsync_lineage (node, place, ancestor, number) VALUES (?1, 0, ?2, ?3)",
        (new, old, certain),
    )?;
    conn.execute(
        "INSERT INTO objsync_lineage (node, place, ancestor, number)
         SELECT ?1, place + 1, ancestor, number FROM objsync_lineage WHERE node = ?2",
        (new, old),
    )?;
    conn.execute("UPDATE objsync_sync_time SET sent = acknowledged, heard = 0", [])?;
    conn.execute("INSERT OR REPLACE INTO objsync_sync_time (peer, received) VALUES (?1, ?2)", (old, certain))?;
    // The file holds the old node's key until the new one has its own.
    let signing = Signing::of_file(conn)?;
    let proof = signing.sign(&Statement::Point(former, parting.seen));
    conn.execute(
        "UPDATE objsync_node SET seen_number = ?2, seen_clock = ?3, seen_proof = ?4 WHERE n = ?1",
        (old, certain, clock, proof.bytes()),
    )?;
    conn.execute("UPDATE objsync_state SET node = ?1, serial = 0, path = NULL", [new])?;
    conn.execute_batch("DELETE FROM objsync_told")?;
    conn.execute("INSERT INTO objsync_told (number, clock) SELECT ?1, clock FROM objsync_state", [certain])?;
    // The old node's key must not be left in this file, not even in a page that is free.
    conn.execute_batch("PRAGMA secure_delete = ON")?;
    let introduction = Statement::Introduction(info.guid, signature::make_key(conn)?);
    conn.execute(
        "UPDATE objsync_node SET introduced_by = ?2, introduction = ?3 WHERE n = ?1",
        (new, old, signing.sign(&introduction).bytes()),
    )?;
    parting::hand_over(conn, old, new, parting, original)?;
    for table in parting::versions(conn)?.into_iter().chain(["objsync_journal".to_owned()]) {
        let sql = format!(
            "UPDATE {table} SET rest = iif(old > 0, objsync_with({table}.rest, old), {table}.rest), own = iif({table}.own > ?1, {table}.own, 0)
             FROM (SELECT u.rowid AS at, iif(u.own > ?1, coalesce(s.own, ?1), u.own) AS old
                   FROM {table} u LEFT JOIN temp.objsync_since s ON s.new = u.object WHERE u.own > 0)
             WHERE {table}.rowid = at"
        );
        conn.execute(&sql, [certain])?;
    }
    // Of a clock that was wrong before, only what was written here since is this node's.
    conn.execute_batch(
        "DELETE FROM objsync_clock_was WHERE NOT EXISTS (SELECT 1 FROM temp.objsync_since); DROP TABLE temp.objsync_since",
    )?;
    conn.remove_function("objsync_with", 2)?;
    Ok(())
}
