//! Undo and redo: what an action filed is known by its transactions, and a new change restores what was before them.

use super::Engine;
use super::deciding::asking;
use crate::app::view::{Action, Detail, Done, Filed, SideIndex};
use crate::sync::{Outcome, Result, Reverted};
use crate::words::count;

impl Engine {
    /// Carries out an action, and notes which transactions it filed where that can be undone.
    pub(super) fn note_filed(&mut self, action: Action) -> Result<Done> {
        let side = can_be_undone(&action);
        let number = |engine: &Engine| side.map(|side| engine.env.nodes[side].number()).transpose();
        let before = number(self)?;
        let mut done = self.act(action)?;
        if let (Some(side), Some(before), Some(after)) = (side, before, number(self)?)
            && after > before
        {
            done.filed = Some((side, before + 1, after));
        }
        Ok(done)
    }

    pub(super) fn undo(&mut self, filed: Filed, again: bool, confirmed: bool) -> Result<Done> {
        let node = &mut self.env.nodes[filed.side];
        let verb = if again { "Did again" } else { "Undid" };
        if !confirmed {
            let would = node.preview_undo(filed.first, filed.last)?;
            if would.number.is_none() {
                let text = format!("Nothing is left to be undone of {}; nothing was changed", filed.what);
                return Ok(Done { text, details: told(filed.side, &would), ..Done::default() });
            }
            if !would.kept.is_empty() {
                let title = format!("Some of it has changed since: {}", filed.what);
                let text = "What was changed since stays as it is; the rest is restored by a new change.".to_owned();
                let lines = told(filed.side, &would).into_iter().map(|d| d.text).collect();
                let yes = if again { "Redo the rest" } else { "Undo the rest" };
                return Ok(asking(title, text, lines, yes, Action::Undo { filed, again, confirmed: true }));
            }
        }
        let done = node.undo(filed.first, filed.last)?;
        let changed = done.objects.iter().filter(|o| o.outcome != Outcome::Deleted).map(|o| (filed.side, o.guid));
        Ok(Done {
            text: format!("{verb}: {} ({})", filed.what, count(done.objects.len(), "object")),
            changed: changed.collect(),
            details: told(filed.side, &done),
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

/// Where an action files changes of our own, if it does. Sets that were applied are taken back or reverted instead.
fn can_be_undone(action: &Action) -> Option<SideIndex> {
    match action {
        Action::RandomOrders { side, .. }
        | Action::NewOrder { side, .. }
        | Action::EditOrder { side, .. }
        | Action::DeleteOrders { side, .. }
        | Action::Resolve { side, .. } => Some(*side),
        Action::Undo { filed, .. } => Some(filed.side),
        _ => None,
    }
}
