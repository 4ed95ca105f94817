//! The orders of a node as they were after one of its transactions.

use super::Engine;
use crate::app::inspect::{in_words, journal_lines};
use crate::app::snapshot::COLUMNS;
use crate::app::view::{Done, MomentRow, MomentView, SideIndex};
use crate::demo::tables::ORDER;
use crate::sync::{JournalQuery, Result, Value};

/// How many orders are shown as they were: those with the highest numbers.
const ROWS: usize = 10_000;

/// The properties in the order of the window's columns.
const PROPERTIES: [&str; 6] = ["employee", "customer", "date_order", "item", "quantity", "price"];

impl Engine {
    pub(super) fn travel_to(&mut self, side: SideIndex, number: u64) -> Result<Done> {
        let names = self.names(side)?;
        let node = &mut self.env.nodes[side];
        let range = (node.floor()?, node.number()?);
        let number = number.clamp(range.0, range.1);
        let filed = node.journal(&JournalQuery {
            after: number.saturating_sub(1),
            upto: number,
            limit: 20,
            ..JournalQuery::default()
        })?;
        let moment = node.moment(ORDER, number, ROWS)?;
        let class = node.class(ORDER)?;
        let places = PROPERTIES.map(|name| class.property(name));
        let value = |values: &[Value], i: usize| places[i].and_then(|place| values.get(place)).cloned();
        let rows = moment.objects.iter().map(|o| {
            let now = node.current(class, o.guid)?.and_then(|filed| filed.state.content);
            let text =
                |i: usize| value(&o.values, i).map(|v| in_words(&v, ORDER, PROPERTIES[i], &names)).unwrap_or_default();
            Ok(MomentRow {
                guid: o.guid,
                number: o.key.unwrap_or_default(),
                texts: std::array::from_fn(text),
                since: std::array::from_fn(|i| now.as_ref().is_some_and(|now| value(now, i) != value(&o.values, i))),
                gone: now.is_none(),
            })
        });
        let rows = rows.collect::<Result<Vec<_>>>()?;
        debug_assert_eq!(PROPERTIES.len(), COLUMNS.len());
        let view = MomentView { side, number, range, filed: journal_lines(&filed), rows, more: moment.more };
        Ok(Done { text: format!("Read {} as it was", node.info().name), moment: Some(view), ..Done::default() })
    }
}
