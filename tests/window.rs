//! The window driven by label, as a screen reader would: what is pressed, what is asked of the engine, what is shown.

#![cfg(feature = "app")]

#[path = "window/mock.rs"]
mod mock;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use eframe::egui::{self, Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};

use mock::{MockBackend, Switchboard};
use objsync::app::app::App;
use objsync::app::state::ConflictPick;
use objsync::app::theme;
use objsync::app::view::{Action, Choose, Failure, PickValue};
use objsync::demo::model::OrderDraft;
use objsync::sync::Rule;

/// The window on a mock with 20 orders on both sides and the eight differences of the mock.
struct Window {
    harness: Harness<'static, Option<App>>,
    board: Arc<Mutex<Switchboard>>,
}

impl Window {
    fn open() -> Self {
        Self::open_at(1600.0, 1000.0)
    }

    fn open_at(width: f32, height: f32) -> Self {
        let mut window = Self::start(width, height, Switchboard::default());
        window.until("the first view", |w| w.app().state().snapshot.is_some());
        window
    }

    /// With what is open, combined, taken back, applied and waiting.
    fn open_with_more() -> Self {
        let mut window = Self::start(1600.0, 1000.0, Switchboard { more: true, ..Switchboard::default() });
        window.until("the first view", |w| w.app().state().snapshot.is_some());
        window
    }

    fn start(width: f32, height: f32, board: Switchboard) -> Self {
        let board = Arc::new(Mutex::new(board));
        let mut backend = Some(Box::new(MockBackend::new(20, board.clone())));
        let harness = Harness::builder()
            .with_size(egui::vec2(width, height))
            .with_step_dt(1.0 / 60.0)
            .with_context_setup(theme::install)
            .build_ui_state(
                move |ui, app: &mut Option<App>| {
                    if let Some(backend) = backend.take() {
                        *app = Some(App::new(ui.ctx(), backend));
                    }
                    app.as_mut().unwrap().show(ui);
                },
                None,
            );
        Window { harness, board }
    }

    fn app(&self) -> &App {
        self.harness.state().as_ref().unwrap()
    }

    /// Runs frames until something holds; the worker needs its time.
    fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
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

    fn shows(&self, label: &str) -> bool {
        self.harness.query_all_by_label_contains(label).next().is_some()
    }

    fn press(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        self.harness.run_steps(5);
    }

    fn key(&mut self, key: Key) {
        self.harness.key_press(key);
        self.harness.run_steps(4);
    }

    fn type_text(&mut self, text: &str) {
        self.harness.event(egui::Event::Text(text.to_owned()));
        self.harness.run_steps(4);
    }

    /// Chooses an entry of a box with a list.
    fn choose(&mut self, name: &str, entry: &str) {
        self.harness.get_by_role_and_label(egui::Role::ComboBox, name).click();
        self.harness.run_steps(5);
        self.harness.get_by_role_and_label(egui::Role::Button, entry).click();
        self.harness.run_steps(5);
    }

    /// What a field says.
    fn value(&self, label: &str) -> String {
        let field = self.harness.get_by_role_and_label(egui::Role::TextInput, label);
        field.accesskit_node().value().unwrap_or_default()
    }

    fn disabled(&self, label: &str) -> bool {
        self.harness.get_by_label(label).accesskit_node().is_disabled()
    }

    fn actions(&self) -> Vec<Action> {
        self.board.lock().unwrap().actions.clone()
    }

    fn idle(&mut self) {
        self.until("the worker", |w| w.app().state().running.is_none());
    }

    fn edit_cell(&mut self, label: &str) {
        self.press(label);
        self.key(Key::F2);
        assert!(self.shows(&format!("Edit {label}")), "no editor opened at {label}");
    }
}

#[test]
fn a_random_order_is_asked_for_and_its_row_shows() {
    let mut window = Window::open();
    assert!(!window.shows("Order 24 at MASTER"));
    window.press("Random order at MASTER");
    window.until("the row", |w| w.shows("Order 24 at MASTER"));
    assert_eq!(window.actions(), [Action::RandomOrders { side: 0, count: 1 }]);
    assert!(window.shows("Order 24 not at CLIENT yet"), "the other side has no ghost row");
}

#[test]
fn a_wrong_quantity_shows_the_reason_and_files_nothing() {
    let mut window = Window::open();
    window.edit_cell("Quantity of order 20 at MASTER");
    window.type_text("5000");
    assert!(window.shows("out of range: it lies between 0 and 1000"));
    window.key(Key::Enter);
    assert!(window.shows("Edit Quantity of order 20"), "the editor closed on a wrong text");
    window.key(Key::Escape);
    assert!(!window.shows("Edit Quantity of order 20"));
    assert_eq!(window.actions(), []);
}

#[test]
fn a_right_quantity_is_filed_and_tab_moves_on() {
    let mut window = Window::open();
    window.edit_cell("Quantity of order 20 at CLIENT");
    window.type_text("12.5");
    window.key(Key::Tab);
    let changes = OrderDraft { quantity: Some("12.5".parse().unwrap()), ..OrderDraft::default() };
    assert_eq!(window.actions(), [Action::EditOrder { side: 1, number: 20, changes }]);
    assert!(window.shows("Edit Price of order 20 at CLIENT"));
}

#[test]
fn an_unchanged_cell_files_nothing() {
    let mut window = Window::open();
    window.edit_cell("Price of order 20 at MASTER");
    window.key(Key::Enter);
    assert!(!window.shows("Edit Price"));
    assert_eq!(window.actions(), []);
}

#[test]
fn an_employee_is_chosen_by_name() {
    let mut window = Window::open();
    window.edit_cell("Employee of order 20 at MASTER");
    let state = window.app().state();
    let (_, order) = state.current(0).unwrap();
    // Somebody else than who it is.
    let (name, key) = if order.employee == 4 { ("Che", 5) } else { ("Fof", 4) };
    window.type_text(name);
    window.key(Key::Enter);
    window.idle();
    let changes = OrderDraft { employee: Some(key), ..OrderDraft::default() };
    assert_eq!(window.actions(), [Action::EditOrder { side: 0, number: 20, changes }]);
}

