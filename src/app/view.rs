//! What the window shows and what it asks for: plain data, nothing of SQLite and nothing of egui.
//!
//! A [`Backend`] lives on the worker's thread. It reads a [`View`] (one moment of both databases, never changed
//! afterwards) and carries out [`Action`]s; panels read the view and push actions. So every panel can be tested with a
//! view made by hand.

use std::path::PathBuf;
use std::sync::Arc;

use super::lines::Lines;
use crate::demo::model::{Order, OrderDraft};
use crate::sync::{Guid, Outcome, Progress, RecordState, Role, Rule, Rules};

/// Which pane: `0` MASTER (left, blue), `1` CLIENT (right, orange).
pub type SideIndex = usize;

/// One moment of an environment.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The environment's folder.
    pub dir: PathBuf,
    /// MASTER and CLIENT.
    pub sides: [Side; 2],
    /// Every order of either side, one line an object, unsorted.
    pub lines: Lines,
    /// Nothing to send and nothing waiting, from versions.
    pub equal: bool,
    /// What each direction has: `0` MASTER → CLIENT, `1` CLIENT → MASTER.
    pub lanes: [Lane; 2],
    /// Conflict records of both nodes, newest first.
    pub conflicts: Vec<ConflictView>,
    /// Sets sent and received by both nodes, newest first.
    pub sets: Vec<SetView>,
    /// The environment's rules: those of MASTER, which the window sets at all nodes.
    pub rules: Rules,
    /// The names of all nodes of the environment; two of them are shown.
    pub nodes: Vec<String>,
}

/// One node.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// The namespace: `MASTER`.
    pub name: String,
    /// The node's GUID, 16 hexadecimal digits.
    pub guid: String,
    /// Its role.
    pub role: Role,
    /// Its file.
    pub file: PathBuf,
    /// The file's size, bytes.
    pub bytes: u64,
    /// Number of its last commit.
    pub transaction: u64,
    /// How many orders.
    pub orders: usize,
    /// Up to which of the other's commits it has everything.
    pub received: u64,
    /// Names to choose from.
    pub employees: Vec<Choice>,
    /// Names to choose from.
    pub customers: Vec<Choice>,
    /// Names to choose from.
    pub items: Vec<Choice>,
    /// Objects that wait in the requeue, with the reason.
    pub requeued: Vec<Requeued>,
    /// The last filing events, newest first; a few hundred at most.
    pub journal: Vec<JournalLine>,
    /// Sync times with the other side.
    pub times: Times,
}

/// One filing event in a node's journal.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalLine {
    /// The transaction.
    pub transaction: u64,
    /// When its content was made, local time `YYYY-MM-DD HH:MM:SS`.
    pub at: String,
    /// `Order 1004`.
    pub title: String,
    /// The object.
    pub guid: Guid,
    /// `New`, `Changed` or `Deleted`.
    pub mark: Mark,
    /// `quantity 417 → 77, price 10 → 12.5`; empty for a new or deleted one.
    pub changes: String,
    /// `made at MASTER`, `from CLIENT, set 1001`.
    pub origin: String,
}

/// How far a side and the other have heard of each other; numbers of transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Own ones up to which sets were prepared for the other.
    pub sent: u64,
    /// Own ones up to which the other said that it has everything.
    pub acknowledged: u64,
    /// The other's up to which this side has everything.
    pub received: u64,
}

/// Every state of one object at one side, as an answer to [`Action::History`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistoryView {
    /// At which side.
    pub side: SideIndex,
    /// `Order 1004`.
    pub title: String,
    /// The object.
    pub guid: Option<Guid>,
    /// Its states, newest first.
    pub states: Vec<HistoryState>,
}

/// One state of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryState {
    /// The transaction here that filed it; 0 where that is purged.
    pub transaction: u64,
    /// When its content was made, local time `YYYY-MM-DD HH:MM:SS`.
    pub at: String,
    /// Who made it: `MASTER`.
    pub author: String,
    /// `made here`, `set 1001 from CLIENT`, `decided here (record 3)`.
    pub through: String,
    /// What it changed: `made`, `deleted`, `quantity 417 → 77`.
    pub changes: String,
    /// The values, property by property.
    pub values: Vec<(String, String)>,
}

/// What applying a set would do: the same code as applying it, rolled back. Answer to [`Action::Preview`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PreviewView {
    /// At which side it would be applied.
    pub side: SideIndex,
    /// Who sent it.
    pub source: String,
    /// The set's id.
    pub id: i64,
    /// Its file.
    pub file: PathBuf,
    /// The file's size, bytes.
    pub bytes: u64,
    /// The source's transactions it covers.
    pub range: (u64, u64),
    /// What was checked, each as a sentence: `The digest is right.`, `No gap: CLIENT has MASTER's transactions up to 1,028.`
    pub checks: Vec<String>,
    /// The rule that this preview was made with; `None`: the environment's.
    pub rule: Option<Rule>,
    /// The counts in words: `2 inserted, 1 conflict`.
    pub summary: String,
    /// The objects, in the order of the set; where they are very many, first those that somebody may have to look at.
    pub objects: Vec<PreviewObject>,
    /// How many more there are.
    pub left_out: usize,
    /// What else should be known, such as a doubtful clock.
    pub warnings: Vec<String>,
}

