//! A node's clock: hybrid logical time for stamps, and how it heals.
//!
//! Every commit moves the clock on, to the machine's time or by a microsecond, so an edit is later than what it was made upon. A
//! machine whose clock said 2099 once would date everything 2099 for 73 years, and win by time. So where the clock is more than
//! [`DOUBTFUL_AHEAD`] ahead of the machine's, it starts from the machine's again; how far it had come is noted, since stamps from
//! then still stand and are this node's own.
//!
//! Points (`told.rs`) are an order of their own: they never go back, and two files that go on from one backup must not come to the
//! same point by counting. So a point that must be later than one of 2099 is the machine's time plus whole days.

use rusqlite::{Connection, OptionalExtension};

use crate::sync::data::stamp::{DOUBTFUL_AHEAD, EARLIEST_PLAUSIBLE};
use crate::sync::error::Result;
use crate::sync::node::Node;

/// The trigger of [`supplement`].
pub(crate) const TRIGGER: &str = "objsync_clock";

/// The table of [`supplement`].
pub(crate) const TABLE: &str = "objsync_clock_was";

/// How far the clock had come whenever it started from the machine's again, and the trigger that does so where another program
/// writes. The engine ticks by [`Node::tick`]: its commits and its clock are two statements, so the trigger does not see them.
pub(crate) fn supplement() -> String {
    let now = "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)";
    format!(
        "CREATE TABLE objsync_clock_was (
    clock INTEGER NOT NULL,             -- the clock, more than a day ahead of the machine's
    at INTEGER NOT NULL                 -- the machine's, from which it went on; microseconds since 1970
);
CREATE TRIGGER objsync_clock AFTER UPDATE OF clock ON objsync_state
WHEN NEW.number > OLD.number AND NEW.clock > {now} + {DOUBTFUL_AHEAD} AND {now} >= {EARLIEST_PLAUSIBLE} BEGIN
INSERT INTO objsync_clock_was (clock, at) VALUES (OLD.clock, {now});
UPDATE objsync_state SET clock = {now};
END;
"
    )
}

/// The highest time that the node of a file may have given: its clock, or where that stood before it healed.
pub(crate) fn highest(conn: &Connection) -> Result<i64> {
    let clock: i64 = conn.prepare_cached("SELECT clock FROM objsync_state")?.query_row([], |r| r.get(0))?;
    Ok(clock.max(was(conn)?.map_or(0, |(was, _)| was)))
}

/// Where the clock stood at most when it healed, and when that was by the machine's; `None`: it never had to.
pub(crate) fn was(conn: &Connection) -> Result<Option<(i64, i64)>> {
    // A file that only an earlier version has opened has no such table.
    let there = "SELECT EXISTS(SELECT 1 FROM sqlite_master WHERE name = 'objsync_clock_was')";
    if !conn.prepare_cached(there)?.query_row([], |r| r.get(0))? {
        return Ok(None);
    }
    let sql = "SELECT clock, at FROM objsync_clock_was ORDER BY clock DESC LIMIT 1";
    Ok(conn.prepare_cached(sql)?.query_row([], |r| Ok((r.get(0)?, r.get(1)?))).optional()?)
}

/// Whether a clock is so far ahead of the machine's that it starts from there again. A machine that says a time from before this
/// program was written is wrong itself.
fn is_astray(clock: i64, now: i64) -> bool {
    now >= EARLIEST_PLAUSIBLE && clock.saturating_sub(now) > DOUBTFUL_AHEAD
}

/// The clock of a point after `last`, where the node's clock stands at `clock` and the machine's at `now`.
pub(crate) fn point_after(last: i64, clock: i64, now: i64) -> i64 {
    if last < clock {
        return clock;
    }
    if !is_astray(last, now) {
        return last.saturating_add(1);
    }
    let days = (last - now) / DOUBTFUL_AHEAD + 1;
    now.saturating_add(days.saturating_mul(DOUBTFUL_AHEAD))
}

impl Node {
    /// Moves the clock on for a commit, and says where it stands.
    pub(crate) fn tick(&self) -> Result<i64> {
        let now = (self.clock)();
        let clock: i64 = self.conn.prepare_cached("SELECT clock FROM objsync_state")?.query_row([], |r| r.get(0))?;
        let next = if is_astray(clock, now) {
            self.conn.execute("INSERT INTO objsync_clock_was (clock, at) VALUES (?1, ?2)", (clock, now))?;
            now
        } else {
            clock.saturating_add(1).max(now)
        };
        self.conn.prepare_cached("UPDATE objsync_state SET clock = ?1")?.execute([next])?;
        Ok(next)
    }

    /// Whether a time is more than a day ahead of this machine's clock: kept, and beaten by any other that is not.
    pub(crate) fn is_doubtful(&self, time: i64) -> bool {
        time.saturating_sub((self.clock)()) > DOUBTFUL_AHEAD
    }

    /// Where this node's clock stood at most before it started from the machine's again, and when that was; microseconds since
    /// 1970 UTC. `None`: it was never more than a day ahead.
    pub fn clock_was(&self) -> Result<Option<(i64, i64)>> {
        was(&self.conn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = EARLIEST_PLAUSIBLE + 1_000;

    #[test]
    fn points_never_go_back_and_two_that_go_on_from_one_differ() {
        let far = NOW + 1_000 * DOUBTFUL_AHEAD + 17;
        assert_eq!(point_after(NOW - 5, NOW, NOW), NOW, "the clock itself");
        assert_eq!(point_after(NOW, NOW, NOW), NOW + 1);
        assert_eq!(point_after(NOW + DOUBTFUL_AHEAD, NOW, NOW), NOW + DOUBTFUL_AHEAD + 1, "not astray");
        let (mut one, mut other) = (far, far);
        for step in 1..100 {
            // The one writes a microsecond after the other.
            let (next, next_other) =
                (point_after(one, NOW + step, NOW + step), point_after(other, NOW, NOW + step + 1));
            assert!(next > one && next_other > other && next != next_other, "{step}");
            (one, other) = (next, next_other);
        }
        assert!(one - far < 101 * DOUBTFUL_AHEAD);
        // After a long time the points come nearer to the clock again.
        let later = NOW + 50 * DOUBTFUL_AHEAD;
        assert!(point_after(one, later, later) - one <= DOUBTFUL_AHEAD);
        // A machine without a right clock says nothing about the file's.
        assert_eq!(point_after(far, 0, 0), far + 1);
    }
}
