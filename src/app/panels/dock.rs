//! The dock: conflicts, sync sets, activity, the last comparison. Folds to its tabs.

use eframe::egui::{
    Align, Button, Frame, Label, Layout, Link, Margin, Panel, Rect, RichText, Role, ScrollArea, Sense, Stroke, Ui,
    WidgetInfo, vec2,
};

use super::conflicts;
use crate::app::ago::ago;
use crate::app::command::Command;
use crate::app::news::duration;
use crate::app::snapshot::Snapshot;
use crate::app::state::{Activity, DockTab, ListId, State};
use crate::app::theme::{SMALL, TEXT, Tokens, medium, mono, regular, semibold};
use crate::app::tour::Spot;
use crate::app::view::{Action, Compared, Detail, SetView};
use crate::app::widgets::{Cell, Look, command_button, list_filter, note, note_spot, paint, pill, tab, within};
use crate::words::{count, grouped};

/// Draws the dock at the bottom.
pub fn show(ui: &mut Ui, state: &State, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let frame = Frame::new().fill(t.surface);
    if state.dock_open == Some(true) {
        // However small or enlarged the window, the tables keep more than half.
        let highest = (ui.available_height() * 0.42).max(110.0);
        // Where there is room, why a conflict was decided as it was is in sight, too.
        let usual = if ui.available_height() > 800.0 { 250.0 } else { 222.0 };
        let panel = Panel::bottom("dock").resizable(true).default_size(usual).size_range(110.0..=highest).frame(frame);
        let shown = panel.show(ui, |ui| {
            tabs(ui, state, out);
            ui.separator();
            let Some(snapshot) = &state.snapshot else {
                // A panel shrinks to what is in it, and would stay so.
                ui.allocate_space(ui.available_size());
                return;
            };
            match state.dock {
                DockTab::Conflicts => conflicts::show(ui, state, snapshot, out),
                DockTab::Sets => sets(ui, state, snapshot, out),
                DockTab::Activity => activity(ui, state, out),
                DockTab::Verify => verify(ui, state, out),
            }
        });
        note_spot(ui, Spot::Dock, shown.response.rect);
        if tells(state) {
            note_spot(ui, Spot::Told, shown.response.rect);
        }
    } else {
        Panel::bottom("dock folded").frame(frame).show(ui, |ui| tabs(ui, state, out));
    }
}

/// There is anything in what the dock shows.
pub fn tells(state: &State) -> bool {
    let Some(snapshot) = &state.snapshot else { return false };
    match state.dock {
        DockTab::Conflicts => !snapshot.ahead.is_empty() || !snapshot.view.conflicts.is_empty(),
        DockTab::Sets => !snapshot.view.sets.is_empty(),
        DockTab::Activity => !state.activity.is_empty(),
        DockTab::Verify => state.verified.is_some(),
    }
}

fn tabs(ui: &mut Ui, state: &State, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let (conflicts, sets) =
        state.snapshot.as_ref().map_or((0, 0), |s| (s.view.conflicts.len() + s.ahead.len(), s.view.sets.len()));
    ui.spacing_mut().item_spacing.y = 0.0;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        ui.add_space(10.0);
        let open = state.dock_open == Some(true);
        for (kind, text, badge) in [
            (DockTab::Conflicts, "Conflicts", Some(conflicts)),
            (DockTab::Sets, "Sync sets", Some(sets)),
            (DockTab::Activity, "Activity", None),
            (DockTab::Verify, "Verify", None),
        ] {
            let name = if kind == DockTab::Verify { "Verify result" } else { text };
            if tab(ui, open && state.dock == kind, text, badge, t.strong, name).clicked() {
                out.push(Command::DockTab(kind));
            }
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.add_space(10.0);
            let text = if open { "▾ hide" } else { "▴ show" };
            let fold = Button::new(RichText::new(text).color(t.weak)).frame_when_inactive(false);
            if ui.add(fold).accessible_name(Command::ToggleDock.label(state)).clicked() {
                out.push(Command::ToggleDock);
            }
            if open {
                ui.spacing_mut().interact_size.y = 22.0;
                list_filter(ui, state, ListId::Dock(state.dock), 170.0, out);
            }
        });
    });
}

