//! Writing several rows, where unique values may pass from one to another.
//!
//! An update stays an update, so that the user's triggers see what happened where the change was made. A row that needs what
//! another one is about to give up waits until that one is written. Only where rows wait for each other in a circle one of them is
//! *parked*: an UPDATE, past all triggers, gives it values that nobody has. When its turn comes, it gets back what it had, so that
//! triggers see its true old values: whoever has these by then is parked for that moment.

use std::collections::{BTreeMap, HashMap};

use crate::sync::data::guid::Guid;
use crate::sync::data::schema::{Class, UniqueIndex, quote};
use crate::sync::data::value::Value;
use crate::sync::error::{Error, ErrorKind, Result};
use crate::sync::node::Node;
use crate::sync::node::filing::NewRow;
use crate::sync::node::history::{Filed, State};

/// An object on its way from what it was to what it is to be; its event is filed already.
pub(crate) struct RowChange<'a> {
    pub(crate) class: &'a Class,
    pub(crate) guid: Guid,
    pub(crate) before: Option<&'a Filed>,
    pub(crate) new: &'a State,
    /// The local key that it has from now on.
    pub(crate) key: Option<i64>,
    /// The local keys of the objects that it refers to.
    pub(crate) references: &'a HashMap<Guid, i64>,
    pub(crate) unchanged: bool,
    pub(crate) pos: Option<i64>,
}

/// Why rows could not be written: which of them, and what stopped it.
pub(crate) struct Refused {
    pub(crate) at: usize,
    pub(crate) error: Box<Error>,
    /// Of the rows that another row is in the way of: which, and the objects in its way; `None`: nobody can tell which.
    pub(crate) in_the_way: Vec<(usize, Vec<Option<Guid>>)>,
}

/// How far one of the changes is.
#[derive(Clone, Debug, PartialEq)]
enum Stage {
    Todo,
    /// It waits for another that is being written.
    Open,
    /// Its row is out of the way; what it had before, by column.
    Parked(Raw),
    Done,
}

/// Values of a row as SQLite has them, by place.
type Raw = Vec<(usize, Value)>;

impl RowChange<'_> {
    fn row(&self) -> Option<NewRow<'_>> {
        self.new.content.as_ref().zip(self.key).map(|(values, key)| NewRow {
            key,
            values,
            references: self.references,
            unchanged: self.unchanged,
        })
    }

    fn deletes(&self) -> bool {
        self.new.content.is_none()
    }

    /// Whether there is a row of it before.
    fn had_row(&self) -> bool {
        self.before.is_some_and(|b| b.state.content.is_some())
    }

    /// What its row is to have in a column, as SQLite stores it.
    fn value(&self, place: usize) -> Option<Value> {
        match &self.new.content.as_ref()?[place] {
            Value::Reference(guid) => self.references.get(guid).copied().map(Value::Integer),
            value => Some(value.clone()),
        }
    }
}

