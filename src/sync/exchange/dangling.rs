//! References without their object: who refers to what is neither here nor arriving waits.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::sync::data::guid::Guid;
use crate::sync::data::schema::Class;
use crate::sync::data::value::Value;
use crate::sync::error::Result;
use crate::sync::exchange::requeue::{Cause, Obstacle, Pending};
use crate::sync::exchange::spool::Queue;
use crate::sync::exchange::trial::{Blocked, Settling, Unit};
use crate::sync::exchange::unit::Units;
use crate::sync::node::Node;
use crate::sync::node::history::{Filed, State};

/// What must be there for a value to stand in a row.
pub(crate) enum Names<'a> {
    Nothing,
    /// This object of that class.
    Object(&'a str, Guid),
    /// It stands in a reference, and is none that anybody else could know: a number, text or blob that named no row at its source.
    Unknown,
}

/// What a value of a property names.
pub(crate) fn names<'a>(class: &'a Class, place: usize, value: &Value) -> Names<'a> {
    match (class.properties[place].references.as_deref(), value) {
        (Some(target), Value::Reference(guid)) => Names::Object(target, *guid),
        (None, Value::Reference(_) | Value::Dangling(_)) => Names::Unknown,
        (None, _) => Names::Nothing,
        // A key is never NULL.
        (Some(_), Value::Null) if class.key_place() != Some(place) => Names::Nothing,
        (Some(_), _) => Names::Unknown,
    }
}

/// Whether a value stands there already: a row that named nothing before may go on so.
pub(crate) fn stands(before: Option<&Filed>, place: usize, value: &Value) -> bool {
    before.and_then(|filed| filed.state.content.as_ref()).is_some_and(|values| values[place] == *value)
}

impl Node {
    /// Parts units in those that may fit together, since all that they refer to is here or in one of them, and the others.
    pub(crate) fn without_dangling(
        &self,
        queue: &Queue<'_>,
        units: &Units,
        all: &[usize],
    ) -> Result<(Vec<usize>, Vec<usize>)> {
        let mut arriving = vec![false; queue.finished.len()];
        all.iter().flat_map(|u| units.of(*u)).for_each(|index| arriving[index] = true);
        let (mut may, mut dangling) = (all.to_vec(), Vec::new());
        loop {
            let before = may.len();
            let mut still = Vec::new();
            for u in may {
                match self.refers_to_nothing(queue, units.of(u), &arriving)? {
                    false => still.push(u),
                    true => {
                        units.of(u).for_each(|index| arriving[index] = false);
                        dangling.push(u);
                    }
                }
            }
            may = still;
            if may.len() == before {
                return Ok((may, dangling));
            }
        }
    }