/// A scrolled area with the dock's margins.
pub fn page(ui: &mut Ui, id: &str, add: impl FnOnce(&mut Ui)) {
    ScrollArea::vertical().id_salt(id).auto_shrink(false).show(ui, |ui| {
        Frame::new().inner_margin(Margin::symmetric(16, 8)).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 4.0;
            ui.set_min_width(ui.available_width());
            add(ui);
        });
    });
}

fn sets(ui: &mut Ui, state: &State, snapshot: &Snapshot, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    if snapshot.view.sets.is_empty() {
        page(ui, "sets", |ui| {
            note(ui, "No set was prepared or applied yet. “Prepare set…” writes one.");
        });
        return;
    }
    let needle = state.needle(ListId::Dock(DockTab::Sets));
    let found = |set: &&SetView| {
        let at = snapshot.side_name(set.side);
        let text = format!("{} {} {at} {} {} {}", set.id, set.peer, set.at, set.summary, set.file.display());
        text.to_lowercase().contains(&needle)
    };
    let sets: Vec<&SetView> = snapshot.view.sets.iter().filter(|set| needle.is_empty() || found(set)).collect();
    // Long lists are laid out row by row, so the columns have fixed shares.
    let shares = [0.12, 0.045, 0.195, 0.11, 0.23, 0.13, 0.17];
    let columns = |rect: Rect| {
        let mut left = rect.left() + 16.0;
        shares.map(|share| {
            let cell = Rect::from_x_y_ranges(left..=left + (rect.width() - 32.0) * share - 10.0, rect.y_range());
            left = cell.right() + 10.0;
            cell
        })
    };
    ui.spacing_mut().item_spacing.y = 0.0;
    let (head, _) = ui.allocate_exact_size(vec2(ui.available_width(), 24.0), Sense::hover());
    for (cell, title) in columns(head).into_iter().zip(["When", "Set", "What", "Transactions", "In words", "Undo", ""])
    {
        paint(ui, ui.painter(), cell, &Cell::new(title, medium(TEXT - 0.5), t.weak));
    }
    ScrollArea::vertical().id_salt("sets").auto_shrink(false).show_rows(ui, 28.0, sets.len(), |ui, rows| {
        for set in &sets[rows] {
            let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 28.0), Sense::hover());
            set_row(ui, state, snapshot, set, columns(rect), out);
        }
    });
}

fn set_row(ui: &mut Ui, state: &State, snapshot: &Snapshot, set: &SetView, cells: [Rect; 7], out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let here = snapshot.side_name(set.side);
    let what = if set.sent {
        format!("prepared at {here} for {}", set.peer)
    } else {
        format!("applied at {here}, from {}", set.peer)
    };
    let summary = if set.summary.is_empty() { count(set.objects, "object") } else { set.summary.clone() };
    // A set that carries only the acknowledgement ends before it begins.
    let range = match set.range {
        (first, last) if first > last => "nothing new".to_owned(),
        (first, last) => format!("{} – {}", grouped(first), grouped(last)),
    };
    let texts = [
        (ago(&set.at), regular(TEXT), t.weak),
        (set.id.to_string(), semibold(TEXT), t.strong),
        (what.clone(), regular(TEXT), t.sides[set.side]),
        (range, regular(TEXT), t.text),
        (summary, regular(TEXT), t.text),
    ];
    for (i, (text, font, ink)) in texts.into_iter().enumerate() {
        let struck = set.taken_back && i == 4;
        let text = RichText::new(text).font(font).color(if set.taken_back { t.weak } else { ink });
        let text = if struck { text.strikethrough() } else { text };
        if i != 1 {
            let label = within(ui, cells[i]).add(Label::new(text).truncate());
            if i == 0 {
                label.on_hover_text(&set.at);
            }
            continue;
        }
        let link = within(ui, cells[i])
            .add(Link::new(text))
            .accessible_name(format!("Select the orders of set {} {what}", set.id));
        if link.on_hover_text(format!("Selects its orders\n{}", set.file.display())).clicked() {
            out.push(Command::Run(Action::ObjectsOfSet { file: set.file.clone() }));
        }
    }
    let mut buttons = within(ui, cells[5]);
    buttons.spacing_mut().interact_size.y = 22.0;
    buttons.spacing_mut().button_padding = vec2(6.0, 2.0);
    buttons.spacing_mut().item_spacing.x = 5.0;
    if set.taken_back {
        pill(&mut buttons, "taken back", t.weak, t.raised);
    } else if !set.sent {
        let (side, seq) = (set.side, set.seq);
        command_button(&mut buttons, state, out, Command::Run(Action::TakeBack { side, seq }), Look::Plain);
        let revert = Action::Revert { side, seq, confirmed: false };
        command_button(&mut buttons, state, out, Command::Run(revert), Look::Plain);
    }
    // Why it cannot be undone without a trace; each button says its own reason.
    let note = match (&set.take_back, &set.revert) {
        _ if set.taken_back => String::new(),
        (Some(Err(reason)), _) | (_, Some(Err(reason))) => reason.clone(),
        _ if set.sent => set.file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
        _ => String::new(),
    };
    let font = if set.sent { mono(SMALL) } else { regular(SMALL) };
    if paint(ui, ui.painter(), cells[6], &Cell::new(&note, font, t.weak)) && ui.rect_contains_pointer(cells[6]) {
        ui.response().on_hover_text(note);
    }
}

