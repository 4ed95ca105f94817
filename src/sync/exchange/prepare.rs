//! Preparing a set: the net state of every object filed in a range of commits, less what came unchanged from the peer.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use rusqlite::{CachedStatement, OptionalExtension};
use serde::Serialize;

use crate::sync::data::guid::{Guid, NodeId};
use crate::sync::data::schema::{Class, Key};
use crate::sync::data::value::Value;
use crate::sync::data::vector::Dot;
use crate::sync::error::{Error, Refusal, Result};
use crate::sync::exchange::sync_times::{Since, SyncTimes};
use crate::sync::exchange::syncset::{Change, FORMAT, Header, Lines, SetObject, Target, Tie, Writer};
use crate::sync::exchange::told::Point;
use crate::sync::node::dots::authors_dot;
use crate::sync::node::history::{Filed, InOrder, Named, event_before};
use crate::sync::node::{Node, NodeInfo};

/// What to prepare, and where to.
#[derive(Clone, Debug)]
pub struct PrepareOptions {
    /// The set's number at this node, above 0 and not used before.
    pub id: i64,
    /// Its file.
    pub file: PathBuf,
    /// After which commit it starts.
    pub since: Since,
    /// The last commit it covers; `None`: all there are.
    pub upto: Option<u64>,
    /// Whether a used id or a file that is there may be replaced.
    pub overwrite: bool,
    /// Whether the file is packed (zstd). It is recognised when it is read.
    pub compress: bool,
    /// Whether "last sent" moves on. Without, the set is an extra copy: the next one covers its range again.
    pub update_sync_time: bool,
}

/// A set that was prepared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Prepared {
    /// Its number at the source.
    pub id: i64,
    /// Its file, absolute.
    #[serde(serialize_with = "crate::words::path_as_text")]
    pub file: PathBuf,
    /// The name of the node that sends.
    pub source: String,
    /// The name of the node that it is addressed to.
    pub target: String,
    /// The first commit it covers.
    pub first_transaction: u64,
    /// The last; one less than the first where nothing new was filed.
    pub last_transaction: u64,
    /// How many objects it carries.
    pub objects: usize,
    /// In how many commits they were filed.
    pub transactions: usize,
    /// The size of the file.
    pub bytes: u64,
}

/// What a set prepared now would carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ToSend {
    /// Objects.
    pub objects: usize,
    /// The commits in which they were filed.
    pub transactions: usize,
}

/// Of so many classes the objects are read in the order of the journal, which means to go through it for each of them.
const IN_ORDER: usize = 8;

/// An object filed in a range.
struct Outgoing {
    class: i64,
    object: i64,
    first_pos: i64,
    /// What was there before its first event in the range, as `objsync_journal.before` has it.
    before: i64,
    last_pos: i64,
    origin: Option<i64>,
    commits: Vec<u64>,
}

impl Node {
    /// Writes a set for `peer`. The file is complete, synced and in place before "last sent" is noted.
    pub fn prepare(&mut self, peer: NodeId, options: &PrepareOptions) -> Result<Prepared> {
        if options.id <= 0 {
            return Err(Error::usage(format!(
                "a set's id is a number above 0, not {}; nothing was changed",
                options.id
            )));
        }
        self.prepare_as(peer, options.clone(), None)
    }

    /// The same under the next id that is free when the set is written, whoever else prepares some at the same time; `file_of` says
    /// which file goes with an id.
    pub fn prepare_next(
        &mut self,
        peer: NodeId,
        options: &PrepareOptions,
        file_of: &dyn Fn(i64) -> PathBuf,
    ) -> Result<Prepared> {
        self.prepare_as(peer, options.clone(), Some(file_of))
    }

