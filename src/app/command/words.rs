//! What a command is called, what its button says, what it does in a sentence.

use super::{Command, Zoom};
use crate::app::state::State;
use crate::app::view::{Action, SetView, SideIndex};
use crate::demo::scenario::SCENARIOS;
use crate::sync::{Role, Rule};

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
            Command::PreviewNext(side) => format!("Preview the next set from {}…", at(side)),
            Command::SaveNext(side) => format!("Save the next set from {} as…", at(side)),
            Command::TakeBackLast(side) => format!("Take back the set applied last at {}", at(side)),
            Command::RevertLast(side) => format!("Revert the set applied last at {}…", at(side)),
            Command::OpenSetFile => "Open set file…".into(),
            Command::OpenEnvironment => "Open environment…".into(),
            Command::NewEnvironment => "New environment…".into(),
            Command::Rest => "REST…".into(),
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
            Command::Run(Action::PrepareAgain { side }) => format!("Prepare again from {}", at(side)),
            Command::Run(Action::Retry { side }) => format!("Try again what waits at {}", at(side)),
            Command::Run(Action::Discard { side, ids, .. }) => {
                let waiting = state.snapshot.as_ref().map(|s| s.view.sides[*side].requeued.as_slice());
                let title = waiting.unwrap_or_default().iter().find(|r| ids.contains(&r.id)).map_or("", |r| &r.title);
                format!("Discard {title} at {}…", at(side))
            }
            Command::Run(Action::History { side, .. }) => format!("History at {}", at(side)),
            Command::Run(Action::Preview { .. }) => "Preview a set".into(),
            Command::Run(Action::Open { dir }) => format!("Open {}", dir.display()),
            Command::Undo => match state.undo.last() {
                Some(filed) => format!("Undo {}", filed.what),
                None => "Undo".into(),
            },
            Command::Redo => match state.redo.last() {
                Some(filed) => format!("Redo {}", filed.what),
                None => "Redo".into(),
            },
            Command::Palette => "Search commands…".into(),
            Command::Shortcuts => "All keys".into(),
            Command::CopyOrders(side) => format!("Copy the selected orders at {}", at(side)),
            Command::SelectAll => "Select all orders shown".into(),
            Command::Export(side) => format!("Export orders at {}…", at(side)),
            Command::MergeProperties => "Merge properties".into(),
            Command::Tour => "Guided tour".into(),
            Command::Situation(which) => SCENARIOS.get(*which).map_or("", |s| s.title).to_owned(),
            Command::TourNext => "Next step of the tour".into(),
            Command::TourBack => "Step before in the tour".into(),
            Command::TourLeave => "Leave the tour".into(),
            Command::TourStay => "Go on from here".into(),
            Command::DeclineTour => "Not now".into(),
            Command::TimeTravel(side) if state.travel[*side].is_some() => {
                format!("Back to the present at {}", at(side))
            }
            Command::TimeTravel(side) => format!("{} as it was…", at(side)),
            Command::Presentation if state.settings.presentation => "End the presentation".into(),
            Command::Presentation => "Presentation: larger text, no dock".into(),
            Command::Zoom(Zoom::In) => "Larger".into(),
            Command::Zoom(Zoom::Out) => "Smaller".into(),
            Command::Zoom(Zoom::Reset) => "Usual size".into(),
            Command::HighContrast if state.settings.high_contrast => "Usual contrast".into(),
            Command::HighContrast => "High contrast".into(),
            Command::Animations if state.settings.animations => "No animations".into(),
            Command::Animations => "Animations".into(),
            Command::ResetLayout => "Reset the layout".into(),
            Command::SaveReport => "Save the report of the last apply…".into(),
            Command::Rule(rule) => format!("On conflict: {}", rule.label()),
            Command::PaneTab(side, tab) => format!("{} at {}", tab.title(), at(side)),
            Command::DockTab(tab) => format!("Dock: {}", tab.title()),
            Command::Show(show) => format!("Show {}", show.title()),
            Command::SideBySide(true) => "Rows side by side".into(),
            Command::SideBySide(false) => "Each pane its own rows".into(),
            Command::ScrollTogether(true) => "Scroll together".into(),
            Command::ScrollTogether(false) => "Scroll each pane by itself".into(),
            _ => String::new(),
        }
    }

    /// Words by which it is looked for, beside its name.
    pub fn also_called(&self) -> &'static str {
        match self {
            Command::Rule(_) => "rule who wins",
            Command::Situation(_) => "situation ready tour",
            Command::Tour => "situation",
            Command::TourNext | Command::TourBack | Command::TourLeave | Command::TourStay => "tour",
            Command::OpenSetFile => "preview apply",
            Command::Export(_) => "save",
            Command::TakeBackLast(_) | Command::RevertLast(_) => "undo",
            _ => "",
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
            Command::Run(Action::PrepareAgain { .. }) => "Prepare again".into(),
            Command::Run(Action::Retry { .. }) => "Try again".into(),
            Command::Run(Action::Discard { .. }) => "Discard…".into(),
            Command::Run(Action::History { .. }) => "History…".into(),
            Command::Export(_) => "Export…".into(),
            Command::TourBack => "Back".into(),
            Command::TimeTravel(side) if state.travel[*side].is_some() => "Back to the present".into(),
            Command::SaveReport => "Save report…".into(),
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
            Command::NewEnvironment => "Makes a demo in another folder, and shows it.".into(),
            Command::Rest => match state.snapshot.as_ref().and_then(|s| s.view.rest.why_not.as_ref()) {
                Some(why) => format!("REST is not served: {why}"),
                None => "Whether other programs can ask over HTTP while this window is open, and at which port.".into(),
            },
            Command::SyncBoth => {
                format!("Sends {}'s changes to {}, then the other way round.", state.side_name(1), state.side_name(0))
            }
            Command::Verify => "Compares the contents of both databases.".into(),
            Command::RestartDemo => {
                "Puts these databases aside and makes a new demo in their place; asks first.".into()
            }
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
            Command::Run(Action::PrepareAgain { side }) => format!(
                "Writes everything that {} has not confirmed into a new file, also what was sent before.",
                state.side_name(1 - side)
            ),
            Command::Run(Action::Retry { .. }) => "Tries again everything that waits here, as after every set.".into(),
            Command::Run(Action::Discard { .. }) => {
                "Gives up what waits: a decision for what is here, recorded, which travels.".into()
            }
            Command::ApplyNext(side) => {
                format!(
                    "Applies the oldest set that {} has prepared at {}.",
                    state.side_name(*side),
                    state.side_name(1 - side)
                )
            }
            Command::PreviewNext(_) => "Says what applying the set would do. Nothing is changed.".into(),
            Command::SaveNext(_) => "Copies the set's file, to be taken along.".into(),
            Command::TakeBackLast(_) => {
                "As if it had not been applied: only while nothing was prepared or built on it since.".into()
            }
            Command::RevertLast(_) => "New changes that restore what it changed; they travel like any other.".into(),
            Command::FocusFilter(_) => "Puts the cursor into the filter of this table.".into(),
            Command::ToggleDock => "Conflicts, sync sets, activity and the last comparison.".into(),
            Command::Undo => "Files a new change that restores what was before. What has changed since stays.".into(),
            Command::Redo => "Files once more what was undone.".into(),
            Command::Palette => "Finds any command, order or list by a few letters.".into(),
            Command::Shortcuts => "Every key on one sheet.".into(),
            Command::CopyOrders(_) => "With headings, a line an order, values separated by tabs.".into(),
            Command::SelectAll => "All that the filters let through.".into(),
            Command::Export(_) => {
                "Writes the orders that the table shows into a file of comma-separated values.".into()
            }
            Command::MergeProperties => {
                "Fills the result with what each side alone changed; what both changed stays as it stands.".into()
            }
            Command::Tour => "Shows, step by step and on an environment of its own, how the two come together.".into(),
            Command::Situation(_) => "Makes this situation in an environment of its own, ready to be shown.".into(),
            Command::TimeTravel(_) => "The orders after any transaction of this node, read only.".into(),
            Command::Presentation => "For a room: everything larger, and only the two sides and the lane.".into(),
            Command::HighContrast => "Black ground, white text, strong colours.".into(),
            Command::Animations => "Sets that travel across the lane, rows that fade.".into(),
            Command::ResetLayout => "Size, theme, filters, sorting, tabs and the dock as on first start.".into(),
            Command::SaveReport => "Every object of the set and what became of it, as text.".into(),
            Command::Rule(rule) => rule_sentence(*rule, state),
            Command::TourLeave => "Back to the databases from before the tour.".into(),
            Command::TourStay => "The tour's databases stay open until the program ends.".into(),
            _ => String::new(),
        }
    }
}

