//! Carrying out the commands: each opens the environment, does one thing, and says what came of it.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use crate::cli::args::{Command, OrderCommand, RequeueCommand};
use crate::cli::{dir_or_default, output};
use crate::demo::edit::{change_order, delete_orders, new_order};
use crate::demo::install::{Installation, install};
use crate::demo::model::{Order, OrderDraft};
use crate::demo::populate::{Amounts, populate, random_order, rng};
use crate::demo::scenario::{self, conflict_lines, report_lines};
use crate::demo::{query, tables};
use crate::sync::{ApplyOptions, Environment, Error, ErrorKind, Guid, Node, PrepareOptions, Result, Since};

/// Runs one command.
pub(crate) fn run(command: Command, dir: Option<PathBuf>, json: bool) -> Result<ExitCode> {
    let out = output::Output { json };
    if let Command::Tour = command {
        return tour(out);
    }
    let dir = dir_or_default(dir)?;
    if let Command::Install { master, client, items, customers, employees, orders, seed, overwrite } = command {
        let amounts = Amounts { items, customers, employees, orders };
        let mut env = install(&dir, &Installation { master, client, amounts, seed, overwrite })?;
        let status = env.status()?;
        return out.done(&status, || output::status(&status));
    }
    let mut env = Environment::open(&dir)?;
    match command {
        Command::Install { .. } | Command::Tour => Ok(ExitCode::SUCCESS), // above
        Command::Populate { node, items, customers, employees, orders, seed } => {
            let amounts = Amounts { items, customers, employees, orders };
            if [items, customers, employees, orders] == [0; 4] {
                return Err(Error::new(ErrorKind::Usage, "say how much to add, such as --orders 100"));
            }
            let node = demo_node(&mut env, &node)?;
            populate(node, amounts, &mut rng(seed))?;
            let classes = node.class_counts()?;
            let name = node.info().name.clone();
            out.done(&json!({"node": name, "added": {"items": items, "customers": customers, "employees": employees, "orders": orders}, "classes": classes}), || {
                vec![format!("{name}: added {items} items, {customers} customers, {employees} employees, {orders} orders")]
            })
        }
        Command::Status => {
            let status = env.status()?;
            out.done(&status, || output::status(&status))
        }
        Command::RandomOrder { node, count, seed } => {
            let node = demo_node(&mut env, &node)?;
            let mut rng = rng(seed);
            let orders = (0..count).map(|_| random_order(node, &mut rng)).collect::<Result<Vec<_>>>()?;
            let name = node.info().name.clone();
            out.done(&json!({"orders": orders}), || {
                let shown: Vec<_> = orders.iter().map(i64::to_string).collect();
                vec![format!("{name}: made {} {}", if count == 1 { "order" } else { "orders" }, shown.join(", "))]
            })
        }
        Command::Order { command } => order(&mut env, command, out),
        Command::Prepare { node, to, id, out: path, since, overwrite } => {
            let (source, target) = (env.index(&node)?, env.index(&to)?);
            let file = env.set_file(path.as_deref(), source, id)?;
            let since = if since == "acknowledged" { Since::Acknowledged } else { Since::Sent };
            let prepared = env.prepare(source, target, &PrepareOptions { id, file, since, upto: None, overwrite })?;
            let dir = env.dir().display().to_string();
            out.done(&prepared, || output::prepared(&prepared, &dir))
        }
        Command::Apply { file, node, rule } => {
            let report = env.node(&node)?.apply(&file, ApplyOptions { rule: rule.0, hold: None })?;
            out.done(&report, || report_lines(&report))
        }
        Command::Sync { rule } => {
            let reports = env.sync(rule.0)?;
            out.done(&reports, || reports.iter().flat_map(report_lines).collect())
        }
        Command::Conflicts { node, limit } => {
            let records = env.node(&node)?.conflicts(limit)?;
            out.done(&records, || match records.is_empty() {
                true => vec!["no conflicts were found here".to_owned()],
                false => records.iter().flat_map(conflict_lines).collect(),
            })
        }
        Command::Requeue { node, command } => {
            let node = env.node(&node)?;
            if let Some(RequeueCommand::Retry { rule }) = command {
                let report = node.retry(ApplyOptions { rule: rule.0, hold: None })?;
                return out.done(&report, || report_lines(&report));
            }
            let waiting = node.requeue()?;
            out.done(&waiting, || output::waiting(&waiting))
        }
        Command::Verify => {
            let found = env.verify()?;
            out.done(&found, || output::verification(&found))?;
            Ok(ExitCode::from(u8::from(!found.equal)))
        }
        Command::Rejoin { node } => {
            let info = env.node(&node)?.rejoin()?;
            out.done(&info, || {
                vec![format!("{} is a new node now: {}. Its peers learn of it with its next set, or when they prepare one for it.", info.name, info.guid)]
            })
        }
    }
}

