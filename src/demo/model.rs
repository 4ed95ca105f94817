//! An order and its parts as people write them, and what the tables accept.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Quantities lie between these, both included (pieces).
pub const QUANTITY: (Decimal, Decimal) = (Decimal::whole(0), Decimal::whole(1000));
/// Prices lie between these, both included (currency units).
pub const PRICE: (Decimal, Decimal) = (Decimal::whole(1), Decimal::whole(9999));
/// How `date_order` is written.
pub const DATE_FORMAT: &str = "%Y-%m-%d %H:%M:%S";

/// A decimal number with at most two places, exact. Shown as people write it: `446`, `12.5`, `12.34`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal {
    hundredths: i64,
}

impl Decimal {
    /// A whole number.
    pub const fn whole(n: i64) -> Self {
        Decimal { hundredths: n * 100 }
    }

    /// A number of hundredths: 1234 is 12.34.
    pub const fn from_hundredths(hundredths: i64) -> Self {
        Decimal { hundredths }
    }

    /// The number in hundredths.
    pub const fn hundredths(self) -> i64 {
        self.hundredths
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, n) = (if self.hundredths < 0 { "-" } else { "" }, self.hundredths.unsigned_abs());
        match n % 100 {
            0 => f.pad(&format!("{sign}{}", n / 100)),
            cents if cents % 10 == 0 => f.pad(&format!("{sign}{}.{}", n / 100, cents / 10)),
            cents => f.pad(&format!("{sign}{}.{cents:02}", n / 100)),
        }
    }
}

impl FromStr for Decimal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || digits.ends_with('.') {
            return Err(format!("`{text}` is not a number; write it like 446 or 12.34"));
        }
        if fraction.len() > 2 {
            return Err(format!("`{text}` has more than two decimals"));
        }
        let whole: i64 =
            whole.parse().ok().filter(|n| *n < 1_000_000_000_000).ok_or(format!("`{text}` is too large"))?;
        let cents: i64 = format!("{fraction:0<2}").parse().map_err(|_| format!("`{text}` is not a number"))?;
        Ok(Decimal { hundredths: sign * (whole * 100 + cents) })
    }
}

// In JSON a plain number: 446, 12.34. An f64 holds every value of these ranges and prints it back as it was written.
impl Serialize for Decimal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.hundredths % 100 {
            0 => serializer.serialize_i64(self.hundredths / 100),
            _ => serializer.serialize_f64(self.hundredths as f64 / 100.0),
        }
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let text = value.as_str().map(str::to_owned).unwrap_or_else(|| value.to_string());
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An order as a table holds it. Employee, customer and item are local keys.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Order {
    /// The local number; no part of what is compared.
    pub order_num: i64,
    /// Key of an employee.
    pub employee: i64,
    /// Key of a customer.
    pub customer: i64,
    /// `YYYY-MM-DD HH:MM:SS`. Of a million orders each is made many times over, so it needs no memory of its own.
    pub date_order: SmolStr,
    /// Key of an item.
    pub item: i64,
    /// Pieces, [`QUANTITY`].
    pub quantity: Decimal,
    /// Currency units, [`PRICE`].
    pub price: Decimal,
}

/// The properties of an order that are given: all for a new one, those that change for an edit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OrderDraft {
    /// Key of an employee.
    pub employee: Option<i64>,
    /// Key of a customer.
    pub customer: Option<i64>,
    /// `YYYY-MM-DD HH:MM:SS`.
    pub date_order: Option<String>,
    /// Key of an item.
    pub item: Option<i64>,
    /// Pieces.
    pub quantity: Option<Decimal>,
    /// Currency units.
    pub price: Option<Decimal>,
}

/// A quantity as typed, or the reason why it is none.
pub fn parse_quantity(text: &str) -> Result<Decimal, String> {
    within("quantity", text.parse()?, QUANTITY)
}

/// A price as typed, or the reason why it is none.
pub fn parse_price(text: &str) -> Result<Decimal, String> {
    within("price", text.parse()?, PRICE)
}

/// A date and time as typed, or the reason why it is none. Editors ask for a real date; the table for its form only.
pub fn parse_date(text: &str) -> Result<String, String> {
    let text = text.trim();
    match chrono::NaiveDateTime::parse_from_str(text, DATE_FORMAT) {
        Ok(date) if date.format(DATE_FORMAT).to_string() == text => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is not a date and time; write it like 2026-11-20 16:44:42")),
    }
}

fn within(what: &str, value: Decimal, (low, high): (Decimal, Decimal)) -> Result<Decimal, String> {
    if value < low || value > high {
        return Err(format!("{what} {value} is out of range: it lies between {low} and {high}"));
    }
    Ok(value)
}
