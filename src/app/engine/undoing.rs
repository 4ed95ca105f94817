//! Undo and redo: what an action filed is known by its transactions, and a new change restores what was before them.

use super::Engine;
use super::deciding::asking;
use crate::app::view::{Action, Detail, Done, Filed, SideIndex};
use crate::sync::{Error, ErrorKind, Outcome, Result, Reverted};
use crate::words::count;

impl Engine {
    /// Carries out an action, and notes which transactions it filed where that can be undone.
    pub(super) fn note_filed(&mut self, action: Action) -> Result<Done> {
        let Some(side) = self.files_at(&action) else { return self.act(action) };
        let before = self.env.nodes[side].number()?;
        let mut done = self.act(action)?;
        let after = self.env.nodes[side].number()?;
        done.filed = (after > before).then_some((side, before + 1, after));
        Ok(done)
    }

    /// Where an action files changes of our own, if it does. Sets that were applied are taken back or reverted instead.
    fn files_at(&self, action: &Action) -> Option<SideIndex> {
        match action {
            Action::RandomOrders { side, .. }
            | Action::NewOrder { side, .. }
            | Action::EditOrder { side, .. }
            | Action::DeleteOrders { side, .. }
            | Action::Revert { side, .. }
            | Action::Resolve { side, .. } => Some(*side),
            Action::Undo { filed, .. } => {
                (0..2).find(|side| self.env.nodes[*side].info().guid.to_string() == filed.node)
            }
            _ => None,
        }
    }

    pub(super) fn undo(&mut self, filed: Filed, again: bool, confirmed: bool) -> Result<Done> {
        let place = self.env.nodes.iter().position(|n| n.info().guid.to_string() == filed.node);
        let gone = || {
            Error::new(
                ErrorKind::NotFound,
                format!("the node of “{}” is not here any more; nothing was changed", filed.what),
            )
        };
        let place = place.ok_or_else(gone)?;
        let node = &mut self.env.nodes[place];
        let verb = if again { "Did again" } else { "Undid" };
        if !confirmed {
            let would = node.preview_undo(filed.first, filed.last)?;
            if would.number.is_none() {
                let text = format!("Nothing is left to be undone of {}; nothing was changed", filed.what);
                return Ok(Done { text, details: told(place, &would), ..Done::default() });
            }
            if !would.kept.is_empty() {
                let title = format!("Some of it has changed since: {}", filed.what);
                let text = "What was changed since stays as it is; the rest is restored by a new change.".to_owned();
                let lines = told(place, &would).into_iter().map(|d| d.text).collect();
                let yes = if again { "Redo the rest" } else { "Undo the rest" };
                return Ok(asking(title, text, lines, yes, Action::Undo { filed, again, confirmed: true }));
            }
        }
        let done = node.undo(filed.first, filed.last)?;
        let shown = done.objects.iter().filter(|o| o.outcome != Outcome::Deleted && place < 2);
        let changed = shown.map(|o| (place, o.guid));
        Ok(Done {
            text: format!("{verb}: {} ({})", filed.what, count(done.objects.len(), "object")),
            changed: changed.collect(),
            details: told(place, &done),
            ..Done::default()
        })
    }
}

fn told(side: SideIndex, what: &Reverted) -> Vec<Detail> {
    let objects = what
        .objects
        .iter()
        .map(|o| Detail { text: format!("{} {}: {}", o.class, o.name(), o.reason), object: Some((side, o.guid)) });
    objects.chain(what.kept.iter().cloned().map(Detail::from)).collect()
}
