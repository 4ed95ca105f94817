//! The rules chosen at a node: one for all classes, and for single classes their own.

use serde::Serialize;

use crate::sync::decisions::rule::Rule;
use crate::sync::error::Result;
use crate::sync::node::Node;

/// Which rule decides where an apply names none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rules {
    /// For every class without a rule of its own.
    pub default: Rule,
    /// Classes with a rule of their own, by name.
    pub classes: Vec<(String, Rule)>,
}

impl Rules {
    /// The rule for a class.
    pub fn of(&self, class: &str) -> Rule {
        self.classes.iter().find(|(name, _)| name == class).map_or(self.default, |(_, rule)| *rule)
    }
}

impl Node {
    /// The rules chosen here. Nothing chosen is [`Rule::default`].
    pub fn rules(&self) -> Result<Rules> {
        let rows = self
            .conn
            .prepare_cached("SELECT class, rule FROM objsync_rule ORDER BY class")?
            .query_map([], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let mut rules = Rules::default();
        for (class, rule) in rows {
            let rule = rule.parse()?;
            match class {
                0 => rules.default = rule,
                id => rules.classes.push((self.class_by_id(id)?.name.clone(), rule)),
            }
        }
        Ok(rules)
    }

    /// Chooses the rule for a class, or with `None` for all classes without one. No rule for a class: as for all.
    pub fn set_rule(&mut self, class: Option<&str>, rule: Option<Rule>) -> Result<()> {
        self.write(|node| {
            let id = class.map(|name| node.class(name).map(|c| c.id)).transpose()?.unwrap_or(0);
            match rule {
                Some(rule) => node
                    .conn
                    .execute("INSERT OR REPLACE INTO objsync_rule (class, rule) VALUES (?1, ?2)", (id, rule.name()))?,
                None => node.conn.execute("DELETE FROM objsync_rule WHERE class = ?1", [id])?,
            };
            Ok(())
        })
    }
}
