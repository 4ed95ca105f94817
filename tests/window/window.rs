//! The window itself: what it lists, how it is laid out, what it does when something goes wrong.

use std::time::{Duration, Instant};

use eframe::egui::{self, Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};

use crate::driver::Window;
use crate::mock::Switchboard;
use objsync::app::view::{Action, Failure};

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
    for row in app.rows[0].iter() {
        let line = snapshot.view.lines.get(*row as usize).unwrap();
        let order = line.orders[1].as_ref().unwrap();
        assert_eq!(snapshot.name(1, 0, order.employee), "Haddad, Lena");
    }
}

#[test]
fn a_header_sorts_and_sorts_back() {
    let mut window = Window::open();
    window.press("Sort by Quantity at MASTER");
    let quantities = |w: &Window| {
        let snapshot = w.app().state().snapshot.as_ref().unwrap();
        let orders = w.app().state().rows[0].iter().map(|r| snapshot.view.lines.get(*r as usize).unwrap().orders);
        orders.map(|o| o[0].as_ref().or(o[1].as_ref()).unwrap().quantity.hundredths()).collect::<Vec<_>>()
    };
    let up = quantities(&window);
    assert!(up.is_sorted(), "{up:?}");
    window.press("Sort by Quantity at MASTER, sorted, smallest first");
    let down = quantities(&window);
    assert!(down.iter().rev().is_sorted(), "{down:?}");
}

#[test]
fn restarting_the_demo_names_what_goes_and_asks_first() {
    let mut window = Window::open();
    let dir = std::env::temp_dir().join("demo");
    let restart = |w: &mut Window| {
        w.press("Environment");
        w.press("Restart demo…");
        assert!(w.shows("Restart the demo?"));
    };
    restart(&mut window);
    for words in [dir.to_str().unwrap(), "Nothing is deleted", "before-restart-", "sets"] {
        assert!(window.shows(words), "it does not say {words}");
    }
    for file in ["client.db", "master.db"] {
        assert!(window.harness.query_by_label(file).is_some(), "{file} is not named");
    }
    window.press("Cancel");
    assert_eq!(window.actions(), []);
    restart(&mut window);
    window.key(Key::Enter);
    assert_eq!(window.actions(), [], "Enter alone must not destroy anything");
    assert!(!window.shows("Restart the demo?"), "the keyboard stands on Cancel");
    restart(&mut window);
    window.press("Restart demo");
    window.idle();
    let files = ["client.db", "master.db"].map(|name| dir.join(name)).to_vec();
    assert_eq!(window.actions(), [Action::RestartDemo { files }]);
}

#[test]
fn where_other_databases_lie_the_demo_is_not_restarted() {
    let why = "The folder holds more than the demo: notes.db is no node.";
    let board = Switchboard { why_no_restart: Some(why.into()), ..Switchboard::default() };
    let mut window = Window::start(1600.0, 1000.0, board);
    window.until("the first view", |w| w.app().state().snapshot.is_some());
    window.press("Environment");
    assert!(window.disabled("Restart demo…"));
    window.key(Key::Escape);
    window.press("Search commands…");
    window.type_text("restart");
    window.key(Key::Enter);
    assert!(window.shows(why) && !window.shows("Restart the demo?"));
}

#[test]
fn what_cannot_be_read_is_not_restarted() {
    let failure = Failure { message: "master.db is damaged.".into(), hint: "Put a backup in its place.".into() };
    let board = Switchboard { unreadable: Some(failure), ..Switchboard::default() };
    let mut window = Window::start(1600.0, 1000.0, board);
    window.until("the error", |w| w.shows("master.db is damaged."));
    assert!(!window.shows("restart the demo"), "advises what would take the databases away");
    window.press("Environment");
    assert!(window.disabled("Restart demo…"));
}

