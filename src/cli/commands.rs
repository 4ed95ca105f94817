//! Carrying out the commands: each opens the environment, does one thing, and says what came of it.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use crate::cli::args::{Command, OrderCommand, Place, size};
#[cfg(feature = "rest")]
use crate::cli::serve;
use crate::cli::{check, decide, dir_or_default, inspect, nodes, output, progress, references, track};
use crate::demo::edit::{change_order, delete_orders, new_order};
use crate::demo::install::{Installation, Installed, install, reinstall};
use crate::demo::model::{Order, OrderDraft};
use crate::demo::populate::{Amounts, populate, random_orders, rng};
use crate::demo::scenario::{SCENARIOS, TOUR, conflict_lines, report_lines};
use crate::demo::{query, tables};
use crate::sync::syncset::Size;
use crate::sync::{
    Environment, Error, ErrorKind, Guid, Node, NodeId, PrepareOptions, Progress, RecordState, Result, Since, Status,
};
use crate::words::{quoted, quoted_path, same_name};

/// The licences of third parties, which tests/licences.rs collects. They are part of the program, so that a copied binary has them.
const LICENCES: &str = include_str!("../../assets/third-party-licences.txt");

/// The answer of `install`: how the new environment stands, and where the files went that were there.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    status: &'a Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    aside: Option<&'a Path>,
}

