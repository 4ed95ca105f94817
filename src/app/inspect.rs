//! What the window shows of single things: a conflict record, what a set would do, every state of an order.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::types::ValueRef;
use serde_json::Value as Json;

use crate::app::engine::Engine;
use crate::app::look::titled;
use crate::app::snapshot::{Column, grouped_decimal};
use crate::app::view::{
    ConflictProperty, ConflictView, HistoryState, HistoryView, JournalLine, Mark, PreviewObject, PreviewView, SideIndex,
};
use crate::demo::query;
use crate::demo::tables::ORDER;
use crate::sync::syncset::{self, Change, SetObject, Size, SyncSet};
use crate::sync::{
    ApplyOptions, Cause, Chosen, ConflictRecord, EventKind, Guid, JournalQuery, Node, Preview, RecordState, Result,
    Rule, Value,
};
use crate::words::{grouped, local_time, visible};

/// Journal lines shown at most.
const LAST_EVENTS: usize = 200;

/// Sets up to this size are read whole for a preview, bytes: some ten thousand objects.
const TOLD_WHOLE: u64 = 4 << 20;

/// Names of everything that orders refer to, by GUID.
pub(super) type Names = HashMap<Guid, String>;

impl Engine {
    /// A record as shown. `compare`: say how the object differs now, which reads it.
    pub(super) fn conflict_view(
        &self,
        side: SideIndex,
        record: &ConflictRecord,
        names: &Names,
        compare: bool,
    ) -> Result<ConflictView> {
        let node = &self.env.nodes[side];
        let guid: Guid = record.guid.parse()?;
        let here = node.info().name.clone();
        let (chosen, result) = record.standing();
        let side_of = |chosen| match chosen {
            Chosen::Ours => Some(side),
            Chosen::Theirs => Some(1 - side),
            Chosen::Merged => None,
        };
        let mut rows: Vec<ConflictProperty> = node
            .class(&record.class)?
            .properties
            .iter()
            .map(|p| {
                let name = p.name.as_str();
                let own = [&record.ours, &record.theirs].map(|s| &s.content);
                // After sets that crossed there may be several: a side is unchanged only where it equals every one of them.
                let alike = value_of(own[0], name) == value_of(own[1], name);
                let changed = own.map(|content| match record.ancestors.as_slice() {
                    // Where both have come to the same, nothing is in conflict.
                    _ if alike => false,
                    [] => true,
                    all => all.iter().any(|before| value_of(content, name) != value_of(before, name)),
                });
                let mut ancestors: Vec<String> =
                    record.ancestors.iter().map(|a| shown(a, &record.class, name, names)).collect();
                ancestors.dedup();
                let from = match value_of(own[0], name) == value_of(own[1], name) {
                    true => None,
                    false if value_of(result, name) == value_of(own[0], name) => Some(side),
                    false => (value_of(result, name) == value_of(own[1], name)).then_some(1 - side),
                };
                let by_side = |pair: [String; 2]| if side == 0 { pair } else { [pair[1].clone(), pair[0].clone()] };
                ConflictProperty {
                    name: p.name.clone(),
                    ancestor: if ancestors.is_empty() { "–".to_owned() } else { ancestors.join(" / ") },
                    values: by_side(own.map(|content| shown(content, &record.class, name, names))),
                    changed: if side == 0 { changed } else { [changed[1], changed[0]] },
                    result: shown(result, &record.class, name, names),
                    from,
                }
            })
            .collect();
        rows.sort_by_key(|r| std::cmp::Reverse(r.changed.iter().filter(|c| **c).count()));
        let made = [record.ours.time, record.theirs.time].map(|at| if at > 0 { local_time(at) } else { String::new() });
        let made = if side == 0 { made } else { [made[1].clone(), made[0].clone()] };
        let title = match (record.number, record.source_number) {
            (Some(a), Some(b)) if a != b => format!("{} {b}, at {here} {a}", record.class),
            _ => format!("{} {}", record.class, record.name()),
        };
        let whose = |chosen| match chosen {
            Chosen::Ours => format!("{here}'s stays"),
            Chosen::Theirs => format!("{}'s is taken", record.source),
            Chosen::Merged => "Property by property".to_owned(),
        };
        let ruled = format!("{}: {}.", whose(record.chosen), record.why);
        let by_hand = record.again.last().map(|d| match d.chosen {
            Chosen::Ours => format!("{here}'s stands, decided by hand at {here}."),
            Chosen::Theirs => format!("{}'s stands, decided by hand at {here}.", record.source),
            Chosen::Merged => format!("Values that were picked or typed stand, decided by hand at {here}."),
        });
        let again = record.again.iter().map(|d| {
            let what = match d.chosen {
                Chosen::Ours => format!("{here}'s was taken"),
                Chosen::Theirs => format!("{}'s was taken", record.source),
                Chosen::Merged => "values were picked".to_owned(),
            };
            let filed = d.number.map_or_else(String::new, |n| format!(", transaction {}", grouped(n)));
            format!("{}: {what}{filed}", local_time(d.at))
        });
        let moved_on = match compare && record.state != RecordState::TakenBack {
            true => Some(node.moved_on(record)?).filter(|m| !m.is_empty()).into_iter().collect(),
            false => Vec::new(),
        };
        Ok(ConflictView {
            side,
            record: record.id,
            state: record.state,
            title,
            guid,
            kind: record.kind.words().to_owned(),
            set: format!("set {} from {}", record.set, record.source),
            properties: rows,
            made,
            chosen_side: side_of(chosen),
            chosen: match chosen {
                Chosen::Ours => here.clone(),
                Chosen::Theirs => record.source.clone(),
                Chosen::Merged => "both".to_owned(),
            },
            why: by_hand.clone().unwrap_or_else(|| ruled.clone()),
            ruled: by_hand.map(|_| ruled).unwrap_or_default(),
            rule: record.rule.clone(),
            again: again.collect(),
            unseen: false,
            moved_on,
            decided_at: local_time(record.at),
        })
    }

