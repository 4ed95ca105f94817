//! What orders refer to: the tabs Customers, Employees and Items. A row leads to the orders that refer to it.

use eframe::egui::{self, CornerRadius, Rect, Role, ScrollArea, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use crate::app::command::Command;
use crate::app::snapshot::Snapshot;
use crate::app::state::{ListId, PaneTab, State};
use crate::app::theme::{TEXT, Tokens, medium, regular};
use crate::app::view::{Choice, SideIndex};
use crate::app::widgets::{Cell, note, paint};
use crate::words::{count, grouped};

/// Height of a row, points.
const LINE: f32 = 22.0;

/// Number, name, how many orders: where each stands in a row.
fn columns(row: Rect) -> [Rect; 3] {
    let column = |left: f32, right: f32| Rect::from_min_max(pos2(left, row.top()), pos2(right, row.bottom()));
    let (left, right) = (row.left() + 8.0, row.right() - 14.0);
    [column(left, left + 62.0), column(left + 76.0, right - 90.0), column(right - 80.0, right)]
}

/// The list of a side: `kind` as in [`Snapshot::choices`].
pub fn show(ui: &mut Ui, state: &State, snapshot: &Snapshot, side: SideIndex, kind: usize, out: &mut Vec<Command>) {
    let tab = state.tabs[side];
    let needle = state.needle(ListId::Pane(side, tab));
    let found = |c: &&Choice| c.name.to_lowercase().contains(&needle) || c.key.to_string() == needle;
    let choices: Vec<&Choice> = snapshot.choices(side, kind).iter().filter(found).collect();
    if choices.is_empty() {
        ui.add_space(20.0);
        let text = match needle.is_empty() {
            true => format!("{} has no {}.", snapshot.side_name(side), tab.title().to_lowercase()),
            false => "Nothing matches the filter.".to_owned(),
        };
        ui.vertical_centered(|ui| note(ui, &text));
        return;
    }
    let t = Tokens::of(ui);
    ui.spacing_mut().item_spacing.y = 0.0;
    let (head, _) = ui.allocate_exact_size(vec2(ui.available_width(), LINE + 2.0), Sense::hover());
    for (i, (cell, title)) in columns(head).into_iter().zip(["Number", "Name", "Orders"]).enumerate() {
        let mut text = Cell::new(title, medium(TEXT - 0.5), t.weak);
        text.number = i != 1;
        paint(ui, ui.painter(), cell, &text);
    }
    ui.painter().hline(head.x_range(), head.bottom() - 0.5, Stroke::new(1.0, t.line));
    let area = ScrollArea::vertical().id_salt(("names", side, kind)).auto_shrink(false);
    area.show_rows(ui, LINE, choices.len(), |ui, rows| {
        for choice in &choices[rows] {
            let orders = snapshot.orders_of(side, kind, choice.key);
            if row(ui, snapshot, side, choice, orders) {
                out.push(Command::PaneTab(side, PaneTab::Orders));
                out.push(Command::Filter(side, choice.name.clone()));
            }
        }
    });
}

fn row(ui: &mut Ui, snapshot: &Snapshot, side: SideIndex, choice: &Choice, orders: usize) -> bool {
    let t = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), LINE), Sense::click());
    if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, CornerRadius::ZERO, t.raised);
    }
    ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, t.line));
    let [number, name, of] = columns(rect);
    let figure = |text: String| Cell { number: true, ..Cell::new(text, regular(TEXT), t.weak) };
    paint(ui, ui.painter(), number, &figure(choice.key.to_string()));
    let cut = paint(ui, ui.painter(), name, &Cell::new(&choice.name, regular(TEXT), t.text));
    paint(ui, ui.painter(), of, &figure(grouped(orders as u64)));
    let said = format!("{} at {}, {}", choice.name, snapshot.side_name(side), count(orders, "order"));
    response.widget_info(|| WidgetInfo::labeled(Role::ListBoxOption, true, &said));
    // By the pointer only twice: the second click of a double one would fall on whatever comes in its place.
    let chosen = response.double_clicked() || response.clicked() && !response.clicked_by(egui::PointerButton::Primary);
    let tip = "Double-click shows its orders";
    let tip = if cut { format!("{}\n{tip}", choice.name) } else { tip.to_owned() };
    response.on_hover_text(tip);
    chosen
}
