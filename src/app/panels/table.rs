//! The order table of a pane. Both panes draw the same rows, so an object stands at the same height on both sides.
//!
//! Only visible rows are laid out; text is painted straight into its cell, since most frames of most cells change nothing.

use eframe::egui::{
    self, Align, Color32, CornerRadius, Layout, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2,
    vec2,
};
use egui_extras::{Column as TableColumn, TableBuilder, TableRow};

use super::{Scrolling, cell_editor};
use crate::app::command::{Command, Pick};
use crate::app::snapshot::{COLUMNS, Column, Snapshot, difference, short_name};
use crate::app::state::{FLASH_SECONDS, State};
use crate::app::theme::{ROW, TEXT, Tokens, blend, medium, regular, semibold, tabular};
use crate::app::tour::Spot;
use crate::app::view::{Line, Mark, SideIndex};
use crate::app::widgets::{Cell, menu_entry, note_spot, paint, row_mark};
use crate::demo::model::Order;

/// Below this width text is a little smaller, points.
const NARROW: f32 = 640.0;
/// Below this width dates lose their time.
const TINY: f32 = 500.0;
/// However long a name is, its column asks for no more, points.
const LONGEST: f32 = 170.0;

/// How a table is laid out at its width.
pub(super) struct Shape {
    /// Mark, order, employee, customer, date, item, quantity, price.
    pub(super) widths: [f32; 8],
    /// Size of its text, points.
    pub(super) text: f32,
    /// Height of a row, points.
    pub(super) row: f32,
    /// Space at the left and right of a cell's text, points.
    pub(super) pad: f32,
    /// How much of a date is shown, unless the rest is what differs.
    pub(super) date_chars: usize,
}

impl Shape {
    /// Where there is no room, dates lose their seconds first, then names are cut.
    pub(super) fn for_width(ui: &Ui, width: f32, snapshot: &Snapshot) -> Shape {
        let (text, pad, row) = match width >= NARROW {
            true => (TEXT, 5.0, ROW),
            false => (TEXT - 1.0, 4.0, ROW - 2.0),
        };
        let font = regular(text);
        let (digit, names) = ui.fonts_mut(|fonts| {
            let ten = fonts.layout_no_wrap("0123456789".to_owned(), tabular(&font), Color32::PLACEHOLDER).size().x;
            let mut wide = |name: &str| name.chars().map(|c| fonts.glyph_width(&font, c)).sum::<f32>();
            (ten / 10.0, snapshot.longest.each_ref().map(|name| (wide(name) + 2.0 * pad + 2.0).clamp(64.0, LONGEST)))
        });
        // Numbers and dates have what they need: one that is cut in two says something wrong.
        let figures = |n: f32| n * digit + 2.0 * pad;
        let narrow = width < NARROW;
        let number = figures(snapshot.digits as f32).max(if narrow { 50.0 } else { 56.0 });
        let (mark, quantity, price) = if narrow { (18.0, 41.0, 62.0) } else { (20.0, 63.0, 71.0) };
        let date = |chars: usize| figures(chars as f32 * 0.92);
        let rest = mark + number + quantity + price + names.iter().sum::<f32>();
        let date_chars = match width {
            ..TINY => 10,
            _ if rest + date(19) <= width => 19,
            _ => 16,
        };
        let shares = [mark, number, names[0], names[1], date(date_chars), names[2], quantity, price];
        let (sum, of_names) = (shares.iter().sum::<f32>(), names.iter().sum::<f32>());
        // What is too much is spread evenly; what is missing is taken from the longest names, which can be read when cut.
        let widest = no_wider(names, (width - sum + of_names).max(120.0));
        let widths = std::array::from_fn(|i| match i {
            _ if width >= sum => (shares[i] * width / sum).floor(),
            2 | 3 | 5 => shares[i].min(widest).floor(),
            _ => shares[i].floor(),
        });
        Shape { widths, text, row, pad, date_chars }
    }

    pub(super) fn title(&self, column: Option<Column>) -> &'static str {
        match column {
            None => "Order",
            Some(Column::Quantity) if self.widths[6] < 60.0 => "Qty",
            Some(column) => column.title(),
        }
    }
}

