//! The states of one object: the one it is in, and those it has been in, read back from the journal's before-images.
//!
//! Each event keeps what it replaced, and points to the object's event before. So the state as of any commit is the
//! before-image of the first event after it, or, where there is none, the current state.

use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator;
use rusqlite::{CachedStatement, OptionalExtension, Row, Rows};
use serde_json::{Map, Value as Json};

use crate::sync::data::guid::{Guid, NodeId};
use crate::sync::data::schema::{Class, Property, quote};
use crate::sync::data::stamp::Stamp;
use crate::sync::data::value::Value;
use crate::sync::data::vector::Vector;
use crate::sync::error::{Error, Result};
use crate::sync::node::Node;

/// The values of an object's properties in the order of its class, or `None`: deleted.
pub type Content = Option<Vec<Value>>;

/// One state of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Its properties.
    pub content: Content,
    /// What it has seen.
    pub vector: Vector,
    /// When and by whom its content was made.
    pub stamp: Stamp,
}

/// A state and how it came here.
#[derive(Clone, Debug, PartialEq)]
pub struct Filed {
    /// The state.
    pub state: State,
    /// The local key, where it has or had one.
    pub key: Option<i64>,
    /// The commit here that filed it; 0 where that is purged.
    pub number: u64,
    /// The peer it came from unchanged; `None`: made here.
    pub origin: Option<NodeId>,
    /// Journal position of the event that filed it.
    pub(crate) pos: Option<i64>,
}

/// Which objects local keys of classes mean, while nothing is written: what was asked lately, each answer in a place that its
/// key gives it, so that this has a bounded size and asking takes no time.
#[derive(Default)]
pub(crate) struct Named(Vec<Option<Answer>>);

/// A class, a key, and the object that they mean.
type Answer = ((i64, i64), Option<Guid>);

/// At most so many answers are kept in mind.
const NAMED: usize = 1 << 14;

impl Named {
    /// For where that many objects are read. By default nothing is kept in mind.
    pub(crate) fn among(objects: usize) -> Named {
        Named(vec![None; objects.min(NAMED)])
    }
}

struct Event {
    object: i64,
    key: Option<i64>,
    number: u64,
    origin: Option<i64>,
    before: i64,
    previous: Option<i64>,
    own: u64,
    rest: Option<Vec<u8>>,
    time: i64,
    author: i64,
}

impl Node {
    /// The state an object is in, deleted ones too; `None` where it was never heard of.
    pub fn current(&self, class: &Class, guid: Guid) -> Result<Option<Filed>> {
        self.current_among(class, guid, &mut Named::default())
    }

    /// The same where many are read and nothing is written meanwhile, with what was found out about others on the way.
    pub(crate) fn current_among(&self, class: &Class, guid: Guid, named: &mut Named) -> Result<Option<Filed>> {
        let Some(id) = self.nodes.known_id(guid) else { return Ok(None) };
        let event = "LEFT JOIN objsync_journal j ON j.pos = o.last WHERE o.object = ?1";
        let sql = class.texts.living.get_or_init(|| {
            let (values, objects) = (class.values_of("t", "o"), class.objects());
            let (table, same) = (quote(&class.table), class.same_row("t", "o"));
            format!("{VERSION}{values} FROM {objects} o JOIN {table} t ON {same} {event}")
        });
        let mut living = self.conn.prepare_cached(sql)?;
        let mut rows = living.query([id])?;
        if let Some(r) = rows.next()? {
            return self.living(class, id, r, named).map(Some);
        }
        let sql = class.texts.buried.get_or_init(|| format!("{VERSION} FROM {} o {event}", class.tombstones()));
        let buried = self.conn.prepare_cached(sql)?.query_row([id], VersionColumns::read).optional()?;
        buried.map(|version| self.filed(id, version, None)).transpose()
    }

