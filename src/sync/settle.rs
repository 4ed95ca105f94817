//! Settling: everything that waits and can be applied is applied, unit by unit; the rest waits on, each with its reason.
//!
//! Whether a unit can be applied is judged with the others in place: all are applied first, those that break a constraint
//! or leave a reference without its object are taken out again, and so on until what stands is sound; then those taken
//! out are tried once more, until nothing more fits. So units that need each other go through together.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::sync::apply::ApplyOptions;
use crate::sync::decide::Chosen;
use crate::sync::error::{Error, ErrorKind, Result};
use crate::sync::filing::NewRow;
use crate::sync::guid::Guid;
use crate::sync::merge::{Merged, Why};
use crate::sync::node::Node;
use crate::sync::report::{ObjectReport, Outcome, Report};
use crate::sync::requeue::Pending;
use crate::sync::schema::{Class, quote};
use crate::sync::unit::units;
use crate::sync::value::Value;

/// Why a unit cannot be applied now: which of its states is in the way (place among the pending), and the reason.
type Blocked = (usize, String);

/// A unit: places among the pending states.
type Unit = Vec<usize>;

struct Settling<'a> {
    pending: &'a [Pending],
    options: ApplyOptions<'a>,
    /// New objects among the units that are being tried, by GUID: their place among the pending.
    arriving: HashMap<Guid, usize>,
    /// Local keys given to objects that are about to be inserted.
    keys: HashMap<Guid, i64>,
    taken: HashMap<usize, BTreeSet<i64>>,
}

