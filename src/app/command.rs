//! Everything the user can ask of the window, as one enum.
//!
//! Buttons, menu entries and shortcuts are made from it: the words, the tooltip, the keys, and why it cannot be done now.
//! Panels push commands; [`App::handle`](super::app::App) alone carries them out.

use std::path::PathBuf;

use eframe::egui::{Key, KeyboardShortcut, Modifiers};

use super::dialogs::Dialog;
use super::rows::Show;
use super::snapshot::Column;
use super::state::{ConflictPick, DockTab, PaneTab, State};
use super::view::{Action, PickValue, SetView, SideIndex};
use crate::sync::{Guid, RecordState, Role, Rule};

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
    /// Choose a set file to apply.
    OpenSetFile,
    /// Choose another environment's folder.
    OpenEnvironment,
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

/// Commands with keys; those with more modifiers first, since `Ctrl R` also matches `Ctrl Shift R`.
pub const WITH_SHORTCUTS: [Command; 19] = [
    Command::RandomOrders(1),
    Command::NewOrder(1),
    Command::Prepare(1),
    Command::ApplyNext(1),
    Command::FocusFilter(1),
    Command::OpenEnvironment,
    Command::ToggleTheme,
    Command::RandomOrders(0),
    Command::NewOrder(0),
    Command::Prepare(0),
    Command::ApplyNext(0),
    Command::FocusFilter(0),
    Command::OpenSetFile,
    Command::SyncBoth,
    Command::ToggleDock,
    Command::Verify,
    Command::EditOrder(0),
    Command::DeleteOrders(0),
    Command::History(0),
];

impl Command {
    /// The whole name: menu entry and what a screen reader says.
    pub fn label(&self, state: &State) -> String {
        let at = |side: &SideIndex| state.side_name(*side).to_owned();
        match self {
            Command::RandomOrders(side) => format!("Random order at {}", at(side)),
            Command::NewOrder(side) => format!("New order at {}", at(side)),
            Command::EditOrder(side) => format!("Edit order at {}", at(side)),
            Command::DeleteOrders(side) => format!("Delete orders at {}", at(side)),
            Command::Prepare(side) => format!("Prepare set from {}", at(side)),
            Command::ApplyNext(side) => format!("Apply the next set from {}", at(side)),
            Command::OpenSetFile => "Open set file…".into(),
            Command::OpenEnvironment => "Open environment…".into(),
            Command::SyncBoth => "Sync both ways".into(),
            Command::Verify => "Verify".into(),
            Command::RestartDemo => "Restart demo…".into(),
            Command::FocusFilter(side) => format!("Filter orders at {}", at(side)),
            Command::ToggleDock if state.dock_open == Some(false) => "Show the dock".into(),
            Command::ToggleDock => "Hide the dock".into(),
            Command::ToggleTheme => "Dark or light".into(),
            Command::DismissError => "Dismiss the error".into(),
            Command::CancelWork => "Cancel".into(),
            Command::History(side) => format!("History of the order at {}", at(side)),
            Command::NextToDecide => "Next to decide".into(),
            Command::TakeWhole(side) => format!("Take {}'s", at(side)),
            Command::ResetDecision => "Reset".into(),
            Command::FileDecision => "File decision".into(),
            Command::Run(Action::TakeBack { side, seq }) => {
                format!("Take back set {} at {}", set_id(state, *side, *seq), at(side))
            }
            Command::Run(Action::Revert { side, seq, .. }) => {
                format!("Revert set {} at {}…", set_id(state, *side, *seq), at(side))
            }
            Command::Run(Action::Retry { side }) => format!("Try again what waits at {}", at(side)),
            Command::Run(Action::Discard { side, ids, .. }) => {
                let waiting = state.snapshot.as_ref().map(|s| s.view.sides[*side].requeued.as_slice());
                let title = waiting.unwrap_or_default().iter().find(|r| ids.contains(&r.id)).map_or("", |r| &r.title);
                format!("Discard {title} at {}…", at(side))
            }
            Command::Run(Action::History { side, .. }) => format!("History at {}", at(side)),
            _ => String::new(),
        }
    }

