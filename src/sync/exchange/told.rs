//! Finding out that a file was put back from a backup and used on: its numbers would be given twice.
//!
//! 1. Before a node tells anybody what it holds, in a set or by a copy of its file, it notes a *point*: its last commit, and a
//!    clock, which no two of its points share (`clock.rs`). The set carries it.
//! 2. Who applies the set remembers that point as the latest known of the sender, and tells others of it with its own sets.
//! 3. A file that lacks a point which others know was put back from before that point. A node finds that of itself when others say at
//!    which point they know it (`seen` in the header), and of a sender, which says all its points since the one that the target
//!    is known to have heard of (`told`). Nodes of one environment ask each other before anything is exchanged.
//!
//! What stays unseen: a backup that was copied into the file itself, so that its place does not tell (`whereabouts.rs`), as long as
//! it only exchanges with nodes to which nobody has told anything of what it had done since.

use rusqlite::{Connection, OptionalExtension};

use crate::sync::data::guid::NodeId;
use crate::sync::error::{Error, Refusal, Result};
use crate::sync::exchange::spool::Spooled;
use crate::sync::exchange::syncset::Header;
use crate::sync::node::{Node, clock};
use crate::words::quoted;

/// Points that a set says at most: a few kilobytes, and more sets than anybody sends without ever hearing of one.
const POINTS: usize = 1_000;

const NOTE_HEARD: &str = "UPDATE objsync_sync_time SET heard = max(heard, ?2) WHERE peer = ?1";

/// Objects that a copy of a file may have made in its node's name.
const MADE_BY_COPIES: u64 = 1 << 20;

/// What to do with a node's file that was restored, or is a copy.
pub(crate) fn make_it_new(node: &str, other: &str) -> String {
    format!(
        "make it a new node (objsync rejoin --node {}); nothing in it is lost, and what it lacks comes back from {}",
        quoted(node),
        quoted(other)
    )
}

/// What a node told of itself, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Point {
    /// Its last commit then.
    pub(crate) number: u64,
    /// Its clock then, microseconds since 1970 UTC.
    pub(crate) clock: i64,
}

impl Node {
    /// Notes a point, to stay: what is told must not be forgotten by whom told it. It is on disk with all that was filed before:
    /// a power loss that took commits back after others had heard of them would let this node give their numbers twice.
    pub(crate) fn tell(&mut self) -> Result<Point> {
        self.conn.execute_batch("PRAGMA synchronous = FULL")?;
        let point = self.note_point();
        self.conn.execute_batch("PRAGMA synchronous = NORMAL")?;
        point
    }

    fn note_point(&mut self) -> Result<Point> {
        let now = (self.clock)();
        self.write(|node| {
            let last = last_told(&node.conn, i64::MAX)?;
            let point = Point { number: node.number()?, clock: clock::point_after(last.clock, node.tick()?, now) };
            node.conn
                .execute("INSERT INTO objsync_told (number, clock) VALUES (?1, ?2)", (point.number, point.clock))?;
            Ok(point)
        })
    }

    /// The points from the last one that `peer` is known to have heard of, oldest first.
    pub(crate) fn told_since_heard(&self, peer: NodeId) -> Result<Vec<(u64, i64)>> {
        let heard: Option<i64> = self
            .conn
            .query_row("SELECT heard FROM objsync_sync_time WHERE peer = ?1", [self.nodes.number(peer)?], |r| r.get(0))
            .optional()?;
        let sql = "SELECT number, clock FROM objsync_told WHERE clock >= ?1 ORDER BY clock DESC LIMIT ?2";
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement.query_map((heard.unwrap_or(0), POINTS), |r| Ok((r.get(0)?, r.get(1)?)))?;
        let mut points = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        points.reverse();
        Ok(points)
    }

    /// The latest point known of another node; zeros where there is none.
    pub(crate) fn seen(&self, node: NodeId) -> Result<Point> {
        let sql = "SELECT seen_number, seen_clock FROM objsync_node WHERE guid = ?1";
        let mut statement = self.conn.prepare_cached(sql)?;
        let found =
            statement.query_row([node.0 as i64], |r| Ok(Point { number: r.get(0)?, clock: r.get(1)? })).optional()?;
        Ok(found.unwrap_or_default())
    }

