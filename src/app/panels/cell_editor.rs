//! The editor inside a cell: a field, the names offered below it, and the reason while the text is not right.

use eframe::egui::{
    self, Align2, Button, EventFilter, Id, Key, Modifiers, Popup, PopupCloseBehavior, Rect, RichText, TextEdit, Ui,
    pos2,
};

use crate::app::command::Command;
use crate::app::edit::Editor;
use crate::app::snapshot::Snapshot;
use crate::app::state::State;
use crate::app::theme::{TEXT, Tokens, regular};

/// As wide as a date with its seconds, or most names, points.
const WIDEST: f32 = 160.0;
/// As wide as most numbers.
const NUMBER: f32 = 70.0;

/// Draws the editor over its cell, and, where that is narrow, over those to its left: they are drawn already. `table`: how far it
/// may reach.
pub fn show(ui: &mut Ui, state: &State, snapshot: &Snapshot, editor: &Editor, table: Rect, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let offered = editor.offered(snapshot);
    let reason = if editor.is_changed() { editor.draft(snapshot).err() } else { None };
    let id = Id::unique(("cell editor", editor.side, editor.guid, editor.column));

    // Up and down choose a name; taken before the field can move its cursor with them.
    if !offered.is_empty() && editor.focused {
        let by = ui.input_mut(|i| {
            let down = i.count_and_consume_key(Modifiers::NONE, Key::ArrowDown) as isize;
            down - i.count_and_consume_key(Modifiers::NONE, Key::ArrowUp) as isize
        });
        if by != 0 {
            let pick = (editor.pick as isize + by).clamp(0, offered.len() as isize - 1);
            out.push(Command::EditPick(pick as usize));
        }
    }

    let mut text = editor.text.clone();
    let border = if reason.is_some() { t.danger } else { t.sides[editor.side] };
    let cell = ui.max_rect();
    let wanted = if editor.column.is_number() { NUMBER } else { WIDEST };
    let left = (cell.right() - wanted).max(table.left()).min(cell.left());
    let rect = Rect::from_min_max(pos2(left, cell.top()), cell.max);
    ui.set_clip_rect(table);
    let field = TextEdit::singleline(&mut text)
        .id(id)
        .font(regular(TEXT))
        .margin(egui::Margin::symmetric(4, 2))
        .align(if editor.column.is_number() { Align2::RIGHT_CENTER } else { Align2::LEFT_CENTER })
        .background_color(t.field)
        .event_filter(EventFilter { tab: true, escape: true, horizontal_arrows: true, vertical_arrows: true })
        .desired_width(rect.width());
    let name = format!("{} of order {} at {}", editor.column.title(), editor.number, state.side_name(editor.side));
    let response = ui.put(rect, field).accessible_name(format!("Edit {name}"));
    ui.painter().rect_stroke(rect, 3, egui::Stroke::new(1.5, border), egui::StrokeKind::Inside);

    if !editor.focused {
        response.request_focus();
        select_all(ui, id, &editor.text);
        out.push(Command::EditFocused);
    }
    if response.changed() {
        out.push(Command::EditText(text));
    }
    let (escape, enter, tab) =
        ui.input(|i| (i.key_pressed(Key::Escape), i.key_pressed(Key::Enter), i.key_pressed(Key::Tab)));
    let mine = response.has_focus() || response.lost_focus();
    if mine && escape {
        out.push(Command::CancelEdit);
    } else if mine && (enter || tab) && reason.is_some() {
        // The field lets go of the focus on Enter; a wrong text keeps it.
        response.request_focus();
    } else if mine && enter {
        out.push(Command::FileEdit { next: false });
    } else if mine && tab {
        out.push(Command::FileEdit { next: true });
    } else if response.clicked_elsewhere() && editor.focused && !pointer_on_popup(ui, id) {
        // Leaving by the mouse files what is right and drops what is not.
        out.push(if reason.is_none() { Command::FileEdit { next: false } } else { Command::CancelEdit });
    }

    if reason.is_some() || !offered.is_empty() {
        let popup = Popup::from_response(&response)
            .id(id.with("below"))
            .open(true)
            .close_behavior(PopupCloseBehavior::IgnoreClicks)
            .accessible_name(format!("About {name}"));
        popup.show(|ui| {
            ui.set_min_width(rect.width().max(160.0));
            ui.set_max_width(rect.width().max(320.0));
            for (index, choice) in offered.iter().enumerate() {
                let entry = ui.add(Button::selectable(index == editor.pick, &choice.name).truncate());
                if entry.clicked() {
                    out.push(Command::EditText(choice.name.clone()));
                    out.push(Command::FileEdit { next: false });
                }
            }
            if let Some(reason) = &reason {
                ui.set_max_width(280.0);
                ui.label(RichText::new(reason).color(t.danger));
            }
        });
    }
}

fn pointer_on_popup(ui: &Ui, id: Id) -> bool {
    let layer = egui::LayerId::new(egui::Order::Foreground, id.with("below"));
    ui.ctx().pointer_latest_pos().is_some_and(|p| ui.ctx().layer_id_at(p) == Some(layer))
}

/// What was there is selected, so that typing replaces it.
fn select_all(ui: &Ui, id: Id, text: &str) {
    let mut state = egui::text_edit::TextEditState::load(ui.ctx(), id).unwrap_or_default();
    let range =
        egui::text::CCursorRange::two(egui::text::CCursor::new(0), egui::text::CCursor::new(text.chars().count()));
    state.cursor.set_char_range(Some(range));
    state.store(ui.ctx(), id);
}
