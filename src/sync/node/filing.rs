//! Filing by the engine itself: single states with a given version.
//!
//! An ordinary edit goes through the user's table and its triggers. What the engine files with a version of its own
//! (an applied state, a decision, an object brought back) is written here with triggers off: event, row and version.

use std::collections::{BTreeSet, HashMap};

use rusqlite::Statement;
use rusqlite::config::DbConfig;

use crate::sync::data::guid::{Guid, NodeId};
use crate::sync::data::schema::{Class, Key, quote};
use crate::sync::data::value::Value;
use crate::sync::data::vector::Vector;
use crate::sync::error::{Error, ErrorKind, Result};
use crate::sync::node::Node;
use crate::sync::node::dots::ListedDots;
use crate::sync::node::history::{Filed, State};

impl Node {
    /// Switches the triggers and foreign keys of this connection. Not inside a transaction: foreign keys would stay.
    pub(crate) fn set_triggers(&self, on: bool) -> Result<()> {
        self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, on)?;
        Ok(self.conn.execute_batch(if on { "PRAGMA foreign_keys = ON" } else { "PRAGMA foreign_keys = OFF" })?)
    }

    /// Does something without triggers, as part of a transaction; whether they were on before is left as it was.
    pub(crate) fn without_any_trigger<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let before = self.conn.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER)?;
        self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        let result = work();
        self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, before)?;
        result
    }

    /// Does something without triggers and takes it back: whether the tables refuse it.
    fn try_without_triggers(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        self.conn.execute_batch("SAVEPOINT tried")?;
        let tried = self.without_any_trigger(work);
        self.conn.execute_batch("ROLLBACK TO tried; RELEASE tried")?;
        tried
    }

    /// Files the event by which `before` becomes `new` as commit `number`, with the row as it stands for its image.
    /// `dots`: what it lists beside its own. Triggers are off; [`Node::put`] follows. Returns the journal position.
    pub(crate) fn file_event(
        &self,
        class: &Class,
        guid: Guid,
        before: Option<&Filed>,
        deleted: bool,
        key: Option<i64>,
        (number, origin, dots): (u64, Option<NodeId>, &ListedDots),
    ) -> Result<i64> {
        let dots = self.listed_to_text(dots)?;
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
                    "INSERT INTO objsync_journal (number, class, object, kind, key, origin, dots, before) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)",
                )?
                .execute((number, class.id, id, kind, key, origin, dots))?;
            return Ok(self.conn.last_insert_rowid());
        };
        let event = |images: String, from: String| {
            let slots: String = (0..class.properties.len()).map(|i| format!(", v{i}")).collect();
            format!(
                "INSERT INTO objsync_journal (number, class, object, kind, key, origin, before, previous, own, rest, time, author, dots{slots})
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?14{images} {from}"
            )
        };
        let sql = match had_row {
            // Read from the row in SQL, so that values keep their storage classes.
            true => class.texts.event_over_row.get_or_init(|| {
                let (objects, table, same) = (class.objects(), quote(&class.table), class.same_row("t", "o"));
                event(class.values_of("t", "o"), format!("FROM {objects} o JOIN {table} t ON {same} WHERE o.key = ?13"))
            }),
            false => class
                .texts
                .event_over_tombstone
                .get_or_init(|| event(", NULL".repeat(class.properties.len()), "WHERE ?13 IS ?13".to_owned())),
        };
        let old = &before.state;
        let filed = self.conn.prepare_cached(sql)?.execute(rusqlite::params![
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
            dots,
        ])?;
        if filed != 1 {
            return Err(Error::storage(format!("the row of {guid} is not where {} says", class.objects())));
        }
        Ok(self.conn.last_insert_rowid())
    }

    /// Notes that a key means the object that `before` was up to journal position `until`, where that object is deleted. What
    /// is filed together names objects by the keys they had before, so `until` is the last position of all of it.
    /// [`Node::renumber`] does it where an object gets another key.
    pub(crate) fn end_of_key(&self, class: &Class, guid: Guid, before: Option<&Filed>, until: i64) -> Result<()> {
        // Nothing refers to a key that is content.
        let key = before.filter(|b| class.has_numbers() && b.state.content.is_some()).and_then(|b| b.key);
        let Some(key) = key else { return Ok(()) };
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
        let key = match &row {
            Some(row) => {
                let old = before.and_then(|b| b.state.content.as_deref());
                self.write_row(class, id, row, old)?;
                if before.is_some() && !had_row {
                    let forget = || format!("DELETE FROM {} WHERE object = ?1", class.tombstones());
                    self.conn.prepare_cached(class.texts.forget_tombstone.get_or_init(forget))?.execute([id])?;
                }
                Some(row.key)
            }
            None => {
                if had_row {
                    self.delete_row(class, old_key)?;
                    let forget = || format!("DELETE FROM {} WHERE object = ?1", class.objects());
                    self.conn.prepare_cached(class.texts.forget_object.get_or_init(forget))?.execute([id])?;
                }
                old_key
            }
        };
        // A row that stays as it is keeps its key, too.
        let places: &[usize] = match (&class.key, &row) {
            (Key::Content(places), Some(row)) if !row.unchanged => places,
            _ => &[],
        };
        let sql = match &row {
            Some(_) if before.is_none() => {
                class.texts.new_object.get_or_init(|| new_text(&class.objects(), places.len()))
            }
            Some(row) if row.unchanged => class.texts.put_version.get_or_init(|| put_text(&class.objects(), 0)),
            Some(_) => class.texts.put_object.get_or_init(|| put_text(&class.objects(), places.len())),
            None => class.texts.put_tombstone.get_or_init(|| put_text(&class.tombstones(), 0)),
        };
        let mut statement = self.conn.prepare_cached(sql)?;
        statement.raw_bind_parameter(1, id)?;
        statement.raw_bind_parameter(2, key)?;
        statement.raw_bind_parameter(3, new.vector.get(self.info.guid))?;
        statement.raw_bind_parameter(4, self.rest(&new.vector)?)?;
        statement.raw_bind_parameter(5, new.stamp.time)?;
        statement.raw_bind_parameter(6, self.nodes.number(new.stamp.author)?)?;
        statement.raw_bind_parameter(7, pos)?;
        for (n, place) in places.iter().enumerate() {
            row.iter().try_for_each(|row| row.bind(&mut statement, n + 8, *place))?;
        }
        statement.raw_execute()?;
        Ok(())
    }

    fn write_row(&self, class: &Class, id: i64, row: &NewRow<'_>, old: Option<&[Value]>) -> Result<()> {
        if row.unchanged {
            return Ok(());
        }
        let (key_place, seen) = (class.key_place(), self.users_triggers.run_on(class));
        // Triggers on certain columns run where these change, as they did where the change was made.
        let places: Vec<usize> = match old.filter(|_| seen) {
            Some(old) => class.columns().map(|(i, _)| i).filter(|i| old[*i] != row.values[*i]).collect(),
            None => class.columns().map(|(i, _)| i).collect(),
        };
        // A row that is updated has its number already.
        let places: Vec<usize> = places.into_iter().filter(|i| old.is_none() || key_place != Some(*i)).collect();
        if !(places.is_empty() && old.is_some()) {
            let text = match (old, seen) {
                (Some(_), true) => &update_text(class, &places),
                (Some(_), false) => class.texts.update_row.get_or_init(|| update_text(class, &places)),
                (None, _) => class.texts.insert_row.get_or_init(|| insert_text(class)),
            };
            let write = |sql: &str| -> Result<()> {
                let mut statement = self.conn.prepare_cached(sql)?;
                statement.raw_bind_parameter(1, row.key)?;
                places.iter().try_for_each(|&i| match key_place == Some(i) {
                    true => Ok(statement.raw_bind_parameter(i + 2, row.key)?),
                    false => row.bind(&mut statement, i + 2, i),
                })?;
                if statement.raw_execute()? != 1 {
                    let what = format!("a trigger of the table {} leaves the row out", class.table);
                    return Err(Error::new(ErrorKind::Constraint, what));
                }
                Ok(())
            };
            // The table's own conflict clauses must not remove, pass over or take back anything here.
            let refusing = || text.replacen("INSERT", "INSERT OR ABORT", 1).replacen("UPDATE", "UPDATE OR ABORT", 1);
            match (class.has_conflict_clause, seen) {
                (false, _) => self.past_the_guards(class, || write(text))?,
                (true, false) => write(&refusing())?,
                // What triggers write has its own clauses, which those of the statement would override: so it is only tried like that.
                (true, true) => {
                    self.try_without_triggers(|| write(&refusing()))?;
                    self.past_the_guards(class, || write(text))?;
                }
            }
        }
        let others: Vec<usize> = class.not_columns().map(|(i, _)| i).collect();
        if !others.is_empty() {
            let names: String = others.iter().map(|i| format!(", v{i}")).collect();
            let places: String = (0..others.len()).map(|n| format!(", ?{}", n + 2)).collect();
            let sql = format!("INSERT OR REPLACE INTO {} (object{names}) VALUES (?1{places})", class.elsewhere());
            let mut statement = self.conn.prepare_cached(&sql)?;
            statement.raw_bind_parameter(1, id)?;
            for (n, i) in others.iter().enumerate() {
                row.bind(&mut statement, n + 2, *i)?;
            }
            statement.raw_execute()?;
        }
        Ok(())
    }
}

