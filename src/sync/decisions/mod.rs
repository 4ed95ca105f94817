//! Who wins where both sides changed an object, what is kept about it, and deciding otherwise.

pub(crate) mod conflict;
pub(crate) mod decide;
pub(crate) mod resolve;
pub(crate) mod rule;
pub(crate) mod rules;
pub(crate) mod survivors;
pub(crate) mod take_back;
pub(crate) mod undo;
