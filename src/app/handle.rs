//! The one place where the window's state changes.

use std::time::Instant;

use eframe::egui::{self, Theme};

use super::app::App;
use super::command::{Command, Pick};
use super::decision::Draft;
use super::dialogs::{Chooser, Dialog, Fresh, History, OrderForm, PathField, Preview};
use super::edit::Editor;
use super::rows::Sort;
use super::selection::{next_to_decide, pick_conflict, reveal, select, set_conflict, step};
use super::snapshot::{COLUMNS, Column};
use super::state::{Activity, ConflictPick, DockTab, PaneTab, Running, State};
use super::view::{Action, Failure, Question, SideIndex};
use super::worker::Finished;
use crate::demo::model::OrderDraft;
use crate::demo::tables::ORDER;
use crate::sync::Guid;
use crate::words::count;

impl App {
    /// Takes what the worker and the file chooser have brought.
    pub(super) fn take_news(&mut self, ctx: &egui::Context) {
        let news = self.worker.take();
        if let Some(view) = news.view {
            self.state.show_view(view);
            // What could not be read a moment ago can be read again, so that is no news any more.
            if self.state.unreadable.take().is_some_and(|failure| self.state.error.as_ref() == Some(&failure)) {
                self.state.error = None;
            }
        }
        if news.elsewhere {
            self.outdate();
        }
        if let Some(failure) = news.failure {
            self.state.unreadable = Some(failure.clone());
            self.fail(failure);
        }
        let now = ctx.input(|i| i.time);
        for finished in news.finished {
            self.finish(finished, now);
        }
        if news.stopped {
            self.state.stopped = true;
            self.state.running = None;
            self.fail(Failure {
                message: "The worker has stopped, which is a fault in this program. What it had committed is kept."
                    .into(),
                hint: "Start the program again.".into(),
            });
        }
        if let Some(path) = self.chooser.as_ref().and_then(Chooser::take) {
            self.chooser = None;
            self.chosen(path);
        }
        self.preview_again();
    }

    /// What a preview on the screen says may be so no longer.
    fn outdate(&mut self) {
        if let Some(Dialog::Preview(preview)) = &mut self.state.dialog {
            preview.fresh = Fresh::Due;
        }
    }

    /// Asks once more for a preview that is outdated, as soon as the worker is free.
    fn preview_again(&mut self) {
        let idle = self.state.running.is_none() && !self.state.stopped;
        let Some(Dialog::Preview(preview)) = &mut self.state.dialog else { return };
        if idle && preview.fresh == Fresh::Due {
            preview.fresh = Fresh::Asked;
            let action = Action::Preview { file: preview.view.file.clone(), rule: preview.view.rule };
            self.state.answered = true;
            self.state.refused = None;
            self.run(action);
        }
    }

    fn chosen(&mut self, path: Option<std::path::PathBuf>) {
        let Some(mut dialog) = self.state.dialog.take() else { return };
        if let Some(field) = dialog.path_mut() {
            match path {
                Some(path) => *field = PathField::filled(path, &self.state),
                None => field.note = Some("No file was chosen. If no chooser came up, type the path.".into()),
            }
        }
        self.state.dialog = Some(dialog);
    }

    fn finish(&mut self, finished: Finished, now: f64) {
        let state = &mut self.state;
        let awaited = state.running.take().is_some_and(|running| running.answers);
        let at = chrono::Local::now().format("%H:%M:%S").to_string();
        match finished.result {
            // The dialog that asked for it was closed meanwhile.
            Ok(done) if done.preview.is_some() && awaited && !state.answered => {}
            Ok(done) => {
                // What failed before is no news any more; why nothing can be read has a life of its own.
                state.error = state.error.take().filter(|failure| state.unreadable.as_ref() == Some(failure));
                let before = state.answered.then(|| state.dialog.take()).flatten();
                if before.is_some() {
                    state.close();
                }
                // A question, a preview and a history are shown, and told nowhere else: nothing was done.
                if let Some(Question { title, text, lines, yes, action }) = done.ask {
                    state.open(Dialog::Confirm { title, text, lines, yes, action });
                    return;
                }
                if let Some(view) = done.preview {
                    state.open(Dialog::Preview(Preview::new(view, before)));
                    if finished.overtaken {
                        self.outdate();
                    }
                    return;
                }
                if let Some(view) = done.history {
                    state.open(Dialog::History(History { view, chosen: 0 }));
                    return;
                }
                let activity = Activity {
                    at,
                    text: done.text.clone(),
                    details: done.details,
                    took: Some(finished.took),
                    failed: false,
                };
                if finished.action == Action::Verify {
                    state.verified = Some(activity.clone());
                    state.dock = DockTab::Verify;
                    state.dock_open = Some(true);
                }
                state.note(activity);
                state.status = format!("{} — {}", done.text, duration(finished.took));
                state.flash = done.changed.iter().map(|key| (*key, now)).collect();
                // Giving up what waits leaves a record too, but who does so looks at what waits.
                if let Some((side, record)) = done.conflict
                    && !matches!(finished.action, Action::Discard { .. })
                {
                    set_conflict(state, ConflictPick::Record(side, record));
                    state.dock = DockTab::Conflicts;
                    // A dock that somebody has folded stays so.
                    if !state.dock_chosen {
                        state.dock_open = Some(true);
                    }
                }
                // What was just made by hand should be seen.
                if let (Action::NewOrder { side, .. } | Action::RandomOrders { side, .. }, Some((_, guid))) =
                    (&finished.action, done.changed.first())
                {
                    state.look_at = Some(*guid);
                    state.selection.side = *side;
                }
            }
            Err(failure) if state.answered && state.dialog.is_some() => self.refuse(failure),
            Err(failure) => self.fail(failure),
        }
    }

