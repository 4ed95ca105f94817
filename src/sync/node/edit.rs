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
use crate::sync::node::filing::{NewRow, Referrer};
use crate::sync::node::history::{Content, Filed, State};
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
            let (now, author) = ((node.clock)(), node.info.guid);
            let last_pos = "SELECT coalesce(max(pos), 0) FROM objsync_journal";
            let before: i64 = node.conn.prepare_cached(last_pos)?.query_row([], |r| r.get(0))?;
            let (number, time) = node
                .conn
                .prepare_cached(
                    "UPDATE objsync_state SET mode = 1, number = number + 1, clock = max(clock + 1, ?1) RETURNING number, clock",
                )?
                .query_row([now], |r| Ok((r.get(0)?, r.get(1)?)))?;
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
            if w.content.is_some() && old.is_none() {
                let taken = taken.entry(class.id).or_default();
                let free = node.free_key(class, w.guid, key, taken)?;
                taken.insert(free);
                keys.insert(w.guid, free);
                key = Some(free);
            }
            steps.push(Filing { class, wanted: w, before, key });
        }
        let mut references = HashMap::new();
        for step in &steps {
            for (value, property) in step.wanted.content.iter().flatten().zip(&step.class.properties) {
                if let (Value::Reference(target), Some(name)) = (value, &property.references) {
                    let known = match keys.get(target) {
                        Some(key) => Some(*key),
                        None => node.key_of(node.class(name)?, *target)?,
                    };
                    let known = known.ok_or_else(|| {
                        Error::new(
                            ErrorKind::Constraint,
                            format!("{name} {target} is unknown here; nothing was changed"),
                        )
                    })?;
                    references.insert(*target, known);
                }
            }
        }
        // Foreign keys are on here, so a row that goes may take others with it, past the journal.
        for Filing { class, wanted, key, .. } in steps.iter().filter(|s| s.wanted.content.is_none()) {
            for row in node.referrers(class, key.unwrap_or_default(), i64::MAX)? {
                if !steps.iter().any(|s| s.class.name == row.class && s.key == Some(row.key)) {
                    return Err(still_refers(&row, &node.called(class, *key, None, wanted.guid)));
                }
            }
        }
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

    fn file_steps(&self, steps: &[Filing<'_>], references: &HashMap<Guid, i64>) -> Result<()> {
        let node = &*self.node;
        let mut positions = Vec::new();
        for Filing { class, wanted, before, key } in steps {
            let deleted = wanted.content.is_none();
            positions.push(node.file_event(class, wanted.guid, before.as_ref(), deleted, *key, (self.number, None))?);
        }
        let last = positions.last().copied().unwrap_or_default();
        for Filing { class, wanted, before, .. } in steps.iter().filter(|s| s.wanted.content.is_none()) {
            node.end_of_key(class, wanted.guid, before.as_ref(), last)?;
        }
        let write = |step: &Filing<'_>, pos: i64| {
            let Filing { class, wanted, before, key } = step;
            let mut vector = before.as_ref().map(|b| b.state.vector.clone()).unwrap_or_default();
            vector.set(node.info.guid, self.number);
            let new = State { content: wanted.content.clone(), vector, stamp: self.stamp };
            let row = wanted.content.as_ref().zip(*key).map(|(values, key)| NewRow {
                key,
                values,
                references,
                moved_aside: step.moves(),
                unchanged: false,
            });
            node.put(class, wanted.guid, before.as_ref(), &new, row, Some(pos))
        };
        for (step, pos) in steps.iter().zip(&positions).filter(|(s, _)| s.wanted.content.is_none()) {
            write(step, *pos)?;
        }
        for step in steps.iter().filter(|s| s.moves()) {
            node.delete_row(step.class, step.key)?;
        }
        // What is here may make room for what comes: unique values pass from row to row.
        for comes in [false, true] {
            let now = |s: &Filing<'_>| s.wanted.content.is_some() && s.comes() == comes;
            for (step, pos) in steps.iter().zip(&positions).filter(|(s, _)| now(s)) {
                write(step, *pos)?;
            }
        }
        Ok(())
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

    /// Whether its unique values change, so that its row makes room for others first. Not where rows go with it.
    fn moves(&self) -> bool {
        if self.class.takes_others_along {
            return false;
        }
        let old = self.before.as_ref().and_then(|b| b.state.content.as_ref());
        old.zip(self.wanted.content.as_ref()).is_some_and(|(a, b)| self.class.unique_differ(a, b))
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
