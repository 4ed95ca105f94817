//! Writing a set: into a temporary file beside its place, synced, and put in place in one step.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;
use tempfile::NamedTempFile;

use crate::sync::data::guid::{Guid, NodeId};
use crate::sync::data::value::Value;
use crate::sync::error::{Error, Result};
use crate::sync::exchange::signature::{Signing, Statement};
use crate::sync::exchange::syncset::{
    ClosingLine, FORMAT, Header, HeaderLine, LONGEST_LINE, NodeLine, ObjectLine, SetObject, Tie, is_modest, legend,
};
use crate::sync::node::NodeInfo;
use crate::sync::part_file;

/// Where a set's file goes.
pub(crate) struct Target<'a> {
    pub(crate) file: &'a Path,
    /// Whether it is packed.
    pub(crate) compress: bool,
    /// Whether a file that is there may be replaced.
    pub(crate) overwrite: bool,
}

/// Writes line after line and knows the digest so far.
pub(crate) struct Writer {
    out: Out,
    places: BTreeMap<NodeId, usize>,
    hasher: blake3::Hasher,
    objects: usize,
    ties: usize,
    commits: Distinct,
}

enum Out {
    Plain(BufWriter<NamedTempFile>),
    Packed(Box<zstd::Encoder<'static, BufWriter<NamedTempFile>>>),
}

impl Out {
    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Out::Plain(out) => out.write_all(bytes),
            Out::Packed(out) => out.write_all(bytes),
        }
    }

    fn into_file(self) -> std::io::Result<NamedTempFile> {
        let out = match self {
            Out::Plain(out) => out,
            Out::Packed(out) => out.finish()?,
        };
        out.into_inner().map_err(std::io::IntoInnerError::into_error)
    }
}

/// How hard to pack. Level 1 is smaller and cheaper than 3 for rows of a journal.
const LEVEL: i32 = 1;

/// Counts the distinct ones of numbers, most of which lie close together: 64 are one word.
#[derive(Default)]
struct Distinct(BTreeMap<u64, u64>);

impl Distinct {
    fn note(&mut self, number: u64) {
        *self.0.entry(number / 64).or_default() |= 1 << (number % 64);
    }

    fn count(&self) -> usize {
        self.0.values().map(|bits| bits.count_ones() as usize).sum()
    }
}

/// A set's file in place.
pub(crate) struct Written {
    pub(crate) file: PathBuf,
    pub(crate) digest: String,
    pub(crate) bytes: u64,
    pub(crate) objects: usize,
    pub(crate) transactions: usize,
    /// Takes it away again until it is said to stay.
    pub(crate) placed: Placed,
}

