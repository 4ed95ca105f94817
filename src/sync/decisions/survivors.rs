//! What survives a discard: the rows here that what is given up excluded.
//!
//! Two nodes make different objects with one unique value, X here and Y there, and each waits at the other. If both give up what
//! waits, each deletes the other's object; and since neither has seen the other's decision, both deletions would be newer than what
//! they delete: X and Y would be gone everywhere. So a discard also says anew, in the same commit, what stands in the way here: it
//! *confirms* X. The deletion of X there was made without this confirmation in sight, so the two are a conflict, decided by the rule
//! and recorded.
//!
//! All that one discard says about such a pair carries one stamp, its own: the deletion of Y and the confirmation of X. The other
//! discard says the opposite of both, with its stamp. So any rule that goes by author, role or time decides for the same discard in
//! both cases, at both ends: exactly one of X and Y stays. The rules that go by the place (keep ours, accept theirs, ask) decide both
//! for the side that they prefer, since one set carries both in one unit; the other side then takes over what has seen its own.
//! With the stamp of what was given up, as other discards have it, a rule could keep both, which would wait for each other again.

use std::collections::HashSet;

use crate::sync::data::guid::Guid;
use crate::sync::data::schema::{Class, quote};
use crate::sync::data::stamp::Stamp;
use crate::sync::data::value::Value;
use crate::sync::error::Result;
use crate::sync::exchange::requeue::Pending;
use crate::sync::node::Node;
use crate::sync::node::filing::NewRow;
use crate::sync::node::history::State;

/// What a discard is about beside what it gives up.
#[derive(Default)]
pub(crate) struct Survivors {
    /// What waits and is excluded by something here.
    excluded: HashSet<Guid>,
    /// The objects here that exclude something: class and object.
    pub(crate) confirmed: HashSet<(usize, Guid)>,
}

impl Survivors {
    pub(crate) fn is_empty(&self) -> bool {
        self.confirmed.is_empty()
    }

    /// Whether a waiting state is of an object that excludes another one, or that another one excludes.
    pub(crate) fn are_about(&self, p: &Pending) -> bool {
        self.excluded.contains(&p.guid) || self.confirmed.contains(&(p.class, p.guid))
    }
}

impl Node {
    /// The objects here that exclude any of these states. A state that is here already is not given up, so nothing excludes it.
    pub(crate) fn survivors<'a>(&self, given_up: impl Iterator<Item = &'a Pending>) -> Result<Survivors> {
        let mut survivors = Survivors::default();
        for p in given_up {
            let before = self.current(&self.classes[p.class], p.guid)?;
            if before.is_some_and(|b| p.state.vector.leq(&b.state.vector)) {
                continue;
            }
            let excluding = self.excluding(p)?;
            if !excluding.is_empty() {
                survivors.excluded.insert(p.guid);
                survivors.confirmed.extend(excluding.into_iter().map(|guid| (p.class, guid)));
            }
        }
        Ok(survivors)
    }

    /// The objects here, other than itself, that have what a state which waits needs for itself alone.
    fn excluding(&self, p: &Pending) -> Result<Vec<Guid>> {
        let class = &self.classes[p.class];
        let Some(values) = &p.state.content else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for places in &class.unique {
            let Some(wanted) = self.unique_values(class, places, values)? else { continue };
            let equal: Vec<String> = places
                .iter()
                .enumerate()
                .map(|(n, &i)| format!("t.{} = ?{}", quote(&class.properties[i].name), n + 1))
                .collect();
            let (key, table) = (class.key_of("t"), quote(&class.table));
            let sql = format!("SELECT {key} FROM {table} t WHERE {}", equal.join(" AND "));
            let mut statement = self.conn.prepare_cached(&sql)?;
            for (n, value) in wanted.iter().enumerate() {
                statement.raw_bind_parameter(n + 1, value)?;
            }
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next()? {
                let guid = self.guid_of(class, row.get(0)?)?;
                found.extend(guid.filter(|guid| *guid != p.guid && !found.contains(guid)));
            }
        }
        Ok(found)
    }

    /// The values of some properties as the table has them; `None` where they exclude no other row: NULLs are never equal, and nobody
    /// has a reference to what is not here.
    fn unique_values(&self, class: &Class, places: &[usize], values: &[Value]) -> Result<Option<Vec<Value>>> {
        let mut wanted = Vec::new();
        for &i in places {
            let value = match (&values[i], &class.properties[i].references) {
                (Value::Null, _) => return Ok(None),
                (Value::Reference(guid), Some(target)) => match self.key_of(self.class(target)?, *guid)? {
                    Some(key) => Value::Integer(key),
                    None => return Ok(None),
                },
                // It has no column here to exclude anything.
                _ if class.properties[i].elsewhere => return Ok(None),
                (value, _) => value.clone(),
            };
            wanted.push(value);
        }
        Ok(Some(wanted))
    }

    /// Files the present state of these objects once more, as commit `number` with its stamp. Leaves out objects that this commit has
    /// filed already.
    pub(crate) fn confirm(&self, survivors: &HashSet<(usize, Guid)>, number: u64, stamp: Stamp) -> Result<()> {
        let mut survivors: Vec<(usize, Guid)> = survivors.iter().copied().collect();
        survivors.sort();
        for (class, guid) in survivors {
            let class = &self.classes[class];
            let Some(before) = self.current(class, guid)?.filter(|b| b.state.stamp != stamp) else { continue };
            let mut vector = before.state.vector.clone();
            vector.set(self.info.guid, number);
            let new = State { content: before.state.content.clone(), vector, stamp };
            // This commit writes every property, so `merge-properties` takes each as written by this side.
            let dots = (0..class.properties.len()).map(|place| (place, None)).collect();
            let pos = self.file_event(class, guid, Some(&before), false, before.key, (number, None, &dots))?;
            let references = Default::default();
            let row = new.content.as_ref().zip(before.key).map(|(values, key)| NewRow {
                key,
                values,
                references: &references,
                unchanged: true,
            });
            self.put(class, guid, Some(&before), &new, row, Some(pos))?;
        }
        Ok(())
    }
}
