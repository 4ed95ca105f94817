//! What a step can do, and doing it.

use rand::rngs::StdRng;

use crate::demo::edit::{change_order, delete_orders};
use crate::demo::model::{Decimal, OrderDraft};
use crate::demo::populate::random_order;
use crate::demo::query;
use crate::demo::scenario::last_writer::{each_rule, without_versions};
use crate::demo::scenario::told::{conflict_lines, report_lines};
use crate::sync::{
    ApplyOptions, Choice, ConflictRecord, Environment, Error, ErrorKind, Node, Outcome, PrepareOptions, Report,
    Resolution, Result, Rule, Since,
};
use crate::words::{count, grouped};

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
    /// Prepares what the other side has not confirmed, once more: the way out of a lost set.
    PrepareAgain(usize, i64),
    /// Loses the file of a set.
    Lose(usize, i64),
    /// Applies the set with that id, from that side, at the other.
    Apply(usize, i64),
    /// The same with a set that is refused, with the reason.
    Refused(usize, i64),
    /// At a side, a customer of that name and an order of theirs.
    OrderOfNewCustomer(usize, &'static str),
    /// What waits at a side.
    Waiting(usize),
    /// Synchronizes a further class from now on, at both sides.
    Journal(&'static str),
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
            Act::Prepare(source, id) => prepare(env, source, id, Since::Sent),
            Act::PrepareAgain(source, id) => prepare(env, source, id, Since::Acknowledged),
            Act::Lose(source, id) => {
                let file = env.set_file(None, source, id)?;
                std::fs::remove_file(&file)
                    .map_err(|e| Error::new(ErrorKind::Storage, format!("{e}: {}", file.display())))?;
                Ok(vec![format!("{} is gone", file.file_name().unwrap_or_default().to_string_lossy())])
            }
            Act::Refused(source, id) => {
                let file = env.set_file(None, source, id)?;
                match env.nodes[1 - source].apply(&file, ApplyOptions::default()) {
                    Err(error) if matches!(error.kind(), ErrorKind::Refused(_)) => {
                        Ok([error.message(), error.what_next()].into_iter().map(str::to_owned).collect())
                    }
                    Err(error) => Err(error),
                    Ok(report) => Ok(report_lines(&report)),
                }
            }
            Act::OrderOfNewCustomer(side, customer) => order_of_new_customer(&mut env.nodes[side], customer, rng),
            Act::Waiting(side) => {
                let node = &env.nodes[side];
                let waiting = node
                    .requeue()?
                    .into_iter()
                    .map(|w| format!("{}: {} {} waits: {}", node.info().name, w.class, w.name(), w.reason));
                Ok(waiting.collect())
            }
            Act::Journal(class) => env
                .nodes
                .iter_mut()
                .map(|node| {
                    node.journal_class(class, true)?;
                    Ok(format!("{}: {class} is synchronized from now on", node.info().name))
                })
                .collect(),
            Act::Apply(source, id) => Act::ApplyBy(source, id, Rule::default()).run(env, rng),
            Act::ApplyBy(source, id, rule) => {
                let file = env.set_file(None, source, id)?;
                let options = ApplyOptions { rule: Some(rule), ..ApplyOptions::default() };
                Ok(of_interest(env.nodes[1 - source].apply(&file, options)?))
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
            Act::Sync => Ok(env.sync(None)?.into_iter().flat_map(of_interest).collect()),
            Act::Verify => {
                let found = env.verify()?;
                let orders = found.classes.iter().filter(|c| c.journaled);
                Ok(orders
                    .flat_map(|c| {
                        let digests = c.digests.iter().map(|(node, d)| {
                            format!("{node}: {} digest {}…", c.name, &d.as_str().unwrap_or_default()[..16])
                        });
                        let differ = match c.differences.len() {
                            1 => "1 object differs".to_owned(),
                            n => format!("{} differ", count(n, "object")),
                        };
                        digests.chain([differ]).collect::<Vec<_>>()
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

/// A report in words, without the many objects for which nothing had to change.
fn of_interest(mut report: Report) -> Vec<String> {
    let before = report.objects.len();
    if report.skipped > 3 {
        report.objects.retain(|o| o.outcome != Outcome::Skipped);
    }
    let mut lines = report_lines(&report);
    let rest = before - report.objects.len();
    lines.extend((rest > 0).then(|| format!("  nothing to do for {}", count(rest, "object"))));
    lines
}

fn prepare(env: &mut Environment, source: usize, id: i64, since: Since) -> Result<Vec<String>> {
    let file = env.set_file(None, source, id)?;
    let options =
        PrepareOptions { id, file, since, upto: None, overwrite: false, compress: false, update_sync_time: true };
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

fn order_of_new_customer(node: &mut Node, customer: &str, rng: &mut StdRng) -> Result<Vec<String>> {
    let sql = "INSERT INTO customers (code, cust_name) VALUES ('NEW', ?1) RETURNING id";
    let key = node.edit(|edit| Ok(edit.connection().query_row(sql, [customer], |r| r.get(0))?))?;
    let number = random_order(node, rng)?;
    change_order(node, number, &OrderDraft { customer: Some(key), ..OrderDraft::default() })?;
    let name = &node.info().name;
    Ok(vec![format!("{name}: customer {key} is “{customer}”"), format!("{name}: order {number} is theirs")])
}
