//! Which databases a folder holds: the demo's, or others, which the demo must leave alone.
//!
//! Invariant: looking changes nothing, neither in a file nor beside it.

use std::path::{Path, PathBuf};

use crate::demo::tables;
use crate::sync::{Environment, Error, ErrorKind, NodeInfo, Peeked, PeekedClass, Result, peek};
use crate::words::grouped;

/// Tables and files that a sentence names; of more it says how many.
const NAMED: usize = 5;

/// The database files in a folder.
pub struct Folder {
    dir: PathBuf,
    databases: Vec<Database>,
}

/// A database file.
pub struct Database {
    /// Where it is.
    pub file: PathBuf,
    /// What it holds.
    pub holds: Holds,
}

/// What a database file holds.
pub enum Holds {
    /// A node with the demo's tables.
    Demo(NodeInfo),
    /// A node with other tables: these.
    Others(NodeInfo, Vec<String>),
    /// No node.
    NoNode,
    /// Nobody knows: it cannot be read.
    Unreadable(Error),
}

impl Database {
    fn look(file: PathBuf) -> Database {
        let holds = match peek(&file) {
            Ok(Some(node)) if is_demo(&node) => Holds::Demo(node.info),
            Ok(Some(node)) => Holds::Others(node.info, node.classes.into_iter().map(|class| class.table).collect()),
            Ok(None) => Holds::NoNode,
            Err(error) => Holds::Unreadable(error),
        };
        Database { file, holds }
    }

    /// The file's name, and what it holds instead of the demo; `None` for the demo.
    fn stranger(&self) -> Option<String> {
        let file = self.file.file_name().unwrap_or_default().to_string_lossy();
        Some(match &self.holds {
            Holds::Demo(_) => return None,
            Holds::Others(_, tables) if tables.is_empty() => format!("{file} is a node without tables"),
            Holds::Others(_, tables) => format!("{file} is a node with other tables ({})", listed(tables, ", ")),
            Holds::NoNode => format!("{file} is no node"),
            Holds::Unreadable(error) => format!("{file} cannot be read: {}", error.message()),
        })
    }
}

impl Folder {
    /// Looks into every database file of a folder; none where there is no such folder.
    pub fn read(dir: &Path) -> Result<Folder> {
        if dir.exists() && !dir.is_dir() {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("{} is a file and no folder; nothing was changed", dir.display()),
            )
            .hint(
                "name the folder of an environment; a single database has commands, such as objsync status --db FILE",
            ));
        }
        match std::fs::read_dir(dir) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                let what = format!("the folder cannot be read, nothing was changed: {e}: {}", dir.display());
                return Err(Error::new(ErrorKind::Storage, what).hint("check its permissions, or name another folder"));
            }
            _ => {}
        }
        let databases = Environment::files_in(dir).into_iter().map(Database::look).collect();
        Ok(Folder { dir: dir.to_owned(), databases })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The database files, by name.
    pub fn databases(&self) -> &[Database] {
        &self.databases
    }

    /// Their paths.
    pub fn files(&self) -> Vec<PathBuf> {
        self.databases.iter().map(|database| database.file.clone()).collect()
    }

    /// There is no database file.
    pub fn is_empty(&self) -> bool {
        self.databases.is_empty()
    }

    /// The files that are not the demo's, and what they are, in words; empty where there are none.
    pub fn strangers(&self) -> String {
        let strangers: Vec<String> = self.databases.iter().filter_map(Database::stranger).collect();
        listed(&strangers, "; ")
    }

    /// Refuses where a new demo would take the place of anything but a demo.
    pub fn check_replaceable(&self) -> Result<()> {
        let strangers = self.strangers();
        if strangers.is_empty() {
            return Ok(());
        }
        let dir = self.dir.display();
        let what = format!("{dir} holds databases that are not the demo's: {strangers}; nothing was changed");
        Err(Error::new(ErrorKind::Storage, what).hint("make the demo in another folder (--dir FOLDER)"))
    }
}

/// Whether a node has the demo's classes, of the demo's tables with at least their columns. Names alone would not tell: many
/// databases have `orders` and `customers`.
fn is_demo(node: &Peeked) -> bool {
    let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    tables::classes().iter().all(|wanted| {
        let found = node.classes.iter().find(|class| class.name == wanted.name && same(&class.table, &wanted.table));
        let has = |class: &PeekedClass, column: &str| class.columns.iter().any(|c| same(c, column));
        found.is_some_and(|class| tables::columns(&wanted.name).iter().all(|column| has(class, column)))
    })
}

fn listed(all: &[String], between: &str) -> String {
    let named = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(between);
    match all.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}{between}and {} more", grouped(more as u64)),
    }
}
