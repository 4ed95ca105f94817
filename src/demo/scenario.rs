//! Scenarios: what a presenter shows, as data. Tour, tests and command line run the same script.
//!
//! A [`Step`] says what it shows and what is done; [`Scenario::play`] does it on an environment and tells in words what
//! came of it.

use rand::rngs::StdRng;

use crate::demo::edit::{change_order, delete_orders};
use crate::demo::model::{Decimal, OrderDraft};
use crate::demo::populate::random_order;
use crate::demo::query;
use crate::sync::{ApplyOptions, ConflictRecord, Environment, PrepareOptions, Report, Result, Rule, Since};

/// A side of the demo: the place of the node in its environment.
pub const MASTER: usize = 0;
/// The other side.
pub const CLIENT: usize = 1;

/// A told sequence of steps on a fresh demo environment.
pub struct Scenario {
    /// What it is about.
    pub title: &'static str,
    /// The steps, in order.
    pub steps: &'static [Step],
}

/// One step.
pub struct Step {
    /// What it shows, in a sentence or two.
    pub text: &'static str,
    /// What is done.
    pub act: Act,
}

/// What a step does.
pub enum Act {
    /// Looks at both sides.
    Look,
    /// Inserts random orders at a side.
    RandomOrders(usize, usize),
    /// Changes quantity and price of an order at a side.
    Change {
        /// The side.
        side: usize,
        /// The order's number there.
        number: i64,
        /// The new quantity.
        quantity: Option<Decimal>,
        /// The new price.
        price: Option<Decimal>,
    },
    /// Deletes an order at a side.
    Delete(usize, i64),
    /// Prepares a set at a side for the other, with that id.
    Prepare(usize, i64),
    /// Applies the set with that id, from that side, at the other.
    Apply(usize, i64),
    /// Shows a side's newest conflict record.
    Conflict(usize),
    /// Compares both databases, row by row.
    Verify,
}

/// The original's "How to test", then one conflict.
pub const TOUR: Scenario = Scenario {
    title: "Two databases drift apart and are synchronized",
    steps: &[
        Step {
            text: "Two databases, MASTER and CLIENT, hold the same orders. CLIENT is a copy of MASTER, so there is nothing to send.",
            act: Act::Look,
        },
        Step {
            text: "At MASTER, three orders come in. CLIENT knows nothing of them: it is not connected.",
            act: Act::RandomOrders(MASTER, 3),
        },
        Step {
            text: "At CLIENT, two orders come in meanwhile, numbered alike. They are other orders all the same.",
            act: Act::RandomOrders(CLIENT, 2),
        },
        Step { text: "What MASTER has not sent yet is put into a file, a sync set.", act: Act::Prepare(MASTER, 1000) },
        Step {
            text: "CLIENT applies the set. Its own numbers stay; what comes gets the next free ones, and the report says so.",
            act: Act::Apply(MASTER, 1000),
        },
        Step {
            text: "The other way: CLIENT prepares a set of its own orders, not of what it has just received …",
            act: Act::Prepare(CLIENT, 1000),
        },
        Step { text: "… and MASTER applies it.", act: Act::Apply(CLIENT, 1000) },
        Step { text: "Row by row, both hold the same now.", act: Act::Verify },
        Step {
            text: "Now both change the same order without knowing of each other. MASTER: quantity 401.",
            act: Act::Change { side: MASTER, number: 1000, quantity: Some(Decimal::whole(401)), price: None },
        },
        Step {
            text: "CLIENT: quantity 460 and price 446.",
            act: Act::Change {
                side: CLIENT,
                number: 1000,
                quantity: Some(Decimal::whole(460)),
                price: Some(Decimal::whole(446)),
            },
        },
        Step { text: "CLIENT sends first, as the original's documentation advises.", act: Act::Prepare(CLIENT, 1001) },
        Step {
            text: "MASTER applies it and finds the conflict: neither had seen the other's change. The rule decides.",
            act: Act::Apply(CLIENT, 1001),
        },
        Step {
            text: "Nothing is lost: the record keeps both states and says who won and why.",
            act: Act::Conflict(MASTER),
        },
        Step { text: "The decision travels like any other change.", act: Act::Prepare(MASTER, 1001) },
        Step {
            text: "CLIENT takes it; there it is no conflict any more, because it was made with CLIENT's change in sight.",
            act: Act::Apply(MASTER, 1001),
        },
        Step { text: "Both sides are level again.", act: Act::Verify },
    ],
};

impl Scenario {
    /// Plays all steps; `tell` is given each step's text, and then, in words, what came of it.
    pub fn play(
        &self,
        env: &mut Environment,
        rng: &mut StdRng,
        mut tell: impl FnMut(&Step, Vec<String>),
    ) -> Result<()> {
        for step in self.steps {
            let outcome = step.act.run(env, rng)?;
            tell(step, outcome);
        }
        Ok(())
    }
}

