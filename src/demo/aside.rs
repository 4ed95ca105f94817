//! Puts the files of an old demo aside, so that a new one can take their place and nothing is lost.
//!
//! Invariant: each file is where it was or where it was put. Where a later step fails, all are put back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::sync::{Error, ErrorKind, Result, SETS, syncset};

/// Files that SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Files moved so far, from where to where. Puts them back unless they are [kept](Moved::keep) there.
#[derive(Default)]
pub(crate) struct Moved {
    files: Vec<(PathBuf, PathBuf)>,
    /// Folders made for them.
    folders: Vec<PathBuf>,
}

impl Moved {
    /// Moves a file to where nothing is yet.
    pub(crate) fn file(&mut self, from: &Path, to: &Path) -> Result<()> {
        let failed = |why: String| {
            Error::new(ErrorKind::Storage, format!("{} cannot be moved to {}: {why}", from.display(), to.display()))
        };
        if to.symlink_metadata().is_ok() {
            return Err(failed("something is there already".to_owned()));
        }
        std::fs::rename(from, to).map_err(|e| failed(e.to_string()))?;
        self.files.push((from.to_owned(), to.to_owned()));
        Ok(())
    }

    /// Makes a folder for what is moved; it is taken away again when nothing stays in it.
    pub(crate) fn folder(&mut self, dir: &Path) -> Result<()> {
        let failed = |e| Error::new(ErrorKind::Storage, format!("the folder {} cannot be made: {e}", dir.display()));
        std::fs::create_dir(dir).map_err(failed)?;
        self.folders.push(dir.to_owned());
        Ok(())
    }

    /// Everything stays where it was put.
    pub(crate) fn keep(mut self) {
        self.files.clear();
        self.folders.clear();
    }

    /// Puts everything back where it was. Says which files could not be.
    pub(crate) fn put_back(&mut self) -> Vec<(PathBuf, PathBuf)> {
        let mut stuck = Vec::new();
        while let Some((from, to)) = self.files.pop() {
            if std::fs::rename(&to, &from).is_err() {
                stuck.push((from, to));
            }
        }
        while let Some(dir) = self.folders.pop() {
            // One that is not empty holds what could not be put back.
            let _ = std::fs::remove_dir(dir);
        }
        stuck
    }
}

impl Drop for Moved {
    fn drop(&mut self) {
        self.put_back();
    }
}

/// Moves databases, and the sets in their folder, into a new folder there; gives its path. `None`: there is nothing to move.
pub(crate) fn put_aside(dir: &Path, databases: &[PathBuf], moved: &mut Moved) -> Result<Option<PathBuf>> {
    let sets = sets_in(dir)?;
    if databases.is_empty() && sets.is_empty() {
        return Ok(None);
    }
    for file in databases {
        release(file)?;
    }
    let aside = free_name(dir);
    moved.folder(&aside)?;
    let into = |folder: &Path, file: &Path| folder.join(file.file_name().unwrap_or_default());
    for file in databases {
        moved.file(file, &into(&aside, file))?;
        // Somebody may have opened it a moment ago: what is logged belongs to the file.
        for beside in BESIDE.map(|ending| with_ending(file, ending)) {
            if beside.symlink_metadata().is_ok() {
                moved.file(&beside, &into(&aside, &beside))?;
            }
        }
    }
    if !sets.is_empty() {
        moved.folder(&aside.join(SETS))?;
    }
    for file in sets {
        moved.file(&file, &into(&aside.join(SETS), &file))?;
    }
    Ok(Some(aside))
}

/// `before-restart-2026-11-30-104512`, in that folder; with a number where that is taken.
fn free_name(dir: &Path) -> PathBuf {
    let name = format!("before-restart-{}", crate::words::now().format("%Y-%m-%d-%H%M%S"));
    let numbered = (2..).map(|n| format!("{name}-{n}"));
    let free = |name: &String| dir.join(name).symlink_metadata().is_err();
    dir.join([name.clone()].into_iter().chain(numbered).find(free).unwrap_or(name))
}

fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn sets_in(dir: &Path) -> Result<Vec<PathBuf>> {
    let dir = dir.join(SETS);
    let mut files = Vec::new();
    match std::fs::read_dir(&dir) {
        Ok(entries) => {
            for entry in entries {
                files.push(entry?.path());
            }
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => {
            return Err(Error::new(ErrorKind::Storage, format!("the folder {} cannot be read: {e}", dir.display())));
        }
    }
    files.retain(|file| file.extension().is_some_and(|e| e == syncset::EXTENSION));
    Ok(files)
}

/// Takes a database's write-ahead log into its file: one left behind would be taken for the new file's. Refuses while another
/// program has the database open: what that writes would go into the file that was put aside.
fn release(file: &Path) -> Result<()> {
    let refused = |kind, why: &str| Error::new(kind, format!("{} {why}; nothing was changed", file.display()));
    if file.is_symlink() {
        return Err(refused(ErrorKind::Storage, "is a link to a file elsewhere")
            .hint("put the file itself in its place, or name another folder"));
    }
    let open = || -> rusqlite::Result<Option<String>> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(file, flags)?;
        conn.busy_timeout(Duration::from_secs(1))?;
        if conn.is_readonly("main")? {
            return Ok(None);
        }
        // Only who is alone can leave the log's mode.
        let mode = conn.query_row("PRAGMA journal_mode = DELETE", [], |r| r.get(0))?;
        conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        Ok(Some(mode))
    };
    match open().map_err(Error::from) {
        Ok(Some(mode)) if mode == "delete" => Ok(()),
        Ok(None) => Err(refused(ErrorKind::Storage, "cannot be written")
            .hint("check the permissions of the file and of its folder")),
        Err(e) if e.kind() != ErrorKind::Busy => {
            Err(refused(ErrorKind::Storage, &format!("cannot be moved: {}", e.message())))
        }
        _ => Err(refused(ErrorKind::Busy, "is open in another program")
            .hint("close it first, or restart the demo from its window")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_moved_is_put_back_where_a_later_step_fails() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("one"), "1").unwrap();
        std::fs::write(at("two"), "2").unwrap();
        let mut moved = Moved::default();
        moved.folder(&at("aside")).unwrap();
        moved.file(&at("one"), &at("aside/one")).unwrap();
        moved.file(&at("two"), &at("one")).unwrap();
        assert_eq!(names(dir.path()), ["aside", "one"]);
        let error = moved.file(&at("three"), &at("two")).unwrap_err();
        assert!(error.message().contains("three"), "{error}");
        drop(moved);
        assert_eq!(names(dir.path()), ["one", "two"]);
        assert_eq!(std::fs::read(at("one")).unwrap(), b"1");
        assert_eq!(std::fs::read(at("two")).unwrap(), b"2");
    }

    #[test]
    fn nothing_is_moved_onto_another_file() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("new"), "new").unwrap();
        std::fs::write(at("there"), "there").unwrap();
        let error = Moved::default().file(&at("new"), &at("there")).unwrap_err();
        assert!(error.message().contains("something is there already"), "{error}");
        assert_eq!(
            (std::fs::read(at("new")).unwrap(), std::fs::read(at("there")).unwrap()),
            (b"new".to_vec(), b"there".to_vec())
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("real"), "").unwrap();
        std::os::unix::fs::symlink(dir.path().join("real"), dir.path().join("master.db")).unwrap();
        let error = put_aside(dir.path(), &[dir.path().join("master.db")], &mut Moved::default()).unwrap_err();
        assert!(error.message().contains("is a link"), "{error}");
    }
}
