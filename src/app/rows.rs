//! Which lines are shown, and in what order.
//!
//! Both panes are drawn from one list of lines, so the same object stands at the same height on both sides. A pure
//! function of snapshot and question; the window keeps the answer until either changes.

use std::cmp::Ordering;

use super::snapshot::{COLUMNS, Column, Difference, Snapshot, difference};
use super::view::{Line, SideIndex};

/// What the legend lets through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Show {
    /// Everything.
    #[default]
    All,
    /// What differs.
    Differences,
    /// `+`
    New,
    /// `≠`
    Changed,
    /// `−`
    Deleted,
    /// `!`
    Conflict,
}

impl Show {
    fn lets_through(self, line: &Line) -> bool {
        let kind = difference(line);
        match self {
            Show::All => true,
            Show::Differences => kind.is_some(),
            Show::New => kind == Some(Difference::New),
            Show::Changed => kind == Some(Difference::Changed),
            Show::Deleted => kind == Some(Difference::Deleted),
            Show::Conflict => kind == Some(Difference::Conflict),
        }
    }
}

/// By what the rows are sorted; `None` is the order number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The column.
    pub column: Option<Column>,
    /// Largest first.
    pub descending: bool,
    /// Whose value counts where both sides have one.
    pub side: SideIndex,
}

impl Default for Sort {
    fn default() -> Self {
        Sort { column: None, descending: true, side: 0 }
    }
}

/// The question; two equal ones on the same snapshot have the same answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// The legend.
    pub show: Show,
    /// Text that must occur in the order at that side; empty: anything.
    pub filters: [String; 2],
    /// The order of rows.
    pub sort: Sort,
}

/// The lines to show, as indices into [`View::lines`](super::view::View::lines).
pub fn rows(snapshot: &Snapshot, query: &Query) -> Vec<usize> {
    let needles = query.filters.each_ref().map(|f| f.trim().to_lowercase());
    let lines = &snapshot.view.lines;
    let mut rows: Vec<usize> = (0..lines.len())
        .filter(|i| query.show.lets_through(&lines[*i]))
        .filter(|i| (0..2).all(|side| matches(snapshot, &lines[*i], side, &needles[side])))
        .collect();
    rows.sort_by(|a, b| compare(snapshot, &lines[*a], &lines[*b], query.sort));
    rows
}

fn matches(snapshot: &Snapshot, line: &Line, side: SideIndex, needle: &str) -> bool {
    if needle.is_empty() {
        return true;
    }
    let Some(order) = &line.orders[side] else { return false };
    // Numbers match as shown and as typed without separators.
    order.order_num.to_string().contains(needle)
        || order.quantity.to_string() == needle
        || order.price.to_string().starts_with(needle)
        || COLUMNS.iter().any(|c| snapshot.text(side, order, *c).to_lowercase().contains(needle))
}

fn compare(snapshot: &Snapshot, a: &Line, b: &Line, sort: Sort) -> Ordering {
    let pick = |line: &Line| [sort.side, 1 - sort.side].into_iter().find(|s| line.orders[*s].is_some());
    let (Some(sa), Some(sb)) = (pick(a), pick(b)) else { return a.guid.cmp(&b.guid) };
    let (Some(oa), Some(ob)) = (&a.orders[sa], &b.orders[sb]) else { return a.guid.cmp(&b.guid) };
    let by_value = match sort.column {
        None => Ordering::Equal,
        Some(Column::Date) => oa.date_order.cmp(&ob.date_order),
        Some(Column::Quantity) => oa.quantity.cmp(&ob.quantity),
        Some(Column::Price) => oa.price.cmp(&ob.price),
        Some(column) => snapshot.text(sa, oa, column).cmp(&snapshot.text(sb, ob, column)),
    };
    // Equal numbers can be two objects, one at either side: MASTER's first, then always in the same order.
    let by_number = oa.order_num.cmp(&ob.order_num);
    let forward = if sort.column.is_some() { by_value } else { by_number };
    let directed = if sort.descending { forward.reverse() } else { forward };
    directed.then(by_number.reverse()).then(sa.cmp(&sb)).then(a.guid.cmp(&b.guid))
}
