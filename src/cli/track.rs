//! Commands that make nodes of databases that nobody made for it.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use crate::cli::output::{Output, others_can_read};
use crate::cli::progress;
use crate::sync::{Error, ErrorKind, Node, NodeId, NodeInfo, Result, Role, private_file, readable_by_others};
use crate::words::{count, quoted_path, same_name};

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
    // It is done; that they cannot be counted now does not undo it.
    let classes = node.class_counts().unwrap_or_default();
    let (name, shown) = (node.info().name.clone(), file.display().to_string());
    let new = |table: &String| tracked.journaled.contains(table) || tracked.identified.contains(table);
    let value = json!({
        "node": node.info(), "file": node.path().to_string_lossy(), "tracked": tracked, "classes": classes,
        "readable_by_others": readable_by_others(node.path()),
    });
    out.done(&value, || {
        let mut lines = vec![match tracked.was_node {
            true => format!("{name} ({shown}) tracks further tables"),
            false => format!("{shown} is the node {name} now; any program may go on writing to it"),
        }];
        for class in classes.iter().filter(|class| new(&class.table)) {
            let how = match class.journaled {
                true => "synchronized",
                false => {
                    "identified only: rows refer to it by number (objsync classes journal CLASS synchronizes it, too)"
                }
            };
            lines.push(format!("  {:12} {}, {how}", class.table, count(class.count as usize, "object")));
        }
        lines.extend(tracked.left_out.iter().map(|(table, why)| format!("  {table:12} left out: {why}")));
        lines.extend(readable_by_others(node.path()).map(|mode| others_can_read(file, &mode)));
        lines.push(format!("next: objsync copy {} COPY.db", quoted_path(file)));
        lines
    })
}

pub(crate) fn untrack(file: &Path, out: Output<'_>) -> Result<ExitCode> {
    let crate::sync::Untracked { was: info, wal } = crate::sync::untrack(file)?;
    let shown = file.display().to_string();
    out.done(&json!({"file": shown, "was": info, "wal": wal}), || {
        let mut lines = vec![format!(
            "{shown} is an ordinary database again; {} is no node any more, and its tables are as they were",
            info.name
        )];
        if wal {
            lines.push("it is still in WAL mode, for one of these reasons: it was before it became a node, that was not noted, or another program has it open".to_owned());
        }
        lines.push(format!(
            "each peer gives it up by the command `retire {}`; `objsync track {}` would make it another node",
            info.guid,
            quoted_path(file)
        ));
        lines
    })
}

pub(crate) fn copy(file: &Path, copy: &Path, name: Option<&str>, out: Output<'_>) -> Result<ExitCode> {
    if copy.symlink_metadata().is_ok() {
        let what = format!("the file exists already and was left as it is: {}", copy.display());
        return Err(Error::new(ErrorKind::Storage, what).hint("name another file for the copy"));
    }
    let mut node = Node::open_to_read(file)?;
    node.set_progress(progress::start())?;
    let name = name_for(copy, name)?;
    if let Some(known) = [node.info().name.clone()]
        .into_iter()
        .chain(
            node.peers()?
                .into_iter()
                .filter(|peer| !node.is_retired(*peer).unwrap_or(false))
                .map(|peer| node.name_of(peer)),
        )
        .find(|known| same_name(known, &name))
    {
        let what = format!("{} knows a node {known} already; nothing was changed", node.info().name);
        return Err(Error::new(ErrorKind::Usage, what).hint("give the copy another name: --name NAME"));
    }
    let made = node.fresh_copy(copy, &name, Role::Client)?;
    let (from, to) = (quoted_path(file), quoted_path(copy));
    let value = json!({
        "node": made.info(), "file": made.path().to_string_lossy(), "from": node.info().name,
        "known_there": !node.is_read_only(),
    });
    out.done(&value, || {
        let from_name = &node.info().name;
        let mut lines = vec![format!("{} is the node {name}, made from {from_name} and level with it", copy.display())];
        if node.is_read_only() {
            lines.push(format!(
                "{from_name}'s file cannot be written here, so it knows nothing of {name} until it gets a set from it"
            ));
        }
        lines.push(format!("both at hand: objsync sync --db {from} --db {to}"));
        lines.push(format!(
            "by file: objsync prepare --db {from}, then objsync apply SET --db {to}, and the other way round"
        ));
        lines
    })
}

pub(crate) fn sample(file: &Path, out: Output<'_>) -> Result<ExitCode> {
    private_file::create(file).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            let what = format!("the file exists already and was left as it is: {}", file.display());
            Error::new(ErrorKind::Storage, what).hint("name another file")
        }
        _ => {
            let what = format!("the file cannot be made, nothing was changed: {e}: {}", file.display());
            Error::new(ErrorKind::Storage, what).hint("check that its folder is there and can be written")
        }
    })?;
    rusqlite::Connection::open(file).and_then(|conn| conn.execute_batch(&format!("BEGIN; {SAMPLE}; COMMIT"))).map_err(
        |e| {
            let _ = std::fs::remove_file(file);
            Error::from(e).while_doing(file.display())
        },
    )?;
    let shown = file.display().to_string();
    out.done(&json!({"file": shown}), || {
        vec![
            format!("{shown} holds a workshop: countries, mechanics, parts, stock, jobs and their parts"),
            format!("next: objsync track {}", quoted_path(file)),
        ]
    })
}

/// The name given, or the file's without its ending, as far as it can be one.
fn name_for(file: &Path, given: Option<&str>) -> Result<String> {
    if let Some(name) = given {
        return Ok(name.to_owned());
    }
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().to_uppercase();
    let parts: Vec<&str> = stem.split(|c| !NodeInfo::may_be_in_name(c)).filter(|part| !part.is_empty()).collect();
    let mut name = parts.join("-").trim_matches('-').to_owned();
    while NodeInfo::check_name(&name).is_err() && name.pop().is_some() {}
    Ok(if name.is_empty() { "NODE".to_owned() } else { name })
}