#[test]
fn double_click_edits_the_cell() {
    let mut window = Window::open();
    let cell = "Item of order 20 at MASTER";
    window.harness.get_by_label(cell).click();
    window.harness.get_by_label(cell).click();
    window.harness.run_steps(5);
    assert!(window.shows("Edit Item of order 20 at MASTER"));
}

#[test]
fn prepare_asks_for_the_file_and_takes_the_typed_path() {
    let mut window = Window::open();
    window.press("Prepare set from MASTER");
    let file = std::env::temp_dir().join("objsync-window-test").join("typed.syncset");
    window.harness.get_by_label("File").focus();
    window.harness.run_steps(4);
    window.type_text(file.to_str().unwrap());
    window.press("Prepare");
    window.idle();
    assert_eq!(window.actions(), [Action::Prepare { side: 0, id: 1000, file: Some(file), overwrite: false }]);
    assert!(window.shows("Apply set 1000 at CLIENT"));
}

#[test]
fn an_existing_file_is_replaced_only_when_the_button_says_so() {
    let mut window = Window::open();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("there.syncset");
    std::fs::write(&file, "x").unwrap();
    window.press("Prepare set from CLIENT");
    window.harness.get_by_label("File").focus();
    window.harness.run_steps(4);
    window.type_text(file.to_str().unwrap());
    assert!(window.shows("There is a file already"));
    window.press("Replace the file");
    window.idle();
    assert_eq!(window.actions(), [Action::Prepare { side: 1, id: 1000, file: Some(file), overwrite: true }]);
}

#[test]
fn applying_sends_the_rule_and_brings_the_sides_together() {
    let mut window = Window::open();
    assert!(window.shows("Verdict: 8 orders differ") && window.shows("Verdict: 1 will conflict"));
    window.press("Prepare set from MASTER");
    window.key(Key::Enter);
    window.idle();
    window.press("Apply set 1000 at CLIENT");
    window.idle();
    let file = std::env::temp_dir().join("demo").join("syncFromMASTER-1000.syncset");
    assert_eq!(window.actions().last(), Some(&Action::Apply { side: 1, file, rule: None }));
    assert!(window.shows("Verdict: 2 orders differ"));
    window.press("Sync both ways");
    window.until("the verdict", |w| w.shows("Verdict: In sync"));
}

#[test]
fn the_legend_filters_and_counts() {
    let mut window = Window::open();
    assert_eq!(window.app().state().rows[0].len(), 24);
    window.press("Show Differences: 8");
    assert_eq!(window.app().state().rows[0].len(), 8);
    assert!(window.shows("Order 16 at MASTER") && !window.shows("Order 18 at MASTER"));
    window.press("Show Deleted: 1");
    assert_eq!(window.app().state().rows[0].len(), 1);
    assert!(window.shows("Order 5 deleted at MASTER"));
    window.press("Show All: 24");
    assert_eq!(window.app().state().rows[0].len(), 24);
}

#[test]
fn the_text_filter_is_a_sides_own() {
    let mut window = Window::open();
    window.harness.get_by_label("Orders at CLIENT filter").focus();
    window.harness.run_steps(4);
    window.type_text("haddad");
    let app = window.app().state();
    let snapshot = app.snapshot.as_ref().unwrap();
    assert!(!app.rows[0].is_empty() && app.rows[0].len() < 24);
    for row in &app.rows[0] {
        let order = snapshot.view.lines[*row].orders[1].as_ref().unwrap();
        assert_eq!(snapshot.name(1, 0, order.employee), "Haddad, Lena");
    }
}

#[test]
fn a_header_sorts_and_sorts_back() {
    let mut window = Window::open();
    window.press("Sort by Quantity at MASTER");
    let quantities = |w: &Window| {
        let snapshot = w.app().state().snapshot.as_ref().unwrap();
        let orders = w.app().state().rows[0].iter().map(|r| &snapshot.view.lines[*r].orders);
        orders.map(|o| o[0].as_ref().or(o[1].as_ref()).unwrap().quantity.hundredths()).collect::<Vec<_>>()
    };
    let up = quantities(&window);
    assert!(up.is_sorted(), "{up:?}");
    window.press("Sort by Quantity at MASTER, sorted, smallest first");
    let down = quantities(&window);
    assert!(down.iter().rev().is_sorted(), "{down:?}");
}

#[test]
fn a_conflict_is_foretold_and_a_record_shows_who_won() {
    let mut window = Window::open();
    assert!(window.shows("Order 16, ! will conflict"));
    assert!(window.shows("not decided yet"));
    window.press("Order 972, changed on both sides");
    assert!(window.shows("CLIENT wins because the change was made at CLIENT."));
    assert!(window.shows("460 ✓"));
}

#[test]
fn restarting_the_demo_asks_first() {
    let mut window = Window::open();
    let restart = |w: &mut Window| {
        w.press("Environment");
        w.press("Restart demo…");
        assert!(w.shows("Restart the demo?"));
    };
    restart(&mut window);
    window.press("Cancel");
    assert_eq!(window.actions(), []);
    restart(&mut window);
    window.key(Key::Enter);
    assert_eq!(window.actions(), [], "Enter alone must not destroy anything");
    window.press("Restart demo");
    window.idle();
    assert_eq!(window.actions(), [Action::RestartDemo]);
}

#[test]
fn deleting_asks_first_and_takes_all_selected() {
    let mut window = Window::open();
    window.press("Order 20 at MASTER");
    window.harness.get_by_label("Order 18 at MASTER").click_modifiers(Modifiers::SHIFT);
    window.harness.run_steps(4);
    window.press("Delete orders at MASTER");
    assert_eq!(window.actions(), []);
    window.press("Delete 3 orders");
    window.idle();
    assert_eq!(window.actions(), [Action::DeleteOrders { side: 0, numbers: vec![20, 19, 18] }]);
}

