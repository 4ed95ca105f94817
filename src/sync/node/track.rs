//! Making nodes of databases that nobody made for it: which of their tables can be classes, and which must be together.

use std::path::Path;

use rusqlite::Connection;
use serde::Serialize;

use crate::sync::data::schema::{ClassSpec, ForeignKey};
use crate::sync::error::{Error, Result};
use crate::sync::node::shape;
use crate::sync::node::trackable::{self, Candidate};
use crate::sync::node::{Node, NodeInfo, look, open_file, store};
use crate::sync::progress::Progress;

/// What tracking made of a database's tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tracked {
    /// Classes that are journaled from now on.
    pub journaled: Vec<String>,
    /// Classes whose objects only have identities, because rows of others refer to them by local numbers.
    pub identified: Vec<String>,
    /// Tables that were not named and cannot be classes, or had better not be, and why.
    pub left_out: Vec<(String, String)>,
    /// The database was a node before; the classes were added to it.
    pub was_node: bool,
}

impl Node {
    /// Makes tables of the database at `file` classes, named as they are, and the file a node if it is none yet. Named tables
    /// are journaled; tables that they refer to by local numbers are identified, so that references travel. With no names,
    /// every table is journaled that can be; the others are left out. One transaction: where a named table cannot be a class,
    /// nothing was changed.
    ///
    /// The database is put into WAL mode, in which other programs can read while one writes.
    pub fn track(file: &Path, info: NodeInfo, tables: &[String], progress: &Progress) -> Result<(Node, Tracked)> {
        look::is_file(file)?;
        let was_node = || Ok(!look::is_other_database(file) && store::is_node(&open_file(file)?)?);
        if !was_node().map_err(|e: Error| e.while_doing(file.display()))? {
            let (specs, tracked) = look::look_into(file).and_then(|conn| classes_of(&conn, tables, &[]))?;
            return Ok((Node::create_watched(file, info, &specs, progress)?, tracked));
        }
        let mut node = Node::open(file)?;
        node.set_progress(progress.clone())?;
        let there: Vec<String> = node.classes().iter().map(|c| c.table.clone()).collect();
        let (specs, tracked) = classes_of(node.connection(), tables, &there)?;
        node.add_classes(&specs)?;
        Ok((node, Tracked { was_node: true, ..tracked }))
    }
}

fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// The classes to be made of the tables named (of all, where none are), beside those that are classes already.
pub(crate) fn classes_of(conn: &Connection, named: &[String], there: &[String]) -> Result<(Vec<ClassSpec>, Tracked)> {
    let all = trackable::candidates(conn)?;
    let keys = shape::foreign_keys(conn)?;
    let choice = Choice { conn, all: &all, keys: &keys, there };
    let mut tracked = if named.is_empty() { choice.all_that_can_be()? } else { choice.named(named)? };
    tracked.identified = choice.referred_to(&tracked.journaled)?;
    if !named.is_empty() {
        choice.check_goes_along(&tracked)?;
    }
    choice.note_acted_upon(&mut tracked);
    let spec =
        |journaled: bool| move |table: &String| ClassSpec { name: table.clone(), table: table.clone(), journaled };
    let identified = tracked.identified.iter().map(spec(false));
    Ok((identified.chain(tracked.journaled.iter().map(spec(true))).collect(), tracked))
}

/// What there is to choose from.
struct Choice<'a> {
    conn: &'a Connection,
    all: &'a [Candidate],
    keys: &'a [ForeignKey],
    /// The tables that are classes already.
    there: &'a [String],
}