    /// What is written on its button, where the place already says the side.
    pub fn button(&self, state: &State) -> String {
        match self {
            Command::RandomOrders(side) if state.random[*side] > 1 => "+ Random orders".into(),
            Command::RandomOrders(_) => "+ Random order".into(),
            Command::NewOrder(_) => "New…".into(),
            Command::EditOrder(_) => "Edit".into(),
            Command::DeleteOrders(_) => "Delete".into(),
            Command::Prepare(_) => "Prepare set…".into(),
            Command::SyncBoth => "⇄  Sync both ways".into(),
            Command::DismissError => "Dismiss".into(),
            Command::History(_) => "History…".into(),
            Command::NextToDecide => "! Next to decide".into(),
            Command::Run(Action::TakeBack { .. }) => "Take back".into(),
            Command::Run(Action::Revert { .. }) => "Revert…".into(),
            Command::Run(Action::Retry { .. }) => "Try again".into(),
            Command::Run(Action::Discard { .. }) => "Discard…".into(),
            Command::Run(Action::History { .. }) => "History…".into(),
            _ => self.label(state),
        }
    }

    /// What it does, in a sentence.
    pub fn tooltip(&self, state: &State) -> String {
        match self {
            Command::RandomOrders(side) => format!(
                "Inserts {} at {}, each in a transaction of its own.",
                crate::words::count(state.random[*side], "random order"),
                state.side_name(*side)
            ),
            Command::NewOrder(_) => "Opens a form for an order of your own.".into(),
            Command::EditOrder(_) => "Edits the selected cell in its place.".into(),
            Command::DeleteOrders(_) => "Deletes the selected orders; asks first.".into(),
            Command::Prepare(side) => format!(
                "Writes what {} has not been sent into a file. Nothing changes at {} until it is applied.",
                state.side_name(1 - side),
                state.side_name(1 - side)
            ),
            Command::OpenSetFile => "Previews or applies a set file at the node it is addressed to.".into(),
            Command::OpenEnvironment => "Shows the databases in another folder.".into(),
            Command::SyncBoth => {
                format!("Sends {}'s changes to {}, then the other way round.", state.side_name(1), state.side_name(0))
            }
            Command::Verify => "Compares the contents of both databases.".into(),
            Command::RestartDemo => "Replaces this environment by a new demo; asks first.".into(),
            Command::ToggleTheme => "Switches between dark and light.".into(),
            Command::CancelWork => "Stops what is being done; everything is as before.".into(),
            Command::History(_) | Command::Run(Action::History { .. }) => {
                "Every state of this order: when, by whom, through which set.".into()
            }
            Command::NextToDecide => "Shows the next conflict that somebody is to decide.".into(),
            Command::TakeWhole(side) => {
                format!("Fills the result with all of {}'s values; nothing is filed yet.", state.side_name(*side))
            }
            Command::ResetDecision => "The result as it stands by the record.".into(),
            Command::FileDecision => {
                "Files the result as a new change, with this decision in the record. It travels like any other.".into()
            }
            Command::Run(Action::Preview { .. }) => "Says what applying the set would do. Nothing is changed.".into(),
            Command::Run(Action::TakeBack { .. }) => {
                "As if it had not been applied: only while nothing was prepared or built on it since.".into()
            }
            Command::Run(Action::Revert { .. }) => {
                "New changes that restore what it changed; they travel like any other.".into()
            }
            Command::Run(Action::Retry { .. }) => "Tries again everything that waits here, as after every set.".into(),
            Command::Run(Action::Discard { .. }) => {
                "Gives up what waits: a decision for what is here, recorded, which travels.".into()
            }
            _ => String::new(),
        }
    }

