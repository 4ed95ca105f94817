//! Sets: prepared, previewed, applied, undone.

use std::sync::Arc;
use std::time::Duration;

use eframe::egui::{self, Key, Modifiers};
use egui_kittest::kittest::Queryable;

use crate::driver::Window;
use objsync::app::view::{Action, Choose, Failure};
use objsync::sync::Rule;

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
fn a_rule_with_a_caution_leaves_the_first_set_in_sight() {
    let mut window = Window::open_at(1280.0, 800.0);
    window.press("Show the dock");
    window.press("Prepare set from MASTER");
    window.press("Prepare");
    window.idle();
    window.choose("On conflict", "Ask");
    window.idle();
    assert!(window.shows("What is here stays until somebody decides") && window.shows("Why? What each rule does"));
    assert!(!window.shows("The two ends answer differently"), "that is under Why?");
    let save = window.harness.get_by_label("Save set 1000 as…").rect();
    let rule = window.harness.get_by_role_and_label(egui::Role::ComboBox, "On conflict").rect();
    assert!(save.bottom() < rule.top(), "{save:?} is hidden by {rule:?}");
}

#[test]
fn a_preview_is_saved_and_comes_back() {
    let mut window = previewed();
    window.press("Save report…");
    window.key(Key::Escape);
    window.idle();
    assert!(window.shows("Apply the previewed set at CLIENT"), "the preview was lost");
    window.press("Save report…");
    window.harness.get_by_label("File").focus();
    window.harness.run_steps(4);
    window.type_text("/somewhere/preview.txt");
    window.press("Save");
    window.idle();
    let actions = window.actions();
    let written = actions.iter().rev().find_map(|a| match a {
        Action::Write { text, .. } => Some(text.make()),
        _ => None,
    });
    let text = written.unwrap();
    assert!(
        text.starts_with("Preview: set 1000 at CLIENT") && text.contains("Order 16 (quantity 446 → 401): conflict"),
        "{text}"
    );
    assert!(window.shows("Apply the previewed set at CLIENT"));
}

#[test]
fn a_set_whose_file_is_lost_says_so_and_is_prepared_again() {
    let mut window = Window::open();
    window.board.lock().unwrap().next_set_lost = true;
    window.press("Prepare set from MASTER");
    window.key(Key::Enter);
    window.idle();
    assert!(window.shows("! Its file is not there any more.") && !window.shows("Apply set 1000 at CLIENT"));
    window.keys(Modifiers::COMMAND, Key::Enter);
    assert!(!window.actions().iter().any(|a| matches!(a, Action::Apply { .. })), "a lost set was applied");
    window.press("Prepare again from MASTER");
    window.idle();
    assert_eq!(window.actions().last(), Some(&Action::PrepareAgain { side: 0 }));
}
