//! A [`View`] with what the panels need at hand: names by key, the kind of every difference, the counts.
//!
//! Made once when a view arrives, never while painting.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use super::state::ConflictPick;
use super::view::{ConflictView, Line, Mark, SideIndex, View};
use crate::demo::model::Order;
use crate::demo::tables::ORDER;
use crate::sync::{Guid, RecordState};
use crate::words::{group, grouped};

/// Which columns an order has, left to right, after its number.
pub const COLUMNS: [Column; 6] =
    [Column::Employee, Column::Customer, Column::Date, Column::Item, Column::Quantity, Column::Price];

/// A column of the order table; the order of [`Line::differs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    /// Who sold it.
    Employee,
    /// To whom.
    Customer,
    /// When.
    Date,
    /// What.
    Item,
    /// How many.
    Quantity,
    /// For how much.
    Price,
}

impl Column {
    /// The header.
    pub fn title(self) -> &'static str {
        ["Employee", "Customer", "Date", "Item", "Quantity", "Price"][self as usize]
    }

    /// The column of an order's property: `date_order`, also `date`.
    pub(in crate::app) fn of_property(name: &str) -> Option<Column> {
        let name = if name == "date_order" { "date" } else { name };
        COLUMNS.into_iter().find(|c| c.title().eq_ignore_ascii_case(name))
    }

    /// Numbers stand right-aligned.
    pub fn is_number(self) -> bool {
        matches!(self, Column::Quantity | Column::Price)
    }

    /// The column chosen among names, if it is one: an index into [`Snapshot::choices`].
    pub fn choice(self) -> Option<usize> {
        match self {
            Column::Employee => Some(0),
            Column::Customer => Some(1),
            Column::Item => Some(2),
            _ => None,
        }
    }
}

impl ConflictView {
    /// What people call a property: as its column, where it has one.
    pub fn called(&self, property: usize) -> String {
        match (self.column(property), self.properties.get(property)) {
            (Some(column), _) => column.title().to_lowercase(),
            (None, Some(property)) => property.name.clone(),
            (None, None) => String::new(),
        }
    }

    /// The column of a property, where it is a conflict about an order.
    pub fn column(&self, property: usize) -> Option<Column> {
        let name = &self.properties.get(property)?.name;
        Column::of_property(name).filter(|_| self.title.starts_with(ORDER))
    }
}

/// How the two sides differ in an order. Also what the legend counts and filters by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Made at one side, not at the other yet.
    New,
    /// Changed at one side.
    Changed,
    /// Deleted at one side, still at the other.
    Deleted,
    /// Changed at both sides.
    Conflict,
    /// Changed at both sides, and the rule combines it.
    Combine,
    /// Different for another reason, such as a set that waits in the requeue.
    Other,
}

/// How the two sides differ in this order, if they do.
pub fn difference(line: &Line) -> Option<Difference> {
    let has = |mark| line.marks.contains(&mark);
    if has(Mark::Conflict) {
        Some(Difference::Conflict)
    } else if line.combines() {
        Some(Difference::Combine)
    } else if has(Mark::New) {
        Some(Difference::New)
    } else if has(Mark::Deleted) {
        Some(Difference::Deleted)
    } else if has(Mark::Changed) {
        Some(Difference::Changed)
    } else if line.orders.iter().any(Option::is_none) || line.differs.iter().any(|d| *d) {
        Some(Difference::Other)
    } else {
        None
    }
}

/// How many orders differ, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All lines.
    pub all: usize,
    /// Lines that differ at all.
    pub differ: usize,
    /// `+`
    pub new: usize,
    /// `≠`
    pub changed: usize,
    /// `−`
    pub deleted: usize,
    /// `!`
    pub conflict: usize,
    /// `⊕`
    pub combine: usize,
    /// `?`, objects in either requeue.
    pub waiting: usize,
    /// Lines whose order waits at either side.
    pub waiting_lines: usize,
    /// Conflict records that somebody is to decide.
    pub to_decide: usize,
    /// Lines about which there is such a record.
    pub to_decide_lines: usize,
}

