//! Whether a file is still the one that it was: a copy, or a backup put in its place, must not go on as the same node, or two
//! files give the same numbers. A node's file keeps where it lies (path, device, inode) and compares at every opening.
//!
//! What changed may have been moved, which is fine, or copied, which is not; nobody can tell but the user. Until that is
//! answered the engine writes nothing to it. *Copied* is the safe answer: [`Node::rejoin`] makes it a new node that loses
//! nothing. Files that are overwritten in place are found out later, by their numbers (`apply.rs`).

use std::path::Path;

use rusqlite::OptionalExtension;

use crate::sync::error::{Error, Refusal, Result};
use crate::sync::node::Node;

/// Where a file lies: path, device, inode.
type Place = (String, i64, i64);

#[cfg(unix)]
fn place_of(file: &Path) -> Option<Place> {
    use std::os::unix::fs::MetadataExt;
    let found = file.metadata().ok()?;
    Some((file.to_string_lossy().into_owned(), found.dev() as i64, found.ino() as i64))
}

#[cfg(not(unix))]
fn place_of(_file: &Path) -> Option<Place> {
    None
}

impl Node {
    /// Notes whether the file lies where it was; writes where it lies if that was never noted.
    pub(crate) fn find_whereabouts(&mut self) -> Result<()> {
        let Some(now) = place_of(&self.path) else { return Ok(()) };
        let noted: Option<Place> = self
            .conn
            .query_row("SELECT path, device, inode FROM objsync_state WHERE path IS NOT NULL", [], |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?))
            })
            .optional()?;
        match noted {
            None => self.note_whereabouts(&now)?,
            // A device may get another number when the machine starts anew; the same inode at the same path is the same file.
            Some(noted) if noted.2 == now.2 && (noted.0 == now.0 || noted.1 == now.1) => {
                if noted != now {
                    self.note_whereabouts(&now)?;
                }
            }
            Some(noted) => self.was_at = Some(noted.0),
        }
        Ok(())
    }

    fn note_whereabouts(&self, (path, device, inode): &Place) -> Result<()> {
        let sql = "UPDATE objsync_state SET path = ?1, device = ?2, inode = ?3";
        self.conn.execute(sql, (path, device, inode))?;
        Ok(())
    }

    /// Where the file lay when it was last known to be this node's, if it lies elsewhere now.
    pub fn was_at(&self) -> Option<&str> {
        self.was_at.as_deref()
    }

    /// Refuses to write to a file that may be a copy.
    pub(crate) fn check_whereabouts(&self) -> Result<()> {
        let Some(was_at) = &self.was_at else { return Ok(()) };
        let name = &self.info.name;
        let what = match Path::new(was_at) == self.path {
            true => format!("{name}'s file was replaced by another one since it was last used: {was_at}"),
            false => format!("{name}'s file was moved or copied: it was {was_at}, and is {}", self.path.display()),
        };
        Err(Error::refused(Refusal::Moved, format!("{what}; nothing was changed")).hint(format!(
            "if it is a copy or a backup, make it a new node, which loses nothing (objsync rejoin --node {name}); if it was only moved and the old one is gone, say so (objsync moved --node {name})"
        )))
    }

    /// Says that the file was moved: there is no other one that goes on as this node.
    pub fn moved(&mut self) -> Result<()> {
        let Some(now) = place_of(&self.path) else { return Ok(()) };
        let was_at = self.was_at.take();
        self.write(|node| node.note_whereabouts(&now)).inspect_err(|_| self.was_at = was_at)
    }
}
