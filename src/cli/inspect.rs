//! Commands that look inside: journal, history of an object, sets and what they carry, sync times.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value as Json, json};

use crate::cli::args::ObjectArgs;
use crate::cli::output::{self, Output, transactions};
use crate::sync::syncset::{self, Change, Size, SyncSet};
use crate::sync::{Environment, Error, ErrorKind, Guid, JournalQuery, Node, Result, SetRecord, Since, Stamp, Value};
use crate::words::{count, grouped, local_time, quoted};

/// The object with that local number, deleted ones too, or that key, or that GUID.
fn object(node: &Node, class: &str, text: &str) -> Result<Guid> {
    let class = node.class(class)?;
    let found = match text.parse::<i64>() {
        Ok(number) if class.has_numbers() => node.guid_by_number(class, number)?,
        _ if class.has_numbers() => Some(text.parse()?),
        _ => match node.guid_by_key(class, text)? {
            Some(guid) => Some(guid),
            None => text.parse().ok(),
        },
    };
    found.ok_or_else(|| {
        Error::new(ErrorKind::Usage, format!("{} knows no {} {text}, or not any more", node.info().name, class.name))
    })
}

fn stamp(node: &Node, stamp: Stamp) -> Json {
    json!({"time": stamp.time, "at": local_time(stamp.time), "author": node.name_of(stamp.author)})
}

pub(crate) fn journal(
    node: &mut Node,
    args: &ObjectArgs,
    (after, upto, limit): (u64, Option<u64>, usize),
    out: Output<'_>,
) -> Result<ExitCode> {
    let object = args.object.as_ref().map(|text| object(node, &args.class, text)).transpose()?;
    let query = JournalQuery { after, upto: upto.unwrap_or(u64::MAX), object, limit };
    let entries = node.journal(&query)?;
    let values = entries.iter().map(|e| {
        let class = node.class(&e.class)?;
        Ok(json!({
            "transaction": e.number, "class": e.class, "guid": e.guid, "number": e.key, "kind": e.kind,
            "before": class.content_json(&e.before), "after": class.content_json(&e.after), "changes": e.changes,
            "stamp": stamp(node, e.stamp), "through": e.through.words(),
        }))
    });
    let values = values.collect::<Result<Vec<Json>>>()?;
    out.done(&values, || {
        if entries.is_empty() {
            return vec!["the journal has no such events".to_owned()];
        }
        let line = |e: &crate::sync::JournalEntry| {
            let what = match e.kind {
                crate::sync::EventKind::Insert => "made".to_owned(),
                crate::sync::EventKind::Delete => "deleted".to_owned(),
                crate::sync::EventKind::Update if e.changes.is_empty() => "its version only".to_owned(),
                crate::sync::EventKind::Update => e.changes.clone(),
            };
            format!(
                "{:>7}  {}  {} {}: {what}  ({})",
                grouped(e.number),
                local_time(e.stamp.time),
                e.class,
                e.name,
                e.through.words()
            )
        };
        entries.iter().map(line).collect()
    })
}

pub(crate) fn history(node: &mut Node, class: &str, text: &str, out: Output<'_>) -> Result<ExitCode> {
    let guid = object(node, class, text)?;
    let entries = node.history(class, guid)?;
    if entries.is_empty() {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("{} knows no {class} {text}, or not any more", node.info().name),
        ));
    }
    let class = node.class(class)?;
    let states: Vec<Json> = entries
        .iter()
        .map(|e| {
            let state = &e.filed.state;
            let vector: Vec<Json> =
                state.vector.entries().iter().map(|(n, at)| json!([node.name_of(*n), at])).collect();
            json!({
                "transaction": e.filed.number, "replaced": e.replaced, "number": e.filed.key.filter(|_| class.has_numbers()), "changes": e.changes,
                "through": e.through.words(), "stamp": stamp(node, state.stamp), "vector": vector,
                "content": class.content_json(&state.content),
            })
        })
        .collect();
    out.done(&json!({"class": class.name, "guid": guid, "states": states}), || {
        let name = match class.has_numbers() {
            true => entries[0].filed.key.map_or_else(|| text.to_owned(), |n| n.to_string()),
            false => text.to_owned(),
        };
        let mut lines =
            vec![format!("{} {name} at {} ({guid}), the present state first", class.name, node.info().name)];
        if !class.journaled {
            lines.push(format!("  {} is not journaled, so only its present state is known", class.name));
            return lines;
        }
        for e in &entries {
            let state = &e.filed.state;
            let transaction = match e.filed.number {
                0 => "before the journal begins".to_owned(),
                n => format!("transaction {}", grouped(n)),
            };
            let changes = if e.changes.is_empty() { "its version only" } else { &e.changes };
            lines.push(format!(
                "  {transaction}: {changes}, {} by {} ({})",
                local_time(state.stamp.time),
                node.name_of(state.stamp.author),
                e.through.words()
            ));
            let seen: Vec<String> =
                state.vector.entries().iter().map(|(n, at)| format!("{} {}", node.name_of(*n), grouped(*at))).collect();
            lines.push(format!("      has seen {}", seen.join(", ")));
        }
        lines
    })
}

