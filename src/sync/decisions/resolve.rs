//! Decisions of people: a conflict record decided, or decided again; what waits, given up.

use serde_json::Value as Json;

use crate::sync::data::guid::Guid;
use crate::sync::data::schema::Class;
use crate::sync::data::stamp::Stamp;
use crate::sync::data::value::Value;
use crate::sync::data::vector::Vector;
use crate::sync::decisions::conflict::{ConflictKind, ConflictRecord, DecidedAgain, Found, RecordState};
use crate::sync::decisions::decide::{Because, Chosen, Decision};
use crate::sync::error::{Error, ErrorKind, Result};
use crate::sync::exchange::report::{Outcome, Report};
use crate::sync::exchange::unit::units;
use crate::sync::node::Keep;
use crate::sync::node::Node;
use crate::sync::node::dots::listed_for_merge;
use crate::sync::node::edit::Wanted;
use crate::sync::node::filing::NewRow;
use crate::sync::node::history::{Content, State, content_from_json};
use crate::words::quoted;

/// How a conflict is to be decided.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    /// What was here.
    Ours,
    /// What came.
    Theirs,
    /// These values, by property; the others stay as the record has them.
    Set(Vec<(String, Value)>),
}

/// What became of a decision.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolution {
    /// It is filed, or there was nothing to change.
    Filed {
        /// The record as it is now.
        record: Box<ConflictRecord>,
        /// What was changed in the object, in words; empty: nothing had to.
        changes: String,
    },
    /// Nothing was done: the object is not what the record says stands. It must be confirmed.
    MovedOn {
        /// How it differs, in words.
        moved_on: String,
        /// What would be changed in it, in words.
        changes: String,
    },
}

impl Node {
    /// Decides a conflict, or decides it again. Only what differs from what stands by the record is changed, as an ordinary
    /// new edit. Where the object has moved on since, nothing is done unless that is `confirmed`.
    pub fn resolve(&mut self, record: i64, choice: &Choice, confirmed: bool) -> Result<Resolution> {
        self.edit(|edit| {
            let node = edit.node();
            let mut record = node.conflict(record)?;
            if record.state == RecordState::TakenBack {
                return Err(Error::usage(format!(
                    "record {} belongs to set {} from {}, which was taken back; nothing was changed",
                    record.id, record.set, record.source
                ))
                .hint("apply the set again: the conflict is found and recorded anew"));
            }
            let (class, guid) = node.object_of(&record)?;
            let class = class.clone();
            let stands = content_of(&class, record.standing().1)?;
            let (chosen, decided) = chosen_content(&class, &record, choice, &stands)?;
            let now = node.current(&class, guid)?.and_then(|f| f.state.content);
            let wanted = with_the_difference(&stands, &decided, &now);
            let changes = node.step_told(&class, &now, &wanted);
            let moved_on = node.step_told(&class, &stands, &now);
            if !moved_on.is_empty() && !confirmed {
                return Ok(Resolution::MovedOn { moved_on, changes });
            }
            // To say once more what stands is no new decision.
            if wanted == now
                && moved_on.is_empty()
                && record.state != RecordState::Open
                && chosen == record.standing().0
            {
                return Ok(Resolution::Filed { record: Box::new(record), changes });
            }
            if wanted != now {
                let wanted = Wanted { class: class.name.clone(), guid, content: wanted.clone() };
                edit.file(&[wanted]).map_err(|e| not_fitting(&record, e))?;
            }
            let node = edit.node();
            // As the table has it: an affinity may have turned `5` into 5.
            let filed = node.current(&class, guid)?.and_then(|f| f.state.content);
            record.again.push(DecidedAgain {
                chosen,
                result: class.content_json(&filed),
                at: (node.clock)(),
                number: (wanted != now).then_some(edit.number),
            });
            if record.state == RecordState::Open {
                record.state = RecordState::Decided;
            }
            edit.node().store_record(&record)?;
            Ok(Resolution::Filed { record: Box::new(record), changes })
        })
    }

    /// How an object differs now from what stands by a record, in words; empty where it does not.
    pub fn moved_on(&self, record: &ConflictRecord) -> Result<String> {
        let (class, guid) = self.object_of(record)?;
        let stands = content_of(class, record.standing().1)?;
        let now = self.current(class, guid)?.and_then(|f| f.state.content);
        Ok(self.step_told(class, &stands, &now))
    }

