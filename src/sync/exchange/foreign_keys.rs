//! Foreign keys whose values are content (they name a text, or a row of a table that is no class), judged when everything that
//! can be applied stands, as deferred constraints are. References to local numbers are judged in `settle.rs`.

use rusqlite::OptionalExtension;

use crate::sync::data::schema::{Class, ForeignKey, Key, quote};
use crate::sync::error::Result;
use crate::sync::exchange::requeue::{Cause, Obstacle};
use crate::sync::node::Node;

impl Node {
    /// A foreign key that an object's present row (if it `lives`, under that local key), or what became of its row before, leaves
    /// without the row it names. `pos`: the journal position of its last event.
    pub(crate) fn broken_foreign_key(
        &self,
        class: &Class,
        lives: bool,
        local_key: Option<i64>,
        pos: Option<i64>,
    ) -> Result<Option<Obstacle>> {
        if lives {
            for key in class.foreign.iter().filter(|key| names_columns(key)) {
                if let Some(text) = self.names_nothing(class, key, local_key)? {
                    return Ok(Some(Obstacle { cause: Cause::UnknownReference, text }));
                }
            }
        }
        for key in class.named_by.iter().filter(|key| names_columns(key)) {
            let Some(pos) = pos else { continue };
            let mut left = false;
            for pos in self.events_of_commit(pos)? {
                left |= self.leaves_behind(class, key, pos)?;
            }
            if left {
                let text = format!(
                    "rows of the table {} here refer to what it was (foreign key {}); change or delete these here, or bring it back at its source",
                    key.table,
                    told(key)
                );
                return Ok(Some(Obstacle { cause: Cause::StillReferredTo, text }));
            }
        }
        Ok(None)
    }

    /// A row that would change, past the journal, with columns of an object's row, by a foreign key that follows them; not one
    /// that is `known`.
    pub(crate) fn followed_by_others(
        &self,
        class: &Class,
        local_key: Option<i64>,
        changes: &dyn Fn(&str) -> bool,
        known: &dyn Fn(&Class, i64) -> bool,
    ) -> Result<Option<String>> {
        let follows = |key: &&ForeignKey| key.follows && names_columns(key) && key.to.iter().any(|to| changes(to));
        for key in class.named_by.iter().filter(follows) {
            let Some(other) = self.classes.iter().find(|c| c.table.eq_ignore_ascii_case(&key.table)) else { continue };
            let same = key.to.iter().zip(&key.columns).map(|(to, c)| format!("p.{} = c.{}", quote(to), quote(c)));
            let sql = format!(
                "SELECT {own} FROM {} p, {} c WHERE {} AND {}",
                quote(&class.table),
                quote(&other.table),
                class.row_at("p", "?1"),
                same.collect::<Vec<_>>().join(" AND "),
                own = other.key_of("c"),
            );
            let mut statement = self.conn.prepare_cached(&sql)?;
            let mut rows = statement.query([local_key])?;
            while let Some(row) = rows.next()? {
                let found: Option<i64> = row.get(0)?;
                if let Some(found) = found.filter(|found| !known(other, *found)) {
                    let row = self.called_by_key(other, found)?;
                    return Ok(Some(format!("{row} would be changed with it (foreign key {})", told(key))));
                }
            }
        }
        Ok(None)
    }

    /// The positions of an object's events in the commit of its last one, newest first: of two concurrent states that came, one was
    /// filed after the other.
    fn events_of_commit(&self, last: i64) -> Result<Vec<i64>> {
        let sql = "SELECT p.pos FROM objsync_journal j JOIN objsync_journal p
                   ON p.pos = j.previous AND p.number = j.number AND p.object = j.object WHERE j.pos = ?1";
        let mut before = self.conn.prepare_cached(sql)?;
        let mut events = vec![last];
        while let Some(pos) = before.query_row([events[events.len() - 1]], |r| r.get(0)).optional()? {
            events.push(pos);
        }
        Ok(events)
    }

    /// What the row of an object names by a foreign key, where that is not there.
    fn names_nothing(&self, class: &Class, key: &ForeignKey, row: Option<i64>) -> Result<Option<String>> {
        let columns: Vec<String> = key.columns.iter().map(|c| format!("c.{}", quote(c))).collect();
        let set = columns.iter().map(|c| format!("{c} IS NOT NULL")).collect::<Vec<_>>().join(" AND ");
        // The compared-to side stands first, so that its collation counts (<https://www.sqlite.org/foreignkeys.html>).
        let same = key.to.iter().zip(&columns).map(|(to, c)| format!("p.{} = {c}", quote(to)));
        let sql = format!(
            "SELECT {shown} FROM {table} c WHERE {at} AND {set} AND NOT EXISTS (SELECT 1 FROM {target} p WHERE {same})",
            shown = columns.iter().map(|c| format!("quote({c})")).collect::<Vec<_>>().join(" || ', ' || "),
            table = quote(&class.table),
            at = class.row_at("c", "?1"),
            target = quote(&key.target),
            same = same.collect::<Vec<_>>().join(" AND "),
        );
        let value: Option<String> = self.conn.prepare_cached(&sql)?.query_row([row], |r| r.get(0)).optional()?;
        Ok(value.map(|value| {
            format!(
                "its {} is {value}, and the table {} at {} has no such row (foreign key {}); it goes through once that is there, or once it has another at its source",
                key.columns.join(", "),
                key.target,
                self.info.name,
                told(key)
            )
        }))
    }

    /// Whether rows refer to what an object was before the event at a journal position, and nothing is that any more.
    fn leaves_behind(&self, class: &Class, key: &ForeignKey, pos: i64) -> Result<bool> {
        // What was is compared as the columns that are referred to compare.
        let was: Option<Vec<String>> = key
            .to
            .iter()
            .map(|to| match (class.property(to), &class.key) {
                (Some(place), _) => Some(format!("j.v{place} COLLATE {}", quote(class.collation(place)))),
                (None, Key::Number(number)) if number.eq_ignore_ascii_case(to) => Some("j.key".to_owned()),
                (None, _) => None,
            })
            .collect();
        let Some(was) = was else { return Ok(false) };
        let same = |alias: &str, columns: &[String]| {
            let each = columns.iter().zip(&was).map(|(c, was)| format!("{was} = {alias}.{}", quote(c)));
            each.collect::<Vec<_>>().join(" AND ")
        };
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM objsync_journal j WHERE j.pos = ?1 AND j.before = 1
               AND NOT EXISTS (SELECT 1 FROM {} p WHERE {}) AND EXISTS (SELECT 1 FROM {} c WHERE {}))",
            quote(&class.table),
            same("p", &key.to),
            quote(&key.table),
            same("c", &key.columns)
        );
        Ok(self.conn.prepare_cached(&sql)?.query_row([pos], |r| r.get(0))?)
    }
}

/// A key to a table or column that is not there names nothing.
fn names_columns(key: &ForeignKey) -> bool {
    key.to.iter().all(|to| !to.is_empty())
}

fn told(key: &ForeignKey) -> String {
    format!("{}.{}", key.table, key.columns.join(", "))
}
