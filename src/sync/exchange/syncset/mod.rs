//! Sync sets: what one node sends another, as a file.
//!
//! A set is text. The first line is the header, then one line an object in the order in which the sender filed them, and
//! a closing line with counts and a BLAKE3 digest over every byte before it. Everything is JSON. Nodes are named once, in
//! the header; elsewhere they are places in that list. The file is byte-exact: a missing final newline, a changed letter
//! case or anything after the end is damage.
//!
//! The closing line also has a `signature` where the header has the source's public `key` (among `nodes`): Ed25519 over the
//! bytes `objsync syncset`, a zero byte, and the digest; both as lower-case hexadecimal digits. Two more signatures stand in the
//! header since format 6, over numbers of 8 bytes, the highest first:
//! 1. `introduction` of a node, by the key of the node whose place is in `by`, of whose file it was made: over the bytes
//!    `objsync introduction`, a zero byte, the node's GUID and its public key;
//! 2. `proofs`, `[node, signature]`, of a point in `seen`, or of the source at `number` and `clock`, by that node's key: over the bytes
//!    `objsync point`, a zero byte, the node's GUID, the commit and the clock.
//!
//! The whole may be packed as one zstd frame (RFC 8878), whatever the file is called: a file that begins with the bytes
//! `28 b5 2f fd` is. The digest is over what it unpacks to, so packing, unpacking or packing it anew by other means changes
//! nothing. A frame may ask for a window of 8 MB at most, and no line is longer than 2^28 bytes or has more than 2^22 values; more
//! is damage. A set that is larger than usual ([`Size::Usual`]) is taken where that is asked for.
//!
//! Header: `objsync` (always `syncset`), `format`, `id`, `nodes` (GUID, name, role, and the public key where the source knows it; who
//! introduced it), `source` and `target`, `lineage` of the
//! source (`[node, number]`, nearest first), `number` and `clock` of the source when the set was made, the range of
//! commits (`start`, `end`], `received` (what the source has of whom, so that acknowledgements travel), `seen` (at which last
//! commit and clock whom is known to have been, so that a restored file is found out), `told` (`[number, clock]` of the source whenever it told
//! anybody what it held, since the target heard of it last; since format 4),
//! `earlier` (sets prepared for the target and not confirmed, `[id, first, last]`; since format 2), the `classes` with their properties (`key` is the name of an INTEGER PRIMARY KEY, or the places of a key that is
//! content; `added` is what a property had before its column was added, `formerly` its former names; since format 3), `created`, and `keys`, which explains the short keys of the object lines:
//!
//! | key | meaning |
//! |---|---|
//! | `c` | class, its place in `classes` |
//! | `o` | object: `[node, serial]`; the GUID is the node's 64 bits and the serial |
//! | `k` | the local number at the source; missing where the key is content |
//! | `e` | what happened to it in the range: `+` new, `~` changed, `-` deleted |
//! | `n` | the commits in the range that filed it; objects that share one are one unit |
//! | `v` | vector: `[[node, number], …]` |
//! | `t`, `a` | stamp: microseconds since 1970 UTC, author |
//! | `p` | values in the order of the class's properties; a reference is `[node, serial]`; missing: deleted |
//! | `w` | old values of what changed, of a deletion those of a key that is content: `[[place, value], …]` |
//! | `d` | the commit that wrote a property last: `[[place, node, number], …]`; what `w` names and `d` does not (of a new object: everything) was written by the stamp's author with its last commit that is in the vector; what neither names was not written in the range; since format 5 |
//!
//! A line with `c`, `o` and `n` only is a tie: an object that is not sent, because it came unchanged from the target, but
//! shared a commit with one that is.

mod lines;
mod read;
mod write;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::sync::data::guid::{Guid, NodeId};
use crate::sync::data::schema::{Class, Key};
use crate::sync::data::value::Value;
use crate::sync::data::vector::Dot;
use crate::sync::exchange::report::object_name;
use crate::sync::exchange::signature::{PublicKey, Signature};
use crate::sync::exchange::told::Point;
use crate::sync::node::NodeInfo;
use crate::sync::node::history::State;

