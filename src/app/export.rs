//! Orders as text: into the clipboard with tabs, into a file with commas.

use super::snapshot::{COLUMNS, Snapshot};
use super::state::State;
use super::view::{SideIndex, Text};
use crate::demo::model::Order;

/// The selected orders of a side, in the order of the table, with headings; values separated by tabs.
pub fn copied(state: &State, side: SideIndex) -> String {
    let Some(snapshot) = &state.snapshot else { return String::new() };
    let chosen: std::collections::HashSet<_> = state.selection.guids.iter().collect();
    let rows = (0..state.rows[side].len()).filter_map(|row| state.line(side, row)).filter(|l| chosen.contains(&l.guid));
    let orders = rows.filter_map(|mut line| line.orders[side].take());
    // A tab or a line's end inside a value would begin another one.
    let clean = |text: String| text.replace(['\t', '\n', '\r'], " ");
    written(snapshot, side, orders, ["\t", "\n"], clean)
}

/// The orders that a side's table shows now, as RFC 4180 has it; made when it is written.
pub fn csv(state: &State, side: SideIndex) -> Option<Text> {
    let (snapshot, rows) = (state.snapshot.clone()?, state.rows[side].clone());
    let lines = rows
        .iter()
        .filter(|row| snapshot.view.lines.get(**row as usize).is_some_and(|l| l.orders[side].is_some()))
        .count();
    Some(Text::new(lines + 1, move || {
        let quoted = |text: String| match text.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text,
        };
        let orders = rows.iter().filter_map(|row| snapshot.view.lines.get(*row as usize)?.orders[side].take());
        written(&snapshot, side, orders, [",", "\r\n"], quoted)
    }))
}

fn written(
    snapshot: &Snapshot,
    side: SideIndex,
    orders: impl Iterator<Item = Order>,
    [separator, end]: [&str; 2],
    value: impl Fn(String) -> String,
) -> String {
    let mut text = std::iter::once("Order").chain(COLUMNS.map(|c| c.title())).collect::<Vec<_>>().join(separator);
    text.push_str(end);
    for order in orders {
        // Numbers as programs read them, without the commas that group them.
        let values = [
            order.order_num.to_string(),
            snapshot.name(side, 0, order.employee),
            snapshot.name(side, 1, order.customer),
            order.date_order.to_string(),
            snapshot.name(side, 2, order.item),
            order.quantity.to_string(),
            order.price.to_string(),
        ];
        text.push_str(&values.map(&value).join(separator));
        text.push_str(end);
    }
    text
}
