//! The demo: orders of customers, taken by employees, for items; after the "Object Synchronization" demo for InterSystems
//! IRIS. Everything here is an ordinary program that uses [`crate::sync`].
//!
//! Invariant: what these functions write goes through the tables' own constraints, so other programs can write the same.

mod aside;
pub mod edit;
pub mod folder;
pub mod install;
pub mod model;
pub mod names;
pub mod populate;
pub mod query;
pub mod scenario;

pub mod tables;
