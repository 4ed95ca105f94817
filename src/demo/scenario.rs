//! Scenarios: what a presenter shows, as data. Tour, tests and command line run the same script.
//!
//! A [`Step`] says what it shows and what is done; [`Scenario::play`] does it on an environment and tells in words what
//! came of it.

use rand::rngs::StdRng;

use crate::demo::edit::{change_order, delete_orders};
use crate::demo::model::{Decimal, OrderDraft};
use crate::demo::populate::random_order;
use crate::demo::query;
use crate::demo::tables::ORDER;
use crate::sync::{
    ApplyOptions, Choice, Chosen, ConflictRecord, Environment, Node, PrepareOptions, RecordState, Report, Resolution,
    Result, Rule, Since,
};
use crate::words::{count, grouped, local_time};

/// A side of the demo: the place of the node in its environment.
pub const MASTER: usize = 0;
/// The other side.
pub const CLIENT: usize = 1;

/// A told sequence of steps on a fresh demo environment.
pub struct Scenario {
    /// What to call it on the command line.
    pub name: &'static str,
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
    /// What synchronization without versions makes of an order: the row written last, and the columns written last.
    WithoutVersions(i64),
    /// What each rule would make of the set with that id, from that side: a preview each, nothing is changed.
    EachRule(usize, i64),
    /// Applies the set with that id, from that side, at the other, with a rule of its own.
    ApplyBy(usize, i64, Rule),
    /// Decides a side's newest conflict record again: `true` for what was there, `false` for what came.
    DecideAgain(usize, bool),
    /// Both directions, client first.
    Sync,
    /// Compares both databases, row by row.
    Verify,
}

/// The original's "How to test", then one conflict.
pub const TOUR: Scenario = Scenario {
    name: "tour",
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

/// What last-writer-wins and merging by column lose, and what the rules here do.
pub const CONTRAST: Scenario = Scenario {
    name: "contrast",
    title: "Why not simply let the last writer win?",
    steps: &[
        Step { text: "MASTER and CLIENT hold the same orders. Look at order 1000.", act: Act::Look },
        Step {
            text: "At MASTER somebody sets its quantity to 2.",
            act: Act::Change { side: MASTER, number: 1000, quantity: Some(Decimal::whole(2)), price: None },
        },
        Step {
            text: "At CLIENT, which knows nothing of that, somebody else agrees with the customer on 3 pieces at 5 each.",
            act: Act::Change {
                side: CLIENT,
                number: 1000,
                quantity: Some(Decimal::whole(3)),
                price: Some(Decimal::whole(5)),
            },
        },
        Step {
            text: "At MASTER the price of the 2 pieces becomes 10. So one side says 2 at 10, the other 3 at 5.",
            act: Act::Change { side: MASTER, number: 1000, quantity: None, price: Some(Decimal::whole(10)) },
        },
        Step {
            text: "Synchronization that keeps the last write has two usual forms. By row: what CLIENT agreed on is gone. By \
                   column: a row comes out that nobody ever wrote. In both cases nobody is told.",
            act: Act::WithoutVersions(1000),
        },
        Step { text: "Here, CLIENT prepares a set …", act: Act::Prepare(CLIENT, 2000) },
        Step {
            text: "… and MASTER can see beforehand what each rule would make of it. Every one of them finds the conflict, and \
                   every decision is recorded with both states.",
            act: Act::EachRule(CLIENT, 2000),
        },
        Step {
            text: "“Merge properties” looks at each property for itself, as the columns above. But it knows that both sides \
                   changed both, so it takes the later of the two for what both changed, and says whose each value was.",
            act: Act::ApplyBy(CLIENT, 2000, Rule::MergeProperties),
        },
        Step { text: "The record, kept for good.", act: Act::Conflict(MASTER) },
        Step {
            text: "Somebody asks the customer: 3 at 5 it is. The record is decided again, as an ordinary new change.",
            act: Act::DecideAgain(MASTER, false),
        },
        Step { text: "It travels like any other change.", act: Act::Sync },
        Step {
            text: "Where the two sides change different properties, “Merge properties” combines them. MASTER: order 999, \
                   quantity 7.",
            act: Act::Change { side: MASTER, number: 999, quantity: Some(Decimal::whole(7)), price: None },
        },
        Step {
            text: "CLIENT: order 999, price 70.",
            act: Act::Change { side: CLIENT, number: 999, quantity: None, price: Some(Decimal::whole(70)) },
        },
        Step { text: "CLIENT sends …", act: Act::Prepare(CLIENT, 2010) },
        Step {
            text: "… and MASTER combines. Nobody is overruled, so it is no conflict; but nobody wrote this row, so it is \
                   recorded all the same.",
            act: Act::ApplyBy(CLIENT, 2010, Rule::MergeProperties),
        },
        Step { text: "The record of a combination.", act: Act::Conflict(MASTER) },
        Step { text: "After one more exchange both sides are level.", act: Act::Sync },
        Step { text: "Row by row.", act: Act::Verify },
    ],
};

/// Every scenario.
pub const SCENARIOS: [&Scenario; 2] = [&TOUR, &CONTRAST];

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
                let options = PrepareOptions {
                    id,
                    file,
                    since: Since::Sent,
                    upto: None,
                    overwrite: false,
                    compress: false,
                    update_sync_time: true,
                };
                let prepared = env.prepare(source, 1 - source, &options)?;
                let name = prepared.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Ok(vec![format!(
                    "{name}: {}, up to {}'s transaction {}, {} bytes",
                    count(prepared.objects, "object"),
                    prepared.source,
                    grouped(prepared.last_transaction),
                    grouped(prepared.bytes)
                )])
            }
            Act::Apply(source, id) => Act::ApplyBy(source, id, Rule::default()).run(env, rng),
            Act::ApplyBy(source, id, rule) => {
                let file = env.set_file(None, source, id)?;
                let options = ApplyOptions { rule: Some(rule), ..ApplyOptions::default() };
                Ok(report_lines(&env.nodes[1 - source].apply(&file, options)?))
            }
            Act::Conflict(side) => {
                let node = &env.nodes[side];
                Ok(newest_record(node)?.iter().flat_map(|record| conflict_lines(node, record)).collect())
            }
            Act::WithoutVersions(number) => without_versions(env, number),
            Act::EachRule(source, id) => {
                let file = env.set_file(None, source, id)?;
                each_rule(&mut env.nodes[1 - source], &file)
            }
            Act::DecideAgain(side, ours) => {
                let node = &mut env.nodes[side];
                let Some(record) = newest_record(node)? else { return Ok(Vec::new()) };
                let choice = if ours { Choice::Ours } else { Choice::Theirs };
                match node.resolve(record.id, &choice, false)? {
                    Resolution::Filed { record, changes } => {
                        let changes = if changes.is_empty() { "nothing had to change".to_owned() } else { changes };
                        Ok([format!("{}: {changes}", node.info().name)]
                            .into_iter()
                            .chain(conflict_lines(node, &record))
                            .collect())
                    }
                    Resolution::MovedOn { moved_on, .. } => Ok(vec![format!("the order has moved on: {moved_on}")]),
                }
            }
            Act::Sync => Ok(env.sync(None)?.iter().flat_map(report_lines).collect()),
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

