//! One frame, in order:
//!
//! 1. take what the worker and the file chooser have brought
//! 2. read keys and dropped files; both become commands
//! 3. draw the panels from a read-only state; they push commands
//! 4. draw the open dialog, which changes its own fields only
//! 5. handle the commands: the one place where the state changes
//! 6. ask for another frame only while something fades or runs

use std::path::PathBuf;
use std::time::Duration;

use eframe::egui::{self, Key, KeyboardShortcut, Modifiers, ThemePreference, Ui};

use super::command::{Command, Step, Zoom, with_shortcuts};
use super::dialogs::{self, Chooser};
use super::panels;
use super::settings::Settings;
use super::sorter::Sorter;
use super::state::{FLASH_SECONDS, FLIGHT_SECONDS, State};
use super::theme;
use super::view::{Action, Backend, SideIndex};
use super::worker::Worker;

/// Below this height the dock starts folded, points.
const SMALL_WINDOW: f32 = 860.0;
/// How much larger everything is in a presentation.
const PRESENTED: f32 = 1.25;
/// An action that takes longer than this gets a spinner.
pub(super) const SLOW: Duration = Duration::from_millis(200);

/// The window.
pub struct App {
    pub(super) worker: Worker,
    pub(super) state: State,
    pub(super) chooser: Option<Chooser>,
    pub(super) sorter: Sorter,
    scrolling: panels::Scrolling,
    /// Where settings are kept, and what is there.
    kept: Option<(PathBuf, Settings)>,
    /// The window's size, points at the usual zoom.
    size: [f32; 2],
    /// Something had the focus when the last frame ended.
    had_focus: bool,
    /// The window was high enough for a dock when the last frame was drawn.
    had_room: bool,
    /// What the context was told last.
    applied: Option<Settings>,
}

impl App {
    /// Starts the worker with its backend. [`theme::install`] must have run on the context.
    pub fn new(ctx: &egui::Context, backend: Box<dyn Backend>) -> App {
        let (wake, again) = (ctx.clone(), ctx.clone());
        let worker = Worker::start(backend, move || wake.request_repaint());
        let progress = worker.progress.clone();
        App {
            worker,
            state: State { progress, ..State::default() },
            chooser: None,
            sorter: Sorter::start(move || again.request_repaint()),
            scrolling: panels::Scrolling::default(),
            kept: None,
            size: Settings::default().window,
            had_focus: false,
            had_room: false,
            applied: None,
        }
    }

    /// The same with settings from before, which are kept in a file. Who has not seen the tour is offered it.
    pub fn remembering(ctx: &egui::Context, backend: Box<dyn Backend>, file: PathBuf) -> App {
        let settings = Settings::load(&file);
        let mut app = App::new(ctx, backend);
        app.state.query.side_by_side = settings.side_by_side;
        app.state.scroll_together = settings.scroll_together;
        app.state.offer_tour = !settings.toured;
        app.state.dock_open = settings.dock;
        app.state.dock_chosen = settings.dock.is_some();
        app.state.settings = settings.clone();
        // It says in the status line where, or why not; nothing waits for it.
        let _ = app.worker.send(Action::Serve { rest: settings.rest.clone() });
        app.kept = Some((file, settings));
        app
    }

    /// What the window remembers.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The same, to be told what it cannot find out by itself, such as where REST is served.
    pub fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// One frame.
    pub fn show(&mut self, ui: &mut Ui) {
        let ctx = ui.ctx().clone();
        self.apply_settings(&ctx);
        self.size = (ctx.content_rect().size() * ctx.zoom_factor()).into();
        self.take_news(&ctx);
        let room = ui.available_height() >= SMALL_WINDOW;
        self.state.dock_open.get_or_insert(room);
        // In a window that was made small, a dock that tells nothing and that nobody has unfolded gives way first.
        if std::mem::replace(&mut self.had_room, room)
            && !room
            && !self.state.dock_chosen
            && !panels::dock_tells(&self.state)
        {
            self.state.dock_open = Some(false);
        }

        let mut out = Vec::new();
        self.read_keys(&ctx, &mut out);
        for file in ctx.input_mut(|i| std::mem::take(&mut i.raw.dropped_files)) {
            out.push(Command::Dropped(file.path().to_owned()));
        }

        let look_at = self.state.look_at.take();
        self.scrolling.to = [0, 1].map(|side| look_at.and_then(|guid| self.state.row_of(side, guid)));
        if self.state.sorting && self.scrolling.to == [None, None] {
            // What is to be seen may be among the rows that are on their way.
            self.state.look_at = look_at;
        }
        panels::show(ui, &self.state, &mut self.scrolling, &mut out);
        let opened = self.state.dialog.is_some();

        if let Some(mut dialog) = self.state.dialog.take() {
            match dialogs::show(ui, &self.state, &mut dialog, &mut out) {
                true => self.state.dialog = Some(dialog),
                false => {
                    self.state.close();
                    self.state.dialog = dialog.back();
                }
            }
        }

        panels::bubble(ui, &self.state, opened, &mut out);

        for command in out {
            self.handle(&ctx, command);
        }
        if std::mem::take(&mut self.state.unsorted)
            && let Some(snapshot) = &self.state.snapshot
        {
            self.sorter.ask(snapshot.clone(), self.state.query.clone());
        }
        self.had_focus = ctx.memory(|m| m.focused().is_some());
        self.plan_next_frame(&ctx);
    }

