//! Applying a set: one SQLite transaction, all or nothing.
//!
//! 1. The set is refused whole, or
//! 2. what is new in it joins what waits, and
//! 3. all that can be applied is applied, unit by unit (`settle.rs`),
//! 4. object by object as the versions decide (`merge.rs`).

use std::path::Path;

use serde::Serialize;

use crate::sync::data::guid::Guid;
use crate::sync::data::schema::{self, Class};
use crate::sync::data::stamp::DOUBTFUL_AHEAD;
use crate::sync::decisions::conflict::ConflictRecord;
use crate::sync::decisions::rule::{OwnRule, Rule};
use crate::sync::decisions::take_back::BeforeApply;
use crate::sync::error::{Error, Refusal, Result};
use crate::sync::exchange::report::Report;
use crate::sync::exchange::spool::Spooled;
use crate::sync::exchange::sync_times::SyncTimes;
use crate::sync::exchange::syncset::{self, Header, Size, Whole};
use crate::sync::node::{Identity, Keep, Node};
use crate::words::{grouped, quoted};

/// Asks the application whether an object may be touched now; a reason makes its whole unit wait.
pub type Hold<'a> = dyn Fn(&str, Guid) -> Option<String> + 'a;

/// How to apply.
#[derive(Clone, Copy, Default)]
pub struct ApplyOptions<'a> {
    /// Decides conflicts; `None`: what is chosen for the class, or for all (see [`Node::rules`]).
    pub rule: Option<Rule>,
    /// An application's own rule, which is asked first.
    pub own_rule: Option<&'a dyn OwnRule>,
    /// What the application holds back (class name, object): the unit waits in the requeue with the reason given.
    pub hold: Option<&'a Hold<'a>>,
    /// Takes a set from a node that has nothing in common with this one though both have rows, see [`Refusal::Strangers`].
    pub join: bool,
    /// How large the set may be.
    pub size: Size,
    /// Who sent it, where that node's file is at hand: it is known by that.
    pub at_hand: Option<&'a Identity>,
    /// How many objects are judged at once; for tests.
    #[doc(hidden)]
    pub batch: Option<usize>,
}

/// What applying a set would do.
#[derive(Clone, Debug, Serialize)]
pub struct Preview {
    /// The report that the apply would give.
    pub report: Report,
    /// The records that it would make.
    pub records: Vec<ConflictRecord>,
    /// Up to which of the source's commits this node has everything now.
    pub has: u64,
    /// What the set says about itself.
    #[serde(skip)]
    pub header: syncset::Header,
    /// BLAKE3 over the set, hexadecimal; it was found right.
    pub digest: String,
    /// The size of the file.
    pub bytes: u64,
}

impl Node {
    /// Applies a set from a file. Refusals (see [`Refusal`]) change nothing. What cannot be applied yet waits and is tried
    /// again at the end of every apply.
    pub fn apply(&mut self, file: &Path, options: ApplyOptions<'_>) -> Result<Report> {
        self.with_spooled(file, options, Keep::Yes, |node, set, file| node.apply_set(set, file, options))
            .map(|(report, _)| report)
    }

    /// Says what [`Node::apply`] would do now: the same, taken back in the end. Refused where that would be.
    pub fn preview(&mut self, file: &Path, options: ApplyOptions<'_>) -> Result<Preview> {
        let ((report, records, has), set) = self.with_spooled(file, options, Keep::No, |node, set, file| {
            let source = Identity { info: set.header.source.clone(), lineage: set.header.lineage.clone(), key: None };
            let has = node.has_of(&source, set.header.number)?;
            let report = node.apply_set(set, file, options)?;
            let records =
                report.objects.iter().filter_map(|o| o.conflict).map(|id| node.conflict(id)).collect::<Result<_>>()?;
            Ok((report, records, has))
        })?;
        let Whole { header, digest, bytes, .. } = set.whole;
        Ok(Preview { report, records, has, header, digest, bytes })
    }

    /// Reads a set into the spool, does something with it in a transaction, and empties the spool.
    fn with_spooled<T>(
        &mut self,
        file: &Path,
        options: ApplyOptions<'_>,
        keep: Keep,
        work: impl FnOnce(&mut Node, &Spooled, &Path) -> Result<T>,
    ) -> Result<(T, Spooled)> {
        let set = self.spool(file, options)?;
        let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let result = self.without_triggers(keep, |node| work(node, &set, &file));
        self.empty_spool()?;
        Ok((result?, set))
    }

