//! Reading a set: nothing is believed before every byte is checked.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::mpsc::sync_channel;

use serde_json::Value as Json;

use crate::sync::data::guid::{Guid, NodeId};
use crate::sync::data::schema::{Class, Key};
use crate::sync::data::stamp::Stamp;
use crate::sync::data::value::Value;
use crate::sync::data::vector::Dot;
use crate::sync::error::{Error, Refusal, Result};
use crate::sync::exchange::signature::{PublicKey, Statement};
use crate::sync::exchange::syncset::{
    ClosingLine, FORMAT, Header, HeaderLine, Introduction, LONGEST_LINE, ObjectLine, SetObject, SyncSet, Tie, is_modest,
};
use crate::sync::node::history::State;
use crate::sync::node::store::SERIAL_BITS;
use crate::sync::node::{NodeInfo, Role};
use crate::words::grouped;

/// A set's file as it was found whole, without what its lines say.
pub(crate) struct Whole {
    pub(crate) header: Header,
    pub(crate) digest: String,
    /// The size of the file.
    pub(crate) bytes: u64,
    pub(crate) objects: usize,
    /// In how many commits the objects were filed, as the closing line says: to be compared with what was found.
    pub(crate) transactions: usize,
}

/// How large a set may be. What a few kilobytes unpack to, or a header names, is work and memory for whoever takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// At most 64 MiB and 200 times the size of its file, unpacked; a header of 16 MiB; 4,096 nodes. A set of rows is packed to a tenth of
    /// its size, seldom less than a fiftieth.
    #[default]
    Usual,
    /// Any: it comes from somebody who has told that it is so large.
    Any,
}

impl Size {
    fn unpacked(self, bytes: u64) -> u64 {
        match self {
            Size::Usual => (64 << 20) + bytes.saturating_mul(200),
            Size::Any => u64::MAX,
        }
    }

    fn header(self) -> u64 {
        match self {
            Size::Usual => 16 << 20,
            Size::Any => LONGEST_LINE,
        }
    }

    /// Nodes that a set names, and that the addressee then knows.
    pub(crate) fn nodes(self) -> usize {
        match self {
            Size::Usual => 4_096,
            Size::Any => usize::MAX,
        }
    }
}

/// Reads a set from a file, whole into memory, and checks that it is whole; who sent it is not asked. Errors: not there, no set, newer
/// format, damaged, larger than that.
pub fn read(file: &Path, size: Size) -> Result<SyncSet> {
    let (mut objects, mut ties, mut commits, mut named) = (Vec::new(), Vec::new(), HashSet::new(), HashSet::new());
    let whole = read_through(
        file,
        size,
        |_| Ok(()),
        |_, entry, _| {
            let (Entry::Object(SetObject { guid, .. }) | Entry::Tie(Tie { guid, .. })) = &entry;
            if !named.insert(*guid) {
                return Err(repeated(objects.len() + ties.len()));
            }
            match entry {
                Entry::Object(object) => {
                    commits.extend(object.commits.iter().copied());
                    objects.push(object);
                }
                Entry::Tie(tie) => ties.push(tie),
            }
            Ok(())
        },
    )?;
    check_transactions(&whole, commits.len()).map_err(|e| e.while_doing(file.display()))?;
    let Whole { header, digest, bytes, transactions, .. } = whole;
    Ok(SyncSet { header, objects, ties, transactions, digest, bytes })
}

/// The header of a set's file, which may be damaged further on.
pub fn read_header(file: &Path, size: Size) -> Result<Header> {
    let header = Input::open(file, size)?.header();
    header.map(|(header, _)| header).map_err(|e| e.while_doing(file.display()))
}