/// How wide the widest of three may be, so that all fit.
fn no_wider(mut wanted: [f32; 3], mut room: f32) -> f32 {
    wanted.sort_by(f32::total_cmp);
    for (i, width) in wanted.into_iter().enumerate() {
        let share = room / (3 - i) as f32;
        if width > share {
            return share;
        }
        room -= width;
    }
    f32::INFINITY
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
    ui.ctx().accesskit_node_builder(ui.unique_id(), |node| {
        node.set_role(Role::Table);
        node.set_label(format!("Orders at {}", state.side_name(side)));
        // The headings are a row, too.
        node.set_row_count(state.rows[side].len() + 1);
        node.set_column_count(COLUMNS.len() + 1);
    });
    let bar = ui.spacing().scroll.allocated_width();
    let shape = Shape::for_width(ui, ui.available_width() - bar, snapshot);
    let mut table = TableBuilder::new(ui)
        .id_salt(("orders", side))
        .striped(false)
        .sense(Sense::CLICK)
        .cell_layout(Layout::left_to_right(Align::Center))
        .auto_shrink(false)
        .min_scrolled_height(0.0)
        .animate_scrolling(false);
    for width in shape.widths {
        table = table.column(TableColumn::exact(width).clip(true));
    }
    if let Some(row) = scrolling.to[side] {
        table = table.scroll_to_row(row, None);
    }
    let follow = scrolling.follow(state, side);
    if let Some(offset) = follow {
        table = table.vertical_scroll_offset(offset);
    }
    let table = table.header(shape.row + 2.0, |mut row| header(&mut row, state, side, &shape, out));
    let mut marked = Rect::NOTHING;
    let told = state.tour.as_ref().and_then(|tour| tour.order());
    let is_told = |line: &Line| {
        told.is_some_and(|(side, number)| line.orders[side].as_ref().is_some_and(|o| o.order_num == number))
    };
    let output = table.body(|mut body| {
        let clip = body.ui_mut().clip_rect();
        body.rows(shape.row, state.rows[side].len(), |mut row| {
            let Some(line) = state.line(side, row.index()) else { return };
            let selected = state.selection.guids.contains(&line.guid);
            let index = row.index();
            Painting { state, snapshot, side, shape: &shape, line: &line, selected, clip, index }.row(&mut row, out);
            if difference(&line).is_some() || state.flash.contains_key(&(side, line.guid)) || is_told(&line) {
                marked = marked.union(row.response().rect.intersect(clip));
            }
        });
    });
    if marked.is_positive() {
        note_spot(ui, Spot::Marked(side), marked);
    }
    if state.rows[side].is_empty() {
        empty(ui, output.inner_rect, state, side);
    }
    scrolling.stands(ui, state, side, output.state.clamped_offset().y, follow.is_some());
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

fn header(row: &mut TableRow<'_, '_>, state: &State, side: SideIndex, shape: &Shape, out: &mut Vec<Command>) {
    row.col(|_| {});
    let columns = std::iter::once(None).chain(COLUMNS.map(Some));
    for column in columns {
        let title = column.map_or("Order", Column::title);
        let sorted = state.query.sort.column == column;
        let mut clicked = None;
        row.col(|ui| {
            let t = Tokens::of(ui);
            // Headers can be reached with Tab; the thousand cells cannot, arrows move among them.
            let response = ui.interact(ui.max_rect(), ui.scope_id().with("sort"), Sense::click());
            let arrow = if state.query.sort.descending { " ▾" } else { " ▴" };
            let title = shape.title(column);
            let text = if sorted { format!("{title}{arrow}") } else { title.to_owned() };
            let rect = ui.max_rect();
            let hovered = response.hovered() || response.has_focus();
            let ink = if sorted || hovered { t.strong } else { t.weak };
            let mut cell = Cell::new(text, medium(shape.text - 0.5), ink);
            cell.number = column.is_none_or(Column::is_number);
            paint(ui, ui.painter(), rect.shrink2(vec2(shape.pad, 0.0)), &cell);
            ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, t.line));
            clicked = Some(response);
        });
        let Some(response) = clicked else { continue };
        let order = match (sorted, state.query.sort.descending) {
            (true, true) => ", sorted, largest first",
            (true, false) => ", sorted, smallest first",
            _ => "",
        };
        let name = format!("Sort by {title} at {}{order}", state.side_name(side));
        response.widget_info(|| WidgetInfo::labeled(Role::ColumnHeader, true, &name));
        placed(&response, 0, column.map_or(0, |column| column as usize + 1));
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
    selected: bool,
    /// The table's body; a ghost row's text and the selection's frame reach beyond their cell, but not beyond this.
    clip: Rect,
    /// Its place among the rows.
    index: usize,
}

/// Says where in the table a cell is.
fn placed(response: &Response, row: usize, column: usize) {
    response.ctx.accesskit_node_builder(response.id, |node| {
        node.set_row_index(row);
        node.set_column_index(column);
    });
}

