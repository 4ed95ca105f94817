//! What must be unique in a table, as SQLite and the texts of its indexes tell it.

use rusqlite::{Connection, OptionalExtension};

use crate::sync::data::schema::{Class, IndexPart, UniqueIndex, quote};
use crate::sync::data::sql::{self, Expression};
use crate::sync::error::Result;

/// Notes at a class what is unique in its table.
pub(crate) fn read(conn: &Connection, class: &mut Class) -> Result<()> {
    let columns: Vec<String> = conn
        .prepare("SELECT name FROM pragma_table_xinfo(?1)")?
        .query_map([&class.table], |r| r.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let indexes = conn
        .prepare("SELECT name FROM pragma_index_list(?1) WHERE \"unique\" = 1 ORDER BY seq")?
        .query_map([&class.table], |r| r.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let defaults = "SELECT name, dflt_value FROM pragma_table_xinfo(?1) WHERE \"notnull\" = 1 AND dflt_value IS NOT NULL AND hidden = 0";
    class.defaults = conn
        .prepare(defaults)?
        .query_map([&class.table], |r| Ok((r.get(0)?, r.get(1)?)))?
        .collect::<rusqlite::Result<Vec<(String, String)>>>()?;
    class.defaults.retain(|(_, default)| conn.prepare(&format!("SELECT ({default})")).is_ok());
    class.indexes = Vec::new();
    for name in &indexes {
        class.indexes.extend(index(conn, &class.table, &columns, name)?);
    }
    class.has_unread_index = class.indexes.len() < indexes.len();
    (class.unique, class.collations) = class.indexes.iter().filter_map(|index| of_properties(class, index)).unzip();
    let text = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
    let text: Option<String> = conn.query_row(text, [&class.table], |r| r.get(0)).optional()?;
    class.has_conflict_clause = text.is_some_and(|text| sql::has_conflict_clause(&text));
    Ok(())
}

/// An index; `None` where its expressions cannot be read, or need a function that is not here.
fn index(conn: &Connection, table: &str, columns: &[String], name: &str) -> Result<Option<UniqueIndex>> {
    let found = conn
        .prepare("SELECT name, coll FROM pragma_index_xinfo(?1) WHERE key = 1 ORDER BY seqno")?
        .query_map([name], |r| Ok((r.get::<_, Option<String>>(0)?, r.get::<_, String>(1)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    // A constraint of the table has no text of its own, and names columns only.
    let text = "SELECT sql FROM sqlite_master WHERE type = 'index' AND name = ?1 COLLATE NOCASE";
    let text: Option<String> = conn.query_row(text, [name], |r| r.get(0)).optional()?.flatten();
    let said = text.and_then(|text| sql::index_expressions(table, columns, &text));
    let (expressions, condition) = said.unwrap_or_default();
    let part = |(place, (column, collation)): (usize, (Option<String>, String))| {
        let value = match column {
            Some(column) => Some(Expression::column(&column)),
            None => expressions.get(place).cloned(),
        };
        Some(IndexPart { value: value?, collation })
    };
    let parts: Option<Vec<IndexPart>> = found.into_iter().enumerate().map(part).collect();
    let Some(index) = parts.map(|parts| UniqueIndex { parts, condition }) else { return Ok(None) };
    let of = |row: &'static str| move |column: &str| format!("{row}.{}", quote(column));
    let probe = format!("SELECT 1 FROM {0} t, {0} n WHERE {1}", quote(table), index.collides(&of("t"), &of("n")));
    Ok(conn.prepare(&probe).is_ok().then_some(index))
}

/// An index as places among the properties and their collations, where it is made of these.
fn of_properties(class: &Class, index: &UniqueIndex) -> Option<(Vec<usize>, Vec<String>)> {
    let place = |part: &IndexPart| {
        let place = class.columns().find(|(_, p)| part.value == Expression::column(&p.name))?.0;
        Some((place, part.collation.clone()))
    };
    let places: Option<Vec<_>> = index.parts.iter().map(place).collect();
    places.map(|places| places.into_iter().unzip())
}