fn newest_record(node: &Node) -> Result<Option<ConflictRecord>> {
    Ok(node.conflicts(usize::MAX)?.into_iter().max_by_key(|r| r.id))
}

/// The quantity and the price of an order at a side, each with the time when it was written.
fn last_writes(node: &mut Node, number: i64) -> Result<[(Decimal, i64); 2]> {
    let order = query::order(node, number)?;
    let class = node.class(ORDER)?.clone();
    let guid = node.guid_of(&class, number)?;
    let states = guid.map(|guid| node.history(ORDER, guid)).transpose()?.unwrap_or_default();
    let written = |property: &str| {
        let place = class.property(property);
        let value = |i: usize| states.get(i).and_then(|s| s.filed.state.content.as_ref()?.get(place?));
        // The newest state whose value the one before it did not have.
        let at = (0..states.len()).find(|&i| value(i) != value(i + 1)).unwrap_or(0);
        states.get(at).map_or(0, |s| s.filed.state.stamp.time)
    };
    Ok([(order.quantity, written("quantity")), (order.price, written("price"))])
}

fn without_versions(env: &mut Environment, number: i64) -> Result<Vec<String>> {
    let names = [env.nodes[MASTER].info().name.clone(), env.nodes[CLIENT].info().name.clone()];
    let sides = [last_writes(&mut env.nodes[MASTER], number)?, last_writes(&mut env.nodes[CLIENT], number)?];
    let row_time = |side: usize| sides[side].iter().map(|(_, time)| *time).max();
    let row = usize::from(row_time(CLIENT) > row_time(MASTER));
    let column = |i: usize| usize::from(sides[CLIENT][i].1 > sides[MASTER][i].1);
    let (quantity, price) = (column(0), column(1));
    let mut lines: Vec<String> = (0..2)
        .map(|side| format!("{}: quantity {}, price {}", names[side], sides[side][0].0, sides[side][1].0))
        .collect();
    lines.push(format!(
        "last writer wins, by row: quantity {}, price {} ({}'s row was written last; {}'s is gone without a trace)",
        sides[row][0].0,
        sides[row][1].0,
        names[row],
        names[1 - row]
    ));
    lines.push(format!(
        "last writer wins, by column: quantity {} (from {}), price {} (from {})",
        sides[quantity][0].0, names[quantity], sides[price][1].0, names[price]
    ));
    Ok(lines)
}