    /// Reads what somebody typed for a property: a value, or the local number of the object it refers to.
    pub fn typed(&self, class: &str, property: &str, text: &str) -> Result<Value> {
        let class = self.class(class)?;
        let place = property_of(class, property)?;
        let property = &class.properties[place];
        let value = Value::from_typed(text, &property.declared);
        let Some(target) = &property.references else { return Ok(value) };
        let unknown = || {
            let what = format!("there is no {target} {text} at {}; nothing was changed", self.info.name);
            Error::new(ErrorKind::Constraint, what)
        };
        match value {
            Value::Null => Ok(Value::Null),
            Value::Integer(key) => Ok(Value::Reference(self.guid_of(self.class(target)?, key)?.ok_or_else(unknown)?)),
            _ => Err(unknown()),
        }
    }

    fn object_of(&self, record: &ConflictRecord) -> Result<(&Class, Guid)> {
        Ok((self.class(&record.class)?, record.guid.parse()?))
    }

    /// What a step from one content to another is, in words; empty where they are the same.
    fn step_told(&self, class: &Class, from: &Content, to: &Content) -> String {
        match (from, to) {
            (Some(a), Some(b)) => self.changes(class, a, b),
            (Some(_), None) => "deleted".to_owned(),
            (None, Some(_)) => "brought back".to_owned(),
            (None, None) => String::new(),
        }
    }

    /// Gives up what waits: a decision for what is here, recorded, which travels like any other. With `ids` those (numbers as
    /// in [`Node::requeue`]) and what waits with them in one transaction; else everything. One commit.
    pub fn discard(&mut self, ids: Option<&[i64]>) -> Result<Report> {
        self.discard_and(Keep::Yes, ids)
    }

    /// Says what [`Node::discard`] would do now: the same, taken back in the end.
    pub fn preview_discard(&mut self, ids: Option<&[i64]>) -> Result<Report> {
        self.discard_and(Keep::No, ids)
    }

    fn discard_and(&mut self, keep: Keep, ids: Option<&[i64]>) -> Result<Report> {
        self.without_triggers(keep, |node| {
            let mut report = Report { node: node.info.name.clone(), ..Report::default() };
            let (pending, bonds) = node.waiting()?;
            if let Some(unknown) = ids.and_then(|ids| ids.iter().find(|id| !pending.iter().any(|p| p.id == Some(**id)))) {
                return Err(Error::usage(format!("nothing waits under number {unknown} at {}; nothing was changed", node.info.name))
                    .hint(format!("objsync requeue --node {} lists what waits", quoted(&node.info.name))));
            }
            let guids: Vec<Guid> = pending.iter().map(|p| p.guid).collect();
            let asked = |place: &usize| ids.is_none_or(|ids| pending[*place].id.is_some_and(|id| ids.contains(&id)));
            let places: Vec<usize> =
                units(&guids, &bonds).into_iter().filter(|unit| unit.iter().any(asked)).flatten().collect();
            if places.is_empty() {
                return Ok(report);
            }
            let reasons = node.requeue()?;
            let number = node.number()? + 1;
            node.conn.execute("UPDATE objsync_state SET number = ?1", [number])?;
            // What is said about a pair that excludes each other has one stamp (`survivors.rs`).
            let survivors = node.survivors(places.iter().map(|place| &pending[*place]))?;
            let stamp = match survivors.is_empty() {
                true => None,
                false => Some(Stamp { time: node.tick()?, author: node.info.guid }),
            };
            for place in places {
                let p = &pending[place];
                let siblings: Vec<Guid> = guids.iter().copied().filter(|g| *g != p.guid && bonds.iter().any(|b| b.contains(g) && b.contains(&p.guid))).collect();
                let class = &node.classes[p.class];
                let before = node.current(class, p.guid)?;
                // Where it is not known here: a tombstone, with the stamp of what came.
                let nothing = State { content: None, vector: Vector::default(), stamp: p.state.stamp };
                let ours = before.as_ref().map_or(&nothing, |b| &b.state);
                if p.state.vector.leq(&ours.vector) {
                    continue;
                }
                let said = stamp.filter(|_| survivors.are_about(p)).unwrap_or(ours.stamp);
                let ancestors = match &before {
                    // What came was made on top of ours.
                    Some(filed) if filed.state.vector.leq(&p.state.vector) => vec![filed.state.clone()],
                    Some(filed) => node.common_ancestors(class, filed, p.guid, &p.state.vector)?,
                    None => Vec::new(),
                };
                let record = node.record_conflict(&Found {
                    class,
                    guid: p.guid,
                    number: before.as_ref().and_then(|b| b.key),
                    source_number: p.key,
                    ancestors: &ancestors,
                    ours,
                    theirs: &p.state,
                    kind: Some(ConflictKind::Discarded),
                    decision: &Decision {
                        content: ours.content.clone(),
                        stamp: said,
                        chosen: Chosen::Ours,
                        because: Because::Own(format!(
                            "somebody gave up what waited because {}",
                            reasons[place].reason.split(';').next().unwrap_or_default()
                        )),
                    },
                    rule: "discard",
                    because: "",
                    source: p.peer,
                    set: p.set,
                    siblings: &siblings,
                    commit: number,
                })?;
                if before.is_some() {
                    node.note_merged(class, p.guid, &p.state)?;
                }
                let mut vector = ours.vector.join(&p.state.vector);
                vector.set(node.info.guid, number);
                let new = State { content: ours.content.clone(), vector, stamp: said };
                let key = before.as_ref().and_then(|b| b.key);
                let deleted = new.content.is_none();
                // What came is overruled whole.
                let dots = listed_for_merge(&new.content, &ours.content, &p.state.content, None, class.properties.len());
                let pos = node.file_event(class, p.guid, before.as_ref(), deleted, key, (number, None, &dots))?;
                let references = Default::default();
                let row = new.content.as_ref().zip(key).map(|(values, key)| NewRow {
                    key,
                    values,
                    references: &references,
                    unchanged: true,
                });
                node.put(class, p.guid, before.as_ref(), &new, row, Some(pos))?;
                node.conn.execute("DELETE FROM objsync_waiting WHERE id = ?1", [p.id])?;
                let stays = if deleted { "it is not here and will not come" } else { "the state here stays" };
                let mut line = node.line(p, key, Outcome::Discarded, format!("discarded: {stays}; recorded"))?;
                line.conflict = Some(record.id);
                report.add(place, line);
            }
            if let Some(stamp) = stamp {
                node.confirm(&survivors.confirmed, number, stamp)?;
            }
            node.conn.execute(
                "DELETE FROM objsync_bond WHERE bond NOT IN (SELECT b.bond FROM objsync_bond b JOIN objsync_waiting w ON w.object = b.object)",
                [],
            )?;
            node.make_final("what waits was discarded since")?;
            report.close();
            Ok(report)
        })
    }
}

