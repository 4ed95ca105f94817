//! Commands that decide: rules, records, what waits, undoing a set.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::args::{AppliedSet, RequeueCommand, RulesCommand};
use crate::cli::output::{self, Output};
use crate::demo::scenario::{conflict_lines, report_lines};
use crate::sync::{
    ApplyOptions, Choice, Environment, Error, ErrorKind, Node, Resolution, Result, Reverted, Rule, Rules, SetRecord,
};
use crate::words::{grouped, quoted};

pub(crate) fn rules(env: &mut Environment, command: Option<RulesCommand>, out: Output<'_>) -> Result<ExitCode> {
    let (class, rule, node) = match command {
        None => return list_rules(env, out),
        Some(RulesCommand::Set { rule, class, node }) => (class, Some(rule.0), node),
        Some(RulesCommand::Unset { class, node }) => (class, None, node),
    };
    let places: Vec<usize> = match node {
        Some(name) => vec![env.index(&name)?],
        None => (0..env.nodes.len()).collect(),
    };
    // A class that one of them lacks is found before any of them is changed.
    if let Some(class) = &class {
        for &place in &places {
            env.nodes[place].class(class)?;
        }
    }
    env.at_each(&places, |node| node.set_rule(class.as_deref(), rule))?;
    let value = json!({"nodes": chosen_json(&chosen(env)?)});
    let caution = rule.map(Rule::caution).filter(|c| !c.is_empty());
    let lines = chosen_lines(&chosen(env)?);
    out.done(&value, || lines.into_iter().chain(caution.map(|c| format!("! {c}"))).collect())
}

fn chosen(env: &Environment) -> Result<Vec<(String, Rules)>> {
    env.nodes.iter().map(|n| Ok((n.info().name.clone(), n.rules()?))).collect()
}

fn chosen_json(chosen: &[(String, Rules)]) -> serde_json::Value {
    let classes = |rules: &Rules| -> serde_json::Map<String, serde_json::Value> {
        rules.classes.iter().map(|(c, r)| (c.clone(), json!(r))).collect()
    };
    let node =
        |(name, rules): &(String, Rules)| json!({"name": name, "default": rules.default, "classes": classes(rules)});
    chosen.iter().map(node).collect()
}

fn chosen_lines(chosen: &[(String, Rules)]) -> Vec<String> {
    let line = |(name, rules): &(String, Rules)| {
        let classes: String = rules.classes.iter().map(|(c, r)| format!("; {c}: {}", r.name())).collect();
        format!("{name}: {}{classes}", rules.default.name())
    };
    chosen.iter().map(line).collect()
}

fn list_rules(env: &Environment, out: Output<'_>) -> Result<ExitCode> {
    let chosen = chosen(env)?;
    let value = json!({
        "rules": Rule::ALL.map(|r| json!({
            "name": r.name(), "label": r.label(), "does": r.sentence(), "caution": r.caution(),
            "same_at_both_ends": r.same_at_both_ends(),
        })),
        "nodes": chosen_json(&chosen),
    });
    out.done(&value, || {
        let mut lines = Vec::new();
        for rule in Rule::ALL {
            lines.push(format!("{:17} {}", rule.name(), rule.sentence()));
            if !rule.caution().is_empty() {
                lines.push(format!("{:17} ! {}", "", rule.caution()));
            }
        }
        lines.push(String::new());
        lines.extend(chosen_lines(&chosen));
        lines.push("Choose another: objsync rules set RULE [--class CLASS]; for one apply: --rule RULE".to_owned());
        lines
    })
}

