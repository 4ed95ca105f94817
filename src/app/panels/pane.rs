//! One node: its head, its tools, its tabs, and the list the chosen tab shows.

use eframe::egui::{
    self, Align, CornerRadius, DragValue, Frame, Layout, Margin, RichText, Sense, TextEdit, Ui, UiBuilder, vec2,
};

use super::{Scrolling, filed, names, requeued, table, travel};
use crate::app::command::Command;
use crate::app::snapshot::{Snapshot, bytes};
use crate::app::state::{ListId, PaneTab, State};
use crate::app::theme::{SMALL, TEXT, Tokens, mono, semibold};
use crate::app::tour::Spot;
use crate::app::view::{Action, SideIndex};
use crate::app::widgets::{Look, command_button_sized, fact, list_filter, menu_entry, note_spot, tab};
use crate::words::grouped;

/// The pane of a side.
pub fn show(ui: &mut Ui, state: &State, side: SideIndex, scrolling: &mut Scrolling, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let rect = ui.max_rect();
    // Whatever does not fit must not reach into the lane.
    ui.shrink_clip_rect(rect);
    ui.painter().rect_filled(rect, CornerRadius::ZERO, t.surface);
    let accent = egui::Rect::from_min_size(rect.min, vec2(rect.width(), 3.0));
    ui.painter().rect_filled(accent, CornerRadius::ZERO, t.sides[side]);
    ui.add_space(3.0);
    // A side that is shown as it was has other tools, of the same height: its rows stay in line with the other side's.
    let travel = state.travel[side].as_ref().filter(|_| state.tabs[side] == PaneTab::Orders);
    let first = Frame::new().inner_margin(Margin { left: 14, right: 14, top: 7, bottom: 4 }).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 6.0;
        head(ui, state, side, out);
        ui.horizontal(|ui| {
            match travel {
                Some(travel) => travel::steps(ui, state, travel, side, out),
                None => tools(ui, state, side, out),
            }
            filter(ui, state, side, out);
        });
    });
    note_spot(ui, Spot::Head(side), first.response.rect);
    match travel {
        Some(travel) => travel::banner(ui, state, travel, side, out),
        None => tabs(ui, state, side, out),
    }
    let top = match travel {
        Some(_) => scrolling.list_top.max(ui.cursor().top()),
        None => ui.cursor().top(),
    };
    scrolling.list_top = top;
    let body = UiBuilder::new().max_rect(egui::Rect::from_min_max(egui::pos2(rect.left(), top), rect.max));
    ui.scope_builder(body, |ui| {
        let Some(snapshot) = &state.snapshot else {
            ui.add_space(20.0);
            let text = match state.error.is_some() {
                true => "The databases could not be read. Open another environment.",
                false => "reading the databases…",
            };
            ui.vertical_centered(|ui| ui.label(RichText::new(text).color(t.weak)));
            return;
        };
        note_spot(ui, Spot::Table(side), ui.max_rect());
        if let Some(travel) = travel {
            return travel::show(ui, state, snapshot, travel, side, scrolling, out);
        }
        match state.tabs[side] {
            PaneTab::Orders => table::show(ui, state, snapshot, side, scrolling, out),
            PaneTab::Employees => names::show(ui, state, snapshot, side, 0, out),
            PaneTab::Customers => names::show(ui, state, snapshot, side, 1, out),
            PaneTab::Items => names::show(ui, state, snapshot, side, 2, out),
            PaneTab::Journal => filed::journal(ui, state, snapshot, side, out),
            PaneTab::Times => filed::times(ui, snapshot, side),
            PaneTab::Requeued => requeued::show(ui, state, snapshot, side, out),
        }
    });
}

