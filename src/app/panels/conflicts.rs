//! Conflicts: those ahead and those decided; for the chosen one every property, who won, and why.

use eframe::egui::{
    Align, Color32, CornerRadius, Frame, Label, Layout, Margin, Panel, Rect, RichText, Role, ScrollArea, Sense, Stroke,
    TextWrapMode, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};

use super::dock::page;
use crate::app::command::{Command, rule_sentence};
use crate::app::snapshot::{COLUMNS, Snapshot};
use crate::app::state::{ConflictPick, State};
use crate::app::theme::{TEXT, Tokens, medium, regular, semibold};
use crate::app::view::{ConflictProperty, ConflictView, Line};
use crate::app::widgets::{note, pill};

/// List at the left, the chosen one at the right.
pub fn show(ui: &mut Ui, state: &State, snapshot: &Snapshot, out: &mut Vec<Command>) {
    let ahead: Vec<&Line> = snapshot.ahead.iter().filter_map(|guid| snapshot.line(*guid)).collect();
    if ahead.is_empty() && snapshot.view.conflicts.is_empty() {
        page(ui, "no conflicts", |ui| {
            note(
                ui,
                "No conflicts. One arises when the same order is changed on both sides before they hear of each other.",
            );
        });
        return;
    }
    let t = Tokens::of(ui);
    let chosen = state.conflict.filter(|c| exists(snapshot, *c)).or_else(|| {
        let first = snapshot.view.conflicts.first().map(|c| ConflictPick::Record(c.side, c.record));
        ahead.first().map(|l| ConflictPick::Ahead(l.guid)).or(first)
    });
    let list = Frame::new().inner_margin(Margin::symmetric(8, 6));
    Panel::left("conflict list").exact_size(340.0).resizable(false).frame(list).show(ui, |ui| {
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 3.0;
            for line in ahead {
                let pick = ConflictPick::Ahead(line.guid);
                let tag = ("! will conflict", t.conflict, t.conflict_fill);
                let below = "changed on both sides · no set applied yet";
                if entry(ui, chosen == Some(pick), &ahead_title(snapshot, line), tag, below) {
                    out.push(Command::PickConflict(pick));
                }
            }
            for conflict in &snapshot.view.conflicts {
                let pick = ConflictPick::Record(conflict.side, conflict.record);
                let deleted = conflict.kind.contains("deleted");
                let (ink, fill) = if deleted { (t.danger, t.danger_fill) } else { (t.text, t.raised) };
                let below = format!("{} · {}'s order stands", conflict.set, conflict.chosen);
                if entry(ui, chosen == Some(pick), &conflict.title, (&conflict.kind, ink, fill), &below) {
                    out.push(Command::PickConflict(pick));
                }
            }
        });
    });
    page(ui, "conflict", |ui| match chosen {
        Some(ConflictPick::Record(side, record)) => {
            if let Some(c) = snapshot.view.conflicts.iter().find(|c| c.side == side && c.record == record) {
                decided(ui, snapshot, c);
            }
        }
        Some(ConflictPick::Ahead(guid)) => {
            if let Some(line) = snapshot.line(guid) {
                foretold(ui, state, snapshot, line);
            }
        }
        None => {}
    });
}

fn exists(snapshot: &Snapshot, pick: ConflictPick) -> bool {
    match pick {
        ConflictPick::Record(side, record) => {
            snapshot.view.conflicts.iter().any(|c| c.side == side && c.record == record)
        }
        ConflictPick::Ahead(guid) => snapshot.line(guid).is_some_and(Line::conflict),
    }
}

/// Where one object has different numbers at the two nodes, both are named.
fn ahead_title(snapshot: &Snapshot, line: &Line) -> String {
    match &line.orders {
        [Some(a), Some(b)] if a.order_num != b.order_num => {
            format!("Order {}, at {} {}", a.order_num, snapshot.side_name(1), b.order_num)
        }
        [Some(o), _] | [None, Some(o)] => format!("Order {}", o.order_num),
        [None, None] => "Order".to_owned(),
    }
}

fn entry(ui: &mut Ui, chosen: bool, title: &str, tag: (&str, Color32, Color32), below: &str) -> bool {
    let t = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 44.0), Sense::click());
    if chosen || response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, CornerRadius::same(6), t.raised);
    }
    ui.scope_builder(UiBuilder::new().max_rect(rect.shrink2(vec2(10.0, 4.0))), |ui| {
        ui.spacing_mut().item_spacing.y = 1.0;
        ui.spacing_mut().interact_size.y = 16.0;
        ui.style_mut().wrap_mode = Some(TextWrapMode::Truncate);
        ui.horizontal(|ui| {
            ui.label(RichText::new(title).font(semibold(TEXT)).color(t.strong));
            pill(ui, tag.0, tag.1, tag.2);
        });
        ui.label(RichText::new(below).font(regular(TEXT - 0.5)).color(t.text));
    });
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, chosen, format!("{title}, {}", tag.0)));
    response.clicked()
}

/// A row of the property table.
struct Row<'a> {
    mark: &'static str,
    name: &'a str,
    ancestor: &'a str,
    values: [&'a str; 2],
    changed: [bool; 2],
    result: &'a str,
    won: Option<usize>,
}

