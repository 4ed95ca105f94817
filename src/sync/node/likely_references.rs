//! Columns that look like references to rows by number, though no foreign key says so. A number may be another one at each node, so
//! such a column would come to mean other rows; nobody but its owner knows whether it is one.
//!
//! A column counts where all of this holds:
//! - It is in no foreign key, and it stores whole numbers: its declared type has INT in it, or it has none, or (where it holds
//!   values) one that stores numbers.
//! - Its name fits a table that has an INTEGER PRIMARY KEY. Names are taken as words (`pageId`, `page_id`), a table's also in the
//!   singular and without what stands before its last word (`moz_places`, `place`). It fits as
//!   `page`; as `page` with `id`, `key`, `fk`, `ref` or the name of the table's key, with any words before it (`pageid`, `page_id`,
//!   `old_page_id`); as `id_page` or `fk_page`; as the key itself, where that names more than an id (`order_num`);
//!   and, where it holds values, as the table's first letter and `id` (`nid` of notes) or, for its own table, as `parent`, `parentid`,
//!   `parent_id`.
//! - At least 95 of 100 of its values are numbers of rows there; NULL and 0 do not count. Without values the name decides.

use std::path::Path;

use rusqlite::Connection;
use serde::Serialize;

use crate::sync::data::schema::quote;
use crate::sync::error::Result;
use crate::sync::node::look::look_into;
use crate::sync::node::shape::{Column, Shape, foreign_keys};
use crate::sync::node::{Node, track, trackable};

/// A column that looks like a reference and is not declared as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LikelyReference {
    /// Its table.
    pub table: String,
    /// The column.
    pub column: String,
    /// The table that it seems to refer to …
    pub target: String,
    /// … by this key.
    pub key: String,
    /// How many values it holds, but for NULL and 0.
    pub values: u64,
    /// How many of these are numbers of rows there.
    pub found: u64,
}

/// How a name fits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// Only where values say so, too.
    Weak,
    Strong,
}

impl Node {
    /// What [`Node::track`] with these tables would take for plain numbers, and looks like references. Only reads.
    pub fn likely_references(file: &Path, tables: &[String]) -> Result<Vec<LikelyReference>> {
        let conn = look_into(file)?;
        let there = match crate::sync::node::store::is_node(&conn)? {
            true => crate::sync::node::store::specs(&conn)?.into_iter().map(|(_, spec)| spec.table).collect(),
            false => Vec::new(),
        };
        let (specs, _) = track::classes_of(&conn, tables, &there)?;
        let new: Vec<String> = specs.into_iter().map(|spec| spec.table).collect();
        among(&conn, &there, &new)
    }
}

/// Those by which a table that is tracked refers to another one, where one of the two is tracked only now.
fn among(conn: &Connection, there: &[String], new: &[String]) -> Result<Vec<LikelyReference>> {
    let declared = foreign_keys(conn)?;
    let mut numbered = Vec::new();
    for (table, _) in trackable::names(conn)? {
        let Ok(shape) = Shape::read(conn, &table) else { continue };
        numbered.extend(shape.number().map(|key| (table.clone(), key.to_owned())));
    }
    let mut found = Vec::new();
    for table in there.iter().chain(new) {
        let shape = Shape::read(conn, table)?;
        for column in &shape.columns {
            let in_a_key = declared.iter().filter(|f| same(&f.table, table)).flat_map(|f| &f.columns);
            if in_a_key.into_iter().any(|c| same(c, &column.name)) {
                continue;
            }
            let is_new = |t: &str| new.iter().any(|n| same(n, t));
            let targets = numbered.iter().filter(|(target, _)| is_new(table) || is_new(target));
            let mut targets: Vec<(Fit, &String, &String)> = targets
                .filter_map(|(target, key)| Some((fit(table, &column.name, target, key)?, target, key)))
                .filter(|(_, target, _)| !(same(target, table) && shape.number() == Some(&column.name)))
                .collect();
            targets.sort_by_key(|(fit, ..)| std::cmp::Reverse(*fit));
            for (fit, target, key) in targets {
                let (values, hits) = count(conn, table, &column.name, target, key)?;
                let enough = match (values, fit) {
                    (0, Fit::Weak) => false,
                    (0, Fit::Strong) => stores(column, false),
                    (values, _) => stores(column, true) && hits * 100 >= values * 95,
                };
                if enough {
                    found.push(LikelyReference {
                        table: table.clone(),
                        column: column.name.clone(),
                        target: target.clone(),
                        key: key.clone(),
                        values,
                        found: hits,
                    });
                    break;
                }
            }
        }
    }
    Ok(found)
}

/// How many values a column holds, and how many of them are numbers of rows of a table.
fn count(conn: &Connection, table: &str, column: &str, target: &str, key: &str) -> Result<(u64, u64)> {
    let (column, key) = (quote(column), quote(key));
    let sql = format!(
        "SELECT count(*), total(EXISTS (SELECT 1 FROM {target} t WHERE t.{key} = c.{column})) FROM {table} c
         WHERE c.{column} IS NOT NULL AND c.{column} <> 0",
        table = quote(table),
        target = quote(target),
    );
    Ok(conn.query_row(&sql, [], |r| Ok((r.get(0)?, r.get::<_, f64>(1)? as u64)))?)
}

