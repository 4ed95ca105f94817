//! Histories of real nodes: what SYNC-MODEL.md says must always hold, held against tables with references, unique values and
//! raw SQL, while files are lost, repeated, late, cut short and misdelivered, clocks are set, other programs write, nodes are copied,
//! and people decide, discard, take back and revert.
//!
//! `random.rs` plays such histories of nodes, which `world.rs` has, with what can be done to them; `observers.rs` is what is held
//! against every step: lost, silent, needless and half (what of a transaction), while quiet and diverged are seen in the end.
//! `environments.rs` copies files by hand, puts backups back, switches classes, alters tables and purges. `situations.rs` has
//! single situations.
//!
//! A history is a list of choices (`choices.rs`), drawn from a seed. `play.rs` plays many; one that fails is shrunk, printed and
//! kept in `kept/`. `proof.rs` shows that this can be relied on.

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
