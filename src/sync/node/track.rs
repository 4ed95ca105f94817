//! Making nodes of databases that nobody made for it: which of their tables can be classes, and which must be together.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};
use serde::Serialize;

use crate::sync::data::guid::NodeId;
use crate::sync::data::schema::{ClassSpec, quote};
use crate::sync::error::{Error, ErrorKind, Result};
use crate::sync::node::shape::{self, Shape};
use crate::sync::node::{Node, NodeInfo, Role, open_file, store};
use crate::sync::progress::Progress;

/// What tracking made of a database's tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tracked {
    /// Classes that are journaled from now on.
    pub journaled: Vec<String>,
    /// Classes whose objects only have identities, because rows of others refer to them by local numbers.
    pub identified: Vec<String>,
    /// Tables that were not named and cannot be classes, and why.
    pub left_out: Vec<(String, String)>,
    /// The database was a node before; the classes were added to it.
    pub was_node: bool,
}

impl Node {
    /// Makes tables of the database at `file` classes, named as they are, and the file a node if it is none yet. Named tables
    /// are journaled; tables that they refer to by local numbers are identified, so that references travel. With no names,
    /// every table is journaled that can be. One transaction: where a table cannot be a class, nothing was changed.
    ///
    /// The database is put into WAL mode, in which other programs can read while one writes.
    pub fn track(file: &Path, info: NodeInfo, tables: &[String], progress: &Progress) -> Result<(Node, Tracked)> {
        if !file.is_file() {
            return Err(no_file(file));
        }
        let was_node = store::is_node(&open_file(file)?).map_err(|e| e.while_doing(file.display()))?;
        if !was_node {
            let (specs, tracked) = classes_of(&open_file(file)?, tables, &[])?;
            return Ok((Node::create_watched(file, info, &specs, progress)?, tracked));
        }
        let mut node = Node::open(file)?;
        node.set_progress(progress.clone())?;
        let there: Vec<String> = node.classes().iter().map(|c| c.table.clone()).collect();
        let (specs, tracked) = classes_of(node.connection(), tables, &there)?;
        node.add_classes(&specs)?;
        Ok((node, Tracked { was_node, ..tracked }))
    }
}

/// There is no such file, or it is a folder.
fn no_file(file: &Path) -> Error {
    let what = match file.is_dir() {
        true => format!("{} is a folder, not a database file; nothing was changed", file.display()),
        false => format!("there is no file {}; nothing was changed", file.display()),
    };
    Error::new(ErrorKind::NotFound, what)
}

/// Makes a node an ordinary database again: everything of the engine's is taken out of it, the user's tables stay as they are. Gives
/// who it was. What its peers have not received, they will not; a table can be altered in any way then, and tracked anew.
pub fn untrack(file: &Path) -> Result<NodeInfo> {
    if !file.is_file() {
        return Err(no_file(file));
    }
    let mut conn = open_file(file)?;
    let taken_out = (|| {
        if !store::is_node(&conn)? {
            return Err(Error::new(ErrorKind::NotFound, "the database is not a node of objsync; nothing was changed"));
        }
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let who = "SELECT guid, name, role FROM objsync_node WHERE n = (SELECT node FROM objsync_state)";
        let info = tx.query_row(who, [], |r| {
            let role = Role::parse(&r.get::<_, String>(2)?).unwrap_or_default();
            Ok(NodeInfo { guid: NodeId(r.get::<_, i64>(0)? as u64), name: r.get(1)?, role })
        })?;
        // Triggers first: they would be in the way of the tables. Indexes go with these.
        for kind in ["trigger", "table"] {
            let sql = "SELECT name FROM sqlite_master WHERE type = ?1 AND name GLOB 'objsync_*'";
            let names: Vec<String> =
                tx.prepare(sql)?.query_map([kind], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?;
            for name in names {
                tx.execute_batch(&format!("DROP {kind} {}", quote(&name)))?;
            }
        }
        tx.commit()?;
        Ok(info)
    })();
    taken_out.map_err(|e: Error| e.while_doing(file.display()))
}

/// The classes to be made of the tables named (of all, where none are), beside those that are classes already.
pub(crate) fn classes_of(conn: &Connection, named: &[String], there: &[String]) -> Result<(Vec<ClassSpec>, Tracked)> {
    let all = ordinary_tables(conn)?;
    let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    let is_there = |table: &str| there.iter().any(|t| same(t, table));
    let mut tracked = Tracked::default();
    for table in named {
        let found = all.iter().find(|t| same(t, table)).cloned().unwrap_or_else(|| table.clone());
        Shape::read(conn, &found).map_err(nothing_changed)?;
        if is_there(&found) {
            return Err(Error::usage(format!("the table {found} is tracked already; nothing was changed")));
        }
        if !tracked.journaled.contains(&found) {
            tracked.journaled.push(found);
        }
    }
    if named.is_empty() {
        for table in all.iter().filter(|t| !is_there(t)) {
            match Shape::read(conn, table) {
                Ok(_) => tracked.journaled.push(table.clone()),
                Err(e) => tracked.left_out.push((table.clone(), e.message().to_owned())),
            }
        }
        if tracked.journaled.is_empty() {
            let why: Vec<&str> = tracked.left_out.iter().map(|(_, why)| why.as_str()).collect();
            let why = if why.is_empty() { "it has no others".to_owned() } else { why.join("; ") };
            return Err(Error::usage(format!("the database has no table to track ({why}); nothing was changed")));
        }
    }
    let keys = shape::foreign_keys(conn)?;
    loop {
        let known = |t: &str| is_there(t) || tracked.journaled.iter().chain(&tracked.identified).any(|k| same(k, t));
        let target = keys.iter().filter(|k| known(&k.table) && !known(&k.target)).find_map(|k| {
            let table = all.iter().find(|t| same(t, &k.target))?;
            Shape::read(conn, table).ok()?.is_numbered_by(&k.to).then(|| table.clone())
        });
        match target {
            Some(table) => tracked.identified.push(table),
            None => break,
        }
    }
    let known = |t: &str| is_there(t) || tracked.journaled.iter().chain(&tracked.identified).any(|k| same(k, t));
    // A row that is deleted because a set says so must not leave others behind that only its database would have deleted.
    if let Some(key) = keys.iter().find(|k| k.acts && known(&k.target) && !known(&k.table)) {
        let what = format!(
            "rows of {} are changed or deleted when rows of {} are ({}.{} refers to it ON DELETE …), so the one cannot be tracked without the other; nothing was changed",
            key.table,
            key.target,
            key.table,
            key.columns.join(", ")
        );
        return Err(Error::usage(what).hint(format!("name {} as well", key.table)));
    }
    let spec =
        |journaled: bool| move |table: &String| ClassSpec { name: table.clone(), table: table.clone(), journaled };
    let identified = tracked.identified.iter().map(spec(false));
    Ok((identified.chain(tracked.journaled.iter().map(spec(true))).collect(), tracked))
}

/// The user's tables, those that belong to virtual ones left out.
pub(crate) fn ordinary_tables(conn: &Connection) -> Result<Vec<String>> {
    let sql = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'
               AND name NOT GLOB 'sqlite_*' AND name NOT GLOB 'objsync_*' ORDER BY name";
    let found = conn.prepare(sql)?.query_map([], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

fn nothing_changed(error: Error) -> Error {
    let hint = error.what_next().to_owned();
    Error::new(error.kind(), format!("{}; nothing was changed", error.message())).hint(hint)
}