/// A view, indexed.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The view itself.
    pub view: Arc<View>,
    /// Counts of the differences.
    pub counts: Counts,
    /// How many digits the longest order number has.
    pub digits: usize,
    /// The longest name of an employee, as the table shortens it, of a customer and of an item, at either side.
    pub longest: [String; 3],
    /// Objects that both sides have changed: they will conflict or be combined.
    pub ahead: Vec<Guid>,
    /// Objects that wait at either side.
    pub waits: HashSet<Guid>,
    /// Objects about which somebody is to decide.
    pub to_decide: HashSet<Guid>,
    names: [[HashMap<i64, String>; 3]; 2],
    /// How many orders refer to each; counted when somebody looks.
    orders_of: [[OnceLock<HashMap<i64, usize>>; 3]; 2],
}

impl Snapshot {
    /// Indexes a view.
    pub fn new(view: Arc<View>) -> Self {
        let names = [0, 1].map(|side: SideIndex| {
            let s = &view.sides[side];
            [&s.employees, &s.customers, &s.items]
                .map(|choices| choices.iter().map(|c| (c.key, c.name.clone())).collect::<HashMap<_, _>>())
        });
        let mut counts = Counts { all: view.lines.len(), ..Counts::default() };
        let (mut highest, mut ahead) = (0, Vec::new());
        for line in view.lines.iter() {
            let numbers = || line.orders.iter().flatten().map(|o| o.order_num);
            highest = numbers().fold(highest, i64::max);
            let Some(kind) = difference(&line) else { continue };
            counts.differ += 1;
            match kind {
                Difference::New => counts.new += 1,
                Difference::Changed => counts.changed += 1,
                Difference::Deleted => counts.deleted += 1,
                Difference::Conflict => counts.conflict += 1,
                Difference::Combine => counts.combine += 1,
                Difference::Other => {}
            }
            if line.conflict() {
                ahead.push((numbers().next(), line.guid));
            }
        }
        // In the order of the tables, the latest first.
        ahead.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        let ahead = ahead.into_iter().map(|(_, guid)| guid).collect();
        let lines_of = |guids: &HashSet<Guid>| guids.iter().filter(|guid| view.lines.place(**guid).is_some()).count();
        counts.waiting = view.sides.iter().map(|s| s.requeued.len()).sum();
        let waits: HashSet<Guid> = view.sides.iter().flat_map(|s| s.requeued.iter().map(|r| r.guid)).collect();
        counts.waiting_lines = lines_of(&waits);
        let open = || view.conflicts.iter().filter(|c| c.state == RecordState::Open);
        counts.to_decide = open().count();
        let to_decide: HashSet<Guid> = open().map(|c| c.guid).collect();
        counts.to_decide_lines = lines_of(&to_decide);
        let digits = highest.to_string().len();
        let longest = [0, 1, 2].map(|kind| {
            let shown = names.iter().flat_map(|side| side[kind].values());
            let shown = shown.map(|name| if kind == 0 { short_name(name) } else { name.clone() });
            // Of equal ones always the same, so that columns keep their places.
            shown.max_by(|a, b| a.chars().count().cmp(&b.chars().count()).then_with(|| a.cmp(b))).unwrap_or_default()
        });
        Snapshot { view, counts, digits, longest, ahead, waits, to_decide, names, orders_of: Default::default() }
    }

    /// How many of a side's orders refer to an employee, customer or item (`0` to `2`).
    pub fn orders_of(&self, side: SideIndex, kind: usize, key: i64) -> usize {
        let counted = self.orders_of[side][kind].get_or_init(|| {
            let mut counted = HashMap::new();
            for order in self.view.lines.iter().filter_map(|mut line| line.orders[side].take()) {
                *counted.entry([order.employee, order.customer, order.item][kind]).or_default() += 1;
            }
            counted
        });
        counted.get(&key).copied().unwrap_or_default()
    }

    /// The line of an object.
    pub fn line(&self, guid: Guid) -> Option<Line> {
        self.view.lines.of(guid)
    }

    /// Where in the view's lines an object is.
    pub fn place(&self, guid: Guid) -> Option<usize> {
        self.view.lines.place(guid)
    }

    /// A conflict record.
    pub fn record(&self, side: SideIndex, record: i64) -> Option<&ConflictView> {
        self.view.conflicts.iter().find(|c| c.side == side && c.record == record)
    }

    /// Whether there is such a conflict.
    pub fn has(&self, pick: ConflictPick) -> bool {
        match pick {
            ConflictPick::Record(side, record) => self.record(side, record).is_some(),
            ConflictPick::Ahead(guid) => self.line(guid).is_some_and(|line| line.conflict()),
        }
    }

