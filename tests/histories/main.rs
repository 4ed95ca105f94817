//! Histories of real nodes: what SYNC-MODEL.md says must always hold, held against tables with references, unique values and
//! raw SQL, while files are lost, repeated, late and misdelivered, and people decide, discard, take back and revert.
//!
//! `environments.rs` copies files by hand, puts backups back, switches classes, alters tables and purges; `world.rs` has the nodes and what can be done with them, `observers.rs` what is held against every step, `random.rs` plays,
//! `situations.rs` has single situations.

mod choices;
#[path = "../common/mod.rs"]
mod common;
mod environments;
mod observers;
mod play;
mod proof;
mod random;
mod situations;
mod world;
