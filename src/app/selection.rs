//! How clicks and keys move the selection. One object is selected on both sides at once.

use super::command::{Pick, Step};
use super::snapshot::{COLUMNS, Column};
use super::state::{ConflictPick, DockTab, State};
use super::view::{ConflictView, SideIndex};
use crate::sync::{Guid, RecordState};

/// Selects an order; the dock follows if there is something to say about it.
pub fn select(state: &mut State, side: SideIndex, guid: Guid, column: Option<Column>, pick: Pick) {
    let anchor = state.selection.cursor.and_then(|g| state.row_of(side, g));
    let here = state.row_of(side, guid);
    let range = match (pick, anchor, here) {
        (Pick::Range, Some(a), Some(b)) => {
            Some((a.min(b)..=a.max(b)).filter_map(|r| Some(state.line(side, r)?.guid)).collect())
        }
        _ => None,
    };
    let selection = &mut state.selection;
    selection.side = side;
    selection.column = column.or(selection.column);
    match (pick, range) {
        (_, Some(range)) => selection.guids = range,
        (Pick::Toggle, _) if selection.guids.contains(&guid) => selection.guids.retain(|g| *g != guid),
        (Pick::Toggle, _) => selection.guids.push(guid),
        _ => selection.guids = vec![guid],
    }
    selection.lead = Some(guid);
    selection.cursor = if pick == Pick::Range { selection.cursor.or(Some(guid)) } else { Some(guid) };
    // The dock follows, if there is something to say about this object.
    if let Some(snapshot) = &state.snapshot {
        let record = snapshot.view.conflicts.iter().find(|c| c.guid == guid);
        let ahead = snapshot.line(guid).is_some_and(|line| line.conflict()).then_some(ConflictPick::Ahead(guid));
        if let Some(pick) = ahead.or(record.map(|c| ConflictPick::Record(c.side, c.record))) {
            set_conflict(state, pick);
        }
    }
}

/// Moves the cursor.
pub fn step(state: &mut State, step: Step) {
    if let Step::Columns(by) = step {
        let at = state.edit_column() as isize + by;
        // Beyond its last column a table goes on in the other one.
        let last = COLUMNS.len() as isize - 1;
        let over = match state.selection.side {
            0 if at > last => Some((1, 0)),
            1 if at < 0 => Some((0, last as usize)),
            _ => None,
        };
        if let Some((side, column)) = over {
            state.selection.side = side;
            state.selection.column = COLUMNS.get(column).copied();
            return;
        }
        state.selection.column = COLUMNS.get(at.clamp(0, COLUMNS.len() as isize - 1) as usize).copied();
        return;
    }
    let side = state.selection.side;
    let last = state.rows[side].len().saturating_sub(1);
    let at = state.selection.cursor.and_then(|g| state.row_of(side, g));
    let row = match (step, at) {
        (Step::Rows(by), Some(at)) => at.saturating_add_signed(by).min(last),
        (Step::Last, _) => last,
        _ => 0,
    };
    if let Some(guid) = state.line(side, row).map(|l| l.guid) {
        select(state, side, guid, None, Pick::One);
        state.look_at = Some(guid);
    }
}

/// Moves the other end of the selected range.
pub fn extend(state: &mut State, step: Step) {
    let side = state.selection.side;
    let last = state.rows[side].len().saturating_sub(1);
    let at = state.selection.lead.or(state.selection.cursor).and_then(|g| state.row_of(side, g));
    let row = match (step, at) {
        (Step::Rows(by), Some(at)) => at.saturating_add_signed(by).min(last),
        (Step::Last, _) => last,
        (Step::Columns(_), _) => return,
        _ => 0,
    };
    if let Some(guid) = state.line(side, row).map(|l| l.guid) {
        select(state, side, guid, None, Pick::Range);
        state.look_at = Some(guid);
    }
}

/// Selects every order that the table of the chosen side shows.
pub fn select_all(state: &mut State) {
    let side = state.selection.side;
    let all: Vec<Guid> = (0..state.rows[side].len()).filter_map(|row| Some(state.line(side, row)?.guid)).collect();
    state.selection.cursor = state.selection.cursor.or(all.first().copied());
    state.selection.lead = all.last().copied();
    state.selection.guids = all;
}

/// Shows a conflict and selects its order.
pub fn pick_conflict(state: &mut State, pick: ConflictPick) {
    set_conflict(state, pick);
    let guid = match pick {
        ConflictPick::Ahead(guid) => Some(guid),
        ConflictPick::Record(side, record) => {
            let conflicts = state.snapshot.as_ref().map(|s| s.view.conflicts.as_slice()).unwrap_or_default();
            conflicts.iter().find(|c| c.side == side && c.record == record).map(|c| c.guid)
        }
    };
    if let Some(guid) = guid {
        reveal(state, guid);
    }
}

/// Another conflict; what was picked for the one before is dropped.
pub fn set_conflict(state: &mut State, pick: ConflictPick) {
    state.conflict = Some(pick);
    let about = |record: &ConflictView| pick == ConflictPick::Record(record.side, record.record);
    if state.draft.as_ref().is_some_and(|d| !about(&d.record)) {
        state.draft = None;
    }
}

/// Shows the next record that somebody is to decide.
pub fn next_to_decide(state: &mut State) {
    let Some(snapshot) = &state.snapshot else { return };
    let open = |pick: &ConflictPick| match pick {
        ConflictPick::Record(side, record) => {
            snapshot.record(*side, *record).is_some_and(|c| c.state == RecordState::Open)
        }
        ConflictPick::Ahead(_) => false,
    };
    let open: Vec<ConflictPick> = snapshot.conflict_list().into_iter().filter(open).collect();
    let here = state.conflict.and_then(|shown| open.iter().position(|pick| *pick == shown));
    let next = here.map_or(0, |at| (at + 1) % open.len());
    if let Some(pick) = open.get(next).copied() {
        pick_conflict(state, pick);
    }
    state.dock = DockTab::Conflicts;
    state.dock_open = Some(true);
}

/// Selects those of some objects that the tables show, and brings the first one into view.
pub fn select_objects(state: &mut State, guids: &[Guid]) {
    let shown = |guid: &&Guid| (0..2).any(|side| state.row_of(side, **guid).is_some());
    let found: Vec<Guid> = guids.iter().take(1000).filter(shown).copied().collect();
    if found.len() < guids.len() {
        state.status = format!("{}; selected {}, the tables do not show the others", state.status, found.len());
    }
    state.selection.cursor = found.first().copied();
    state.selection.lead = found.last().copied();
    state.look_at = state.selection.cursor;
    state.selection.guids = found;
}

/// Selects an order and brings it into view. One that the filter hides is not selected: keys would act on what nobody
/// sees.
pub fn reveal(state: &mut State, guid: Guid) -> bool {
    let seen = (0..2).any(|side| state.row_of(side, guid).is_some());
    if seen {
        state.selection.guids = vec![guid];
        state.selection.cursor = Some(guid);
        state.look_at = Some(guid);
    }
    seen
}
