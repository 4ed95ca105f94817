//! What the worker and the file chooser bring, and what the window makes of it.

use std::sync::Arc;

use eframe::egui;

use super::app::App;
use super::dialogs::{Chooser, Chosen, Dialog, Fresh, History, PathField, Preview};
use super::others::Others;
use super::selection::set_conflict;
use super::state::{Activity, ConflictPick, DockTab, Flight, PaneTab, Report, State, Travel, Verified};
use super::tour::Tour;
use super::view::{Action, Detail, Done, Failure, Filed, MomentView, Question, SideIndex};
use super::worker::Finished;
use crate::demo::scenario::Act;
use crate::sync::Guid;

impl App {
    /// Takes what the worker and the file chooser have brought.
    pub(super) fn take_news(&mut self, ctx: &egui::Context) {
        let news = self.worker.take();
        if let Some(view) = news.view {
            self.state.show(view);
            // What could not be read a moment ago can be read again, so that is no news any more.
            if self.state.unreadable.take().is_some() {
                self.state.error = None;
                self.state.status = "The databases can be read again".into();
            }
        }
        if let Some(sorted) = self.sorter.take() {
            self.state.take_rows(sorted);
        }
        if news.elsewhere {
            self.outdate();
        }
        let now = ctx.input(|i| i.time);
        for others in news.others {
            self.heard(others, now);
        }
        if let Some(failure) = news.failure {
            self.state.unreadable = Some(failure.clone());
            self.fail(failure);
        }
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
        if let Some(chosen) = self.chooser.as_ref().and_then(Chooser::take) {
            self.chooser = None;
            self.chosen(chosen);
        }
        self.preview_again();
        self.travel_on();
    }