    /// The dialog stays with what was typed, and says why it was in vain.
    fn refuse(&mut self, failure: Failure) {
        self.note_failure(&failure);
        if let Some(mut dialog) = self.state.dialog.take() {
            if let Dialog::Preview(preview) = &mut dialog
                && preview.fresh == Fresh::Asked
            {
                preview.fresh = Fresh::Refused;
            }
            // The reason may be a file that has come to be there.
            if let Some(path) = dialog.path_mut() {
                path.look(&self.state);
            }
            self.state.dialog = Some(dialog);
        }
        self.state.answered = false;
        self.state.refused = Some(failure);
    }

    fn fail(&mut self, failure: Failure) {
        self.note_failure(&failure);
        self.state.error = Some(failure);
    }

    fn note_failure(&mut self, failure: &Failure) {
        let at = chrono::Local::now().format("%H:%M:%S").to_string();
        let details = Some(failure.hint.clone()).filter(|h| !h.is_empty()).into_iter().collect();
        self.state.note(Activity { at, text: failure.message.clone(), details, took: None, failed: true });
    }

    /// Carries out a command.
    pub(super) fn handle(&mut self, ctx: &egui::Context, command: Command) {
        if let Err(reason) = command.enabled(&self.state) {
            // A shortcut pressed at the wrong moment; the button would have said the same.
            self.state.status = reason;
            return;
        }
        match command {
            Command::Run(action) => self.run(action),
            Command::Answer(action) => {
                self.state.answered = true;
                self.state.refused = None;
                self.run(action);
            }
            Command::History(side) => {
                if let Some((side, guid)) = self.state.history_at(side) {
                    self.run(Action::History { side, guid });
                }
            }
            Command::FileDecision => {
                let decision = self.state.shown_record().map(|r| (r.side, r.record, self.state.draft_of(r).choose()));
                if let Some((side, record, choice)) = decision {
                    self.run(Action::Resolve { side, record, choice, confirmed: false });
                }
            }
            Command::RandomOrders(side) => {
                self.run(Action::RandomOrders { side, count: self.state.random[side] });
            }
            Command::SyncBoth => self.run(Action::SyncBoth),
            Command::Verify => self.run(Action::Verify),
            Command::Rule(rule) => {
                // What is shown is the rule for orders; where that is their own, it is that one which is chosen.
                let class = self.state.rule_for_others().map(|_| ORDER.to_owned());
                self.run(Action::SetRule { class, rule: Some(rule) });
            }
            Command::ApplyNext(side) => {
                let card = self.state.snapshot.as_ref().and_then(|s| s.view.lanes[side].prepared.first().cloned());
                if let Some(card) = card {
                    self.run(Action::Apply { side: 1 - side, file: card.file, rule: None });
                }
            }
            Command::FileEdit { next } => self.file_edit(next),
            Command::Browse => self.browse(ctx),
            Command::ToggleTheme => {
                let dark = ctx.theme() == Theme::Dark;
                ctx.set_theme(if dark { Theme::Light } else { Theme::Dark });
            }
            other => change(&mut self.state, other),
        }
    }

