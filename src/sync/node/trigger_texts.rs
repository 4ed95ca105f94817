//! The texts of the triggers that `triggers.rs` makes.

use std::collections::BTreeSet;

use crate::sync::data::schema::{Class, Key, UniqueIndex, quote};
use crate::sync::node::shape;

/// What the triggers of a class are for, which is the end of their names.
pub(crate) const PURPOSES: [&str; 11] = [
    "before_insert",
    "insert",
    "replace",
    "insert_removes",
    "before_update",
    "rekey",
    "delete",
    "update",
    "update_removes",
    "key_insert",
    "key_update",
];

/// The name of a trigger of a class.
pub(crate) fn name(table: &str, purpose: &str) -> String {
    format!("objsync_{table}_{purpose}")
}

/// The triggers of a class: names and texts, in the order in which they are made. SQLite fires the newest first.
pub(crate) fn all(class: &Class) -> Vec<(String, String)> {
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
    if !class.indexes.is_empty() {
        triggers.push(("update_removes", sql.update_removes()));
    } else {
        // Only another unique constraint can make an insert remove a row with another key.
        triggers.retain(|t| t.0 != "insert_removes");
    }
    if !class.journaled {
        triggers.retain(|t| t.0 != "replace");
    }
    let nullable = shape::nullable_key(class);
    if !nullable.is_empty() {
        triggers.push(("key_insert", sql.needs_key(&nullable, "INSERT")));
        triggers.push(("key_update", sql.needs_key(&nullable, "UPDATE")));
    }
    triggers
        .into_iter()
        .map(|(what, body)| {
            debug_assert!(PURPOSES.contains(&what), "{what} is not taken for one of ours");
            let name = name(&class.table, what);
            (name.clone(), format!("CREATE TRIGGER {} {body}", quote(&name)))
        })
        .collect()
}

/// So many rows may be aside that are there still before they are cleared.
const STALE: u32 = 50;

/// Conditions joined by OR, in halves: SQLite takes no expression that is deeper than a thousand.
fn any_of(conditions: &[String]) -> String {
    match conditions.len() {
        0..8 => conditions.join(" OR "),
        n => format!("({}) OR ({})", any_of(&conditions[..n / 2]), any_of(&conditions[n / 2..])),
    }
}

/// Whether rows of a class are aside that are gone.
pub(crate) fn is_left_aside(class: &Class) -> String {
    let gone = format!("NOT {}", Sql::new(class).has_row("a.key"));
    format!("SELECT EXISTS (SELECT 1 FROM objsync_aside a WHERE a.class = {} AND {gone})", class.id)
}

/// Files the deletions of such rows, as part of the last commit.
pub(crate) fn file_left_aside(class: &Class) -> String {
    let sql = Sql::new(class);
    sql.file_removed(&format!("NOT {}", sql.has_row("a.key"))) + &sql.done_aside()
}

/// The pieces that the triggers of one class share.
struct Sql<'a> {
    class: &'a Class,
    table: String,
    /// The column of a local number; none where the key is content.
    number: Option<String>,
    objects: String,
    tombstones: String,
    /// `, v0, v1, …` for a list of columns.
    slots: String,
    journaled: bool,
}