    /// Tells the context what was set, and keeps it.
    fn apply_settings(&mut self, ctx: &egui::Context) {
        let settings = &self.state.settings;
        if self.applied.as_ref() == Some(settings) {
            return;
        }
        let contrast = self.applied.as_ref().is_some_and(|a| a.high_contrast);
        if settings.high_contrast != contrast {
            theme::set_contrast(ctx, settings.high_contrast);
        }
        ctx.set_theme(match (settings.high_contrast, settings.dark) {
            (true, _) | (_, Some(true)) => ThemePreference::Dark,
            (_, Some(false)) => ThemePreference::Light,
            (_, None) => ThemePreference::System,
        });
        // Our own keys do it, so that the palette and the sheet name them.
        ctx.options_mut(|o| o.zoom_with_keyboard = false);
        let larger = if settings.presentation { PRESENTED } else { 1.0 };
        ctx.set_zoom_factor(settings.zoom * larger);
        self.applied = Some(settings.clone());
        self.keep();
    }

    /// Writes the settings where they are others than those in the file.
    fn keep(&mut self) {
        let Some((file, kept)) = &mut self.kept else { return };
        if *kept != self.state.settings {
            // Not worth a message: everything works without.
            let _ = self.state.settings.save(file);
            *kept = self.state.settings.clone();
        }
    }

    fn read_keys(&self, ctx: &egui::Context, out: &mut Vec<Command>) {
        if self.state.dialog.is_some() || egui::Popup::is_any_open(ctx) {
            return;
        }
        let side = self.state.selection.side;
        // Keys without Ctrl belong to whatever has the focus, and to the table when nothing has.
        let typing = ctx.egui_wants_keyboard_input();
        for command in with_shortcuts() {
            let Some(keys) = command.shortcut() else { continue };
            let for_text = keys.modifiers.is_none() || edits_text(&command);
            // A plus is typed in several ways.
            let also = (command == Command::Zoom(Zoom::In)).then(|| KeyboardShortcut::new(keys.modifiers, Key::Equals));
            let pressed = |i: &mut egui::InputState| {
                i.consume_shortcut(&keys) || also.is_some_and(|also| i.consume_shortcut(&also))
            };
            if (typing && for_text && !is_function_key(keys.logical_key)) || !ctx.input_mut(pressed) {
                continue;
            }
            out.push(at_side(command, side));
        }
        // The system's word for Ctrl C.
        if !typing && ctx.input(|i| i.events.contains(&egui::Event::Copy)) {
            out.push(Command::CopyOrders(side));
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
                for _ in 0..i.count_and_consume_key(Modifiers::SHIFT, key) {
                    out.push(Command::Extend(step));
                }
                for _ in 0..i.count_and_consume_key(Modifiers::NONE, key) {
                    out.push(Command::Move(step));
                }
            }
            if self.state.tour.is_some() && i.consume_key(Modifiers::NONE, Key::Escape) {
                out.push(Command::TourLeave);
            }
            // In a field, Esc has let go of that field.
            let past = [side, 1 - side].into_iter().find(|side| self.state.travel[*side].is_some());
            if !self.had_focus && self.state.offers_tour() && i.consume_key(Modifiers::NONE, Key::Escape) {
                out.push(Command::DeclineTour);
            } else if let Some(side) = past.filter(|_| !self.had_focus)
                && i.consume_key(Modifiers::NONE, Key::Escape)
            {
                out.push(Command::TimeTravel(side));
            }
            if i.consume_key(Modifiers::NONE, Key::Enter) {
                let next = self.state.tour.as_ref().is_some_and(|tour| tour.has_next());
                out.push(if next { Command::TourNext } else { Command::EditOrder(side) });
            }
            if i.consume_key(Modifiers::NONE, Key::Slash) {
                out.push(Command::FocusFilter(side));
            }
        });
    }

    fn plan_next_frame(&mut self, ctx: &egui::Context) {
        let now = ctx.input(|i| i.time);
        self.state.flash.retain(|_, since| now - *since < FLASH_SECONDS);
        let earliest = self.state.flash.values().copied().reduce(f64::min);
        if let Some(since) = earliest {
            // Where nothing fades, once more when the first one ends.
            let wait = if self.state.settings.animations { 0.033 } else { FLASH_SECONDS - (now - since) };
            ctx.request_repaint_after(Duration::from_secs_f64(wait.max(0.001)));
        }
        self.state.flight = self.state.flight.take().filter(|flight| now - flight.since < FLIGHT_SECONDS);
        if self.state.flight.is_some() {
            ctx.request_repaint();
        }
        if let Some(running) = &self.state.running {
            // Only to bring up the spinner; it keeps itself turning.
            ctx.request_repaint_after(SLOW.saturating_sub(running.since.elapsed()).max(Duration::from_millis(20)));
        }
    }
}

/// Keys that a text field needs for itself.
fn edits_text(command: &Command) -> bool {
    matches!(command, Command::Undo | Command::Redo | Command::SelectAll | Command::CopyOrders(_))
}

/// They mean nothing to a text field.
fn is_function_key(key: Key) -> bool {
    matches!(key, Key::F1 | Key::F6 | Key::F8 | Key::F9 | Key::F11)
}

/// What one key does at whichever side was clicked last.
fn at_side(command: Command, side: SideIndex) -> Command {
    match command {
        Command::EditOrder(_) => Command::EditOrder(side),
        Command::DeleteOrders(_) => Command::DeleteOrders(side),
        Command::History(_) => Command::History(side),
        Command::CopyOrders(_) => Command::CopyOrders(side),
        other => other,
    }
}

impl eframe::App for App {
    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        self.show(ui);
    }

    fn persist_egui_memory(&self) -> bool {
        false
    }

    fn on_exit(&mut self, _gl: Option<&eframe::glow::Context>) {
        self.state.settings.window = self.size;
        self.keep();
    }
}
