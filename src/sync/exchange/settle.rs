//! Settling: everything that waits and can be applied is applied, unit by unit; the rest waits on, each with its reason.
//!
//! Whether a unit can be applied is judged with the others in place: all are applied first, those that break a constraint
//! or leave a reference without its object are taken out again, and so on until what stands is sound; then those taken
//! out are tried once more, until nothing more fits. So units that need each other go through together.
//!
//! Where much is to be applied, this goes on in batches of whole units, in the order of the sender, again and again while
//! anything fits, so that memory is bounded by a batch. A unit larger than that goes in parts (`parts.rs`) where all of it fits;
//! where not, memory is bounded by that unit.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::sync::error::Result;
use crate::sync::exchange::apply::ApplyOptions;
use crate::sync::exchange::given::Given;
use crate::sync::exchange::report::{ObjectReport, Outcome, Report};
use crate::sync::exchange::requeue::{Cause, Obstacle, Pending};
use crate::sync::exchange::spool::Queue;
use crate::sync::exchange::trial::{Blocked, Settling, Unit};
use crate::sync::exchange::unit::Units;
use crate::sync::node::Node;
use crate::sync::node::dots::Dots;
use crate::sync::node::history::{Filed, Named, State};

/// Objects judged at once, if a unit is not larger: bounds the memory that an apply takes.
pub(crate) const BATCH: usize = 5_000;

/// Units that fit in no batch are tried together, too, less those that refer to what is nowhere, where they have no more
/// objects than this.
const TOGETHER: usize = 50_000;

impl Node {
    pub(crate) fn settle(
        &mut self,
        queue: &mut Queue<'_>,
        options: ApplyOptions<'_>,
        report: &mut Report,
    ) -> Result<()> {
        let rivals = self.rivals(queue)?;
        self.finish_what_is_known(queue, &rivals, report)?;
        self.going_on("finding what belongs together", 0, None)?;
        let units = self.units_of(queue, &rivals)?;
        let size = options.batch.unwrap_or(BATCH);
        let mut todo: Vec<usize> = (0..units.len()).collect();
        loop {
            let before = todo.len();
            let mut left = Vec::new();
            let mut batches = 0;
            let mut at = 0;
            while at < todo.len() {
                let start = at;
                let mut objects = 0;
                while at < todo.len() && (at == start || objects + units.of(todo[at]).len() <= size) {
                    objects += units.of(todo[at]).len();
                    at += 1;
                }
                batches += 1;
                if units.of(todo[start]).len() > size
                    && self.settle_in_parts(queue, (&units, todo[start]), options, report)?
                {
                    continue;
                }
                left.extend(self.settle_batch(queue, &units, &todo[start..at], options, report)?);
            }
            todo = left;
            if batches < 2 {
                break;
            }
            if todo.len() == before {
                // Units that need each other may have been in different batches.
                let (together, apart) = self.without_dangling(queue, &units, &todo)?;
                let objects: usize = together.iter().map(|u| units.of(*u).len()).sum();
                todo = match objects <= TOGETHER {
                    true => self.settle_batch(queue, &units, &together, options, report)?,
                    false => together,
                };
                todo.extend(apart);
                todo.sort_unstable();
                break;
            }
        }
        self.leave_waiting(queue, &units, &todo, size, report)?;
        report.close();
        Ok(())
    }

