//! The triggers that keep identity and journal, whatever program writes to the file.
//!
//! They run in that program's SQLite, so they use nothing newer than 3.35 and no function of ours. Invariant: after every
//! statement `objsync_object_<table>` holds exactly the keys of `<table>`, and every difference that the statement made
//! to a journaled class is one event.
//!
//! REPLACE removes rows without firing a delete trigger, be it by key or by another unique constraint. So a BEFORE trigger
//! keeps the rows that collide in `objsync_aside`, and the AFTER triggers see which of them are gone. What a statement
//! that changed nothing (OR IGNORE, an upsert) left there is stale, but always names rows that still exist: whatever
//! takes a row or its key away takes that row's entry away. No more than that: a foreign key's action or another trigger may
//! write rows while a REPLACE is at work, whose own entries must stay.

use rusqlite::Connection;

use crate::sync::data::schema::{Class, Key, quote};
use crate::sync::error::{Error, Result};
use crate::sync::node::follow::UNDO;
use crate::sync::node::trigger_texts::{PURPOSES, all, name};

/// Makes the triggers of a class, newer than any other on its table: SQLite fires newer triggers first, and a user's
/// trigger that fired before ours would turn events round.
pub(crate) fn create(conn: &Connection, class: &Class) -> Result<()> {
    for (name, sql) in all(class) {
        conn.execute_batch(&format!("DROP TRIGGER IF EXISTS {}; {sql}", quote(&name)))?;
    }
    Ok(())
}

/// The triggers of a class that was switched.
pub(crate) fn replace(conn: &Connection, old: &Class, new: &Class) -> Result<()> {
    drop_all(conn, old)?;
    create(conn, new)
}

/// Takes the triggers of a class away, whatever they were made for.
pub(crate) fn drop_all(conn: &Connection, class: &Class) -> Result<()> {
    for (name, _) in found(conn, class)?.iter().filter(|(name, _)| is_ours(class, name)) {
        conn.execute_batch(&format!("DROP TRIGGER {}", quote(name)))?;
    }
    Ok(())
}

/// The triggers on a table, oldest first: names and texts.
fn found(conn: &Connection, class: &Class) -> Result<Vec<(String, String)>> {
    let sql =
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND lower(tbl_name) = lower(?1) ORDER BY rowid";
    let found = conn
        .prepare(sql)?
        .query_map([&class.table], |r| Ok((r.get(0)?, r.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

fn is_ours(class: &Class, name: &str) -> bool {
    names(&class.table).any(|ours| ours == name)
}

/// The names that triggers of ours on a table may have. Triggers of the user's may be named much like that.
pub(crate) fn names(table: &str) -> impl Iterator<Item = String> {
    PURPOSES.into_iter().map(move |purpose| name(table, purpose))
}

/// Whether the triggers are there by name that note every change; those beside them only guard against REPLACE.
pub(crate) fn are_journaling(conn: &Connection, class: &Class) -> Result<bool> {
    let found = found(conn, class)?;
    Ok(core(class).iter().all(|(name, _)| found.iter().any(|(there, _)| there == name)))
}

fn core(class: &Class) -> Vec<(String, String)> {
    let core = ["insert", "rekey", "delete", "update", "replace"].map(|what| format!("objsync_{}_{what}", class.table));
    all(class).into_iter().filter(|(name, _)| core.contains(name)).collect()
}

/// Whether two keys are more than differently named.
pub(crate) fn another_key(a: &Key, b: &Key) -> bool {
    match (a, b) {
        (Key::Number(_), Key::Number(_)) => false,
        (a, b) => a != b,
    }
}

/// How the triggers in a file stand to those that should be there.
pub(crate) enum Standing {
    Right,
    /// They miss nothing of what is written now, but a newer one of the user's stands before them.
    Behind,
    /// What notes every change is there; what guards against REPLACE is missing or another one (so the name of one of them), as
    /// where somebody made or dropped an index.
    Guarding(String),
    /// One that notes changes is missing or another one.
    Broken(String),
}

pub(crate) fn standing(conn: &Connection, class: &Class) -> Result<Standing> {
    let mut found = found(conn, class)?;
    let wanted = all(class);
    if let Some((name, _)) = wanted.iter().find(|w| !found.contains(w)) {
        let journaling = core(class).iter().all(|w| found.contains(w));
        return Ok(if journaling { Standing::Guarding(name.clone()) } else { Standing::Broken(name.clone()) });
    }
    let newest = found.split_off(found.len() - wanted.len());
    Ok(if newest.iter().all(|f| wanted.contains(f)) { Standing::Right } else { Standing::Behind })
}

/// Compares the triggers in the file with those that should be there; puts them in front again where a newer one of the
/// user's stands before them.
pub(crate) fn check(conn: &Connection, class: &Class) -> Result<()> {
    match standing(conn, class)? {
        Standing::Right => Ok(()),
        Standing::Behind => create(conn, class),
        Standing::Guarding(_) if !has_strays(conn, class)? => {
            drop_all(conn, class)?;
            create(conn, class)
        }
        Standing::Guarding(name) | Standing::Broken(name) => Err(Error::storage(format!(
            "the table {} was dropped or altered behind the journal (trigger {name} is missing or another one); nothing was changed",
            class.table
        ))
        .hint(UNDO)),
    }
}

/// Whether an object has no row, as when a REPLACE removed it unseen.
fn has_strays(conn: &Connection, class: &Class) -> Result<bool> {
    let sql = format!(
        "SELECT EXISTS(SELECT 1 FROM {} o WHERE NOT EXISTS (SELECT 1 FROM {} t WHERE {}))",
        class.objects(),
        quote(&class.table),
        class.same_row("t", "o")
    );
    Ok(conn.query_row(&sql, [], |r| r.get(0))?)
}
