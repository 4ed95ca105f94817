//! Small things that several panels draw: buttons made from commands, pills, tabs, marks, text in cells.

mod cell;
mod mark;
mod name_field;
mod versions;

use eframe::egui::{
    self, Button, Color32, CornerRadius, Frame, Margin, Response, RichText, Role, Sense, Stroke, Ui, UiBuilder,
    WidgetInfo, vec2,
};

pub use cell::{Cell, paint};
pub use mark::{mark_look, mark_meaning, outcome_look, row_mark};
pub use name_field::name_field;
pub use versions::{Sides, Version, versions, versions_table};

use super::command::Command;
use super::state::{ListId, State};
use super::theme::{SMALL, TEXT, Tokens, medium, regular, semibold};
use super::tour::Spot;
use super::view::SideIndex;

/// How a button stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Look {
    /// As any button.
    #[default]
    Plain,
    /// In a side's colour: the step that leads on.
    Side(SideIndex),
}

/// A button for a command: its words, tooltip with keys, and the reason when it cannot be done now.
pub fn command_button(ui: &mut Ui, state: &State, out: &mut Vec<Command>, command: Command, look: Look) -> Response {
    let text = command.button(state);
    command_button_sized(ui, state, out, command, &text, look, 0.0)
}

/// The same with other words and at least a width.
pub fn command_button_sized(
    ui: &mut Ui,
    state: &State,
    out: &mut Vec<Command>,
    command: Command,
    text: &str,
    look: Look,
    min_width: f32,
) -> Response {
    let t = Tokens::of(ui);
    let enabled = command.enabled(state);
    let mut button = match look {
        Look::Plain => Button::new(text),
        Look::Side(side) => Button::new(RichText::new(text).color(t.sides[side]))
            .fill(t.side_fill[side])
            .stroke(Stroke::new(1.0, t.sides[side])),
    };
    button = button.min_size(vec2(min_width, 0.0)).wrap_mode(egui::TextWrapMode::Extend);
    // A button's text stands where the layout's alignment says; a wide one looks right centred.
    let centred = egui::Layout::top_down(egui::Align::Center);
    let response = match min_width > 0.0 {
        true => {
            let size = vec2(min_width, ui.spacing().interact_size.y);
            ui.allocate_ui_with_layout(size, centred, |ui| ui.add_enabled(enabled.is_ok(), button)).inner
        }
        false => ui.add_enabled(enabled.is_ok(), button),
    };
    let label = command.label(state);
    let response = if label.is_empty() { response } else { response.accessible_name(label) };
    let response = match &enabled {
        Err(reason) => response.on_disabled_hover_text(reason),
        Ok(()) => {
            let keys = command.shortcut().map(|s| ui.ctx().format_shortcut(&s));
            let tip = [Some(command.tooltip(state)).filter(|s| !s.is_empty()), keys].into_iter().flatten();
            let tip = tip.collect::<Vec<_>>().join("   ");
            if tip.is_empty() { response } else { response.on_hover_text(tip) }
        }
    };
    focus_ring(ui, &response);
    if response.clicked() {
        out.push(command.clone());
    }
    copy_menu(&response, state, &command, out);
    response
}

/// Shows where the keyboard is, on what has an outline of its own.
pub fn focus_ring(ui: &Ui, response: &Response) {
    if response.has_focus() {
        let stroke = Stroke::new(2.0, Tokens::of(ui).strong);
        ui.painter().rect_stroke(response.rect.expand(1.0), CornerRadius::same(6), stroke, egui::StrokeKind::Outside);
    }
}

/// The same command as a line for elsewhere, by the right button.
fn copy_menu(response: &Response, state: &State, command: &Command, out: &mut Vec<Command>) {
    // Asked for only when it may be opened: the lines are not made in every frame.
    if !response.secondary_clicked() && !response.context_menu_opened() {
        return;
    }
    let lines = [(command.cli_line(state), "Copy as command"), (command.curl_line(state), "Copy as curl")];
    if lines.iter().all(|(line, _)| line.is_none()) {
        return;
    }
    response.context_menu(|ui| {
        for (line, words) in lines {
            let Some(line) = line else { continue };
            if ui.button(words).on_hover_text(&line).clicked() {
                out.push(Command::CopyAs(line));
                ui.close();
            }
        }
    });
}

