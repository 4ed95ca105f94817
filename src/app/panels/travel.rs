//! A side as it was: a slider over its transactions, and the orders after the chosen one. Read only, and marked as such.

use eframe::egui::{
    self, Align, CornerRadius, Frame, Key, Label, Layout, Margin, Rect, RichText, Role, ScrollArea, Sense, Slider,
    Stroke, Ui, WidgetInfo, pos2, vec2,
};

use super::Scrolling;
use super::table::Shape;
use crate::app::command::Command;
use crate::app::snapshot::{COLUMNS, Column, Snapshot, short_name};
use crate::app::state::{State, Travel};
use crate::app::theme::{TEXT, Tokens, medium, regular, semibold};
use crate::app::view::{Line, MomentRow, MomentView, SideIndex};
use crate::app::widgets::{Cell, Look, command_button, note, paint};
use crate::words::grouped;

/// A row of the list: an order as it was, or the place of one that was not there.
enum Row<'a> {
    Was(&'a MomentRow),
    Absent(Box<Line>),
}

/// The pane's list while a side is shown as it was. Where rows stand side by side, those of the past do, too.
pub fn show(
    ui: &mut Ui,
    state: &State,
    snapshot: &Snapshot,
    travel: &Travel,
    side: SideIndex,
    scrolling: &mut Scrolling,
    out: &mut Vec<Command>,
) {
    let Some(view) = &travel.view else {
        ui.add_space(20.0);
        ui.vertical_centered(|ui| note(ui, "reading what was…"));
        return;
    };
    ui.spacing_mut().item_spacing.y = 0.0;
    let bar = ui.spacing().scroll.allocated_width();
    let shape = Shape::for_width(ui, ui.available_width() - bar, snapshot);
    let (head, _) = ui.allocate_exact_size(vec2(ui.available_width(), shape.row + 2.0), Sense::hover());
    let t = Tokens::of(ui);
    for (i, cell) in cells(head, &shape).into_iter().enumerate().skip(1) {
        let title = shape.title(i.checked_sub(2).map(|column| COLUMNS[column]));
        let mut text = Cell::new(title, medium(shape.text - 0.5), t.weak);
        text.number = is_number(i);
        paint(ui, ui.painter(), cell, &text);
    }
    ui.painter().hline(head.x_range(), head.bottom() - 0.5, Stroke::new(1.0, t.line));
    let needle = state.query.filters[side].trim().to_lowercase();
    let found = |row: &&MomentRow| {
        needle.is_empty()
            || row.number.to_string().contains(&needle)
            || row.texts.iter().any(|text| text.to_lowercase().contains(&needle))
    };
    let aligned = state.query.side_by_side;
    let in_line: &[u32] = if aligned { &state.rows[side] } else { &[] };
    // What no side has any more stands at the end, so that it moves nothing.
    let others = view.rows.iter().filter(|row| !aligned || snapshot.place(row.guid).is_none()).filter(found);
    let others: Vec<&MomentRow> = others.collect();
    let count = in_line.len() + others.len();
    if count == 0 {
        ui.add_space(20.0);
        let text = if view.rows.is_empty() { "There were no orders yet." } else { "Nothing matches the filter." };
        ui.vertical_centered(|ui| note(ui, text));
        return;
    }
    let at = |place: usize| match in_line.get(place) {
        None => others.get(place - in_line.len()).map(|row| Row::Was(row)),
        Some(line) => snapshot.view.lines.get(*line as usize).map(|line| match travel.places.get(&line.guid) {
            Some(row) => Row::Was(&view.rows[*row]),
            None => Row::Absent(line.into()),
        }),
    };
    let mut area = ScrollArea::vertical().id_salt(("as it was", side)).auto_shrink(false);
    let follow = scrolling.follow(state, side);
    if let Some(offset) = follow {
        area = area.vertical_scroll_offset(offset);
    }
    let shown = area.show_rows(ui, shape.row, count, |ui, shown| {
        for place in shown {
            match at(place) {
                Some(Row::Was(row)) => line(ui, state, side, row, &shape, out),
                Some(Row::Absent(line)) => absent(ui, state, side, &line, view, &shape, out),
                None => {}
            }
        }
    });
    scrolling.stands(ui, state, side, shown.state.clamped_offset().y, follow.is_some());
}

