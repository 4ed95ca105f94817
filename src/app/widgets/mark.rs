//! The marks: a glyph and a colour for each, so that colour never speaks alone.

use eframe::egui::Color32;

use crate::app::theme::Tokens;
use crate::app::view::{Line, Mark, SideIndex};
use crate::sync::Outcome;

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
        (Mark::Combine, _) | (_, Mark::Combine) => {
            look("⊕", t.conflict, "changed on both sides, different properties: applying will combine them")
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

/// What one side did to an object, as in its journal.
pub fn mark_look(t: &Tokens, mark: Mark, side: SideIndex) -> MarkLook {
    let (glyph, ink) = match mark {
        Mark::New => ("+", t.new),
        Mark::Changed => ("≠", t.sides[side]),
        Mark::Deleted => ("−", t.danger),
        Mark::Conflict => ("!", t.conflict),
        Mark::Combine => ("⊕", t.conflict),
        Mark::None => ("·", t.weak),
    };
    MarkLook { glyph, ink, meaning: mark_meaning(mark) }
}

/// What one side did to an object, as a word.
pub fn mark_meaning(mark: Mark) -> &'static str {
    match mark {
        Mark::New => "new",
        Mark::Changed => "changed",
        Mark::Deleted => "deleted",
        Mark::Conflict => "conflict",
        Mark::Combine => "combined",
        Mark::None => "unchanged",
    }
}

/// What would be done with an object of a set from that side.
pub fn outcome_look(t: &Tokens, outcome: Outcome, from: SideIndex) -> MarkLook {
    let (glyph, ink, meaning) = match outcome {
        Outcome::Inserted => ("+", t.new, "new"),
        Outcome::Updated => ("≠", t.sides[from], "changed"),
        Outcome::Deleted => ("−", t.danger, "deleted"),
        Outcome::Conflict => ("!", t.conflict, "conflict"),
        Outcome::Combined => ("⊕", t.conflict, "combined"),
        Outcome::Requeued => ("?", t.waiting, "waits"),
        Outcome::Discarded => ("×", t.danger, "discarded"),
        Outcome::Skipped => ("·", t.weak, "skipped"),
    };
    MarkLook { glyph, ink, meaning }
}

#[cfg(test)]
mod tests {
    use eframe::egui::{Context, RawInput, Theme};

    use super::*;
    use crate::app::theme::{self, semibold};

    #[test]
    fn every_sign_can_be_drawn_and_no_two_are_alike() {
        let ctx = Context::default();
        theme::install(&ctx);
        ctx.run_ui(RawInput::default(), |_| {}).textures_delta.clear();
        let t = Tokens::for_theme(Theme::Dark);
        let outcomes = [
            Outcome::Inserted,
            Outcome::Updated,
            Outcome::Deleted,
            Outcome::Conflict,
            Outcome::Combined,
            Outcome::Requeued,
            Outcome::Skipped,
        ];
        let signs = outcomes.map(|outcome| outcome_look(t, outcome, 0).glyph);
        for (i, sign) in signs.iter().enumerate() {
            assert!(ctx.fonts_mut(|f| f.has_glyphs(&semibold(theme::TEXT), sign)), "no font has {sign}");
            assert!(!signs[..i].contains(sign), "{sign} has two meanings");
        }
    }
}