/// A set that was applied at a side. One that was prepared has a number of its own kind.
pub(super) fn set(state: &State, side: SideIndex, seq: i64) -> Option<&SetView> {
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
        Action::DeleteOrders { side, numbers } => match numbers.as_slice() {
            [one] => format!("deleting order {one} at {}", at(side)),
            many => format!("deleting {} at {}", crate::words::count(many.len(), "order"), at(side)),
        },
        Action::PrepareAgain { side } => format!("preparing again from {}", at(side)),
        Action::Prepare { side, id, .. } => format!("preparing set {id} from {}", at(side)),
        Action::Apply { side, .. } => format!("applying a set at {}", at(side)),
        Action::ApplyWhereAddressed { .. } => "applying a set".into(),
        Action::SaveSetAs { .. } => "saving a set".into(),
        Action::SyncBoth => "synchronizing both ways".into(),
        Action::Preview { .. } => "previewing a set".into(),
        Action::TakeBack { side, .. } => format!("taking a set back at {}", at(side)),
        Action::Revert { side, .. } => format!("reverting a set at {}", at(side)),
        Action::Resolve { side, record, .. } => {
            let found = state.snapshot.as_ref().and_then(|s| s.record(*side, *record));
            let about =
                found.map_or_else(|| "a conflict".to_owned(), |found| format!("the conflict of {}", found.title));
            format!("deciding {about} at {}", at(side))
        }
        Action::Retry { side } => format!("trying again what waits at {}", at(side)),
        Action::Discard { side, .. } => format!("discarding what waits at {}", at(side)),
        Action::History { side, .. } => format!("reading an order's history at {}", at(side)),
        Action::ShowNode { name, .. } => format!("showing {name}"),
        Action::SetRule { .. } => "choosing a rule".into(),
        Action::Verify => "comparing both databases".into(),
        Action::RestartDemo { .. } => "making a new demo".into(),
        Action::Open { .. } => "opening an environment".into(),
        Action::NewEnvironment { .. } => "making an environment".into(),
        Action::Serve { .. } => "serving REST".into(),
        Action::Undo { filed, again: false, .. } => format!("undoing: {}", filed.what),
        Action::Undo { filed, again: true, .. } => format!("doing again: {}", filed.what),
        Action::StartTour { .. } => "making an environment for the tour".into(),
        Action::PlayStep { .. } => "doing the tour's step".into(),
        Action::TravelTo { side, number } => {
            format!("reading {} as of transaction {}", at(side), crate::words::grouped(*number))
        }
        Action::ObjectsOfSet { .. } => "reading a set".into(),
        Action::Write { what, .. } => format!("writing {what}"),
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
