//! Text in a table cell, painted straight into its rectangle.
//!
//! Inter's digits are proportional and egui has no OpenType features, so digits are spaced to the width of the widest:
//! columns of numbers then stand in line as tabular digits would.

use std::sync::Arc;

use eframe::egui::text::{LayoutJob, TextFormat, TextWrapping};
use eframe::egui::{Color32, FontId, Galley, Painter, Rect, Stroke, Ui, pos2};

/// What a cell shows.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The text.
    pub text: String,
    /// Font and size.
    pub font: FontId,
    /// Colour.
    pub ink: Color32,
    /// Right-aligned, digits in line.
    pub number: bool,
    /// Digits in line although left-aligned: dates.
    pub tabular: bool,
    /// An old value, or an order that is deleted elsewhere.
    pub struck: bool,
    /// A ghost row.
    pub italic: bool,
}

impl Cell {
    /// Plain left-aligned text.
    pub fn new(text: impl Into<String>, font: FontId, ink: Color32) -> Self {
        Cell { text: text.into(), font, ink, number: false, tabular: false, struck: false, italic: false }
    }
}

/// Paints a cell; a number or date that does not fit is written smaller, other text ends in an ellipsis. Returns whether it was
/// cut.
pub fn paint(ui: &Ui, painter: &Painter, rect: Rect, cell: &Cell) -> bool {
    let (mut galley, mut after) = layout(ui, cell, rect.width());
    if galley.elided && (cell.number || cell.tabular) {
        // Half a number or date says something wrong.
        let font = FontId { size: cell.font.size * 0.84, ..cell.font.clone() };
        (galley, after) = layout(ui, &Cell { font, ..cell.clone() }, rect.width());
    }
    let x = if cell.number { rect.right() - galley.size().x - after } else { rect.left() };
    let cut = galley.elided;
    painter.galley(pos2(x, rect.center().y - galley.size().y / 2.0), galley, cell.ink);
    cut
}

/// The text laid out, and the space its last digit wants behind it.
fn layout(ui: &Ui, cell: &Cell, width: f32) -> (Arc<Galley>, f32) {
    let format = TextFormat {
        font_id: cell.font.clone(),
        color: cell.ink,
        italics: cell.italic,
        strikethrough: if cell.struck { Stroke::new(1.0, cell.ink) } else { Stroke::NONE },
        ..Default::default()
    };
    let mut job = LayoutJob { wrap: TextWrapping::truncate_at_width(width.max(8.0)), ..Default::default() };
    let mut after = 0.0;
    if cell.number || cell.tabular {
        ui.fonts_mut(|fonts| {
            let widest = ('0'..='9').map(|d| fonts.glyph_width(&cell.font, d)).fold(0.0, f32::max);
            let mut bytes = [0; 4];
            for c in cell.text.chars() {
                // Half of what a digit lacks stands before it, half after it, that is before the next character.
                let half = if c.is_ascii_digit() { (widest - fonts.glyph_width(&cell.font, c)) / 2.0 } else { 0.0 };
                job.append(c.encode_utf8(&mut bytes), after + half, format.clone());
                after = half;
            }
        });
    } else {
        job.append(&cell.text, 0.0, format);
    }
    (ui.fonts_mut(|fonts| fonts.layout_job(job)), after)
}