impl<'a> Sql<'a> {
    fn new(class: &'a Class) -> Self {
        Sql {
            class,
            table: quote(&class.table),
            number: match &class.key {
                Key::Number(key) => Some(quote(key)),
                Key::Content(_) => None,
            },
            objects: class.objects(),
            tombstones: class.tombstones(),
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

    fn column(&self, place: usize) -> String {
        quote(&self.class.properties[place].name)
    }

    /// The places of the key where it is content.
    fn key_places(&self) -> &[usize] {
        match &self.class.key {
            Key::Number(_) => &[],
            Key::Content(places) => places,
        }
    }

    /// `, OLD.a, OLD.b, …` in a statement that reads `objects o`.
    fn values(&self, of: &str) -> String {
        self.class.values_of(of, "o")
    }

    /// The same from what was kept aside before.
    fn values_aside(&self) -> String {
        let value = |i: usize| match self.class.properties[i].elsewhere {
            true => self.class.value_of(i, "", "o"),
            false => format!("a.v{i}"),
        };
        (0..self.class.properties.len()).map(|i| format!(", {}", value(i))).collect()
    }

    /// Whether two rows differ, exactly: by type and by binary comparison, whatever the columns' collation.
    fn differ(&self, a: &dyn Fn(usize) -> String, b: &dyn Fn(usize) -> String) -> String {
        self.differ_in(&mut self.class.columns().map(|(i, _)| i), a, b)
    }

    fn differ_in(
        &self,
        places: &mut dyn Iterator<Item = usize>,
        a: &dyn Fn(usize) -> String,
        b: &dyn Fn(usize) -> String,
    ) -> String {
        let each = places
            .map(|i| format!("{0} COLLATE BINARY IS NOT {1} COLLATE BINARY OR typeof({0}) <> typeof({1})", a(i), b(i)))
            .collect::<Vec<_>>();
        if each.is_empty() { "0".to_owned() } else { format!("({})", any_of(&each)) }
    }

    fn row<'b>(&'b self, of: &'b str) -> impl Fn(usize) -> String + 'b {
        move |i| format!("{of}.{}", self.column(i))
    }

    /// Whether row `of` is that of `objects o`.
    fn is_of(&self, of: &str) -> String {
        self.class.same_row(of, "o")
    }

    /// Whether the object with the local key `key` has a row.
    fn has_row(&self, key: &str) -> String {
        let (table, objects) = (&self.table, &self.objects);
        match &self.number {
            Some(number) => format!("EXISTS (SELECT 1 FROM {table} t WHERE t.{number} = {key})"),
            None => format!(
                "EXISTS (SELECT 1 FROM {objects} o, {table} t WHERE o.key = {key} AND {})",
                self.class.same_row("t", "o")
            ),
        }
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
             FROM objsync_state s, {objects} o{from} WHERE {condition};\n{former}",
            tombstones = self.tombstones,
            objects = self.objects,
            former = self.leaves_key(condition, from, last),
        )
    }

    /// Notes that objects have their keys no more: up to journal position `until` these meant them.
    fn leaves_key(&self, condition: &str, from: &str, until: &str) -> String {
        let (objects, class) = (&self.objects, self.class.id);
        // It may have left the key before, and come back, with no event since.
        format!(
            "INSERT INTO objsync_former_key (class, key, until, object)\n\
             SELECT {class}, o.key, {until}, o.object FROM {objects} o{from} WHERE {condition} AND NOT EXISTS\n\
             (SELECT 1 FROM objsync_former_key f WHERE f.class = {class} AND f.key = o.key AND f.until = {until} AND f.object = o.object);\n"
        )
    }

    /// Deletes the objects of the rows in `objsync_aside` that `gone` selects, as a commit of its own.
    fn remove(&self, gone: &str) -> String {
        let any = format!(" AND EXISTS (SELECT 1 FROM objsync_aside a WHERE a.class = {} AND {gone})", self.class.id);
        self.bump(&any) + &self.file_removed(gone)
    }

    fn file_removed(&self, gone: &str) -> String {
        let gone = format!("a.class = {} AND {gone}", self.class.id);
        let images = self.values_aside();
        let last = "(SELECT max(j.pos) FROM objsync_journal j WHERE j.object = o.object AND \
                    j.pos > (SELECT max(pos) FROM objsync_journal) - (SELECT count(*) FROM objsync_aside))";
        let condition = format!("o.key = a.key AND {gone}");
        self.event(3, "a.key", &images, ", objsync_aside a", &condition)
            + &self.bury(&condition, ", objsync_aside a", last)
            + &format!("DELETE FROM {} WHERE key IN (SELECT a.key FROM objsync_aside a WHERE {gone});\n", self.objects)
    }

    /// Rows that NEW collides with.
    fn collides(&self) -> String {
        let mut any: Vec<String> = self.number.iter().map(|key| format!("t.{key} = NEW.{key}")).collect();
        let there = |column: &str| format!("t.{}", quote(column));
        let new = |column: &str| match self.class.defaults.iter().find(|(name, _)| name == column) {
            // REPLACE puts the default in the place of a NULL, after this trigger.
            Some((_, default)) => format!("ifnull(NEW.{}, ({default}))", quote(column)),
            None => format!("NEW.{}", quote(column)),
        };
        any.extend(self.class.indexes.iter().map(|index| format!("({})", index.collides(&there, &new))));
        any.join(" OR ")
    }

    fn keep_aside(&self, condition: &str) -> String {
        let values: String = (0..self.class.properties.len())
            .map(|i| {
                if self.class.properties[i].elsewhere { ", NULL".to_owned() } else { format!(", t.{}", self.column(i)) }
            })
            .collect();
        // What is aside and has no row belongs to a REPLACE that this statement is a part of.
        let gone = format!("NOT {}", self.has_row("a.key"));
        format!(
            "DELETE FROM objsync_aside WHERE class = {class} AND (SELECT count(*) > {STALE} FROM objsync_aside a WHERE a.class = {class})\n\
             AND NOT EXISTS (SELECT 1 FROM objsync_aside a WHERE a.class = {class} AND {gone});\n\
             DELETE FROM objsync_aside WHERE class = {class} AND key IN (SELECT {key} FROM {table} t WHERE {condition});\n\
             INSERT INTO objsync_aside (class, key{slots}) SELECT {class}, {key}{values} FROM {table} t WHERE {condition};\n",
            slots = self.slots,
            class = self.class.id,
            key = self.class.key_of("t"),
            table = self.table,
        )
    }

    /// Takes the entry of a row out of what is aside.
    fn not_aside(&self, row: &str) -> String {
        format!("DELETE FROM objsync_aside WHERE class = {} AND key = {};\n", self.class.id, self.class.key_of(row))
    }

    /// Takes those out of what is aside whose objects were deleted.
    fn done_aside(&self) -> String {
        format!(
            "DELETE FROM objsync_aside WHERE class = {} AND NOT EXISTS (SELECT 1 FROM {} o WHERE o.key = objsync_aside.key);\n",
            self.class.id, self.objects
        )
    }

    fn is_aside(&self) -> String {
        let key = self.class.key_of("NEW");
        format!("EXISTS (SELECT 1 FROM objsync_aside a WHERE a.class = {} AND a.key = {key})", self.class.id)
    }

    /// A row without a key cannot be told from another one.
    fn needs_key(&self, nullable: &[&str], event: &str) -> String {
        let any: Vec<String> = nullable.iter().map(|c| format!("NEW.{} IS NULL", quote(c))).collect();
        let said = format!("{}: a row of a synchronized table needs a key ({})", self.class.table, nullable.join(", "));
        format!(
            "BEFORE {event} ON {table} WHEN {} BEGIN\nSELECT RAISE(ABORT, '{}');\nEND",
            any.join(" OR "),
            said.replace('\'', "''"),
            table = self.table
        )
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
        let (table, objects, class) = (&self.table, &self.objects, self.class.id);
        let (key, mut kept, mut values) = match &self.number {
            Some(number) => (format!("NEW.{number}"), String::new(), String::new()),
            None => (id.clone(), String::new(), String::new()),
        };
        for (n, place) in self.key_places().iter().enumerate() {
            kept += &format!(", k{n}");
            values += &format!(", NEW.{}", self.column(*place));
        }
        let file = match self.journaled {
            true => format!(
                "INSERT INTO objsync_journal (number, class, object, kind, key, before)\n\
                 SELECT s.number, {class}, {id}, 1, {key}, 0 FROM objsync_state s;\n\
                 INSERT INTO {objects} (key, object, own, time, author, last{kept})\n\
                 SELECT {key}, {id}, s.number, s.clock, s.node, last_insert_rowid(){values} FROM objsync_state s;\n"
            ),
            false => {
                format!("INSERT INTO {objects} (key, object{kept}) SELECT {key}, {id}{values} FROM objsync_state s;\n")
            }
        };
        format!(
            "AFTER INSERT ON {table} WHEN NOT {} BEGIN\n{}{}UPDATE objsync_state SET serial = serial + 1;\n{file}END",
            self.is_aside(),
            self.takes_key(),
            self.bump(""),
        )
    }

    /// Notes that the row got a key which another object had: rows may still refer by it.
    fn takes_key(&self) -> String {
        let Some(key) = &self.number else { return String::new() };
        format!(
            "INSERT INTO objsync_taken_key (class, key, pos)\n\
             SELECT f.class, f.key, (SELECT coalesce(max(pos), 0) FROM objsync_journal)\n\
             FROM objsync_former_key f WHERE f.class = {} AND f.key = NEW.{key} LIMIT 1;\n",
            self.class.id
        )
    }

    /// A row put in the place of another with its key is the same object with other values.
    fn replace(&self) -> String {
        let changed = format!(
            "a.class = {} AND a.key = {} AND {}",
            self.class.id,
            self.class.key_of("NEW"),
            self.differ(&|i| format!("a.v{i}"), &self.row("NEW")),
        );
        format!(
            "AFTER INSERT ON {table} WHEN EXISTS (SELECT 1 FROM objsync_aside a WHERE {changed}) BEGIN\n{}{}{}END",
            self.bump(""),
            self.event(2, "a.key", &self.values_aside(), ", objsync_aside a", &format!("o.key = a.key AND {changed}")),
            self.touch(&format!("key = {}", self.class.key_of("NEW"))),
            table = self.table,
        )
    }

    fn insert_removes(&self) -> String {
        let gone = format!("NOT {}", self.has_row("a.key"));
        format!(
            "AFTER INSERT ON {table} WHEN EXISTS (SELECT 1 FROM objsync_aside a WHERE a.class = {class} AND {gone}) BEGIN\n{}END",
            // The row that keeps its key stays aside for the other triggers, which fire after this one.
            self.remove(&gone)
                + &format!(
                    "DELETE FROM objsync_aside WHERE class = {} AND NOT {};\n",
                    self.class.id,
                    self.has_row("objsync_aside.key")
                ),
            table = self.table,
            class = self.class.id,
        )
    }

    /// Whether an update could remove another row.
    fn key_or_unique_changes(&self) -> String {
        let mut any: Vec<String> = self.number.iter().map(|key| format!("NEW.{key} IS NOT OLD.{key}")).collect();
        any.extend(self.unique_changes());
        any.join(" OR ")
    }

    fn unique_changes(&self) -> Option<String> {
        let columns: BTreeSet<&str> = self.class.indexes.iter().flat_map(UniqueIndex::columns).collect();
        let changes = |column: &&str| format!("NEW.{0} COLLATE BINARY IS NOT OLD.{0} COLLATE BINARY", quote(column));
        let each: Vec<_> = columns.iter().map(changes).collect();
        (!each.is_empty()).then(|| each.join(" OR "))
    }

    fn before_update(&self) -> String {
        // The row itself is no other one.
        let other = match &self.number {
            Some(number) => format!("t.{number} IS NOT OLD.{number}"),
            None => {
                let same = |i: &usize| format!("t.{0} = OLD.{0}", self.column(*i));
                format!("NOT ({})", self.key_places().iter().map(same).collect::<Vec<_>>().join(" AND "))
            }
        };
        format!(
            "BEFORE UPDATE ON {table} WHEN {} BEGIN\n{}{}END",
            self.key_or_unique_changes(),
            self.not_aside("OLD"),
            self.keep_aside(&format!("{other} AND ({})", self.collides())),
            table = self.table,
        )
    }

    /// Whether the row keeps its local number; a key that is content may change like anything else.
    fn keeps_number(&self) -> String {
        self.number.as_ref().map_or_else(|| "1".to_owned(), |key| format!("NEW.{key} IS OLD.{key}"))
    }

    fn update(&self) -> String {
        format!(
            "AFTER UPDATE ON {table} WHEN {} AND {} BEGIN\n{}{}{}END",
            self.keeps_number(),
            self.differ(&self.row("OLD"), &self.row("NEW")),
            self.bump(""),
            self.event(2, "o.key", &self.values("OLD"), "", &self.is_of("OLD")),
            self.touch(&format!("key = {}", self.class.key_of("OLD"))),
            table = self.table,
        )
    }

    fn update_removes(&self) -> String {
        format!(
            "AFTER UPDATE ON {table} WHEN {} AND ({}) AND \
             EXISTS (SELECT 1 FROM objsync_aside a WHERE a.class = {class}) BEGIN\n{}END",
            self.keeps_number(),
            self.unique_changes().unwrap_or_else(|| "0".to_owned()),
            // The row may have taken the key of one that it replaced.
            self.remove(&format!("(a.key = {} OR NOT {})", self.class.key_of("NEW"), self.has_row("a.key")))
                + &self.done_aside(),
            table = self.table,
            class = self.class.id,
        )
    }

    /// A new key. A local number is no event by itself: numbers are no part of what is compared.
    fn rekey(&self) -> String {
        let Some(key) = &self.number else { return self.rename() };
        let objects = &self.objects;
        let changed = self.differ(&self.row("OLD"), &self.row("NEW"));
        let replaced = format!("(a.key = NEW.{key} OR NOT {})", self.has_row("a.key"));
        let mut body = self.takes_key() + &self.remove(&replaced) + &self.done_aside();
        // Before-images up to here name it by the key it had.
        body +=
            &self.leaves_key(&format!("o.key = OLD.{key}"), "", "(SELECT coalesce(max(pos), 0) FROM objsync_journal)");
        body += &format!("UPDATE {objects} SET key = NEW.{key} WHERE key = OLD.{key};\n");
        body += &self.bump(&format!(" AND {changed}"));
        body +=
            &self.event(2, &format!("NEW.{key}"), &self.values("OLD"), "", &format!("o.key = NEW.{key} AND {changed}"));
        body += &self.touch(&format!("key = NEW.{key} AND {changed}"));
        format!("AFTER UPDATE ON {} WHEN NEW.{key} IS NOT OLD.{key} BEGIN\n{body}END", self.table)
    }

    /// Another key that is content: the object is found under it from now on. Fires after the event is filed.
    fn rename(&self) -> String {
        let places = self.key_places();
        let set: Vec<String> =
            places.iter().enumerate().map(|(n, i)| format!("k{n} = NEW.{}", self.column(*i))).collect();
        let changed = self.differ_in(&mut places.iter().copied(), &self.row("OLD"), &self.row("NEW"));
        format!(
            "AFTER UPDATE ON {table} WHEN {changed} BEGIN\nUPDATE {objects} SET {} WHERE key = {};\nEND",
            set.join(", "),
            self.class.key_of("OLD"),
            table = self.table,
            objects = self.objects,
        )
    }

    fn delete(&self) -> String {
        let condition = self.is_of("OLD");
        format!(
            "AFTER DELETE ON {table} BEGIN\n{}{}{}{}DELETE FROM {objects} WHERE key = {};\nEND",
            self.not_aside("OLD"),
            self.bump(""),
            self.event(3, "o.key", &self.values("OLD"), "", &condition),
            self.bury(&condition, "", "(SELECT max(pos) FROM objsync_journal)"),
            self.class.key_of("OLD"),
            table = self.table,
            objects = self.objects,
        )
    }
}
