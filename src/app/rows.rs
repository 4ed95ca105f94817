//! Which lines are shown, and in what order.
//!
//! Both panes are drawn from one list of lines, so the same object stands at the same height on both sides. A pure
//! function of snapshot and question; the window keeps the answer until either changes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use super::snapshot::{Column, Difference, Snapshot, difference, grouped_decimal, unknown};
use super::view::{Line, SideIndex};
use crate::demo::model::{Decimal, Order};

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
    /// `⊕`
    Combine,
    /// `?`
    Waiting,
    /// A record about it is to be decided.
    ToDecide,
}

impl Show {
    /// All, in the order of the legend.
    pub const ALL: [Show; 9] = [
        Show::All,
        Show::Differences,
        Show::New,
        Show::Changed,
        Show::Deleted,
        Show::Conflict,
        Show::Combine,
        Show::Waiting,
        Show::ToDecide,
    ];

    /// What it lets through, in words.
    pub fn title(self) -> &'static str {
        match self {
            Show::All => "all orders",
            Show::Differences => "only differences",
            Show::New => "only what is new",
            Show::Changed => "only what is changed",
            Show::Deleted => "only what is deleted",
            Show::Conflict => "only conflicts",
            Show::Combine => "only what will be combined",
            Show::Waiting => "only what waits",
            Show::ToDecide => "only what is to be decided",
        }
    }

    fn lets_through(self, snapshot: &Snapshot, line: &Line) -> bool {
        let kind = difference(line);
        match self {
            Show::All => true,
            Show::Differences => kind.is_some(),
            Show::New => kind == Some(Difference::New),
            Show::Changed => kind == Some(Difference::Changed),
            Show::Deleted => kind == Some(Difference::Deleted),
            Show::Conflict => kind == Some(Difference::Conflict),
            Show::Combine => kind == Some(Difference::Combine),
            Show::Waiting => snapshot.waits.contains(&line.guid),
            Show::ToDecide => snapshot.to_decide.contains(&line.guid),
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
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The legend.
    pub show: Show,
    /// Text that must occur in the order at that side; empty: anything.
    pub filters: [String; 2],
    /// The order of rows.
    pub sort: Sort,
    /// The same object at the same height in both panes; else each pane lists what it has.
    pub side_by_side: bool,
}

impl Default for Query {
    fn default() -> Self {
        Query { show: Show::All, filters: Default::default(), sort: Sort::default(), side_by_side: true }
    }
}

/// The lines a pane shows, as places in [`View::lines`](super::view::View::lines).
pub type Rows = Arc<[u32]>;

/// What each pane shows; side by side it is the same.
pub fn rows(snapshot: &Snapshot, query: &Query) -> [Rows; 2] {
    let filters = [0, 1].map(|side| Filter::new(snapshot, side, &query.filters[side]));
    let answer = |wanted: &dyn Fn(&Line) -> bool, sort: Sort| {
        let order = Keys::new(snapshot, sort);
        let lines = (0..).zip(snapshot.view.lines.iter());
        let shown = lines.filter(|(_, line)| query.show.lets_through(snapshot, line) && wanted(line));
        let mut keys: Vec<Key> = shown.map(|(place, line)| order.of(place, &line)).collect();
        keys.sort_unstable();
        keys.into_iter().map(|key| key.place).collect::<Rows>()
    };
    if query.side_by_side {
        let rows = answer(&|line| filters.iter().all(|filter| filter.lets_through(line)), query.sort);
        return [rows.clone(), rows];
    }
    [0, 1].map(|side| {
        let here = |line: &Line| line.orders[side].is_some() && filters[side].lets_through(line);
        answer(&here, Sort { side, ..query.sort })
    })
}

/// By what a line is sorted. Numbers alone, so that a million are sorted in no time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    value: i64,
    /// The highest first.
    number: std::cmp::Reverse<i64>,
    /// Equal numbers can be two objects, one at either side: MASTER's first.
    side: u8,
    /// The lines are in the order of their GUIDs, so this is always the same.
    place: u32,
}

