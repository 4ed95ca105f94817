//! Draws a dialog. Only its own fields change here; what it asks for is pushed as a command.

use eframe::egui::text::{CCursor, CCursorRange};
use eframe::egui::text_edit::TextEditState;
use eframe::egui::{self, Button, Frame, Id, Key, Margin, Modal, RichText, Stroke, TextEdit, Ui};

use super::{Dialog, OrderForm, PathField, RestForm, history, palette, preview, sheets};
use crate::app::command::{Command, allowed, rule_sentence};
use crate::app::snapshot::COLUMNS;
use crate::app::state::State;
use crate::app::theme::{TEXT, Tokens, mono, semibold};
use crate::app::widgets::{name_field, note};
use crate::words::count;

/// Draws the dialog; `false` when it is done with.
pub fn show(ui: &Ui, state: &State, dialog: &mut Dialog, out: &mut Vec<Command>) -> bool {
    let t = Tokens::of(ui);
    let title = dialog.title(state);
    let frame = Frame::new()
        .fill(t.surface)
        .stroke(Stroke::new(1.0, t.border))
        .corner_radius(8)
        .inner_margin(Margin::same(16))
        .shadow(ui.visuals().window_shadow);
    // A dialog remembers its size by its id: another one begins with its own.
    let modal = Modal::new(Id::unique(("dialog", &title))).backdrop_color(t.shade).frame(frame);
    let answer = modal.show(ui.ctx(), |ui| {
        match dialog {
            Dialog::Preview(preview) => return preview::show(ui, state, preview, out),
            Dialog::History(history) => return history::show(ui, state, history, out),
            Dialog::Palette(palette) => return palette::show(ui, state, palette, out),
            Dialog::Shortcuts => return sheets::keys(ui, state),
            Dialog::Rules => return sheets::rules(ui, state),
            _ => {}
        }
        ui.set_width(if matches!(dialog, Dialog::NewOrder(_)) { 560.0 } else { 460.0 });
        ui.label(RichText::new(&title).font(semibold(15.0)).color(t.strong));
        ui.add_space(6.0);
        fields(ui, state, dialog, out);
        if dialog.replaces() {
            let text = "! There is a file already. It will be replaced.";
            ui.colored_label(Tokens::of(ui).waiting, text);
        }
        refusal(ui, state);
        ui.add_space(10.0);
        buttons(ui, state, dialog, out)
    });
    let cancelled = ui.input(|i| i.key_pressed(Key::Escape)) && !answer.any_popup_open;
    !(answer.inner || cancelled)
}

fn fields(ui: &mut Ui, state: &State, dialog: &mut Dialog, out: &mut Vec<Command>) {
    let first = has_just_come(ui);
    match dialog {
        Dialog::Prepare { side, id, path } => {
            let lane = state.snapshot.as_ref().map(|s| &s.view.lanes[*side]);
            let (objects, transactions) = lane.map_or((0, 0), |l| (l.objects, l.transactions));
            note(
                ui,
                &format!(
                    "{} in {} that {} has not been sent. Nothing changes at {} until the set is applied.",
                    count(objects, "object"),
                    count(transactions, "transaction"),
                    state.side_name(1 - *side),
                    state.side_name(1 - *side)
                ),
            );
            ui.add_space(6.0);
            let label = ui.label("Set id");
            let field = ui.add(TextEdit::singleline(id).desired_width(120.0)).labelled_by(label.id);
            if first {
                field.request_focus();
            }
            path_row(ui, state, path, "File", "the usual name, in the environment's folder", None, out);
        }
        Dialog::SaveAs { file, path, .. } => {
            ui.label(RichText::new(file.display().to_string()).font(mono(11.5)));
            path_row(ui, state, path, "Copy to", "a file", Some(first), out);
        }
        Dialog::OpenSet { path } => {
            note(ui, "The set is applied at the node it is addressed to. A set made for other databases is refused.");
            path_row(ui, state, path, "Set file", "a .syncset file", Some(first), out);
            ui.add_space(4.0);
            note(ui, &format!("On conflict: {}. {}", state.rule().label(), rule_sentence(state.rule(), state)));
        }
        Dialog::OpenEnvironment { path } => {
            note(
                ui,
                "A folder that holds the demo's databases. The window shows no others yet: `objsync --help` lists the commands for them.",
            );
            path_row(ui, state, path, "Folder", "a folder", Some(first), out);
        }
        Dialog::NewEnvironment { path } => {
            note(ui, "A new demo with 1,000 orders on both sides. A folder that holds databases is left alone.");
            path_row(ui, state, path, "Folder", "a folder", Some(first), out);
        }
        Dialog::SaveText { name, text, path, .. } => {
            let lines = count(text.lines, "line");
            note(ui, &format!("{lines}. The usual name is {name}; without a folder it goes into the environment's."));
            path_row(ui, state, path, "File", "a file", Some(first), out);
        }
        Dialog::NewOrder(form) => order_fields(ui, state, form, first),
        Dialog::Rest(form) => rest_fields(ui, state, form, first),
        Dialog::Preview(_) | Dialog::History(_) => {}
        Dialog::Palette(_) | Dialog::Shortcuts | Dialog::Rules => {}
        Dialog::Confirm { text, lines, .. } => {
            ui.label(text.as_str());
            if !lines.is_empty() {
                ui.add_space(6.0);
                listed(ui, lines);
            }
        }
    }
}

