//! What the window asks of its [`Backend`](super::view::Backend), and what comes back.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::settings::RestSettings;
use super::view::{HistoryView, MomentView, PreviewView, SideIndex};
use crate::demo::model::OrderDraft;
use crate::sync::{Guid, Rule};

/// What the window can ask for. Each ends in a [`Done`] or a [`Failure`].
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant's sentence names its fields")]
pub enum Action {
    /// Insert that many random orders, one transaction each.
    RandomOrders { side: SideIndex, count: usize },
    /// A new order; every property of the draft is given.
    NewOrder { side: SideIndex, order: OrderDraft },
    /// Change the given properties.
    EditOrder { side: SideIndex, number: i64, changes: OrderDraft },
    /// Delete these orders, one transaction.
    DeleteOrders { side: SideIndex, numbers: Vec<i64> },
    /// Write a set of what the other side has not been sent. `file`: where; `None`: the default name and folder.
    Prepare { side: SideIndex, id: i64, file: Option<PathBuf>, overwrite: bool },
    /// Write a set of what the other side has not confirmed, whatever was sent: the way out of a lost one.
    PrepareAgain { side: SideIndex },
    /// Say what applying a set file would do at the node it is addressed to. `rule`: for this one only; `None`: the
    /// environment's. Answers with [`Done::preview`].
    Preview { file: PathBuf, rule: Option<Rule> },
    /// Apply a set file at a side.
    Apply { side: SideIndex, file: PathBuf, rule: Option<Rule> },
    /// Apply a set file at the node it is addressed to.
    ApplyWhereAddressed { file: PathBuf, rule: Option<Rule> },
    /// Undo an applied set as if it had not been applied.
    TakeBack { side: SideIndex, seq: i64 },
    /// New changes that restore what an applied set changed. Asks ([`Done::ask`]) unless `confirmed`.
    Revert { side: SideIndex, seq: i64, confirmed: bool },
    /// Decide a conflict, or decide it again. Asks ([`Done::ask`]) where the object has moved on, unless `confirmed`.
    Resolve { side: SideIndex, record: i64, choice: Choose, confirmed: bool },
    /// Try again what waits at a side.
    Retry { side: SideIndex },
    /// Give up what waits: these and all that wait with them, by number. Asks ([`Done::ask`]) unless `confirmed`.
    Discard { side: SideIndex, ids: Vec<i64>, confirmed: bool },
    /// Every state of an object at a side. Answers with [`Done::history`].
    History { side: SideIndex, guid: Guid },
    /// The rule for a class, or with `None` for all classes without one of their own; at all nodes. No rule for a class:
    /// as for all.
    SetRule { class: Option<String>, rule: Option<Rule> },
    /// Show another node of the environment in that pane.
    ShowNode { side: SideIndex, name: String },
    /// Copy a prepared set's file; an existing file is refused unless `overwrite`.
    SaveSetAs { file: PathBuf, to: PathBuf, overwrite: bool },
    /// Both directions, CLIENT first.
    SyncBoth,
    /// Compare the contents of both databases.
    Verify,
    /// Put these files, all databases of the environment's folder, and its sets aside, and make a new demo in their place.
    /// Refused where the folder holds others by now, or anything but the demo.
    RestartDemo { files: Vec<PathBuf> },
    /// Show another environment's folder. One that cannot be shown whole is refused, and nothing changes.
    Open { dir: PathBuf },
    /// Make a demo in a folder and show it; a folder that holds databases is refused.
    NewEnvironment { dir: PathBuf },
    /// Serve REST while the window is open, or stop.
    Serve { rest: RestSettings },
    /// New changes that restore what was before a change made here; `again`: before it was undone. What has changed since
    /// stays; asks ([`Done::ask`]) where there is such, unless `confirmed`. Answers with [`Done::filed`].
    Undo { filed: Filed, again: bool, confirmed: bool },
    /// An environment of its own for a scenario, played to its beginning or, where `ready`, to its situation. Answers with
    /// [`Done::tour`].
    StartTour { scenario: usize, ready: bool },
    /// The next step of the scenario that was started.
    PlayStep { step: usize },
    /// The orders of a side after a transaction. Answers with [`Done::moment`].
    TravelTo { side: SideIndex, number: u64 },
    /// The objects of a set, to be selected. Answers with [`Done::select`].
    ObjectsOfSet { file: PathBuf },
    /// Write text into a file; an existing file is refused unless `overwrite`. `what`: what it is, in words.
    Write { what: String, text: Text, to: PathBuf, overwrite: bool },
}

