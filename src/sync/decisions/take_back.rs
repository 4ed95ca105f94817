//! Undoing an applied set, in two ways that must not be mixed up.
//!
//! *Take back*: as if the set had not been applied. Rows, versions, journal, requeue and sync times are as before; only the
//! numbers of the commits are not given again. Possible while nobody can know of it: this node has prepared nothing since,
//! and nothing newer stands on it. *Revert*: new edits that restore what the set changed, and travel like any other edit.

use std::collections::{BTreeSet, HashMap, HashSet};

use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::sync::data::guid::Guid;
use crate::sync::data::schema::Class;
use crate::sync::data::value::Value;
use crate::sync::decisions::conflict::RecordState;
use crate::sync::error::{Error, ErrorKind, Result};
use crate::sync::exchange::report::{ObjectReport, Outcome, Report};
use crate::sync::exchange::set_record::SetRecord;
use crate::sync::exchange::sync_times::SyncTimes;
use crate::sync::node::Keep;
use crate::sync::node::Node;
use crate::sync::node::history::{Content, Filed};
use crate::sync::node::renumber::{Coming, NewNumber};
use crate::sync::node::swaps::{Refused, RowChange};
use crate::words::{grouped, quoted};

/// How a node stood before an apply, as far as the journal does not tell.
pub(crate) struct BeforeApply {
    pub(crate) number: u64,
    received: u64,
    merged: i64,
    /// `None`: more waits than is remembered.
    requeue: Option<Requeue>,
}

/// How many objects may wait for the requeue to be remembered.
const REMEMBERED: usize = 10_000;

/// Why an object is deleted again.
const BROUGHT: &str = "this set had brought it";

/// The requeue's two tables as JSON.
#[derive(Serialize, Deserialize)]
struct Requeue {
    waiting: Box<RawValue>,
    bonds: Box<RawValue>,
}

impl PartialEq for Requeue {
    fn eq(&self, other: &Requeue) -> bool {
        (self.waiting.get(), self.bonds.get()) == (other.waiting.get(), other.bonds.get())
    }
}

/// The column `undo`.
#[derive(Serialize, Deserialize)]
struct Undo {
    received: u64,
    merged: i64,
    /// Only where the apply changed it.
    requeue: Option<Requeue>,
}

/// What reverting a set did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Reverted {
    /// The new commit; `None` where nothing had to change.
    pub number: Option<u64>,
    /// Every object that was changed, and how.
    pub objects: Vec<ObjectReport>,
    /// What was changed after the set was applied and so stays as it is, in words.
    pub kept: Vec<String>,
}

impl BeforeApply {
    /// What taking back needs; else why that is not possible.
    pub(crate) fn undo(self, node: &Node) -> Result<std::result::Result<String, &'static str>> {
        let Some(before) = self.requeue else { return Ok(Err("too much waited before it to be remembered")) };
        let requeue = (Some(&before) != node.requeue_tables()?.as_ref()).then_some(before);
        let undo = Undo { received: self.received, merged: self.merged, requeue };
        serde_json::to_string(&undo).map(Ok).map_err(|e| Error::storage(e.to_string()))
    }
}

impl Node {
    pub(crate) fn before_apply(&self, received: u64) -> Result<BeforeApply> {
        let merged = self.conn.query_row("SELECT coalesce(max(id), 0) FROM objsync_merged", [], |r| r.get(0))?;
        Ok(BeforeApply { number: self.number()?, received, merged, requeue: self.requeue_tables()? })
    }

    /// `None` where it holds more than is remembered.
    fn requeue_tables(&self) -> Result<Option<Requeue>> {
        let waiting: usize = self.conn.query_row("SELECT count(*) FROM objsync_waiting", [], |r| r.get(0))?;
        if waiting > REMEMBERED {
            return Ok(None);
        }
        let read = |sql: &str| -> Result<Box<RawValue>> {
            let text: String = self.conn.prepare_cached(sql)?.query_row([], |r| r.get(0))?;
            RawValue::from_string(text).map_err(|e| Error::storage(e.to_string()))
        };
        Ok(Some(Requeue {
            waiting: read(
                "SELECT json_group_array(json_array(id, class, object, peer, set_id, hex(vector), time, author, key, number, content, reason, cause, dots))
                 FROM (SELECT * FROM objsync_waiting ORDER BY id)",
            )?,
            bonds: read(
                "SELECT json_group_array(json_array(bond, object)) FROM (SELECT * FROM objsync_bond ORDER BY bond, object)",
            )?,
        }))
    }

