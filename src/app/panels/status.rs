//! The status line and the error bar.

use std::path::Path;

use eframe::egui::{self, Align, Label, Layout, RichText, Sense, Spinner, Ui};

use crate::app::app::SLOW;
use crate::app::command::{Command, in_words};
use crate::app::state::State;
use crate::app::theme::{SMALL, Tokens, medium, regular};
use crate::app::view::Failure;
use crate::app::widgets::{Look, command_button};
use crate::words::grouped;

/// The last result, or what is being done.
pub fn line(ui: &mut Ui, state: &State, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    ui.horizontal(|ui| {
        ui.set_min_height(18.0);
        ui.spacing_mut().interact_size.y = 18.0;
        let running = state.running.as_ref().filter(|r| r.since.elapsed() >= SLOW);
        let text = match running {
            Some(running) => {
                ui.add(Spinner::new().size(12.0).color(t.waiting));
                let seconds = running.since.elapsed().as_secs();
                let step = state.progress.now().map(|step| {
                    let total = step.total.map(|n| format!(" of {}", grouped(n as u64))).unwrap_or_default();
                    format!("{} {}{total}, ", step.what, grouped(step.done as u64))
                });
                let what = first_upper(&in_words(&running.action, state));
                command_button(ui, state, out, Command::CancelWork, Look::Plain);
                format!("{what}…  {}{seconds} s", step.unwrap_or_default())
            }
            None => {
                let (rect, _) = ui.allocate_exact_size(egui::vec2(10.0, 12.0), Sense::hover());
                let ink = if state.error.is_some() { t.danger } else { t.weak };
                ui.painter().circle_filled(rect.center(), 3.5, ink);
                if state.status.is_empty() { "Ready".to_owned() } else { state.status.clone() }
            }
        };
        // However long it is, it leaves room for what stands at the right.
        ui.scope(|ui| {
            ui.set_max_width(ui.available_width() * 0.6);
            ui.add(Label::new(RichText::new(&text).font(regular(12.0)).color(t.text)).truncate());
        });
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let weak = |text: &str| RichText::new(text).font(regular(12.0)).color(t.weak);
            ui.label(weak("Changes by other programs appear here"));
            let why_not = state.snapshot.as_ref().and_then(|s| s.view.rest.why_not.as_ref());
            if let Some(address) = &state.rest {
                ui.add_space(10.0);
                ui.label(weak(&format!("REST on {}", address.trim_start_matches("http://"))));
            } else if let Some(why) = why_not {
                ui.add_space(10.0);
                ui.label(weak("REST is not served")).on_hover_text(why);
            }
            if let Some(snapshot) = &state.snapshot {
                ui.add_space(10.0);
                let dir = shortened(&snapshot.view.dir);
                ui.add(Label::new(weak(&dir)).truncate()).on_hover_text(snapshot.view.dir.display().to_string());
            }
        });
    });
}

/// What failed, what was not changed, what to do next. Stays until dismissed.
pub fn error(ui: &mut Ui, error: &Failure, state: &State, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    ui.with_layout(Layout::right_to_left(Align::TOP), |ui| {
        command_button(ui, state, out, Command::DismissError, Look::Plain);
        ui.with_layout(Layout::top_down(Align::LEFT), |ui| {
            ui.add(
                Label::new(RichText::new(format!("!  {}", error.message)).font(medium(13.0)).color(t.danger)).wrap(),
            );
            if !error.hint.is_empty() {
                ui.add(Label::new(RichText::new(&error.hint).font(regular(SMALL + 1.0)).color(t.text)).wrap());
            }
        });
    });
}

/// The home folder as people write it.
fn shortened(dir: &Path) -> String {
    let inside = std::env::home_dir().and_then(|home| dir.strip_prefix(home).map(Path::to_owned).ok());
    match inside {
        Some(rest) => format!("~/{}", rest.display()),
        None => dir.display().to_string(),
    }
}

fn first_upper(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
