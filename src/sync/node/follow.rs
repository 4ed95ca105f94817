//! Following what other programs do to the user's tables: columns added or renamed, indexes made or dropped, triggers of
//! theirs that stand before ours.
//!
//! A column that is added gives every state from before its default. What differs from that by the time it is noticed was
//! written past the journal, so it is filed then, and nothing is lost. A column that another node has added, and this one has
//! not, is a property all the same: its values are kept beside the table, until the table has it.
//!
//! Columns that were dropped or have another type, and tables made anew without our triggers, are refused: what was changed
//! meanwhile nobody can tell.

use rusqlite::Connection;

use crate::sync::data::schema::{Class, ForeignKey, Key, Property, quote};
use crate::sync::data::value::Value;
use crate::sync::error::{Error, Result};
use crate::sync::node::references::References;
use crate::sync::node::shape::{self, Column, Shape};
use crate::sync::node::{Node, store, triggers};

impl Node {
    /// The classes, brought in line with their tables, all or nothing.
    pub(crate) fn follow_tables(&self) -> Result<Vec<Class>> {
        self.all_or_nothing(|| {
            for class in store::classes(&self.conn)? {
                match self.changed_columns(&class)? {
                    None => triggers::check(&self.conn, &class)?,
                    Some(changed) => self.follow(&class, changed)?,
                }
            }
            store::classes(&self.conn)
        })
    }

    /// How the columns of a table differ from those that are recorded; `None`: not at all. Refuses what cannot be followed.
    fn changed_columns(&self, class: &Class) -> Result<Option<Changed>> {
        let table = &class.table;
        let shape = Shape::read(&self.conn, table).map_err(|e| {
            let what = format!(
                "{}, which {} synchronizes as {}; nothing was changed",
                e.message(),
                self.info.name,
                class.name
            );
            Error::storage(what).hint(UNDO)
        })?;
        let follows = self.came_to_follow(class)?;
        let columns: Vec<&Column> = shape.properties(follows || class.key_place().is_some()).collect();
        let is_key = |c: &Column| shape.is_numbered_by(std::slice::from_ref(&c.name));
        let find = |p: &Property| columns.iter().copied().find(|c| c.name.eq_ignore_ascii_case(&p.name));
        let missing: Vec<usize> = class.columns().filter(|(_, p)| find(p).is_none()).map(|(i, _)| i).collect();
        let known =
            |c: &&&Column| follows && is_key(c) || class.columns().any(|(_, p)| p.name.eq_ignore_ascii_case(&c.name));
        let unknown: Vec<Column> = columns.iter().filter(|c| !known(c)).map(|c| (*c).clone()).collect();
        let differs = |p: &Property, c: &Column| p.declared != c.declared || p.not_null != c.not_null;
        let mut found: Vec<String> = Vec::new();
        for (_, p) in class.columns() {
            if let Some(c) = find(p).filter(|c| differs(p, c)) {
                let told = |declared: &str, not_null| format!("{declared}{}", if not_null { " NOT NULL" } else { "" });
                let (was, is) = (told(&p.declared, p.not_null), told(&c.declared, c.not_null));
                found.push(format!("the column {table}.{} was {was} and is {is} now", p.name));
            }
        }
        let recased = class.columns().any(|(_, p)| find(p).is_some_and(|c| c.name != p.name));
        let journaling = triggers::are_journaling(&self.conn, class)?;
        // SQLite itself renames a column in our triggers and leaves it in its place, and lets nobody drop one that they read.
        let pairs: Vec<(usize, Column)> = missing.iter().copied().zip(unknown.iter().cloned()).collect();
        let renamed =
            journaling && pairs.len() == missing.len() && pairs.iter().all(|(i, c)| !differs(&class.properties[*i], c));
        if !renamed {
            found.extend(missing.iter().map(|i| format!("the column {table}.{} is gone", class.properties[*i].name)));
        }
        let renamed = if renamed { pairs } else { Vec::new() };
        let added: Vec<Column> = unknown[renamed.len()..].to_vec();
        let key = shape.key(&with_renamed(class, &renamed));
        if found.is_empty() && key.as_ref().is_none_or(|key| triggers::another_key(key, &class.key)) {
            found.push(format!("the primary key of {table} is another one now"));
        }
        let as_before = missing.is_empty() && unknown.is_empty();
        if !journaling && !as_before {
            found.extend(added.iter().map(|c| format!("the column {table}.{} is new", c.name)));
            found.push("the triggers that fill the journal are gone".to_owned());
        }
        if !found.is_empty() {
            let what = format!(
                "{} was altered behind the journal of {}: {}; nothing was changed",
                table,
                self.info.name,
                found.join("; ")
            );
            return Err(Error::storage(what).hint(UNDO));
        }
        let key_renamed = key.as_ref() != Some(&class.key);
        let same = renamed.is_empty() && added.is_empty() && !recased && !key_renamed && !follows;
        let key = columns.iter().find(|c| follows && is_key(c)).map(|c| (*c).clone());
        Ok((!same).then_some(Changed { renamed, added, key, columns: columns.into_iter().cloned().collect(), shape }))
    }