    /// The keys.
    pub fn shortcut(&self) -> Option<KeyboardShortcut> {
        let per_side = |side: SideIndex, key| {
            let modifiers = if side == 0 { Modifiers::COMMAND } else { Modifiers::COMMAND | Modifiers::SHIFT };
            Some(KeyboardShortcut::new(modifiers, key))
        };
        match self {
            Command::RandomOrders(side) => per_side(*side, Key::R),
            Command::NewOrder(side) => per_side(*side, Key::N),
            Command::Prepare(side) => per_side(*side, Key::P),
            Command::ApplyNext(side) => per_side(*side, Key::Enter),
            Command::FocusFilter(side) => per_side(*side, Key::F),
            Command::OpenSetFile => per_side(0, Key::O),
            Command::OpenEnvironment => per_side(1, Key::O),
            Command::SyncBoth => per_side(0, Key::B),
            Command::ToggleDock => per_side(0, Key::J),
            Command::ToggleTheme => per_side(1, Key::L),
            Command::Verify => Some(KeyboardShortcut::new(Modifiers::NONE, Key::F9)),
            Command::EditOrder(_) => Some(KeyboardShortcut::new(Modifiers::NONE, Key::F2)),
            Command::DeleteOrders(_) => Some(KeyboardShortcut::new(Modifiers::NONE, Key::Delete)),
            Command::History(_) => Some(KeyboardShortcut::new(Modifiers::NONE, Key::H)),
            _ => None,
        }
    }

    /// Whether it can be done now, or why not.
    pub fn enabled(&self, state: &State) -> Result<(), String> {
        match self {
            Command::EditOrder(side) => {
                state.blocked()?;
                match state.current(*side) {
                    Some(_) => Ok(()),
                    None => Err(format!("Select an order that {} has.", state.side_name(*side))),
                }
            }
            Command::DeleteOrders(side) => {
                state.blocked()?;
                match state.selected_numbers(*side).is_empty() {
                    false => Ok(()),
                    true => Err(format!("Select orders that {} has.", state.side_name(*side))),
                }
            }
            Command::ApplyNext(side) => {
                state.blocked()?;
                let prepared = state.snapshot.as_ref().and_then(|s| s.view.lanes[*side].prepared.first());
                match prepared {
                    Some(_) => Ok(()),
                    None => Err(format!("No set from {} is prepared.", state.side_name(*side))),
                }
            }
            // With nothing to send, too: such a set carries the acknowledgement.
            Command::Prepare(_)
            | Command::RandomOrders(_)
            | Command::NewOrder(_)
            | Command::OpenSetFile
            | Command::SyncBoth
            | Command::Verify => state.blocked(),
            Command::Rule(_) => state.blocked(),
            Command::OpenEnvironment | Command::RestartDemo => state.busy(),
            Command::History(side) => {
                state.blocked()?;
                state.history_at(*side).map(|_| ()).ok_or_else(|| "Select an order.".to_owned())
            }
            Command::CancelWork => match &state.running {
                Some(_) if !state.progress.is_cancelled() => Ok(()),
                Some(_) => Err("It is being stopped.".into()),
                None => Err("Nothing is being done.".into()),
            },
            Command::NextToDecide => match state.snapshot.as_ref().map_or(0, |s| s.counts.to_decide) {
                0 => Err("There is nothing to decide.".into()),
                _ => Ok(()),
            },
            Command::TakeWhole(_) => match state.shown_record() {
                Some(record) if record.state == RecordState::TakenBack => {
                    Err("The set was taken back, and this conflict with it.".into())
                }
                Some(_) => Ok(()),
                None => Err("No conflict that was found is shown.".into()),
            },
            Command::ResetDecision => match &state.draft {
                Some(draft) if draft.differs() => Ok(()),
                _ => Err("The result is as it stands by the record.".into()),
            },
            Command::FileDecision => {
                let record = state.shown_record().ok_or("No conflict that was found is shown.")?;
                state.draft_of(record).fileable()?;
                state.blocked()
            }
            Command::Run(action) | Command::Answer(action) => allowed(action, state),
            _ => Ok(()),
        }
    }
}

/// Whether an action can be started now, or why not.
pub fn allowed(action: &Action, state: &State) -> Result<(), String> {
    match action {
        Action::Open { .. } | Action::RestartDemo => state.busy(),
        Action::TakeBack { side, seq } | Action::Revert { side, seq, .. } => {
            state.blocked()?;
            let set = set(state, *side, *seq).ok_or("There is no such set any more.")?;
            let answer = if matches!(action, Action::TakeBack { .. }) { &set.take_back } else { &set.revert };
            answer.clone().unwrap_or_else(|| Err("Only a set that is applied here can be undone.".into()))
        }
        Action::Retry { side } => {
            state.blocked()?;
            match state.snapshot.as_ref().is_some_and(|s| !s.view.sides[*side].requeued.is_empty()) {
                true => Ok(()),
                false => Err(format!("Nothing waits at {}.", state.side_name(*side))),
            }
        }
        _ => state.blocked(),
    }
}

