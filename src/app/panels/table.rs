//! The order table of a pane. Both panes draw the same rows, so an object stands at the same height on both sides.
//!
//! Only visible rows are laid out; text is painted straight into its cell, since most frames of most cells change nothing.

use eframe::egui::{
    self, Align, CornerRadius, Layout, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};
use egui_extras::{Column as TableColumn, TableBuilder, TableRow};

use super::{Scrolling, cell_editor};
use crate::app::command::{Command, Pick};
use crate::app::snapshot::{COLUMNS, Column, Snapshot, short_name};
use crate::app::state::{FLASH_SECONDS, State};
use crate::app::theme::{ROW, TEXT, Tokens, blend, medium, regular, semibold};
use crate::app::view::{Line, Mark, SideIndex};
use crate::app::widgets::{Cell, paint, row_mark};
use crate::demo::model::Order;

/// Below this width dates lose their seconds, points.
const NARROW: f32 = 640.0;
/// Space at the left and right of a cell's text, points.
const PAD: f32 = 6.0;

/// How a table is laid out at its width.
struct Shape {
    widths: [f32; 8],
    text: f32,
    row: f32,
    narrow: bool,
}

impl Shape {
    fn for_width(width: f32) -> Shape {
        let narrow = width < NARROW;
        // Mark, order, employee, customer, date, item, quantity, price.
        let shares: [f32; 8] = match narrow {
            false => [26.0, 60.0, 86.0, 116.0, 156.0, 98.0, 70.0, 78.0],
            true => [22.0, 54.0, 76.0, 98.0, 114.0, 82.0, 62.0, 64.0],
        };
        let scale = width / shares.iter().sum::<f32>();
        let text = if narrow { TEXT - 0.5 } else { TEXT };
        Shape { widths: shares.map(|s| (s * scale).floor()), text, row: if narrow { ROW - 2.0 } else { ROW }, narrow }
    }
}

/// Draws the table of a side.
pub fn show(
    ui: &mut Ui,
    state: &State,
    snapshot: &Snapshot,
    side: SideIndex,
    scrolling: &mut Scrolling,
    out: &mut Vec<Command>,
) {
    ui.spacing_mut().item_spacing = vec2(0.0, 0.0);
    let bar = ui.spacing().scroll.allocated_width();
    let shape = Shape::for_width(ui.available_width() - bar);
    let mut table = TableBuilder::new(ui)
        .id_salt(("orders", side))
        .striped(false)
        .sense(Sense::click())
        .cell_layout(Layout::left_to_right(Align::Center))
        .auto_shrink(false)
        .min_scrolled_height(0.0)
        .animate_scrolling(false);
    for width in shape.widths {
        table = table.column(TableColumn::exact(width).clip(true));
    }
    if let Some(row) = scrolling.to {
        table = table.scroll_to_row(row, None);
    }
    let follow =
        state.scroll_together && scrolling.to.is_none() && (scrolling.shared - scrolling.offsets[side]).abs() > 0.5;
    if follow {
        table = table.vertical_scroll_offset(scrolling.shared);
    }
    let table = table.header(shape.row + 2.0, |mut row| header(&mut row, state, side, out));
    let mut drawn = 0;
    let output = table.body(|mut body| {
        let clip = body.ui_mut().clip_rect();
        body.rows(shape.row, state.rows.len(), |mut row| {
            drawn += 1;
            let Some(line) = state.line(row.index()) else { return };
            Painting { state, snapshot, side, shape: &shape, line, clip }.row(&mut row, out);
        });
    });
    if state.rows.is_empty() {
        empty(ui, output.inner_rect, state, side);
    }
    // Only what the user did to this table moves the other one.
    let offset = output.state.clamped_offset().y;
    if !follow && (offset - scrolling.offsets[side]).abs() > 0.5 {
        scrolling.shared = offset;
        if state.scroll_together && (offset - scrolling.offsets[1 - side]).abs() > 0.5 {
            ui.ctx().request_repaint();
        }
    }
    scrolling.offsets[side] = offset;
    scrolling.page_rows = ((output.inner_rect.height() / shape.row) as usize).saturating_sub(1);
}

fn empty(ui: &Ui, rect: Rect, state: &State, side: SideIndex) {
    let t = Tokens::of(ui);
    let all = state.snapshot.as_ref().map_or(0, |s| s.counts.all);
    let text = match all {
        0 => format!("No orders yet. Make some with “Random order” at {}.", state.side_name(side)),
        _ => "Nothing matches the filter.".to_owned(),
    };
    ui.painter().text(rect.center_top() + vec2(0.0, 40.0), egui::Align2::CENTER_CENTER, text, regular(TEXT), t.weak);
}