    fn run(&mut self, action: Action) {
        match self.worker.send(action.clone()) {
            Ok(()) => {
                let answers = self.state.answered;
                self.state.running = Some(Running { action, since: Instant::now(), answers });
            }
            Err(_) => {
                self.state.answered = false;
                self.fail(Failure {
                    message: "The worker takes no more work; nothing was changed.".into(),
                    hint: "Wait a moment. If it stays so, start the program again.".into(),
                })
            }
        }
    }

    fn browse(&mut self, ctx: &egui::Context) {
        let Some(dialog) = &self.state.dialog else { return };
        let dir = self.state.snapshot.as_ref().map(|s| s.view.dir.clone()).unwrap_or_default();
        self.chooser = Chooser::open(dialog, dir, ctx.clone());
    }

    fn file_edit(&mut self, next: bool) {
        let (Some(editor), Some(snapshot)) = (&self.state.editor, &self.state.snapshot) else { return };
        let (side, guid, number, column) = (editor.side, editor.guid, editor.number, editor.column);
        let order = snapshot.line(guid).and_then(|l| l.orders[side].clone());
        let changes = if editor.is_touched() { editor.draft(snapshot) } else { Ok(OrderDraft::default()) };
        // A wrong text is filed under no circumstances; the editor stays open with its reason.
        let (Ok(mut changes), Some(order)) = (changes, order) else { return };
        without_what_is_so(&mut changes, &order);
        let files = changes != OrderDraft::default();
        if files && let Err(reason) = self.state.blocked() {
            self.state.status = reason;
            if let Some(editor) = &mut self.state.editor {
                editor.focused = false;
            }
            return;
        }
        self.state.editor = None;
        if files {
            self.run(Action::EditOrder { side, number, changes });
        }
        if next && let (Some(column), Some(snapshot)) = (COLUMNS.get(column as usize + 1), &self.state.snapshot) {
            self.state.editor = Some(Editor::new(snapshot, side, guid, &order, *column));
            self.state.selection.column = Some(*column);
        }
    }
}

/// Drops what is as it was, so that no change is filed that changes nothing.
fn without_what_is_so(changes: &mut OrderDraft, order: &crate::demo::model::Order) {
    changes.employee = changes.employee.filter(|v| *v != order.employee);
    changes.customer = changes.customer.filter(|v| *v != order.customer);
    changes.item = changes.item.filter(|v| *v != order.item);
    changes.quantity = changes.quantity.filter(|v| *v != order.quantity);
    changes.price = changes.price.filter(|v| *v != order.price);
    changes.date_order = changes.date_order.take().filter(|v| *v != order.date_order);
}

