//! The top bar with the verdict, and the legend, which is the filter.

use eframe::egui::{
    self, Button, Color32, CornerRadius, Frame, Margin, Response, RichText, Role, Stroke, Ui, WidgetInfo,
};

use crate::app::TITLE;
use crate::app::command::Command;
use crate::app::rows::Show;
use crate::app::snapshot::Snapshot;
use crate::app::state::{PaneTab, State};
use crate::app::theme::{SMALL, TEXT, Tokens, medium, regular, semibold};
use crate::app::tour::Spot;
use crate::app::view::Action;
use crate::app::widgets::{Look, at_right, command_button, focus_ring, menu_entry, note, note_spot};
use crate::demo::scenario::SCENARIOS;
use crate::words::{count, grouped};

/// Title, environment, undo and redo, verdict; at the right what concerns the whole window.
pub fn bar(ui: &mut Ui, state: &State, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let wide = ui.available_width() > 1250.0;
    ui.horizontal(|ui| {
        ui.label(RichText::new(TITLE).font(semibold(15.0)).color(t.strong));
        ui.add_space(6.0);
        environment(ui, state, out);
        ui.add_space(2.0);
        for (command, sign) in [(Command::Undo, "↶"), (Command::Redo, "↷")] {
            undo_button(ui, state, out, command, sign);
        }
        ui.add_space(6.0);
        let spot = ui.scope(|ui| verdict(ui, state, out)).response.rect;
        note_spot(ui, Spot::Verdict, spot);
        at_right(ui, "of the bar", |ui| {
            search(ui, state, if wide { 250.0 } else { 170.0 }, out);
            let verify = command_button(ui, state, out, Command::Verify, Look::Plain);
            note_spot(ui, Spot::Verify, verify.rect);
            tours(ui, state, out);
            theme_button(ui, state, out);
        });
    });
}

/// Looks like a field and opens the palette, which has it.
fn search(ui: &mut Ui, state: &State, width: f32, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let keys = Command::Palette.shortcut().map(|s| ui.ctx().format_shortcut(&s)).unwrap_or_default();
    let text = RichText::new("Search commands…").font(regular(TEXT)).color(t.weak);
    let button = Button::new((text, egui::Atom::grow(), RichText::new(keys).font(regular(SMALL)).color(t.weak)));
    let response = ui.add(button.fill(t.field).min_size(egui::vec2(width, 26.0)));
    let response = response.accessible_name(Command::Palette.label(state));
    if response.on_hover_text(Command::Palette.tooltip(state)).clicked() {
        out.push(Command::Palette);
    }
}

/// An arrow that turns back, painted over a button that says which way.
fn undo_button(ui: &mut Ui, state: &State, out: &mut Vec<Command>, command: Command, sign: &str) {
    let enabled = command.enabled(state);
    let button = Button::new(RichText::new(sign).font(semibold(15.0))).min_size(egui::vec2(30.0, 26.0));
    let response = ui.add_enabled(enabled.is_ok(), button).accessible_name(command.label(state));
    let keys = command.shortcut().map(|s| ui.ctx().format_shortcut(&s)).unwrap_or_default();
    let response = match enabled {
        Ok(()) => response.on_hover_text(format!("{}   {keys}", command.label(state))),
        Err(reason) => response.on_disabled_hover_text(reason),
    };
    if response.clicked() {
        out.push(command);
    }
}

/// The tour, and the situations that a presenter can jump to.
fn tours(ui: &mut Ui, state: &State, out: &mut Vec<Command>) {
    let response = ui.button("Guided tour ▾").accessible_name("Tours").on_hover_text(Command::Tour.tooltip(state));
    egui::Popup::menu(&response).show(|ui| {
        ui.set_min_width(300.0);
        menu_entry(ui, state, out, Command::Tour);
        ui.separator();
        note(ui, "Ready situations, each in databases of its own");
        for which in 1..SCENARIOS.len() {
            menu_entry(ui, state, out, Command::Situation(which));
        }
    });
}

