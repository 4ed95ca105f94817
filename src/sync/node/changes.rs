//! What has changed in a class since somebody looked last: for a program that keeps what it has read and wants to read only
//! that again.

use rusqlite::OptionalExtension;

use crate::sync::data::guid::Guid;
use crate::sync::data::schema::Class;
use crate::sync::error::Result;
use crate::sync::node::Node;

/// How a node stood when somebody looked.
#[derive(Clone, Debug, PartialEq)]
pub struct Looked {
    /// The last position in the journal, and the commit that stands there.
    last: Option<(i64, u64)>,
    /// How many sets were taken back: that takes events out of the journal again.
    taken_back: i64,
    /// The shape of the file.
    schema: i64,
}

impl Node {
    /// How the node stands now.
    pub fn look(&self) -> Result<Looked> {
        let one = |sql: &str| -> Result<i64> { Ok(self.conn.prepare_cached(sql)?.query_row([], |r| r.get(0))?) };
        let last = "SELECT pos, number FROM objsync_journal ORDER BY pos DESC LIMIT 1";
        Ok(Looked {
            last: self.conn.prepare_cached(last)?.query_row([], |r| Ok((r.get(0)?, r.get(1)?))).optional()?,
            taken_back: one("SELECT count(*) FROM objsync_set WHERE taken_back = 1")?,
            schema: self.conn.query_row("PRAGMA schema_version", [], |r| r.get(0))?,
        })
    }

    /// The objects of a journaled class that were filed since, each once; `None`: that cannot be told, read everything.
    pub fn filed_since(&self, class: &Class, looked: &Looked) -> Result<Option<Vec<Guid>>> {
        let now = self.look()?;
        if (now.taken_back, now.schema) != (looked.taken_back, looked.schema) {
            return Ok(None);
        }
        let Some((pos, number)) = looked.last else { return Ok(None) };
        // The journal was purged up to there, or a copy was put back that never came as far.
        let there: Option<u64> = self
            .conn
            .prepare_cached("SELECT number FROM objsync_journal WHERE pos = ?1")?
            .query_row([pos], |r| r.get(0))
            .optional()?;
        if there != Some(number) {
            return Ok(None);
        }
        let mut statement =
            self.conn.prepare_cached("SELECT DISTINCT object FROM objsync_journal WHERE pos > ?1 AND class = ?2")?;
        let objects = statement.query_map((pos, class.id), |r| r.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
        objects.into_iter().map(|object| self.nodes.object(object)).collect::<Result<_>>().map(Some)
    }

    /// Every object of a class that is here, with its local key.
    pub fn keys(&self, class: &Class) -> Result<Vec<(i64, Guid)>> {
        let sql = format!("SELECT key, object FROM {} WHERE key IS NOT NULL", class.objects());
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        let mut keys = Vec::new();
        while let Some(row) = rows.next()? {
            keys.push((row.get(0)?, self.nodes.object(row.get(1)?)?));
        }
        Ok(keys)
    }
}
