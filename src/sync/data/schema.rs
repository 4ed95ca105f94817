//! Classes: which tables are synchronized, their properties, and whether two nodes agree on them.

use serde::{Deserialize, Serialize};

use crate::sync::data::sql::Expression;
use crate::sync::data::texts::Texts;
use crate::sync::data::value::Value;

/// A table to be made a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassSpec {
    /// The class's name, as people say it: `Order`.
    pub name: String,
    /// Its table: `orders`.
    pub table: String,
    /// Journaled (its changes are synchronized) or only identified (its objects have GUIDs, so references can travel).
    pub journaled: bool,
}

/// A class: one table whose objects have GUIDs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// The class's name.
    pub name: String,
    /// Its table.
    pub table: String,
    /// What tells its rows apart.
    pub key: Key,
    /// Whether changes are journaled and synchronized.
    pub journaled: bool,
    /// The other columns, each at its place for good: those the table had first in its order, then those added since.
    pub properties: Vec<Property>,
    /// The unique constraints, each as places in `properties`.
    #[serde(skip)]
    pub unique: Vec<Vec<usize>>,
    /// The collation of each of these places: an index may compare otherwise than its column does.
    #[serde(skip)]
    pub(crate) collations: Vec<Vec<String>>,
    /// All that must be unique but the local number, also where it is an expression, or holds for some rows only.
    #[serde(skip)]
    pub(crate) indexes: Vec<UniqueIndex>,
    /// Something else must be unique, too: an index whose text cannot be read.
    #[serde(skip)]
    pub(crate) has_unread_index: bool,
    /// What REPLACE puts in the place of NULL: columns that must have a value, and their defaults as SQL.
    #[serde(skip)]
    pub(crate) defaults: Vec<(String, String)>,
    /// The table itself says what becomes of a statement that breaks a constraint (`UNIQUE … ON CONFLICT REPLACE`).
    #[serde(skip)]
    pub(crate) has_conflict_clause: bool,
    /// Foreign keys of this table whose values are content, not local numbers: what they name must be there in the end.
    #[serde(skip)]
    pub(crate) foreign: Vec<ForeignKey>,
    /// Foreign keys of the same kind, or of tables that are no classes, that name rows of this table.
    #[serde(skip)]
    pub(crate) named_by: Vec<ForeignKey>,
    /// Deleting a row does something with rows that refer to it (`ON DELETE CASCADE` and the like).
    #[serde(skip)]
    pub(crate) takes_others_along: bool,
    /// This file's small number for the class.
    #[serde(skip)]
    pub id: i64,
    #[serde(skip)]
    pub(crate) texts: Texts,
}

/// What tells the rows of a class apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// The INTEGER PRIMARY KEY of that name: a local number, no part of what is compared. Where it is a declared reference, it is a
    /// property as well: what it refers to is compared and travels, and gives the number at each node.
    Number(String),
    /// Any other declared key, as places among the properties: content like any other, and unique. The number by which the
    /// engine names such an object inside this file is its object id.
    Content(Vec<usize>),
}

/// One column of a class's table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    /// The column.
    pub name: String,
    /// Its declared type, upper case.
    #[serde(rename = "type")]
    pub declared: String,
    /// Whether NULL is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_null: bool,
    /// The class it refers to by its local number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<String>,
    /// Present where the column was added to the table after the class was made: the value that every state from before has.
    #[serde(default, with = "added", skip_serializing_if = "Option::is_none")]
    pub added: Option<Value>,
    /// Names that it had before it was renamed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formerly: Vec<String>,
    /// No column of the table here: another node has added it, and its values are kept beside the table and sent on.
    #[serde(skip)]
    pub elsewhere: bool,
    /// Journal positions up to here are from before the column was.
    #[serde(skip)]
    pub(crate) since: i64,
}

/// [`Property::added`] as JSON.
mod added {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::sync::data::value::Value;

    pub(super) fn serialize<S: Serializer>(value: &Option<Value>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(Value::to_stored_json).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
        let json = serde_json::Value::deserialize(deserializer)?;
        let value = Value::from_stored_json(&json).ok_or_else(|| serde::de::Error::custom("no value"))?;
        Ok(Some(value))
    }
}

/// A unique index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UniqueIndex {
    pub(crate) parts: Vec<IndexPart>,
    /// Which rows are in it.
    pub(crate) condition: Option<Expression>,
}