#[test]
fn a_folder_that_is_refused_changes_nothing() {
    let mut window = Window::open();
    let demo = std::env::temp_dir().join("demo");
    window.press("Order 20 at MASTER");
    window.press("Random order at MASTER");
    window.idle();
    let message = "/own cannot be shown: shop.db is a node with other tables (t); nothing was changed";
    let hint = "use the commands for them: objsync status --db /own/shop.db";
    let failure = || Some(Failure { message: message.into(), hint: hint.into() });
    window.board.lock().unwrap().fail_next = failure();
    window.press("Environment");
    window.press("Open environment…");
    window.type_text("/own");
    window.press("Open");
    window.idle();
    assert!(window.shows(message) && window.shows(hint), "the dialog does not say why");
    window.press("Cancel");
    // By the menu of those shown before, too: there is no dialog that could say it.
    window.state_mut().settings.recent.push("/own".into());
    window.board.lock().unwrap().fail_next = failure();
    window.press("Environment");
    window.press("Open /own");
    window.idle();
    assert!(window.shows(message) && window.shows(hint));
    let state = window.app().state();
    assert_eq!(state.snapshot.as_ref().unwrap().view.dir, demo);
    assert_eq!((state.selection.guids.len(), state.undo.len()), (1, 1), "they belong to what is shown");
    window.press("Environment");
    window.press("Restart demo…");
    assert!(window.shows(demo.to_str().unwrap()) && !window.shows("Makes a new demo in /own"));
}

#[test]
fn rest_is_switched_and_moved_in_a_dialog() {
    let mut window = Window::open();
    let open = |w: &mut Window| {
        w.press("Environment");
        w.press("REST…");
        assert!(w.shows("Serve REST while this window is open"));
    };
    open(&mut window);
    assert_eq!(window.value("Port"), "52773");
    window.harness.get_by_label("Port").focus();
    window.harness.run_steps(2);
    window.type_text("x");
    assert!(window.disabled("Apply"), "why not is said: a port is a number");
    window.key(Key::Backspace);
    window.key(Key::Backspace);
    window.press("Apply");
    window.idle();
    window.until("the address", |w| w.app().state().rest.is_some());
    assert!(window.shows("REST on 127.0.0.1:5277"));
    assert_eq!(window.app().state().settings.rest.port, 5277, "remembered");
    open(&mut window);
    window.press("Serve REST while this window is open");
    window.press("Apply");
    window.idle();
    window.until("no address", |w| w.app().state().rest.is_none());
    let Some(Action::Serve { rest }) = window.actions().pop() else { panic!("{:?}", window.actions()) };
    assert_eq!((rest.on, rest.port), (false, 5277));
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
    window.until("the row", |w| w.shows("Order 24 at MASTER"));
    // Reading takes as long as it takes; asking is what this program decides.
    assert!(objsync::app::worker::POLL <= Duration::from_millis(500));
    // It is told and highlighted as what is done here is.
    assert_eq!(window.app().state().flash.len(), 1);
    window.press("Activity");
    assert!(window.shows("Another program: Order 24 at MASTER new"));
    window.press("Go to Order 24 at MASTER new");
    assert_eq!(window.app().state().selected_numbers(0), [24]);
}

#[test]
fn a_name_leads_to_its_orders() {
    let mut window = Window::open();
    window.press("Customers at MASTER");
    let snapshot = window.app().state().snapshot.clone().unwrap();
    let of = |name: &str| {
        snapshot
            .view
            .lines
            .iter()
            .filter(|l| l.orders[0].as_ref().is_some_and(|o| snapshot.name(0, 1, o.customer) == name))
            .count()
    };
    let orders = of("Acme Dynamics");
    assert!(orders > 0 && orders < 22, "{orders} show nothing");
    let label = format!(
        "Acme Dynamics at MASTER, {}",
        match orders {
            1 => "1 order".to_owned(),
            n => format!("{n} orders"),
        }
    );
    // One click does nothing: the second of two would fall on whatever had come in its place.
    window.press(&label);
    assert!(window.shows(&label));
    window.harness.run_steps(60);
    window.harness.get_by_label(&label).click();
    window.harness.get_by_label(&label).click();
    window.idle();
    assert_eq!(window.app().state().rows[0].len(), orders);
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
    assert!(window.shows("1 object differs") && window.shows("Go to Order: 20 at MASTER, 20 at CLIENT"));
}

