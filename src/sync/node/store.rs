//! The engine's own tables in a node's file. The user's tables carry no column of ours.
//!
//! | table | holds |
//! |---|---|
//! | `objsync_state` | one row: mode, last commit number, last serial, clock |
//! | `objsync_node` | every node named anywhere in this file, by a small number `n` |
//! | `objsync_lineage` | of which node a node's file was a copy, and at which commit |
//! | `objsync_told` | at which commit and clock this node told anybody what it held (`told.rs`) |
//! | `objsync_clock_was` | where the clock stood whenever it started from the machine's again (`clock.rs`) |
//! | `objsync_sync_time` | per peer: sent, acknowledged, received |
//! | `objsync_class`, `objsync_property` | the classes, and their columns as they were last seen |
//! | `objsync_rule` | the rules chosen here: for all classes, or for one |
//! | `objsync_off_<table>` | while a class is switched off: its rows as they were then |
//! | `objsync_object_<table>` | per living object: local key, id, vector, stamp, last journal position |
//! | `objsync_tombstone_<table>` | the same per deleted object |
//! | `objsync_elsewhere_<table>` | values of columns that only other nodes have added to the table so far |
//! | `objsync_former_key` | local keys that objects had and have no more, so that before-images can be read |
//! | `objsync_taken_key` | such keys that other objects have got since the last operation (`taken_keys.rs`) |
//! | `objsync_journal` | all filing events in order, with before-images |
//! | `objsync_aside` | the rows that a REPLACE is about to remove, which fires no delete trigger |
//! | `objsync_set` | sets sent and received |
//! | `objsync_conflict` | conflict records, kept for good |
//! | `objsync_waiting`, `objsync_bond` | the requeue, and which objects were filed together at their origin |
//! | `objsync_merged` | states of others that a merge here has taken into account |
//!
//! An object's id is one integer: the small number of the node that made it times 2^40, plus the serial. A vector is the
//! entry of this node (`own`, so that a trigger can set it) and a blob of all others (`rest`).

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::sync::data::schema::{Class, ClassSpec, Key, Property, quote};
use crate::sync::data::value::Value;
use crate::sync::error::{Error, Result};
use crate::sync::exchange::signature;
use crate::sync::node::{clock, shape, triggers};

/// The format of the tables below. A file with an older one is upgraded when it is opened, one with a newer one refused.
pub(crate) const FORMAT: i64 = 7;

/// Serials a node can give.
pub(crate) const SERIAL_BITS: u32 = 40;

