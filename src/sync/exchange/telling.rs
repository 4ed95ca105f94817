//! Saying what was done with an object, or why it waits, in words.

use crate::sync::data::guid::Guid;
use crate::sync::data::schema::{Class, Key, Property, quote};
use crate::sync::data::value::Value;
use crate::sync::decisions::conflict::RecordState;
use crate::sync::decisions::decide::Chosen;
use crate::sync::error::{Error, Refusal, Result};
use crate::sync::exchange::merge::Why;
use crate::sync::exchange::report::{ObjectReport, Outcome};
use crate::sync::exchange::requeue::{Cause, Obstacle, Pending};
use crate::sync::exchange::trial::{Settling, Step};
use crate::sync::node::Node;
use crate::words::quoted;

impl Node {
    /// One vector, two contents: numbers were given twice.
    pub(crate) fn reused(&self, p: &Pending) -> Error {
        let source = self.nodes.name(p.peer);
        let what = format!(
            "{} comes from {source} with a version that is known here with another content: some node's file was restored from a backup or copied and used on; nothing was changed",
            self.title(p)
        );
        Error::refused(Refusal::Restored, what)
            .hint(format!("find out which node was restored (likely {}), make it a new node there (objsync rejoin), and prepare the set again", quoted(&source)))
    }

    /// A version of this node's that the object never had here.
    pub(crate) fn unmade(&self, p: &Pending) -> Error {
        let source = self.nodes.name(p.peer);
        let what = format!(
            "{} comes from {source} with a version that {} made, and this file has not made it",
            self.title(p),
            self.info.name
        );
        self.unproven(&what, &source)
    }

    pub(crate) fn unknown(&self, property: &Property, value: &Value) -> Obstacle {
        let target = property.references.as_deref().unwrap_or("object");
        let property = &property.name;
        let text = match value {
            Value::Reference(guid) => {
                let journaled = self.class(target).is_ok_and(|c| c.journaled);
                let way_out = match journaled {
                    true => format!(
                        "it goes through once that {target} has come, or once it has another {property} at its source"
                    ),
                    false => format!(
                        "{target} is not journaled, so it does not travel by itself; journal it at both (objsync classes journal {}), or give this one another {property} at its source, or discard it",
                        quoted(target)
                    ),
                };
                format!("its {property} is unknown at {} ({target} {guid}); {way_out}", self.info.name)
            }
            value => {
                let shown = match value {
                    Value::Dangling(number) => number.to_string(),
                    Value::Blob(_) => format!("a blob of {}", value.shown()),
                    value => format!("'{}'", value.shown()),
                };
                format!(
                    "its {property} ({shown}) named no {target} at the sender either; it goes through once that row is changed there and names one"
                )
            }
        };
        Obstacle { cause: Cause::UnknownReference, text }
    }

    pub(crate) fn title(&self, p: &Pending) -> String {
        self.called(&self.classes[p.class], p.key, p.state.content.as_deref(), p.guid)
    }

    /// The key of what came where that is content; of a deletion, the key it has here.
    pub(crate) fn pending_key(&self, p: &Pending) -> Result<Option<String>> {
        let class = &self.classes[p.class];
        if class.has_numbers() {
            return Ok(None);
        }
        let content = match &p.state.content {
            Some(values) => Some(values.clone()),
            None => self.current(class, p.guid)?.and_then(|filed| filed.state.content),
        };
        Ok(self.key_text(class, content.as_deref()))
    }

    /// `Order 1004`, `Country DE`; by its GUID where neither number nor content is known.
    pub(crate) fn called(&self, class: &Class, key: Option<i64>, content: Option<&[Value]>, guid: Guid) -> String {
        let name = class.number_shown(key).map(|n| n.to_string()).or_else(|| self.key_text(class, content));
        format!("{} {}", class.name, name.unwrap_or_else(|| guid.to_string()))
    }