fn activity(ui: &mut Ui, state: &State, out: &mut Vec<Command>) {
    let needle = state.needle(ListId::Dock(DockTab::Activity));
    let found = |a: &&Activity| {
        a.text.to_lowercase().contains(&needle) || a.details.iter().any(|d| d.text.to_lowercase().contains(&needle))
    };
    page(ui, "activity", |ui| {
        if state.activity.is_empty() {
            note(ui, "Every step done in this window is told here in words, with its time and how long it took.");
        }
        for (at, activity) in state.activity.iter().filter(found).enumerate() {
            ui.push_id(at, |ui| entry(ui, activity, &needle, out));
        }
    });
}

/// Lines that one step shows; a set of many thousands would make every frame long.
const LINES: usize = 200;

fn entry(ui: &mut Ui, activity: &Activity, needle: &str, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    ui.horizontal(|ui| {
        ui.spacing_mut().interact_size.y = 18.0;
        ui.label(RichText::new(&activity.at).color(t.weak));
        let ink = if activity.failed { t.danger } else { t.strong };
        let text = if activity.failed { format!("! {}", activity.text) } else { activity.text.clone() };
        ui.add(Label::new(RichText::new(text).font(medium(TEXT)).color(ink)).truncate());
        if let Some(took) = activity.took {
            ui.label(RichText::new(duration(took)).color(t.weak));
        }
    });
    let whole = activity.text.to_lowercase().contains(needle);
    lines(ui, activity.details.iter().filter(|d| whole || d.text.to_lowercase().contains(needle)), out);
}

/// Lines of what was done or found; those about an object lead to it.
fn lines<'a>(ui: &mut Ui, lines: impl Iterator<Item = &'a Detail> + Clone, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    for detail in lines.clone().take(LINES) {
        ui.horizontal(|ui| {
            ui.spacing_mut().interact_size.y = 17.0;
            ui.add_space(66.0);
            let text = RichText::new(&detail.text).font(regular(TEXT - 0.5));
            match detail.object {
                None => {
                    ui.add(Label::new(text).wrap());
                }
                Some((side, guid)) => {
                    let link = ui.add(Link::new(text.color(t.text))).accessible_name(format!("Go to {}", detail.text));
                    if link.clicked() {
                        out.push(Command::Reveal(side, guid));
                    }
                }
            }
        });
    }
    let more = lines.count().saturating_sub(LINES);
    if more > 0 {
        note(ui, &format!("and {}", count(more, "line")));
    }
}