    /// Every node of which a point is known, with the latest.
    pub(crate) fn all_seen(&self) -> Result<Vec<(NodeId, u64, i64)>> {
        let sql = "SELECT guid, seen_number, seen_clock FROM objsync_node WHERE seen_clock > 0 ORDER BY n";
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement.query_map([], |r| Ok((NodeId(r.get::<_, i64>(0)? as u64), r.get(1)?, r.get(2)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Notes what a set tells of points: the sender's, those of others that it knows, and the one of this node that it has heard of.
    pub(crate) fn note_points(&self, header: &Header) -> Result<()> {
        let sender = (header.source.guid, header.number, header.clock);
        header.seen.iter().chain([&sender]).try_for_each(|point| self.note_seen(*point))?;
        if let Some((_, clock)) = header.saw(self.info.guid) {
            self.conn.execute(NOTE_HEARD, (self.nodes.number(header.source.guid)?, clock))?;
        }
        Ok(())
    }

    /// Notes a point of another node, where it is the latest known.
    pub(crate) fn note_seen(&self, (node, number, clock): (NodeId, u64, i64)) -> Result<()> {
        self.conn
            .prepare_cached(
                "UPDATE objsync_node SET seen_number = ?2, seen_clock = ?3
                 WHERE guid = ?1 AND seen_clock < ?3 AND n <> (SELECT node FROM objsync_state)",
            )?
            .execute((node.0 as i64, number, clock))?;
        Ok(())
    }

    /// Notes that a peer at hand has heard of a point of this node, where that is new.
    pub(crate) fn note_heard(&mut self, peer: NodeId, point: Point) -> Result<()> {
        let Ok(n) = self.nodes.number(peer) else { return Ok(()) };
        let sql = "SELECT heard FROM objsync_sync_time WHERE peer = ?1";
        let heard: Option<i64> = self.conn.query_row(sql, [n], |r| r.get(0)).optional()?;
        if heard.is_none_or(|heard| heard >= point.clock) || !self.was_at_point(point)? {
            return Ok(());
        }
        self.write(|node| Ok(node.conn.execute(NOTE_HEARD, (n, point.clock)).map(drop)?))
    }

    /// Whether this file had been at that point. What is older than all it remembers is believed.
    fn was_at_point(&self, point: Point) -> Result<bool> {
        let sql = "SELECT coalesce(?2 <= min(clock) OR max(clock = ?2 AND number = ?1), 0) FROM objsync_told";
        Ok(self.conn.prepare_cached(sql)?.query_row((point.number, point.clock), |r| r.get(0))?)
    }

    /// The point up to which this file's commits are this node's for certain, whatever became of the file: the last one that a peer
    /// has said to have heard of, or the first of all. Later ones may have been told in vain, by a backup that was used on. `others` are
    /// nodes at hand; if they know points that this file never was at, it lies before the first of these.
    pub(crate) fn certain_point(&self, others: &[&Node]) -> Result<Point> {
        let mut before = i64::MAX;
        for other in others {
            let point = other.seen(self.info.guid)?;
            if !self.was_at_point(point)? {
                before = before.min(point.clock);
            }
        }
        let heard: i64 = self.conn.query_row(
            "SELECT max((SELECT min(clock) FROM objsync_told), (SELECT coalesce(max(heard), 0) FROM objsync_sync_time))",
            [],
            |r| r.get(0),
        )?;
        Ok(last_told(&self.conn, before.min(heard.saturating_add(1)))?)
    }

    /// Refuses where another node, which is at hand, knows this one at a point that its file never was at.
    pub(crate) fn check_not_restored(&self, other: &Node) -> Result<()> {
        let point = other.seen(self.info.guid)?;
        if self.was_at_point(point)? {
            return Ok(());
        }
        let (us, them) = (&self.info.name, &other.info.name);
        let what = format!(
            "{them} has heard of other transactions of {us} (up to {}) than its file has (up to {}): the file was restored from a backup, or is a copy; nothing was changed",
            point.number,
            self.number()?
        );
        Err(Error::refused(Refusal::Restored, what).about(self.info.guid).hint(make_it_new(us, them)))
    }

    /// Refuses a set that shows that this file was put back from a backup: it knows commits or times of this node that this node
    /// has not reached.
    pub(crate) fn check_we_were_not_restored(&self, set: &Spooled) -> Result<()> {
        let header = &set.header;
        let (us, source) = (&self.info.name, &header.source.name);
        let refused = |what: String| {
            let what = format!("{what}: this file was restored from a backup, or is a copy; nothing was changed");
            Err(Error::refused(Refusal::Restored, what).about(self.info.guid).hint(format!(
                "make this file a new node (objsync rejoin --node {}); nothing in it is lost, and {} prepares its next set for the new node",
                quoted(us),
                quoted(source)
            )))
        };
        let number = self.number()?;
        let saw = header.saw(self.info.guid).map(|(number, clock)| Point { number, clock }).unwrap_or_default();
        let known = self.spool_knows()?.max(header.received_from(self.info.guid)).max(saw.number);
        if known > number {
            return refused(format!("the set knows transaction {known} of {us}, whose last one is {number}"));
        }
        if !self.was_at_point(saw)? {
            return refused(format!(
                "{source} knows other transactions of {us} under the numbers up to {}",
                saw.number
            ));
        }
        // A copy of this file that became a node without this file at hand may have made objects in this node's name. The next
        // one made here must not get the identity of one of them. So many are no mistake, and would use up all identities.
        let made: u64 = self.conn.query_row("SELECT serial FROM objsync_state", [], |r| r.get(0))?;
        match self.spool_names()? {
            Some(named) if named.saturating_sub(made) > MADE_BY_COPIES => {
                return refused(format!("the set knows object {named} of {us}, which has made {made}"));
            }
            Some(named) => self.conn.execute("UPDATE objsync_state SET serial = max(serial, ?1)", [named])?,
            None => 0,
        };
        let clock = clock::highest(&self.conn)?;
        match self.spool_clock()?.filter(|time| *time > clock) {
            Some(_) => refused(format!("the set knows a change of {us} from a time that its clock has not reached")),
            None => Ok(()),
        }
    }

    /// Refuses a set whose sender was put back from a backup: it was known at a point that it has not been at, or its numbers
    /// went back. A set that is older than what is known proves nothing.
    pub(crate) fn check_source_was_not_restored(&self, header: &Header) -> Result<()> {
        let seen = self.seen(header.source.guid)?;
        let now = (header.number, header.clock);
        let covered = header.told.first().is_some_and(|(_, clock)| *clock <= seen.clock);
        let went_back = match covered {
            true => !header.told.iter().chain([&now]).any(|point| *point == (seen.number, seen.clock)),
            false => header.number < seen.number,
        };
        if seen.clock == 0 || header.clock < seen.clock || !went_back {
            return Ok(());
        }
        let source = &header.source.name;
        let what = format!(
            "{source} had reached transaction {} and gives numbers up to there a second time (now at {}): its file was restored from a backup, or is a copy; nothing was changed",
            seen.number, header.number
        );
        Err(Error::refused(Refusal::Restored, what).about(header.source.guid).hint(format!(
            "at {0}, make the file a new node (objsync rejoin --node {0}) and prepare the set again",
            quoted(source)
        )))
    }
}

/// The last point of a file's node before a time; zeros where there is none.
pub(crate) fn last_told(conn: &Connection, before: i64) -> rusqlite::Result<Point> {
    let sql = "SELECT number, clock FROM objsync_told WHERE clock < ?1 ORDER BY clock DESC LIMIT 1";
    let found = conn.query_row(sql, [before], |r| Ok(Point { number: r.get(0)?, clock: r.get(1)? }));
    Ok(found.optional()?.unwrap_or_default())
}