    fn prepare_as(
        &mut self,
        peer: NodeId,
        mut options: PrepareOptions,
        file_of: Option<&dyn Fn(i64) -> PathBuf>,
    ) -> Result<Prepared> {
        let (now, point) = ((self.clock)(), self.tell()?);
        let (prepared, placed) = self.write(|node| {
            if let Some(file_of) = file_of {
                (options.id, options.file) = node.free_set(file_of)?;
            }
            let options = &options;
            let info = node.nodes.find(peer).cloned();
            let info = info.ok_or_else(|| Error::usage(format!("{} does not know node {peer}", node.info.name)))?;
            node.check_not_retired(&info)?;
            node.check_unused(options)?;
            let (start, end) = node.range(&info, options, point.number)?;
            let header = node.header(&info, options.id, (start, end), point)?;
            let target = Target { file: &options.file, compress: options.compress, overwrite: options.overwrite };
            let mut lines = Lines::new(Writer::new(&target, &header)?);
            let echo = node.nodes.number(peer)?;
            if node.write_objects(&header, echo, &mut lines)? {
                node.filed_in(start, end, |outgoing| {
                    if outgoing.origin == Some(echo) && node.is_tied(&outgoing)? {
                        let (class, guid) = (node.place(&header, outgoing.class)?, node.nodes.object(outgoing.object)?);
                        lines.tie(Tie { class, guid, commits: outgoing.commits })?;
                    }
                    Ok(())
                })?;
            }
            let writer = lines.finish()?;
            // From here on a file may be in place.
            node.listen(false);
            let written = writer.finish(&target, &node.signing()?)?;
            let times = node.sync_times(peer)?;
            if options.update_sync_time {
                node.set_sync_times(peer, SyncTimes { sent: times.sent.max(end), ..times })?;
            }
            let prepared = Prepared {
                id: options.id,
                file: written.file,
                source: node.info.name.clone(),
                target: info.name.clone(),
                first_transaction: start + 1,
                last_transaction: end,
                objects: written.objects,
                transactions: written.transactions,
                bytes: written.bytes,
            };
            node.make_final(&format!("set {} was prepared here for {} since", options.id, info.name))?;
            node.conn.execute(
                "DELETE FROM objsync_set WHERE sent = 1 AND id = ?1",
                [options.id],
            )?;
            node.conn.execute(
                "INSERT INTO objsync_set (sent, peer, id, digest, file, first, last, objects, transactions, bytes, at, report)
                 VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                rusqlite::params![
                    node.nodes.number(peer)?,
                    options.id,
                    written.digest,
                    prepared.file.to_string_lossy(),
                    prepared.first_transaction,
                    prepared.last_transaction,
                    prepared.objects,
                    prepared.transactions,
                    prepared.bytes,
                    now,
                    serde_json::to_string(&prepared).map_err(|e| Error::storage(e.to_string()))?,
                ],
            )?;
            Ok((prepared, written.placed))
        })?;
        placed.stays();
        Ok(prepared)
    }

    /// Writes the objects of a set in the order in which they were filed last; says whether there are some that came from the
    /// peer, which are left out.
    fn write_objects(&self, header: &Header, echo: i64, lines: &mut Lines) -> Result<bool> {
        let range = (self.first_pos_after(header.start)?, self.first_pos_after(header.end)?);
        let (mut echoes, mut named) = (false, Named::among(usize::MAX));
        let classes: Vec<&Class> = self.classes.iter().filter(|c| c.journaled).take(IN_ORDER).collect();
        let mut statements =
            classes.iter().map(|class| self.living_in_order(class)).collect::<Result<Vec<CachedStatement<'_>>>>()?;
        let each = classes.iter().zip(&mut statements);
        let mut in_order: HashMap<i64, InOrder<'_>> = each
            .map(|(class, statement)| Ok((class.id, InOrder::new(class, statement, range)?)))
            .collect::<Result<_>>()?;
        self.filed_in(header.start, header.end, |outgoing| {
            if outgoing.origin == Some(echo) {
                echoes = true;
                return Ok(());
            }
            let present = in_order.get_mut(&outgoing.class);
            let present =
                present.map(|p| p.filed_at(self, outgoing.last_pos, outgoing.object, &mut named)).transpose()?;
            if let Some(object) = self.set_object(header, outgoing, present.flatten(), &mut named)? {
                lines.object(object)?;
            }
            Ok(())
        })?;
        Ok(echoes)
    }

