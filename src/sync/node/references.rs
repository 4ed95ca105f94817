//! Which columns refer to objects by local numbers, as the foreign keys say. What such a column holds travels as a GUID, and becomes
//! a number again at the target.
//!
//! A column refers to a class by number where a foreign key names that class's INTEGER PRIMARY KEY with it. It also does where it
//! names, alone or as one of several columns, a column that does so itself: then it must be what that one is.

use rusqlite::Connection;

use crate::sync::data::schema::{Class, ClassSpec, ForeignKey, Key};
use crate::sync::error::Result;
use crate::sync::node::shape::{Shape, foreign_keys};

/// The foreign keys of a file, seen from its classes.
pub(crate) struct References {
    pub(crate) all: Vec<ForeignKey>,
    classes: Vec<Numbered>,
}

/// A class, and the column of its INTEGER PRIMARY KEY, if it has one.
struct Numbered {
    name: String,
    table: String,
    number: Option<String>,
}

impl References {
    pub(crate) fn of(conn: &Connection, classes: &[Class]) -> Result<References> {
        let numbered = |c: &Class| {
            let number = match &c.key {
                Key::Number(key) => Some(key.clone()),
                Key::Content(_) => None,
            };
            Numbered { name: c.name.clone(), table: c.table.clone(), number }
        };
        Ok(References { all: foreign_keys(conn)?, classes: classes.iter().map(numbered).collect() })
    }

    /// Of tables that are to be classes.
    pub(crate) fn among(conn: &Connection, specs: &[ClassSpec]) -> Result<References> {
        let numbered = |spec: &ClassSpec| -> Result<Numbered> {
            let number = Shape::read(conn, &spec.table)?.number().map(str::to_owned);
            Ok(Numbered { name: spec.name.clone(), table: spec.table.clone(), number })
        };
        Ok(References { all: foreign_keys(conn)?, classes: specs.iter().map(numbered).collect::<Result<_>>()? })
    }

    fn class(&self, table: &str) -> Option<&Numbered> {
        self.classes.iter().find(|c| c.table.eq_ignore_ascii_case(table))
    }

    /// The class that a foreign key of one column names by number.
    pub(crate) fn by_number(&self, key: &ForeignKey) -> Option<String> {
        let target = self.class(&key.target)?;
        (key.to.len() == 1 && is(target.number.as_deref(), &key.to[0])).then(|| target.name.clone())
    }

    /// The class that a column refers to by number.
    pub(crate) fn of_column(&self, table: &str, column: &str) -> Option<String> {
        self.reached(table, column, &mut Vec::new())
    }

    fn reached<'a>(&'a self, table: &'a str, column: &'a str, seen: &mut Vec<(&'a str, &'a str)>) -> Option<String> {
        if seen.iter().any(|(t, c)| t.eq_ignore_ascii_case(table) && c.eq_ignore_ascii_case(column)) {
            return None;
        }
        seen.push((table, column));
        let of_table = || self.all.iter().filter(|f| f.table.eq_ignore_ascii_case(table));
        let alone = |f: &&ForeignKey| f.columns.len() == 1 && f.columns[0].eq_ignore_ascii_case(column);
        if let Some(class) = of_table().filter(alone).find_map(|f| self.by_number(f)) {
            return Some(class);
        }
        let named = of_table().flat_map(|f| f.columns.iter().zip(&f.to).map(move |(from, to)| (&f.target, from, to)));
        for (target, _, to) in named.filter(|(_, from, _)| from.eq_ignore_ascii_case(column)) {
            let Some(target) = self.class(target) else { continue };
            if is(target.number.as_deref(), to) {
                return Some(target.name.clone());
            }
            if let Some(class) = self.reached(&target.table, to, seen) {
                return Some(class);
            }
        }
        None
    }

    /// Whether a class has its numbers from another one: its INTEGER PRIMARY KEY is a reference. Where keys refer to each other in a
    /// circle, the class with the first name has numbers of its own, at every node alike.
    pub(crate) fn follows(&self, class: &str) -> bool {
        let next = |name: &str| {
            let class = self.classes.iter().find(|c| c.name == name)?;
            self.of_column(&class.table, class.number.as_deref()?)
        };
        let mut way = vec![class.to_owned()];
        while let Some(to) = next(&way[way.len() - 1]) {
            if to == class {
                return way.iter().any(|name| name.as_str() < class);
            }
            if way.contains(&to) {
                break;
            }
            way.push(to);
        }
        way.len() > 1
    }
}

fn is(number: Option<&str>, column: &str) -> bool {
    number.is_some_and(|number| number.eq_ignore_ascii_case(column))
}
