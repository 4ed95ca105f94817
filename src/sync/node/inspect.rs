//! Looking inside a node: its journal event by event, and every state of one object.

use std::collections::HashMap;

use rusqlite::OptionalExtension;
use serde::Serialize;

use crate::sync::data::guid::{Guid, NodeId};
use crate::sync::data::schema::Class;
use crate::sync::data::stamp::Stamp;
use crate::sync::error::Result;
use crate::sync::exchange::report::object_name;
use crate::sync::node::Node;
use crate::sync::node::history::{Content, Filed};

/// Which filing events to read.
#[derive(Clone, Debug)]
pub struct JournalQuery {
    /// Those after this commit …
    pub after: u64,
    /// … up to this one.
    pub upto: u64,
    /// Of this object only.
    pub object: Option<Guid>,
    /// At most how many, the newest.
    pub limit: usize,
}

impl Default for JournalQuery {
    fn default() -> Self {
        JournalQuery { after: 0, upto: u64::MAX, object: None, limit: 100 }
    }
}

/// What an event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// The object was made, or brought back.
    Insert,
    /// Its content or its version changed.
    Update,
    /// It was deleted.
    Delete,
}

/// One filing event.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalEntry {
    /// The commit.
    pub number: u64,
    /// The object's class.
    pub class: String,
    /// The object.
    pub guid: Guid,
    /// Its local number at that time.
    pub key: Option<i64>,
    /// What people call it beside its class: that number, its key, or its GUID.
    pub name: String,
    /// What was done.
    pub kind: EventKind,
    /// The content before; `None`: there was none, or it was deleted.
    pub before: Content,
    /// The content after.
    pub after: Content,
    /// What changed, in words: `quantity 417 → 77`; empty where nothing of the content did.
    pub changes: String,
    /// When and by whom the content after was made.
    pub stamp: Stamp,
    /// How it came here.
    pub through: Through,
}

/// How a state came to be at a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Through {
    /// The node whose set brought it, or whose set it was decided about; `None`: made here.
    pub source: Option<String>,
    /// That set's number at its source; `None`: made here, or not known any more.
    pub set: Option<i64>,
    /// It was decided here: it is not what the set carried.
    pub decided: bool,
    /// The conflict record of that decision, where there is one.
    pub record: Option<i64>,
    /// It was made here to undo what that set changed.
    pub reverting: bool,
    /// The node at which it was made or decided, where that is the one of which this file was a copy; `None`: this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

impl Through {
    /// For people: `made here`, `made at MASTER`, `set 1001 from CLIENT`, `decided here, applying set 1001 from CLIENT`.
    pub fn words(&self) -> String {
        let here = self.at.as_ref().map_or_else(|| "here".to_owned(), |node| format!("at {node}"));
        let set = match (&self.source, self.set) {
            (Some(source), Some(id)) => format!("set {id} from {source}"),
            (Some(source), None) => format!("a set from {source}"),
            (None, _) => String::new(),
        };
        let record = self.record.map(|id| format!(" (record {id})")).unwrap_or_default();
        if self.reverting {
            return format!("made {here}, reverting {set}");
        }
        match (self.decided, set.is_empty()) {
            (false, false) => set,
            (false, true) => format!("made {here}"),
            (true, false) => format!("decided {here}{record}, applying {set}"),
            (true, true) => format!("decided {here}{record}"),
        }
    }
}

/// One state that an object was in at a node.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEntry {
    /// The state and the commit here that filed it.
    pub filed: Filed,
    /// The commit here that replaced it; `None`: it is the present one.
    pub replaced: Option<u64>,
    /// What it changed of the one before it, in words; `made`, `deleted`, `brought back`; empty: its version only.
    pub changes: String,
    /// How it came here.
    pub through: Through,
}

/// An applied set and the commits here in which it was.
struct AppliedSet {
    first: u64,
    last: u64,
    source: String,
    id: i64,
}

impl Node {
    /// Filing events, newest first.
    pub fn journal(&mut self, query: &JournalQuery) -> Result<Vec<JournalEntry>> {
        self.read(|node| node.read_journal(query))
    }

    fn read_journal(&self, query: &JournalQuery) -> Result<Vec<JournalEntry>> {
        let applied = self.applied_sets()?;
        let wanted = query.object.map(|guid| self.nodes.id(guid)).transpose()?;
        let mut statement = self.conn.prepare_cached(
            "SELECT pos, number, class, object, kind, key, origin, before FROM objsync_journal WHERE number > ?1 ORDER BY pos DESC",
        )?;
        let mut rows = statement.query([i64::try_from(query.after).unwrap_or(i64::MAX)])?;
        // The content after an event is the before-image of the object's next event, or what is there now.
        let mut next: HashMap<i64, i64> = HashMap::new();
        let mut entries = Vec::new();
        while let Some(r) = rows.next()? {
            let (pos, number, object): (i64, u64, i64) = (r.get(0)?, r.get(1)?, r.get(3)?);
            let newer = next.insert(object, pos);
            if number > query.upto || wanted.is_some_and(|wanted| wanted != object) {
                continue;
            }
            if entries.len() == query.limit {
                break;
            }
            let (class, guid) = (self.class_by_id(r.get(2)?)?, self.nodes.object(object)?);
            let had_row = r.get::<_, i64>(7)? == 1;
            let before = if had_row { Some(self.image(class, pos)?.1) } else { None };
            let (after, stamp) = self.after_event(class, guid, newer)?;
            let origin: Option<i64> = r.get(6)?;
            let origin = origin.map(|n| self.nodes.guid(n)).transpose()?;
            let key = class.number_shown(r.get(5)?);
            let text = self.key_text(class, after.as_deref().or(before.as_deref()));
            entries.push(JournalEntry {
                name: object_name(key, text.as_deref(), &guid),
                number,
                class: class.name.clone(),
                guid,
                key,
                kind: match r.get(4)? {
                    1 => EventKind::Insert,
                    2 => EventKind::Update,
                    _ => EventKind::Delete,
                },
                changes: match (&before, &after) {
                    (Some(a), Some(b)) => self.changes(class, a, b),
                    _ => String::new(),
                },
                before,
                after,
                stamp,
                through: self.through(&applied, object, number, origin)?,
            });
        }
        Ok(entries)
    }

