//! The triggers that keep identity and journal, whatever program writes to the file.
//!
//! They run in that program's SQLite, so they use nothing newer than 3.35 and no function of ours. Invariant: after every
//! statement `objsync_object_<table>` holds exactly the keys of `<table>`, and every difference that the statement made
//! to a journaled class is one event.
//!
//! REPLACE removes rows without firing a delete trigger, be it by key or by another unique constraint. So a BEFORE trigger
//! keeps the rows that collide in `objsync_aside`, and the AFTER triggers see which of them are gone. What a statement
//! that changed nothing (OR IGNORE, an upsert) left there is stale, but always names rows that still exist: everything
//! that takes a row or its key away empties the table.

use rusqlite::Connection;

use crate::sync::data::schema::{Class, quote};
use crate::sync::error::{Error, Result};

/// Makes the triggers of a class, newer than any other on its table: SQLite fires newer triggers first, and a user's
/// trigger that fired before ours would turn events round.
pub(crate) fn create(conn: &Connection, class: &Class) -> Result<()> {
    for (name, sql) in all(class) {
        conn.execute_batch(&format!("DROP TRIGGER IF EXISTS {}; {sql}", quote(&name)))?;
    }
    Ok(())
}

/// The triggers of a class that was switched.
pub(crate) fn replace(conn: &Connection, old: &Class, new: &Class) -> Result<()> {
    for (name, _) in all(old) {
        conn.execute_batch(&format!("DROP TRIGGER IF EXISTS {}", quote(&name)))?;
    }
    create(conn, new)
}

