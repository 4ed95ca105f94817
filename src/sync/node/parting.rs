//! Where a copied file and its original parted.
//!
//! A copy that was written to before it became a new node has commits under numbers, and objects under identities, that its original
//! gives, too. Where the original is at hand, the two journals tell the last commit that both have: everything after it was made
//! here, by nobody else, so it gets the new node's name and objects made since get identities of the new node. (The engine
//! writes nothing to a copy before it is a new node, so nobody has heard of these.)
//!
//! Where it is not at hand, this may be a backup: what is in it may be known to others under the old node's name, and keeps its
//! identity.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension};

use crate::sync::data::guid::NodeId;
use crate::sync::data::schema::quote;
use crate::sync::error::{Error, Result};
use crate::sync::exchange::told::{Point, last_told};
use crate::sync::node::look::look_into;
use crate::sync::node::store::{self, SERIAL_BITS};

/// Where a file went its own way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parting {
    /// Up to here everything is the old node's for certain: it has told others of it, so a backup of it is found out.
    pub(crate) seen: Point,
    /// Objects made after this commit, and states written after it, were made in this file.
    pub(crate) made: u64,
}

impl Parting {
    /// Where nothing more is known than what the old node has told.
    pub(crate) fn after(seen: Point) -> Parting {
        Parting { seen, made: seen.number }
    }
}

/// An event, and the stamp of the state that it made.
#[derive(PartialEq)]
struct Event {
    number: u64,
    class: i64,
    object: i64,
    kind: i64,
    stamp: Option<(i64, i64)>,
}

/// Compares a file with the original that it may be a copy of. `None`: that is not its original, or too much of either journal is
/// purged to tell.
pub(crate) fn compare(conn: &Connection, original: &Path, node: NodeId) -> Result<Option<Parting>> {
    let Ok(other) = look_into(original) else { return Ok(None) };
    if !is_the_node(&other, node).unwrap_or(false) {
        return Ok(None);
    }
    // A copy tells nobody anything, so up to the last point in it both are the same.
    let seen = last_told(conn, i64::MAX)?;
    let (ours, theirs) = (events(conn, seen.number)?, events(&other, seen.number)?);
    let common =
        ours.iter().filter(|(pos, event)| theirs.get(*pos) == Some(*event)).map(|(_, event)| event.number).max();
    let floor: u64 = other.query_row("SELECT floor FROM objsync_state", [], |r| r.get(0))?;
    let made = common.or((floor <= seen.number).then_some(seen.number));
    Ok(made.map(|made| Parting { seen, made }))
}

/// Whether a file is that node's.
pub(crate) fn is_at(file: &Path, node: NodeId) -> bool {
    look_into(file).is_ok_and(|conn| is_the_node(&conn, node).unwrap_or(false))
}

fn is_the_node(conn: &Connection, node: NodeId) -> Result<bool> {
    if !store::is_node(conn)? {
        return Ok(false);
    }
    let sql = "SELECT s.format, n.guid FROM objsync_state s JOIN objsync_node n ON n.n = s.node";
    let (format, guid): (i64, i64) = conn.query_row(sql, [], |r| Ok((r.get(0)?, r.get(1)?)))?;
    Ok(format == store::FORMAT && guid == node.0 as i64)
}

/// The journal after a commit, by position. Events alone do not tell two inserts apart: the stamp of what they made does.
fn events(conn: &Connection, after: u64) -> Result<HashMap<i64, Event>> {
    let mut stamps: HashMap<i64, Option<(i64, i64)>> = HashMap::new();
    for table in versions(conn)? {
        let mut statement = conn.prepare(&format!(
            "SELECT object, time, author FROM {table} WHERE object IN (SELECT object FROM objsync_journal WHERE number > ?1)"
        ))?;
        let mut rows = statement.query([after])?;
        while let Some(r) = rows.next()? {
            stamps.insert(r.get(0)?, Some((r.get(1)?, r.get(2)?)));
        }
    }
    let sql = "SELECT pos, number, class, object, kind, time, author FROM objsync_journal WHERE number > ?1 ORDER BY pos DESC";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([after])?;
    let mut events = HashMap::new();
    while let Some(r) = rows.next()? {
        let object: i64 = r.get(3)?;
        let before: Option<(i64, i64)> = r.get::<_, Option<i64>>(5)?.zip(r.get(6)?);
        let stamp = stamps.insert(object, before).flatten();
        events.insert(r.get(0)?, Event { number: r.get(1)?, class: r.get(2)?, object, kind: r.get(4)?, stamp });
    }
    Ok(events)
}

/// The tables that hold versions of objects, quoted.
pub(crate) fn versions(conn: &Connection) -> Result<Vec<String>> {
    let classes = store::classes(conn)?;
    Ok(classes.iter().flat_map(|class| [class.objects(), class.tombstones()]).collect())
}

