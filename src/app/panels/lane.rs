//! Between the panes: what each direction has to send, the sets prepared, and the rule for conflicts.

use eframe::egui::{self, Align, ComboBox, CornerRadius, Label, Layout, RichText, ScrollArea, Stroke, Ui, UiBuilder};

use crate::app::command::{Command, rule_name, rule_sentence};
use crate::app::dialogs::{Dialog, PathField};
use crate::app::snapshot::count;
use crate::app::state::State;
use crate::app::theme::{SMALL, TEXT, Tokens, mono, semibold};
use crate::app::view::{Action, SetCard, SideIndex};
use crate::app::widgets::{Look, card, command_button_sized, fact, heading, note, pill};
use crate::sync::Rule;

/// Height of what stays at the bottom, points.
const FOOT: f32 = 46.0;

/// Both directions, the drop target, the rule; `Sync both ways` stays at the bottom.
pub fn show(ui: &mut Ui, state: &State, out: &mut Vec<Command>) {
    let all = ui.max_rect();
    let (body, foot) = all.split_top_bottom_at_y(all.bottom() - FOOT);
    ui.scope_builder(UiBuilder::new().id_salt("lane body").max_rect(body), |ui| {
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.set_max_width(all.width());
            for side in [0, 1] {
                direction(ui, state, side, out);
                ui.separator();
            }
            drop_target(ui, state, out);
            ui.add_space(4.0);
            rule(ui, state, out);
        });
    });
    ui.scope_builder(UiBuilder::new().id_salt("lane foot").max_rect(foot), |ui| {
        ui.add_space(8.0);
        ui.spacing_mut().interact_size.y = 34.0;
        let text = Command::SyncBoth.button(state);
        command_button_sized(ui, state, out, Command::SyncBoth, &text, Look::Plain, all.width());
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
        note(ui, "Nothing to send");
    } else {
        let after = format!(
            " {} in {} to send",
            if lane.objects == 1 { "object" } else { "objects" },
            count(lane.transactions, "transaction")
        );
        fact(ui, "", &crate::app::snapshot::grouped(lane.objects as u64), &after, t.strong);
    }
    let prepare = Command::Prepare(side);
    let text = prepare.button(state);
    command_button_sized(ui, state, out, prepare, &text, Look::Side(side), width);
    for set in &lane.prepared {
        ui.push_id(("set", side, set.id), |ui| set_card(ui, state, side, set, out));
    }
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
        ui.add(Label::new(RichText::new(file).font(mono(SMALL)).color(t.weak)).truncate())
            .on_hover_text(set.file.display().to_string());
        let c = set.counts;
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
        });
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            ui.spacing_mut().button_padding.x = 4.0;
            let half = (width - 6.0) / 2.0;
            let apply = Command::Run(Action::Apply { side: target, file: set.file.clone(), rule: state.rule });
            let text = if side == 0 { "Apply →" } else { "← Apply" };
            command_button_sized(ui, state, out, apply, text, Look::Side(side), half).accessible_name(format!(
                "Apply set {} at {}",
                set.id,
                state.side_name(target)
            ));
            let save = Dialog::SaveAs { id: set.id, file: set.file.clone(), path: PathField::default() };
            command_button_sized(ui, state, out, Command::Ask(save), "Save as…", Look::Plain, half)
                .accessible_name(format!("Save set {} as…", set.id));
        });
    });
}

/// Where a set file may be dropped. The whole window takes it; this says so.
fn drop_target(ui: &mut Ui, state: &State, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let hovering = ui.ctx().input(|i| !i.raw.hovered_files.is_empty());
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
    let rect = response.response.rect;
    let ink = if hovering { t.sides[0] } else { t.border };
    if hovering {
        ui.painter().rect_stroke(rect, CornerRadius::same(7), Stroke::new(2.0, ink), egui::StrokeKind::Inside);
    } else {
        let corners = [rect.left_top(), rect.right_top(), rect.right_bottom(), rect.left_bottom(), rect.left_top()];
        ui.painter().extend(egui::Shape::dashed_line(&corners, Stroke::new(1.0, ink), 4.0, 3.0));
    }
}

fn rule(ui: &mut Ui, state: &State, out: &mut Vec<Command>) {
    let label = heading(ui, "On conflict");
    let mut rule = state.rule;
    let combo = ComboBox::from_id_salt("rule").width(ui.available_width()).selected_text(rule_name(rule));
    let response = combo.show_ui(ui, |ui| {
        for choice in [Rule::ClientWins, Rule::LatestWins] {
            ui.selectable_value(&mut rule, choice, rule_name(choice));
        }
    });
    response.response.labelled_by(label.id);
    if rule != state.rule {
        out.push(Command::Rule(rule));
    }
    note(ui, &rule_sentence(rule, state));
}
