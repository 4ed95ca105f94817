//! What a killed program has left: temporary files of uploads, sets and credentials are cleared when a server starts.

use std::path::Path;
use std::time::Duration;

use crate::sync::part_file;

/// How the file of an upload begins while it comes.
pub(crate) const UPLOAD: &str = ".objsync-upload-";

/// How the file of credentials begins while it is written.
pub(crate) const CREDENTIALS: &str = ".objsync-credentials-";

/// Nobody writes to a file for so long without changing it.
const LEFT: Duration = Duration::from_secs(3600);

/// Clears uploads in the environment's folder whatever their age, and what other programs may be writing only if it is old. Only
/// for who holds the lock of the environment: then no other server receives uploads.
pub(crate) fn clear<'a>(home: &'a Path, sets: impl IntoIterator<Item = &'a Path>) {
    clear_in(home, |name, age| name.starts_with(UPLOAD) || name.starts_with(CREDENTIALS) && age > Some(LEFT));
    [home].into_iter().chain(sets).for_each(part_file::clear);
}

fn clear_in(folder: &Path, is_left: impl Fn(&str, Option<Duration>) -> bool) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        // Of a link, this is the link itself.
        let (Some(name), Ok(found)) = (name.to_str(), entry.metadata()) else { continue };
        let age = found.modified().ok().and_then(|at| at.elapsed().ok());
        if found.is_file() && is_left(name, age) {
            // A file that cannot be removed takes space, and does no other harm.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_ours_and_left_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let (home, sets) = (dir.path().join("home"), dir.path().join("sets"));
        for (folder, name, age) in [
            (&home, ".objsync-upload-a", 0),
            (&home, ".objsync-credentials-a", 4_000),
            (&home, ".objsync-credentials-b", 60),
            (&home, ".objsync-rest", 4_000),
            (&home, "objsync-upload-mine", 4_000),
            (&sets, ".objsync-a.part", 4_000),
            (&sets, ".objsync-a.part-wal", 4_000),
            (&sets, ".objsync-b.part", 60),
            (&sets, "notes.part", 4_000),
            (&sets, ".objsync-upload-other", 4_000),
        ] {
            std::fs::create_dir_all(folder).unwrap();
            let file = std::fs::File::create(folder.join(name)).unwrap();
            file.set_modified(std::time::SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        clear(&home, [sets.as_path()]);
        let names = |folder: &Path| {
            let entries = std::fs::read_dir(folder).unwrap();
            let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&home), [".objsync-credentials-b", ".objsync-rest", "objsync-upload-mine"]);
        assert_eq!(names(&sets), [".objsync-b.part", ".objsync-upload-other", "notes.part"]);
    }
}