/// Whether a column is one for whole numbers, by its declared type.
fn stores(column: &Column, has_values: bool) -> bool {
    let declared = &column.declared;
    let other = ["CHAR", "CLOB", "TEXT", "BLOB", "REAL", "FLOA", "DOUB", "DATE", "TIME", "BOOL"];
    let whole = declared.is_empty() || declared.contains("INT");
    whole || has_values && !other.iter().any(|part| declared.contains(part))
}

fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Words that make a name a key's.
const KEY_WORDS: [&str; 4] = ["id", "key", "fk", "ref"];

/// Whether the column `column` of `table` is named after the key `key` of the table `target`.
fn fit(table: &str, column: &str, target: &str, key: &str) -> Option<Fit> {
    let (words, key) = (words(column), words(key));
    let joined = words.concat();
    let generic =
        |word: &str| KEY_WORDS.contains(&word) || ["rowid", "pk", "no", "nr", "num", "number"].contains(&word);
    let own_table = same(table, target);
    let ends_in_key = |before: &[String]| -> Option<usize> {
        let last = before.last()?;
        let by_key = before.len() > key.len() && before.ends_with(&key);
        if by_key { Some(key.len()) } else { KEY_WORDS.contains(&last.as_str()).then_some(1) }
    };
    for name in names_of(target) {
        let whole = name.concat();
        let glued = |suffix: &str| joined == format!("{whole}{suffix}");
        if !own_table && (joined == whole || KEY_WORDS.iter().any(|word| glued(word)) || glued(&key.concat())) {
            return Some(Fit::Strong);
        }
        let marked = ["id", "fk"].iter().any(|word| words.first().is_some_and(|w| w == word));
        if marked && words[1..].concat() == whole {
            return Some(Fit::Strong);
        }
        if let Some(n) = ends_in_key(&words)
            && words.len() > n
            && words[..words.len() - n].ends_with(&name)
        {
            return Some(Fit::Strong);
        }
    }
    let initial = target.chars().find(|c| c.is_alphanumeric()).map(|c| c.to_lowercase().to_string());
    match () {
        () if !own_table && words == key && !(key.len() == 1 && generic(&key[0])) => Some(Fit::Strong),
        () if !own_table && initial.is_some_and(|initial| joined == format!("{initial}id")) => Some(Fit::Weak),
        () if own_table && ["parent", "parentid"].contains(&joined.as_str()) => Some(Fit::Weak),
        () => None,
    }
}

/// What a table's rows may be called: its name, without what stands before its last word, and each in the singular.
fn names_of(table: &str) -> Vec<Vec<String>> {
    let all = words(table);
    let mut names = vec![all.clone()];
    if all.len() > 1 {
        names.push(all[all.len() - 1..].to_vec());
    }
    for name in names.clone() {
        let (last, before) = name.split_last().map_or((String::new(), Vec::new()), |(l, b)| (l.clone(), b.to_vec()));
        let singular = |end: &str, instead: &str| last.strip_suffix(end).map(|stem| format!("{stem}{instead}"));
        let forms = [singular("ies", "y"), singular("es", ""), singular("s", "")];
        for form in forms.into_iter().flatten().filter(|form| form.len() > 1) {
            names.push(before.iter().cloned().chain([form]).collect());
        }
    }
    names
}

/// The words of a name, lower case: `pageId`, `page_id` and `Page ID` are `page`, `id`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower_before = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && lower_before) {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        lower_before = c.is_lowercase() || c.is_numeric();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_a_table_and_its_key() {
        for (table, column, target, key) in [
            ("mark", "page_id", "page", "id"),
            ("mark", "page", "page", "id"),
            ("mark", "pageId", "pages", "id"),
            ("mark", "PAGEID", "Pages", "id"),
            ("mark", "old_page_id", "page", "id"),
            ("mark", "id_page", "page", "id"),
            ("moz_bookmarks", "place_id", "moz_places", "id"),
            ("item", "order_num", "orders", "order_num"),
            ("item", "category_id", "categories", "id"),
            ("item", "box_id", "boxes", "id"),
            ("folder", "folder_id", "folder", "id"),
        ] {
            assert!(fit(table, column, target, key) == Some(Fit::Strong), "{table}.{column} → {target}.{key}");
        }
        for (table, column, target, key) in [("cards", "nid", "notes", "id"), ("folder", "parent_id", "folder", "id")] {
            assert!(fit(table, column, target, key) == Some(Fit::Weak), "{table}.{column} → {target}.{key}");
        }
        for (table, column, target, key) in [
            ("mark", "id", "page", "id"),
            ("mark", "title_page", "page", "id"),
            ("mark", "pages_read", "page", "id"),
            ("mark", "pagination_id", "page", "id"),
            ("mark", "owner", "page", "id"),
            ("mark", "house_no", "house", "id"),
            ("mark", "state", "page", "id"),
            ("g", "val", "owner", "id"),
            ("item", "number", "orders", "number"),
            ("page", "page", "page", "id"),
        ] {
            assert!(fit(table, column, target, key).is_none(), "{table}.{column} → {target}.{key}");
        }
    }
}
