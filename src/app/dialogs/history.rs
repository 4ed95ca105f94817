//! Every state that one object has had at a side.

use eframe::egui::{
    self, Align, CornerRadius, Grid, Layout, RichText, Role, ScrollArea, Sense, Stroke, Ui, WidgetInfo, vec2,
};

use crate::app::command::Command;
use crate::app::state::State;
use crate::app::theme::{TEXT, Tokens, medium, regular, semibold};
use crate::app::view::{Action, HistoryState, HistoryView};
use crate::app::widgets::{Cell, VERSION_ONLY, note, paint};
use crate::words::{count, grouped};

/// Height of a state's row, points.
const LINE: f32 = 24.0;
/// The columns.
const TITLES: [&str; 5] = ["Trans.", "When", "Made by", "Through", "What changed"];
/// Where they begin, points; the last one has the rest.
const LEFT: [f32; 6] = [0.0, 60.0, 206.0, 290.0, 620.0, f32::INFINITY];

/// A history on the screen.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// The states.
    pub view: HistoryView,
    /// Whose values are shown.
    pub chosen: usize,
}

/// Draws it; `true` when it is done with.
pub fn show(ui: &mut Ui, state: &State, history: &mut History, out: &mut Vec<Command>) -> bool {
    let t = Tokens::of(ui);
    let screen = ui.ctx().content_rect().size();
    ui.set_width((screen.x - 120.0).min(960.0));
    let view = &history.view;
    ui.horizontal(|ui| {
        let title = format!("History of {} at {}", view.title, state.side_name(view.side));
        ui.label(RichText::new(title).font(semibold(15.0)).color(t.strong));
        ui.label(RichText::new(format!("{}, newest first", count(view.states.len(), "state"))).color(t.weak));
    });
    ui.add_space(4.0);
    ui.spacing_mut().item_spacing.y = 0.0;
    let (head, _) = ui.allocate_exact_size(vec2(ui.available_width(), LINE), Sense::hover());
    line(ui, head, TITLES.map(|title| (title.to_owned(), true, t.weak)));
    let mut chosen = history.chosen;
    let room = (screen.y - 430.0).max(120.0);
    let area = ScrollArea::vertical().id_salt("states").auto_shrink([false, true]).max_height(room);
    area.show_rows(ui, LINE, view.states.len(), |ui, rows| {
        for index in rows {
            if row(ui, state, &view.states[index], index == chosen) {
                chosen = index;
            }
        }
    });
    ui.spacing_mut().item_spacing.y = 4.0;
    ui.add_space(8.0);
    if let Some(shown) = view.states.get(chosen) {
        values(ui, shown);
    }
    history.chosen = chosen;
    ui.spacing_mut().interact_size.y = 26.0;
    super::show::refusal(ui, state);
    ui.add_space(8.0);
    let mut done = false;
    let buttons = vec2(ui.available_width(), ui.spacing().interact_size.y);
    ui.allocate_ui_with_layout(buttons, Layout::right_to_left(Align::Center), |ui| {
        done = ui.button("Close").clicked();
        if let Some(guid) = history.view.guid {
            let side = 1 - history.view.side;
            let action = Command::Answer(Action::History { side, guid });
            let text = format!("History at {}", state.side_name(side));
            if ui.add_enabled(action.enabled(state).is_ok(), egui::Button::new(text)).clicked() {
                out.push(action);
            }
        }
    });
    done
}

fn row(ui: &mut Ui, state: &State, shown: &HistoryState, chosen: bool) -> bool {
    let t = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), LINE), Sense::click());
    if chosen || response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, CornerRadius::same(4), t.raised);
    }
    let side = (0..2).find(|side| state.side_name(*side) == shown.author);
    let transaction = match shown.transaction {
        0 => "–".to_owned(),
        n => grouped(n),
    };
    let changes = if shown.changes.is_empty() { VERSION_ONLY } else { &shown.changes };
    line(
        ui,
        rect,
        [
            (transaction.clone(), false, t.text),
            (shown.at.clone(), false, t.text),
            (shown.author.clone(), true, side.map_or(t.text, |side| t.sides[side])),
            (shown.through.clone(), false, t.text),
            (changes.to_owned(), chosen, t.strong),
        ],
    );
    let name = format!("Transaction {transaction}, {}, {}, {}: {}", shown.at, shown.author, shown.through, changes);
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, chosen, &name));
    response.clicked()
}

fn line(ui: &Ui, rect: egui::Rect, cells: [(String, bool, egui::Color32); 5]) {
    let t = Tokens::of(ui);
    for (i, (text, bold, ink)) in cells.into_iter().enumerate() {
        let right = (rect.left() + LEFT[i + 1] - 10.0).min(rect.right());
        let left = rect.left() + LEFT[i] + 8.0;
        let place = egui::Rect::from_min_max(egui::pos2(left, rect.top()), egui::pos2(right, rect.bottom()));
        let font = if bold { medium(TEXT) } else { regular(TEXT) };
        if paint(ui, ui.painter(), place, &Cell::new(&text, font, ink)) && ui.rect_contains_pointer(place) {
            ui.response().on_hover_text(text);
        }
    }
    ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, t.line));
}

fn values(ui: &mut Ui, shown: &HistoryState) {
    let t = Tokens::of(ui);
    if shown.values.is_empty() {
        note(ui, "It is deleted in this state and has no values.");
        return;
    }
    ui.spacing_mut().interact_size.y = 18.0;
    Grid::new("values of a state").num_columns(2).spacing([18.0, 3.0]).show(ui, |ui| {
        for (property, value) in &shown.values {
            ui.label(RichText::new(property).color(t.weak));
            ui.label(RichText::new(value).font(medium(TEXT)).color(t.strong));
            ui.end_row();
        }
    });
}