    fn apply_set(&mut self, set: &Spooled, file: &Path, options: ApplyOptions<'_>) -> Result<Report> {
        let mut report = Report {
            file: file.to_owned(),
            node: self.info.name.clone(),
            source: set.header.source.name.clone(),
            id: set.header.id,
            ..Report::default()
        };
        self.check_acceptable(set, options)?;
        if !options.join {
            self.check_no_stranger(&set.header, set.objects)?;
        }
        self.take_in_properties(&set.header.classes)?;
        self.note_names(set, options)?;
        let have = self.check_no_gap(set)?;
        let source = set.header.source.guid;
        let times = self.sync_times(source)?;
        let undo = self.before_apply(times.received)?;
        self.follow_clock(set, &mut report)?;
        let new = set.header.end > have || have == 0;
        let mut queue = match new {
            true => self.queue(Some(set))?,
            false => {
                self.report_known(set, &mut report)?;
                self.without_set()?
            }
        };
        self.set_sync_times(
            source,
            SyncTimes {
                received: times.received.max(have).max(set.header.end),
                acknowledged: times.acknowledged.max(set.header.received_from(self.info.guid)),
                ..times
            },
        )?;
        self.note_points(&set.header)?;
        self.behind = (set.header.received_from(self.info.guid) < self.floor()?).then_some(source);
        let settled = self.settle(&mut queue, options, &mut report);
        self.behind = None;
        settled?;
        // One that came before and does nothing now leaves no trace: it could not be taken back.
        if new || set.objects == 0 || self.number()? > undo.number {
            self.note_applied(set, file, &report, undo)?;
        }
        Ok(report)
    }

    /// Whether anything waits.
    pub(crate) fn waits(&self) -> Result<bool> {
        let sql = "SELECT EXISTS(SELECT 1 FROM objsync_waiting)";
        Ok(self.conn.prepare_cached(sql)?.query_row([], |r| r.get(0))?)
    }

    /// Whether something of an object waits.
    pub(crate) fn awaits(&self, guid: Guid) -> Result<bool> {
        let Some(id) = self.nodes.known_id(guid) else { return Ok(false) };
        let sql = "SELECT EXISTS(SELECT 1 FROM objsync_waiting WHERE object = ?1)";
        Ok(self.conn.prepare_cached(sql)?.query_row([id], |r| r.get(0))?)
    }

    /// Tries again what waits.
    pub fn retry(&mut self, options: ApplyOptions<'_>) -> Result<Report> {
        let node_name = self.info.name.clone();
        self.without_triggers(Keep::Yes, |node| {
            let mut report = Report { node: node_name, ..Report::default() };
            let mut queue = node.without_set()?;
            node.settle(&mut queue, options, &mut report)?;
            if report.total() > report.requeued {
                node.make_final("what waits was tried again since")?;
            }
            Ok(report)
        })
    }

    /// One writing transaction in which the engine itself writes rows, versions and journal.
    pub(crate) fn without_triggers<T>(&mut self, keep: Keep, work: impl FnOnce(&mut Node) -> Result<T>) -> Result<T> {
        self.set_triggers(false)?;
        let result = self.transact(keep, |node| {
            // What a foreign statement left aside may name rows that are about to go.
            node.conn.execute("DELETE FROM objsync_aside", [])?;
            let away = node.only_users_triggers()?;
            let done = work(node)?;
            node.put_triggers_back(away)?;
            // What is known of the tables is right still: nobody else could change them meanwhile.
            node.schema_version = node.schema_version_now()?;
            Ok(done)
        });
        self.set_triggers(true)?;
        result
    }

    /// Refuses what may not be applied. Who sent it was asked before it was read; now nobody can change the answer any more.
    fn check_acceptable(&mut self, set: &Spooled, options: ApplyOptions<'_>) -> Result<()> {
        let header = &set.header;
        self.check_sender(header, options.at_hand)?;
        self.check_taken_once(header, &set.digest)?;
        self.check_same_classes(&header.classes, &self.called_here(&header.source))?;
        self.check_we_were_not_restored(set)?;
        self.check_source_was_not_restored(header)
    }

    /// Refuses where two nodes do not agree on what is synchronized.
    pub(crate) fn check_same_classes(&self, theirs: &[Class], source: &str) -> Result<()> {
        let us = &self.info;
        let differences = schema::differences(&self.classes, theirs);
        if !differences.is_empty() {
            let what = format!(
                "{} and {} do not agree on what is synchronized: {}; nothing was changed",
                us.name,
                source,
                differences.join("; ")
            );
            let switched: Vec<String> = self
                .classes
                .iter()
                .filter(|a| theirs.iter().any(|b| b.name == a.name && b.journaled != a.journaled))
                .map(|a| match a.journaled {
                    true => format!(
                        "objsync classes journal {} --node {}, or objsync classes stop {0} --node {}",
                        quoted(&a.name),
                        quoted(source),
                        quoted(&us.name)
                    ),
                    false => format!(
                        "objsync classes journal {} --node {}, or objsync classes stop {0} --node {}",
                        quoted(&a.name),
                        quoted(&us.name),
                        quoted(source)
                    ),
                })
                .collect();
            let renames = schema::renames(&self.classes, &us.name, theirs, source);
            let hint = match differences.len() {
                n if n == switched.len() => {
                    format!("journal the same classes at both ({}), then prepare the set again", switched.join("; "))
                }
                n if n == renames.len() => {
                    format!("rename at the other, too, then apply again: {}", renames.join("; "))
                }
                _ => "make the tables and classes of both nodes alike, then prepare the set again".to_owned(),
            };
            return Err(Error::refused(Refusal::Schema, what).hint(hint));
        }
        Ok(())
    }