    /// From a row of what is read of a living object: [`VERSION`] and its values.
    fn living(&self, class: &Class, id: i64, r: &Row<'_>, named: &mut Named) -> Result<Filed> {
        let mut values = Vec::with_capacity(class.properties.len());
        Value::read_row(r, VERSION_COLUMNS, class.properties.len(), &mut values)?;
        self.name_references(class, &mut values, named)?;
        self.filed(id, VersionColumns::read(r)?, Some(values))
    }

    fn filed(&self, id: i64, v: VersionColumns, content: Content) -> Result<Filed> {
        // What stood last when an object was deleted whose class is not journaled, may be of another.
        let origin = v.origin.filter(|_| v.object == Some(id));
        let state = self.state(content, v.own, v.rest.as_deref(), v.time, v.author)?;
        Ok(Filed { state, key: v.key, number: v.number, origin: self.origin(origin)?, pos: v.last })
    }

    /// A statement for [`InOrder`].
    pub(crate) fn living_in_order(&self, class: &Class) -> Result<CachedStatement<'_>> {
        let sql = class.texts.in_order.get_or_init(|| {
            let (values, objects) = (class.values_of("t", "o"), class.objects());
            let (table, same) = (quote(&class.table), class.same_row("t", "o"));
            // In this order, which is that of the journal.
            format!(
                "{VERSION}{values} FROM objsync_journal j CROSS JOIN {objects} o CROSS JOIN {table} t
                 WHERE j.pos >= ?1 AND j.pos < ?2 AND j.class = {} AND o.object = j.object AND o.last = j.pos AND {same}",
                class.id
            )
        });
        Ok(self.conn.prepare_cached(sql)?)
    }

    /// What the state an object is in has seen, deleted ones too.
    pub(crate) fn vector_of(&self, class: &Class, guid: Guid) -> Result<Option<Vector>> {
        let Some(id) = self.nodes.known_id(guid) else { return Ok(None) };
        let sql = class.texts.vector.get_or_init(|| {
            let (objects, tombstones) = (class.objects(), class.tombstones());
            format!("SELECT own, rest FROM {objects} WHERE object = ?1 UNION ALL SELECT own, rest FROM {tombstones} WHERE object = ?1")
        });
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query([id])?;
        let Some(r) = rows.next()? else { return Ok(None) };
        let mut vector = self.nodes.decode(r.get::<_, Option<Vec<u8>>>(1)?.unwrap_or_default().as_slice())?;
        vector.set(self.info.guid, r.get(0)?);
        Ok(Some(vector))
    }

    fn state(&self, content: Content, own: u64, rest: Option<&[u8]>, time: i64, author: i64) -> Result<State> {
        let mut vector = self.nodes.decode(rest.unwrap_or_default())?;
        vector.set(self.info.guid, own);
        // An identified class has no versions; its author column is 0.
        let author = if author == 0 { self.info.guid } else { self.nodes.guid(author)? };
        Ok(State { content, vector, stamp: Stamp { time, author } })
    }

    fn origin(&self, n: Option<i64>) -> Result<Option<NodeId>> {
        n.map(|n| self.nodes.guid(n)).transpose()
    }

    fn event(&self, pos: i64) -> Result<Option<Event>> {
        let sql = "SELECT number, origin, before, previous, own, rest, time, author, key, object FROM objsync_journal WHERE pos = ?1";
        let event = self.conn.prepare_cached(sql)?.query_row([pos], |r| {
            Ok(Event {
                object: r.get(9)?,
                key: r.get(8)?,
                number: r.get(0)?,
                origin: r.get(1)?,
                before: r.get(2)?,
                previous: r.get(3)?,
                own: r.get::<_, Option<u64>>(4)?.unwrap_or(0),
                rest: r.get(5)?,
                time: r.get::<_, Option<i64>>(6)?.unwrap_or(0),
                author: r.get::<_, Option<i64>>(7)?.unwrap_or(0),
            })
        });
        Ok(event.optional()?)
    }

    pub(crate) fn image(&self, class: &Class, pos: i64) -> Result<(Option<i64>, Vec<Value>)> {
        let columns: String = (0..class.properties.len()).map(|i| format!(", v{i}")).collect();
        let sql = format!("SELECT key{columns} FROM objsync_journal WHERE pos = ?1");
        let (mut key, mut values) = self.conn.prepare_cached(&sql)?.query_row([pos], |r| {
            let values = class.properties.iter().enumerate().map(|(i, p)| match &p.added {
                // The column was not there yet.
                Some(added) if pos <= p.since => Ok(added.clone()),
                _ => Ok(Value::from_sql(r.get_ref(1 + i)?)),
            });
            Ok((r.get::<_, Option<i64>>(0)?, values.collect::<rusqlite::Result<Vec<_>>>()?))
        })?;
        if let Some(place) = class.key_place() {
            match values[place].as_key() {
                Some(number) => key = Some(number),
                // From before the key was a property.
                None => values[place] = key.map_or(Value::Null, Value::Integer),
            }
        }
        Ok((key, self.with_guids(class, values, pos)?))
    }

    /// The state that the event at a journal position replaced; `None` where there was none.
    pub(crate) fn replaced_at(&self, class: &Class, pos: i64) -> Result<Option<State>> {
        let Some(event) = self.event(pos)?.filter(|e| e.before != 0) else { return Ok(None) };
        let content = if event.before == 1 { Some(self.image(class, pos)?.1) } else { None };
        self.state(content, event.own, event.rest.as_deref(), event.time, event.author).map(Some)
    }

    /// The states before `from`, newest first, as far as the journal goes back; with each, the commit that replaced it.
    /// Stops after the first for which `enough` holds.
    pub(crate) fn past(
        &self,
        class: &Class,
        guid: Guid,
        from: &Filed,
        enough: impl Fn(&State, u64) -> bool,
    ) -> Result<Vec<(Filed, u64)>> {
        let mut past: Vec<(Filed, u64)> = Vec::new();
        let (id, mut at, mut newer) = (self.nodes.id(guid)?, from.pos, from.state.vector.clone());
        while let Some(pos) = at {
            // Past a deletion while its class was not journaled nothing is known: there stands an event of another object, or none.
            let Some(event) = self.event(pos)?.filter(|e| e.object == id) else { break };
            if event.before == 0 {
                break;
            }
            at = event_before(pos, event.previous)?;
            let filed_by = at.map(|p| self.event(p)).transpose()?.flatten().filter(|e| e.object == id);
            let (key, content) = match event.before {
                1 => self.image(class, pos).map(|(key, values)| (key, Some(values)))?,
                // A tombstone: the number it had when it was deleted.
                _ => (filed_by.as_ref().and_then(|e| e.key), None),
            };
            let state = self.state(content, event.own, event.rest.as_deref(), event.time, event.author)?;
            // Two events of one object in one commit: between them it was in no state that anybody could see. The commit may be that
            // of the node that this file is a copy of, and the earlier event may be purged.
            let filed_with = filed_by.as_ref().is_some_and(|e| e.number == event.number);
            if state.vector == newer && (filed_with || state.vector.get(self.info.guid) == event.number) {
                continue;
            }
            newer = state.vector.clone();
            let (number, origin) = filed_by.map_or((0, None), |e| (e.number, e.origin));
            let enough = enough(&state, event.number);
            past.push((Filed { state, key, number, origin: self.origin(origin)?, pos: at }, event.number));
            if enough {
                break;
            }
        }
        Ok(past)
    }

    /// The state after commit `number`, or `None` where the object did not exist yet.
    pub(crate) fn as_of(&self, class: &Class, guid: Guid, current: Filed, number: u64) -> Result<Option<Filed>> {
        if current.number <= number {
            return Ok(Some(current));
        }
        let past = self.past(class, guid, &current, |_, replaced| replaced <= number)?;
        Ok(past
            .into_iter()
            .find(|(filed, replaced)| filed.number <= number && number < *replaced)
            .map(|(filed, _)| filed))
    }

    /// The newest states below ours that a state with `vector` has seen, none of them below another: from our own
    /// history, and from what earlier merges here have seen.
    pub(crate) fn common_ancestors(
        &self,
        class: &Class,
        ours: &Filed,
        guid: Guid,
        vector: &Vector,
    ) -> Result<Vec<State>> {
        // Our own history is in order, so the first that fits stands above all before it.
        let mut seen: Vec<State> = self
            .past(class, guid, ours, |state, _| state.vector.leq(vector))?
            .into_iter()
            .map(|(filed, _)| filed.state)
            .filter(|s| s.vector.leq(vector))
            .collect();
        seen.extend(self.merged(class, guid)?.into_iter().filter(|s| s.vector.leq(vector)));
        let below = |s: &State| seen.iter().any(|o| s.vector != o.vector && s.vector.leq(&o.vector));
        Ok(seen.iter().filter(|s| !below(s)).cloned().collect())
    }

    /// What a state here and one with `vector` both come from: the content of the newest common ancestor that is known.
    pub fn last_common(&self, class: &Class, guid: Guid, vector: &Vector) -> Result<Option<Content>> {
        let Some(ours) = self.current(class, guid)? else { return Ok(None) };
        Ok(self.common_ancestors(class, &ours, guid, vector)?.into_iter().next().map(|state| state.content))
    }

    fn merged(&self, class: &Class, guid: Guid) -> Result<Vec<State>> {
        let rows = self
            .conn
            .prepare_cached(
                "SELECT vector, time, author, content FROM objsync_merged WHERE object = ?1 AND class = ?2",
            )?
            .query_map((self.nodes.id(guid)?, class.id), |r| {
                Ok((r.get::<_, Vec<u8>>(0)?, r.get::<_, i64>(1)?, r.get::<_, i64>(2)?, r.get::<_, Option<String>>(3)?))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        rows.into_iter()
            .map(|(vector, time, author, content)| {
                let content = content.map(|text| content_from_text(class, &text)).transpose()?;
                let stamp = Stamp { time, author: self.nodes.guid(author)? };
                Ok(State { content, vector: self.nodes.decode(&vector)?, stamp })
            })
            .collect()
    }

    pub(crate) fn note_merged(&self, class: &Class, guid: Guid, state: &State) -> Result<()> {
        self.conn
            .prepare_cached("INSERT INTO objsync_merged (class, object, vector, time, author, content) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute((
                class.id,
                self.nodes.id(guid)?,
                self.nodes.encode(state.vector.entries().iter().copied())?,
                state.stamp.time,
                self.nodes.number(state.stamp.author)?,
                state.content.as_ref().map(|values| content_to_json(class, values).to_string()),
            ))?;
        Ok(())
    }

    /// Turns the local keys in reference columns into GUIDs: those of the objects that had these keys at journal
    /// position `at`. A key that names nothing then (`foreign_keys` was off) means the last object that had it.
    pub(crate) fn with_guids(&self, class: &Class, mut values: Vec<Value>, at: i64) -> Result<Vec<Value>> {
        for (value, property) in values.iter_mut().zip(&class.properties) {
            if let (Some(target), Some(key)) = (&property.references, value.as_key()) {
                *value = match self.named(self.class(target)?, key, at)? {
                    Some(guid) => Value::Reference(guid),
                    None => Value::Dangling(key),
                };
            }
        }
        Ok(values)
    }

    /// The same, in place, for what is there now.
    pub(crate) fn name_references(&self, class: &Class, values: &mut [Value], named: &mut Named) -> Result<()> {
        for (value, property) in values.iter_mut().zip(&class.properties) {
            if let (Some(target), Some(key)) = (&property.references, value.as_key()) {
                *value = match self.named_now(self.class(target)?, key, named)? {
                    Some(guid) => Value::Reference(guid),
                    None => Value::Dangling(key),
                };
            }
        }
        Ok(())
    }

    /// What a local key means now.
    pub(crate) fn named_now(&self, class: &Class, key: i64, named: &mut Named) -> Result<Option<Guid>> {
        let asked = (class.id, key);
        // Keys of one class are mostly near each other; another class begins elsewhere.
        let place = (class.id as usize).wrapping_mul(NAMED / 8).wrapping_add(key as usize) % named.0.len().max(1);
        if let Some(Some((known, guid))) = named.0.get(place)
            && *known == asked
        {
            return Ok(*guid);
        }
        let guid = self.named(class, key, i64::MAX)?;
        if let Some(kept) = named.0.get_mut(place) {
            *kept = Some((asked, guid));
        }
        Ok(guid)
    }

    pub(crate) fn named(&self, class: &Class, key: i64, at: i64) -> Result<Option<Guid>> {
        // What is there now is asked for most, and needs no history.
        if at == i64::MAX
            && let Some(guid) = self.guid_of(class, key)?
        {
            return Ok(Some(guid));
        }
        // `>=`: the deletion of an object that is only identified has no event of its own and stands at the last event
        // before it.
        let sql = "SELECT object, until FROM objsync_former_key WHERE class = ?1 AND key = ?2 AND until >= ?3 ORDER BY until LIMIT 1";
        let later: Option<(i64, i64)> =
            self.conn.prepare_cached(sql)?.query_row((class.id, key, at), |r| Ok((r.get(0)?, r.get(1)?))).optional()?;
        let (holder, until) = match later {
            Some((object, until)) => (Some(self.nodes.object(object)?), until),
            None => (self.guid_of(class, key)?, i64::MAX),
        };
        let sql = "SELECT object FROM objsync_former_key WHERE class = ?1 AND key = ?2 AND until < ?3 ORDER BY until DESC LIMIT 1";
        let earlier: Option<i64> =
            self.conn.prepare_cached(sql)?.query_row((class.id, key, at), |r| r.get(0)).optional()?;
        let earlier = earlier.map(|id| self.nodes.object(id)).transpose()?;
        Ok(match (holder, earlier) {
            // Nobody had the key then: the row referred to the one that had it last.
            (Some(holder), Some(earlier)) if at < i64::MAX && self.has_key_since(class, holder, until)? > at => {
                Some(earlier)
            }
            (holder, earlier) => holder.or(earlier),
        })
    }

    /// From which journal position on an object had the key that it had at `until`; before all where that is not known.
    fn has_key_since(&self, class: &Class, guid: Guid, until: i64) -> Result<i64> {
        let id = self.nodes.id(guid)?;
        let sql = format!(
            "SELECT last FROM {} WHERE object = ?1 UNION ALL SELECT last FROM {} WHERE object = ?1",
            class.objects(),
            class.tombstones()
        );
        let mut at: Option<i64> =
            self.conn.prepare_cached(&sql)?.query_row([id], |r| r.get::<_, Option<i64>>(0)).optional()?.flatten();
        let mut since = i64::MIN;
        let mut event = self.conn.prepare_cached("SELECT kind, previous FROM objsync_journal WHERE pos = ?1")?;
        while let Some(pos) = at {
            let found: Option<(i64, Option<i64>)> =
                event.query_row([pos], |r| Ok((r.get(0)?, r.get(1)?))).optional()?;
            let Some((kind, previous)) = found else { break };
            if kind == 1 && pos <= until {
                since = pos;
                break;
            }
            at = event_before(pos, previous)?;
        }
        // A new key without a new row.
        let sql = "SELECT max(until) FROM objsync_former_key WHERE class = ?1 AND object = ?2 AND until < ?3";
        let rekeyed: Option<i64> = self.conn.prepare_cached(sql)?.query_row((class.id, id, until), |r| r.get(0))?;
        Ok(rekeyed.map_or(since, |rekeyed| since.max(rekeyed.saturating_add(1))))
    }
}

