//! Settling: everything that waits and can be applied is applied, unit by unit; the rest waits on, each with its reason.
//!
//! Whether a unit can be applied is judged with the others in place: all are applied first, those that break a constraint
//! or leave a reference without its object are taken out again, and so on until what stands is sound; then those taken
//! out are tried once more, until nothing more fits. So units that need each other go through together.

use std::collections::{HashMap, HashSet};

use crate::sync::data::guid::Guid;
use crate::sync::data::value::Value;
use crate::sync::error::Result;
use crate::sync::exchange::apply::ApplyOptions;
use crate::sync::exchange::report::{ObjectReport, Outcome, Report};
use crate::sync::exchange::requeue::{Cause, Obstacle, Pending};
use crate::sync::exchange::trial::{Blocked, Settling, Unit};
use crate::sync::exchange::unit::units;
use crate::sync::node::Node;

impl Node {
    pub(crate) fn settle(
        &mut self,
        pending: Vec<Pending>,
        bonds: Vec<Vec<Guid>>,
        options: ApplyOptions<'_>,
        report: &mut Report,
    ) -> Result<()> {
        let (pending, concurrent) = self.still_news(pending, report)?;
        let guids: Vec<Guid> = pending.iter().map(|p| p.guid).collect();
        let all = units(&guids, &bonds);
        let rules = self.rules()?;
        let mut settling = Settling {
            pending: &pending,
            options,
            arriving: HashMap::new(),
            keys: HashMap::new(),
            taken: HashMap::new(),
            rules: self.classes.iter().map(|c| options.rule.unwrap_or_else(|| rules.of(&c.name))).collect(),
            whole: HashSet::new(),
        };
        let mut reasons: HashMap<usize, Blocked> = HashMap::new();
        let mut held: HashSet<usize> = HashSet::new();
        for (u, unit) in all.iter().enumerate() {
            let hold = |&i: &usize| {
                let text = options.hold?(&self.classes[pending[i].class].name, pending[i].guid)?;
                Some((i, Obstacle { cause: Cause::Held, text }))
            };
            if let Some(blocked) = unit.iter().find_map(hold) {
                held.insert(u);
                reasons.insert(u, blocked);
            }
        }
        self.leave_out_dangling(&all, &pending, &concurrent, &mut reasons)?;
        let mut active: Vec<usize> = (0..all.len()).filter(|u| !reasons.contains_key(u)).collect();

        // All together, less those that do not fit, until what stands is sound.
        let mut done: HashMap<usize, Vec<ObjectReport>> = HashMap::new();
        loop {
            self.conn.execute_batch("SAVEPOINT together")?;
            settling.arrive(&all, &active);
            let (applied, failed) = self.try_units(&mut settling, &all, &active)?;
            let unsound = self.unsound(&settling, &all, applied.keys().copied())?;
            reasons.extend(failed);
            if unsound.is_empty() {
                self.conn.execute_batch("RELEASE together")?;
                done.extend(applied);
                break;
            }
            self.conn.execute_batch("ROLLBACK TO together; RELEASE together")?;
            reasons.extend(unsound);
            active.retain(|u| !reasons.contains_key(u));
        }
        // What was taken out may fit by now.
        loop {
            let mut progress = false;
            for u in (0..all.len()).filter(|u| !held.contains(u)) {
                if done.contains_key(&u) {
                    continue;
                }
                self.conn.execute_batch("SAVEPOINT alone")?;
                settling.arrive(&all, &[u]);
                let tried = self.try_group(&mut settling, &all, &[u])?;
                let broken = match tried {
                    Ok(reports) => match self.unsound(&settling, &all, [u].into_iter())?.remove(&u) {
                        None => {
                            done.extend(reports);
                            progress = true;
                            None
                        }
                        Some(blocked) => Some(blocked),
                    },
                    Err((_, blocked)) => Some(blocked),
                };
                match broken {
                    None => self.conn.execute_batch("RELEASE alone")?,
                    Some(blocked) => {
                        self.conn.execute_batch("ROLLBACK TO alone; RELEASE alone")?;
                        reasons.insert(u, blocked);
                    }
                }
            }
            if !progress {
                break;
            }
        }

        let mut lines: Vec<(usize, ObjectReport)> = Vec::new();
        let mut waiting: Vec<(usize, Obstacle)> = Vec::new();
        for (u, unit) in all.iter().enumerate() {
            match done.remove(&u) {
                Some(reports) => lines.extend(unit.iter().copied().zip(reports)),
                None => {
                    let unsaid =
                        || (unit[0], Obstacle { cause: Cause::Other, text: "it could not be applied".to_owned() });
                    let (culprit, obstacle) = reasons.remove(&u).unwrap_or_else(unsaid);
                    for &place in unit {
                        let (obstacle, said) = if place == culprit {
                            let whole = if unit.len() > 1 { "; the whole transaction waits" } else { "" };
                            (obstacle.clone(), format!("waits: {}{whole}", obstacle.text))
                        } else {
                            let text = format!(
                                "waits with {} of the same transaction, which cannot be applied: {}",
                                self.title(&pending[culprit]),
                                obstacle.text
                            );
                            (Obstacle { cause: Cause::Together, text: text.clone() }, text)
                        };
                        lines.push((place, self.line(&pending[place], None, Outcome::Requeued, said)?));
                        waiting.push((place, obstacle));
                    }
                }
            }
        }
        lines.sort_by_key(|(place, _)| *place);
        for (place, line) in lines {
            // What was waiting before and still waits is no news.
            if pending[place].fresh || line.outcome != Outcome::Requeued || report.id == 0 {
                report.add(line);
            }
        }
        waiting.sort_by_key(|(place, _)| *place);
        let waiting: Vec<_> = waiting.into_iter().map(|(place, obstacle)| (pending[place].clone(), obstacle)).collect();
        self.store_waiting(&waiting, &bonds)
    }