    fn note_names(&mut self, set: &Spooled, options: ApplyOptions<'_>) -> Result<()> {
        // Its own sets will name them all, and must not be larger than usual because of that.
        let new = set.header.nodes.iter().filter(|info| self.nodes.find(info.guid).is_none()).count();
        let known = self.nodes.all().count() + new;
        if new > 0 && known > options.size.nodes() {
            let what = format!("{} would then know {} nodes", self.info.name, grouped(known as u64));
            return Err(syncset::too_large(what));
        }
        for info in &set.header.nodes {
            self.note_node(info, false)?;
        }
        let Header { source, lineage, .. } = &set.header;
        let at_hand = options.at_hand.filter(|at_hand| at_hand.info.guid == source.guid);
        let key = at_hand.and_then(|at_hand| at_hand.key);
        self.note_peer(&Identity { info: source.clone(), lineage: lineage.clone(), key })?;
        self.note_keys(&set.header)
    }

    fn check_no_gap(&self, set: &Spooled) -> Result<u64> {
        let header = &set.header;
        let source = Identity { info: header.source.clone(), lineage: header.lineage.clone(), key: None };
        let have = self.has_of(&source, header.number)?;
        if header.start > have {
            let (us, them) = (&self.info.name, self.called_here(&source.info));
            let missing = header.earlier.iter().filter(|(_, first, last)| *first <= header.start && *last > have);
            let missing: Vec<String> = missing.map(|(id, ..)| id.to_string()).collect();
            let sets = match missing.as_slice() {
                [] => String::new(),
                [one] => format!(", which set {one} carried,"),
                many => format!(", which the sets {} carried,", many.join(", ")),
            };
            let (first, last) = (grouped(have + 1), grouped(header.start));
            let gap = match first == last {
                true => format!("transaction {first}{sets} is missing"),
                false => format!("transactions {first} to {last}{sets} are missing"),
            };
            let what = format!(
                "{us} has {them}'s transactions up to {}, but the set starts after {last}: {gap}; nothing was changed",
                grouped(have)
            );
            return Err(Error::refused(Refusal::Gap, what).hint(format!(
                "apply the earlier set first, or prepare again at its source from what {us} has acknowledged (objsync prepare --node {} --to {} --since acknowledged)",
                quoted(&them),
                quoted(us)
            )));
        }
        Ok(have)
    }

    /// The clock follows what it sees, so that an edit made now is later than what it was made upon.
    fn follow_clock(&self, set: &Spooled, report: &mut Report) -> Result<()> {
        let limit = (self.clock)().saturating_add(DOUBTFUL_AHEAD);
        let (latest, doubtful) = self.spool_times(limit)?;
        if let Some(seen) = latest {
            self.conn.execute("UPDATE objsync_state SET clock = max(clock, ?1)", [seen])?;
        }
        if doubtful > 0 {
            report.warnings.push(format!(
                "{doubtful} objects carry times more than 24 hours ahead of this machine's clock; they are kept, and no rule takes them for the later; check the clocks at {} and here, then change these objects once more, which gives them a right time",
                self.called_here(&set.header.source)
            ));
        }
        Ok(())
    }

    fn note_applied(&self, set: &Spooled, file: &Path, report: &Report, before: BeforeApply) -> Result<()> {
        let first_own = before.number + 1;
        let undo = before.undo(self)?;
        let json = serde_json::to_string(report).map_err(|e| Error::storage(e.to_string()))?;
        self.conn.execute(
            "INSERT INTO objsync_set (sent, peer, id, digest, file, first, last, objects, transactions, bytes, at, report, first_own, last_own, undo, final)
             VALUES (0, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            rusqlite::params![
                self.nodes.number(set.header.source.guid)?,
                set.header.id,
                set.digest,
                file.to_string_lossy(),
                set.header.start + 1,
                set.header.end,
                set.objects,
                set.transactions,
                set.bytes,
                (self.clock)(),
                json,
                first_own,
                self.number()?,
                undo.as_ref().ok(),
                undo.as_ref().err(),
            ],
        )?;
        Ok(())
    }
}
