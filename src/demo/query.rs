//! Reading orders and what they refer to.

use rusqlite::types::{Value as SqlValue, ValueRef};
use rusqlite::{OptionalExtension, Row};

use crate::demo::model::{Decimal, Order};
use crate::demo::tables::ORDER;
use crate::sync::{Error, ErrorKind, Guid, Node, Result};

const ORDER_COLUMNS: &str = "order_num, employee, customer, date_order, item, quantity, price";

/// An order, or an error that names it.
pub fn order(node: &Node, number: i64) -> Result<Order> {
    let sql = format!("SELECT {ORDER_COLUMNS} FROM orders WHERE order_num = ?1");
    let found = node.connection().prepare_cached(&sql)?.query_row([number], read_order).optional()?;
    found.ok_or_else(|| {
        Error::new(
            ErrorKind::Constraint,
            format!("there is no order {number} at {}; nothing was changed", node.info().name),
        )
    })
}

/// Orders by number, the latest first, at most `limit`.
pub fn orders(node: &Node, limit: usize) -> Result<Vec<Order>> {
    let sql = format!("SELECT {ORDER_COLUMNS} FROM orders ORDER BY order_num DESC LIMIT ?1");
    rows(node, &sql, limit, read_order)
}

/// Every order and which object it is, one after the other.
pub fn each_order(node: &Node, mut work: impl FnMut(Guid, Order)) -> Result<()> {
    let objects = node.class(ORDER)?.objects();
    let sql = format!("SELECT {ORDER_COLUMNS}, x.object FROM orders JOIN {objects} x ON x.key = order_num");
    let mut statement = node.connection().prepare_cached(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        work(node.nodes.object(row.get(7)?)?, read_order(row)?);
    }
    Ok(())
}

fn read_order(r: &Row<'_>) -> rusqlite::Result<Order> {
    Ok(Order {
        order_num: r.get(0)?,
        employee: r.get(1)?,
        customer: r.get(2)?,
        date_order: r.get_ref(3)?.as_str()?.into(),
        item: r.get(4)?,
        quantity: decimal(r.get_ref(5)?),
        price: decimal(r.get_ref(6)?),
    })
}

/// Rows of one of the demo's tables, at most `limit`, which the statement takes as `?1`.
pub(crate) fn rows<T>(
    node: &Node,
    sql: &str,
    limit: usize,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Ok(node.connection().prepare_cached(sql)?.query_map([limit], read)?.collect::<rusqlite::Result<_>>()?)
}

/// What may be chosen for a property: key and name, by name. Of several with the same name each is told with its key.
pub fn choices(node: &Node, class: &str) -> Result<Vec<(i64, String)>> {
    let sql = match class {
        "Employee" => "SELECT emp_code, name FROM employees ORDER BY name, emp_code",
        "Customer" => "SELECT id, cust_name FROM customers ORDER BY cust_name, id",
        "Item" => "SELECT code, description FROM items ORDER BY description, code",
        _ => return Err(Error::new(ErrorKind::Usage, format!("an order refers to no {class}"))),
    };
    let mut rows: Vec<(i64, String)> = node
        .connection()
        .prepare_cached(sql)?
        .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for same in rows.chunk_by_mut(|(_, a), (_, b)| a == b).filter(|same| same.len() > 1) {
        for (key, name) in same {
            *name = format!("{name} ({key})");
        }
    }
    Ok(rows)
}

/// A quantity or price as it is stored. The tables hold at most two decimals, so hundredths are exact.
pub(crate) fn decimal(value: ValueRef<'_>) -> Decimal {
    match value {
        ValueRef::Integer(n) => Decimal::whole(n),
        ValueRef::Real(r) => Decimal::from_hundredths((r * 100.0).round() as i64),
        _ => Decimal::whole(0),
    }
}

/// The same on the way in: whole numbers as integers, as NUMERIC affinity would have it.
pub(crate) fn to_sql(value: Decimal) -> SqlValue {
    match value.hundredths() % 100 {
        0 => SqlValue::Integer(value.hundredths() / 100),
        _ => SqlValue::Real(value.hundredths() as f64 / 100.0),
    }
}
