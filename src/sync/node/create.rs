//! Making a node of a database: its tables become classes, the rows in them objects.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value as SqlValue;

use crate::sync::data::schema::{Class, ClassSpec, Key, quote};
use crate::sync::data::stamp::system_clock;
use crate::sync::error::{Error, ErrorKind, Result};
use crate::sync::exchange::signature;
use crate::sync::node::{Node, NodeInfo, open_file, shape, store, trackable, triggers};
use crate::sync::progress::{Progress, Step};

impl Node {
    /// Makes the database at `path` a node with these classes. Its tables exist; rows in them become objects, filed as
    /// one commit.
    pub fn create(path: &Path, info: NodeInfo, specs: &[ClassSpec]) -> Result<Node> {
        Node::create_watched(path, info, specs, &Progress::default())
    }

    /// The same, saying what goes on; where it is stopped, nothing was changed.
    pub fn create_watched(path: &Path, info: NodeInfo, specs: &[ClassSpec], progress: &Progress) -> Result<Node> {
        let node = Node::create_in_transaction(path, info, specs, progress).map_err(|e| e.of_file(path))?;
        // It is a node now. Where another program is in the way of WAL mode, the next opening switches to it.
        let _ = store::configure(&node.conn);
        Ok(node)
    }

    /// Everything that it takes to open the node is done before the end of the transaction, so that it is none where that fails.
    fn create_in_transaction(path: &Path, info: NodeInfo, specs: &[ClassSpec], progress: &Progress) -> Result<Node> {
        NodeInfo::check_name(&info.name)?;
        let conn = open_file(path)?;
        store::configure_connection(&conn)?;
        conn.execute_batch("PRAGMA synchronous = FULL; BEGIN IMMEDIATE")?;
        if store::is_node(&conn)? {
            return Err(Error::usage(format!("{} is a node already; nothing was changed", path.display())));
        }
        store::create(&conn)?;
        conn.execute(
            "INSERT INTO objsync_node (n, guid, name, role) VALUES (1, ?1, ?2, ?3)",
            (info.guid.0 as i64, &info.name, info.role.name()),
        )?;
        let mode: String = conn.query_row("PRAGMA journal_mode", [], |r| r.get(0))?;
        let sql = "INSERT INTO objsync_state (id, format, node, was_wal) VALUES (1, ?1, 1, ?2)";
        conn.execute(sql, (store::FORMAT, mode == "wal"))?;
        signature::make_key(&conn)?;
        add_classes(&conn, specs, progress)?;
        conn.execute("INSERT INTO objsync_told (number, clock) SELECT number, clock FROM objsync_state", [])?;
        let mut node = Node::from_connection(conn, path)?;
        node.conn.execute_batch("COMMIT")?;
        node.set_progress(progress.clone())?;
        Ok(node)
    }

    /// Makes further tables classes. Rows in them become objects, filed as one commit.
    pub fn add_classes(&mut self, specs: &[ClassSpec]) -> Result<()> {
        self.write(|node| {
            if let Some(there) =
                specs.iter().find(|s| node.classes.iter().any(|c| c.name == s.name || c.table == s.table))
            {
                let what = format!(
                    "{} has the class {} of the table {} already; nothing was changed",
                    node.info.name, there.name, there.table
                );
                return Err(Error::usage(what));
            }
            node.conn.execute("UPDATE objsync_state SET number = number + 1", [])?;
            node.tick()?;
            add_classes(&node.conn, specs, &node.progress)?;
            node.make_final("further tables were tracked since")?;
            // What keeps the file from being opened again keeps this from being done.
            node.refresh()
        })
    }
}

