//! A class as it was after an earlier commit: time travel, read only.
//!
//! What was filed since is read back from the before-image of its first event after that commit; what was not is as it is now.
//! So the cost depends on what has changed since and on how many objects are asked for, not on how many there are.

use crate::sync::data::guid::Guid;
use crate::sync::data::schema::{Class, quote};
use crate::sync::data::value::Value;
use crate::sync::error::{Error, ErrorKind, Result};
use crate::sync::node::Node;
use crate::sync::node::history::Named;
use crate::words::grouped;

/// The objects of a class after a commit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moment {
    /// The commit.
    pub number: u64,
    /// The objects: those with the highest local keys, and not necessarily in that order.
    pub objects: Vec<MomentObject>,
    /// There were more than were asked for.
    pub more: bool,
}

/// One object as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct MomentObject {
    /// Its identity.
    pub guid: Guid,
    /// The local key it had; of an object without a number an inner one, which only tells rows apart.
    pub key: Option<i64>,
    /// Its values in the order of the class's properties; references as GUIDs.
    pub values: Vec<Value>,
}

impl Node {
    /// A journaled class as it was after commit `number`, at most `limit` objects. What is purged cannot be told any more.
    pub fn moment(&mut self, class: &str, number: u64, limit: usize) -> Result<Moment> {
        self.read(|node| {
            let floor = node.floor()?;
            if number < floor {
                let what = format!(
                    "how {} was after transaction {} is not known any more: the journal is purged up to {}",
                    node.info.name,
                    grouped(number),
                    grouped(floor)
                );
                return Err(Error::new(ErrorKind::Constraint, what).hint("choose a later transaction"));
            }
            let class = node.class(class)?;
            let since = node.first_pos_after(number)?;
            // One more than asked for tells whether there is more.
            let bound = i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1;
            let mut objects = node.changed_since(class, since, bound)?;
            objects.extend(node.unchanged_since(class, since, bound)?);
            objects.sort_by_key(|o| std::cmp::Reverse((o.key, o.guid)));
            let more = objects.len() > limit;
            objects.truncate(limit);
            Ok(Moment { number, objects, more })
        })
    }

    /// Objects that were there and have been filed since, as they were.
    fn changed_since(&self, class: &Class, since: i64, limit: i64) -> Result<Vec<MomentObject>> {
        let sql = "SELECT j.object, j.pos FROM
                       (SELECT min(pos) AS first FROM objsync_journal WHERE pos >= ?1 AND class = ?2 GROUP BY object) f
                   JOIN objsync_journal j ON j.pos = f.first WHERE j.before = 1 ORDER BY j.key DESC LIMIT ?3";
        let rows = self
            .conn
            .prepare_cached(sql)?
            .query_map((since, class.id, limit), |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect::<rusqlite::Result<Vec<(i64, i64)>>>()?;
        let mut objects = Vec::new();
        for (object, pos) in rows {
            self.going_on("reading what was", objects.len(), None)?;
            let (key, values) = self.image(class, pos)?;
            objects.push(MomentObject { guid: self.nodes.object(object)?, key, values });
        }
        Ok(objects)
    }

    /// Objects that are as they were.
    fn unchanged_since(&self, class: &Class, since: i64, limit: i64) -> Result<Vec<MomentObject>> {
        let sql = format!(
            "SELECT o.object, o.key{} FROM {} o JOIN {} t ON {} WHERE o.last IS NULL OR o.last < ?1
             ORDER BY o.key DESC LIMIT ?2",
            class.values_of("t", "o"),
            class.objects(),
            quote(&class.table),
            class.same_row("t", "o"),
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query((since, limit))?;
        let (mut objects, mut named) = (Vec::new(), Named::among(usize::MAX));
        while let Some(r) = rows.next()? {
            self.going_on("reading what was", objects.len(), None)?;
            let mut values = Vec::with_capacity(class.properties.len());
            Value::read_row(r, 2, class.properties.len(), &mut values)?;
            self.name_references(class, &mut values, &mut named)?;
            objects.push(MomentObject { guid: self.nodes.object(r.get(0)?)?, key: r.get(1)?, values });
        }
        Ok(objects)
    }
}