/// Reads a set from a file line by line and checks that it is whole; that nothing comes twice, and the count of the commits,
/// is left to `each`, which gets every object and tie as it stands in the file, too. The next lines are read, by a thread of
/// their own, while `each` is at work. Nothing but the header is read of a set that `accept` refuses.
pub(crate) fn read_through(
    file: &Path,
    size: Size,
    accept: impl FnOnce(&Header) -> Result<()>,
    mut each: impl FnMut(&Header, Entry, &[u8]) -> Result<()>,
) -> Result<Whole> {
    let mut input = Input::open(file, size)?;
    let (header, line) = input.header().map_err(|e| e.while_doing(file.display()))?;
    accept(&header)?;
    let whole = std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel::<Ahead>(1);
        let header = &header;
        let reading = scope.spawn(move || {
            let mut lines = Ahead::default();
            let found = read_lines(&mut input, header, line, |entry, line| {
                lines.add(entry, line);
                if lines.are_enough() && sender.send(std::mem::take(&mut lines)).is_err() {
                    return Err(damaged("nobody goes on with it"));
                }
                Ok(())
            });
            // Those before a damage, too: what is wrong with them is said first.
            let _ = sender.send(lines);
            found
        });
        for lines in receiver {
            lines.entries.into_iter().try_for_each(|(entry, line)| each(header, entry, &line))?;
        }
        reading.join().unwrap_or_else(|_| Err(damaged("it cannot be read")))
    });
    let Found { digest, bytes, objects, transactions } = whole.map_err(|e| e.while_doing(file.display()))?;
    Ok(Whole { header, digest, bytes, objects, transactions })
}

/// What was read ahead, on its way from the thread that reads to the one that goes on with it.
#[derive(Default)]
struct Ahead {
    entries: Vec<(Entry, Vec<u8>)>,
    bytes: usize,
}

impl Ahead {
    fn add(&mut self, entry: Entry, line: &[u8]) {
        self.bytes += line.len();
        self.entries.push((entry, line.to_vec()));
    }

    /// Few where they are long, so that they take little memory.
    fn are_enough(&self) -> bool {
        self.entries.len() >= 500 || self.bytes >= 1 << 18
    }
}

pub(crate) fn check_transactions(whole: &Whole, found: usize) -> Result<()> {
    if whole.transactions == found { Ok(()) } else { Err(damaged("the closing line")) }
}

pub(crate) fn repeated(before: usize) -> Error {
    damaged(format!("line {} repeats an object", before + 2))
}

/// The bytes of a set, unpacked where they are packed.
struct Input {
    bytes: Box<dyn BufRead + Send>,
    /// The size of the file.
    size_of_file: u64,
    size: Size,
    /// So many more may come.
    left: u64,
}

impl Input {
    fn open(file: &Path, size: Size) -> Result<Input> {
        // Asked before it is opened: to open a pipe is to wait for somebody at its other end.
        let opened = file.metadata().and_then(|found| match found {
            found if found.is_dir() => Err(std::io::Error::other("it is a folder")),
            found if !found.is_file() => Err(std::io::Error::other("it is no ordinary file")),
            found => Ok((BufReader::with_capacity(1 << 16, File::open(file)?), found.len())),
        });
        let (mut input, size_of_file) = opened.map_err(|e| {
            let what = format!("the set cannot be read, nothing was changed: {e}: {}", file.display());
            Error::storage(what).hint("check the path; `objsync prepare` says where it wrote the set")
        })?;
        let packed = input.fill_buf().is_ok_and(|start| start.starts_with(&ZSTD));
        let bytes: Box<dyn BufRead + Send> = match packed {
            false => Box::new(input),
            true => {
                let mut unpacked = zstd::stream::read::Decoder::with_buffer(input).map_err(damaged)?;
                unpacked.window_log_max(LARGEST_WINDOW).map_err(damaged)?;
                Box::new(BufReader::with_capacity(1 << 16, unpacked))
            }
        };
        Ok(Input { bytes, size_of_file, size, left: size.unpacked(size_of_file) })
    }

