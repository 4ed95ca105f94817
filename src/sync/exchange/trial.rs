//! Trying units: their events, rows and versions are written in a savepoint, which is taken back where a constraint refuses.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::mem::take;
use std::rc::Rc;

use crate::sync::data::guid::Guid;
use crate::sync::data::schema::Class;
use crate::sync::data::value::Value;
use crate::sync::decisions::decide::Chosen;
use crate::sync::decisions::rule::Rule;
use crate::sync::error::{Error, ErrorKind, Result};
use crate::sync::exchange::apply::ApplyOptions;
use crate::sync::exchange::dangling::{Names, names, stands};
use crate::sync::exchange::merge::{Deciding, Merged, Why};
use crate::sync::exchange::report::{ObjectReport, Outcome};
use crate::sync::exchange::requeue::{Cause, Obstacle, Pending};
use crate::sync::exchange::spool::Queue;
use crate::sync::exchange::unit::{Partition, Units};
use crate::sync::node::Node;
use crate::sync::node::history::{Filed, State};
use crate::sync::node::renumber::NewNumber;
use crate::sync::node::swaps::RowChange;

/// Why a unit cannot be applied now: which of its states is in the way (place among the pending), and what it is.
pub(crate) type Blocked = (usize, Obstacle);

/// A unit: places among the pending states.
pub(crate) type Unit = Vec<usize>;

/// What trying units needs to know of all that is pending.
pub(crate) struct Settling<'a> {
    pub(crate) pending: &'a [Pending],
    /// What is here of each before any of them is applied: only its own unit changes an object.
    pub(crate) before: &'a [Option<Rc<Filed>>],
    pub(crate) options: ApplyOptions<'a>,
    /// New objects among the units that are being tried, by GUID: their place among the pending.
    pub(crate) arriving: HashMap<Guid, usize>,
    /// Local keys given to objects that are about to be inserted, each with the place of its class.
    pub(crate) keys: HashMap<Guid, (usize, i64)>,
    pub(crate) taken: HashMap<usize, BTreeSet<i64>>,
    /// Of objects whose key is a reference, and which are being written: what they refer to by it.
    followed: HashMap<Guid, Value>,
    /// Local keys of living objects that were referred to, by class (its small number) and GUID.
    pub(crate) here: HashMap<(i64, Guid), i64>,
    /// Of states that were taken as they came: the local key, and the journal position of their event.
    pub(crate) taken_over: HashMap<usize, (Option<i64>, i64)>,
    /// How conflicts are decided, by class.
    pub(crate) rules: Vec<Rule>,
    /// The unit of which these are a part, where others come later.
    pub(crate) later: Option<(&'a Queue<'a>, &'a Units, usize)>,
    /// States (places among the pending) that are taken or left whole, because the table refused what was combined.
    pub(crate) whole: HashSet<usize>,
    /// Of units that were refused last: the objects whose rows have what must be unique; `None`: nobody can tell which.
    in_the_way: HashMap<usize, Vec<Option<Guid>>>,
}

/// How far the trial of some units has come, for saying what was in the way.
pub(crate) struct Attempt {
    unit: usize,
    place: usize,
    /// What SQLite or a missing reference refused.
    cause: Cause,
    /// States whose values were put together from both sides.
    combined: Vec<usize>,
    /// The objects whose rows have what must be unique; `None`: nobody can tell which.
    in_the_way: Vec<Option<Guid>>,
}

impl Attempt {
    pub(crate) fn at(unit: usize, place: usize) -> Attempt {
        Attempt { unit, place, cause: Cause::Other, combined: Vec::new(), in_the_way: Vec::new() }
    }
}