/// The slider over the transactions, in place of the pane's tools.
pub fn steps(ui: &mut Ui, state: &State, travel: &Travel, side: SideIndex, out: &mut Vec<Command>) {
    let name = state.side_name(side);
    let range = range(state, travel, side);
    let t = Tokens::of(ui);
    let mut number = travel.number.clamp(range.0, range.1);
    let words = format!("after transaction {} of {}", grouped(number), grouped(range.1));
    // The filter keeps a little room at the right.
    let wide = ui.painter().layout_no_wrap(words.clone(), regular(TEXT), t.text).size().x;
    ui.spacing_mut().slider_width = (ui.available_width() - wide - 76.0 - 130.0).max(60.0);
    let slider = Slider::new(&mut number, range.0..=range.1).show_value(false);
    let response = ui.add(slider).accessible_name(format!("Transaction of {name}"));
    // The arrows go through the past from the start.
    if travel.view.is_none() {
        response.request_focus();
    }
    // Esc leaves the slider and the past at once.
    if response.lost_focus() && ui.input(|i| i.key_pressed(Key::Escape)) {
        out.push(Command::TimeTravel(side));
    }
    for (text, to, what) in [("‹", number.saturating_sub(1), "before"), ("›", number + 1, "after")] {
        let enabled = (range.0..=range.1).contains(&to);
        let button = ui.add_enabled(enabled, egui::Button::new(text).min_size(vec2(24.0, 20.0)));
        if button.accessible_name(format!("The transaction {what} at {name}")).clicked() {
            out.push(Command::TravelTo(side, to));
        }
    }
    if response.changed() {
        out.push(Command::TravelTo(side, number));
    }
    ui.label(RichText::new(words).color(t.text));
}

/// The earliest transaction that can be told, and the last one.
fn range(state: &State, travel: &Travel, side: SideIndex) -> (u64, u64) {
    let now = state.snapshot.as_ref().map_or(0, |s| s.view.sides[side].transaction);
    travel.view.as_ref().map_or((travel.number.min(now), now), |view| (view.range.0, now))
}

/// That this is the past, what its last transaction did, and the way back, in place of the pane's tabs.
pub fn banner(ui: &mut Ui, state: &State, travel: &Travel, side: SideIndex, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    // As high as the tabs.
    let size = vec2(ui.available_width(), 30.0);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        ui.set_min_size(size);
        ui.painter().rect_filled(ui.max_rect(), CornerRadius::ZERO, t.waiting_fill);
        Frame::new().inner_margin(Margin::symmetric(14, 0)).show(ui, |ui| {
            ui.spacing_mut().interact_size.y = 22.0;
            let text = format!("! {} as it was, read only", state.side_name(side));
            ui.label(RichText::new(text).font(semibold(TEXT)).color(t.waiting));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                command_button(ui, state, out, Command::TimeTravel(side), Look::Plain);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    let Some(view) = &travel.view else { return };
                    let told = RichText::new(told(view)).font(regular(12.0)).color(t.text);
                    ui.add(Label::new(told).truncate());
                });
            });
        });
    });
    ui.add_space(-ui.spacing().item_spacing.y + 1.0);
}

