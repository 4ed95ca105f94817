//! Filing by the engine itself: single states with a given version.
//!
//! An ordinary edit goes through the user's table and its triggers. What the engine files with a version of its own
//! (an applied state, a decision, an object brought back) is written here with triggers off: event, row and version.

use std::collections::{BTreeSet, HashMap};

use rusqlite::OptionalExtension;
use rusqlite::config::DbConfig;

use crate::sync::data::guid::{Guid, NodeId};
use crate::sync::data::schema::{Class, quote};
use crate::sync::data::value::Value;
use crate::sync::data::vector::Vector;
use crate::sync::error::{Error, ErrorKind, Result};
use crate::sync::node::Node;
use crate::sync::node::history::{Filed, State};

impl Node {
    /// Switches the triggers and foreign keys of this connection. Not inside a transaction: foreign keys would stay.
    pub(crate) fn set_triggers(&self, on: bool) -> Result<()> {
        self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, on)?;
        Ok(self.conn.execute_batch(if on { "PRAGMA foreign_keys = ON" } else { "PRAGMA foreign_keys = OFF" })?)
    }

    /// Files the event by which `before` becomes `new` as commit `number`, with the row as it stands for its image.
    /// Triggers are off; [`Node::put`] follows. Returns the journal position.
    pub(crate) fn file_event(
        &self,
        class: &Class,
        guid: Guid,
        before: Option<&Filed>,
        deleted: bool,
        key: Option<i64>,
        (number, origin): (u64, Option<NodeId>),
    ) -> Result<i64> {
        let id = self.nodes.id(guid)?;
        let had_row = before.is_some_and(|b| b.state.content.is_some());
        let kind = match (had_row, deleted) {
            (_, true) => 3,
            (true, false) => 2,
            (false, false) => 1,
        };
        let origin = origin.map(|o| self.nodes.number(o)).transpose()?;
        let Some(before) = before else {
            self.conn
                .prepare_cached(
                    "INSERT INTO objsync_journal (number, class, object, kind, key, origin, before) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
                )?
                .execute((number, class.id, id, kind, key, origin))?;
            return Ok(self.conn.last_insert_rowid());
        };
        // Read from the row in SQL, so that values keep their storage classes.
        let slots: String = (0..class.properties.len()).map(|i| format!(", v{i}")).collect();
        let (images, from) = match had_row {
            true => (
                class.properties.iter().map(|p| format!(", t.{}", quote(&p.name))).collect(),
                format!("FROM {} t WHERE t.{} = ?13", quote(&class.table), quote(&class.key)),
            ),
            false => (", NULL".repeat(class.properties.len()), "WHERE ?13 IS ?13".to_owned()),
        };
        let sql = format!(
            "INSERT INTO objsync_journal (number, class, object, kind, key, origin, before, previous, own, rest, time, author{slots})
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12{images} {from}"
        );
        let old = &before.state;
        let filed = self.conn.prepare_cached(&sql)?.execute(rusqlite::params![
            number,
            class.id,
            id,
            kind,
            key,
            origin,
            if had_row { 1 } else { 2 },
            before.pos,
            old.vector.get(self.info.guid),
            self.rest(&old.vector)?,
            old.stamp.time,
            self.nodes.number(old.stamp.author)?,
            before.key,
        ])?;
        if filed != 1 {
            return Err(Error::storage(format!("the row of {guid} is not where {} says", class.objects())));
        }
        Ok(self.conn.last_insert_rowid())
    }

    /// Notes that a key means the object that `before` was up to journal position `until`, where that object is deleted. What
    /// is filed together names objects by the keys they had before, so `until` is the last position of all of it.
    pub(crate) fn end_of_key(&self, class: &Class, guid: Guid, before: Option<&Filed>, until: i64) -> Result<()> {
        let Some(key) = before.filter(|b| b.state.content.is_some()).and_then(|b| b.key) else { return Ok(()) };
        self.conn
            .prepare_cached("INSERT INTO objsync_former_key (class, key, until, object) VALUES (?1, ?2, ?3, ?4)")?
            .execute((class.id, key, until, self.nodes.id(guid)?))?;
        Ok(())
    }

    /// The entries of all nodes but this one, as stored; `None` where there are none.
    fn rest(&self, vector: &Vector) -> Result<Option<Vec<u8>>> {
        let bytes = self.nodes.encode(vector.entries().iter().copied().filter(|e| e.0 != self.info.guid))?;
        Ok((!bytes.is_empty()).then_some(bytes))
    }

    /// Writes row and version of `new`, filed at journal position `pos`; `None` where that is purged. `row` says where it lives;
    /// `None`: deleted.
    pub(crate) fn put(
        &self,
        class: &Class,
        guid: Guid,
        before: Option<&Filed>,
        new: &State,
        row: Option<NewRow<'_>>,
        pos: Option<i64>,
    ) -> Result<()> {
        let id = self.nodes.id(guid)?;
        let had_row = before.is_some_and(|b| b.state.content.is_some());
        let old_key = before.and_then(|b| b.key);
        let (table, key) = match &row {
            Some(row) => {
                self.write_row(class, row, had_row)?;
                if before.is_some() && !had_row {
                    self.conn
                        .prepare_cached(&format!("DELETE FROM {} WHERE object = ?1", class.tombstones()))?
                        .execute([id])?;
                }
                (class.objects(), Some(row.key))
            }
            None => {
                if had_row {
                    let sql = format!("DELETE FROM {} WHERE {} = ?1", quote(&class.table), quote(&class.key));
                    self.conn.prepare_cached(&sql)?.execute([old_key])?;
                    self.conn
                        .prepare_cached(&format!("DELETE FROM {} WHERE object = ?1", class.objects()))?
                        .execute([id])?;
                }
                (class.tombstones(), old_key)
            }
        };
        let sql = format!(
            "INSERT OR REPLACE INTO {table} (object, key, own, rest, time, author, last) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        );
        self.conn.prepare_cached(&sql)?.execute((
            id,
            key,
            new.vector.get(self.info.guid),
            self.rest(&new.vector)?,
            new.stamp.time,
            self.nodes.number(new.stamp.author)?,
            pos,
        ))?;
        Ok(())
    }

    fn write_row(&self, class: &Class, row: &NewRow<'_>, exists: bool) -> Result<()> {
        if row.unchanged {
            return Ok(());
        }
        let (table, key) = (quote(&class.table), quote(&class.key));
        let columns: Vec<String> = class.properties.iter().map(|p| quote(&p.name)).collect();
        let sql = match exists && !row.moved_aside {
            true => {
                let set: Vec<String> = columns.iter().enumerate().map(|(i, c)| format!("{c} = ?{}", i + 2)).collect();
                if set.is_empty() {
                    return Ok(());
                }
                format!("UPDATE {table} SET {} WHERE {key} = ?1", set.join(", "))
            }
            false => {
                let names: String = columns.iter().map(|c| format!(", {c}")).collect();
                let places: String = (0..columns.len()).map(|i| format!(", ?{}", i + 2)).collect();
                format!("INSERT INTO {table} ({key}{names}) VALUES (?1{places})")
            }
        };
        let mut statement = self.conn.prepare_cached(&sql)?;
        statement.raw_bind_parameter(1, row.key)?;
        for (i, value) in row.values.iter().enumerate() {
            match value {
                Value::Reference(guid) => {
                    let key = row.references.get(guid);
                    let key =
                        key.ok_or_else(|| Error::new(ErrorKind::Constraint, format!("{guid} is unknown here")))?;
                    statement.raw_bind_parameter(i + 2, key)?;
                }
                value => statement.raw_bind_parameter(i + 2, value)?,
            }
        }
        statement.raw_execute()?;
        Ok(())
    }
}

