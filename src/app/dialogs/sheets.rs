//! Sheets to be read: every key, and what each rule does.

use eframe::egui::{Align, Grid, Label, Layout, RichText, ScrollArea, Ui, vec2};

use crate::app::command::{Command, everything, rule_sentence};
use crate::app::state::State;
use crate::app::theme::{TEXT, Tokens, medium, semibold};
use crate::sync::Rule;

/// Keys that are no command's.
const TABLE_KEYS: [(&str, &str); 9] = [
    ("↑ ↓ PgUp PgDn", "Move in the table"),
    ("Home End", "First and last order"),
    ("← →", "The cell that F2 edits; beyond the edge, the other table"),
    ("Shift ↑ ↓", "Select several"),
    ("Enter", "Edit the cell; in the tour, its next step"),
    ("Tab", "File, and edit the next cell; else to the next button"),
    ("Esc", "Leave the editor, dialog, tour, or the past"),
    ("/", "Filter the table"),
    ("Ctrl click", "One order more, or fewer"),
];

/// Every key; `true` when it was read.
pub fn keys(ui: &mut Ui, state: &State) -> bool {
    let t = Tokens::of(ui);
    ui.set_width((ui.ctx().content_rect().width() - 80.0).min(920.0));
    ui.label(RichText::new("All keys").font(semibold(15.0)).color(t.strong));
    ui.add_space(4.0);
    // What a key does at the side clicked last is one line.
    let anywhere = |c: &Command| {
        matches!(c, Command::EditOrder(_) | Command::DeleteOrders(_) | Command::History(_) | Command::CopyOrders(_))
    };
    let at = format!(" at {}", state.side_name(0));
    let line = |c: &Command| {
        let keys = ui.ctx().format_shortcut(&c.shortcut()?);
        let label = c.label(state);
        Some((keys, if anywhere(c) { label.replace(&at, "") } else { label }))
    };
    let mut all: Vec<(String, String)> = Vec::new();
    for (keys, label) in everything(state).iter().filter_map(line) {
        if !all.iter().any(|(known, _)| *known == keys) {
            all.push((keys, label));
        }
    }
    all.extend(TABLE_KEYS.map(|(keys, what)| (keys.to_owned(), what.to_owned())));
    let half = all.len().div_ceil(2);
    let height = (ui.ctx().content_rect().height() - 150.0).max(200.0);
    ScrollArea::vertical().id_salt("keys").max_height(height).auto_shrink([false, true]).show(ui, |ui| {
        ui.columns(2, |columns| {
            for (at, (column, part)) in columns.iter_mut().zip([&all[..half], &all[half..]]).enumerate() {
                Grid::new(("keys", at)).num_columns(2).spacing(vec2(16.0, 3.0)).min_row_height(20.0).show(
                    column,
                    |ui| {
                        for (keys, what) in part {
                            ui.label(RichText::new(keys).font(medium(TEXT)).color(t.sides[0]));
                            ui.add(Label::new(RichText::new(what).color(t.text)).truncate());
                            ui.end_row();
                        }
                    },
                );
            }
        });
    });
    closed(ui)
}

/// What each rule does, and what to know about it; `true` when it was read.
pub fn rules(ui: &mut Ui, state: &State) -> bool {
    let t = Tokens::of(ui);
    ui.set_width(640.0);
    ui.label(RichText::new("Who wins where both changed an object").font(semibold(15.0)).color(t.strong));
    ui.add_space(4.0);
    let intro = "A state replaces another only if it was made with it in sight: version vectors tell, no clock does. All else is \
                 a conflict. A rule decides it at once, and a record keeps both states for good: any decision can be made anew.";
    ui.add(Label::new(RichText::new(intro).color(t.text)).wrap());
    ui.add_space(6.0);
    for rule in Rule::ALL {
        let chosen = if rule == state.rule() { "  ✓ chosen" } else { "" };
        ui.label(RichText::new(format!("{}{chosen}", rule.label())).font(semibold(TEXT)).color(t.strong));
        ui.add(Label::new(RichText::new(rule_sentence(rule, state)).color(t.text)).wrap());
        if !rule.caution().is_empty() {
            ui.add(Label::new(RichText::new(format!("! {}", rule.caution())).color(t.waiting)).wrap());
        }
        ui.add_space(4.0);
    }
    closed(ui)
}

fn closed(ui: &mut Ui) -> bool {
    ui.add_space(6.0);
    let row = vec2(ui.available_width(), ui.spacing().interact_size.y);
    ui.allocate_ui_with_layout(row, Layout::right_to_left(Align::Center), |ui| ui.button("Close").clicked()).inner
}