/// SQL that writes these columns of a row.
fn update_text(class: &Class, places: &[usize]) -> String {
    let table = quote(&class.table);
    let set: Vec<String> =
        places.iter().map(|i| format!("{} = ?{}", quote(&class.properties[*i].name), i + 2)).collect();
    format!("UPDATE {table} SET {} WHERE {}", set.join(", "), class.row_at(&table, "?1"))
}

/// SQL that makes a row.
fn insert_text(class: &Class) -> String {
    // Where the number is a reference it is among the columns.
    let number = class.number_column().filter(|_| class.key_place().is_none()).map(|key| (quote(key), "?1".to_owned()));
    let all = class.columns().map(|(i, p)| (quote(&p.name), format!("?{}", i + 2)));
    let (names, places): (Vec<String>, Vec<String>) = number.into_iter().chain(all).unzip();
    format!("INSERT INTO {} ({}) VALUES ({})", quote(&class.table), names.join(", "), places.join(", "))
}

/// SQL that notes the version of an object, with the first `keys` parts of a key that is content.
fn put_text(table: &str, keys: usize) -> String {
    let set: String = (0..keys).map(|n| format!(", k{n} = excluded.k{n}")).collect();
    format!(
        "{new}
         ON CONFLICT (object) DO UPDATE SET key = excluded.key, own = excluded.own, rest = excluded.rest,
             time = excluded.time, author = excluded.author, last = excluded.last{set}",
        new = new_text(table, keys)
    )
}