    /// Whether a unit refers to an object that is neither here nor among those that arrive. Concurrent states are left to the
    /// trial: the rule may keep ours.
    fn refers_to_nothing(
        &self,
        queue: &Queue<'_>,
        unit: impl Iterator<Item = usize>,
        arriving: &[bool],
    ) -> Result<bool> {
        for index in unit {
            let pending = self.load(queue, [index].into_iter())?;
            let concurrent = self.concurrent(&pending)?;
            for (p, _) in pending.iter().zip(concurrent).filter(|(_, concurrent)| !concurrent) {
                let class = &self.classes[p.class];
                for (place, value) in p.state.content.iter().flatten().enumerate() {
                    let known = match names(class, place, value) {
                        Names::Nothing => true,
                        Names::Object(target, guid) => {
                            self.key_of(self.class(target)?, guid)?.is_some()
                                || self.spooled(queue, guid)?.into_iter().any(|index| arriving[index])
                        }
                        Names::Unknown => stands(self.current(class, p.guid)?.as_ref(), place, value),
                    };
                    if !known {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    /// Leaves out units that refer to objects neither here nor arriving, and what refers to these in turn, before any row
    /// is written. Concurrent states are left to the trial: the rule may keep ours.
    pub(crate) fn leave_out_dangling(
        &self,
        all: &[Unit],
        pending: &[Pending],
        standing: &[Option<Rc<Filed>>],
        concurrent: &[bool],
        reasons: &mut HashMap<usize, Blocked>,
    ) -> Result<()> {
        let mut here: HashMap<Guid, bool> = HashMap::new();
        loop {
            let arriving: HashSet<Guid> = (0..all.len())
                .filter(|u| !reasons.contains_key(u))
                .flat_map(|u| all[u].iter().map(|&i| &pending[i]))
                .filter(|p| p.state.content.is_some())
                .map(|p| p.guid)
                .collect();
            let before = reasons.len();
            for (u, unit) in all.iter().enumerate() {
                if reasons.contains_key(&u) {
                    continue;
                }
                'unit: for &i in unit.iter().filter(|&&i| !concurrent[i]) {
                    let (p, class) = (&pending[i], &self.classes[pending[i].class]);
                    for (place, value) in p.state.content.iter().flatten().enumerate() {
                        let known = match names(class, place, value) {
                            Names::Nothing => true,
                            Names::Object(_, guid) if arriving.contains(&guid) => true,
                            Names::Object(target, guid) => match here.get(&guid) {
                                Some(known) => *known,
                                None => {
                                    let known = self.key_of(self.class(target)?, guid)?.is_some();
                                    here.insert(guid, known);
                                    known
                                }
                            },
                            Names::Unknown => stands(standing[i].as_deref(), place, value),
                        };
                        if !known {
                            reasons.insert(u, (i, self.unknown(&class.properties[place], value)));
                            break 'unit;
                        }
                    }
                }
            }
            if reasons.len() == before {
                return Ok(());
            }
        }
    }

    /// Units that left something without its object: a row that refers to nothing, or rows that refer to what was deleted.
    pub(crate) fn unsound(
        &self,
        settling: &Settling<'_>,
        all: &[Unit],
        applied: impl Iterator<Item = usize>,
    ) -> Result<HashMap<usize, Blocked>> {
        let mut found = HashMap::new();
        // What comes in a later part has its key already.
        let later = |guid: &Guid| settling.later.is_some() && !settling.arriving.contains_key(guid);
        let comes = settling.keys.iter().filter(|(guid, _)| later(guid));
        let mut here: HashMap<_, _> =
            comes.map(|(guid, (class, _))| ((self.classes[*class].id, *guid), true)).collect();
        for u in applied {
            for &i in &all[u] {
                let p = &settling.pending[i];
                let before = settling.before[i].as_deref();
                let broken = match settling.taken_over.get(&i) {
                    Some((key, pos)) => self.broken_reference((p, before), &p.state, (*key, Some(*pos)), &mut here)?,
                    None => match self.current(&self.classes[p.class], p.guid)? {
                        Some(now) => self.broken_reference((p, before), &now.state, (now.key, now.pos), &mut here)?,
                        None => None,
                    },
                };
                if let Some(reason) = broken {
                    found.insert(u, (i, reason));
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Of an object as it was `before`, and as it stands now, under that local key and filed at that journal position. `here`: which
    /// objects of which classes (small numbers) live, as far as that was asked before.
    fn broken_reference(
        &self,
        (p, before): (&Pending, Option<&Filed>),
        now: &State,
        (key, pos): (Option<i64>, Option<i64>),
        here: &mut HashMap<(i64, Guid), bool>,
    ) -> Result<Option<Obstacle>> {
        let (class, guid) = (&self.classes[p.class], p.guid);
        if let Some(broken) = self.broken_foreign_key(class, now.content.is_some(), key, pos)? {
            return Ok(Some(broken));
        }
        if let Some(values) = &now.content {
            for (i, value) in values.iter().enumerate() {
                let came = p.state.content.as_ref().map(|values| &values[i]);
                let value = match (value, came) {
                    // A number that was kept for an object which was to come, and did not or was left deleted.
                    (Value::Dangling(_), Some(came)) if now.stamp == p.state.stamp => came,
                    _ => value,
                };
                let known = match names(class, i, value) {
                    Names::Nothing => true,
                    Names::Object(target, guid) => {
                        let target = self.class(target)?;
                        match here.entry((target.id, guid)) {
                            Entry::Occupied(known) => *known.get(),
                            Entry::Vacant(unknown) => *unknown.insert(self.key_of(target, guid)?.is_some()),
                        }
                    }
                    Names::Unknown => stands(before, i, value),
                };
                if !known {
                    return Ok(Some(self.unknown(&class.properties[i], value)));
                }
            }
            return Ok(None);
        }
        let Some(key) = key else { return Ok(None) };
        // The key may be another object's by now.
        if self.key_of(class, guid)?.is_some() || self.guid_of(class, key)?.is_some() {
            return Ok(None);
        }
        let Some(row) = self.referrer(class, key)? else { return Ok(None) };
        let text = format!(
            "it is deleted at the sender, but {row} here refers to it (foreign key {}); change or delete that one here, or bring it back there",
            row.property
        );
        Ok(Some(Obstacle { cause: Cause::StillReferredTo, text }))
    }
}