fn decided(ui: &mut Ui, snapshot: &Snapshot, conflict: &ConflictView) {
    let t = Tokens::of(ui);
    let moved = |p: &&ConflictProperty| p.changed.contains(&true) || p.values[0] != p.values[1];
    let rows = conflict.properties.iter().filter(moved).map(|p| Row {
        mark: if p.changed == [true, true] { "! " } else { "≠ " },
        name: &p.name,
        ancestor: &p.ancestor,
        values: [&p.values[0], &p.values[1]],
        changed: p.changed,
        result: &p.result,
        won: Some(conflict.chosen_side),
    });
    table(ui, snapshot, rows.collect());
    let same: Vec<&str> = conflict.properties.iter().filter(|p| !moved(p)).map(|p| p.name.as_str()).collect();
    if !same.is_empty() {
        ui.add_space(4.0);
        ui.label(RichText::new(format!("{}: the same everywhere", same.join(", "))).color(t.weak));
    }
    ui.add_space(6.0);
    ui.add(Label::new(RichText::new(&conflict.why).font(medium(TEXT)).color(t.strong)).wrap());
    let found =
        format!("Found at {} in {}, decided {}.", snapshot.side_name(conflict.side), conflict.set, conflict.decided_at);
    note(ui, &found);
}

fn foretold(ui: &mut Ui, state: &State, snapshot: &Snapshot, line: &Line) {
    let texts = COLUMNS.map(|column| {
        [0, 1].map(|side| match &line.orders[side] {
            Some(order) => snapshot.text(side, order, column),
            None => "deleted".to_owned(),
        })
    });
    let either_gone = line.orders.iter().any(Option::is_none);
    let names = COLUMNS.map(|c| c.title().to_lowercase());
    let common: Vec<String> = COLUMNS
        .iter()
        .map(|c| line.common.as_ref().map_or_else(|| "–".to_owned(), |order| snapshot.text(0, order, *c)))
        .collect();
    let rows = (0..COLUMNS.len()).filter(|i| either_gone || line.differs[*i]).map(|i| Row {
        mark: if line.changed.iter().all(|c| c[i]) { "! " } else { "≠ " },
        name: &names[i],
        ancestor: &common[i],
        values: [&texts[i][0], &texts[i][1]],
        changed: [0, 1].map(|side| line.orders[side].is_none() || line.changed[side][i]),
        result: "not decided yet",
        won: None,
    });
    table(ui, snapshot, rows.collect());
    ui.add_space(6.0);
    note(
        ui,
        &format!(
            "Both sides changed this order and have not heard of each other. Applying a set will find the conflict and decide it by the rule: {}",
            rule_sentence(state.rule, state)
        ),
    );
}

fn table(ui: &mut Ui, snapshot: &Snapshot, rows: Vec<Row<'_>>) {
    let t = Tokens::of(ui);
    let shares = [0.17, 0.2, 0.21, 0.21, 0.21];
    let heads = ["Property", "Last common", snapshot.side_name(0), snapshot.side_name(1), "Result"];
    let inks = [t.weak, t.weak, t.sides[0], t.sides[1], t.weak];
    let line = |ui: &mut Ui, cells: [(String, Color32, bool, Option<Color32>); 5]| {
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 24.0), Sense::hover());
        let mut left = rect.left();
        for ((text, ink, bold, fill), share) in cells.into_iter().zip(shares) {
            let cell = Rect::from_min_max(pos2(left, rect.top()), pos2(left + rect.width() * share, rect.bottom()));
            left = cell.right();
            if let Some(fill) = fill {
                ui.painter().rect_filled(cell, CornerRadius::ZERO, fill);
            }
            let inner =
                UiBuilder::new().max_rect(cell.shrink2(vec2(8.0, 0.0))).layout(Layout::left_to_right(Align::Center));
            ui.scope_builder(inner, |ui| {
                let font = if bold { semibold(TEXT) } else { regular(TEXT) };
                ui.add(Label::new(RichText::new(text).font(font).color(ink)).truncate());
            });
        }
        ui.painter().hline(rect.x_range(), rect.bottom(), Stroke::new(1.0, t.line));
    };
    ui.spacing_mut().item_spacing.y = 0.0;
    line(ui, std::array::from_fn(|i| (heads[i].to_owned(), inks[i], i == 2 || i == 3, None)));
    for row in rows {
        let both = row.changed == [true, true];
        let value = |side: usize| {
            let won = if row.won == Some(side) { " ✓" } else { "" };
            let (ink, fill) = if row.changed[side] { (t.sides[side], Some(t.side_fill[side])) } else { (t.weak, None) };
            (format!("{}{won}", row.values[side]), ink, row.changed[side], fill)
        };
        let ink = if both { t.conflict } else { t.text };
        let result_ink = if row.won.is_some() { t.strong } else { t.weak };
        line(
            ui,
            [
                (format!("{}{}", row.mark, row.name), ink, both, None),
                (row.ancestor.to_owned(), t.text, false, None),
                value(0),
                value(1),
                (row.result.to_owned(), result_ink, row.won.is_some(), None),
            ],
        );
    }
    ui.spacing_mut().item_spacing.y = 4.0;
}
