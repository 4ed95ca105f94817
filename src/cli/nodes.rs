//! Commands about the nodes themselves: classes, keys, giving one up, and forgetting what all have confirmed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use crate::cli::args::{ClassesCommand, KeysCommand};
use crate::cli::output::{self, Output};
use crate::sync::{
    Environment, Error, ErrorKind, KnownKey, Node, NodeId, NodeInfo, PublicKey, Result, Switched, Unsent,
};
use crate::words::{count, grouped, quoted, quoted_path, same_name};

pub(crate) fn classes(env: &mut Environment, command: Option<ClassesCommand>, out: Output<'_>) -> Result<ExitCode> {
    let (classes, on, node) = match command {
        None => return list_classes(env, out),
        Some(ClassesCommand::Journal { classes, node }) => (classes, true, node),
        Some(ClassesCommand::Stop { classes, node }) => (classes, false, node),
    };
    let places: Vec<usize> = match node {
        Some(name) => vec![env.index(&name)?],
        None => (0..env.nodes.len()).collect(),
    };
    // Found everywhere before anything is changed.
    for &place in &places {
        for class in &classes {
            env.nodes[place].class(class)?;
        }
    }
    let mut done: Vec<(String, Switched)> = Vec::new();
    for place in places {
        for class in &classes {
            let node = &mut env.nodes[place];
            let switched = node.journal_class(class, on).map_err(|e| match done.is_empty() {
                true => e,
                false => {
                    let each: Vec<String> = done.iter().map(|(node, s)| format!("{} at {node}", s.class)).collect();
                    e.after(format!("switched before: {}", each.join(", ")))
                }
            })?;
            done.push((node.info().name.clone(), switched));
        }
    }
    let value: Vec<_> = done.iter().map(|(node, s)| json!({"node": node, "switched": s})).collect();
    out.done(&value, || {
        let line = |(node, s): &(String, Switched)| match (s.journaled, s.number) {
            (true, Some(number)) => format!(
                "{node}: {} is synchronized; {} filed as its baseline, transaction {}",
                s.class,
                count(s.baseline, "object"),
                grouped(number)
            ),
            (true, None) => format!("{node}: {} is synchronized; nothing had to be filed", s.class),
            (false, _) => {
                format!("{node}: {} is not synchronized any more; its objects keep their identities", s.class)
            }
        };
        done.iter().map(line).collect()
    })
}

fn list_classes(env: &Environment, out: Output<'_>) -> Result<ExitCode> {
    let nodes = env.nodes.iter().map(|n| Ok((n.info().name.clone(), n.class_counts()?))).collect::<Result<Vec<_>>>()?;
    let value: Vec<_> = nodes.iter().map(|(name, classes)| json!({"node": name, "classes": classes})).collect();
    out.done(&value, || {
        let mut lines = Vec::new();
        for (name, classes) in &nodes {
            lines.push(name.clone());
            lines.extend(classes.iter().map(|c| {
                let how = if c.journaled { "synchronized" } else { "identified only" };
                format!("  {:12} {how}, {} in the table {}", c.name, count(c.count as usize, "object"), c.table)
            }));
        }
        lines.push("Change it: objsync classes journal CLASS, objsync classes stop CLASS".to_owned());
        lines
    })
}

pub(crate) fn keys(
    env: &mut Environment,
    node: Option<&str>,
    command: Option<KeysCommand>,
    out: Output<'_>,
) -> Result<ExitCode> {
    let places: Vec<usize> = match node {
        Some(name) => vec![env.index(name)?],
        None => (0..env.nodes.len()).collect(),
    };
    if let Some(KeysCommand::Invite { out: file }) = &command {
        return invite(env, &places, file.as_deref(), out);
    }
    let several = places.len() > 1;
    env.at_each(&places, |node| match &command {
        None | Some(KeysCommand::Invite { .. }) => Ok(()),
        Some(KeysCommand::Accept { file }) => node.accept_invitation(file).map(drop),
        Some(KeysCommand::Require) => node.take_each_once(true),
        Some(KeysCommand::AllowRepeats) => node.take_each_once(false),
        Some(KeysCommand::Trust { peer, key }) => {
            let key: PublicKey = key.parse()?;
            meant(node, peer, several)?.map_or(Ok(()), |guid| node.trust(guid, key))
        }
        Some(KeysCommand::AcceptUnsigned { peer }) => {
            meant(node, peer, several)?.map_or(Ok(()), |guid| node.accept_unsigned(guid, true))
        }
        Some(KeysCommand::RefuseUnsigned { peer }) => {
            meant(node, peer, several)?.map_or(Ok(()), |guid| node.accept_unsigned(guid, false))
        }
    })?;
    list_keys(env, &places, out)
}

/// The node that `peer` names, by its name or GUID; `None`: the node itself, where several are meant.
fn meant(node: &Node, peer: &str, several: bool) -> Result<Option<NodeId>> {
    if several && (same_name(&node.info().name, peer) || node.info().guid.to_string() == peer) {
        return Ok(None);
    }
    match peer.parse::<NodeId>() {
        Ok(guid) => Ok(Some(guid)),
        Err(_) => node.peer(peer).map(|info| Some(info.guid)),
    }
}

fn invite(env: &Environment, places: &[usize], file: Option<&Path>, out: Output<'_>) -> Result<ExitCode> {
    let &[place] = places else {
        let what = "an invitation is one node's, and several are here; nothing was changed";
        return Err(Error::new(ErrorKind::Usage, what).hint("name it: --node NODE"));
    };
    let node = &env.nodes[place];
    let name = &node.info().name;
    let file = file.map_or_else(|| PathBuf::from(format!("{name}.invitation")), Path::to_owned);
    node.write_invitation(&file)?;
    out.done(&json!({"node": name, "file": file.to_string_lossy()}), || {
        vec![
            format!("{} says who {name} is and by which key it signs", file.display()),
            format!("at the other node: objsync keys accept {} --node NODE", quoted_path(&file)),
        ]
    })
}

