//! Files that the window writes: copies of sets, tables, reports. Each complete or not at all.

use std::path::{Path, PathBuf};

use crate::app::view::Done;
use crate::sync::syncset::check_replaceable;
use crate::sync::{Error, ErrorKind, Result};

/// Copies a set.
pub(super) fn save_as(file: &Path, to: &Path, overwrite: bool) -> Result<Done> {
    let bytes = std::fs::read(file).map_err(|e| not_saved("the set", &e, file))?;
    let to = match to.is_dir() {
        true => to.join(file.file_name().unwrap_or_default()),
        false => to.to_owned(),
    };
    write("the set", &bytes, &to, overwrite)
}

/// Writes a file. `what`: what it is, in words.
pub(super) fn write(what: &str, bytes: &[u8], to: &Path, overwrite: bool) -> Result<Done> {
    let failed = |e: std::io::Error| not_saved(what, &e, to);
    check_replaceable(to, overwrite)?;
    let folder = to.parent().filter(|p| !p.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), Path::to_owned);
    let mut copy = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    std::io::Write::write_all(&mut copy, bytes).and_then(|()| copy.as_file().sync_all()).map_err(failed)?;
    match overwrite {
        true => copy.persist(to),
        false => copy.persist_noclobber(to),
    }
    .map_err(|e| match e.error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Error::new(ErrorKind::Storage, format!("the file exists already and was left as it is: {}", to.display()))
                .hint("choose another name, or replace it on purpose")
        }
        _ => failed(e.error),
    })?;
    Ok(Done { text: format!("Saved {what} as {}", to.display()), ..Done::default() })
}

fn not_saved(what: &str, e: &std::io::Error, to: &Path) -> Error {
    Error::new(ErrorKind::Storage, format!("{what} was not saved: {e}: {}", to.display()))
        .hint("check that the folder exists and can be written, or name another one")
}