fn set(state: &State, side: SideIndex, seq: i64) -> Option<&SetView> {
    // A set that was prepared has a number of its own kind.
    state.snapshot.as_ref()?.view.sets.iter().find(|set| !set.sent && (set.side, set.seq) == (side, seq))
}

fn set_id(state: &State, side: SideIndex, seq: i64) -> String {
    set(state, side, seq).map_or_else(String::new, |set| set.id.to_string())
}

/// What the worker is doing: `preparing a set from MASTER`.
pub fn in_words(action: &Action, state: &State) -> String {
    let at = |side: &SideIndex| state.side_name(*side).to_owned();
    match action {
        Action::RandomOrders { side, count } => {
            format!("inserting {} at {}", crate::words::count(*count, "order"), at(side))
        }
        Action::NewOrder { side, .. } => format!("inserting an order at {}", at(side)),
        Action::EditOrder { side, number, .. } => format!("changing order {number} at {}", at(side)),
        Action::DeleteOrders { side, .. } => format!("deleting orders at {}", at(side)),
        Action::Prepare { side, id, .. } => format!("preparing set {id} from {}", at(side)),
        Action::Apply { side, .. } => format!("applying a set at {}", at(side)),
        Action::ApplyWhereAddressed { .. } => "applying a set".into(),
        Action::SaveSetAs { .. } => "saving a set".into(),
        Action::SyncBoth => "synchronizing both ways".into(),
        Action::Preview { .. } => "previewing a set".into(),
        Action::TakeBack { side, .. } => format!("taking a set back at {}", at(side)),
        Action::Revert { side, .. } => format!("reverting a set at {}", at(side)),
        Action::Resolve { side, .. } => format!("deciding a conflict at {}", at(side)),
        Action::Retry { side } => format!("trying again what waits at {}", at(side)),
        Action::Discard { side, .. } => format!("discarding what waits at {}", at(side)),
        Action::History { side, .. } => format!("reading an order's history at {}", at(side)),
        Action::ShowNode { name, .. } => format!("showing {name}"),
        Action::SetRule { .. } => "choosing a rule".into(),
        Action::Verify => "comparing both databases".into(),
        Action::RestartDemo => "making a new demo".into(),
        Action::Open { .. } => "opening an environment".into(),
    }
}

/// What a rule does, in a sentence.
pub fn rule_sentence(rule: Rule, state: &State) -> String {
    let roles = state.snapshot.as_ref().map(|s| [0, 1].map(|side| s.view.sides[side].role));
    let wins = match rule {
        Rule::ClientWins => Role::Client,
        Rule::MasterWins => Role::Master,
        _ => return rule.sentence().to_owned(),
    };
    match roles {
        // Two clients: the rule speaks of roles.
        Some([a, b]) if a == b => rule.sentence().to_owned(),
        Some(roles) => {
            let winner = usize::from(roles[1] == wins);
            let [winner, loser] = [winner, 1 - winner].map(|side| state.side_name(side));
            format!("What was changed at {winner} beats what was changed at {loser}.")
        }
        None => rule.sentence().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortcuts_do_not_clash_and_reach_their_command() {
        let mut seen: Vec<KeyboardShortcut> = Vec::new();
        for command in WITH_SHORTCUTS {
            let keys = command.shortcut().unwrap_or_else(|| panic!("{command:?} has no shortcut"));
            assert!(!seen.contains(&keys), "{command:?} shares its keys");
            let taken = |s: &KeyboardShortcut| {
                s.logical_key == keys.logical_key
                    && keys.modifiers.contains(s.modifiers)
                    && keys.modifiers != s.modifiers
            };
            assert!(!seen.iter().any(taken), "{command:?} comes after one that would swallow its keys");
            seen.push(keys);
        }
    }
}
