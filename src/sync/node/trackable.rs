//! Which tables of a database can be classes, and why the others cannot. Asked before anything is written; nothing is.

use rusqlite::Connection;

use crate::sync::data::schema::{Class, ClassSpec, ForeignKey, Key, quote};
use crate::sync::error::{Error, Result};
use crate::sync::node::shape::{self, Shape};
use crate::sync::node::{store, triggers, users_triggers};

/// SQLite's tables have at most 2,000 columns, of which the journal has some of its own.
const MOST_COLUMNS: usize = 1_980;

/// A table of the user's.
pub(crate) struct Candidate {
    pub(crate) table: String,
    /// Why it cannot be a class.
    pub(crate) refusal: Option<Error>,
    /// Why its rows cannot be written here; they can have identities all the same.
    pub(crate) unwritable: Option<Error>,
}

impl Candidate {
    /// Why its rows cannot be synchronized.
    pub(crate) fn obstacle(&self) -> Option<&Error> {
        self.refusal.as_ref().or(self.unwritable.as_ref())
    }
}

/// The user's tables, by name, virtual ones among them; those that such are made of are left out.
pub(crate) fn candidates(conn: &Connection) -> Result<Vec<Candidate>> {
    names(conn)?.into_iter().map(|(table, kind)| candidate(conn, table, &kind)).collect()
}

/// The user's tables and their types.
pub(crate) fn names(conn: &Connection) -> Result<Vec<(String, String)>> {
    let own: Vec<String> = own_tables(conn)?;
    let sql = "SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual')
               AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    let found: Vec<(String, String)> =
        conn.prepare(sql)?.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    Ok(found.into_iter().filter(|(name, _)| !own.iter().any(|own| own.eq_ignore_ascii_case(name))).collect())
}