    fn check_unused(&self, options: &PrepareOptions) -> Result<()> {
        let used: bool = self.conn.query_row(
            "SELECT EXISTS(SELECT 1 FROM objsync_set WHERE sent = 1 AND id = ?1)",
            [options.id],
            |r| r.get(0),
        )?;
        if used && !options.overwrite {
            return Err(Error::storage(format!(
                "{} has prepared a set {} already; nothing was changed",
                self.info.name, options.id
            ))
            .hint(format!(
                "use another id, such as {}, or replace that set on purpose (--overwrite)",
                self.next_set_id()?
            )));
        }
        Ok(())
    }

    /// An id that no set prepared here has: 1000, or one more than the highest.
    pub fn next_set_id(&self) -> Result<i64> {
        let highest: Option<i64> =
            self.conn.query_row("SELECT max(id) FROM objsync_set WHERE sent = 1", [], |r| r.get(0))?;
        Ok(highest.map_or(1000, |id| id.saturating_add(1)))
    }

    /// The next id that no set has, and whose file is not there. A file that stays the same is none to pass by.
    fn free_set(&self, file_of: &dyn Fn(i64) -> PathBuf) -> Result<(i64, PathBuf)> {
        let mut id = self.next_set_id()?;
        let mut file = file_of(id);
        while file.exists() && file_of(id + 1) != file {
            id += 1;
            file = file_of(id);
        }
        Ok((id, file))
    }

    fn range(&self, peer: &NodeInfo, options: &PrepareOptions, durable: u64) -> Result<(u64, u64)> {
        let mut start = self.start_for(peer.guid, options.since)?;
        if options.overwrite {
            // What a replaced set carried must not be lost with it.
            let sql = "SELECT min(first) - 1 FROM objsync_set WHERE sent = 1 AND id = ?1 AND peer = ?2";
            let replaced: Option<u64> =
                self.conn.query_row(sql, (options.id, self.nodes.number(peer.guid)?), |r| r.get(0))?;
            let confirmed = self.start_for(peer.guid, Since::Acknowledged)?;
            start = replaced.map_or(start, |first| start.min(first.max(confirmed)));
        }
        let end = options.upto.unwrap_or(durable).min(self.number()?);
        let (name, floor) = (&self.info.name, self.floor()?);
        if start < floor {
            let what = format!(
                "{} needs {name}'s transactions after {start}, which are purged up to {floor}; nothing was changed",
                peer.name
            );
            return Err(Error::refused(Refusal::Purged, what).hint(format!(
                "{} sends its own changes first; if it stays behind, make it anew as a fresh copy of {name}",
                peer.name
            )));
        }
        if options.upto.is_some_and(|upto| upto > end) || start > end {
            return Err(Error::usage(format!(
                "there is no range from {} to {} at {name}, whose last transaction is {}; nothing was changed",
                start + 1,
                options.upto.unwrap_or(end),
                self.number()?
            )));
        }
        Ok((start, end))
    }

    fn header(&self, peer: &NodeInfo, id: i64, (start, end): (u64, u64), point: Point) -> Result<Header> {
        let mut nodes = vec![self.info.clone(), peer.clone()];
        nodes.extend(self.nodes.all().filter(|n| n.guid != self.info.guid && n.guid != peer.guid).cloned());
        let received = self.peers()?.into_iter().map(|node| Ok((node, self.sync_times(node)?.received)));
        let seen = self.all_seen()?;
        let own = self.signed_point(point)?;
        let mut keys = Vec::new();
        for known in self.known_keys()? {
            let (node, retired) = (known.node.guid, self.is_retired(known.node.guid)?);
            keys.extend(known.key.filter(|_| !retired).map(|key| (node, key)));
        }
        Ok(Header {
            format: FORMAT,
            id,
            source: self.info.clone(),
            target: peer.clone(),
            nodes,
            lineage: self.lineage_of(self.info.guid)?,
            number: point.number,
            clock: point.clock,
            start,
            end,
            received: received.collect::<Result<_>>()?,
            proofs: seen.iter().chain([&own]).filter_map(|seen| Some((seen.node, seen.proof?))).collect(),
            seen: seen.iter().map(|seen| (seen.node, seen.point.number, seen.point.clock)).collect(),
            told: self.told_since_heard(peer.guid)?,
            earlier: self.unconfirmed_sets(peer)?,
            classes: self.classes.clone(),
            key: self.public_key(self.info.guid)?,
            keys,
            introductions: self.introductions()?,
        })
    }

