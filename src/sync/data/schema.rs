//! Classes: which tables are synchronized, their properties, and whether two nodes agree on them.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::sync::data::value::Value;
use crate::sync::error::{Error, Result};

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
    /// The INTEGER PRIMARY KEY: a local number, no part of what is compared.
    pub key: String,
    /// Whether changes are journaled and synchronized.
    pub journaled: bool,
    /// The other columns, in the table's order.
    pub properties: Vec<Property>,
    /// The unique constraints, each as places in `properties`.
    #[serde(skip)]
    pub unique: Vec<Vec<usize>>,
    /// The collation of each of these places: an index may compare otherwise than its column does.
    #[serde(skip)]
    pub(crate) collations: Vec<Vec<String>>,
    /// This file's small number for the class.
    #[serde(skip)]
    pub id: i64,
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
    /// The class it refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<String>,
}

impl Class {
    /// The place of a property.
    pub fn property(&self, name: &str) -> Option<usize> {
        self.properties.iter().position(|p| p.name.eq_ignore_ascii_case(name))
    }

    /// Whether two rows differ in what must be unique.
    pub(crate) fn unique_differ(&self, a: &[Value], b: &[Value]) -> bool {
        self.unique.iter().flatten().any(|&i| a[i] != b[i])
    }

    /// The table of local keys, GUIDs and versions of its objects.
    pub(crate) fn objects(&self) -> String {
        quote(&format!("objsync_object_{}", self.table))
    }

    /// The table of its deleted objects.
    pub(crate) fn tombstones(&self) -> String {
        quote(&format!("objsync_tombstone_{}", self.table))
    }

    /// Reads a table's shape; classes that it refers to must be among `specs`.
    pub(crate) fn read(conn: &Connection, spec: &ClassSpec, specs: &[ClassSpec]) -> Result<Class> {
        let table = &spec.table;
        let columns = conn
            .prepare("SELECT name, upper(type), \"notnull\", pk, hidden FROM pragma_table_xinfo(?1) ORDER BY cid")?
            .query_map([table], |r| {
                Ok((
                    r.get::<_, String>(0)?,
                    r.get::<_, String>(1)?,
                    r.get::<_, bool>(2)?,
                    r.get::<_, i64>(3)?,
                    r.get::<_, i64>(4)?,
                ))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        if columns.is_empty() {
            return Err(Error::usage(format!("there is no table `{table}`")));
        }
        let keys: Vec<_> = columns.iter().filter(|c| c.3 > 0).collect();
        // Only an INTEGER PRIMARY KEY of a rowid table has no index of its own.
        let has_key_index: bool =
            conn.query_row("SELECT EXISTS(SELECT 1 FROM pragma_index_list(?1) WHERE origin = 'pk')", [table], |r| {
                r.get(0)
            })?;
        let key = match keys.as_slice() {
            [key] if key.1 == "INTEGER" && !has_key_index => key.0.clone(),
            _ => {
                return Err(Error::usage(format!(
                    "the table `{table}` has no INTEGER PRIMARY KEY, which a synchronized table needs: VACUUM renumbers rows without one"
                )));
            }
        };
        let mut properties: Vec<Property> = columns
            .iter()
            .filter(|c| c.3 == 0 && c.4 == 0)
            .map(|c| Property { name: c.0.clone(), declared: c.1.clone(), not_null: c.2, references: None })
            .collect();
        let references = conn
            .prepare(
                "SELECT \"from\", \"table\", count(*) FROM pragma_foreign_key_list(?1) GROUP BY id HAVING count(*) = 1",
            )?
            .query_map([table], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        for (column, target) in references {
            let class = specs.iter().find(|s| s.table.eq_ignore_ascii_case(&target));
            let property = properties.iter_mut().find(|p| p.name.eq_ignore_ascii_case(&column));
            if let (Some(class), Some(property)) = (class, property) {
                property.references = Some(class.name.clone());
            }
        }
        let unique = conn
            .prepare("SELECT name FROM pragma_index_list(?1) WHERE \"unique\" = 1 AND partial = 0")?
            .query_map([table], |r| r.get::<_, String>(0))?
            .collect::<rusqlite::Result<Vec<_>>>()?
            .into_iter()
            .map(|index| {
                let columns = conn
                    .prepare("SELECT name, coll FROM pragma_index_xinfo(?1) WHERE key = 1 ORDER BY seqno")?
                    .query_map([index], |r| Ok((r.get::<_, Option<String>>(0)?, r.get::<_, String>(1)?)))?
                    .collect::<rusqlite::Result<Vec<_>>>()?;
                let place = |name: String| properties.iter().position(|p| p.name == name);
                Ok(columns.into_iter().map(|(name, collation)| Some((place(name?)?, collation))).collect())
            })
            // An index on an expression is left to SQLite, which refuses what collides.
            .filter_map(|columns: Result<Option<Vec<(usize, String)>>>| columns.transpose())
            .collect::<Result<Vec<_>>>()?;
        let (unique, collations) = unique.into_iter().map(|columns| columns.into_iter().unzip()).unzip();
        Ok(Class {
            name: spec.name.clone(),
            table: table.clone(),
            key,
            journaled: spec.journaled,
            properties,
            unique,
            collations,
            id: 0,
        })
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
        for p in &a.properties {
            match b.properties.iter().find(|q| q.name == p.name) {
                None => found.push(format!("{} has no property {} at the sender", a.name, p.name)),
                Some(q) if q != p => {
                    found.push(format!("{}.{} is {} here and {} at the sender", a.name, p.name, shape(p), shape(q)))
                }
                Some(_) => {}
            }
        }
        for q in b.properties.iter().filter(|q| !a.properties.iter().any(|p| p.name == q.name)) {
            found.push(format!("{} has no property {} here", b.name, q.name));
        }
    }
    found
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