impl Act {
    /// Does it, and says what came of it.
    pub fn run(&self, env: &mut Environment, rng: &mut StdRng) -> Result<Vec<String>> {
        match *self {
            Act::Look => look(env),
            Act::RandomOrders(side, count) => {
                let node = &mut env.nodes[side];
                (0..count)
                    .map(|_| {
                        let number = random_order(node, rng)?;
                        let order = query::order(node, number)?;
                        Ok(format!(
                            "{}: order {number}, quantity {}, price {}",
                            node.info().name,
                            order.quantity,
                            order.price
                        ))
                    })
                    .collect()
            }
            Act::Change { side, number, quantity, price } => {
                let node = &mut env.nodes[side];
                change_order(node, number, &OrderDraft { quantity, price, ..OrderDraft::default() })?;
                let order = query::order(node, number)?;
                Ok(vec![format!(
                    "{}: order {number} has quantity {} and price {} now",
                    node.info().name,
                    order.quantity,
                    order.price
                )])
            }
            Act::Delete(side, number) => {
                let node = &mut env.nodes[side];
                delete_orders(node, &[number])?;
                Ok(vec![format!("{}: order {number} is deleted", node.info().name)])
            }
            Act::Prepare(source, id) => {
                let file = env.set_file(None, source, id)?;
                let options = PrepareOptions { id, file, since: Since::Sent, upto: None, overwrite: false };
                let prepared = env.prepare(source, 1 - source, &options)?;
                let name = prepared.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Ok(vec![format!(
                    "{name}: {} objects, {}'s transactions {} to {}, {} bytes",
                    prepared.objects,
                    prepared.source,
                    prepared.first_transaction,
                    prepared.last_transaction,
                    prepared.bytes
                )])
            }
            Act::Apply(source, id) => {
                let file = env.set_file(None, source, id)?;
                let options = ApplyOptions { rule: Rule::default(), hold: None };
                Ok(report_lines(&env.nodes[1 - source].apply(&file, options)?))
            }
            Act::Conflict(side) => {
                let records = env.nodes[side].conflicts(1)?;
                Ok(records.iter().flat_map(conflict_lines).collect())
            }
            Act::Verify => {
                let found = env.verify()?;
                let orders = found.classes.iter().filter(|c| c.journaled);
                Ok(orders
                    .flat_map(|c| {
                        let digests = c.digests.iter().map(|(node, d)| {
                            format!("{node}: {} digest {}…", c.name, &d.as_str().unwrap_or_default()[..16])
                        });
                        digests.chain([format!("{} objects differ", c.differences.len())]).collect::<Vec<_>>()
                    })
                    .collect())
            }
        }
    }
}

fn look(env: &mut Environment) -> Result<Vec<String>> {
    let status = env.status()?;
    let lines = status.nodes.iter().map(|n| {
        let orders = n.classes.iter().find(|c| c.journaled).map_or(0, |c| c.count);
        let to_send: usize = n.peers.iter().map(|p| p.to_send.objects).sum();
        format!("{}: {orders} orders, transaction {}, {to_send} to send", n.name, n.transaction)
    });
    Ok(lines.collect())
}

/// A report in words: a heading, and a line an object.
pub fn report_lines(report: &Report) -> Vec<String> {
    let heading = format!("{}: {}", report.node, report.summary());
    let objects = report.objects.iter().map(|o| {
        let shown = match (o.source_number, o.number) {
            (Some(there), Some(here)) if there != here => format!("{} {there}, at {} {here}", o.class, report.node),
            (Some(n), _) | (None, Some(n)) => format!("{} {n}", o.class),
            (None, None) => format!("{} {}", o.class, o.guid),
        };
        format!("  {shown}: {}", o.reason)
    });
    [heading].into_iter().chain(objects).chain(report.warnings.iter().map(|w| format!("  warning: {w}"))).collect()
}

/// A conflict record in words.
pub fn conflict_lines(record: &ConflictRecord) -> Vec<String> {
    let number = record.number.or(record.source_number).map_or_else(|| record.guid.clone(), |n| n.to_string());
    let shown = |content: &serde_json::Value, property: &str| match &content[property] {
        serde_json::Value::Null if content.is_null() => "deleted".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let mut lines = vec![format!(
        "conflict {}: {} {number}, {} (set {} from {})",
        record.id,
        record.class,
        record.kind.words(),
        record.set,
        record.source
    )];
    for property in &record.properties {
        let before: Vec<_> = record.ancestors.iter().map(|a| shown(a, property)).collect();
        lines.push(format!(
            "  {property}: last common {}; here {}; there {}",
            if before.is_empty() { "unknown".to_owned() } else { before.join(" or ") },
            shown(&record.ours.content, property),
            shown(&record.theirs.content, property)
        ));
    }
    let chosen = if record.chosen == "ours" { "the state here stays" } else { "the state from there is taken" };
    lines.push(format!("  {chosen}: {}", record.why));
    lines
}