    /// Sets prepared for a peer that it has not confirmed, so that it can tell which one it lacks.
    fn unconfirmed_sets(&self, peer: &NodeInfo) -> Result<Vec<(i64, u64, u64)>> {
        let confirmed = self.start_for(peer.guid, Since::Acknowledged)?;
        let sql = "SELECT id, first, last FROM objsync_set WHERE sent = 1 AND peer = ?1 AND last > ?2 AND first <= last
                   ORDER BY seq DESC LIMIT 100";
        let rows = self
            .conn
            .prepare_cached(sql)?
            .query_map((self.nodes.number(peer.guid)?, confirmed), |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }

    fn place(&self, header: &Header, class: i64) -> Result<usize> {
        let name = &self.class_by_id(class)?.name;
        let found = header.classes.iter().position(|c| c.name == *name);
        found.ok_or_else(|| Error::storage(format!("class {name} is not in the set's header")))
    }

    /// The first journal position after commit `number`. Positions and numbers grow together, so it is found by halving.
    pub(crate) fn first_pos_after(&self, number: u64) -> Result<i64> {
        let max: Option<i64> =
            self.conn.prepare_cached("SELECT max(pos) FROM objsync_journal")?.query_row([], |r| r.get(0))?;
        let (mut low, mut high) = (0, max.unwrap_or(0).saturating_add(1));
        let mut at =
            self.conn.prepare_cached("SELECT number FROM objsync_journal WHERE pos >= ?1 ORDER BY pos LIMIT 1")?;
        while low < high {
            let middle = low + (high - low) / 2;
            let found: Option<u64> = at.query_row([middle], |r| r.get(0)).optional()?;
            match found {
                Some(n) if n <= number => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// Every object filed in (start, end], in the order of its last event there. Classes that are switched off do not travel; on
    /// again, their baseline covers what was left out.
    fn filed_in(&self, start: u64, end: u64, mut each: impl FnMut(Outgoing) -> Result<()>) -> Result<()> {
        let (first, last) = (self.first_pos_after(start)?, self.first_pos_after(end)?);
        // Most objects have one event, and the journal is read in order; only those that may have several are sorted by object:
        // an event follows another one, or deletes (an identity that was given twice is given up in one class and lives on in
        // another). SQLite keeps to its cache and goes on on disk.
        let mut objects = self.conn.prepare_cached(
            "WITH several AS MATERIALIZED (
                 SELECT DISTINCT object FROM objsync_journal WHERE pos >= ?1 AND pos < ?2 AND (previous >= ?1 OR kind = 3))
             SELECT pos, pos, object, class, number, origin, before FROM objsync_journal
             WHERE pos >= ?1 AND pos < ?2 AND object NOT IN (SELECT object FROM several)
             UNION ALL
             SELECT max(pos), min(pos), object, class, NULL, NULL, NULL FROM objsync_journal
             WHERE pos >= ?1 AND pos < ?2 AND object IN (SELECT object FROM several) GROUP BY object
             ORDER BY 1",
        )?;
        let mut rows = objects.query((first, last))?;
        let mut done = 0;
        while let Some(r) = rows.next()? {
            let (last_pos, first_pos, object, class) = (r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?);
            if self.class_by_id(class)?.journaled {
                each(match r.get::<_, Option<u64>>(4)? {
                    Some(number) => Outgoing {
                        class,
                        object,
                        first_pos,
                        before: r.get(6)?,
                        last_pos,
                        origin: r.get(5)?,
                        commits: vec![number],
                    },
                    None => self.outgoing(object, class, (first_pos, last_pos))?,
                })?;
                done += 1;
                self.going_on("reading the journal", done, None)?;
            }
        }
        Ok(())
    }

    /// Its events in the range, from the last back to the first: each points to the one before.
    fn outgoing(&self, object: i64, class: i64, (first_pos, last_pos): (i64, i64)) -> Result<Outgoing> {
        let mut found = Outgoing { class, object, first_pos, before: 0, last_pos, origin: None, commits: Vec::new() };
        let mut event =
            self.conn.prepare_cached("SELECT number, origin, before, previous FROM objsync_journal WHERE pos = ?1")?;
        let mut at = Some(last_pos);
        while let Some(pos) = at.filter(|pos| *pos >= first_pos) {
            let (number, origin, before, previous): (u64, Option<i64>, i64, Option<i64>) =
                event.query_row([pos], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))?;
            if pos == last_pos {
                found.origin = origin;
            }
            found.before = before;
            if found.commits.last() != Some(&number) {
                found.commits.push(number);
            }
            at = event_before(pos, previous)?;
        }
        found.commits.reverse();
        Ok(found)
    }

    /// Whether one of an object's commits filed another object, too: events of one commit stand together.
    fn is_tied(&self, outgoing: &Outgoing) -> Result<bool> {
        for step in ["pos > ?1 ORDER BY pos", "pos < ?1 ORDER BY pos DESC"] {
            let sql = format!("SELECT pos, number, object, class FROM objsync_journal WHERE {step} LIMIT 1");
            let mut neighbour = self.conn.prepare_cached(&sql)?;
            for (mut pos, number) in self.events_of(outgoing)? {
                loop {
                    let found = neighbour.query_row([pos], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)));
                    let found: Option<(i64, u64, i64, i64)> = found.optional()?;
                    let Some((next, _, object, class)) = found.filter(|f| f.1 == number) else { break };
                    if object != outgoing.object && self.class_by_id(class)?.journaled {
                        return Ok(true);
                    }
                    pos = next;
                }
            }
        }
        Ok(false)
    }

