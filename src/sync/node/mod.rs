//! A node: one SQLite file that knows who it is, which classes it synchronizes, and whom it has met.

pub(crate) mod advice;
pub(crate) mod changes;
pub(crate) mod check;
pub(crate) mod classes;
pub(crate) mod clock;
pub(crate) mod copy;
pub(crate) mod create;
pub(crate) mod dots;
pub(crate) mod edit;
pub(crate) mod filing;
pub(crate) mod follow;
pub(crate) mod history;
pub(crate) mod inspect;
pub(crate) mod left_aside;
pub(crate) mod likely_references;
pub(crate) mod look;
pub(crate) mod moment;
pub(crate) mod parting;
pub(crate) mod peek;
pub(crate) mod purge;
pub(crate) mod references;
pub(crate) mod registry;
pub(crate) mod renumber;
pub(crate) mod shape;
pub(crate) mod store;
pub(crate) mod swaps;
pub(crate) mod taken_keys;
pub(crate) mod track;
pub(crate) mod trackable;
pub(crate) mod trigger_texts;
pub(crate) mod triggers;
pub(crate) mod unique_indexes;
pub(crate) mod unseen;
pub(crate) mod untrack;
pub(crate) mod users_triggers;
pub(crate) mod verify;
pub(crate) mod whereabouts;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, OpenFlags, OptionalExtension};
use serde::Serialize;

use crate::sync::data::guid::{Guid, NodeId};
use crate::sync::data::schema::{Class, Key};
use crate::sync::data::stamp::{Clock, sensible, system_clock};
use crate::sync::error::{Error, ErrorKind, Result};
use crate::sync::exchange::signature::PublicKey;
use crate::sync::node::registry::Registry;
use crate::sync::node::users_triggers::UsersTriggers;
use crate::sync::progress::{Progress, Step};
use crate::words::{quoted_path, same_name};

/// What a node is in the exchange. A node keeps its role for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A copy that is only now and then in touch with the master.
    #[default]
    Client,
    /// The central database.
    Master,
}

impl Role {
    /// `master` or `client`.
    pub fn name(self) -> &'static str {
        match self {
            Role::Master => "master",
            Role::Client => "client",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Role> {
        [Role::Master, Role::Client].into_iter().find(|r| r.name() == text)
    }
}

/// Who a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeInfo {
    /// Its GUID.
    pub guid: NodeId,
    /// Its namespace: `MASTER`.
    pub name: String,
    /// Its role.
    pub role: Role,
}

impl NodeInfo {
    /// Whether a character may be in a node's name: letters and digits of any script, with their combining marks, `-` and `_`.
    pub fn may_be_in_name(c: char) -> bool {
        c.is_alphanumeric() || matches!(c, '-' | '_' | '\u{300}'..='\u{36f}')
    }

    /// Refuses what is no name for a node: 1 to 64 such characters, 180 bytes at most, and not `-` first, which is how options begin.
    /// It is part of the names of files, which have at most 255 bytes, and is shown to people.
    pub fn check_name(name: &str) -> Result<()> {
        let fits = !name.starts_with('-') && name.chars().all(NodeInfo::may_be_in_name);
        if name.is_empty() || name.chars().count() > 64 || name.len() > 180 || !fits {
            return Err(Error::usage(format!(
                "`{name}` is no name for a node: use letters, digits, - and _, at most 64, and no - at the beginning"
            )));
        }
        Ok(())
    }

    /// A node of which nothing but the GUID is known: called by it, and no master until somebody says so.
    pub(crate) fn stranger(guid: NodeId) -> NodeInfo {
        NodeInfo { guid, name: guid.to_string(), role: Role::Client }
    }
}

/// Who a node is and which nodes its file was a copy of: what two nodes must know of each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who it is.
    pub info: NodeInfo,
    /// Of which node the file was a copy, and at which of that node's commits; nearest first.
    pub lineage: Vec<(NodeId, u64)>,
    /// The public key that it signs with, where that is known.
    pub key: Option<PublicKey>,
}

