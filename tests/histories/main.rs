//! Histories of real nodes: what SYNC-MODEL.md says must always hold, held against tables with references, unique values and
//! raw SQL, while files are lost, repeated, late and misdelivered, and people decide, discard, take back and revert.
//!
//! `copies.rs` copies files by hand, `world.rs` has the nodes and what can be done with them, `observers.rs` what is held against every step, `random.rs` plays,
//! `situations.rs` has single situations.

#[path = "../common/mod.rs"]
mod common;
mod copies;
mod observers;
mod random;
mod situations;
mod world;
