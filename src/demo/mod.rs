//! The demo.
pub mod model;
