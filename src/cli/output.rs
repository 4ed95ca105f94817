//! Saying what came of a command: one JSON value, or lines for people.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use serde::Serialize;

use crate::cli::args::{self, Place};
use crate::cli::commands::ShownOrder;
use crate::cli::progress;
use crate::demo::model::Order;
use crate::demo::scenario::{conflict_lines, report_lines};
use crate::sync::{
    ClassVerification, Error, ErrorKind, Node, NodeStatus, Prepared, Preview, Result, SetRecord, Status, Unsent,
    Verification, Waiting,
};
use crate::words::{count, grouped, local_time, quoted, quoted_path, visible};

/// How to answer.
#[derive(Clone, Copy)]
pub(crate) struct Output<'a> {
    pub(crate) json: bool,
    /// The folder or files that were named; the commands that an answer proposes name them, too.
    pub(crate) place: &'a Place,
}

/// Commands in a text, made ready to be run in the same place: `objsync sync` becomes `objsync --dir demo sync`.
fn runnable(text: &str, place: &Place) -> String {
    let named = place.dir.iter().map(|dir| ("--dir", dir)).chain(place.db.iter().map(|file| ("--db", file)));
    let named: String = named.map(|(option, path)| format!("{option} {} ", quoted_path(path))).collect();
    if named.is_empty() {
        return text.to_owned();
    }
    let text = &match place.db.as_slice() {
        [file] => text.replace("objsync untrack FILE", &format!("objsync untrack {}", quoted_path(file))),
        _ => text.to_owned(),
    };
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("objsync ") {
        let (before, after) = rest.split_at(at + "objsync ".len());
        out.push_str(before);
        // A command, not the program's name in a sentence.
        let word: String = after.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
        if args::Args::command().find_subcommand(&word).is_some()
            && !["tour", "track", "untrack", "copy", "sample", "licences"].contains(&word.as_str())
            && !["--dir", "--db"].iter().any(|option| after.lines().next().unwrap_or("").contains(option))
        {
            out.push_str(&named);
        }
        rest = after;
    }
    out + rest
}

impl Output<'_> {
    /// Writes the answer. A reader that has gone away (`objsync … | head`) is no failure.
    pub(crate) fn done(self, value: &impl Serialize, lines: impl FnOnce() -> Vec<String>) -> Result<ExitCode> {
        let text = match self.json {
            true => serde_json::to_string_pretty(value).map_err(|e| Error::new(ErrorKind::Storage, e.to_string()))?,
            false => visible(&runnable(&lines().join("\n"), self.place)),
        };
        progress::clear();
        match writeln!(std::io::stdout().lock(), "{text}") {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Error::new(ErrorKind::Storage, format!("it was done, but the answer could not be written: {e}")))
            }
            _ => Ok(ExitCode::SUCCESS),
        }
    }
}

/// Says what went wrong, on standard error.
pub(crate) fn error(error: &Error, place: &Place) {
    let _ = writeln!(std::io::stderr().lock(), "objsync: {}", visible(&runnable(&error.to_string(), place)));
}

/// `transaction 5`, `transactions 5 to 7`.
pub(crate) fn transactions(first: u64, last: u64) -> String {
    match first == last {
        true => format!("transaction {}", grouped(first)),
        false => format!("transactions {} to {}", grouped(first), grouped(last)),
    }
}

/// Of a node's file whose permissions are these.
pub(crate) fn others_can_read(file: &Path, mode: &str) -> String {
    format!(
        "others on this machine can get at its file (mode {mode}), which holds the key that it signs with: chmod 600 {}",
        quoted_path(file)
    )
}

/// A preview: the report it foretells, and the records.
pub(crate) fn preview(node: &Node, preview: &Preview) -> Vec<String> {
    let report = &preview.report;
    let mut lines = vec![format!(
        "set {} from {} ({}, digest right, no gap: {} has {}'s transactions up to {}); nothing was changed",
        report.id,
        report.source,
        count(report.total(), "object"),
        report.node,
        report.source,
        grouped(preview.has)
    )];
    lines.extend(report_lines(report));
    lines.extend(preview.records.iter().flat_map(|record| conflict_lines(node, record)));
    lines
}

