//! What the window shows and what it asks for: plain data, nothing of SQLite and nothing of egui.
//!
//! A [`Backend`] lives on the worker's thread. It reads a [`View`] (one moment of both databases, never changed
//! afterwards) and carries out [`Action`]s; panels read the view and push actions. So every panel can be tested with a
//! view made by hand.

use std::path::PathBuf;

use crate::demo::model::{Order, OrderDraft};
use crate::sync::{Guid, Rule};

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
    pub lines: Vec<Line>,
    /// Nothing to send and nothing waiting, from versions.
    pub equal: bool,
    /// What each direction has: `0` MASTER → CLIENT, `1` CLIENT → MASTER.
    pub lanes: [Lane; 2],
    /// Conflict records of both nodes, newest first.
    pub conflicts: Vec<ConflictView>,
    /// Sets sent and received by both nodes, newest first.
    pub sets: Vec<SetView>,
}

/// One node.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// The namespace: `MASTER`.
    pub name: String,
    /// The node's GUID, 16 hexadecimal digits.
    pub guid: String,
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
    pub common: Option<Order>,
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
        self.marks.contains(&Mark::Conflict)
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
}

/// A conflict record, ready to be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct ConflictView {
    /// At which side it was found.
    pub side: SideIndex,
    /// The record's number there.
    pub record: i64,
    /// `Order 1004`, or `Order 1001, at CLIENT 1002` where the numbers differ.
    pub title: String,
    /// The object.
    pub guid: Guid,
    /// `changed on both sides`, `deleted / changed`, `changed / deleted`.
    pub kind: String,
    /// The set in which theirs came.
    pub set: String,
    /// One row a property, conflicting ones first.
    pub properties: Vec<ConflictProperty>,
    /// `CLIENT`: whose content was chosen.
    pub chosen: String,
    /// Which side's content was chosen.
    pub chosen_side: SideIndex,
    /// Why, in a sentence: `CLIENT wins because the change was made at CLIENT.`
    pub why: String,
    /// When it was decided, local time `YYYY-MM-DD HH:MM:SS`.
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
    /// What was chosen.
    pub result: String,
}

/// A waiting object.
#[derive(Clone, Debug, PartialEq)]
pub struct Requeued {
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
    /// Apply a set file at a side.
    Apply { side: SideIndex, file: PathBuf, rule: Rule },
    /// Apply a set file at the node it is addressed to.
    ApplyWhereAddressed { file: PathBuf, rule: Rule },
    /// Copy a prepared set's file; an existing file is refused unless `overwrite`.
    SaveSetAs { file: PathBuf, to: PathBuf, overwrite: bool },
    /// Both directions, CLIENT first.
    SyncBoth { rule: Rule },
    /// Compare the contents of both databases.
    Verify,
    /// Replace the environment by a new demo.
    RestartDemo,
    /// Show another environment's folder; a folder without one is refused.
    Open { dir: PathBuf },
}

/// What an action did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Done {
    /// One line for the status line and the activity list: `Applied set 999 at MASTER: 4 orders, 1 conflict, CLIENT won`.
    pub text: String,
    /// Further lines in words, per object.
    pub details: Vec<String>,
    /// Objects whose row changed, per side: shown highlighted for a while.
    pub changed: Vec<(SideIndex, Guid)>,
    /// A conflict record to show: (side, record).
    pub conflict: Option<(SideIndex, i64)>,
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
}
