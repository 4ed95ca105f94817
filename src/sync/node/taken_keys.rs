//! Local keys that were given to another object while rows still referred by them: those rows refer to the new one from then on,
//! and nothing in them was written. `foreign_keys` must be off for that, as it is in the `sqlite3` shell, or the constraint deferred.
//!
//! The triggers only note that a key which another object had was given again (`objsync_taken_key`); an event for each row that it
//! turns is filed before the next operation.

use std::collections::BTreeSet;

use rusqlite::OptionalExtension;

use crate::sync::data::schema::{Class, quote};
use crate::sync::error::Result;
use crate::sync::node::Node;
use crate::sync::node::history::event_before;

impl Node {
    /// Files what keys that were given again have changed, as one commit.
    pub(crate) fn follow_taken_keys(&self) -> Result<()> {
        let any: bool =
            self.conn.prepare_cached("SELECT EXISTS(SELECT 1 FROM objsync_taken_key)")?.query_row([], |r| r.get(0))?;
        if !any {
            return Ok(());
        }
        self.all_or_nothing(|| self.file_turned_rows())
    }

    fn file_turned_rows(&self) -> Result<()> {
        let mut rows = Vec::new();
        let mut keys = BTreeSet::new();
        for class in self.classes.iter().filter(|class| class.journaled) {
            rows.extend(self.turned_rows(class, &mut keys)?.into_iter().map(|key| (class, key)));
        }
        if !rows.is_empty() {
            self.conn.execute("UPDATE objsync_state SET number = number + 1", [])?;
            self.tick()?;
        }
        for (class, key) in rows {
            // The image before is the row, too: only what its key means has changed.
            self.file_written_row(class, key, &class.values_of("t", "o"))?;
        }
        for (class, key, object) in keys {
            // Up to these events the key meant the object that had it.
            self.conn.execute(
                "INSERT OR IGNORE INTO objsync_former_key (class, key, until, object) SELECT ?1, ?2, max(pos), ?3 FROM objsync_journal",
                (class, key, object),
            )?;
        }
        self.conn.execute("DELETE FROM objsync_taken_key", [])?;
        Ok(())
    }

    /// The keys of rows of a class that referred to an object by a key before that was given to another. `keys`: by which, of what
    /// class, and who had them then.
    fn turned_rows(&self, class: &Class, keys: &mut BTreeSet<(i64, i64, i64)>) -> Result<BTreeSet<i64>> {
        let mut turned = BTreeSet::new();
        for (place, property) in class.columns() {
            let Some(parent) = property.references.as_deref().map(|name| self.class(name)).transpose()? else {
                continue;
            };
            let sql = format!(
                "SELECT o.key, o.last, k.key, k.pos, k.object
                 FROM (SELECT key, pos, (SELECT object FROM objsync_former_key f
                                         WHERE f.class = ?1 AND f.key = k.key AND f.until <= k.pos ORDER BY f.until DESC LIMIT 1) AS object
                       FROM (SELECT key, min(pos) AS pos FROM objsync_taken_key WHERE class = ?1 GROUP BY key) k) k
                 JOIN {table} t ON t.{column} = k.key JOIN {objects} o ON {same}
                 WHERE k.object IS NOT NULL AND k.object IS NOT (SELECT p.object FROM {parents} p WHERE p.key = k.key)",
                table = quote(&class.table),
                column = quote(&property.name),
                objects = class.objects(),
                same = class.same_row("t", "o"),
                parents = parent.objects(),
            );
            let mut statement = self.conn.prepare(&sql)?;
            let mut rows = statement.query([parent.id])?;
            while let Some(r) = rows.next()? {
                let key = r.get(2)?;
                if self.referred_before(place, r.get(1)?, key, r.get(3)?)? {
                    turned.insert(r.get(0)?);
                    keys.insert((parent.id, key, r.get(4)?));
                }
            }
        }
        Ok(turned)
    }

    /// Whether an object, whose last event is `last` and which refers by `key` now, did so at journal position `pos`.
    fn referred_before(&self, place: usize, last: Option<i64>, key: i64, pos: i64) -> Result<bool> {
        let sql = format!("SELECT before = 1 AND v{place} IS ?2, previous FROM objsync_journal WHERE pos = ?1");
        let mut event = self.conn.prepare_cached(&sql)?;
        let (mut referred, mut at) = (true, last);
        while let Some(since) = at.filter(|at| *at > pos) {
            let found: Option<(bool, Option<i64>)> =
                event.query_row((since, key), |r| Ok((r.get(0)?, r.get(1)?))).optional()?;
            let Some((was, previous)) = found else { break };
            (referred, at) = (was, event_before(since, previous)?);
        }
        Ok(referred)
    }
}