/// What each rule would make of a set: the records it would write.
fn each_rule(node: &mut Node, file: &std::path::Path) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for rule in Rule::ALL {
        let preview = node.preview(file, ApplyOptions { rule: Some(rule), ..ApplyOptions::default() })?;
        for record in &preview.records {
            let state = match record.state {
                RecordState::Open => "recorded, open",
                _ => "recorded",
            };
            lines.push(format!(
                "{}: quantity {}, price {}; {} ({state})",
                rule.label(),
                record.result["quantity"],
                record.result["price"],
                record.why
            ));
        }
    }
    Ok(lines)
}

/// A report in words: a heading, and a line an object.
pub fn report_lines(report: &Report) -> Vec<String> {
    let heading = format!("{}: {}", report.node, report.summary());
    let objects = report.objects.iter().map(|o| {
        let shown = match (o.source_number, o.number) {
            (Some(there), Some(here)) if there != here => format!("{} {there}, at {} {here}", o.class, report.node),
            _ => format!("{} {}", o.class, o.name()),
        };
        format!("  {shown}: {}", o.reason)
    });
    [heading].into_iter().chain(objects).chain(report.warnings.iter().map(|w| format!("  warning: {w}"))).collect()
}

/// A conflict record of a node in words.
pub fn conflict_lines(node: &Node, record: &ConflictRecord) -> Vec<String> {
    let class = record.class.as_str();
    let number = record.name();
    let title = match record.state {
        RecordState::Open => "open conflict",
        RecordState::Combined => "combination",
        RecordState::TakenBack => "taken back: conflict",
        RecordState::Decided => "conflict",
    };
    let others = match record.siblings.len() {
        0 => String::new(),
        n => format!(", with {} of the same transaction", count(n, "other object")),
    };
    let mut lines = vec![format!(
        "{title} {}: {class} {number}, {} (set {} from {}{others})",
        record.id,
        record.kind.words(),
        record.set,
        record.source
    )];
    let (_, result) = record.standing();
    let properties = node.class(class).map(|c| c.properties.iter().map(|p| p.name.clone()).collect::<Vec<_>>());
    for property in properties.unwrap_or_else(|_| record.properties.clone()) {
        let shown = |content: &serde_json::Value| node.shown_stored(class, &property, content);
        let (ours, theirs, result) = (shown(&record.ours.content), shown(&record.theirs.content), shown(result));
        // What is the same everywhere tells nothing.
        if ours == theirs && theirs == result {
            continue;
        }
        let before: Vec<_> = record.ancestors.iter().map(shown).collect();
        let before = if before.is_empty() { "unknown".to_owned() } else { before.join(" or ") };
        lines.push(format!("  {property}: last common {before}; here {ours}; there {theirs}; result {result}"));
    }
    let stands = match record.chosen {
        Chosen::Ours => "the state here stays",
        Chosen::Theirs => "the state from there is taken",
        Chosen::Merged => "property by property",
    };
    lines.push(format!("  found {}: {stands}: {} ({})", local_time(record.at), record.why, record.rule));
    let mut stood = &record.result;
    for again in &record.again {
        let what = match again.chosen {
            Chosen::Ours => "the state here".to_owned(),
            Chosen::Theirs => "the state from there".to_owned(),
            Chosen::Merged => {
                let values = again.result.as_object().into_iter().flatten();
                let changed = values.filter(|(p, v)| stood.get(p.as_str()) != Some(*v));
                let said: Vec<String> =
                    changed.map(|(p, _)| format!("{p} {}", node.shown_stored(class, p, &again.result))).collect();
                said.join(", ")
            }
        };
        let filed =
            again.number.map_or_else(|| "nothing had to change".to_owned(), |n| format!("transaction {}", grouped(n)));
        lines.push(format!("  decided {}: {what} ({filed})", local_time(again.at)));
        stood = &again.result;
    }
    if record.state == RecordState::Open {
        let here = &node.info().name;
        lines.push(format!(
            "  to be decided: objsync resolve {} --node {here} --ours, or --theirs, or --set PROPERTY=VALUE",
            record.id
        ));
    }
    lines
}