/// Gives what was made after the parting to the new node (`new`, `old`: small numbers), but for the vectors. Leaves, in the temporary
/// table `objsync_since`, the objects written since: `own`, the last commit of the old node's in them (0: they were made since), and
/// `new`, what they are named from now on. `original`: the file that was compared, if any.
pub(crate) fn hand_over(
    conn: &Connection,
    old: i64,
    new: i64,
    parting: &Parting,
    original: Option<&Path>,
) -> Result<()> {
    conn.execute_batch(
        "CREATE TEMP TABLE objsync_since (object INTEGER PRIMARY KEY, class INTEGER, own INTEGER NOT NULL, new INTEGER)",
    )?;
    conn.execute(
        "INSERT INTO temp.objsync_since (object, class, own, new)
         SELECT object, class, iif(before = 0, 0, own), object FROM
         (SELECT object, class, before, own, min(pos) FROM objsync_journal WHERE number > ?1 GROUP BY object)",
        [parting.seen.number],
    )?;
    if let Some(original) = original {
        find_unjournaled(conn, old, parting.made, original)?;
        give_identities(conn, old, new, parting.made)?;
    }
    // What was written since has this node's stamp. A decision keeps the stamp of what won, which may be the old node's.
    for table in versions(conn)?.iter().map(String::as_str).chain(["objsync_journal"]) {
        let sql = format!("UPDATE {table} SET author = ?1 WHERE author = ?2 AND own > ?3 AND time > ?4");
        conn.execute(&sql, (new, old, parting.made, parting.seen.clock))?;
    }
    let mut statement = conn.prepare("SELECT pos, dots FROM objsync_journal WHERE number > ?1 AND dots IS NOT NULL")?;
    let listed: Vec<(i64, String)> =
        statement.query_map([parting.seen.number], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    for (pos, text) in listed {
        let mut dots: Vec<(usize, i64, u64)> = serde_json::from_str(&text)
            .map_err(|_| Error::storage("what the journal says of who wrote what is damaged"))?;
        for dot in dots.iter_mut().filter(|dot| dot.1 == old && dot.2 > parting.seen.number) {
            dot.1 = new;
        }
        let text = serde_json::to_string(&dots).map_err(|e| Error::storage(e.to_string()))?;
        conn.execute("UPDATE objsync_journal SET dots = ?2 WHERE pos = ?1", (pos, text))?;
    }
    Ok(())
}

/// Objects that only have identities are in no journal. Those are new that have a later serial than what was surely made before the
/// parting, but for such as are the same row in the original.
fn find_unjournaled(conn: &Connection, old: i64, parted: u64, original: &Path) -> Result<()> {
    let other = look_into(original)?;
    let before = "SELECT coalesce(max(object), 0) FROM objsync_journal WHERE object >> ?1 = ?2 AND number <= ?3";
    let before: i64 = conn.query_row(before, (SERIAL_BITS, old, parted), |r| r.get(0))?;
    for class in store::classes(conn)?.iter().filter(|class| !class.journaled) {
        let sql = format!(
            "SELECT o.object, t.* FROM {} o JOIN {} t ON {} WHERE o.object >> ?1 = ?2 AND o.object > ?3 AND (?4 IS NULL OR o.object = ?4)",
            class.objects(),
            quote(&class.table),
            class.same_row("t", "o")
        );
        let mut statement = conn.prepare(&sql)?;
        let mut of_other = other.prepare(&sql)?;
        let columns = statement.column_count();
        let read =
            |r: &rusqlite::Row<'_>| (0..columns).map(|i| r.get::<_, SqlValue>(i)).collect::<rusqlite::Result<Vec<_>>>();
        let mut rows = statement.query((SERIAL_BITS, old, before, None::<i64>))?;
        while let Some(r) = rows.next()? {
            let (object, row): (i64, Vec<SqlValue>) = (r.get(0)?, read(r)?);
            let there = of_other.query_row((SERIAL_BITS, old, before, object), read).optional()?;
            if there.as_ref() != Some(&row) {
                let sql = "INSERT OR IGNORE INTO temp.objsync_since (object, class, own, new) VALUES (?1, ?2, 0, ?1)";
                conn.execute(sql, (object, class.id))?;
            }
        }
    }
    Ok(())
}

fn give_identities(conn: &Connection, old: i64, new: i64, made: u64) -> Result<()> {
    conn.execute(
        "UPDATE temp.objsync_since SET new = (?1 << ?2) + n FROM
         (SELECT object AS made, row_number() OVER (ORDER BY object) AS n FROM temp.objsync_since WHERE own = 0 AND object >> ?2 = ?3
          AND NOT EXISTS (SELECT 1 FROM objsync_journal j WHERE j.object = objsync_since.object AND j.number <= ?4))
         WHERE object = made",
        (new, SERIAL_BITS, old, made),
    )?;
    let made = |column: &str, table: &str| {
        format!(
            "UPDATE {table} SET {column} = m.new FROM temp.objsync_since m WHERE m.object = {table}.{column} AND {table}.class = m.class"
        )
    };
    for class in store::classes(conn)? {
        let mut keyed = vec![(class.objects(), "object"), (class.tombstones(), "object")];
        if !class.has_numbers() {
            // Where the key is content, an identity stands in for a local number, too.
            keyed.extend([(class.objects(), "key"), (class.tombstones(), "key")]);
        }
        for beside in store::tables_of(&class.table) {
            let there = "SELECT EXISTS(SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1)";
            let further = beside.starts_with("objsync_off_") || beside.starts_with("objsync_elsewhere_");
            if further && conn.query_row(there, [&beside], |r| r.get(0))? {
                keyed.push((quote(&beside), "object"));
            }
        }
        for (table, column) in keyed {
            conn.execute_batch(&format!(
                "UPDATE {table} SET {column} = m.new FROM temp.objsync_since m WHERE m.object = {table}.{column}"
            ))?;
        }
        if !class.has_numbers() {
            for table in ["objsync_journal", "objsync_former_key"] {
                conn.execute(&format!("{} AND m.class = ?1", made("key", table)), [class.id])?;
            }
        }
    }
    for table in ["objsync_journal", "objsync_former_key", "objsync_conflict", "objsync_merged", "objsync_waiting"] {
        conn.execute_batch(&made("object", table))?;
    }
    conn.execute_batch(
        "UPDATE objsync_bond SET object = m.new FROM temp.objsync_since m WHERE m.object = objsync_bond.object",
    )?;
    let sql = "UPDATE objsync_state SET serial = (SELECT count(*) FROM temp.objsync_since WHERE new <> object)";
    conn.execute(sql, [])?;
    Ok(())
}