#[test]
fn an_idle_window_paints_nothing() {
    let mut window = Window::open();
    window.press("Random order at MASTER");
    window.idle();
    // The highlight fades within three seconds of the window's clock, which runs 60 steps a second.
    assert!(!window.app().state().flash.is_empty(), "nothing is highlighted");
    window.harness.run_steps(200);
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
    window.press("Discard Order 9 at CLIENT…");
    window.idle();
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
fn every_list_has_a_filter_and_its_rows_lead_to_their_order() {
    let mut window = Window::open_with_more();
    window.press("Journal at CLIENT");
    window.press("Filter Journal at CLIENT");
    window.type_text("order 7");
    assert!(window.shows("Order 7 ") && !window.shows(": Order 6 "));
    window.press("Customers at MASTER");
    window.press("Filter Customers at MASTER");
    window.type_text("helios");
    window.press("Requeued at CLIENT");
    window.press("Filter Requeued at CLIENT");
    window.type_text("order 10");
    assert!(window.shows("Go to Order 10") && !window.shows("Go to Order 9"));
    window.press("Go to Order 10");
    assert_eq!(window.app().state().selected_numbers(1), [10]);
    window.press("Sync sets");
    window.press("Filter Sync sets");
    window.type_text("997");
    assert!(window.shows("Take back set 997 at CLIENT") && !window.shows("Take back set 998 at CLIENT"));
    window.press("Select the orders of set 997 applied at CLIENT, from MASTER");
    window.idle();
    // The second is deleted at MASTER.
    assert_eq!(window.app().state().selected_numbers(1), [4, 5]);
}

#[test]
fn what_was_set_is_remembered_and_the_tour_offered_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("window.json");
    let mut window = Window::open_remembering(&file);
    assert!(window.shows("New here?"));
    window.press("Not now");
    window.keys(Modifiers::COMMAND, Key::J);
    window.keys(Modifiers::COMMAND, Key::Plus);
    window.press("Rows side by side");
    window.harness.run_steps(2);
    drop(window);
    let mut window = Window::open_remembering(&file);
    assert!(!window.shows("New here?") && window.shows("Show the dock"));
    assert!((window.harness.ctx.zoom_factor() - 1.1).abs() < 0.001);
    assert!(!window.app().state().query.side_by_side);
    window.press("Environment");
    window.press("Reset the layout");
    window.harness.run_steps(2);
    drop(window);
    let window = Window::open_remembering(&file);
    assert!(window.app().state().query.side_by_side && !window.shows("New here?"));
}

#[test]
fn a_very_long_name_leaves_room_for_the_verdict() {
    let mut window = Window::open_at(1280.0, 800.0);
    window.press("Environment");
    window.press("Open environment…");
    window.harness.get_by_label("Folder").focus();
    window.harness.run_steps(4);
    window.type_text(&format!("/{}", "very-long-name-".repeat(20)));
    window.press("Open");
    window.idle();
    let verdict = window.harness.get_by_label("Verdict: 8 orders differ").rect();
    assert!(verdict.right() < 900.0, "{verdict}");
}

#[test]
fn a_screen_reader_finds_tables_with_rows_and_columns() {
    let window = Window::open();
    for side in ["MASTER", "CLIENT"] {
        let label = format!("Orders at {side}");
        let table = window.harness.get_by_role_and_label(egui::Role::Table, &label);
        let node = table.accesskit_node();
        assert_eq!((node.data().row_count(), node.data().column_count()), (Some(25), Some(7)));
    }
    let at = |label: &str| {
        let node = window.harness.get_by_label(label).accesskit_node();
        (node.role(), node.data().row_index(), node.data().column_index())
    };
    assert_eq!(at("Order 23 at MASTER"), (egui::Role::RowHeader, Some(1), Some(0)));
    assert_eq!(at("Quantity of order 22 at MASTER"), (egui::Role::Cell, Some(2), Some(5)));
    assert_eq!(at("Sort by Price at CLIENT"), (egui::Role::ColumnHeader, Some(0), Some(6)));
}