/// The same for one that was not there.
fn new_text(table: &str, keys: usize) -> String {
    let names: String = (0..keys).map(|n| format!(", k{n}")).collect();
    let values: String = (0..keys).map(|n| format!(", ?{}", n + 8)).collect();
    format!(
        "INSERT INTO {table} (object, key, own, rest, time, author, last{names}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7{values})"
    )
}

/// Where and how a state is written into the user's table.
pub(crate) struct NewRow<'a> {
    pub(crate) key: i64,
    pub(crate) values: &'a [Value],
    /// The local keys of the objects it refers to.
    pub(crate) references: &'a HashMap<Guid, i64>,
    /// It stands there already as it is to be.
    pub(crate) unchanged: bool,
}

impl NewRow<'_> {
    /// Binds the value of a property; a reference as the local key it has here.
    fn bind(&self, statement: &mut Statement<'_>, parameter: usize, place: usize) -> Result<()> {
        match &self.values[place] {
            Value::Reference(guid) => {
                let key = self.references.get(guid);
                let key = key.ok_or_else(|| Error::new(ErrorKind::Constraint, format!("{guid} is unknown here")))?;
                statement.raw_bind_parameter(parameter, key)?;
            }
            value => statement.raw_bind_parameter(parameter, value)?,
        }
        Ok(())
    }
}

impl Node {
    /// Files, in the commit that is open, a change of an object whose row was written past the triggers. `images`: SQL for what
    /// each property had before, in a statement that reads `objects o JOIN table t`.
    pub(crate) fn file_written_row(&self, class: &Class, key: i64, images: &str) -> Result<()> {
        let (objects, slots) =
            (class.objects(), (0..class.properties.len()).map(|i| format!(", v{i}")).collect::<String>());
        self.conn
            .prepare_cached(&format!(
                "INSERT INTO objsync_journal (number, class, object, kind, key, before, previous, own, rest, time, author{slots})
                 SELECT s.number, ?2, o.object, 2, o.key, 1, o.last, o.own, o.rest, o.time, o.author{images}
                 FROM objsync_state s, {objects} o JOIN {table} t ON {same} WHERE o.key = ?1",
                table = quote(&class.table),
                same = class.same_row("t", "o"),
            ))?
            .execute((key, class.id))?;
        self.conn
            .prepare_cached(&format!(
                "UPDATE {objects} SET own = (SELECT number FROM objsync_state), time = (SELECT clock FROM objsync_state),
                 author = (SELECT node FROM objsync_state), last = last_insert_rowid() WHERE key = ?1"
            ))?
            .execute([key])?;
        Ok(())
    }

