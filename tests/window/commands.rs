//! Every command: its words, its keys, the palette, undo and redo, and the same as a line for the terminal and for curl.

use clap::Parser;
use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};

use crate::driver::Window;
use crate::mock::Switchboard;
use objsync::app::command::{Command, everything};
use objsync::app::export;
use objsync::app::view::{Action, Choose, PickValue};
use objsync::cli::args::Args;
use objsync::demo::model::OrderDraft;
use objsync::sync::Rule;

/// As a shell splits a line of ours: plain words, and words in single quotes.
fn split(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut quoted, mut letters) = (false, line.chars());
    while let Some(c) = letters.next() {
        let last = words.last_mut().unwrap();
        match c {
            '\'' => quoted = !quoted,
            '\\' if !quoted => last.extend(letters.next()),
            ' ' if !quoted => words.push(String::new()),
            c => last.push(c),
        }
    }
    words
}

#[test]
fn every_line_for_the_terminal_is_one_that_it_takes() {
    let mut window = Window::open_with_more();
    window.press("Prepare set from MASTER");
    window.key(Key::Enter);
    window.idle();
    window.press("Order 20 at MASTER");
    let state = window.app().state();
    let guid = state.selection.cursor.unwrap();
    let order = OrderDraft {
        employee: Some(1),
        customer: Some(2),
        date_order: Some("2026-11-20 16:44:42".into()),
        item: Some(3),
        quantity: Some("12.5".parse().unwrap()),
        price: Some("446".parse().unwrap()),
    };
    let changes = OrderDraft { quantity: Some("0".parse().unwrap()), ..OrderDraft::default() };
    let file = std::path::PathBuf::from("/tmp/a folder/it's a set.syncset");
    let picks = vec![
        ("quantity".to_owned(), PickValue::Side(0)),
        ("employee".to_owned(), PickValue::Text("Chen, Wei".into())),
        ("price".to_owned(), PickValue::Text("1,249.50".into())),
    ];
    let actions = [
        Action::NewOrder { side: 1, order },
        Action::EditOrder { side: 0, number: 20, changes },
        Action::DeleteOrders { side: 0, numbers: vec![3, 4] },
        Action::Prepare { side: 1, id: 7, file: Some(file.clone()), overwrite: true },
        Action::Preview { file: file.clone(), rule: Some(Rule::Ask) },
        Action::Apply { side: 1, file: file.clone(), rule: Some(Rule::MergeProperties) },
        Action::ApplyWhereAddressed { file, rule: None },
        Action::TakeBack { side: 1, seq: 3 },
        Action::Revert { side: 1, seq: 3, confirmed: true },
        Action::Resolve { side: 1, record: 3, choice: Choose::Side(0), confirmed: true },
        Action::Resolve { side: 1, record: 3, choice: Choose::Properties(picks), confirmed: false },
        Action::Discard { side: 1, ids: vec![11, 12], confirmed: true },
        Action::History { side: 0, guid },
        Action::SetRule { class: Some("Order".into()), rule: None },
        Action::SetRule { class: None, rule: Some(Rule::MasterWins) },
        Action::Open { dir: "/tmp/else where".into() },
        Action::NewEnvironment { dir: "/tmp/new".into() },
        Action::RestartDemo { files: vec!["/tmp/demo/master.db".into()] },
    ];
    let commands: Vec<Command> = everything(state).into_iter().chain(actions.map(Command::Run)).collect();
    let mut lines = 0;
    for command in &commands {
        let Some(line) = command.cli_line(state) else { continue };
        lines += 1;
        let words = split(&line);
        assert_eq!(words[1..], command.cli(state).unwrap(), "the quotes of {line}");
        if let Err(error) = Args::try_parse_from(&words) {
            panic!("{command:?}\n{line}\n{error}");
        }
    }
    assert!(lines > 40, "only {lines} commands have a line");
    let line = |command: Command| command.cli_line(state).unwrap();
    let dir = std::env::temp_dir().join("demo").display().to_string();
    assert_eq!(line(Command::RandomOrders(1)), format!("objsync random-order --dir {dir} --node CLIENT --count 1"));
    assert!(line(Command::Run(Action::DeleteOrders { side: 0, numbers: vec![20] })).contains("order delete 20"));
    let decided = commands.iter().filter_map(|c| c.cli_line(state)).find(|l| l.contains("--set")).unwrap();
    assert!(decided.contains("quantity=401 employee=5 price=1249.50"), "names as numbers, no commas: {decided}");
    // What concerns the window alone has no counterpart.
    assert_eq!(Command::ToggleTheme.cli(state), None);
}