    /// What applying a set would do at the node it is addressed to.
    pub(super) fn preview(&mut self, file: &Path, rule: Option<Rule>) -> Result<PreviewView> {
        let side = self.addressee(file)?;
        let options = ApplyOptions { rule, ..ApplyOptions::default() };
        let preview = self.env.preview(side, file, options)?;
        let names = self.names(side)?;
        let Preview { report, records, has, header, digest, bytes } = &preview;
        let mut found: HashMap<i64, ConflictView> = HashMap::new();
        for record in records {
            found.insert(record.id, self.conflict_view(side, record, &names, false)?);
        }
        // What was done there is in the set; of a very large one only what is done here is told.
        let set = if *bytes <= TOLD_WHOLE { syncset::read(&report.file, Size::Usual).ok() } else { None };
        let mut sent: HashMap<Guid, (u64, String)> = set.iter().flat_map(|set| said(set, &names)).collect();
        let mut of = |guid: Guid| sent.remove(&guid).unwrap_or_default();
        let objects = report.objects.iter().map(|o| (o, of(o.guid))).map(|(o, (transaction, change))| PreviewObject {
            transaction,
            change,
            title: match (o.source_number, o.number) {
                (Some(there), Some(here)) if there != here => {
                    format!("{} {there}, at {} {here}", o.class, report.node)
                }
                _ => format!("{} {}", o.class, o.name()),
            },
            guid: o.guid,
            outcome: o.outcome,
            reason: o.reason.clone(),
            conflict: o.conflict.and_then(|id| found.remove(&id)),
        });
        let (here, there) = (&report.node, &report.source);
        let checks = vec![
            format!("The file is whole: its digest is right ({}…).", &digest[..12.min(digest.len())]),
            format!("It is addressed to {here}, and both agree on what is synchronized."),
            format!(
                "No gap: {here} has {there}'s transactions up to {}, the set starts after {}.",
                grouped(*has),
                grouped(header.start)
            ),
        ];
        Ok(PreviewView {
            side,
            source: there.clone(),
            id: report.id,
            file: report.file.clone(),
            bytes: *bytes,
            left_out: report.left_out,
            range: (header.start + 1, header.end),
            checks,
            rule,
            summary: report.summary(),
            objects: objects.collect(),
            warnings: report.warnings.clone(),
        })
    }

    /// Every state of an order at a side.
    pub(super) fn history(&mut self, side: SideIndex, guid: Guid) -> Result<HistoryView> {
        let names = self.names(side)?;
        let node = &mut self.env.nodes[side];
        let entries = node.history(ORDER, guid)?;
        let class = node.class(ORDER)?;
        let number = entries.first().and_then(|e| e.filed.key);
        let states = entries.iter().map(|e| {
            let state = &e.filed.state;
            let values = state.content.iter().flatten().zip(&class.properties).map(|(value, p)| {
                let called = Column::of_property(&p.name).map(|column| column.title().to_lowercase());
                (called.unwrap_or_else(|| p.name.clone()), in_words(value, ORDER, &p.name, &names))
            });
            HistoryState {
                transaction: e.filed.number,
                at: local_time(state.stamp.time),
                author: node.name_of(state.stamp.author),
                through: e.through.words(),
                changes: e.changes.clone(),
                values: values.collect(),
            }
        });
        Ok(HistoryView { side, title: titled(ORDER, number, guid), guid: Some(guid), states: states.collect() })
    }