/// What was done with one pending state, until its unit is known to stand.
struct Step {
    unit: usize,
    place: usize,
    merged: Merged,
    key: Option<i64>,
    references: HashMap<Guid, i64>,
    row_changed: bool,
    moved_aside: bool,
    pos: i64,
}

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
        let mut settling = Settling {
            pending: &pending,
            options,
            arriving: HashMap::new(),
            keys: HashMap::new(),
            taken: HashMap::new(),
        };
        let mut reasons: HashMap<usize, Blocked> = HashMap::new();
        let mut held: HashSet<usize> = HashSet::new();
        for (u, unit) in all.iter().enumerate() {
            let hold = |&i: &usize| Some((i, options.hold?(&self.classes[pending[i].class].name, pending[i].guid)?));
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
        let mut waiting: Vec<(usize, String)> = Vec::new();
        for (u, unit) in all.iter().enumerate() {
            match done.remove(&u) {
                Some(reports) => lines.extend(unit.iter().copied().zip(reports)),
                None => {
                    let (culprit, reason) =
                        reasons.remove(&u).unwrap_or((unit[0], "it could not be applied".to_owned()));
                    for &place in unit {
                        let reason = match place == culprit {
                            true => reason.clone(),
                            false => format!(
                                "waits with {} of the same transaction, which cannot be applied: {reason}",
                                self.title(&pending[culprit])
                            ),
                        };
                        let said = if unit.len() > 1 && place == culprit {
                            format!("waits: {reason}; the whole transaction waits")
                        } else if place == culprit {
                            format!("waits: {reason}")
                        } else {
                            reason.clone()
                        };
                        lines.push((place, self.line(&pending[place], None, Outcome::Requeued, said)?));
                        waiting.push((place, reason));
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
        let waiting: Vec<_> = waiting.into_iter().map(|(place, reason)| (pending[place].clone(), reason)).collect();
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

    /// One vector, two contents: numbers were given twice.
    fn reused(&self, p: &Pending) -> Error {
        let source = self.name_of(p.peer);
        let what = format!(
            "{} comes from {source} with a version that is known here with another content: some node's file was restored from a backup or copied and used on; nothing was changed",
            self.title(p)
        );
        Error::refused(crate::sync::error::Refusal::Restored, what)
            .hint(format!("find out which node was restored (likely {source}), make it a new node there (objsync rejoin), and prepare the set again"))
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
                            reasons.insert(
                                u,
                                (i, self.unknown_reference(&property.name, value, property.references.as_deref())),
                            );
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

    fn unknown_reference(&self, property: &str, value: &Value, target: Option<&str>) -> String {
        let target = target.unwrap_or("object");
        match value {
            Value::Reference(guid) => {
                let journaled = self.class(target).is_ok_and(|c| c.journaled);
                let way_out = match journaled {
                    true => format!("it goes through once that {target} has come"),
                    false => format!(
                        "{target} is not journaled, so it does not travel by itself; it goes through once that {target} is here"
                    ),
                };
                format!("its {property} is unknown at {} ({target} {guid}); {way_out}", self.info.name)
            }
            _ => format!(
                "its {property} names no {target} at the sender either; it goes through once it is corrected there"
            ),
        }
    }

    /// Applies units in order, each for itself; tries those that fail again while there is progress, at last together.
    #[allow(clippy::type_complexity)]
    fn try_units(
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
    fn try_group(
        &mut self,
        settling: &mut Settling<'_>,
        all: &[Unit],
        group: &[usize],
    ) -> Result<std::result::Result<HashMap<usize, Vec<ObjectReport>>, (usize, Blocked)>> {
        self.conn.prepare_cached("SAVEPOINT unit")?.execute([])?;
        let mut at = (group[0], all[group[0]][0]);
        let tried = self.apply_group(settling, all, group, &mut at);
        match tried {
            Ok(reports) => {
                self.conn.prepare_cached("RELEASE unit")?.execute([])?;
                Ok(Ok(reports))
            }
            Err(error) if error.kind() == ErrorKind::Constraint => {
                self.conn.execute_batch("ROLLBACK TO unit; RELEASE unit")?;
                Ok(Err((at.0, (at.1, error.message().to_owned()))))
            }
            Err(error) => Err(error),
        }
    }

    fn apply_group(
        &mut self,
        settling: &mut Settling<'_>,
        all: &[Unit],
        group: &[usize],
        at: &mut (usize, usize),
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
                *at = (u, place);
                let p = &settling.pending[place];
                let siblings: Vec<Guid> =
                    all[u].iter().map(|&i| settling.pending[i].guid).filter(|g| *g != p.guid).collect();
                match self.merge(p, settling.options.rule, &siblings, number)? {
                    None => {
                        let line = self.line(
                            p,
                            None,
                            Outcome::Skipped,
                            "nothing to do: the state here has seen it already".to_owned(),
                        )?;
                        reports.insert(place, line);
                    }
                    Some(merged) => steps.push(self.step(settling, (u, place), merged, number)?),
                }
            }
            self.write_steps(settling, &steps, at)?;
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
                let target = property.references.as_deref();
                let blocked =
                    || Error::new(ErrorKind::Constraint, self.unknown_reference(&property.name, value, target));
                match value {
                    Value::Reference(guid) => {
                        let found = settling.resolve(self, target.unwrap_or_default(), *guid)?.ok_or_else(blocked)?;
                        references.insert(*guid, found);
                    }
                    Value::Dangling(_) => return Err(blocked()),
                    _ => {}
                }
            }
        }
        let deleted = merged.new.content.is_none();
        let pos = self.file_event(class, p.guid, merged.before.as_ref(), deleted, key, (number, merged.origin))?;
        let changes_unique =
            |values: &Vec<Value>, old: &Vec<Value>| class.unique.iter().flatten().any(|&i| values[i] != old[i]);
        let moved_aside = match (&merged.new.content, old) {
            (Some(new), Some(old)) => changes_unique(new, old),
            _ => false,
        };
        Ok(Step { unit, place, merged, key, references, row_changed, moved_aside, pos })
    }

    /// Deletions first, then rows whose unique values change are moved out of the way, so that values can change places.
    fn write_steps(&self, settling: &Settling<'_>, steps: &[Step], at: &mut (usize, usize)) -> Result<()> {
        let mut put = |step: &Step| -> Result<()> {
            *at = (step.unit, step.place);
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
            self.put(class, p.guid, step.merged.before.as_ref(), &step.merged.new, row, step.pos)
        };
        for step in steps.iter().filter(|s| s.merged.new.content.is_none()) {
            put(step)?;
        }
        for step in steps.iter().filter(|s| s.moved_aside) {
            let class = &self.classes[settling.pending[step.place].class];
            let sql = format!("DELETE FROM {} WHERE {} = ?1", quote(&class.table), quote(&class.key));
            self.conn.prepare_cached(&sql)?.execute([step.key])?;
        }
        for step in steps.iter().filter(|s| s.merged.new.content.is_some()) {
            put(step)?;
        }
        Ok(())
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

    fn broken_reference(&self, p: &Pending) -> Result<Option<String>> {
        let (class, guid) = (&self.classes[p.class], p.guid);
        let Some(current) = self.current(class, guid)? else { return Ok(None) };
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
                    return Ok(Some(self.unknown_reference(&property.name, value, Some(target))));
                }
            }
            return Ok(None);
        }
        let Some(key) = current.key else { return Ok(None) };
        for other in &self.classes {
            for property in other.properties.iter().filter(|p| p.references.as_deref() == Some(&class.name)) {
                let sql = format!(
                    "SELECT {} FROM {} WHERE {} = ?1 LIMIT 1",
                    quote(&other.key),
                    quote(&other.table),
                    quote(&property.name)
                );
                let mut statement = self.conn.prepare_cached(&sql)?;
                let mut rows = statement.query([key])?;
                if let Some(r) = rows.next()? {
                    // The key may be another object's by now.
                    if self.key_of(class, guid)?.is_none() && self.guid_of(class, key)?.is_none() {
                        let row: i64 = r.get(0)?;
                        return Ok(Some(format!(
                            "it is deleted at the sender, but {} {row} here refers to it ({}); change or delete that one here, or bring it back there",
                            other.name, property.name
                        )));
                    }
                }
            }
        }
        Ok(None)
    }

    fn title(&self, p: &Pending) -> String {
        let class = &self.classes[p.class].name;
        match p.key {
            Some(key) => format!("{class} {key}"),
            None => format!("{class} {}", p.guid),
        }
    }

    fn line(&self, p: &Pending, number: Option<i64>, outcome: Outcome, reason: String) -> Result<ObjectReport> {
        let class = &self.classes[p.class];
        let number = match number {
            Some(number) => Some(number),
            None => self.key_of(class, p.guid)?,
        };
        Ok(ObjectReport {
            class: class.name.clone(),
            guid: p.guid,
            number,
            source_number: p.key,
            outcome,
            reason,
            conflict: None,
            row_changed: false,
        })
    }

    /// Says what was done and why.
    fn told(&self, settling: &Settling<'_>, step: &Step) -> Result<ObjectReport> {
        let p = &settling.pending[step.place];
        let class = &self.classes[p.class];
        let (old, new) =
            (step.merged.before.as_ref().and_then(|b| b.state.content.as_ref()), step.merged.new.content.as_ref());
        let source = self.name_of(p.peer);
        let done = |outcome, reason: String| (outcome, reason);
        let by_row = || match (old, new) {
            (None, Some(_)) => match p.key {
                Some(theirs) if step.key != Some(theirs) => {
                    let noun = class.name.to_lowercase();
                    let here = step.key.unwrap_or_default();
                    done(
                        Outcome::Inserted,
                        format!("inserted as {noun} {here} ({}'s {theirs} is another {noun})", self.info.name),
                    )
                }
                _ => done(Outcome::Inserted, "inserted".to_owned()),
            },
            (Some(a), Some(b)) if a != b => done(Outcome::Updated, format!("updated: {}", self.changes(class, a, b))),
            (Some(_), None) => done(Outcome::Deleted, "deleted".to_owned()),
            (None, None) if step.merged.before.is_none() => {
                done(Outcome::Skipped, format!("nothing to do: {source} made and deleted it before it came here"))
            }
            _ => done(Outcome::Skipped, "nothing to do: the content is the same; its version is noted".to_owned()),
        };
        let mut conflict = None;
        let (outcome, reason) = match &step.merged.why {
            Why::Newer => by_row(),
            Why::Same => done(Outcome::Skipped, format!("nothing to do: {source} made the same change")),
            Why::OneUnchanged(Chosen::Theirs) => {
                let (outcome, reason) = by_row();
                (outcome, format!("{reason} (no conflict: nothing was changed here)"))
            }
            Why::OneUnchanged(Chosen::Ours) => done(
                Outcome::Skipped,
                format!("the state here stays: {source} changed nothing, so this is no conflict"),
            ),
            Why::Conflict(record) => {
                conflict = Some(record.id);
                let (kept, whose) = match record.chosen.as_str() {
                    "ours" => ("stays", &self.info.name),
                    _ => ("is taken", &source),
                };
                let differs = match record.properties.is_empty() {
                    true => String::new(),
                    false => format!(" ({})", record.properties.join(", ")),
                };
                done(
                    Outcome::Conflict,
                    format!("conflict: {}{differs}; {whose}'s {kept}: {}", record.kind.words(), record.why),
                )
            }
        };
        let mut line = self.line(p, step.key, outcome, reason)?;
        (line.conflict, line.row_changed) = (conflict, step.row_changed);
        Ok(line)
    }

    /// `quantity 417 → 77, price 10 → 12.5`; references by their local numbers.
    fn changes(&self, class: &Class, old: &[Value], new: &[Value]) -> String {
        let shown = |value: &Value, target: Option<&String>| match (value, target) {
            (Value::Reference(guid), Some(name)) => {
                let key = self.class(name).ok().and_then(|c| self.key_of(c, *guid).ok()).flatten();
                key.map_or_else(|| guid.to_string(), |k| k.to_string())
            }
            _ => value.shown(),
        };
        let changed = class.properties.iter().enumerate().filter(|(i, _)| old[*i] != new[*i]);
        let said: Vec<_> = changed
            .map(|(i, p)| {
                format!(
                    "{} {} → {}",
                    p.name,
                    shown(&old[i], p.references.as_ref()),
                    shown(&new[i], p.references.as_ref())
                )
            })
            .collect();
        said.join(", ")
    }
}

impl Settling<'_> {
    /// Starts anew with these units: which objects arrive with them, and no keys given.
    fn arrive(&mut self, all: &[Unit], active: &[usize]) {
        self.keys.clear();
        self.taken.clear();
        let places = active.iter().flat_map(|&u| all[u].iter().copied());
        self.arriving =
            places.filter(|&i| self.pending[i].state.content.is_some()).map(|i| (self.pending[i].guid, i)).collect();
    }

    /// The local key of an object that is inserted now or soon.
    fn key_for(&mut self, node: &Node, class: usize, guid: Guid, wanted: Option<i64>) -> Result<i64> {
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
    fn resolve(&mut self, node: &Node, class: &str, guid: Guid) -> Result<Option<i64>> {
        if let Some(key) = node.key_of(node.class(class)?, guid)? {
            return Ok(Some(key));
        }
        let Some(&place) = self.arriving.get(&guid) else { return Ok(None) };
        let p = &self.pending[place];
        let buried = node.current(&node.classes[p.class], guid)?.and_then(|f| f.key);
        self.key_for(node, p.class, guid, buried.or(p.key)).map(Some)
    }
}
