//! The versions of objects: identities that were given, vectors and stamps that can be.

use super::{Check, FlawKind};
use crate::sync::data::schema::Class;
use crate::sync::error::Result;
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
                if let Some(what) = self.stamp_odd(time, author, class.journaled) {
                    self.flaw_of(FlawKind::Version, class, object, key, what);
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

    /// What is wrong with a stamp. Only what is journaled must have an author.
    pub(super) fn stamp_odd(&self, time: i64, author: i64, must: bool) -> Option<&'static str> {
        if (must || author != 0) && !self.is_node(author) {
            return (author != 0 || time != 0).then_some("was made by a node that is not known here");
        }
        // This node's clock never goes back. Others' may be ahead.
        (author == self.own && time > self.clock).then_some("was made here at a time that has not come yet")
    }
}