impl Writer {
    /// Starts a file beside `target` and writes the header.
    pub(crate) fn new(target: &Target<'_>, header: &Header) -> Result<Writer> {
        check_replaceable(target.file, target.overwrite)?;
        let folder = folder_of(target.file);
        let temporary = part_file::begin(folder).map_err(|e| cannot_write(target.file, &e))?;
        let out = BufWriter::with_capacity(1 << 16, temporary);
        let places = header.nodes.iter().enumerate().map(|(i, n)| (n.guid, i)).collect();
        let mut writer = Writer {
            out: match target.compress {
                true => Out::Packed(Box::new(zstd::Encoder::new(out, LEVEL)?)),
                false => Out::Plain(out),
            },
            places,
            hasher: blake3::Hasher::new(),
            objects: 0,
            ties: 0,
            commits: Distinct::default(),
        };
        let place = |(node, number): &(NodeId, u64)| Ok((writer.place(*node)?, *number));
        let node = |info: &NodeInfo| {
            let introduced = header.introductions.iter().find(|i| i.node == info.guid);
            Ok(NodeLine {
                guid: info.guid.to_string(),
                name: info.name.clone(),
                role: info.role.name().to_owned(),
                key: header.key_of(info.guid).map(|key| key.to_string()),
                by: introduced.map(|i| writer.place(i.by)).transpose()?,
                introduction: introduced.map(|i| i.signature.to_string()),
            })
        };
        let line = HeaderLine {
            objsync: "syncset".to_owned(),
            format: FORMAT,
            id: header.id,
            nodes: header.nodes.iter().map(node).collect::<Result<_>>()?,
            source: writer.place(header.source.guid)?,
            target: writer.place(header.target.guid)?,
            lineage: header.lineage.iter().map(place).collect::<Result<_>>()?,
            number: header.number,
            clock: header.clock,
            start: header.start,
            end: header.end,
            received: header.received.iter().map(place).collect::<Result<_>>()?,
            seen: header
                .seen
                .iter()
                .map(|(node, n, clock)| Ok((writer.place(*node)?, *n, *clock)))
                .collect::<Result<_>>()?,
            proofs: header
                .proofs
                .iter()
                .map(|(node, proof)| Ok((writer.place(*node)?, proof.to_string())))
                .collect::<Result<_>>()?,
            told: header.told.clone(),
            earlier: header.earlier.clone(),
            classes: header.classes.clone(),
            created: chrono::DateTime::from_timestamp_micros(header.clock)
                .unwrap_or_default()
                .format("%Y-%m-%dT%H:%M:%SZ")
                .to_string(),
            keys: legend(),
        };
        writer.line(&line)?;
        Ok(writer)
    }

    fn place(&self, node: NodeId) -> Result<usize> {
        self.places.get(&node).copied().ok_or_else(|| Error::storage(format!("node {node} is not in the set's header")))
    }

    fn named(&self, guid: Guid) -> Result<(usize, u64)> {
        Ok((self.place(guid.node)?, guid.serial))
    }

    fn value(&self, value: &Value) -> Result<serde_json::Value> {
        match value {
            Value::Reference(guid) => Ok(json!(self.named(*guid)?)),
            other => Ok(other.to_stored_json()),
        }
    }

    fn line(&mut self, line: &impl Serialize) -> Result<()> {
        let mut bytes = serde_json::to_vec(line).map_err(|e| Error::storage(e.to_string()))?;
        bytes.push(b'\n');
        if bytes.len() as u64 > LONGEST_LINE || !is_modest(&bytes) {
            return Err(Error::storage(format!(
                "an object is too large to be sent ({} bytes as text, at most {LONGEST_LINE}, or too many changes of one object); nothing counts as sent",
                bytes.len()
            )));
        }
        self.hasher.update(&bytes);
        Ok(self.out.write_all(&bytes)?)
    }

    /// Writes an object.
    pub(crate) fn object(&mut self, object: &SetObject) -> Result<()> {
        let state = &object.state;
        let vector = state.vector.entries().iter().map(|(n, number)| Ok((self.place(*n)?, *number)));
        let values = state.content.as_ref().map(|values| values.iter().map(|v| self.value(v)).collect::<Result<_>>());
        let dots = object.dots.iter().map(|(i, dot)| Ok((*i, self.place(dot.node)?, dot.number)));
        let was = object.was.iter().map(|(i, v)| Ok((*i, self.value(v)?)));
        let line = ObjectLine {
            c: object.class,
            o: self.named(object.guid)?,
            k: object.key,
            e: Some(object.change),
            n: object.commits.clone(),
            v: Some(vector.collect::<Result<_>>()?),
            t: Some(state.stamp.time),
            a: Some(self.place(state.stamp.author)?),
            p: values.transpose()?,
            w: was.collect::<Result<_>>()?,
            d: dots.collect::<Result<_>>()?,
        };
        self.objects += 1;
        object.commits.iter().for_each(|number| self.commits.note(*number));
        self.line(&line)
    }