fn order(env: &mut Environment, command: OrderCommand, out: output::Output) -> Result<ExitCode> {
    match command {
        OrderCommand::Get { number, node } => {
            let found = shown(demo_node(env, &node)?, number)?;
            out.done(&found, || output::order(&found))
        }
        OrderCommand::List { node, limit } => {
            let orders = query::orders(demo_node(env, &node)?, limit)?;
            out.done(&json!({"orders": orders}), || output::orders(&orders))
        }
        OrderCommand::New { node, properties } => {
            let node = demo_node(env, &node)?;
            let number = new_order(node, &properties.into())?;
            let found = shown(node, number)?;
            out.done(&found, || output::order(&found))
        }
        OrderCommand::Put { number, node, properties } => {
            let node = demo_node(env, &node)?;
            change_order(node, number, &OrderDraft::from(properties))?;
            let found = shown(node, number)?;
            out.done(&found, || output::order(&found))
        }
        OrderCommand::Delete { numbers, node } => {
            let node = demo_node(env, &node)?;
            delete_orders(node, &numbers)?;
            let name = node.info().name.clone();
            let list: Vec<_> = numbers.iter().map(i64::to_string).collect();
            out.done(&json!({"deleted": numbers}), || vec![format!("{name}: deleted {}", list.join(", "))])
        }
    }
}

/// An order with its GUID.
#[derive(Serialize)]
pub(crate) struct ShownOrder {
    pub(crate) guid: Option<Guid>,
    #[serde(flatten)]
    pub(crate) order: Order,
}

fn shown(node: &Node, number: i64) -> Result<ShownOrder> {
    let order = query::order(node, number)?;
    Ok(ShownOrder { guid: node.guid_of(node.class(tables::ORDER)?, number)?, order })
}

/// The node of that name, which must hold the demo's tables.
fn demo_node<'a>(env: &'a mut Environment, name: &str) -> Result<&'a mut Node> {
    let node = env.node(name)?;
    for spec in tables::classes() {
        node.class(&spec.name).map_err(|e| e.hint("this command is for the demo's tables"))?;
    }
    Ok(node)
}

/// Tells the demo in the terminal.
pub(crate) fn tour(out: output::Output) -> Result<ExitCode> {
    let dir = tempfile::Builder::new()
        .prefix("objsync-tour-")
        .tempdir()
        .map_err(|e| Error::new(ErrorKind::Storage, format!("no temporary folder could be made: {e}")))?;
    let what = Installation { seed: Some(1), ..Installation::default() };
    let mut env = install(dir.path(), &what)?;
    let mut told = Vec::new();
    scenario::TOUR.play(&mut env, &mut rng(Some(2)), |step, outcome| told.push((step.text, outcome)))?;
    let steps: Vec<_> = told.iter().map(|(text, outcome)| json!({"text": text, "outcome": outcome})).collect();
    out.done(&json!({"title": scenario::TOUR.title, "steps": steps}), || {
        let mut lines = vec![scenario::TOUR.title.to_owned(), String::new()];
        for (number, (text, outcome)) in told.iter().enumerate() {
            lines.push(format!("{:2}. {text}", number + 1));
            lines.extend(outcome.iter().map(|line| format!("      {line}")));
            lines.push(String::new());
        }
        lines.push("Try it yourself: `objsync install --dir demo`, then `objsync --help`; with a display, `objsync --dir demo` opens the window.".to_owned());
        lines
    })
}