    /// What other programs have done is told and seen as what was done here.
    fn heard(&mut self, others: Others, now: f64) {
        let at = crate::words::now().format("%H:%M:%S").to_string();
        self.state.flash.extend(others.changed.into_iter().map(|key| (key, now)));
        self.state.status = others.text.clone();
        let text = if others.title.is_empty() { others.text } else { others.title };
        self.state.note(Activity { at, text, details: others.details.into(), took: None, failed: false });
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

    /// Reads a moment that the slider has come to meanwhile.
    fn travel_on(&mut self) {
        if self.state.running.is_some() || self.state.stopped {
            return;
        }
        for side in [0, 1] {
            let Some(travel) = &self.state.travel[side] else { continue };
            if travel.asked.is_none_or(|asked| asked != travel.number) {
                let number = travel.number;
                self.state.travel[side] = Some(Travel { asked: Some(number), ..travel.clone() });
                return self.run(Action::TravelTo { side, number });
            }
        }
    }

    fn chosen(&mut self, chosen: Chosen) {
        let Some(mut dialog) = self.state.dialog.take() else { return };
        if let Some(field) = dialog.path_mut() {
            match chosen {
                Chosen::Path(path) => *field = PathField::filled(path, &self.state),
                Chosen::Cancelled => field.note = Some("Cancelled: nothing was chosen.".into()),
                Chosen::Missing => {
                    field.note = Some("No file chooser came up on this machine: type the path.".into());
                }
            }
        }
        self.state.dialog = Some(dialog);
    }

    fn finish(&mut self, finished: Finished, now: f64) {
        let state = &mut self.state;
        let (awaited, stood) = state.running.take().map_or_else(Default::default, |r| (r.answers, r.stood));
        let at = crate::words::now().format("%H:%M:%S").to_string();
        match finished.result {
            // The dialog that asked for it was closed meanwhile.
            Ok(done) if done.preview.is_some() && awaited && !state.answered => {}
            Ok(mut done) => {
                if let Some(moment) = done.moment {
                    state.travelled(moment);
                    return;
                }
                // What failed before is no news any more; why nothing can be read has a life of its own.
                state.error = state.error.take().filter(|failure| state.unreadable.as_ref() == Some(failure));
                let before = state.answered.then(|| state.dialog.take()).flatten();
                if before.is_some() {
                    state.close();
                }
                if let Some(Dialog::SaveText { .. }) = before {
                    state.dialog = before.clone().and_then(Dialog::back);
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
                if !done.select.is_empty() {
                    state.status = done.text;
                    super::selection::select_objects(state, &done.select);
                    return;
                }
                if let Action::Serve { rest } = &finished.action {
                    state.settings.rest = rest.clone();
                }
                state.note_filed(&finished.action, done.filed);
                state.tour_goes_on(&finished.action, &done);
                // What came of the tour's step begins with what is said of it already.
                let said = usize::from(matches!(finished.action, Action::PlayStep { .. }));
                // Of a large set there are very many: nothing is copied.
                let mut details = std::mem::take(&mut done.details);
                details.drain(..said.min(details.len()));
                let details = Arc::new(details);
                // What was applied before is not the last any more.
                if finished.action == Action::SyncBoth {
                    state.report = None;
                }
                if let Some(side) = applied_at(&finished.action) {
                    let side = side.unwrap_or_else(|| done.changed.first().map_or(0, |(side, _)| *side));
                    // The view that came with it has the set already, the newest that was applied there.
                    let sets = state.snapshot.as_ref().map(|s| s.view.sets.as_slice()).unwrap_or_default();
                    let set = sets.iter().find(|s| s.side == side && !s.sent && !s.taken_back);
                    let named = set.map_or_else(|| "Set".to_owned(), |set| format!("Set {}", set.id));
                    let (title, lines) = (done.text.clone(), details.clone());
                    state.report = Some(Report { title, lines, side, seq: set.map(|set| set.seq) });
                    if state.settings.animations {
                        state.flight = Some(Flight { from: 1 - side, title: named, since: now });
                    }
                }
                let activity = Activity {
                    at,
                    text: done.text.clone(),
                    details: details.clone(),
                    took: Some(finished.took),
                    failed: false,
                };
                if let Some(classes) = done.compared {
                    let at = activity.at.clone();
                    state.verified = Some(Verified { at, classes, took: finished.took, of: stood });
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
                    state.tabs[*side] = PaneTab::Orders;
                    state.travel[*side] = None;
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

    pub(super) fn fail(&mut self, failure: Failure) {
        self.note_failure(&failure);
        self.state.status = "Not done; the reason is above".into();
        self.state.error = Some(failure);
    }

    fn note_failure(&mut self, failure: &Failure) {
        let at = crate::words::now().format("%H:%M:%S").to_string();
        let details: Vec<Detail> =
            Some(failure.hint.clone()).filter(|h| !h.is_empty()).map(Detail::from).into_iter().collect();
        let details = Arc::new(details);
        self.state.note(Activity { at, text: failure.message.clone(), details, took: None, failed: true });
    }
}

/// An action that applies a set, and where; `Some(None)`: where it is addressed.
fn applied_at(action: &Action) -> Option<Option<SideIndex>> {
    match action {
        Action::Apply { side, .. } => Some(Some(*side)),
        Action::ApplyWhereAddressed { .. } => Some(None),
        _ => None,
    }
}

impl State {
    fn travelled(&mut self, moment: MomentView) {
        // The slider may have been closed meanwhile.
        if let Some(travel) = &mut self.travel[moment.side] {
            travel.places = Arc::new(moment.rows.iter().enumerate().map(|(i, row)| (row.guid, i)).collect());
            travel.view = Some(moment.into());
        }
    }

    /// What was filed here can be undone from now on; what was undone can be done again.
    fn note_filed(&mut self, action: &Action, filed: Option<(SideIndex, u64, u64)>) {
        let node =
            |side: SideIndex| self.snapshot.as_ref().map(|s| s.view.sides[side].guid.clone()).unwrap_or_default();
        let noted = filed.map(|(side, first, last)| (side, node(side), first, last));
        let noted = |what| noted.map(|(side, node, first, last)| Filed { side, node, first, last, what });
        match action {
            Action::Undo { filed: before, again, .. } => {
                let (from, to) = match again {
                    false => (&mut self.undo, &mut self.redo),
                    true => (&mut self.redo, &mut self.undo),
                };
                from.retain(|f| f != before);
                to.extend(noted(before.what.clone()));
            }
            // The databases are others.
            Action::RestartDemo { .. } => {
                self.undo.clear();
                self.redo.clear();
            }
            action => {
                let what = super::command::in_words(action, self);
                if let Some(filed) = noted(what) {
                    self.undo.push(filed);
                    self.redo.clear();
                }
            }
        }
    }

    /// The first row, in databases that nobody has looked at yet.
    fn look_at_top(&mut self) {
        self.look_at = self.line(0, 0).map(|line| line.guid);
    }

    /// What the step shown is about should be seen, else what the one before has changed.
    fn tour_comes_to(&mut self, changed: Option<Guid>) {
        let Some(tour) = &self.tour else { return };
        if tour.is_about_dock() {
            self.dock = DockTab::Conflicts;
            self.dock_open = Some(true);
        }
        if let Some(side) = tour.newest_record_at()
            && let Some(snapshot) = &self.snapshot
            && let Some(record) = snapshot.view.conflicts.iter().filter(|c| c.side == side).map(|c| c.record).max()
        {
            self.conflict = Some(ConflictPick::Record(side, record));
        }
        let numbered =
            tour.order().and_then(|(side, number)| self.snapshot.as_ref()?.view.lines.numbered(side, number));
        self.look_at = numbered.or(changed).or(self.look_at);
    }

    fn tour_goes_on(&mut self, action: &Action, done: &Done) {
        let told = || std::iter::once(done.text.clone()).chain(done.details.iter().map(|d| d.text.clone())).collect();
        match action {
            Action::StartTour { scenario, .. } => {
                let before = self.tour.take();
                let dock = before.as_ref().map_or((self.dock, self.dock_open), |tour| tour.dock);
                let home = before.map(|tour| tour.home).or_else(|| self.home.take()).unwrap_or_default();
                let outcomes = done.tour.clone().unwrap_or_default();
                self.tour = Some(Tour { scenario: *scenario, at: outcomes.len(), outcomes, home, dock });
                self.settings.toured = true;
                self.look_at_top();
                self.tour_comes_to(None);
            }
            Action::PlayStep { .. } => {
                let Some(tour) = &mut self.tour else { return };
                let played = tour.step().map(|(_, step)| &step.act);
                tour.done(done.details.iter().map(|d| d.text.clone()).collect());
                self.tabs = Default::default();
                if let Some(Act::Waiting(side)) = played {
                    self.tabs[*side] = PaneTab::Requeued;
                }
                // A comparison of before is no news any more.
                if self.dock == DockTab::Verify && done.compared.is_none() {
                    self.dock = DockTab::Activity;
                }
                self.tour_comes_to(done.changed.first().map(|(_, guid)| *guid));
            }
            Action::Open { .. } | Action::RestartDemo { .. } => {
                // The dock as it was before the tour unfolded it.
                if let Some(tour) = self.tour.take() {
                    (self.dock, self.dock_open) = tour.dock;
                }
                self.look_at_top();
            }
            action => {
                if let Some(tour) = self.tour.as_mut().filter(|tour| tour.is_next(action)) {
                    tour.done(told());
                }
            }
        }
    }
}

/// `6 ms`, `1.4 s`.
pub(super) fn duration(took: std::time::Duration) -> String {
    match took.as_millis() {
        0 => "under 1 ms".into(),
        ms @ 1..1000 => format!("{ms} ms"),
        _ => format!("{:.1} s", took.as_secs_f64()),
    }
}