/// The name as a menu of all nodes.
fn other_nodes(ui: &mut Ui, state: &State, snapshot: &Snapshot, side: SideIndex, out: &mut Vec<Command>) {
    let here = snapshot.side_name(side);
    let name = RichText::new(format!("{here} ▾")).font(semibold(16.0)).color(Tokens::of(ui).sides[side]);
    let menu = ui.menu_button(name, |ui| {
        for node in snapshot.view.nodes.iter().filter(|n| n.as_str() != here) {
            let show = Command::Run(Action::ShowNode { side, name: node.clone() });
            let button = ui.add_enabled(show.enabled(state).is_ok(), egui::Button::new(node));
            if button.accessible_name(format!("Show {node} in place of {here}")).clicked() {
                out.push(show);
                ui.close();
            }
        }
    });
    menu.response.accessible_name(format!("{here}: show another node")).on_hover_text("Show another node here");
}

fn head(ui: &mut Ui, state: &State, side: SideIndex, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let Some(snapshot) = &state.snapshot else {
        ui.label(RichText::new(state.side_name(side)).font(semibold(16.0)).color(t.sides[side]));
        return;
    };
    let s = &snapshot.view.sides[side];
    let interact = std::mem::replace(&mut ui.spacing_mut().interact_size.y, 18.0);
    ui.horizontal(|ui| {
        let (dot, _) = ui.allocate_exact_size(vec2(10.0, 12.0), Sense::hover());
        ui.painter().circle_filled(dot.center(), 4.5, t.sides[side]);
        match snapshot.view.nodes.len() {
            0..=2 => {
                ui.label(RichText::new(snapshot.side_name(side)).font(semibold(16.0)).color(t.sides[side]));
            }
            _ => other_nodes(ui, state, snapshot, side, out),
        }
        let short = match (s.guid.get(..4), s.guid.get(s.guid.len().saturating_sub(4)..)) {
            (Some(head), Some(tail)) if s.guid.len() > 8 => format!("{head}…{tail}"),
            _ => s.guid.clone(),
        };
        ui.label(RichText::new(short).font(mono(SMALL)).color(t.weak)).on_hover_text(format!("Node GUID {}", s.guid));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let file = s.file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            ui.label(RichText::new(format!("{file} · {}", bytes(s.bytes))).color(t.weak))
                .on_hover_text(s.file.display().to_string());
        });
    });
    let other = &snapshot.view.sides[1 - side];
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 16.0;
        fact(ui, "", &grouped(s.orders as u64), if s.orders == 1 { " order" } else { " orders" }, t.strong);
        let to_send = snapshot.view.lanes[side].objects as u64;
        let ink = if to_send > 0 { t.sides[side] } else { t.strong };
        fact(ui, "", &grouped(to_send), " to send", ink);
        if ui.available_width() > 220.0 {
            fact(ui, "transaction ", &grouped(s.transaction), "", t.strong);
        }
        let has = format!("has {}'s changes up to ", snapshot.side_name(1 - side));
        let of = format!(" of {}", grouped(other.transaction));
        // Where there is no room, the sentence would push out the numbers that matter more.
        let whole = format!("{has}{}{of}", grouped(s.received));
        let width = ui.painter().layout_no_wrap(whole, semibold(TEXT), t.text).size().x;
        if ui.available_width() > width {
            fact(ui, &has, &grouped(s.received), &of, t.strong);
        } else {
            fact(ui, "has ", &grouped(s.received), &of, t.strong).on_hover_text(format!("{has}{}{of}", s.received));
        }
    });
    ui.spacing_mut().interact_size.y = interact;
}

