//! The dock: conflicts, sync sets, activity, the last comparison. Folds to its tabs.

use eframe::egui::{self, Align, Button, Frame, Label, Layout, Margin, Panel, RichText, ScrollArea, Ui};

use super::conflicts;
use crate::app::command::Command;
use crate::app::handle::duration;
use crate::app::snapshot::{Snapshot, count, grouped};
use crate::app::state::{Activity, DockTab, State};
use crate::app::theme::{SMALL, TEXT, Tokens, medium, mono, regular, semibold};
use crate::app::view::SetView;
use crate::app::widgets::{Look, command_button, note, tab};

/// Draws the dock at the bottom.
pub fn show(ui: &mut Ui, state: &State, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let frame = Frame::new().fill(t.surface);
    if state.dock_open == Some(true) {
        // However small or enlarged the window, the tables keep more than half.
        let highest = (ui.available_height() * 0.42).max(110.0);
        let panel = Panel::bottom("dock").resizable(true).default_size(222.0).size_range(110.0..=highest).frame(frame);
        panel.show(ui, |ui| {
            tabs(ui, state, out);
            ui.separator();
            let Some(snapshot) = &state.snapshot else {
                // A panel shrinks to what is in it, and would stay so.
                ui.allocate_space(ui.available_size());
                return;
            };
            match state.dock {
                DockTab::Conflicts => conflicts::show(ui, state, snapshot, out),
                DockTab::Sets => sets(ui, snapshot),
                DockTab::Activity => activity(ui, state),
                DockTab::Verify => verify(ui, state, out),
            }
        });
    } else {
        Panel::bottom("dock folded").frame(frame).show(ui, |ui| tabs(ui, state, out));
    }
}

fn tabs(ui: &mut Ui, state: &State, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let (conflicts, sets) =
        state.snapshot.as_ref().map_or((0, 0), |s| (s.view.conflicts.len() + s.counts.conflict, s.view.sets.len()));
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

fn sets(ui: &mut Ui, snapshot: &Snapshot) {
    let t = Tokens::of(ui);
    page(ui, "sets", |ui| {
        if snapshot.view.sets.is_empty() {
            note(ui, "No set was prepared or applied yet. “Prepare set…” writes one.");
            return;
        }
        egui::Grid::new("sets").num_columns(6).spacing([22.0, 5.0]).show(ui, |ui| {
            for title in ["When", "Set", "What", "Transactions", "In words", "File"] {
                ui.label(RichText::new(title).font(medium(TEXT - 0.5)).color(t.weak));
            }
            ui.end_row();
            for set in &snapshot.view.sets {
                set_row(ui, snapshot, set);
                ui.end_row();
            }
        });
    });
}

fn set_row(ui: &mut Ui, snapshot: &Snapshot, set: &SetView) {
    let t = Tokens::of(ui);
    ui.label(RichText::new(&set.at).color(t.weak));
    ui.label(RichText::new(set.id.to_string()).font(semibold(TEXT)).color(t.strong));
    let here = snapshot.side_name(set.side);
    let what = if set.sent {
        format!("prepared at {here} for {}", set.peer)
    } else {
        format!("applied at {here}, from {}", set.peer)
    };
    ui.label(RichText::new(what).color(t.sides[set.side]));
    ui.label(format!("{} – {}", grouped(set.range.0), grouped(set.range.1)));
    let summary = if set.summary.is_empty() { count(set.objects, "object") } else { set.summary.clone() };
    ui.label(summary);
    let file = set.file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    ui.label(RichText::new(file).font(mono(SMALL)).color(t.weak)).on_hover_text(set.file.display().to_string());
}

fn activity(ui: &mut Ui, state: &State) {
    page(ui, "activity", |ui| {
        if state.activity.is_empty() {
            note(ui, "Every step done in this window is told here in words, with its time and how long it took.");
        }
        for activity in &state.activity {
            entry(ui, activity);
        }
    });
}

fn entry(ui: &mut Ui, activity: &Activity) {
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
    for detail in &activity.details {
        ui.horizontal(|ui| {
            ui.spacing_mut().interact_size.y = 17.0;
            ui.add_space(66.0);
            ui.add(Label::new(RichText::new(detail).font(regular(TEXT - 0.5))).wrap());
        });
    }
}

fn verify(ui: &mut Ui, state: &State, out: &mut Vec<Command>) {
    page(ui, "verify", |ui| {
        ui.horizontal(|ui| {
            command_button(ui, state, out, Command::Verify, Look::Plain).accessible_name("Compare again");
            note(ui, "Compares every order of both databases by its contents, not by what was sent.");
        });
        if let Some(verified) = &state.verified {
            entry(ui, verified);
        }
    });
}
