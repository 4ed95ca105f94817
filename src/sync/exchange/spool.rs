//! The spool: what is to be applied, kept in temporary tables of the connection while it is judged, so that a set of any size
//! takes little memory. SQLite keeps them in its cache and, where they outgrow it, in a temporary file.
//!
//! A set is read into the spool and found whole before anything else is asked. What waits in the requeue stands before it.
//! Every state has an *index*: those that wait from 0 on, in order, then those of the set, in the order of the sender.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::OptionalExtension;

use crate::sync::data::guid::{Guid, NodeId};
use crate::sync::error::{Error, Result};
use crate::sync::exchange::apply::ApplyOptions;
use crate::sync::exchange::given::Given;
use crate::sync::exchange::requeue::{Obstacle, Pending};
use crate::sync::exchange::syncset::{self, Entry, Header, Whole};
use crate::sync::exchange::unit::{Partition, Units};
use crate::sync::node::Node;
use crate::sync::node::dots::Dots;

const TABLES: &str = "
CREATE TEMP TABLE IF NOT EXISTS objsync_spool (
    place INTEGER PRIMARY KEY,          -- of a set from 0 on; of what waits below 0
    guid BLOB NOT NULL,
    waiting INTEGER NOT NULL,           -- its number in the requeue; 0: of the set
    class INTEGER,                      -- place of its class in the set's header
    line BLOB,                          -- as the set has it
    own INTEGER, source INTEGER,        -- entries of its vector: this node's, the sender's
    time INTEGER, by_us INTEGER,        -- its stamp, and whether this node made it
    made_here INTEGER,                  -- its serial, where this node made the object
    waits INTEGER                       -- 1: it waits from now on
);
CREATE UNIQUE INDEX IF NOT EXISTS temp.objsync_spool_by_guid ON objsync_spool (guid, waiting);
CREATE TEMP TABLE IF NOT EXISTS objsync_spool_bond (bond INTEGER NOT NULL, guid BLOB NOT NULL, tie INTEGER NOT NULL);
CREATE TEMP TABLE IF NOT EXISTS objsync_spool_tie (guid BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TEMP TABLE IF NOT EXISTS objsync_spool_obstacle (
    unit INTEGER PRIMARY KEY, culprit INTEGER NOT NULL, obstacle TEXT NOT NULL
);
DELETE FROM temp.objsync_spool; DELETE FROM temp.objsync_spool_bond; DELETE FROM temp.objsync_spool_tie;
DELETE FROM temp.objsync_spool_obstacle;
";

/// Bonds of the requeue stand before those of a set, which are the sender's commits.
const BEFORE_COMMITS: i64 = -(1 << 62);

/// A set in the spool, found whole.
pub(crate) struct Spooled {
    pub(crate) whole: Whole,
}

impl std::ops::Deref for Spooled {
    type Target = Whole;

    fn deref(&self) -> &Whole {
        &self.whole
    }
}

/// What is to be judged.
pub(crate) struct Queue<'a> {
    header: Option<&'a Header>,
    /// How many waited before.
    pub(crate) waiting: usize,
    /// States with which nothing is left to do.
    pub(crate) finished: Vec<bool>,
    /// Who wrote the properties of states that came after others of their objects, by index: what those say, too.
    pub(crate) dots: HashMap<usize, Option<Dots>>,
    pub(crate) given: Given,
}

fn blob(guid: Guid) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&guid.node.0.to_be_bytes());
    bytes[8..].copy_from_slice(&guid.serial.to_be_bytes());
    bytes
}