    /// A key that is content, as people read it.
    pub fn key_text(&self, class: &Class, content: Option<&[Value]>) -> Option<String> {
        let Key::Content(places) = &class.key else { return None };
        let shown = |i: &usize| Some(self.shown(&class.properties[*i], content?.get(*i)?));
        places.iter().map(shown).collect::<Option<Vec<String>>>().map(|parts| parts.join(", "))
    }

    /// What an object that lives here is called.
    pub(crate) fn called_by_key(&self, class: &Class, key: i64) -> Result<String> {
        let Some(guid) = self.guid_of(class, key)? else { return Ok(format!("{} {key}", class.name)) };
        let content = match class.has_numbers() {
            true => None,
            false => self.current(class, guid)?.and_then(|filed| filed.state.content),
        };
        Ok(self.called(class, Some(key), content.as_deref(), guid))
    }

    pub(crate) fn line(
        &self,
        p: &Pending,
        number: Option<i64>,
        outcome: Outcome,
        reason: String,
    ) -> Result<ObjectReport> {
        let class = &self.classes[p.class];
        let number = match number {
            Some(number) => Some(number),
            None => self.key_of(class, p.guid)?,
        };
        Ok(ObjectReport {
            class: class.name.clone(),
            guid: p.guid,
            key: self.pending_key(p)?,
            number: class.number_shown(number),
            source_number: p.key,
            outcome,
            reason,
            conflict: None,
            row_changed: false,
        })
    }

    /// Says what was done and why.
    pub(crate) fn told(&self, settling: &Settling<'_>, step: &Step) -> Result<ObjectReport> {
        let p = &settling.pending[step.place];
        let class = &self.classes[p.class];
        let (old, new) =
            (step.merged.before.as_ref().and_then(|b| b.state.content.as_ref()), step.merged.new.content.as_ref());
        let source = self.nodes.name(p.peer);
        let done = |outcome, reason: String| (outcome, reason);
        let by_row = || match (old, new) {
            (None, Some(_)) => match p.key {
                Some(theirs) if step.key != Some(theirs) => {
                    let called = noun(&class.name);
                    let here = step.key.unwrap_or_default();
                    if let Some(place) = class.key_place() {
                        let target = class.properties[place].references.as_deref().unwrap_or_default();
                        let why = format!("the number of its {} here", noun(target));
                        return done(Outcome::Inserted, format!("inserted as {called} {here}, {why}"));
                    }
                    done(
                        Outcome::Inserted,
                        format!("inserted as {called} {here} ({}'s {theirs} is another {called})", self.info.name),
                    )
                }
                _ => done(Outcome::Inserted, "inserted".to_owned()),
            },
            (Some(a), Some(b)) if a != b => done(Outcome::Updated, format!("updated: {}", self.changes(class, a, b))),
            (Some(_), None) => done(Outcome::Deleted, "deleted".to_owned()),
            (None, None) if step.merged.before.is_none() => {
                done(Outcome::Skipped, format!("nothing to do: {source} made and deleted it before it came here"))
            }
            _ => done(Outcome::Skipped, "nothing to do: the content is the same; its version is noted".to_owned()),
        };
        let mut conflict = None;
        let (outcome, reason) = match &step.merged.why {
            Why::Newer => by_row(),
            Why::Same => done(Outcome::Skipped, format!("nothing to do: {source} made the same change")),
            Why::OneUnchanged(Chosen::Theirs) => {
                let (outcome, reason) = by_row();
                (outcome, format!("{reason} (no conflict: nothing was changed here)"))
            }
            Why::OneUnchanged(_) => done(
                Outcome::Skipped,
                format!("the state here stays: {source} changed nothing, so this is no conflict"),
            ),
            Why::Recorded(record) if record.state == RecordState::Combined => {
                conflict = Some(record.id);
                done(Outcome::Combined, format!("combined, a row that nobody wrote: {}", record.why))
            }
            Why::Recorded(record) => {
                conflict = Some(record.id);
                let stands = match record.chosen {
                    Chosen::Ours => format!("{}'s stays", self.info.name),
                    Chosen::Theirs => format!("{source}'s is taken"),
                    Chosen::Merged => "merged".to_owned(),
                };
                let open = match record.state {
                    RecordState::Open => format!(" (record {})", record.id),
                    _ => String::new(),
                };
                let differs = match record.properties.is_empty() {
                    true => String::new(),
                    false => format!(" ({})", record.properties.join(", ")),
                };
                done(
                    Outcome::Conflict,
                    format!("conflict: {}{differs}; {stands}: {}{open}", record.kind.words(), record.why),
                )
            }
        };
        let mut line = self.line(p, step.key, outcome, reason)?;
        line.key = line.key.or_else(|| self.key_text(class, old.map(Vec::as_slice)));
        (line.conflict, line.row_changed) = (conflict, step.row_changed);
        Ok(line)
    }