pub(crate) use lines::Lines;
pub(crate) use read::{Entry, Whole, check_transactions, read_entry, read_through, repeated, too_large};
pub use read::{Size, read, read_header};
pub use write::check_replaceable;
pub(crate) use write::{Target, Writer};

/// The version of the format that this program writes; it reads this one and those before.
pub const FORMAT: u64 = 6;

/// The longest line that is written and read, bytes.
const LONGEST_LINE: u64 = 1 << 28;

/// The most values in a line that is written and read. Read, a value takes many times the bytes that it has in the file, which
/// packed has next to none.
const MOST_VALUES: usize = 1 << 22;

/// Whether a line takes little more memory, read, than as it is. Commas and brackets tell values apart, except in text.
fn is_modest(line: &[u8]) -> bool {
    if line.len() < MOST_VALUES {
        return true;
    }
    let (mut values, mut text, mut escaped) = (0, false, false);
    for byte in line {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = text,
            b'"' => text = !text,
            b',' | b'[' | b'{' if !text => values += 1,
            _ => {}
        }
    }
    values <= MOST_VALUES
}

/// The ending of a set's file name.
pub const EXTENSION: &str = "syncset";

/// The name of a set's file: `syncFromMASTER-1000.syncset`, the original's convention.
pub fn file_name(source: &str, id: i64) -> String {
    format!("syncFrom{source}-{id}.{EXTENSION}")
}

/// What a set says about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The version of the format that it is written in.
    pub format: u64,
    /// Its number at the source, above 0.
    pub id: i64,
    /// Who sends.
    pub source: NodeInfo,
    /// To whom it is addressed.
    pub target: NodeInfo,
    /// Every node named in the set; source and target are the first two.
    pub nodes: Vec<NodeInfo>,
    /// Of which nodes the source's file was a copy, and at which commits.
    pub lineage: Vec<(NodeId, u64)>,
    /// The source's last commit when the set was made.
    pub number: u64,
    /// The source's clock then, microseconds since 1970 UTC.
    pub clock: i64,
    /// The set covers the commits after this one …
    pub start: u64,
    /// … up to this one.
    pub end: u64,
    /// Up to which of their commits the source has everything of others.
    pub received: Vec<(NodeId, u64)>,
    /// At which last commit and clock the source last saw others.
    pub seen: Vec<(NodeId, u64, i64)>,
    /// Its last commit and clock whenever the source told anybody what it held, from the last time that the target is known to
    /// have heard of, oldest first, this set included.
    pub told: Vec<(u64, i64)>,
    /// Sets that the source has prepared for the target before and that are not confirmed: id, first and last commit.
    pub earlier: Vec<(i64, u64, u64)>,
    /// The source's classes.
    pub classes: Vec<Class>,
    /// The source's public key, with which the set is signed; sets of formats before 3 are not.
    pub key: Option<PublicKey>,
    /// Public keys by which the source knows nodes, its own among them.
    pub keys: Vec<(NodeId, PublicKey)>,
    /// Certificates: who was made of whose file.
    pub introductions: Vec<Introduction>,
    /// Signatures of nodes under the points at which the source saw them, its own under `number` and `clock`.
    pub proofs: Vec<(NodeId, Signature)>,
}

/// A certificate: a node was made of the file of another one, whose key signed the new one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// The node that was made.
    pub node: NodeId,
    /// Of whose file.
    pub by: NodeId,
    /// Under the GUID and the public key of the new one.
    pub signature: Signature,
}

impl Header {
    /// What the source has received from a node.
    pub fn received_from(&self, node: NodeId) -> u64 {
        self.received.iter().find(|(n, _)| *n == node).map_or(0, |(_, number)| *number)
    }

    /// At which last commit and clock the source last saw a node.
    pub(crate) fn saw(&self, node: NodeId) -> Option<Point> {
        self.seen.iter().find(|(n, ..)| *n == node).map(|(_, number, clock)| Point { number: *number, clock: *clock })
    }

    /// The public key that it says a node has.
    pub(crate) fn key_of(&self, node: NodeId) -> Option<PublicKey> {
        self.keys.iter().find(|(n, _)| *n == node).map(|(_, key)| *key)
    }

    /// A node's own signature under its point.
    pub(crate) fn proof_of(&self, node: NodeId) -> Option<Signature> {
        self.proofs.iter().find(|(n, _)| *n == node).map(|(_, proof)| *proof)
    }
}

