//! Rows against identities, tables against classes.

use rusqlite::types::ValueRef;

use super::{Check, Flaw, FlawKind};
use crate::sync::data::schema::{Class, Key, quote};
use crate::sync::error::Result;
use crate::sync::node::triggers::{self, Standing};
use crate::sync::node::{shape, store};

impl Check<'_> {
    /// What SQLite itself finds.
    pub(super) fn file(&mut self) -> Result<()> {
        let conn = &self.node.conn;
        self.node.going_on("checking the file", 0, None)?;
        let mut statement = conn.prepare("PRAGMA integrity_check(100)")?;
        let said = statement.query_map([], |r| r.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
        for said in said.iter().filter(|said| *said != "ok") {
            self.flaw(FlawKind::Damaged, format!("SQLite finds the file damaged: {said}"));
        }
        let mut statement = conn.prepare("PRAGMA foreign_key_check")?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let (table, row, target): (String, Option<i64>, String) = (r.get(0)?, r.get(1)?, r.get(2)?);
            let row = row.map_or_else(|| "a row".to_owned(), |row| format!("row {row}"));
            self.flaw(
                FlawKind::DanglingReference,
                format!("{row} of the table {table} refers to a row of {target} that is not there"),
            );
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
        let (conn, table, objects) = (&self.node.conn, quote(&class.table), class.objects());
        let same = class.same_row("t", "o");
        let names: Vec<String> = match &class.key {
            Key::Number(key) => vec![quote(key)],
            Key::Content(places) => places.iter().map(|i| quote(&class.properties[*i].name)).collect(),
        };
        let keys: Vec<String> = names.iter().map(|name| format!("t.{name}")).collect();
        self.node.going_on("checking rows", 0, None)?;
        let sql = format!(
            "SELECT {} FROM {table} t WHERE NOT EXISTS (SELECT 1 FROM {objects} o WHERE {same})",
            keys.join(", ")
        );
        let mut statement = conn.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let shown = |value: ValueRef<'_>| crate::sync::data::value::Value::from_sql(value).shown();
            let key =
                (0..keys.len()).map(|i| Ok(shown(r.get_ref(i)?))).collect::<rusqlite::Result<Vec<_>>>()?.join(", ");
            let number = r.get(0).ok().filter(|_| class.has_numbers());
            let what = format!("{} {key} has no identity: it was written while the triggers were away", class.name);
            let flaw = Flaw::new(FlawKind::Unidentified, what);
            self.report.flaws.add(Flaw { class: Some(class.name.clone()), number, ..flaw });
        }
        let sql =
            format!("SELECT o.object, o.key FROM {objects} o WHERE NOT EXISTS (SELECT 1 FROM {table} t WHERE {same})");
        let mut statement = conn.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let what = "has no row any more: that went while the triggers were away";
            self.flaw_of(FlawKind::Vanished, class, r.get(0)?, r.get(1)?, what);
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
