//! Trying units: their events, rows and versions are written in a savepoint, which is taken back where a constraint refuses.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::sync::data::guid::Guid;
use crate::sync::data::value::Value;
use crate::sync::decisions::decide::Chosen;
use crate::sync::decisions::rule::Rule;
use crate::sync::error::{Error, ErrorKind, Result};
use crate::sync::exchange::apply::ApplyOptions;
use crate::sync::exchange::merge::{Deciding, Merged, Why};
use crate::sync::exchange::report::{ObjectReport, Outcome};
use crate::sync::exchange::requeue::{Cause, Obstacle, Pending};
use crate::sync::node::Node;
use crate::sync::node::filing::NewRow;

/// Why a unit cannot be applied now: which of its states is in the way (place among the pending), and what it is.
pub(crate) type Blocked = (usize, Obstacle);

/// A unit: places among the pending states.
pub(crate) type Unit = Vec<usize>;

/// What trying units needs to know of all that is pending.
pub(crate) struct Settling<'a> {
    pub(crate) pending: &'a [Pending],
    pub(crate) options: ApplyOptions<'a>,
    /// New objects among the units that are being tried, by GUID: their place among the pending.
    pub(crate) arriving: HashMap<Guid, usize>,
    /// Local keys given to objects that are about to be inserted.
    pub(crate) keys: HashMap<Guid, i64>,
    pub(crate) taken: HashMap<usize, BTreeSet<i64>>,
    /// How conflicts are decided, by class.
    pub(crate) rules: Vec<Rule>,
    /// States (places among the pending) that are taken or left whole, because the table refused what was combined.
    pub(crate) whole: HashSet<usize>,
}

/// How far the trial of some units has come, for saying what was in the way.
struct Attempt {
    unit: usize,
    place: usize,
    /// What SQLite or a missing reference refused.
    cause: Cause,
    /// States whose values were put together from both sides.
    combined: Vec<usize>,
}

/// What was done with one pending state, until its unit is known to stand.
pub(crate) struct Step {
    pub(crate) unit: usize,
    pub(crate) place: usize,
    pub(crate) merged: Merged,
    pub(crate) key: Option<i64>,
    pub(crate) references: HashMap<Guid, i64>,
    pub(crate) row_changed: bool,
    pub(crate) moved_aside: bool,
    pub(crate) pos: i64,
}

impl Node {
    /// Applies units in order, each for itself; tries those that fail again while there is progress, at last together.
    #[allow(clippy::type_complexity)]
    pub(crate) fn try_units(
        &mut self,
        settling: &mut Settling<'_>,
        all: &[Unit],
        active: &[usize],
    ) -> Result<(HashMap<usize, Vec<ObjectReport>>, HashMap<usize, Blocked>)> {
        let mut applied = HashMap::new();
        let mut todo: Vec<usize> = active.to_vec();
        loop {
            let mut failed: Vec<(usize, Blocked)> = Vec::new();
            let before = applied.len();
            for &u in &todo {
                match self.try_group(settling, all, &[u])? {
                    Ok(reports) => applied.extend(reports),
                    Err((_, blocked)) => failed.push((u, blocked)),
                }
            }
            todo = failed.iter().map(|(u, _)| *u).collect();
            // Units whose unique values changed places, by way of values in between, fit only together.
            if applied.len() == before
                && todo.len() > 1
                && let Ok(reports) = self.try_group(settling, all, &todo)?
            {
                applied.extend(reports);
                return Ok((applied, HashMap::new()));
            }
            if todo.is_empty() || applied.len() == before {
                return Ok((applied, failed.into_iter().collect()));
            }
        }
    }

