//! Rows that were written or removed while the triggers were away: a program had switched them off, or SQLite removed a row
//! without telling any trigger. Such a row has no identity, or an object has no row, and nothing of that travels.

use serde::Serialize;

use crate::sync::data::guid::Guid;
use crate::sync::data::schema::{Class, Key, quote};
use crate::sync::data::value::Value;
use crate::sync::error::Result;
use crate::sync::node::verify::{Comparing, short_hash};
use crate::sync::node::{Node, advice};

/// A row that was written or removed past the triggers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnseenRow {
    /// The name of the node where that happened.
    pub node: String,
    /// The row's key, as people read it.
    pub key: String,
    /// The object, of a row that is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guid: Option<Guid>,
    /// It is gone; else it is there and has no identity.
    pub removed: bool,
    /// What to do about it.
    pub todo: String,
}

impl Node {
    /// The rows of a class without identity, then the objects without a row.
    pub(crate) fn unseen_rows(&self, class: &Class) -> Result<Vec<UnseenRow>> {
        let (table, objects) = (quote(&class.table), class.objects());
        let same = class.same_row("t", "o");
        let columns: Vec<String> = key_columns(class).iter().map(|name| format!("t.{}", quote(name))).collect();
        let written = format!(
            "SELECT 0, {} FROM {table} t WHERE NOT EXISTS (SELECT 1 FROM {objects} o WHERE {same})",
            columns.join(", ")
        );
        let kept: Vec<String> = match &class.key {
            Key::Number(_) => vec!["o.key".to_owned()],
            Key::Content(places) => (0..places.len()).map(|n| format!("o.k{n}")).collect(),
        };
        // What a REPLACE has left aside is not filed yet.
        let removed = format!(
            "SELECT o.object, {} FROM {objects} o WHERE NOT EXISTS (SELECT 1 FROM {table} t WHERE {same})
             AND NOT EXISTS (SELECT 1 FROM objsync_aside a WHERE a.class = {} AND a.key = o.key)",
            kept.join(", "),
            class.id
        );
        let mut found = Vec::new();
        for (sql, removed) in [(written, false), (removed, true)] {
            let todo = if removed { advice::put_back(self, class) } else { advice::write_again(self, class) };
            let mut statement = self.conn.prepare(&sql)?;
            let mut rows = statement.query([])?;
            while let Some(r) = rows.next()? {
                self.going_on("looking for rows without identity", found.len(), None)?;
                let shown = |i| Ok(Value::from_sql(r.get_ref(1 + i)?).shown());
                let key = (0..columns.len()).map(shown).collect::<rusqlite::Result<Vec<_>>>()?.join(", ");
                let guid = if removed { self.nodes.object(r.get(0)?).ok() } else { None };
                found.push(UnseenRow { node: self.info.name.clone(), key, guid, removed, todo: todo.clone() });
            }
        }
        Ok(found)
    }

    /// Hashes of the rows without identity, key and content, in order.
    pub(crate) fn hashes_of_unidentified(&self, class: &Class) -> Result<Vec<[u8; 16]>> {
        let number = match &class.key {
            Key::Number(key) => format!("t.{}", quote(key)),
            Key::Content(_) => "NULL".to_owned(),
        };
        let sql = format!(
            "SELECT {number}{} FROM {} t LEFT JOIN {} o ON {} WHERE o.object IS NULL",
            class.values_of("t", "o"),
            quote(&class.table),
            class.objects(),
            class.same_row("t", "o")
        );
        let (mut hashes, mut comparing) = (Vec::new(), Comparing::new(self, class)?);
        let mut statement = self.conn.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            self.going_on("comparing", hashes.len(), None)?;
            let number: Option<i64> = r.get(0)?;
            let hash = comparing.hash(r, 1)?;
            hashes.push(short_hash(&[&number.unwrap_or_default().to_le_bytes()[..], &hash].concat()));
        }
        hashes.sort_unstable();
        Ok(hashes)
    }
}

/// The names of the columns of a key.
pub(crate) fn key_columns(class: &Class) -> Vec<&str> {
    match &class.key {
        Key::Number(key) => vec![key],
        Key::Content(places) => places.iter().map(|i| class.properties[*i].name.as_str()).collect(),
    }
}
