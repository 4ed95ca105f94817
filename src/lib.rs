//! Object synchronization between occasionally connected databases: shown, and really done.
//!
//! - [`sync`] is the engine. It knows SQLite, tables, keys and references.
//! - [`demo`] is the demo upon it: orders, sample data, scenarios.
//! - `app` (feature `app`), `rest` (feature `rest`) and [`cli`] are equal shells around both: the window, the REST interface, and the
//!   command line.
//!
//! Each layer uses only those above it in this list.

// Tests may unwrap; the program never panics over what it is given.
#![warn(clippy::unwrap_used)]

#[cfg(feature = "app")]
pub mod app;
pub mod cli;
pub mod demo;
#[cfg(feature = "rest")]
pub mod rest;
pub mod sync;
mod words;