/// Sets prepared and applied, a line each.
pub(crate) fn set_records(records: &[SetRecord]) -> Vec<String> {
    let line = |r: &SetRecord| {
        let what = match (r.sent, r.taken_back) {
            (true, _) => format!("prepared for {}", r.peer_name),
            (false, false) => format!("applied, from {}", r.peer_name),
            (false, true) => format!("applied, from {}, and taken back", r.peer_name),
        };
        let what = match r.reverted {
            Some(number) => format!("{what}, reverted by transaction {}", grouped(number)),
            None => what,
        };
        let range = match r.first > r.last {
            true => format!("nothing new since {}", grouped(r.last)),
            false => transactions(r.first, r.last),
        };
        format!(
            "{}  set {} {what}: {}, {range}, {} bytes, {}",
            local_time(r.at),
            r.id,
            count(r.objects, "object"),
            grouped(r.bytes),
            r.file.display()
        )
    };
    records.iter().map(line).collect()
}

/// Who is left out, what waits and what is to be decided.
pub(crate) fn left_to_do(status: &Status) -> Vec<String> {
    let mut lines = Vec::new();
    for (i, node) in status.nodes.iter().enumerate() {
        let later = |name: &str| status.nodes[i + 1..].iter().any(|n| n.name == name);
        for peer in node.peers.iter().filter(|peer| peer.retired && later(&peer.name)) {
            lines.push(format!(
                "{} and {}: one was retired at the other, so nothing is exchanged between them",
                node.name, peer.name
            ));
        }
    }
    lines.extend(unsent(&status.unsent));
    for node in &status.nodes {
        if let Some(knows) = &node.restored {
            lines.push(format!(
                "  ! its file was put back from a backup: {knows} knows what it does not; objsync rejoin --node {}",
                quoted(&node.name)
            ));
        }
        if node.requeued > 0 {
            lines.push(format!("{}: {}", node.name, waits(node)));
        }
        if node.open_conflicts > 0 {
            lines.push(format!(
                "{}: {} to decide: objsync conflicts --node {}",
                node.name,
                node.open_conflicts,
                quoted(&node.name)
            ));
        }
    }
    lines
}

/// What retired nodes have that nobody else has, and how it is saved.
pub(crate) fn unsent(unsent: &[Unsent]) -> Vec<String> {
    let line = |u: &Unsent| {
        let more = if u.objects > u.named.len() { ", …" } else { "" };
        format!(
            "  ! {0} was retired at {1} and has {2} that {1} has not: {3}{more}; they are only in {4}. To save them make {0} a new node, then synchronize: objsync rejoin --node {0}; objsync sync",
            u.node,
            u.at,
            count(u.objects, "change"),
            u.named.join(", "),
            u.file.display()
        )
    };
    unsent.iter().map(line).collect()
}

fn waits(node: &NodeStatus) -> String {
    let wait = if node.requeued == 1 { "object waits" } else { "objects wait" };
    format!("{} {wait}: objsync requeue --node {}", node.requeued, quoted(&node.name))
}