    fn after_event(&self, class: &Class, guid: Guid, newer: Option<i64>) -> Result<(Content, Stamp)> {
        let state = match newer {
            Some(pos) => self.replaced_at(class, pos)?,
            None => self.current(class, guid)?.map(|filed| filed.state),
        };
        Ok(state.map_or((None, Stamp { time: 0, author: self.info.guid }), |s| (s.content, s.stamp)))
    }

    /// Every state of an object that this node remembers, newest first.
    pub fn history(&mut self, class: &str, guid: Guid) -> Result<Vec<HistoryEntry>> {
        self.read(|node| {
            let class = node.class(class)?;
            let applied = node.applied_sets()?;
            let Some(current) = node.current(class, guid)? else { return Ok(Vec::new()) };
            let mut states: Vec<(Filed, Option<u64>)> = vec![(current.clone(), None)];
            states.extend(node.past(class, guid, &current, |_, _| false)?.into_iter().map(|(f, n)| (f, Some(n))));
            let mut entries = Vec::new();
            for (i, (filed, replaced)) in states.iter().enumerate() {
                let before = states.get(i + 1).map(|(older, _)| older.state.content.as_ref());
                let changes = match (before, &filed.state.content) {
                    (Some(Some(a)), Some(b)) => node.changes(class, a, b),
                    (Some(Some(_)), None) => "deleted".to_owned(),
                    (Some(None), Some(_)) => "brought back".to_owned(),
                    (None, Some(_)) => "made".to_owned(),
                    (None, None) => "deleted before it came here".to_owned(),
                    (Some(None), None) => String::new(),
                };
                let through = node.through(&applied, node.nodes.id(guid)?, filed.number, filed.origin)?;
                entries.push(HistoryEntry { filed: filed.clone(), replaced: *replaced, changes, through });
            }
            Ok(entries)
        })
    }

    fn through(&self, applied: &[AppliedSet], object: i64, number: u64, origin: Option<NodeId>) -> Result<Through> {
        let through = self.through_what(applied, object, number, origin)?;
        let recorder = self.recorder_of(number)?;
        let elsewhere = recorder != self.info.guid && (through.decided || through.source.is_none());
        Ok(Through { at: elsewhere.then(|| self.nodes.name(recorder)), ..through })
    }

    fn through_what(
        &self,
        applied: &[AppliedSet],
        object: i64,
        number: u64,
        origin: Option<NodeId>,
    ) -> Result<Through> {
        let at = applied.partition_point(|set| set.last < number);
        let set = applied.get(at).filter(|set| set.first <= number);
        let record: Option<i64> = self
            .conn
            .prepare_cached("SELECT id FROM objsync_conflict WHERE object = ?1 AND number = ?2 AND state <> 3")?
            .query_row((object, number), |r| r.get(0))
            .optional()?;
        if set.is_none() && origin.is_none() && record.is_none() {
            return self.by_hand(object, number);
        }
        Ok(match (set, origin) {
            (Some(set), _) => Through {
                source: Some(set.source.clone()),
                set: Some(set.id),
                decided: origin.is_none(),
                record,
                ..Through::default()
            },
            (None, Some(origin)) => Through { source: Some(self.nodes.name(origin)), ..Through::default() },
            (None, None) => Through { decided: record.is_some(), record, ..Through::default() },
        })
    }

    /// An edit made here: perhaps one that reverts a set, or decides a record again.
    fn by_hand(&self, object: i64, number: u64) -> Result<Through> {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let reverted: Option<(String, i64)> = self
            .conn
            .prepare_cached(
                "SELECT n.name, s.id FROM objsync_set s JOIN objsync_node n ON n.n = s.peer WHERE s.reverted = ?1 AND s.sent = 0",
            )?
            .query_row([number], |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()?;
        if let Some((source, set)) = reverted {
            return Ok(Through { source: Some(source), set: Some(set), reverting: true, ..Through::default() });
        }
        let record: Option<i64> = self
            .conn
            .prepare_cached(
                "SELECT c.id FROM objsync_conflict c, json_each(c.record, '$.again') a
                 WHERE c.object = ?1 AND a.value ->> 'number' = ?2",
            )?
            .query_row((object, number), |r| r.get(0))
            .optional()?;
        Ok(Through { decided: record.is_some(), record, ..Through::default() })
    }

    /// In order of their commits here.
    fn applied_sets(&self) -> Result<Vec<AppliedSet>> {
        let sql = "SELECT s.first_own, s.last_own, n.name, s.id FROM objsync_set s JOIN objsync_node n ON n.n = s.peer
                   WHERE s.sent = 0 AND s.taken_back = 0 AND s.first_own <= s.last_own ORDER BY s.first_own";
        let rows = self
            .conn
            .prepare_cached(sql)?
            .query_map([], |r| Ok(AppliedSet { first: r.get(0)?, last: r.get(1)?, source: r.get(2)?, id: r.get(3)? }))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }
}
