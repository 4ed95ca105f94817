//! What the window remembers between frames.
//!
//! Panels get it read-only; it changes in [`App::handle`](super::app::App) alone.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::decision::Draft;
use super::dialogs::Dialog;
use super::edit::Editor;
use super::rows::{Query, Rows, rows};
use super::settings::Settings;
use super::snapshot::{COLUMNS, Column, Snapshot};
use super::sorter::Sorted;
use super::tour::Tour;
use super::view::{ConflictView, Failure, Filed, Line, Mark, Restart, SetView, SideIndex, View};
use crate::demo::model::Order;
use crate::demo::tables::ORDER;
use crate::sync::{Guid, Progress, Rule};

pub use super::activity::{Activity, Flight, Report, Running, Travel, Verified};
pub use super::tabs::{DockTab, ListId, PaneTab};

/// How long changed rows stay highlighted, seconds.
pub const FLASH_SECONDS: f64 = 3.0;
/// How long a set is on its way across the lane, seconds.
pub const FLIGHT_SECONDS: f64 = 0.7;
/// So many lines are sorted within a frame.
const SORTED_AT_ONCE: usize = 20_000;
/// How many activities are kept.
const ACTIVITIES: usize = 500;

/// Which conflict the dock shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictPick {
    /// Decided: side and record.
    Record(SideIndex, i64),
    /// Foretold for an order.
    Ahead(Guid),
}

/// What is known of a line while the rows change.
#[derive(Clone, Copy, PartialEq)]
enum Noted {
    No,
    Selected,
    Seen,
}

/// The selected order and cell.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// All selected objects; the cursor is among them.
    pub guids: Vec<Guid>,
    /// The one that keys move and the dock shows.
    pub cursor: Option<Guid>,
    /// The other end of a range from the cursor.
    pub lead: Option<Guid>,
    /// The pane last clicked.
    pub side: SideIndex,
    /// The column that F2 edits.
    pub column: Option<Column>,
}

/// Everything the window remembers.
pub struct State {
    /// The newest view; `None` until the first one arrives.
    pub snapshot: Option<Snapshot>,
    /// Legend, filters, sort.
    pub query: Query,
    /// The query is to be asked by the sorter.
    pub unsorted: bool,
    /// The rows are old ones: the sorter is at work.
    pub sorting: bool,
    /// The answer to the query for each pane, indices into the view's lines.
    pub rows: [Rows; 2],
    /// What each pane lists.
    pub tabs: [PaneTab; 2],
    /// The selected order.
    pub selection: Selection,
    /// The open inline editor.
    pub editor: Option<Editor>,
    /// The open dialog; [`State::open`] opens one.
    pub dialog: Option<Dialog>,
    /// The dialog has been answered and waits for what comes of it.
    pub answered: bool,
    /// Why what the dialog asked for was not done.
    pub refused: Option<Failure>,
    /// How many random orders a click makes, per side.
    pub random: [usize; 2],
    /// Both panes show the same rows.
    pub scroll_together: bool,
    /// An object to bring into view in the next frame.
    pub look_at: Option<Guid>,
    /// What the dock shows.
    pub dock: DockTab,
    /// Whether the dock is unfolded; `None` until the window's height is known.
    pub dock_open: Option<bool>,
    /// Somebody has folded or unfolded the dock.
    pub dock_chosen: bool,
    /// The conflict shown.
    pub conflict: Option<ConflictPick>,
    /// What is about to be decided about it.
    pub draft: Option<Draft>,
    /// What happened, newest first.
    pub activity: VecDeque<Activity>,
    /// The last comparison of the two nodes that are shown.
    pub verified: Option<Verified>,
    /// Why the environment cannot be read, while that is so.
    pub unreadable: Option<Failure>,
    /// The last failure, until dismissed.
    pub error: Option<Failure>,
    /// The last good result.
    pub status: String,
    /// What the worker is doing.
    pub running: Option<Running>,
    /// How far that is.
    pub progress: Progress,
    /// The worker has ended: nothing can be done any more.
    pub stopped: bool,
    /// Rows changed by the last action, with the time they were, in the window's seconds.
    pub flash: HashMap<(SideIndex, Guid), f64>,
    /// The filter field that asks for the focus.
    pub focus_filter: Option<SideIndex>,
    /// Texts of the lists' filters.
    pub list_filters: HashMap<ListId, String>,
    /// What was done here and can be undone, the last one last.
    pub undo: Vec<Filed>,
    /// What was undone and can be done again, the last one last.
    pub redo: Vec<Filed>,
    /// What became of each object of the set applied last.
    pub report: Option<Report>,
    /// The guided tour, while it is open.
    pub tour: Option<Tour>,
    /// Somebody is here for the first time.
    pub offer_tour: bool,
    /// The environment that a tour on its way will return to.
    pub home: Option<PathBuf>,
    /// The sides that are shown as they were.
    pub travel: [Option<Travel>; 2],
    /// What is remembered from one start to the next.
    pub settings: Settings,
    /// Where REST is served: `http://127.0.0.1:52773`; `None`: it is not.
    pub rest: Option<String>,
    /// A set on its way across the lane.
    pub flight: Option<Flight>,
}

