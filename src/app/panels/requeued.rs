//! What waits at a side, why, and what can be done about it.

use eframe::egui::{Align, Frame, Label, Layout, Link, Margin, RichText, ScrollArea, Ui};

use crate::app::command::Command;
use crate::app::snapshot::Snapshot;
use crate::app::state::{ListId, PaneTab, State};
use crate::app::theme::{TEXT, Tokens, regular, semibold};
use crate::app::tour::Spot;
use crate::app::view::{Action, Requeued, SideIndex};
use crate::app::widgets::{Look, command_button, note, note_spot, pill};

/// How many are laid out; more are found by the filter.
const SHOWN: usize = 300;

/// The list of a side.
pub fn show(ui: &mut Ui, state: &State, snapshot: &Snapshot, side: SideIndex, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let waiting = &snapshot.view.sides[side].requeued;
    ScrollArea::vertical().id_salt(("requeued", side)).auto_shrink(false).show(ui, |ui| {
        let listed = Frame::new().inner_margin(Margin::same(14)).show(ui, |ui| {
            if waiting.is_empty() {
                note(ui, "Nothing waits. An object that cannot be applied yet, because something it refers to has not arrived, waits here and is tried again after every set.");
                return;
            }
            ui.horizontal(|ui| {
                command_button(ui, state, out, Command::Run(Action::Retry { side }), Look::Side(side));
                note(ui, "It is also tried again after every set.");
            });
            ui.add_space(4.0);
            let needle = state.needle(ListId::Pane(side, PaneTab::Requeued));
            let found = |r: &&Requeued| {
                let text = format!("{} {} {} {}", r.title, r.cause, r.set, r.reason);
                text.to_lowercase().contains(&needle)
            };
            let all: Vec<&Requeued> = waiting.iter().filter(found).collect();
            if all.len() > SHOWN {
                note(ui, &format!("The first {SHOWN} of {}; the filter finds the others.", all.len()));
            }
            for object in all.into_iter().take(SHOWN) {
                ui.horizontal(|ui| {
                    pill(ui, &format!("? {}", object.cause), t.waiting, t.waiting_fill);
                    let title = RichText::new(&object.title).font(semibold(TEXT)).color(t.strong);
                    let link = ui.add(Link::new(title)).accessible_name(format!("Go to {}", object.title));
                    if link.clicked() {
                        out.push(Command::Reveal(side, object.guid));
                    }
                    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                        let discard = Action::Discard { side, ids: vec![object.id], confirmed: false };
                        command_button(ui, state, out, Command::Run(discard), Look::Plain);
                        let set = RichText::new(format!("came in {}", object.set)).color(t.weak);
                        ui.add(Label::new(set).truncate());
                    });
                });
                ui.add(Label::new(RichText::new(&object.reason).font(regular(TEXT))).wrap());
                ui.separator();
            }
        });
        if !waiting.is_empty() {
            note_spot(ui, Spot::Listed(side), listed.response.rect);
        }
    });
}