impl Painting<'_> {
    fn row(&self, row: &mut TableRow<'_, '_>, out: &mut Vec<Command>) {
        let order = self.line.orders[self.side].as_ref();
        let side_name = self.state.side_name(self.side);
        let (_, response) = row.col(|ui| self.mark(ui));
        let mut picks = vec![(response, None)];
        let (_, response) = row.col(|ui| self.number(ui, order));
        response.widget_info(|| {
            let name = match order {
                Some(order) => format!("Order {} at {side_name}", order.order_num),
                None => format!("Order {} {}", self.other_number(), self.ghost_words()),
            };
            WidgetInfo::selected(Role::RowHeader, true, self.selected, name)
        });
        placed(&response, self.index + 1, 0);
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
                    (Some(editor), _) => cell_editor::show(ui, self.state, self.snapshot, editor, self.clip, out),
                    (None, Some(order)) => self.value(ui, order, column, index),
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
                placed(&response, self.index + 1, index + 1);
            }
            if editing.is_none() {
                picks.push((response, Some(column)));
            }
        }
        self.menu(&row.response(), out);
        for (response, column) in picks {
            self.pick(&response, column, order.is_some(), out);
        }
    }

    /// What can be done with the row, by its right button.
    fn menu(&self, response: &Response, out: &mut Vec<Command>) {
        if response.secondary_clicked() && !self.selected {
            out.push(Command::Select(self.side, self.line.guid, None, Pick::One));
        }
        response.context_menu(|ui| {
            ui.set_min_width(180.0);
            for command in
                [Command::EditOrder(self.side), Command::History(self.side), Command::DeleteOrders(self.side)]
            {
                menu_entry(ui, self.state, out, command);
            }
        });
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
            let at = pos2(rect.left() + self.shape.pad + 5.0, rect.center().y);
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
        paint(ui, ui.painter(), ui.max_rect().shrink2(vec2(self.shape.pad, 0.0)), &cell);
    }

    fn value(&self, ui: &Ui, order: &Order, column: Column, index: usize) {
        let differs = self.line.differs[index];
        let t = Tokens::of(ui);
        let rect = ui.max_rect();
        let full = self.snapshot.text(self.side, order, column);
        let other = self.line.orders[1 - self.side].as_ref();
        let text = match column {
            Column::Employee => short_name(&full),
            // The end of a date goes where there is no room, unless it is what differs.
            Column::Date => {
                let start = |o: &Order| o.date_order.get(..self.shape.date_chars).map(str::to_owned);
                let hides_it = differs && other.is_some_and(|o| start(o) == start(order));
                start(order).filter(|_| !hides_it).unwrap_or_else(|| full.clone())
            }
            _ => full.clone(),
        };
        let mut cell = Cell::new(text, regular(self.shape.text), t.text);
        cell.number = column.is_number();
        cell.tabular = column == Column::Date;
        let own = self.line.marks[self.side];
        if self.gone_elsewhere() {
            (cell.ink, cell.struck) = (t.weak, true);
        } else if differs && self.line.conflict() && self.line.changed[self.side][index] {
            (cell.ink, cell.font) = (t.conflict, semibold(self.shape.text));
            ui.painter().rect_filled(rect, CornerRadius::ZERO, t.conflict_fill);
        } else if differs && own == Mark::Changed {
            (cell.ink, cell.font) = (t.sides[self.side], semibold(self.shape.text));
            ui.painter().rect_filled(rect, CornerRadius::ZERO, t.side_fill[self.side]);
        } else if differs && !self.line.conflict() {
            // What the other side's change will replace.
            (cell.ink, cell.struck) = (t.weak, self.line.marks[1 - self.side] == Mark::Changed);
        }
        let cut = paint(ui, ui.painter(), rect.shrink2(vec2(self.shape.pad, 0.0)), &cell);
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
        // What a row is stays visible when it is selected; the frame alone says that.
        if fill == t.surface && self.selected {
            fill = blend(fill, t.side_fill[self.side], 0.55);
        }
        if let Some(since) = self.state.flash.get(&(self.side, self.line.guid)) {
            let age = (ui.input(|i| i.time) - since) / FLASH_SECONDS;
            let strength = if self.state.settings.animations { 1.0 - age as f32 } else { 1.0 };
            fill = blend(fill, t.waiting_fill, strength);
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
            let rect = Rect::from_min_max(pos2(from + self.shape.pad, cell.top()), cell.right_bottom());
            let mut text = Cell::new(self.ghost_words(), regular(self.shape.text), t.weak);
            text.italic = true;
            paint(ui, &painter, rect, &text);
        }
        if self.selected {
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
        let comes_back = self.line.marks[1 - self.side] == Mark::Changed;
        match (deleted, comes_back) {
            (true, _) => format!("deleted at {name}"),
            (_, true) => format!("deleted at {name}, comes back with the next set"),
            _ => format!("not at {name} yet"),
        }
    }

    fn other_number(&self) -> String {
        self.line.orders[1 - self.side].as_ref().map_or_else(String::new, |o| o.order_num.to_string())
    }
}