    /// Applies some units at once, each as a commit of its own, or leaves everything as it was and says what is in the way.
    #[allow(clippy::type_complexity)]
    pub(crate) fn try_group(
        &mut self,
        settling: &mut Settling<'_>,
        all: &[Unit],
        group: &[usize],
    ) -> Result<std::result::Result<HashMap<usize, Vec<ObjectReport>>, (usize, Blocked)>> {
        loop {
            self.conn.prepare_cached("SAVEPOINT unit")?.execute([])?;
            let mut attempt =
                Attempt { unit: group[0], place: all[group[0]][0], cause: Cause::Other, combined: Vec::new() };
            match self.apply_group(settling, all, group, &mut attempt) {
                Ok(reports) => {
                    self.conn.prepare_cached("RELEASE unit")?.execute([])?;
                    return Ok(Ok(reports));
                }
                Err(error) if error.kind() == ErrorKind::Constraint => {
                    self.conn.execute_batch("ROLLBACK TO unit; RELEASE unit")?;
                    // What waits for a reference comes to fit. A combination that breaks a constraint never will, so the
                    // later whole is tried instead.
                    if attempt.cause.is_constraint() && !attempt.combined.is_empty() {
                        settling.whole.extend(attempt.combined);
                        continue;
                    }
                    let obstacle = Obstacle { cause: attempt.cause, text: error.message().to_owned() };
                    return Ok(Err((attempt.unit, (attempt.place, obstacle))));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn apply_group(
        &mut self,
        settling: &mut Settling<'_>,
        all: &[Unit],
        group: &[usize],
        attempt: &mut Attempt,
    ) -> Result<HashMap<usize, Vec<ObjectReport>>> {
        let first = self.number()? + 1;
        self.conn.prepare_cached("UPDATE objsync_state SET number = number + ?1")?.execute([group.len()])?;
        let mut todo: Vec<(usize, u64, usize)> = Vec::new();
        for (n, &u) in group.iter().enumerate() {
            todo.extend(all[u].iter().map(|&place| (u, first + n as u64, place)));
        }
        let mut reports: HashMap<usize, ObjectReport> = HashMap::new();
        // Two concurrent states of one object are taken one after the other.
        while !todo.is_empty() {
            let mut seen = HashSet::new();
            let (now, later): (Vec<_>, Vec<_>) =
                todo.into_iter().partition(|(_, _, place)| seen.insert(settling.pending[*place].guid));
            todo = later;
            let mut steps = Vec::new();
            for (u, number, place) in now {
                (attempt.unit, attempt.place) = (u, place);
                let p = &settling.pending[place];
                // Only for a record: a transaction may be large.
                let siblings = || all[u].iter().map(|&i| settling.pending[i].guid).filter(|g| *g != p.guid).collect();
                match self.merge(p, settling.deciding(place), siblings, number)? {
                    None => {
                        let line = self.line(
                            p,
                            None,
                            Outcome::Skipped,
                            "nothing to do: the state here has seen it already".to_owned(),
                        )?;
                        reports.insert(place, line);
                    }
                    Some(merged) => {
                        if matches!(&merged.why, Why::Recorded(record) if record.chosen == Chosen::Merged) {
                            attempt.combined.push(place);
                        }
                        attempt.cause = Cause::UnknownReference;
                        steps.push(self.step(settling, (u, place), merged, number)?);
                    }
                }
            }
            let last = steps.iter().map(|s| s.pos).max().unwrap_or_default();
            for step in steps.iter().filter(|s| s.merged.new.content.is_none()) {
                let p = &settling.pending[step.place];
                self.end_of_key(&self.classes[p.class], p.guid, step.merged.before.as_ref(), last)?;
            }
            self.write_steps(settling, &steps, attempt)?;
            for step in steps {
                reports.insert(step.place, self.told(settling, &step)?);
            }
        }
        group
            .iter()
            .map(|&u| Ok((u, all[u].iter().filter_map(|place| reports.remove(place)).collect::<Vec<_>>())))
            .collect()
    }

    /// Files the event and finds the keys a row needs.
    fn step(
        &self,
        settling: &mut Settling<'_>,
        (unit, place): (usize, usize),
        merged: Merged,
        number: u64,
    ) -> Result<Step> {
        let p = &settling.pending[place];
        let class = &self.classes[p.class];
        let old = merged.before.as_ref().and_then(|b| b.state.content.as_ref());
        let row_changed = old != merged.new.content.as_ref();
        let mut references = HashMap::new();
        let mut key = merged.before.as_ref().and_then(|b| b.key);
        if let Some(values) = &merged.new.content {
            if old.is_none() {
                key = Some(settling.key_for(self, p.class, p.guid, key.or(p.key))?);
            }
            for (value, property) in values.iter().zip(&class.properties).filter(|_| row_changed) {
                let blocked = || Error::new(ErrorKind::Constraint, self.unknown(property, value).text);
                match value {
                    Value::Reference(guid) => {
                        let target = property.references.as_deref().unwrap_or_default();
                        let found = settling.resolve(self, target, *guid)?.ok_or_else(blocked)?;
                        references.insert(*guid, found);
                    }
                    Value::Dangling(_) => return Err(blocked()),
                    _ => {}
                }
            }
        }
        let deleted = merged.new.content.is_none();
        let pos = self.file_event(class, p.guid, merged.before.as_ref(), deleted, key, (number, merged.origin))?;
        let moved_aside = match (&merged.new.content, old) {
            (Some(new), Some(old)) => class.unique_differ(new, old),
            _ => false,
        };
        Ok(Step { unit, place, merged, key, references, row_changed, moved_aside, pos })
    }

    /// Deletions first, then rows whose unique values change are moved out of the way, so that values can change places.
    fn write_steps(&self, settling: &Settling<'_>, steps: &[Step], attempt: &mut Attempt) -> Result<()> {
        let mut put = |step: &Step| -> Result<()> {
            (attempt.unit, attempt.place) = (step.unit, step.place);
            let p = &settling.pending[step.place];
            let class = &self.classes[p.class];
            let row = match (&step.merged.new.content, step.key) {
                (Some(values), Some(key)) => Some(NewRow {
                    key,
                    values,
                    references: &step.references,
                    moved_aside: step.moved_aside,
                    unchanged: !step.row_changed,
                }),
                _ => None,
            };
            let written = self.put(class, p.guid, step.merged.before.as_ref(), &step.merged.new, row, Some(step.pos));
            written.map_err(|error| match error.kind() {
                ErrorKind::Constraint => {
                    let obstacle = self.refused_by_table(class, step, error.message());
                    attempt.cause = obstacle.cause;
                    Error::new(ErrorKind::Constraint, obstacle.text)
                }
                _ => error,
            })
        };
        for step in steps.iter().filter(|s| s.merged.new.content.is_none()) {
            put(step)?;
        }
        for step in steps.iter().filter(|s| s.moved_aside) {
            self.delete_row(&self.classes[settling.pending[step.place].class], step.key)?;
        }
        for step in steps.iter().filter(|s| s.merged.new.content.is_some()) {
            put(step)?;
        }
        Ok(())
    }
}

impl<'a> Settling<'a> {
    fn deciding(&self, place: usize) -> Deciding<'a> {
        Deciding {
            rule: self.rules[self.pending[place].class],
            own: self.options.own_rule,
            combine: !self.whole.contains(&place),
        }
    }

    /// Starts anew with these units: which objects arrive with them, and no keys given.
    pub(crate) fn arrive(&mut self, all: &[Unit], active: &[usize]) {
        self.keys.clear();
        self.taken.clear();
        let places = active.iter().flat_map(|&u| all[u].iter().copied());
        self.arriving =
            places.filter(|&i| self.pending[i].state.content.is_some()).map(|i| (self.pending[i].guid, i)).collect();
    }

    /// The local key of an object that is inserted now or soon.
    pub(crate) fn key_for(&mut self, node: &Node, class: usize, guid: Guid, wanted: Option<i64>) -> Result<i64> {
        if let Some(key) = self.keys.get(&guid) {
            return Ok(*key);
        }
        let taken = self.taken.entry(class).or_default();
        let key = node.free_key(&node.classes[class], guid, wanted, taken)?;
        taken.insert(key);
        self.keys.insert(guid, key);
        Ok(key)
    }

    /// The local key of an object that is referred to; `None` where it is neither here nor arriving.
    pub(crate) fn resolve(&mut self, node: &Node, class: &str, guid: Guid) -> Result<Option<i64>> {
        if let Some(key) = node.key_of(node.class(class)?, guid)? {
            return Ok(Some(key));
        }
        let Some(&place) = self.arriving.get(&guid) else { return Ok(None) };
        let p = &self.pending[place];
        let buried = node.current(&node.classes[p.class], guid)?.and_then(|f| f.key);
        self.key_for(node, p.class, guid, buried.or(p.key)).map(Some)
    }
}