impl Default for State {
    fn default() -> Self {
        State {
            snapshot: None,
            query: Query::default(),
            unsorted: false,
            sorting: false,
            rows: Default::default(),
            tabs: Default::default(),
            selection: Selection::default(),
            editor: None,
            dialog: None,
            answered: false,
            refused: None,
            random: [1, 1],
            scroll_together: true,
            look_at: None,
            dock: DockTab::default(),
            dock_open: None,
            dock_chosen: false,
            conflict: None,
            draft: None,
            activity: VecDeque::new(),
            verified: None,
            unreadable: None,
            error: None,
            status: String::new(),
            running: None,
            progress: Progress::default(),
            stopped: false,
            flash: HashMap::new(),
            focus_filter: None,
            list_filters: HashMap::new(),
            undo: Vec::new(),
            redo: Vec::new(),
            report: None,
            tour: None,
            home: None,
            offer_tour: false,
            travel: [None, None],
            settings: Settings::default(),
            rest: None,
            flight: None,
        }
    }
}

impl State {
    /// Takes a new view; selection and editor stay where their objects still are.
    pub fn show_view(&mut self, view: Arc<View>) {
        self.show(Snapshot::new(view));
    }

    /// The same of a view that was looked through already.
    pub fn show(&mut self, snapshot: Snapshot) {
        let view = snapshot.view.clone();
        let other_environment = self.snapshot.as_ref().is_some_and(|s| s.view.dir != view.dir);
        // A tour's environment is gone with the window, so it is not worth remembering.
        let new = self.snapshot.is_none() || other_environment;
        let temporary = std::env::temp_dir();
        if new && !view.dir.starts_with(temporary.canonicalize().unwrap_or(temporary)) {
            self.settings.shown(&view.dir);
        }
        if let Some(before) = &self.snapshot {
            for side in [0, 1] {
                if before.view.sides[side].guid != view.sides[side].guid {
                    self.travel[side] = None;
                    // It compared another node.
                    self.verified = None;
                }
            }
        }
        self.rest = view.rest.address.clone();
        self.snapshot = Some(snapshot);
        if other_environment {
            self.selection = Selection::default();
            self.editor = None;
            self.conflict = None;
            self.draft = None;
            self.query.filters = Default::default();
            self.list_filters.clear();
            self.travel = [None, None];
            self.report = None;
            self.verified = None;
            // A transaction of another database must not be undone in this one.
            self.undo.clear();
            self.redo.clear();
        }
        let Some(snapshot) = &self.snapshot else { return };
        if self.editor.as_ref().is_some_and(|e| snapshot.line(e.guid).is_none_or(|l| l.orders[e.side].is_none())) {
            self.editor = None;
        }
        // What was picked for a record that has been decided since would decide something else.
        if self
            .draft
            .as_ref()
            .is_some_and(|d| snapshot.record(d.record.side, d.record.record).is_none_or(|record| !d.is_about(record)))
        {
            self.draft = None;
        }
        self.refresh_rows();
    }

    /// Asks the query again. A few are sorted at once; many by the sorter, and until then the old rows stay.
    pub fn refresh_rows(&mut self) {
        let Some(snapshot) = &self.snapshot else { return };
        if snapshot.view.lines.len() > SORTED_AT_ONCE {
            (self.unsorted, self.sorting) = (true, true);
            return;
        }
        let rows = rows(snapshot, &self.query);
        self.sorting = false;
        self.show_rows(rows);
    }

    /// Takes what the sorter has sorted, unless something else was asked for meanwhile.
    pub fn take_rows(&mut self, sorted: Sorted) {
        let asked = self.snapshot.as_ref().is_some_and(|s| Arc::ptr_eq(&s.view, &sorted.view));
        if asked && sorted.query == self.query {
            self.sorting = false;
            self.show_rows(sorted.rows);
        }
    }

