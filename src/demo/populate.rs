//! Sample data: believable, seeded, repeatable. The same seed gives the same rows on the same day.

use std::collections::HashSet;

use chrono::{Days, NaiveDateTime, TimeDelta};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;

use crate::demo::model::{DATE_FORMAT, Decimal, Order};
use crate::demo::names::{BUSINESS, COMPANY, FAMILY, GIVEN, ITEM, PLACE, SIZE, STREET};
use crate::sync::{Error, ErrorKind, Node, Result};

/// Sample orders are dated this many days back at most.
const DAYS_BACK: i64 = 60;
/// So many names are made before one is taken that another row has, too.
const TRIES: usize = 20;

/// How much sample data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amounts {
    /// Items.
    pub items: u32,
    /// Customers.
    pub customers: u32,
    /// Employees.
    pub employees: u32,
    /// Orders.
    pub orders: u32,
}

/// A source of randomness with a seed, or one that nobody can repeat.
pub fn rng(seed: Option<u64>) -> StdRng {
    seed.map_or_else(rand::make_rng, StdRng::seed_from_u64)
}

/// Adds sample data. Each row is a transaction of the node, all of them one of SQLite: whole or not at all.
pub fn populate(node: &mut Node, amounts: Amounts, rng: &mut StdRng) -> Result<()> {
    let tx = node.connection().unchecked_transaction()?;
    let mut sample = Sample { conn: &tx, used: HashSet::new() };
    for n in 0..amounts.items {
        node.going_on("adding items", n as usize, Some(amounts.items as usize))?;
        sample.item(rng)?;
    }
    for n in 0..amounts.customers {
        node.going_on("adding customers", n as usize, Some(amounts.customers as usize))?;
        sample.customer(rng)?;
    }
    for n in 0..amounts.employees {
        node.going_on("adding employees", n as usize, Some(amounts.employees as usize))?;
        sample.employee(rng)?;
    }
    if amounts.orders > 0 {
        let parts = Parts::read(&tx)?;
        let mut insert = tx.prepare(INSERT_ORDER)?;
        for n in 0..amounts.orders {
            node.going_on("adding orders", n as usize, Some(amounts.orders as usize))?;
            let order = parts.order(rng);
            insert.execute(order_values(&order))?;
        }
    }
    Ok(tx.commit()?)
}

const INSERT_ORDER: &str =
    "INSERT INTO orders (employee, customer, date_order, item, quantity, price) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// Inserts a random order as one transaction; returns its number.
pub fn random_order(node: &mut Node, rng: &mut StdRng) -> Result<i64> {
    node.edit(|edit| {
        let order = Parts::read(edit.connection())?.order(rng);
        let sql = format!("{INSERT_ORDER} RETURNING order_num");
        Ok(edit.connection().prepare_cached(&sql)?.query_row(order_values(&order), |r| r.get(0))?)
    })
}

/// Inserts random orders, each as one transaction; returns their numbers. Those that are in when it is stopped stay.
pub fn random_orders(node: &mut Node, count: usize, rng: &mut StdRng) -> Result<Vec<i64>> {
    let mut numbers = Vec::new();
    for n in 0..count {
        let made = node.going_on("inserting orders", n, Some(count)).and_then(|()| random_order(node, rng));
        numbers.push(made.map_err(|error| match (error.kind(), n) {
            (ErrorKind::Cancelled, 1..) => {
                let orders = crate::words::count(n, "order");
                Error::new(
                    ErrorKind::Cancelled,
                    format!("cancelled; {orders} inserted before stay, nothing else was changed"),
                )
            }
            _ => error,
        })?);
    }
    Ok(numbers)
}

fn order_values(order: &Order) -> (i64, i64, &str, i64, rusqlite::types::Value, rusqlite::types::Value) {
    use crate::demo::query::to_sql;
    (order.employee, order.customer, &order.date_order, order.item, to_sql(order.quantity), to_sql(order.price))
}

