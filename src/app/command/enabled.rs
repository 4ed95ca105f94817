//! Whether a command can be done now; else why not.

use super::Command;
use super::words::set;
use crate::app::decision::Draft;
use crate::app::state::State;
use crate::app::view::Action;
use crate::sync::RecordState;

impl Command {
    /// Whether it can be done now, or why not.
    pub fn enabled(&self, state: &State) -> Result<(), String> {
        match self {
            Command::EditOrder(side) => {
                state.blocked()?;
                state.orders_seen(*side)?;
                match state.current(*side) {
                    Some(_) => Ok(()),
                    None => Err(format!("Select an order that {} has.", state.side_name(*side))),
                }
            }
            Command::DeleteOrders(side) => {
                state.blocked()?;
                state.orders_seen(*side)?;
                match state.any_selected(*side) {
                    true => Ok(()),
                    false => Err(format!("Select orders that {} has.", state.side_name(*side))),
                }
            }
            Command::TakeBackLast(side) | Command::RevertLast(side) => match self.of_last(state) {
                Some(action) => allowed(&action, state),
                None => Err(format!("No set is applied at {}.", state.side_name(*side))),
            },
            Command::ApplyNext(side) | Command::PreviewNext(side) | Command::SaveNext(side) => {
                state.blocked()?;
                let prepared = state.snapshot.as_ref().and_then(|s| s.view.lanes[*side].next());
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
            Command::OpenEnvironment | Command::NewEnvironment | Command::Rest => state.busy(),
            Command::RestartDemo => state.restartable().map(|_| ()),
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
                state.wrong_value(record)?;
                state.blocked()
            }
            Command::MergeProperties => {
                let record = state.shown_record().ok_or("No conflict that was found is shown.")?;
                Draft::new(record).mergeable()
            }
            Command::Undo => match state.undo.last() {
                Some(_) => state.blocked(),
                None => Err("Nothing was done here that could be undone.".into()),
            },
            Command::Redo => match state.redo.last() {
                Some(_) => state.blocked(),
                None => Err("Nothing was undone that could be done again.".into()),
            },
            Command::CopyOrders(side) => match state.any_selected(*side) {
                true => Ok(()),
                false => Err(format!("Select orders that {} has.", state.side_name(*side))),
            },
            Command::SelectAll => match state.rows[state.selection.side].is_empty() {
                false => Ok(()),
                true => Err("The table shows no order.".into()),
            },
            Command::Export(_) | Command::TimeTravel(_) => match state.snapshot.is_some() {
                true => Ok(()),
                false => Err("The environment could not be read yet.".into()),
            },
            Command::Tour | Command::Situation(_) => state.busy(),
            Command::TourNext => match &state.tour {
                None => Err("The tour is not open: “Guided tour” in the top bar begins it.".into()),
                Some(tour) if !tour.has_next() => Err("This was the last step.".into()),
                Some(tour) if tour.is_read_again() => Ok(()),
                Some(_) => state.blocked(),
            },
            Command::TourBack => match &state.tour {
                Some(tour) if tour.at > 0 => Ok(()),
                Some(_) => Err("This is the first step.".into()),
                None => Err("The tour is not open.".into()),
            },
            Command::TourLeave | Command::TourStay => match &state.tour {
                Some(_) => state.busy(),
                None => Err("The tour is not open.".into()),
            },
            Command::SaveReport => match &state.report {
                Some(_) => Ok(()),
                None => Err("No set was applied in this window yet.".into()),
            },
            Command::Run(action) | Command::Answer(action) => allowed(action, state),
            _ => Ok(()),
        }
    }
}

impl Command {
    /// What is done to the set that was applied last.
    pub(in crate::app) fn of_last(&self, state: &State) -> Option<Action> {
        match *self {
            Command::TakeBackLast(side) => Some(Action::TakeBack { side, seq: state.last_applied(side)?.seq }),
            Command::RevertLast(side) => {
                Some(Action::Revert { side, seq: state.last_applied(side)?.seq, confirmed: false })
            }
            _ => None,
        }
    }
}

/// Whether an action can be started now, or why not.
pub fn allowed(action: &Action, state: &State) -> Result<(), String> {
    match action {
        Action::Open { .. } | Action::NewEnvironment { .. } | Action::Serve { .. } => state.busy(),
        Action::RestartDemo { .. } => state.restartable().map(|_| ()),
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
