//! The journal: each event by itself, and each object's events as a chain from its present version to its first one.

use rusqlite::{OptionalExtension, Row};

use super::{Check, FlawKind};
use crate::sync::data::schema::Class;
use crate::sync::data::vector::Vector;
use crate::sync::error::Result;
use crate::words::grouped;

/// A version: what an event says it replaced, or what an object has.
struct Version {
    vector: Vector,
    stamp: (i64, i64),
}

/// One event, less its values.
struct Event {
    pos: i64,
    number: i64,
    object: i64,
    kind: i64,
    key: Option<i64>,
    origin: Option<i64>,
    before: i64,
    previous: Option<i64>,
    own: Option<i64>,
    rest: Option<Vec<u8>>,
    stamp: (Option<i64>, Option<i64>),
    /// Whether its before-image fits.
    fits: bool,
}

impl Event {
    fn read(r: &Row<'_>) -> rusqlite::Result<Event> {
        Ok(Event {
            pos: r.get(0)?,
            number: r.get(1)?,
            object: r.get(2)?,
            kind: r.get(3)?,
            key: r.get(4)?,
            origin: r.get(5)?,
            before: r.get(6)?,
            previous: r.get(7)?,
            own: r.get(8)?,
            rest: r.get(9)?,
            stamp: (r.get(10)?, r.get(11)?),
            fits: r.get(12)?,
        })
    }
}

/// What an object is by now.
struct Present {
    living: bool,
    version: Option<Version>,
    last: Option<i64>,
}

