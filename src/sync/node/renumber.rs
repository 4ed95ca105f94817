//! Objects that get other numbers: those whose INTEGER PRIMARY KEY is a reference (one-to-one tables, chains of them). Such an object
//! has the number of the one that it refers to, so it gets another number where it refers to another object from now on.
//!
//! All that refers by the old number follows. A number is no content: no event is filed for it, but it is noted what the old number
//! meant, so that before-images can be read.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::OptionalExtension;

use crate::sync::data::guid::Guid;
use crate::sync::data::schema::{Class, Key, quote};
use crate::sync::data::value::Value;
use crate::sync::error::{Error, Result};
use crate::sync::node::Node;

/// The number that an object is to have.
pub(crate) struct NewNumber<'a> {
    pub(crate) class: &'a Class,
    pub(crate) guid: Guid,
    pub(crate) number: i64,
}

/// Objects that are about to be written.
#[derive(Default)]
pub(crate) struct Coming<'a> {
    /// The numbers of those that have numbers of their own.
    pub(crate) numbers: HashMap<Guid, i64>,
    /// What they are to be.
    pub(crate) contents: HashMap<Guid, &'a [Value]>,
}

impl Node {
    /// The number that an object has once those that come are written; `None`: it is neither here nor coming.
    pub(crate) fn number_to_be(&self, class: &Class, guid: Guid, coming: &Coming<'_>) -> Result<Option<i64>> {
        let Some(place) = class.key_place() else {
            return match coming.numbers.get(&guid) {
                Some(number) => Ok(Some(*number)),
                None => self.key_of(class, guid),
            };
        };
        let content = match coming.contents.get(&guid) {
            Some(values) => Some(values[place].clone()),
            None => self.current(class, guid)?.and_then(|now| now.state.content).map(|values| values[place].clone()),
        };
        content.map_or(Ok(None), |value| self.number_given(class, guid, &value, coming))
    }

    /// The number that an object has by the value of its key.
    pub(crate) fn number_given(
        &self,
        class: &Class,
        guid: Guid,
        value: &Value,
        coming: &Coming<'_>,
    ) -> Result<Option<i64>> {
        let target = class.key_place().and_then(|place| class.properties[place].references.as_deref());
        match (value, target) {
            (Value::Reference(parent), Some(target)) => self.number_to_be(self.class(target)?, *parent, coming),
            (Value::Dangling(number), _) => Ok(Some(*number)),
            _ => self.key_of(class, guid),
        }
    }

    /// Gives objects their new numbers; those that are in each other's way step aside first. `until`: up to this journal position the
    /// old numbers meant them; `doing` is told which one is tried, since a constraint may refuse it.
    ///
    /// What others follow goes before these, at each moment with all that follows it: an object that went before the one that it
    /// belongs to would be taken along by whoever had that number.
    pub(crate) fn renumber_all(
        &self,
        wanted: &[NewNumber<'_>],
        until: Option<i64>,
        mut doing: impl FnMut(usize),
    ) -> Result<()> {
        let mut aside = HashSet::new();
        let mut levels: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (n, NewNumber { class, .. }) in wanted.iter().enumerate() {
            levels.entry(self.level(class)?).or_default().push(n);
        }
        for todo in levels.into_values() {
            self.renumber_level(wanted, todo, until, (&mut aside, &mut doing))?;
        }
        Ok(())
    }

    /// How many classes stand between a class and one with numbers of its own.
    fn level(&self, class: &Class) -> Result<usize> {
        let (mut level, mut at) = (0, class);
        while let Some(target) = at.key_place().and_then(|place| at.properties[place].references.as_deref()) {
            at = self.class(target)?;
            level += 1;
            if level > self.classes.len() {
                return Err(Error::storage(format!("the keys of {} refer to each other in a circle", class.name)));
            }
        }
        Ok(level)
    }

    fn renumber_level(
        &self,
        wanted: &[NewNumber<'_>],
        mut todo: Vec<usize>,
        until: Option<i64>,
        (aside, doing): (&mut HashSet<usize>, &mut impl FnMut(usize)),
    ) -> Result<()> {
        while !todo.is_empty() {
            let mut left = Vec::new();
            let before = todo.len();
            for n in todo {
                let NewNumber { class, guid, number } = &wanted[n];
                doing(n);
                // What it refers to may have taken it along already.
                let Some(now) = self.key_of(class, *guid)?.filter(|now| now != number) else { continue };
                match self.has_row(class, *number)? {
                    true => left.push(n),
                    false => self.renumber(class, now, *number, until.filter(|_| !aside.contains(&n)))?,
                }
            }
            if left.len() == before {
                let n = left.iter().copied().find(|n| aside.insert(*n)).unwrap_or_else(|| left.remove(0));
                let NewNumber { class, guid, number } = &wanted[n];
                doing(n);
                if let Some(now) = self.key_of(class, *guid)? {
                    match left.contains(&n) {
                        true => self.renumber(class, now, self.unused_number(class)?, until)?,
                        // Another row has the number, and keeps it: the table says so.
                        false => self.renumber(class, now, *number, None)?,
                    }
                }
            }
            todo = left;
        }
        Ok(())
    }

    fn has_row(&self, class: &Class, number: i64) -> Result<bool> {
        let sql = format!("SELECT EXISTS(SELECT 1 FROM {} t WHERE {})", quote(&class.table), class.row_at("t", "?1"));
        Ok(self.conn.prepare_cached(&sql)?.query_row([number], |r| r.get(0))?)
    }

    /// Gives an object another number. What refers to it by the old one goes first: where foreign keys are on, nothing is left for
    /// their actions.
    fn renumber(&self, class: &Class, from: i64, to: i64, until: Option<i64>) -> Result<()> {
        let turn = |table: &str, column: &str| -> Result<()> {
            let sql = format!("UPDATE {table} SET {column} = ?2 WHERE {column} = ?1");
            self.conn.prepare_cached(&sql)?.execute((from, to))?;
            Ok(())
        };
        for other in &self.classes {
            let refers = |references: &Option<String>| references.as_deref() == Some(&class.name);
            for (place, property) in other.properties.iter().enumerate().filter(|(_, p)| refers(&p.references)) {
                if property.elsewhere {
                    turn(&other.elsewhere(), &format!("v{place}"))?;
                } else if other.key_place() == Some(place) {
                    if self.guid_of(other, from)?.is_some() {
                        self.renumber(other, from, to, until)?;
                    }
                } else {
                    turn(&quote(&other.table), &quote(&property.name))?;
                    if let Key::Content(places) = &other.key
                        && let Some(n) = places.iter().position(|p| *p == place)
                    {
                        turn(&other.objects(), &format!("k{n}"))?;
                    }
                }
            }
        }
        // Tables that are no classes.
        let number = |to: &String| matches!(&class.key, Key::Number(key) if key.eq_ignore_ascii_case(to));
        for key in class.named_by.iter().filter(|key| key.to.len() == 1 && key.to.iter().all(number)) {
            turn(&quote(&key.table), &quote(&key.columns[0]))?;
        }
        let object: Option<i64> = self
            .conn
            .prepare_cached(&format!("SELECT object FROM {} WHERE key = ?1", class.objects()))?
            .query_row([from], |r| r.get(0))
            .optional()?;
        if let Key::Number(key) = &class.key {
            turn(&quote(&class.table), &quote(key))?;
        }
        if let (Some(object), Some(until)) = (object, until) {
            self.conn
                .prepare_cached(
                    "INSERT OR IGNORE INTO objsync_former_key (class, key, until, object) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute((class.id, from, until, object))?;
        }
        turn(&class.objects(), "key")
    }
}
