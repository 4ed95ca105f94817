//! Rows against identities, tables against classes.

use super::{Check, Flaw, FlawKind};
use crate::sync::data::schema::{Class, quote};
use crate::sync::error::Result;
use crate::sync::node::triggers::{self, Standing};
use crate::sync::node::{shape, store};

impl Check<'_> {
    /// What SQLite itself finds.
    pub(super) fn file(&mut self) -> Result<()> {
        let conn = &self.node.conn;
        self.node.going_on("checking the file", 0, None)?;
        match self.integrity("100") {
            // Then each table by itself, so that it is known which ones cannot be checked.
            Err(e) if e.lacks().is_some() => {
                let tables = conn
                    .prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")?
                    .query_map([], |r| r.get::<_, String>(0))?
                    .collect::<rusqlite::Result<Vec<_>>>()?;
                for table in tables {
                    match self.integrity(&quote(&table)) {
                        Err(e) if e.lacks().is_some() => self.not_checked(&format!("the table {table}"), &e),
                        done => done?,
                    }
                }
            }
            done => done?,
        }
        let tables = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' ORDER BY name";
        let tables: Vec<String> =
            conn.prepare(tables)?.query_map([], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?;
        for table in tables {
            match self.foreign_keys(&table) {
                // To columns that are not unique: SQLite takes it as a fault of the schema, and writes such tables all the same.
                Err(e) if e.message().contains("foreign key mismatch") => {
                    self.report
                        .notes
                        .push(format!("the foreign keys of the table {table} were not checked ({})", e.message()));
                }
                done => done?,
            }
        }
        Ok(())
    }

    fn foreign_keys(&mut self, table: &str) -> Result<()> {
        let conn = &self.node.conn;
        let mut statement = conn.prepare(&format!("PRAGMA foreign_key_check({})", quote(table)))?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let (row, target): (Option<i64>, String) = (r.get(1)?, r.get(2)?);
            let row = row.map_or_else(|| "a row".to_owned(), |row| format!("row {row}"));
            self.flaw(
                FlawKind::DanglingReference,
                format!("{row} of the table {table} refers to a row of {target} that is not there"),
            );
        }
        Ok(())
    }

    /// What SQLite finds in the file, or in one table.
    fn integrity(&mut self, of: &str) -> Result<()> {
        let mut statement = self.node.conn.prepare(&format!("PRAGMA integrity_check({of})"))?;
        let said = statement.query_map([], |r| r.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
        for said in said.iter().filter(|said| *said != "ok") {
            if said.starts_with("CHECK constraint failed") || said.starts_with("NULL value in") {
                self.flaw(FlawKind::Constraint, format!("a row breaks what its own table demands: {said}"));
                continue;
            }
            self.flaw(FlawKind::Damaged, format!("SQLite finds the file damaged: {said}"));
        }
        Ok(())
    }

    /// The classes as their tables are, without those of which no more can be said.
    pub(super) fn find_classes(&mut self) -> Result<()> {
        let (node, conn) = (self.node, &self.node.conn);
        let taken: bool = conn.query_row("SELECT EXISTS(SELECT 1 FROM objsync_taken_key)", [], |r| r.get(0))?;
        if taken {
            self.report.notes.push(
                "a number was given to another row while rows refer by it; the next command files that".to_owned(),
            );
        }
        let mut classes = store::classes(conn)?;
        self.report.looked_at.classes = classes.len();
        let mut unusable = Vec::new();
        for class in &mut classes {
            match node.unfollowed(class) {
                Ok(None) => self.triggers(class)?,
                Ok(Some(now)) => {
                    let what =
                        format!("the table {} was altered by another program; the next command follows", class.table);
                    self.report.notes.push(what);
                    *class = now;
                }
                Err(e) => {
                    let what = e.message().trim_end_matches("; nothing was changed");
                    let flaw = Flaw::new(FlawKind::Schema, what).todo(e.what_next());
                    self.report.flaws.add(Flaw { class: Some(class.name.clone()), ..flaw });
                    unusable.push(class.id);
                }
            }
            for what in self.own_tables(class)? {
                unusable.push(class.id);
                let flaw = Flaw::new(FlawKind::Schema, what);
                self.report.flaws.add(Flaw { class: Some(class.name.clone()), ..flaw });
            }
        }
        shape::link(conn, &mut classes)?;
        classes.retain(|class| !unusable.contains(&class.id));
        self.classes = classes;
        Ok(())
    }

    fn triggers(&mut self, class: &Class) -> Result<()> {
        let table = &class.table;
        let (what, todo) = match triggers::standing(&self.node.conn, class)? {
            Standing::Right => return Ok(()),
            Standing::Behind => (
                format!(
                    "a trigger of the table {table} was made after those that fill the journal, so it fires before them"
                ),
                Some("any other command puts them in order again (objsync status)"),
            ),
            Standing::Guarding(name) => (
                format!(
                    "the trigger {name} of the table {table}, which guards against REPLACE, is missing or another one"
                ),
                Some("any other command makes it anew (objsync status)"),
            ),
            Standing::Broken(name) => (
                format!(
                    "the trigger {name} of the table {table} is missing or another one, so not every change is journaled"
                ),
                None,
            ),
        };
        let flaw = Flaw::new(FlawKind::Triggers, what).todo(todo.unwrap_or(crate::sync::node::follow::UNDO));
        self.report.flaws.add(Flaw { class: Some(class.name.clone()), ..flaw });
        Ok(())
    }

    /// What is wrong with the engine's own tables for a class, beside their rows.
    fn own_tables(&self, class: &Class) -> Result<Vec<String>> {
        let conn = &self.node.conn;
        let there = |name: String| -> Result<bool> {
            let sql = "SELECT EXISTS(SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1)";
            Ok(conn.query_row(sql, [name], |r| r.get(0))?)
        };
        let mut found = Vec::new();
        let elsewhere = class.not_columns().next().map(|_| "elsewhere");
        for what in ["object", "tombstone"].into_iter().chain(elsewhere) {
            let name = format!("objsync_{what}_{}", class.table);
            if !there(name.clone())? {
                found.push(format!("the table {name}, which belongs to the class {}, is gone", class.name));
            }
        }
        if class.journaled && there(format!("objsync_off_{}", class.table))? {
            found.push(format!("the class {} is switched on and off at once", class.name));
        }
        let sql = "SELECT count(*) FROM pragma_table_info('objsync_journal') WHERE name GLOB 'v[0-9]*'";
        let slots: usize = conn.query_row(sql, [], |r| r.get(0))?;
        if slots < class.properties.len() {
            found.push(format!("the journal has no room for all properties of the class {}", class.name));
        }
        Ok(found)
    }

    /// Every row is one object, and every living object one row.
    pub(super) fn rows(&mut self, class: &Class) -> Result<()> {
        self.node.going_on("checking rows", 0, None)?;
        for row in self.node.unseen_rows(class)? {
            let (kind, what) = match row.removed {
                false => (FlawKind::Unidentified, "has no identity: it was written while the triggers were away"),
                true => (FlawKind::Vanished, "has no row any more: that went while the triggers were away"),
            };
            let number = row.key.parse().ok().filter(|_| class.has_numbers());
            let flaw = Flaw::new(kind, format!("{} {} {what}", class.name, row.key)).todo(row.todo);
            self.report.flaws.add(Flaw { class: Some(class.name.clone()), guid: row.guid, number, ..flaw });
        }
        Ok(())
    }

    /// No identity is that of two objects.
    pub(super) fn identities(&mut self) -> Result<()> {
        let conn = &self.node.conn;
        for (i, class) in self.classes.clone().iter().enumerate() {
            self.node.going_on("checking identities", 0, None)?;
            let own = [(class.tombstones(), "is alive and deleted at once".to_owned())];
            let others = self.classes[..i].iter();
            let others: Vec<_> =
                others.map(|c| (c.objects(), format!("has the identity of a {} as well", c.name))).collect();
            for (other, what) in own.into_iter().chain(others) {
                let sql =
                    format!("SELECT o.object, o.key FROM {} o JOIN {other} x ON x.object = o.object", class.objects());
                let mut statement = conn.prepare(&sql)?;
                let mut rows = statement.query([])?;
                while let Some(r) = rows.next()? {
                    self.flaw_of(FlawKind::Identity, class, r.get(0)?, r.get(1)?, &what);
                }
            }
        }
        Ok(())
    }
}