/// An open node. Every method that writes is one SQLite transaction.
pub struct Node {
    pub(crate) conn: Connection,
    pub(crate) path: PathBuf,
    pub(crate) info: NodeInfo,
    pub(crate) classes: Vec<Class>,
    pub(crate) nodes: Registry,
    pub(crate) clock: Clock,
    /// Where the file lay, if that is elsewhere.
    pub(crate) was_at: Option<String>,
    /// What the user's triggers do while the engine writes.
    pub(crate) users_triggers: UsersTriggers,
    pub(crate) schema_version: i64,
    pub(crate) progress: Progress,
    /// While a set is applied: its source, if it has not heard of everything that this node has purged.
    pub(crate) behind: Option<NodeId>,
    /// Whether this is a private copy of a file that cannot be written.
    pub(crate) read_only: bool,
    /// Whether statements may be interrupted: in a transaction that can still be taken back.
    listening: Arc<AtomicBool>,
}

/// Whether a transaction is to stay.
#[derive(Clone, Copy)]
pub(crate) enum Keep {
    Yes,
    No,
}

impl Node {
    /// Opens a node. Refuses a file that is none, or one of another storage format, or one whose tables were changed
    /// behind the journal.
    pub fn open(path: &Path) -> Result<Node> {
        look::is_file(path)?;
        let opened = || {
            let not_found = || {
                Error::new(ErrorKind::NotFound, "the database is not a node of objsync")
                    .hint(format!("objsync track {} makes it one", quoted_path(path)))
            };
            if look::is_other_database(path) {
                return Err(not_found());
            }
            let conn = open_file(path)?;
            // Before anything is set that stays in the file.
            if !store::is_node(&conn)? {
                return Err(not_found());
            }
            store::configure(&conn)?;
            store::upgrade(&conn)?;
            Node::from_connection(conn, path)
        };
        opened().map_err(|e: Error| e.while_doing(path.display()))
    }

    fn from_connection(conn: Connection, path: &Path) -> Result<Node> {
        let nodes = Registry::read(&conn)?;
        let own: i64 = conn.query_row("SELECT node FROM objsync_state", [], |r| r.get(0))?;
        let guid = nodes.guid(own)?;
        let info = nodes.find(guid).cloned().ok_or_else(|| Error::storage("this node is not in objsync_node"))?;
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut node = Node {
            conn,
            path,
            info,
            classes: Vec::new(),
            nodes,
            clock: sensible(system_clock()),
            was_at: None,
            users_triggers: UsersTriggers::default(),
            schema_version: -1,
            progress: Progress::default(),
            behind: None,
            read_only: false,
            listening: Arc::default(),
        };
        node.refresh()?;
        node.find_whereabouts()?;
        Ok(node)
    }

    /// Follows what other programs may have changed: the nodes known, and the tables. Called before every operation.
    pub(crate) fn refresh(&mut self) -> Result<()> {
        self.nodes = Registry::read(&self.conn)?;
        if self.schema_version_now()? != self.schema_version {
            self.classes = self.follow_tables()?;
            self.users_triggers = self.find_users_triggers()?;
            self.schema_version = self.schema_version_now()?;
        }
        self.follow_left_aside()?;
        self.follow_taken_keys()
    }

    pub(crate) fn schema_version_now(&self) -> Result<i64> {
        Ok(self.conn.prepare_cached("PRAGMA schema_version")?.query_row([], |r| r.get(0))?)
    }