fn tools(ui: &mut Ui, state: &State, side: SideIndex, out: &mut Vec<Command>) {
    let name = state.side_name(side).to_owned();
    let random = Command::RandomOrders(side);
    let (text, padding) = match ui.available_width() < 460.0 {
        true => ("+ Random".to_owned(), 6.0),
        false => (random.button(state), 10.0),
    };
    ui.spacing_mut().button_padding.x = padding;
    command_button_sized(ui, state, out, random, &text, Look::Side(side), 0.0);
    let mut n = state.random[side];
    let count = DragValue::new(&mut n).range(1..=10_000).speed(0.2).prefix("× ");
    let response = ui.add(count).accessible_name(format!("How many random orders at {name}"));
    if response.on_hover_text("How many at once: drag, or click and type").changed() {
        out.push(Command::RandomCount(side, n));
    }
    note_spot(ui, Spot::Random(side), ui.min_rect());
    // On a narrow pane the rest is behind the dots.
    let wide = ui.max_rect().width() > 620.0;
    let all = [
        Command::NewOrder(side),
        Command::EditOrder(side),
        Command::DeleteOrders(side),
        Command::Export(side),
        Command::TimeTravel(side),
    ];
    if wide {
        ui.spacing_mut().button_padding.x = 8.0;
    }
    let shown = if wide { all.len() } else { 3 };
    for command in all[..shown].iter().cloned() {
        let text = match command {
            Command::TimeTravel(_) => "As it was…".to_owned(),
            _ => command.button(state),
        };
        command_button_sized(ui, state, out, command, &text, Look::Plain, 0.0);
    }
    if !wide {
        let more = ui.button("⋯").accessible_name(format!("More at {name}")).on_hover_text("More");
        egui::Popup::menu(&more).show(|ui| {
            ui.set_min_width(200.0);
            for command in all[shown..].iter().cloned() {
                menu_entry(ui, state, out, command);
            }
        });
    }
}

/// What narrows the list that is shown.
fn filter(ui: &mut Ui, state: &State, side: SideIndex, out: &mut Vec<Command>) {
    let name = state.side_name(side).to_owned();
    let width = ui.available_width().min(190.0);
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        if state.tabs[side] != PaneTab::Orders {
            let list = ListId::Pane(side, state.tabs[side]);
            let response = list_filter(ui, state, list, width - 16.0, out);
            if state.focus_filter == Some(side) {
                match response.has_focus() {
                    true => out.push(Command::FilterFocused),
                    false => response.request_focus(),
                }
            }
            return;
        }
        let mut text = state.query.filters[side].clone();
        let field = TextEdit::singleline(&mut text).hint_text("Filter orders  ( / )").desired_width(width - 16.0);
        let response = ui.add(field).accessible_name(format!("Orders at {name} filter"));
        if state.focus_filter == Some(side) && !response.has_focus() {
            response.request_focus();
        }
        let escaped = response.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Escape));
        if escaped && !text.is_empty() {
            out.push(Command::Filter(side, String::new()));
        } else if response.changed() || (response.has_focus() && state.focus_filter == Some(side)) {
            out.push(Command::Filter(side, text));
        }
    });
}

fn tabs(ui: &mut Ui, state: &State, side: SideIndex, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let name = state.side_name(side);
    let waiting = state.snapshot.as_ref().map_or(0, |s| s.view.sides[side].requeued.len());
    let row = ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        let width = ui.available_width();
        // As many letters as there is room for; the whole words are always said.
        let (padding, short) = match width {
            ..460.0 => (4.0, true),
            ..640.0 => (5.0, false),
            _ => (10.0, false),
        };
        ui.spacing_mut().button_padding.x = padding;
        ui.add_space(8.0);
        for (kind, whole, letters, badge) in [
            (PaneTab::Orders, "Orders", "Orders", None),
            (PaneTab::Customers, "Customers", "Cust.", None),
            (PaneTab::Employees, "Employees", "Empl.", None),
            (PaneTab::Items, "Items", "Items", None),
            (PaneTab::Journal, "Journal", "Journal", None),
            (PaneTab::Times, "Sync times", "Times", None),
            (PaneTab::Requeued, "Requeued", "Req.", Some(waiting)),
        ] {
            let text = if short { letters } else { whole };
            let label = format!("{whole} at {name}");
            let response = tab(ui, state.tabs[side] == kind, text, badge, t.sides[side], &label);
            if kind == PaneTab::Requeued {
                note_spot(ui, Spot::Requeued(side), response.rect);
            }
            if response.clicked() {
                out.push(Command::PaneTab(side, kind));
            }
        }
    });
    let y = row.response.rect.bottom();
    ui.painter().hline(ui.max_rect().x_range(), y, egui::Stroke::new(1.0, t.line));
    ui.add_space(-ui.spacing().item_spacing.y + 1.0);
}