/// Where and how a state is written into the user's table.
pub(crate) struct NewRow<'a> {
    pub(crate) key: i64,
    pub(crate) values: &'a [Value],
    /// The local keys of the objects it refers to.
    pub(crate) references: &'a HashMap<Guid, i64>,
    /// Its old row is deleted already, so that unique values could change places.
    pub(crate) moved_aside: bool,
    /// It stands there already as it is to be.
    pub(crate) unchanged: bool,
}

impl Node {
    /// Takes a row away without a word, so that unique values can change places.
    pub(crate) fn delete_row(&self, class: &Class, key: Option<i64>) -> Result<()> {
        let sql = format!("DELETE FROM {} WHERE {} = ?1", quote(&class.table), quote(&class.key));
        self.conn.prepare_cached(&sql)?.execute([key])?;
        Ok(())
    }

    /// A row that refers to an object by its local key.
    pub(crate) fn referrer(&self, class: &Class, key: i64) -> Result<Option<Referrer>> {
        Ok(self.referrers(class, key, 1)?.pop())
    }

    /// Rows that refer to an object by its local key, at most `limit` of each class.
    pub(crate) fn referrers(&self, class: &Class, key: i64, limit: i64) -> Result<Vec<Referrer>> {
        let mut found = Vec::new();
        for other in &self.classes {
            for property in other.properties.iter().filter(|p| p.references.as_deref() == Some(&class.name)) {
                let (table, column) = (quote(&other.table), quote(&property.name));
                let sql = format!("SELECT {} FROM {table} WHERE {column} = ?1 LIMIT ?2", quote(&other.key));
                let mut statement = self.conn.prepare_cached(&sql)?;
                let mut rows = statement.query((key, limit))?;
                while let Some(r) = rows.next()? {
                    let property = format!("{}.{}", other.table, property.name);
                    found.push(Referrer { class: other.name.clone(), key: r.get(0)?, property });
                }
            }
        }
        Ok(found)
    }
}

