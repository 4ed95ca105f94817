//! Text in a table cell, painted straight into its rectangle.

use std::sync::Arc;

use eframe::egui::text::{LayoutJob, TextFormat, TextWrapping};
use eframe::egui::{Color32, FontId, Galley, Painter, Rect, Stroke, Ui, pos2};

use crate::app::theme::tabular;

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
    let figures = cell.number || cell.tabular;
    let font = if figures { tabular(&cell.font) } else { cell.font.clone() };
    let mut galley = layout(ui, cell, font.clone(), rect.width());
    if galley.elided && figures {
        // Half a number or date says something wrong.
        galley = layout(ui, cell, FontId { size: font.size * 0.84, ..font }, rect.width());
    }
    let x = if cell.number { rect.right() - galley.size().x } else { rect.left() };
    let cut = galley.elided;
    painter.galley(pos2(x, rect.center().y - galley.size().y / 2.0), galley, cell.ink);
    cut
}

fn layout(ui: &Ui, cell: &Cell, font_id: FontId, width: f32) -> Arc<Galley> {
    let format = TextFormat {
        font_id,
        color: cell.ink,
        italics: cell.italic,
        strikethrough: if cell.struck { Stroke::new(1.0, cell.ink) } else { Stroke::NONE },
        ..Default::default()
    };
    let mut job = LayoutJob::single_section(cell.text.clone(), format);
    job.wrap = TextWrapping::truncate_at_width(width.max(8.0));
    ui.fonts_mut(|fonts| fonts.layout_job(job))
}
