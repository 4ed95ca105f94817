//! Files that their owner alone can read: a node's holds the key that it signs with.

use std::fs::{File, OpenOptions};
use std::path::Path;

/// Makes an empty file that its owner alone can read and write, whatever the umask. A file that is there is left as it is.
pub(crate) fn create(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The permissions of a file, such as `644`, where they let others than its owner read or write it.
pub fn readable_by_others(path: &Path) -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = path.metadata().ok()?.permissions().mode();
        (mode & 0o077 != 0).then(|| format!("{:o}", mode & 0o777))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}
