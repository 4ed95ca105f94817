//! Asking about columns that look like references, before a database is tracked.

use std::path::Path;

use crate::sync::{Error, ErrorKind, LikelyReference, Node, Result};
use crate::words::{count, quoted, quoted_path};

/// Refuses to track tables as long as they have columns that look like references and are neither declared nor named in `none`
/// (`TABLE.COLUMN`).
pub(crate) fn ask(file: &Path, (tables, name, role): (&[String], Option<&str>, &str), none: &[String]) -> Result<()> {
    if !file.is_file() {
        return Ok(()); // tracking says so
    }
    let likely = Node::likely_references(file, tables)?;
    let called = |l: &LikelyReference| format!("{}.{}", l.table, l.column);
    if let Some(unknown) = none.iter().find(|n| !likely.iter().any(|l| n.eq_ignore_ascii_case(&called(l)))) {
        let what = format!("{unknown} is no column that looks like a reference; nothing was changed");
        return Err(Error::new(ErrorKind::Usage, what).hint("leave it out, or name it as TABLE.COLUMN"));
    }
    let open: Vec<&LikelyReference> =
        likely.iter().filter(|l| !none.iter().any(|n| n.eq_ignore_ascii_case(&called(l)))).collect();
    if open.is_empty() {
        return Ok(());
    }
    let each = open.iter().map(|l| {
        let values = match l.values {
            0 => "no values yet".to_owned(),
            values => format!("{} of {} there", l.found, count(values as usize, "value")),
        };
        format!("\n  {} looks like {}.{} ({values})", called(l), l.target, l.key)
    });
    let what = format!(
        "{} like references to rows by number, and no FOREIGN KEY says so; nothing was changed:{}\nA row may get another number at another node. What refers to it by a FOREIGN KEY follows; these columns would come to mean other rows.",
        if open.len() == 1 { "1 column looks".to_owned() } else { format!("{} columns look", open.len()) },
        each.collect::<String>()
    );
    let mut command = vec!["objsync".to_owned(), "track".to_owned(), quoted_path(file)];
    command.extend(tables.iter().map(|t| quoted(t)));
    command.extend(name.iter().flat_map(|name| ["--name".to_owned(), quoted(name)]));
    if role != "master" {
        command.extend(["--role".to_owned(), role.to_owned()]);
    }
    let command = command.join(" ");
    let named = open.iter().map(|l| called(l)).chain(none.iter().cloned());
    let named: String = named.map(|column| format!(" --no-reference {}", quoted(&column))).collect();
    Err(Error::new(ErrorKind::Constraint, what).hint(format!(
        "those that are references: declare them (make the table anew with a FOREIGN KEY), then track it\n      those that are none: {command}{named}\n      none of them is one: {command} --yes"
    )))
}
