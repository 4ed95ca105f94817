//! What the window shows and what it asks for: plain data, nothing of SQLite and nothing of egui.
//!
//! A [`Backend`] lives on the worker's thread. It reads a [`View`] (one moment of both databases, never changed
//! afterwards) and carries out [`Action`]s; panels read the view and push actions. So every panel can be tested with a
//! view made by hand.

use std::path::PathBuf;

use super::lines::Lines;
use crate::demo::model::Order;
use crate::sync::{Guid, Outcome, Progress, RecordState, Role, Rule, Rules};

pub use super::action::{Action, Choose, Compared, Detail, Done, Failure, Filed, PickValue, Question, Text};

/// Which pane: `0` MASTER (left, blue), `1` CLIENT (right, orange).
pub type SideIndex = usize;

/// One moment of an environment.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The environment's folder.
    pub dir: PathBuf,
    /// MASTER and CLIENT.
    pub sides: [Side; 2],
    /// Every order of either side, one line an object, by GUID.
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
    /// Whether REST is served.
    pub rest: RestView,
    /// What a restart would put aside.
    pub restart: Restart,
}

/// What making a new demo in the same folder would put aside.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Restart {
    /// The databases, all that are in the folder.
    pub files: Vec<PathBuf>,
    /// Why no new demo can take their place.
    pub why_not: Option<String>,
}

/// Whether REST is served for the environment that is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RestView {
    /// Where: `http://127.0.0.1:52773`.
    pub address: Option<String>,
    /// Why not, although it is to be.
    pub why_not: Option<String>,
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
    pub orders: [Option<Order>; 2],
    /// What each side has done that the other has not seen.
    pub marks: [Mark; 2],
    /// Which columns differ between the sides, in the order employee, customer, date, item, quantity, price.
    /// References are compared by GUID. All false where one side lacks the order.
    pub differs: [bool; 6],
    /// Where both sides changed it: what both started from, references as MASTER's keys; `None` where that is not known.
    pub common: Option<Box<Order>>,
    /// Where both sides changed it: which columns each side changed since then. Without `common`, those that differ.
    pub changed: [[bool; 6]; 2],
}

impl Line {
    /// A line without a conflict.
    pub fn new(guid: Guid, orders: [Option<Order>; 2], marks: [Mark; 2], differs: [bool; 6]) -> Self {
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
    /// Why it cannot be applied from here: its file is gone, or damaged.
    pub trouble: Option<String>,
}

impl Lane {
    /// The oldest prepared set whose file is whole.
    pub fn next(&self) -> Option<&SetCard> {
        self.prepared.iter().find(|card| card.trouble.is_none())
    }
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
    /// When MASTER's and CLIENT's content was made, local time `YYYY-MM-DD HH:MM:SS`; empty where that is not known any more.
    pub made: [String; 2],
    /// Whose content stands: a side's, or `None` where values of both were put together or typed.
    pub chosen_side: Option<SideIndex>,
    /// `MASTER`, `CLIENT`, `both`: whose content stands.
    pub chosen: String,
    /// What stands and why, in a sentence: `CLIENT's stays: made at CLIENT, which wins over MASTER.`, or
    /// `MASTER's stands, decided by hand at CLIENT.`
    pub why: String,
    /// What the rule had said, where somebody has decided since; else empty.
    pub ruled: String,
    /// The rule that decided: `client-wins`.
    pub rule: String,
    /// What people decided later, oldest first, in words: `2026-11-23 10:02:11: took MASTER's`.
    pub again: Vec<String>,
    /// The other side has filed a state of the object that this side has not received: a decision now meets it as a conflict.
    pub unseen: bool,
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
