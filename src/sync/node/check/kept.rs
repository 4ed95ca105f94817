//! What is kept of states that are not the present ones: conflict records, the requeue, what merges have seen.

use std::collections::HashMap;

use rusqlite::OptionalExtension;

use super::{Check, FlawKind};
use crate::sync::data::guid::Guid;
use crate::sync::data::schema::Class;
use crate::sync::data::vector::Vector;
use crate::sync::decisions::conflict::{ConflictRecord, RecordState};
use crate::sync::decisions::decide::Chosen;
use crate::sync::error::Result;
use crate::sync::node::history::content_from_text;

impl Check<'_> {
    pub(super) fn records(&mut self) -> Result<()> {
        let conn = &self.node.conn;
        // The commits that must be in the journal, each with the record that says so.
        let mut filed: HashMap<(i64, i64), i64> = HashMap::new();
        let mut statement =
            conn.prepare("SELECT id, class, object, number, record, state FROM objsync_conflict ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            self.report.looked_at.records += 1;
            self.going_on("checking records", self.report.looked_at.records)?;
            let (id, class, object): (i64, i64, i64) = (r.get(0)?, r.get(1)?, r.get(2)?);
            let (number, json, state): (i64, String, i64) = (r.get(3)?, r.get(4)?, r.get(5)?);
            let Ok(record) = serde_json::from_str::<ConflictRecord>(&json) else {
                self.flaw(FlawKind::Record, format!("conflict record {id} cannot be read"));
                continue;
            };
            let taken_back = state == RecordState::TakenBack.code();
            let odd =
                |check: &mut Self, what: &str| check.flaw(FlawKind::Record, format!("conflict record {id} {what}"));
            if !(0..=RecordState::TakenBack.code()).contains(&state) {
                odd(self, "is in no state that there is");
            }
            let here = self.object(object).filter(|guid| record.guid.parse::<Guid>().is_ok_and(|said| said == *guid));
            let known = self.classes.iter().find(|c| c.id == class).cloned();
            match known {
                Some(class) if class.name == record.class && here.is_some() => {
                    if !taken_back && number > self.floor && !self.is_here(&class, object)? {
                        odd(self, &format!("is of a {} that is not known here, and was not purged", class.name));
                    }
                }
                None if self.knows_class(class)? => {} // its table is unusable
                _ => odd(self, "is of another object than it says"),
            }
            let commits = [Some(number)].into_iter().chain(record.again.iter().map(|a| a.number.map(|n| n as i64)));
            for number in commits.flatten() {
                if number < 1 || number > self.number {
                    odd(self, &format!("was decided by transaction {number}; the last one here is {}", self.number));
                } else if number > self.floor && !taken_back {
                    filed.insert((object, number), id);
                }
            }
            // Format 1 noted no result where none of the two stood for it.
            let unsaid = record.result.is_null() && record.again.is_empty();
            let coherent = match record.chosen {
                Chosen::Ours => record.result == record.ours.content,
                Chosen::Theirs => record.result == record.theirs.content,
                Chosen::Merged => record.result.is_object(),
            };
            if !coherent && !unsaid {
                odd(self, "has a result that is not what it says was chosen");
            }
        }
        let mut statement = conn.prepare("SELECT object, number FROM objsync_journal")?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            if filed.is_empty() {
                break;
            }
            filed.remove(&(r.get(0)?, r.get(1)?));
        }
        let mut lost: Vec<(i64, i64)> = filed.into_iter().map(|((_, number), id)| (id, number)).collect();
        lost.sort_unstable();
        for (id, number) in lost {
            self.flaw(
                FlawKind::Record,
                format!("conflict record {id} was decided by transaction {number}, which did not file its object"),
            );
        }
        Ok(())
    }

    fn is_here(&self, class: &Class, object: i64) -> Result<bool> {
        let sql = format!(
            "SELECT EXISTS(SELECT 1 FROM {} WHERE object = ?1) OR EXISTS(SELECT 1 FROM {} WHERE object = ?1)",
            class.objects(),
            class.tombstones()
        );
        Ok(self.node.conn.prepare_cached(&sql)?.query_row([object], |r| r.get(0))?)
    }

    /// The version of an object by now; `None` where it is not here, or cannot be read.
    fn version(&self, class: &Class, object: i64) -> Result<Option<Vector>> {
        let sql = format!(
            "SELECT own, rest FROM {} WHERE object = ?1 UNION ALL SELECT own, rest FROM {} WHERE object = ?1",
            class.objects(),
            class.tombstones()
        );
        let mut statement = self.node.conn.prepare_cached(&sql)?;
        let found: Option<(i64, Option<Vec<u8>>)> =
            statement.query_row([object], |r| Ok((r.get(0)?, r.get(1)?))).optional()?;
        Ok(found.and_then(|(own, rest)| self.vector(rest.as_deref().unwrap_or_default(), Some(own)).ok()))
    }

    pub(super) fn requeue(&mut self) -> Result<()> {
        let conn = &self.node.conn;
        let copied: bool =
            conn.query_row("SELECT EXISTS(SELECT 1 FROM objsync_lineage WHERE node = ?1)", [self.own], |r| r.get(0))?;
        let sql = "SELECT id, class, object, peer, set_id, vector, time, author, content FROM objsync_waiting ORDER BY object, id";
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut rivals: (i64, Vec<Vector>) = (0, Vec::new());
        while let Some(r) = rows.next()? {
            self.report.looked_at.waiting += 1;
            let (id, class, object): (i64, i64, i64) = (r.get(0)?, r.get(1)?, r.get(2)?);
            let (peer, set): (i64, i64) = (r.get(3)?, r.get(4)?);
            let (vector, time, author): (Vec<u8>, i64, i64) = (r.get(5)?, r.get(6)?, r.get(7)?);
            let content: Option<String> = r.get(8)?;
            let odd = |check: &mut Self, what: String| {
                check.flaw(FlawKind::Requeue, format!("what waits as number {id} {what}"))
            };
            if self.object(object).is_none() || !self.knows_class(class)? {
                odd(self, "is an object of which nothing is known here".to_owned());
                continue;
            }
            if !self.is_node(peer) || peer == self.own {
                odd(self, "came from no other node".to_owned());
            }
            // A copy keeps what waits, and not the list of sets.
            let sql = "SELECT EXISTS(SELECT 1 FROM objsync_set WHERE sent = 0 AND peer = ?1 AND id = ?2)";
            if !copied && !conn.prepare_cached(sql)?.query_row((peer, set), |r| r.get(0))? {
                odd(self, format!("came with set {set}, which was not applied here"));
            }
            if let Some((kind, what)) = self.stamp_odd(FlawKind::Requeue, time, author, true) {
                self.flaw(kind, format!("what waits as number {id} {what}"));
            }
            let Some(class) = self.classes.iter().find(|c| c.id == class).cloned() else { continue };
            if content.is_some_and(|text| content_from_text(&class, &text).is_err()) {
                odd(self, "has values that cannot be read".to_owned());
            }
            let vector = match self.vector(&vector, None) {
                Ok(vector) => vector,
                Err(what) => {
                    odd(self, what);
                    continue;
                }
            };
            if self.version(&class, object)?.is_some_and(|here| vector.leq(&here)) {
                odd(self, "is known here already".to_owned());
            }
            if rivals.0 != object {
                rivals = (object, Vec::new());
            }
            if rivals.1.iter().any(|other| vector.leq(other) || other.leq(&vector)) {
                odd(self, "waits twice, in one version and a later one".to_owned());
            }
            rivals.1.push(vector);
        }
        let sql = "SELECT count(DISTINCT bond) FROM objsync_bond WHERE bond NOT IN
                   (SELECT b.bond FROM objsync_bond b JOIN objsync_waiting w ON w.object = b.object)";
        let idle: i64 = conn.query_row(sql, [], |r| r.get(0))?;
        if idle > 0 {
            self.flaw(FlawKind::Requeue, format!("{idle} times objects are said to wait together of which none waits"));
        }
        Ok(())
    }

    /// What a merge has seen, its result has seen, too.
    pub(super) fn merged(&mut self) -> Result<()> {
        let mut statement = self.node.conn.prepare("SELECT class, object, vector, content FROM objsync_merged")?;
        let mut rows = statement.query([])?;
        let mut done = 0;
        while let Some(r) = rows.next()? {
            done += 1;
            self.going_on("checking what merges have seen", done)?;
            let (class, object): (i64, i64) = (r.get(0)?, r.get(1)?);
            let (vector, content): (Vec<u8>, Option<String>) = (r.get(2)?, r.get(3)?);
            let Some(class) = self.classes.iter().find(|c| c.id == class).cloned() else {
                if !self.knows_class(class)? {
                    self.flaw(FlawKind::Merged, "a state is noted of a class that is not known here");
                }
                continue;
            };
            let odd = |check: &mut Self, what: &str| check.flaw_of(FlawKind::Merged, &class, object, None, what);
            if content.is_some_and(|text| content_from_text(&class, &text).is_err()) {
                odd(self, "was merged with values that cannot be read");
            }
            match (self.vector(&vector, None), self.version(&class, object)?) {
                (Err(what), _) => odd(self, &format!("was merged with a state that {what}")),
                (Ok(_), None) => odd(self, "is said to have been merged, and is not here"),
                (Ok(seen), Some(now)) if !seen.leq(&now) => {
                    odd(self, "is said to have been merged with a state that it has not seen")
                }
                _ => {}
            }
        }
        Ok(())
    }
}
