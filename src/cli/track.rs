//! Commands that make nodes of databases that nobody made for it.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use crate::cli::output::Output;
use crate::cli::progress;
use crate::demo::install::namespace;
use crate::sync::{Error, ErrorKind, Node, NodeId, NodeInfo, Result, Role};
use crate::words::count;

/// A database with several related tables.
const SAMPLE: &str = include_str!("../../assets/workshop.sql");

pub(crate) fn track(
    file: &Path,
    tables: &[String],
    name: Option<&str>,
    role: &str,
    out: Output<'_>,
) -> Result<ExitCode> {
    let role = if role == "client" { Role::Client } else { Role::Master };
    let info = NodeInfo { guid: NodeId::random(), name: name_for(file, name)?, role };
    let (node, tracked) = Node::track(file, info, tables, &progress::start())?;
    let classes = node.class_counts()?;
    let (name, shown) = (node.info().name.clone(), file.display().to_string());
    let value = json!({"node": node.info(), "file": node.path(), "tracked": tracked, "classes": classes});
    out.done(&value, || {
        let mut lines = vec![match tracked.was_node {
            true => format!("{name} ({shown}) tracks further tables"),
            false => format!("{shown} is the node {name} now; any program may go on writing to it"),
        }];
        for class in &classes {
            let how = match class.journaled {
                true => "synchronized",
                false => {
                    "identified only: rows refer to it by number (objsync classes journal CLASS synchronizes it, too)"
                }
            };
            lines.push(format!("  {:12} {}, {how}", class.table, count(class.count as usize, "object")));
        }
        lines.extend(tracked.left_out.iter().map(|(table, why)| format!("  {table:12} left out: {why}")));
        lines.push(format!("next: objsync copy {shown} COPY.db"));
        lines
    })
}

pub(crate) fn untrack(file: &Path, out: Output<'_>) -> Result<ExitCode> {
    let info = crate::sync::untrack(file)?;
    let shown = file.display().to_string();
    out.done(&json!({"file": file, "was": info}), || {
        vec![
            format!(
                "{shown} is an ordinary database again; {} is no node any more, and its tables are as they were",
                info.name
            ),
            format!(
                "its peers give it up by `objsync retire {}`; `objsync track {shown}` would make it another node",
                info.guid
            ),
        ]
    })
}

pub(crate) fn copy(file: &Path, copy: &Path, name: Option<&str>, out: Output<'_>) -> Result<ExitCode> {
    if copy.exists() {
        let what = format!("the file exists already and was left as it is: {}", copy.display());
        return Err(Error::new(ErrorKind::Storage, what).hint("name another file for the copy"));
    }
    let mut node = Node::open(file)?;
    node.set_progress(progress::start())?;
    let name = name_for(copy, name)?;
    if let Some(known) = [node.info().name.clone()]
        .into_iter()
        .chain(node.peers()?.into_iter().map(|peer| node.name_of(peer)))
        .find(|known| known.eq_ignore_ascii_case(&name))
    {
        let what = format!("{} knows a node {known} already; nothing was changed", node.info().name);
        return Err(Error::new(ErrorKind::Usage, what).hint("give the copy another name: --name NAME"));
    }
    let made = node.fresh_copy(copy, &name, Role::Client)?;
    let (from, to) = (file.display().to_string(), copy.display().to_string());
    let value = json!({"node": made.info(), "file": made.path(), "from": node.info().name});
    out.done(&value, || {
        vec![
            format!("{to} is the node {name}, made from {} and level with it", node.info().name),
            format!("both at hand: objsync sync --db {from} --db {to}"),
            format!("by file: objsync prepare --db {from}, then objsync apply SET --db {to}, and the other way round"),
        ]
    })
}

pub(crate) fn sample(file: &Path, out: Output<'_>) -> Result<ExitCode> {
    if file.exists() {
        let what = format!("the file exists already and was left as it is: {}", file.display());
        return Err(Error::new(ErrorKind::Storage, what).hint("name another file"));
    }
    rusqlite::Connection::open(file)
        .and_then(|conn| conn.execute_batch(&format!("BEGIN; {SAMPLE}; COMMIT")))
        .map_err(|e| Error::from(e).while_doing(file.display()))?;
    let shown = file.display().to_string();
    out.done(&json!({"file": file}), || {
        vec![
            format!("{shown} holds a workshop: countries, mechanics, parts, stock, jobs and their parts"),
            format!("next: objsync track {shown}"),
        ]
    })
}

/// The name given, or the file's without its ending, as far as it can be one.
fn name_for(file: &Path, given: Option<&str>) -> Result<String> {
    if let Some(name) = given {
        return Ok(name.to_owned());
    }
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().to_uppercase();
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    let name: String = stem.chars().map(fits).take(64).collect();
    namespace(&name).map_err(|e| Error::new(ErrorKind::Usage, e).hint("name it: --name NAME"))
}
