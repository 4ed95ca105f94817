//! Switching a class: from now on its changes are journaled and synchronized, or no longer.
//!
//! A class switched on files a *baseline*: every object it has, as one commit, so that the other nodes come to know it; where
//! both sides hold the same, that is no conflict. A class switched off keeps its versions and, aside, its rows as they were.
//! On again, the baseline is what differs from them, and what had not reached every peer before.

use std::collections::HashMap;

use rusqlite::OptionalExtension;
use rusqlite::types::Value as SqlValue;
use serde::Serialize;

use crate::sync::data::schema::{Class, quote};
use crate::sync::error::{Error, Result};
use crate::sync::node::Node;
use crate::sync::node::purge::confirmed_by_all;
use crate::sync::node::{trackable, triggers};

/// What switching a class did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Switched {
    /// The class.
    pub class: String,
    /// Whether its changes are journaled from now on.
    pub journaled: bool,
    /// How many objects were filed as its baseline.
    pub baseline: usize,
    /// The commit that filed them; none where there were none.
    pub number: Option<u64>,
}

/// An object as the node has it when its class is switched on.
struct Known {
    object: i64,
    key: Option<i64>,
    last: Option<i64>,
}

impl Node {
    /// Journals a class, or stops. Where it is so already, nothing happens.
    pub fn journal_class(&mut self, class: &str, on: bool) -> Result<Switched> {
        self.write(|node| {
            let old = node.class(class)?.clone();
            let mut switched = Switched { class: old.name.clone(), journaled: on, baseline: 0, number: None };
            if old.journaled == on {
                return Ok(switched);
            }
            let new = Class { journaled: on, ..old.clone() };
            if on && let Some(why) = trackable::unwritable(&node.conn, &old.table)? {
                return Err(why.and_nothing_changed());
            }
            if !on {
                node.keep_rows_aside(&old)?;
            }
            node.conn.execute("UPDATE objsync_class SET journaled = ?2 WHERE id = ?1", (old.id, on))?;
            triggers::replace(&node.conn, &old, &new)?;
            if on {
                let number = node.number()? + 1;
                node.conn.execute("UPDATE objsync_state SET number = ?1", [number])?;
                node.tick()?;
                switched.baseline = node.file_baseline(&new, number)?;
                switched.number = (switched.baseline > 0).then_some(number);
                if switched.baseline == 0 {
                    node.conn.execute("UPDATE objsync_state SET number = number - 1", [])?;
                }
            }
            // A set taken back now would leave objects that it knows nothing of.
            node.make_final(&format!("{} was switched since", old.name))?;
            node.refresh()?;
            Ok(switched)
        })
    }

    fn keep_rows_aside(&self, class: &Class) -> Result<()> {
        let columns: String =
            (0..class.properties.len()).map(|i| format!(", {} AS v{i}", class.value_of(i, "t", "o"))).collect();
        self.conn.execute_batch(&format!(
            "CREATE TABLE {} AS SELECT o.object AS object, o.key AS key, o.last AS last{columns}
             FROM {} o JOIN {} t ON {};",
            aside(class),
            class.objects(),
            quote(&class.table),
            class.same_row("t", "o")
        ))?;
        // What was filed since, may not have reached everybody when sets go on without this class.
        let confirmed = confirmed_by_all(&self.confirmed()?);
        self.conn.execute("UPDATE objsync_class SET confirmed = ?2 WHERE id = ?1", (class.id, confirmed))?;
        Ok(())
    }

    /// Properties that came while the class was off: the rows from before had what they give to such.
    fn widen_rows_aside(&self, class: &Class) -> Result<()> {
        let sql = "SELECT count(*) FROM pragma_table_info(?1) WHERE name GLOB 'v[0-9]*'";
        let table = format!("objsync_off_{}", class.table);
        let have: usize = self.conn.query_row(sql, [&table], |r| r.get(0))?;
        for place in have..class.properties.len() {
            self.conn.execute_batch(&format!("ALTER TABLE {} ADD COLUMN v{place}", aside(class)))?;
            self.set_to_added(&aside(class), class, place)?;
        }
        Ok(())
    }

    fn file_baseline(&self, class: &Class, number: u64) -> Result<usize> {
        let had: bool = self.conn.query_row(
            "SELECT EXISTS(SELECT 1 FROM sqlite_master WHERE name = ?1)",
            [format!("objsync_off_{}", class.table)],
            |r| r.get(0),
        )?;
        let slots = class.properties.len();
        let mut before: HashMap<i64, (Option<i64>, Vec<SqlValue>)> = HashMap::new();
        if had {
            self.widen_rows_aside(class)?;
            let columns: String = (0..slots).map(|i| format!(", v{i}")).collect();
            let mut statement = self.conn.prepare(&format!("SELECT object, last{columns} FROM {}", aside(class)))?;
            let mut rows = statement.query([])?;
            while let Some(r) = rows.next()? {
                let values = (0..slots).map(|i| r.get(2 + i)).collect::<rusqlite::Result<Vec<SqlValue>>>()?;
                before.insert(r.get(0)?, (r.get(1)?, values));
            }
        }
        let confirmed: u64 =
            self.conn.query_row("SELECT confirmed FROM objsync_class WHERE id = ?1", [class.id], |r| r.get(0))?;
        let unconfirmed = self.first_pos_after(confirmed)?;
        let mut filed = 0;
        for known in self.known(class, true)? {
            self.going_on("filing the baseline", filed, None)?;
            let row = self.row_values(class, known.key.unwrap_or_default())?;
            match before.remove(&known.object) {
                None => self.file_baseline_event(class, number, &known, 1, None)?,
                Some((last, old)) if row.as_ref() != Some(&old) => {
                    self.file_baseline_event(class, number, &known, 2, Some((last, old)))?;
                }
                Some((last, _)) if last.is_some_and(|pos| pos >= unconfirmed) => {
                    self.file_again(class, number, &known, false)?;
                }
                Some(_) => continue,
            }
            filed += 1;
        }
        for known in self.known(class, false)? {
            match before.remove(&known.object) {
                // Deleted while it was off.
                Some(was) => self.file_baseline_event(class, number, &known, 3, Some(was))?,
                None if had
                    && known.last.is_some_and(|pos| pos >= unconfirmed)
                    && self.has_version(class, &known)? =>
                {
                    self.file_again(class, number, &known, true)?;
                }
                None => continue,
            }
            filed += 1;
        }
        if had {
            self.conn.execute_batch(&format!("DROP TABLE {}", aside(class)))?;
        }
        Ok(filed)
    }

