//! The marks: a glyph and a colour for each, so that colour never speaks alone.

use eframe::egui::Color32;

use crate::app::theme::Tokens;
use crate::app::view::{Line, Mark, SideIndex};

/// A mark as drawn, and as said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MarkLook {
    /// The sign.
    pub glyph: &'static str,
    /// Its colour.
    pub ink: Color32,
    /// For a tooltip and for screen readers.
    pub meaning: &'static str,
}

/// The mark in front of a row: what this side did in the side's colour, what the other did in grey.
pub fn row_mark(t: &Tokens, line: &Line, side: SideIndex) -> Option<MarkLook> {
    let look = |glyph, ink, meaning| Some(MarkLook { glyph, ink, meaning });
    let here = line.orders[side].is_some();
    match (line.marks[side], line.marks[1 - side]) {
        (Mark::Conflict, _) | (_, Mark::Conflict) => {
            look("!", t.conflict, "changed on both sides: applying will find a conflict")
        }
        (Mark::New, _) => look("+", t.sides[side], "new here, not sent yet"),
        (Mark::Changed, _) => look("≠", t.sides[side], "changed here, not sent yet"),
        (Mark::Deleted, _) => look("−", t.danger, "deleted here, not sent yet"),
        (Mark::None, Mark::New) => look("·", t.weak, "not here yet"),
        (Mark::None, Mark::Changed) => look("≠", t.weak, "changed at the other side"),
        (Mark::None, Mark::Deleted) => look("−", t.danger, "deleted at the other side"),
        (Mark::None, Mark::None) if !here || line.orders[1 - side].is_none() || line.differs.contains(&true) => {
            look("?", t.waiting, "differs, with nothing to send: something waits")
        }
        (Mark::None, Mark::None) => None,
    }
}