/// Runs one command.
pub(crate) fn run(command: Command, place: &Place, json: bool) -> Result<ExitCode> {
    let out = output::Output { json, place };
    match &command {
        Command::Tour { scenario } => return tour(scenario, out),
        Command::Licences => return out.done(&json!({"text": LICENCES}), || vec![LICENCES.trim_end().to_owned()]),
        Command::Track { file, tables, name, role, no_reference, yes } => {
            if !*yes {
                references::ask(file, (tables, name.as_deref(), role), no_reference)?;
            }
            return track::track(file, tables, name.as_deref(), role, out);
        }
        Command::Untrack { file } => return track::untrack(file, out),
        Command::Copy { file, copy, name } => return track::copy(file, copy, name.as_deref(), out),
        Command::Sample { file } => return track::sample(file, out),
        Command::Check { node } => return check::check(place, node.as_deref(), out),
        #[cfg(feature = "rest")]
        Command::Serve(how) => return serve::serve(&environment_dir(place)?, how, out),
        #[cfg(feature = "rest")]
        Command::Credentials { user } => return serve::credentials(&environment_dir(place)?, user, out),
        _ => {}
    }
    // A file can be looked into anywhere.
    if let Command::Show { file: Some(file), object, any_size, .. } = &command {
        let size = size(*any_size);
        let which = inspect::Which { file: Some(file.clone()), id: 0, node: None, from: None, size };
        return inspect::show(None, which, object.as_deref(), out);
    }
    if let Command::Install { master, client, items, customers, employees, orders, seed, overwrite } = command {
        if !place.db.is_empty() {
            let what = "an environment is made in a folder, not in files that are named; nothing was changed";
            return Err(Error::usage(what).hint("name its folder with --dir, or leave out --db"));
        }
        let amounts = Amounts { items, customers, employees, orders };
        let dir = dir_or_default(place.dir.clone())?;
        let what = Installation { master, client, amounts, seed, overwrite };
        let Installed { mut environment, aside } = reinstall(&dir, &what, &progress::start())?;
        let status = environment.status()?;
        let answer = Answer { status: &status, aside: aside.as_deref() };
        let kept = aside.as_ref().map(|aside| format!("the files that were there are in {}", aside.display()));
        return out.done(&answer, || output::status(&status).into_iter().chain(kept).collect());
    }
    let mut env = match (place.db.as_slice(), only_looks(&command)) {
        ([], false) => Environment::open(&dir_or_default(place.dir.clone())?)?,
        ([], true) => Environment::open_to_read(&dir_or_default(place.dir.clone())?)?,
        (files, false) => Environment::open_files(files)?,
        (files, true) => Environment::open_files_to_read(files)?,
    };
    env.set_progress(&progress::start())?;
    match command {
        Command::Install { .. }
        | Command::Tour { .. }
        | Command::Licences
        | Command::Track { .. }
        | Command::Untrack { .. }
        | Command::Copy { .. }
        | Command::Sample { .. }
        | Command::Check { .. } => {
            Ok(ExitCode::SUCCESS) // above
        }
        #[cfg(feature = "rest")]
        Command::Serve(_) | Command::Credentials { .. } => Ok(ExitCode::SUCCESS), // above
        Command::Populate { node, items, customers, employees, orders, seed } => {
            let amounts = Amounts { items, customers, employees, orders };
            if [items, customers, employees, orders] == [0; 4] {
                return Err(Error::new(ErrorKind::Usage, "say how much to add, such as --orders 100"));
            }
            let node = demo_node(&mut env, node.as_deref())?;
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
            let node = demo_node(&mut env, node.as_deref())?;
            let mut rng = rng(seed);
            let orders = random_orders(node, count as usize, &mut rng)?;
            let name = node.info().name.clone();
            out.done(&json!({"orders": orders}), || {
                let shown: Vec<_> = orders.iter().map(i64::to_string).collect();
                vec![format!("{name}: made {} {}", if count == 1 { "order" } else { "orders" }, shown.join(", "))]
            })
        }
        Command::Order { command } => order(&mut env, command, out),
        Command::Prepare { node, to, id, out: path, since, from, upto, zstd, no_update, overwrite } => {
            let source = place_of(&env, node.as_deref())?;
            let (peer, here) = target(&mut env, source, to.as_deref())?;
            let since = match from {
                Some(first) => Since::Number(first - 1),
                None if since == "acknowledged" => Since::Acknowledged,
                None => Since::Sent,
            };
            let (path, named) = (path.as_deref(), id.unwrap_or_default());
            let file = id.map_or_else(|| Ok(Default::default()), |id| env.set_file(path, source, id))?;
            let options = PrepareOptions {
                id: named,
                file,
                since,
                upto,
                overwrite,
                compress: zstd,
                update_sync_time: !no_update,
            };
            let prepared = match id {
                Some(_) => env.prepare_for(source, peer, &options)?,
                None => env.prepare_next(source, peer, path, &options)?,
            };
            out.done(&prepared, || output::prepared(&prepared, here))
        }
        Command::Apply { file, how } => {
            let options = how.options();
            let here = addressed(&env, how.node.as_deref(), &file, options.size)?;
            let report = env.apply(here, &file, options)?;
            let here = &env.nodes[here];
            let name = here.info().name.clone();
            let mut records = report.objects.iter().filter_map(|o| o.conflict);
            let open = records.any(|id| here.conflict(id).is_ok_and(|record| record.state == RecordState::Open));
            let next = open.then(|| format!("to decide: objsync conflicts --node {}", quoted(&name)));
            out.done(&report, || report_lines(&report).into_iter().chain(next).collect())
        }
        Command::Preview { file, how } => {
            let options = how.options();
            let here = addressed(&env, how.node.as_deref(), &file, options.size)?;
            let preview = env.preview(here, &file, options)?;
            out.done(&preview, || output::preview(&env.nodes[here], &preview))
        }
        Command::Sync { rule, join } => {
            if join {
                env.join()?;
            }
            let reports = env.sync(rule.map(|r| r.0))?;
            // It is done, so nothing is left to stop.
            env.set_progress(&Progress::default())?;
            let status = env.status()?;
            let nothing = reports.is_empty().then(|| "nothing was new".to_owned());
            out.done(&reports, || {
                let told = reports.iter().flat_map(report_lines);
                told.chain(nothing).chain(output::left_to_do(&status)).collect()
            })
        }
        Command::Conflicts { node, limit } => {
            let node = &*at(&mut env, node.as_deref())?;
            let records = node.conflicts(limit)?;
            out.done(&records, || match records.is_empty() {
                true => vec!["no conflicts were found here".to_owned()],
                false => records.iter().flat_map(|record| conflict_lines(node, record)).collect(),
            })
        }
        Command::Requeue { node, command } => decide::requeue(at(&mut env, node.as_deref())?, command, out),
        Command::Rules { command } => decide::rules(&mut env, command, out),
        Command::Resolve { record, node, ours, theirs: _, set, confirm } => {
            decide::resolve(at(&mut env, node.as_deref())?, record, (ours, set), confirm, out)
        }
        Command::TakeBack { set } => decide::take_back(&mut env, &set, out),
        Command::Revert { set, dry_run } => decide::revert(&mut env, &set, dry_run, out),
        Command::Journal { node, object, after, upto, limit } => {
            inspect::journal(at(&mut env, node.as_deref())?, &object, (after, upto, limit), out)
        }
        Command::History { object, class, node } => {
            inspect::history(at(&mut env, node.as_deref())?, &class, &object, out)
        }
        Command::Show { file, id, node, from, object, any_size } => {
            let which = inspect::Which { file, id: id.unwrap_or_default(), node, from, size: size(any_size) };
            inspect::show(Some(&mut env), which, object.as_deref(), out)
        }
        Command::Sets { node, limit } => inspect::sets(at(&mut env, node.as_deref())?, limit, out),
        Command::SyncTimes { node } => {
            let place = place_of(&env, node.as_deref())?;
            inspect::sync_times(&mut env, place, out)
        }
        Command::AddClient { name, from } => {
            let from_place = from.map_or(Ok(0), |name| env.index(&name))?;
            let from = env.nodes[from_place].info().name.clone();
            let source = env.nodes[from_place].path().to_owned();
            let place = env.add_client(&name, from_place)?;
            let node = &env.nodes[place];
            let file = node.path().display().to_string();
            let value = json!({"name": node.info().name, "guid": node.info().guid, "file": file, "from": from});
            let (here, there) = (quoted_path(node.path()), quoted_path(&source));
            let exchange = match out.place.db.is_empty() {
                true => "objsync sync".to_owned(),
                false => format!("objsync sync --db {there} --db {here}"),
            };
            out.done(&value, || {
                vec![
                    format!("{name} is a new client, made from {from} and level with it: {file}"),
                    format!("`{exchange}` exchanges with it; any two nodes can prepare sets for each other"),
                ]
            })
        }
        Command::Classes { command } => nodes::classes(&mut env, command, out),
        Command::Keys { node, command } => nodes::keys(&mut env, node.as_deref(), command, out),
        Command::Retire { peer, node } => nodes::retire(&mut env, &peer, node, out),
        Command::Purge { node, upto, keep } => nodes::purge(at(&mut env, node.as_deref())?, upto, keep, out),
        Command::Verify => {
            let found = env.verify()?;
            out.done(&found, || output::verification(&found))?;
            Ok(ExitCode::from(u8::from(!found.equal)))
        }
        Command::Moved { node } => {
            let place = doubted(&env, node.as_deref())?;
            let node = &mut env.nodes[place];
            node.moved()?;
            let (name, file) = (node.info().name.clone(), node.path().display().to_string());
            out.done(&json!({"node": name, "file": file}), || vec![format!("{name} lives in {file} from now on")])
        }
        Command::Rejoin { node, name } => {
            let place = doubted(&env, node.as_deref())?;
            let info = env.rejoin(place, name.as_deref())?;
            out.done(&info, || {
                vec![format!("{} is a new node now: {}. Its peers learn of it with its next set, or when they prepare one for it.", info.name, info.guid)]
            })
        }
    }
}