/// One part of an index: what it compares, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexPart {
    pub(crate) value: Expression,
    pub(crate) collation: String,
}

impl UniqueIndex {
    /// SQL: whether two rows have the same in it; each is given as what stands for a column of it.
    pub(crate) fn collides(&self, a: &dyn Fn(&str) -> String, b: &dyn Fn(&str) -> String) -> String {
        let equal = |part: &IndexPart| {
            let (a, b) = (part.value.with(a), part.value.with(b));
            format!("({a}) = ({b}) COLLATE {}", quote(&part.collation))
        };
        let mut all: Vec<String> = self.parts.iter().map(equal).collect();
        for row in [a, b] {
            all.extend(self.condition.iter().map(|condition| format!("({})", condition.with(row))));
        }
        all.join(" AND ")
    }

    /// The columns that it depends on, some perhaps twice.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|part| &part.value).chain(&self.condition).flat_map(Expression::columns)
    }
}

/// A foreign key, by the names of tables and columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForeignKey {
    /// The table that refers …
    pub(crate) table: String,
    /// … by these columns …
    pub(crate) columns: Vec<String>,
    /// … to that table …
    pub(crate) target: String,
    /// … where these must have the same values.
    pub(crate) to: Vec<String>,
    /// Deleting the row that is referred to does something with those that refer to it (`ON DELETE CASCADE` and the like).
    pub(crate) acts: bool,
    /// Changing what is referred to changes those that refer to it (`ON UPDATE CASCADE` and the like).
    pub(crate) follows: bool,
}

impl Class {
    /// A class of which nothing but its name and table is known yet.
    pub(crate) fn bare(id: i64, spec: &ClassSpec) -> Class {
        Class {
            name: spec.name.clone(),
            table: spec.table.clone(),
            key: Key::Content(Vec::new()),
            journaled: spec.journaled,
            properties: Vec::new(),
            unique: Vec::new(),
            collations: Vec::new(),
            indexes: Vec::new(),
            has_unread_index: false,
            defaults: Vec::new(),
            has_conflict_clause: false,
            foreign: Vec::new(),
            named_by: Vec::new(),
            takes_others_along: false,
            id,
            texts: Texts::default(),
        }
    }

    /// The place of a property.
    pub fn property(&self, name: &str) -> Option<usize> {
        self.properties.iter().position(|p| p.name.eq_ignore_ascii_case(name))
    }

    /// Whether its objects are known to people by a local number.
    pub fn has_numbers(&self) -> bool {
        matches!(self.key, Key::Number(_))
    }

    /// The place of the INTEGER PRIMARY KEY among the properties, where it is a reference itself (a one-to-one table): such an
    /// object has the number of the one that it refers to, at every node. `None`: its number is its own.
    pub(crate) fn key_place(&self) -> Option<usize> {
        let Key::Number(key) = &self.key else { return None };
        self.properties.iter().position(|p| !p.elsewhere && p.name.eq_ignore_ascii_case(key))
    }

    /// The column of its local number.
    pub(crate) fn number_column(&self) -> Option<&str> {
        match &self.key {
            Key::Number(name) => Some(name),
            Key::Content(_) => None,
        }
    }

    /// The places of its key where that is content.
    pub(crate) fn key_places(&self) -> &[usize] {
        match &self.key {
            Key::Number(_) => &[],
            Key::Content(places) => places,
        }
    }

    /// The columns to change so that a row has nothing unique in common with any other: those that indexes name; all, where what
    /// an index compares follows from other columns.
    pub(crate) fn parking_places(&self) -> Vec<usize> {
        let named: Vec<&str> = self.indexes.iter().flat_map(UniqueIndex::columns).collect();
        let known =
            |name: &&str| self.number_column() == Some(*name) || self.columns().any(|(_, p)| p.name.as_str() == *name);
        let all = named.is_empty() || self.has_unread_index || !named.iter().all(known);
        let places = self
            .columns()
            .filter(|(place, p)| self.key_place() != Some(*place) && (all || named.contains(&p.name.as_str())));
        places.map(|(place, _)| place).collect()
    }

