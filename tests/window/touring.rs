//! The guided tour, the ready situations, and a node as it was.

use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};

use crate::driver::Window;
use objsync::app::view::{Action, Failure};
use objsync::demo::scenario::SCENARIOS;

#[test]
fn the_tour_goes_step_by_step_back_and_home() {
    let mut window = Window::open();
    window.press("Tours");
    window.press("Guided tour");
    window.idle();
    assert_eq!(window.actions(), [Action::StartTour { scenario: 0, ready: false }]);
    assert!(window.shows("step 1 of") && window.shows("CLIENT is a copy of MASTER"));
    window.press("Next: begin");
    window.idle();
    assert!(window.shows("step 2 of") && window.shows("✓ came of step 0"));
    window.press("Back");
    assert!(window.shows("step 1 of"));
    window.press("Next");
    assert!(window.shows("step 2 of"));
    assert_eq!(window.actions().len(), 2, "a step that is read again was done again");
    window.key(Key::F6);
    window.idle();
    assert_eq!(window.actions().last(), Some(&Action::PlayStep { step: 1 }));
    window.key(Key::Escape);
    window.idle();
    let home = std::env::temp_dir().join("demo");
    assert_eq!(window.actions().last(), Some(&Action::Open { dir: home }));
    assert!(!window.shows("step 3 of"));
}

#[test]
fn a_tour_that_cannot_go_home_stays_and_says_why() {
    let mut window = Window::open();
    window.press("Tours");
    window.press("Guided tour");
    window.idle();
    let failure = Failure { message: "There is no environment any more.".into(), hint: "Bring it back.".into() };
    window.board.lock().unwrap().fail_next = Some(failure);
    window.key(Key::Escape);
    window.idle();
    assert!(window.shows("There is no environment any more.") && window.shows("step 1 of"));
    window.press("Next: begin");
    window.idle();
    assert!(window.shows("step 2 of"));
}

#[test]
fn doing_by_hand_what_a_step_says_goes_on() {
    let mut window = Window::open();
    window.press("Tours");
    window.press("Guided tour");
    window.idle();
    window.press("Next: begin");
    window.idle();
    // Three random orders at MASTER, as the second step has it; one is not the same.
    window.press("Random order at MASTER");
    window.idle();
    assert!(window.shows("step 2 of"));
    window.state_mut().random = [3, 1];
    window.press("Random order at MASTER");
    window.idle();
    assert!(window.shows("step 3 of") && window.shows("✓ Inserted 3 random orders"));
}

#[test]
fn a_presenter_jumps_to_a_situation_and_stays() {
    for (which, scenario) in SCENARIOS.iter().enumerate().skip(1) {
        let mut window = Window::open();
        window.press("Tours");
        window.press(scenario.title);
        window.idle();
        assert_eq!(window.actions(), [Action::StartTour { scenario: which, ready: true }]);
        let step = format!("step {} of {}", scenario.ready() + 1, scenario.steps().count());
        assert!(window.shows(&step), "{}: not at {step}", scenario.name);
        for _ in scenario.ready()..scenario.steps().count() {
            window.key(Key::F6);
            window.idle();
        }
        assert!(window.shows("That was the tour"));
        window.press("Go on from here");
        assert!(!window.shows("That was the tour"));
        assert!(!window.actions().iter().any(|a| matches!(a, Action::Open { .. })), "it went home");
    }
}

#[test]
fn a_side_is_shown_as_it_was() {
    let mut window = Window::open_with_more();
    window.keys(Modifiers::COMMAND, Key::T);
    window.idle();
    assert_eq!(window.actions(), [Action::TravelTo { side: 0, number: 1034 }]);
    assert!(window.shows("! MASTER as it was, read only") && window.shows("after transaction 1,034 of 1,034"));
    assert!(window.shows("Order 23 at MASTER as it was") && window.shows("Order 20 at CLIENT"));
    // Rows of the past stand in line with those of the other side.
    for order in ["Order 20 at", "Order 13 at"] {
        let [past, now] = ["MASTER as it was", "CLIENT"].map(|side| {
            let label = format!("{order} {side}");
            window.harness.get_all_by(|n| n.label().is_some_and(|l| l.starts_with(&label))).next().unwrap().rect()
        });
        assert!((past.center().y - now.center().y).abs() < 1.5, "{order}: {past:?} beside {now:?}");
    }
    window.press("The transaction before at MASTER");
    window.idle();
    assert_eq!(window.actions().last(), Some(&Action::TravelTo { side: 0, number: 1033 }));
    assert!(!window.shows("Order 23 at MASTER as it was"), "the last transaction is still shown");
    // What is another one now is marked, and a row leads to its order.
    assert!(window.shows("Order 13 at MASTER as it was, changed since"));
    window.harness.get_by_label("Order 20 at MASTER as it was").click();
    window.harness.run_steps(4);
    assert_eq!(window.app().state().selected_numbers(0), [20]);
    window.press("Back to the present at MASTER");
    assert!(window.shows("Order 23 at MASTER") && !window.shows("as it was, read only"));
}

#[test]
fn enter_is_the_tours_next() {
    let mut window = Window::open();
    window.press("Tours");
    window.press("Guided tour");
    window.idle();
    assert!(window.shows("F6 or Enter: next, Esc: leave"));
    window.key(Key::Enter);
    window.idle();
    assert!(window.actions().contains(&Action::PlayStep { step: 0 }));
}

#[test]
fn the_offer_of_the_tour_is_reached_and_dismissed_by_keys() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::open_remembering(&folder.path().join("settings"));
    window.idle();
    assert!(window.harness.get_by_label("Take the tour").accesskit_node().is_focused());
    window.key(Key::Escape);
    assert!(!window.shows("Take the tour") && window.app().state().settings.toured);
    let mut window = Window::open_remembering(&folder.path().join("other"));
    window.idle();
    window.key(Key::Enter);
    window.idle();
    assert!(window.actions().contains(&Action::StartTour { scenario: 0, ready: false }));
}
