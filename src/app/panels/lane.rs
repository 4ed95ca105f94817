//! Between the panes: what each direction has to send, the sets prepared, and the rule for conflicts.

use eframe::egui::{
    self, Align, CentralPanel, ComboBox, CornerRadius, Frame, Label, Layout, Panel, Rect, RichText, ScrollArea, Stroke,
    Ui, pos2, vec2,
};

use crate::app::command::{Command, rule_sentence};
use crate::app::dialogs::{Dialog, PathField};
use crate::app::snapshot::Snapshot;
use crate::app::state::{FLIGHT_SECONDS, Report, State};
use crate::app::theme::{SMALL, TEXT, Tokens, mono, regular, semibold};
use crate::app::tour::{Spot, spot};
use crate::app::view::{Action, SetCard, SideIndex};
use crate::app::widgets::{Look, card, command_button_sized, fact, heading, note, note_spot, pill};
use crate::demo::tables::ORDER;
use crate::sync::Rule;
use crate::words::count;

/// Below this height of the lane the rule is told in a tip, points.
const SHORT: f32 = 560.0;

/// Both directions and the drop target, which scroll; the rule and `Sync both ways` stay at the bottom.
pub fn show(ui: &mut Ui, state: &State, out: &mut Vec<Command>) {
    let all = ui.max_rect();
    Panel::bottom("lane foot").frame(Frame::new()).resizable(false).show_separator_line(false).show(ui, |ui| {
        ui.set_width(all.width());
        ui.separator();
        rule(ui, state, all.height() * 0.36, all.height() < SHORT, out);
        ui.add_space(6.0);
        ui.spacing_mut().interact_size.y = 34.0;
        let text = Command::SyncBoth.button(state);
        let both = command_button_sized(ui, state, out, Command::SyncBoth, &text, Look::Plain, all.width());
        note_spot(ui, Spot::Sync, both.rect);
        ui.add_space(2.0);
    });
    CentralPanel::no_frame().show(ui, |ui| {
        // That there is more than is seen, is seen.
        ui.spacing_mut().scroll = egui::style::ScrollStyle { bar_width: 6.0, ..egui::style::ScrollStyle::solid() };
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            // Less than the lane's while it scrolls.
            ui.set_max_width(ui.available_width());
            for side in [0, 1] {
                direction(ui, state, side, out);
                ui.separator();
            }
            drop_target(ui, state, out);
        });
    });
}

fn direction(ui: &mut Ui, state: &State, side: SideIndex, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let width = ui.available_width();
    ui.spacing_mut().item_spacing.y = 5.0;
    heading(ui, &format!("{} → {}", state.side_name(side), state.side_name(1 - side)));
    let Some(snapshot) = &state.snapshot else { return };
    let lane = &snapshot.view.lanes[side];
    if lane.objects == 0 {
        // The card says what is on its way; two cards fit where nobody repeats it.
        if lane.prepared.is_empty() {
            note(ui, "Nothing to send");
        }
    } else {
        let after = format!(
            " {} in {} to send",
            if lane.objects == 1 { "object" } else { "objects" },
            count(lane.transactions, "transaction")
        );
        fact(ui, "", &crate::words::grouped(lane.objects as u64), &after, t.strong);
    }
    let prepare = Command::Prepare(side);
    let text = prepare.button(state);
    let button = command_button_sized(ui, state, out, prepare, &text, Look::Side(side), width);
    note_spot(ui, Spot::Prepare(side), button.rect);
    bring_into_view(ui, state, Spot::Prepare(side), button.rect);
    let newest = just_prepared(ui, side, &lane.prepared);
    for (at, set) in lane.prepared.iter().enumerate() {
        let card = ui.push_id(("set", side, set.id), |ui| set_card(ui, state, side, set, out)).response;
        if at == 0 {
            note_spot(ui, Spot::Cards(side), card.rect);
        }
        note_spot(ui, Spot::Card(side, set.id), card.rect);
        bring_into_view(ui, state, Spot::Card(side, set.id), card.rect);
        if newest == Some(set.id) {
            ui.scroll_to_rect(card.rect.expand(6.0), None);
        }
    }
    if let Some(report) = state.report.as_ref().filter(|r| r.side == 1 - side) {
        last_apply(ui, state, snapshot, report, out);
    }
}