fn verify(ui: &mut Ui, state: &State, out: &mut Vec<Command>) {
    page(ui, "verify", |ui| {
        ui.horizontal(|ui| {
            command_button(ui, state, out, Command::Verify, Look::Plain).accessible_name("Compare again");
            note(ui, "Compares every row of both databases by its contents, not by what was sent.");
        });
        let Some(verified) = &state.verified else { return };
        let t = Tokens::of(ui);
        ui.horizontal(|ui| {
            ui.spacing_mut().interact_size.y = 18.0;
            ui.label(RichText::new(&verified.at).color(t.weak));
            let differ: usize = verified.classes.iter().filter(|c| c.journaled).map(|c| c.differ).sum();
            let text = match differ {
                0 => "What is synchronized is the same at both sides".to_owned(),
                1 => "1 object differs".to_owned(),
                n => format!("{} differ", count(n, "object")),
            };
            ui.label(RichText::new(text).font(medium(TEXT)).color(t.strong));
            ui.label(RichText::new(duration(verified.took)).color(t.weak));
        });
        let [a, b] = [0, 1].map(|side| grouped(verified.of[side].1));
        let (text, ink) = match verified.of == state.stands() {
            true => (format!("As of transactions {a} and {b}: nothing was filed since."), t.weak),
            false => (format!("! As of transactions {a} and {b}; changed since — verify again."), t.waiting),
        };
        ui.add(Label::new(RichText::new(text).color(ink)).wrap());
        ui.add_space(2.0);
        compared(ui, &verified.classes);
        let needle = state.needle(ListId::Dock(DockTab::Verify));
        let objects =
            verified.classes.iter().flat_map(|c| &c.objects).filter(|o| o.text.to_lowercase().contains(&needle));
        lines(ui, objects, out);
    });
}

/// Class by class: the digest at every node, and whether they are the same.
fn compared(ui: &mut Ui, classes: &[Compared]) {
    let t = Tokens::of(ui);
    let nodes: Vec<&str> =
        classes.first().map(|c| c.digests.iter().map(|(n, _)| n.as_str()).collect()).unwrap_or_default();
    let widths: Vec<f32> = [100.0].into_iter().chain(nodes.iter().map(|_| 190.0)).chain([230.0]).collect();
    let row = |ui: &mut Ui, cells: Vec<Cell>| {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 22.0), Sense::hover());
        let said: Vec<&str> = cells.iter().map(|cell| cell.text.as_str()).collect();
        response.widget_info(|| WidgetInfo::labeled(Role::Row, true, said.join(", ")));
        let mut left = rect.left();
        for (cell, width) in cells.iter().zip(&widths) {
            let right = (left + width).min(rect.right());
            paint(ui, ui.painter(), Rect::from_x_y_ranges(left..=right - 10.0, rect.y_range()), cell);
            left = right;
        }
        let y = rect.bottom() - 0.5;
        ui.painter().hline(rect.left()..=left, y, Stroke::new(1.0, t.line));
    };
    ui.spacing_mut().item_spacing.y = 0.0;
    let head = ["Class"]
        .into_iter()
        .map(str::to_owned)
        .chain(nodes.iter().map(|n| format!("Digest at {n}")))
        .chain(["Found".to_owned()]);
    row(ui, head.map(|title| Cell::new(title, medium(TEXT - 0.5), t.weak)).collect());
    for class in classes {
        let (found, ink) = match (class.differ, class.journaled) {
            (0, _) => ("✓ the same".to_owned(), t.new),
            (n, true) => (format!("≠ {} differ", count(n, "object")), t.danger),
            (n, false) => (format!("{} differ; not synchronized", count(n, "object")), t.weak),
        };
        let digests = class.digests.iter().map(|(_, digest)| {
            let short: String = digest.chars().take(16).collect();
            Cell::new(format!("{short}…"), mono(SMALL), t.text)
        });
        let cells = [Cell::new(&class.class, semibold(TEXT), t.strong)].into_iter().chain(digests);
        row(ui, cells.chain([Cell::new(found, regular(TEXT), ink)]).collect());
    }
    ui.add_space(4.0);
    ui.spacing_mut().item_spacing.y = 4.0;
}