    /// Every conflict in the order of the list: what is to be decided, what is ahead, what is decided.
    pub fn conflict_list(&self) -> Vec<ConflictPick> {
        let records = |open: bool| {
            let wanted = self.view.conflicts.iter().filter(move |c| (c.state == RecordState::Open) == open);
            wanted.map(|c| ConflictPick::Record(c.side, c.record))
        };
        let ahead = self.ahead.iter().copied().map(ConflictPick::Ahead);
        records(true).chain(ahead).chain(records(false)).collect()
    }

    /// The name of an employee, customer or item (`0` to `2`) at a side; a key nobody has is shown as such.
    pub fn name(&self, side: SideIndex, kind: usize, key: i64) -> String {
        self.names[side][kind].get(&key).cloned().unwrap_or_else(|| unknown(key))
    }

    /// The names to choose from, `0` employees, `1` customers, `2` items.
    pub fn choices(&self, side: SideIndex, kind: usize) -> &[super::view::Choice] {
        let s = &self.view.sides[side];
        [&s.employees, &s.customers, &s.items][kind]
    }

    /// A property as people read it.
    pub fn text(&self, side: SideIndex, order: &Order, column: Column) -> String {
        match column {
            Column::Employee => self.name(side, 0, order.employee),
            Column::Customer => self.name(side, 1, order.customer),
            Column::Item => self.name(side, 2, order.item),
            Column::Date => order.date_order.to_string(),
            Column::Quantity => grouped_decimal(order.quantity, false),
            Column::Price => grouped_decimal(order.price, true),
        }
    }

    /// A side's name; before the first view its usual one.
    pub fn side_name(&self, side: SideIndex) -> &str {
        match self.view.sides[side].name.as_str() {
            "" => ["MASTER", "CLIENT"][side],
            name => name,
        }
    }
}

/// How a key is shown that nobody has.
pub(in crate::app) fn unknown(key: i64) -> String {
    format!("unknown ({key})")
}

/// `4,533.28`; with `cents` always two places, else as written.
pub fn grouped_decimal(value: crate::demo::model::Decimal, cents: bool) -> String {
    let text = value.to_string();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => ("−", rest),
        None => ("", text.as_str()),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = if cents {
        format!(".{fraction:0<2}")
    } else if fraction.is_empty() {
        String::new()
    } else {
        format!(".{fraction}")
    };
    format!("{sign}{}{fraction}", group(whole))
}

/// `Haddad, Lena` and `Lena Haddad` as `Haddad, L.`; one word stays, and so does a key that tells equal names apart.
pub fn short_name(name: &str) -> String {
    let told_apart =
        name.strip_suffix(')').and_then(|rest| rest.rsplit_once(" (")).filter(|(name, _)| *name != "unknown");
    if let Some((name, key)) = told_apart {
        return format!("{} ({key})", short_name(name));
    }
    let (last, first) = match name.split_once(',') {
        Some((last, first)) => (last.trim(), first.trim()),
        None => match name.rsplit_once(' ') {
            Some((first, last)) => (last.trim(), first.trim()),
            None => return name.to_owned(),
        },
    };
    match first.chars().next() {
        Some(initial) if name.chars().filter(|c| c.is_ascii_digit()).count() == 0 => format!("{last}, {initial}."),
        _ => name.to_owned(),
    }
}

/// `412 KB`.
pub fn bytes(n: u64) -> String {
    match n {
        0..1024 => format!("{n} B"),
        1024..1_048_576 => format!("{} KB", grouped(n.div_ceil(1024))),
        _ => format!("{:.1} MB", n as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!(
            ["0", "12", "999", "1,000", "1,234,567"],
            [0, 12, 999, 1000, 1_234_567].map(grouped).each_ref().map(|s| s.as_str())
        );
        let price = |s: &str| grouped_decimal(s.parse().unwrap(), true);
        assert_eq!((price("4533.28"), price("512"), price("8.5")), ("4,533.28".into(), "512.00".into(), "8.50".into()));
        assert_eq!(grouped_decimal("1000".parse().unwrap(), false), "1,000");
        assert_eq!(grouped_decimal("-12.5".parse().unwrap(), false), "−12.5");
    }

    #[test]
    fn names_shorten_to_the_initial() {
        for (full, short) in [
            ("Haddad, Lena", "Haddad, L."),
            ("Lena Haddad", "Haddad, L."),
            ("Cher", "Cher"),
            ("unknown (7)", "unknown (7)"),
            ("Haddad, Lena (12)", "Haddad, L. (12)"),
        ] {
            assert_eq!(short_name(full), short);
        }
    }
}
