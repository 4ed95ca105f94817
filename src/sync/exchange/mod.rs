//! Sets on their way: prepared at one node, applied at another, and what cannot be applied yet.

pub(crate) mod acquaintance;
pub(crate) mod apply;
pub(crate) mod dangling;
pub(crate) mod foreign_keys;
pub(crate) mod given;
pub(crate) mod invitation;
pub(crate) mod merge;
pub(crate) mod parts;
pub(crate) mod prepare;
pub(crate) mod report;
pub(crate) mod requeue;
pub(crate) mod set_record;
pub(crate) mod settle;
pub(crate) mod signature;
pub(crate) mod spool;
pub(crate) mod sync_times;
pub mod syncset;
pub(crate) mod telling;
pub(crate) mod told;
pub(crate) mod trial;
pub(crate) mod trust;
pub(crate) mod unit;
