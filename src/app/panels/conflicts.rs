//! Conflicts: those ahead and those decided; for the chosen one every property, who won, and why.

use eframe::egui::{
    Align, Color32, CornerRadius, Frame, Label, Layout, Margin, Panel, Rect, RichText, Role, ScrollArea, Sense, Stroke,
    StrokeKind, TextWrapMode, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};

use super::dock::page;
use crate::app::ago::ago;
use crate::app::command::{Command, rule_sentence};
use crate::app::decision::{Draft, gone};
use crate::app::snapshot::{COLUMNS, Column, Snapshot};
use crate::app::state::{ConflictPick, DockTab, ListId, State};
use crate::app::theme::{TEXT, Tokens, medium, regular, semibold};
use crate::app::view::{Action, ConflictView, Line};
use crate::app::widgets::{
    Look, Sides, Version, command_button, command_button_sized, note, pill, versions, versions_table,
};
use crate::sync::{RecordState, Rule};

/// Height of an entry in the list, points.
const ENTRY: f32 = 44.0;

/// Which conflict was chosen when the list was drawn last, how far it was scrolled, and its height.
type Seen = (Option<ConflictPick>, f32, f32);

/// List at the left, the chosen one at the right.
pub fn show(ui: &mut Ui, state: &State, snapshot: &Snapshot, out: &mut Vec<Command>) {
    if snapshot.ahead.is_empty() && snapshot.view.conflicts.is_empty() {
        page(ui, "no conflicts", |ui| {
            note(
                ui,
                "No conflicts. One arises when the same order is changed on both sides before they hear of each other.",
            );
        });
        return;
    }
    let chosen = state.shown_conflict();
    let frame = Frame::new().inner_margin(Margin::symmetric(8, 6));
    Panel::left("conflict list").exact_size(372.0).resizable(false).frame(frame).show(ui, |ui| {
        if snapshot.counts.to_decide > 0 {
            command_button(ui, state, out, Command::NextToDecide, Look::Plain);
            ui.add_space(2.0);
        }
        ui.spacing_mut().item_spacing.y = 3.0;
        let needle = state.needle(ListId::Dock(DockTab::Conflicts));
        let mut list = snapshot.conflict_list();
        list.retain(|pick| needle.is_empty() || said(snapshot, *pick).to_lowercase().contains(&needle));
        let mut area = ScrollArea::vertical().auto_shrink(false);
        // One that was picked elsewhere, in a table or by an action, is brought into view.
        let memory = ui.scope_id().with("seen last");
        let (seen, top, height) = ui.data(|d| d.get_temp::<Seen>(memory)).unwrap_or_default();
        let at = list.iter().position(|pick| chosen == Some(*pick)).filter(|_| seen != chosen);
        if let Some(at) = at {
            let row = at as f32 * (ENTRY + ui.spacing().item_spacing.y);
            if row < top || row + ENTRY > top + height {
                // Before it was drawn once, its height is not known.
                let above = if height > 0.0 { height / 2.0 - ENTRY / 2.0 } else { 0.0 };
                area = area.vertical_scroll_offset((row - above).max(0.0));
            }
        }
        let mut clicked = None;
        let shown = area.show_rows(ui, ENTRY, list.len(), |ui, rows| {
            for pick in &list[rows] {
                if listed(ui, snapshot, *pick, chosen == Some(*pick)) {
                    out.push(Command::PickConflict(*pick));
                    clicked = Some(*pick);
                }
            }
        });
        let now: Seen = (clicked.or(chosen), shown.state.clamped_offset().y, shown.inner_rect.height());
        ui.data_mut(|d| d.insert_temp(memory, now));
    });
    match chosen {
        Some(ConflictPick::Record(side, record)) => {
            if let Some(record) = snapshot.record(side, record) {
                decided(ui, state, snapshot, record, out);
            }
        }
        Some(ConflictPick::Ahead(guid)) => page(ui, "conflict", |ui| {
            if let Some(line) = snapshot.line(guid) {
                foretold(ui, state, snapshot, &line);
            }
        }),
        None => {}
    }
}