pub(crate) fn status(status: &Status) -> Vec<String> {
    let heading = match status.nodes.as_slice() {
        [alone] => format!("{} alone; what its peers have is known by their sets only", alone.name),
        _ => format!("{}: {}", status.dir.display(), if status.equal { "in sync" } else { "not level" }),
    };
    let mut lines = vec![heading];
    for node in &status.nodes {
        lines.push(format!(
            "{} ({}, {}), transaction {}, {}",
            node.name,
            node.role.name(),
            node.guid,
            grouped(node.transaction),
            node.file.display()
        ));
        let counts: Vec<_> = node
            .classes
            .iter()
            .map(|c| format!("{} {}{}", grouped(c.count), c.table, if c.journaled { " (journaled)" } else { "" }))
            .collect();
        lines.push(format!("  {}", counts.join(", ")));
        for peer in &node.peers {
            if peer.retired {
                lines
                    .push(format!("  {} was given up, or has given up {}: nothing is exchanged", peer.name, node.name));
                continue;
            }
            lines.push(format!(
                "  to {}{}: {} in {} to send; sent up to {}, acknowledged {}; has {}'s up to {}",
                peer.name,
                if peer.elsewhere { ", whose file is elsewhere" } else { "" },
                count(peer.to_send.objects, "object"),
                count(peer.to_send.transactions, "transaction"),
                grouped(peer.sent),
                grouped(peer.acknowledged),
                peer.name,
                grouped(peer.received)
            ));
        }
        if let Some(was_at) = &node.was_at {
            lines.push(format!(
                "  ! its file was {was_at}: if this is a copy or a backup, objsync rejoin --node {0}; if it was only moved, objsync moved --node {0}",
                quoted(&node.name)
            ));
        }
        if let Some(was) = node.clock_was {
            lines.push(format!(
                "  ! its clock was once more than a day ahead, at {}: what was written then is the later for no rule; see `objsync check`",
                local_time(was)
            ));
        }
        if node.read_only {
            lines.push("  its file cannot be written here, so it was only looked at".to_owned());
        }
        lines.extend(node.readable_by_others.iter().map(|mode| format!("  ! {}", others_can_read(&node.file, mode))));
        if node.requeued > 0 {
            lines.push(format!("  {}", waits(node)));
        }
        if node.open_conflicts > 0 {
            lines.push(format!("  {} to decide: objsync conflicts --node {}", node.open_conflicts, quoted(&node.name)));
        }
    }
    lines.extend(unsent(&status.unsent));
    lines.extend(status.lacking.iter().map(|what| format!("  ! {what}")));
    lines
}

/// `here`: the node that is to apply it is at hand, too.
pub(crate) fn prepared(p: &Prepared, here: bool) -> Vec<String> {
    let range = match p.first_transaction > p.last_transaction {
        true => format!(
            "nothing new since {}'s transaction {}; it carries the acknowledgement",
            p.source,
            grouped(p.last_transaction)
        ),
        false => format!(
            "{} in {} ({})",
            count(p.objects, "object"),
            count(p.transactions, "transaction"),
            transactions(p.first_transaction, p.last_transaction)
        ),
    };
    vec![
        format!("set {} from {} to {}: {range}, {} bytes", p.id, p.source, p.target, grouped(p.bytes)),
        format!("{}", p.file.display()),
        match here {
            true => format!("next: objsync apply {} --node {}", quoted_path(&p.file), quoted(&p.target)),
            false => format!("next: take it to where {} is, and apply it there", p.target),
        },
    ]
}

pub(crate) fn waiting(name: &str, waiting: &[Waiting]) -> Vec<String> {
    if waiting.is_empty() {
        return vec!["nothing waits here".to_owned()];
    }
    let line = |w: &Waiting| {
        format!(
            "{}: {} {} (set {} from {}, transaction {}): {}",
            w.id,
            w.class,
            w.name(),
            w.set,
            w.source,
            grouped(w.transaction),
            w.reason
        )
    };
    let mut lines: Vec<String> = waiting.iter().map(line).collect();
    let name = quoted(name);
    lines.push(format!(
        "try again: objsync requeue retry --node {name}; give up: objsync requeue discard NUMBER --node {name}"
    ));
    lines
}