    /// How a unique column compares.
    pub(crate) fn collation(&self, place: usize) -> &str {
        let all = self.unique.iter().flatten().zip(self.collations.iter().flatten());
        all.filter(|(i, _)| **i == place).map(|(_, collation)| collation.as_str()).next().unwrap_or("BINARY")
    }

    /// The table of local keys, GUIDs and versions of its objects.
    pub(crate) fn objects(&self) -> String {
        quote(&format!("objsync_object_{}", self.table))
    }

    /// The table of its deleted objects.
    pub(crate) fn tombstones(&self) -> String {
        quote(&format!("objsync_tombstone_{}", self.table))
    }

    /// The table of values of properties that the user's table has not.
    pub(crate) fn elsewhere(&self) -> String {
        quote(&format!("objsync_elsewhere_{}", self.table))
    }

    /// SQL: whether row `t` of the table is that of row `o` of [`Class::objects`]. Uses the primary key of the table, or, read
    /// the other way, that of the objects.
    pub(crate) fn same_row(&self, t: &str, o: &str) -> String {
        match &self.key {
            Key::Number(key) => format!("{t}.{} = {o}.key", quote(key)),
            Key::Content(places) => {
                let each = places.iter().enumerate();
                let each = each.map(|(n, place)| format!("{t}.{} = {o}.k{n}", quote(&self.properties[*place].name)));
                each.collect::<Vec<_>>().join(" AND ")
            }
        }
    }

    /// SQL: the local key of row `t` of the table.
    pub(crate) fn key_of(&self, t: &str) -> String {
        match &self.key {
            Key::Number(key) => format!("{t}.{}", quote(key)),
            Key::Content(_) => {
                format!("(SELECT k.key FROM {} k WHERE {})", self.objects(), self.same_row(t, "k"))
            }
        }
    }

    /// SQL: whether row `t` of the table has that local key (a parameter or a column).
    pub(crate) fn row_at(&self, t: &str, key: &str) -> String {
        match &self.key {
            Key::Number(name) => format!("{t}.{} = {key}", quote(name)),
            Key::Content(places) => {
                let columns: Vec<String> =
                    places.iter().map(|i| format!("{t}.{}", quote(&self.properties[*i].name))).collect();
                let kept: Vec<String> = (0..places.len()).map(|n| format!("k.k{n}")).collect();
                format!(
                    "({}) = (SELECT {} FROM {} k WHERE k.key = {key})",
                    columns.join(", "),
                    kept.join(", "),
                    self.objects()
                )
            }
        }
    }

    /// SQL: the value of a property in row `t` of the table, which is that of row `o` of [`Class::objects`].
    pub(crate) fn value_of(&self, place: usize, t: &str, o: &str) -> String {
        let property = &self.properties[place];
        if !property.elsewhere {
            return format!("{t}.{}", quote(&property.name));
        }
        format!(
            "iif(EXISTS (SELECT 1 FROM {elsewhere} x WHERE x.object = {o}.object),              (SELECT x.v{place} FROM {elsewhere} x WHERE x.object = {o}.object),              (SELECT p.added FROM objsync_property p WHERE p.class = {class} AND p.place = {place}))",
            elsewhere = self.elsewhere(),
            class = self.id,
        )
    }

    /// SQL: `, t.a, t.b, …`: the values of all properties.
    pub(crate) fn values_of(&self, t: &str, o: &str) -> String {
        (0..self.properties.len()).map(|place| format!(", {}", self.value_of(place, t, o))).collect()
    }

    /// The properties that are columns of the table here, with their places.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (usize, &Property)> {
        self.properties.iter().enumerate().filter(|(_, p)| !p.elsewhere)
    }

    /// The properties that are columns only elsewhere, with their places.
    pub(crate) fn not_columns(&self) -> impl Iterator<Item = (usize, &Property)> {
        self.properties.iter().enumerate().filter(|(_, p)| p.elsewhere)
    }

    /// A local key where it is a number that means something to people.
    pub(crate) fn number_shown(&self, key: Option<i64>) -> Option<i64> {
        key.filter(|_| self.has_numbers())
    }
}