#[test]
fn a_failure_is_shown_with_its_hint_until_something_succeeds() {
    let mut window = Window::open();
    let failure = Failure { message: "The file is full; nothing was changed.".into(), hint: "Make room.".into() };
    window.board.lock().unwrap().fail_next = Some(failure);
    window.press("Random order at CLIENT");
    window.until("the error", |w| w.shows("The file is full; nothing was changed."));
    assert!(window.shows("Make room."));
    window.press("Random order at CLIENT");
    window.until("the row", |w| w.shows("Order 22 at CLIENT"));
    assert!(!window.shows("Make room."), "what failed before is still shown after a success");
    window.press("Activity");
    assert!(window.shows("Make room."), "the error is lost");
}

#[test]
fn while_the_worker_is_busy_buttons_wait_and_the_window_does_not() {
    let mut window = Window::open();
    window.board.lock().unwrap().slow = Duration::from_millis(700);
    window.press("Random order at MASTER");
    assert!(window.harness.get_by_label("Sync both ways").accesskit_node().is_disabled());
    let start = Instant::now();
    window.press("Show Conflict: 1");
    assert_eq!(window.app().state().rows[0].len(), 1);
    assert!(start.elapsed() < Duration::from_millis(600), "the window waited for the worker");
    window.until("the spinner's words", |w| w.shows("Inserting 1 order at MASTER"));
    window.idle();
    assert!(!window.harness.get_by_label("Sync both ways").accesskit_node().is_disabled());
}

#[test]
fn what_takes_long_can_be_cancelled() {
    let mut window = Window::open();
    window.board.lock().unwrap().slow = Duration::from_secs(30);
    window.press("Random order at MASTER");
    window.until("the button", |w| w.harness.query_by_label("Cancel").is_some());
    window.press("Cancel");
    window.until("the end", |w| w.shows("cancelled; nothing was changed"));
    assert!(window.harness.query_by_label("Cancel").is_none(), "nothing is left to cancel");
    window.board.lock().unwrap().slow = Duration::ZERO;
    window.press("Random order at MASTER");
    window.until("the row", |w| w.shows("Order 24 at MASTER"));
}

#[test]
fn what_other_programs_write_shows_within_a_second() {
    let mut window = Window::open();
    window.board.lock().unwrap().written_elsewhere = true;
    let start = Instant::now();
    window.until("the row", |w| w.shows("Order 24 at MASTER"));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn a_dead_worker_is_told_and_nothing_more_can_be_asked() {
    let mut window = Window::open();
    window.board.lock().unwrap().panic_next = true;
    window.press("Random order at MASTER");
    window.until("the news", |w| w.shows("The worker has stopped"));
    assert!(window.harness.get_by_label("Random order at MASTER").accesskit_node().is_disabled());
}

#[test]
fn verify_shows_its_result_in_the_dock() {
    let mut window = Window::open();
    window.press("Verify");
    window.idle();
    assert_eq!(window.actions(), [Action::Verify]);
    assert!(window.shows("MASTER orders  blake3"));
}

#[test]
fn keys_move_the_selection_and_start_actions() {
    let mut window = Window::open();
    window.press("Order 20 at CLIENT");
    window.key(Key::ArrowDown);
    let state = window.app().state();
    assert_eq!(state.selected_numbers(1), [19]);
    window.harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::R);
    window.harness.run_steps(4);
    window.idle();
    assert_eq!(window.actions(), [Action::RandomOrders { side: 1, count: 1 }]);
}

#[test]
fn an_idle_window_paints_nothing() {
    let mut window = Window::open();
    window.press("Random order at MASTER");
    window.idle();
    // The highlight fades within two seconds of the window's clock, which runs 60 steps a second.
    assert!(!window.app().state().flash.is_empty(), "nothing is highlighted");
    window.harness.run_steps(140);
    assert!(window.app().state().flash.is_empty());
    let delay = window.harness.output().viewport_output[&egui::ViewportId::ROOT].repaint_delay;
    assert_eq!(delay, Duration::MAX, "the idle window asks for another frame");
}

#[test]
fn a_small_window_folds_the_dock() {
    let small = Window::open_at(1280.0, 800.0);
    assert_eq!(small.app().state().dock_open, Some(false));
    assert!(small.shows("Show the dock"));
    assert_eq!(Window::open().app().state().dock_open, Some(true));
}

#[test]
fn a_dropped_set_is_asked_about_and_applied_where_it_belongs() {
    #[derive(Debug)]
    struct Dropped(std::path::PathBuf);
    impl egui::DroppedFile for Dropped {
        fn path(&self) -> &std::path::Path {
            &self.0
        }
        fn bytes(&self) -> Result<Vec<u8>, String> {
            Ok(Vec::new())
        }
    }
    let mut window = Window::open();
    let file = std::env::temp_dir().join("from-MASTER.syncset");
    window.harness.input_mut().dropped_files.push(Arc::new(Dropped(file.clone())));
    window.harness.run_steps(4);
    assert!(window.shows("Apply a set file"));
    assert_eq!(window.actions(), [], "a dropped file must not be applied unasked");
    window.press("Apply");
    window.idle();
    assert_eq!(window.actions(), [Action::ApplyWhereAddressed { file, rule: None }]);
}

#[test]
fn another_environment_is_opened_by_its_folder() {
    let mut window = Window::open();
    window.press("Order 20 at MASTER");
    window.press("Environment");
    window.press("Open environment…");
    assert!(window.harness.get_by_label("Open").accesskit_node().is_disabled(), "an empty path can be opened");
    let dir = std::env::temp_dir().join("another");
    window.type_text(dir.to_str().unwrap());
    window.press("Open");
    window.idle();
    assert_eq!(window.actions(), [Action::Open { dir: dir.clone() }]);
    assert!(window.shows(dir.to_str().unwrap()));
    assert!(window.app().state().selection.guids.is_empty(), "the selection belongs to the other environment");
}