    /// Takes another source of time, for tests.
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = sensible(clock);
        self
    }

    /// Who this node is.
    pub fn info(&self) -> &NodeInfo {
        &self.info
    }

    /// Its file, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its classes.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The class of that name, or of that table; compared without case.
    pub fn class(&self, name: &str) -> Result<&Class> {
        let found =
            self.classes.iter().find(|c| c.name.eq_ignore_ascii_case(name) || c.table.eq_ignore_ascii_case(name));
        found.ok_or_else(|| Error::usage(format!("{} has no class {name}", self.info.name)))
    }

    pub(crate) fn class_by_id(&self, id: i64) -> Result<&Class> {
        let found = self.classes.iter().find(|c| c.id == id);
        found.ok_or_else(|| Error::storage(format!("class {id} is not known in this file: objsync_class is damaged")))
    }

    /// The connection, for reading the user's tables, and for writing them as any other program would: every row a
    /// commit of its own. To file several changes as one commit use [`Node::edit`].
    pub fn connection(&self) -> &Connection {
        &self.conn
    }

    /// The number of the last commit.
    pub fn number(&self) -> Result<u64> {
        Ok(self.conn.prepare_cached("SELECT number FROM objsync_state")?.query_row([], |r| r.get(0))?)
    }

    /// Who this node is and of what it is a copy.
    pub fn identity(&self) -> Result<Identity> {
        let node = self.info.guid;
        Ok(Identity { info: self.info.clone(), lineage: self.lineage_of(node)?, key: self.public_key(node)? })
    }

    /// Empty, too, for a node that is not known here.
    pub(crate) fn lineage_of(&self, node: NodeId) -> Result<Vec<(NodeId, u64)>> {
        let Ok(n) = self.nodes.number(node) else { return Ok(Vec::new()) };
        let rows = self
            .conn
            .prepare_cached("SELECT ancestor, number FROM objsync_lineage WHERE node = ?1 ORDER BY place")?
            .query_map([n], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, u64>(1)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        rows.into_iter().map(|(n, number)| Ok((self.nodes.guid(n)?, number))).collect()
    }

    /// Notes another node as a peer, with its lineage, so that sets can be prepared for it.
    pub fn meet(&mut self, peer: &Identity) -> Result<()> {
        self.refresh()?;
        let known = self.peers()?.contains(&peer.info.guid)
            && self.nodes.find(peer.info.guid) == Some(&peer.info)
            && self.lineage_of(peer.info.guid)? == peer.lineage
            && (peer.key.is_none() || self.public_key(peer.info.guid)?.is_some());
        if peer.info.guid == self.info.guid || known {
            return Ok(());
        }
        if self.read_only {
            // Only to say how the two stand.
            return self.within_transaction(|node| node.note_peer(peer));
        }
        self.write(|node| node.note_peer(peer))
    }

    pub(crate) fn note_peer(&mut self, peer: &Identity) -> Result<()> {
        self.note_node(&peer.info, true)?;
        if let Some(key) = peer.key {
            self.note_key(peer.info.guid, key)?;
        }
        let n = self.nodes.number(peer.info.guid)?;
        self.conn.execute("INSERT OR IGNORE INTO objsync_sync_time (peer) VALUES (?1)", [n])?;
        for (place, (ancestor, number)) in peer.lineage.iter().enumerate() {
            let ancestor = self.number_of(*ancestor)?;
            self.conn.execute(
                "INSERT OR REPLACE INTO objsync_lineage (node, place, ancestor, number) VALUES (?1, ?2, ?3, ?4)",
                (n, place, ancestor, number),
            )?;
        }
        Ok(())
    }

    fn number_of(&mut self, node: NodeId) -> Result<i64> {
        self.note_stranger(node)?;
        self.nodes.number(node)
    }

    /// Notes a node of which nothing but the GUID is known.
    pub(crate) fn note_stranger(&mut self, node: NodeId) -> Result<()> {
        self.note_node(&NodeInfo::stranger(node), false)
    }

    /// Notes that a node exists. `certain`: the node itself said so, so its name and role replace what others said. What
    /// others say replaces only what is known of a stranger, whose role is a guess that no rule may go by for good.
    pub(crate) fn note_node(&mut self, info: &NodeInfo, certain: bool) -> Result<()> {
        match self.nodes.find(info.guid) {
            Some(known) if known == info => return Ok(()),
            Some(known) if !certain && *known != NodeInfo::stranger(info.guid) => return Ok(()),
            _ if info.guid == self.info.guid => return Ok(()),
            _ => {}
        }
        let n = self
            .conn
            .prepare_cached(
                "INSERT INTO objsync_node (guid, name, role) VALUES (?1, ?2, ?3)
                 ON CONFLICT (guid) DO UPDATE SET name = excluded.name, role = excluded.role RETURNING n",
            )?
            .query_row((info.guid.0 as i64, &info.name, info.role.name()), |r| r.get(0))?;
        self.nodes.note(n, info);
        Ok(())
    }

    /// What a node is called; its GUID where no name is known.
    pub fn name_of(&self, node: NodeId) -> String {
        self.nodes.name(node)
    }

    /// The nodes this one exchanges sets with.
    pub fn peers(&self) -> Result<Vec<NodeId>> {
        let rows = self
            .conn
            .prepare_cached("SELECT n.guid FROM objsync_sync_time t JOIN objsync_node n ON n.n = t.peer ORDER BY n.n")?
            .query_map([], |r| Ok(NodeId(r.get::<_, i64>(0)? as u64)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }

    /// The peer of that name or GUID.
    pub fn peer(&self, name: &str) -> Result<NodeInfo> {
        let peers = self.peers()?;
        let called = |i: &&NodeInfo| same_name(&i.name, name) || i.guid.to_string() == name;
        let mut found: Vec<&NodeInfo> = self.nodes.all().filter(|i| peers.contains(&i.guid)).filter(called).collect();
        // One that was given up makes room for its successor.
        if found.len() > 1 {
            let mut alive = Vec::new();
            for info in &found {
                if !self.is_retired(info.guid)? {
                    alive.push(*info);
                }
            }
            found = if alive.is_empty() { found } else { alive };
        }
        match found.as_slice() {
            [one] => Ok((*one).clone()),
            [] => {
                let names: Vec<_> = peers.iter().map(|p| self.nodes.name(*p)).collect();
                Err(Error::usage(format!("{} knows no peer `{name}`; it knows {}", self.info.name, names.join(", "))))
            }
            several => {
                let guids: Vec<String> = several.iter().map(|i| i.guid.to_string()).collect();
                Err(Error::usage(format!(
                    "{} knows {} peers named {name}; nothing was changed",
                    self.info.name,
                    guids.len()
                ))
                .hint(format!("name the one that is meant by its GUID: {}", guids.join(", "))))
            }
        }
    }

    /// One writing transaction: what `work` does happens whole or not at all.
    pub(crate) fn write<T>(&mut self, work: impl FnOnce(&mut Node) -> Result<T>) -> Result<T> {
        self.check_writable()?;
        self.check_whereabouts()?;
        self.within_transaction(work)
    }

    /// Does something within a transaction, or as one of its own: whole or not at all.
    pub(crate) fn all_or_nothing<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.conn.execute_batch("SAVEPOINT all_or_nothing")?;
        let result = work();
        if result.is_err() {
            self.conn.execute_batch("ROLLBACK TO all_or_nothing")?;
        }
        self.conn.execute_batch("RELEASE all_or_nothing")?;
        result
    }

    fn within_transaction<T>(&mut self, work: impl FnOnce(&mut Node) -> Result<T>) -> Result<T> {
        self.begin_writing()?;
        let known = self.tables_known();
        self.listen(true);
        let result = self.refresh().and_then(|()| work(self));
        self.listen(false);
        let end = match &result {
            Ok(_) => self.conn.execute_batch("COMMIT"),
            Err(_) => Ok(()),
        };
        if result.is_err() || end.is_err() {
            // Also where SQLite has rolled back by itself, as on a full disk.
            if !self.conn.is_autocommit() {
                self.conn.execute_batch("ROLLBACK")?;
            }
            self.know_again(known)?;
        }
        let result = result.map_err(rolled_back);
        end.map_err(|e| match Error::from(e) {
            // References are judged last of all.
            e if e.kind() == ErrorKind::Constraint => {
                let what = format!("a reference would be left without its row ({}); nothing was changed", e.message());
                Error::new(ErrorKind::Constraint, what)
            }
            e => e,
        })?;
        result
    }

    fn begin_writing(&self) -> Result<()> {
        self.conn.execute_batch("BEGIN IMMEDIATE").map_err(|e| Error::from(e).of_file(&self.path))
    }

    /// One writing transaction, to stay or to be taken back in the end.
    pub(crate) fn transact<T>(&mut self, keep: Keep, work: impl FnOnce(&mut Node) -> Result<T>) -> Result<T> {
        match keep {
            Keep::Yes => self.write(work),
            Keep::No => self.rehearse(work),
        }
    }

    /// Like [`Node::write`], taken back in the end whatever came of it.
    fn rehearse<T>(&mut self, work: impl FnOnce(&mut Node) -> Result<T>) -> Result<T> {
        self.check_whereabouts()?;
        self.begin_writing()?;
        let known = self.tables_known();
        self.listen(true);
        let result = self.refresh().and_then(|()| work(self));
        self.listen(false);
        if !self.conn.is_autocommit() {
            self.conn.execute_batch("ROLLBACK")?;
        }
        self.know_again(known)?;
        result.map_err(rolled_back)
    }

    /// What is known of the tables, and as of which version of the schema.
    fn tables_known(&self) -> (Vec<Class>, UsersTriggers, i64) {
        (self.classes.clone(), self.users_triggers.clone(), self.schema_version)
    }

    /// After changes to the file were taken back, what was known of it before is right again: compiling everything anew to
    /// find that out takes longer than most transactions.
    fn know_again(&mut self, known: (Vec<Class>, UsersTriggers, i64)) -> Result<()> {
        (self.classes, self.users_triggers, self.schema_version) = known;
        self.nodes = Registry::read(&self.conn)?;
        Ok(())
    }

    /// One consistent reading: every statement of `work` sees the same moment.
    pub(crate) fn read<T>(&mut self, work: impl FnOnce(&Node) -> Result<T>) -> Result<T> {
        // What there is to follow is written before, to stay.
        self.refresh().map_err(|e| e.of_file(&self.path))?;
        self.conn.execute_batch("BEGIN")?;
        self.listen(true);
        let result = self.refresh().and_then(|()| work(self));
        self.listen(false);
        if !self.conn.is_autocommit() {
            self.conn.execute_batch("ROLLBACK")?;
        }
        result
    }

    /// The size of the node's file and its write-ahead log, bytes.
    pub fn bytes(&self) -> u64 {
        [self.path.clone(), look::beside(&self.path, "-wal")]
            .iter()
            .filter_map(|p| p.metadata().ok())
            .map(|m| m.len())
            .sum()
    }

    /// Says what goes on through this handle from now on, and asks it whether to stop.
    pub fn set_progress(&mut self, progress: Progress) -> Result<()> {
        self.progress = progress.clone();
        // Within long statements, too: about every millisecond.
        let listening = self.listening.clone();
        let stop = move || listening.load(Ordering::SeqCst) && progress.is_cancelled();
        Ok(self.conn.progress_handler(10_000, Some(stop))?)
    }

    /// From now on statements may be interrupted, or may not: what takes things back or puts them in order must not be.
    pub(crate) fn listen(&self, on: bool) {
        self.listening.store(on, Ordering::SeqCst);
    }

    /// Asked now and then while something goes on: `done` of `total` (where that is known) are done.
    pub(crate) fn going_on(&self, what: &'static str, done: usize, total: Option<usize>) -> Result<()> {
        self.progress.step(Step { what, done, total })
    }

    /// A number that changes when any other program has written to the file (`PRAGMA data_version`).
    pub fn data_version(&self) -> Result<i64> {
        Ok(self.conn.prepare_cached("PRAGMA data_version")?.query_row([], |r| r.get(0))?)
    }

    /// The local key of a living object.
    pub fn key_of(&self, class: &Class, guid: Guid) -> Result<Option<i64>> {
        let Some(id) = self.nodes.known_id(guid) else { return Ok(None) };
        let sql = class.texts.key.get_or_init(|| format!("SELECT key FROM {} WHERE object = ?1", class.objects()));
        Ok(self.conn.prepare_cached(sql)?.query_row([id], |r| r.get(0)).optional()?)
    }

    /// The GUID of the object that has a local key, or else of the one that had it last.
    pub fn guid_by_number(&self, class: &Class, key: i64) -> Result<Option<Guid>> {
        self.named(class, key, i64::MAX)
    }

    /// The GUID of the living object of a class whose key is content: its values as text, `, ` between them where they are
    /// several, references as local numbers; the form that [`Node::key_text`] gives.
    pub fn guid_by_key(&self, class: &Class, text: &str) -> Result<Option<Guid>> {
        let Key::Content(places) = &class.key else { return Ok(None) };
        let parts: Vec<&str> = text.splitn(places.len(), ',').map(str::trim).collect();
        if parts.len() != places.len() {
            return Ok(None);
        }
        let each: Vec<String> = (0..places.len()).map(|n| format!("k{n} = ?{}", n + 1)).collect();
        // Bound as text: the columns convert it as they convert what is stored.
        let sql = format!("SELECT object FROM {} WHERE {}", class.objects(), each.join(" AND "));
        let id: Option<i64> =
            self.conn.prepare_cached(&sql)?.query_row(rusqlite::params_from_iter(parts), |r| r.get(0)).optional()?;
        id.map(|id| self.nodes.object(id)).transpose()
    }

    /// The GUID of the living object with a local key.
    pub fn guid_of(&self, class: &Class, key: i64) -> Result<Option<Guid>> {
        let sql = class.texts.object.get_or_init(|| format!("SELECT object FROM {} WHERE key = ?1", class.objects()));
        let id: Option<i64> = self.conn.prepare_cached(sql)?.query_row([key], |r| r.get(0)).optional()?;
        id.map(|id| self.nodes.object(id)).transpose()
    }
}

/// Says what a savepoint of ours is missing for, if that is what happened.
fn rolled_back(error: Error) -> Error {
    if !error.message().contains("no such savepoint") {
        return error;
    }
    let what =
        "a trigger or a constraint of a table here takes the whole transaction back (ROLLBACK); nothing was changed";
    Error::new(ErrorKind::Constraint, what)
        .hint("let that trigger or constraint say ABORT in place of ROLLBACK, then try again")
}

pub(crate) fn open_file(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(conn)
}