/// Makes them.
struct Keys {
    sort: Sort,
    /// Where the name of each key stands among all names, per side.
    ranks: Option<[HashMap<i64, i64>; 2]>,
}

impl Keys {
    fn new(snapshot: &Snapshot, sort: Sort) -> Keys {
        let ranks = sort.column.and_then(Column::choice).map(|kind| {
            let mut names: Vec<&str> =
                (0..2).flat_map(|side| snapshot.choices(side, kind)).map(|c| c.name.as_str()).collect();
            names.sort_unstable();
            let rank = |name: &str| names.partition_point(|n| *n < name) as i64;
            [0, 1].map(|side| snapshot.choices(side, kind).iter().map(|c| (c.key, rank(&c.name))).collect())
        });
        Keys { sort, ranks }
    }

    fn of(&self, place: u32, line: &Line) -> Key {
        let side = [self.sort.side, 1 - self.sort.side].into_iter().find(|s| line.orders[*s].is_some());
        let side = side.unwrap_or_default();
        let order = line.orders[side].as_ref();
        let ranked = |key: i64| self.ranks.as_ref().and_then(|r| r[side].get(&key).copied()).unwrap_or(i64::MAX);
        let number = order.map_or(0, |o| o.order_num);
        let value = order.map_or(0, |o| match self.sort.column {
            None => o.order_num,
            Some(Column::Employee) => ranked(o.employee),
            Some(Column::Customer) => ranked(o.customer),
            Some(Column::Item) => ranked(o.item),
            Some(Column::Date) => digits(&o.date_order),
            Some(Column::Quantity) => o.quantity.hundredths(),
            Some(Column::Price) => o.price.hundredths(),
        });
        let value = if self.sort.descending { -value } else { value };
        Key { value, number: std::cmp::Reverse(number), side: side as u8, place }
    }
}

/// A date as a number: its form is the same for all, so its digits are in its order.
fn digits(date: &str) -> i64 {
    let digits = date.bytes().filter(u8::is_ascii_digit).take(18);
    digits.fold(0, |n, digit| n * 10 + i64::from(digit - b'0'))
}

/// Text that must occur in an order. What can be found out once is not asked of every one of a million orders.
struct Filter {
    side: SideIndex,
    /// In small letters; empty: anything.
    needle: String,
    /// Whether it occurs in the name of each employee, customer and item.
    named: [HashMap<i64, bool>; 3],
    /// If it may occur in a number: its digits and points.
    digits: Option<String>,
    /// Where numbers are written.
    written: RefCell<String>,
}

impl Filter {
    fn new(snapshot: &Snapshot, side: SideIndex, text: &str) -> Filter {
        let needle = text.trim().to_lowercase();
        let named = [0, 1, 2].map(|kind| {
            let choices = snapshot.choices(side, kind).iter().filter(|_| !needle.is_empty());
            choices.map(|c| (c.key, c.name.to_lowercase().contains(&needle))).collect()
        });
        let of_number = needle.chars().all(|c| c.is_ascii_digit() || ".,-−".contains(c));
        let digits = of_number.then(|| needle.replace([',', '-', '−'], ""));
        Filter { side, needle, named, digits, written: RefCell::default() }
    }

    fn lets_through(&self, line: &Line) -> bool {
        if self.needle.is_empty() {
            return true;
        }
        let Some(order) = &line.orders[self.side] else { return false };
        let keys = [order.employee, order.customer, order.item];
        let named = || {
            (0..3).any(|kind| self.named[kind].get(&keys[kind]).copied().unwrap_or_else(|| self.unknown(keys[kind])))
        };
        named() || self.in_date(&order.date_order) || self.in_numbers(order)
    }

    /// A key that nobody has is shown as such.
    fn unknown(&self, key: i64) -> bool {
        unknown(key).contains(&self.needle)
    }