/// Which set to look into.
pub(crate) struct Which {
    pub(crate) file: Option<PathBuf>,
    pub(crate) id: i64,
    pub(crate) node: Option<String>,
    pub(crate) from: Option<String>,
    pub(crate) size: Size,
}

pub(crate) fn show(
    env: Option<&mut Environment>,
    which: Which,
    object: Option<&str>,
    out: Output<'_>,
) -> Result<ExitCode> {
    let (file, record) = match (which.file, env) {
        (Some(file), _) => (file, None),
        (None, Some(env)) => {
            let node = env.node(which.node.as_deref().unwrap_or_default())?;
            let records = node.sets_of(which.id, which.from.is_none(), which.from.as_deref())?;
            let record = records.into_iter().next().ok_or_else(|| {
                let name = &node.info().name;
                let what = match &which.from {
                    Some(from) => format!("{name} has applied no set {} from {from}", which.id),
                    None => format!("{name} has prepared no set {}", which.id),
                };
                Error::new(ErrorKind::Usage, what)
                    .hint(format!("objsync sets --node {} lists them; --from names who sent one", quoted(name)))
            })?;
            (record.file.clone(), Some(record))
        }
        (None, None) => return Err(Error::new(ErrorKind::Usage, "say which set: a file, or --id with --node")),
    };
    let set = match (syncset::read(&file, which.size), &record) {
        (Ok(set), Some(record)) if set.digest != record.digest => {
            return record_only(record, "another set is in its file now", out);
        }
        (Ok(set), _) => set,
        (Err(e), Some(record)) => return record_only(record, e.message(), out),
        (Err(e), None) => return Err(e),
    };
    match object {
        Some(text) => one_object(&set, text, out),
        None => header(&set, record.as_ref(), out),
    }
}

/// Where the file is gone, the record still tells what it was.
fn record_only(record: &SetRecord, why: &str, out: Output<'_>) -> Result<ExitCode> {
    out.done(&json!({"record": record, "file_missing": why}), || {
        let mut lines = output::set_records(std::slice::from_ref(record));
        lines.push(format!("  what it carried cannot be shown: {why}"));
        lines
    })
}

fn named(set: &SyncSet, node: crate::sync::NodeId) -> String {
    set.header.nodes.iter().find(|n| n.guid == node).map_or_else(|| node.to_string(), |n| n.name.clone())
}

fn sign(change: Change) -> &'static str {
    match change {
        Change::New => "+",
        Change::Changed => "≠",
        Change::Deleted => "−",
    }
}

fn header(set: &SyncSet, record: Option<&SetRecord>, out: Output<'_>) -> Result<ExitCode> {
    let h = &set.header;
    let by = |pairs: &[(crate::sync::NodeId, u64)]| -> serde_json::Map<String, Json> {
        pairs.iter().map(|(n, at)| (named(set, *n), json!(at))).collect()
    };
    let objects: Vec<Json> = set.objects.iter().map(|o| object_json(set, o)).collect();
    let value = json!({
        "id": h.id, "source": h.source, "target": h.target, "number": h.number, "start": h.start, "end": h.end,
        "clock": local_time(h.clock), "received": by(&h.received), "lineage": by(&h.lineage),
        "classes": h.classes, "transactions": set.transactions, "digest": set.digest, "bytes": set.bytes,
        "objects": objects, "record": record,
    });
    out.done(&value, || {
        let mut lines = vec![
            format!("set {} from {} ({}) to {} ({})", h.id, h.source.name, h.source.guid, h.target.name, h.target.guid),
            format!(
                "  {} in {}; it covers {}'s {}; {} was at {} then, {}",
                count(set.objects.len(), "object"),
                count(set.transactions, "transaction"),
                h.source.name,
                match h.start == h.end {
                    true => format!("transactions up to {}, nothing new", grouped(h.end)),
                    false => transactions(h.start + 1, h.end),
                },
                h.source.name,
                grouped(h.number),
                local_time(h.clock)
            ),
        ];
        for (node, number) in h.received.iter().filter(|(_, number)| *number > 0) {
            lines.push(format!(
                "  {} has {}'s transactions up to {}",
                h.source.name,
                named(set, *node),
                grouped(*number)
            ));
        }
        let journaled: Vec<_> = h.classes.iter().filter(|c| c.journaled).map(|c| c.name.as_str()).collect();
        lines.push(format!("  synchronized: {}", journaled.join(", ")));
        lines.push(format!("  digest {} (right), {} bytes", set.digest, grouped(set.bytes)));
        for o in set.objects.iter().take(40) {
            lines.push(format!("  {} {}", sign(o.change), object_title(set, o)));
        }
        if set.objects.len() > 40 {
            lines.push(format!("  … {} objects in all; --json lists them", grouped(set.objects.len() as u64)));
        }
        lines.push("one object in full: --object NUMBER".to_owned());
        lines
    })
}