/// Compares the triggers in the file with those that should be there; puts them in front again where a newer one of the
/// user's stands before them.
pub(crate) fn check(conn: &Connection, class: &Class) -> Result<()> {
    let mut found: Vec<(String, String)> = conn
        .prepare(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND lower(tbl_name) = lower(?1) ORDER BY rowid",
        )?
        .query_map([&class.table], |r| Ok((r.get(0)?, r.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let wanted = all(class);
    if let Some((name, _)) = wanted.iter().find(|w| !found.contains(w)) {
        // An index that somebody made or dropped changes only what guards against REPLACE.
        let core =
            ["insert", "rekey", "delete", "update", "replace"].map(|what| format!("objsync_{}_{what}", class.table));
        let journaling = wanted.iter().filter(|(name, _)| core.contains(name)).all(|w| found.contains(w));
        if journaling && !has_strays(conn, class)? {
            for (name, _) in found.iter().filter(|(name, _)| name.starts_with(&format!("objsync_{}_", class.table))) {
                conn.execute_batch(&format!("DROP TRIGGER {}", quote(name)))?;
            }
            return create(conn, class);
        }
        return Err(Error::storage(format!(
            "the table {} was dropped or altered behind the journal (trigger {name} is missing or another one); nothing was changed",
            class.table
        ))
        .hint("undo that change, or put back a copy of the file from before, or make this node anew as a fresh copy of another"));
    }
    let newest = found.split_off(found.len() - wanted.len());
    if newest.iter().any(|f| !wanted.contains(f)) {
        create(conn, class)?;
    }
    Ok(())
}

/// Whether an object has no row, as when a REPLACE removed it unseen.
fn has_strays(conn: &Connection, class: &Class) -> Result<bool> {
    let sql = format!(
        "SELECT EXISTS(SELECT 1 FROM {} o WHERE NOT EXISTS (SELECT 1 FROM {} t WHERE t.{} = o.key))",
        class.objects(),
        quote(&class.table),
        quote(&class.key)
    );
    Ok(conn.query_row(&sql, [], |r| r.get(0))?)
}

fn all(class: &Class) -> Vec<(String, String)> {
    let sql = Sql::new(class);
    let mut triggers = vec![
        ("before_insert", sql.before_insert()),
        ("insert", sql.insert()),
        ("replace", sql.replace()),
        ("insert_removes", sql.insert_removes()),
        ("before_update", sql.before_update()),
        ("rekey", sql.rekey()),
        ("delete", sql.delete()),
    ];
    if class.journaled {
        triggers.push(("update", sql.update()));
    }
    if !class.unique.is_empty() {
        triggers.push(("update_removes", sql.update_removes()));
    } else {
        // Only another unique constraint can make an insert remove a row with another key.
        triggers.retain(|t| t.0 != "insert_removes");
    }
    if !class.journaled {
        triggers.retain(|t| t.0 != "replace");
    }
    triggers
        .into_iter()
        .map(|(what, body)| {
            let name = format!("objsync_{}_{what}", class.table);
            (name.clone(), format!("CREATE TRIGGER {} {body}", quote(&name)))
        })
        .collect()
}

/// The pieces that the triggers of one class share.
struct Sql<'a> {
    class: &'a Class,
    table: String,
    key: String,
    objects: String,
    tombstones: String,
    columns: Vec<String>,
    /// `, v0, v1, …` for a list of columns.
    slots: String,
    journaled: bool,
}

impl<'a> Sql<'a> {
    fn new(class: &'a Class) -> Self {
        Sql {
            class,
            table: quote(&class.table),
            key: quote(&class.key),
            objects: class.objects(),
            tombstones: class.tombstones(),
            columns: class.properties.iter().map(|p| quote(&p.name)).collect(),
            slots: (0..class.properties.len()).map(|i| format!(", v{i}")).collect(),
            journaled: class.journaled,
        }
    }

    /// A commit of its own for a row written from outside; the engine sets its numbers itself. `when` narrows it.
    fn bump(&self, when: &str) -> String {
        if !self.journaled {
            return String::new();
        }
        format!(
            "UPDATE objsync_state SET number = number + 1, \
             clock = max(clock + 1, CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)) WHERE mode = 0{when};\n"
        )
    }

    /// `, OLD.a, OLD.b, …`
    fn values(&self, of: &str) -> String {
        self.columns.iter().map(|c| format!(", {of}.{c}")).collect()
    }

    /// Whether two rows differ, exactly: by type and by binary comparison, whatever the columns' collation.
    fn differ(&self, a: &dyn Fn(usize) -> String, b: &dyn Fn(usize) -> String) -> String {
        let each = (0..self.columns.len())
            .map(|i| format!("{0} COLLATE BINARY IS NOT {1} COLLATE BINARY OR typeof({0}) <> typeof({1})", a(i), b(i)))
            .collect::<Vec<_>>();
        if each.is_empty() { "0".to_owned() } else { format!("({})", each.join(" OR ")) }
    }

    fn row<'b>(&'b self, of: &'b str) -> impl Fn(usize) -> String + 'b {
        move |i| format!("{of}.{}", self.columns[i])
    }

    /// Files an event of an object that exists. `from`: further tables, `images`: the old values.
    fn event(&self, kind: i64, key: &str, images: &str, from: &str, condition: &str) -> String {
        if !self.journaled {
            return String::new();
        }
        format!(
            "INSERT INTO objsync_journal (number, class, object, kind, key, before, previous, own, rest, time, author{slots})\n\
             SELECT s.number, {class}, o.object, {kind}, {key}, 1, o.last, o.own, o.rest, o.time, o.author{images}\n\
             FROM objsync_state s, {objects} o{from} WHERE {condition};\n",
            slots = self.slots,
            class = self.class.id,
            objects = self.objects,
        )
    }

    /// An edit sets this node's own entry only; what else the state has seen stays.
    fn touch(&self, condition: &str) -> String {
        if !self.journaled {
            return String::new();
        }
        format!(
            "UPDATE {objects} SET own = (SELECT number FROM objsync_state), time = (SELECT clock FROM objsync_state), \
             author = (SELECT node FROM objsync_state), last = last_insert_rowid() WHERE {condition};\n",
            objects = self.objects,
        )
    }

    /// Turns objects into tombstones. `last`: the journal position of the event just filed.
    fn bury(&self, condition: &str, from: &str, last: &str) -> String {
        let (own, time, author, last) = match self.journaled {
            true => ("s.number", "s.clock", "s.node", last),
            // Where the journal stood then: tells which object a key in an older before-image named.
            false => ("o.own", "o.time", "o.author", "(SELECT coalesce(max(pos), 0) FROM objsync_journal)"),
        };
        format!(
            "INSERT INTO {tombstones} (object, key, own, rest, time, author, last)\n\
             SELECT o.object, o.key, {own}, o.rest, {time}, {author}, {last}\n\
             FROM objsync_state s, {objects} o{from} WHERE {condition};\n\
             INSERT INTO objsync_former_key (class, key, until, object)\n\
             SELECT {class}, o.key, {last}, o.object FROM {objects} o{from} WHERE {condition};\n",
            tombstones = self.tombstones,
            objects = self.objects,
            class = self.class.id,
        )
    }

    /// Deletes the objects of the rows in `objsync_aside` that `gone` selects.
    fn remove(&self, gone: &str) -> String {
        let gone = format!("a.class = {} AND {gone}", self.class.id);
        let images: String = (0..self.columns.len()).map(|i| format!(", a.v{i}")).collect();
        let last = "(SELECT max(j.pos) FROM objsync_journal j WHERE j.object = o.object AND \
                    j.pos > (SELECT max(pos) FROM objsync_journal) - (SELECT count(*) FROM objsync_aside))";
        let condition = format!("o.key = a.key AND {gone}");
        self.bump(&format!(" AND EXISTS (SELECT 1 FROM objsync_aside a WHERE {gone})"))
            + &self.event(3, "a.key", &images, ", objsync_aside a", &condition)
            + &self.bury(&condition, ", objsync_aside a", last)
            + &format!("DELETE FROM {} WHERE key IN (SELECT a.key FROM objsync_aside a WHERE {gone});\n", self.objects)
    }

    /// Rows that NEW collides with.
    fn collides(&self) -> String {
        let mut any = vec![format!("t.{0} = NEW.{0}", self.key)];
        for (columns, collations) in self.class.unique.iter().zip(&self.class.collations) {
            let equal = |(i, collation): (&usize, &String)| {
                format!("t.{0} = NEW.{0} COLLATE {1}", self.columns[*i], quote(collation))
            };
            let all: Vec<_> = columns.iter().zip(collations).map(equal).collect();
            any.push(format!("({})", all.join(" AND ")));
        }
        any.join(" OR ")
    }

    fn keep_aside(&self, condition: &str) -> String {
        format!(
            "DELETE FROM objsync_aside;\n\
             INSERT INTO objsync_aside (class, key{slots}) SELECT {class}, t.{key}{values} FROM {table} t WHERE {condition};\n",
            slots = self.slots,
            class = self.class.id,
            key = self.key,
            values = self.values("t"),
            table = self.table,
        )
    }

    fn is_aside(&self) -> String {
        format!("EXISTS (SELECT 1 FROM objsync_aside a WHERE a.class = {} AND a.key = NEW.{})", self.class.id, self.key)
    }

    fn before_insert(&self) -> String {
        let collides = self.collides();
        format!(
            "BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} t WHERE {collides}) BEGIN\n{}END",
            self.keep_aside(&collides),
            table = self.table,
        )
    }

    fn insert(&self) -> String {
        let id = format!("(s.node << {}) + s.serial", crate::sync::node::store::SERIAL_BITS);
        let (table, objects, key, class) = (&self.table, &self.objects, &self.key, self.class.id);
        let file = match self.journaled {
            true => format!(
                "INSERT INTO objsync_journal (number, class, object, kind, key, before)\n\
                 SELECT s.number, {class}, {id}, 1, NEW.{key}, 0 FROM objsync_state s;\n\
                 INSERT INTO {objects} (key, object, own, time, author, last)\n\
                 SELECT NEW.{key}, {id}, s.number, s.clock, s.node, last_insert_rowid() FROM objsync_state s;\n"
            ),
            false => format!("INSERT INTO {objects} (key, object) SELECT NEW.{key}, {id} FROM objsync_state s;\n"),
        };
        format!(
            "AFTER INSERT ON {table} WHEN NOT {} BEGIN\n{}UPDATE objsync_state SET serial = serial + 1;\n{file}END",
            self.is_aside(),
            self.bump(""),
        )
    }

    /// A row put in the place of another with its key is the same object with other values.
    fn replace(&self) -> String {
        let images: String = (0..self.columns.len()).map(|i| format!(", a.v{i}")).collect();
        let changed = format!(
            "a.class = {} AND a.key = NEW.{} AND {}",
            self.class.id,
            self.key,
            self.differ(&|i| format!("a.v{i}"), &self.row("NEW")),
        );
        format!(
            "AFTER INSERT ON {table} WHEN EXISTS (SELECT 1 FROM objsync_aside a WHERE {changed}) BEGIN\n{}{}{}END",
            self.bump(""),
            self.event(2, "a.key", &images, ", objsync_aside a", &format!("o.key = a.key AND {changed}")),
            self.touch(&format!("key = NEW.{}", self.key)),
            table = self.table,
        )
    }

    fn insert_removes(&self) -> String {
        let gone = format!("NOT EXISTS (SELECT 1 FROM {} t WHERE t.{} = a.key)", self.table, self.key);
        format!(
            "AFTER INSERT ON {table} WHEN EXISTS (SELECT 1 FROM objsync_aside a WHERE a.class = {class} AND {gone}) BEGIN\n{}END",
            // The row that keeps its key stays aside for the other triggers, which fire after this one.
            self.remove(&gone)
                + &format!(
                    "DELETE FROM objsync_aside WHERE NOT EXISTS (SELECT 1 FROM {table} t WHERE t.{key} = objsync_aside.key);\n",
                    table = self.table,
                    key = self.key,
                ),
            table = self.table,
            class = self.class.id,
        )
    }

    /// Whether an update could remove another row.
    fn key_or_unique_changes(&self) -> String {
        let mut any = vec![format!("NEW.{0} IS NOT OLD.{0}", self.key)];
        any.extend(self.unique_changes());
        any.join(" OR ")
    }

    fn unique_changes(&self) -> Option<String> {
        let mut columns: Vec<usize> = self.class.unique.iter().flatten().copied().collect();
        columns.sort_unstable();
        columns.dedup();
        let changes = |i: &usize| format!("NEW.{0} COLLATE BINARY IS NOT OLD.{0} COLLATE BINARY", self.columns[*i]);
        let each: Vec<_> = columns.iter().map(changes).collect();
        (!each.is_empty()).then(|| each.join(" OR "))
    }

    fn before_update(&self) -> String {
        format!(
            "BEFORE UPDATE ON {table} WHEN {} BEGIN\n{}END",
            self.key_or_unique_changes(),
            self.keep_aside(&format!("t.{0} IS NOT OLD.{0} AND ({1})", self.key, self.collides())),
            table = self.table,
        )
    }

    fn update(&self) -> String {
        format!(
            "AFTER UPDATE ON {table} WHEN NEW.{key} IS OLD.{key} AND {} BEGIN\n{}{}{}END",
            self.differ(&self.row("OLD"), &self.row("NEW")),
            self.bump(""),
            self.event(2, &format!("NEW.{}", self.key), &self.values("OLD"), "", &format!("o.key = OLD.{}", self.key)),
            self.touch(&format!("key = OLD.{}", self.key)),
            table = self.table,
            key = self.key,
        )
    }

    fn update_removes(&self) -> String {
        format!(
            "AFTER UPDATE ON {table} WHEN NEW.{key} IS OLD.{key} AND ({}) AND \
             EXISTS (SELECT 1 FROM objsync_aside a WHERE a.class = {class}) BEGIN\n{}END",
            self.unique_changes().unwrap_or_else(|| "0".to_owned()),
            self.remove("1") + "DELETE FROM objsync_aside;\n",
            table = self.table,
            key = self.key,
            class = self.class.id,
        )
    }

    /// A new local number is no event by itself: numbers are no part of what is compared.
    fn rekey(&self) -> String {
        let (key, objects) = (&self.key, &self.objects);
        let changed = self.differ(&self.row("OLD"), &self.row("NEW"));
        let mut body = self.remove("1") + "DELETE FROM objsync_aside;\n";
        // Before-images up to here name it by the key it had.
        body += &format!(
            "INSERT INTO objsync_former_key (class, key, until, object)\n\
             SELECT {}, o.key, (SELECT coalesce(max(pos), 0) FROM objsync_journal), o.object FROM {objects} o WHERE o.key = OLD.{key};\n",
            self.class.id
        );
        body += &format!("UPDATE {objects} SET key = NEW.{key} WHERE key = OLD.{key};\n");
        body += &self.bump(&format!(" AND {changed}"));
        body +=
            &self.event(2, &format!("NEW.{key}"), &self.values("OLD"), "", &format!("o.key = NEW.{key} AND {changed}"));
        body += &self.touch(&format!("key = NEW.{key} AND {changed}"));
        format!("AFTER UPDATE ON {} WHEN NEW.{key} IS NOT OLD.{key} BEGIN\n{body}END", self.table)
    }

    fn delete(&self) -> String {
        let condition = format!("o.key = OLD.{}", self.key);
        format!(
            "AFTER DELETE ON {table} BEGIN\nDELETE FROM objsync_aside;\n{}{}{}DELETE FROM {objects} WHERE key = OLD.{key};\nEND",
            self.bump(""),
            self.event(3, &format!("OLD.{}", self.key), &self.values("OLD"), "", &condition),
            self.bury(&condition, "", "(SELECT max(pos) FROM objsync_journal)"),
            table = self.table,
            objects = self.objects,
            key = self.key,
        )
    }
}
