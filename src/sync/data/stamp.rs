//! The stamp of a content: when and by whom it was made, for the rules to decide by. Never decides what is concurrent.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::sync::data::guid::NodeId;

/// Hybrid-logical-clock time in microseconds since 1970 UTC, and the node that made the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Microseconds since 1970 UTC; never goes back at one node, even where its clock does, unless it was more than
    /// [`DOUBTFUL_AHEAD`] ahead.
    pub time: i64,
    /// The author.
    pub author: NodeId,
}

/// Stamps further ahead of this machine's clock are doubtful: kept, warned about, not followed, and later than no other by any
/// rule. Microseconds.
pub const DOUBTFUL_AHEAD: i64 = 24 * 3600 * 1_000_000;

/// 2025-01-01, before this program was written: a machine whose clock says an earlier time has no right clock. Microseconds.
pub(crate) const EARLIEST_PLAUSIBLE: i64 = 1_735_689_600_000_000;

/// Where the time comes from: microseconds since 1970 UTC. Tests pass their own.
pub type Clock = std::sync::Arc<dyn Fn() -> i64 + Send + Sync>;

/// The end of the year 9999, as far as SQLite's own dates go.
const LATEST: i64 = 253_402_300_799_999_999;

/// A clock that tells no time before 1970 and none that leaves nothing after it: a node's clock must always be able to go on.
pub(crate) fn sensible(clock: Clock) -> Clock {
    std::sync::Arc::new(move || clock().clamp(0, LATEST))
}

/// This machine's clock.
pub fn system_clock() -> Clock {
    std::sync::Arc::new(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(LATEST))
    })
}