/// What an entry says, to be looked through.
fn said(snapshot: &Snapshot, pick: ConflictPick) -> String {
    match pick {
        ConflictPick::Ahead(guid) => snapshot.line(guid).map(|line| ahead_title(snapshot, &line)).unwrap_or_default(),
        ConflictPick::Record(side, record) => snapshot
            .record(side, record)
            .map(|r| format!("{} {} {} {} {}", r.title, r.kind, r.set, r.chosen, r.rule))
            .unwrap_or_default(),
    }
}

/// Draws an entry of the list; `true` when it was clicked.
fn listed(ui: &mut Ui, snapshot: &Snapshot, pick: ConflictPick, chosen: bool) -> bool {
    let t = Tokens::of(ui);
    match pick {
        ConflictPick::Ahead(guid) => {
            let Some(line) = snapshot.line(guid) else { return false };
            let words = if line.combines() { "⊕ will be combined" } else { "! will conflict" };
            let tag = (words, t.conflict, t.conflict_fill);
            let below = format!("{} · no set applied yet", ahead_kind(snapshot, &line));
            entry(ui, chosen, &ahead_title(snapshot, &line), tag, &below, t.text)
        }
        ConflictPick::Record(side, record) => {
            let Some(record) = snapshot.record(side, record) else { return false };
            let stands = match record.chosen_side {
                Some(_) => format!("{}'s stands", record.chosen),
                // Somebody may have typed some.
                None if !record.again.is_empty() => "values were picked".to_owned(),
                None => format!("values of {} stand", record.chosen),
            };
            let (tag, below, ink) = match record.state {
                RecordState::Open => {
                    (("! to decide", t.conflict, t.conflict_fill), format!("{} · {stands} so far", record.kind), t.text)
                }
                RecordState::Combined => (("combined", t.new, t.new_fill), record.set.clone(), t.text),
                RecordState::TakenBack => (("taken back", t.weak, t.raised), record.set.clone(), t.weak),
                RecordState::Decided => {
                    let deleted = record.kind.contains("deleted");
                    let (ink, fill) = if deleted { (t.danger, t.danger_fill) } else { (t.text, t.raised) };
                    let found = format!("at {}, {} · {stands}", snapshot.side_name(side), record.set);
                    ((record.kind.as_str(), ink, fill), found, t.text)
                }
            };
            entry(ui, chosen, &record.title, tag, &below, ink)
        }
    }
}

/// What the two sides have done to it.
fn ahead_kind(snapshot: &Snapshot, line: &Line) -> String {
    match line.orders.iter().position(Option::is_none) {
        None => "changed on both sides".to_owned(),
        Some(side) => {
            format!("deleted at {}, changed at {}", snapshot.side_name(side), snapshot.side_name(1 - side))
        }
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

fn entry(ui: &mut Ui, chosen: bool, title: &str, tag: (&str, Color32, Color32), below: &str, ink: Color32) -> bool {
    let t = Tokens::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ENTRY), Sense::click());
    if chosen {
        ui.painter().rect_filled(rect, CornerRadius::same(6), t.control_hovered);
        let bar = Rect::from_min_max(rect.min + vec2(0.0, 4.0), pos2(rect.left() + 3.0, rect.bottom() - 4.0));
        ui.painter().rect_filled(bar, CornerRadius::same(2), t.strong);
    } else if response.hovered() || response.has_focus() {
        let stroke = Stroke::new(1.0, t.strong_border);
        ui.painter().rect_stroke(rect, CornerRadius::same(6), stroke, StrokeKind::Inside);
    }
    let mut ui = ui.new_child(UiBuilder::new().max_rect(rect.shrink2(vec2(10.0, 4.0))));
    ui.spacing_mut().item_spacing.y = 1.0;
    ui.spacing_mut().interact_size.y = 16.0;
    ui.style_mut().wrap_mode = Some(TextWrapMode::Truncate);
    ui.horizontal(|ui| {
        ui.label(RichText::new(title).font(semibold(TEXT)).color(t.strong));
        pill(ui, tag.0, tag.1, tag.2);
    });
    ui.label(RichText::new(below).font(regular(TEXT - 0.5)).color(ink));
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, chosen, format!("{title}, {}", tag.0)));
    response.clicked()
}

