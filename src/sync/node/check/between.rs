//! What nodes say about each other: identities, what was exchanged, and that one version has one content everywhere.

use std::collections::BTreeSet;

use super::{Flaw, FlawKind, Flaws};
use crate::sync::data::guid::Guid;
use crate::sync::data::schema::{Class, quote};
use crate::sync::error::{Error, ErrorKind, Result};
use crate::sync::exchange::told::make_it_new;
use crate::sync::node::Node;
use crate::sync::node::verify::{Comparing, added_differently, short_hash};
use crate::words::{quoted, quoted_path};

/// `nodes`: each with whether its rows are as its journal says, so that they can be compared. `notes`: what was not looked at.
pub(super) fn check(nodes: &[(Node, bool)], flaws: &mut Flaws, notes: &mut Vec<String>) -> Result<()> {
    notes.extend(absent(nodes));
    for (i, (a, _)) in nodes.iter().enumerate() {
        for (b, _) in &nodes[i + 1..] {
            if a.info.guid == b.info.guid {
                let what = format!("{} and {} go on as one node, {}", a.path.display(), b.path.display(), a.info.name);
                let todo = format!(
                    "make the one that is the copy a new node, which loses nothing: objsync rejoin --db {}, or else objsync rejoin --db {}",
                    quoted_path(&b.path),
                    quoted_path(&a.path)
                );
                flaws.add(Flaw::new(FlawKind::SameNode, what).todo(todo));
                continue;
            }
            for (a, b) in [(a, b), (b, a)] {
                let what = format!("what {} knows of {}", a.info.name, b.info.name);
                readable(exchanged(a, b, flaws), &what, flaws)?;
            }
        }
    }
    let compared: Vec<&Node> = nodes.iter().filter(|(_, whole)| *whole).map(|(node, _)| node).collect();
    if nodes.len() > 1 && compared.len() < nodes.len() {
        let not: Vec<&str> =
            nodes.iter().filter(|(_, whole)| !whole).map(|(node, _)| node.info.name.as_str()).collect();
        notes.push(format!("the rows of {} were not held against those of others: see above", not.join(", ")));
    }
    let Some((first, others)) = compared.split_first() else { return Ok(()) };
    if others.is_empty() {
        return Ok(());
    }
    // Rows that nobody has written since hold different values then.
    if let Some(column) = added_differently(&compared).first() {
        notes.push(format!("the rows were not held against each other: {column} (objsync verify)"));
        return Ok(());
    }
    notes.extend(journaled_differently(&compared));
    for class in first.classes.iter().filter(|class| class.journaled) {
        readable(contents(class, &compared, flaws), &format!("the {} of all", class.table), flaws)?;
    }
    Ok(())
}

/// Peers that are not at hand. Where they cannot be read, that is said of the node itself.
fn absent(nodes: &[(Node, bool)]) -> Vec<String> {
    let mut notes = Vec::new();
    for (node, _) in nodes {
        for peer in node.peers().unwrap_or_default() {
            let here = nodes.iter().any(|(other, _)| other.info.guid == peer);
            if !here && !node.is_retired(peer).unwrap_or(true) {
                let (peer, of) = (node.name_of(peer), &node.info.name);
                notes.push(format!("{peer}, with which {of} exchanges, is not among these files"));
            }
        }
    }
    notes
}

/// Classes that one node journals and another does not: what is changed of them there is not sent.
fn journaled_differently(nodes: &[&Node]) -> Vec<String> {
    let mut notes = Vec::new();
    let names: BTreeSet<&String> = nodes.iter().flat_map(|node| &node.classes).map(|class| &class.name).collect();
    for name in names {
        let [here, not]: [Vec<&str>; 2] = [true, false].map(|wanted| {
            let journals = |node: &Node| node.classes.iter().any(|class| class.name == *name && class.journaled);
            nodes.iter().filter(|node| journals(node) == wanted).map(|node| node.info.name.as_str()).collect()
        });
        if !here.is_empty() && !not.is_empty() {
            let (here, not) = (here.join(", "), not.join(", "));
            notes.push(format!(
                "{name} is synchronized at {here}, not at {not} (objsync classes): no change goes from there"
            ));
        }
    }
    notes
}

/// What cannot be read is a flaw, and keeps nothing else from being held against each other.
fn readable(done: Result<()>, what: &str, flaws: &mut Flaws) -> Result<()> {
    match done {
        Err(e) if !matches!(e.kind(), ErrorKind::Cancelled | ErrorKind::Busy) => {
            let what = format!("{what} could not be read to the end: {}", e.message());
            flaws.add(Flaw::new(FlawKind::Unreadable, what));
            Ok(())
        }
        done => done,
    }
}

