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
use objsync::app::theme;
use objsync::app::view::{Action, Failure};
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
    assert!(window.shows("Verdict: 8 orders differ · 1 will conflict"));
    window.press("Prepare set from MASTER");
    window.key(Key::Enter);
    window.idle();
    window.press("Apply set 1000 at CLIENT");
    window.idle();
    let file = std::env::temp_dir().join("demo").join("syncFromMASTER-1000.syncset");
    assert_eq!(window.actions().last(), Some(&Action::Apply { side: 1, file, rule: Rule::ClientWins }));
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
fn a_failure_is_shown_with_its_hint_and_stays_until_dismissed() {
    let mut window = Window::open();
    let failure = Failure { message: "The file is full; nothing was changed.".into(), hint: "Make room.".into() };
    window.board.lock().unwrap().fail_next = Some(failure);
    window.press("Random order at CLIENT");
    window.until("the error", |w| w.shows("The file is full; nothing was changed."));
    assert!(window.shows("Make room."));
    window.press("Random order at CLIENT");
    window.until("the row", |w| w.shows("Order 22 at CLIENT"));
    assert!(window.shows("Make room."), "a later success hid the error");
    window.press("Dismiss the error");
    assert!(!window.shows("Make room."));
    window.press("Activity");
    assert!(window.shows("Make room."), "the dismissed error is lost");
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
    assert_eq!(window.actions(), [Action::ApplyWhereAddressed { file, rule: Rule::ClientWins }]);
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
        window.harness.get_by_role_and_label(egui::Role::ComboBox, field).click();
        window.harness.run_steps(5);
        window.harness.get_by_role_and_label(egui::Role::Button, name).click();
        window.harness.run_steps(5);
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
    window.press("Verdict: 8 orders differ · 1 will conflict");
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
    let mut window = Window::open();
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
    for tab in ["Sync sets", "Activity", "Verify result", "Requeued at MASTER", "Items at CLIENT"] {
        window.press(tab);
        window.harness.run();
    }
}