impl Node {
    /// Writes rows and versions: what goes first, then the others in order, as far as unique values allow that. Where it refuses,
    /// some may be written: the caller takes all of it back.
    pub(crate) fn write_rows(&self, changes: &[RowChange<'_>]) -> Result<(), Refused> {
        let refused = |at: usize| move |error: Error| Refused { at, error: Box::new(error), in_the_way: Vec::new() };
        for (at, change) in changes.iter().enumerate().filter(|(_, c)| c.deletes()) {
            self.put_change(change).map_err(refused(at))?;
        }
        let mut writing = Writing { node: self, changes, stages: Vec::new(), places: HashMap::new() };
        for (at, change) in changes.iter().enumerate().filter(|(_, c)| !c.deletes()) {
            // Nearly always nothing is in the way.
            if writing.stages.is_empty() {
                match self.put_change(change) {
                    Err(e) if is_taken(&e) => writing.look_around(at),
                    done => {
                        done.map_err(refused(at))?;
                        continue;
                    }
                }
            }
            writing.write(at)?;
        }
        writing.finish()
    }

    fn put_change(&self, change: &RowChange<'_>) -> Result<()> {
        self.put(change.class, change.guid, change.before, change.new, change.row(), change.pos)
    }

    /// Local keys of rows that have, in an index, what these columns would have; `None` where that cannot be asked.
    fn holders(
        &self,
        class: &Class,
        key: Option<i64>,
        index: &UniqueIndex,
        value: &dyn Fn(usize) -> Option<Value>,
    ) -> Result<Option<Vec<i64>>> {
        let mut bound: BTreeMap<&str, (usize, Value)> = BTreeMap::new();
        for column in index.columns() {
            let number = bound.len() + 2;
            let found = match class.columns().find(|(_, p)| p.name == column) {
                Some((place, _)) => value(place),
                None => class.number_column().filter(|name| *name == column).and(key).map(Value::Integer),
            };
            let Some(found) = found else { return Ok(None) };
            bound.entry(column).or_insert((number, found));
        }
        let there = |column: &str| format!("t.{}", quote(column));
        let new = |column: &str| format!("?{}", bound.get(column).map_or(0, |(number, _)| *number));
        let own = class.key_of("t");
        let sql = format!(
            "SELECT {own} FROM {} t WHERE {} AND {own} IS NOT ?1",
            quote(&class.table),
            index.collides(&there, &new)
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        statement.raw_bind_parameter(1, key)?;
        for (number, value) in bound.values() {
            statement.raw_bind_parameter(*number, value)?;
        }
        let mut rows = statement.raw_query();
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.extend(row.get::<_, Option<i64>>(0)?);
        }
        Ok(Some(found))
    }

    /// Does something past the user's triggers, if any run for a class.
    fn silently<T>(&self, class: &Class, work: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.users_triggers.run_on(class) { self.without_any_trigger(work) } else { work() }
    }

    /// What a row has in the columns that must be unique.
    fn raw(&self, class: &Class, key: Option<i64>) -> Result<Raw> {
        let places = class.parking_places();
        let columns: Vec<String> = places.iter().map(|i| format!("t.{}", quote(&class.properties[*i].name))).collect();
        let (table, at) = (quote(&class.table), class.row_at("t", "?1"));
        let sql = format!("SELECT {} FROM {table} t WHERE {at}", columns.join(", "));
        let mut statement = self.conn.prepare_cached(&sql)?;
        let read = |r: &rusqlite::Row<'_>| {
            places.iter().enumerate().map(|(n, i)| Ok((*i, Value::from_sql(r.get_ref(n)?)))).collect()
        };
        Ok(statement.query_row([key], read)?)
    }

    /// Sets columns of a row, and the key beside its object, if that is among them.
    fn set_raw(&self, class: &Class, key: Option<i64>, raw: &Raw) -> Result<()> {
        let table = quote(&class.table);
        let set: Vec<String> = raw
            .iter()
            .enumerate()
            .map(|(n, (i, _))| format!("{} = ?{}", quote(&class.properties[*i].name), n + 2))
            .collect();
        let sql = format!("UPDATE OR ABORT {table} SET {} WHERE {}", set.join(", "), class.row_at(&table, "?1"));
        let run = |sql: &str, values: &[&Value]| -> Result<()> {
            let mut statement = self.conn.prepare_cached(sql)?;
            statement.raw_bind_parameter(1, key)?;
            for (n, value) in values.iter().enumerate() {
                statement.raw_bind_parameter(n + 2, value)?;
            }
            statement.raw_execute()?;
            Ok(())
        };
        run(&sql, &raw.iter().map(|(_, value)| value).collect::<Vec<_>>())?;
        let places = class.key_places();
        let kept: Vec<&Value> = places.iter().filter_map(|i| raw.iter().find(|(p, _)| p == i)).map(|r| &r.1).collect();
        if places.is_empty() || kept.len() != places.len() {
            return Ok(());
        }
        let set: Vec<String> = (0..places.len()).map(|n| format!("k{n} = ?{}", n + 2)).collect();
        run(&format!("UPDATE {} SET {} WHERE key = ?1", class.objects(), set.join(", ")), &kept)
    }