    /// Finishes what is not newer than our state, or than something else that waits.
    fn finish_what_is_known(
        &mut self,
        queue: &mut Queue<'_>,
        rivals: &[Vec<usize>],
        report: &mut Report,
    ) -> Result<()> {
        let rival: HashMap<usize, &Vec<usize>> = rivals.iter().map(|indexes| (indexes[0], indexes)).collect();
        let later: HashSet<usize> = rivals.iter().flat_map(|indexes| indexes[1..].iter().copied()).collect();
        let news = self.news_in_set(queue)?;
        let total = queue.finished.len();
        let is_news = |index: &usize| news[*index] && !rival.contains_key(index);
        for index in (0..total).filter(|index| !later.contains(index) && !is_news(index)) {
            let alone = vec![index];
            let indexes = rival.get(&index).copied().unwrap_or(&alone);
            let pending = self.load(queue, indexes.iter().copied())?;
            for (&index, p) in indexes.iter().zip(&pending).filter(|_| indexes.len() > 1) {
                queue.dots.insert(index, dots_with_earlier(p, &pending));
            }
            for ((&index, p), why) in indexes.iter().zip(&pending).zip(self.no_news(&pending, &queue.given)?) {
                let Some(why) = why else { continue };
                queue.finished[index] = true;
                if index < queue.waiting {
                    p.id.map_or(Ok(()), |id| self.forget_waiting(id))?;
                }
                report.add(index, self.line(p, None, Outcome::Skipped, why.to_owned())?);
            }
            self.going_on("looking for news", index, Some(total))?;
        }
        Ok(())
    }

    /// Tries some units at once; gives back those that do not fit, with what is in their way noted in the spool.
    fn settle_batch(
        &mut self,
        queue: &mut Queue<'_>,
        units: &Units,
        batch: &[usize],
        options: ApplyOptions<'_>,
        report: &mut Report,
    ) -> Result<Vec<usize>> {
        let mut indexes: Vec<usize> = batch.iter().flat_map(|u| units.of(*u)).collect();
        indexes.sort_unstable();
        let pending = self.load(queue, indexes.iter().copied())?;
        let place = |index: usize| indexes.binary_search(&index).unwrap_or_default();
        let all: Vec<Unit> = batch.iter().map(|u| units.of(*u).map(place).collect()).collect();
        let before = self.before(&pending, &queue.given)?;
        let (mut done, reasons) = self.try_batch(&pending, &all, &before, &queue.given, options)?;
        let mut left = Vec::new();
        for (u, unit) in all.iter().enumerate() {
            match done.remove(&u) {
                Some(reports) => {
                    for &place in unit {
                        queue.finished[indexes[place]] = true;
                        if let Some(id) = pending[place].id {
                            self.forget_waiting(id)?;
                        }
                    }
                    unit.iter().zip(reports).for_each(|(place, line)| report.add(indexes[*place], line));
                }
                None => {
                    let unsaid = Obstacle { cause: Cause::Other, text: "it could not be applied".to_owned() };
                    let (culprit, obstacle) = reasons.get(&u).cloned().unwrap_or((unit[0], unsaid));
                    self.note_obstacle(batch[u], indexes[culprit], &obstacle)?;
                    left.push(batch[u]);
                }
            }
        }
        let finished = queue.finished.iter().filter(|finished| **finished).count();
        self.going_on("applying", finished, Some(queue.finished.len()))?;
        Ok(left)
    }

    /// What is left waits on, each with its reason.
    fn leave_waiting(
        &mut self,
        queue: &Queue<'_>,
        units: &Units,
        left: &[usize],
        size: usize,
        report: &mut Report,
    ) -> Result<()> {
        for some in left.chunks(size.max(1)) {
            let mut waiting: Vec<(usize, Pending, Obstacle, ObjectReport)> = Vec::new();
            for &u in some {
                let (culprit, obstacle) = self.obstacle(u)?;
                let indexes: Vec<usize> = units.of(u).collect();
                let pending = self.load(queue, indexes.iter().copied())?;
                let title = indexes.iter().position(|i| *i == culprit).map(|at| self.title(&pending[at]));
                for (index, p) in indexes.iter().copied().zip(pending) {
                    let (obstacle, said) = if index == culprit {
                        let whole = if indexes.len() > 1 { "; the whole transaction waits" } else { "" };
                        (obstacle.clone(), format!("waits: {}{whole}", obstacle.text))
                    } else {
                        let text = format!(
                            "waits with {} of the same transaction, which cannot be applied: {}",
                            title.as_deref().unwrap_or("another object"),
                            obstacle.text
                        );
                        (Obstacle { cause: Cause::Together, text: text.clone() }, text)
                    };
                    let line = self.line(&p, None, Outcome::Requeued, said)?;
                    waiting.push((index, p, obstacle, line));
                }
            }
            waiting.sort_by_key(|(index, ..)| *index);
            for (index, p, obstacle, line) in waiting {
                // What was waiting before and still waits is no news.
                if p.fresh || report.id == 0 {
                    report.add(index, line);
                }
                self.going_on("noting what waits", index, None)?;
                self.store_waiting(&p, &obstacle)?;
                self.note_waits(queue, index)?;
            }
        }
        self.store_bonds()
    }

