//! The shape of the user's tables, as SQLite tells it: columns, keys, what must be unique, who refers to whom.

use rusqlite::Connection;

use crate::sync::data::schema::{Class, ClassSpec, ForeignKey, Key, Property, quote};
use crate::sync::error::{Error, Result};
use crate::sync::node::references::References;
use crate::sync::node::unique_indexes;

/// A column that rows can be written with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Upper case.
    pub(crate) declared: String,
    pub(crate) not_null: bool,
    /// As SQL.
    pub(crate) default: Option<String>,
    /// Its place in the primary key, from 1; 0: it is not in it.
    key: usize,
}

/// A table.
pub(crate) struct Shape {
    /// All columns but those that are generated.
    pub(crate) columns: Vec<Column>,
    /// Whether its primary key is an INTEGER PRIMARY KEY, the row's number itself.
    numbered: bool,
    strict: bool,
}

impl Shape {
    pub(crate) fn read(conn: &Connection, table: &str) -> Result<Shape> {
        let found: Option<(String, bool)> = conn
            .prepare("SELECT type, strict FROM pragma_table_list(?1) WHERE schema = 'main'")?
            .query_map([table], |r| Ok((r.get(0)?, r.get(1)?)))?
            .next()
            .transpose()?;
        let strict = match found {
            Some((kind, strict)) if kind == "table" => strict,
            Some((kind, _)) => return Err(Error::usage(format!("`{table}` is a {kind}, not an ordinary table"))),
            None => return Err(Error::usage(format!("there is no table `{table}`"))),
        };
        let columns: Vec<Column> = conn
            .prepare(
                "SELECT name, upper(type), \"notnull\", dflt_value, pk FROM pragma_table_xinfo(?1) WHERE hidden = 0 ORDER BY cid",
            )?
            .query_map([table], |r| {
                Ok(Column { name: r.get(0)?, declared: r.get(1)?, not_null: r.get(2)?, default: r.get(3)?, key: r.get(4)? })
            })?
            .collect::<rusqlite::Result<_>>()?;
        // Only an INTEGER PRIMARY KEY of a rowid table has no index of its own.
        let sql = "SELECT EXISTS(SELECT 1 FROM pragma_index_list(?1) WHERE origin = 'pk')";
        let indexed: bool = conn.query_row(sql, [table], |r| r.get(0))?;
        let numbered = !indexed && columns.iter().any(|c| c.key > 0);
        if !numbered && !indexed {
            let what = format!(
                "the table `{table}` has no primary key, so nothing tells its rows apart for good: VACUUM renumbers them"
            );
            return Err(Error::usage(what)
                .hint("make it anew with a PRIMARY KEY (an INTEGER PRIMARY KEY, or any columns that are unique), then try again"));
        }
        Ok(Shape { columns, numbered, strict })
    }

    /// The key, where the properties are `properties`; `None` where one of its columns is not among them.
    pub(crate) fn key(&self, properties: &[Property]) -> Option<Key> {
        let mut columns: Vec<&Column> = self.columns.iter().filter(|c| c.key > 0).collect();
        columns.sort_by_key(|c| c.key);
        match (self.numbered, columns.as_slice()) {
            (true, [key]) => Some(Key::Number(key.name.clone())),
            _ => {
                let place = |c: &&Column| properties.iter().position(|p| p.name == c.name);
                columns.iter().map(place).collect::<Option<Vec<_>>>().map(Key::Content)
            }
        }
    }

    /// The columns that are properties: all but an INTEGER PRIMARY KEY, unless its values are those of other rows (`follows`).
    pub(crate) fn properties(&self, follows: bool) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(move |c| follows || !(self.numbered && c.key > 0))
    }

    /// The column of an INTEGER PRIMARY KEY.
    pub(crate) fn number(&self) -> Option<&str> {
        self.columns.iter().find(|c| self.numbered && c.key > 0).map(|c| c.name.as_str())
    }

    /// Whether its rows are numbered by just these columns.
    pub(crate) fn is_numbered_by(&self, columns: &[String]) -> bool {
        matches!((self.number(), columns), (Some(key), [one]) if key.eq_ignore_ascii_case(one))
    }

    /// How values of a column are converted when they are stored, as a declared type
    /// (<https://www.sqlite.org/datatype3.html>, section 3.1; in a STRICT table ANY converts nothing).
    fn affinity(&self, column: &Column) -> &'static str {
        let has = |parts: &[&str]| parts.iter().any(|part| column.declared.contains(part));
        match () {
            () if self.strict && column.declared == "ANY" => "BLOB",
            () if has(&["INT"]) => "INTEGER",
            () if has(&["CHAR", "CLOB", "TEXT"]) => "TEXT",
            () if has(&["BLOB"]) || column.declared.is_empty() => "BLOB",
            () if has(&["REAL", "FLOA", "DOUB"]) => "REAL",
            () => "NUMERIC",
        }
    }
}

impl Column {
    pub(crate) fn property(&self) -> Property {
        Property {
            name: self.name.clone(),
            declared: self.declared.clone(),
            not_null: self.not_null,
            references: None,
            added: None,
            formerly: Vec::new(),
            elsewhere: false,
            since: i64::MIN,
        }
    }
}

