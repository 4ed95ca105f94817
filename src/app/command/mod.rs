//! Everything the user can ask of the window, as one enum.
//!
//! Buttons, menus, the palette, the keys, the sheet of keys and tooltips are made from it: `words.rs` has label, button and
//! tooltip, `keys.rs` the shortcuts, `enabled.rs` why something cannot be done now, `elsewhere.rs` the same as a line for the
//! terminal and for curl. Panels push commands; [`App::handle`](super::app::App) alone carries them out.

mod elsewhere;
mod enabled;
mod keys;
mod words;

use std::path::PathBuf;

use super::dialogs::Dialog;
use super::rows::Show;
use super::snapshot::Column;
use super::state::{ConflictPick, DockTab, ListId, PaneTab, State};
use super::view::{Action, PickValue, SideIndex};
use crate::demo::scenario::SCENARIOS;
use crate::sync::{Guid, Rule};

pub use enabled::allowed;
pub use keys::with_shortcuts;
pub use words::{in_words, rule_sentence};

/// A step on the way through the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// That many rows down (or up).
    Rows(isize),
    /// To the first row.
    First,
    /// To the last row.
    Last,
    /// That many columns right (or left).
    Columns(isize),
}

/// How a click changes the selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// Only this one.
    One,
    /// This one too, or no longer.
    Toggle,
    /// All from the cursor to this one.
    Range,
}

/// A change of size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zoom {
    /// Larger.
    In,
    /// Smaller.
    Out,
    /// As it was.
    Reset,
}

/// What the user asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Random orders, as many as the pane's count says.
    RandomOrders(SideIndex),
    /// The form for a new order.
    NewOrder(SideIndex),
    /// The inline editor on the selected cell.
    EditOrder(SideIndex),
    /// Delete the selected orders; asks first.
    DeleteOrders(SideIndex),
    /// The dialog for a set from this side.
    Prepare(SideIndex),
    /// Apply the oldest set prepared at this side.
    ApplyNext(SideIndex),
    /// Say what applying the oldest set prepared at this side would do.
    PreviewNext(SideIndex),
    /// The dialog that copies the oldest set prepared at this side.
    SaveNext(SideIndex),
    /// Take back the set applied last at this side.
    TakeBackLast(SideIndex),
    /// Revert the set applied last at this side; asks first.
    RevertLast(SideIndex),
    /// Choose a set file to apply.
    OpenSetFile,
    /// Choose another environment's folder.
    OpenEnvironment,
    /// Choose a folder for a new environment.
    NewEnvironment,
    /// Whether and where REST is served.
    Rest,
    /// Both directions, CLIENT first.
    SyncBoth,
    /// Compare both databases.
    Verify,
    /// A new demo; asks first.
    RestartDemo,
    /// Put the cursor into a pane's filter.
    FocusFilter(SideIndex),
    /// Fold or unfold the dock.
    ToggleDock,
    /// Dark or light.
    ToggleTheme,
    /// Every state of the selected order at a side, or at the other where it never was there.
    History(SideIndex),
    /// Show the next conflict that somebody is to decide.
    NextToDecide,
    /// All values of a side into the result column of the conflict shown.
    TakeWhole(SideIndex),
    /// The result column as it stands by the record.
    ResetDecision,
    /// Decide the conflict shown as the result column says.
    FileDecision,

    /// File a change that undoes what was done last.
    Undo,
    /// Do again what was undone last.
    Redo,
    /// All commands, to be searched.
    Palette,
    /// All keys.
    Shortcuts,
    /// The selected orders of a side as lines of tab-separated values, into the clipboard.
    CopyOrders(SideIndex),
    /// Select every order that the table shows.
    SelectAll,
    /// The dialog that writes a side's orders into a file.
    Export(SideIndex),
    /// All values of the conflict shown that only one side changed, into the result column.
    MergeProperties,
    /// The guided tour, from the beginning.
    Tour,
    /// A ready situation: an index into the scenarios.
    Situation(usize),
    /// The tour's next step: does what it tells.
    TourNext,
    /// The tour's step before, to read it again.
    TourBack,
    /// End the tour and return to the environment from before.
    TourLeave,
    /// End the tour and stay in its environment.
    TourStay,
    /// No tour now; do not offer it again.
    DeclineTour,
    /// A node as it was: open the slider, or go back to the present.
    TimeTravel(SideIndex),
    /// Show a node as it was after that transaction.
    TravelTo(SideIndex, u64),
    /// Larger text, no dock.
    Presentation,
    /// Larger or smaller, or as it was.
    Zoom(Zoom),
    /// Black and white and strong colours.
    HighContrast,
    /// Whether sets are seen to travel and changed rows fade.
    Animations,
    /// Everything about the layout as on first start.
    ResetLayout,
    /// The report of the last apply into a file.
    SaveReport,
    /// A command as a line for the terminal or for curl, into the clipboard.
    CopyAs(String),
    /// The filter of a list has got the focus it asked for.
    FilterFocused,
    /// Text of a list's filter.
    FilterList(ListId, String),
    /// Hand an action to the worker.
    Run(Action),
    /// Hand the open dialog's action to the worker; the dialog stays until it has succeeded.
    Answer(Action),
    /// Open a dialog.
    Ask(Dialog),
    /// Open the machine's file chooser for the open dialog's path.
    Browse,
    /// The legend.
    Show(Show),
    /// Text of a pane's filter.
    Filter(SideIndex, String),
    /// The same object at the same height in both panes, or each pane its own list.
    SideBySide(bool),
    /// A click on a header; `None` is the order number.
    SortBy(SideIndex, Option<Column>),
    /// How many random orders.
    RandomCount(SideIndex, usize),
    /// What a pane lists.
    PaneTab(SideIndex, PaneTab),
    /// What the dock shows.
    DockTab(DockTab),
    /// Select an order, perhaps at a cell.
    Select(SideIndex, Guid, Option<Column>, Pick),
    /// Move the selection.
    Move(Step),
    /// Move the end of the selected range.
    Extend(Step),
    /// Select an object and bring it into view.
    Reveal(SideIndex, Guid),
    /// A value into the result column of the conflict shown.
    PickValue(usize, PickValue),
    /// Show a conflict.
    PickConflict(ConflictPick),
    /// How conflicts are decided.
    Rule(Rule),
    /// One scroll for both panes, or each its own.
    ScrollTogether(bool),
    /// Edit a cell.
    StartEdit(SideIndex, Guid, Column),
    /// Text in the inline editor.
    EditText(String),
    /// The inline editor has got the focus it asked for.
    EditFocused,
    /// Which of the names offered is marked.
    EditPick(usize),
    /// File the edit; `next`: go on to the next cell.
    FileEdit {
        /// Go on to the next cell.
        next: bool,
    },
    /// Leave the cell as it was.
    CancelEdit,
    /// The error was read.
    DismissError,
    /// Stop what is being done.
    CancelWork,
    /// A file was dropped on the window.
    Dropped(PathBuf),
}

