//! The demo's four tables, and which of them are journaled.

use crate::sync::ClassSpec;

/// The class of orders, the journaled one.
pub const ORDER: &str = "Order";

// A constraint's name is what any program shows when it refuses a row, so it is a sentence. NUMERIC keeps a number as people
// write it: 446 is stored as an integer, 12.34 as a real, and `round` finds what has more than two decimals.
pub(crate) const SCHEMA: &str = r#"
CREATE TABLE items (
    code INTEGER PRIMARY KEY,
    description TEXT NOT NULL,
    min_stock INTEGER NOT NULL
);
CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    code TEXT NOT NULL,
    cust_name TEXT NOT NULL,
    hq_street TEXT, hq_number INTEGER, hq_city TEXT, hq_zip TEXT, hq_country TEXT
);
CREATE TABLE employees (
    emp_code INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);
CREATE TABLE orders (
    order_num INTEGER PRIMARY KEY,
    employee INTEGER NOT NULL REFERENCES employees (emp_code),
    customer INTEGER NOT NULL REFERENCES customers (id),
    date_order TEXT NOT NULL CONSTRAINT "date_order is written YYYY-MM-DD HH:MM:SS" CHECK (
        length(CAST(date_order AS BLOB)) = 19 AND date_order GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9]'),
    item INTEGER NOT NULL REFERENCES items (code),
    quantity NUMERIC NOT NULL CONSTRAINT "quantity is a number from 0 to 1000 with at most two decimals" CHECK (
        typeof(quantity) IN ('integer', 'real') AND quantity BETWEEN 0 AND 1000 AND quantity = round(quantity, 2)),
    price NUMERIC NOT NULL CONSTRAINT "price is a number from 1 to 9999 with at most two decimals" CHECK (
        typeof(price) IN ('integer', 'real') AND price BETWEEN 1 AND 9999 AND price = round(price, 2))
);
"#;

/// The classes: Order is journaled; the others are identified, so that references to them travel.
pub fn classes() -> Vec<ClassSpec> {
    [
        ("Item", "items", false),
        ("Customer", "customers", false),
        ("Employee", "employees", false),
        (ORDER, "orders", true),
    ]
    .map(|(name, table, journaled)| ClassSpec { name: name.to_owned(), table: table.to_owned(), journaled })
    .to_vec()
}

/// The columns of a class's table that every row fills.
pub(crate) fn columns(class: &str) -> &'static [&'static str] {
    match class {
        "Item" => &["code", "description", "min_stock"],
        "Customer" => &["id", "code", "cust_name"],
        "Employee" => &["emp_code", "name"],
        ORDER => &["order_num", "employee", "customer", "date_order", "item", "quantity", "price"],
        _ => &[],
    }
}
