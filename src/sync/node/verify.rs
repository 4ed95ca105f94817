//! Comparing what nodes hold, by reading every row: digests per class, and which objects differ. Rows that were written or
//! removed past the triggers (`unseen.rs`) are rows, too: what is called equal is equal row by row.

use rusqlite::Row;
use rusqlite::types::ValueRef;
use serde::Serialize;
use serde_json::json;

use crate::sync::data::guid::Guid;
use crate::sync::data::schema::{Class, Property, quote};
use crate::sync::data::value::{Value, append_stored, stored_key};
use crate::sync::error::{Error, Result};
use crate::sync::node::history::Named;
use crate::sync::node::unseen::UnseenRow;
use crate::sync::node::{Node, advice};

/// What one node holds of one class: a hash per object, in order of GUID.
pub struct Contents {
    objects: Vec<(Guid, i64, [u8; 16])>,
    /// Hashes of the rows without identity, in order.
    unidentified: Vec<[u8; 16]>,
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
    /// The properties that differ where it is there, of the first [`ObjectDifference::DETAILED`] objects of a class.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<PropertyDifference>,
}

/// A property that differs between two nodes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PropertyDifference {
    /// Its name.
    pub name: String,
    /// Its value at each node for people, with its type where need be; `None`: the object or the property is not there.
    pub values: Vec<Option<String>>,
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
        Ok(Contents { objects, unidentified: self.hashes_of_unidentified(class)? })
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
                (Some(target), stored) => match stored_key(stored) {
                    Some(key) => {
                        let named = self.node.named_now(target, key, &mut self.named)?;
                        Some(named.map_or(Value::Dangling(key), Value::Reference))
                    }
                    None => None,
                },
                (None, _) => None,
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
        self.unidentified.iter().for_each(|hash| {
            hasher.update(hash);
        });
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
                differences.push(ObjectDifference { guid, numbers, keys: Vec::new(), properties: Vec::new() });
            }
        }
        differences
    }
}

impl ObjectDifference {
    /// Of how many objects of a class the values that differ are read.
    pub const DETAILED: usize = 100;

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
    /// Columns that some nodes have and others lack, with what to do; what is in them is kept beside the table there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lacking: Vec<String>,
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
    /// Rows that were written or removed past the triggers: that does not travel by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<UnseenRow>,
    /// Rows without identity are not the same at all nodes.
    #[serde(skip)]
    unidentified_differ: bool,
}

impl ClassVerification {
    /// Whether the class holds the same everywhere.
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty() && !self.unidentified_differ
    }
}

/// Compares nodes class by class, by what the first of them synchronizes.
pub fn verify(nodes: &mut [Node]) -> Result<Verification> {
    let mut classes = Vec::new();
    for class in nodes.first().map(|first| first.classes().to_vec()).unwrap_or_default() {
        classes.push(verify_class(nodes, &class)?);
    }
    let (disagree, lacking) = (added_differently(nodes), lacking_columns(nodes));
    let equal = disagree.is_empty() && classes.iter().all(|class| !class.journaled || class.is_equal());
    Ok(Verification { equal, disagree, lacking, classes })
}

/// What to call each node: by its name, and where two have the same one, by its GUID, too.
fn labels(nodes: &[Node]) -> Vec<String> {
    let shared = |name: &str| nodes.iter().filter(|n| n.info().name == name).count() > 1;
    let label = |info: &crate::sync::node::NodeInfo| match shared(&info.name) {
        true => format!("{} {}", info.name, info.guid),
        false => info.name.clone(),
    };
    nodes.iter().map(|n| label(n.info())).collect()
}

fn verify_class(nodes: &mut [Node], class: &Class) -> Result<ClassVerification> {
    let name = class.name.as_str();
    // Each has its own connection, so they are read side by side.
    let contents: Vec<Contents> = std::thread::scope(|scope| {
        let each: Vec<_> = nodes.iter_mut().map(|n| scope.spawn(move || n.contents(name))).collect();
        let failed = || Err(Error::storage("a node could not be read"));
        each.into_iter().map(|reading| reading.join().unwrap_or_else(|_| failed())).collect::<Result<_>>()
    })?;
    let digests = labels(nodes).into_iter().zip(&contents).map(|(label, c)| (label, json!(c.digest()))).collect();
    let mut differences = Contents::differences(&contents);
    for (n, difference) in differences.iter_mut().enumerate() {
        if class.has_numbers() && n >= ObjectDifference::DETAILED {
            break;
        }
        difference.look_closer(nodes, class, n < ObjectDifference::DETAILED)?;
    }
    let mut unseen = Vec::new();
    for node in nodes.iter() {
        unseen.extend(node.unseen_rows(node.class(name)?)?);
    }
    let unidentified_differ = contents.windows(2).any(|w| w[0].unidentified != w[1].unidentified);
    Ok(ClassVerification {
        name: class.name.clone(),
        journaled: class.journaled,
        digests,
        differences,
        unseen,
        unidentified_differ,
    })
}

impl ObjectDifference {
    /// Reads what it is called at each node where its key is content, and, if asked to, which properties differ.
    fn look_closer(&mut self, nodes: &[Node], class: &Class, closely: bool) -> Result<()> {
        let mut held: Vec<(&Class, Option<Vec<Value>>)> = Vec::new();
        for node in nodes {
            let own = node.class(&class.name)?;
            let content = node.current(own, self.guid)?.and_then(|filed| filed.state.content);
            if !class.has_numbers() {
                self.keys.push(node.key_text(own, content.as_deref()));
            }
            held.push((own, content));
        }
        if !class.has_numbers() {
            self.numbers.fill(None);
        }
        for p in class.properties.iter().filter(|_| closely) {
            let value =
                |(own, content): &(&Class, Option<Vec<Value>>)| Some(content.as_ref()?[own.property(&p.name)?].clone());
            let values: Vec<Option<Value>> = held.iter().map(value).collect();
            let there: Vec<&Value> = values.iter().flatten().collect();
            if there.windows(2).all(|w| w[0] == w[1]) {
                continue;
            }
            let each = nodes.iter().zip(&values);
            // Each shows it by its own local numbers, beside the others' values.
            let shown = |(node, value): (&Node, &Option<Value>)| {
                let all: Vec<&Value> = value.iter().chain(there.iter().copied()).collect();
                value.as_ref().map(|_| node.shown_beside(p, &all).swap_remove(0))
            };
            self.properties.push(PropertyDifference { name: p.name.clone(), values: each.map(shown).collect() });
        }
        Ok(())
    }
}

/// Columns that some nodes have and others lack, in words, with what to do.
pub(crate) fn lacking_columns(nodes: &[Node]) -> Vec<String> {
    let mut found = Vec::new();
    for node in nodes {
        for class in node.classes() {
            for (_, p) in class.not_columns() {
                let there = |other: &&Node| {
                    let own = other.class(&class.name).ok();
                    own.is_some_and(|own| own.columns().any(|(_, q)| q.name.eq_ignore_ascii_case(&p.name)))
                };
                let there: Vec<&str> = nodes.iter().filter(there).map(|n| n.info().name.as_str()).collect();
                let there = if there.is_empty() { "another node".to_owned() } else { there.join(", ") };
                found.push(format!(
                    "the table {} has no column {} at {}, which {there} added; its values are kept beside the table until it is added there, too: {}",
                    class.table,
                    p.name,
                    node.info().name,
                    advice::add_column(node, class, p),
                ));
            }
        }
    }
    found
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
