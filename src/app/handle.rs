//! The one place where the window's state changes.

use std::sync::Arc;
use std::time::Instant;

use eframe::egui::{self, Theme};

use super::app::App;
use super::command::{Command, Pick, Zoom};
use super::decision::Draft;
use super::dialogs::{Chooser, Dialog, OrderForm, Palette, PathField, RestForm};
use super::edit::Editor;
use super::export;
use super::rows::{Query, Sort};
use super::selection::{extend, next_to_decide, pick_conflict, reveal, select, select_all, step};
use super::snapshot::{COLUMNS, Column};
use super::state::{ConflictPick, PaneTab, Running, State, Travel};
use super::view::{Action, Failure, SideIndex};
use crate::demo::model::OrderDraft;
use crate::demo::tables::ORDER;
use crate::sync::Guid;
use crate::words::count;

impl App {
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
                let card = self.state.snapshot.as_ref().and_then(|s| s.view.lanes[side].next().cloned());
                if let Some(card) = card {
                    self.run(Action::Apply { side: 1 - side, file: card.file, rule: None });
                }
            }
            Command::PreviewNext(side) => {
                let card = self.state.snapshot.as_ref().and_then(|s| s.view.lanes[side].next().cloned());
                if let Some(card) = card {
                    self.run(Action::Preview { file: card.file, rule: None });
                }
            }
            Command::TakeBackLast(_) | Command::RevertLast(_) => {
                if let Some(action) = command.of_last(&self.state) {
                    self.run(action);
                }
            }
            Command::FileEdit { next } => self.file_edit(next),
            Command::Browse => self.browse(ctx),
            Command::ToggleTheme => {
                let dark = ctx.theme() == Theme::Dark;
                self.state.settings.dark = Some(!dark || self.state.settings.high_contrast);
                self.state.settings.high_contrast = false;
            }
            Command::Undo => {
                if let Some(filed) = self.state.undo.last().cloned() {
                    self.run(Action::Undo { filed, again: false, confirmed: false });
                }
            }
            Command::Redo => {
                if let Some(filed) = self.state.redo.last().cloned() {
                    self.run(Action::Undo { filed, again: true, confirmed: false });
                }
            }
            Command::Tour => self.start_tour(0, false),
            Command::Situation(scenario) => self.start_tour(scenario, true),
            Command::TourNext => {
                if let Some(tour) = &mut self.state.tour {
                    match tour.is_read_again() {
                        true => tour.at += 1,
                        false => {
                            let step = tour.at;
                            self.run(Action::PlayStep { step });
                        }
                    }
                }
            }
            Command::TourLeave => {
                let home = self.state.tour.as_ref().map(|tour| tour.home.clone()).unwrap_or_default();
                match home.as_os_str().is_empty() {
                    // Where there is nothing to return to, its environment stays.
                    true => self.state.tour = None,
                    // The tour ends when that is opened: until then its databases are shown.
                    false => self.run(Action::Open { dir: home }),
                }
            }
            Command::CopyOrders(side) => {
                let text = export::copied(&self.state, side);
                self.state.status = "Copied the selected orders".into();
                ctx.copy_text(text);
            }
            Command::CopyAs(line) => {
                self.state.status = format!("Copied: {line}");
                ctx.copy_text(line);
            }
            other => change(&mut self.state, other),
        }
    }

    fn start_tour(&mut self, scenario: usize, ready: bool) {
        let here = self.state.snapshot.as_ref().map(|s| s.view.dir.clone());
        self.state.home = here;
        self.state.close();
        self.run(Action::StartTour { scenario, ready });
    }

    pub(super) fn run(&mut self, action: Action) {
        match self.worker.send(action.clone()) {
            Ok(()) => {
                let answers = self.state.answered;
                let stood = self.state.stands();
                self.state.running = Some(Running { action, since: Instant::now(), answers, stood });
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
        let order = snapshot.line(guid).and_then(|mut l| l.orders[side].take());
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
        Command::SaveNext(side) => {
            let card = state.snapshot.as_ref().and_then(|s| s.view.lanes[side].next().cloned());
            if let Some(card) = card {
                let (id, file, path) = (card.id, card.file, PathField::default());
                change(state, Command::Ask(Dialog::SaveAs { id, file, path }));
            }
        }
        Command::OpenSetFile => state.open(Dialog::OpenSet { path: PathField::default() }),
        Command::OpenEnvironment => state.open(Dialog::OpenEnvironment { path: PathField::default() }),
        Command::Rest => state.open(Dialog::Rest(RestForm::new(&state.settings.rest))),
        Command::NewEnvironment => state.open(Dialog::NewEnvironment { path: PathField::default() }),
        Command::RestartDemo => {
            let dir = state.snapshot.as_ref().map(|s| s.view.dir.display().to_string()).unwrap_or_default();
            let files = state.restartable().map(<[_]>::to_vec).unwrap_or_default();
            let names = files.iter().filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned()));
            let lines = names.chain(["the sets in its folder “sets”".to_owned()]).collect();
            state.open(Dialog::Confirm {
                title: "Restart the demo?".into(),
                text: format!("Makes a new demo in {dir}. Nothing is deleted: these go into a folder before-restart-DATE-TIME there. Undo does not bring them back."),
                lines,
                yes: "Restart demo".into(),
                action: Action::RestartDemo { files },
            });
        }
        Command::Dropped(path) => {
            let path = PathField::filled(path, state);
            state.open(Dialog::OpenSet { path });
        }
        Command::Ask(mut dialog) => {
            dialog.name_file(state);
            state.open(dialog);
        }
        Command::FocusFilter(side) => state.focus_filter = Some(side),
        Command::ToggleDock => {
            state.settings.presentation = false;
            state.dock_open = Some(state.dock_open != Some(true));
            state.dock_chosen = true;
            state.settings.dock = state.dock_open;
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
            state.settings.presentation = false;
        }
        Command::Select(side, guid, column, pick) => select(state, side, guid, column, pick),
        Command::Move(by) => step(state, by),
        Command::Extend(by) => extend(state, by),
        Command::SelectAll => select_all(state),
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
        Command::MergeProperties => decide(state, Draft::merge),
        Command::ResetDecision => state.draft = None,
        Command::ScrollTogether(together) => {
            state.scroll_together = together;
            state.settings.scroll_together = together;
        }
        Command::SideBySide(aligned) => {
            state.query.side_by_side = aligned;
            state.settings.side_by_side = aligned;
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
        Command::Palette => state.open(Dialog::Palette(Palette::default())),
        Command::Shortcuts => state.open(Dialog::Shortcuts),
        Command::Export(side) => {
            let Some(text) = export::csv(state, side) else { return };
            let what = format!("the orders of {}", state.side_name(side));
            let name = format!("orders-{}.csv", state.side_name(side).to_lowercase());
            let path = PathField::default();
            change(state, Command::Ask(Dialog::SaveText { what, name, text, path, back: None }));
        }
        Command::SaveReport => {
            if let Some(report) = &state.report {
                let lines = std::iter::once(&report.title).chain(report.lines.iter().map(|line| &line.text));
                let text: String = lines.flat_map(|line| [line.as_str(), "\n"]).collect();
                let (what, name) = ("the report".to_owned(), "report.txt".to_owned());
                let (text, path) = (text.into(), PathField::default());
                change(state, Command::Ask(Dialog::SaveText { what, name, text, path, back: None }));
            }
        }
        Command::TourBack => {
            if let Some(tour) = &mut state.tour {
                tour.at = tour.at.saturating_sub(1);
            }
        }
        Command::TourStay => state.tour = None,
        Command::DeclineTour => state.settings.toured = true,
        Command::TimeTravel(side) => {
            let now = state.snapshot.as_ref().map_or(0, |s| s.view.sides[side].transaction);
            state.tabs[side] = PaneTab::Orders;
            state.travel[side] = match state.travel[side] {
                Some(_) => None,
                None => Some(Travel { number: now, asked: None, view: None, places: Arc::default() }),
            };
        }
        Command::TravelTo(side, number) => {
            if let Some(travel) = &mut state.travel[side] {
                travel.number = number;
            }
        }
        Command::Presentation => state.settings.presentation = !state.settings.presentation,
        Command::Zoom(zoom) => {
            let now = state.settings.zoom;
            // Steps of a tenth, on tenths.
            let by = |step: f32| ((now * 10.0).round() + step).clamp(5.0, 30.0) / 10.0;
            state.settings.zoom = match zoom {
                Zoom::In => by(1.0),
                Zoom::Out => by(-1.0),
                Zoom::Reset => 1.0,
            };
        }
        Command::HighContrast => state.settings.high_contrast = !state.settings.high_contrast,
        Command::Animations => {
            state.settings.animations = !state.settings.animations;
            state.flight = None;
        }
        Command::ResetLayout => {
            state.settings.reset_layout();
            state.query = Query::default();
            state.list_filters.clear();
            state.tabs = Default::default();
            state.travel = [None, None];
            state.scroll_together = true;
            (state.dock, state.dock_open, state.dock_chosen) = Default::default();
            state.refresh_rows();
        }
        Command::FilterFocused => state.focus_filter = None,
        Command::FilterList(list, text) => {
            state.list_filters.insert(list, text);
        }
        Command::CancelWork => state.progress.cancel(),
        // Handled by the app, which has the worker and the context.
        Command::Run(_)
        | Command::Rule(_)
        | Command::Answer(_)
        | Command::History(_)
        | Command::FileDecision
        | Command::RandomOrders(_)
        | Command::ApplyNext(_)
        | Command::PreviewNext(_)
        | Command::TakeBackLast(_)
        | Command::RevertLast(_)
        | Command::SyncBoth
        | Command::Verify
        | Command::FileEdit { .. }
        | Command::Browse
        | Command::Undo
        | Command::Redo
        | Command::Tour
        | Command::Situation(_)
        | Command::TourNext
        | Command::TourLeave
        | Command::CopyOrders(_)
        | Command::CopyAs(_)
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
    let Some(order) = snapshot.line(guid).and_then(|mut l| l.orders[side].take()) else { return };
    state.editor = Some(Editor::new(snapshot, side, guid, &order, column));
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
