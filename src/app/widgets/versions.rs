//! The three-way table of a conflict: per property what both started from, what each side has, and the result.

use eframe::egui::{
    Button, Color32, CornerRadius, Frame, Id, Label, LayerId, Margin, Order, Popup, PopupCloseBehavior, Rect, Response,
    RichText, Role, ScrollArea, Sense, Stroke, StrokeKind, TextEdit, Ui, WidgetInfo, pos2, vec2,
};

use super::within;
use crate::app::decision::Draft;
use crate::app::theme::{SMALL, TEXT, Tokens, regular, semibold};
use crate::app::view::{ConflictProperty, ConflictView, PickValue, SideIndex};

/// How the width is shared between property, last common, both sides and result.
const SHARES: [f32; 5] = [0.17, 0.19, 0.2, 0.2, 0.24];

/// One property.
#[derive(Clone, Debug)]
pub struct Version {
    /// Which of the record's.
    pub property: usize,
    /// Its name.
    pub name: String,
    /// What both started from.
    pub ancestor: String,
    /// What each side has.
    pub values: [String; 2],
    /// Whether each side changed it.
    pub changed: [bool; 2],
    /// The result, or that there is none yet.
    pub result: String,
    /// Whose the result is.
    pub from: Option<SideIndex>,
    /// There is a result.
    pub decided: bool,
    /// The result differs from what stands.
    pub touched: bool,
    /// The names to choose the result from, where it refers to something.
    pub offered: Option<Vec<String>>,
    /// Why the typed result cannot be filed.
    pub wrong: Option<String>,
}

/// The properties of a record in which the sides differ, and the names of those in which they do not.
pub fn versions(record: &ConflictView, draft: &Draft) -> (Vec<Version>, Vec<String>) {
    let of_interest = |i: usize, p: &ConflictProperty| {
        p.changed.contains(&true)
            || p.values[0] != p.values[1]
            || p.result != p.values[0]
            || draft.planned(i).text != p.result
    };
    let (mut rows, mut same) = (Vec::new(), Vec::new());
    for (property, p) in record.properties.iter().enumerate() {
        if !of_interest(property, p) {
            same.push(record.called(property));
            continue;
        }
        let planned = draft.planned(property);
        rows.push(Version {
            property,
            name: record.called(property),
            ancestor: p.ancestor.clone(),
            values: p.values.clone(),
            changed: p.changed,
            result: planned.text,
            from: planned.from,
            decided: true,
            touched: planned.changed,
            offered: None,
            wrong: None,
        });
    }
    (rows, same)
}

/// What the user did in the table: a property and its value.
pub type Picked = Option<(usize, PickValue)>;

/// Whose the two middle columns are, and when what they hold was made, local time `YYYY-MM-DD HH:MM:SS` or empty.
#[derive(Clone, Copy)]
pub struct Sides<'a> {
    /// The nodes' names.
    pub names: [&'a str; 2],
    /// The times.
    pub made: [&'a str; 2],
}

/// Draws the table. `pick`: values can be taken by a click and results typed; `type_too` is false where there is nothing to
/// type into, since the object would be deleted.
pub fn versions_table(ui: &mut Ui, sides: Sides<'_>, rows: &[Version], pick: bool, type_too: bool) -> Picked {
    let t = Tokens::of(ui);
    let names = sides.names;
    let spacing = std::mem::replace(&mut ui.spacing_mut().item_spacing.y, 0.0);
    let heads = ["Property", "Last common", names[0], names[1], "Result"];
    let inks = [t.weak, t.weak, t.sides[0], t.sides[1], t.weak];
    let cells = line(ui);
    for i in 0..5 {
        text(ui, cells[i], heads[i], inks[i], i == 2 || i == 3);
    }
    for (side, made) in sides.made.iter().enumerate() {
        // The time of day tells the two apart; the day is on hover.
        if let Some((_, time)) = made.split_once(' ') {
            let name = ui.fonts_mut(|f| f.layout_no_wrap(names[side].to_owned(), semibold(TEXT), t.text).size().x);
            let mut cell = cells[2 + side];
            cell.set_left(cell.left() + name + 8.0);
            text(ui, cell, time, t.weak, false).on_hover_text(format!("made {made}"));
        }
    }
    let mut picked = None;
    for row in rows {
        let cells = line(ui);
        let both = row.changed == [true, true];
        let mark = if both { "! " } else { "≠ " };
        text(ui, cells[0], &format!("{mark}{}", row.name), if both { t.conflict } else { t.text }, both);
        text(ui, cells[1], &row.ancestor, t.text, false);
        for side in 0..2 {
            if value(ui, cells[2 + side], row, side, names[side], pick) {
                picked = Some((row.property, PickValue::Side(side)));
            }
        }
        if let Some(typed) = result(ui, cells[4], row, names, pick && type_too) {
            picked = Some((row.property, PickValue::Text(typed)));
        }
    }
    ui.spacing_mut().item_spacing.y = spacing;
    picked
}

/// The cells of a line.
fn line(ui: &mut Ui) -> [Rect; 5] {
    let t = Tokens::of(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 25.0), Sense::hover());
    ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, t.line));
    let mut left = rect.left();
    SHARES.map(|share| {
        let right = left + rect.width() * share;
        let cell = Rect::from_min_max(pos2(left, rect.top()), pos2(right, rect.bottom() - 1.0));
        left = right;
        cell
    })
}

