//! Object synchronization between occasionally connected databases.
pub mod demo;
pub mod sync;
