//! Commits of several changes by somebody who uses the engine: with SQL on the user's tables, which the triggers file, or by
//! saying what objects are to be.

use std::collections::{BTreeSet, HashMap};

use rusqlite::Connection;

use crate::sync::data::guid::Guid;
use crate::sync::data::schema::Class;
use crate::sync::data::stamp::Stamp;
use crate::sync::data::value::Value;
use crate::sync::error::{Error, ErrorKind, Result};
use crate::sync::node::Keep;
use crate::sync::node::Node;
use crate::sync::node::filing::Referrer;
use crate::sync::node::history::{Content, Filed, State};
use crate::sync::node::renumber::{Coming, NewNumber};
use crate::sync::node::swaps::RowChange;
use crate::words::quoted;

/// An open commit: everything written through it gets one number.
pub struct Edit<'a> {
    node: &'a mut Node,
    /// The number of this commit.
    pub number: u64,
    stamp: Stamp,
}

impl Node {
    /// One commit of several changes, all or nothing. Where nothing changes, no number is used. Returns what `work` does.
    pub fn edit<T>(&mut self, work: impl FnOnce(&mut Edit<'_>) -> Result<T>) -> Result<T> {
        self.edit_and(Keep::Yes, work)
    }

    /// The same, to stay or to be taken back in the end.
    pub(crate) fn edit_and<T>(&mut self, keep: Keep, work: impl FnOnce(&mut Edit<'_>) -> Result<T>) -> Result<T> {
        self.transact(keep, |node| {
            let author = node.info.guid;
            let last_pos = "SELECT coalesce(max(pos), 0) FROM objsync_journal";
            let before: i64 = node.conn.prepare_cached(last_pos)?.query_row([], |r| r.get(0))?;
            let number = node
                .conn
                .prepare_cached("UPDATE objsync_state SET mode = 1, number = number + 1 RETURNING number")?
                .query_row([], |r| r.get(0))?;
            let time = node.tick()?;
            let mut edit = Edit { node, number, stamp: Stamp { time, author } };
            let result = work(&mut edit)?;
            let after: i64 = node.conn.prepare_cached(last_pos)?.query_row([], |r| r.get(0))?;
            // Back to 0 before the commit, so that no crash leaves it open.
            node.conn
                .prepare_cached("UPDATE objsync_state SET mode = 0, number = number - ?1")?
                .execute([i64::from(after == before)])?;
            Ok(result)
        })
    }
}

impl Edit<'_> {
    /// The connection, to write to the user's tables with any SQL. Not for `BEGIN`, `COMMIT` and `PRAGMA`.
    pub fn connection(&self) -> &Connection {
        &self.node.conn
    }

    /// The node that is edited.
    pub fn node(&self) -> &Node {
        self.node
    }

    /// Files an object under the GUID that it has elsewhere, or had here: brings back a deleted one, or adopts one from
    /// outside. Takes its old local number where that is free, else the next free one; returns it. An object that lives
    /// here is refused: update its row instead.
    pub fn insert_as(&mut self, class: &str, guid: Guid, values: &[Value]) -> Result<i64> {
        let class = self.node.class(class)?.clone();
        self.node.note_stranger(guid.node)?;
        if self.node.key_of(&class, guid)?.is_some() {
            return Err(Error::usage(format!("{} {guid} is here already; nothing was changed", class.name)));
        }
        self.file(&[Wanted { class: class.name.clone(), guid, content: Some(values.to_vec()) }])?;
        let key = self.node.key_of(&class, guid)?;
        key.ok_or_else(|| Error::storage(format!("{} {guid} was not filed", class.name)))
    }

    /// Files what objects are to be from now on, in any order: rows may refer to each other, and unique values change
    /// places. What is so already is left alone; a class that is not journaled is refused. A user's own triggers do not run.
    pub fn file(&mut self, wanted: &[Wanted]) -> Result<()> {
        let node = &*self.node;
        node.conn.execute_batch("PRAGMA defer_foreign_keys = ON")?;
        let mut keys: HashMap<Guid, i64> = HashMap::new();
        let mut taken: HashMap<i64, BTreeSet<i64>> = HashMap::new();
        let mut steps = Vec::new();
        for w in wanted {
            let class = node.class(&w.class)?;
            let before = node.current(class, w.guid)?;
            let old = before.as_ref().and_then(|b| b.state.content.as_ref());
            if old == w.content.as_ref() {
                continue;
            }
            if !class.journaled {
                // The baseline of its next switching on would pass over what was filed before it.
                let what = format!("{} is not synchronized at {} now", class.name, node.info.name);
                return Err(Error::new(ErrorKind::Constraint, format!("{what}; nothing was changed")).hint(format!(
                    "synchronize it again first (objsync classes journal {}), or change the row itself",
                    quoted(&class.name)
                )));
            }
            let mut key = before.as_ref().and_then(|b| b.key);
            if w.content.is_some() && old.is_none() && class.key_place().is_none() {
                let taken = taken.entry(class.id).or_default();
                let free = node.free_key(class, w.guid, key, taken)?;
                taken.insert(free);
                keys.insert(w.guid, free);
                key = Some(free);
            }
            steps.push(Filing { class, wanted: w, before, key });
        }
        let contents = steps.iter().filter_map(|s| Some((s.wanted.guid, s.wanted.content.as_deref()?)));
        let coming = Coming { numbers: keys, contents: contents.collect() };
        let mut references = HashMap::new();
        for step in &mut steps {
            let old = step.before.as_ref().and_then(|b| b.state.content.as_ref());
            for (place, value) in step.wanted.content.iter().flatten().enumerate() {
                let property = &step.class.properties[place];
                let Some(name) = &property.references else { continue };
                let target = node.class(name)?;
                let unknown = |what: String| {
                    Error::new(ErrorKind::Constraint, format!("{name} {what} is unknown here; nothing was changed"))
                };
                match value {
                    Value::Reference(guid) => {
                        let known = node.number_to_be(target, *guid, &coming)?;
                        references.insert(*guid, known.ok_or_else(|| unknown(guid.to_string()))?);
                    }
                    // It named nothing where it was written, and must not name a row here.
                    value if old.is_none_or(|old| old[place] != *value) => {
                        if let Some(key) =
                            value.as_key().filter(|key| matches!(node.guid_of(target, *key), Ok(Some(_))))
                        {
                            return Err(unknown(key.to_string()));
                        }
                    }
                    _ => {}
                }
            }
            if let (Some(values), Some(place)) = (&step.wanted.content, step.class.key_place()) {
                let number = node.number_given(step.class, step.wanted.guid, &values[place], &coming)?;
                step.key = Some(number.ok_or_else(|| {
                    let what = format!("it is not said to which row the {} belongs", step.class.name);
                    Error::new(ErrorKind::Constraint, format!("{what}; nothing was changed"))
                })?);
            }
        }
        // Foreign keys are on here, so a row that goes may take others with it, past the journal.
        for Filing { class, wanted, key, .. } in steps.iter().filter(|s| s.wanted.content.is_none()) {
            for row in node.referrers(class, key.unwrap_or_default(), i64::MAX)? {
                if !steps.iter().any(|s| s.class.name == row.class && s.stands_at(row.key)) {
                    return Err(still_refers(&row, &node.called(class, *key, None, wanted.guid)));
                }
            }
        }
        for Filing { class, wanted, before, key } in &steps {
            let old = before.as_ref().and_then(|b| b.state.content.as_ref());
            let Some((old, new)) = old.zip(wanted.content.as_ref()) else { continue };
            let changes = |column: &str| class.property(column).is_some_and(|i| old[i] != new[i]);
            let known = |other: &Class, key| steps.iter().any(|s| s.class.id == other.id && s.key == Some(key));
            if let Some(text) = node.followed_by_others(class, *key, &changes, &known)? {
                return Err(Error::new(ErrorKind::Constraint, format!("{text}; nothing was changed")));
            }
        }
        // What follows others by ON UPDATE is written after them.
        steps.sort_by_key(|s| s.class.foreign.iter().any(|key| key.follows));
        node.without_any_trigger(|| {
            let away = node.only_users_triggers()?;
            self.file_steps(&steps, &references).map_err(|e| match e.kind() {
                ErrorKind::Constraint => {
                    Error::new(ErrorKind::Constraint, format!("{}; nothing was changed", e.message()))
                }
                _ => e,
            })?;
            node.put_triggers_back(away)
        })?;
        for Filing { class, wanted, key, .. } in &steps {
            if let (None, Some(key)) = (&wanted.content, key)
                && let Some(row) = node.referrer(class, *key)?
            {
                return Err(still_refers(&row, &node.called(class, Some(*key), None, wanted.guid)));
            }
        }
        Ok(())
    }

    fn file_steps<'a>(&self, steps: &[Filing<'a>], references: &HashMap<Guid, i64>) -> Result<()> {
        let node = &*self.node;
        let mut positions = Vec::new();
        for Filing { class, wanted, before, key } in steps {
            let deleted = wanted.content.is_none();
            positions.push(node.file_event(
                class,
                wanted.guid,
                before.as_ref(),
                deleted,
                *key,
                (self.number, None, &Vec::new()),
            )?);
        }
        let last = positions.last().copied().unwrap_or_default();
        for Filing { class, wanted, before, .. } in steps.iter().filter(|s| s.wanted.content.is_none()) {
            node.end_of_key(class, wanted.guid, before.as_ref(), last)?;
        }
        let state = |step: &Filing<'_>| {
            let mut vector = step.before.as_ref().map(|b| b.state.vector.clone()).unwrap_or_default();
            vector.set(node.info.guid, self.number);
            State { content: step.wanted.content.clone(), vector, stamp: self.stamp }
        };
        let states: Vec<State> = steps.iter().map(state).collect();
        let change = |((step, new), pos)| {
            let Filing { class, wanted, before, key }: &Filing<'_> = step;
            RowChange {
                class,
                guid: wanted.guid,
                before: before.as_ref(),
                new,
                key: *key,
                references,
                unchanged: false,
                pos: Some(pos),
            }
        };
        let changes = steps.iter().zip(&states).zip(positions).map(change);
        let (gone, rest): (Vec<RowChange<'_>>, Vec<RowChange<'_>>) = changes.partition(|c| c.new.content.is_none());
        node.write_rows(&gone).map_err(|refused| *refused.error)?;
        let renumbered = steps.iter().filter(|s| !s.comes() && s.wanted.content.is_some());
        let renumbered = renumbered.filter(|s| s.class.key_place().is_some());
        let new_number = |s: &Filing<'a>| Some(NewNumber { class: s.class, guid: s.wanted.guid, number: s.key? });
        node.renumber_all(&renumbered.filter_map(new_number).collect::<Vec<_>>(), Some(last), |_| ())?;
        node.write_rows(&rest).map_err(|refused| *refused.error)
    }
}

fn still_refers(row: &Referrer, what: &str) -> Error {
    let text = format!("{row} refers to {what} ({}), so it cannot be deleted; nothing was changed", row.property);
    Error::new(ErrorKind::Constraint, text)
}

/// One object on its way from what it was to what it is to be.
struct Filing<'a> {
    class: &'a Class,
    wanted: &'a Wanted,
    before: Option<Filed>,
    key: Option<i64>,
}

impl Filing<'_> {
    /// Whether it has no row so far.
    fn comes(&self) -> bool {
        self.before.as_ref().is_none_or(|b| b.state.content.is_none())
    }

    /// Whether its row has that number now, or is to have it.
    fn stands_at(&self, key: Option<i64>) -> bool {
        self.key == key || self.before.as_ref().is_some_and(|b| b.state.content.is_some() && b.key == key)
    }
}

/// What an object is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Its class.
    pub class: String,
    /// The object; one that is not here is made under this identity.
    pub guid: Guid,
    /// Its properties, or `None`: deleted.
    pub content: Content,
}