#[test]
fn a_new_order_needs_every_field() {
    let mut window = Window::open();
    window.press("New order at CLIENT");
    assert!(window.harness.get_by_label("Insert").accesskit_node().is_disabled());
    for (field, name) in [("Employee", "Fofana, Awa"), ("Customer", "Helios Media"), ("Item", "Impeller")] {
        window.harness.get_by_role_and_label(egui::Role::TextInput, field).focus();
        window.harness.run_steps(4);
        window.type_text(&name[..3]);
        // The one that has these letters is taken by the keys.
        window.key(Key::ArrowDown);
        window.key(Key::Enter);
        assert_eq!(window.value(field), name);
    }
    for (field, text) in [("Quantity", "12"), ("Price", "0.5")] {
        window.harness.get_by_role_and_label(egui::Role::TextInput, field).focus();
        window.harness.run_steps(4);
        window.type_text(text);
    }
    assert!(window.shows("price 0.5 is out of range"));
    window.type_text("5");
    assert!(window.shows("price 0.55 is out of range"));
    window.key(Key::Home);
    window.type_text("1");
    window.key(Key::Enter);
    window.idle();
    let actions = window.actions();
    let [Action::NewOrder { side: 1, order }] = actions.as_slice() else { panic!("{actions:?}") };
    assert_eq!((order.employee, order.customer, order.item), (Some(4), Some(3), Some(7)));
    assert_eq!((order.quantity, order.price), (Some("12".parse().unwrap()), Some("10.55".parse().unwrap())));
    assert!(window.shows("Order 22 at CLIENT"));
}

#[test]
fn the_verdict_leads_to_what_it_speaks_of() {
    let mut window = Window::open();
    window.press("Verdict: 8 orders differ");
    assert_eq!(window.app().state().rows[0].len(), 8);
    window.press("Verdict: 1 will conflict");
    assert_eq!(window.app().state().rows[0].len(), 1);
    assert!(window.shows("Order 16 at MASTER"));
}

#[test]
fn both_themes_are_one_key_apart() {
    let mut window = Window::open();
    let dark = |w: &Window| w.harness.ctx.theme() == egui::Theme::Dark;
    let before = dark(&window);
    window.harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::L);
    window.harness.run_steps(3);
    assert_ne!(dark(&window), before);
}

#[test]
fn apart_the_panes_list_what_they_have() {
    let mut window = Window::open();
    window.press("Rows side by side");
    assert!(!window.shows("not at CLIENT yet"));
    let rows = &window.app().state().rows;
    assert_eq!((rows[0].len(), rows[1].len()), (22, 21));
}

#[test]
fn an_unreadable_environment_can_be_left_and_is_read_when_it_comes_back() {
    let failure = Failure { message: "master.db is locked.".into(), hint: "Close the other program.".into() };
    let board = Switchboard { unreadable: Some(failure), ..Switchboard::default() };
    let mut window = Window::start(1600.0, 1000.0, board);
    window.until("the error", |w| w.shows("master.db is locked."));
    assert!(window.shows("Verdict: not readable"));
    assert!(window.harness.get_by_label("Random order at MASTER").accesskit_node().is_disabled());
    window.press("Environment");
    assert!(!window.harness.get_by_label("Open environment…").accesskit_node().is_disabled());
    window.key(Key::Escape);
    window.board.lock().unwrap().unreadable = None;
    window.until("the view", |w| w.shows("Order 20 at MASTER"));
}

#[test]
fn what_a_filter_hides_is_no_longer_selected() {
    let mut window = Window::open();
    window.press("Order 20 at MASTER");
    assert_eq!(window.app().state().selected_numbers(0), [20]);
    window.press("Show New: 4");
    assert!(window.app().state().selection.cursor.is_none());
    window.key(Key::Delete);
    assert!(window.app().state().dialog.is_none(), "Delete acts on an order that nobody sees");
}

