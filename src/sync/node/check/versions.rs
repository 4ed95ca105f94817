//! The versions of objects: identities that were given, vectors and stamps that can be.

use super::{Check, Flaw, FlawKind};
use crate::sync::data::schema::Class;
use crate::sync::data::stamp::DOUBTFUL_AHEAD;
use crate::sync::error::Result;
use crate::sync::node::Node;
use crate::sync::node::store::SERIAL_BITS;

impl Check<'_> {
    pub(super) fn versions(&mut self, class: &Class) -> Result<()> {
        for living in [true, false] {
            let table = if living { class.objects() } else { class.tombstones() };
            let sql = format!("SELECT object, key, own, rest, time, author, last FROM {table}");
            let mut statement = self.node.conn.prepare(&sql)?;
            let mut rows = statement.query([])?;
            let mut done = 0;
            while let Some(r) = rows.next()? {
                done += 1;
                self.going_on("checking versions", done)?;
                let (object, key): (i64, Option<i64>) = (r.get(0)?, r.get(1)?);
                let rest: Option<Vec<u8>> = r.get(3)?;
                let (own, time, author): (i64, i64, i64) = (r.get(2)?, r.get(4)?, r.get(5)?);
                if self.object(object).is_none()
                    || (object >> SERIAL_BITS == self.own && self.serial_of(object) > self.serial)
                {
                    self.flaw_of(
                        FlawKind::Identity,
                        class,
                        object,
                        key,
                        "has an identity that nobody is known to have given",
                    );
                }
                let vector = match self.vector(rest.as_deref().unwrap_or_default(), Some(own)) {
                    Ok(vector) => vector,
                    Err(what) => {
                        self.flaw_of(FlawKind::Version, class, object, key, what);
                        continue;
                    }
                };
                if living && class.journaled && vector.entries().is_empty() {
                    self.flaw_of(FlawKind::Version, class, object, key, "has no version");
                }
                if let Some((kind, what)) = self.stamp_odd(FlawKind::Version, time, author, class.journaled) {
                    self.flaw_of(kind, class, object, key, what);
                }
            }
            let looked_at = &mut self.report.looked_at;
            *(if living { &mut looked_at.objects } else { &mut looked_at.deleted }) += done;
        }
        Ok(())
    }

    fn serial_of(&self, object: i64) -> i64 {
        object & ((1 << SERIAL_BITS) - 1)
    }

    /// What is wrong with a stamp: of `kind`, or with this node's clock. Only what is journaled must have an author.
    pub(super) fn stamp_odd(
        &mut self,
        kind: FlawKind,
        time: i64,
        author: i64,
        must: bool,
    ) -> Option<(FlawKind, &'static str)> {
        if (must || author != 0) && !self.is_node(author) {
            return (author != 0 || time != 0).then_some((kind, "was made by a node that is not known here"));
        }
        // This node's clock never goes back. Others' may be ahead.
        let ahead = author == self.own && time > self.clock;
        if ahead {
            self.latest = self.latest.max(time);
        }
        ahead.then_some((FlawKind::Clock, "was made here at a time that has not come yet by this node's clock"))
    }

    /// Several times after the clock are one flaw: that of the clock.
    pub(super) fn own_clock(&mut self) -> Result<()> {
        let (found, count) = self.report.flaws.take(FlawKind::Clock);
        let Some(first) = found.into_iter().next() else { return Ok(()) };
        let flaw = match count {
            1 => first,
            _ => {
                let (clock, latest) = (self.time_text(self.clock)?, self.time_text(self.latest)?);
                let what = format!(
                    "this node's clock stands at {clock}, and {count} times that it gave are later, the last of them {latest}: it was set back in the file"
                );
                Flaw::new(FlawKind::Clock, what)
            }
        };
        self.report.flaws.add(match self.latest < (self.node.clock)().saturating_add(DOUBTFUL_AHEAD) {
            true => flaw.todo(format!(
                "let its clock go on from there: sqlite3 {} \"UPDATE objsync_state SET clock = {}\"",
                self.node.path.display(),
                self.latest
            )),
            false => flaw,
        });
        Ok(())
    }

    pub(super) fn time_text(&self, time: i64) -> Result<String> {
        let sql = "SELECT coalesce(datetime(?1 / 1000000, 'unixepoch') || ' UTC', ?1)";
        Ok(self.node.conn.query_row(sql, [time], |r| r.get(0))?)
    }
}

/// What is to be said of objects that carry a time more than a day ahead of this machine's clock: no flaw, but no rule takes them
/// for the later.
pub(super) fn doubtful(node: &Node) -> Result<Option<String>> {
    let limit = (node.clock)().saturating_add(DOUBTFUL_AHEAD);
    let (mut count, mut example): (i64, Option<String>) = (0, None);
    for class in &node.classes {
        let sql = format!("SELECT count(*), min(key) FROM {} WHERE time > ?1", class.objects());
        let (found, key): (i64, Option<i64>) = node.conn.query_row(&sql, [limit], |r| Ok((r.get(0)?, r.get(1)?)))?;
        count += found;
        if let (None, Some(key)) = (&example, key) {
            example = Some(node.called_by_key(class, key)?);
        }
    }
    Ok(example.map(|example| {
        format!(
            "at {}, {count} objects (such as {example}) carry times more than 24 hours ahead of this machine's clock: a clock was wrong; no rule takes them for the later; change them once more when the clock is right, which gives them a right time",
            node.info.name
        )
    }))
}
