//! Whether a file is still the one that it was: a copy, or a backup put in its place, must not go on as the same node, or two
//! files give the same numbers. A node's file keeps where it lies (path, device, inode) and compares at every opening.
//!
//! What changed may have been moved, which is fine, or copied, which is not; nobody can tell but the user. Until that is
//! answered the engine writes nothing to it. *Copied* is the safe answer: [`Node::rejoin`] makes it a new node that loses
//! nothing. Files that are overwritten in place are found out later, by what they lack (`told.rs`).

use std::path::Path;

use rusqlite::OptionalExtension;

use crate::sync::error::{Error, Refusal, Result};
use crate::sync::node::{Node, parting};
use crate::words::{quoted, quoted_path};

/// Where a file lies: path, device, inode; and when it was made there, microseconds since 1970, where the system knows: the inode of
/// a file that was removed is given to the next one.
#[derive(PartialEq)]
struct Place {
    path: String,
    device: i64,
    inode: i64,
    created: Option<i64>,
}

impl Place {
    /// Whether a file that was at `self` can be the one at `now`.
    fn is_still(&self, now: &Place) -> bool {
        let as_old = self.created.is_none() || now.created.is_none() || self.created == now.created;
        // A device may get another number when the machine starts anew; the same inode at the same path is the same file.
        self.inode == now.inode && as_old && (self.path == now.path || self.device == now.device)
    }
}

#[cfg(unix)]
fn place_of(file: &Path) -> Option<Place> {
    use std::os::unix::fs::MetadataExt;
    let found = file.metadata().ok()?;
    let created = found.created().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    Some(Place {
        path: file.to_string_lossy().into_owned(),
        device: found.dev() as i64,
        inode: found.ino() as i64,
        created: created.and_then(|at| i64::try_from(at.as_micros()).ok()),
    })
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
            .query_row("SELECT path, device, inode, created FROM objsync_state WHERE path IS NOT NULL", [], |r| {
                Ok(Place { path: r.get(0)?, device: r.get(1)?, inode: r.get(2)?, created: r.get(3)? })
            })
            .optional()?;
        match noted {
            None => self.note_whereabouts(&now)?,
            Some(noted) if noted.is_still(&now) => {
                if noted != now {
                    self.note_whereabouts(&now)?;
                }
            }
            Some(noted) => self.was_at = Some(noted.path),
        }
        Ok(())
    }

    fn note_whereabouts(&self, place: &Place) -> Result<()> {
        let sql = "UPDATE objsync_state SET path = ?1, device = ?2, inode = ?3, created = ?4";
        self.conn.execute(sql, (&place.path, place.device, place.inode, place.created))?;
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
        Err(Error::refused(Refusal::Moved, format!("{what}; nothing was changed")).about(self.info.guid).hint(format!(
            "if it is a copy or a backup, make it a new node, which loses nothing (objsync rejoin --node {0}); if it was only moved and the old one is gone, say so (objsync moved --node {0})",
            quoted(name)
        )))
    }

    /// Says that the file was moved: there is no other one that goes on as this node. Refused where there is one.
    pub fn moved(&mut self) -> Result<()> {
        if let Some(was_at) = self.was_at.as_ref().filter(|at| Path::new(at) != self.path)
            && parting::is_at(Path::new(was_at), self.info.guid)
        {
            let name = &self.info.name;
            let what = format!(
                "{name}'s file was copied, not moved: {was_at} is there and is {name}, too; nothing was changed"
            );
            return Err(Error::refused(Refusal::Moved, what).about(self.info.guid).hint(format!(
                "make this one a new node, which loses nothing (objsync rejoin --db {}); if that one is not to go on, put it aside first",
                quoted_path(&self.path)
            )));
        }
        let Some(now) = place_of(&self.path) else { return Ok(()) };
        let was_at = self.was_at.take();
        self.write(|node| node.note_whereabouts(&now)).inspect_err(|_| self.was_at = was_at)
    }
}