    /// Gives a row unique values that nobody has; returns what it had.
    fn park(&self, class: &Class, key: Option<i64>) -> Result<Raw> {
        let had = self.raw(class, key)?;
        let mut refused = None;
        for attempt in 0..8 {
            let free = |(place, _): &(usize, Value)| {
                let declared = &class.properties[*place].declared;
                (*place, free_value(declared, key.unwrap_or_default().wrapping_mul(8).wrapping_add(attempt)))
            };
            let free: Raw = had.iter().map(free).collect();
            let mut set = self.silently(class, || self.set_raw(class, key, &free));
            if set.as_ref().is_err_and(|e| e.message().starts_with("CHECK")) {
                // It stands there only until the end of this.
                self.conn.execute_batch("PRAGMA ignore_check_constraints = ON")?;
                set = self.silently(class, || self.set_raw(class, key, &free));
                self.conn.execute_batch("PRAGMA ignore_check_constraints = OFF")?;
            }
            match set {
                Ok(()) => return Ok(had),
                Err(e) if e.kind() == ErrorKind::Constraint => refused = Some(e),
                Err(e) => return Err(e),
            }
        }
        Err(refused.unwrap_or_else(|| Error::storage("a row could not be parked")))
    }

    fn unpark(&self, class: &Class, key: Option<i64>, had: &Raw) -> Result<()> {
        self.silently(class, || self.set_raw(class, key, had))
    }
}

/// A value that is not in use, of a type that the column takes.
fn free_value(declared: &str, seed: i64) -> Value {
    let has = |parts: &[&str]| parts.iter().any(|part| declared.contains(part));
    // Exact as a real, too.
    let number = -(1 << 52) + seed.rem_euclid(1 << 50);
    match () {
        () if has(&["INT"]) => Value::Integer(number),
        () if declared.is_empty() || declared == "ANY" || has(&["CHAR", "CLOB", "TEXT"]) => {
            Value::Text(format!("\u{1}objsync {number}"))
        }
        () if has(&["BLOB"]) => Value::Blob(format!("\u{1}objsync {number}").into_bytes()),
        () => Value::Integer(number),
    }
}

fn is_taken(error: &Error) -> bool {
    error.kind() == ErrorKind::Constraint && error.message().starts_with("UNIQUE constraint failed")
}

/// The changes at hand, from the first that something is in the way of.
struct Writing<'a> {
    node: &'a Node,
    changes: &'a [RowChange<'a>],
    /// Of every change; empty so far as nothing was in the way of any.
    stages: Vec<Stage>,
    /// The place of each row that is here, by class and local key.
    places: HashMap<(i64, i64), usize>,
}

