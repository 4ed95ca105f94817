//! A unit that is larger than a batch: applied part by part, as one commit, so that memory stays bounded. That goes where all of
//! it fits as it comes; otherwise it is taken back, and the unit is judged as any other, at once.
//!
//! Where transactions touch each other's objects again and again, most of a set is one unit.

use std::collections::HashMap;
use std::mem::take;

use crate::sync::data::guid::Guid;
use crate::sync::error::{Error, ErrorKind, Result};
use crate::sync::exchange::apply::ApplyOptions;
use crate::sync::exchange::report::Report;
use crate::sync::exchange::requeue::Pending;
use crate::sync::exchange::settle::BATCH;
use crate::sync::exchange::spool::Queue;
use crate::sync::exchange::trial::{Attempt, SIBLINGS, Settling};
use crate::sync::exchange::unit::Units;
use crate::sync::node::Node;

impl Node {
    /// Applies a unit of the set at hand in parts; false where it must be judged at once, and then nothing is changed.
    pub(crate) fn settle_in_parts(
        &mut self,
        queue: &mut Queue<'_>,
        (units, unit): (&Units, usize),
        options: ApplyOptions<'_>,
        report: &mut Report,
    ) -> Result<bool> {
        // Of what waits there may be another state of the same object in another part.
        if units.of(unit).any(|index| index < queue.waiting) {
            return Ok(false);
        }
        let as_it_was = report.clone();
        self.conn.execute_batch("SAVEPOINT parts")?;
        let fits = match self.apply_in_parts(queue, (units, unit), options, report) {
            Err(error) if error.kind() != ErrorKind::Constraint => return Err(error),
            result => result.is_ok(),
        };
        if fits {
            self.conn.execute_batch("RELEASE parts")?;
            units.of(unit).for_each(|index| queue.finished[index] = true);
        } else {
            self.conn.execute_batch("ROLLBACK TO parts; RELEASE parts")?;
            *report = as_it_was;
        }
        Ok(fits)
    }

    fn apply_in_parts(
        &mut self,
        queue: &Queue<'_>,
        (units, unit): (&Units, usize),
        options: ApplyOptions<'_>,
        report: &mut Report,
    ) -> Result<()> {
        let number = self.number()? + 1;
        self.conn.execute("UPDATE objsync_state SET number = ?1", [number])?;
        let size = options.batch.unwrap_or(BATCH);
        let mut parts = Parts { queue, units, unit, number, options, keys: HashMap::new() };
        // Deletions come last: before-images of the others name objects by keys that are still theirs.
        let (mut deletions, mut places) = (Vec::new(), units.of(unit));
        while places.len() > 0 {
            let part: Vec<usize> = places.by_ref().take(size).collect();
            let mut some = Vec::new();
            for (p, index) in self.load(queue, part.iter().copied())?.into_iter().zip(part) {
                match p.state.content {
                    None => deletions.push(index),
                    Some(_) => some.push((p, index)),
                }
            }
            self.apply_part(&mut parts, some, report)?;
        }
        for part in deletions.chunks(size) {
            let some = self.load(queue, part.iter().copied())?.into_iter().zip(part.iter().copied()).collect();
            self.apply_part(&mut parts, some, report)?;
        }
        // A key was kept for what did not come to live.
        if parts.keys.is_empty() { Ok(()) } else { Err(does_not_fit()) }
    }

    /// Applies some states of a unit, each with its index.
    fn apply_part(&mut self, parts: &mut Parts<'_>, some: Vec<(Pending, usize)>, report: &mut Report) -> Result<()> {
        let (pending, indexes): (Vec<Pending>, Vec<usize>) = some.into_iter().unzip();
        let Parts { queue, units, unit, number, options, .. } = *parts;
        for p in &pending {
            // The number of an object whose key is a reference may be that of one in another part.
            let follows = self.classes[p.class].key_place().is_some();
            if follows || self.held(p, options).is_some() || self.identity_of_another(p, &queue.given)?.is_some() {
                return Err(does_not_fit());
            }
        }
        let before = self.before(&pending, &queue.given)?;
        let mut settling = Settling::of(self, &pending, &before, options)?;
        let comes = |place: &usize| pending[*place].state.content.is_some();
        settling.arriving = (0..pending.len()).filter(comes).map(|place| (pending[place].guid, place)).collect();
        for (class, key) in parts.keys.values() {
            settling.taken.entry(*class).or_default().insert(*key);
        }
        settling.keys = take(&mut parts.keys);
        settling.later = Some((queue, units, unit));
        let todo = (0..pending.len()).map(|place| (unit, number, place)).collect();
        let beside = |_| pending.iter().map(|p| p.guid).take(SIBLINGS + 1).collect();
        let mut lines = self.apply_places(&mut settling, todo, beside, &mut Attempt::at(unit, 0))?;
        let all = [(0..pending.len()).collect()];
        if !self.unsound(&settling, &all, [0].into_iter())?.is_empty() {
            return Err(does_not_fit());
        }
        // What lives by now needs no key kept for it. What was left deleted, and is referred to, keeps it to the end.
        parts.keys = take(&mut settling.keys);
        for (place, p) in pending.iter().enumerate() {
            let lives = match settling.taken_over.contains_key(&place) {
                true => p.state.content.is_some(),
                false => self.key_of(&self.classes[p.class], p.guid)?.is_some(),
            };
            if lives {
                parts.keys.remove(&p.guid);
            }
        }
        for (place, index) in indexes.iter().enumerate() {
            lines.remove(&place).into_iter().for_each(|line| report.add(*index, line));
        }
        self.going_on("applying", report.total(), Some(queue.finished.len()))
    }
}

/// A unit that is applied in parts, and what one part leaves to the next.
struct Parts<'a> {
    queue: &'a Queue<'a>,
    units: &'a Units,
    unit: usize,
    number: u64,
    options: ApplyOptions<'a>,
    /// Local keys kept for objects that come later and are referred to already, each with the place of its class.
    keys: HashMap<Guid, (usize, i64)>,
}

fn does_not_fit() -> Error {
    Error::new(ErrorKind::Constraint, "it cannot be applied as it comes")
}
