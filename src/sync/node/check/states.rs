//! What is recorded twice: a state in a conflict record, in the requeue or among what merges have seen is the same state in the
//! object's history, if it is one of that. One version, one content.

use std::collections::HashMap;

use super::{Check, FlawKind};
use crate::sync::data::schema::Class;
use crate::sync::data::value::Value;
use crate::sync::data::vector::Vector;
use crate::sync::decisions::conflict::{ConflictRecord, ConflictSide};
use crate::sync::error::Result;
use crate::sync::node::history::{Content, content_from_json, content_from_text};

/// A state as it is recorded somewhere, and where.
type Recorded = (Vector, Content, String);

impl Check<'_> {
    pub(super) fn states(&mut self) -> Result<()> {
        let sql = "SELECT class, object FROM objsync_conflict UNION SELECT class, object FROM objsync_merged
                   UNION SELECT class, object FROM objsync_waiting";
        let mut statement = self.node.conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut done = 0;
        while let Some(r) = rows.next()? {
            done += 1;
            self.going_on("checking states", done)?;
            let (class, object): (i64, i64) = (r.get(0)?, r.get(1)?);
            let Some(class) = self.classes.iter().find(|c| c.id == class).cloned() else { continue };
            let all = self.recorded(&class, object)?;
            self.same(&class, object, &all);
        }
        Ok(())
    }

    /// Every state of an object that is recorded here.
    fn recorded(&self, class: &Class, object: i64) -> Result<Vec<Recorded>> {
        let (node, conn) = (self.node, &self.node.conn);
        let guid = node.nodes.object(object)?;
        let mut all = Vec::new();
        if let Some(now) = node.current(class, guid)? {
            for (filed, by) in node.past(class, guid, &now, |_, _| false)? {
                all.push((filed.state.vector, filed.state.content, format!("before transaction {by}")));
            }
            // While a class is not journaled its rows change under the same version.
            if class.journaled {
                all.push((now.state.vector, now.state.content, "now".to_owned()));
            }
        }
        let mut statement =
            conn.prepare_cached("SELECT id, record FROM objsync_conflict WHERE object = ?1 AND class = ?2")?;
        let mut rows = statement.query((object, class.id))?;
        while let Some(r) = rows.next()? {
            let (id, text): (i64, String) = (r.get(0)?, r.get(1)?);
            let Ok(record) = serde_json::from_str::<ConflictRecord>(&text) else { continue };
            for (side, name) in [(&record.ours, "ours"), (&record.theirs, "theirs")] {
                if let Some((vector, content)) = read(class, side) {
                    all.push((vector, content, format!("as {name} in conflict record {id}")));
                }
            }
        }
        for (table, place) in [("merged", "where a merge has seen it"), ("waiting", "in the requeue")] {
            let sql = format!("SELECT vector, content FROM objsync_{table} WHERE object = ?1 AND class = ?2");
            let mut statement = conn.prepare_cached(&sql)?;
            let mut rows = statement.query((object, class.id))?;
            while let Some(r) = rows.next()? {
                let content: Option<String> = r.get(1)?;
                // What cannot be read of them is said elsewhere.
                let content = content.map(|text| content_from_text(class, &text)).transpose();
                let vector = node.nodes.decode(&r.get::<_, Vec<u8>>(0)?);
                if let (Ok(vector), Ok(content)) = (vector, content) {
                    all.push((vector, content, place.to_owned()));
                }
            }
        }
        Ok(all)
    }

    fn same(&mut self, class: &Class, object: i64, all: &[Recorded]) {
        let mut known: HashMap<&Vector, &Recorded> = HashMap::new();
        for state in all.iter().filter(|(vector, ..)| !vector.entries().is_empty()) {
            let first = known.entry(&state.0).or_insert(state);
            if !agree(&first.1, &state.1) {
                let what = format!("has one version with two contents: {}, and {}", first.2, state.2);
                self.flaw_of(FlawKind::History, class, object, None, what);
                return;
            }
        }
    }
}

/// Whether two are one content. A number that is said to name nothing agrees with any reference: while a set was applied, it was
/// kept for an object that had yet to come.
fn agree(a: &Content, b: &Content) -> bool {
    let same = |(a, b): (&Value, &Value)| match (a, b) {
        (Value::Dangling(_), Value::Reference(_)) | (Value::Reference(_), Value::Dangling(_)) => true,
        (a, b) => a == b,
    };
    match (a, b) {
        (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(b).all(same),
        (a, b) => a.is_none() && b.is_none(),
    }
}

fn read(class: &Class, side: &ConflictSide) -> Option<(Vector, Content)> {
    let vector = side.vector.iter().map(|(node, number)| Some((node.parse().ok()?, *number))).collect::<Option<_>>()?;
    let content = match side.content.is_null() {
        true => None,
        false => Some(content_from_json(class, &side.content).ok()?),
    };
    Some((vector, content))
}