impl Writing<'_> {
    /// From now on everything is written with regard to the others; all that stands before `at` is done.
    fn look_around(&mut self, at: usize) {
        let stage = |(i, change): (usize, &RowChange<'_>)| match change.deletes() || i < at {
            true => Stage::Done,
            false => Stage::Todo,
        };
        self.stages = self.changes.iter().enumerate().map(stage).collect();
        let rows = self.changes.iter().enumerate().filter(|(_, c)| !c.deletes());
        self.places = rows.filter_map(|(i, c)| Some(((c.class.id, c.key?), i))).collect();
    }

    /// Writes a change, and those before it that are in its way. Where that cannot be, it stays for [`Writing::finish`].
    fn write(&mut self, at: usize) -> Result<(), Refused> {
        if self.stages[at] == Stage::Done {
            return Ok(());
        }
        let mut open = vec![at];
        while let Some(&top) = open.last() {
            match self.put(top) {
                Ok(()) => {
                    self.stages[top] = Stage::Done;
                    open.pop();
                    continue;
                }
                Err(error) if !is_taken(&error) => {
                    return Err(Refused { at: top, error: Box::new(error), in_the_way: Vec::new() });
                }
                Err(_) => {}
            }
            if self.stages[top] == Stage::Todo {
                self.stages[top] = Stage::Open;
            }
            let refused = |error| Refused { at: top, error: Box::new(error), in_the_way: Vec::new() };
            let in_the_way = self.in_the_way(top).map_err(refused)?;
            let next = in_the_way.into_iter().flatten().find(|i| matches!(self.stages[*i], Stage::Todo | Stage::Open));
            match next.map(|i| (i, &self.stages[i])) {
                Some((i, Stage::Open)) => self.park(i).map_err(refused)?,
                Some((i, _)) => open.push(i),
                None => {
                    // What waits for it waits as well.
                    for i in open.drain(..).filter(|i| self.stages[*i] == Stage::Open).collect::<Vec<_>>() {
                        self.stages[i] = Stage::Todo;
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes what could not be written before; at last with all of it parked, where nobody can tell what is in the way.
    fn finish(mut self) -> Result<(), Refused> {
        let mut parked = false;
        loop {
            let left = |stages: &[Stage]| (0..stages.len()).filter(|i| stages[*i] != Stage::Done).collect::<Vec<_>>();
            let before = left(&self.stages);
            for at in &before {
                self.write(*at)?;
            }
            let after = left(&self.stages);
            if after.is_empty() {
                return Ok(());
            }
            if after.len() < before.len() {
                continue;
            }
            if parked {
                return Err(self.refused(after));
            }
            for at in after {
                let change = &self.changes[at];
                if self.stages[at] == Stage::Todo && change.had_row() && !change.unchanged {
                    self.park(at).map_err(|error| Refused { at, error: Box::new(error), in_the_way: Vec::new() })?;
                }
            }
            parked = true;
        }
    }

    fn refused(&self, left: Vec<usize>) -> Refused {
        let mut in_the_way = Vec::new();
        let mut first = None;
        for at in left {
            let why = (|| {
                let change = &self.changes[at];
                let class = change.class;
                let mut objects = Vec::new();
                for index in &class.indexes {
                    let found = self.node.holders(class, change.key, index, &|place| change.value(place))?;
                    match found {
                        None => objects.push(None),
                        Some(keys) => {
                            for key in keys {
                                objects.push(self.node.guid_of(class, key)?);
                            }
                        }
                    }
                }
                // Something else than a row of the table, or by an index that cannot be read.
                if objects.is_empty() {
                    objects.push(None);
                }
                let error = self.put(at).err();
                Ok((objects, error))
            })();
            match why {
                Err(error) => return Refused { at, error: Box::new(error), in_the_way },
                Ok((objects, error)) => {
                    in_the_way.push((at, objects));
                    first = first.or(error.map(|error| (at, error)));
                }
            }
        }
        let (at, error) = first.unwrap_or_else(|| (0, Error::storage("rows could not be written")));
        Refused { at, error: Box::new(error), in_the_way }
    }

    /// The changes whose rows are in the way of one; `None`: a row that is not among these.
    fn in_the_way(&self, at: usize) -> Result<Vec<Option<usize>>> {
        let change = &self.changes[at];
        let mut found = Vec::new();
        for index in &change.class.indexes {
            let keys = self.node.holders(change.class, change.key, index, &|place| change.value(place))?;
            let place = |key| self.places.get(&(change.class.id, key)).copied();
            found.extend(keys.into_iter().flatten().map(place));
        }
        Ok(found)
    }

    fn park(&mut self, at: usize) -> Result<()> {
        let change = &self.changes[at];
        let had = self.node.park(change.class, change.key)?;
        self.stages[at] = Stage::Parked(had);
        Ok(())
    }

    fn put(&self, at: usize) -> Result<()> {
        let change = &self.changes[at];
        match &self.stages[at] {
            Stage::Parked(had) if self.node.users_triggers.run_on(change.class) => self.put_parked(change, had),
            _ => self.node.put_change(change),
        }
    }

    /// Writes a row that was parked so that triggers see the values that it had before.
    fn put_parked(&self, change: &RowChange<'_>, had: &Raw) -> Result<()> {
        let (node, class) = (self.node, change.class);
        let new: Option<Raw> = had.iter().map(|(place, _)| Some((*place, change.value(*place)?))).collect();
        // Whether what it is to have is free by now.
        node.unpark(class, change.key, &new.unwrap_or_default())?;
        let before = |place: usize| had.iter().find(|(i, _)| *i == place).map(|(_, value)| value.clone());
        let mut crowd: BTreeMap<i64, Raw> = BTreeMap::new();
        for index in &class.indexes {
            for key in node.holders(class, change.key, index, &before)?.into_iter().flatten() {
                if let std::collections::btree_map::Entry::Vacant(entry) = crowd.entry(key) {
                    entry.insert(node.park(class, Some(key))?);
                }
            }
        }
        node.unpark(class, change.key, had)?;
        node.put_change(change)?;
        crowd.iter().try_for_each(|(key, had)| node.unpark(class, Some(*key), had))
    }
}