fn text(ui: &mut Ui, cell: Rect, text: &str, ink: Color32, bold: bool) -> Response {
    let font = if bold { semibold(TEXT) } else { regular(TEXT) };
    let label = Label::new(RichText::new(text).font(font).color(ink)).truncate();
    within(ui, cell.shrink2(vec2(8.0, 0.0))).add(label)
}

/// What a side has; `true` when it was taken.
fn value(ui: &mut Ui, cell: Rect, row: &Version, side: SideIndex, name: &str, pick: bool) -> bool {
    let t = Tokens::of(ui);
    let changed = row.changed[side];
    if changed {
        ui.painter().rect_filled(cell, CornerRadius::ZERO, t.side_fill[side]);
    }
    let chosen = row.from == Some(side);
    let tick = if chosen { " ✓" } else { "" };
    let ink = if changed { t.sides[side] } else { t.weak };
    text(ui, cell, &format!("{}{tick}", row.values[side]), ink, changed);
    if !pick {
        return false;
    }
    let response = ui.interact(cell, ui.scope_id().with(("take", row.property, side)), Sense::click());
    if response.hovered() || response.has_focus() {
        let stroke = Stroke::new(1.0, t.sides[side]);
        ui.painter().rect_stroke(cell.shrink(1.0), CornerRadius::same(3), stroke, StrokeKind::Inside);
    }
    let words = format!("{}: take {name}'s {}", row.name, row.values[side]);
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, chosen, &words));
    let clicked = response.clicked();
    response.on_hover_text(format!("Take {name}'s value"));
    clicked
}

/// What stands or is to stand; what was typed, if it was.
fn result(ui: &mut Ui, cell: Rect, row: &Version, names: [&str; 2], typing: bool) -> Option<String> {
    let t = Tokens::of(ui);
    let (whose, ink) = match row.from {
        Some(side) => (names[side], t.sides[side]),
        None if row.touched && row.values[0] != row.values[1] => ("typed", t.text),
        None => ("", t.weak),
    };
    if row.touched {
        ui.painter().rect_filled(cell, CornerRadius::ZERO, t.conflict_fill);
    }
    let strong = if !row.decided { t.weak } else { t.strong };
    if !typing {
        text(ui, cell, &row.result, strong, row.decided);
        return None;
    }
    let galley = ui.painter().layout_no_wrap(whose.to_owned(), regular(SMALL), ink);
    let tag = galley.size().x + if whose.is_empty() { 0.0 } else { 16.0 };
    ui.painter().galley(pos2(cell.right() - tag + 8.0, cell.center().y - galley.size().y / 2.0), galley, ink);
    let field = Rect::from_min_max(cell.min, pos2(cell.right() - tag, cell.bottom()));
    let mut typed = row.result.clone();
    let id = Id::unique(("result of", row.property, &row.name));
    let edit = TextEdit::singleline(&mut typed)
        .id(id)
        .font(semibold(TEXT))
        .text_color(strong)
        .frame(Frame::new().inner_margin(Margin::symmetric(8, 2)))
        .align(eframe::egui::Align2::LEFT_CENTER);
    let response = within(ui, field).put(field, edit).accessible_name(format!("Result of {}", row.name));
    let border = match (&row.wrong, response.has_focus()) {
        (Some(_), _) => t.danger,
        (None, true) => t.conflict,
        (None, false) => t.border,
    };
    let stroke = Stroke::new(1.0, border);
    ui.painter().rect_stroke(field.shrink2(vec2(1.0, 2.0)), CornerRadius::same(3), stroke, StrokeKind::Inside);
    let chosen = row.offered.as_ref().and_then(|names| offered(ui, &response, row, names));
    chosen.or_else(|| response.changed().then_some(typed))
}

/// The names to choose from, while the field has the focus: those that have the typed letters, or all.
fn offered(ui: &Ui, field: &Response, row: &Version, names: &[String]) -> Option<String> {
    let needle = row.result.trim().to_lowercase();
    let whole = names.contains(&row.result);
    let shown: Vec<&String> = names.iter().filter(|n| whole || n.to_lowercase().contains(&needle)).collect();
    let id = field.id.with("names");
    // It stays while one of its entries is pressed, which takes the focus away.
    let over = ui.ctx().pointer_latest_pos().and_then(|p| ui.ctx().layer_id_at(p))
        == Some(LayerId::new(Order::Foreground, id));
    if !(field.has_focus() || field.lost_focus() && over) || shown.is_empty() {
        return None;
    }
    let popup = Popup::from_response(field).id(id).open(true).close_behavior(PopupCloseBehavior::IgnoreClicks);
    let popup = popup.accessible_name(format!("Names for {}", row.name));
    let shown = popup.show(|ui| {
        ui.set_min_width(field.rect.width());
        ui.set_max_width(field.rect.width().max(320.0));
        let mut chosen = None;
        ScrollArea::vertical().max_height(180.0).auto_shrink([false, true]).show(ui, |ui| {
            for name in shown {
                if ui.add(Button::selectable(*name == row.result, name).truncate()).clicked() {
                    chosen = Some(name.clone());
                }
            }
        });
        chosen
    });
    shown.and_then(|shown| shown.inner)
}