/// Whether a command changes nothing, so that it works where nothing can be written.
fn only_looks(command: &Command) -> bool {
    matches!(
        command,
        Command::Status
            | Command::Verify
            | Command::Preview { .. }
            | Command::Journal { .. }
            | Command::History { .. }
            | Command::Show { .. }
            | Command::Sets { .. }
            | Command::SyncTimes { .. }
            | Command::Conflicts { .. }
            | Command::Requeue { command: None, .. }
            | Command::Rules { command: None }
            | Command::Classes { command: None }
            | Command::Keys { command: None, .. }
            | Command::Revert { dry_run: true, .. }
            | Command::Order { command: OrderCommand::Get { .. } | OrderCommand::List { .. } }
    )
}

/// The folder of an environment, for what needs a whole one.
#[cfg(feature = "rest")]
fn environment_dir(place: &Place) -> Result<std::path::PathBuf> {
    if !place.db.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "this is for environments; name one with --dir"));
    }
    dir_or_default(place.dir.clone())
}

/// Whom a set is for: the node of that name here or among the peers, or the only peer; and whether that one is here.
fn target(env: &mut Environment, source: usize, to: Option<&str>) -> Result<(NodeId, bool)> {
    let others: Vec<usize> = (0..env.nodes.len()).filter(|i| *i != source).collect();
    let here = match (to, others.as_slice()) {
        (Some(name), _) => {
            let called = |place: &usize| same_name(&env.nodes[*place].info().name, name);
            others.iter().copied().find(called).or_else(|| Some(source).filter(called))
        }
        (None, [only]) => Some(*only),
        (None, _) => None,
    };
    if here == Some(source) {
        return Err(Error::new(ErrorKind::Usage, "a node does not send sets to itself; nothing was changed"));
    }
    if let Some(place) = here {
        let identity = env.nodes[place].identity()?;
        env.nodes[source].meet(&identity)?;
        return Ok((identity.info.guid, true));
    }
    let node = &env.nodes[source];
    let peers = node.peers()?;
    let peer = match (to, peers.as_slice()) {
        (Some(name), _) => match node.peer(name) {
            Ok(info) => info.guid,
            // Where there is no peer to name, the nodes that are here are the better answer.
            Err(_) if env.nodes.len() > 1 => {
                return Err(env.index(name).err().unwrap_or_else(|| Error::new(ErrorKind::Usage, name)));
            }
            Err(e) => return Err(e),
        },
        (None, [only]) => *only,
        (None, _) => {
            let names: Vec<String> = peers.iter().map(|p| node.name_of(*p)).collect();
            if names.is_empty() {
                let what = format!("{} knows no other node yet; nothing was changed", node.info().name);
                return Err(Error::new(ErrorKind::Usage, what)
                    .hint(format!("make one from it: objsync copy {} COPY.db", quoted_path(node.path()))));
            }
            let what = format!("say for whom: --to NAME, one of {}; nothing was changed", names.join(", "));
            return Err(Error::new(ErrorKind::Usage, what));
        }
    };
    Ok((peer, false))
}