fn environment(ui: &mut Ui, state: &State, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let dir = state.snapshot.as_ref().map(|s| s.view.dir.clone()).unwrap_or_default();
    let name = dir.file_name().map_or("environment".into(), |n| n.to_string_lossy().into_owned());
    // However long its name is, the verdict keeps its place.
    let short: String = name.chars().take(24).collect();
    let name = if short.len() < name.len() { format!("{short}…") } else { name };
    let button = Button::new(RichText::new(format!("{name} ▾")).color(t.text)).frame_when_inactive(false);
    let response = ui.add(button).accessible_name("Environment").on_hover_text(dir.display().to_string());
    egui::Popup::menu(&response).show(|ui| {
        ui.set_min_width(260.0);
        for command in [Command::OpenEnvironment, Command::NewEnvironment] {
            menu_entry(ui, state, out, command);
        }
        let recent: Vec<_> = state.recent().map(|dir| dir.to_owned()).collect();
        if !recent.is_empty() {
            ui.separator();
            note(ui, "Shown before");
            for dir in recent {
                menu_entry(ui, state, out, Command::Run(Action::Open { dir }));
            }
        }
        ui.separator();
        for command in [Command::OpenSetFile, Command::Export(0), Command::Export(1), Command::SaveReport] {
            menu_entry(ui, state, out, command);
        }
        ui.separator();
        menu_entry(ui, state, out, Command::RestartDemo);
        menu_entry(ui, state, out, Command::Rest);
        ui.separator();
        for command in [Command::Presentation, Command::HighContrast, Command::Animations, Command::ResetLayout] {
            menu_entry(ui, state, out, command);
        }
        menu_entry(ui, state, out, Command::Shortcuts);
    });
}

/// What the window says about the two databases as a whole, and where each word leads.
fn verdict_words(snapshot: &Snapshot) -> Vec<(String, Option<Command>)> {
    let c = snapshot.counts;
    let mut parts = Vec::new();
    if c.differ > 0 {
        let text = format!("{} {}", count(c.differ, "order"), if c.differ == 1 { "differs" } else { "differ" });
        parts.push((text, Some(Command::Show(Show::Differences))));
    }
    if c.conflict > 0 {
        parts.push((format!("{} will conflict", grouped(c.conflict as u64)), Some(Command::Show(Show::Conflict))));
    }
    if c.combine > 0 {
        parts.push((format!("{} will be combined", grouped(c.combine as u64)), Some(Command::Show(Show::Combine))));
    }
    if c.to_decide > 0 {
        parts.push((format!("{} to decide", grouped(c.to_decide as u64)), Some(Command::NextToDecide)));
    }
    if let Some(side) = (0..2).find(|side| !snapshot.view.sides[*side].requeued.is_empty()) {
        let text = format!("{} waiting", grouped(c.waiting as u64));
        parts.push((text, Some(Command::PaneTab(side, PaneTab::Requeued))));
    }
    if parts.is_empty() {
        let lanes = &snapshot.view.lanes;
        let objects: usize = lanes.iter().map(|l| l.objects).sum();
        let sets: usize = lanes.iter().map(|l| l.prepared.len()).sum();
        let text = match (objects, sets) {
            _ if snapshot.view.equal => "In sync".to_owned(),
            (0, 0) => "not confirmed yet".to_owned(),
            (0, sets) => format!("{} to apply", count(sets, "set")),
            (objects, _) => format!("{} to send", count(objects, "object")),
        };
        parts.push((text, None));
    }
    parts
}

fn verdict(ui: &mut Ui, state: &State, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let parts = match &state.snapshot {
        None if state.error.is_some() => vec![("not readable".to_owned(), None)],
        Some(_) if state.unreadable.is_some() => vec![("not readable now; as read before".to_owned(), None)],
        None => vec![("checking…".to_owned(), None)],
        Some(snapshot) => verdict_words(snapshot),
    };
    let (ink, fill) = match &state.snapshot {
        None => (t.weak, t.raised),
        Some(_) if state.unreadable.is_some() => (t.weak, t.raised),
        Some(s) if s.view.equal && parts.iter().all(|(_, leads_to)| leads_to.is_none()) => (t.new, t.new_fill),
        Some(_) => (t.waiting, t.waiting_fill),
    };
    let pill = Frame::new().fill(fill).corner_radius(CornerRadius::same(12)).inner_margin(Margin::symmetric(6, 0));
    pill.show(ui, |ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        ui.spacing_mut().button_padding.x = 5.0;
        ui.spacing_mut().interact_size.y = 24.0;
        for (i, (text, leads_to)) in parts.into_iter().enumerate() {
            if i > 0 {
                ui.label(RichText::new("·").color(ink));
            }
            let button = Button::new(RichText::new(&text).font(medium(TEXT)).color(ink)).frame_when_inactive(false);
            let response = ui.add(button).accessible_name(format!("Verdict: {text}"));
            let Some(command) = leads_to else { continue };
            let tip = match command {
                Command::Show(_) => "Shows only these",
                Command::NextToDecide => "Shows only these, and the next one",
                _ => "Shows what waits, and why",
            };
            // The legend's chip also takes a filter away; these words only set it.
            if response.on_hover_text(tip).clicked() && command != Command::Show(state.query.show) {
                // What is to be decided is filtered, too, like all that the verdict speaks of.
                if command == Command::NextToDecide && state.query.show != Show::ToDecide {
                    out.push(Command::Show(Show::ToDecide));
                }
                out.push(command);
            }
        }
    });
}

