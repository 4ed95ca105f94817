//! Conflicts: foretold, recorded, decided; and the rules.

use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;

use crate::driver::Window;
use crate::mock::Switchboard;
use objsync::app::state::ConflictPick;
use objsync::app::view::{Action, Choose, Failure, PickValue};
use objsync::sync::Rule;

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
fn choosing_a_rule_sets_it_and_says_what_to_know() {
    let mut window = Window::open();
    window.choose("On conflict", "Ask");
    window.idle();
    assert_eq!(window.actions(), [Action::SetRule { class: None, rule: Some(Rule::Ask) }]);
    assert!(window.shows("What is here stays until somebody decides"));
    assert!(window.shows("! The sides answer for themselves"));
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
fn the_conflict_shown_is_named() {
    let mut window = Window::open_with_more();
    window.press("Order 4, ! to decide");
    // In the list, and above the table.
    let named = |w: &Window, title: &str| w.harness.query_all_by_label(title).count();
    assert_eq!((named(&window, "set 998 from MASTER") > 0, named(&window, "changed on both sides") > 0), (true, true));
    let mut window = Window::open();
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
    assert!(window.shows("! The sides answer for themselves") && window.shows("All others: Client wins"));
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
fn what_each_side_alone_changed_is_merged() {
    let mut window = Window::open();
    window.press("Order 972, changed on both sides");
    // Quantity was changed by both, price by CLIENT, date by MASTER: the record has CLIENT's, whole.
    window.press("Merge properties");
    assert_eq!(window.value("Result of quantity"), "460");
    assert_eq!(window.value("Result of price"), "446.00");
    assert_eq!(window.value("Result of date"), "2026-11-03 08:00:00");
    window.press("File decision");
    window.idle();
    let actions = window.actions();
    let Some(Action::Resolve { choice: Choose::Properties(picks), .. }) = actions.last() else { panic!("{actions:?}") };
    assert_eq!(*picks, [("date".to_owned(), PickValue::Side(0))]);
}

#[test]
fn a_deletion_is_not_merged() {
    let mut window = Window::open_with_more();
    window.press("Filter Conflicts");
    window.type_text("order 8");
    window.press("Order 8, deleted at MASTER, changed at CLIENT");
    assert!(window.disabled("Merge properties"));
}

#[test]
fn a_typed_result_is_checked_while_it_is_typed() {
    let mut window = Window::open();
    window.press("Order 972, changed on both sides");
    window.press("Result of quantity");
    window.keys(Modifiers::COMMAND, Key::A);
    window.type_text("5000");
    assert!(window.shows("quantity: quantity 5000 is out of range") && window.disabled("File decision"));
    window.keys(Modifiers::COMMAND, Key::A);
    window.type_text("50");
    assert!(!window.shows("out of range") && !window.disabled("File decision"));
}

#[test]
fn ten_thousand_conflicts_are_listed_and_searched() {
    let board = Switchboard { many_conflicts: 10_000, ..Switchboard::default() };
    let mut window = Window::start(1280.0, 800.0, board);
    window.until("the first view", |w| w.app().state().snapshot.is_some());
    if window.app().state().dock_open == Some(false) {
        window.press("Show the dock");
    }
    assert!(window.app().state().snapshot.as_ref().unwrap().view.conflicts.len() > 10_000);
    window.press("Filter Conflicts");
    window.type_text("14999");
    assert!(window.shows("Order 14999, ") && !window.shows("Order 5000, "));
}

#[test]
fn what_was_decided_by_hand_is_told_before_what_the_rule_had_said() {
    let mut window = Window::open();
    window.press("Order 972, changed on both sides");
    assert!(window.shows("CLIENT wins because the change was made at CLIENT."));
    window.press("quantity: take MASTER's 401");
    window.press("File decision");
    window.idle();
    assert!(window.shows("What was picked stands, decided by hand at CLIENT."));
    assert!(window.shows("Before that, by the rule: CLIENT wins because the change was made at CLIENT."));
    assert!(window.shows("set 998 from MASTER · values were picked"));
}

#[test]
fn in_a_small_window_the_reason_is_above_the_buttons() {
    let mut window = Window::start(1280.0, 800.0, Switchboard { more: true, ..Switchboard::default() });
    window.until("the first view", |w| w.app().state().snapshot.is_some());
    window.press("Show the dock");
    let why = window.harness.get_by_label("CLIENT's stays until somebody decides.").rect();
    let decide = window.harness.get_by_label("Decide:").rect();
    assert!(why.bottom() < decide.top(), "{why:?} is cut by {decide:?}");
}
