//! The user's own triggers while the engine writes.
//!
//! What they write to tables that are no classes (an index for searching, a total, a log) belongs to this file alone, so they
//! run here as they do for anybody who writes; so do those that only check. What they write to classes was journaled where
//! the change was made and travels with it: run again here, it would be done twice, and never come to rest. So
//! - a trigger that writes to classes and to nothing else is out of the way while the engine writes, as ours are;
//! - one that writes to both runs, and a guard (a BEFORE trigger of ours) leaves out what it writes to classes: RAISE(IGNORE)
//!   skips that statement alone, and the trigger goes on after it.
//!
//! The guards tell the engine's own statements from a trigger's by `objsync_state.mode`: it is 2 while the engine writes with
//! guards in place, and 3 from just before a statement of the engine's until the first guard sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use crate::sync::data::schema::{Class, Key, quote};
use crate::sync::data::sql::{self, Token};
use crate::sync::error::Result;
use crate::sync::node::{Node, clock, triggers};

/// What becomes of the user's triggers while the engine writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct UsersTriggers {
    /// They do not run.
    left_out: BTreeSet<String>,
    /// Classes (their small numbers) that triggers which run write to.
    guarded: BTreeSet<i64>,
    /// Classes with triggers that run.
    running: BTreeSet<i64>,
}

impl UsersTriggers {
    /// Whether writing a row of a class runs a trigger of the user's, or a guard.
    pub(crate) fn run_on(&self, class: &Class) -> bool {
        self.running.contains(&class.id) || self.guarded.contains(&class.id)
    }
}

/// How to put back what [`Node::only_users_triggers`] changed; `None`: nothing.
pub(crate) struct OutOfTheWay(Option<Changed>);

struct Changed {
    mode: i64,
    /// The user's triggers from the first that was changed on, to be made again in this order: names and texts.
    users: Vec<(String, String)>,
}

/// Which tables each trigger writes to, by the trigger's name.
type WrittenBy = BTreeMap<String, BTreeSet<String>>;

const GUARDED: [&str; 3] = ["INSERT", "UPDATE", "DELETE"];