/// From the first button to the last, whatever is focused has a name and can be seen.
#[test]
fn tab_goes_through_everything() {
    let mut window = Window::open();
    let mut seen = Vec::new();
    for _ in 0..80 {
        window.key(Key::Tab);
        let focused = window.harness.root().children_recursive().find(|n| n.accesskit_node().is_focused());
        let Some(node) = focused else { continue };
        let label = node.accesskit_node().label().unwrap_or_default();
        assert!(!label.is_empty(), "something without a name has the focus after {seen:?}");
        seen.push(label);
    }
    for name in ["Environment", "Search commands…", "Tours", "Prepare set from MASTER", "Sync both ways", "Sync sets"]
    {
        assert!(seen.iter().any(|s| s == name), "Tab does not come to {name}: {seen:?}");
    }
}

#[test]
fn many_orders_are_sorted_and_filtered_beside_the_window() {
    let mut window = Window::open_with_many();
    let first = |w: &Window| w.app().state().line(0, 0).and_then(|mut l| l.orders[0].take()).map(|o| o.order_num);
    assert_eq!(first(&window), Some(25_003));
    window.press("Sort by Order at MASTER, sorted, largest first");
    window.until("the other way round", |w| first(w) == Some(1));
    // What was just made is brought into view, once it is sorted.
    window.press("Random order at MASTER");
    window.until("the new order", |w| w.shows("Order 25004 at MASTER"));
    window.press("Orders at CLIENT filter");
    window.type_text("24999");
    window.until("one row", |w| w.app().state().rows[0].len() == 1);
    assert!(window.shows("Order 24999 at MASTER"));
    // What the filter hides is not selected any more.
    assert_eq!(window.app().state().selection.guids.len(), 0);
}

#[test]
fn a_comparison_is_of_what_was_compared() {
    let mut window = Window::open();
    window.press("Verify");
    window.idle();
    assert!(window.shows("As of transactions 1,034 and 1,032: nothing was filed since."));
    window.press("Random order at MASTER");
    window.idle();
    assert!(window.shows("As of transactions 1,034 and 1,032; changed since — verify again."));
    window.press("Compare again");
    window.idle();
    assert!(window.shows("As of transactions 1,035 and 1,032: nothing was filed since."));
    // Another environment holds something else.
    window.press("Environment");
    window.press("Open environment…");
    window.type_text(std::env::temp_dir().join("another").to_str().unwrap());
    window.press("Open");
    window.idle();
    assert!(!window.shows("As of transactions") && !window.shows("Go to Order: 20"));
}

#[test]
fn nothing_is_done_to_an_order_that_nobody_sees() {
    let mut window = Window::open();
    window.press("Order 20 at MASTER");
    let disabled = |w: &Window| w.disabled("Delete orders at MASTER") && w.disabled("Edit order at MASTER");
    assert!(!disabled(&window));
    window.press("Customers at MASTER");
    assert!(disabled(&window));
    window.key(Key::Delete);
    assert!(!window.shows("Delete order 20 at MASTER?"));
    assert!(window.shows("MASTER shows its Customers: choose the tab Orders first."));
    window.press("Random order at MASTER");
    window.until("the row", |w| w.shows("Order 24 at MASTER"));
    window.press("Order 20 at MASTER");
    window.keys(Modifiers::COMMAND, Key::T);
    window.idle();
    assert!(!window.shows("Delete orders at MASTER"), "the past has no such button");
    window.key(Key::Delete);
    assert!(!window.shows("Delete order 20 at MASTER?"));
    window.keys(Modifiers::COMMAND, Key::R);
    window.until("the present", |w| !w.shows("as it was, read only") && w.shows("Order 25 at MASTER"));
}