pub(crate) fn verification(found: &Verification) -> Vec<String> {
    let mut lines = vec![if found.equal { "equal" } else { "they differ" }.to_owned()];
    lines.extend(found.disagree.iter().chain(&found.lacking).map(|what| format!("  ! {what}")));
    for class in &found.classes {
        lines.push(format!("{}{}", class.name, if class.journaled { "" } else { " (not journaled, does not count)" }));
        for (node, digest) in &class.digests {
            lines.push(format!("  {node}: {}", digest.as_str().unwrap_or_default()));
        }
        let names: Vec<&String> = class.digests.keys().collect();
        for difference in class.differences.iter().take(20) {
            let called = difference.names();
            let numbers = called.iter().zip(&names).map(|(name, node)| match name {
                Some(name) => format!("{node} {name}"),
                None => format!("not at {node}"),
            });
            let each = |values: &[Option<String>]| {
                let there =
                    values.iter().zip(&names).filter_map(|(v, node)| Some(format!("{} at {node}", v.as_ref()?)));
                there.collect::<Vec<_>>().join(", ")
            };
            let properties = difference.properties.iter().map(|p| format!("{} {}", p.name, each(&p.values)));
            let said: Vec<String> = [numbers.collect::<Vec<_>>().join(", ")].into_iter().chain(properties).collect();
            lines.push(format!("  {}: {}", difference.guid, said.join("; ")));
        }
        if class.differences.len() > 20 {
            lines.push(format!(
                "  … {} objects differ in all; --json lists them",
                grouped(class.differences.len() as u64)
            ));
        }
        lines.extend(unseen(class));
    }
    lines
}

/// Rows that were written or removed past the triggers, with what to do once for those of one kind at one node.
fn unseen(class: &ClassVerification) -> Vec<String> {
    let mut lines = Vec::new();
    for rows in class.unseen.chunk_by(|a, b| (&a.node, a.removed) == (&b.node, b.removed)) {
        for row in rows.iter().take(20) {
            let what = match row.removed {
                false => "has no identity: it was written while the triggers were away, so it does not travel",
                true => "went while the triggers were away, so that does not travel",
            };
            lines.push(format!("  ! {} {} at {} {what}", class.name, row.key, row.node));
        }
        if rows.len() > 20 {
            lines.push(format!("  … {} such rows in all; --json lists them", grouped(rows.len() as u64)));
        }
        lines.push(format!("      {}", rows[0].todo));
    }
    lines
}

pub(crate) fn order(shown: &ShownOrder) -> Vec<String> {
    let o = &shown.order;
    let guid = shown.guid.map_or_else(|| "unknown".to_owned(), |g| g.to_string());
    vec![
        format!("order {} ({guid})", o.order_num),
        format!("  employee {}, customer {}, item {}", o.employee, o.customer, o.item),
        format!("  {}, quantity {}, price {}", o.date_order, o.quantity, o.price),
    ]
}

pub(crate) fn orders(orders: &[Order]) -> Vec<String> {
    let heading = format!(
        "{:>9} {:>8} {:>8} {:19} {:>6} {:>8} {:>8}",
        "order", "employee", "customer", "date", "item", "quantity", "price"
    );
    let row = |o: &Order| {
        format!(
            "{:>9} {:>8} {:>8} {:19} {:>6} {:>8} {:>8}",
            o.order_num, o.employee, o.customer, o.date_order, o.item, o.quantity, o.price
        )
    };
    [heading].into_iter().chain(orders.iter().map(row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposed_commands_name_the_folder_that_was_named() {
        let said = "it waits: objsync requeue --node A (or objsync conflicts --node A); objsync is a program";
        let at = |dir: &str| Place { dir: Some(dir.into()), db: Vec::new() };
        assert_eq!(runnable(said, &Place::default()), said);
        assert_eq!(
            runnable(said, &at("demo")),
            "it waits: objsync --dir demo requeue --node A (or objsync --dir demo conflicts --node A); objsync is a program"
        );
        assert_eq!(runnable("hint: objsync sync", &at("my files")), "hint: objsync --dir 'my files' sync");
        assert_eq!(runnable("objsync install --dir x", &at("x")), "objsync install --dir x");
        let files = Place { dir: None, db: vec!["a.db".into(), "b.db".into()] };
        assert_eq!(runnable("objsync sync", &files), "objsync --db a.db --db b.db sync");
    }
}
