//! Orders: made, changed in their cells, deleted, found.

use eframe::egui::{self, Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};

use crate::driver::Window;
use objsync::app::view::Action;
use objsync::demo::model::OrderDraft;

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
fn a_very_long_name_takes_one_line_in_a_list() {
    let mut window = Window::open();
    let name = "Very long ".repeat(40);
    let state = window.state_mut();
    let mut view = (*state.snapshot.as_ref().unwrap().view).clone();
    view.sides[0].customers[0].name = name.clone();
    state.show_view(std::sync::Arc::new(view));
    window.press("New order at MASTER");
    window.harness.get_by_role_and_label(eframe::egui::Role::TextInput, "Customer").focus();
    window.harness.run_steps(4);
    window.type_text("Very");
    let entry = window.harness.get_by_role_and_label(eframe::egui::Role::Button, &name).rect();
    assert!(entry.height() < 40.0 && entry.width() < 340.0, "{entry:?}");
}