impl Node {
    /// As part of a transaction: of all triggers only those stay on that may run while the engine writes.
    pub(crate) fn only_users_triggers(&self) -> Result<OutOfTheWay> {
        let triggers = &self.users_triggers;
        if triggers.running.is_empty() {
            return Ok(OutOfTheWay(None));
        }
        let all = self.triggers_there()?;
        let names = self.names_of_triggers();
        // The clock's is on a table of ours and stays.
        let all = all.into_iter().filter(|(name, _)| name != clock::TRIGGER);
        let (ours, mut users): (Vec<_>, Vec<_>) = all.partition(|(name, _)| names.contains(name));
        for (name, _) in ours {
            self.conn.execute_batch(&format!("DROP TRIGGER {}", quote(&name)))?;
        }
        let mut first_changed = users.len();
        for (place, (name, text)) in users.iter().enumerate() {
            let left_out = triggers.left_out.contains(name);
            let abort = abort_for_rollback(text);
            if left_out || abort.is_some() {
                self.conn.execute_batch(&format!("DROP TRIGGER {}", quote(name)))?;
                first_changed = first_changed.min(place);
            }
            if let Some(abort) = abort.filter(|_| !left_out) {
                self.conn.execute_batch(&abort)?;
            }
        }
        for (name, class, event) in self.guards() {
            self.conn.execute_batch(&format!(
                "CREATE TRIGGER {name} BEFORE {event} ON {} BEGIN
                 SELECT RAISE(IGNORE) FROM objsync_state WHERE mode = 2;
                 UPDATE objsync_state SET mode = 2;
                 END",
                quote(&class.table)
            ))?;
        }
        let mode = self.conn.query_row("SELECT mode FROM objsync_state", [], |r| r.get(0))?;
        self.conn.execute("UPDATE objsync_state SET mode = 2", [])?;
        self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true)?;
        Ok(OutOfTheWay(Some(Changed { mode, users: users.split_off(first_changed) })))
    }

    /// Puts back what [`Node::only_users_triggers`] took away, and switches triggers off again.
    pub(crate) fn put_triggers_back(&self, away: OutOfTheWay) -> Result<()> {
        self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        let Some(Changed { mode, users }) = away.0 else { return Ok(()) };
        for (name, ..) in self.guards() {
            self.conn.execute_batch(&format!("DROP TRIGGER {name}"))?;
        }
        // The newest fires first, so all of them are made again from the first that was away.
        for (name, text) in users {
            self.conn.execute_batch(&format!("DROP TRIGGER IF EXISTS {}; {text}", quote(&name)))?;
        }
        self.conn.execute("UPDATE objsync_state SET mode = ?1", [mode])?;
        // As the classes are by now, and newer than the user's.
        self.classes.iter().try_for_each(|class| triggers::create(&self.conn, class))
    }

    /// Does a statement of the engine's own that writes one row of a class.
    pub(crate) fn past_the_guards<T>(&self, class: &Class, statement: impl FnOnce() -> Result<T>) -> Result<T> {
        if !self.users_triggers.guarded.contains(&class.id) {
            return statement();
        }
        self.conn.prepare_cached("UPDATE objsync_state SET mode = 3 WHERE mode = 2")?.execute([])?;
        let done = statement();
        // Where it wrote no row, no guard has seen it.
        self.conn.prepare_cached("UPDATE objsync_state SET mode = 2 WHERE mode = 3")?.execute([])?;
        done
    }

    /// Names of the guards, already quoted, with the classes and the events that they guard.
    fn guards(&self) -> impl Iterator<Item = (String, &Class, &'static str)> {
        let guarded = self.classes.iter().filter(|class| self.users_triggers.guarded.contains(&class.id));
        guarded.flat_map(|class| {
            GUARDED.map(|event| (quote(&format!("objsync_{}_guard_{event}", class.table)), class, event))
        })
    }

    /// All triggers, oldest first: names and texts.
    fn triggers_there(&self) -> Result<Vec<(String, String)>> {
        Ok(self
            .conn
            .prepare_cached("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY rowid")?
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// Finds out what the user's triggers write when a class is written to, be it by way of other triggers: SQLite tells who
    /// asks for what when it compiles a statement.
    pub(crate) fn find_users_triggers(&mut self) -> Result<UsersTriggers> {
        let mut ours = self.names_of_triggers();
        ours.insert(clock::TRIGGER.to_owned());
        let users: Vec<(String, String, String)> = self
            .conn
            .prepare("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'")?
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?
            .filter(|found| !found.as_ref().is_ok_and(|(name, ..): &(String, String, String)| ours.contains(name)))
            .collect::<rusqlite::Result<_>>()?;
        // To compile every write, with ours, is most of what it takes to open a file.
        if users.is_empty() {
            return Ok(UsersTriggers::default());
        }
        let (written, unknown) = self.tables_written_by_triggers()?;
        let class = |table: &str| self.classes.iter().find(|c| c.table.eq_ignore_ascii_case(table));
        let mut found = UsersTriggers::default();
        for (name, table, text) in &users {
            // What it does cannot be told, and with it no row could be written: it calls what its own program alone has.
            if unknown.iter().any(|t| t.eq_ignore_ascii_case(table)) {
                found.left_out.insert(name.clone());
                continue;
            }
            let none = BTreeSet::new();
            let tables = written.get(name).unwrap_or(&none);
            let classes: BTreeSet<i64> = tables.iter().filter_map(|t| class(t)).map(|c| c.id).collect();
            let others = tables.iter().any(|t| class(t).is_none());
            let of_view = sql::tokens(text).windows(2).any(|two| two[0].is("INSTEAD") && two[1].is("OF"));
            // It would take the row of another statement for the one that was left out.
            let relies = sql::tokens(text).iter().any(|t| t.is("last_insert_rowid"));
            if !classes.is_empty() && (!others || relies) && !of_view {
                found.left_out.insert(name.clone());
                continue;
            }
            found.guarded.extend(classes);
            found.running.extend(class(table).map(|c| c.id));
        }
        Ok(found)
    }

    /// What the triggers write to; and the classes' tables of which this cannot be told.
    fn tables_written_by_triggers(&mut self) -> Result<(WrittenBy, Vec<String>)> {
        let found: Arc<Mutex<BTreeMap<String, BTreeSet<String>>>> = Arc::default();
        let seen = found.clone();
        self.conn.authorizer(Some(move |context: AuthContext<'_>| {
            let table = match context.action {
                AuthAction::Insert { table_name } | AuthAction::Delete { table_name } => table_name,
                AuthAction::Update { table_name, .. } => table_name,
                _ => return Authorization::Allow,
            };
            if let Some(trigger) = context.accessor
                && let Ok(mut seen) = seen.lock()
            {
                seen.entry(trigger.to_owned()).or_default().insert(table.to_owned());
            }
            Authorization::Allow
        }))?;
        let compiled = self.compile_writes();
        self.conn.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
        let unknown = compiled?;
        let found = found.lock().map(|found| found.clone()).unwrap_or_default();
        Ok((found, unknown))
    }

    /// The names that triggers of ours on classes may have.
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
        Key::Number(key) if class.key_place().is_none() => Some(quote(key)),
        _ => None,
    };
    let columns: Vec<String> = number.into_iter().chain(class.columns().map(|(_, p)| quote(&p.name))).collect();
    let set: Vec<String> = columns.iter().map(|c| format!("{c} = {c}")).collect();
    [
        format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), vec!["NULL"; columns.len()].join(", ")),
        format!("UPDATE {table} SET {}", set.join(", ")),
        format!("DELETE FROM {table}"),
    ]
}

/// A trigger's text with ABORT in the place of ROLLBACK: a row that is refused must not take with it everything that came with it.
/// `None`: it says ROLLBACK nowhere.
fn abort_for_rollback(text: &str) -> Option<String> {
    let tokens = sql::tokens(text);
    let rolls_back = |before: &Token<'_>, t: &Token<'_>| t.is("ROLLBACK") && (before.is("(") || before.is("OR"));
    let found: Vec<&Token<'_>> =
        tokens.windows(2).filter(|two| rolls_back(&two[0], &two[1])).map(|two| &two[1]).collect();
    let mut changed = text.to_owned();
    for token in found.iter().rev() {
        changed.replace_range(token.at..token.end(), "ABORT");
    }
    (!found.is_empty()).then_some(changed)
}
