//! What plain SQLite is given to do: the same changes by hand, as the floor.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;

use crate::workload::{Change, Values, price, write};

impl Change {
    pub fn order(&self) -> i64 {
        match self {
            Change::Insert(order, _) | Change::Update(order, ..) | Change::Delete(order) => *order,
        }
    }
}

/// What is left of the changes when each order is looked at once, as a set carries it.
pub fn net(changes: &[Change]) -> Vec<Change> {
    let mut of: BTreeMap<i64, Change> = BTreeMap::new();
    for change in changes {
        let net = match (of.get(&change.order()), change) {
            (Some(Change::Insert(order, values)), Change::Update(_, quantity, price)) => {
                Change::Insert(*order, Values { quantity: *quantity, price: *price, ..values.clone() })
            }
            _ => change.clone(),
        };
        of.insert(change.order(), net);
    }
    of.into_values().collect()
}

/// What people write by hand: the same, with a GUID as text for each order, by which the other side finds it.
pub struct ByHand<'a> {
    conn: &'a Connection,
    guids: &'a BTreeMap<i64, String>,
}

impl<'a> ByHand<'a> {
    pub fn new(conn: &'a Connection, guids: &'a BTreeMap<i64, String>) -> Self {
        ByHand { conn, guids }
    }

    /// At the side where it is made: rows are found by number.
    pub fn write(&self, change: &Change) -> rusqlite::Result<usize> {
        match change {
            Change::Insert(..) => self.apply(change),
            _ => write(self.conn, change),
        }
    }

    /// At the other side: rows are found by GUID.
    pub fn apply(&self, change: &Change) -> rusqlite::Result<usize> {
        let guid = &self.guids[&change.order()];
        match change {
            Change::Insert(order, v) => self
                .conn
                .prepare_cached(
                    "INSERT INTO orders (order_num, employee, customer, date_order, item, quantity, price, guid) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute((order, v.employee, v.customer, &v.date, v.item, v.quantity, v.price, guid)),
            Change::Update(_, quantity, price) => self
                .conn
                .prepare_cached("UPDATE orders SET quantity = ?2, price = ?3 WHERE guid = ?1")?
                .execute((guid, quantity, price)),
            Change::Delete(_) => self.conn.prepare_cached("DELETE FROM orders WHERE guid = ?1")?.execute([guid]),
        }
    }
}

/// A random UUID as text, 36 characters.
pub fn guid(rng: &mut StdRng) -> String {
    let hex = format!("{:032x}", rng.random::<u128>());
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Each of both sides' changes of which `percent` are to meet: an update of an order that the other side updates, too.
pub fn meeting(here: &[Change], there: &[Change], percent: usize, seed: u64) -> Vec<Change> {
    let mut rng = StdRng::seed_from_u64(seed);
    let deleted: BTreeSet<i64> = there.iter().filter(|c| matches!(c, Change::Delete(_))).map(Change::order).collect();
    let inserted: BTreeSet<i64> = here.iter().filter(|c| matches!(c, Change::Insert(..))).map(Change::order).collect();
    let mut met: Vec<i64> = here
        .iter()
        .filter_map(|c| match c {
            Change::Update(order, ..) if !inserted.contains(order) && !deleted.contains(order) => Some(*order),
            _ => None,
        })
        .take(there.len() * percent / 100)
        .collect();
    let mut changes = there.to_vec();
    let every = changes.len() / met.len().max(1);
    for (n, order) in met.drain(..).enumerate() {
        let at = (n * every..changes.len()).find(|at| matches!(changes[*at], Change::Update(..)));
        if let Some(at) = at {
            changes[at] = Change::Update(order, rng.random_range(1..=1000), price(&mut rng));
        }
    }
    changes
}