    /// Positions and commits of an object's events in the range.
    fn events_of(&self, outgoing: &Outgoing) -> Result<Vec<(i64, u64)>> {
        let mut event = self.conn.prepare_cached("SELECT number, previous FROM objsync_journal WHERE pos = ?1")?;
        let (mut events, mut at) = (Vec::new(), Some(outgoing.last_pos));
        while let Some(pos) = at.filter(|pos| *pos >= outgoing.first_pos) {
            let (number, previous) = event.query_row([pos], |r| Ok((r.get(0)?, r.get(1)?)))?;
            events.push((pos, number));
            at = event_before(pos, previous)?;
        }
        Ok(events)
    }

    /// `present`: the state that it is in, if that is at hand.
    fn set_object(
        &self,
        header: &Header,
        outgoing: Outgoing,
        present: Option<Filed>,
        named: &mut Named,
    ) -> Result<Option<SetObject>> {
        let (class, guid) = (self.class_by_id(outgoing.class)?, self.nodes.object(outgoing.object)?);
        let present = present.map_or_else(|| self.current_among(class, guid, named), |present| Ok(Some(present)))?;
        let Some(present) = present else { return Ok(None) };
        let Some(filed) = self.as_of(class, guid, present, header.end)? else { return Ok(None) };
        let change = match (&filed.state.content, outgoing.before) {
            (None, _) => Change::Deleted,
            (Some(_), 1) => Change::Changed,
            (Some(_), _) => Change::New,
        };
        let was = match (&filed.state.content, change) {
            (Some(now), Change::Changed) => {
                let before = self.image(class, outgoing.first_pos)?.1;
                before.into_iter().enumerate().filter(|(i, old)| now[*i] != *old).collect()
            }
            // A deletion says by what key it was known, where that is content.
            (None, _) if !class.has_numbers() => {
                let before = filed.pos.map(|pos| self.replaced_at(class, pos)).transpose()?.flatten();
                let old = before.and_then(|state| state.content).unwrap_or_default();
                let is_key = |i: &usize| matches!(&class.key, Key::Content(places) if places.contains(i));
                old.into_iter().enumerate().filter(|(i, _)| is_key(i)).collect()
            }
            _ => Vec::<(usize, Value)>::new(),
        };
        Ok(Some(SetObject {
            class: self.place(header, outgoing.class)?,
            guid,
            key: class.number_shown(filed.key),
            change,
            commits: outgoing.commits,
            dots: self.dots_to_send((class, guid), &filed, (outgoing.first_pos, header.start), (change, &was))?,
            state: filed.state,
            was,
        }))
    }