/// What was done with one pending state, until its unit is known to stand.
pub(crate) struct Step {
    pub(crate) unit: usize,
    pub(crate) place: usize,
    pub(crate) merged: Merged,
    pub(crate) key: Option<i64>,
    pub(crate) references: HashMap<Guid, i64>,
    pub(crate) row_changed: bool,
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
            if applied.len() == before && todo.len() > 1 {
                let together = self.try_together(settling, all, &todo)?;
                todo.retain(|u| !together.contains_key(u));
                failed.retain(|(u, _)| !together.contains_key(u));
                applied.extend(together);
            }
            if todo.is_empty() || applied.len() == before {
                return Ok((applied, failed.into_iter().collect()));
            }
        }
    }

    /// Applies those of some units, none of which fits by itself, that fit together with the ones in whose way they are.
    fn try_together(
        &mut self,
        settling: &mut Settling<'_>,
        all: &[Unit],
        units: &[usize],
    ) -> Result<HashMap<usize, Vec<ObjectReport>>> {
        let mut applied = HashMap::new();
        let mut hopeless: HashSet<usize> = HashSet::new();
        for _ in 0..TOGETHER {
            let before = hopeless.len();
            for group in in_each_others_way(settling, all, units, &hopeless) {
                match self.try_group(settling, all, &group)? {
                    Ok(reports) => applied.extend(reports),
                    // The others may do without it.
                    Err((unit, _)) => drop(hopeless.insert(unit)),
                }
            }
            if !applied.is_empty() || hopeless.len() == before {
                break;
            }
        }
        if applied.is_empty()
            && let Ok(reports) = self.try_group(settling, all, units)?
        {
            applied.extend(reports);
        }
        Ok(applied)
    }

    /// Applies units in order; `None` where one cannot be applied, and then all of it is to be taken back.
    #[allow(clippy::type_complexity)]
    pub(crate) fn all_at_once(
        &mut self,
        settling: &mut Settling<'_>,
        all: &[Unit],
        active: &[usize],
    ) -> Result<Option<HashMap<usize, Vec<ObjectReport>>>> {
        let mut applied = HashMap::new();
        for &u in active {
            match self.apply_group(settling, all, &[u], &mut Attempt::at(u, all[u][0])) {
                Ok(reports) => applied.extend(reports),
                Err(error) if error.kind() == ErrorKind::Constraint => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(applied))
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
            let mut attempt = Attempt::at(group[0], all[group[0]][0]);
            match self.apply_group(settling, all, group, &mut attempt) {
                Ok(reports) => {
                    self.conn.prepare_cached("RELEASE unit")?.execute([])?;
                    return Ok(Ok(reports));
                }
                Err(error) if error.kind() == ErrorKind::Constraint => {
                    self.conn.execute_batch("ROLLBACK TO unit; RELEASE unit")?;
                    settling.here.clear();
                    // What waits for a reference comes to fit. A combination that breaks a constraint never will, so the
                    // later whole is tried instead.
                    if attempt.cause.is_constraint() && !attempt.combined.is_empty() {
                        settling.whole.extend(attempt.combined);
                        continue;
                    }
                    settling.in_the_way.insert(attempt.unit, attempt.in_the_way);
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
        let pending = settling.pending;
        let beside = |u: usize| all[u].iter().map(|&i| pending[i].guid).take(SIBLINGS + 1).collect();
        let mut reports = self.apply_places(settling, todo, beside, attempt)?;
        group
            .iter()
            .map(|&u| Ok((u, all[u].iter().filter_map(|place| reports.remove(place)).collect::<Vec<_>>())))
            .collect()
    }

    /// Applies states (unit, commit, place among the pending) together. `beside`: some objects of a unit.
    pub(crate) fn apply_places(
        &mut self,
        settling: &mut Settling<'_>,
        mut todo: Vec<(usize, u64, usize)>,
        beside: impl Fn(usize) -> Vec<Guid>,
        attempt: &mut Attempt,
    ) -> Result<HashMap<usize, ObjectReport>> {
        let mut reports: HashMap<usize, ObjectReport> = HashMap::new();
        // Two concurrent states of one object are taken one after the other.
        let mut first_round = true;
        while !todo.is_empty() {
            let mut seen = HashSet::new();
            let (now, later): (Vec<_>, Vec<_>) =
                todo.into_iter().partition(|(_, _, place)| seen.insert(settling.pending[*place].guid));
            todo = later;
            let mut decided = Vec::new();
            for (u, number, place) in now {
                (attempt.unit, attempt.place) = (u, place);
                let p = &settling.pending[place];
                // Only for a record.
                let siblings = || beside(u).into_iter().filter(|g| *g != p.guid).take(SIBLINGS).collect();
                // What an object refers to by its key may have taken it along to another number.
                let class = &self.classes[p.class];
                let before = match first_round && class.key_place().is_none() {
                    true => settling.before[place].clone(),
                    false => self.current(&self.classes[p.class], p.guid)?.map(Rc::new),
                };
                match self.merge(p, before, settling.deciding(place), siblings, number)? {
                    None => {
                        settling.taken_over.remove(&place);
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
                        decided.push((u, place, merged, number));
                    }
                }
            }
            settling.note_followers(self, decided.iter().map(|(_, place, merged, _)| (*place, &merged.new)));
            let mut steps = Vec::new();
            for (u, place, merged, number) in decided {
                *attempt = Attempt {
                    unit: u,
                    place,
                    cause: Cause::UnknownReference,
                    combined: take(&mut attempt.combined),
                    in_the_way: take(&mut attempt.in_the_way),
                };
                steps.push(self.step(settling, (u, place), merged, number)?);
            }
            let last = steps.iter().map(|s| s.pos).max().unwrap_or_default();
            for step in steps.iter().filter(|s| s.merged.new.content.is_none()) {
                let p = &settling.pending[step.place];
                self.end_of_key(&self.classes[p.class], p.guid, step.merged.before.as_deref(), last)?;
            }
            self.write_steps(settling, &steps, attempt)?;
            first_round = false;
            for step in steps {
                let p = &settling.pending[step.place];
                if step.merged.new.content.is_none() {
                    settling.here.remove(&(self.classes[p.class].id, p.guid));
                }
                match step.merged.why {
                    Why::Newer if self.classes[p.class].key_place().is_none() => {
                        settling.taken_over.insert(step.place, (step.key, step.pos));
                    }
                    _ => drop(settling.taken_over.remove(&step.place)),
                }
                reports.insert(step.place, self.told(settling, &step)?);
            }
        }
        Ok(reports)
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
            if old.is_none() && class.key_place().is_none() {
                key = Some(settling.key_for(self, p.class, p.guid, key.or(p.key))?);
            }
            for (place, value) in values.iter().enumerate() {
                let is_key = class.key_place() == Some(place);
                if !row_changed && !is_key {
                    continue;
                }
                let blocked = || Error::new(ErrorKind::Constraint, self.unknown(&class.properties[place], value).text);
                match names(class, place, value) {
                    Names::Nothing => {}
                    Names::Object(target, guid) => {
                        let found = settling.resolve(self, target, guid)?;
                        if row_changed {
                            references.insert(guid, found.ok_or_else(blocked)?);
                        }
                        key = found.filter(|_| is_key).or(key);
                    }
                    Names::Unknown if stands(merged.before.as_deref(), place, value) => {}
                    Names::Unknown => return Err(blocked()),
                }
            }
        }
        let deleted = merged.new.content.is_none();
        let pos = self.file_event(
            class,
            p.guid,
            merged.before.as_deref(),
            deleted,
            key,
            (number, merged.origin, &merged.dots),
        )?;
        Ok(Step { unit, place, merged, key, references, row_changed, pos })
    }

    fn write_steps(&self, settling: &Settling<'_>, steps: &[Step], attempt: &mut Attempt) -> Result<()> {
        let deletes = |step: &&Step| step.merged.new.content.is_none();
        let (gone, rest): (Vec<&Step>, Vec<&Step>) = steps.iter().partition(deletes);
        self.write_some(settling, &gone, attempt)?;
        self.give_new_numbers(settling, steps, attempt)?;
        self.write_some(settling, &rest, attempt)
    }

    fn write_some(&self, settling: &Settling<'_>, steps: &[&Step], attempt: &mut Attempt) -> Result<()> {
        let changes = steps.iter().map(|step| {
            let p = &settling.pending[step.place];
            RowChange {
                class: &self.classes[p.class],
                guid: p.guid,
                before: step.merged.before.as_deref(),
                new: &step.merged.new,
                key: step.key,
                references: &step.references,
                unchanged: !step.row_changed,
                pos: Some(step.pos),
            }
        });
        let Err(refused) = self.write_rows(&changes.collect::<Vec<_>>()) else { return Ok(()) };
        let step = steps[refused.at];
        (attempt.unit, attempt.place) = (step.unit, step.place);
        attempt.in_the_way = refused.in_the_way.into_iter().flat_map(|(_, objects)| objects).collect();
        Err(match refused.error.kind() {
            ErrorKind::Constraint => {
                let class = &self.classes[settling.pending[step.place].class];
                let obstacle =
                    self.refused_by_table(class, &settling.pending[step.place], step, refused.error.message());
                attempt.cause = obstacle.cause;
                Error::new(ErrorKind::Constraint, obstacle.text)
            }
            _ => *refused.error,
        })
    }
}

impl Node {
    /// Objects whose keys are references get the numbers of what they refer to now, with all that refers to them.
    fn give_new_numbers(&self, settling: &Settling<'_>, steps: &[Step], attempt: &mut Attempt) -> Result<()> {
        let steps: Vec<&Step> = steps.iter().filter(|s| s.gets_another_number()).collect();
        let new_number = |step: &&Step| {
            let p = &settling.pending[step.place];
            Some(NewNumber { class: &self.classes[p.class], guid: p.guid, number: step.key? })
        };
        let wanted: Vec<NewNumber<'_>> = steps.iter().filter_map(new_number).collect();
        let until = steps.iter().map(|s| s.pos).max();
        let mut tried = 0;
        let done = self.renumber_all(&wanted, until, |n| tried = n);
        done.map_err(|error| {
            let Some(step) = steps.get(tried).filter(|_| error.kind() == ErrorKind::Constraint) else { return error };
            (attempt.unit, attempt.place) = (step.unit, step.place);
            let obstacle =
                self.refused_by_table(wanted[tried].class, &settling.pending[step.place], step, error.message());
            attempt.cause = obstacle.cause;
            Error::new(ErrorKind::Constraint, obstacle.text)
        })
    }
}

impl Step {
    /// Whether a row that was there is to have another number: its key is a reference, and refers to another object.
    fn gets_another_number(&self) -> bool {
        let had_row = self.merged.before.as_ref().filter(|b| b.state.content.is_some());
        had_row.is_some_and(|before| self.merged.new.content.is_some() && before.key != self.key)
    }
}

/// So often groups are tried again without those that were refused: each time takes as long as to write all of them.
const TOGETHER: usize = 64;

/// Groups of units, each tied by rows that are in each other's way. A unit is in none where something that does not move itself is
/// in its way.
fn in_each_others_way(
    settling: &Settling<'_>,
    all: &[Unit],
    units: &[usize],
    hopeless: &HashSet<usize>,
) -> Vec<Vec<usize>> {
    let objects =
        |(n, u): (usize, &usize)| all[*u].iter().map(move |i| (settling.pending[*i].guid, n)).collect::<Vec<_>>();
    let owner: HashMap<Guid, usize> = units.iter().enumerate().flat_map(objects).collect();
    // By place among the units; `None`: one that nobody can tell.
    let ways: Vec<Option<Vec<Option<usize>>>> = units
        .iter()
        .map(|u| {
            let in_the_way = settling.in_the_way.get(u).filter(|found| !found.is_empty() && !hopeless.contains(u))?;
            let known =
                in_the_way.iter().map(|guid| guid.map_or(Some(None), |guid| owner.get(&guid).map(|n| Some(*n))));
            known.collect()
        })
        .collect();
    let mut left_out: Vec<bool> = ways.iter().map(Option::is_none).collect();
    loop {
        let stuck = |n: &usize| !left_out[*n] && ways[*n].iter().flatten().flatten().any(|other| left_out[*other]);
        let stuck: Vec<usize> = (0..units.len()).filter(stuck).collect();
        if stuck.is_empty() {
            break;
        }
        stuck.into_iter().for_each(|n| left_out[n] = true);
    }
    let mut parts = Partition::new(units.len());
    let mut unknown = None;
    for n in (0..units.len()).filter(|n| !left_out[*n]) {
        for other in ways[n].iter().flatten() {
            parts.tie(n, other.unwrap_or_else(|| *unknown.get_or_insert(n)));
        }
    }
    let groups = parts.units(&left_out);
    let groups = (0..groups.len()).map(|group| groups.of(group).map(|n| units[n]).collect::<Vec<_>>());
    groups.filter(|group| group.len() > 1).collect()
}

/// So many other objects of its unit a record names: a unit may be large.
pub(crate) const SIBLINGS: usize = 100;

impl<'a> Settling<'a> {
    /// For some pending states, with what is here of each.
    pub(crate) fn of(
        node: &Node,
        pending: &'a [Pending],
        before: &'a [Option<Rc<Filed>>],
        options: ApplyOptions<'a>,
    ) -> Result<Settling<'a>> {
        let rules = node.rules()?;
        Ok(Settling {
            pending,
            before,
            options,
            arriving: HashMap::new(),
            here: HashMap::new(),
            taken_over: HashMap::new(),
            keys: HashMap::new(),
            followed: HashMap::new(),
            taken: HashMap::new(),
            rules: node.classes.iter().map(|c| options.rule.unwrap_or_else(|| rules.of(&c.name))).collect(),
            later: None,
            whole: HashSet::new(),
            in_the_way: HashMap::new(),
        })
    }

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
        self.here.clear();
        let places = active.iter().flat_map(|&u| all[u].iter().copied());
        self.arriving =
            places.filter(|&i| self.pending[i].state.content.is_some()).map(|i| (self.pending[i].guid, i)).collect();
    }

    /// The local key of an object that is inserted now or soon.
    pub(crate) fn key_for(&mut self, node: &Node, class: usize, guid: Guid, wanted: Option<i64>) -> Result<i64> {
        if let Some((_, key)) = self.keys.get(&guid) {
            return Ok(*key);
        }
        let taken = self.taken.entry(class).or_default();
        let key = node.free_key(&node.classes[class], guid, wanted, taken)?;
        taken.insert(key);
        self.keys.insert(guid, (class, key));
        Ok(key)
    }

    /// The local key of an object that is referred to; `None` where it is neither here nor arriving.
    pub(crate) fn resolve(&mut self, node: &Node, class: &str, guid: Guid) -> Result<Option<i64>> {
        let target = node.class(class)?;
        if let Some(place) = target.key_place() {
            return self.resolve_follower(node, target, place, guid);
        }
        if let Some(key) = self.here.get(&(target.id, guid)) {
            return Ok(Some(*key));
        }
        if let Some(key) = node.key_of(target, guid)? {
            self.here.insert((target.id, guid), key);
            return Ok(Some(key));
        }
        let Some(&place) = self.arriving.get(&guid) else { return self.resolve_later(node, guid) };
        let p = &self.pending[place];
        let buried = self.before[place].as_ref().and_then(|f| f.key);
        self.key_for(node, p.class, guid, buried.or(p.key)).map(Some)
    }

    /// Notes what objects whose key is a reference are to refer to by it.
    fn note_followers<'s>(&mut self, node: &Node, written: impl Iterator<Item = (usize, &'s State)>) {
        self.followed.clear();
        for (place, new) in written {
            let p = &self.pending[place];
            if let (Some(key), Some(values)) = (node.classes[p.class].key_place(), &new.content) {
                self.followed.insert(p.guid, values[key].clone());
            }
        }
    }

    /// The same of an object that has the number of what it refers to.
    fn resolve_follower(&mut self, node: &Node, class: &Class, place: usize, guid: Guid) -> Result<Option<i64>> {
        let target = class.properties[place].references.clone().unwrap_or_default();
        let arriving = |pending: &Pending| pending.state.content.as_ref().map(|values| values[place].clone());
        let value = match (self.followed.get(&guid), node.current(class, guid)?) {
            (Some(value), _) => Some(value.clone()),
            (None, Some(Filed { state: State { content: Some(values), .. }, .. })) => Some(values[place].clone()),
            _ => self.arriving.get(&guid).and_then(|place| arriving(&self.pending[*place])),
        };
        match value {
            Some(Value::Reference(parent)) => self.resolve(node, &target, parent),
            _ => node.key_of(class, guid),
        }
    }

    /// The key to be given to an object that comes in a later part of the same unit.
    fn resolve_later(&mut self, node: &Node, guid: Guid) -> Result<Option<i64>> {
        let Some((queue, units, unit)) = self.later else { return Ok(None) };
        if let Some((_, key)) = self.keys.get(&guid) {
            return Ok(Some(*key));
        }
        let later = node.spooled(queue, guid)?.into_iter().filter(|index| units.has(unit, *index));
        let Some(p) = node.load(queue, later)?.pop().filter(|p| p.state.content.is_some()) else { return Ok(None) };
        let buried = node.current(&node.classes[p.class], guid)?.and_then(|f| f.key);
        self.key_for(node, p.class, guid, buried.or(p.key)).map(Some)
    }
}