impl Check<'_> {
    /// All events in order, whatever they are of.
    pub(super) fn journal(&mut self) -> Result<()> {
        let conn = &self.node.conn;
        let first: Option<i64> = conn.query_row("SELECT min(pos) FROM objsync_journal", [], |r| r.get(0))?;
        // Where nothing was ever purged, all of it must be there.
        self.whole_from = if self.floor > 0 { first.unwrap_or(i64::MAX) } else { i64::MIN };
        let mut statement = conn.prepare("SELECT pos, number, class FROM objsync_journal ORDER BY pos")?;
        let mut rows = statement.query([])?;
        let (mut highest, mut purged, mut done) = (0, 0, 0);
        while let Some(r) = rows.next()? {
            let (pos, number, class): (i64, i64, i64) = (r.get(0)?, r.get(1)?, r.get(2)?);
            done += 1;
            self.going_on("checking the journal", done)?;
            if number < highest {
                self.flaw(
                    FlawKind::Event,
                    format!("the event at position {pos} is of transaction {number}, and stands after {highest}"),
                );
            }
            if number < 1 || number > self.number {
                let last = self.number;
                self.flaw(
                    FlawKind::Event,
                    format!("the event at position {pos} is of transaction {number}; the last one here is {last}"),
                );
            }
            highest = highest.max(number);
            purged += usize::from(number <= self.floor);
            if !self.knows_class(class)? {
                self.flaw(FlawKind::Event, format!("the event at position {pos} is of a class that is not known here"));
            }
        }
        self.report.looked_at.events = done;
        // A purge leaves the last one, so that its position is not given again.
        if purged > 1 {
            let what = format!(
                "the journal is said to be purged up to transaction {}, and has {purged} events from before that",
                grouped(self.floor.unsigned_abs())
            );
            self.flaw(FlawKind::Purge, what);
        }
        if self.floor > self.number {
            self.flaw(
                FlawKind::Purge,
                format!("the journal is said to be purged up to transaction {}, which has not been", self.floor),
            );
        }
        Ok(())
    }

    /// Whether a class is noted, also one whose table is unusable.
    pub(super) fn knows_class(&self, id: i64) -> Result<bool> {
        if self.classes.iter().any(|class| class.id == id) {
            return Ok(true);
        }
        let sql = "SELECT EXISTS(SELECT 1 FROM objsync_class WHERE id = ?1)";
        Ok(self.node.conn.prepare_cached(sql)?.query_row([id], |r| r.get(0))?)
    }

    /// The chains of a class, an object at a time, oldest event first.
    pub(super) fn chains(&mut self, class: &Class) -> Result<()> {
        self.unfiled(class)?;
        let sql = format!(
            "SELECT pos, number, object, kind, key, origin, before, previous, own, rest, time, author, {}
             FROM objsync_journal WHERE class = ?1 ORDER BY object, pos",
            fits(class, self.slots()?)
        );
        let mut statement = self.node.conn.prepare(&sql)?;
        let mut rows = statement.query([class.id])?;
        let (mut older, mut done): (Option<(Event, Option<Version>)>, usize) = (None, 0);
        while let Some(r) = rows.next()? {
            done += 1;
            self.going_on("checking histories", done)?;
            let event = Event::read(r)?;
            let before = self.event(class, &event);
            match older.take() {
                Some((older, known)) if older.object == event.object => {
                    self.link(class, &older, &event)?;
                    if event.before != 0 && event.previous == Some(older.pos) {
                        self.step(class, &older, known.as_ref(), before.as_ref());
                    }
                }
                other => {
                    other.map_or(Ok(()), |(event, before)| self.newest(class, &event, before.as_ref()))?;
                    self.first(class, &event)?;
                }
            }
            older = Some((event, before));
        }
        older.map_or(Ok(()), |(event, before)| self.newest(class, &event, before.as_ref()))
    }

    fn slots(&self) -> Result<usize> {
        let sql = "SELECT count(*) FROM pragma_table_info('objsync_journal') WHERE name GLOB 'v[0-9]*'";
        Ok(self.node.conn.query_row(sql, [], |r| r.get(0))?)
    }

    /// Living objects whose last event is not where their version says.
    fn unfiled(&mut self, class: &Class) -> Result<()> {
        let sql = format!(
            "SELECT o.object, o.key, o.last FROM {} o
             WHERE NOT EXISTS (SELECT 1 FROM objsync_journal j WHERE j.pos = o.last AND j.object = o.object AND j.class = ?1)",
            class.objects()
        );
        let mut statement = self.node.conn.prepare(&sql)?;
        let mut rows = statement.query([class.id])?;
        while let Some(r) = rows.next()? {
            let last: Option<i64> = r.get(2)?;
            match last {
                None if !class.journaled => {}
                None => self.flaw_of(FlawKind::Chain, class, r.get(0)?, r.get(1)?, "was never filed"),
                Some(last) if last < self.whole_from => {}
                Some(_) => {
                    self.flaw_of(FlawKind::Chain, class, r.get(0)?, r.get(1)?, "has lost the event that filed it last");
                }
            }
        }
        Ok(())
    }

    /// An event by itself; gives the version that it replaced, if it did and that can be read.
    fn event(&mut self, class: &Class, e: &Event) -> Option<Version> {
        let odd = |check: &mut Self, what: &str| {
            let what = format!("{what} (transaction {}, position {})", e.number, e.pos);
            check.flaw_of(FlawKind::Event, class, e.object, e.key, what);
        };
        if self.object(e.object).is_none() {
            odd(self, "is an object that nobody is known to have made");
        }
        let fitting = match e.kind {
            1 => e.before != 1,
            2 => e.before == 1,
            3 => true,
            _ => false,
        };
        if !fitting || !(0..=2).contains(&e.before) {
            odd(self, "has an event that does not fit what it says was there before");
        }
        if !e.fits {
            odd(self, "has an event whose before-image is not that of such an object");
        }
        if e.origin.is_some_and(|origin| !self.is_node(origin) || origin == self.own) {
            odd(self, "has an event that came from no other node");
        }
        let nothing = e.own.is_none() && e.rest.is_none() && e.previous.is_none();
        if e.before == 0 {
            if !nothing {
                odd(self, "has an event that replaced nothing, and says which version it replaced");
            }
            return None;
        }
        let stamp = (e.stamp.0.unwrap_or_default(), e.stamp.1.unwrap_or_default());
        if let Some((kind, what)) = self.stamp_odd(FlawKind::Event, stamp.0, stamp.1, false) {
            self.flaw_of(kind, class, e.object, e.key, format!("has an earlier state that {what}"));
        }
        match self.vector(e.rest.as_deref().unwrap_or_default(), Some(e.own.unwrap_or_default())) {
            Ok(vector) => Some(Version { vector, stamp }),
            Err(what) => {
                self.flaw_of(
                    FlawKind::Version,
                    class,
                    e.object,
                    e.key,
                    format!("{what}, in its state before transaction {}", e.number),
                );
                None
            }
        }
    }

    /// The oldest event that is there of an object.
    fn first(&mut self, class: &Class, e: &Event) -> Result<()> {
        let Some(previous) = e.previous.filter(|previous| *previous >= self.whole_from) else { return Ok(()) };
        // One that was deleted while its class was not journaled: its last event is whatever stood last then.
        if e.before != 2 || previous >= e.pos {
            self.lost(class, e, previous)?;
        }
        Ok(())
    }

    /// Two events of an object, of which none stands between.
    fn link(&mut self, class: &Class, older: &Event, e: &Event) -> Result<()> {
        if e.before == 0 || e.before == 2 && e.previous != Some(older.pos) {
            return Ok(()); // forgotten by a purge, or deleted while its class was not journaled
        }
        match e.previous {
            Some(previous) if previous == older.pos => {
                if (older.kind == 3) != (e.before == 2) {
                    let what = format!(
                        "was {} by transaction {}, and transaction {} replaced something else",
                        if older.kind == 3 { "deleted" } else { "changed" },
                        older.number,
                        e.number
                    );
                    self.flaw_of(FlawKind::Chain, class, e.object, e.key, what);
                }
                Ok(())
            }
            Some(previous) if previous < self.whole_from => Ok(()),
            Some(previous) => self.lost(class, e, previous),
            None => self.lost(class, e, 0),
        }
    }

    /// An event says that one stands before it: is it the object's?
    fn lost(&mut self, class: &Class, e: &Event, previous: i64) -> Result<()> {
        let sql = "SELECT EXISTS(SELECT 1 FROM objsync_journal WHERE pos = ?1 AND object = ?2 AND class = ?3)";
        let own = previous < e.pos
            && self.node.conn.prepare_cached(sql)?.query_row((previous, e.object, class.id), |r| r.get(0))?;
        if !own {
            let what = format!("has lost the event before that of transaction {} (position {previous})", e.number);
            self.flaw_of(FlawKind::Chain, class, e.object, e.key, what);
        }
        Ok(())
    }

    /// The newest event of an object, against what the object is by now.
    fn newest(&mut self, class: &Class, e: &Event, before: Option<&Version>) -> Result<()> {
        let Some(now) = self.present(class, e.object)? else {
            if e.number > self.floor {
                self.flaw_of(FlawKind::Chain, class, e.object, e.key, "is in the journal and nowhere else");
            }
            return Ok(());
        };
        let filed = now.last == Some(e.pos);
        match (now.living, filed) {
            (true, true) if e.kind == 3 => {
                self.flaw_of(
                    FlawKind::Chain,
                    class,
                    e.object,
                    e.key,
                    format!("is alive, and was deleted by transaction {}", e.number),
                );
            }
            // While its class is not journaled a deletion stands at whatever was filed last, be it of the same object.
            (false, true) if e.kind != 3 && class.journaled => {
                let what = format!("is deleted, and transaction {} says otherwise", e.number);
                self.flaw_of(FlawKind::Chain, class, e.object, e.key, what);
            }
            // Said by `unfiled`.
            (true, false) if now.last.is_none_or(|last| last >= self.whole_from && last > e.pos) => {}
            (true, false) => {
                let what = format!("has an event after the one that is said to be its last (transaction {})", e.number);
                self.flaw_of(FlawKind::Chain, class, e.object, e.key, what);
            }
            (false, false) if class.journaled && e.number > self.floor => {
                self.flaw_of(FlawKind::Chain, class, e.object, e.key, "is deleted, and its deletion was not filed");
            }
            _ => {}
        }
        if filed {
            self.step(class, e, before, now.version.as_ref());
        }
        Ok(())
    }

    fn present(&self, class: &Class, object: i64) -> Result<Option<Present>> {
        for (living, table) in [(true, class.objects()), (false, class.tombstones())] {
            let sql = format!("SELECT own, rest, time, author, last FROM {table} WHERE object = ?1");
            let mut statement = self.node.conn.prepare_cached(&sql)?;
            let found = statement
                .query_row([object], |r| {
                    let rest: Option<Vec<u8>> = r.get(1)?;
                    Ok((r.get::<_, i64>(0)?, rest, (r.get(2)?, r.get(3)?), r.get(4)?))
                })
                .optional()?;
            if let Some((own, rest, stamp, last)) = found {
                let vector = self.vector(rest.as_deref().unwrap_or_default(), Some(own)).ok();
                return Ok(Some(Present { living, version: vector.map(|vector| Version { vector, stamp }), last }));
            }
        }
        Ok(None)
    }

    /// From the version that an event replaced to the one it made.
    fn step(&mut self, class: &Class, e: &Event, from: Option<&Version>, to: Option<&Version>) {
        let Some(to) = to else { return };
        let here = self.node.info.guid;
        let own = |version: Option<&Version>| version.map_or(0, |v| v.vector.get(here));
        let what = match from {
            Some(from) if !from.vector.leq(&to.vector) => "made a version that had not seen the one before it",
            Some(from) if from.vector == to.vector && from.stamp != to.stamp => {
                "made another stamp under the same version"
            }
            _ if e.number > self.number => return, // said already
            _ if e.origin.is_none() && own(Some(to)) != own(from) && i64::try_from(own(Some(to))) != Ok(e.number) => {
                "made a version under another number"
            }
            _ => return,
        };
        self.flaw_of(
            FlawKind::History,
            class,
            e.object,
            e.key,
            format!("has a contradiction: transaction {} {what}", e.number),
        );
    }
}

/// SQL: whether the values of an event are those of a state of such a class, as far as their number and NULLs tell.
fn fits(class: &Class, slots: usize) -> String {
    let mut odd = Vec::new();
    for i in 0..slots {
        odd.push(match class.properties.get(i) {
            Some(p) if p.added.is_some() => format!("(v{i} IS NOT NULL AND (before <> 1 OR pos <= {}))", p.since),
            // Not where its key was no property yet.
            Some(p) if p.not_null && class.key_place() != Some(i) => format!("((v{i} IS NULL) = (before = 1))"),
            Some(_) => format!("(v{i} IS NOT NULL AND before <> 1)"),
            None => format!("v{i} IS NOT NULL"),
        });
    }
    if odd.is_empty() { "1".to_owned() } else { format!("NOT ({})", odd.join(" OR ")) }
}