/// What happened to an object in a set's range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// It was made.
    #[serde(rename = "+")]
    New,
    /// It was changed.
    #[serde(rename = "~")]
    Changed,
    /// It was deleted.
    #[serde(rename = "-")]
    Deleted,
}

/// One object in a set: its net state.
#[derive(Clone, Debug, PartialEq)]
pub struct SetObject {
    /// Its class, a place in the header's list.
    pub class: usize,
    /// Its identity.
    pub guid: Guid,
    /// Its local number at the source, where it has or had one.
    pub key: Option<i64>,
    /// What happened to it.
    pub change: Change,
    /// The commits in the range that filed it, in order.
    pub commits: Vec<u64>,
    /// Its state.
    pub state: State,
    /// Old values of what changed, of a deletion those of a key that is content: place of the property, value.
    pub was: Vec<(usize, Value)>,
    /// The commits that wrote properties last, where that was not the stamp's author with its last commit: place, commit. What was
    /// written and written back is here, too.
    pub dots: Vec<(usize, Dot)>,
}

impl SetObject {
    /// What people call it beside its class: its number at the source, its key, or its GUID.
    pub fn name(&self, class: &Class) -> String {
        let value = |place: &usize| match &self.state.content {
            Some(values) => values.get(*place).map(Value::shown),
            None => self.was.iter().find(|(i, _)| i == place).map(|(_, value)| value.shown()),
        };
        let key = match &class.key {
            Key::Content(places) => places.iter().map(value).collect::<Option<Vec<String>>>().map(|k| k.join(", ")),
            Key::Number(_) => None,
        };
        object_name(self.key, key.as_deref(), &self.guid)
    }
}

/// An object that is not sent but shared a commit with one that is.
#[derive(Clone, Debug, PartialEq)]
pub struct Tie {
    /// Its class, a place in the header's list.
    pub class: usize,
    /// Its identity.
    pub guid: Guid,
    /// The commits in the range that filed it.
    pub commits: Vec<u64>,
}

/// A set read from a file and found whole.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncSet {
    /// What it says about itself.
    pub header: Header,
    /// The objects, in the order of the sender.
    pub objects: Vec<SetObject>,
    /// The ties.
    pub ties: Vec<Tie>,
    /// In how many commits the objects were filed.
    pub transactions: usize,
    /// BLAKE3 over every byte before the closing line, hexadecimal.
    pub digest: String,
    /// The file's size.
    pub bytes: u64,
}

// -- the lines as they stand in the file -----------------------------------------------------------------------------

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLine {
    objsync: String,
    format: u64,
    id: i64,
    nodes: Vec<NodeLine>,
    source: usize,
    target: usize,
    lineage: Vec<(usize, u64)>,
    number: u64,
    clock: i64,
    start: u64,
    end: u64,
    received: Vec<(usize, u64)>,
    seen: Vec<(usize, u64, i64)>,
    #[serde(default)]
    proofs: Vec<(usize, String)>,
    #[serde(default)]
    told: Vec<(u64, i64)>,
    #[serde(default)]
    earlier: Vec<(i64, u64, u64)>,
    classes: Vec<Class>,
    created: String,
    keys: Json,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeLine {
    guid: String,
    name: String,
    role: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    introduction: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ObjectLine {
    c: usize,
    o: (usize, u64),
    #[serde(default, skip_serializing_if = "Option::is_none")]
    k: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<Change>,
    n: Vec<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    v: Option<Vec<(usize, u64)>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    t: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    a: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p: Option<Vec<Json>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    w: Vec<(usize, Json)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    d: Vec<(usize, usize, u64)>,
}

#[derive(PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClosingLine {
    objects: usize,
    ties: usize,
    transactions: usize,
    blake3: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

fn legend() -> Json {
    serde_json::json!({
        "c": "class", "o": "object: node, serial", "k": "local number at the source", "e": "+ new, ~ changed, - deleted",
        "n": "commits that filed it", "v": "vector: node, number", "t": "stamp: microseconds since 1970 UTC", "a": "stamp: author",
        "p": "values of the class's properties", "w": "old values: place, value",
        "d": "who wrote last: place, node, commit"
    })
}