    /// Names by GUID as a side has them; those it lacks as others do.
    pub(super) fn names(&self, side: SideIndex) -> Result<Names> {
        let mut names = Names::new();
        let here = &self.env.nodes[side];
        let others = self.env.nodes.iter().filter(|node| node.info().guid != here.info().guid);
        for node in others.chain([here]) {
            for class in ["Employee", "Customer", "Item"] {
                for (key, name) in query::choices(node, class)? {
                    if let Some(guid) = node.guid_of(node.class(class)?, key)? {
                        names.insert(guid, visible(&name));
                    }
                }
            }
        }
        Ok(names)
    }
}

/// What the source of a set did to each of its objects, and in which of its transactions last.
fn said(set: &SyncSet, names: &Names) -> HashMap<Guid, (u64, String)> {
    let change = |object: &SetObject| {
        let class = &set.header.classes[object.class];
        match (object.change, &object.state.content) {
            (Change::New, _) => "new".to_owned(),
            (Change::Deleted, _) | (_, None) => "deleted".to_owned(),
            (Change::Changed, Some(values)) => {
                let one = |(place, old): &(usize, Value)| {
                    let (property, new) = (class.properties.get(*place)?, values.get(*place)?);
                    let shown = |value| in_words(value, &class.name, &property.name, names);
                    Some(format!("{} {} → {}", property.name, shown(old), shown(new)))
                };
                object.was.iter().filter_map(one).collect::<Vec<_>>().join(", ")
            }
        }
    };
    set.objects.iter().map(|o| (o.guid, (o.commits.last().copied().unwrap_or_default(), change(o)))).collect()
}

/// The last filing events of a node.
pub(super) fn journal(node: &mut Node) -> Result<Vec<JournalLine>> {
    Ok(journal_lines(&node.journal(&JournalQuery { limit: LAST_EVENTS, ..JournalQuery::default() })?))
}

/// Filing events as shown.
pub(super) fn journal_lines(entries: &[crate::sync::JournalEntry]) -> Vec<JournalLine> {
    let line = |e: &crate::sync::JournalEntry| JournalLine {
        transaction: e.number,
        at: local_time(e.stamp.time),
        title: format!("{} {}", e.class, e.name),
        guid: e.guid,
        mark: match e.kind {
            EventKind::Insert => Mark::New,
            EventKind::Update => Mark::Changed,
            EventKind::Delete => Mark::Deleted,
        },
        changes: e.changes.clone(),
        origin: e.through.words(),
    };
    entries.iter().map(line).collect()
}

/// The cause in a few words.
pub(super) fn cause_words(cause: Cause) -> &'static str {
    match cause {
        Cause::UnknownReference => "a reference is unknown",
        Cause::StillReferredTo => "still referred to",
        Cause::Unique => "a value must be unique",
        Cause::Check => "a check refuses it",
        Cause::NotNull => "a value is missing",
        Cause::Held => "held back",
        Cause::Together => "its transaction waits",
        Cause::Other => "refused",
    }
}

/// The value of a property in a recorded content; `None` where it is deleted.
fn value_of<'a>(content: &'a Json, property: &str) -> Option<&'a Json> {
    content.get(property)
}

/// A value as the panes show it: references by name, an order's numbers grouped, its price with two decimals.
pub(super) fn in_words(value: &Value, class: &str, property: &str, names: &Names) -> String {
    let number = match value {
        Value::Reference(guid) => return names.get(guid).cloned().unwrap_or_else(|| guid.to_string()),
        Value::Integer(n) => ValueRef::Integer(*n),
        Value::Real(r) => ValueRef::Real(*r),
        other => return visible(&other.shown()),
    };
    match property {
        "quantity" | "price" if class == ORDER => grouped_decimal(query::decimal(number), property == "price"),
        _ => visible(&value.shown()),
    }
}

fn shown(content: &Json, class: &str, property: &str, names: &Names) -> String {
    match content.get(property) {
        _ if content.is_null() => "deleted".to_owned(),
        None => "–".to_owned(),
        Some(json) => match Value::from_stored_json(json) {
            Some(value) => in_words(&value, class, property, names),
            None => json.to_string(),
        },
    }
}