fn order(env: &mut Environment, command: OrderCommand, out: output::Output<'_>) -> Result<ExitCode> {
    match command {
        OrderCommand::Get { number, node } => {
            let found = shown(demo_node(env, node.as_deref())?, number)?;
            out.done(&found, || output::order(&found))
        }
        OrderCommand::List { node, limit } => {
            let orders = query::orders(demo_node(env, node.as_deref())?, limit)?;
            out.done(&json!({"orders": orders}), || output::orders(&orders))
        }
        OrderCommand::New { node, properties } => {
            let node = demo_node(env, node.as_deref())?;
            let number = new_order(node, &properties.into())?;
            let found = shown(node, number)?;
            out.done(&found, || output::order(&found))
        }
        OrderCommand::Put { number, node, properties } => {
            let node = demo_node(env, node.as_deref())?;
            change_order(node, number, &OrderDraft::from(properties))?;
            let found = shown(node, number)?;
            out.done(&found, || output::order(&found))
        }
        OrderCommand::Delete { numbers, node } => {
            let node = demo_node(env, node.as_deref())?;
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

/// The place of the node of that name, or of the only one.
pub(crate) fn place_of(env: &Environment, name: Option<&str>) -> Result<usize> {
    match (name, env.nodes.len()) {
        (Some(name), _) => env.index(name),
        (None, 1) => Ok(0),
        (None, _) => {
            let names: Vec<&str> = env.nodes.iter().map(|n| n.info().name.as_str()).collect();
            let what = format!("say at which node: --node NAME, one of {}", names.join(", "));
            Err(Error::new(ErrorKind::Usage, what))
        }
    }
}

/// The node of that name, or the only one.
pub(crate) fn at<'a>(env: &'a mut Environment, name: Option<&str>) -> Result<&'a mut Node> {
    let place = place_of(env, name)?;
    Ok(&mut env.nodes[place])
}

/// The node of that name, or that a set is addressed to.
fn addressed(env: &Environment, name: Option<&str>, file: &Path, size: Size) -> Result<usize> {
    match name {
        Some(name) => env.index(name),
        // The only one there is says itself what is wrong with a set for another.
        None if env.nodes.len() == 1 => Ok(0),
        None => env.addressee(file, size),
    }
}

/// The place of the node of which it must be said what became of its file.
fn doubted(env: &Environment, name: Option<&str>) -> Result<usize> {
    name.map_or_else(|| place_of(env, None), |name| env.index_in_doubt(name))
}

/// The node of that name, which must hold the demo's tables.
fn demo_node<'a>(env: &'a mut Environment, name: Option<&str>) -> Result<&'a mut Node> {
    let node = at(env, name)?;
    for spec in tables::classes() {
        node.class(&spec.name).map_err(|e| e.hint("this command is for the demo's tables"))?;
    }
    Ok(node)
}

/// Tells a scenario in the terminal.
pub(crate) fn tour(name: &str, out: output::Output<'_>) -> Result<ExitCode> {
    let scenario = SCENARIOS.into_iter().find(|s| s.name == name).unwrap_or(&TOUR);
    let dir = tempfile::Builder::new()
        .prefix("objsync-tour-")
        .tempdir()
        .map_err(|e| Error::new(ErrorKind::Storage, format!("no temporary folder could be made: {e}")))?;
    let what = Installation { seed: Some(1), ..Installation::default() };
    let mut env = install(dir.path(), &what, &Progress::default())?;
    let mut told = Vec::new();
    scenario.play(&mut env, &mut rng(Some(2)), |part, step, outcome| told.push((part.title, step.text, outcome)))?;
    let steps: Vec<_> =
        told.iter().map(|(part, text, outcome)| json!({"part": part, "text": text, "outcome": outcome})).collect();
    out.done(&json!({"title": scenario.title, "steps": steps}), || {
        let mut lines = vec![scenario.title.to_owned(), String::new()];
        let mut shown = scenario.title;
        for (number, (part, text, outcome)) in told.iter().enumerate() {
            if *part != shown {
                shown = part;
                lines.extend([format!("— {part} —"), String::new()]);
            }
            lines.push(format!("{:2}. {text}", number + 1));
            lines.extend(outcome.iter().map(|line| format!("      {line}")));
            lines.push(String::new());
        }
        let others = SCENARIOS.iter().filter(|s| s.name != scenario.name);
        lines.extend(others.map(|s| format!("Another one: `objsync tour {}`: {}", s.name, s.title)));
        lines.push("Try it yourself: `objsync install --dir demo`, then `objsync --help`; with a display, `objsync --dir demo` opens the window.".to_owned());
        lines
    })
}