    /// All living objects of a class, or all deleted ones.
    fn known(&self, class: &Class, living: bool) -> Result<Vec<Known>> {
        let table = if living { class.objects() } else { class.tombstones() };
        let rows = self
            .conn
            .prepare(&format!("SELECT object, key, last FROM {table} ORDER BY key"))?
            .query_map([], |r| Ok(Known { object: r.get(0)?, key: r.get(1)?, last: r.get(2)? }))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }

    fn row_values(&self, class: &Class, key: i64) -> Result<Option<Vec<SqlValue>>> {
        let sql = format!(
            "SELECT o.key{} FROM {} o JOIN {} t ON {} WHERE o.key = ?1",
            class.values_of("t", "o"),
            class.objects(),
            quote(&class.table),
            class.same_row("t", "o")
        );
        let read = |r: &rusqlite::Row<'_>| (0..class.properties.len()).map(|i| r.get(1 + i)).collect();
        Ok(self.conn.prepare_cached(&sql)?.query_row([key], read).optional()?)
    }

    /// A deletion without a vector is of an object that was never synchronized.
    fn has_version(&self, class: &Class, known: &Known) -> Result<bool> {
        let sql = format!("SELECT own > 0 OR rest IS NOT NULL FROM {} WHERE object = ?1", class.tombstones());
        Ok(self.conn.prepare_cached(&sql)?.query_row([known.object], |r| r.get(0))?)
    }

    /// Files an event by which an object gets a new version, as any edit does.
    fn file_baseline_event(
        &self,
        class: &Class,
        number: u64,
        known: &Known,
        kind: i64,
        was: Option<(Option<i64>, Vec<SqlValue>)>,
    ) -> Result<()> {
        let table = if kind == 3 { class.tombstones() } else { class.objects() };
        let slots: String = (0..class.properties.len()).map(|i| format!(", v{i}")).collect();
        let places: String = (0..class.properties.len()).map(|i| format!(", ?{}", i + 7)).collect();
        let (had, (previous, values)) = match was {
            Some(was) => (1, was),
            None => (0, (None, vec![SqlValue::Null; class.properties.len()])),
        };
        let sql = format!(
            "INSERT INTO objsync_journal (number, class, object, kind, key, before, previous, own, rest, time, author{slots})
             SELECT ?1, ?2, o.object, ?3, o.key, ?4, ?5, iif(?4, o.own, NULL), iif(?4, o.rest, NULL), iif(?4, o.time, NULL),
                    iif(?4, o.author, NULL){places} FROM {table} o WHERE o.object = ?6"
        );
        let fixed: [SqlValue; 6] = [
            SqlValue::Integer(i64::try_from(number).unwrap_or(i64::MAX)),
            SqlValue::Integer(class.id),
            SqlValue::Integer(kind),
            SqlValue::Integer(had),
            previous.map_or(SqlValue::Null, SqlValue::Integer),
            SqlValue::Integer(known.object),
        ];
        let filed =
            self.conn.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(fixed.into_iter().chain(values)))?;
        if filed != 1 {
            return Err(Error::storage(format!("an object of {} is not where {table} says", class.name)));
        }
        let pos = self.conn.last_insert_rowid();
        let sql = format!(
            "UPDATE {table} SET own = ?2, time = (SELECT clock FROM objsync_state), author = (SELECT node FROM objsync_state),
             last = ?3 WHERE object = ?1"
        );
        self.conn.prepare_cached(&sql)?.execute((known.object, number, pos))?;
        Ok(())
    }

    /// Files an object once more as it is, without a new version, so that the next sets carry it.
    fn file_again(&self, class: &Class, number: u64, known: &Known, deleted: bool) -> Result<()> {
        let guid = self.nodes.object(known.object)?;
        let Some(current) = self.current(class, guid)? else { return Ok(()) };
        let pos =
            self.file_event(class, guid, Some(&current), deleted, current.key, (number, current.origin, &Vec::new()))?;
        let table = if deleted { class.tombstones() } else { class.objects() };
        self.conn
            .prepare_cached(&format!("UPDATE {table} SET last = ?2 WHERE object = ?1"))?
            .execute((known.object, pos))?;
        Ok(())
    }
}

/// The rows of a class as they were when it was switched off.
fn aside(class: &Class) -> String {
    quote(&format!("objsync_off_{}", class.table))
}