    fn restore_requeue(&self, requeue: &Requeue) -> Result<()> {
        self.conn.execute_batch("DELETE FROM objsync_waiting; DELETE FROM objsync_bond;")?;
        self.conn.execute(
            "INSERT INTO objsync_waiting (id, class, object, peer, set_id, vector, time, author, key, number, content, reason, cause, dots)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, unhex(value ->> 5), value ->> 6, value ->> 7,
                    value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13 FROM json_each(?1)",
            [requeue.waiting.get()],
        )?;
        self.conn.execute(
            "INSERT INTO objsync_bond (bond, object) SELECT value ->> 0, value ->> 1 FROM json_each(?1)",
            [requeue.bonds.get()],
        )?;
        Ok(())
    }

    /// From now on no applied set can be taken back, for a reason that people are told.
    pub(crate) fn make_final(&self, why: &str) -> Result<()> {
        self.conn
            .prepare_cached("UPDATE objsync_set SET undo = NULL, final = ?1 WHERE sent = 0 AND undo IS NOT NULL")?
            .execute([why])?;
        Ok(())
    }

    /// Whether an applied set can be taken back; else why not.
    pub fn can_take_back(&self, set: &SetRecord) -> Result<std::result::Result<(), String>> {
        let no = |why: String| Ok(Err(why));
        if set.sent {
            return no("it was prepared here, not applied".to_owned());
        }
        if set.taken_back {
            return no("it was taken back already".to_owned());
        }
        if let Some(why) = &set.final_because {
            return no(why.clone());
        }
        let Some((first, last)) = set.filed_as else {
            return no("it was applied by an earlier version of objsync".to_owned());
        };
        let newer: Option<(i64, String)> = self
            .conn
            .prepare_cached(
                "SELECT s.id, n.name FROM objsync_set s JOIN objsync_node n ON n.n = s.peer
                 WHERE s.sent = 0 AND s.taken_back = 0 AND s.seq > ?1 ORDER BY s.seq DESC LIMIT 1",
            )?
            .query_row([set.seq], |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()?;
        if let Some((id, source)) = newer {
            return no(format!("set {id} from {source} was applied since; take that one back first"));
        }
        let end = self.first_pos_after(last)?;
        for (class, guid) in self.filed_between(first, last)? {
            if let Some(now) = self.current(class, guid)?.filter(|now| now.pos.is_some_and(|pos| pos >= end)) {
                return no(format!("{} was changed since", self.filed_called(class, guid, &now)));
            }
        }
        Ok(Ok(()))
    }

    /// Whether an applied set can be reverted; else why not.
    pub fn can_revert(&self, set: &SetRecord) -> Result<std::result::Result<(), String>> {
        let floor = self.floor()?;
        Ok(match set.filed_as {
            _ if set.sent => Err("it was prepared here, not applied".to_owned()),
            _ if set.taken_back => Err("it was taken back already".to_owned()),
            _ if set.reverted.is_some() => {
                Err(format!("it was reverted already, by transaction {}", grouped(set.reverted.unwrap_or_default())))
            }
            None => Err("it was applied by an earlier version of objsync".to_owned()),
            Some((first, last)) if first > last => Err("it changed nothing here".to_owned()),
            Some((first, _)) if first <= floor => Err(format!("the journal is purged up to transaction {floor}")),
            Some(_) => Ok(()),
        })
    }

    /// Undoes an applied set as if it had not been applied. `seq` is [`SetRecord::seq`]. Its file can be applied again.
    pub fn take_back(&mut self, seq: i64) -> Result<Report> {
        self.without_triggers(Keep::Yes, |node| {
            let set = node.set_record(seq)?;
            let blocked = |why: String| {
                let error = Error::new(
                    ErrorKind::Constraint,
                    format!("set {} cannot be taken back: {why}; nothing was changed", set.id),
                );
                if !matches!(node.can_revert(&set), Ok(Ok(()))) {
                    return error;
                }
                error.hint(format!(
                    "revert it instead: new changes that restore what it changed (objsync revert {} --node {})",
                    set.id,
                    quoted(&node.info.name)
                ))
            };
            if let Err(why) = node.can_take_back(&set)? {
                return Err(blocked(why));
            }
            let undo: String =
                node.conn.query_row("SELECT undo FROM objsync_set WHERE seq = ?1", [seq], |r| r.get(0))?;
            let undo: Undo = serde_json::from_str(&undo).map_err(|e| Error::storage(e.to_string()))?;
            let (first, last) = set.filed_as.unwrap_or((1, 0));
            let mut report = Report {
                file: set.file.clone(),
                node: node.info.name.clone(),
                source: set.peer_name.clone(),
                id: set.id,
                ..Report::default()
            };
            let mut steps = node.steps_back(first, last)?;
            if let Some(why) = node.write_back(&mut steps)? {
                return Err(blocked(why));
            }
            for (place, step) in steps.iter().enumerate() {
                report.add(place, node.step_back_told(step)?);
            }
            report.close();
            let (start, end) = (node.first_pos_after(first.saturating_sub(1))?, node.first_pos_after(last)?);
            node.conn.execute("DELETE FROM objsync_journal WHERE pos >= ?1 AND pos < ?2", (start, end))?;
            for step in &steps {
                let sql = "DELETE FROM objsync_former_key WHERE object = ?1 AND until >= ?2 AND until < ?3";
                node.conn.execute(sql, (node.nodes.id(step.guid)?, start, end))?;
                // Its old number was given to another object meanwhile; before-images mean it by that number all the same.
                let old_key = step.before.as_ref().filter(|b| b.state.content.is_some()).and_then(|b| b.key);
                if old_key.is_some() && old_key != step.key {
                    let sql = "INSERT OR IGNORE INTO objsync_former_key (class, key, until, object) VALUES (?1, ?2, ?3 - 1, ?4)";
                    node.conn.execute(sql, (step.class.id, old_key, start, node.nodes.id(step.guid)?))?;
                }
            }
            // The journal may grow over these positions again.
            let sql = "UPDATE objsync_former_key SET until = ?1 - 1 WHERE until >= ?1 AND until < ?2";
            node.conn.execute(sql, (start, end))?;
            for class in &node.classes {
                let sql = format!("UPDATE {} SET last = ?1 - 1 WHERE last >= ?1 AND last < ?2", class.tombstones());
                node.conn.execute(&sql, (start, end))?;
            }
            node.conn.execute("DELETE FROM objsync_merged WHERE id > ?1", [undo.merged])?;
            node.conn.execute(
                "UPDATE objsync_conflict SET state = ?1 WHERE number BETWEEN ?2 AND ?3",
                (RecordState::TakenBack.code(), first, last),
            )?;
            if let Some(requeue) = &undo.requeue {
                node.restore_requeue(requeue)?;
            }
            let times = node.sync_times(set.peer)?;
            node.set_sync_times(set.peer, SyncTimes { received: undo.received, ..times })?;
            node.conn.execute("UPDATE objsync_set SET taken_back = 1, undo = NULL WHERE seq = ?1", [seq])?;
            Ok(report)
        })
    }

    /// New edits that restore what an applied set changed, as one commit. What was changed after the set stays as it is.
    pub fn revert(&mut self, seq: i64) -> Result<Reverted> {
        self.revert_and(Keep::Yes, seq)
    }

    /// Says what [`Node::revert`] would do now: the same, taken back in the end.
    pub fn preview_revert(&mut self, seq: i64) -> Result<Reverted> {
        self.revert_and(Keep::No, seq)
    }

    fn revert_and(&mut self, keep: Keep, seq: i64) -> Result<Reverted> {
        self.edit_and(keep, |edit| {
            let node = edit.node();
            let set = node.set_record(seq)?;
            if let Err(why) = node.can_revert(&set)? {
                return Err(Error::new(
                    ErrorKind::Constraint,
                    format!("set {} cannot be reverted: {why}; nothing was changed", set.id),
                ));
            }
            let (first, last) = set.filed_as.unwrap_or((1, 0));
            let reverted = edit.restore(first, last, BROUGHT)?;
            if let Some(number) = reverted.number {
                let sql = "UPDATE objsync_set SET reverted = ?2 WHERE seq = ?1";
                edit.connection().execute(sql, (seq, number))?;
            }
            Ok(reverted)
        })
    }

    /// What an object is to be when the step from `before` to `after` is undone on what it is `now`; and what is left out.
    pub(crate) fn restored_content(
        &self,
        class: &Class,
        before: &Content,
        after: &Content,
        now: &Content,
    ) -> (Content, Option<String>) {
        if now == after {
            return (before.clone(), None);
        }
        let stays = |why: &str| (now.clone(), Some(format!("{why} since, so it stays as it is")));
        match (before, after, now) {
            _ if before == after || before == now => (now.clone(), None),
            (Some(before), Some(after), Some(now)) => {
                let mut values = now.clone();
                let mut kept = Vec::new();
                for (i, p) in class.properties.iter().enumerate().filter(|(i, _)| before[*i] != after[*i]) {
                    if now[i] == after[i] {
                        values[i] = before[i].clone();
                    } else if now[i] != before[i] {
                        kept.push(format!("{} {}", p.name, self.shown(p, &now[i])));
                    }
                }
                let kept = (!kept.is_empty()).then(|| format!("{} was changed since, so it stays", kept.join(", ")));
                (Some(values), kept)
            }
            (_, _, None) => stays("it was deleted"),
            (_, None, Some(_)) => stays("it was brought back"),
            (None, _, Some(_)) => stays("it was changed"),
        }
    }

    /// The objects that the commits from `first` to `last` filed, each once.
    pub(crate) fn filed_between(&self, first: u64, last: u64) -> Result<Vec<(&Class, Guid)>> {
        let (start, end) = (self.first_pos_after(first.saturating_sub(1))?, self.first_pos_after(last)?);
        let rows = self
            .conn
            .prepare_cached("SELECT class, object FROM objsync_journal WHERE pos >= ?1 AND pos < ?2 ORDER BY pos")?
            .query_map((start, end), |r| Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let mut seen = HashSet::new();
        rows.into_iter()
            .filter(|row| seen.insert(*row))
            .map(|(class, object)| Ok((self.class_by_id(class)?, self.nodes.object(object)?)))
            .collect()
    }

    /// What an object is called, also a deleted one.
    pub(crate) fn filed_called(&self, class: &Class, guid: Guid, now: &Filed) -> String {
        self.called(class, now.key, now.state.content.as_deref(), guid)
    }

    fn steps_back(&self, first: u64, last: u64) -> Result<Vec<StepBack<'_>>> {
        let mut steps = Vec::new();
        for (class, guid) in self.filed_between(first, last)? {
            self.going_on("finding what was before", steps.len(), None)?;
            let lost = || Error::storage(format!("{} {guid} is in the journal and nowhere else", class.name));
            let now = self.current(class, guid)?.ok_or_else(lost)?;
            let before = self.as_of(class, guid, now.clone(), first.saturating_sub(1))?;
            let key = before.as_ref().and_then(|b| b.key);
            steps.push(StepBack { class, guid, now, before, key });
        }
        Ok(steps)
    }

    /// Rows and versions as they were. Says why that cannot be.
    fn write_back<'a>(&self, steps: &mut [StepBack<'a>]) -> Result<Option<String>> {
        // What refers to an object that goes must go back with it.
        let going_back: HashSet<(&str, Option<i64>)> =
            steps.iter().map(|s| (s.class.name.as_str(), s.now.key)).collect();
        for step in steps.iter().filter(|s| s.old().is_none() && s.now.state.content.is_some()) {
            let rows = self.referrers(step.class, step.now.key.unwrap_or_default(), i64::MAX)?;
            if let Some(row) = rows.iter().find(|row| !going_back.contains(&(row.class.as_str(), row.key))) {
                let what = self.filed_called(step.class, step.guid, &step.now);
                return Ok(Some(format!("{row} refers to {what}, which this set brought ({})", row.property)));
            }
        }
        for step in steps.iter().filter(|s| s.old().is_none()) {
            self.put_away(step)?;
        }
        // The numbers of what goes are free again by now.
        let mut taken: HashMap<i64, BTreeSet<i64>> = HashMap::new();
        for step in steps.iter_mut().filter(|s| s.old().is_some()) {
            if step.class.key_place().is_some() {
                continue;
            }
            step.key = match step.now.state.content.is_some() {
                true => step.now.key,
                false => {
                    let taken = taken.entry(step.class.id).or_default();
                    let free = self.free_key(step.class, step.guid, step.key, taken)?;
                    taken.insert(free);
                    Some(free)
                }
            };
        }
        let contents: Vec<(Guid, Vec<Value>)> = steps.iter().filter_map(|s| Some((s.guid, s.old()?.clone()))).collect();
        let coming = Coming {
            numbers: steps.iter().filter(|s| s.old().is_some()).filter_map(|s| Some((s.guid, s.key?))).collect(),
            contents: contents.iter().map(|(guid, values)| (*guid, values.as_slice())).collect(),
        };
        for step in steps.iter_mut() {
            if let (Some(values), Some(place)) = (step.old(), step.class.key_place()) {
                step.key = self.number_given(step.class, step.guid, &values[place], &coming)?.or(step.key);
            }
        }
        let mut references = HashMap::new();
        for step in steps.iter() {
            for (value, property) in step.old().into_iter().flatten().zip(&step.class.properties) {
                let (Value::Reference(target), Some(name)) = (value, &property.references) else { continue };
                let Some(key) = self.number_to_be(self.class(name)?, *target, &coming)? else {
                    let what = self.filed_called(step.class, step.guid, &step.now);
                    return Ok(Some(format!("{what} referred to a {name} that was deleted since ({target})")));
                };
                references.insert(*target, key);
            }
        }
        let renumbered = steps.iter().filter(|s| s.old().is_some() && s.now.state.content.is_some());
        let renumbered = renumbered.filter(|s| s.class.key_place().is_some());
        let new_number = |s: &StepBack<'a>| Some(NewNumber { class: s.class, guid: s.guid, number: s.key? });
        let renumbered: Vec<NewNumber<'_>> = renumbered.filter_map(new_number).collect();
        let mut tried = 0;
        match self.renumber_all(&renumbered, None, |n| tried = n) {
            Err(e) if e.kind() == ErrorKind::Constraint => {
                let what =
                    self.called(renumbered[tried].class, Some(renumbered[tried].number), None, renumbered[tried].guid);
                return Ok(Some(format!("{what} as it was does not fit any more ({})", e.message())));
            }
            other => other?,
        }
        self.going_on("putting back", 0, Some(steps.len()))?;
        let back: Vec<(&StepBack<'_>, &Filed)> =
            steps.iter().filter(|s| s.old().is_some()).filter_map(|s| Some((s, s.before.as_ref()?))).collect();
        let changes = back.iter().map(|(step, before)| RowChange {
            class: step.class,
            guid: step.guid,
            before: Some(&step.now),
            new: &before.state,
            key: step.key,
            references: &references,
            unchanged: step.now.state.content == before.state.content,
            pos: before.pos,
        });
        match self.write_rows(&changes.collect::<Vec<_>>()) {
            Ok(()) => Ok(None),
            Err(Refused { at, error, .. }) if error.kind() == ErrorKind::Constraint => {
                let step = back[at].0;
                let what = self.filed_called(step.class, step.guid, &step.now);
                Ok(Some(format!("{what} as it was does not fit any more ({})", error.message())))
            }
            Err(refused) => Err(*refused.error),
        }
    }

    /// Takes an object away that was not there before.
    fn put_away(&self, step: &StepBack<'_>) -> Result<()> {
        let StepBack { class, guid, now, before, .. } = step;
        let Some(before) = before else {
            let id = self.nodes.id(*guid)?;
            if now.state.content.is_some() {
                self.delete_row(class, now.key)?;
            }
            for table in [class.objects(), class.tombstones()] {
                self.conn.execute(&format!("DELETE FROM {table} WHERE object = ?1"), [id])?;
            }
            return Ok(());
        };
        self.put(class, *guid, Some(now), &before.state, None, before.pos)?;
        let sql = format!("UPDATE {} SET key = ?2 WHERE object = ?1", class.tombstones());
        self.conn.execute(&sql, (self.nodes.id(*guid)?, before.key))?;
        Ok(())
    }

    fn step_back_told(&self, step: &StepBack<'_>) -> Result<ObjectReport> {
        let old = step.before.as_ref().and_then(|b| b.state.content.clone());
        let (outcome, reason) = self.row_told(step.class, &step.now.state.content, &old, BROUGHT);
        Ok(ObjectReport {
            class: step.class.name.clone(),
            guid: step.guid,
            key: self.key_text(step.class, old.as_deref().or(step.now.state.content.as_deref())),
            number: step.class.number_shown(if old.is_some() { step.key } else { step.now.key }),
            source_number: None,
            outcome,
            reason,
            conflict: None,
            row_changed: step.now.state.content != old,
        })
    }

    /// What happened to a row, and how to say it; of one that goes, why it had come.
    pub(crate) fn row_told(&self, class: &Class, from: &Content, to: &Content, made: &str) -> (Outcome, String) {
        match (from, to) {
            (None, Some(_)) => (Outcome::Inserted, "brought back".to_owned()),
            (Some(_), None) => (Outcome::Deleted, format!("deleted again: {made}")),
            (Some(a), Some(b)) if a != b => (Outcome::Updated, format!("restored: {}", self.changes(class, a, b))),
            _ => (Outcome::Skipped, "its row is the same; its version is as before".to_owned()),
        }
    }
}

/// One object on its way back to what it was before a set.
struct StepBack<'a> {
    class: &'a Class,
    guid: Guid,
    now: Filed,
    /// `None`: it was not known here.
    before: Option<Filed>,
    /// The local key it is to have.
    key: Option<i64>,
}

impl StepBack<'_> {
    fn old(&self) -> Option<&Vec<Value>> {
        self.before.as_ref()?.state.content.as_ref()
    }
}