fn object_title(set: &SyncSet, o: &syncset::SetObject) -> String {
    let class = &set.header.classes[o.class];
    format!("{} {}", class.name, o.name(class))
}

fn object_json(set: &SyncSet, o: &syncset::SetObject) -> Json {
    let class = &set.header.classes[o.class];
    let was: serde_json::Map<String, Json> =
        o.was.iter().map(|(i, v)| (class.properties[*i].name.clone(), v.to_stored_json())).collect();
    let vector: Vec<Json> = o.state.vector.entries().iter().map(|(n, at)| json!([named(set, *n), at])).collect();
    json!({
        "class": class.name, "guid": o.guid, "number": o.key, "change": o.change, "transactions": o.commits,
        "content": class.content_json(&o.state.content), "was": was, "vector": vector,
        "stamp": {"time": o.state.stamp.time, "at": local_time(o.state.stamp.time), "author": named(set, o.state.stamp.author)},
    })
}

fn one_object(set: &SyncSet, text: &str, out: Output<'_>) -> Result<ExitCode> {
    let called = |o: &&syncset::SetObject| o.name(&set.header.classes[o.class]) == text || o.guid.to_string() == text;
    let found = set.objects.iter().find(called);
    let Some(o) = found else {
        return Err(Error::new(ErrorKind::Usage, format!("the set carries no object {text}")));
    };
    let class = &set.header.classes[o.class];
    out.done(&object_json(set, o), || {
        let mut lines = vec![format!("{} {} ({})", sign(o.change), object_title(set, o), o.guid)];
        let commits: Vec<String> = o.commits.iter().map(|n| grouped(*n)).collect();
        lines.push(format!(
            "  filed in {}'s {} {}",
            set.header.source.name,
            if commits.len() == 1 { "transaction" } else { "transactions" },
            commits.join(", ")
        ));
        let stamp = o.state.stamp;
        lines.push(format!("  made at {}, {}", named(set, stamp.author), local_time(stamp.time)));
        let seen: Vec<String> =
            o.state.vector.entries().iter().map(|(n, at)| format!("{} {}", named(set, *n), grouped(*at))).collect();
        lines.push(format!("  has seen {}", seen.join(", ")));
        match &o.state.content {
            None => lines.push("  deleted".to_owned()),
            Some(values) => {
                for (i, (p, value)) in class.properties.iter().zip(values).enumerate() {
                    let was = o.was.iter().find(|(place, _)| *place == i);
                    let typed = Value::need_types([value].into_iter().chain(was.map(|(_, old)| old)));
                    let shown = |value: &Value| if typed { value.shown_typed() } else { value.shown() };
                    let was = was.map(|(_, old)| format!(" (was {})", shown(old))).unwrap_or_default();
                    lines.push(format!("  {} {}{was}", p.name, shown(value)));
                }
            }
        }
        lines
    })
}

pub(crate) fn sets(node: &Node, limit: usize, out: Output<'_>) -> Result<ExitCode> {
    let records = node.set_records(limit)?;
    let mut values = Vec::new();
    let mut lines = Vec::new();
    for record in &records {
        let applied = !record.sent && !record.taken_back;
        let undo =
            applied.then(|| Ok::<_, Error>((node.can_take_back(record)?, node.can_revert(record)?))).transpose()?;
        let mut value = json!(record);
        lines.extend(output::set_records(std::slice::from_ref(record)));
        if let Some((take_back, revert)) = undo {
            value["take_back"] = json!(take_back.as_ref().err().cloned().unwrap_or_else(|| "possible".to_owned()));
            value["revert"] = json!(revert.as_ref().err().cloned().unwrap_or_else(|| "possible".to_owned()));
            lines.push(match take_back {
                Ok(()) => "      can be taken back".to_owned(),
                Err(why) => format!("      cannot be taken back: {why}"),
            });
        }
        values.push(value);
    }
    out.done(&values, || match records.is_empty() {
        true => vec![format!("{} has prepared and applied no set yet", node.info().name)],
        false => lines,
    })
}

pub(crate) fn sync_times(env: &mut Environment, place: usize, out: Output<'_>) -> Result<ExitCode> {
    let node = &env.nodes[place];
    let (name, number) = (node.info().name.clone(), node.number()?);
    let mut values = Vec::new();
    let mut lines = vec![format!("{name}, transaction {}", grouped(number))];
    for peer in node.peers()? {
        let times = node.sync_times(peer)?;
        let (sent, acknowledged) = (node.start_for(peer, Since::Sent)?, node.start_for(peer, Since::Acknowledged)?);
        let known = node.name_of(peer);
        values.push(json!({"peer": known, "guid": peer, "sent": sent, "acknowledged": acknowledged, "received": times.received}));
        lines.push(format!(
            "  {known} ({peer}): sent up to {}, {known} has acknowledged up to {}; received {known}'s up to {}",
            grouped(sent),
            grouped(acknowledged),
            grouped(times.received)
        ));
    }
    out.done(&json!({"node": name, "transaction": number, "peers": values}), || lines)
}
