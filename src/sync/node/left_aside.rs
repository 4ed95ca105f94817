//! Rows that a REPLACE removed, and no trigger came to say so: the row that was to take their place was deleted itself, by an action of
//! a foreign key, while it was written. They are still aside (`triggers.rs`); their deletion is filed before the next operation.

use std::collections::BTreeSet;

use crate::sync::data::schema::Class;
use crate::sync::error::Result;
use crate::sync::node::{Node, trigger_texts};

impl Node {
    /// Files the deletions of rows that are left aside, as one commit.
    pub(crate) fn follow_left_aside(&self) -> Result<()> {
        let aside: BTreeSet<i64> = self
            .conn
            .prepare_cached("SELECT DISTINCT class FROM objsync_aside")?
            .query_map([], |r| r.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let mut left = Vec::new();
        for class in self.classes.iter().filter(|class| aside.contains(&class.id)) {
            if self.conn.query_row(&trigger_texts::is_left_aside(class), [], |r| r.get(0))? {
                left.push(class);
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        self.all_or_nothing(|| self.file_left_aside(&left))
    }

    fn file_left_aside(&self, classes: &[&Class]) -> Result<()> {
        if classes.iter().any(|class| class.journaled) {
            self.conn.execute("UPDATE objsync_state SET number = number + 1", [])?;
            self.tick()?;
        }
        classes.iter().try_for_each(|class| Ok(self.conn.execute_batch(&trigger_texts::file_left_aside(class))?))
    }
}