/// Where a widget is that the tour's step may be about; looked up in the same frame.
pub fn note_spot(ui: &Ui, spot: Spot, rect: egui::Rect) {
    // What is scrolled away, or cut, is not there.
    let seen = rect.intersect(ui.clip_rect());
    if seen.is_positive() {
        let frame = ui.ctx().cumulative_frame_nr();
        ui.data_mut(|d| d.insert_temp(egui::Id::unique(("spot", spot)), (frame, seen)));
    }
}

/// Where that widget is in this frame.
pub fn spot_rect(ui: &Ui, spot: Spot) -> Option<egui::Rect> {
    let frame = ui.ctx().cumulative_frame_nr();
    let noted = ui.data(|d| d.get_temp::<(u64, egui::Rect)>(egui::Id::unique(("spot", spot))));
    noted.filter(|(at, _)| *at == frame).map(|(_, rect)| rect)
}

/// Puts what is added at the right, in the order in which it stands there: a layout from the right would have Tab go backwards.
pub fn at_right<R>(ui: &mut Ui, salt: &str, add: impl FnOnce(&mut Ui) -> R) -> R {
    let memory = ui.scope_id().with(("at right", salt));
    let before = ui.data(|d| d.get_temp::<f32>(memory)).unwrap_or_default();
    ui.add_space((ui.available_width() - before).max(0.0));
    let shown = ui.horizontal(add);
    let width = shown.response.rect.width();
    if (width - before).abs() > 0.5 {
        ui.data_mut(|d| d.insert_temp(memory, width));
        ui.ctx().request_discard("how wide it is, is known now");
    }
    shown.inner
}

/// A small field that filters a list.
pub fn list_filter(ui: &mut Ui, state: &State, list: ListId, width: f32, out: &mut Vec<Command>) -> Response {
    let (title, name) = match list {
        ListId::Pane(side, tab) => (tab.title(), format!("{} at {}", tab.title(), state.side_name(side))),
        ListId::Dock(tab) => (tab.title(), tab.title().to_owned()),
    };
    let mut text = state.list_filters.get(&list).cloned().unwrap_or_default();
    let field = egui::TextEdit::singleline(&mut text).hint_text(format!("Filter {}", title.to_lowercase()));
    let response = ui.add(field.desired_width(width)).accessible_name(format!("Filter {name}"));
    let escaped = response.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Escape));
    if escaped && !text.is_empty() {
        out.push(Command::FilterList(list, String::new()));
    } else if response.changed() {
        out.push(Command::FilterList(list, text));
    }
    response
}

/// An entry for a command in an open menu.
pub fn menu_entry(ui: &mut Ui, state: &State, out: &mut Vec<Command>, command: Command) {
    let enabled = command.enabled(state);
    let keys = command.shortcut().map(|s| ui.ctx().format_shortcut(&s)).unwrap_or_default();
    let entry = ui.add_enabled(enabled.is_ok(), Button::new(command.label(state)).shortcut_text(keys));
    let entry = match enabled {
        Err(reason) => entry.on_disabled_hover_text(reason),
        Ok(()) => entry.on_hover_text(command.tooltip(state)),
    };
    if entry.accessible_name(command.label(state)).clicked() {
        out.push(command);
        ui.close();
    }
}

/// A line of its own inside a rectangle; unlike a scope it leaves the place where the next widget goes.
pub fn within(ui: &mut Ui, rect: egui::Rect) -> Ui {
    ui.new_child(UiBuilder::new().max_rect(rect).layout(egui::Layout::left_to_right(egui::Align::Center)))
}

/// What changed where no value did: the object was filed again with another version, as after a conflict.
pub const VERSION_ONLY: &str = "version only";