fn add_classes(conn: &Connection, specs: &[ClassSpec], progress: &Progress) -> Result<()> {
    let mut all = store::specs(conn)?.into_iter().map(|(_, spec)| spec).collect::<Vec<_>>();
    all.extend_from_slice(specs);
    let mut by_others_only = Vec::new();
    for spec in specs {
        match trackable::unwritable(conn, &spec.table)? {
            Some(why) if spec.journaled => return Err(why.and_nothing_changed()),
            // It is never written by us, only by its program.
            Some(_) => by_others_only.push(&spec.name),
            None => {}
        }
        store::add_class(conn, shape::new_class(conn, spec, &all)?)?;
    }
    let new = |class: &&Class| specs.iter().any(|s| s.name == class.name);
    for class in store::classes(conn)?.iter().filter(new) {
        adopt_rows(conn, class, progress)?;
        triggers::create(conn, class)?;
    }
    // With our triggers its program must be able to write as before.
    for spec in specs.iter().filter(|spec| !by_others_only.contains(&&spec.name)) {
        if let Some(why) = trackable::unwritable(conn, &spec.table)? {
            return Err(why.and_nothing_changed());
        }
    }
    Ok(())
}

/// Rows that were there before the class was: each becomes an object, all in one commit.
fn adopt_rows(conn: &Connection, class: &Class, progress: &Progress) -> Result<()> {
    let columns: Vec<String> = match &class.key {
        Key::Number(key) => vec![quote(key)],
        Key::Content(places) => places.iter().map(|i| quote(&class.properties[*i].name)).collect(),
    };
    let list = columns.join(", ");
    let table = quote(&class.table);
    let without: Vec<String> = columns.iter().map(|c| format!("{c} IS NULL")).collect();
    let sql = format!("SELECT count(*), total({}) FROM {table}", without.join(" OR "));
    let (total, without): (usize, f64) = conn.query_row(&sql, [], |r| Ok((r.get(0)?, r.get(1)?)))?;
    if total == 0 {
        return Ok(());
    }
    if without > 0.0 {
        let what = format!(
            "the table {} has rows without a key ({list} is NULL), so nothing tells them apart; nothing was changed",
            class.table
        );
        return Err(
            Error::new(ErrorKind::Constraint, what).hint("give each of them a key, or delete them, then try again")
        );
    }
    conn.execute("UPDATE objsync_state SET number = max(number, 1), clock = max(clock, ?1)", [system_clock()()])?;
    let (names, places): (String, String) = match &class.key {
        Key::Number(_) => Default::default(),
        Key::Content(key) => (0..key.len()).map(|n| (format!(", k{n}"), format!(", ?{}", n + 4))).unzip(),
    };
    let mut statement = conn.prepare(&format!("SELECT {list} FROM {table} ORDER BY {list}"))?;
    let mut rows = statement.query([])?;
    let mut done = 0;
    while let Some(r) = rows.next()? {
        let values: Vec<SqlValue> = (0..columns.len()).map(|i| r.get(i)).collect::<rusqlite::Result<_>>()?;
        progress.step(Step { what: "giving rows identities", done, total: Some(total) })?;
        done += 1;
        conn.prepare_cached("UPDATE objsync_state SET serial = serial + 1")?.execute([])?;
        // `NULL`: a key that is content, so the object's id stands for it.
        let (number, content) = match &class.key {
            Key::Number(_) => (values[0].clone(), Vec::new()),
            Key::Content(_) => (SqlValue::Null, values),
        };
        if class.journaled {
            conn.prepare_cached(
                "INSERT INTO objsync_journal (number, class, object, kind, key, before)
                 SELECT number, ?1, (node << ?2) + serial, 1, coalesce(?3, (node << ?2) + serial), 0 FROM objsync_state",
            )?
            .execute((class.id, store::SERIAL_BITS, &number))?;
        }
        let sql = format!(
            "INSERT INTO {} (key, object, own, time, author, last{names})
             SELECT coalesce(?1, (node << ?2) + serial), (node << ?2) + serial, number, clock, node,
                    iif(?3, last_insert_rowid(), NULL){places} FROM objsync_state",
            class.objects()
        );
        let fixed = [number, i64::from(store::SERIAL_BITS).into(), i64::from(class.journaled).into()];
        conn.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(fixed.into_iter().chain(content)))?;
    }
    Ok(())
}
