//! Finding out that a file was put back from a backup and used on: its numbers would be given twice.
//!
//! 1. Before a node tells anybody what it holds, in a set or by a copy of its file, it notes a *point*: its last commit, and a
//!    clock, which no two of its points share (`clock.rs`). The set carries it.
//!    It is signed by its node, so that whoever passes it on can prove it.
//! 2. Who applies the set remembers that point as the latest known of the sender, and tells others of it with its own sets. What
//!    a set says of the points of others is hearsay where they have not signed it, and is left aside.
//! 3. A file that lacks a point which others know was put back from before that point. A node finds that of itself when others say at
//!    which point they know it (`seen` in the header), and of a sender, which says all its points since the one that the target
//!    is known to have heard of (`told`). Nodes of one environment ask each other before anything is exchanged.
//!
//! What stays unseen: a backup that was copied into the file itself, so that its place does not tell (`whereabouts.rs`), as long as
//! it only exchanges with nodes to which nobody has told anything of what it had done since.

use rusqlite::{Connection, OptionalExtension};

use crate::sync::data::guid::NodeId;
use crate::sync::error::{Error, Refusal, Result};
use crate::sync::exchange::signature::{Signature, Statement};
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

/// A point of another node as it is known here.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) node: NodeId,
    pub(crate) point: Point,
    /// The signature of the node itself; `None`: from before points were signed.
    pub(crate) proof: Option<Signature>,
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
    pub(crate) fn all_seen(&self) -> Result<Vec<Seen>> {
        let sql = "SELECT guid, seen_number, seen_clock, seen_proof FROM objsync_node WHERE seen_clock > 0 ORDER BY n";
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement.query_map([], |r| {
            Ok(Seen {
                node: NodeId(r.get::<_, i64>(0)? as u64),
                point: Point { number: r.get(1)?, clock: r.get(2)? },
                proof: r.get::<_, Option<Vec<u8>>>(3)?.and_then(Signature::stored),
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// This node at a point, signed.
    pub(crate) fn signed_point(&self, point: Point) -> Result<Seen> {
        let node = self.info.guid;
        Ok(Seen { node, point, proof: Some(self.signing()?.sign(&Statement::Point(node, point))) })
    }

    /// Whether a set proves that a node was at the point which it says, by that node's own signature.
    fn proves(&self, header: &Header, node: NodeId, point: Point) -> Result<bool> {
        let Some(proof) = header.proof_of(node) else { return Ok(false) };
        let key = self.public_key(node)?;
        Ok(key.is_some_and(|key| key.has_signed(&Statement::Point(node, point), &proof)))
    }

    /// Notes what a set tells of points: the sender's, those of others that these have signed, and the one of this node that the sender
    /// has heard of.
    pub(crate) fn note_points(&self, header: &Header) -> Result<()> {
        let source = header.source.guid;
        let point = Point { number: header.number, clock: header.clock };
        let proof = header.proof_of(source).filter(|_| self.proves(header, source, point).unwrap_or(false));
        self.note_seen(&Seen { node: source, point, proof })?;
        for &(node, number, clock) in header.seen.iter().filter(|(node, ..)| ![source, self.info.guid].contains(node)) {
            let point = Point { number, clock };
            if clock <= self.seen(node)?.clock {
                continue;
            }
            match self.proves(header, node, point)? {
                true => self.note_seen(&Seen { node, point, proof: header.proof_of(node) })?,
                false => self.note_hearsay(node, number)?,
            }
        }
        if let Some(heard) = header.saw(self.info.guid) {
            self.conn.execute(NOTE_HEARD, (self.nodes.number(source)?, heard.clock))?;
        }
        Ok(())
    }

    /// Notes a point of another node, where it is the latest known.
    pub(crate) fn note_seen(&self, seen: &Seen) -> Result<()> {
        self.conn
            .prepare_cached(
                "UPDATE objsync_node SET seen_number = ?2, seen_clock = ?3, seen_proof = ?4
                 WHERE guid = ?1 AND seen_clock < ?3 AND n <> (SELECT node FROM objsync_state)",
            )?
            .execute((
                seen.node.0 as i64,
                seen.point.number,
                seen.point.clock,
                seen.proof.as_ref().map(Signature::bytes),
            ))?;
        Ok(())
    }

    /// Notes how far others say that a node has come: what they have of it, too, may be from there, and proves nothing else.
    fn note_hearsay(&self, node: NodeId, number: u64) -> Result<()> {
        let sql = "UPDATE objsync_node SET said_number = max(said_number, ?2) WHERE guid = ?1";
        Ok(self.conn.prepare_cached(sql)?.execute((node.0 as i64, number)).map(drop)?)
    }

    /// How far another node has come, by all that is known or said of it.
    pub(crate) fn is_said_to_have_reached(&self, node: NodeId) -> Result<u64> {
        let sql = "SELECT max(seen_number, said_number) FROM objsync_node WHERE guid = ?1";
        let said: Option<u64> = self.conn.prepare_cached(sql)?.query_row([node.0 as i64], |r| r.get(0)).optional()?;
        Ok(said.unwrap_or(0).max(self.covers(node)?))
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
            let point = self.known_at_hand(other)?;
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

    /// The latest point at which another node knows this one; zeros where somebody else signed it, by a key for which a liar vouched.
    fn known_at_hand(&self, other: &Node) -> Result<Point> {
        let sql = "SELECT seen_proof FROM objsync_node WHERE guid = ?1";
        let proof = other.conn.prepare_cached(sql)?.query_row([self.info.guid.0 as i64], |r| r.get(0)).optional()?;
        let (point, own) = (other.seen(self.info.guid)?, self.signing()?.public());
        let statement = Statement::Point(self.info.guid, point);
        let signed = proof.flatten().and_then(Signature::stored).is_none_or(|proof| own.has_signed(&statement, &proof));
        Ok(if signed { point } else { Point::default() })
    }

    /// Refuses where another node, which is at hand, knows this one at a point that its file never was at.
    pub(crate) fn check_not_restored(&self, other: &Node) -> Result<()> {
        let point = self.known_at_hand(other)?;
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

    /// Refuses a set that knows commits or times of this node that this node has not reached. Where this node itself has signed that it
    /// was there, its file was put back from a backup. What only the sender says proves nothing.
    pub(crate) fn check_we_were_not_restored(&self, set: &Spooled) -> Result<()> {
        let header = &set.header;
        let (us, source) = (&self.info.name, self.called_here(&header.source));
        let number = self.number()?;
        let saw = header.saw(self.info.guid).unwrap_or_default();
        if !self.was_at_point(saw)? {
            let what = match saw.number > number {
                true => format!("the set knows transaction {} of {us}, whose last one is {number}", saw.number),
                false => format!("{source} knows other transactions of {us} under the numbers up to {}", saw.number),
            };
            return Err(match self.proves(header, self.info.guid, saw)? {
                true => {
                    let what =
                        format!("{what}: this file was restored from a backup, or is a copy; nothing was changed");
                    Error::refused(Refusal::Restored, what).about(self.info.guid).hint(format!(
                        "make this file a new node (objsync rejoin --node {}); nothing in it is lost, and {} prepares its next set for the new node",
                        quoted(us),
                        quoted(&source)
                    ))
                }
                false => self.unproven(&what, &source),
            });
        }
        let known = self.spool_knows()?.max(header.received_from(self.info.guid));
        if known > number {
            let what = format!("the set knows transaction {known} of {us}, whose last one is {number}");
            return Err(self.unproven(&what, &source));
        }
        // A copy of this file that became a node without this file at hand may have made objects in this node's name. The next
        // one made here must not get the identity of one of them. So many are no mistake, and would use up all identities.
        let made: u64 = self.conn.query_row("SELECT serial FROM objsync_state", [], |r| r.get(0))?;
        match self.spool_names()? {
            Some(named) if named.saturating_sub(made) > MADE_BY_COPIES => {
                let what = format!("the set knows object {named} of {us}, which has made {made}");
                return Err(self.unproven(&what, &source));
            }
            Some(named) => self.conn.execute("UPDATE objsync_state SET serial = max(serial, ?1)", [named])?,
            None => 0,
        };
        let clock = clock::highest(&self.conn)?;
        match self.spool_clock()?.filter(|time| *time > clock) {
            Some(_) => {
                let what = format!("the set knows a change of {us} from a time that its clock has not reached");
                Err(self.unproven(&what, &source))
            }
            None => Ok(()),
        }
    }

    /// Refuses a set that says of this node what this node does not know and has not signed.
    pub(crate) fn unproven(&self, what: &str, source: &str) -> Error {
        let what = format!(
            "{what}, and the set has no proof of it, which {} would have signed; nothing was changed",
            self.info.name
        );
        Error::refused(Refusal::Unproven, what).hint(format!(
            "if this file was put back from a backup, or is a copy, make it a new node (objsync rejoin --node {}); if not, {source} or somebody before it is mistaken or lies: ask there, and compare with objsync check",
            quoted(&self.info.name),
        ))
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
        let source = self.called_here(&header.source);
        let what = format!(
            "{source} had reached transaction {} and gives numbers up to there a second time (now at {}): its file was restored from a backup, or is a copy; nothing was changed",
            seen.number, header.number
        );
        Err(Error::refused(Refusal::Restored, what).about(header.source.guid).hint(format!(
            "at {0}, make the file a new node (objsync rejoin --node {0}) and prepare the set again",
            quoted(&source)
        )))
    }
}

/// The last point of a file's node before a time; zeros where there is none.
pub(crate) fn last_told(conn: &Connection, before: i64) -> rusqlite::Result<Point> {
    let sql = "SELECT number, clock FROM objsync_told WHERE clock < ?1 ORDER BY clock DESC LIMIT 1";
    let found = conn.query_row(sql, [before], |r| Ok(Point { number: r.get(0)?, clock: r.get(1)? }));
    Ok(found.optional()?.unwrap_or_default())
}