    /// Whether the INTEGER PRIMARY KEY of a class turns out to be a reference, and is no property yet: the file was tracked by a
    /// version that did not see it, or what it refers to is a class only since.
    fn came_to_follow(&self, class: &Class) -> Result<bool> {
        let Key::Number(number) = &class.key else { return Ok(false) };
        let named = |f: &ForeignKey| f.columns.iter().any(|column| column.eq_ignore_ascii_case(number));
        if class.key_place().is_some() || !class.foreign.iter().any(named) {
            return Ok(false);
        }
        let specs: Vec<_> = store::specs(&self.conn)?.into_iter().map(|(_, spec)| spec).collect();
        Ok(References::among(&self.conn, &specs)?.follows(&class.name))
    }

    /// A class as its table is by now, for somebody who only looks: renamed columns under their new names, those that were added
    /// left out. `None`: there is nothing to follow.
    pub(crate) fn unfollowed(&self, class: &Class) -> Result<Option<Class>> {
        let Some(changed) = self.changed_columns(class)? else { return Ok(None) };
        let properties = with_renamed(class, &changed.renamed);
        let key = changed.shape.key(&properties).unwrap_or_else(|| class.key.clone());
        Ok(Some(Class { properties, key, ..class.clone() }))
    }

    fn follow(&self, class: &Class, changed: Changed) -> Result<()> {
        let mut properties = with_renamed(class, &changed.renamed);
        for p in properties.iter_mut().filter(|p| !p.elsewhere) {
            if let Some(c) = changed.columns.iter().find(|c| c.name.eq_ignore_ascii_case(&p.name)) {
                p.name.clone_from(&c.name);
            }
        }
        let since: i64 = self.conn.query_row("SELECT coalesce(max(pos), 0) FROM objsync_journal", [], |r| r.get(0))?;
        let mut places = Vec::new();
        for column in &changed.added {
            let default = default_value(&self.conn, column)?;
            let elsewhere = properties.iter().position(|p| p.elsewhere && p.name.eq_ignore_ascii_case(&column.name));
            let place = elsewhere.unwrap_or(properties.len());
            if elsewhere.is_none() {
                properties.push(Property { added: Some(default.clone()), since, ..column.property() });
            } else {
                let p = &mut properties[place];
                *p = Property { added: p.added.take(), since: p.since, ..column.property() };
            }
            places.push((place, default, elsewhere.is_some()));
        }
        // It was one all along: no state from before gives it another value than the number it had.
        properties.extend(changed.key.as_ref().map(Column::property));
        let key = changed.shape.key(&properties).ok_or_else(|| Error::storage("the key is gone"))?;
        let mut new = Class { properties, key, ..class.clone() };
        triggers::drop_all(&self.conn, class)?;
        store::widen_journal(&self.conn, new.properties.len())?;
        store::record_shape(&self.conn, &new)?;
        let linked = store::classes(&self.conn)?.into_iter().find(|c| c.id == class.id);
        new = linked.ok_or_else(|| Error::storage(format!("the class {} is gone", class.name)))?;
        self.without_any_trigger(|| self.file_added(class, &new, &places))?;
        triggers::create(&self.conn, &new)?;
        self.make_final(&format!("the table {} was altered since", class.table))
    }

