//! The user's own triggers while the engine writes.
//!
//! What they write to tables that are no classes (an index for searching, a total, a log) belongs to this file alone, so they
//! run here as they do for anybody who writes; so do those that only check. What they write to classes was journaled where
//! the change was made and travels with it: run again here, it would be done twice, and never come to rest. So while the engine
//! writes, a trigger that writes to a class is out of the way, as ours are.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use crate::sync::data::schema::{Class, Key, quote};
use crate::sync::error::Result;
use crate::sync::node::{Node, triggers};

/// The user's triggers that are out of the way, to be made again in this order; ours are, too. `None`: none of them.
pub(crate) struct OutOfTheWay(Option<Vec<String>>);

impl Node {
    /// As part of a transaction: of all triggers only those stay on that may run while the engine writes.
    pub(crate) fn only_users_triggers(&self) -> Result<OutOfTheWay> {
        let all: Vec<(String, String, String)> = self
            .conn
            .prepare_cached("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY rowid")?
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let names = self.names_of_triggers();
        let ours = |name: &str| names.contains(name);
        let on_class = |table: &str| self.classes.iter().any(|c| c.table.eq_ignore_ascii_case(table));
        let stays = |name: &str| !ours(name) && !self.writing_triggers.contains(name);
        if !all.iter().any(|(name, table, _)| on_class(table) && stays(name)) {
            return Ok(OutOfTheWay(None));
        }
        let mut away = Vec::new();
        for (name, _, sql) in all.into_iter().filter(|(name, ..)| !stays(name)) {
            self.conn.execute_batch(&format!("DROP TRIGGER {}", quote(&name)))?;
            if !ours(&name) {
                away.push(sql);
            }
        }
        self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true)?;
        Ok(OutOfTheWay(Some(away)))
    }

    /// Puts back what [`Node::only_users_triggers`] took away, and switches triggers off again.
    pub(crate) fn put_triggers_back(&self, away: OutOfTheWay) -> Result<()> {
        self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        let Some(users) = away.0 else { return Ok(()) };
        for sql in users {
            self.conn.execute_batch(&sql)?;
        }
        // As the classes are by now, and newer than the user's.
        self.classes.iter().try_for_each(|class| triggers::create(&self.conn, class))
    }

    /// Names of the triggers that write to a class when a class is written to, be it by way of other triggers: SQLite tells
    /// who asks for what when it compiles a statement.
    pub(crate) fn triggers_that_write_classes(&mut self) -> Result<BTreeSet<String>> {
        let ours = self.names_of_triggers();
        let users: Vec<(String, String)> = self
            .conn
            .prepare("SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'")?
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
            .filter(|found| !found.as_ref().is_ok_and(|(name, _): &(String, String)| ours.contains(name)))
            .collect::<rusqlite::Result<_>>()?;
        // To compile every write, with ours, is most of what it takes to open a file.
        if users.is_empty() {
            return Ok(BTreeSet::new());
        }
        let found: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let tables: Vec<String> = self.classes.iter().map(|c| c.table.clone()).collect();
        let seen = found.clone();
        self.conn.authorizer(Some(move |context: AuthContext<'_>| {
            let table = match context.action {
                AuthAction::Insert { table_name } | AuthAction::Delete { table_name } => table_name,
                AuthAction::Update { table_name, .. } => table_name,
                _ => return Authorization::Allow,
            };
            if let Some(trigger) = context.accessor
                && tables.iter().any(|t| t.eq_ignore_ascii_case(table))
                && let Ok(mut seen) = seen.lock()
            {
                seen.insert(trigger.to_owned());
            }
            Authorization::Allow
        }))?;
        let compiled = self.compile_writes();
        self.conn.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
        let unknown = compiled?;
        let mut found = found.lock().map(|found| found.clone()).unwrap_or_default();
        // What these do cannot be told, and with them no row could be written: they call what their own program alone has.
        let on_unknown = |table: &str| unknown.iter().any(|t| t.eq_ignore_ascii_case(table));
        found.extend(users.into_iter().filter(|(_, table)| on_unknown(table)).map(|(name, _)| name));
        Ok(found)
    }

    fn names_of_triggers(&self) -> BTreeSet<String> {
        self.classes.iter().flat_map(|class| triggers::names(&class.table)).collect()
    }

    /// Compiles what writes to the classes; gives the tables for which that fails.
    fn compile_writes(&self) -> Result<Vec<String>> {
        let before = self.conn.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER)?;
        self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true)?;
        let fails = |class: &&Class| writes(class).iter().any(|sql| self.conn.prepare(sql).is_err());
        let failed = self.classes.iter().filter(fails).map(|class| class.table.clone()).collect();
        self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, before)?;
        Ok(failed)
    }
}

/// Statements that fire every trigger of a class.
pub(crate) fn writes(class: &Class) -> [String; 3] {
    let table = quote(&class.table);
    let number = match &class.key {
        Key::Number(key) => Some(quote(key)),
        Key::Content(_) => None,
    };
    let columns: Vec<String> = number.into_iter().chain(class.columns().map(|(_, p)| quote(&p.name))).collect();
    let set: Vec<String> = columns.iter().map(|c| format!("{c} = {c}")).collect();
    [
        format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), vec!["NULL"; columns.len()].join(", ")),
        format!("UPDATE {table} SET {}", set.join(", ")),
        format!("DELETE FROM {table}"),
    ]
}
