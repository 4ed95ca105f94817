//! What synchronization without versions would make of an order, beside what the rules here make of it.

use std::path::Path;

use crate::demo::model::Decimal;
use crate::demo::query;
use crate::demo::scenario::{CLIENT, MASTER};
use crate::demo::tables::ORDER;
use crate::sync::{ApplyOptions, Environment, Node, RecordState, Result, Rule};

/// The quantity and the price of an order at a side, each with the time when it was written.
fn last_writes(node: &mut Node, number: i64) -> Result<[(Decimal, i64); 2]> {
    let order = query::order(node, number)?;
    let class = node.class(ORDER)?.clone();
    let guid = node.guid_of(&class, number)?;
    let states = guid.map(|guid| node.history(ORDER, guid)).transpose()?.unwrap_or_default();
    let written = |property: &str| {
        let place = class.property(property);
        let value = |i: usize| states.get(i).and_then(|s| s.filed.state.content.as_ref()?.get(place?));
        // The newest state whose value the one before it did not have.
        let at = (0..states.len()).find(|&i| value(i) != value(i + 1)).unwrap_or(0);
        states.get(at).map_or(0, |s| s.filed.state.stamp.time)
    };
    Ok([(order.quantity, written("quantity")), (order.price, written("price"))])
}

pub(super) fn without_versions(env: &mut Environment, number: i64) -> Result<Vec<String>> {
    let names = [env.nodes[MASTER].info().name.clone(), env.nodes[CLIENT].info().name.clone()];
    let sides = [last_writes(&mut env.nodes[MASTER], number)?, last_writes(&mut env.nodes[CLIENT], number)?];
    let row_time = |side: usize| sides[side].iter().map(|(_, time)| *time).max();
    let row = usize::from(row_time(CLIENT) > row_time(MASTER));
    let column = |i: usize| usize::from(sides[CLIENT][i].1 > sides[MASTER][i].1);
    let (quantity, price) = (column(0), column(1));
    let mut lines: Vec<String> = (0..2)
        .map(|side| format!("{}: quantity {}, price {}", names[side], sides[side][0].0, sides[side][1].0))
        .collect();
    lines.push(format!(
        "last writer wins, by row: quantity {}, price {} ({}'s row was written last; {}'s is gone without a trace)",
        sides[row][0].0,
        sides[row][1].0,
        names[row],
        names[1 - row]
    ));
    lines.push(format!(
        "last writer wins, by column: quantity {} (from {}), price {} (from {})",
        sides[quantity][0].0, names[quantity], sides[price][1].0, names[price]
    ));
    Ok(lines)
}

/// What each rule would make of a set: the records it would write.
pub(super) fn each_rule(node: &mut Node, file: &Path) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for rule in Rule::ALL {
        let preview = node.preview(file, ApplyOptions { rule: Some(rule), ..ApplyOptions::default() })?;
        for record in &preview.records {
            let state = match record.state {
                RecordState::Open => "recorded, open",
                _ => "recorded",
            };
            lines.push(format!(
                "{}: quantity {}, price {}; {} ({state})",
                rule.label(),
                record.result["quantity"],
                record.result["price"],
                record.why
            ));
        }
    }
    Ok(lines)
}