/// A row that refers to another.
#[derive(Clone, Debug)]
pub(crate) struct Referrer {
    pub(crate) class: String,
    pub(crate) key: i64,
    /// `orders.customer`
    pub(crate) property: String,
}

impl std::fmt::Display for Referrer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.class, self.key)
    }
}

impl Node {
    /// The local key for a row to be inserted: `wanted` where it is free, else the next free one.
    pub(crate) fn free_key(
        &self,
        class: &Class,
        guid: Guid,
        wanted: Option<i64>,
        taken: &BTreeSet<i64>,
    ) -> Result<i64> {
        let (table, key) = (quote(&class.table), quote(&class.key));
        if let Some(wanted) = wanted.filter(|w| !taken.contains(w)) {
            let sql = format!("SELECT EXISTS(SELECT 1 FROM {table} WHERE {key} = ?1)");
            let used = self.conn.prepare_cached(&sql)?.query_row([wanted], |r| r.get::<_, bool>(0))?;
            if !used && !self.still_means_another(class, guid, wanted)? {
                return Ok(wanted);
            }
        }
        let max: Option<i64> =
            self.conn.prepare_cached(&format!("SELECT max({key}) FROM {table}"))?.query_row([], |r| r.get(0))?;
        let highest = max.into_iter().chain(taken.last().copied()).max().unwrap_or(0);
        let mut next = highest.checked_add(1).map(|next| next.max(1));
        while let Some(key) = next {
            if !self.still_means_another(class, guid, key)? {
                return Ok(key);
            }
            next = key.checked_add(1);
        }
        Err(Error::new(
            ErrorKind::Constraint,
            format!("no number above {highest} is free in the table {}", class.table),
        ))
    }

    /// Whether rows still refer by `key` to a deleted object: given to another one, the key would turn them to that one.
    fn still_means_another(&self, class: &Class, guid: Guid, key: i64) -> Result<bool> {
        let sql = format!("SELECT object FROM {} WHERE key = ?1 ORDER BY last DESC LIMIT 1", class.tombstones());
        let buried: Option<i64> = self.conn.prepare_cached(&sql)?.query_row([key], |r| r.get(0)).optional()?;
        if buried.is_none() || buried == self.nodes.known_id(guid) {
            return Ok(false);
        }
        Ok(self.referrer(class, key)?.is_some())
    }
}
