//! Comparing what nodes hold, by reading every row: digests per class, and which objects differ.

use rusqlite::Row;
use rusqlite::types::ValueRef;
use serde::Serialize;
use serde_json::json;

use crate::sync::data::guid::Guid;
use crate::sync::data::schema::{Class, Property, quote};
use crate::sync::data::value::{Value, append_stored};
use crate::sync::error::{Error, Result};
use crate::sync::node::Node;
use crate::sync::node::history::Named;

/// What one node holds of one class: a hash per object, in order of GUID.
pub struct Contents {
    objects: Vec<(Guid, i64, [u8; 16])>,
}

/// The local number of an object and the hash of its content.
type Held = (i64, [u8; 16]);

/// An object that differs between two nodes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ObjectDifference {
    /// The object.
    pub guid: Guid,
    /// Its local number at each node, in their order; `None`: not there, or its key is content.
    pub numbers: Vec<Option<i64>>,
    /// Its key at each node, where that is content; `None`: not there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Option<String>>,
}

impl Node {
    /// Reads all objects of a class. References count as GUIDs; local numbers do not count.
    pub fn contents(&mut self, class: &str) -> Result<Contents> {
        self.read(|node| node.read_contents(node.class(class)?))
    }

    fn read_contents(&self, class: &Class) -> Result<Contents> {
        let sql = format!(
            "SELECT o.object, o.key{} FROM {} o JOIN {} t ON {}",
            class.values_of("t", "o"),
            class.objects(),
            quote(&class.table),
            class.same_row("t", "o")
        );
        let (mut objects, mut comparing) = (Vec::new(), Comparing::new(self, class)?);
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            objects.push((self.nodes.object(r.get(0)?)?, r.get(1)?, comparing.hash(r, 2)?));
            self.going_on("comparing", objects.len(), None)?;
        }
        objects.sort_unstable_by_key(|(guid, ..)| *guid);
        Ok(Contents { objects })
    }
}

/// Hashes rows of a class, equal where the content is, also with a node that has not heard of a column yet that others have
/// added: there it has the value that every state from before has.
pub(crate) struct Comparing<'a> {
    node: &'a Node,
    properties: Vec<(&'a Property, Option<&'a Class>)>,
    named: Named,
    bytes: Vec<u8>,
}

impl<'a> Comparing<'a> {
    pub(crate) fn new(node: &'a Node, class: &'a Class) -> Result<Comparing<'a>> {
        let with_target = |p: &'a Property| Ok((p, p.references.as_deref().map(|name| node.class(name)).transpose()?));
        let properties = class.properties.iter().map(with_target).collect::<Result<_>>()?;
        Ok(Comparing { node, properties, named: Named::among(usize::MAX), bytes: Vec::new() })
    }

    /// Of the columns from `first` on, one a property.
    pub(crate) fn hash(&mut self, row: &Row<'_>, first: usize) -> Result<[u8; 16]> {
        self.bytes.clear();
        let mut added = Vec::new();
        for (i, (property, target)) in self.properties.iter().enumerate() {
            let stored = row.get_ref(first + i)?;
            let reference = match (target, stored) {
                (Some(target), ValueRef::Integer(key)) => {
                    let named = self.node.named_now(target, key, &mut self.named)?;
                    Some(named.map_or(Value::Dangling(key), Value::Reference))
                }
                _ => None,
            };
            match (&property.added, reference) {
                (None, None) => append_stored(stored, &mut self.bytes),
                (None, Some(reference)) => reference.append_to(&mut self.bytes),
                (Some(before), reference) => {
                    let value = reference.unwrap_or_else(|| Value::from_sql(stored));
                    if value != *before {
                        added.push((&property.name, value));
                    }
                }
            }
        }
        // Nodes may have added them in different orders.
        added.sort_by_key(|(name, _)| *name);
        for (name, value) in added {
            append_stored(ValueRef::Text(name.as_bytes()), &mut self.bytes);
            value.append_to(&mut self.bytes);
        }
        Ok(short_hash(&self.bytes))
    }
}

/// The first half of a hash: enough to tell apart what is not made to deceive.
pub(crate) fn short_hash(bytes: &[u8]) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    short
}