    /// Takes a row away.
    pub(crate) fn delete_row(&self, class: &Class, key: Option<i64>) -> Result<()> {
        let sql = class.texts.delete_row.get_or_init(|| {
            let table = quote(&class.table);
            format!("DELETE FROM {table} WHERE {}", class.row_at(&table, "?1"))
        });
        let gone = self.past_the_guards(class, || Ok(self.conn.prepare_cached(sql)?.execute([key])?))?;
        if gone == 1 {
            return Ok(());
        }
        // A foreign key's action may have been faster. But one of the user's triggers may have left the row where it is.
        let (table, at) = (quote(&class.table), class.row_at("t", "?1"));
        let there = format!("SELECT EXISTS(SELECT 1 FROM {table} t WHERE {at})");
        if self.conn.prepare_cached(&there)?.query_row([key], |r| r.get(0))? {
            let what = format!("a trigger of the table {} keeps the row", class.table);
            return Err(Error::new(ErrorKind::Constraint, what));
        }
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
            for (_, property) in other.columns().filter(|(_, p)| p.references.as_deref() == Some(&class.name)) {
                let (table, column) = (quote(&other.table), quote(&property.name));
                let sql = format!("SELECT {} FROM {table} t WHERE t.{column} = ?1 LIMIT ?2", other.key_of("t"));
                let mut statement = self.conn.prepare_cached(&sql)?;
                let mut rows = statement.query((key, limit))?;
                while let Some(r) = rows.next()? {
                    let key: Option<i64> = r.get(0)?;
                    let title = match key {
                        Some(key) => self.called_by_key(other, key)?,
                        None => format!("a row of {} without identity", other.table),
                    };
                    let property = format!("{}.{}", other.table, property.name);
                    found.push(Referrer { class: other.name.clone(), key, title, property });
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
    /// `None`: a row that is no object.
    pub(crate) key: Option<i64>,
    /// `Order 1004`
    title: String,
    /// `orders.customer`
    pub(crate) property: String,
}

impl std::fmt::Display for Referrer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.title)
    }
}

impl Node {
    /// The local key for a row to be inserted: `wanted` where it is free, else the next free one. Where the key is content, it
    /// is the object's id.
    pub(crate) fn free_key(
        &self,
        class: &Class,
        guid: Guid,
        wanted: Option<i64>,
        taken: &BTreeSet<i64>,
    ) -> Result<i64> {
        let Key::Number(key) = &class.key else { return self.nodes.id(guid) };
        let (table, key) = (quote(&class.table), quote(key));
        if let Some(wanted) = wanted.filter(|w| !taken.contains(w)) {
            let sql =
                class.texts.taken.get_or_init(|| format!("SELECT EXISTS(SELECT 1 FROM {table} WHERE {key} = ?1)"));
            let used = self.conn.prepare_cached(sql)?.query_row([wanted], |r| r.get::<_, bool>(0))?;
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
        // A row has the greatest number that there is, so any free one does, as in SQLite itself.
        let mut next = Some(wanted.unwrap_or_default().max(1));
        while let Some(from) = next {
            let gap = self.gap_from(class, from)?;
            match gap {
                Some(key) if !taken.contains(&key) && !self.still_means_another(class, guid, key)? => return Ok(key),
                Some(key) => next = key.checked_add(1),
                None if from > 1 => next = Some(1),
                None => next = None,
            }
        }
        Err(Error::new(ErrorKind::Constraint, format!("no number is free in the table {}", class.table)))
    }

    /// A number that no row has, for a while.
    pub(crate) fn unused_number(&self, class: &Class) -> Result<i64> {
        let (table, key) = (quote(&class.table), class.key_of("t"));
        let max: Option<i64> =
            self.conn.prepare_cached(&format!("SELECT max({key}) FROM {table} t"))?.query_row([], |r| r.get(0))?;
        let next = max.unwrap_or_default().max(0).checked_add(1);
        let found = next.map_or_else(|| self.gap_from(class, 1), |next| Ok(Some(next)))?;
        found
            .ok_or_else(|| Error::new(ErrorKind::Constraint, format!("no number is free in the table {}", class.table)))
    }

    /// The first number from `from` on that no row has; `None`: all are taken up to the greatest.
    fn gap_from(&self, class: &Class, from: i64) -> Result<Option<i64>> {
        let (table, key, next) = (quote(&class.table), class.key_of("t"), class.key_of("n"));
        let sql = format!(
            "SELECT iif(NOT EXISTS (SELECT 1 FROM {table} t WHERE {key} = ?1), ?1,
                 (SELECT {key} + 1 FROM {table} t WHERE {key} >= ?1 AND {key} < 9223372036854775807
                  AND NOT EXISTS (SELECT 1 FROM {table} n WHERE {next} = {key} + 1) ORDER BY {key} LIMIT 1))"
        );
        Ok(self.conn.prepare_cached(&sql)?.query_row([from], |r| r.get(0))?)
    }

    /// Whether rows still refer by `key` to a deleted object: given to another one, the key would turn them to that one.
    fn still_means_another(&self, class: &Class, guid: Guid, key: i64) -> Result<bool> {
        let sql = class.texts.last_with_key.get_or_init(|| {
            // The object of the row with the greatest `last` (SQLite: "bare columns" beside max).
            format!("SELECT object, max(coalesce(last, 0)) FROM {} WHERE key = ?1", class.tombstones())
        });
        let buried: Option<i64> = self.conn.prepare_cached(sql)?.query_row([key], |r| r.get(0))?;
        if buried.is_none() || buried == self.nodes.known_id(guid) {
            return Ok(false);
        }
        Ok(self.referrer(class, key)?.is_some())
    }
}