/// What would become of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct PreviewObject {
    /// `Order 1004`, or `Order 1001, at CLIENT 1002` where the numbers differ.
    pub title: String,
    /// The object.
    pub guid: Guid,
    /// The source's last transaction of the set that filed it; 0 where the set does not name it, or is too large to say.
    pub transaction: u64,
    /// What the source did to it: `new`, `deleted`, `quantity 446 → 401`; empty likewise.
    pub change: String,
    /// What would be done.
    pub outcome: Outcome,
    /// What and why, in words.
    pub reason: String,
    /// Where it is a conflict or a combination: the record that would be made.
    pub conflict: Option<ConflictView>,
}

/// An object that can be referred to.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Local key.
    pub key: i64,
    /// Its name as shown.
    pub name: String,
}

/// One order (object) as both sides have it.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Identity, the same on both sides.
    pub guid: Guid,
    /// The order at MASTER and at CLIENT; `None` where it is not (yet) or no longer there.
    pub orders: [Option<Arc<Order>>; 2],
    /// What each side has done that the other has not seen.
    pub marks: [Mark; 2],
    /// Which columns differ between the sides, in the order employee, customer, date, item, quantity, price.
    /// References are compared by GUID. All false where one side lacks the order.
    pub differs: [bool; 6],
    /// Where both sides changed it: what both started from, references as MASTER's keys; `None` where that is not known.
    pub common: Option<Arc<Order>>,
    /// Where both sides changed it: which columns each side changed since then. Without `common`, those that differ.
    pub changed: [[bool; 6]; 2],
}

impl Line {
    /// A line without a conflict.
    pub fn new(guid: Guid, orders: [Option<Arc<Order>>; 2], marks: [Mark; 2], differs: [bool; 6]) -> Self {
        Line { guid, orders, marks, differs, common: None, changed: [differs; 2] }
    }

    /// Both sides have changes that the other has not seen, and not the same ones.
    pub fn conflict(&self) -> bool {
        self.marks.contains(&Mark::Conflict) || self.combines()
    }

    /// They are to different properties, and by the rule both are kept.
    pub fn combines(&self) -> bool {
        self.marks.contains(&Mark::Combine)
    }
}

/// What one side has done to an object that the other side has not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Nothing.
    #[default]
    None,
    /// Made here, not at the other side yet (`+`).
    New,
    /// Changed here (`≠`).
    Changed,
    /// Deleted here, still at the other side (`−`).
    Deleted,
    /// Changed here and there: applying will find a conflict (`!`); set on both sides.
    Conflict,
    /// Changed here and there, but different properties, which the rule combines (`⊕`); set on both sides.
    Combine,
}

/// What one direction has to send, and the set prepared for it.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    /// Objects a set prepared now would carry.
    pub objects: usize,
    /// In how many transactions.
    pub transactions: usize,
    /// Sets prepared and not yet applied at the target, oldest first.
    pub prepared: Vec<SetCard>,
    /// A proposal for the next set's id.
    pub next_id: i64,
}

/// A prepared set in the lane.
#[derive(Clone, Debug, PartialEq)]
pub struct SetCard {
    /// The set's id.
    pub id: i64,
    /// Its file.
    pub file: PathBuf,
    /// Objects in it.
    pub objects: usize,
    /// How many are new, changed, deleted at the source, and how many conflicts are ahead at the target.
    pub counts: SetCounts,
}

/// What a set carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetCounts {
    /// `+`
    pub new: usize,
    /// `≠`
    pub changed: usize,
    /// `−`
    pub deleted: usize,
    /// `!`, as things stand now.
    pub conflicts: usize,
    /// `⊕`, as things stand now.
    pub combined: usize,
}