/// A sun or a moon, painted: no bundled font has a moon.
fn theme_button(ui: &mut Ui, state: &State, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let dark = ui.visuals().dark_mode;
    let response = ui.add(Button::new("").min_size(egui::vec2(30.0, 26.0)));
    let name = if dark { "Switch to light" } else { "Switch to dark" };
    let keys = Command::ToggleTheme.shortcut().map(|s| ui.ctx().format_shortcut(&s)).unwrap_or_default();
    let response = response.accessible_name(name).on_hover_text(format!("{name}   {keys}"));
    let (centre, painter) = (response.rect.center(), ui.painter());
    if dark {
        painter.circle_filled(centre, 6.0, t.text);
        painter.circle_filled(centre + egui::vec2(3.0, -2.0), 5.0, t.control);
    } else {
        painter.circle_filled(centre, 4.0, t.text);
        for ray in 0..8 {
            let to = egui::Vec2::angled(ray as f32 * std::f32::consts::TAU / 8.0);
            painter.line_segment([centre + to * 6.0, centre + to * 8.5], Stroke::new(1.5, t.text));
        }
    }
    if response.clicked() && Command::ToggleTheme.enabled(state).is_ok() {
        out.push(Command::ToggleTheme);
    }
}

/// The marks with their meaning and counts; a click filters by them.
pub fn legend(ui: &mut Ui, state: &State, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let c = state.snapshot.as_ref().map(|s| s.counts).unwrap_or_default();
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 8.0;
        ui.label(RichText::new("Show").color(t.weak));
        for (show, sign, name, n, ink) in [
            (Show::All, "", "All", c.all, t.strong),
            (Show::Differences, "", "Differences", c.differ, t.strong),
            (Show::New, "+ ", "New", c.new, t.new),
            (Show::Changed, "≠ ", "Changed", c.changed, t.sides[0]),
            (Show::Deleted, "− ", "Deleted", c.deleted, t.danger),
            (Show::Conflict, "! ", "Conflict", c.conflict, t.conflict),
            (Show::Combine, "⊕ ", "Combined", c.combine, t.conflict),
            (Show::Waiting, "? ", "Waiting", c.waiting_lines, t.waiting),
            (Show::ToDecide, "! ", "To decide", c.to_decide_lines, t.conflict),
        ] {
            // What hardly ever is needs no place.
            if matches!(show, Show::Waiting | Show::Combine | Show::ToDecide) && n == 0 && state.query.show != show {
                continue;
            }
            if chip(ui, state.query.show == show, sign, name, n, ink).clicked() {
                out.push(Command::Show(show));
            }
        }
        at_right(ui, "of the legend", |ui| {
            let mut aligned = state.query.side_by_side;
            let shown = state.rows[0].len();
            if aligned && shown < c.all {
                ui.label(
                    RichText::new(format!("{} of {} rows", grouped(shown as u64), grouped(c.all as u64))).color(t.weak),
                );
            }
            if ui.checkbox(&mut aligned, "Rows side by side").changed() {
                out.push(Command::SideBySide(aligned));
            }
            let mut together = state.scroll_together;
            let checkbox = egui::Checkbox::new(&mut together, "Scroll together");
            let response = ui.add_enabled(state.query.side_by_side, checkbox);
            if response.on_disabled_hover_text("Only rows side by side can scroll together.").changed() {
                out.push(Command::ScrollTogether(together));
            }
        });
    });
}

fn chip(ui: &mut Ui, chosen: bool, sign: &str, name: &str, n: usize, ink: Color32) -> Response {
    let t = Tokens::of(ui);
    let text = format!("{sign}{name} {}", grouped(n as u64));
    let font = if chosen { semibold(12.0) } else { medium(12.0) };
    let (fill, border) = if chosen { (t.control_hovered, t.strong_border) } else { (Color32::TRANSPARENT, t.border) };
    let button = Button::new(RichText::new(&text).font(font).color(ink))
        .fill(fill)
        .stroke(Stroke::new(1.0, border))
        .corner_radius(CornerRadius::same(11))
        .min_size(egui::vec2(0.0, 22.0));
    let response = ui.scope(|ui| {
        ui.spacing_mut().button_padding.y = 2.0;
        ui.spacing_mut().interact_size.y = 22.0;
        ui.add(button)
    });
    let response = response.inner;
    focus_ring(ui, &response);
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, chosen, format!("Show {name}: {n}")));
    response
}