/// A class of a table as it is now, beside the others of `specs`. Not linked to them yet.
pub(crate) fn new_class(conn: &Connection, spec: &ClassSpec, specs: &[ClassSpec]) -> Result<Class> {
    let shape = Shape::read(conn, &spec.table)?;
    let follows = References::among(conn, specs)?.follows(&spec.name);
    let properties: Vec<Property> = shape.properties(follows).map(Column::property).collect();
    let key = shape.key(&properties);
    let key = key.ok_or_else(|| Error::usage(format!("the key of the table `{}` is generated", spec.table)))?;
    Ok(Class { key, properties, ..Class::bare(0, spec) })
}

/// Finds out what classes refer to and what must be unique in them.
pub(crate) fn link(conn: &Connection, classes: &mut [Class]) -> Result<()> {
    let references = References::of(conn, classes)?;
    let tables: Vec<String> = classes.iter().map(|c| c.table.clone()).collect();
    let is_class = |table: &str| tables.iter().any(|t| t.eq_ignore_ascii_case(table));
    for class in classes {
        for property in class.properties.iter_mut().filter(|p| !p.elsewhere) {
            property.references = references.of_column(&class.table, &property.name);
        }
        // What a property refers to is judged with the objects; every other key by the values that it names.
        let judged = |f: &&ForeignKey| {
            let by_number = references.by_number(f);
            let place = f.columns.first().and_then(|column| class.property(column));
            by_number.is_some() && place.is_some_and(|place| class.properties[place].references == by_number)
        };
        let own = |f: &&ForeignKey| f.table.eq_ignore_ascii_case(&class.table);
        class.foreign = references.all.iter().filter(own).filter(|f| !judged(f)).cloned().collect();
        let naming = || references.all.iter().filter(|f| f.target.eq_ignore_ascii_case(&class.table));
        class.takes_others_along = naming().any(|f| f.acts);
        class.named_by =
            naming().filter(|f| references.by_number(f).is_none() || !is_class(&f.table)).cloned().collect();
        unique_indexes::read(conn, class)?;
    }
    Ok(())
}

/// All foreign keys in the file.
pub(crate) fn foreign_keys(conn: &Connection) -> Result<Vec<ForeignKey>> {
    let mut statement = conn.prepare(
        "SELECT m.name, f.id, f.\"table\", f.\"from\", coalesce(f.\"to\", (SELECT name FROM pragma_table_xinfo(f.\"table\") WHERE pk = f.seq + 1)), f.on_delete, f.on_update
         FROM sqlite_master m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table' ORDER BY m.name, f.id, f.seq",
    )?;
    let mut rows = statement.query([])?;
    let mut found: Vec<(i64, ForeignKey)> = Vec::new();
    while let Some(r) = rows.next()? {
        let (table, id, column): (String, i64, String) = (r.get(0)?, r.get(1)?, r.get(3)?);
        // A key to a table or column that is not there names nothing.
        let to = r.get::<_, Option<String>>(4)?.unwrap_or_default();
        match found.last_mut() {
            Some((last, key)) if *last == id && key.table == table => {
                key.columns.push(column);
                key.to.push(to);
            }
            _ => {
                let does = |action: String| !matches!(action.as_str(), "NO ACTION" | "RESTRICT");
                let (acts, follows) = (does(r.get(5)?), does(r.get(6)?));
                let target = r.get(2)?;
                found.push((id, ForeignKey { table, columns: vec![column], target, to: vec![to], acts, follows }));
            }
        }
    }
    Ok(found.into_iter().map(|(_, key)| key).collect())
}

/// How the columns of a key that is content are declared beside its objects, so that they are stored and compared alike.
pub(crate) fn key_columns(conn: &Connection, class: &Class) -> Result<Vec<String>> {
    let Key::Content(places) = &class.key else { return Ok(Vec::new()) };
    let shape = Shape::read(conn, &class.table)?;
    let sql = "SELECT x.name, x.coll FROM pragma_index_list(?1) l, pragma_index_xinfo(l.name) x WHERE l.origin = 'pk' AND x.key = 1";
    let collations: Vec<(String, String)> = conn
        .prepare(sql)?
        .query_map([&class.table], |r| Ok((r.get(0)?, r.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let declared = |place: &usize| {
        let name = &class.properties[*place].name;
        let column = shape.columns.iter().find(|c| c.name == *name);
        let collation = collations.iter().find(|(column, _)| column == name).map_or("BINARY", |(_, c)| c.as_str());
        format!("{} COLLATE {}", column.map_or("BLOB", |c| shape.affinity(c)), quote(collation))
    };
    Ok(places.iter().map(declared).collect())
}

/// A declared type that can stand in a table of ours, with the same affinity.
pub(crate) fn type_name(declared: &str) -> String {
    let plain = declared.chars().all(|c| c.is_ascii_alphanumeric() || " _(),".contains(c));
    if plain { declared.to_owned() } else { quote(declared) }
}

/// The key columns of a class that may be NULL, which SQLite allows in all but WITHOUT ROWID tables.
pub(crate) fn nullable_key(class: &Class) -> Vec<&str> {
    let Key::Content(places) = &class.key else { return Vec::new() };
    places.iter().map(|i| &class.properties[*i]).filter(|p| !p.not_null).map(|p| p.name.as_str()).collect()
}
