//! One frame, in order:
//!
//! 1. take what the worker and the file chooser have brought
//! 2. read keys and dropped files; both become commands
//! 3. draw the panels from a read-only state; they push commands
//! 4. draw the open dialog, which changes its own fields only
//! 5. handle the commands: the one place where the state changes
//! 6. ask for another frame only while something fades or runs

use std::time::Duration;

use eframe::egui::{self, Key, Modifiers, Ui};

use super::command::{Command, Step, WITH_SHORTCUTS};
use super::dialogs::{self, Chooser};
use super::panels;
use super::state::{FLASH_SECONDS, State};
use super::view::Backend;
use super::worker::Worker;

/// Below this height the dock starts folded, points.
const SMALL_WINDOW: f32 = 860.0;
/// An action that takes longer than this gets a spinner.
pub(super) const SLOW: Duration = Duration::from_millis(200);

/// The window.
pub struct App {
    pub(super) worker: Worker,
    pub(super) state: State,
    pub(super) chooser: Option<Chooser>,
    scrolling: panels::Scrolling,
}

impl App {
    /// Starts the worker with its backend. [`theme::install`](super::theme::install) must have run on the context.
    pub fn new(ctx: &egui::Context, backend: Box<dyn Backend>) -> App {
        let wake = ctx.clone();
        let worker = Worker::start(backend, move || wake.request_repaint());
        let progress = worker.progress.clone();
        App {
            worker,
            state: State { progress, ..State::default() },
            chooser: None,
            scrolling: panels::Scrolling::default(),
        }
    }

    /// What the window remembers.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// One frame.
    pub fn show(&mut self, ui: &mut Ui) {
        let ctx = ui.ctx().clone();
        self.take_news(&ctx);
        self.state.dock_open.get_or_insert(ui.available_height() >= SMALL_WINDOW);

        let mut out = Vec::new();
        self.read_keys(&ctx, &mut out);
        for file in ctx.input_mut(|i| std::mem::take(&mut i.raw.dropped_files)) {
            out.push(Command::Dropped(file.path().to_owned()));
        }

        let look_at = self.state.look_at.take();
        self.scrolling.to = [0, 1].map(|side| look_at.and_then(|guid| self.state.row_of(side, guid)));
        panels::show(ui, &self.state, &mut self.scrolling, &mut out);

        if let Some(mut dialog) = self.state.dialog.take() {
            match dialogs::show(ui, &self.state, &mut dialog, &mut out) {
                true => self.state.dialog = Some(dialog),
                false => self.state.close(),
            }
        }

        for command in out {
            self.handle(&ctx, command);
        }
        self.plan_next_frame(&ctx);
    }

    fn read_keys(&self, ctx: &egui::Context, out: &mut Vec<Command>) {
        if self.state.dialog.is_some() || egui::Popup::is_any_open(ctx) {
            return;
        }
        let side = self.state.selection.side;
        // Keys without Ctrl belong to whatever has the focus, and to the table when nothing has.
        let typing = ctx.egui_wants_keyboard_input();
        for command in WITH_SHORTCUTS {
            let Some(keys) = command.shortcut() else { continue };
            if (typing && keys.modifiers.is_none()) || !ctx.input_mut(|i| i.consume_shortcut(&keys)) {
                continue;
            }
            let command = match command {
                Command::EditOrder(_) => Command::EditOrder(side),
                Command::DeleteOrders(_) => Command::DeleteOrders(side),
                Command::History(_) => Command::History(side),
                other => other,
            };
            out.push(command);
        }
        if typing || self.state.editor.is_some() {
            return;
        }
        let page = self.scrolling.page_rows.max(1) as isize;
        let steps = [
            (Key::ArrowDown, Step::Rows(1)),
            (Key::ArrowUp, Step::Rows(-1)),
            (Key::PageDown, Step::Rows(page)),
            (Key::PageUp, Step::Rows(-page)),
            (Key::Home, Step::First),
            (Key::End, Step::Last),
            (Key::ArrowRight, Step::Columns(1)),
            (Key::ArrowLeft, Step::Columns(-1)),
        ];
        ctx.input_mut(|i| {
            for (key, step) in steps {
                for _ in 0..i.count_and_consume_key(Modifiers::NONE, key) {
                    out.push(Command::Move(step));
                }
            }
            if i.consume_key(Modifiers::NONE, Key::Enter) {
                out.push(Command::EditOrder(side));
            }
            if i.consume_key(Modifiers::NONE, Key::Slash) {
                out.push(Command::FocusFilter(side));
            }
        });
    }

    fn plan_next_frame(&mut self, ctx: &egui::Context) {
        let now = ctx.input(|i| i.time);
        self.state.flash.retain(|_, since| now - *since < FLASH_SECONDS);
        if !self.state.flash.is_empty() {
            ctx.request_repaint_after(Duration::from_millis(33));
        }
        if let Some(running) = &self.state.running {
            // Only to bring up the spinner; it keeps itself turning.
            ctx.request_repaint_after(SLOW.saturating_sub(running.since.elapsed()).max(Duration::from_millis(20)));
        }
    }
}

impl eframe::App for App {
    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        self.show(ui);
    }

    fn persist_egui_memory(&self) -> bool {
        false
    }
}
