//! Installing the demo environment: two nodes with the same sample data, level with each other.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::demo::populate::{Amounts, populate, rng};
use crate::demo::tables;
use crate::sync::{
    Environment, Error, ErrorKind, Node, NodeId, NodeInfo, Progress, Result, Role, SETS, private_file, syncset,
};

/// What to install.
#[derive(Clone, Debug)]
pub struct Installation {
    /// The master's namespace.
    pub master: String,
    /// The client's namespace.
    pub client: String,
    /// How much sample data.
    pub amounts: Amounts,
    /// Makes the data repeatable.
    pub seed: Option<u64>,
    /// Whether an environment that is there may be replaced.
    pub overwrite: bool,
}

impl Default for Installation {
    fn default() -> Self {
        Installation {
            master: "MASTER".to_owned(),
            client: "CLIENT".to_owned(),
            amounts: Amounts { items: 50, customers: 50, employees: 100, orders: 1000 },
            seed: None,
            overwrite: false,
        }
    }
}

/// Whether a character may be in a namespace: letters and digits of any script, with their combining marks.
pub fn may_be_in_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '\u{300}'..='\u{36f}')
}

/// A namespace, or why it is none: letters, digits, `-` and `_`, at most 64, and not `-` first, which is how options begin. It is
/// part of the names of files, which have at most 255 bytes.
pub fn namespace(name: &str) -> std::result::Result<String, String> {
    let fits = !name.starts_with('-') && name.chars().all(may_be_in_name);
    if name.is_empty() || name.chars().count() > 64 || name.len() > 180 || !fits {
        return Err(format!(
            "`{name}` is no name for a node: use letters, digits, - and _, at most 64, and no - at the beginning"
        ));
    }
    Ok(name.to_owned())
}

/// Makes the environment: `master.db`, `client.db` and a folder `sets`. Everything is built beside and then put in place, so
/// a failure leaves what was there. `progress` can stop it.
pub fn install(dir: &Path, what: &Installation, progress: &Progress) -> Result<Environment> {
    for name in [&what.master, &what.client] {
        namespace(name).map_err(|e| Error::new(ErrorKind::Usage, e))?;
    }
    if crate::words::same_name(&what.master, &what.client) {
        let text = format!("master and client need two names, and both are {}; nothing was changed", what.master);
        return Err(Error::new(ErrorKind::Usage, text));
    }
    let Amounts { items, customers, employees, orders } = what.amounts;
    if orders > 0 && [items, customers, employees].contains(&0) {
        let text = "orders need items, customers and employees to refer to; nothing was changed";
        return Err(
            Error::new(ErrorKind::Usage, text).hint("ask for at least one of each, or for no orders (--orders 0)")
        );
    }
    if Environment::exists(dir) && !what.overwrite {
        let text = format!("{} holds an environment already; nothing was changed", dir.display());
        return Err(Error::new(ErrorKind::Storage, text)
            .hint("name another folder with --dir, or replace it on purpose with --overwrite"));
    }
    let failed = |e: std::io::Error| {
        Error::new(
            ErrorKind::Storage,
            format!("the environment could not be made, nothing was changed: {e}: {}", dir.display()),
        )
        .hint("check that the folder can be written, or name another one with --dir")
    };
    std::fs::create_dir_all(dir.join(SETS)).map_err(failed)?;
    let beside = tempfile::Builder::new().prefix(".objsync-install-").tempdir_in(dir).map_err(failed)?;
    build(beside.path(), what, progress)?;
    let old = beside.path().join("old");
    std::fs::create_dir(&old).map_err(failed)?;
    if what.overwrite {
        let files = files_to_replace(dir)?;
        for file in &files {
            release(file)?;
        }
        for file in files {
            let name = file.file_name().unwrap_or_default();
            std::fs::rename(&file, old.join(name)).map_err(failed)?;
        }
    }
    for name in ["master.db", "client.db"] {
        std::fs::rename(beside.path().join(name), dir.join(name)).map_err(failed)?;
    }
    Environment::open(dir)
}

fn build(dir: &Path, what: &Installation, progress: &Progress) -> Result<()> {
    let file = dir.join("master.db");
    private_file::create(&file)?;
    let conn = Connection::open(&file)?;
    conn.execute_batch(tables::SCHEMA)?;
    drop(conn);
    let info = NodeInfo { guid: NodeId::random(), name: what.master.clone(), role: Role::Master };
    let mut master = Node::create_watched(&file, info, &tables::classes(), progress)?;
    populate(&mut master, what.amounts, &mut rng(what.seed))?;
    let client = master.fresh_copy(&dir.join("client.db"), &what.client, Role::Client)?;
    client.connection().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    master.connection().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(())
}

/// Nodes, files with their names, and sets.
fn files_to_replace(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir.join(SETS))?
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == syncset::EXTENSION))
        .collect();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let named = path.file_name().is_some_and(|n| n == "master.db" || n == "client.db");
        if path.extension().is_some_and(|e| e == "db") && (named || Node::open(&path).is_ok()) {
            files.push(path);
        }
    }
    Ok(files)
}

/// Ends the write-ahead log of a database that is to be replaced: a log left behind would be taken for the new file's. Fails
/// while another program has it open.
fn release(file: &Path) -> Result<()> {
    if file.extension().is_none_or(|e| e != "db") {
        return Ok(());
    }
    let released = Connection::open(file)
        .and_then(|conn| {
            conn.busy_timeout(std::time::Duration::from_secs(1))?;
            conn.query_row("PRAGMA journal_mode = DELETE", [], |r| r.get::<_, String>(0))
        })
        .map_err(Error::from);
    match released {
        Ok(mode) if mode == "delete" => {}
        Err(e) if e.kind() != ErrorKind::Busy => {} // no database any more: nothing to keep
        _ => {
            let text = format!("another program has {} open; nothing was changed", file.display());
            return Err(Error::new(ErrorKind::Busy, text).hint("close it first, or restart the demo from its window"));
        }
    }
    for ending in ["-wal", "-shm"] {
        let mut left = file.as_os_str().to_owned();
        left.push(ending);
        let left = PathBuf::from(left);
        if left.exists() {
            std::fs::remove_file(left)?;
        }
    }
    Ok(())
}