/// The engine's tables in a node's file; none in others.
pub(crate) fn own_tables(conn: &Connection) -> Result<Vec<String>> {
    if !store::is_node(conn)? {
        return Ok(Vec::new());
    }
    let classes: Vec<String> = conn
        .prepare("SELECT table_name FROM objsync_class")?
        .query_map([], |r| r.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let of_classes = classes.iter().flat_map(|table| store::tables_of(table));
    Ok(store::own_tables().map(str::to_owned).chain(of_classes).collect())
}

fn candidate(conn: &Connection, table: String, kind: &str) -> Result<Candidate> {
    let refusal = match kind {
        "virtual" => Some(Error::usage(format!("`{table}` is a virtual table, not an ordinary table"))),
        _ => refusal(conn, &table).err(),
    };
    let unwritable = match refusal {
        None => unwritable(conn, &table)?,
        Some(_) => None,
    };
    Ok(Candidate { table, refusal, unwritable })
}

fn refusal(conn: &Connection, table: &str) -> Result<()> {
    if is_named_as_ours(table) {
        let what = format!("`{table}` has a name as objsync's own tables have");
        return Err(Error::usage(what).hint("give it another name to synchronize it"));
    }
    if let Some(of) = belongs_to(conn, table)? {
        let what = format!("`{table}` seems to belong to the virtual table `{of}`, whose module is not known here");
        return Err(Error::usage(what));
    }
    let spec = ClassSpec { name: table.to_owned(), table: table.to_owned(), journaled: true };
    let class = shape::new_class(conn, &spec, std::slice::from_ref(&spec))?;
    if is_class(conn, table)? {
        return Ok(());
    }
    if class.properties.len() > MOST_COLUMNS {
        let what =
            format!("`{table}` has {} columns, and the journal has room for {MOST_COLUMNS}", class.properties.len());
        return Err(Error::usage(what));
    }
    let names: Vec<String> =
        store::tables_of(table).into_iter().chain(triggers::names(table)).map(|name| name.to_lowercase()).collect();
    let sql =
        "SELECT type || ' `' || name || '`' FROM sqlite_master WHERE lower(name) IN (SELECT value FROM json_each(?1))";
    let list = serde_json::to_string(&names).map_err(|e| Error::storage(e.to_string()))?;
    if let Some(taken) = conn.prepare(sql)?.query_map([list], |r| r.get::<_, String>(0))?.next().transpose()? {
        let what = format!("objsync needs the name of the {taken} for what it keeps of `{table}`");
        return Err(Error::usage(what).hint("give that another name"));
    }
    has_keys(conn, &class)
}

/// Whether a table is a class already.
fn is_class(conn: &Connection, table: &str) -> Result<bool> {
    let sql = "SELECT EXISTS(SELECT 1 FROM objsync_class WHERE table_name = ?1 COLLATE NOCASE)";
    Ok(store::is_node(conn)? && conn.query_row(sql, [table], |r| r.get(0))?)
}

fn is_named_as_ours(table: &str) -> bool {
    table.to_lowercase().starts_with("objsync_")
}

/// The virtual table of an unknown module of which this table is a part, by their names: SQLite itself cannot tell.
fn belongs_to(conn: &Connection, table: &str) -> Result<Option<String>> {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'create virtual table%'
               AND substr(lower(?1), 1, length(name) + 1) = lower(name) || '_'";
    let of: Vec<String> = conn.prepare(sql)?.query_map([table], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?;
    let is_unknown = |of: &String| conn.prepare(&format!("SELECT 1 FROM {}", quote(of))).is_err();
    Ok(of.into_iter().find(is_unknown))
}

/// Refuses where rows have no key.
fn has_keys(conn: &Connection, class: &Class) -> Result<()> {
    let Key::Content(places) = &class.key else { return Ok(()) };
    let columns: Vec<String> = places.iter().map(|i| quote(&class.properties[*i].name)).collect();
    let without: Vec<String> = columns.iter().map(|c| format!("{c} IS NULL")).collect();
    let sql = format!("SELECT EXISTS(SELECT 1 FROM {} WHERE {})", quote(&class.table), without.join(" OR "));
    // What cannot even be read is found when writing is tried.
    if conn.query_row(&sql, [], |r| r.get(0)).unwrap_or(false) {
        let what = format!(
            "the table `{}` has rows without a key ({} is NULL), so nothing tells them apart",
            class.table,
            columns.join(", ")
        );
        return Err(Error::usage(what).hint("give each of them a key, or delete them, then try again"));
    }
    Ok(())
}

/// Why rows of a table cannot be written here: what its constraints, indexes or triggers call is known to the user's program alone.
pub(crate) fn unwritable(conn: &Connection, table: &str) -> Result<Option<Error>> {
    let spec = ClassSpec { name: table.to_owned(), table: table.to_owned(), journaled: true };
    let class = shape::new_class(conn, &spec, std::slice::from_ref(&spec))?;
    let failed = users_triggers::writes(&class).iter().find_map(|sql| conn.prepare(sql).err());
    Ok(failed.map(|e| {
        let e = Error::from(e);
        Error::usage(match e.lacks() {
            Some(what) => format!(
                "rows of `{table}` can only be written by its own program: its constraints, indexes or triggers need {what}"
            ),
            None => format!("rows of `{table}` cannot be written ({})", e.message()),
        })
    }))
}

/// What a framework notes in this database about this database: which of its migrations were run here. Synchronized, the other side
/// would never run them.
pub(crate) fn is_bookkeeping(table: &str) -> bool {
    BOOKKEEPING.iter().any(|name| name.eq_ignore_ascii_case(table))
}

const BOOKKEEPING: [&str; 39] = [
    "__diesel_schema_migrations",
    "__drizzle_migrations",
    "__EFMigrationsHistory",
    "__EFMigrationsLock",
    "_prisma_migrations",
    "_sqlx_migrations",
    "_yoyo_log",
    "_yoyo_migration",
    "_yoyo_version",
    "aerich",
    "alembic_version",
    "android_metadata",
    "ar_internal_metadata",
    "atlas_schema_revisions",
    "bun_migration_locks",
    "bun_migrations",
    "d1_migrations",
    "databasechangelog",
    "databasechangeloglock",
    "django_migrations",
    "doctrine_migration_versions",
    "flyway_schema_history",
    "goose_db_version",
    "gorp_migrations",
    "grdb_migrations",
    "knex_migrations",
    "knex_migrations_lock",
    "kysely_migration",
    "kysely_migration_lock",
    "migratehistory",
    "mikro_orm_migrations",
    "phinxlog",
    "refinery_schema_history",
    "room_master_table",
    "schema_migrations",
    "seaql_migrations",
    "SequelizeMeta",
    "yoyo_lock",
    "yoyo_migrations",
];

/// Of some keys those that refer by local numbers, and so need identities at the other end.
pub(crate) fn by_number<'a>(
    conn: &Connection,
    keys: impl Iterator<Item = &'a ForeignKey>,
) -> impl Iterator<Item = &'a ForeignKey> {
    keys.filter(|k| Shape::read(conn, &k.target).is_ok_and(|target| target.is_numbered_by(&k.to)))
}