/// Everything that can be asked for at any time, in the order of the palette. What cannot be done now says why.
pub fn everything(state: &State) -> Vec<Command> {
    let mut all = Vec::new();
    for side in [0, 1] {
        all.extend([Command::RandomOrders(side), Command::NewOrder(side), Command::EditOrder(side)]);
        all.extend([Command::DeleteOrders(side), Command::Prepare(side), Command::ApplyNext(side)]);
        all.extend([Command::PreviewNext(side), Command::SaveNext(side)]);
        all.extend([Command::TakeBackLast(side), Command::RevertLast(side)]);
    }
    all.extend([Command::SyncBoth, Command::Verify, Command::OpenSetFile, Command::Undo, Command::Redo]);
    all.extend([Command::NextToDecide, Command::TakeWhole(0), Command::TakeWhole(1), Command::MergeProperties]);
    all.extend([Command::ResetDecision, Command::FileDecision, Command::SaveReport]);
    all.extend(Rule::ALL.map(Command::Rule));
    for side in [0, 1] {
        all.extend([Command::History(side), Command::CopyOrders(side), Command::Export(side)]);
        all.extend([Command::TimeTravel(side), Command::FocusFilter(side)]);
        all.extend([Action::PrepareAgain { side }, Action::Retry { side }].map(Command::Run));
        all.extend(PaneTab::ALL.map(|tab| Command::PaneTab(side, tab)));
    }
    all.push(Command::SelectAll);
    all.extend(Show::ALL.map(Command::Show));
    all.extend(DockTab::ALL.map(Command::DockTab));
    all.push(Command::Tour);
    all.extend((1..SCENARIOS.len()).map(Command::Situation));
    if state.tour.is_some() {
        all.extend([Command::TourNext, Command::TourBack, Command::TourLeave, Command::TourStay]);
    }
    all.extend([Command::SideBySide(!state.query.side_by_side), Command::ScrollTogether(!state.scroll_together)]);
    all.extend([Command::ToggleDock, Command::Presentation, Command::ToggleTheme, Command::HighContrast]);
    all.extend([Zoom::In, Zoom::Out, Zoom::Reset].map(Command::Zoom));
    all.extend([Command::Animations, Command::ResetLayout, Command::OpenEnvironment, Command::NewEnvironment]);
    all.extend(state.recent().map(|dir| Command::Run(Action::Open { dir: dir.to_owned() })));
    all.extend([Command::RestartDemo, Command::Rest, Command::Shortcuts, Command::Palette]);
    all
}