    /// Judges units with all of them in place: what was done with those that fit, and what is in the way of the others.
    #[allow(clippy::type_complexity)]
    fn try_batch(
        &mut self,
        pending: &[Pending],
        all: &[Unit],
        before: &[Option<Rc<Filed>>],
        given: &Given,
        options: ApplyOptions<'_>,
    ) -> Result<(HashMap<usize, Vec<ObjectReport>>, HashMap<usize, Blocked>)> {
        let mut settling = Settling::of(self, pending, before, options)?;
        let mut reasons: HashMap<usize, Blocked> = HashMap::new();
        let mut held: HashSet<usize> = HashSet::new();
        for (u, unit) in all.iter().enumerate() {
            let mut blocked = unit.iter().find_map(|&i| Some((i, self.held(&pending[i], options)?)));
            for &i in unit {
                if blocked.is_none() {
                    blocked = self.identity_of_another(&pending[i], given)?.map(|obstacle| (i, obstacle));
                }
            }
            if let Some(blocked) = blocked {
                held.insert(u);
                reasons.insert(u, blocked);
            }
        }
        let concurrent: Vec<bool> =
            pending.iter().zip(before).map(|(p, before)| is_concurrent(p, before.as_deref())).collect();
        self.leave_out_dangling(all, pending, before, &concurrent, &mut reasons)?;
        let mut active: Vec<usize> = (0..all.len()).filter(|u| !reasons.contains_key(u)).collect();

        // All together, less those that do not fit, until what stands is sound.
        let mut done: HashMap<usize, Vec<ObjectReport>> = HashMap::new();
        let mut hopeful = true;
        loop {
            self.conn.execute_batch("SAVEPOINT together")?;
            settling.arrive(all, &active);
            // Nearly always all of them fit. Savepoints of their own, for which SQLite puts aside every page that they touch, are
            // for when they do not.
            let at_once = if hopeful { self.all_at_once(&mut settling, all, &active)? } else { None };
            let (applied, failed) = match at_once {
                Some(applied) => (applied, HashMap::new()),
                None if hopeful => {
                    hopeful = false;
                    self.conn.execute_batch("ROLLBACK TO together; RELEASE together")?;
                    continue;
                }
                None => self.try_units(&mut settling, all, &active)?,
            };
            let unsound = self.unsound(&settling, all, applied.keys().copied())?;
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
                settling.arrive(all, &[u]);
                let tried = self.try_group(&mut settling, all, &[u])?;
                let broken = match tried {
                    Ok(reports) => match self.unsound(&settling, all, [u].into_iter())?.remove(&u) {
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
        Ok((done, reasons))
    }

    /// What the application says against touching an object now.
    pub(crate) fn held(&self, p: &Pending, options: ApplyOptions<'_>) -> Option<Obstacle> {
        let text = options.hold?(&self.classes[p.class].name, p.guid)?;
        Some(Obstacle { cause: Cause::Held, text })
    }

    /// Why an object that is not here cannot come: its identity is here already, in another class. A file and its copy, or its
    /// backup, have both given it before that was found out.
    pub(crate) fn identity_of_another(&self, p: &Pending, given: &Given) -> Result<Option<Obstacle>> {
        if given.is_new(self, p.guid)? {
            return Ok(None);
        }
        let Some(id) = self.nodes.known_id(p.guid) else { return Ok(None) };
        let in_table = |table: String| -> Result<bool> {
            let sql = format!("SELECT EXISTS(SELECT 1 FROM {table} WHERE object = ?1)");
            Ok(self.conn.prepare_cached(&sql)?.query_row([id], |r| r.get(0))?)
        };
        let own = &self.classes[p.class];
        if in_table(own.objects())? {
            return Ok(None);
        }
        // It may have been given up here while the other lives on: it stays deleted as long as that one is there.
        let buried = in_table(own.tombstones())?;
        if buried && p.state.content.is_none() {
            return Ok(None);
        }
        for class in self.classes.iter().filter(|class| class.id != own.id) {
            if in_table(class.objects())? || !buried && in_table(class.tombstones())? {
                let text = format!(
                    "its identity {} is that of a {} at {}: a file and its copy or backup have both given it; it goes through once it is deleted and made anew at its source, or that one here is deleted and purged",
                    p.guid, class.name, self.info.name
                );
                return Ok(Some(Obstacle { cause: Cause::Other, text }));
            }
        }
        Ok(None)
    }

    /// Which states have neither seen ours nor are seen by it.
    pub(crate) fn concurrent(&self, pending: &[Pending]) -> Result<Vec<bool>> {
        let each = pending.iter().map(|p| {
            let current = self.current(&self.classes[p.class], p.guid)?;
            Ok(is_concurrent(p, current.as_ref()))
        });
        each.collect()
    }

    /// What is here of each now.
    pub(crate) fn before(&self, pending: &[Pending], given: &Given) -> Result<Vec<Option<Rc<Filed>>>> {
        let mut named = Named::among(pending.len());
        let each = pending.iter().map(|p| match p.fresh && given.is_new(self, p.guid)? {
            true => Ok(None),
            false => Ok(self.current_among(&self.classes[p.class], p.guid, &mut named)?.map(Rc::new)),
        });
        each.collect()
    }

    /// For each of the states of one object that are to be applied: why nothing has to be done with it, if so. It is not newer
    /// than our state, or than another of them.
    fn no_news(&self, pending: &[Pending], given: &Given) -> Result<Vec<Option<&'static str>>> {
        let Some(first) = pending.first() else { return Ok(Vec::new()) };
        let current = self.current(&self.classes[first.class], first.guid)?;
        let mut skipped = vec![None; pending.len()];
        for (p, skipped) in pending.iter().zip(&mut skipped) {
            let theirs = &p.state;
            let Some(ours) = current.as_ref().map(|c| &c.state) else { continue };
            let made = |state: &State| state.vector.get(self.info.guid);
            if p.fresh && made(theirs) > made(ours) {
                return Err(self.unmade(p));
            }
            if theirs.vector.leq(&ours.vector) {
                if p.fresh && theirs.vector == ours.vector && theirs.content != ours.content {
                    return Err(self.reused(p));
                }
                *skipped = Some("nothing to do: the state here has seen it already");
            }
        }
        let left: Vec<usize> = (0..pending.len()).filter(|i| skipped[*i].is_none()).collect();
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
        // What could not come, and is deleted by now, need not any more.
        for (p, skipped) in pending.iter().zip(&mut skipped).filter(|(p, _)| p.state.content.is_none()) {
            if skipped.is_none() && current.is_none() && self.identity_of_another(p, given)?.is_some() {
                *skipped = Some("nothing to do: it was deleted, and never was here");
            }
        }
        Ok(skipped)
    }
}

/// Who wrote the properties of a state, where earlier states of its object wait, too: what its own range has not written, they may
/// have. `None`: not known.
fn dots_with_earlier(state: &Pending, rivals: &[Pending]) -> Option<Dots> {
    let mut dots = state.dots.clone()?;
    let earlier = |p: &&Pending| p.state.vector.leq(&state.state.vector) && p.state.vector != state.state.vector;
    for p in rivals.iter().filter(earlier) {
        for (dot, other) in dots.iter_mut().zip(p.dots.as_ref()?) {
            *dot = dot.or(*other);
        }
    }
    Some(dots)
}

/// Whether a state has neither seen what is here nor is seen by it; what is older was finished before.
fn is_concurrent(p: &Pending, before: Option<&Filed>) -> bool {
    before.is_some_and(|ours| !ours.state.vector.leq(&p.state.vector))
}