const TABLES: &str = "
CREATE TABLE objsync_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    format INTEGER NOT NULL,
    node INTEGER NOT NULL,              -- this node's n
    mode INTEGER NOT NULL DEFAULT 0,    -- 0: every row written is a commit; 1: a commit of the engine is open
    number INTEGER NOT NULL DEFAULT 0,  -- last commit
    serial INTEGER NOT NULL DEFAULT 0,  -- last object made here
    clock INTEGER NOT NULL DEFAULT 0,   -- hybrid logical clock, microseconds since 1970
    floor INTEGER NOT NULL DEFAULT 0,   -- commits up to here are purged
    path TEXT, device INTEGER, inode INTEGER,-- where the file lies
    created INTEGER,                    -- and when it was made there, microseconds since 1970; NULL: not known
    secret BLOB,                        -- this node's Ed25519 key
    each_once INTEGER NOT NULL DEFAULT 0, -- 1: takes each set once, and none without a signature
    was_wal INTEGER                     -- 1: the database was in WAL mode before it was a node; NULL, or no such column: not known
);
CREATE TABLE objsync_node (
    n INTEGER PRIMARY KEY,
    guid INTEGER NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    public BLOB,                        -- its Ed25519 key; NULL: not known
    seen_number INTEGER NOT NULL DEFAULT 0, -- the latest point known of it: its last commit
    seen_clock INTEGER NOT NULL DEFAULT 0,  -- and its clock then
    seen_proof BLOB,                    -- its own signature under both; NULL: from before points were signed
    said_number INTEGER NOT NULL DEFAULT 0, -- how far it has come by what others say without its signature
    introduced_by INTEGER,              -- the node of whose file it was made, if that one's key
    introduction BLOB,                  -- signed its GUID and key
    vouched_by INTEGER,                 -- the node by whose word its key is known; NULL: at first hand
    unsigned INTEGER NOT NULL DEFAULT 0 -- 1: its sets are taken without a signature, too
);
CREATE TABLE objsync_lineage (
    node INTEGER NOT NULL, place INTEGER NOT NULL, ancestor INTEGER NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (node, place)
) WITHOUT ROWID;
CREATE TABLE objsync_taken_key (
    class INTEGER NOT NULL, key INTEGER NOT NULL,
    pos INTEGER NOT NULL                -- the last journal position before the key was given again
);
CREATE TABLE objsync_told (clock INTEGER PRIMARY KEY, number INTEGER NOT NULL);
CREATE TABLE objsync_sync_time (
    peer INTEGER PRIMARY KEY,
    sent INTEGER NOT NULL DEFAULT 0, acknowledged INTEGER NOT NULL DEFAULT 0, received INTEGER NOT NULL DEFAULT 0,
    heard INTEGER NOT NULL DEFAULT 0,   -- the clock of this node's last point that the peer is known to have heard of
    retired INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE objsync_class (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, table_name TEXT NOT NULL UNIQUE, journaled INTEGER NOT NULL,
    confirmed INTEGER NOT NULL DEFAULT 0,-- what all peers had confirmed when it was switched off last
    key TEXT NOT NULL DEFAULT 'null'    -- JSON: the name of its INTEGER PRIMARY KEY, or the places of its key
);
CREATE TABLE objsync_property (
    class INTEGER NOT NULL, place INTEGER NOT NULL,
    name TEXT NOT NULL, declared TEXT NOT NULL, not_null INTEGER NOT NULL,
    since INTEGER,                      -- added later: journal positions up to here are from before it; NULL: was there first
    added,                              -- the value of every state from before, of any type
    elsewhere INTEGER NOT NULL DEFAULT 0,-- 1: no column of the table here, only at others
    refers TEXT,                        -- elsewhere: the class it refers to there
    formerly TEXT NOT NULL DEFAULT '[]',-- JSON: names before it was renamed
    PRIMARY KEY (class, place)
) WITHOUT ROWID;
CREATE TABLE objsync_journal (
    pos INTEGER PRIMARY KEY,
    number INTEGER NOT NULL,            -- the commit
    class INTEGER NOT NULL, object INTEGER NOT NULL,
    kind INTEGER NOT NULL,              -- 1 insert, 2 update, 3 delete
    key INTEGER,                        -- the local key at that time
    origin INTEGER,                     -- the peer it came from unchanged, NULL: made here
    before INTEGER NOT NULL,            -- what was there before: 0 nothing, 1 a row, 2 a tombstone
    previous INTEGER,                   -- the object's previous event
    own INTEGER, rest BLOB, time INTEGER, author INTEGER,  -- vector and stamp before
    dots TEXT                           -- JSON: who wrote properties, where the event itself did not (`dots.rs`)
);
CREATE TABLE objsync_aside (class INTEGER NOT NULL, key INTEGER NOT NULL);
CREATE INDEX objsync_aside_by_key ON objsync_aside (class, key);
CREATE TABLE objsync_set (
    seq INTEGER PRIMARY KEY,
    sent INTEGER NOT NULL,              -- 1: prepared here, 0: applied here
    peer INTEGER NOT NULL, id INTEGER NOT NULL, digest TEXT NOT NULL, file TEXT NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL,
    objects INTEGER NOT NULL, transactions INTEGER NOT NULL, bytes INTEGER NOT NULL,
    at INTEGER NOT NULL,                -- microseconds since 1970
    report TEXT NOT NULL,               -- JSON
    first_own INTEGER, last_own INTEGER,-- applied: the commits here in which it was
    undo TEXT,                          -- applied: what taking it back needs beside the journal, JSON
    final TEXT,                         -- applied: why it cannot be taken back any more
    taken_back INTEGER NOT NULL DEFAULT 0,
    reverted INTEGER                    -- applied: the commit here that reverted it
);
CREATE INDEX objsync_set_by_id ON objsync_set (id);
CREATE TABLE objsync_conflict (
    id INTEGER PRIMARY KEY,
    class INTEGER NOT NULL, object INTEGER NOT NULL,
    at INTEGER NOT NULL,                -- microseconds since 1970
    number INTEGER NOT NULL,            -- the commit here that decided it
    record TEXT NOT NULL,               -- JSON
    state INTEGER NOT NULL DEFAULT 0    -- 0 decided, 1 open, 2 combined, 3 taken back
);
CREATE INDEX objsync_conflict_by_object ON objsync_conflict (object);
CREATE INDEX objsync_conflict_by_state ON objsync_conflict (state, id);
CREATE TABLE objsync_waiting (
    id INTEGER PRIMARY KEY,
    class INTEGER NOT NULL, object INTEGER NOT NULL, peer INTEGER NOT NULL, set_id INTEGER NOT NULL,
    vector BLOB NOT NULL, time INTEGER NOT NULL, author INTEGER NOT NULL,
    key INTEGER, number INTEGER NOT NULL, content TEXT,
    reason TEXT NOT NULL,
    cause TEXT NOT NULL DEFAULT 'other',
    dots TEXT                           -- JSON: who wrote its properties; NULL: not known
);
CREATE TABLE objsync_bond (bond INTEGER NOT NULL, object INTEGER NOT NULL, PRIMARY KEY (bond, object)) WITHOUT ROWID;
CREATE TABLE objsync_merged (
    id INTEGER PRIMARY KEY,
    class INTEGER NOT NULL, object INTEGER NOT NULL,
    vector BLOB NOT NULL, time INTEGER NOT NULL, author INTEGER NOT NULL, content TEXT
);
CREATE INDEX objsync_merged_by_object ON objsync_merged (object);
CREATE TABLE objsync_rule (
    class INTEGER PRIMARY KEY,          -- 0: all classes without one of their own
    rule TEXT NOT NULL
);
CREATE TABLE objsync_former_key (
    class INTEGER NOT NULL, key INTEGER NOT NULL,
    until INTEGER NOT NULL,             -- up to this journal position the key meant that object
    object INTEGER NOT NULL,
    PRIMARY KEY (class, key, until, object)
) WITHOUT ROWID;
";

/// What brings a file of format 1 to format 2, of 2 to 3, and so on.
const UPGRADES: [&str; 6] = [
    "
ALTER TABLE objsync_set ADD COLUMN first_own INTEGER;
ALTER TABLE objsync_set ADD COLUMN last_own INTEGER;
ALTER TABLE objsync_set ADD COLUMN undo TEXT;
ALTER TABLE objsync_set ADD COLUMN final TEXT;
ALTER TABLE objsync_set ADD COLUMN reverted INTEGER;
ALTER TABLE objsync_set ADD COLUMN taken_back INTEGER NOT NULL DEFAULT 0;
ALTER TABLE objsync_state ADD COLUMN path TEXT;
ALTER TABLE objsync_state ADD COLUMN device INTEGER;
ALTER TABLE objsync_state ADD COLUMN inode INTEGER;
ALTER TABLE objsync_class ADD COLUMN confirmed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE objsync_sync_time ADD COLUMN retired INTEGER NOT NULL DEFAULT 0;
ALTER TABLE objsync_conflict ADD COLUMN state INTEGER NOT NULL DEFAULT 0;
CREATE INDEX objsync_conflict_by_state ON objsync_conflict (state, id);
ALTER TABLE objsync_waiting ADD COLUMN cause TEXT NOT NULL DEFAULT 'other';
CREATE TABLE objsync_rule (class INTEGER PRIMARY KEY, rule TEXT NOT NULL);
CREATE TABLE objsync_former_key (
    class INTEGER NOT NULL, key INTEGER NOT NULL, until INTEGER NOT NULL, object INTEGER NOT NULL,
    PRIMARY KEY (class, key, until, object)
) WITHOUT ROWID;
",
    "
ALTER TABLE objsync_class ADD COLUMN key TEXT NOT NULL DEFAULT 'null';
ALTER TABLE objsync_state ADD COLUMN secret BLOB;
ALTER TABLE objsync_state ADD COLUMN signed_only INTEGER NOT NULL DEFAULT 0;
ALTER TABLE objsync_node ADD COLUMN public BLOB;
CREATE TABLE objsync_property (
    class INTEGER NOT NULL, place INTEGER NOT NULL,
    name TEXT NOT NULL, declared TEXT NOT NULL, not_null INTEGER NOT NULL,
    since INTEGER, added, elsewhere INTEGER NOT NULL DEFAULT 0, refers TEXT, formerly TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (class, place)
) WITHOUT ROWID;
",
    "
ALTER TABLE objsync_state ADD COLUMN created INTEGER;
ALTER TABLE objsync_node ADD COLUMN seen_number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE objsync_node ADD COLUMN seen_clock INTEGER NOT NULL DEFAULT 0;
UPDATE objsync_node SET (seen_number, seen_clock) = (SELECT seen_number, seen_clock FROM objsync_sync_time WHERE peer = n)
WHERE n IN (SELECT peer FROM objsync_sync_time);
ALTER TABLE objsync_sync_time DROP COLUMN seen_number;
ALTER TABLE objsync_sync_time DROP COLUMN seen_clock;
ALTER TABLE objsync_sync_time ADD COLUMN heard INTEGER NOT NULL DEFAULT 0;
CREATE TABLE objsync_taken_key (class INTEGER NOT NULL, key INTEGER NOT NULL, pos INTEGER NOT NULL);
CREATE TABLE objsync_told (clock INTEGER PRIMARY KEY, number INTEGER NOT NULL);
INSERT INTO objsync_told (number, clock) SELECT number, clock FROM objsync_state;
",
    "
ALTER TABLE objsync_journal ADD COLUMN dots TEXT;
ALTER TABLE objsync_waiting ADD COLUMN dots TEXT;
",
    "
DELETE FROM objsync_aside;
CREATE INDEX objsync_aside_by_key ON objsync_aside (class, key);
",
    "
ALTER TABLE objsync_state RENAME COLUMN signed_only TO each_once;
ALTER TABLE objsync_node ADD COLUMN seen_proof BLOB;
ALTER TABLE objsync_node ADD COLUMN said_number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE objsync_node ADD COLUMN introduced_by INTEGER;
ALTER TABLE objsync_node ADD COLUMN introduction BLOB;
ALTER TABLE objsync_node ADD COLUMN vouched_by INTEGER;
ALTER TABLE objsync_node ADD COLUMN unsigned INTEGER NOT NULL DEFAULT 0;
",
];

/// Settings of every connection of ours. WAL lets the window read while another program writes.
pub(crate) fn configure(conn: &Connection) -> Result<()> {
    conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    configure_connection(conn)
}

/// Those that do not stay in the file.
pub(crate) fn configure_connection(conn: &Connection) -> Result<()> {
    conn.busy_timeout(std::time::Duration::from_secs(5))?;
    // 16 MB: sorting takes as much again, and all that an exchange of any size may take is 64 MB.
    conn.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384; PRAGMA foreign_keys = ON;")?;
    // Else SQLite plans a statement anew for nearly every value that is bound to it.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.set_prepared_statement_cache_capacity(256);
    Ok(())
}

/// Makes the engine's tables.
pub(crate) fn create(conn: &Connection) -> Result<()> {
    conn.execute_batch(TABLES)?;
    Ok(conn.execute_batch(&clock::supplement())?)
}

/// Adds what later versions have added to this format, and earlier ones leave alone.
fn supplement(conn: &Connection) -> Result<()> {
    let there = "SELECT EXISTS(SELECT 1 FROM sqlite_master WHERE name = 'objsync_clock_was')";
    let is_there = |conn: &Connection| conn.query_row(there, [], |r| r.get::<_, bool>(0));
    if is_there(conn)? {
        return Ok(());
    }
    let tx = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    // Another program may have been faster.
    if !is_there(&tx)? {
        tx.execute_batch(&clock::supplement())?;
    }
    Ok(tx.commit()?)
}

/// The names of the engine's tables but those of classes.
pub(crate) fn own_tables() -> impl Iterator<Item = &'static str> {
    let in_texts = TABLES.split("CREATE TABLE ").skip(1).filter_map(|rest| rest.split([' ', '(']).next());
    in_texts.chain([clock::TABLE])
}