/// A conflict record, ready to be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct ConflictView {
    /// At which side it was found.
    pub side: SideIndex,
    /// The record's number there.
    pub record: i64,
    /// How it stands: `Open` ones are listed first and are to be decided.
    pub state: RecordState,
    /// `Order 1004`, or `Order 1001, at CLIENT 1002` where the numbers differ.
    pub title: String,
    /// The object.
    pub guid: Guid,
    /// `changed on both sides`, `deleted here, changed there`, …
    pub kind: String,
    /// The set in which theirs came.
    pub set: String,
    /// One row a property, conflicting ones first.
    pub properties: Vec<ConflictProperty>,
    /// Whose content stands: a side's, or `None` where values of both were put together or typed.
    pub chosen_side: Option<SideIndex>,
    /// `MASTER`, `CLIENT`, `both`: whose content stands.
    pub chosen: String,
    /// Why, in a sentence: `CLIENT's stays: made at CLIENT, which wins over MASTER.`
    pub why: String,
    /// The rule that decided: `client-wins`.
    pub rule: String,
    /// What people decided later, oldest first, in words: `2026-11-23 10:02:11: took MASTER's`.
    pub again: Vec<String>,
    /// How the object differs now from what the record says stands, in words: `quantity is 77 now`; empty where it does not.
    pub moved_on: Vec<String>,
    /// When it was found, local time `YYYY-MM-DD HH:MM:SS`.
    pub decided_at: String,
}

/// One property in a conflict, as text.
#[derive(Clone, Debug, PartialEq)]
pub struct ConflictProperty {
    /// `quantity`.
    pub name: String,
    /// The value both started from; `–` where unknown or deleted.
    pub ancestor: String,
    /// MASTER's and CLIENT's value.
    pub values: [String; 2],
    /// Whether each side changed it.
    pub changed: [bool; 2],
    /// What stands by the record.
    pub result: String,
    /// Whose value that is; `None` where it was typed, or both have the same.
    pub from: Option<SideIndex>,
}

/// A waiting object.
#[derive(Clone, Debug, PartialEq)]
pub struct Requeued {
    /// Its number in the requeue.
    pub id: i64,
    /// The object.
    pub guid: Guid,
    /// `a reference is unknown`, `a value must be unique`, …: the cause in a few words.
    pub cause: String,
    /// `Order 1011`.
    pub title: String,
    /// The set it came in.
    pub set: String,
    /// Why it waits and what helps.
    pub reason: String,
}

/// A set sent or received.
#[derive(Clone, Debug, PartialEq)]
pub struct SetView {
    /// At which side this was noted.
    pub side: SideIndex,
    /// `true`: prepared here, `false`: applied here.
    pub sent: bool,
    /// The set's id.
    pub id: i64,
    /// The other node's name.
    pub peer: String,
    /// First and last transaction.
    pub range: (u64, u64),
    /// Objects in it.
    pub objects: usize,
    /// Its file.
    pub file: PathBuf,
    /// When, local time `YYYY-MM-DD HH:MM:SS`.
    pub at: String,
    /// In words: `4 orders: 2 inserted, 1 updated, 1 conflict`.
    pub summary: String,
    /// Its place among the node's sets, by which it is taken back or reverted.
    pub seq: i64,
    /// Of an applied set: whether it can be taken back, or why not. `None`: it was prepared here, or was taken back.
    pub take_back: Option<Result<(), String>>,
    /// The same for reverting it.
    pub revert: Option<Result<(), String>>,
    /// It was applied and taken back.
    pub taken_back: bool,
}

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
    /// Replace the environment by a new demo.
    RestartDemo,
    /// Show another environment's folder; a folder without one is refused.
    Open { dir: PathBuf },
    /// Make a demo in a folder and show it; a folder that holds an environment is refused.
    NewEnvironment { dir: PathBuf },
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
    Write { what: String, text: Arc<str>, to: PathBuf, overwrite: bool },
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

/// The orders of a side as they were. Answer to [`Action::TravelTo`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MomentView {
    /// The side.
    pub side: SideIndex,
    /// After this transaction.
    pub number: u64,
    /// The earliest that can be told, and the last one.
    pub range: (u64, u64),
    /// What that transaction filed.
    pub filed: Vec<JournalLine>,
    /// The orders, highest numbers first.
    pub rows: Vec<MomentRow>,
    /// There were more orders than these.
    pub more: bool,
}

/// An order as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct MomentRow {
    /// The object.
    pub guid: Guid,
    /// Its number then.
    pub number: i64,
    /// Its values in the order of the columns, as people read them.
    pub texts: [String; 6],
    /// Which of them are others now.
    pub since: [bool; 6],
    /// It is not there any more.
    pub gone: bool,
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
}

/// Why an action did nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    /// What failed, and what was left unchanged.
    pub message: String,
    /// What to do next; may be empty.
    pub hint: String,
}

/// The engine as the window sees it; called on the worker's thread only.
pub trait Backend: Send {
    /// Reads one moment.
    fn view(&mut self) -> Result<View, Failure>;
    /// Whether any program has written to either file since the last [`Backend::view`]; cheap, asked several times a second.
    fn changed(&mut self) -> bool;
    /// Carries out an action.
    fn run(&mut self, action: Action) -> Result<Done, Failure>;
    /// Tells how far an action is, and stops it.
    fn progress(&self) -> Progress {
        Progress::default()
    }
}
