//! What else is noted: of this node and its peers, of sets, and of numbers that objects had.

use super::{Check, Flaw, FlawKind};
use crate::sync::data::schema::Class;
use crate::sync::decisions::rule::Rule;
use crate::sync::error::Result;
use crate::sync::node::clock;

impl Check<'_> {
    pub(super) fn state(&mut self) -> Result<()> {
        let (node, conn) = (self.node, &self.node.conn);
        let mode: i64 = conn.query_row("SELECT mode FROM objsync_state", [], |r| r.get(0))?;
        if mode != 0 {
            let what = "a transaction of the engine seems to be open, so what other programs write gets no number";
            let todo = "if no program of objsync is running: sqlite3 FILE \"UPDATE objsync_state SET mode = 0\"";
            self.report.flaws.add(Flaw::new(FlawKind::State, what).todo(todo));
        }
        if [self.number, self.serial, self.clock, self.floor].iter().any(|n| *n < 0) {
            self.flaw(FlawKind::State, "a number in this node's own row is negative");
        }
        match node.signing() {
            Ok(signing) if node.public_key(node.info.guid)? == Some(signing.public()) => {}
            Ok(_) => self.flaw(FlawKind::State, "the key that this node signs with is not the one it is known by"),
            Err(e) => self.flaw(FlawKind::State, e.message()),
        }
        let mut statement = conn.prepare("SELECT class, rule FROM objsync_rule")?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let (class, rule): (i64, String) = (r.get(0)?, r.get(1)?);
            if rule.parse::<Rule>().is_err() || class != 0 && !self.knows_class(class)? {
                let what = format!("the rule `{rule}` is chosen, or for a class, that is not known");
                let todo = "choose one: objsync rules set RULE";
                self.report.flaws.add(Flaw::new(FlawKind::State, what).todo(todo));
            }
        }
        Ok(())
    }

    /// Sync times, lineage and points; and how far each node is known to have come.
    pub(super) fn peers(&mut self) -> Result<()> {
        let (node, conn) = (self.node, &self.node.conn);
        // Before storage format 4 points were noted of peers only, so of others more may have been seen than is known.
        let sql = "SELECT sql LIKE '%the latest point known of it%' FROM sqlite_master WHERE name = 'objsync_node'";
        let complete: bool = conn.query_row(sql, [], |r| r.get(0))?;
        self.made.insert(node.info.guid, self.number.unsigned_abs());
        for info in node.nodes.all().filter(|info| complete && info.guid != node.info.guid) {
            self.made.insert(info.guid, node.is_said_to_have_reached(info.guid)?);
        }
        let mut odd: Vec<String> = Vec::new();
        // A clock that was set back is a flaw of its own.
        let last_told: Option<i64> = conn.query_row("SELECT max(clock) FROM objsync_told", [], |r| r.get(0))?;
        let latest = last_told.unwrap_or(0).max(self.clock);
        let sql = "SELECT peer, sent, acknowledged, received, heard FROM objsync_sync_time";
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            self.report.looked_at.peers += 1;
            let (peer, sent, acknowledged, received, heard): (i64, i64, i64, i64, i64) =
                (r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?);
            let name = node.nodes.guid(peer).map(|guid| node.nodes.name(guid));
            let Ok(name) = name else {
                odd.push("there are sync times of a node that is not known here".to_owned());
                continue;
            };
            if peer == self.own {
                odd.push("this node is noted as its own peer".to_owned());
            }
            if sent > self.number || acknowledged > self.number || sent.min(acknowledged).min(received) < 0 {
                odd.push(format!(
                    "{name} is noted to have been sent {sent} and to have confirmed {acknowledged}; the last transaction here is {}",
                    self.number
                ));
            }
            if heard > latest {
                odd.push(format!("{name} is noted to have heard of a point that this node has not been at"));
            }
            let sql = "SELECT max(last) FROM objsync_set WHERE sent = 0 AND taken_back = 0 AND peer = ?1";
            let applied: Option<i64> = conn.prepare_cached(sql)?.query_row([peer], |r| r.get(0))?;
            if applied.is_some_and(|applied| applied > received) {
                odd.push(format!(
                    "sets from {name} were applied up to {}, and {received} is noted",
                    applied.unwrap_or_default()
                ));
            }
        }
        let sql = "SELECT node, place, ancestor, number FROM objsync_lineage ORDER BY node, place";
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut last = (0, -1);
        while let Some(r) = rows.next()? {
            let (of, place, ancestor, number): (i64, i64, i64, i64) = (r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?);
            let next = if of == last.0 { last.1 + 1 } else { 0 };
            if !self.is_node(of) || !self.is_node(ancestor) || of == ancestor || place != next || number < 0 {
                odd.push(format!("what a node was made from is noted wrongly (place {place})"));
            }
            if of == self.own && number > self.number {
                odd.push(format!("this node was made at transaction {number}, and its last one is {}", self.number));
            }
            last = (of, place);
        }
        let mut statement = conn.prepare("SELECT clock, number FROM objsync_told ORDER BY clock")?;
        let mut rows = statement.query([])?;
        let (mut told, healed) = (0, clock::was(conn)?);
        while let Some(r) = rows.next()? {
            let (clock, number): (i64, i64) = (r.get(0)?, r.get(1)?);
            // Points after one of a clock that was wrong go on from there (`clock.rs`).
            if clock > self.clock && healed.is_none() {
                self.latest = self.latest.max(clock);
                let (now, then) = (self.time_text(self.clock)?, self.time_text(clock)?);
                let what = format!("this node's clock stands at {now}, and others were told something at {then}");
                self.flaw(FlawKind::Clock, what);
            }
            if number > self.number || number < told {
                odd.push(format!("others were told of transaction {number}, and the last one here is {}", self.number));
            }
            told = told.max(number);
        }
        odd.into_iter().for_each(|what| self.flaw(FlawKind::Peer, what));
        Ok(())
    }

    pub(super) fn sets(&mut self) -> Result<()> {
        let sql = "SELECT seq, sent, peer, id, first, last, first_own, last_own, undo, taken_back, reverted, report FROM objsync_set";
        let mut statement = self.node.conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut applied: Vec<(i64, i64, i64)> = Vec::new();
        let mut found: Vec<(i64, String)> = Vec::new();
        while let Some(r) = rows.next()? {
            self.report.looked_at.sets += 1;
            let (sent, peer, id): (bool, i64, i64) = (r.get(1)?, r.get(2)?, r.get(3)?);
            let (first, last): (i64, i64) = (r.get(4)?, r.get(5)?);
            let own: (Option<i64>, Option<i64>) = (r.get(6)?, r.get(7)?);
            let (undo, taken_back, reverted): (Option<String>, bool, Option<i64>) = (r.get(8)?, r.get(9)?, r.get(10)?);
            let report: String = r.get(11)?;
            let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
            let mut odd = |what: String| found.push((id, what));
            if !self.is_node(peer) || peer == self.own {
                odd("was exchanged with a node that is not known here".to_owned());
            }
            if first < 1 || first > last + 1 || sent && last > self.number {
                odd(format!("covers transactions {first} to {last}; the last one here is {}", self.number));
            }
            if !json(&report) || undo.as_deref().is_some_and(|undo| !json(undo) || sent || taken_back) {
                odd("has a record that cannot be read".to_owned());
            }
            if reverted.is_some_and(|number| number > self.number) {
                odd("was reverted by a transaction that has not been".to_owned());
            }
            if let (Some(first), Some(last)) = own {
                if first < 1 || first > last + 1 || last > self.number {
                    odd(format!("was applied as transactions {first} to {last}; the last one here is {}", self.number));
                } else if first <= last {
                    applied.push((first, last, id));
                }
            }
        }
        applied.sort_unstable();
        for pair in applied.windows(2).filter(|pair| pair[1].0 <= pair[0].1) {
            found.push((pair[1].2, format!("was applied as transactions that set {} was applied as", pair[0].2)));
        }
        found.into_iter().for_each(|(id, what)| self.flaw(FlawKind::Set, format!("set {id} {what}")));
        Ok(())
    }

    /// Numbers that objects had: what before-images mean by them.
    pub(super) fn former_keys(&mut self, class: &Class) -> Result<()> {
        let conn = &self.node.conn;
        let last: i64 = conn.query_row("SELECT coalesce(max(pos), 0) FROM objsync_journal", [], |r| r.get(0))?;
        let mut statement = conn.prepare("SELECT key, until, object FROM objsync_former_key WHERE class = ?1")?;
        let mut rows = statement.query([class.id])?;
        while let Some(r) = rows.next()? {
            let (key, until, object): (i64, i64, i64) = (r.get(0)?, r.get(1)?, r.get(2)?);
            if until > last || self.object(object).is_none() {
                let what = format!("the former number {key} of a {} is noted for what never was", class.name);
                self.flaw(FlawKind::FormerKey, what);
            }
        }
        if !class.has_numbers() {
            return Ok(());
        }
        let sql = format!(
            "SELECT o.object, o.key FROM {} o WHERE o.key IS NOT NULL AND o.last IS NOT NULL AND NOT EXISTS
             (SELECT 1 FROM objsync_former_key f WHERE f.class = ?1 AND f.key = o.key AND f.object = o.object)",
            class.tombstones()
        );
        let mut statement = conn.prepare(&sql)?;
        let mut rows = statement.query([class.id])?;
        while let Some(r) = rows.next()? {
            let what = "is deleted, and it is not noted which number it had";
            self.flaw_of(FlawKind::FormerKey, class, r.get(0)?, r.get(1)?, what);
        }
        Ok(())
    }
}