    fn show_rows(&mut self, rows: [Rows; 2]) {
        let Some(snapshot) = &self.snapshot else { return };
        self.rows = rows;
        if self.selection.guids.is_empty() && self.selection.cursor.is_none() {
            return;
        }
        // What cannot be seen must not be deleted or edited by a key. Only what is selected is noted: to note every row of a
        // million takes longer than a frame.
        let mut noted = vec![Noted::No; snapshot.view.lines.len()];
        for guid in self.selection.guids.iter().chain(&self.selection.cursor) {
            if let Some(place) = snapshot.place(*guid) {
                noted[place] = Noted::Selected;
            }
        }
        // Side by side both panes have the same rows.
        let panes = if self.query.side_by_side { 1 } else { 2 };
        for row in self.rows[..panes].iter().flat_map(|rows| rows.iter()) {
            let noted = &mut noted[*row as usize];
            if *noted == Noted::Selected {
                *noted = Noted::Seen;
            }
        }
        let seen = |guid: &Guid| snapshot.place(*guid).is_some_and(|place| noted[place] == Noted::Seen);
        self.selection.guids.retain(seen);
        self.selection.cursor = self.selection.cursor.filter(seen);
    }

    /// Opens a dialog.
    pub fn open(&mut self, dialog: Dialog) {
        self.dialog = Some(dialog);
        self.answered = false;
        self.refused = None;
    }

    /// Closes the dialog.
    pub fn close(&mut self) {
        self.dialog = None;
        self.answered = false;
        self.refused = None;
    }

    /// The conflict that is shown: the one picked while it is there, else the first of the list.
    pub fn shown_conflict(&self) -> Option<ConflictPick> {
        let snapshot = self.snapshot.as_ref()?;
        self.conflict.filter(|pick| snapshot.has(*pick)).or_else(|| snapshot.conflict_list().into_iter().next())
    }

    /// The record that is shown.
    pub fn shown_record(&self) -> Option<&ConflictView> {
        match self.shown_conflict()? {
            ConflictPick::Record(side, record) => self.snapshot.as_ref()?.record(side, record),
            ConflictPick::Ahead(_) => None,
        }
    }

    /// What is about to be decided about a record; nothing picked yet: as it stands.
    pub fn draft_of(&self, record: &ConflictView) -> Draft {
        self.draft.clone().filter(|d| d.is_about(record)).unwrap_or_else(|| Draft::new(record))
    }

    /// Why a value typed into the result column of a record cannot be filed.
    pub fn wrong_value(&self, record: &ConflictView) -> Result<(), String> {
        let draft = self.draft_of(record);
        (0..record.properties.len()).try_for_each(|property| self.wrong_property(record, &draft, property))
    }

    /// The same of one property.
    pub fn wrong_property(&self, record: &ConflictView, draft: &Draft, property: usize) -> Result<(), String> {
        let (Some(text), Some(snapshot)) = (draft.typed(property), &self.snapshot) else { return Ok(()) };
        let name = record.properties[property].name.as_str();
        let Some(column) = record.column(property) else { return Ok(()) };
        let said = match column.choice() {
            None => super::edit::draft(column, text).map(|_| ()),
            Some(kind) => {
                let text = text.trim();
                let is = |c: &super::view::Choice| c.name.to_lowercase() == text.to_lowercase();
                let known = snapshot.choices(record.side, kind).iter().any(|c| is(c) || c.key.to_string() == text);
                known
                    .then_some(())
                    .ok_or_else(|| format!("no {name} at {} is called “{text}”", self.side_name(record.side)))
            }
        };
        said.map_err(|reason| format!("{name}: {reason}"))
    }

    /// Where the history of the order under the cursor is: at this side, unless it never had it.
    pub fn history_at(&self, side: SideIndex) -> Option<(SideIndex, Guid)> {
        let guid = self.selection.cursor?;
        let line = self.snapshot.as_ref()?.line(guid)?;
        let had = |side: SideIndex| line.orders[side].is_some() || line.marks[side] == Mark::Deleted;
        Some((if had(side) || !had(1 - side) { side } else { 1 - side }, guid))
    }

    /// How conflicts about orders are decided.
    pub fn rule(&self) -> Rule {
        self.snapshot.as_ref().map(|s| s.view.rules.of(ORDER)).unwrap_or_default()
    }

    /// The rule for all classes, where orders have one of their own.
    pub fn rule_for_others(&self) -> Option<Rule> {
        let rules = &self.snapshot.as_ref()?.view.rules;
        rules.classes.iter().any(|(class, _)| class == ORDER).then_some(rules.default)
    }

    /// The line at a place in a side's table.
    pub fn line(&self, side: SideIndex, row: usize) -> Option<Line> {
        let snapshot = self.snapshot.as_ref()?;
        snapshot.view.lines.get(*self.rows[side].get(row)? as usize)
    }

    /// Where in the table an object stands.
    pub fn row_of(&self, side: SideIndex, guid: Guid) -> Option<usize> {
        // Not by looking at each line: they lie anywhere, and a million of them would take several frames.
        let place = self.snapshot.as_ref()?.place(guid)?;
        self.rows[side].iter().position(|row| *row as usize == place)
    }