    /// What the set says about itself, and the line that says so.
    fn header(&mut self) -> Result<(Header, Vec<u8>)> {
        let longest = self.size.header().min(self.left);
        let line = self.line_up_to(longest)?.unwrap_or_default();
        // Of something else than a set the first line may be all of it.
        if line.len() as u64 >= longest && line.starts_with(b"{\"objsync\":\"syncset\"") {
            return Err(too_large("its header is longer than usual"));
        }
        let header = header(&header_line(&line)?)?;
        if header.nodes.len() > self.size.nodes() {
            return Err(too_large(format!("it names {} nodes", grouped(header.nodes.len() as u64))));
        }
        Ok((header, line))
    }

    fn next_line(&mut self) -> Result<Option<Vec<u8>>> {
        let line = self.line_up_to(LONGEST_LINE.min(self.left))?;
        if self.left == 0 {
            return Err(too_large("it unpacks to more than 200 times its size"));
        }
        Ok(line)
    }

    fn line_up_to(&mut self, longest: u64) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let read = Read::take(&mut self.bytes, longest).read_until(b'\n', &mut line).map_err(damaged)?;
        self.left -= read as u64;
        if !is_modest(&line) {
            return Err(damaged("a line has too many values"));
        }
        Ok((read > 0).then_some(line))
    }
}

/// How a packed set begins (RFC 8878).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The memory that unpacking may ask for, as a power of two, bytes.
const LARGEST_WINDOW: u32 = 23;

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::refused(Refusal::Damaged, format!("the set is damaged or incomplete ({what}); nothing was changed"))
        .hint("copy the file again, or prepare the set again at its source (--since acknowledged)")
}

pub(crate) fn too_large(what: impl std::fmt::Display) -> Error {
    Error::refused(Refusal::TooLarge, format!("the set is larger than usual ({what}); nothing was changed"))
        .hint("if who made it says that it is so large, take it all the same (--any-size)")
}

/// What was found behind a header.
struct Found {
    digest: String,
    bytes: u64,
    objects: usize,
    transactions: usize,
}

/// Reads what follows the header. `line`: the header's.
fn read_lines(
    input: &mut Input,
    header: &Header,
    mut line: Vec<u8>,
    mut each: impl FnMut(Entry, &[u8]) -> Result<()>,
) -> Result<Found> {
    let mut hasher = blake3::Hasher::new();
    let (mut objects, mut ties) = (0, 0);
    let closing = loop {
        hasher.update(&line);
        line = input.next_line()?.ok_or_else(|| damaged("it ends early"))?;
        if line.starts_with(b"{\"objects\":") {
            break serde_json::from_slice::<ClosingLine>(&line).map_err(|_| damaged("the closing line"))?;
        }
        let entry = read_entry(header, &line).ok_or_else(|| damaged(format!("line {}", objects + ties + 2)))?;
        let counted = if matches!(entry, Entry::Object(_)) { &mut objects } else { &mut ties };
        each(entry, &line)?;
        *counted += 1;
    };
    let hash = hasher.finalize();
    let digest = hash.to_hex().to_string();
    let expected = ClosingLine {
        objects,
        ties,
        transactions: closing.transactions,
        blake3: digest.clone(),
        signature: closing.signature.clone(),
    };
    let mut exact = serde_json::to_vec(&expected).map_err(damaged)?;
    exact.push(b'\n');
    if closing.blake3 != digest {
        return Err(damaged("its digest is another one"));
    }
    if line != exact {
        return Err(damaged("the closing line"));
    }
    if input.next_line()?.is_some() {
        return Err(damaged("something follows its end"));
    }
    let signed = match (&header.key, &closing.signature) {
        (Some(key), Some(signature)) => {
            signature.parse().is_ok_and(|signature| key.has_signed(&Statement::Set(&hash), &signature))
        }
        (key, signature) => key.is_none() && signature.is_none(),
    };
    if !signed {
        return Err(damaged("its signature is not its sender's"));
    }
    Ok(Found { digest, bytes: input.size_of_file, objects, transactions: closing.transactions })
}

/// Reads one line of a set with that header; `None` where it does not fit it.
pub(crate) fn read_entry(header: &Header, line: &[u8]) -> Option<Entry> {
    entry(header, serde_json::from_slice(line).ok()?)
}

