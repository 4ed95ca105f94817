//! Deciding a conflict, giving up what waits, reverting a set: what asks before it is done.

use super::Engine;
use super::exchanging::applied;
use crate::app::view::{Action, Choose, Detail, Done, PickValue, Question, SideIndex};
use crate::demo::query;
use crate::demo::scenario::report_lines;
use crate::sync::{Choice, Error, ErrorKind, Node, Outcome, Resolution, Result, Value};
use crate::words::count;

impl Engine {
    pub(super) fn revert(&mut self, side: SideIndex, seq: i64, confirmed: bool) -> Result<Done> {
        let set = self.env.nodes[side].set_record(seq)?;
        let (name, set) = (self.name(side), format!("set {} from {}", set.id, set.peer_name));
        let reverted = match confirmed {
            true => self.env.nodes[side].revert(seq)?,
            false => self.env.nodes[side].preview_revert(seq)?,
        };
        let lines: Vec<String> = reverted
            .objects
            .iter()
            .map(|o| format!("{} {}: {}", o.class, o.name(), o.reason))
            .chain(reverted.kept.iter().cloned())
            .collect();
        if !confirmed {
            if reverted.number.is_none() {
                let text = format!("Nothing is left of {set} to be restored at {name}; nothing was changed");
                return Ok(Done { text, details: lines.into_iter().map(Detail::from).collect(), ..Done::default() });
            }
            let text = format!(
                "New changes are made at {name} that restore what the set changed; they travel to {} like any other.",
                self.name(1 - side)
            );
            let action = Action::Revert { side, seq, confirmed: true };
            return Ok(asking(format!("Revert {set} at {name}?"), text, lines, "Revert", action));
        }
        let objects = count(reverted.objects.len(), "order");
        let changed =
            reverted.objects.iter().filter(|o| o.outcome != Outcome::Deleted).map(|o| (side, o.guid)).collect();
        Ok(Done {
            text: format!("Reverted {set} at {name}: {objects} restored"),
            details: lines.into_iter().map(Detail::from).collect(),
            changed,
            ..Done::default()
        })
    }

    pub(super) fn resolve(&mut self, side: SideIndex, record: i64, choose: Choose, confirmed: bool) -> Result<Done> {
        let node = &mut self.env.nodes[side];
        let found = node.conflict(record)?;
        let choice = match &choose {
            Choose::Side(chosen) if *chosen == side => Choice::Ours,
            Choose::Side(_) => Choice::Theirs,
            Choose::Properties(picks) => {
                let value = |(property, pick): &(String, PickValue)| {
                    let value = match pick {
                        PickValue::Text(text) => {
                            node.typed(&found.class, property, &as_typed(node, property, text)?)?
                        }
                        PickValue::Side(chosen) => {
                            let content = if *chosen == side { &found.ours.content } else { &found.theirs.content };
                            Value::from_stored_json(&content[property]).unwrap_or(Value::Null)
                        }
                    };
                    Ok((property.clone(), value))
                };
                Choice::Set(picks.iter().map(value).collect::<Result<_>>()?)
            }
        };
        let name = node.info().name.clone();
        let what = format!("{} {}", found.class, found.name());
        match node.resolve(record, &choice, confirmed)? {
            Resolution::MovedOn { moved_on, changes } => {
                let changes = if changes.is_empty() { "nothing".to_owned() } else { changes };
                let text = format!(
                    "{what} at {name} is not any more what the record says: {moved_on}. Your decision would change now: {changes}."
                );
                let action = Action::Resolve { side, record, choice: choose, confirmed: true };
                Ok(asking(format!("{what} has changed since"), text, Vec::new(), "File decision", action))
            }
            Resolution::Filed { changes, .. } => {
                let changes = if changes.is_empty() { "nothing had to change".to_owned() } else { changes };
                let changed = found.guid.parse().map(|guid| vec![(side, guid)])?;
                let text = format!("Decided conflict {record} at {name}: {what}, {changes}");
                Ok(Done { text, changed, conflict: Some((side, record)), ..Done::default() })
            }
        }
    }

    pub(super) fn discard(&mut self, side: SideIndex, ids: Vec<i64>, confirmed: bool) -> Result<Done> {
        let node = &mut self.env.nodes[side];
        let name = node.info().name.clone();
        if !confirmed {
            let report = node.preview_discard(Some(&ids))?;
            let lines: Vec<String> = report_lines(&report).split_off(1).iter().map(|l| l.trim().to_owned()).collect();
            let text = "What is here stays, and the other side is told so. What came is kept in a record: under Conflicts it can be decided again.".to_owned();
            let action = Action::Discard { side, ids, confirmed: true };
            return Ok(asking(format!("Give up what waits at {name}?"), text, lines, "Discard", action));
        }
        let report = node.discard(Some(&ids))?;
        Ok(Done { text: format!("Gave up what waited at {name}: {}", report.summary()), ..applied(side, &report) })
    }
}

/// What was typed into a property of an order, as the engine reads it: names of what it refers to as their numbers, and
/// numbers without the commas that the window writes.
fn as_typed(node: &Node, property: &str, text: &str) -> Result<String> {
    let class = match property {
        "employee" => "Employee",
        "customer" => "Customer",
        "item" => "Item",
        "quantity" | "price" => return Ok(text.replace(',', "")),
        _ => return Ok(text.to_owned()),
    };
    let text = text.trim();
    let wrong = |what: String| Err(Error::new(ErrorKind::Constraint, format!("{what}; nothing was changed")));
    let named: Vec<i64> = query::choices(node, class)?
        .into_iter()
        .filter(|(_, name)| name.to_lowercase() == text.to_lowercase())
        .map(|(key, _)| key)
        .collect();
    match named.as_slice() {
        [key] => Ok(key.to_string()),
        [] if text.parse::<i64>().is_ok() => Ok(text.to_owned()),
        [] => wrong(format!("no {property} at {} is called “{text}”", node.info().name)),
        many => wrong(format!("{} {property}s at {} are called “{text}”; type a number", many.len(), node.info().name)),
    }
}

/// A question that must be answered before anything is done.
pub(super) fn asking(title: String, text: String, lines: Vec<String>, yes: &str, action: Action) -> Done {
    let status = title.clone();
    Done { text: status, ask: Some(Question { title, text, lines, yes: yes.to_owned(), action }), ..Done::default() }
}
