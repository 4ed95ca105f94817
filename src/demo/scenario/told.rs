//! Reports and conflict records in words, as the terminal and the window's activity tell them.

use crate::demo::query::choices;
use crate::demo::tables::ORDER;
use crate::sync::{Chosen, ConflictRecord, Node, RecordState, Report, Value};
use crate::words::{count, grouped, local_time, quoted};

/// A report in words: a heading, and a line an object.
pub fn report_lines(report: &Report) -> Vec<String> {
    let heading = format!("{}: {}", report.node, report.summary());
    let objects = report.objects.iter().map(|o| {
        let shown = match (o.source_number, o.number) {
            (Some(there), Some(here)) if there != here => format!("{} {there}, at {} {here}", o.class, report.node),
            _ => format!("{} {}", o.class, o.name()),
        };
        format!("  {shown}: {}", o.reason)
    });
    [heading].into_iter().chain(objects).chain(report.warnings.iter().map(|w| format!("  warning: {w}"))).collect()
}

/// What an order refers to, by its name.
fn named(node: &Node, class: &str, property: &str, content: &serde_json::Value) -> Option<String> {
    let referred =
        node.class(class).ok().filter(|c| c.name == ORDER)?.properties.iter().find(|p| p.name == property)?;
    let referred = node.class(referred.references.as_ref()?).ok()?;
    let Some(Value::Reference(guid)) = Value::from_stored_json(content.get(property)?) else { return None };
    let key = node.key_of(referred, guid).ok()??;
    let names = choices(node, &referred.name).ok()?;
    names.into_iter().find(|(known, _)| *known == key).map(|(_, name)| name)
}

/// A conflict record of a node in words.
pub fn conflict_lines(node: &Node, record: &ConflictRecord) -> Vec<String> {
    let class = record.class.as_str();
    let number = record.name();
    let title = match record.state {
        RecordState::Open => "open conflict",
        RecordState::Combined => "combination",
        RecordState::TakenBack => "taken back: conflict",
        RecordState::Decided => "conflict",
    };
    let others = match record.siblings.len() {
        0 => String::new(),
        n => format!(", with {} of the same transaction", count(n, "other object")),
    };
    let mut lines = vec![format!(
        "{title} {}: {class} {number}, {} (set {} from {}{others})",
        record.id,
        record.kind.words(),
        record.set,
        record.source
    )];
    let (_, result) = record.standing();
    let properties = node.class(class).map(|c| c.properties.iter().map(|p| p.name.clone()).collect::<Vec<_>>());
    for property in properties.unwrap_or_else(|_| record.properties.clone()) {
        let contents: Vec<&serde_json::Value> =
            [&record.ours.content, &record.theirs.content, result].into_iter().chain(&record.ancestors).collect();
        let stored = node.shown_stored(class, &property, &contents);
        let name = |(content, stored)| named(node, class, &property, content).unwrap_or(stored);
        let mut shown: Vec<String> = contents.into_iter().zip(stored).map(name).collect();
        let before = shown.split_off(3);
        let [ours, theirs, result] = [&shown[0], &shown[1], &shown[2]];
        // What is the same everywhere tells nothing.
        if ours == theirs && theirs == result {
            continue;
        }
        let before = if before.is_empty() { "unknown".to_owned() } else { before.join(" or ") };
        lines.push(format!("  {property}: last common {before}; here {ours}; there {theirs}; result {result}"));
    }
    let stands = match record.chosen {
        Chosen::Ours => "the state here stays",
        Chosen::Theirs => "the state from there is taken",
        Chosen::Merged => "property by property",
    };
    lines.push(format!("  found {}: {stands}: {} ({})", local_time(record.at), record.why, record.rule));
    let mut stood = &record.result;
    for again in &record.again {
        let what = match again.chosen {
            Chosen::Ours => "the state here".to_owned(),
            Chosen::Theirs => "the state from there".to_owned(),
            Chosen::Merged => {
                let values = again.result.as_object().into_iter().flatten();
                let changed = values.filter(|(p, v)| stood.get(p.as_str()) != Some(*v));
                // Beside what stood before, as it may be of another type.
                let value = |p: &str| node.shown_stored(class, p, &[&again.result, stood]).swap_remove(0);
                let said: Vec<String> = changed.map(|(p, _)| format!("{p} {}", value(p))).collect();
                said.join(", ")
            }
        };
        let filed =
            again.number.map_or_else(|| "nothing had to change".to_owned(), |n| format!("transaction {}", grouped(n)));
        lines.push(format!("  decided {}: {what} ({filed})", local_time(again.at)));
        stood = &again.result;
    }
    if record.state == RecordState::Open {
        let here = &node.info().name;
        lines.push(format!(
            "  to be decided: objsync resolve {} --node {} --ours, or --theirs, or --set PROPERTY=VALUE",
            record.id,
            quoted(here)
        ));
    }
    lines
}