/// Tells what is no set, and what is a newer one, before anything else is asked of it.
fn header_line(line: &[u8]) -> Result<HeaderLine> {
    let foreign = || {
        Error::refused(Refusal::Damaged, "the file is not a sync set, or its beginning is damaged; nothing was changed")
            .hint("sets are files named like syncFromMASTER-1000.syncset, written by `objsync prepare`; if it is one, copy it again, or prepare again")
    };
    let json: Json = serde_json::from_slice(line).map_err(|_| foreign())?;
    if json.get("objsync").and_then(Json::as_str) != Some("syncset") {
        return Err(foreign());
    }
    match json.get("format").and_then(Json::as_u64) {
        Some(1..=FORMAT) => {}
        Some(newer) if newer > FORMAT => {
            let what = format!(
                "the set has format {newer}, newer than the {FORMAT} that this program knows; nothing was changed"
            );
            return Err(Error::refused(Refusal::NewerFormat, what)
                .hint("use the version of objsync that made it, or a later one"));
        }
        _ => return Err(damaged("its format")),
    }
    serde_json::from_slice(line).map_err(|e| damaged(format!("the header: {e}")))
}

fn header(line: &HeaderLine) -> Result<Header> {
    let wrong = || damaged("the header");
    let nodes = line
        .nodes
        .iter()
        .map(|n| {
            Ok(NodeInfo {
                guid: n.guid.parse().map_err(|_| wrong())?,
                name: n.name.clone(),
                role: Role::parse(&n.role).ok_or_else(wrong)?,
            })
        })
        .collect::<Result<Vec<NodeInfo>>>()?;
    if let Some(info) = nodes.iter().find(|info| NodeInfo::check_name(&info.name).is_err()) {
        return Err(damaged(format!("the header: `{}` is no name of a node", info.name)));
    }
    let distinct: HashSet<NodeId> = nodes.iter().map(|n| n.guid).collect();
    let class_names: HashSet<&str> = line.classes.iter().map(|c| c.name.as_str()).collect();
    let references = line.classes.iter().flat_map(|c| &c.properties).filter_map(|p| p.references.as_deref());
    let keyed = |c: &Class| match &c.key {
        Key::Number(_) => true,
        Key::Content(places) => !places.is_empty() && places.iter().all(|place| *place < c.properties.len()),
    };
    let consistent = distinct.len() == nodes.len()
        && line.classes.iter().all(keyed)
        && line.id > 0
        && line.start <= line.end
        && line.end <= line.number
        && line.number < i64::MAX as u64
        && line.source != line.target
        && line.lineage.iter().all(|(ancestor, _)| *ancestor != line.source)
        && class_names.len() == line.classes.len()
        && references.into_iter().all(|r| class_names.contains(r));
    if !consistent {
        return Err(wrong());
    }
    let node = |place: usize| nodes.get(place).cloned().ok_or_else(wrong);
    let pairs = |list: &[(usize, u64)]| -> Result<Vec<(NodeId, u64)>> {
        list.iter().map(|(place, number)| Ok((node(*place)?.guid, *number))).collect()
    };
    let (mut keys, mut introductions) = (Vec::new(), Vec::new());
    for (info, line) in nodes.iter().zip(&line.nodes) {
        if let Some(key) = &line.key {
            keys.push((info.guid, key.parse::<PublicKey>().map_err(|_| wrong())?));
        }
        if let (Some(by), Some(signature)) = (line.by, &line.introduction) {
            let signature = signature.parse().map_err(|_| wrong())?;
            introductions.push(Introduction { node: info.guid, by: node(by)?.guid, signature });
        }
    }
    let proof = |(place, proof): &(usize, String)| Ok((node(*place)?.guid, proof.parse().map_err(|_| wrong())?));
    let proofs = line.proofs.iter().map(proof).collect::<Result<_>>()?;
    let source = node(line.source)?;
    Ok(Header {
        key: keys.iter().find(|(node, _)| *node == source.guid).map(|(_, key)| *key),
        keys,
        introductions,
        proofs,
        format: line.format,
        id: line.id,
        source,
        target: node(line.target)?,
        lineage: pairs(&line.lineage)?,
        number: line.number,
        clock: line.clock,
        start: line.start,
        end: line.end,
        received: pairs(&line.received)?,
        seen: line.seen.iter().map(|(place, n, clock)| Ok((node(*place)?.guid, *n, *clock))).collect::<Result<_>>()?,
        told: line.told.clone(),
        earlier: line.earlier.clone(),
        classes: line.classes.clone(),
        nodes,
    })
}

