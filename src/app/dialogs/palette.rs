//! All commands, searched by a few letters; and orders by their number.

use eframe::egui::{
    self, Align, CornerRadius, Id, Key, Label, Layout, Modifiers, RichText, Role, ScrollArea, Sense, TextEdit, Ui,
    WidgetInfo, pos2, vec2,
};

use crate::app::command::{Command, everything};
use crate::app::state::State;
use crate::app::theme::{SMALL, TEXT, Tokens, medium, mono, regular};
use crate::app::widgets::{Cell, note, paint};

/// Height of an entry, points.
const LINE: f32 = 28.0;
/// How many entries are seen at once.
const SEEN: usize = 11;

/// The palette's fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Palette {
    /// What is looked for.
    pub text: String,
    /// Which of what was found is marked.
    pub pick: usize,
}

/// What was found: a command, and what it is called.
fn found(state: &State, text: &str) -> Vec<(Command, String)> {
    let words: Vec<String> = text.to_lowercase().split_whitespace().map(str::to_owned).collect();
    let mut all: Vec<(bool, Command, String)> = orders(state, text).into_iter().map(|(c, l)| (true, c, l)).collect();
    for command in everything(state) {
        let label = command.label(state);
        let lower = label.to_lowercase();
        let also = command.also_called();
        if words.iter().all(|word| lower.contains(word) || also.contains(word.as_str())) {
            all.push((words.first().is_none_or(|word| lower.starts_with(word)), command, label));
        }
    }
    // What begins with the first word stands before what only contains it; else the order is always the same.
    all.sort_by_key(|(begins, ..)| !begins);
    all.into_iter().map(|(_, command, label)| (command, label)).collect()
}

/// The orders of that number; both sides may have one of their own.
fn orders(state: &State, text: &str) -> Vec<(Command, String)> {
    let (Ok(number), Some(snapshot)) = (text.trim().replace(',', "").parse::<i64>(), &state.snapshot) else {
        return Vec::new();
    };
    let has = |side: usize| {
        let guid = snapshot.view.lines.numbered(side, number)?;
        Some((Command::Reveal(side, guid), format!("Go to order {number} at {}", state.side_name(side))))
    };
    (0..2).filter_map(has).collect()
}

/// Draws it; `true` when it is done with.
pub fn show(ui: &mut Ui, state: &State, palette: &mut Palette, out: &mut Vec<Command>) -> bool {
    ui.set_width(620.0);
    let id = Id::unique("search commands");
    let by = ui.input_mut(|i| {
        let mut by = 0;
        for (key, step) in [(Key::ArrowDown, 1), (Key::ArrowUp, -1), (Key::PageDown, 8), (Key::PageUp, -8)] {
            by += step * i.count_and_consume_key(Modifiers::NONE, key) as isize;
        }
        by
    });
    let field = TextEdit::singleline(&mut palette.text)
        .id(id)
        .hint_text("A few letters of a command, or the number of an order")
        .font(regular(15.0))
        .margin(egui::Margin::symmetric(8, 6))
        .desired_width(f32::INFINITY);
    let response = ui.add(field).accessible_name("Search commands");
    // Enter in the field, which lets go of the focus by it; on a button it means the button.
    let entered = response.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
    if entered || ui.memory(|m| m.focused().is_none()) {
        response.request_focus();
    }
    let entries = found(state, &palette.text);
    if response.changed() {
        palette.pick = 0;
    }
    palette.pick = palette.pick.saturating_add_signed(by).min(entries.len().saturating_sub(1));
    ui.add_space(6.0);
    let mut chosen = entered.then_some(palette.pick);
    list(ui, state, &entries, palette, by != 0 || response.changed(), &mut chosen);
    ui.separator();
    if let Some((command, _)) = entries.get(palette.pick) {
        about(ui, state, command, out);
    }
    let Some((command, _)) = chosen.and_then(|at| entries.into_iter().nth(at)) else { return false };
    // What cannot be done now stays, with its reason below.
    if command.enabled(state).is_err() {
        return false;
    }
    if command != Command::Palette {
        out.push(command);
    }
    true
}

fn list(
    ui: &mut Ui,
    state: &State,
    entries: &[(Command, String)],
    palette: &mut Palette,
    moved: bool,
    chosen: &mut Option<usize>,
) {
    let t = Tokens::of(ui);
    ui.spacing_mut().item_spacing.y = 0.0;
    let height = SEEN as f32 * LINE;
    let mut area =
        ScrollArea::vertical().id_salt("commands").auto_shrink(false).max_height(height).min_scrolled_height(height);
    let memory = ui.scope_id().with("top");
    let top = ui.data(|d| d.get_temp::<f32>(memory)).unwrap_or_default();
    let row = palette.pick as f32 * LINE;
    if moved && (row < top || row + LINE > top + height) {
        area = area.vertical_scroll_offset((row - height / 2.0).max(0.0));
    }
    let shown = area.show_rows(ui, LINE, entries.len(), |ui, rows| {
        for at in rows {
            let (command, label) = &entries[at];
            // Arrows move among the entries; Tab goes on to what can be done with the marked one.
            let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), LINE), Sense::CLICK);
            if at == palette.pick || response.hovered() {
                let fill = if at == palette.pick { t.side_fill[0] } else { t.raised };
                ui.painter().rect_filled(rect, CornerRadius::same(5), fill);
            }
            let enabled = command.enabled(state);
            let ink = if enabled.is_ok() { t.strong } else { t.weak };
            let keys = command.shortcut().map(|s| ui.ctx().format_shortcut(&s)).unwrap_or_default();
            let middle = rect.right() - 120.0;
            let place = egui::Rect::from_min_max(pos2(rect.left() + 10.0, rect.top()), pos2(middle, rect.bottom()));
            paint(ui, ui.painter(), place, &Cell::new(label, medium(TEXT), ink));
            let mut cell = Cell::new(&keys, regular(SMALL), t.weak);
            cell.number = true;
            let place = egui::Rect::from_min_max(pos2(middle, rect.top()), pos2(rect.right() - 10.0, rect.bottom()));
            paint(ui, ui.painter(), place, &cell);
            let said = format!("Command: {label}");
            response
                .widget_info(|| WidgetInfo::selected(Role::ListBoxOption, enabled.is_ok(), at == palette.pick, &said));
            if response.clicked() {
                palette.pick = at;
                *chosen = Some(at);
            }
        }
    });
    ui.data_mut(|d| d.insert_temp(memory, shown.state.clamped_offset().y));
    ui.spacing_mut().item_spacing.y = 4.0;
    if entries.is_empty() {
        note(ui, "Nothing is called that.");
    }
}

/// What the marked command does, why not now, and the same elsewhere.
fn about(ui: &mut Ui, state: &State, command: &Command, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let (text, ink) = match command.enabled(state) {
        Ok(()) => (command.tooltip(state), t.text),
        Err(reason) => (format!("! {reason}"), t.waiting),
    };
    ui.add(Label::new(RichText::new(if text.is_empty() { " " } else { &text }).color(ink)).truncate());
    for (line, copy) in [(command.cli_line(state), "Copy as command"), (command.curl_line(state), "Copy as curl")] {
        let Some(line) = line else { continue };
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if ui.button(copy).clicked() {
                    out.push(Command::CopyAs(line.clone()));
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.add(Label::new(RichText::new(&line).font(mono(SMALL)).color(t.weak)).truncate());
                });
            });
        });
    }
}