/// What would be done, a line an object; a long list scrolls.
fn listed(ui: &mut Ui, lines: &[String]) {
    const ROW: f32 = 19.0;
    let t = Tokens::of(ui);
    Frame::new().fill(t.raised).corner_radius(5).inner_margin(Margin::symmetric(10, 6)).show(ui, |ui| {
        ui.set_min_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = 0.0;
        ui.spacing_mut().interact_size.y = ROW;
        let area = egui::ScrollArea::vertical().id_salt("what would be done").auto_shrink([false, true]);
        area.max_height(12.0 * ROW).show_rows(ui, ROW, lines.len(), |ui, rows| {
            for line in &lines[rows] {
                let size = egui::vec2(ui.available_width(), ROW);
                ui.allocate_ui_with_layout(size, egui::Layout::left_to_right(egui::Align::Center), |ui| {
                    ui.set_min_size(size);
                    ui.add(egui::Label::new(RichText::new(line).color(t.text)).truncate());
                });
            }
        });
    });
}

/// Why what the dialog asked for was not done.
pub fn refusal(ui: &mut Ui, state: &State) {
    let Some(failure) = &state.refused else { return };
    let t = Tokens::of(ui);
    ui.add_space(6.0);
    Frame::new().fill(t.danger_fill).corner_radius(5).inner_margin(Margin::symmetric(10, 6)).show(ui, |ui| {
        ui.set_min_width(ui.available_width());
        let text = RichText::new(format!("!  {}", failure.message)).color(t.danger);
        ui.add(egui::Label::new(text).wrap());
        if !failure.hint.is_empty() {
            ui.add(egui::Label::new(RichText::new(&failure.hint).color(t.text)).wrap());
        }
    });
}

/// `true` once: what is drawn here was not drawn a frame ago: its first field takes the focus.
fn has_just_come(ui: &Ui) -> bool {
    let (now, memory) = (ui.ctx().cumulative_frame_nr(), ui.scope_id().with("drawn last"));
    let last = ui.data(|d| d.get_temp::<u64>(memory));
    ui.data_mut(|d| d.insert_temp(memory, now));
    last.is_none_or(|last| last + 1 < now)
}

/// A path and its button. `focus`: it is the first field, and whether the dialog has just come.
fn path_row(
    ui: &mut Ui,
    state: &State,
    path: &mut PathField,
    label: &str,
    hint: &str,
    focus: Option<bool>,
    out: &mut Vec<Command>,
) {
    ui.add_space(4.0);
    let label = ui.label(label);
    ui.horizontal(|ui| {
        let field = TextEdit::singleline(&mut path.text).hint_text(hint).desired_width(360.0);
        let response = ui.add(field).labelled_by(label.id);
        if focus.is_some_and(|first| first || ui.memory(|m| m.focused().is_none())) {
            response.request_focus();
            // The usual name is replaced by what is typed.
            let mut edit = TextEditState::load(ui.ctx(), response.id).unwrap_or_default();
            let end = CCursor::new(path.text.chars().count());
            edit.cursor.set_char_range(Some(CCursorRange::two(CCursor::new(0), end)));
            edit.store(ui.ctx(), response.id);
        }
        if response.changed() {
            path.note = None;
            path.look(state);
        }
        if ui.button("Browse…").clicked() {
            out.push(Command::Browse);
        }
    });
    if let Some(text) = &path.note {
        note(ui, text);
    }
}

