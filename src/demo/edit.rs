//! Making, changing and deleting orders; each call is one transaction of the node.

use rusqlite::types::Value as SqlValue;

use crate::demo::model::OrderDraft;
use crate::demo::query::{self, to_sql};
use crate::sync::{Edit, Error, ErrorKind, Node, Result};

/// Inserts an order with the next number, which is returned. Every property of the draft must be given.
pub fn new_order(node: &mut Node, draft: &OrderDraft) -> Result<i64> {
    let columns = columns(draft);
    let missing: Vec<_> = PROPERTIES.iter().filter(|p| !columns.iter().any(|(c, _)| c == *p)).copied().collect();
    if !missing.is_empty() {
        let what = format!("a new order needs {} as well; nothing was changed", missing.join(", "));
        return Err(Error::new(ErrorKind::Usage, what));
    }
    node.edit(|edit| {
        check_references(edit, draft)?;
        let names: Vec<_> = columns.iter().map(|(c, _)| *c).collect();
        let places: Vec<_> = (1..=columns.len()).map(|i| format!("?{i}")).collect();
        let sql =
            format!("INSERT INTO orders ({}) VALUES ({}) RETURNING order_num", names.join(", "), places.join(", "));
        let values = rusqlite::params_from_iter(columns.iter().map(|(_, v)| v));
        edit.connection().prepare_cached(&sql)?.query_row(values, |r| r.get(0)).map_err(unchanged)
    })
}

/// Changes the properties that are given.
pub fn change_order(node: &mut Node, number: i64, draft: &OrderDraft) -> Result<()> {
    query::order(node, number)?;
    let columns = columns(draft);
    if columns.is_empty() {
        return Err(Error::new(ErrorKind::Usage, format!("nothing to change in order {number} was given")));
    }
    node.edit(|edit| {
        check_references(edit, draft)?;
        let set: Vec<_> = columns.iter().enumerate().map(|(i, (c, _))| format!("{c} = ?{}", i + 2)).collect();
        let sql = format!("UPDATE orders SET {} WHERE order_num = ?1", set.join(", "));
        let key = SqlValue::Integer(number);
        let values = rusqlite::params_from_iter([&key].into_iter().chain(columns.iter().map(|(_, v)| v)));
        edit.connection().prepare_cached(&sql)?.execute(values).map(drop).map_err(unchanged)
    })
}

/// Deletes orders, all in one transaction. One that is not there is an error, and none is deleted.
pub fn delete_orders(node: &mut Node, numbers: &[i64]) -> Result<()> {
    node.edit(|edit| {
        for number in numbers {
            query::order(edit.node(), *number)?;
            edit.connection().prepare_cached("DELETE FROM orders WHERE order_num = ?1")?.execute([number])?;
        }
        Ok(())
    })
}

const PROPERTIES: [&str; 6] = ["employee", "customer", "date_order", "item", "quantity", "price"];

fn columns(draft: &OrderDraft) -> Vec<(&'static str, SqlValue)> {
    let values = [
        draft.employee.map(SqlValue::Integer),
        draft.customer.map(SqlValue::Integer),
        draft.date_order.clone().map(SqlValue::Text),
        draft.item.map(SqlValue::Integer),
        draft.quantity.map(to_sql),
        draft.price.map(to_sql),
    ];
    PROPERTIES.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Says which reference is unknown, where SQLite would only say that one is.
fn check_references(edit: &Edit<'_>, draft: &OrderDraft) -> Result<()> {
    let given = [
        ("employee", "employees", "emp_code", draft.employee),
        ("customer", "customers", "id", draft.customer),
        ("item", "items", "code", draft.item),
    ];
    for (what, table, column, key) in given {
        let Some(key) = key else { continue };
        let sql = format!("SELECT EXISTS(SELECT 1 FROM {table} WHERE {column} = ?1)");
        if !edit.connection().prepare_cached(&sql)?.query_row([key], |r| r.get::<_, bool>(0))? {
            let node = &edit.node().info().name;
            return Err(Error::new(
                ErrorKind::Constraint,
                format!("there is no {what} {key} at {node}; nothing was changed"),
            ));
        }
    }
    Ok(())
}

fn unchanged(error: rusqlite::Error) -> Error {
    let error = Error::from(error);
    match error.kind() {
        ErrorKind::Constraint => {
            let said = error.message().trim_start_matches("CHECK constraint failed: ").to_owned();
            Error::new(ErrorKind::Constraint, format!("the order was not changed: {said}"))
        }
        _ => error,
    }
}
