//! Checking nodes: no environment is opened, since what is damaged could not be, and nothing is written.

use std::process::ExitCode;

use serde::Serialize;

use crate::cli::args::Place;
use crate::cli::output::Output;
use crate::cli::{dir_or_default, progress};
use crate::sync::{
    CheckReport, Checked, Environment, Error, ErrorKind, Flaws, Result, check as check_files, files_of, missing,
    nodes_among,
};
use crate::words::count;

/// The answer: whether all was checked and is sound, and what was found.
#[derive(Serialize)]
struct Answer<'a> {
    sound: bool,
    #[serde(flatten)]
    checked: &'a Checked,
}

pub(crate) fn check(place: &Place, node: Option<&str>, out: Output<'_>) -> Result<ExitCode> {
    let mut files = place.db.clone();
    if files.is_empty() {
        let dir = dir_or_default(place.dir.clone())?;
        files = nodes_among(Environment::files_in(&dir));
        if files.is_empty() {
            return Err(missing(&dir));
        }
    }
    if let Some(name) = node {
        files = files_of(files, name)?;
    }
    let checked = check_files(&files, &progress::start())?;
    // For a program the answer says it; for people, one file that cannot be checked is an error as any other.
    if let ([], [first], false) = (checked.nodes.as_slice(), checked.unchecked.as_slice(), out.json) {
        let what = format!("it cannot be checked: {}", first.why);
        return Err(Error::new(ErrorKind::Storage, what).hint(first.todo.clone()));
    }
    let sound = checked.is_sound() && checked.unchecked.is_empty();
    out.done(&Answer { sound, checked: &checked }, || lines(&checked))?;
    Ok(ExitCode::from(match (checked.unchecked.is_empty(), sound) {
        (true, true) => 0,
        (true, false) => 1,
        (false, _) => 3,
    }))
}

fn lines(checked: &Checked) -> Vec<String> {
    let mut lines = Vec::new();
    for report in &checked.nodes {
        let CheckReport { node, file, looked_at: at, flaws, notes, .. } = report;
        let looked_at = [
            (at.classes, "class"),
            (at.objects, "object"),
            (at.deleted, "deleted object"),
            (at.events, "filing event"),
            (at.records, "conflict record"),
            (at.waiting, "waiting object"),
            (at.sets, "set"),
            (at.peers, "peer"),
        ];
        let counted = |(n, what): (usize, &str)| match what {
            "class" if n != 1 => format!("{n} classes"),
            what => count(n, what),
        };
        let looked_at: Vec<String> = looked_at.into_iter().map(counted).collect();
        lines.push(format!("{node} ({}): {}; looked at {}", file.display(), found(flaws), looked_at.join(", ")));
        lines.extend(notes.iter().map(|note| format!("  {note}")));
        lines.extend(listed(flaws));
    }
    if checked.nodes.len() > 1 {
        lines.push(format!("between them: {}", found(&checked.between)));
        lines.extend(listed(&checked.between));
    }
    lines.extend(checked.notes.iter().map(|note| format!("  {note}")));
    for file in &checked.unchecked {
        lines.push(format!("could not be checked: {}", file.why));
        lines.push(format!("      {}", file.todo));
    }
    lines
}

fn found(flaws: &Flaws) -> String {
    match flaws.total() {
        0 => "nothing is wrong".to_owned(),
        1 => "one thing is wrong".to_owned(),
        n => format!("{} are wrong", count(n, "thing")),
    }
}

fn listed(flaws: &Flaws) -> Vec<String> {
    let mut lines = Vec::new();
    let mut said = "";
    for flaw in &flaws.listed {
        lines.push(format!("  ! {}", flaw.what));
        // The same way out is told once for what follows upon each other.
        if flaw.todo != said {
            lines.push(format!("      {}", flaw.todo));
        }
        said = &flaw.todo;
    }
    let more = flaws.total() - flaws.listed.len();
    if more > 0 {
        lines.push(format!("  … and {} more of these kinds", count(more, "thing")));
    }
    lines
}
