//! Files that are not complete yet: written beside their place and put there in one step. What a process that was killed has left of
//! them is cleared when the next one is begun in that folder, or a server starts that writes there.

use std::path::Path;
use std::time::Duration;

use tempfile::NamedTempFile;

const PREFIX: &str = ".objsync-";
const SUFFIX: &str = ".part";

/// Nobody writes to a file for so long without changing it; if somebody does, putting it in place fails and nothing is lost.
const LEFT: Duration = Duration::from_secs(3600);

/// Begins a file in a folder. It goes when the handle does, and can be read by its owner alone.
pub(crate) fn begin(folder: &Path) -> std::io::Result<NamedTempFile> {
    clear(folder);
    tempfile::Builder::new().prefix(PREFIX).suffix(SUFFIX).tempfile_in(folder)
}

/// Clears what a process that was killed has left in a folder.
pub(crate) fn clear(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        // SQLite puts files beside the one that it writes.
        let ours = name.starts_with(PREFIX)
            && ["", "-wal", "-shm", "-journal"].iter().any(|beside| name.ends_with(&format!("{SUFFIX}{beside}")));
        if !ours {
            continue;
        }
        let Ok(found) = entry.metadata() else { continue };
        let age = found.modified().ok().and_then(|at| at.elapsed().ok());
        if found.is_file() && age.is_some_and(|age| age > LEFT) {
            // What cannot be taken away does no harm but take space.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_left_is_cleared_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, age: u64| {
            let file = std::fs::File::create(dir.path().join(name)).unwrap();
            file.set_modified(std::time::SystemTime::now() - Duration::from_secs(age)).unwrap();
        };
        file(".objsync-old.part", 4_000);
        file(".objsync-old.part-wal", 4_000);
        file(".objsync-new.part", 60);
        file(".objsync-rest", 4_000);
        file("notes.part", 4_000);
        let begun = begin(dir.path()).unwrap();
        let mut left: Vec<String> =
            std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        left.retain(|name| !begun.path().ends_with(name));
        left.sort();
        assert_eq!(left, [".objsync-new.part", ".objsync-rest", "notes.part"]);
    }
}