fn header(row: &mut TableRow<'_, '_>, state: &State, side: SideIndex, out: &mut Vec<Command>) {
    row.col(|_| {});
    let columns = std::iter::once(None).chain(COLUMNS.map(Some));
    for column in columns {
        let title = column.map_or("Order", Column::title);
        let sorted = state.query.sort.column == column;
        let (_, response) = row.col(|ui| {
            let t = Tokens::of(ui);
            let arrow = if state.query.sort.descending { " ▾" } else { " ▴" };
            let text = if sorted { format!("{title}{arrow}") } else { title.to_owned() };
            let rect = ui.max_rect();
            let hovered = ui.response().hovered();
            let ink = if sorted || hovered { t.strong } else { t.weak };
            let mut cell = Cell::new(text, medium(TEXT - 0.5), ink);
            cell.number = column.is_none_or(Column::is_number);
            paint(ui, ui.painter(), rect.shrink2(vec2(PAD, 0.0)), &cell);
            ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, t.line));
        });
        let order = match (sorted, state.query.sort.descending) {
            (true, true) => ", sorted, largest first",
            (true, false) => ", sorted, smallest first",
            _ => "",
        };
        let name = format!("Sort by {title} at {}{order}", state.side_name(side));
        response.widget_info(|| WidgetInfo::labeled(Role::ColumnHeader, true, &name));
        if response.clicked() {
            out.push(Command::SortBy(side, column));
        }
    }
}

/// One row on its way to the screen.
struct Painting<'a> {
    state: &'a State,
    snapshot: &'a Snapshot,
    side: SideIndex,
    shape: &'a Shape,
    line: &'a Line,
    /// The table's body; a ghost row's text and the selection's frame reach beyond their cell, but not beyond this.
    clip: Rect,
}