/// A record: its versions, from which the result is made, and why it stands as it does.
fn decided(ui: &mut Ui, state: &State, snapshot: &Snapshot, record: &ConflictView, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let draft = state.draft_of(record);
    let pick = record.state != RecordState::TakenBack;
    let frame = Frame::new().inner_margin(Margin::symmetric(16, 4));
    Panel::bottom("decision").frame(frame).resizable(false).show(ui, |ui| {
        // What speaks against filing it now stands beside the button, however low the dock is.
        if record.unseen {
            let [here, there] = [record.side, 1 - record.side].map(|side| snapshot.side_name(side));
            let text = format!(
                "! {there} has filed this order, too, and {here} has not received that: a decision filed now meets it as a new \
                 conflict, decided by the rule “{}”. Apply {there}'s set first.",
                state.rule().label()
            );
            ui.add(Label::new(RichText::new(text).color(t.waiting)).wrap());
        }
        // Where it is too narrow for one row, nothing lies over anything.
        ui.horizontal_wrapped(|ui| decision(ui, state, record, &draft, out));
    });
    page(ui, "conflict", |ui| {
        // In a small dock, why it stands as it does is in sight whole.
        ui.add_space(-4.0);
        ui.spacing_mut().item_spacing.y = 2.0;
        titled(ui, &record.title, &record.kind, &record.set);
        let (mut rows, same) = versions(record, &draft);
        for row in &mut rows {
            let kind = record.column(row.property).and_then(Column::choice);
            row.offered = kind.map(|kind| snapshot.choices(record.side, kind).iter().map(|c| c.name.clone()).collect());
            row.wrong = state.wrong_property(record, &draft, row.property).err();
        }
        let names = [0, 1].map(|side| snapshot.side_name(side));
        let sides = Sides { names, made: record.made.each_ref().map(String::as_str) };
        if let Some((property, value)) = versions_table(ui, sides, &rows, pick, !draft.deletes()) {
            out.push(Command::PickValue(property, value));
        }
        for wrong in rows.iter().filter_map(|row| row.wrong.as_ref()) {
            ui.add(Label::new(RichText::new(format!("! {wrong}")).color(t.danger)).wrap());
        }
        ui.add(Label::new(RichText::new(&record.why).font(medium(TEXT)).color(t.strong)).wrap());
        if record.properties.iter().any(|p| p.ancestor.contains(" / ")) {
            note(
                ui,
                "Two states are last common to both: sets have crossed, and neither of the two came after the other.",
            );
        }
        if !record.moved_on.is_empty() {
            let text = format!("! The order has moved on since: {}.", record.moved_on.join(", "));
            ui.add(Label::new(RichText::new(text).color(t.waiting)).wrap());
        }
        for again in &record.again {
            ui.add(Label::new(RichText::new(again).color(t.text)).wrap());
        }
        if !record.ruled.is_empty() {
            let text = format!("Before that, by the rule: {}", record.ruled);
            ui.add(Label::new(RichText::new(text).color(t.weak)).wrap());
        }
        if !same.is_empty() {
            ui.label(RichText::new(format!("{}: the same everywhere", same.join(", "))).color(t.weak));
        }
        let rule = match record.rule.as_str() {
            "" => String::new(),
            // A rule of the application's own has its own name.
            name => format!(" by the rule “{}”", name.parse::<Rule>().map_or(name, |rule| rule.label())),
        };
        note(
            ui,
            &format!(
                "Found at {} in {}, {}{rule}.",
                snapshot.side_name(record.side),
                record.set,
                ago(&record.decided_at)
            ),
        )
        .on_hover_text(&record.decided_at);
    });
}