fn order_fields(ui: &mut Ui, state: &State, form: &mut OrderForm, first: bool) {
    let Some(snapshot) = &state.snapshot else { return };
    let t = Tokens::of(ui);
    for column in COLUMNS {
        ui.horizontal(|ui| {
            let size = egui::vec2(80.0, 24.0);
            let layout = egui::Layout::left_to_right(egui::Align::Center);
            let label = ui.allocate_ui_with_layout(size, layout, |ui| {
                ui.set_min_width(80.0);
                ui.label(column.title())
            });
            if let Some(kind) = column.choice() {
                let names: Vec<&str> = snapshot.choices(form.side, kind).iter().map(|c| c.name.as_str()).collect();
                let (text, id) = (&mut form.names[kind], Id::unique(("new order", kind)));
                let field = name_field(ui, id, text, &names, 240.0, column.title()).labelled_by(label.inner.id);
                // Enter on a name that is none yet leaves the list of those it may be.
                let entered = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
                if first && kind == 0 || entered && form.field(state, column).is_err() {
                    field.request_focus();
                }
                let empty = form.names[kind].is_empty();
                if let (false, Err(reason)) = (empty, form.field(state, column)) {
                    ui.add(egui::Label::new(RichText::new(reason).size(TEXT - 1.0).color(t.danger)).truncate());
                }
            } else if let Some(text) = form.text_mut(column) {
                ui.add(TextEdit::singleline(text).desired_width(200.0)).labelled_by(label.inner.id);
                let empty = text.is_empty();
                if let (false, Err(reason)) = (empty, form.field(state, column)) {
                    ui.add(egui::Label::new(RichText::new(reason).size(TEXT - 1.0).color(t.danger)).wrap());
                }
            }
        });
    }
}

fn rest_fields(ui: &mut Ui, state: &State, form: &mut RestForm, first: bool) {
    let t = Tokens::of(ui);
    note(
        ui,
        "Other programs on this machine ask over HTTP what this window does; what they change appears here at once, and the other way round. A page at the address lists every service.",
    );
    ui.add_space(6.0);
    ui.checkbox(&mut form.on, "Serve REST while this window is open");
    let served = state.snapshot.as_ref().map(|s| &s.view.rest);
    if let Some(why) = served.and_then(|rest| rest.why_not.as_ref()) {
        ui.add(egui::Label::new(RichText::new(format!("!  Not served: {why}")).color(t.danger)).wrap());
    } else if let Some(address) = served.and_then(|rest| rest.address.as_ref()) {
        ui.hyperlink(address);
    }
    ui.add_space(6.0);
    let label = ui.label("Port");
    let field = ui.add(TextEdit::singleline(&mut form.port).desired_width(120.0)).labelled_by(label.id);
    if first {
        field.request_focus();
    }
    ui.add_space(4.0);
    let label = ui.label("Folders for sets beside the environment's, one a line");
    ui.add(TextEdit::multiline(&mut form.allow).desired_rows(2).desired_width(f32::INFINITY)).labelled_by(label.id);
}

/// `true` when the dialog was cancelled. One that was answered stays until it is done.
fn buttons(ui: &mut Ui, state: &State, dialog: &Dialog, out: &mut Vec<Command>) -> bool {
    let t = Tokens::of(ui);
    let action = dialog.action(state);
    let allowed = action.as_ref().map_err(String::clone).and_then(|action| allowed(action, state));
    let (mut done, mut other_focused) = (false, false);
    // No higher than a button, however high the dialog may be.
    let row = egui::vec2(ui.available_width(), ui.spacing().interact_size.y);
    ui.allocate_ui_with_layout(row, egui::Layout::right_to_left(egui::Align::Center), |ui| {
        // A file that is there is replaced by the button that says so, not by Enter after its name.
        let dangerous = dialog.is_dangerous() || dialog.replaces();
        let (ink, fill) = if dangerous { (t.danger, t.danger_fill) } else { (t.sides[0], t.side_fill[0]) };
        let yes = Button::new(RichText::new(dialog.yes()).color(ink)).fill(fill).stroke(Stroke::new(1.0, ink));
        let mut response = ui.add_enabled(allowed.is_ok(), yes);
        if let Err(reason) = &allowed {
            response = response.on_disabled_hover_text(reason);
        }
        if let Some((text, second)) = dialog.second(state) {
            let allowed = second.as_ref().map_err(String::clone).and_then(|action| self::allowed(action, state));
            let button = ui.add_enabled(allowed.is_ok(), Button::new(text));
            if let (true, Ok(action)) = (button.clicked(), second) {
                out.push(Command::Answer(action));
            }
            // Enter on this button means this button.
            other_focused |= button.has_focus();
        }
        let cancel = ui.button("Cancel");
        if matches!(dialog, Dialog::Confirm { .. }) && has_just_come(ui) {
            if dangerous { cancel.request_focus() } else { response.request_focus() }
        }
        // Enter files the form from any field, but never something that cannot be taken back.
        other_focused |= cancel.has_focus();
        let enter = !dangerous
            && !other_focused
            && !egui::Popup::is_any_open(ui.ctx())
            && ui.input(|i| i.key_pressed(Key::Enter));
        if let Ok(action) = action
            && allowed.is_ok()
            && (response.clicked() || enter)
        {
            out.push(Command::Answer(action));
        }
        done = cancel.clicked();
        if let (Err(reason), false) = (&allowed, state.answered) {
            ui.add(egui::Label::new(RichText::new(reason).size(TEXT - 1.0).color(t.weak)).truncate());
        }
    });
    done
}