impl Painting<'_> {
    fn row(&self, row: &mut TableRow<'_, '_>, out: &mut Vec<Command>) {
        let order = self.line.orders[self.side].as_ref();
        let side_name = self.state.side_name(self.side);
        let (_, response) = row.col(|ui| self.mark(ui));
        let mut picks = vec![(response, None)];
        let (_, response) = row.col(|ui| self.number(ui, order));
        let selected = self.state.selection.guids.contains(&self.line.guid);
        response.widget_info(|| {
            let name = match order {
                Some(order) => format!("Order {} at {side_name}", order.order_num),
                None => format!("Order {} {}", self.other_number(), self.ghost_words()),
            };
            WidgetInfo::selected(Role::RowHeader, true, selected, name)
        });
        picks.push((response, None));
        for (index, column) in COLUMNS.into_iter().enumerate() {
            let editing = self
                .state
                .editor
                .as_ref()
                .filter(|e| e.side == self.side && e.guid == self.line.guid && e.column == column);
            let last = index + 1 == COLUMNS.len();
            let (_, response) = row.col(|ui| {
                self.ground(ui);
                match (editing, order) {
                    (Some(editor), _) => cell_editor::show(ui, self.state, self.snapshot, editor, out),
                    (None, Some(order)) => self.value(ui, order, column, self.line.differs[index]),
                    (None, None) => {}
                }
                if last {
                    self.finish(ui, order.is_none());
                }
            });
            if let (Some(order), None) = (order, editing) {
                response.widget_info(|| {
                    let what = format!("{} of order {} at {side_name}", column.title(), order.order_num);
                    let value = self.snapshot.text(self.side, order, column);
                    WidgetInfo { current_text_value: Some(value), ..WidgetInfo::labeled(Role::Cell, true, what) }
                });
            }
            if editing.is_none() {
                picks.push((response, Some(column)));
            }
        }
        for (response, column) in picks {
            self.pick(&response, column, order.is_some(), out);
        }
    }

    fn pick(&self, response: &Response, column: Option<Column>, here: bool, out: &mut Vec<Command>) {
        if response.double_clicked()
            && here
            && let Some(column) = column
        {
            out.push(Command::StartEdit(self.side, self.line.guid, column));
        } else if response.clicked() {
            let modifiers = response.ctx.input(|i| i.modifiers);
            let pick = match (modifiers.shift, modifiers.command) {
                (true, _) => Pick::Range,
                (false, true) => Pick::Toggle,
                _ => Pick::One,
            };
            out.push(Command::Select(self.side, self.line.guid, column, pick));
        }
    }

    fn mark(&self, ui: &Ui) {
        let t = Tokens::of(ui);
        self.ground(ui);
        if let Some(mark) = row_mark(t, self.line, self.side) {
            let rect = ui.max_rect();
            let at = pos2(rect.left() + PAD + 5.0, rect.center().y);
            ui.painter().text(at, egui::Align2::CENTER_CENTER, mark.glyph, semibold(TEXT), mark.ink);
            ui.response().on_hover_text(mark.meaning);
        }
    }

    fn number(&self, ui: &Ui, order: Option<&Order>) {
        let t = Tokens::of(ui);
        self.ground(ui);
        let text = order.map_or("–".to_owned(), |o| o.order_num.to_string());
        let ink = if order.is_some() && !self.gone_elsewhere() { t.text } else { t.weak };
        let mut cell = Cell::new(text, regular(self.shape.text), ink);
        cell.number = true;
        cell.struck = order.is_some() && self.gone_elsewhere();
        paint(ui, ui.painter(), ui.max_rect().shrink2(vec2(PAD, 0.0)), &cell);
    }

    fn value(&self, ui: &Ui, order: &Order, column: Column, differs: bool) {
        let t = Tokens::of(ui);
        let rect = ui.max_rect();
        let full = self.snapshot.text(self.side, order, column);
        let other = self.line.orders[1 - self.side].as_ref();
        let text = match column {
            Column::Employee => short_name(&full),
            // Seconds go where there is no room, unless they are what differs.
            Column::Date if self.shape.narrow => {
                let same_minute =
                    other.is_some_and(|o| differs && o.date_order.get(..16) == order.date_order.get(..16));
                full.get(..16).filter(|_| !same_minute).map_or(full.clone(), str::to_owned)
            }
            _ => full.clone(),
        };
        let mut cell = Cell::new(text, regular(self.shape.text), t.text);
        cell.number = column.is_number();
        cell.tabular = column == Column::Date;
        let own = self.line.marks[self.side];
        if self.gone_elsewhere() {
            (cell.ink, cell.struck) = (t.weak, true);
        } else if differs && self.line.conflict() {
            (cell.ink, cell.font) = (t.conflict, semibold(self.shape.text));
            ui.painter().rect_filled(rect, CornerRadius::ZERO, t.conflict_fill);
        } else if differs && own == Mark::Changed {
            (cell.ink, cell.font) = (t.sides[self.side], semibold(self.shape.text));
            ui.painter().rect_filled(rect, CornerRadius::ZERO, t.side_fill[self.side]);
        } else if differs {
            // What the other side's change will replace.
            (cell.ink, cell.struck) = (t.weak, self.line.marks[1 - self.side] == Mark::Changed);
        }
        let cut = paint(ui, ui.painter(), rect.shrink2(vec2(PAD, 0.0)), &cell);
        if (cut || cell.text != full) && ui.rect_contains_pointer(rect) {
            ui.response().on_hover_text(full);
        }
        let focused = self.state.selection.cursor == Some(self.line.guid)
            && self.state.selection.side == self.side
            && self.state.selection.column == Some(column);
        if focused {
            let ring = rect.shrink2(vec2(1.0, 2.0));
            let stroke = Stroke::new(1.0, t.sides[self.side]);
            ui.painter().rect_stroke(ring, CornerRadius::same(3), stroke, StrokeKind::Inside);
        }
    }

    /// The row's colour in one cell.
    fn ground(&self, ui: &Ui) {
        let t = Tokens::of(ui);
        let mut fill = t.surface;
        if self.line.conflict() {
            fill = t.conflict_faint;
        } else if self.line.marks[self.side] == Mark::New {
            fill = t.side_faint[self.side];
        }
        if self.state.selection.guids.contains(&self.line.guid) {
            fill = blend(fill, t.side_fill[self.side], 0.55);
        }
        if let Some(since) = self.state.flash.get(&(self.side, self.line.guid)) {
            let age = (ui.input(|i| i.time) - since) / FLASH_SECONDS;
            fill = blend(fill, t.waiting_fill, 1.0 - age as f32);
        }
        let rect = ui.max_rect();
        if fill != t.surface {
            ui.painter().rect_filled(rect, CornerRadius::ZERO, fill);
        }
        ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, t.line));
    }

    /// What reaches over the whole row, drawn with its last cell so that no cell covers it.
    fn finish(&self, ui: &Ui, ghost: bool) {
        let t = Tokens::of(ui);
        let cell = ui.max_rect();
        // Not `with_clip_rect`, which can only make the cell's own clip smaller.
        let mut painter = ui.painter().clone();
        painter.set_clip_rect(self.clip);
        let left = cell.right() - self.shape.widths.iter().sum::<f32>();
        if ghost {
            let from = left + self.shape.widths[0] + self.shape.widths[1];
            let rect = Rect::from_min_max(pos2(from + PAD, cell.top()), cell.right_bottom());
            let mut text = Cell::new(self.ghost_words(), regular(self.shape.text), t.weak);
            text.italic = true;
            paint(ui, &painter, rect, &text);
        }
        if self.state.selection.guids.contains(&self.line.guid) {
            let stroke = Stroke::new(1.0, t.sides[self.side]);
            let range = left..=cell.right();
            painter.hline(range.clone(), cell.top() + 0.5, stroke);
            painter.hline(range, cell.bottom() - 0.5, stroke);
        }
    }

    /// The other side has deleted it.
    fn gone_elsewhere(&self) -> bool {
        self.line.marks[1 - self.side] == Mark::Deleted && !self.line.conflict()
    }

    fn ghost_words(&self) -> String {
        let name = self.state.side_name(self.side);
        let deleted = self.line.marks[self.side] == Mark::Deleted
            || self.line.conflict() && self.line.marks[1 - self.side] != Mark::New;
        if deleted { format!("deleted at {name}") } else { format!("not at {name} yet") }
    }

    fn other_number(&self) -> String {
        self.line.orders[1 - self.side].as_ref().map_or_else(String::new, |o| o.order_num.to_string())
    }
}