/// The buttons that fill the result and file it.
fn decision(ui: &mut Ui, state: &State, record: &ConflictView, draft: &Draft, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    if record.state == RecordState::TakenBack {
        note(ui, "The set was taken back, and this conflict with it.");
    } else {
        ui.label(
            RichText::new(if record.state == RecordState::Open { "Decide:" } else { "Decide again:" }).color(t.weak),
        );
        for side in [0, 1] {
            let text = match gone(record, side) {
                true => format!("Take {}'s: delete", state.side_name(side)),
                false => Command::TakeWhole(side).label(state),
            };
            command_button_sized(ui, state, out, Command::TakeWhole(side), &text, Look::Side(side), 0.0);
        }
        let t = Tokens::of(ui);
        ui.scope(|ui| {
            // Neither side's: violet, as what both make together.
            let widgets = &mut ui.visuals_mut().widgets;
            for look in [&mut widgets.inactive, &mut widgets.hovered, &mut widgets.active] {
                look.fg_stroke.color = t.conflict;
                look.bg_stroke.color = t.conflict;
                look.weak_bg_fill = t.conflict_faint;
            }
            command_button(ui, state, out, Command::MergeProperties, Look::Plain);
        });
        command_button(ui, state, out, Command::ResetDecision, Look::Plain);
    }
    let mut last = |ui: &mut Ui| {
        if record.state != RecordState::TakenBack {
            command_button(ui, state, out, Command::FileDecision, Look::Side(record.side));
        }
        let history = Command::Run(Action::History { side: record.side, guid: record.guid });
        command_button(ui, state, out, history, Look::Plain);
        if draft.differs() {
            let text = if draft.deletes() { "The order will be deleted." } else { "Not filed yet." };
            ui.add(Label::new(RichText::new(text).color(t.conflict)).truncate());
        }
    };
    match ui.available_width() > 330.0 {
        true => drop(ui.with_layout(Layout::right_to_left(Align::Center), &mut last)),
        false => last(ui),
    }
}

/// Which object is shown.
fn titled(ui: &mut Ui, title: &str, kind: &str, set: &str) {
    let t = Tokens::of(ui);
    ui.horizontal(|ui| {
        ui.spacing_mut().interact_size.y = 20.0;
        let text = RichText::new(title).font(semibold(TEXT + 1.5)).color(t.strong);
        ui.label(text);
        pill(ui, kind, t.conflict, t.conflict_fill);
        ui.add(Label::new(RichText::new(set).color(t.weak)).truncate());
    });
}

fn foretold(ui: &mut Ui, state: &State, snapshot: &Snapshot, line: &Line) {
    titled(ui, &ahead_title(snapshot, line), &ahead_kind(snapshot, line), "no set applied yet");
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
    let taken = |i: usize| (0..2).find(|side| line.changed[*side][i]);
    let rows: Vec<Version> = (0..COLUMNS.len())
        .filter(|i| either_gone || line.differs[*i])
        .map(|i| Version {
            property: i,
            name: names[i].clone(),
            ancestor: common[i].clone(),
            values: texts[i].clone(),
            changed: [0, 1].map(|side| line.orders[side].is_none() || line.changed[side][i]),
            result: match (line.combines(), taken(i)) {
                (true, Some(side)) => texts[i][side].clone(),
                _ => "not decided yet".into(),
            },
            from: taken(i).filter(|_| line.combines()),
            decided: false,
            touched: false,
            offered: None,
            wrong: None,
        })
        .collect();
    let sides = Sides { names: [0, 1].map(|side| snapshot.side_name(side)), made: [""; 2] };
    versions_table(ui, sides, &rows, false, false);
    ui.add_space(6.0);
    let words = match line.combines() {
        true => {
            "Both sides changed this order, but different properties. Applying a set will combine them, and keep a record, by the rule:"
        }
        false => {
            "Both sides changed this order and have not heard of each other. Applying a set will find the conflict and decide it by the rule:"
        }
    };
    note(ui, &format!("{words} {}", rule_sentence(state.rule(), state)));
}