/// The set that was prepared since the last frame: however short the lane, its card comes into view.
fn just_prepared(ui: &Ui, side: SideIndex, sets: &[SetCard]) -> Option<i64> {
    let memory = egui::Id::unique(("sets in the lane", side));
    let ids: Vec<i64> = sets.iter().map(|set| set.id).collect();
    let before = ui.data_mut(|d| d.get_temp::<Vec<i64>>(memory));
    let new = before.as_ref().and_then(|before| ids.iter().find(|id| !before.contains(id)).copied());
    if before.as_ref() != Some(&ids) {
        ui.data_mut(|d| d.insert_temp(memory, ids));
    }
    new
}

/// Scrolls to what the tour's step is about, once a step.
fn bring_into_view(ui: &Ui, state: &State, about: Spot, rect: Rect) {
    let Some(tour) = &state.tour else { return };
    let (memory, now) = (egui::Id::unique("tour's step in the lane"), (tour.scenario, tour.at));
    let is_it = tour.step().is_some_and(|(_, step)| spot(&step.act) == about);
    if is_it && ui.data(|d| d.get_temp(memory)) != Some(now) {
        ui.data_mut(|d| d.insert_temp(memory, now));
        ui.scroll_to_rect(rect.expand(6.0), None);
    }
}

/// What the last apply did, and the ways back.
fn last_apply(ui: &mut Ui, state: &State, snapshot: &Snapshot, report: &Report, out: &mut Vec<Command>) {
    let side = report.side;
    // Another one may have been applied since.
    let Some(set) = state.last_applied(side).filter(|set| Some(set.seq) == report.seq) else { return };
    let t = Tokens::of(ui);
    let done = RichText::new(format!("✓ Set {} is applied", set.id)).font(regular(12.0)).color(t.new);
    ui.add(Label::new(done).truncate()).on_hover_text(&report.title);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().interact_size.y = 20.0;
        ui.spacing_mut().button_padding = vec2(6.0, 1.0);
        ui.spacing_mut().item_spacing = vec2(4.0, 3.0);
        let seq = set.seq;
        command_button_sized(ui, state, out, Command::SaveReport, "Report…", Look::Plain, 0.0);
        let back = Command::Run(Action::TakeBack { side, seq });
        // Where it cannot be as if nothing had been, there may still be the way by new changes; each says its reason.
        match back.enabled(state).is_ok() || set.revert.as_ref().is_none_or(|r| r.is_err()) {
            true => command_button_sized(ui, state, out, back, "Take back", Look::Plain, 0.0)
                .accessible_name(format!("Take back the set applied last at {}", snapshot.side_name(side))),
            false => {
                let revert = Command::Run(Action::Revert { side, seq, confirmed: false });
                command_button_sized(ui, state, out, revert, "Revert…", Look::Plain, 0.0)
                    .accessible_name(format!("Revert the set applied last at {}…", snapshot.side_name(side)))
            }
        };
    });
}

/// A set on its way across, above everything.
pub fn flight(ui: &Ui, state: &State, lane: Rect, panes: [Rect; 2]) {
    let Some(flight) = &state.flight else { return };
    let t = Tokens::of(ui);
    let gone = ((ui.input(|i| i.time) - flight.since) / FLIGHT_SECONDS).clamp(0.0, 1.0) as f32;
    // Slowly off, slowly in.
    let eased = gone * gone * (3.0 - 2.0 * gone);
    let y = lane.top() + 150.0 + 140.0 * flight.from as f32;
    let (from, to) = (panes[flight.from].center().x, panes[1 - flight.from].center().x);
    let centre = pos2(from + (to - from) * eased, y);
    let rect = Rect::from_center_size(centre, vec2(150.0, 34.0));
    let strength = if gone > 0.8 { (1.0 - gone) / 0.2 } else { 1.0 };
    let layer = egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("set on its way"));
    let painter = ui.ctx().layer_painter(layer);
    painter.rect_filled(rect, CornerRadius::same(7), t.side_fill[flight.from].gamma_multiply(strength));
    let stroke = Stroke::new(1.5, t.sides[flight.from].gamma_multiply(strength));
    painter.rect_stroke(rect, CornerRadius::same(7), stroke, egui::StrokeKind::Inside);
    let ink = t.sides[flight.from].gamma_multiply(strength);
    painter.text(centre, egui::Align2::CENTER_CENTER, &flight.title, semibold(TEXT), ink);
}