impl Choice<'_> {
    fn is_there(&self, table: &str) -> bool {
        self.there.iter().any(|t| same(t, table))
    }

    fn find(&self, table: &str) -> Option<&Candidate> {
        self.all.iter().find(|c| same(&c.table, table))
    }

    fn named(&self, named: &[String]) -> Result<Tracked> {
        let mut tracked = Tracked::default();
        for table in named {
            let Some(found) = self.find(table) else {
                // It says what it is instead.
                shape::Shape::read(self.conn, table).map_err(Error::and_nothing_changed)?;
                return Err(Error::usage(format!("the table {table} is objsync's own; nothing was changed")));
            };
            if self.is_there(&found.table) {
                return Err(Error::usage(format!("the table {} is tracked already; nothing was changed", found.table)));
            }
            let reason = match found.obstacle() {
                Some(e) => Some(Error::usage(e.message()).hint(e.what_next())),
                None => self.refers_to_none(&found.table)?.map(Error::usage),
            };
            if let Some(reason) = reason {
                return Err(reason.and_nothing_changed());
            }
            if !tracked.journaled.contains(&found.table) {
                tracked.journaled.push(found.table.clone());
            }
        }
        Ok(tracked)
    }

    fn all_that_can_be(&self) -> Result<Tracked> {
        let mut tracked = Tracked::default();
        for candidate in self.all.iter().filter(|c| !self.is_there(&c.table)) {
            let table = &candidate.table;
            let why = match candidate.obstacle() {
                Some(e) => Some(e.message().to_owned()),
                None if trackable::is_bookkeeping(table) => Some(
                    "it notes which migrations this very database has had; to synchronize it all the same, name it"
                        .to_owned(),
                ),
                None => self.refers_to_none(table)?,
            };
            match why {
                None => tracked.journaled.push(table.clone()),
                Some(why) => tracked.left_out.push((table.clone(), why)),
            }
        }
        if tracked.journaled.is_empty() {
            let each: Vec<String> = tracked.left_out.iter().map(|(table, why)| format!("{table}: {why}")).collect();
            if each.is_empty() && !self.there.is_empty() {
                let what = "the database is a node already, and all its tables are tracked; nothing was changed";
                return Err(Error::usage(what));
            }
            let why = if each.is_empty() { "it has none".to_owned() } else { each.join("; ") };
            return Err(Error::usage(format!("the database has no table to track ({why}); nothing was changed")));
        }
        Ok(tracked)
    }

    /// Why a table cannot be a class although nothing is wrong with it: its references could not travel.
    fn refers_to_none(&self, table: &str) -> Result<Option<String>> {
        let own = self.keys.iter().filter(|k| same(&k.table, table));
        for key in trackable::by_number(self.conn, own) {
            if let Some(why) = self.find(&key.target).and_then(|c| c.refusal.as_ref()) {
                let columns = key.columns.join(", ");
                let what = format!("its {columns} refers by number to {}, and {}", key.target, why.message());
                return Ok(Some(what));
            }
        }
        Ok(None)
    }

    /// The tables that these refer to by number, and these in turn.
    fn referred_to(&self, journaled: &[String]) -> Result<Vec<String>> {
        let mut identified: Vec<String> = Vec::new();
        let mut next = 0;
        let named: Vec<String> = journaled.iter().chain(self.there).cloned().collect();
        while let Some(table) = named.iter().chain(&identified).nth(next).cloned() {
            next += 1;
            for key in trackable::by_number(self.conn, self.keys.iter().filter(|k| same(&k.table, &table))) {
                let known = named.iter().chain(&identified).any(|t| same(t, &key.target));
                if let Some(target) = self.find(&key.target).filter(|c| !known && c.refusal.is_none()) {
                    identified.push(target.table.clone());
                }
            }
        }
        Ok(identified)
    }

    /// A row that is deleted because a set says so waits while rows of others refer to it that its own database would delete with
    /// it. Where these can be classes, they are to be; where they cannot, the way out is said.
    fn acted_upon<'a>(&'a self, tracked: &'a Tracked) -> impl Iterator<Item = (&'a ForeignKey, &'a Candidate)> {
        let known = |t: &str| {
            self.is_there(t) || tracked.journaled.iter().chain(&tracked.identified).any(|known| same(known, t))
        };
        let acting = self.keys.iter().filter(move |k| k.acts && known(&k.target) && !known(&k.table));
        acting.filter_map(|key| Some((key, self.find(&key.table)?)))
    }

    fn check_goes_along(&self, tracked: &Tracked) -> Result<()> {
        let mut able = self.acted_upon(tracked).filter(|(_, candidate)| candidate.obstacle().is_none());
        let Some((key, candidate)) = able.next() else { return Ok(()) };
        let what = format!(
            "rows of {} are changed or deleted when rows of {} are ({}.{} refers to it ON DELETE …), so the one cannot be tracked without the other; nothing was changed",
            key.table,
            key.target,
            key.table,
            key.columns.join(", ")
        );
        Err(Error::usage(what).hint(format!("name {} as well", candidate.table)))
    }

    fn note_acted_upon(&self, tracked: &mut Tracked) {
        let mut left_out = std::mem::take(&mut tracked.left_out);
        let acted: Vec<_> = self.acted_upon(tracked).collect();
        for (key, Candidate { table, .. }) in acted {
            let waits = format!(
                "; a row of {} that is deleted elsewhere waits here while rows of {table} refer to it",
                key.target
            );
            match left_out.iter_mut().find(|(left, _)| left == table) {
                Some((_, why)) => *why += &waits,
                None => {
                    let why = self.find(table).and_then(Candidate::obstacle).map_or("it is not named", |e| e.message());
                    left_out.push((table.clone(), format!("{why}{waits}")));
                }
            }
        }
        tracked.left_out = left_out;
    }
}
