//! What was done, what is being done, what is looked back at, and what is on its way across the lane.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::view::{Action, Compared, Detail, MomentView, SideIndex};
use crate::sync::Guid;

/// One line in the activity list.
#[derive(Clone, Debug)]
pub struct Activity {
    /// Local time `HH:MM:SS`.
    pub at: String,
    /// What happened.
    pub text: String,
    /// Line by line; of an apply the same as its report's, which may be very many.
    pub details: Arc<Vec<Detail>>,
    /// How long it took, if it was an action.
    pub took: Option<Duration>,
    /// It failed; nothing was changed.
    pub failed: bool,
}

/// An action the worker has and the window waits for.
#[derive(Clone, Debug)]
pub struct Running {
    /// Which.
    pub action: Action,
    /// Since when.
    pub since: Instant,
    /// A dialog asked for it and waits.
    pub answers: bool,
    /// What each side held when it was asked for: its node, by its GUID, and its last transaction.
    pub stood: [(String, u64); 2],
}

/// What a comparison found, and of what.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Local time `HH:MM:SS`.
    pub at: String,
    /// What it found, class by class.
    pub classes: Vec<Compared>,
    /// How long it took.
    pub took: Duration,
    /// What was compared: each side's node, by its GUID, and its last transaction then.
    pub of: [(String, u64); 2],
}

/// What an apply did, to be saved.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// `Applied set 1000 from MASTER at CLIENT: …`.
    pub title: String,
    /// Line by line.
    pub lines: Arc<Vec<Detail>>,
    /// At which side.
    pub side: SideIndex,
    /// The set's place among the side's sets, by which it is taken back or reverted.
    pub seq: Option<i64>,
}

/// A side that is shown as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Travel {
    /// After which transaction.
    pub number: u64,
    /// Which one the worker was asked for last.
    pub asked: Option<u64>,
    /// What was read; of another number while that is on its way.
    pub view: Option<Arc<MomentView>>,
    /// Where in it each object is.
    pub places: Arc<HashMap<Guid, usize>>,
}

/// A set on its way across the lane.
#[derive(Clone, Debug, PartialEq)]
pub struct Flight {
    /// From which side.
    pub from: SideIndex,
    /// What is written on it.
    pub title: String,
    /// When it started, the window's seconds.
    pub since: f64,
}