fn today() -> NaiveDateTime {
    crate::words::now().date_naive().and_hms_opt(0, 0, 0).unwrap_or_default()
}

fn pick<'a, T>(rng: &mut StdRng, from: &'a [T]) -> &'a T {
    &from[rng.random_range(0..from.len())]
}

struct Sample<'a> {
    conn: &'a Connection,
    used: HashSet<String>,
}

impl Sample<'_> {
    /// A name that no other sample has, while there are such.
    fn name(&mut self, mut make: impl FnMut() -> String) -> String {
        let unused = (0..TRIES).map(|_| make()).find(|name| self.used.insert(name.clone()));
        unused.unwrap_or_else(make)
    }

    fn item(&mut self, rng: &mut StdRng) -> Result<()> {
        let description = self.name(|| format!("{} {}", pick(rng, &ITEM), pick(rng, &SIZE)));
        let min_stock = 10 * rng.random_range(1..=50);
        self.conn
            .prepare_cached("INSERT INTO items (description, min_stock) VALUES (?1, ?2)")?
            .execute((description, min_stock))?;
        Ok(())
    }

    fn customer(&mut self, rng: &mut StdRng) -> Result<()> {
        let name = self.name(|| format!("{} {}", pick(rng, &COMPANY), pick(rng, &BUSINESS)));
        let (country, city) = pick(rng, &PLACE);
        let code = format!("{}{:04}", &name[..3].to_uppercase(), rng.random_range(0..10_000));
        self.conn
            .prepare_cached(
                "INSERT INTO customers (code, cust_name, hq_street, hq_number, hq_city, hq_zip, hq_country)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((
                code,
                name,
                pick(rng, &STREET),
                rng.random_range(1..=90),
                city,
                format!("{:05}", rng.random_range(1_000..100_000)),
                country,
            ))?;
        Ok(())
    }

    fn employee(&mut self, rng: &mut StdRng) -> Result<()> {
        let name = self.name(|| format!("{}, {}", pick(rng, &FAMILY), pick(rng, &GIVEN)));
        self.conn.prepare_cached("INSERT INTO employees (name) VALUES (?1)")?.execute([name])?;
        Ok(())
    }
}

/// What an order can be made of: the keys that are there.
struct Parts {
    employees: Vec<i64>,
    customers: Vec<i64>,
    items: Vec<i64>,
    day: NaiveDateTime,
}

impl Parts {
    fn read(conn: &Connection) -> Result<Parts> {
        let keys = |table: &str, key: &str| -> Result<Vec<i64>> {
            let keys = conn
                .prepare_cached(&format!("SELECT {key} FROM {table} ORDER BY {key}"))?
                .query_map([], |r| r.get(0))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            if keys.is_empty() {
                let what = format!("an order needs one of the {table}, and there are none; nothing was changed");
                return Err(Error::new(ErrorKind::Constraint, what)
                    .hint(format!("add some first: objsync populate --node NAME --{table} 10")));
            }
            Ok(keys)
        };
        Ok(Parts {
            employees: keys("employees", "emp_code")?,
            customers: keys("customers", "id")?,
            items: keys("items", "code")?,
            day: today(),
        })
    }

    fn order(&self, rng: &mut StdRng) -> Order {
        let (days, seconds) = (rng.random_range(1..=DAYS_BACK), rng.random_range(8 * 3600..18 * 3600));
        let date = self.day.checked_sub_days(Days::new(days as u64)).unwrap_or(self.day) + TimeDelta::seconds(seconds);
        Order {
            order_num: 0,
            employee: *pick(rng, &self.employees),
            customer: *pick(rng, &self.customers),
            date_order: date.format(DATE_FORMAT).to_string().into(),
            item: *pick(rng, &self.items),
            quantity: Decimal::whole(rng.random_range(1..=1000)),
            price: Decimal::from_hundredths(rng.random_range(100..=999_900)),
        }
    }
}
