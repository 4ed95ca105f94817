//! The window on a mock, driven by label as a screen reader would.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use eframe::egui::{self, Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};

use crate::mock::{MockBackend, Switchboard};
use crate::raster::Textures;
use objsync::app::app::App;
use objsync::app::theme;
use objsync::app::view::Action;

/// The window on a mock with 20 orders on both sides and the eight differences of the mock.
pub struct Window {
    pub harness: Harness<'static, Option<App>>,
    pub board: Arc<Mutex<Switchboard>>,
}

impl Window {
    pub fn open() -> Self {
        Self::open_at(1600.0, 1000.0)
    }

    pub fn open_at(width: f32, height: f32) -> Self {
        let mut window = Self::start(width, height, Switchboard::default());
        window.until("the first view", |w| w.app().state().snapshot.is_some());
        window
    }

    /// With what is open, combined, taken back, applied and waiting.
    pub fn open_with_more() -> Self {
        let mut window = Self::start(1600.0, 1000.0, Switchboard { more: true, ..Switchboard::default() });
        window.until("the first view", |w| w.app().state().snapshot.is_some());
        window
    }

    pub fn start(width: f32, height: f32, board: Switchboard) -> Self {
        let board = Arc::new(Mutex::new(board));
        let shared = board.clone();
        let make = move |ctx: &egui::Context| App::new(ctx, Box::new(MockBackend::new(20, shared)));
        Self::with(width, height, board, Textures::default(), make)
    }

    /// With so many orders that they are sorted beside the window.
    pub fn open_with_many() -> Self {
        let board = Arc::new(Mutex::new(Switchboard::default()));
        let shared = board.clone();
        let make = move |ctx: &egui::Context| App::new(ctx, Box::new(MockBackend::new(25_000, shared)));
        let mut window = Self::with(1600.0, 1000.0, board, Textures::default(), make);
        window.until("sorted rows", |w| w.app().state().rows[0].len() > 25_000);
        window
    }

    /// One whose pictures can be taken.
    pub fn painted([width, height]: [f32; 2], board: Switchboard, textures: Textures) -> Self {
        let board = Arc::new(Mutex::new(board));
        let shared = board.clone();
        let make = move |ctx: &egui::Context| App::new(ctx, Box::new(MockBackend::new(20, shared)));
        Self::with(width, height, board, textures, make)
    }

    fn with(
        width: f32,
        height: f32,
        board: Arc<Mutex<Switchboard>>,
        textures: Textures,
        make: impl FnOnce(&egui::Context) -> App + 'static,
    ) -> Self {
        let mut make = Some(make);
        let harness = Harness::builder()
            .with_size(egui::vec2(width, height))
            .renderer(textures)
            .with_step_dt(1.0 / 60.0)
            .with_context_setup(theme::install)
            .build_ui_state(
                move |ui, app: &mut Option<App>| {
                    if let Some(make) = make.take() {
                        *app = Some(make(ui.ctx()));
                    }
                    app.as_mut().unwrap().show(ui);
                },
                None,
            );
        Window { harness, board }
    }

    /// With settings from before, in a file.
    pub fn open_remembering(file: &std::path::Path) -> Self {
        let board = Arc::new(Mutex::new(Switchboard::default()));
        let (shared, file) = (board.clone(), file.to_owned());
        let make = move |ctx: &egui::Context| App::remembering(ctx, Box::new(MockBackend::new(20, shared)), file);
        let mut window = Self::with(1600.0, 1000.0, board, Textures::default(), make);
        window.until("the first view", |w| w.app().state().snapshot.is_some());
        window
    }

    /// What no key or button can bring about.
    pub fn state_mut(&mut self) -> &mut objsync::app::state::State {
        self.harness.state_mut().as_mut().unwrap().state_mut()
    }

    pub fn keys(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.harness.run_steps(4);
    }

    pub fn app(&self) -> &App {
        self.harness.state().as_ref().unwrap()
    }

    /// Runs frames until something holds; the worker needs its time.
    pub fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        loop {
            self.harness.step();
            if holds(self) {
                break;
            }
            assert!(start.elapsed() < Duration::from_secs(10), "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
        self.harness.run_steps(4);
    }

    pub fn shows(&self, label: &str) -> bool {
        self.harness.query_all_by_label_contains(label).next().is_some()
    }

    pub fn press(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        self.harness.run_steps(5);
    }

    pub fn key(&mut self, key: Key) {
        self.harness.key_press(key);
        self.harness.run_steps(4);
    }

    pub fn type_text(&mut self, text: &str) {
        self.harness.event(egui::Event::Text(text.to_owned()));
        self.harness.run_steps(4);
    }

    /// Chooses an entry of a box with a list.
    pub fn choose(&mut self, name: &str, entry: &str) {
        self.harness.get_by_role_and_label(egui::Role::ComboBox, name).click();
        self.harness.run_steps(5);
        self.harness.get_by_role_and_label(egui::Role::Button, entry).click();
        self.harness.run_steps(5);
    }

    /// What a field says.
    pub fn value(&self, label: &str) -> String {
        let field = self.harness.get_by_role_and_label(egui::Role::TextInput, label);
        field.accesskit_node().value().unwrap_or_default()
    }

    pub fn disabled(&self, label: &str) -> bool {
        self.harness.get_by_label(label).accesskit_node().is_disabled()
    }

    pub fn actions(&self) -> Vec<Action> {
        self.board.lock().unwrap().actions.clone()
    }

    pub fn idle(&mut self) {
        self.until("the worker", |w| w.app().state().running.is_none());
    }

    pub fn edit_cell(&mut self, label: &str) {
        self.press(label);
        self.key(Key::F2);
        assert!(self.shows(&format!("Edit {label}")), "no editor opened at {label}");
    }
}