/// The states that living objects of a class are in, in the order in which they were filed, while nothing is written: one
/// statement for all of them takes half of the time of one for each.
pub(crate) struct InOrder<'a> {
    class: &'a Class,
    rows: Rows<'a>,
    /// Where the state at hand was filed.
    at: i64,
}

impl<'a> InOrder<'a> {
    /// Those filed at journal positions from `first` on and before `last`; the statement is of [`Node::living_in_order`].
    pub(crate) fn new(class: &'a Class, statement: &'a mut CachedStatement<'_>, range: (i64, i64)) -> Result<Self> {
        Ok(InOrder { class, rows: statement.query(range)?, at: i64::MIN })
    }

    /// The state that was filed at a position, none before one asked for earlier; `None` where no object is in it any more.
    pub(crate) fn filed_at(&mut self, node: &Node, pos: i64, id: i64, named: &mut Named) -> Result<Option<Filed>> {
        while self.at < pos {
            self.rows.advance()?;
            self.at = self.rows.get().map_or(Ok(i64::MAX), |r| r.get(LAST))?;
        }
        let row = self.rows.get().filter(|_| self.at == pos);
        row.map(|r| node.living(self.class, id, r, named)).transpose()
    }
}

/// Where the event before one stands, which must be before it: following a damaged journal would have no end.
pub(crate) fn event_before(pos: i64, previous: Option<i64>) -> Result<Option<i64>> {
    match previous {
        Some(previous) if previous >= pos => Err(Error::storage(format!(
            "the journal is damaged: the event at position {pos} is said to follow the one at {previous}"
        ))
        .hint("objsync check says what is wrong with the file, and what to do")),
        previous => Ok(previous),
    }
}