/// The place of an order that was not there.
fn absent(
    ui: &mut Ui,
    state: &State,
    side: SideIndex,
    line: &Line,
    view: &MomentView,
    shape: &Shape,
    out: &mut Vec<Command>,
) {
    let t = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), shape.row), Sense::click());
    let selected = state.selection.guids.contains(&line.guid);
    if selected || response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, CornerRadius::ZERO, if selected { t.side_fill[side] } else { t.raised });
    }
    ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, t.line));
    let name = state.side_name(side);
    let words = match view.more {
        true => "not among the orders that are shown".to_owned(),
        false => format!("not at {name} then"),
    };
    let cells = cells(rect, shape);
    let mut text = Cell::new(words, regular(shape.text), t.weak);
    text.italic = true;
    paint(ui, ui.painter(), Rect::from_min_max(cells[2].min, cells[7].max), &text);
    let number = line.orders.iter().flatten().next().map_or_else(String::new, |o| o.order_num.to_string());
    response.widget_info(|| WidgetInfo::selected(Role::Row, true, selected, format!("Order {number}: {}", text.text)));
    if response.clicked() {
        out.push(Command::Reveal(side, line.guid));
    }
}

/// What the chosen transaction did.
fn told(view: &MomentView) -> String {
    let more = if view.more { "  ·  only the highest numbers are shown" } else { "" };
    let Some(first) = view.filed.first() else {
        return format!("Transaction {}: nothing that is synchronized{more}", grouped(view.number));
    };
    let all: Vec<String> = view
        .filed
        .iter()
        .map(|line| match line.changes.as_str() {
            "" => format!("{} {}", line.title, crate::app::widgets::mark_meaning(line.mark)),
            changes => format!("{} {changes}", line.title),
        })
        .collect();
    // What came from elsewhere was made earlier than it was filed here.
    format!("{}; {}, at {}{more}", all.join("; "), first.origin, first.at)
}

fn line(ui: &mut Ui, state: &State, side: SideIndex, row: &MomentRow, shape: &Shape, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), shape.row), Sense::click());
    let selected = state.selection.guids.contains(&row.guid);
    let mut fill = if row.gone { t.danger_fill } else { t.surface };
    if selected || response.hovered() || response.has_focus() {
        fill = if selected { t.side_fill[side] } else { t.raised };
    }
    ui.painter().rect_filled(rect, CornerRadius::ZERO, fill);
    ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, t.line));
    for (i, cell) in cells(rect, shape).into_iter().enumerate() {
        let (text, ink, font) = match i {
            0 if row.gone => ("−".to_owned(), t.danger, semibold(shape.text)),
            0 if row.since.contains(&true) => ("≠".to_owned(), t.waiting, semibold(shape.text)),
            0 => continue,
            1 => (row.number.to_string(), t.text, regular(shape.text)),
            _ if row.since[i - 2] => {
                ui.painter().rect_filled(cell.expand2(vec2(shape.pad, 0.0)), CornerRadius::ZERO, t.waiting_fill);
                (row.texts[i - 2].clone(), t.waiting, semibold(shape.text))
            }
            2 => (short_name(&row.texts[0]), t.text, regular(shape.text)),
            4 => (row.texts[2].chars().take(shape.date_chars).collect(), t.text, regular(shape.text)),
            _ => (row.texts[i - 2].clone(), t.text, regular(shape.text)),
        };
        let mut text = Cell::new(text, font, ink);
        (text.number, text.tabular) = (is_number(i), i == 4);
        paint(ui, ui.painter(), cell, &text);
    }
    let since = match (row.gone, row.since.contains(&true)) {
        (true, _) => ", deleted since",
        (_, true) => ", changed since",
        _ => "",
    };
    let name = format!("Order {} at {} as it was{since}", row.number, state.side_name(side));
    response.widget_info(|| WidgetInfo::selected(Role::Row, true, selected, &name));
    if response.clicked() {
        out.push(Command::Reveal(side, row.guid));
    }
}

fn is_number(i: usize) -> bool {
    i == 1 || i > 1 && matches!(COLUMNS[i - 2], Column::Quantity | Column::Price)
}

fn cells(rect: Rect, shape: &Shape) -> [Rect; 8] {
    let mut left = rect.left();
    shape.widths.map(|width| {
        let cell =
            Rect::from_min_max(pos2(left + shape.pad, rect.top()), pos2(left + width - shape.pad, rect.bottom()));
        left += width;
        cell
    })
}
