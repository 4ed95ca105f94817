//! What is written: the changes, the same ones for plain SQLite and for the engine.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;

/// One change of one order.
#[derive(Clone)]
pub enum Change {
    /// A new order under a number that is free.
    Insert(i64, Values),
    /// Another quantity and price.
    Update(i64, i64, f64),
    Delete(i64),
}

#[derive(Clone)]
pub struct Values {
    pub employee: i64,
    pub customer: i64,
    pub date: String,
    pub item: i64,
    pub quantity: i64,
    pub price: f64,
}

/// 80 % inserts, 15 % updates of two columns, 5 % deletes of random orders; orders 1 to `there` are there before, and `first` is
/// the first number of a new one.
pub fn changes(count: usize, there: usize, first: i64, seed: u64) -> Vec<Change> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut alive: Vec<i64> = (1..=there as i64).collect();
    let mut next = first;
    (0..count)
        .map(|_| match rng.random_range(0..100) {
            0..80 => {
                alive.push(next);
                next += 1;
                Change::Insert(next - 1, values(&mut rng))
            }
            80..95 => {
                let order = alive[rng.random_range(0..alive.len())];
                Change::Update(order, rng.random_range(1..=1000), price(&mut rng))
            }
            _ => {
                let at = rng.random_range(0..alive.len());
                Change::Delete(alive.swap_remove(at))
            }
        })
        .collect()
}

fn values(rng: &mut StdRng) -> Values {
    let (day, second) = (rng.random_range(1..=28), rng.random_range(0..60));
    Values {
        employee: rng.random_range(1..=100),
        customer: rng.random_range(1..=50),
        date: format!("2026-{:02}-{day:02} {:02}:{second:02}:00", rng.random_range(1..=12), rng.random_range(8..18)),
        item: rng.random_range(1..=50),
        quantity: rng.random_range(1..=1000),
        price: price(rng),
    }
}

pub fn price(rng: &mut StdRng) -> f64 {
    f64::from(rng.random_range(100..=999_900)) / 100.0
}

pub fn write(conn: &Connection, change: &Change) -> rusqlite::Result<usize> {
    match change {
        Change::Insert(order, v) => conn
            .prepare_cached(
                "INSERT INTO orders (order_num, employee, customer, date_order, item, quantity, price) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((order, v.employee, v.customer, &v.date, v.item, v.quantity, v.price)),
        Change::Update(order, quantity, price) => conn
            .prepare_cached("UPDATE orders SET quantity = ?2, price = ?3 WHERE order_num = ?1")?
            .execute((order, quantity, price)),
        Change::Delete(order) => conn.prepare_cached("DELETE FROM orders WHERE order_num = ?1")?.execute([order]),
    }
}