#[test]
fn a_line_for_curl_is_there_only_while_rest_is_served() {
    let mut window = Window::open();
    window.press("Order 20 at MASTER");
    let state = window.state_mut();
    let random = Command::RandomOrders(0);
    assert_eq!(random.curl_line(state), None);
    state.rest = Some("http://127.0.0.1:52773".into());
    assert_eq!(
        random.curl_line(state).unwrap(),
        "curl -u superuser:sys -X POST http://127.0.0.1:52773/synchmaster/rest/v1/randomorder"
    );
    let changes = OrderDraft { quantity: Some("401".parse().unwrap()), ..OrderDraft::default() };
    let put = Command::Run(Action::EditOrder { side: 1, number: 20, changes });
    let said = put.curl_line(state).unwrap();
    assert!(said.contains("-X PUT") && said.contains("/synchclient/rest/v1/order/20"), "{said}");
    assert!(said.contains(r#"'{"orderNum":20,"quantity":401}'"#), "{said}");
    let prepare = Command::Prepare(0).curl_line(state).unwrap();
    assert!(prepare.contains("/admin/prepsynch") && prepare.contains(r#""syncID":1000"#), "{prepare}");
    assert!(prepare.contains(r#""excludeNS":"CLIENT""#), "{prepare}");
    // Several orders in one transaction, or a rule for one set, cannot be asked for there.
    let many = Command::Run(Action::DeleteOrders { side: 0, numbers: vec![1, 2] });
    assert_eq!(many.curl_line(state), None);
}

#[test]
fn the_palette_finds_runs_and_says_why_not() {
    let mut window = Window::open();
    window.keys(Modifiers::COMMAND, Key::K);
    window.type_text("rand client");
    assert!(window.shows("Command: Random order at CLIENT") && !window.shows("Command: Random order at MASTER"));
    window.key(Key::Enter);
    window.idle();
    assert_eq!(window.actions(), [Action::RandomOrders { side: 1, count: 1 }]);
    assert!(!window.shows("Search commands") || window.app().state().dialog.is_none());

    window.press("Search commands…");
    window.type_text("file decision");
    window.key(Key::Enter);
    assert!(window.app().state().dialog.is_some(), "it closed although nothing could be done");
    assert!(window.shows("! No conflict that was found is shown."));
    window.key(Key::Escape);
    assert!(window.app().state().dialog.is_none());

    // An order by its number; at both sides where both have one.
    window.press("Search commands…");
    window.type_text("17");
    assert!(window.shows("Command: Go to order 17 at MASTER") && window.shows("Command: Go to order 17 at CLIENT"));
    window.key(Key::ArrowDown);
    window.key(Key::Enter);
    assert_eq!(window.app().state().selected_numbers(1), [17]);
}

#[test]
fn a_command_is_copied_as_a_line() {
    let mut window = Window::open();
    window.press("Search commands…");
    window.type_text("sync both");
    window.press("Copy as command");
    assert!(window.app().state().status.starts_with("Copied: objsync sync --dir "));
    window.key(Key::Escape);
    // By the keyboard alone: the button does what it says, and not the command.
    window.press("Search commands…");
    window.type_text("verify");
    for _ in 0..20 {
        window.key(Key::Tab);
        if window.harness.get_by_label("Copy as command").accesskit_node().is_focused() {
            break;
        }
    }
    window.key(Key::Enter);
    assert!(window.app().state().status.starts_with("Copied: objsync verify"), "{}", window.app().state().status);
    assert_eq!(window.actions(), []);
    window.key(Key::Escape);
    // By the right button, on the button itself.
    window.harness.get_by_label("Random order at CLIENT").click_secondary();
    window.harness.run_steps(5);
    window.press("Copy as command");
    assert!(window.app().state().status.contains("random-order"), "{}", window.app().state().status);
}

#[test]
fn every_key_is_on_one_sheet() {
    let mut window = Window::open();
    window.key(Key::F1);
    for words in ["Undo", "Search commands…", "Next to decide", "Presentation", "Edit order", "Move in the table"] {
        assert!(window.shows(words), "{words} is not on the sheet");
    }
    window.key(Key::Escape);
    assert!(window.app().state().dialog.is_none());
}

#[test]
fn undo_and_redo_name_what_they_do() {
    let mut window = Window::open();
    assert!(window.disabled("Undo") && window.disabled("Redo"));
    window.press("Random order at MASTER");
    window.idle();
    assert!(window.shows("Undo inserting 1 order at MASTER"));
    window.edit_cell("Quantity of order 20 at CLIENT");
    window.type_text("5");
    window.key(Key::Enter);
    window.idle();
    window.press("Undo changing order 20 at CLIENT");
    window.idle();
    let shown = window.actions();
    let Some(Action::Undo { filed, again: false, confirmed: false }) = shown.last() else { panic!("{shown:?}") };
    assert_eq!((filed.side, filed.what.as_str()), (1, "changing order 20 at CLIENT"));
    assert!(window.shows("Undo inserting 1 order") && window.shows("Redo changing order 20 at CLIENT"));
    window.keys(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    window.idle();
    assert!(matches!(window.actions().last(), Some(Action::Undo { again: true, .. })));
    assert!(window.shows("Undo changing order 20 at CLIENT") && window.disabled("Redo"));
    // Something new is done: what was undone before cannot be done again.
    window.keys(Modifiers::COMMAND, Key::Z);
    window.idle();
    window.press("Random order at CLIENT");
    window.idle();
    assert!(window.disabled("Redo"));
}

#[test]
fn an_undo_asks_where_something_has_moved_on() {
    let mut window = Window::open();
    window.press("Random order at MASTER");
    window.idle();
    window.board.lock().unwrap().moved_on = true;
    window.keys(Modifiers::COMMAND, Key::Z);
    window.idle();
    assert!(window.shows("quantity 5 was changed since, so it stays"));
    assert!(window.shows("Undo inserting 1 order at MASTER"), "it was forgotten before it was answered");
    window.press("Undo the rest");
    window.idle();
    assert!(matches!(window.actions().last(), Some(Action::Undo { confirmed: true, .. })));
    assert!(window.shows("Redo inserting 1 order at MASTER"));
}

#[test]
fn an_undo_belongs_to_its_environment_and_to_no_text_field() {
    let mut window = Window::open();
    window.press("Random order at MASTER");
    window.idle();
    window.press("Orders at MASTER filter");
    window.type_text("20");
    window.keys(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.actions().len(), 1, "Ctrl Z in a text field undid an order");
    window.key(Key::Escape);
    window.press("Environment");
    window.press("Open environment…");
    window.harness.get_by_label("Folder").focus();
    window.harness.run_steps(4);
    window.type_text("/another");
    window.press("Open");
    window.idle();
    assert!(window.disabled("Undo"), "another environment's change can be undone");
}

#[test]
fn sizes_contrast_and_presentation_are_commands() {
    let mut window = Window::open();
    let zoom = |w: &Window| w.harness.ctx.zoom_factor();
    window.keys(Modifiers::COMMAND, Key::Plus);
    assert!((zoom(&window) - 1.1).abs() < 0.001, "{}", zoom(&window));
    window.keys(Modifiers::COMMAND, Key::Minus);
    window.keys(Modifiers::COMMAND, Key::Minus);
    assert!((zoom(&window) - 0.9).abs() < 0.001, "{}", zoom(&window));
    window.keys(Modifiers::COMMAND, Key::Num0);
    assert!((zoom(&window) - 1.0).abs() < 0.001);

    assert!(window.shows("Hide the dock"));
    window.key(Key::F11);
    assert!(zoom(&window) > 1.2 && !window.shows("Hide the dock"));
    window.key(Key::F11);
    assert!(window.shows("Hide the dock"));

    let ground = |w: &Window| w.harness.ctx.global_style().visuals.panel_fill;
    let usual = ground(&window);
    window.keys(Modifiers::COMMAND | Modifiers::SHIFT, Key::H);
    window.harness.run_steps(2);
    assert_ne!(ground(&window), usual);
    window.press("Environment");
    window.press("Reset the layout");
    window.harness.run_steps(2);
    assert_eq!(ground(&window), usual);
}

#[test]
fn selected_orders_are_copied_and_a_table_is_written() {
    let mut window = Window::open();
    window.press("Order 20 at MASTER");
    window.keys(Modifiers::SHIFT, Key::ArrowDown);
    assert_eq!(window.app().state().selected_numbers(0), [20, 19]);
    window.keys(Modifiers::COMMAND, Key::C);
    assert_eq!(window.app().state().status, "Copied the selected orders");
    let copied = export::copied(window.app().state(), 0);
    let lines: Vec<&str> = copied.lines().collect();
    assert_eq!(lines[0], "Order\tEmployee\tCustomer\tDate\tItem\tQuantity\tPrice");
    assert!(lines.len() == 3 && lines[1].starts_with("20\t") && lines[2].starts_with("19\t"), "{copied}");
    window.keys(Modifiers::COMMAND, Key::A);
    // 20 at both sides, 3 new ones; the deleted one is not at MASTER.
    assert_eq!(window.app().state().selected_numbers(0).len(), 22);

    window.press("Export orders at MASTER…");
    let file = std::env::temp_dir().join("objsync-window-test").join("orders.csv");
    window.harness.get_by_label("File").focus();
    window.harness.run_steps(4);
    window.type_text(file.to_str().unwrap());
    window.press("Save");
    window.idle();
    let actions = window.actions();
    let Some(Action::Write { text, to, overwrite: false, .. }) = actions.last() else { panic!("{actions:?}") };
    assert_eq!(*to, file);
    let (lines, text) = (text.lines, text.make());
    assert_eq!((lines, text.lines().count()), (23, 23));
    assert!(text.starts_with("Order,Employee,Customer,Date,Item,Quantity,Price\r\n"));
    assert!(text.contains("\"Haddad, Lena\""), "a comma inside a value is quoted");
    assert!(!text.contains("CLIENT"));
}

#[test]
fn a_set_travels_is_reported_and_offers_the_way_back() {
    let mut window = Window::start(1600.0, 1000.0, Switchboard::default());
    window.until("the first view", |w| w.app().state().snapshot.is_some());
    window.press("Prepare set from MASTER");
    window.key(Key::Enter);
    window.idle();
    window.press("Apply set 1000 at CLIENT");
    window.until("the set on its way", |w| w.app().state().flight.is_some());
    window.idle();
    window.harness.run_steps(80);
    assert!(window.app().state().flight.is_none(), "it never arrived");
    window.press("Environment");
    window.press("Save the report of the last apply…");
    window.harness.get_by_label("File").focus();
    window.harness.run_steps(4);
    window.type_text("/somewhere/report.txt");
    window.press("Save");
    window.idle();
    let actions = window.actions();
    let Some(Action::Write { text, .. }) = actions.last() else { panic!("{actions:?}") };
    let text = text.make();
    assert!(text.starts_with("Applied set at CLIENT") && text.contains("conflict: CLIENT won"), "{text}");
}

#[test]
fn nothing_moves_where_animations_are_off() {
    let mut window = Window::open();
    window.press("Environment");
    window.press("No animations");
    window.press("Prepare set from MASTER");
    window.key(Key::Enter);
    window.idle();
    window.press("Apply set 1000 at CLIENT");
    window.idle();
    assert!(window.app().state().flight.is_none());
    assert!(!window.app().state().flash.is_empty(), "what changed is not highlighted");
}

/// Whatever the palette offers and says can be done is done: something is asked of the engine, or something on the screen is
/// another one; and no dialog is left that cannot be closed.
#[test]
fn every_command_can_be_run_from_the_palette() {
    let probe = Window::open_with_more();
    let labels: Vec<String> = everything(probe.app().state()).iter().map(|c| c.label(probe.app().state())).collect();
    let mut window = Window::open_with_more();
    let mut ran = 0;
    for label in labels {
        window.press("Order 20 at MASTER");
        window.keys(Modifiers::COMMAND, Key::K);
        window.type_text(&label);
        // Another command's words may have these in them.
        let entry = format!("Command: {label}");
        if window.harness.query_all_by_label(&entry).count() != 1 {
            // Its name has changed with its state, as “Hide the dock” does.
            window.key(Key::Escape);
            continue;
        }
        if window.disabled(&entry) {
            window.key(Key::Escape);
            assert!(window.app().state().dialog.is_none(), "the palette stays open at {label}");
            continue;
        }
        ran += 1;
        window.press(&entry);
        window.idle();
        for _ in 0..3 {
            window.key(Key::Escape);
            window.idle();
        }
        assert!(window.app().state().dialog.is_none(), "{label} leaves a dialog open");
        // Back to where the next one can be run.
        let state = window.state_mut();
        (state.settings.presentation, state.settings.high_contrast, state.settings.zoom) = (false, false, 1.0);
        state.travel = [None, None];
        state.editor = None;
        for tab in ["Orders at MASTER", "Orders at CLIENT"] {
            window.harness.get_by_role_and_label(eframe::egui::Role::Tab, tab).click();
            window.harness.run_steps(3);
        }
        let state = window.state_mut();
        state.query = Default::default();
        state.refresh_rows();
        window.harness.run_steps(3);
        if !window.shows("Order 20 at MASTER") {
            // It was restarted, or another environment is shown.
            window = Window::open_with_more();
        }
    }
    assert!(ran > 70, "only {ran} commands were run");
}

#[test]
fn a_file_is_replaced_only_by_the_button_that_says_so() {
    let mut window = Window::open();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders.csv");
    let export = |w: &mut Window| {
        w.press("Export orders at MASTER…");
        assert_eq!(w.value("File"), "orders-master.csv", "the usual name");
        w.type_text(file.to_str().unwrap());
        assert_eq!(w.value("File"), file.to_str().unwrap());
    };
    // It comes to be there between typing and pressing.
    export(&mut window);
    std::fs::write(&file, "precious").unwrap();
    window.key(Key::Enter);
    window.idle();
    assert!(window.shows("There is a file already. It will be replaced."));
    assert!(window.shows("Replace the file"));
    window.key(Key::Escape);
    // It is there from the beginning.
    export(&mut window);
    assert!(window.shows("There is a file already. It will be replaced."));
    window.key(Key::Enter);
    window.idle();
    let replacing = |w: &Window| w.actions().iter().any(|a| matches!(a, Action::Write { overwrite: true, .. }));
    assert!(!replacing(&window), "Enter after the name replaced the file");
    window.press("Replace the file");
    window.idle();
    assert!(replacing(&window) && !window.shows("There is a file already."));
}

#[test]
fn what_is_looked_for_in_the_palette_is_found() {
    let mut window = Window::open_with_more();
    window.press("Prepare set from MASTER");
    window.key(Key::Enter);
    window.idle();
    for (words, found) in [
        ("preview", "Command: Preview the next set from MASTER…"),
        ("apply", "Command: Apply the next set from MASTER"),
        ("save", "Command: Save the next set from MASTER as…"),
        ("take", "Command: Take back the set applied last at CLIENT"),
        ("revert", "Command: Revert the set applied last at CLIENT…"),
        ("rule", "Command: On conflict: Ask"),
        ("situation", "Command: Guided tour"),
        ("tour", "Command: Guided tour"),
    ] {
        window.keys(Modifiers::COMMAND, Key::K);
        window.type_text(words);
        assert!(window.shows(found), "{words} does not find {found}");
        window.key(Key::Escape);
    }
    let run = |w: &mut Window, words: &str| {
        w.keys(Modifiers::COMMAND, Key::K);
        w.type_text(words);
        w.key(Key::Enter);
        w.idle();
    };
    run(&mut window, "revert client");
    assert!(window.shows("Revert set 998?"));
    window.key(Key::Escape);
    run(&mut window, "save next master");
    assert_eq!(window.value("Copy to"), "syncFromMASTER-1000.syncset");
    window.key(Key::Escape);
    run(&mut window, "take back client");
    assert!(matches!(window.actions().last(), Some(Action::TakeBack { side: 1, seq: 3 })));
}

#[test]
fn the_keyboard_goes_from_table_to_table_and_through_forms() {
    let mut window = Window::open();
    window.press("Order 20 at MASTER");
    for _ in 0..6 {
        window.key(Key::ArrowRight);
    }
    assert_eq!(window.app().state().selection.side, 1, "beyond the last column");
    for _ in 0..6 {
        window.key(Key::ArrowLeft);
    }
    assert_eq!(window.app().state().selection.side, 0, "and back");
    // Esc leaves the past.
    window.keys(Modifiers::COMMAND, Key::T);
    window.idle();
    assert!(window.shows("as it was, read only"));
    window.key(Key::Escape);
    assert!(!window.shows("as it was, read only"));
    // The form begins in its first field, and Enter on a name of several stays there.
    window.press("New order at MASTER");
    window.type_text("a");
    assert_eq!(window.value("Employee"), "a");
    window.key(Key::Enter);
    window.type_text("w");
    assert_eq!(window.value("Employee"), "aw", "the field has lost the focus");
}