fn set_card(ui: &mut Ui, state: &State, side: SideIndex, set: &SetCard, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let target = 1 - side;
    card(ui).show(ui, |ui| {
        let width = ui.available_width();
        let narrow = width < 172.0;
        ui.horizontal(|ui| {
            ui.spacing_mut().interact_size.y = 18.0;
            ui.label(RichText::new(format!("Set {}", set.id)).font(semibold(TEXT)).color(t.strong));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.label(RichText::new(count(set.objects, "object")).color(t.weak));
            });
        });
        let file = set.file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        // Where the end would be cut, the beginning is: by the end sets are told apart.
        let file = if narrow { file.replacen("syncFrom", "…", 1) } else { file };
        ui.add(Label::new(RichText::new(file).font(mono(SMALL)).color(t.weak)).truncate())
            .on_hover_text(set.file.display().to_string());
        if let Some(trouble) = &set.trouble {
            let text = RichText::new(format!("! {trouble}")).font(regular(12.0)).color(t.danger);
            ui.add(Label::new(text).wrap());
            let again = Command::Run(Action::PrepareAgain { side });
            command_button_sized(ui, state, out, again, "Prepare again", Look::Side(side), width);
            return;
        }
        let c = set.counts;
        if set.objects == 0 {
            note(ui, "nothing new: it says what was received");
        }
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().interact_size.y = 18.0;
            ui.spacing_mut().item_spacing.x = 4.0;
            for (n, sign, ink, fill, meaning) in [
                (c.new, "+", t.new, t.new_fill, "new"),
                (c.changed, "≠", t.sides[side], t.side_fill[side], "changed"),
                (c.deleted, "−", t.danger, t.danger_fill, "deleted"),
            ] {
                if n > 0 {
                    pill(ui, &format!("{sign} {n}"), ink, fill).on_hover_text(format!("{n} {meaning}"));
                }
            }
            if c.conflicts > 0 {
                let text = if narrow { format!("! {}", c.conflicts) } else { format!("! {} ahead", c.conflicts) };
                pill(ui, &text, t.conflict, t.conflict_fill)
                    .on_hover_text(format!("Applying the set now will find {}.", count(c.conflicts, "conflict")));
            }
            if c.combined > 0 {
                pill(ui, &format!("⊕ {}", c.combined), t.conflict, t.conflict_fill)
                    .on_hover_text(format!("Applying the set now will combine {}.", count(c.combined, "object")));
            }
        });
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            ui.spacing_mut().button_padding.x = if narrow { 2.0 } else { 4.0 };
            // The longer word has more of a narrow card, so that it keeps off its border.
            let share = if narrow { 0.53 } else { 0.5 };
            let [left, right] = [share, 1.0 - share].map(|share| (width - 6.0) * share);
            let preview = Command::Run(Action::Preview { file: set.file.clone(), rule: None });
            command_button_sized(ui, state, out, preview, "Preview…", Look::Plain, left).accessible_name(format!(
                "Preview set {} at {}",
                set.id,
                state.side_name(target)
            ));
            let apply = Command::Run(Action::Apply { side: target, file: set.file.clone(), rule: None });
            let text = if side == 0 { "Apply →" } else { "← Apply" };
            command_button_sized(ui, state, out, apply, text, Look::Side(side), right).accessible_name(format!(
                "Apply set {} at {}",
                set.id,
                state.side_name(target)
            ));
        });
        let save = Dialog::SaveAs { id: set.id, file: set.file.clone(), path: PathField::default() };
        command_button_sized(ui, state, out, Command::Ask(save), "Save as…", Look::Plain, width)
            .accessible_name(format!("Save set {} as…", set.id));
    });
}

