//! What people decide and undo, one situation after the other: rules and their defaults, an application's own rule, records
//! decided again, what waits and why, sets taken back and reverted, and what can be seen of all that.

#[path = "../common/mod.rs"]
mod common;

mod discarding;
mod looking;
mod pair;
mod records;
mod rules;
mod taking_back;
mod waiting;