    fn in_date(&self, date: &str) -> bool {
        // Other programs can write any text.
        let is_small = date.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase());
        if is_small { date.contains(&self.needle) } else { date.to_lowercase().contains(&self.needle) }
    }

    /// Numbers match as shown and as typed without separators.
    fn in_numbers(&self, order: &Order) -> bool {
        let (needle, Some(digits)) = (self.needle.as_str(), &self.digits) else { return false };
        // All the ways of writing them take long, and few orders have the digits at all.
        let mut written = self.written.borrow_mut();
        written.clear();
        let parts = |n: Decimal| (n.hundredths().unsigned_abs() / 100, n.hundredths().unsigned_abs() % 100);
        let ((quantity, its_cents), (price, cents)) = (parts(order.quantity), parts(order.price));
        let _ = write!(written, "{} {quantity}.{its_cents:02} {price}.{cents:02}", order.order_num);
        if !written.contains(digits) {
            return false;
        }
        order.order_num.to_string().contains(needle)
            || order.quantity.to_string() == needle
            || order.price.to_string().starts_with(needle)
            || grouped_decimal(order.quantity, false).contains(needle)
            || grouped_decimal(order.price, true).contains(needle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::view::{Mark, View};
    use crate::sync::{Guid, NodeId};

    fn line(serial: u64, numbers: [Option<i64>; 2], quantity: i64) -> Line {
        let orders = numbers.map(|n| {
            n.map(|order_num| Order {
                order_num,
                employee: 1,
                customer: 1,
                date_order: "2026-11-20 16:44:42".into(),
                item: 1,
                quantity: Decimal::whole(quantity),
                price: Decimal::whole(1),
            })
        });
        let marks = numbers.map(|n| if n.is_some() && numbers.contains(&None) { Mark::New } else { Mark::None });
        Line::new(Guid { node: NodeId(1), serial }, orders, marks, [false; 6])
    }

    fn shown(query: &Query) -> [Vec<u64>; 2] {
        let lines = vec![
            line(1, [Some(7), Some(7)], 30),
            line(2, [Some(9), None], 10),
            line(3, [None, Some(9)], 20),
            line(4, [Some(10), None], 5),
            line(5, [Some(8), Some(8)], 40),
        ];
        let snapshot = Snapshot::new(View { lines: lines.into_iter().collect(), ..View::default() }.into());
        let serial = |row: &u32| snapshot.view.lines.get(*row as usize).unwrap().guid.serial;
        rows(&snapshot, query).map(|rows| rows.iter().map(serial).collect())
    }

    #[test]
    fn side_by_side_both_panes_show_the_same_objects() {
        // Two objects have the number 9, one at either side: MASTER's stands first.
        let all = vec![4, 2, 3, 5, 1];
        assert_eq!(shown(&Query::default()), [all.clone(), all]);
        let sort = Sort { column: Some(Column::Quantity), descending: false, side: 0 };
        assert_eq!(shown(&Query { sort, ..Query::default() })[1], [4, 2, 3, 1, 5]);
    }

    #[test]
    fn apart_each_pane_shows_what_it_has() {
        let query = Query { side_by_side: false, ..Query::default() };
        assert_eq!(shown(&query), [vec![4, 2, 5, 1], vec![3, 5, 1]]);
    }

    #[test]
    fn the_legend_and_the_filters_narrow_together() {
        let query = Query { show: Show::New, ..Query::default() };
        assert_eq!(shown(&query)[0], [4, 2, 3]);
        let query = Query { filters: [String::new(), "9".into()], ..query };
        assert_eq!(shown(&query)[0], [3]);
    }

    #[test]
    fn a_filter_finds_names_dates_and_numbers_as_shown() {
        let snapshot = Snapshot::new(
            View { lines: [line(1, [Some(1004), None], 1234)].into_iter().collect(), ..View::default() }.into(),
        );
        let finds = |text: &str| {
            let filters = [text.to_owned(), String::new()];
            !rows(&snapshot, &Query { filters, side_by_side: false, ..Query::default() })[0].is_empty()
        };
        for text in ["1004", "100", "1,234", "1234", "1.00", "11-20 16", "UNKNOWN (1", ""] {
            assert!(finds(text), "{text}");
        }
        for text in ["1005", "123", "unknown (2)", "acme"] {
            assert!(!finds(text), "{text}");
        }
    }
}