/// A small text on a coloured ground.
pub fn pill(ui: &mut Ui, text: &str, ink: Color32, ground: Color32) -> Response {
    let font = medium(SMALL);
    let galley = ui.painter().layout_no_wrap(text.to_owned(), font, ink);
    let (rect, response) = ui.allocate_exact_size(galley.size() + vec2(12.0, 4.0), Sense::hover());
    ui.painter().rect_filled(rect, CornerRadius::same(8), ground);
    ui.painter().galley(rect.center() - galley.size() / 2.0, galley, ink);
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, text));
    response
}

/// A tab with an optional count, underlined in `accent` when chosen.
pub fn tab(ui: &mut Ui, chosen: bool, text: &str, badge: Option<usize>, accent: Color32, name: &str) -> Response {
    let t = Tokens::of(ui);
    let ink = if chosen { t.strong } else { t.weak };
    let galley = ui.painter().layout_no_wrap(text.to_owned(), medium(TEXT), ink);
    let count = badge.map(|n| ui.painter().layout_no_wrap(n.to_string(), medium(SMALL), ink));
    let extra = count.as_ref().map_or(0.0, |c| c.size().x + 18.0);
    let pad = ui.spacing().button_padding.x;
    let (rect, response) = ui.allocate_exact_size(vec2(galley.size().x + extra + 2.0 * pad, 30.0), Sense::click());
    let painter = ui.painter();
    if response.hovered() || response.has_focus() {
        painter.rect_filled(rect.shrink(2.0), CornerRadius::same(4), t.raised);
    }
    let y = rect.center().y;
    painter.galley(egui::pos2(rect.left() + pad, y - galley.size().y / 2.0), galley.clone(), ink);
    if let Some(count) = count {
        let left = rect.left() + pad + galley.size().x + 6.0;
        let ground = egui::Rect::from_min_size(egui::pos2(left, y - 8.0), vec2(count.size().x + 12.0, 16.0));
        painter.rect_filled(ground, CornerRadius::same(8), t.raised);
        painter.galley(ground.center() - count.size() / 2.0, count, ink);
    }
    if response.has_focus() {
        let stroke = Stroke::new(2.0, t.strong);
        painter.rect_stroke(rect.shrink(2.0), CornerRadius::same(4), stroke, egui::StrokeKind::Inside);
    }
    if chosen {
        painter.hline(rect.x_range(), rect.bottom() - 1.0, Stroke::new(2.0, accent));
    }
    response.widget_info(|| WidgetInfo::selected(Role::Tab, true, chosen, name));
    response
}

/// A rounded frame for something that is a thing: a prepared set.
pub fn card(ui: &Ui) -> Frame {
    let t = Tokens::of(ui);
    Frame::new()
        .fill(t.surface)
        .stroke(Stroke::new(1.0, t.border))
        .corner_radius(CornerRadius::same(7))
        .inner_margin(Margin::same(9))
}

/// `label` small and weak, in one line with `value` strong before it: `1,010 orders`.
pub fn fact(ui: &mut Ui, before: &str, value: &str, after: &str, ink: Color32) -> Response {
    let t = Tokens::of(ui);
    let mut job = egui::text::LayoutJob::default();
    let mut add = |text: &str, font, color| {
        job.append(text, 0.0, egui::TextFormat { font_id: font, color, ..Default::default() });
    };
    add(before, regular(TEXT), t.text);
    add(value, semibold(TEXT), ink);
    add(after, regular(TEXT), t.text);
    ui.label(job)
}

/// A heading inside a panel.
pub fn heading(ui: &mut Ui, text: &str) -> Response {
    let t = Tokens::of(ui);
    ui.label(RichText::new(text).font(semibold(TEXT)).color(t.strong))
}

/// A note in small weak letters, wrapped.
pub fn note(ui: &mut Ui, text: &str) -> Response {
    let t = Tokens::of(ui);
    ui.add(egui::Label::new(RichText::new(text).font(regular(12.0)).color(t.weak)).wrap())
}