    /// The dots of a state that a set with the changes after commit `start` must list.
    fn dots_to_send(
        &self,
        (class, guid): (&Class, Guid),
        filed: &Filed,
        (first_pos, start): (i64, u64),
        (change, was): (Change, &[(usize, Value)]),
    ) -> Result<Vec<(usize, Dot)>> {
        if change == Change::Deleted {
            return Ok(Vec::new());
        }
        let usual = authors_dot(&filed.state);
        // Nearly all objects have one event.
        if filed.pos == Some(first_pos) {
            let (listed, dot) = self.dots_of_event(guid, filed)?;
            if listed.is_empty() && dot == usual {
                return Ok(Vec::new());
            }
        }
        let dots = self.dots(class, guid, filed, |state| state.number <= start, |_, replaced| replaced <= start)?;
        let named = |place: usize| change == Change::New || was.iter().any(|(i, _)| *i == place);
        let listed = dots.into_iter().enumerate().filter_map(|(place, dot)| Some((place, dot?)));
        Ok(listed.filter(|(place, dot)| *dot != usual || !named(*place)).collect())
    }

    /// Whether this node has filed anything after commit `start` that another one, which is at hand, has not in sight.
    pub(crate) fn has_news_for(&self, other: &Node, start: u64) -> Result<bool> {
        let mut news = false;
        self.news_for(other, start, |_, _| {
            news = true;
            false
        })?;
        Ok(news)
    }

    /// What this node has filed after commit `start` that another one, which is at hand, has not in sight; `found` says whether to
    /// go on.
    pub(crate) fn news_for(&self, other: &Node, start: u64, mut found: impl FnMut(&Class, Guid) -> bool) -> Result<()> {
        let echo = self.nodes.number(other.info.guid).ok();
        let mut goes_on = true;
        self.filed_in(start, self.number()?, |outgoing| {
            if !goes_on || (echo.is_some() && outgoing.origin == echo) {
                return Ok(());
            }
            let (class, guid) = (self.class_by_id(outgoing.class)?, self.nodes.object(outgoing.object)?);
            let ours = self.current(class, guid)?.map(|filed| filed.state);
            let theirs = match other.class(&class.name) {
                Ok(class) => other.current(class, guid)?.map(|filed| filed.state),
                Err(_) => None,
            };
            let news = match (&ours, &theirs) {
                (Some(ours), Some(theirs)) => !ours.vector.leq(&theirs.vector),
                // A deletion is no news where nothing is known of the object, or not any more; but where it waits.
                (Some(ours), None) => ours.content.is_some() || other.awaits(guid)?,
                (None, _) => false,
            };
            if news {
                goes_on = found(class, guid);
            }
            Ok(())
        })
    }

    /// The objects of a class that a set for `peer` that starts after commit `start` would carry.
    pub fn objects_to_send(&mut self, class: &str, peer: NodeId, start: u64) -> Result<Vec<Guid>> {
        self.read(|node| {
            let (id, echo) = (node.class(class)?.id, node.nodes.number(peer)?);
            let mut guids = Vec::new();
            node.filed_in(start, node.number()?, |outgoing| {
                if outgoing.class == id && outgoing.origin != Some(echo) {
                    guids.push(node.nodes.object(outgoing.object)?);
                }
                Ok(())
            })?;
            Ok(guids)
        })
    }

    /// What a set for `peer` that starts after commit `start` would carry. Reads the journal from there, no tables.
    pub fn to_send(&mut self, peer: NodeId, start: u64) -> Result<ToSend> {
        self.read(|node| {
            let echo = node.nodes.number(peer)?;
            let (mut objects, mut commits) = (0, BTreeSet::new());
            node.filed_in(start, node.number()?, |outgoing| {
                if outgoing.origin != Some(echo) {
                    objects += 1;
                    commits.extend(outgoing.commits);
                }
                Ok(())
            })?;
            Ok(ToSend { objects, transactions: commits.len() })
        })
    }
}