    /// The tour is offered now.
    pub fn offers_tour(&self) -> bool {
        self.offer_tour && !self.settings.toured && self.tour.is_none() && self.snapshot.is_some()
    }

    /// The set applied last at a side, and not taken back.
    pub fn last_applied(&self, side: SideIndex) -> Option<&SetView> {
        self.snapshot.as_ref()?.view.sets.iter().find(|s| s.side == side && !s.sent && !s.taken_back)
    }

    /// Why nothing can be done to the orders of a side now: nobody sees them.
    pub fn orders_seen(&self, side: SideIndex) -> Result<(), String> {
        let name = self.side_name(side);
        match (self.tabs[side], &self.travel[side]) {
            (PaneTab::Orders, None) => Ok(()),
            (PaneTab::Orders, Some(_)) => {
                Err(format!("{name} is shown as it was, read only: go back to the present first."))
            }
            (tab, _) => Err(format!("{name} shows its {}: choose the tab Orders first.", tab.title())),
        }
    }

    /// What each side holds: its node, by its GUID, and its last transaction.
    pub fn stands(&self) -> [(String, u64); 2] {
        let of = |side: SideIndex| self.snapshot.as_ref().map(|s| &s.view.sides[side]);
        [0, 1].map(|side| of(side).map(|s| (s.guid.clone(), s.transaction)).unwrap_or_default())
    }

    /// The order under the cursor, at the pane last clicked.
    pub fn current(&self, side: SideIndex) -> Option<(Guid, Order)> {
        let guid = self.selection.cursor?;
        let mut line = self.snapshot.as_ref()?.line(guid)?;
        Some((guid, line.orders[side].take()?))
    }

    /// Whether any order that a side has is selected.
    pub fn any_selected(&self, side: SideIndex) -> bool {
        let Some(snapshot) = &self.snapshot else { return false };
        self.selection.guids.iter().any(|g| snapshot.line(*g).is_some_and(|l| l.orders[side].is_some()))
    }

    /// Numbers of the selected orders at a side.
    pub fn selected_numbers(&self, side: SideIndex) -> Vec<i64> {
        let Some(snapshot) = &self.snapshot else { return Vec::new() };
        let orders =
            self.selection.guids.iter().filter_map(|g| snapshot.line(*g)?.orders[side].as_ref().map(|o| o.order_num));
        orders.collect()
    }

    /// A side's name.
    pub fn side_name(&self, side: SideIndex) -> &str {
        self.snapshot.as_ref().map_or(["MASTER", "CLIENT"][side], |s| s.side_name(side))
    }

    /// The column that F2 edits.
    pub fn edit_column(&self) -> Column {
        self.selection.column.unwrap_or(COLUMNS[4])
    }

    /// Environments shown before, the latest first, without the one that is open.
    pub fn recent(&self) -> impl Iterator<Item = &Path> {
        let here = self.snapshot.as_ref().map(|s| s.view.dir.as_path());
        self.settings.recent.iter().map(PathBuf::as_path).filter(move |dir| Some(*dir) != here)
    }

    /// The text of a list's filter, as it is looked for.
    pub fn needle(&self, list: ListId) -> String {
        self.list_filters.get(&list).map(|text| text.trim().to_lowercase()).unwrap_or_default()
    }

    /// Why no action can be started now.
    pub fn blocked(&self) -> Result<(), String> {
        self.busy()?;
        match self.snapshot.is_some() {
            true => Ok(()),
            false => Err("The environment could not be read yet.".into()),
        }
    }

    /// The files that a restart would put aside, or why there can be none.
    pub fn restartable(&self) -> Result<&[PathBuf], String> {
        self.blocked()?;
        if self.unreadable.is_some() {
            return Err("The databases cannot be read now.".into());
        }
        match self.snapshot.as_ref().map(|s| &s.view.restart) {
            Some(Restart { files, why_not: None }) => Ok(files),
            Some(Restart { why_not: Some(why), .. }) => Err(why.clone()),
            None => Err("The environment could not be read yet.".into()),
        }
    }

    /// Why the worker takes no action now. Leaving an environment that cannot be read needs no more than that.
    pub fn busy(&self) -> Result<(), String> {
        match &self.running {
            _ if self.stopped => Err("The worker has stopped; start the program again.".into()),
            Some(running) => Err(format!("Wait: {}", super::command::in_words(&running.action, self))),
            None => Ok(()),
        }
    }

    /// Notes something that happened.
    pub fn note(&mut self, activity: Activity) {
        self.activity.push_front(activity);
        self.activity.truncate(ACTIVITIES);
    }
}