pub(crate) fn resolve(
    node: &mut Node,
    record: i64,
    choice: (bool, Vec<(String, String)>),
    confirm: bool,
    out: Output<'_>,
) -> Result<ExitCode> {
    let class = node.conflict(record)?.class;
    let names: Vec<&String> = choice.1.iter().map(|(property, _)| property).collect();
    if let Some(twice) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)).map(|(_, name)| name) {
        return Err(Error::new(ErrorKind::Usage, format!("{twice} is given twice; nothing was changed")));
    }
    let choice = match choice {
        (_, set) if !set.is_empty() => Choice::Set(
            set.iter().map(|(p, text)| Ok((p.clone(), node.typed(&class, p, text)?))).collect::<Result<_>>()?,
        ),
        (true, _) => Choice::Ours,
        (false, _) => Choice::Theirs,
    };
    match node.resolve(record, &choice, confirm)? {
        Resolution::MovedOn { moved_on, changes } => {
            let changes = if changes.is_empty() { "nothing".to_owned() } else { changes };
            let what = format!(
                "the object is not what record {record} says any more: {moved_on}; the decision would do this now: {changes}; nothing was changed"
            );
            Err(Error::new(ErrorKind::Constraint, what).hint("look at it, then say it again with --confirm"))
        }
        Resolution::Filed { record, changes } => {
            let value = json!({"record": record, "changes": changes});
            let changes = if changes.is_empty() { "nothing had to change".to_owned() } else { changes };
            let done = format!("{}: {} {}: {changes}", node.info().name, record.class, record.name());
            out.done(&value, || [done].into_iter().chain(conflict_lines(node, &record)).collect())
        }
    }
}

pub(crate) fn requeue(node: &mut Node, command: Option<RequeueCommand>, out: Output<'_>) -> Result<ExitCode> {
    let report = match command {
        None => {
            let waiting = node.requeue()?;
            let name = node.info().name.clone();
            return out.done(&waiting, || output::waiting(&name, &waiting));
        }
        Some(RequeueCommand::Retry { rule }) => {
            node.retry(ApplyOptions { rule: rule.map(|r| r.0), ..ApplyOptions::default() })?
        }
        Some(RequeueCommand::Discard { ids, all }) => node.discard(if all { None } else { Some(&ids) })?,
    };
    out.done(&report, || report_lines(&report))
}

/// The record of an applied set.
fn applied(env: &mut Environment, set: &AppliedSet) -> Result<(usize, SetRecord)> {
    let place = crate::cli::commands::place_of(env, set.node.as_deref())?;
    let node = &env.nodes[place];
    let mut records = node.sets_of(set.id, false, set.from.as_deref())?;
    // One that was taken back and applied again stands there twice.
    records.sort_by_key(|r| r.taken_back);
    let found = records.into_iter().next().ok_or_else(|| {
        let from = set.from.as_ref().map(|from| format!(" from {from}")).unwrap_or_default();
        let what = format!("{} has applied no set {}{from}; nothing was changed", node.info().name, set.id);
        Error::new(ErrorKind::Usage, what).hint(format!("objsync sets --node {} lists them", quoted(&node.info().name)))
    })?;
    Ok((place, found))
}

pub(crate) fn take_back(env: &mut Environment, set: &AppliedSet, out: Output<'_>) -> Result<ExitCode> {
    let (place, record) = applied(env, set)?;
    let report = env.nodes[place].take_back(record.seq)?;
    out.done(&report, || {
        let head = format!("{}: took back set {} from {}", report.node, report.id, report.source);
        [head].into_iter().chain(report_lines(&report).into_iter().skip(1)).collect()
    })
}

pub(crate) fn revert(env: &mut Environment, set: &AppliedSet, dry_run: bool, out: Output<'_>) -> Result<ExitCode> {
    let (place, record) = applied(env, set)?;
    let node = &mut env.nodes[place];
    let reverted = if dry_run { node.preview_revert(record.seq)? } else { node.revert(record.seq)? };
    let name = node.info().name.clone();
    out.done(&reverted, || {
        let Reverted { number, objects, kept } = &reverted;
        let head = match (number, dry_run) {
            (None, _) => format!("{name}: nothing is left of set {} to be restored", record.id),
            (Some(_), true) => format!("{name}: reverting set {} would restore this; nothing was changed", record.id),
            (Some(n), false) => {
                format!("{name}: reverted set {} as transaction {}; it travels like any change", record.id, grouped(*n))
            }
        };
        let lines = objects.iter().map(|o| format!("  {} {}: {}", o.class, o.name(), o.reason));
        [head].into_iter().chain(lines).chain(kept.iter().map(|k| format!("  {k}"))).collect()
    })
}
