//! Saying what was done with an object, or why it waits, in words.

use crate::sync::decide::Chosen;
use crate::sync::error::{Error, Refusal, Result};
use crate::sync::merge::Why;
use crate::sync::node::Node;
use crate::sync::report::{ObjectReport, Outcome};
use crate::sync::requeue::Pending;
use crate::sync::schema::Class;
use crate::sync::trial::{Settling, Step};
use crate::sync::value::Value;

impl Node {
    /// One vector, two contents: numbers were given twice.
    pub(crate) fn reused(&self, p: &Pending) -> Error {
        let source = self.nodes.name(p.peer);
        let what = format!(
            "{} comes from {source} with a version that is known here with another content: some node's file was restored from a backup or copied and used on; nothing was changed",
            self.title(p)
        );
        Error::refused(Refusal::Restored, what)
            .hint(format!("find out which node was restored (likely {source}), make it a new node there (objsync rejoin), and prepare the set again"))
    }

    pub(crate) fn unknown_reference(&self, property: &str, value: &Value, target: Option<&str>) -> String {
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

    pub(crate) fn title(&self, p: &Pending) -> String {
        let class = &self.classes[p.class].name;
        match p.key {
            Some(key) => format!("{class} {key}"),
            None => format!("{class} {}", p.guid),
        }
    }

    pub(crate) fn line(
        &self,
        p: &Pending,
        number: Option<i64>,
        outcome: Outcome,
        reason: String,
    ) -> Result<ObjectReport> {
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
    pub(crate) fn told(&self, settling: &Settling<'_>, step: &Step) -> Result<ObjectReport> {
        let p = &settling.pending[step.place];
        let class = &self.classes[p.class];
        let (old, new) =
            (step.merged.before.as_ref().and_then(|b| b.state.content.as_ref()), step.merged.new.content.as_ref());
        let source = self.nodes.name(p.peer);
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
    pub(crate) fn changes(&self, class: &Class, old: &[Value], new: &[Value]) -> String {
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