    /// Gives the columns that are new what was kept for them beside the table, and files what was written to them already.
    fn file_added(&self, old: &Class, new: &Class, added: &[(usize, Value, bool)]) -> Result<()> {
        let (table, objects) = (quote(&new.table), new.objects());
        let mut written: Vec<i64> = Vec::new();
        for (place, default, kept) in added {
            let name = quote(&new.properties[*place].name);
            let sql = format!(
                "SELECT o.key FROM {objects} o JOIN {table} t ON {}
                 WHERE t.{name} COLLATE BINARY IS NOT ?1 COLLATE BINARY OR typeof(t.{name}) <> typeof(?1)",
                new.same_row("t", "o")
            );
            let keys: Vec<i64> =
                self.conn.prepare(&sql)?.query_map([default], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?;
            if *kept {
                let sql = format!(
                    "UPDATE OR ABORT {table} AS t SET {name} = (SELECT {value} FROM {objects} o WHERE {same})
                     WHERE t.{name} COLLATE BINARY IS ?1 COLLATE BINARY AND typeof(t.{name}) = typeof(?1)
                       AND EXISTS (SELECT 1 FROM {objects} o WHERE {same})",
                    value = old.value_of(*place, "t", "o"),
                    same = new.same_row("t", "o"),
                );
                self.conn.prepare(&sql)?.execute([default]).map_err(|e| {
                    let what =
                        format!("what other nodes have in {}.{name} does not fit the column added here", new.table);
                    Error::from(e).while_doing(what)
                })?;
            }
            written.extend(keys);
        }
        written.sort_unstable();
        written.dedup();
        if !new.journaled || written.is_empty() {
            return Ok(());
        }
        let images: String = (0..new.properties.len())
            .map(|i| match added.iter().find(|(place, ..)| *place == i) {
                None => format!(", {}", new.value_of(i, "t", "o")),
                Some((_, _, true)) => format!(", {}", old.value_of(i, "t", "o")),
                Some((..)) => {
                    format!(", (SELECT p.added FROM objsync_property p WHERE p.class = {} AND p.place = {i})", new.id)
                }
            })
            .collect();
        self.conn.execute("UPDATE objsync_state SET number = number + 1", [])?;
        self.tick()?;
        for key in written {
            self.file_written_row(new, key, &images)?;
        }
        Ok(())
    }

    /// Sets the slot of a property in a table of values kept aside to what every state from before the property has.
    pub(crate) fn set_to_added(&self, table: &str, class: &Class, place: usize) -> Result<()> {
        let added = "(SELECT added FROM objsync_property WHERE class = ?1 AND place = ?2)";
        self.conn.execute(&format!("UPDATE {table} SET v{place} = {added}"), (class.id, place))?;
        Ok(())
    }

    /// Takes in the properties that only the sender's table has so far: their values are kept beside the table.
    pub(crate) fn take_in_properties(&mut self, theirs: &[Class]) -> Result<()> {
        let mut changed = Vec::new();
        for class in &self.classes {
            let Some(sender) = theirs.iter().find(|c| c.name == class.name) else { continue };
            let unknown = |p: &&Property| !class.properties.iter().any(|q| q.name.eq_ignore_ascii_case(&p.name));
            let new: Vec<&Property> = sender.properties.iter().filter(unknown).collect();
            if new.is_empty() {
                continue;
            }
            let since: i64 =
                self.conn.query_row("SELECT coalesce(max(pos), 0) FROM objsync_journal", [], |r| r.get(0))?;
            let mut properties = class.properties.clone();
            properties.extend(new.into_iter().map(|p| Property { elsewhere: true, since, ..p.clone() }));
            let new = Class { properties, ..class.clone() };
            self.conn.execute_batch(&format!(
                "CREATE TABLE IF NOT EXISTS {} (object INTEGER PRIMARY KEY)",
                new.elsewhere()
            ))?;
            for (place, _) in new.not_columns().filter(|(place, _)| *place >= class.properties.len()) {
                self.conn.execute_batch(&format!("ALTER TABLE {} ADD COLUMN v{place}", new.elsewhere()))?;
            }
            store::widen_journal(&self.conn, new.properties.len())?;
            store::record_shape(&self.conn, &new)?;
            // Rows of which other values are kept already have in these what every row from before has.
            for (place, _) in new.not_columns().filter(|(place, _)| *place >= class.properties.len()) {
                self.set_to_added(&new.elsewhere(), &new, place)?;
            }
            // They may be out of the way, and come back by themselves.
            if triggers::are_journaling(&self.conn, class)? {
                triggers::drop_all(&self.conn, class)?;
                changed.push(class.id);
            }
        }
        self.classes = store::classes(&self.conn)?;
        for class in self.classes.iter().filter(|class| changed.contains(&class.id)) {
            triggers::create(&self.conn, class)?;
        }
        Ok(())
    }
}

pub(crate) const UNDO: &str = "undo that change, or put back a copy of the file from before, or take the engine out of the file (objsync untrack FILE), \
     bring the table into the form that it is to have, and make the other nodes anew as copies of it";

/// What differs between a table and what is recorded of it, and can be followed.
struct Changed {
    /// Places of properties, and the columns that they are now.
    renamed: Vec<(usize, Column)>,
    added: Vec<Column>,
    /// The INTEGER PRIMARY KEY, where it is a property from now on.
    key: Option<Column>,
    columns: Vec<Column>,
    shape: Shape,
}

fn with_renamed(class: &Class, renamed: &[(usize, Column)]) -> Vec<Property> {
    let mut properties = class.properties.clone();
    for (place, column) in renamed {
        let p = &mut properties[*place];
        let old = std::mem::replace(&mut p.name, column.name.clone());
        p.formerly.retain(|name| *name != column.name);
        p.formerly.push(old);
    }
    properties
}

/// What rows that were there have in a column that was added: its default, as the column stores it.
fn default_value(conn: &Connection, column: &Column) -> Result<Value> {
    let Some(default) = &column.default else { return Ok(Value::Null) };
    conn.execute_batch(&format!(
        "CREATE TEMP TABLE objsync_default (v {} DEFAULT ({default})); INSERT INTO temp.objsync_default DEFAULT VALUES;",
        shape::type_name(&column.declared)
    ))?;
    let value = conn.query_row("SELECT v FROM temp.objsync_default", [], |r| Ok(Value::from_sql(r.get_ref(0)?)))?;
    conn.execute_batch("DROP TABLE temp.objsync_default")?;
    Ok(value)
}