/// The tables that a class may have beside the user's.
pub(crate) fn tables_of(table: &str) -> [String; 4] {
    ["object", "tombstone", "off", "elsewhere"].map(|kind| format!("objsync_{kind}_{table}"))
}

/// Whether the file is a node.
pub(crate) fn is_node(conn: &Connection) -> Result<bool> {
    let sql = "SELECT EXISTS(SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'objsync_state')";
    Ok(conn.query_row(sql, [], |r| r.get(0))?)
}

/// Brings a node of an older format to this one, triggers included; refuses one of a newer format.
pub(crate) fn upgrade(conn: &Connection) -> Result<()> {
    let format = |conn: &Connection| conn.query_row("SELECT format FROM objsync_state", [], |r| r.get::<_, i64>(0));
    let found = format(conn)?;
    if !(1..=FORMAT).contains(&found) {
        return Err(Error::storage(format!(
            "the file is a node of storage format {found}; this version of objsync knows up to {FORMAT}; nothing was changed"
        ))
        .hint("open it with the version of objsync that made it, or a later one"));
    }
    if found < FORMAT {
        let tx = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
        // Another program may have been faster.
        for upgrade in UPGRADES.iter().skip(format(&tx)? as usize - 1) {
            tx.execute_batch(upgrade)?;
        }
        tx.execute("UPDATE objsync_state SET format = ?1", [FORMAT])?;
        if found < 3 {
            signature::make_key(&tx)?;
            // Keys that are references are found when the tables are looked at next (`follow.rs`).
            for (id, spec) in specs(&tx)? {
                record_shape(&tx, &Class { id, ..shape::new_class(&tx, &spec, &[])? })?;
            }
        }
        for class in classes(&tx)? {
            if found < 2 {
                let sql =
                    "INSERT INTO objsync_former_key (class, key, until, object) SELECT ?1, key, last, object FROM";
                tx.execute(
                    &format!("{sql} {} WHERE key IS NOT NULL AND last IS NOT NULL", class.tombstones()),
                    [class.id],
                )?;
            }
            triggers::create(&tx, &class)?;
        }
        tx.commit()?;
    }
    supplement(conn)
}