fn guid_of(bytes: [u8; 16]) -> Guid {
    let bits = u128::from_be_bytes(bytes);
    Guid { node: NodeId((bits >> 64) as u64), serial: bits as u64 }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl Node {
    /// Reads a set into the spool, if its header is acceptable. Writes to no table of the file.
    pub(crate) fn spool(&mut self, file: &Path, options: ApplyOptions<'_>) -> Result<Spooled> {
        self.conn.execute_batch(TABLES)?;
        self.conn.execute_batch("BEGIN")?;
        self.listen(true);
        let spooled = self.spool_lines(file, options);
        self.listen(false);
        // An interrupted statement has rolled back by itself.
        if !self.conn.is_autocommit() {
            self.conn.execute_batch(if spooled.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        }
        spooled
    }

    fn spool_lines(&self, file: &Path, options: ApplyOptions<'_>) -> Result<Spooled> {
        let mut line_of = self.conn.prepare_cached(
            "INSERT OR IGNORE INTO temp.objsync_spool (place, guid, waiting, class, line, own, source, time, by_us, made_here)
             VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        let mut bond_of =
            self.conn.prepare_cached("INSERT INTO temp.objsync_spool_bond (bond, guid, tie) VALUES (?1, ?2, ?3)")?;
        let object = "SELECT EXISTS(SELECT 1 FROM temp.objsync_spool WHERE guid = ?1)";
        let mut is_object = self.conn.prepare_cached(object)?;
        let mut is_tie =
            self.conn.prepare_cached("SELECT EXISTS(SELECT 1 FROM temp.objsync_spool_tie WHERE guid = ?1)")?;
        let mut tie_of = self.conn.prepare_cached("INSERT OR IGNORE INTO temp.objsync_spool_tie (guid) VALUES (?1)")?;
        let (us, mut objects, mut ties) = (self.info.guid, 0, 0);
        let accept = |header: &Header| self.check_sender(header, options.at_hand);
        let whole = syncset::read_through(file, options.size, accept, |header, entry, line| {
            let (guid, commits, tie) = match &entry {
                Entry::Object(object) => (object.guid, &object.commits, false),
                Entry::Tie(tie) => (tie.guid, &tie.commits, true),
            };
            let guid_blob = blob(guid);
            // Over and over, a tie would fill the disk out of a file of a few bytes.
            let other = if tie { &mut is_object } else { &mut is_tie };
            let repeated = (tie || ties > 0) && other.query_row([guid_blob], |r| r.get(0))?;
            let noted = if repeated {
                0
            } else if let Entry::Object(object) = &entry {
                let (source, state) = (header.source.guid, &object.state);
                line_of.execute(rusqlite::params![
                    count(objects),
                    guid_blob,
                    count(object.class),
                    line,
                    state.vector.get(us),
                    state.vector.get(source),
                    state.stamp.time,
                    state.stamp.author == us,
                    (guid.node == us).then_some(guid.serial),
                ])?
            } else {
                tie_of.execute([guid_blob])?
            };
            if noted == 0 {
                return Err(syncset::repeated(objects + ties));
            }
            *if tie { &mut ties } else { &mut objects } += 1;
            for commit in commits {
                bond_of.execute((commit, guid_blob, tie))?;
            }
            self.going_on("reading the set", objects, None)
        })?;
        let sql = "SELECT count(DISTINCT bond) FROM temp.objsync_spool_bond WHERE tie = 0";
        let commits: usize = self.conn.query_row(sql, [], |r| r.get(0))?;
        syncset::check_transactions(&whole, commits).map_err(|e| e.while_doing(file.display()))?;
        Ok(Spooled { whole })
    }

    /// Puts what waits before the set in the spool, or alone.
    pub(crate) fn queue<'a>(&mut self, set: Option<&'a Spooled>) -> Result<Queue<'a>> {
        if set.is_none() {
            self.conn.execute_batch(TABLES)?;
        }
        let waiting: usize = self.conn.query_row("SELECT count(*) FROM objsync_waiting", [], |r| r.get(0))?;
        let mut rows = self.conn.prepare_cached("SELECT id, object FROM objsync_waiting ORDER BY id")?;
        let mut rows = rows.query([])?;
        let mut insert =
            self.conn.prepare_cached("INSERT INTO temp.objsync_spool (place, guid, waiting) VALUES (?1, ?2, ?3)")?;
        let mut place = -count(waiting);
        while let Some(r) = rows.next()? {
            insert.execute((place, blob(self.nodes.object(r.get(1)?)?), r.get::<_, i64>(0)?))?;
            place += 1;
        }
        let mut bonds = self.conn.prepare_cached("SELECT bond, object FROM objsync_bond")?;
        let mut bonds = bonds.query([])?;
        let mut insert =
            self.conn.prepare_cached("INSERT INTO temp.objsync_spool_bond (bond, guid, tie) VALUES (?1, ?2, 1)")?;
        while let Some(r) = bonds.next()? {
            insert
                .execute((r.get::<_, i64>(0)?.saturating_add(BEFORE_COMMITS), blob(self.nodes.object(r.get(1)?)?)))?;
        }
        let fresh = set.map_or(0, |set| set.objects);
        Ok(Queue {
            header: set.map(|set| &set.header),
            waiting,
            finished: vec![false; waiting + fresh],
            dots: HashMap::new(),
            given: Given::default(),
        })
    }

    /// Leaves the set in the spool out: only what waits is judged.
    pub(crate) fn without_set<'a>(&mut self) -> Result<Queue<'a>> {
        self.conn.execute_batch(TABLES)?;
        self.queue(None)
    }

    /// Of each state, whether it is one of the set at hand that is news without a closer look: its object cannot be here, or its
    /// version has more of the sender than the one here, and no more of this node.
    pub(crate) fn news_in_set(&self, queue: &Queue<'_>) -> Result<Vec<bool>> {
        let mut news = vec![false; queue.finished.len()];
        let Some(header) = queue.header else { return Ok(news) };
        let classes = header.classes.iter().map(|class| self.class(&class.name)).collect::<Result<Vec<_>>>()?;
        let sql = "SELECT place, guid, class, own, source FROM temp.objsync_spool WHERE place >= 0 ORDER BY place";
        let mut places = self.conn.prepare_cached(sql)?;
        let mut rows = places.query([])?;
        while let Some(r) = rows.next()? {
            let guid = guid_of(r.get(1)?);
            news[queue.index(r.get(0)?)] = queue.given.is_new(self, guid)?
                || self.vector_of(classes[r.get::<_, usize>(2)?], guid)?.is_some_and(|ours| {
                    let (own, source): (u64, u64) = (r.get(3).unwrap_or(u64::MAX), r.get(4).unwrap_or(0));
                    source > ours.get(header.source.guid) && own <= ours.get(self.info.guid)
                });
            self.going_on("looking for news", queue.index(r.get(0)?), Some(news.len()))?;
        }
        Ok(news)
    }

    /// The states with these indexes.
    pub(crate) fn load(&self, queue: &Queue<'_>, indexes: impl Iterator<Item = usize>) -> Result<Vec<Pending>> {
        let mut read = self.conn.prepare_cached("SELECT waiting, line FROM temp.objsync_spool WHERE place = ?1")?;
        let mut found = Vec::new();
        for index in indexes {
            let place = count(index) - count(queue.waiting);
            let mut row = read.query([place])?;
            let pending = match row.next()? {
                None => None,
                Some(r) => match (r.get(0)?, queue.header) {
                    (0, Some(header)) => match syncset::read_entry(header, r.get_ref(1)?.as_blob().unwrap_or_default())
                    {
                        Some(Entry::Object(object)) => Some(Pending::from_set(self, header, object)?),
                        _ => None,
                    },
                    (id, _) => self.waiting_one(id)?,
                },
            };
            let pending = pending.map(|p| match queue.dots.get(&index) {
                Some(dots) => Pending { dots: dots.clone(), ..p },
                None => p,
            });
            found.push(pending.ok_or_else(|| Error::storage("a state that was to be applied is gone from the spool"))?);
        }
        Ok(found)
    }

    /// The indexes of an object's states.
    pub(crate) fn spooled(&self, queue: &Queue<'_>, guid: Guid) -> Result<Vec<usize>> {
        let mut places = self.conn.prepare_cached("SELECT place FROM temp.objsync_spool WHERE guid = ?1")?;
        let found = places.query_map([blob(guid)], |r| Ok(queue.index(r.get(0)?)))?.collect::<rusqlite::Result<_>>()?;
        Ok(found)
    }

    /// Indexes of states of one object, where they are several.
    pub(crate) fn rivals(&self, queue: &Queue<'_>) -> Result<Vec<Vec<usize>>> {
        let sql = "SELECT s.guid, s.place FROM temp.objsync_spool s
                   WHERE s.guid IN (SELECT guid FROM temp.objsync_spool GROUP BY guid HAVING count(*) > 1) ORDER BY s.guid, s.place";
        let mut rows = self.conn.prepare_cached(if queue.waiting == 0 { "SELECT 0, 0 WHERE 0" } else { sql })?;
        let mut rows = rows.query([])?;
        let mut found: Vec<([u8; 16], Vec<usize>)> = Vec::new();
        while let Some(r) = rows.next()? {
            let (guid, index) = (r.get(0)?, queue.index(r.get(1)?));
            match found.last_mut() {
                Some((last, indexes)) if *last == guid => indexes.push(index),
                _ => found.push((guid, vec![index])),
            }
        }
        let mut found: Vec<Vec<usize>> = found.into_iter().map(|(_, indexes)| indexes).collect();
        found.sort();
        Ok(found)
    }

    /// What must be applied together, of all that is not finished.
    pub(crate) fn units_of(&self, queue: &Queue<'_>, rivals: &[Vec<usize>]) -> Result<Units> {
        let mut parts = Partition::new(queue.finished.len());
        let open = |index: &usize| !queue.finished[*index];
        for indexes in rivals {
            let open: Vec<usize> = indexes.iter().copied().filter(open).collect();
            open.windows(2).for_each(|pair| parts.tie(pair[0], pair[1]));
        }
        let sql = "SELECT b.bond, s.place FROM temp.objsync_spool_bond b CROSS JOIN temp.objsync_spool s ON s.guid = b.guid ORDER BY b.bond";
        let mut rows = self.conn.prepare_cached(sql)?;
        let mut rows = rows.query([])?;
        let mut last: Option<(i64, usize)> = None;
        while let Some(r) = rows.next()? {
            let (bond, index) = (r.get(0)?, queue.index(r.get(1)?));
            if queue.finished[index] {
                continue;
            }
            match last {
                Some((b, first)) if b == bond => parts.tie(first, index),
                _ => last = Some((bond, index)),
            }
        }
        Ok(parts.units(&queue.finished))
    }

    /// Notes what is in the way of a unit, until the next try. `culprit`: the index of the state that it is about.
    pub(crate) fn note_obstacle(&self, unit: usize, culprit: usize, obstacle: &Obstacle) -> Result<()> {
        let text = serde_json::to_string(obstacle).map_err(|e| Error::storage(e.to_string()))?;
        self.conn
            .prepare_cached(
                "INSERT OR REPLACE INTO temp.objsync_spool_obstacle (unit, culprit, obstacle) VALUES (?1, ?2, ?3)",
            )?
            .execute((count(unit), count(culprit), text))?;
        Ok(())
    }

    /// What was noted last, and the index of the state that it is about.
    pub(crate) fn obstacle(&self, unit: usize) -> Result<(usize, Obstacle)> {
        let sql = "SELECT culprit, obstacle FROM temp.objsync_spool_obstacle WHERE unit = ?1";
        let found: Option<(usize, String)> =
            self.conn.prepare_cached(sql)?.query_row([count(unit)], |r| Ok((r.get(0)?, r.get(1)?))).optional()?;
        let parsed = found.and_then(|(culprit, text)| Some((culprit, serde_json::from_str(&text).ok()?)));
        parsed.ok_or_else(|| Error::storage("what is in the way of a unit is gone from the spool"))
    }

    /// Notes that a state waits from now on.
    pub(crate) fn note_waits(&self, queue: &Queue<'_>, index: usize) -> Result<()> {
        let place = count(index) - count(queue.waiting);
        self.conn.prepare_cached("UPDATE temp.objsync_spool SET waits = 1 WHERE place = ?1")?.execute([place])?;
        Ok(())
    }

    /// What was filed together, as far as any of it waits from now on: numbers of bonds from 0 on, each with its objects.
    pub(crate) fn bonds_left(&self, mut each: impl FnMut(i64, Guid) -> Result<()>) -> Result<()> {
        let sql = "SELECT DISTINCT bond, guid FROM temp.objsync_spool_bond WHERE bond IN (
                       SELECT b.bond FROM temp.objsync_spool_bond b CROSS JOIN temp.objsync_spool s ON s.guid = b.guid WHERE s.waits = 1)
                   ORDER BY bond";
        let mut rows = self.conn.prepare_cached(sql)?;
        let mut rows = rows.query([])?;
        let (mut bond, mut first, mut number) = (None, None, -1);
        while let Some(r) = rows.next()? {
            let (next, guid): (i64, Guid) = (r.get(0)?, guid_of(r.get(1)?));
            if bond != Some(next) {
                (bond, first) = (Some(next), Some(guid));
                continue;
            }
            // An object that was filed alone is tied to nothing.
            if let Some(first) = first.take() {
                number += 1;
                each(number, first)?;
            }
            each(number, guid)?;
        }
        Ok(())
    }

    /// The highest commit of this node that any state in the spool has seen.
    pub(crate) fn spool_knows(&self) -> Result<u64> {
        Ok(self.conn.query_row("SELECT coalesce(max(own), 0) FROM temp.objsync_spool", [], |r| r.get(0))?)
    }

    /// The highest serial of this node that any object in the spool has.
    pub(crate) fn spool_names(&self) -> Result<Option<u64>> {
        Ok(self.conn.query_row("SELECT max(made_here) FROM temp.objsync_spool", [], |r| r.get(0))?)
    }

    /// The latest time at which this node is said to have made any of the spool.
    pub(crate) fn spool_clock(&self) -> Result<Option<i64>> {
        Ok(self.conn.query_row("SELECT max(time) FROM temp.objsync_spool WHERE by_us", [], |r| r.get(0))?)
    }

    /// The latest time up to `limit` in the spool, and how many there are beyond.
    pub(crate) fn spool_times(&self, limit: i64) -> Result<(Option<i64>, usize)> {
        let sql =
            "SELECT max(time) FILTER (WHERE time <= ?1), count(*) FILTER (WHERE time > ?1) FROM temp.objsync_spool";
        Ok(self.conn.query_row(sql, [limit], |r| Ok((r.get(0)?, r.get(1)?)))?)
    }

    /// Empties the spool.
    pub(crate) fn empty_spool(&self) -> Result<()> {
        Ok(self.conn.execute_batch(TABLES)?)
    }
}

impl Queue<'_> {
    fn index(&self, place: i64) -> usize {
        usize::try_from(place + count(self.waiting)).unwrap_or_default()
    }
}