/// What `a` has of `b`, and says of it.
fn exchanged(a: &Node, b: &Node, flaws: &mut Flaws) -> Result<()> {
    if let Err(e) = b.check_not_restored(a) {
        let what = e.message().trim_end_matches("; nothing was changed");
        flaws.add(Flaw::new(FlawKind::Restored, what).todo(e.what_next()));
        return Ok(());
    }
    let (name, other) = (&a.info.name, &b.info.name);
    let (received, number) = (a.sync_times(b.info.guid)?.received, b.number()?);
    if received > number {
        let what = format!("{name} has {other}'s transactions up to {received}, and the last one there is {number}");
        flaws.add(Flaw::new(FlawKind::Restored, what).todo(make_it_new(other, name)));
    }
    let acknowledged = a.sync_times(b.info.guid)?.acknowledged;
    // What it has received, and what it has by descent.
    let has = b.has_of(&a.identity()?, a.number()?)?;
    if acknowledged > has {
        let what = format!("{name} says that {other} has confirmed up to {acknowledged}, and {other} has {has}");
        flaws.add(Flaw::new(FlawKind::Disagree, what));
    }
    let (known, key) = (a.public_key(b.info.guid)?, b.public_key(b.info.guid)?);
    if let (Some(known), Some(key)) = (known, key)
        && known != key
    {
        let what = format!("{name} knows {other} by another key than it signs with, so it takes no set from there");
        let todo = format!("objsync keys trust {} {key} --node {}", b.info.guid, quoted(name));
        flaws.add(Flaw::new(FlawKind::Disagree, what).todo(todo));
    }
    let (said, lineage) = (a.lineage_of(b.info.guid)?, b.lineage_of(b.info.guid)?);
    if !said.is_empty() && said != lineage {
        let what = format!("{name} says that {other} was made from another node than {other} does");
        flaws.add(Flaw::new(FlawKind::Disagree, what));
    }
    Ok(())
}

/// One object at one node: hashes of its version, and of its content with its stamp.
type Held = (Guid, [u8; 16], [u8; 16]);

/// One version, one content and stamp, at all nodes that journal the class. Takes 48 bytes an object and node.
fn contents(class: &Class, nodes: &[&Node], flaws: &mut Flaws) -> Result<()> {
    let mut all: Vec<(&Node, Vec<Held>)> = Vec::new();
    for node in nodes {
        if let Some(class) = node.classes.iter().find(|c| c.name == class.name && c.journaled) {
            all.push((node, held(node, class)?));
        }
    }
    let mut at = vec![0; all.len()];
    let next = |at: &[usize]| all.iter().zip(at).filter_map(|((_, held), at)| Some(held.get(*at)?.0)).min();
    while let Some(guid) = next(&at) {
        let mut here: Vec<(&Node, &Held)> = Vec::new();
        for ((node, held), at) in all.iter().zip(&mut at) {
            if let Some(found) = held.get(*at).filter(|found| found.0 == guid) {
                here.push((node, found));
                *at += 1;
            }
        }
        for (i, (a, x)) in here.iter().enumerate() {
            let differs = |(_, y): &&(&Node, &Held)| x.1 == y.1 && x.2 != y.2;
            if let Some((b, _)) = here[i + 1..].iter().find(differs) {
                // At its own class, whose tables may be called otherwise there.
                let own = a.classes.iter().find(|c| c.name == class.name);
                let number =
                    own.map(|own| Ok::<_, Error>(own.number_shown(a.key_of(own, guid)?))).transpose()?.flatten();
                let what = format!(
                    "{} {} has one version at {} and {} with different contents or stamps",
                    class.name,
                    number.map_or(guid.to_string(), |n| format!("{n} ({guid})")),
                    a.info.name,
                    b.info.name
                );
                let flaw = Flaw::new(FlawKind::Content, what);
                flaws.add(Flaw { class: Some(class.name.clone()), guid: Some(guid), number, ..flaw });
                break;
            }
        }
    }
    Ok(())
}

fn held(node: &Node, class: &Class) -> Result<Vec<Held>> {
    let version = |own: u64, rest: Option<Vec<u8>>| -> Result<Option<[u8; 16]>> {
        let mut vector = node.nodes.decode(rest.as_deref().unwrap_or_default())?;
        vector.set(node.info.guid, own);
        let entries = vector.entries();
        let bytes: Vec<u8> =
            entries.iter().flat_map(|(n, number)| [n.0.to_be_bytes(), number.to_be_bytes()].concat()).collect();
        Ok((!bytes.is_empty()).then(|| short_hash(&bytes)))
    };
    let stamped = |content: [u8; 16], time: i64, author: i64| -> Result<[u8; 16]> {
        let author = node.nodes.guid(author)?.0.to_be_bytes();
        Ok(short_hash(&[&content[..], &time.to_be_bytes(), &author].concat()))
    };
    let (mut all, mut comparing) = (Vec::new(), Comparing::new(node, class)?);
    let sql = format!(
        "SELECT o.object, o.own, o.rest, o.time, o.author{} FROM {} o JOIN {} t ON {}",
        class.values_of("t", "o"),
        class.objects(),
        quote(&class.table),
        class.same_row("t", "o")
    );
    let mut statement = node.conn.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(r) = rows.next()? {
        node.going_on("comparing", all.len(), None)?;
        let Some(version) = version(r.get(1)?, r.get(2)?)? else { continue };
        let content = stamped(comparing.hash(r, 5)?, r.get(3)?, r.get(4)?)?;
        all.push((node.nodes.object(r.get(0)?)?, version, content));
    }
    let sql = format!("SELECT object, own, rest, time, author FROM {}", class.tombstones());
    let mut statement = node.conn.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(r) = rows.next()? {
        let Some(version) = version(r.get(1)?, r.get(2)?)? else { continue };
        all.push((node.nodes.object(r.get(0)?)?, version, stamped([0; 16], r.get(3)?, r.get(4)?)?));
    }
    all.sort_unstable_by_key(|(guid, ..)| *guid);
    Ok(all)
}