fn content_of(class: &Class, json: &Json) -> Result<Content> {
    if json.is_null() { Ok(None) } else { content_from_json(class, json).map(Some) }
}

fn property_of(class: &Class, name: &str) -> Result<usize> {
    class.property(name).ok_or_else(|| {
        let names: Vec<_> = class.properties.iter().map(|p| p.name.as_str()).collect();
        Error::usage(format!(
            "the class {} has no property `{name}`; it has {}; nothing was changed",
            class.name,
            names.join(", ")
        ))
    })
}

fn chosen_content(
    class: &Class,
    record: &ConflictRecord,
    choice: &Choice,
    stands: &Content,
) -> Result<(Chosen, Content)> {
    let set = match choice {
        Choice::Ours => return Ok((Chosen::Ours, content_of(class, &record.ours.content)?)),
        Choice::Theirs => return Ok((Chosen::Theirs, content_of(class, &record.theirs.content)?)),
        Choice::Set(set) => set,
    };
    let Some(mut values) = stands.clone() else {
        return Err(Error::usage(format!(
            "by record {} the {} is deleted, so it has no properties to set; nothing was changed",
            record.id, record.class
        ))
        .hint("take ours or theirs first, whichever is not deleted, then set its properties"));
    };
    for (name, value) in set {
        values[property_of(class, name)?] = value.clone();
    }
    Ok((Chosen::Merged, Some(values)))
}

/// What is `now`, with those values changed in which the decision differs from what stands by the record.
fn with_the_difference(stands: &Content, decided: &Content, now: &Content) -> Content {
    match (stands, decided, now) {
        (Some(stands), Some(decided), Some(now)) => {
            let pick = |((now, stands), decided): ((&Value, &Value), &Value)| {
                if stands == decided { now.clone() } else { decided.clone() }
            };
            Some(now.iter().zip(stands).zip(decided).map(pick).collect())
        }
        _ if stands == decided => now.clone(),
        _ => decided.clone(),
    }
}

/// The table's refusal of a decision, told as such.
fn not_fitting(record: &ConflictRecord, error: Error) -> Error {
    match error.kind() {
        ErrorKind::Constraint => {
            let said = error
                .message()
                .trim_start_matches("CHECK constraint failed: ")
                .trim_end_matches("; nothing was changed");
            let said = match said.strip_prefix("NOT NULL constraint failed: ") {
                Some(column) => format!("{column} must have a value"),
                None => said.to_owned(),
            };
            Error::new(
                ErrorKind::Constraint,
                format!("record {} was not decided so: {said}; nothing was changed", record.id),
            )
            .hint(match error.what_next() {
                "" => "choose other values, or change what stands in the way first",
                better => better,
            })
        }
        _ => error,
    }
}
