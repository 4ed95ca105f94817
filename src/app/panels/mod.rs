//! The parts of the window. Each reads the [`State`] and pushes [`Command`]s; none changes anything.
//!
//! ```text
//! top bar, legend
//! MASTER | lane | CLIENT
//! dock (folds)
//! error bar (when there is one), status line
//! ```

mod bubble;
mod cell_editor;
mod conflicts;
mod dock;
mod filed;
mod lane;
mod names;
mod pane;
mod requeued;
mod status;
mod table;
mod top;
mod travel;

use eframe::egui::{CentralPanel, Frame, Margin, Panel, Rect, Stroke, Ui, UiBuilder, pos2};

use super::command::Command;
use super::state::State;
use super::theme::Tokens;
use super::tour::Spot;
use super::view::SideIndex;
use super::widgets::note_spot;

pub use bubble::show as bubble;
pub use dock::tells as dock_tells;

/// Where the two tables stand. Not part of the state: it belongs to the widgets, and both tables of a frame must see it.
#[derive(Debug, Default)]
pub struct Scrolling {
    /// Where each table stood at the end of the last frame, points from the top.
    offsets: [f32; 2],
    /// Where both should stand when they scroll together.
    shared: f32,
    /// A row of each to bring into view in this frame.
    pub to: [Option<usize>; 2],
    /// How many rows fit.
    pub page_rows: usize,
    /// Where the lists of both panes begin: what one pane has above its list, both leave room for.
    list_top: f32,
}

impl Scrolling {
    /// Where a table is to stand because the other one was scrolled.
    fn follow(&self, state: &State, side: SideIndex) -> Option<f32> {
        let moved = (self.shared - self.offsets[side]).abs() > 0.5;
        (Self::together(state) && self.to[side].is_none() && moved).then_some(self.shared)
    }

    /// Notes where a table stands. Only what the user did to it moves the other one.
    fn stands(&mut self, ui: &Ui, state: &State, side: SideIndex, offset: f32, followed: bool) {
        if !followed && (offset - self.offsets[side]).abs() > 0.5 {
            self.shared = offset;
            if Self::together(state) && (offset - self.offsets[1 - side]).abs() > 0.5 {
                ui.ctx().request_repaint();
            }
        }
        self.offsets[side] = offset;
    }

    /// Different rows cannot scroll together.
    fn together(state: &State) -> bool {
        state.scroll_together && state.query.side_by_side
    }
}

/// Draws everything but dialogs.
pub fn show(ui: &mut Ui, state: &State, scrolling: &mut Scrolling, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let bar = |fill, y| Frame::new().fill(fill).inner_margin(Margin::symmetric(14, y));
    Panel::top("top").frame(bar(t.surface, 8)).show_separator_line(true).show(ui, |ui| top::bar(ui, state, out));
    let legend = Panel::top("legend").frame(bar(t.ground, 4)).show_separator_line(true);
    let legend = legend.show(ui, |ui| top::legend(ui, state, out));
    note_spot(ui, Spot::Legend, legend.response.rect);
    Panel::bottom("status")
        .frame(bar(t.ground, 3))
        .show_separator_line(true)
        .show(ui, |ui| status::line(ui, state, out));
    if let Some(error) = &state.error {
        let frame = bar(t.danger_fill, 6);
        Panel::bottom("error")
            .frame(frame)
            .show_separator_line(true)
            .show(ui, |ui| status::error(ui, error, state, out));
    }
    // A room sees the dock only where the tour speaks of it.
    if !state.settings.presentation || state.tour.as_ref().is_some_and(|tour| tour.is_about_dock()) {
        dock::show(ui, state, out);
    }
    CentralPanel::no_frame().show(ui, |ui| centre(ui, state, scrolling, out));
}

fn centre(ui: &mut Ui, state: &State, scrolling: &mut Scrolling, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let all = ui.max_rect();
    let lane_width = if all.width() < 1400.0 { 180.0 } else { (all.width() * 0.147).min(236.0) };
    let pane_width = ((all.width() - lane_width) / 2.0).floor();
    let column = |left: f32, right: f32| Rect::from_min_max(pos2(left, all.top()), pos2(right, all.bottom()));
    let panes = [column(all.left(), all.left() + pane_width), column(all.right() - pane_width, all.right())];
    let lane = column(panes[0].right(), panes[1].left());
    let line = Stroke::new(1.0, t.line);
    for side in [0, 1] {
        let builder = UiBuilder::new().id_salt(("pane", side)).max_rect(panes[side]);
        ui.scope_builder(builder, |ui| pane::show(ui, state, side, scrolling, out));
    }
    ui.painter().rect_filled(lane, 0, t.ground);
    ui.painter().vline(lane.left(), lane.y_range(), line);
    ui.painter().vline(lane.right(), lane.y_range(), line);
    let margin = if all.width() < 1400.0 { 8.0 } else { 12.0 };
    let inner = lane.shrink2(eframe::egui::vec2(margin, 8.0));
    ui.scope_builder(UiBuilder::new().id_salt("lane").max_rect(inner), |ui| lane::show(ui, state, out));
    lane::flight(ui, state, lane, panes);
}