/// Where a set file may be dropped. The whole window takes it; this says so.
fn drop_target(ui: &mut Ui, state: &State, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let hovering = ui.ctx().input(|i| !i.raw.hovered_files.is_empty());
    // Beside two cards there is room for the button alone; the whole window takes a file that is dropped.
    if ui.clip_rect().bottom() - ui.cursor().top() < 58.0 && !hovering {
        command_button_sized(ui, state, out, Command::OpenSetFile, "Open set file…", Look::Plain, ui.available_width())
            .on_hover_text("Or drop one anywhere on the window");
        return;
    }
    let frame = egui::Frame::new().inner_margin(egui::Margin::symmetric(9, 6));
    let response = frame.show(ui, |ui| {
        let width = ui.available_width();
        ui.vertical_centered(|ui| {
            let open = Command::OpenSetFile;
            command_button_sized(ui, state, out, open, "Open set file…", Look::Plain, width);
            ui.spacing_mut().interact_size.y = 16.0;
            ui.label(RichText::new("or drop one here").color(t.weak));
        });
    });
    let rect = response.response.rect.shrink(0.5);
    let ink = if hovering { t.sides[0] } else { t.border };
    if hovering {
        ui.painter().rect_stroke(rect, CornerRadius::same(7), Stroke::new(2.0, ink), egui::StrokeKind::Inside);
    } else {
        let corners = [rect.left_top(), rect.right_top(), rect.right_bottom(), rect.left_bottom(), rect.left_top()];
        ui.painter().extend(egui::Shape::dashed_line(&corners, Stroke::new(1.0, ink), 4.0, 3.0));
    }
}

/// The rule for orders, and what it does. `height`: what its words may take; what is longer scrolls. Where the lane is
/// `short`, the caution is left to the tip and to Why?, so that the first set's buttons stay in sight.
fn rule(ui: &mut Ui, state: &State, height: f32, short: bool, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let others = state.rule_for_others();
    let label = ui
        .horizontal(|ui| {
            ui.spacing_mut().interact_size.y = 18.0;
            let label = heading(ui, "On conflict");
            if let Some(others) = others {
                ui.label(RichText::new("for Order").color(t.weak));
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let back = Command::Run(Action::SetRule { class: Some(ORDER.to_owned()), rule: None });
                    let tip = format!("The rule for all classes: {}. {}", others.label(), rule_sentence(others, state));
                    let button = egui::Button::new(RichText::new("as for all").font(regular(12.0))).small();
                    let button = ui.add_enabled(back.enabled(state).is_ok(), button).on_hover_text(tip);
                    if button.accessible_name("Orders by the rule for all classes").clicked() {
                        out.push(back);
                    }
                });
            }
            label
        })
        .inner;
    let mut rule = state.rule();
    let enabled = Command::Rule(rule).enabled(state);
    let response = ui.add_enabled_ui(enabled.is_ok(), |ui| {
        let combo =
            ComboBox::from_id_salt("rule").height(260.0).width(ui.available_width()).selected_text(rule.label());
        combo.show_ui(ui, |ui| {
            for choice in Rule::ALL {
                let tip = format!("{} {}", rule_sentence(choice, state), choice.caution());
                ui.selectable_value(&mut rule, choice, choice.label()).on_hover_text(tip.trim_end());
            }
        })
    });
    let response = response.inner.response.labelled_by(label.id);
    note_spot(ui, Spot::Rule, response.rect);
    let sentence = rule_sentence(state.rule(), state);
    let caution = state.rule().caution();
    let tip = format!("{sentence} {caution}");
    match enabled {
        Err(reason) => response.on_disabled_hover_text(reason),
        Ok(()) => response.on_hover_text(tip.trim_end()),
    };
    if rule != state.rule() {
        out.push(Command::Rule(rule));
    }
    ScrollArea::vertical().id_salt("rule in words").auto_shrink([false, true]).max_height(height).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        note(ui, &sentence);
        let why = RichText::new("Why?").font(regular(12.0)).color(t.sides[0]).underline();
        if ui.add(egui::Link::new(why)).accessible_name("Why? What each rule does").clicked() {
            out.push(Command::Ask(Dialog::Rules));
        }
        // In a short lane that is read under Why?, which has it, too.
        if !caution.is_empty() && !short {
            let text = RichText::new(format!("! {caution}")).font(regular(12.0)).color(t.waiting);
            ui.add(Label::new(text).wrap());
        }
        let classes = state.snapshot.as_ref().map(|s| s.view.rules.classes.as_slice()).unwrap_or_default();
        let others = others.map(|rule| ("All others", rule));
        let named = classes.iter().filter(|(class, _)| class != ORDER).map(|(class, rule)| (class.as_str(), *rule));
        for (class, rule) in named.chain(others) {
            let text = RichText::new(format!("{class}: {}", rule.label())).font(regular(12.0)).color(t.text);
            ui.add(Label::new(text).wrap()).on_hover_text(rule_sentence(rule, state));
        }
    });
}
