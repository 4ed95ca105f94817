//! Looking into files without writing to them: those that are no nodes stay as they are, byte for byte, and a node that cannot be
//! written can be read all the same.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rusqlite::backup::Backup;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::sync::error::{Error, ErrorKind, Result};
use crate::sync::node::{Node, store};

/// The file beside a database's: its name with an ending, such as `-wal`.
pub(crate) fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Refuses what is no file, and says what it is instead.
pub(crate) fn is_file(path: &Path) -> Result<()> {
    if path.is_file() {
        return has_one_name(path);
    }
    let shown = path.display();
    let not_found = |what: String| Error::new(ErrorKind::NotFound, format!("{what}; nothing was changed"));
    Err(match path.metadata() {
        Ok(found) if found.is_dir() => {
            not_found(format!("{shown} is a folder")).hint("name a folder with --dir, and its files with --db")
        }
        Ok(_) => not_found(format!("{shown} is no ordinary file")),
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            not_found(format!("{shown} cannot be reached: {e}"))
        }
        Err(_) => not_found(format!("there is no file {shown}")),
    })
}

/// Whether a file begins as SQLite's databases do, or is empty; also where it cannot be read.
pub(crate) fn is_database(path: &Path) -> bool {
    let mut beginning = [0; 16];
    let read = std::fs::File::open(path).and_then(|mut file| std::io::Read::read(&mut file, &mut beginning));
    read.map_or(true, |n| n == 0 || beginning == *b"SQLite format 3\0")
}

/// Refuses a file that has another name (a hard link): SQLite would keep two logs for it, by which it would be damaged.
fn has_one_name(path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let names = path.metadata().map_or(1, |found| found.nlink());
        if names > 1 {
            let what = format!(
                "{} is one file with {names} names (hard links), and SQLite would damage it by keeping a log for each; nothing was changed",
                path.display()
            );
            return Err(Error::storage(what).hint("make a copy of it (cp) in place of the other name, or remove that"));
        }
    }
    Ok(())
}

/// Whether a file is somebody's other database. To open one that has a log for writing would write that log into it.
pub(crate) fn is_other_database(path: &Path) -> bool {
    beside(path, "-wal").exists()
        && look_into(path).and_then(|conn| store::is_node(&conn)).is_ok_and(|is_node| !is_node)
}

/// A connection that reads one moment of a file, and leaves the file and its folder as they are. One that may not write leaves the
/// files behind that it reads by; one that may (and does not) takes them away again, but also finishes what lies in a log or journal
/// there.
pub(crate) fn look_into(path: &Path) -> Result<Connection> {
    let has = |ending: &str| beside(path, ending).exists();
    if has("-wal") || has("-journal") {
        return open(OpenFlags::SQLITE_OPEN_READ_ONLY, path).or_else(|e| unfinished(path, e));
    }
    match open(OpenFlags::SQLITE_OPEN_READ_WRITE, path) {
        // What is read by cannot be made in this folder; and nobody writes there either.
        Err(e) if is_not_permitted(&e) => unchanging(path).map_err(|_| e.into()),
        opened => Ok(opened?),
    }
}

fn open(flags: OpenFlags, path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(std::time::Duration::from_secs(5))?;
    conn.execute_batch(
        "PRAGMA query_only = ON; PRAGMA cache_size = -16384; BEGIN; SELECT count(*) FROM sqlite_master",
    )?;
    Ok(conn)
}

fn is_not_permitted(e: &rusqlite::Error) -> bool {
    matches!(e.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied))
}

/// Opens a file to which nobody writes: without locks, log or journal.
fn unchanging(path: &Path) -> rusqlite::Result<Connection> {
    let mut uri = OsString::from("file:");
    uri.push(in_uri(path));
    uri.push("?immutable=1");
    open(OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI, Path::new(&uri))
}

#[cfg(unix)]
fn in_uri(path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut bytes = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' | b'?' | b'#' => bytes.extend(format!("%{byte:02x}").bytes()),
            byte => bytes.push(*byte),
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(not(unix))]
fn in_uri(path: &Path) -> OsString {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23").into()
}

/// What lies beside the file could not be read by somebody who writes nothing.
fn unfinished(path: &Path, e: rusqlite::Error) -> Result<Connection> {
    let is_empty = |ending| beside(path, ending).metadata().map_or(true, |found| found.len() == 0);
    match e.sqlite_error_code() {
        _ if is_not_permitted(&e) && is_empty("-wal") && is_empty("-journal") => unchanging(path).map_err(|_| e.into()),
        _ if is_not_permitted(&e) && !is_empty("-wal") => Err(Error::storage(format!(
            "what was written last is still in {}, which cannot be read in a folder that cannot be written; nothing was changed",
            beside(path, "-wal").display()
        ))
        .hint("copy both files into a folder of your own, and look there")),
        Some(ErrorCode::ReadOnly) if !is_empty("-journal") => Err(Error::storage(format!(
            "a program was stopped while it wrote to this file, and {} has what was there before; nothing was changed",
            beside(path, "-journal").display()
        ))
        .hint("whoever may write to the file puts that back by opening it, such as with objsync status; then try again")),
        _ => Err(e.into()),
    }
}

impl Node {
    /// Opens a node to look at it. Where its file or folder cannot be written, what is read is a private copy of it as it is now,
    /// and methods that write refuse.
    pub fn open_to_read(path: &Path) -> Result<Node> {
        is_file(path)?;
        let opened = Node::open(path);
        match &opened {
            Ok(node) if node.conn.is_readonly("main")? => {}
            // Damaged, say, or a file that cannot be written: it shows when it is read.
            Err(e) if e.kind() == ErrorKind::Storage => {}
            _ => return opened,
        }
        match Node::private_copy(path) {
            Err(e) => Err(opened.err().unwrap_or_else(|| e.while_doing(path.display()))),
            copied => copied,
        }
    }

    /// In a temporary file that goes with the handle, so that it may be brought to the present format, and follow its tables.
    fn private_copy(path: &Path) -> Result<Node> {
        let from = look_into(path)?;
        let mut conn = Connection::open("")?;
        Backup::new(&from, &mut conn)?.run_to_completion(10_000, std::time::Duration::ZERO, None)?;
        drop(from);
        store::configure(&conn)?;
        store::upgrade(&conn)?;
        let mut node = Node::from_connection(conn, path)?;
        node.read_only = true;
        Ok(node)
    }

    /// Whether its file cannot be written, so that this is a private copy of it: what is written there afterwards does not show.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Refuses to write where nothing would stay.
    pub(crate) fn check_writable(&self) -> Result<()> {
        if !self.read_only {
            return Ok(());
        }
        let what = format!("{} cannot be written; nothing was changed", self.path.display());
        Err(Error::storage(what).hint("check the permissions of the file and of its folder"))
    }
}