fn list_keys(env: &Environment, places: &[usize], out: Output<'_>) -> Result<ExitCode> {
    let nodes = places.iter().map(|&place| {
        let node = &env.nodes[place];
        Ok((node.info().clone(), node.takes_each_once()?, node.known_keys()?))
    });
    let nodes = nodes.collect::<Result<Vec<_>>>()?;
    let value: Vec<_> = nodes
        .iter()
        .map(|(info, once, known)| json!({"node": info.name, "takes_each_once": once, "known": known}))
        .collect();
    out.done(&value, || {
        let mut lines = Vec::new();
        for (info, once, known) in &nodes {
            let each = if *once { ", each once" } else { "" };
            lines.push(format!("{} takes sets that are signed with these keys{each}", info.name));
            lines.extend(known.iter().map(|known| known_key(info, *once, known)));
        }
        lines
    })
}

/// A node and its key, and by whose word it is known.
fn known_key(of: &NodeInfo, once: bool, known: &KnownKey) -> String {
    let KnownKey { node, key, introduced_by, vouched_by, unsigned } = known;
    let mut line = format!("  {:12} {}  ", node.name, node.guid);
    line += &key.map_or_else(|| "no key is known".to_owned(), |key| key.to_string());
    if node.guid == of.guid {
        return line + " (its own)";
    }
    if let Some(by) = vouched_by {
        line += &format!(" ({} vouches for it)", by.name);
    } else if let Some(by) = introduced_by {
        line += &format!(" (made of {}'s file)", by.name);
    }
    match (unsigned, once) {
        (true, false) => line + "; taken without a signature, too",
        _ => line,
    }
}

pub(crate) fn retire(env: &mut Environment, peer: &str, node: Option<String>, out: Output<'_>) -> Result<ExitCode> {
    let places: Vec<usize> = match node {
        Some(name) => vec![env.index(&name)?],
        None => (0..env.nodes.len()).filter(|&i| !same_name(&env.nodes[i].info().name, peer)).collect(),
    };
    // Found everywhere before anything is changed.
    let mut found = Vec::new();
    for place in places {
        match env.nodes[place].peer(peer) {
            Ok(_) => found.push(place),
            Err(e) if found.is_empty() => return Err(e),
            Err(_) => {}
        }
    }
    env.at_each(&found, |node| {
        let info = node.peer(peer)?;
        node.retire(info.guid)
    })?;
    let names: Vec<String> = found.iter().map(|place| env.nodes[*place].info().name.clone()).collect();
    let called = |name: &str, guid: &str| name.eq_ignore_ascii_case(peer) || guid == peer;
    let at_hand = env.nodes.iter().any(|n| called(&n.info().name, &n.info().guid.to_string()));
    let unsent: Vec<Unsent> =
        env.unsent_of_retired()?.into_iter().filter(|u| called(&u.node, &u.guid.to_string())).collect();
    out.done(&json!({"retired": peer, "at": names, "unsent": unsent}), || {
        let mut lines = vec![format!(
            "{peer} is retired at {}: no sets are prepared for it or taken from it, and nothing is kept for it",
            names.join(", ")
        )];
        lines.extend(output::unsent(&unsent));
        lines.push(match (at_hand, unsent.is_empty()) {
            (true, true) => format!(
                "it has nothing that is not known at {}, and comes back as a fresh copy: remove its file, then objsync add-client {}",
                names.join(", "),
                quoted(peer)
            ),
            (true, false) => "keep its file until then".to_owned(),
            (false, _) => format!(
                "its file is not at hand, so what it has not sent is not known; keep that file until objsync status has told, with both files (--db FILE --db FILE). With nothing to save {peer} comes back as a fresh copy (objsync add-client {})", quoted(peer)
            ),
        });
        lines
    })
}

pub(crate) fn purge(node: &mut Node, upto: Option<u64>, keep: Option<u64>, out: Output<'_>) -> Result<ExitCode> {
    let last = node.number()?;
    let bound = match (upto, keep) {
        (Some(upto), _) if upto > last => {
            let what = format!("{}'s last transaction is {}; nothing was changed", node.info().name, grouped(last));
            return Err(Error::new(ErrorKind::Usage, what));
        }
        (Some(upto), _) => upto,
        (None, Some(keep)) => last.saturating_sub(keep),
        (None, None) => last,
    };
    let purged = node.purge(bound)?;
    let name = node.info().name.clone();
    out.done(&json!({"node": name, "purged": purged}), || {
        let mut lines = vec![format!(
            "{name}: purged up to transaction {}; {}, {} and {} forgotten now",
            grouped(purged.upto),
            count(purged.events, "filing event"),
            count(purged.tombstones, "deleted object"),
            count(purged.notes, "old note")
        )];
        if purged.confirmed.is_empty() {
            lines.push("  no peer is known, so everything is kept for whoever comes".to_owned());
        }
        for c in &purged.confirmed {
            let what = match c.retired {
                true => "is retired and holds nothing".to_owned(),
                false if c.upto < bound => format!(
                    "has confirmed up to {}, so what came after stays; it confirms with its next set, or `objsync retire {}`",
                    grouped(c.upto),
                    quoted(&c.peer.name)
                ),
                false => format!("has confirmed up to {}", grouped(c.upto)),
            };
            lines.push(format!("  {} {what}", c.peer.name));
        }
        lines
    })
}