impl Contents {
    /// The digest over all objects, hexadecimal; equal where the contents are.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (guid, _, hash) in &self.objects {
            hasher.update(&guid.node.0.to_be_bytes());
            hasher.update(&guid.serial.to_be_bytes());
            hasher.update(hash);
        }
        hasher.finalize().to_hex().to_string()
    }

    /// How many objects.
    pub fn count(&self) -> usize {
        self.objects.len()
    }

    /// The objects that are not the same in all.
    pub fn differences(all: &[Contents]) -> Vec<ObjectDifference> {
        let mut differences = Vec::new();
        let mut at = vec![0; all.len()];
        let next = |at: &[usize]| all.iter().zip(at).filter_map(|(c, at)| Some(c.objects.get(*at)?.0)).min();
        while let Some(guid) = next(&at) {
            let held: Vec<Option<Held>> = all
                .iter()
                .zip(&mut at)
                .map(|(contents, at)| {
                    let (_, key, hash) = contents.objects.get(*at).filter(|(g, ..)| *g == guid)?;
                    *at += 1;
                    Some((*key, *hash))
                })
                .collect();
            if held.windows(2).any(|w| w[0].map(|f| f.1) != w[1].map(|f| f.1)) {
                let numbers = held.iter().map(|f| f.map(|f| f.0)).collect();
                differences.push(ObjectDifference { guid, numbers, keys: Vec::new() });
            }
        }
        differences
    }
}

impl ObjectDifference {
    /// What it is called at each node: its number, or its key; `None`: not there.
    pub fn names(&self) -> Vec<Option<String>> {
        match self.keys.is_empty() {
            true => self.numbers.iter().map(|number| number.map(|n| n.to_string())).collect(),
            false => self.keys.clone(),
        }
    }
}

/// What comparing an environment's nodes found.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    /// Whether all journaled classes hold the same everywhere.
    pub equal: bool,
    /// Columns that nodes have added with different defaults: rows that nobody has written since hold different values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disagree: Vec<String>,
    /// Class by class.
    pub classes: Vec<ClassVerification>,
}

/// What comparing one class found.
#[derive(Clone, Debug, Serialize)]
pub struct ClassVerification {
    /// The class.
    pub name: String,
    /// Whether it is synchronized, and so decides about `equal`.
    pub journaled: bool,
    /// The digest at each node, by name.
    pub digests: serde_json::Map<String, serde_json::Value>,
    /// The objects that differ.
    pub differences: Vec<ObjectDifference>,
}

/// Compares nodes class by class, by what the first of them synchronizes.
pub fn verify(nodes: &mut [Node]) -> Result<Verification> {
    let Some(first) = nodes.first() else {
        return Ok(Verification { equal: true, disagree: Vec::new(), classes: Vec::new() });
    };
    let mut classes = Vec::new();
    for class in first.classes().to_vec() {
        let name = class.name.as_str();
        // Each has its own connection, so they are read side by side.
        let contents: Vec<Contents> = std::thread::scope(|scope| {
            let each: Vec<_> = nodes.iter_mut().map(|n| scope.spawn(move || n.contents(name))).collect();
            let failed = || Err(Error::storage("a node could not be read"));
            each.into_iter().map(|reading| reading.join().unwrap_or_else(|_| failed())).collect::<Result<_>>()
        })?;
        let digests = nodes.iter().zip(&contents).map(|(n, c)| (n.info().name.clone(), json!(c.digest()))).collect();
        let mut differences = Contents::differences(&contents);
        for difference in differences.iter_mut().filter(|_| !class.has_numbers()) {
            for node in nodes.iter() {
                let class = node.class(&class.name)?;
                let content = node.current(class, difference.guid)?.and_then(|filed| filed.state.content);
                difference.keys.push(node.key_text(class, content.as_deref()));
            }
            difference.numbers.fill(None);
        }
        classes.push(ClassVerification { name: class.name, journaled: class.journaled, digests, differences });
    }
    let disagree = added_differently(nodes);
    let equal = disagree.is_empty() && classes.iter().all(|c| !c.journaled || c.differences.is_empty());
    Ok(Verification { equal, disagree, classes })
}

/// Columns that nodes have added with different defaults, in words.
pub(crate) fn added_differently<N: std::borrow::Borrow<Node>>(nodes: &[N]) -> Vec<String> {
    let mut found = Vec::new();
    for (i, a) in nodes.iter().map(std::borrow::Borrow::borrow).enumerate() {
        for b in nodes[i + 1..].iter().map(std::borrow::Borrow::borrow) {
            for (class, other) in a.classes().iter().filter_map(|c| Some((c, b.class(&c.name).ok()?))) {
                for p in class.properties.iter().filter(|_| class.journaled) {
                    let added = other.properties.iter().find(|q| q.name == p.name).and_then(|q| q.added.as_ref());
                    if let (Some(x), Some(y)) = (&p.added, added)
                        && x != y
                    {
                        found.push(format!(
                            "{}.{} was added as {} at {} and as {} at {}",
                            class.table,
                            p.name,
                            x.shown(),
                            a.info().name,
                            y.shown(),
                            b.info().name
                        ));
                    }
                }
            }
        }
    }
    found
}