/// What is read of an object beside its row.
struct VersionColumns {
    key: Option<i64>,
    own: u64,
    rest: Option<Vec<u8>>,
    time: i64,
    author: i64,
    last: Option<i64>,
    /// Of the event at `last`.
    number: u64,
    origin: Option<i64>,
    object: Option<i64>,
}

const VERSION: &str = "SELECT o.key, o.own, o.rest, o.time, o.author, o.last, j.number, j.origin, j.object";
const VERSION_COLUMNS: usize = 9;
const LAST: usize = 5;

impl VersionColumns {
    fn read(r: &Row<'_>) -> rusqlite::Result<VersionColumns> {
        Ok(VersionColumns {
            key: r.get(0)?,
            own: r.get(1)?,
            rest: r.get(2)?,
            time: r.get(3)?,
            author: r.get(4)?,
            last: r.get(LAST)?,
            number: r.get::<_, Option<u64>>(6)?.unwrap_or(0),
            origin: r.get(7)?,
            object: r.get(8)?,
        })
    }
}

/// Content as JSON by property name, references as GUIDs: the form in records, requeue and merge notes, which outlives
/// a change of the table.
impl Class {
    /// Content as JSON by property name, references as `{"ref": GUID}`; null: deleted.
    pub fn content_json(&self, content: &Content) -> Json {
        content.as_ref().map_or(Json::Null, |values| content_to_json(self, values))
    }
}