/// What differs between our classes and the sender's, one sentence a difference; empty where sets can be exchanged.
pub(crate) fn differences(ours: &[Class], theirs: &[Class]) -> Vec<String> {
    let mut found = Vec::new();
    let only = |a: &[Class], b: &[Class]| -> Vec<String> {
        a.iter().filter(|a| !b.iter().any(|b| b.name == a.name)).map(|c| c.name.clone()).collect()
    };
    for name in only(ours, theirs) {
        found.push(format!("the sender has no class {name}"));
    }
    for name in only(theirs, ours) {
        found.push(format!("there is no class {name} here"));
    }
    for (a, b) in ours.iter().filter_map(|a| Some((a, theirs.iter().find(|b| b.name == a.name)?))) {
        if a.journaled != b.journaled {
            let (here, there) = if a.journaled { ("journaled", "not") } else { ("not journaled", "journaled") };
            found.push(format!("{} is {here} here and {there} at the sender", a.name));
        }
        if a.has_numbers() != b.has_numbers() || key_names(a) != key_names(b) {
            found.push(format!("the key of {} is {} here and {} at the sender", a.name, key_told(a), key_told(b)));
        }
        for p in &a.properties {
            match b.properties.iter().find(|q| q.name == p.name) {
                None => match b.properties.iter().find(|q| q.formerly.contains(&p.name)) {
                    Some(q) => found.push(format!("{}.{} was renamed to {} at the sender", a.name, p.name, q.name)),
                    // The sender does not have it yet.
                    None if p.added.is_some() || renamed_from(p, b) => {}
                    None => found.push(format!("{} has no property {} at the sender", a.name, p.name)),
                },
                Some(q) if shape(q) != shape(p) => {
                    found.push(format!("{}.{} is {} here and {} at the sender", a.name, p.name, shape(p), shape(q)))
                }
                Some(q) => {
                    if let (Some(x), Some(y)) = (&p.added, &q.added)
                        && x != y
                    {
                        let (x, y) = (x.to_stored_json(), y.to_stored_json());
                        found.push(format!("{}.{} was added as {x} here and as {y} at the sender", a.name, p.name));
                    }
                }
            }
        }
        for q in b.properties.iter().filter(|q| !a.properties.iter().any(|p| p.name == q.name)) {
            match a.properties.iter().find(|p| p.formerly.contains(&q.name)) {
                Some(p) => found.push(format!("{}.{} was renamed to {} here", b.name, q.name, p.name)),
                // It is not here yet.
                None if q.added.is_some() || renamed_from(q, a) => {}
                None => found.push(format!("{} has no property {} here", b.name, q.name)),
            }
        }
    }
    found
}

/// The commands that make up for columns that were renamed at one side only.
pub(crate) fn renames(ours: &[Class], here: &str, theirs: &[Class], there: &str) -> Vec<String> {
    let missing = |class: &Class, renamed: &Class, at: &str| -> Vec<String> {
        let pairs = class.properties.iter().filter_map(|p| {
            let q = renamed
                .properties
                .iter()
                .find(|q| q.formerly.contains(&p.name) && class.property(&q.name).is_none())?;
            Some(format!("at {at} ALTER TABLE {} RENAME COLUMN {} TO {}", class.table, p.name, q.name))
        });
        pairs.collect()
    };
    let both = ours.iter().filter_map(|a| Some((a, theirs.iter().find(|b| b.name == a.name)?)));
    both.flat_map(|(a, b)| [missing(a, b, here), missing(b, a, there)].concat()).collect()
}

/// Whether a class still has a property under a name that it had before: that difference is told with the other one.
fn renamed_from(p: &Property, class: &Class) -> bool {
    p.formerly.iter().any(|name| class.properties.iter().any(|q| q.name == *name))
}

fn key_names(class: &Class) -> Vec<&str> {
    match &class.key {
        Key::Number(_) => Vec::new(), // what a local number is called matters to nobody else
        Key::Content(places) => {
            places.iter().filter_map(|i| class.properties.get(*i)).map(|p| p.name.as_str()).collect()
        }
    }
}

fn key_told(class: &Class) -> String {
    match &class.key {
        Key::Number(name) => format!("a local number ({name})"),
        Key::Content(_) => key_names(class).join(", "),
    }
}

fn shape(p: &Property) -> String {
    let not_null = if p.not_null { " NOT NULL" } else { "" };
    let references = p.references.as_ref().map(|c| format!(" (refers to {c})")).unwrap_or_default();
    format!("{}{not_null}{references}", if p.declared.is_empty() { "untyped" } else { &p.declared })
}

/// An SQL identifier.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
