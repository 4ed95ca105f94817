//! A field for a name: typing narrows what is offered below it.

use eframe::egui::text::{CCursor, CCursorRange};
use eframe::egui::text_edit::TextEditState;
use eframe::egui::{
    Button, Id, Key, Modifiers, Popup, PopupCloseBehavior, Response, RichText, ScrollArea, TextEdit, Ui,
};

use crate::app::theme::Tokens;

/// Draws it. While it has the focus, names that have the typed letters are offered; ↑ and ↓ mark one, Enter takes it.
pub fn name_field(ui: &mut Ui, id: Id, text: &mut String, names: &[&str], width: f32, label: &str) -> Response {
    let t = Tokens::of(ui);
    let memory = id.with("marked");
    let focused = ui.memory(|m| m.has_focus(id));
    let needle = text.trim().to_lowercase();
    let whole = names.iter().any(|name| **name == **text);
    let offered: Vec<&str> = match whole {
        // A whole name stands: all are offered, for another choice.
        true => names.to_vec(),
        false => names.iter().copied().filter(|name| name.to_lowercase().contains(&needle)).collect(),
    };
    let mut marked = ui.data(|d| d.get_temp::<Option<usize>>(memory)).flatten();
    let (mut moved, mut taken) = (false, None);
    if focused && !offered.is_empty() {
        ui.input_mut(|i| {
            let down = i.count_and_consume_key(Modifiers::NONE, Key::ArrowDown) as isize;
            let by = down - i.count_and_consume_key(Modifiers::NONE, Key::ArrowUp) as isize;
            if by != 0 {
                let from = marked.map_or(-1, |at| at as isize);
                marked = Some((from + by).clamp(0, offered.len() as isize - 1) as usize);
                moved = true;
            }
            if let Some(at) = marked
                && i.consume_key(Modifiers::NONE, Key::Enter)
            {
                taken = offered.get(at).map(|name| (*name).to_owned());
            }
        });
    }
    let field = TextEdit::singleline(text).id(id).hint_text("type to find").desired_width(width);
    let mut response = ui.add(field).accessible_name(label);
    if response.changed() {
        marked = None;
    }
    // Where the focus came by itself, nothing is covered until something is asked for.
    let asking = id.with("asked");
    let asked = response.has_focus()
        && (response.clicked() || response.changed() || ui.data(|d| d.get_temp::<bool>(asking)).unwrap_or_default());
    ui.data_mut(|d| d.insert_temp(asking, asked));
    if response.has_focus() && !offered.is_empty() && (asked && !whole || marked.is_some()) {
        let popup = Popup::from_response(&response)
            .id(id.with("names"))
            .open(true)
            .close_behavior(PopupCloseBehavior::IgnoreClicks)
            .accessible_name(format!("Names for {label}"));
        popup.show(|ui| {
            ui.set_min_width(width);
            ui.set_max_width(width.max(320.0));
            ScrollArea::vertical().max_height(190.0).auto_shrink([false, true]).show(ui, |ui| {
                ui.set_min_width(ui.available_width());
                for (at, name) in offered.iter().enumerate() {
                    let ink = if Some(at) == marked { t.strong } else { t.text };
                    let text = RichText::new(*name).color(ink);
                    let entry = ui.add(Button::selectable(Some(at) == marked, text).truncate());
                    if moved && Some(at) == marked {
                        entry.scroll_to_me(None);
                    }
                    if entry.clicked() {
                        taken = Some((*name).to_owned());
                    }
                }
            });
        });
    }
    if let Some(name) = taken {
        *text = name;
        marked = None;
        let mut state = TextEditState::load(ui.ctx(), id).unwrap_or_default();
        state.cursor.set_char_range(Some(CCursorRange::one(CCursor::new(text.chars().count()))));
        state.store(ui.ctx(), id);
        response.request_focus();
        response.mark_changed();
    }
    ui.data_mut(|d| d.insert_temp::<Option<usize>>(memory, marked));
    response
}