    /// `quantity 417 → 77, price 10 → 12.5`; references by their local numbers.
    pub(crate) fn changes(&self, class: &Class, old: &[Value], new: &[Value]) -> String {
        let changed = class.properties.iter().zip(old.iter().zip(new)).filter(|(_, (a, b))| a != b);
        let said = changed.map(|(p, (a, b))| format!("{} {}", p.name, self.shown_beside(p, &[a, b]).join(" → ")));
        said.collect::<Vec<_>>().join(", ")
    }

    /// Values of a property for people, beside each other: what differs looks different, with its type where need be.
    pub fn shown_beside(&self, property: &Property, values: &[&Value]) -> Vec<String> {
        let typed = Value::need_types(values.iter().copied());
        let shown = |value: &&Value| match value {
            Value::Reference(_) => self.shown(property, value),
            value if typed => value.shown_typed(),
            value => value.shown(),
        };
        values.iter().map(shown).collect()
    }

    /// A property's value for people; a reference by its local number, where it has one here.
    pub fn shown(&self, property: &Property, value: &Value) -> String {
        match (value, &property.references) {
            (Value::Reference(guid), Some(name)) => {
                let key = self.class(name).ok().and_then(|c| self.key_of(c, *guid).ok()).flatten();
                key.map_or_else(|| guid.to_string(), |k| k.to_string())
            }
            _ => value.shown(),
        }
    }

    /// A property's value in recorded contents, for people, beside each other.
    pub fn shown_stored(&self, class: &str, property: &str, contents: &[&serde_json::Value]) -> Vec<String> {
        let known = self.class(class).ok().and_then(|c| c.properties.get(c.property(property)?));
        let stored = |content: &&serde_json::Value| content.get(property).and_then(Value::from_stored_json);
        let values: Vec<Option<Value>> = contents.iter().map(stored).collect();
        let read: Vec<&Value> = values.iter().flatten().collect();
        let mut shown = known.map(|p| self.shown_beside(p, &read)).unwrap_or_default().into_iter();
        let one = |(content, value): (&&serde_json::Value, &Option<Value>)| {
            let shown = value.as_ref().and_then(|_| shown.next());
            shown.unwrap_or_else(|| match content.get(property) {
                None if content.is_null() => "deleted".to_owned(),
                None => "unknown".to_owned(),
                Some(json) => json.to_string(),
            })
        };
        contents.iter().zip(&values).map(one).collect()
    }