/// Commands that need nothing but the state.
fn change(state: &mut State, command: Command) {
    match command {
        Command::NewOrder(side) => state.open(Dialog::NewOrder(OrderForm::new(side))),
        Command::EditOrder(side) => {
            if let Some((guid, _)) = state.current(side) {
                start_edit(state, side, guid, state.edit_column());
            }
        }
        Command::StartEdit(side, guid, column) => start_edit(state, side, guid, column),
        Command::DeleteOrders(side) => ask_delete(state, side),
        Command::Prepare(side) => {
            let next = state.snapshot.as_ref().map_or(0, |s| s.view.lanes[side].next_id);
            state.open(Dialog::Prepare { side, id: next.to_string(), path: PathField::default() });
        }
        Command::OpenSetFile => state.open(Dialog::OpenSet { path: PathField::default() }),
        Command::OpenEnvironment => state.open(Dialog::OpenEnvironment { path: PathField::default() }),
        Command::RestartDemo => {
            let dir = state.snapshot.as_ref().map(|s| s.view.dir.display().to_string()).unwrap_or_default();
            state.open(Dialog::Confirm {
                title: "Restart the demo?".into(),
                text: format!("Both databases and all sets in {dir} are replaced by new ones. This cannot be undone."),
                lines: Vec::new(),
                yes: "Restart demo".into(),
                action: Action::RestartDemo,
            });
        }
        Command::Dropped(path) => {
            let path = PathField::filled(path, state);
            state.open(Dialog::OpenSet { path });
        }
        Command::Ask(dialog) => state.open(dialog),
        Command::FocusFilter(side) => {
            state.tabs[side] = PaneTab::Orders;
            state.focus_filter = Some(side);
        }
        Command::ToggleDock => {
            state.dock_open = Some(state.dock_open != Some(true));
            state.dock_chosen = true;
        }
        Command::Show(show) => {
            // Pressing the chosen one again shows everything; what it speaks of are orders.
            state.tabs = [PaneTab::Orders; 2];
            state.query.show = if state.query.show == show { Default::default() } else { show };
            state.refresh_rows();
        }
        Command::Filter(side, text) => {
            state.query.filters[side] = text;
            state.focus_filter = None;
            state.refresh_rows();
        }
        Command::SortBy(side, column) => {
            let sort = state.query.sort;
            let descending = if sort.column == column { !sort.descending } else { column.is_none() };
            state.query.sort = Sort { column, descending, side };
            state.refresh_rows();
        }
        Command::RandomCount(side, count) => state.random[side] = count,
        Command::PaneTab(side, tab) => state.tabs[side] = tab,
        Command::DockTab(tab) => {
            state.dock = tab;
            state.dock_open = Some(true);
        }
        Command::Select(side, guid, column, pick) => select(state, side, guid, column, pick),
        Command::Move(by) => step(state, by),
        Command::PickConflict(pick) => pick_conflict(state, pick),
        Command::Reveal(side, guid) => {
            state.selection.side = side;
            if !reveal(state, guid) {
                state.status =
                    "Neither table shows this object: it is no order, is deleted, or the filter hides it.".into();
            }
        }
        Command::NextToDecide => next_to_decide(state),
        Command::PickValue(property, value) => decide(state, |draft| draft.pick(property, value)),
        Command::TakeWhole(side) => decide(state, |draft| draft.take(side)),
        Command::ResetDecision => state.draft = None,
        Command::ScrollTogether(together) => state.scroll_together = together,
        Command::SideBySide(aligned) => {
            state.query.side_by_side = aligned;
            state.look_at = state.selection.cursor;
            state.refresh_rows();
        }
        Command::EditText(text) => {
            if let Some(editor) = &mut state.editor {
                editor.text = text;
                editor.pick = 0;
            }
        }
        Command::EditFocused => {
            if let Some(editor) = &mut state.editor {
                editor.focused = true;
            }
        }
        Command::EditPick(pick) => {
            if let Some(editor) = &mut state.editor {
                editor.pick = pick;
            }
        }
        Command::CancelEdit => state.editor = None,
        Command::DismissError => state.error = None,
        Command::CancelWork => state.progress.cancel(),
        // Handled by the app, which has the worker and the context.
        Command::Run(_)
        | Command::Rule(_)
        | Command::Answer(_)
        | Command::History(_)
        | Command::FileDecision
        | Command::RandomOrders(_)
        | Command::ApplyNext(_)
        | Command::SyncBoth
        | Command::Verify
        | Command::FileEdit { .. }
        | Command::Browse
        | Command::ToggleTheme => {}
    }
}

/// Changes what is about to be decided about the record shown.
fn decide(state: &mut State, change: impl FnOnce(&mut Draft)) {
    let Some(record) = state.shown_record() else { return };
    let mut draft = state.draft_of(record);
    // The one shown because none was picked is picked now, so that a new record does not take its place.
    let pick = ConflictPick::Record(record.side, record.record);
    change(&mut draft);
    state.conflict = Some(pick);
    state.draft = Some(draft);
}

fn start_edit(state: &mut State, side: SideIndex, guid: Guid, column: Column) {
    let Some(snapshot) = &state.snapshot else { return };
    let Some(order) = snapshot.line(guid).and_then(|l| l.orders[side].as_ref()) else { return };
    state.editor = Some(Editor::new(snapshot, side, guid, order, column));
    state.tabs[side] = PaneTab::Orders;
    select(state, side, guid, Some(column), Pick::One);
    state.look_at = Some(guid);
}

fn ask_delete(state: &mut State, side: SideIndex) {
    let numbers = state.selected_numbers(side);
    let name = state.side_name(side);
    let (title, yes) = match numbers.as_slice() {
        [number] => (format!("Delete order {number} at {name}?"), "Delete order".to_owned()),
        many => {
            let orders = count(many.len(), "order");
            (format!("Delete {orders} at {name}?"), format!("Delete {orders}"))
        }
    };
    let text =
        format!("It is deleted at {} too once a set with this change is applied there.", state.side_name(1 - side));
    let text = if numbers.len() == 1 { text } else { text.replacen("It is", "They are", 1) };
    state.open(Dialog::Confirm { title, text, lines: Vec::new(), yes, action: Action::DeleteOrders { side, numbers } });
}

/// `6 ms`, `1.4 s`.
pub(super) fn duration(took: std::time::Duration) -> String {
    match took.as_millis() {
        0 => "under 1 ms".into(),
        ms @ 1..1000 => format!("{ms} ms"),
        _ => format!("{:.1} s", took.as_secs_f64()),
    }
}