    /// Drops what is not newer than our state, or than something else that waits. Tells for each of the rest whether it is
    /// concurrent with ours.
    fn still_news(&self, pending: Vec<Pending>, report: &mut Report) -> Result<(Vec<Pending>, Vec<bool>)> {
        let mut by_guid: HashMap<Guid, Vec<usize>> = HashMap::new();
        for (i, p) in pending.iter().enumerate() {
            by_guid.entry(p.guid).or_default().push(i);
        }
        let mut skipped = vec![None; pending.len()];
        let mut concurrent = vec![false; pending.len()];
        for (guid, places) in &by_guid {
            let current = self.current(&self.classes[pending[places[0]].class], *guid)?;
            for &i in places {
                let theirs = &pending[i].state;
                if let Some(ours) = current.as_ref().map(|c| &c.state) {
                    if theirs.vector.leq(&ours.vector) {
                        if pending[i].fresh && theirs.vector == ours.vector && theirs.content != ours.content {
                            return Err(self.reused(&pending[i]));
                        }
                        skipped[i] = Some("nothing to do: the state here has seen it already");
                        continue;
                    }
                    concurrent[i] = !ours.vector.leq(&theirs.vector);
                }
            }
            let left: Vec<usize> = places.iter().copied().filter(|i| skipped[*i].is_none()).collect();
            for &i in &left {
                let mine = &pending[i].state.vector;
                let superseded = left.iter().any(|&j| {
                    let other = &pending[j].state.vector;
                    i != j && mine.leq(other) && (mine != other || j < i)
                });
                if superseded {
                    skipped[i] = Some("nothing to do: a newer state of it has come");
                }
            }
        }
        let mut kept = (Vec::new(), Vec::new());
        for (i, p) in pending.into_iter().enumerate() {
            match skipped[i] {
                Some(why) => report.add(self.line(&p, None, Outcome::Skipped, why.to_owned())?),
                None => {
                    kept.0.push(p);
                    kept.1.push(concurrent[i]);
                }
            }
        }
        Ok(kept)
    }

    /// Leaves out units that refer to objects neither here nor arriving, and what refers to these in turn, before any row
    /// is written. Concurrent states are left to the trial: the rule may keep ours.
    fn leave_out_dangling(
        &self,
        all: &[Unit],
        pending: &[Pending],
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
                    for (value, property) in p.state.content.iter().flatten().zip(&class.properties) {
                        let known = match value {
                            Value::Reference(guid) if arriving.contains(guid) => true,
                            Value::Reference(guid) => match here.get(guid) {
                                Some(known) => *known,
                                None => {
                                    let target = self.class(property.references.as_deref().unwrap_or_default())?;
                                    let known = self.key_of(target, *guid)?.is_some();
                                    here.insert(*guid, known);
                                    known
                                }
                            },
                            Value::Dangling(_) => false,
                            _ => true,
                        };
                        if !known {
                            reasons.insert(u, (i, self.unknown(property, value)));
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
    fn unsound(
        &self,
        settling: &Settling<'_>,
        all: &[Unit],
        applied: impl Iterator<Item = usize>,
    ) -> Result<HashMap<usize, Blocked>> {
        let mut found = HashMap::new();
        for u in applied {
            for &i in &all[u] {
                let p = &settling.pending[i];
                if let Some(reason) = self.broken_reference(p)? {
                    found.insert(u, (i, reason));
                    break;
                }
            }
        }
        Ok(found)
    }

    fn broken_reference(&self, p: &Pending) -> Result<Option<Obstacle>> {
        let (class, guid) = (&self.classes[p.class], p.guid);
        let Some(current) = self.current(class, guid)? else { return Ok(None) };
        if let Some(broken) = self.broken_foreign_key(class, &current)? {
            return Ok(Some(broken));
        }
        if let Some(values) = &current.state.content {
            for (i, (value, property)) in values.iter().zip(&class.properties).enumerate() {
                let Some(target) = property.references.as_deref() else { continue };
                let came = p.state.content.as_ref().map(|values| &values[i]);
                let value = match (value, came) {
                    // A number that was kept for an object which was to come, and did not or was left deleted.
                    (Value::Dangling(_), Some(came)) if current.state.stamp == p.state.stamp => came,
                    _ => value,
                };
                let known = match value {
                    Value::Reference(target_guid) => self.key_of(self.class(target)?, *target_guid)?.is_some(),
                    Value::Dangling(_) => false,
                    _ => true,
                };
                if !known {
                    return Ok(Some(self.unknown(property, value)));
                }
            }
            return Ok(None);
        }
        let Some(key) = current.key else { return Ok(None) };
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