pub(crate) fn specs(conn: &Connection) -> Result<Vec<(i64, ClassSpec)>> {
    let rows = conn
        .prepare("SELECT id, name, table_name, journaled FROM objsync_class ORDER BY id")?
        .query_map([], |r| {
            Ok((r.get::<_, i64>(0)?, ClassSpec { name: r.get(1)?, table: r.get(2)?, journaled: r.get(3)? }))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(rows)
}

/// The classes of a node, with their properties as they are recorded.
pub(crate) fn classes(conn: &Connection) -> Result<Vec<Class>> {
    let mut classes = Vec::new();
    for (id, spec) in specs(conn)? {
        let damaged = || {
            Error::storage(format!("what this file notes of the class {} is damaged", spec.name))
                .hint("objsync check says what else is wrong with the file, and what to do")
        };
        let key: String = conn.query_row("SELECT key FROM objsync_class WHERE id = ?1", [id], |r| r.get(0))?;
        let mut statement = conn.prepare_cached(
            "SELECT name, declared, not_null, since, added, elsewhere, refers, formerly, place FROM objsync_property WHERE class = ?1 ORDER BY place",
        )?;
        let mut rows = statement.query([id])?;
        let mut properties = Vec::new();
        while let Some(r) = rows.next()? {
            let since: Option<i64> = r.get(3)?;
            if r.get::<_, i64>(8)? != properties.len() as i64 {
                return Err(damaged());
            }
            properties.push(Property {
                name: r.get(0)?,
                declared: r.get(1)?,
                not_null: r.get(2)?,
                references: r.get(6)?,
                added: since.map(|_| r.get_ref(4).map(Value::from_sql)).transpose()?,
                formerly: serde_json::from_str(&r.get::<_, String>(7)?).map_err(|_| damaged())?,
                elsewhere: r.get(5)?,
                since: since.unwrap_or(i64::MIN),
            });
        }
        let key: Key = serde_json::from_str(&key).map_err(|_| damaged())?;
        if let Key::Content(places) = &key
            && (places.is_empty() || places.iter().any(|place| *place >= properties.len()))
        {
            return Err(damaged());
        }
        classes.push(Class { key, properties, ..Class::bare(id, &spec) });
    }
    shape::link(conn, &mut classes)?;
    Ok(classes)
}

/// Notes key and properties of a class as they are now.
pub(crate) fn record_shape(conn: &Connection, class: &Class) -> Result<()> {
    fn json(value: &impl serde::Serialize) -> Result<String> {
        serde_json::to_string(value).map_err(|e| Error::storage(e.to_string()))
    }
    conn.execute("UPDATE objsync_class SET key = ?2 WHERE id = ?1", (class.id, json(&class.key)?))?;
    conn.execute("DELETE FROM objsync_property WHERE class = ?1", [class.id])?;
    for (place, p) in class.properties.iter().enumerate() {
        conn.execute(
            "INSERT INTO objsync_property (class, place, name, declared, not_null, since, added, elsewhere, refers, formerly)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            rusqlite::params![
                class.id,
                place,
                p.name,
                p.declared,
                p.not_null,
                p.added.as_ref().map(|_| p.since),
                p.added.as_ref().unwrap_or(&Value::Null),
                p.elsewhere,
                p.references.as_ref().filter(|_| p.elsewhere),
                json(&p.formerly)?,
            ],
        )?;
    }
    Ok(())
}

/// Makes the tables of one class and the journal columns it needs.
pub(crate) fn add_class(conn: &Connection, mut class: Class) -> Result<()> {
    conn.execute(
        "INSERT INTO objsync_class (name, table_name, journaled) VALUES (?1, ?2, ?3)",
        (&class.name, &class.table, class.journaled),
    )?;
    class.id = conn.last_insert_rowid();
    record_shape(conn, &class)?;
    // A key that is content is kept beside the object, compared as the table compares it.
    let (mut columns, mut unique) = (String::new(), String::new());
    if let Key::Content(places) = &class.key {
        for (n, kept) in shape::key_columns(conn, &class)?.iter().enumerate() {
            columns += &format!(", k{n} {kept}");
        }
        let names: Vec<String> = (0..places.len()).map(|n| format!("k{n}")).collect();
        unique = format!(", UNIQUE ({})", names.join(", "));
    }
    conn.execute_batch(&format!(
        "CREATE TABLE {objects} (
            key INTEGER PRIMARY KEY, object INTEGER NOT NULL UNIQUE,
            own INTEGER NOT NULL DEFAULT 0, rest BLOB, time INTEGER NOT NULL DEFAULT 0, author INTEGER NOT NULL DEFAULT 0,
            last INTEGER                -- journal position of its last event
            {columns}{unique}
        );
        CREATE TABLE {tombstones} (
            object INTEGER PRIMARY KEY, key INTEGER,
            own INTEGER NOT NULL DEFAULT 0, rest BLOB, time INTEGER NOT NULL DEFAULT 0, author INTEGER NOT NULL DEFAULT 0,
            last INTEGER                -- journal position of its deletion
        );
        CREATE INDEX {by_key} ON {tombstones} (key);",
        objects = class.objects(),
        tombstones = class.tombstones(),
        by_key = quote(&format!("objsync_tombstone_{}_by_key", class.table)),
    ))?;
    widen_journal(conn, class.properties.len())
}

/// Sees to it that the journal has a column for each of so many properties.
pub(crate) fn widen_journal(conn: &Connection, properties: usize) -> Result<()> {
    let sql = "SELECT count(*) FROM pragma_table_info('objsync_journal') WHERE name GLOB 'v[0-9]*'";
    let have: usize = conn.query_row(sql, [], |r| r.get(0))?;
    for slot in have..properties {
        conn.execute_batch(&format!(
            "ALTER TABLE objsync_journal ADD COLUMN v{slot}; ALTER TABLE objsync_aside ADD COLUMN v{slot};"
        ))?;
    }
    Ok(())
}
