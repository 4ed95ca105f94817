//! Undoing commits: new edits that restore what they changed, and travel like any other.
//!
//! Reverting an applied set and undoing edits made here are the same work on a range of commits. The invariant: what was
//! changed since stays as it is, and is said; nothing that somebody has made meanwhile is overwritten.

use crate::sync::decisions::take_back::Reverted;
use crate::sync::error::{Error, ErrorKind, Result};
use crate::sync::exchange::report::ObjectReport;
use crate::sync::node::edit::{Edit, Wanted};
use crate::sync::node::{Keep, Node};
use crate::words::grouped;

impl Node {
    /// New edits that restore what the commits from `first` to `last` changed, as one commit. What was changed after them
    /// stays as it is. Undoing the commit that this makes does again what was undone.
    pub fn undo(&mut self, first: u64, last: u64) -> Result<Reverted> {
        self.undo_and(Keep::Yes, first, last)
    }

    /// Says what [`Node::undo`] would do now: the same, taken back in the end.
    pub fn preview_undo(&mut self, first: u64, last: u64) -> Result<Reverted> {
        self.undo_and(Keep::No, first, last)
    }

    fn undo_and(&mut self, keep: Keep, first: u64, last: u64) -> Result<Reverted> {
        self.edit_and(keep, |edit| {
            let floor = edit.node().floor()?;
            if first <= floor {
                let what = format!(
                    "transaction {} cannot be undone: the journal is purged up to {}; nothing was changed",
                    grouped(first),
                    grouped(floor)
                );
                return Err(Error::new(ErrorKind::Constraint, what));
            }
            edit.restore(first, last, "it was made then")
        })
    }
}

impl Edit<'_> {
    /// Restores, in this commit, what the commits from `first` to `last` changed. `made`: what is said of an object that
    /// goes again.
    pub(crate) fn restore(&mut self, first: u64, last: u64, made: &str) -> Result<Reverted> {
        let node = self.node();
        let (mut wanted, mut reverted) = (Vec::new(), Reverted::default());
        for (n, (class, guid)) in node.filed_between(first, last)?.into_iter().enumerate() {
            node.going_on("finding what was before", n, None)?;
            let Some(now) = node.current(class, guid)? else { continue };
            let before = node.as_of(class, guid, now.clone(), first.saturating_sub(1))?.and_then(|f| f.state.content);
            let after = node.as_of(class, guid, now.clone(), last)?.and_then(|f| f.state.content);
            let (content, kept) = node.restored_content(class, &before, &after, &now.state.content);
            if let Some(kept) = kept {
                reverted.kept.push(format!("{}: {kept}", node.filed_called(class, guid, &now)));
            }
            if content != now.state.content {
                wanted.push((Wanted { class: class.name.clone(), guid, content }, now));
            }
        }
        let states: Vec<Wanted> = wanted.iter().map(|(w, _)| w.clone()).collect();
        self.file(&states)?;
        reverted.number = (!wanted.is_empty()).then_some(self.number);
        for (w, now) in wanted {
            let node = self.node();
            let class = node.class(&w.class)?;
            let (outcome, reason) = node.row_told(class, &now.state.content, &w.content, made);
            reverted.objects.push(ObjectReport {
                class: w.class.clone(),
                guid: w.guid,
                key: node.key_text(class, w.content.as_deref().or(now.state.content.as_deref())),
                number: class.number_shown(node.key_of(class, w.guid)?.or(now.key)),
                source_number: None,
                outcome,
                reason,
                conflict: None,
                row_changed: true,
            });
        }
        Ok(reverted)
    }
}