#[test]
fn news_wakes_a_window_that_sleeps() {
    let mut window = Window::open();
    window.harness.run();
    assert!(!window.harness.ctx.has_requested_repaint());
    window.board.lock().unwrap().written_elsewhere = true;
    let start = Instant::now();
    while !window.harness.ctx.has_requested_repaint() {
        assert!(start.elapsed() < Duration::from_secs(1), "no frame was asked for");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn every_input_has_a_name_and_every_dialog_settles() {
    let mut window = Window::open_with_more();
    // `run` fails on unnamed inputs and on frames without end.
    window.harness.run();
    for dialog in ["Prepare set from MASTER", "New order at CLIENT"] {
        window.press(dialog);
        window.harness.run();
        window.press("Cancel");
    }
    window.edit_cell("Item of order 20 at MASTER");
    window.harness.run();
    window.key(Key::Escape);
    let tabs = ["Sync sets", "Activity", "Verify result", "Requeued at MASTER", "Items at CLIENT", "Journal at CLIENT"];
    for tab in tabs.into_iter().chain(["Sync times at CLIENT"]) {
        window.press(tab);
        window.harness.run();
    }
}

#[test]
fn choosing_a_rule_sets_it_and_says_what_to_know() {
    let mut window = Window::open();
    window.choose("On conflict", "Ask");
    window.idle();
    assert_eq!(window.actions(), [Action::SetRule { class: None, rule: Some(Rule::Ask) }]);
    assert!(window.shows("What is here stays until somebody decides"));
    assert!(window.shows("! The two ends answer differently"));
}

#[test]
fn the_rule_can_be_read_on_a_small_window_with_everything_open() {
    let mut window = Window::open_at(1280.0, 800.0);
    window.press("Show the dock");
    window.board.lock().unwrap().fail_next = Some(Failure { message: "It failed.".into(), hint: "Again.".into() });
    window.press("Verify");
    window.until("the error", |w| w.shows("It failed."));
    window.press("Prepare set from MASTER");
    window.press("Prepare");
    window.idle();
    let sentence = window.harness.get_by_label("What was changed at CLIENT beats what was changed at MASTER.").rect();
    let sync = window.harness.get_by_label("Sync both ways").rect();
    assert!(sentence.height() > 20.0 && sentence.bottom() <= sync.top(), "{sentence:?} is cut by {sync:?}");
}

#[test]
fn classes_with_a_rule_of_their_own_are_named() {
    let board = Switchboard { class_rules: vec![("Customer".into(), Rule::Ask)], ..Switchboard::default() };
    let mut window = Window::start(1600.0, 1000.0, board);
    window.until("the first view", |w| w.shows("Customer: Ask"));
}

/// A set from MASTER, prepared and previewed.
fn previewed() -> Window {
    let mut window = Window::open();
    window.press("Prepare set from MASTER");
    window.press("Prepare");
    window.idle();
    window.press("Preview set 1000 at CLIENT");
    window.idle();
    assert!(window.shows("Preview: set 1000 at CLIENT"));
    window
}

#[test]
fn a_preview_shows_what_would_become_of_each_object() {
    let mut window = previewed();
    assert!(window.shows("Nothing was changed yet; this is what Apply would do."));
    assert!(window.shows("✓ The digest is right.") && window.shows("! The clock of MASTER"));
    for object in ["Order 21, new:", "Order 13, changed:", "Order 5, deleted:", "Order 16, conflict:"] {
        assert!(window.shows(object), "{object} is not shown");
    }
    window.press("Show only new: 3");
    assert!(window.shows("Order 21, new:") && !window.shows("Order 5, deleted:"));
    window.press("Show all objects");
    assert!(window.shows("Order 5, deleted:"));
    assert!(!window.actions().iter().any(|a| matches!(a, Action::Apply { .. })), "previewing applied it");
    window.press("Close");
    assert!(!window.shows("Preview: set 1000"));
}

#[test]
fn a_conflict_in_a_preview_shows_its_versions() {
    let mut window = previewed();
    let versions = "conflict, decided by Client wins";
    let lines = |w: &Window| w.harness.query_all_by_label(versions).count();
    assert_eq!(lines(&window), 1, "the conflict is chosen at first");
    window.press("Order 5, deleted: deleted");
    assert_eq!(lines(&window), 0);
    window.key(Key::ArrowDown);
    window.key(Key::ArrowDown);
    assert_eq!(lines(&window), 1, "the arrow keys do not reach it");
}

#[test]
fn another_rule_previews_again_and_is_what_apply_takes() {
    let mut window = previewed();
    window.choose("On conflict, for this set", "Keep ours");
    window.idle();
    let file = std::env::temp_dir().join("demo").join("syncFromMASTER-1000.syncset");
    let rule = Some(Rule::KeepOurs);
    assert_eq!(window.actions().last(), Some(&Action::Preview { file: file.clone(), rule }));
    assert!(window.shows("Order 16, conflict: conflict, decided by Keep ours"));
    assert_eq!(window.app().state().rule(), Rule::ClientWins, "the environment's rule was changed");
    window.press("Apply the previewed set at CLIENT");
    window.idle();
    assert_eq!(window.actions().last(), Some(&Action::Apply { side: 1, file, rule }));
    assert!(window.app().state().dialog.is_none());
}

#[test]
fn ten_thousand_objects_are_previewed_without_laying_all_of_them_out() {
    let mut window = Window::open();
    window.board.lock().unwrap().many_in_preview = 10_000;
    window.press("Prepare set from MASTER");
    window.press("Prepare");
    window.idle();
    window.press("Preview set 1000 at CLIENT");
    window.idle();
    assert!(window.shows("10,006 objects"));
    assert!(window.harness.query_all_by_label_contains(", new:").count() < 60, "rows that nobody sees are drawn");
}

#[test]
fn a_set_file_is_previewed_by_the_main_button_and_by_enter() {
    let mut window = Window::open();
    window.harness.key_press_modifiers(Modifiers::COMMAND, Key::O);
    window.harness.run_steps(4);
    let file = std::env::temp_dir().join("from-MASTER.syncset");
    window.type_text(file.to_str().unwrap());
    window.key(Key::Enter);
    window.idle();
    assert_eq!(window.actions(), [Action::Preview { file, rule: None }]);
    assert!(window.shows("Preview: set 1000 at CLIENT"));
}

#[test]
fn what_is_to_be_decided_comes_first_and_next_goes_through_it() {
    let mut window = Window::open_with_more();
    assert!(window.shows("Order 3, ! to decide") && window.shows("Order 4, ! to decide"));
    let shown = |w: &Window| w.app().state().shown_conflict();
    assert_eq!(shown(&window), Some(ConflictPick::Record(1, 3)), "an open one is not shown first");
    for record in [3, 4, 3] {
        window.press("Next to decide");
        assert_eq!(shown(&window), Some(ConflictPick::Record(1, record)));
    }
    let state = window.app().state();
    let tops: Vec<_> = state.snapshot.as_ref().unwrap().conflict_list();
    assert_eq!(tops[..2], [ConflictPick::Record(1, 3), ConflictPick::Record(1, 4)]);
}

#[test]
fn records_say_how_they_stand() {
    let mut window = Window::open_with_more();
    for (scroll, entry) in
        [("Order 4, ! to decide", "Order 972, changed"), ("Order 972, changed on both sides", "Order 6, combined")]
    {
        window.press(scroll);
        window.harness.get_by_label(scroll).scroll_down();
        window.harness.run_steps(10);
        assert!(window.shows(entry), "{entry} is not listed");
    }
    window.press("Verdict: 2 to decide");
    window.press("Next to decide");
    assert!(window.shows("2026-11-23 10:02:11: took MASTER's"));
    assert!(window.shows("! The order has moved on since: quantity is 77 now."));
    assert!(window.shows("by the rule “Client wins”"));
}

#[test]
fn one_value_of_the_other_side_is_filed_as_that_property_alone() {
    let mut window = Window::open_with_more();
    assert!(window.disabled("Reset"));
    window.press("quantity: take MASTER's 401");
    assert_eq!(window.value("Result of quantity"), "401");
    assert_eq!(window.value("Result of price"), "446.00", "another property changed too");
    assert_eq!(window.actions(), [], "picking a value filed it");
    window.press("File decision");
    window.idle();
    let choice = Choose::Properties(vec![("quantity".into(), PickValue::Side(0))]);
    assert_eq!(window.actions(), [Action::Resolve { side: 1, record: 3, choice, confirmed: false }]);
    assert!(window.shows("2026-11-23 11:00:00: decided"));
    assert!(window.disabled("File decision"), "what is filed can be filed again");
}

#[test]
fn a_result_is_typed_and_reset() {
    let mut window = Window::open_with_more();
    let write = |w: &mut Window| {
        w.harness.get_by_label("Result of price").focus();
        w.harness.run_steps(3);
        w.harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
        w.harness.run_steps(3);
        w.type_text("480.5");
    };
    write(&mut window);
    assert_eq!(window.value("Result of price"), "480.5");
    window.press("Reset");
    assert_eq!(window.value("Result of price"), "446.00");
    write(&mut window);
    window.press("File decision");
    window.idle();
    let choice = Choose::Properties(vec![("price".into(), PickValue::Text("480.5".into()))]);
    assert_eq!(window.actions(), [Action::Resolve { side: 1, record: 3, choice, confirmed: false }]);
}

#[test]
fn a_side_is_taken_whole() {
    let mut window = Window::open_with_more();
    window.press("Take MASTER's");
    assert_eq!((window.value("Result of quantity"), window.value("Result of price")), ("401".into(), "512.00".into()));
    window.press("File decision");
    window.idle();
    let choice = Choose::Side(0);
    assert_eq!(window.actions(), [Action::Resolve { side: 1, record: 3, choice, confirmed: false }]);
}

#[test]
fn what_was_picked_is_dropped_with_its_record() {
    let mut window = Window::open_with_more();
    window.press("quantity: take MASTER's 401");
    window.press("Order 4, ! to decide");
    assert_eq!(window.value("Result of quantity"), "460");
    window.press("Order 3, ! to decide");
    assert_eq!(window.value("Result of quantity"), "460");
}

#[test]
fn a_decided_record_is_filed_only_with_something_else() {
    let mut window = Window::open();
    window.press("Order 972, changed on both sides");
    assert!(window.disabled("File decision"));
    window.press("Take CLIENT's");
    assert!(window.disabled("File decision"), "CLIENT's stands already");
    window.press("Take MASTER's");
    assert!(!window.disabled("File decision"));
}

#[test]
fn a_question_is_asked_and_its_answer_confirms() {
    let mut window = Window::open_with_more();
    window.press("Order 4, ! to decide");
    window.press("Take MASTER's");
    window.press("File decision");
    window.idle();
    assert!(window.shows("Order 4 has changed since"));
    window.press("Cancel");
    assert_eq!(window.actions().len(), 1, "a cancelled question did something");
    window.press("File decision");
    window.idle();
    // No loss: Enter may answer it.
    window.key(Key::Enter);
    window.idle();
    let choice = Choose::Side(0);
    assert_eq!(window.actions().last(), Some(&Action::Resolve { side: 1, record: 4, choice, confirmed: true }));
    assert!(window.app().state().dialog.is_none() && !window.shows("Order 4, ! to decide"));
}

#[test]
fn a_set_is_taken_back_or_the_reason_is_said() {
    let mut window = Window::open_with_more();
    window.press("Sync sets");
    assert!(window.disabled("Take back set 997 at CLIENT") && !window.disabled("Revert set 997 at CLIENT…"));
    window.harness.get_by_label("Take back set 997 at CLIENT").hover();
    window.harness.run_steps(40);
    assert!(window.shows("Set 1001 was prepared from its changes."), "the reason is not said");
    assert!(window.harness.query_by_label("Take back set 996 at CLIENT").is_none() && window.shows("taken back"));
    window.press("Take back set 998 at CLIENT");
    window.idle();
    assert_eq!(window.actions(), [Action::TakeBack { side: 1, seq: 3 }]);
    assert!(window.harness.query_by_label("Take back set 998 at CLIENT").is_none());
}

#[test]
fn reverting_a_set_asks_first() {
    let mut window = Window::open_with_more();
    window.press("Sync sets");
    window.press("Revert set 998 at CLIENT…");
    window.idle();
    assert!(window.shows("3 orders are changed back"));
    window.press("Revert the set");
    window.idle();
    let asked = |confirmed| Action::Revert { side: 1, seq: 3, confirmed };
    assert_eq!(window.actions(), [asked(false), asked(true)]);
}

#[test]
fn what_waits_says_why_and_is_tried_again_or_discarded() {
    let mut window = Window::open_with_more();
    window.press("Verdict: 2 waiting");
    assert!(window.shows("? a reference is unknown") && window.shows("Nova Textiles"));
    window.press("Try again what waits at CLIENT");
    window.idle();
    window.press("Discard Order 9 at CLIENT…");
    window.idle();
    window.key(Key::Enter);
    let discard = |confirmed| Action::Discard { side: 1, ids: vec![11], confirmed };
    assert_eq!(window.actions(), [Action::Retry { side: 1 }, discard(false)], "Enter alone gave it up");
    window.press("Discard it");
    window.idle();
    assert_eq!(window.actions().last(), Some(&discard(true)));
    assert!(window.harness.query_by_label("Discard Order 9 at CLIENT…").is_none());
    assert!(window.shows("Verdict: 1 waiting"));
}

#[test]
fn the_legend_shows_what_waits() {
    let mut window = Window::open_with_more();
    window.press("Show Waiting: 2");
    assert_eq!(window.app().state().rows[0].len(), 2);
    assert!(window.shows("Order 9 at CLIENT") && !window.shows("Order 8 at CLIENT"));
}

#[test]
fn the_journal_selects_its_object() {
    let mut window = Window::open_with_more();
    window.press("Journal at MASTER");
    assert!(window.shows("Transaction 1034: Order 1 quantity 417 → 77, price 10 → 12.5, made at MASTER"));
    window.press("Transaction 1033: Order 2 new, from CLIENT, set 1001");
    assert_eq!(window.app().state().selected_numbers(0), [2]);
    assert!(window.shows("Order 2 at CLIENT"), "the other pane does not show it");
}

#[test]
fn sync_times_are_numbers_with_a_sentence() {
    let mut window = Window::open_with_more();
    window.press("Sync times at CLIENT");
    for text in ["1,030", "1,026", "CLIENT has all of MASTER's transactions up to this one"] {
        assert!(window.shows(text), "{text} is not shown");
    }
}

#[test]
fn the_history_opens_by_key_by_menu_and_from_a_conflict() {
    let mut window = Window::open_with_more();
    window.press("Order 20 at CLIENT");
    window.key(Key::H);
    window.idle();
    assert!(window.shows("History of Order 20 at CLIENT"));
    assert!(window.shows("446 → 401") && window.shows("401"));
    window.press("Transaction –, 2026-11-20 10:42:30, MASTER, set 998 from MASTER: made");
    // The conflict behind it has one, too.
    assert_eq!(window.harness.query_all_by_label("446").count(), 2, "the older state's values are not shown");
    window.press("Close");
    let guid = window.app().state().selection.cursor.unwrap();
    assert_eq!(window.actions(), [Action::History { side: 1, guid }]);

    window.harness.get_by_label("Order 19 at MASTER").click_secondary();
    window.harness.run_steps(6);
    assert_eq!(window.app().state().selected_numbers(0), [19], "the menu speaks of another order");
    window.harness.get_all_by_label("History of the order at MASTER").last().unwrap().click();
    window.harness.run_steps(5);
    window.idle();
    assert!(window.shows("History of Order 19 at MASTER"));
    window.press("Close");

    window.press("History at CLIENT");
    window.idle();
    assert!(window.shows("History of Order 3 at CLIENT"));
}

#[test]
fn a_dialog_stays_with_what_was_typed_when_its_action_fails() {
    let mut window = Window::open();
    let fail = |w: &Window| {
        let failure = Failure { message: "The disk is full; nothing was written.".into(), hint: "Make room.".into() };
        w.board.lock().unwrap().fail_next = Some(failure);
    };
    window.press("Prepare set from MASTER");
    fail(&window);
    window.harness.get_by_label("File").focus();
    window.harness.run_steps(4);
    window.type_text("typed.syncset");
    window.press("Prepare");
    window.until("the reason", |w| w.shows("The disk is full; nothing was written."));
    assert_eq!(window.value("File"), "typed.syncset");
    assert!(window.app().state().error.is_none(), "the error is told twice");
    window.press("Prepare");
    window.idle();
    assert!(window.app().state().dialog.is_none(), "the dialog stays after success");

    window.press("Save set 1000 as…");
    fail(&window);
    window.type_text("copy.syncset");
    window.press("Save");
    window.until("the reason", |w| w.shows("The disk is full; nothing was written."));
    window.press("Cancel");
    window.press("New order at MASTER");
    assert!(!window.shows("The disk is full"), "the reason of another dialog is shown");
}

#[test]
fn a_deleted_side_is_taken_whole_and_nothing_can_be_typed_then() {
    let mut window = Window::open_with_more();
    window.press("Order 8 at MASTER");
    assert_eq!(window.app().state().shown_conflict(), Some(ConflictPick::Record(1, 7)));
    window.press("Take MASTER's");
    assert!(window.shows("The order will be deleted."));
    assert!(window.harness.query_by_label("Result of quantity").is_none(), "a value can be typed into nothing");
    window.press("File decision");
    window.idle();
    let choice = Choose::Side(0);
    assert_eq!(window.actions(), [Action::Resolve { side: 1, record: 7, choice, confirmed: false }]);
}

#[test]
fn news_of_a_record_drops_what_was_picked_and_other_news_does_not() {
    let mut window = Window::open_with_more();
    window.press("quantity: take MASTER's 401");
    window.board.lock().unwrap().written_elsewhere = true;
    window.until("the row", |w| w.shows("Order 24 at MASTER"));
    assert_eq!(window.value("Result of quantity"), "401", "a change of something else dropped it");
    window.board.lock().unwrap().decided_elsewhere = true;
    window.until("the decision", |w| w.shows("decided by another program"));
    assert_eq!(window.value("Result of quantity"), "460", "it would decide something else now");
}

#[test]
fn another_node_of_the_environment_is_chosen_by_its_name() {
    let board = Switchboard { more_nodes: vec!["NORTH".into(), "SOUTH".into()], ..Switchboard::default() };
    let mut window = Window::start(1600.0, 1000.0, board);
    window.until("the environment", |w| w.shows("CLIENT: show another node"));
    window.press("CLIENT: show another node");
    assert!(window.shows("Show NORTH in place of CLIENT"));
    window.press("Show SOUTH in place of CLIENT");
    window.idle();
    assert_eq!(window.actions(), [Action::ShowNode { side: 1, name: "SOUTH".into() }]);
    assert!(window.shows("SOUTH: show another node"));
    // Where there are two nodes only, there is nothing to choose.
    assert!(!Window::open().shows("show another node"));
}

#[test]
fn a_preview_that_another_program_outruns_is_made_again() {
    let mut window = previewed();
    window.press("Show only new: 3");
    window.press("Order 22, new: inserted under its own number");
    window.board.lock().unwrap().written_elsewhere = true;
    window.until("the new preview", |w| w.shows("Order 24, new:"));
    window.idle();
    assert!(window.shows("The databases changed; this is the new preview."));
    assert!(!window.shows("Order 5, deleted:"), "the filter is lost");
    assert!(window.shows("Order 22: inserted under its own number"), "another object is chosen");
    let file = std::env::temp_dir().join("demo").join("syncFromMASTER-1000.syncset");
    assert_eq!(window.actions().last(), Some(&Action::Preview { file, rule: None }));
    assert!(!window.disabled("Apply the previewed set at CLIENT"));
    window.harness.run_steps(30);
    let previews = window.actions().iter().filter(|a| matches!(a, Action::Preview { .. })).count();
    assert_eq!(previews, 2, "its own view made it preview again");
}

#[test]
fn nothing_is_applied_while_a_preview_is_outdated() {
    let mut window = previewed();
    window.board.lock().unwrap().slow = Duration::from_millis(400);
    window.board.lock().unwrap().written_elsewhere = true;
    window.until("the news", |w| w.shows("Previewing again"));
    assert!(window.disabled("Apply the previewed set at CLIENT"));
    window.idle();
    assert!(!window.disabled("Apply the previewed set at CLIENT"));
    let refusal = Failure { message: "A transaction is missing before the set.".into(), hint: String::new() };
    window.board.lock().unwrap().fail_next = Some(refusal);
    window.board.lock().unwrap().written_elsewhere = true;
    window.until("the refusal", |w| w.shows("A transaction is missing before the set."));
    assert!(window.shows("this is the old preview") && window.disabled("Apply the previewed set at CLIENT"));
}

#[test]
fn a_closed_preview_stays_closed() {
    let mut window = previewed();
    window.board.lock().unwrap().slow = Duration::from_millis(300);
    window.board.lock().unwrap().written_elsewhere = true;
    window.until("the news", |w| w.shows("Previewing again"));
    window.press("Close");
    window.idle();
    assert!(window.app().state().dialog.is_none(), "it came back");
}

#[test]
fn a_small_dialog_is_small_after_a_large_one() {
    let mut window = previewed();
    window.press("Close");
    window.press("Order 20 at MASTER");
    window.press("Delete orders at MASTER");
    window.harness.run_steps(5);
    let title = window.harness.get_by_label("Delete order 20 at MASTER?").rect();
    let button = window.harness.get_by_label("Delete order").rect();
    assert!(button.bottom() - title.top() < 160.0, "{title:?} … {button:?}");
}

#[test]
fn a_question_lists_what_would_be_done() {
    let mut window = Window::open_with_more();
    window.press("Sync sets");
    window.press("Revert set 998 at CLIENT…");
    window.idle();
    assert!(window.shows("Order 1: changed back") && window.shows("Order 12: changed back"));
    assert!(!window.shows("Order 40: changed back"), "a long list does not scroll");
    let button = window.harness.get_by_label("Revert the set").rect();
    assert!(button.bottom() < 800.0, "{button:?}");
}

#[test]
fn the_conflict_shown_is_named() {
    let mut window = Window::open_with_more();
    window.press("Order 4, ! to decide");
    // In the list, and above the table.
    let named = |w: &Window, title: &str| w.harness.query_all_by_label(title).count();
    assert_eq!((named(&window, "set 998 from MASTER") > 0, named(&window, "changed on both sides") > 0), (true, true));
    window.press("Order 972, changed on both sides");
    assert_eq!(named(&window, "Order 972"), 2);
}

#[test]
fn an_apply_that_finds_a_conflict_shows_it_on_a_small_window_too() {
    let mut window = Window::open_at(1280.0, 800.0);
    assert_eq!(window.app().state().dock_open, Some(false));
    window.press("Prepare set from MASTER");
    window.press("Prepare");
    window.idle();
    window.press("Apply set 1000 at CLIENT");
    window.until("the dock", |w| w.app().state().dock_open == Some(true));
}

#[test]
fn different_properties_are_said_to_be_combined() {
    let mut window = Window::start(1600.0, 1000.0, Switchboard { combines: true, ..Switchboard::default() });
    window.until("the verdict", |w| w.shows("Verdict: 1 will be combined"));
    assert!(!window.shows("will conflict"));
    assert!(window.shows("Order 16, ⊕ will be combined"));
    window.press("Show Combined: 1");
    assert_eq!(window.app().state().rows[0].len(), 1);
}

#[test]
fn the_rule_for_orders_is_shown_and_chosen() {
    let board = Switchboard { class_rules: vec![("Order".into(), Rule::Ask)], ..Switchboard::default() };
    let mut window = Window::start(1600.0, 1000.0, board);
    window.until("the first view", |w| w.app().state().snapshot.is_some());
    assert!(window.shows("! The two ends answer differently") && window.shows("All others: Client wins"));
    window.choose("On conflict", "Keep ours");
    window.idle();
    let class = || Some("Order".to_owned());
    assert_eq!(window.actions(), [Action::SetRule { class: class(), rule: Some(Rule::KeepOurs) }]);
    window.press("Orders by the rule for all classes");
    window.idle();
    assert_eq!(window.actions().last(), Some(&Action::SetRule { class: class(), rule: None }));
    assert_eq!(window.app().state().rule(), Rule::ClientWins);
}

#[test]
fn a_rule_with_a_caution_leaves_the_first_set_in_sight() {
    let mut window = Window::open_at(1280.0, 800.0);
    window.press("Show the dock");
    window.press("Prepare set from MASTER");
    window.press("Prepare");
    window.idle();
    window.choose("On conflict", "Ask");
    window.idle();
    assert!(window.shows("! see the tip") && !window.shows("The two ends answer differently"));
    let save = window.harness.get_by_label("Save set 1000 as…").rect();
    let rule = window.harness.get_by_role_and_label(egui::Role::ComboBox, "On conflict").rect();
    assert!(save.bottom() < rule.top(), "{save:?} is hidden by {rule:?}");
}