/// What a line says.
#[allow(clippy::large_enum_variant, reason = "nearly all are objects")]
pub(crate) enum Entry {
    Object(SetObject),
    Tie(Tie),
}

/// `None` where the line does not fit the header.
fn entry(header: &Header, line: ObjectLine) -> Option<Entry> {
    let guid = |(node, serial): (usize, u64)| -> Option<Guid> {
        let node = header.nodes.get(node)?.guid;
        (serial > 0 && serial < 1 << SERIAL_BITS).then_some(Guid { node, serial })
    };
    let class = header.classes.get(line.c)?;
    let identity = guid(line.o)?;
    let in_range = |n: &u64| header.start < *n && *n <= header.end;
    let in_order = line.n.is_sorted_by(|a, b| a < b);
    if line.n.is_empty() || !in_order || !line.n.iter().all(in_range) || !class.journaled {
        return None;
    }
    let bare = line.e.is_none() && line.v.is_none() && line.t.is_none() && line.a.is_none();
    let (Some(change), Some(vector), Some(time), Some(author)) = (line.e, line.v, line.t, line.a) else {
        let empty = bare && line.k.is_none() && line.p.is_none() && line.w.is_empty() && line.d.is_empty();
        return empty.then_some(Entry::Tie(Tie { class: line.c, guid: identity, commits: line.n }));
    };
    let value = |i: usize, json: &Json| -> Option<Value> {
        let property = class.properties.get(i)?;
        let value = Value::from_json(json, |j| guid(serde_json::from_value(j.clone()).ok()?))?;
        // A local number means nothing elsewhere.
        let fits = match value {
            Value::Reference(_) | Value::Dangling(_) => property.references.is_some(),
            Value::Integer(_) => property.references.is_none(),
            _ => true,
        };
        fits.then_some(value)
    };
    let content = match line.p {
        None => None,
        Some(values) if values.len() == class.properties.len() => {
            Some(values.iter().enumerate().map(|(i, json)| value(i, json)).collect::<Option<Vec<_>>>()?)
        }
        Some(_) => return None,
    };
    let entries = vector
        .iter()
        .map(|(node, number)| {
            (*number > 0 && *number < i64::MAX as u64).then_some((header.nodes.get(*node)?.guid, *number))
        })
        .collect::<Option<Vec<_>>>()?;
    let vector: crate::sync::data::vector::Vector = entries.iter().copied().collect();
    let deleted = change == crate::sync::exchange::syncset::Change::Deleted;
    if entries.is_empty()
        || vector.entries().len() != entries.len()
        || vector.get(header.source.guid) > header.number
        || deleted != content.is_none()
        || (line.k.is_none() && !deleted && class.has_numbers())
    {
        return None;
    }
    let was = line.w.iter().map(|(i, json)| Some((*i, value(*i, json)?))).collect::<Option<Vec<_>>>()?;
    // Nobody has seen what is not in the vector.
    let dot = |(place, node, number): &(usize, usize, u64)| {
        let dot = Dot { node: header.nodes.get(*node)?.guid, number: *number };
        (*place < class.properties.len() && *number > 0 && vector.has_seen(dot)).then_some((*place, dot))
    };
    let dots = line.d.iter().map(dot).collect::<Option<Vec<_>>>()?;
    let stamp = Stamp { time, author: header.nodes.get(author)?.guid };
    Some(Entry::Object(SetObject {
        class: line.c,
        guid: identity,
        key: line.k,
        change,
        commits: line.n,
        state: State { content, vector, stamp },
        was,
        dots,
    }))
}