    /// Which constraint of the table refused a row, and which rows are involved.
    pub(crate) fn refused_by_table(&self, class: &Class, pending: &Pending, step: &Step, said: &str) -> Obstacle {
        let after = |prefix: &str| said.strip_prefix(prefix).map(|rest| rest.trim_start_matches(": ").to_owned());
        if let Some(columns) = after("UNIQUE constraint failed") {
            let taken = step.merged.new.content.as_ref().and_then(|values| {
                let key = class.key_place().map(|place| vec![place]);
                let all = class.unique.iter().chain(&key);
                all.into_iter().find_map(|places| self.holder(class, places, values, step).ok().flatten())
            });
            let text = match taken {
                Some((what, row)) => format!(
                    "its {what} must be unique, and {row} at {} has it (unique constraint on {columns}); it goes through once one of the two has another",
                    self.info.name
                ),
                None => format!(
                    "another row at {} has what must be unique (unique constraint on {columns}); it goes through once one of the two changes",
                    self.info.name
                ),
            };
            return Obstacle { cause: Cause::Unique, text };
        }
        let way_out = "it goes through once it is corrected at its source, or the table here allows it";
        if let Some(check) = after("CHECK constraint failed") {
            let refused = format!("a check of the table {} here refuses it ({check})", class.table);
            let text = match self.in_its_place(class, pending, step) {
                // Such as the only row of a table of settings.
                Some(row) => format!(
                    "{row} at {} has its number, and under another one {refused}; delete or change {row} here and try again (objsync requeue retry), or give this one up, which keeps {row} (objsync requeue discard NUMBER)",
                    self.info.name
                ),
                None => format!("{refused}; {way_out}"),
            };
            return Obstacle { cause: Cause::Check, text };
        }
        if let Some(column) = after("NOT NULL constraint failed") {
            let text = format!("{column} must have a value here, and it has none (not null constraint); {way_out}");
            return Obstacle { cause: Cause::NotNull, text };
        }
        let text = match said.strip_prefix("it needs ") {
            Some(what) => format!(
                "the table {} here needs {what}; drop the index or trigger that needs it, then try again, or make the change here with that application and give up what waits (objsync requeue discard NUMBER)",
                class.table
            ),
            None => format!("the table {} here refuses it ({said}); {way_out}", class.table),
        };
        Obstacle { cause: Cause::Other, text }
    }

    /// The row that has the number which the new object of `step` has at its source, so that it was to get another one here.
    fn in_its_place(&self, class: &Class, pending: &Pending, step: &Step) -> Option<String> {
        let theirs = class.number_shown(pending.key).filter(|theirs| step.key != Some(*theirs))?;
        step.merged
            .before
            .as_ref()
            .is_none_or(|b| b.state.content.is_none())
            .then(|| format!("{} {theirs}", class.name))
    }

    /// The row that has the values which a row of `step` is to have in these properties, and what they are.
    fn holder(
        &self,
        class: &Class,
        places: &[usize],
        values: &[Value],
        step: &Step,
    ) -> Result<Option<(String, String)>> {
        let mut wanted = Vec::new();
        for &i in places {
            wanted.push(match &values[i] {
                Value::Null => return Ok(None), // NULLs are never equal
                Value::Reference(guid) => step.references.get(guid).map_or(Value::Null, |key| Value::Integer(*key)),
                value => value.clone(),
            });
        }
        let equal: Vec<String> = places
            .iter()
            .enumerate()
            .map(|(n, &i)| format!("t.{} = ?{}", quote(&class.properties[i].name), n + 1))
            .collect();
        let sql = format!(
            "SELECT {key} FROM {} t WHERE {} AND {key} IS NOT ?{}",
            quote(&class.table),
            equal.join(" AND "),
            places.len() + 1,
            key = class.key_of("t"),
        );
        let mut statement = self.conn.prepare(&sql)?;
        for (n, value) in wanted.iter().enumerate() {
            statement.raw_bind_parameter(n + 1, value)?;
        }
        // One that is to have the number of another row is that row by its number.
        let own = step.key.filter(|_| class.key_place().is_none_or(|place| places != [place]));
        statement.raw_bind_parameter(places.len() + 1, own)?;
        let mut rows = statement.raw_query();
        let Some(row) = rows.next()? else { return Ok(None) };
        let what: Vec<String> = places
            .iter()
            .map(|&i| format!("{} {}", class.properties[i].name, self.shown(&class.properties[i], &values[i])))
            .collect();
        let title = match row.get::<_, Option<i64>>(0)? {
            Some(key) => self.called_by_key(class, key)?,
            None => format!("a row of {} without identity", class.table),
        };
        Ok(Some((what.join(" and "), title)))
    }
}

/// A class's name in a sentence: `order` for `Order`; a table's own name stays as it is.
fn noun(class: &str) -> String {
    let mut chars = class.chars();
    match chars.next().is_some_and(char::is_uppercase) && chars.all(|c| c.is_lowercase()) {
        true => class.to_lowercase(),
        false => class.to_owned(),
    }
}