/// Text that is made when it is written, on the worker's thread: a million orders take their time.
#[derive(Clone)]
pub struct Text {
    /// How many lines it will have.
    pub lines: usize,
    make: Arc<dyn Fn() -> String + Send + Sync>,
}

impl Text {
    /// Text that is made by `make`.
    pub fn new(lines: usize, make: impl Fn() -> String + Send + Sync + 'static) -> Text {
        Text { lines, make: Arc::new(make) }
    }

    /// Makes it.
    pub fn make(&self) -> String {
        (self.make)()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text::new(text.lines().count(), move || text.clone())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "text of {} lines", self.lines)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        Arc::ptr_eq(&self.make, &other.make)
    }
}

/// What an action has filed at a side, by which it can be undone.
#[derive(Clone, Debug, PartialEq)]
pub struct Filed {
    /// The side.
    pub side: SideIndex,
    /// The node that was there, by its GUID: another one may be shown since.
    pub node: String,
    /// Its first transaction.
    pub first: u64,
    /// Its last one.
    pub last: u64,
    /// In words: `changing order 1004 at MASTER`.
    pub what: String,
}

/// A line of what an action did, and the object it is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detail {
    /// In words.
    pub text: String,
    /// The object.
    pub object: Option<(SideIndex, Guid)>,
}

impl From<String> for Detail {
    fn from(text: String) -> Self {
        Detail { text, object: None }
    }
}

/// How a conflict is to be decided.
#[derive(Clone, Debug, PartialEq)]
pub enum Choose {
    /// A side's content, whole.
    Side(SideIndex),
    /// Property by property, by name; those not named stay as they stand by the record.
    Properties(Vec<(String, PickValue)>),
}

/// The value that a property is to have.
#[derive(Clone, Debug, PartialEq)]
pub enum PickValue {
    /// The one a side has.
    Side(SideIndex),
    /// As typed; a reference by its number at the side where the record is.
    Text(String),
}

/// A question that an action asks before it does anything.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// `Order 1004 has changed since`.
    pub title: String,
    /// What would be done, and what to know.
    pub text: String,
    /// What would be done, a line an object.
    pub lines: Vec<String>,
    /// What the button says.
    pub yes: String,
    /// What is done then: the same action, confirmed.
    pub action: Action,
}

/// What a comparison of all nodes found about a class.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compared {
    /// The class.
    pub class: String,
    /// It is synchronized, so that a difference counts.
    pub journaled: bool,
    /// The digest of all its objects at each node.
    pub digests: Vec<(String, String)>,
    /// How many objects differ.
    pub differ: usize,
    /// Which, in words; very many are not all told.
    pub objects: Vec<Detail>,
}

/// What an action did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Done {
    /// One line for the status line and the activity list: `Applied set 999 at MASTER: 4 orders, 1 conflict, CLIENT won`.
    pub text: String,
    /// Further lines in words, per object.
    pub details: Vec<Detail>,
    /// Objects whose row changed, per side: shown highlighted for a while.
    pub changed: Vec<(SideIndex, Guid)>,
    /// A conflict record to show: (side, record).
    pub conflict: Option<(SideIndex, i64)>,
    /// What applying a set would do.
    pub preview: Option<PreviewView>,
    /// Every state of an object.
    pub history: Option<HistoryView>,
    /// Nothing was done yet; this must be answered first.
    pub ask: Option<Question>,
    /// What was filed here and can be undone: side, first and last transaction.
    pub filed: Option<(SideIndex, u64, u64)>,
    /// A tour was started: what came of each step that is played already.
    pub tour: Option<Vec<Vec<String>>>,
    /// The orders of a side as they were.
    pub moment: Option<MomentView>,
    /// Objects to be selected.
    pub select: Vec<Guid>,
    /// What a comparison found, class by class.
    pub compared: Option<Vec<Compared>>,
}

/// Why an action did nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    /// What failed, and what was left unchanged.
    pub message: String,
    /// What to do next; may be empty.
    pub hint: String,
}