pub(crate) fn content_to_json(class: &Class, values: &[Value]) -> Json {
    let members = class.properties.iter().zip(values).map(|(p, v)| (p.name.clone(), v.to_stored_json()));
    Json::Object(members.collect::<Map<_, _>>())
}

pub(crate) fn content_from_text(class: &Class, text: &str) -> Result<Vec<Value>> {
    let json = serde_json::from_str(text)
        .map_err(|_| Error::storage(format!("a stored state of a {} is damaged", class.name)))?;
    content_from_json(class, &json)
}

pub(crate) fn content_from_json(class: &Class, json: &Json) -> Result<Vec<Value>> {
    let damaged = || Error::storage(format!("a stored state of a {} is damaged", class.name));
    let stored = |p: &Property| json.get(&p.name).or_else(|| p.formerly.iter().rev().find_map(|name| json.get(name)));
    let key = class.key_place().map(|place| &class.properties[place].name);
    let read = |p: &Property| match stored(p) {
        // From before the key was a property: what it referred to is not known any more.
        None if key == Some(&p.name) => Some(Value::Dangling(0)),
        None => Some(p.added.clone().unwrap_or(Value::Null)),
        // From before the column was known to be a reference.
        Some(value) => Value::from_stored_json(value).map(|value| match value {
            Value::Integer(key) if p.references.is_some() => Value::Dangling(key),
            value => value,
        }),
    };
    class.properties.iter().map(|p| read(p).ok_or_else(damaged)).collect()
}