    /// Writes a tie.
    pub(crate) fn tie(&mut self, tie: &Tie) -> Result<()> {
        self.ties += 1;
        let o = self.named(tie.guid)?;
        let n = tie.commits.clone();
        self.line(&ObjectLine {
            c: tie.class,
            o,
            k: None,
            e: None,
            n,
            v: None,
            t: None,
            a: None,
            p: None,
            w: Vec::new(),
            d: Vec::new(),
        })
    }

    /// Closes the file, syncs it and puts it in its place, all or nothing.
    pub(crate) fn finish(mut self, target: &Target<'_>, signing: &Signing) -> Result<Written> {
        let hash = self.hasher.finalize();
        let digest = hash.to_hex().to_string();
        let transactions = self.commits.count();
        let closing = ClosingLine {
            objects: self.objects,
            ties: self.ties,
            transactions,
            blake3: digest.clone(),
            signature: Some(signing.sign(&Statement::Set(&hash)).to_string()),
        };
        self.line(&closing)?;
        let temporary = self.out.into_file().map_err(|e| cannot_write(target.file, &e))?;
        temporary.as_file().sync_all().map_err(|e| cannot_write(target.file, &e))?;
        let persisted = match target.overwrite {
            true => temporary.persist(target.file),
            false => temporary.persist_noclobber(target.file),
        };
        persisted.map_err(|e| match e.error.kind() {
            std::io::ErrorKind::AlreadyExists => exists(target.file),
            _ => cannot_write(target.file, &e.error),
        })?;
        let placed = Placed((!target.overwrite).then(|| target.file.to_owned()));
        let found = (|| -> std::io::Result<_> {
            // The name, too, must survive a power loss before the node notes the set as sent. Not every system can sync a folder.
            #[cfg(unix)]
            File::open(folder_of(target.file))?.sync_all()?;
            let file = target.file.canonicalize()?;
            Ok((file.metadata()?.len(), file))
        })();
        let (bytes, file) = found.map_err(|e| cannot_write(target.file, &e))?;
        Ok(Written { file, digest, bytes, objects: self.objects, transactions, placed })
    }
}

/// A new file in its place, taken away again where it is not to stay: nothing that does not count as sent lies about.
pub(crate) struct Placed(Option<PathBuf>);

impl Placed {
    pub(crate) fn stays(mut self) {
        self.0 = None;
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        if let Some(file) = &self.0 {
            // What cannot be taken away does no harm: it is whole.
            let _ = std::fs::remove_file(file);
        }
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether a set may be put at `file`: nothing is there, or something that may be replaced on purpose. A database, or the
/// log that belongs to one, never is: it may well be the one that is synchronized.
pub fn check_replaceable(file: &Path, overwrite: bool) -> Result<()> {
    if !file.exists() {
        return Ok(());
    }
    if !overwrite {
        return Err(exists(file));
    }
    let mut start = [0; DATABASE.len()];
    let read = std::fs::File::open(file).and_then(|mut f| std::io::Read::read_exact(&mut f, &mut start));
    let name = file.to_string_lossy();
    if (read.is_ok() && start == *DATABASE) || ["-wal", "-shm", "-journal"].iter().any(|ending| name.ends_with(ending))
    {
        let what = format!(
            "the file is a database, or part of one, so no set is put in its place; nothing was changed: {name}"
        );
        return Err(Error::storage(what).hint("name another file"));
    }
    Ok(())
}

/// How every SQLite database begins.
const DATABASE: &[u8; 16] = b"SQLite format 3\0";

fn cannot_write(file: &Path, error: &std::io::Error) -> Error {
    // By kind: the text may name the temporary file, which means nothing to anybody.
    let error = match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such folder".to_owned(),
        kind => kind.to_string(),
    };
    Error::storage(format!("the set could not be written, and nothing counts as sent: {error}: {}", file.display()))
        .hint("check that the folder exists and can be written, or name another one")
}

fn exists(file: &Path) -> Error {
    Error::storage(format!("the file exists already and was left as it is: {}", file.display()))
        .hint("choose another name or number, or overwrite it on purpose (--overwrite)")
}
