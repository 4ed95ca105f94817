//! The same command elsewhere: as a line for the terminal, and for curl.
//!
//! Invariant, checked by a test with the real parser: what [`Command::cli`] says is accepted by `objsync`. What has no
//! counterpart there, because it concerns the window alone, has no line.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::Command;
use crate::app::state::{DockTab, PaneTab, State};
use crate::app::view::{Action, Choose, PickValue, SideIndex};
use crate::demo::model::OrderDraft;
use crate::demo::tables::ORDER;
use crate::sync::{Role, SETS, syncset};
use crate::words::quoted;

/// Who may use the REST interface of a demo, as in the original.
const CREDENTIALS: &str = "superuser:sys";

impl Command {
    /// What it would hand to the worker, as far as that is known before anything is asked.
    fn action(&self, state: &State) -> Option<Action> {
        let snapshot = state.snapshot.as_ref()?;
        Some(match self {
            Command::Run(action) | Command::Answer(action) => action.clone(),
            Command::RandomOrders(side) => Action::RandomOrders { side: *side, count: state.random[*side] },
            Command::DeleteOrders(side) => Action::DeleteOrders {
                side: *side,
                numbers: Some(state.selected_numbers(*side)).filter(|n| !n.is_empty())?,
            },
            Command::Prepare(side) => {
                Action::Prepare { side: *side, id: snapshot.view.lanes[*side].next_id, file: None, overwrite: false }
            }
            Command::ApplyNext(side) => {
                let card = snapshot.view.lanes[*side].next()?;
                Action::Apply { side: 1 - side, file: card.file.clone(), rule: None }
            }
            Command::PreviewNext(side) => {
                let card = snapshot.view.lanes[*side].next()?;
                Action::Preview { file: card.file.clone(), rule: None }
            }
            Command::TakeBackLast(_) | Command::RevertLast(_) => self.of_last(state)?,
            Command::SyncBoth => Action::SyncBoth,
            Command::Verify => Action::Verify,
            Command::RestartDemo => Action::RestartDemo { files: state.restartable().ok()?.to_vec() },
            Command::History(side) => {
                let (side, guid) = state.history_at(*side)?;
                Action::History { side, guid }
            }
            Command::FileDecision => {
                let record = state.shown_record()?;
                let choice = state.draft_of(record).choose();
                Action::Resolve { side: record.side, record: record.record, choice, confirmed: false }
            }
            Command::Rule(rule) => {
                Action::SetRule { class: state.rule_for_others().map(|_| ORDER.to_owned()), rule: Some(*rule) }
            }
            _ => return None,
        })
    }

    /// The arguments for `objsync` in the terminal.
    pub fn cli(&self, state: &State) -> Option<Vec<String>> {
        let at = |words: &[&str], side: SideIndex| on(state, words, Some(side));
        match self {
            Command::PaneTab(side, PaneTab::Orders) => at(&["order", "list"], *side),
            Command::PaneTab(side, PaneTab::Journal) => at(&["journal"], *side),
            Command::PaneTab(side, PaneTab::Times) => at(&["sync-times"], *side),
            Command::PaneTab(side, PaneTab::Requeued) => at(&["requeue"], *side),
            Command::DockTab(DockTab::Conflicts) => at(&["conflicts"], 0),
            Command::DockTab(DockTab::Sets) => at(&["sets"], 0),
            Command::Tour => Some(vec!["tour".into()]),
            Command::Situation(which) => {
                let scenario = crate::demo::scenario::SCENARIOS.get(*which)?;
                Some(vec!["tour".into(), scenario.name.into()])
            }
            _ => cli(&self.action(state)?, state),
        }
    }

    /// The line for the terminal.
    pub fn cli_line(&self, state: &State) -> Option<String> {
        let words: Vec<String> = self.cli(state)?.iter().map(|word| quoted(word)).collect();
        Some(format!("objsync {}", words.join(" ")))
    }

    /// The line for curl, while the window serves REST.
    pub fn curl_line(&self, state: &State) -> Option<String> {
        let address = state.rest.as_deref()?;
        let (method, side, path, body) = match self {
            Command::PaneTab(side, PaneTab::Orders) => ("GET", *side, "orders".to_owned(), None),
            Command::PaneTab(side, PaneTab::Customers) => ("GET", *side, "customers".into(), None),
            Command::PaneTab(side, PaneTab::Employees) => ("GET", *side, "employees".into(), None),
            Command::PaneTab(side, PaneTab::Items) => ("GET", *side, "items".into(), None),
            Command::DockTab(DockTab::Conflicts) => ("GET", 0, "admin/conflicts".into(), None),
            _ => request(&self.action(state)?, state)?,
        };
        let mut words = vec!["curl".to_owned(), "-u".into(), CREDENTIALS.into()];
        if method != "GET" {
            words.extend(["-X".into(), method.into()]);
        }
        words.push(quoted(&format!("{address}{}/{path}", namespace(state, side)?)));
        if let Some(body) = body {
            words.extend(["-d".into(), quoted(&body.to_string())]);
        }
        Some(words.join(" "))
    }
}

/// Words, the environment, and a node of it.
fn on(state: &State, words: &[&str], side: Option<SideIndex>) -> Option<Vec<String>> {
    let mut all: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
    let dir = state.snapshot.as_ref()?.view.dir.display().to_string();
    all.extend(["--dir".to_owned(), dir]);
    if let Some(side) = side {
        all.extend(["--node".to_owned(), state.side_name(side).to_owned()]);
    }
    Some(all)
}

fn cli(action: &Action, state: &State) -> Option<Vec<String>> {
    let view = &state.snapshot.as_ref()?.view;
    let path = |path: &Path| path.display().to_string();
    let set = |side: SideIndex, seq: i64| view.sets.iter().find(|s| !s.sent && (s.side, s.seq) == (side, seq));
    let with = |words: Option<Vec<String>>, more: Vec<String>| words.map(|w| [w, more].concat());
    match action {
        Action::RandomOrders { side, count } => {
            with(on(state, &["random-order"], Some(*side)), vec!["--count".into(), count.to_string()])
        }
        Action::NewOrder { side, order } => with(on(state, &["order", "new"], Some(*side)), properties(order)),
        Action::EditOrder { side, number, changes } => {
            with(on(state, &["order", "put", &number.to_string()], Some(*side)), properties(changes))
        }
        Action::DeleteOrders { side, numbers } => {
            let words: Vec<String> =
                ["order", "delete"].into_iter().map(str::to_owned).chain(numbers.iter().map(i64::to_string)).collect();
            on(state, &words.iter().map(String::as_str).collect::<Vec<_>>(), Some(*side))
        }
        Action::Prepare { side, id, file, overwrite } => {
            let mut more = vec!["--to".into(), state.side_name(1 - side).to_owned(), "--id".into(), id.to_string()];
            if let Some(file) = file {
                more.extend(["--out".into(), path(file)]);
            }
            more.extend(overwrite.then(|| "--overwrite".to_owned()));
            with(on(state, &["prepare"], Some(*side)), more)
        }
        Action::PrepareAgain { side } => {
            let more = ["--to", state.side_name(1 - side), "--since", "acknowledged"];
            with(on(state, &["prepare"], Some(*side)), more.map(str::to_owned).into())
        }
        Action::Preview { file, rule } | Action::ApplyWhereAddressed { file, rule } => {
            let what = if matches!(action, Action::Preview { .. }) { "preview" } else { "apply" };
            with(on(state, &[what, &path(file)], None), by_rule(*rule))
        }
        Action::Apply { side, file, rule } => with(on(state, &["apply", &path(file)], Some(*side)), by_rule(*rule)),
        Action::TakeBack { side, seq } | Action::Revert { side, seq, .. } => {
            let set = set(*side, *seq)?;
            let what = if matches!(action, Action::TakeBack { .. }) { "take-back" } else { "revert" };
            with(on(state, &[what, &set.id.to_string()], Some(*side)), vec!["--from".into(), set.peer.clone()])
        }
        Action::Resolve { side, record, choice, confirmed } => {
            let mut more = match choice {
                Choose::Side(chosen) => vec![if chosen == side { "--ours".to_owned() } else { "--theirs".to_owned() }],
                Choose::Properties(picks) => {
                    let record = view.conflicts.iter().find(|c| (c.side, c.record) == (*side, *record))?;
                    let mut more = vec!["--set".to_owned()];
                    for (name, value) in picks {
                        let row = record.properties.iter().find(|p| p.name == *name)?;
                        let text = match value {
                            PickValue::Text(text) => text,
                            PickValue::Side(side) => &row.values[*side],
                        };
                        more.push(format!("{name}={}", plain(state, record.side, name, text)));
                    }
                    more
                }
            };
            more.extend(confirmed.then(|| "--confirm".to_owned()));
            with(on(state, &["resolve", &record.to_string()], Some(*side)), more)
        }
        Action::Retry { side } => on(state, &["requeue", "retry"], Some(*side)),
        Action::Discard { side, ids, .. } => {
            let words: Vec<String> =
                ["requeue", "discard"].into_iter().map(str::to_owned).chain(ids.iter().map(i64::to_string)).collect();
            on(state, &words.iter().map(String::as_str).collect::<Vec<_>>(), Some(*side))
        }
        Action::History { side, guid } => on(state, &["history", &guid.to_string()], Some(*side)),
        Action::SetRule { class, rule } => {
            let mut words = match rule {
                Some(rule) => on(state, &["rules", "set", rule.name()], None),
                None => on(state, &["rules", "unset"], None),
            }?;
            words.extend(class.iter().flat_map(|class| ["--class".to_owned(), class.clone()]));
            Some(words)
        }
        Action::SyncBoth => on(state, &["sync"], None),
        Action::Verify => on(state, &["verify"], None),
        Action::RestartDemo { .. } => {
            let names =
                vec!["--master".into(), state.side_name(0).into(), "--client".into(), state.side_name(1).into()];
            with(on(state, &["install", "--overwrite"], None), names)
        }
        Action::ObjectsOfSet { file } => on(state, &["show", &path(file)], None),
        Action::NewEnvironment { dir } => Some(vec!["install".into(), "--dir".into(), path(dir)]),
        Action::Open { dir } => Some(vec!["--dir".into(), path(dir)]),
        Action::Serve { rest } if rest.on => {
            let allow = rest.allow.iter().flat_map(|folder| ["--allow".to_owned(), path(folder)]);
            with(on(state, &["serve", "--port", &rest.port.to_string()], None), allow.collect())
        }
        // What the window does for itself, or asks for step by step.
        Action::Undo { .. }
        | Action::Serve { .. }
        | Action::ShowNode { .. }
        | Action::SaveSetAs { .. }
        | Action::StartTour { .. }
        | Action::PlayStep { .. }
        | Action::TravelTo { .. }
        | Action::Write { .. } => None,
    }
}

/// A value as shown, as the command line takes it: a name as its number, a number without commas.
fn plain(state: &State, side: SideIndex, property: &str, text: &str) -> String {
    let kind = match property {
        "employee" => 0,
        "customer" => 1,
        "item" => 2,
        "quantity" | "price" => return text.replace(',', "").replace('−', "-"),
        _ => return text.to_owned(),
    };
    let choices = state.snapshot.as_ref().map(|s| s.choices(side, kind)).unwrap_or_default();
    choices.iter().find(|c| c.name == text).map_or_else(|| text.to_owned(), |c| c.key.to_string())
}

fn by_rule(rule: Option<crate::sync::Rule>) -> Vec<String> {
    rule.map_or_else(Vec::new, |rule| vec!["--rule".into(), rule.name().into()])
}

fn properties(draft: &OrderDraft) -> Vec<String> {
    let number = |value: Option<i64>| value.map(|v| v.to_string());
    let all = [
        ("--employee", number(draft.employee)),
        ("--customer", number(draft.customer)),
        ("--date", draft.date_order.clone()),
        ("--item", number(draft.item)),
        ("--quantity", draft.quantity.map(|v| v.to_string())),
        ("--price", draft.price.map(|v| v.to_string())),
    ];
    all.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?])).flatten().collect()
}

type Request = (&'static str, SideIndex, String, Option<Json>);

/// Method, side, path and body of what REST has for an action.
fn request(action: &Action, state: &State) -> Option<Request> {
    let view = &state.snapshot.as_ref()?.view;
    Some(match action {
        Action::RandomOrders { side, count: 1 } => ("POST", *side, "randomorder".into(), None),
        Action::NewOrder { side, order } => ("POST", *side, "order".into(), Some(body(None, order))),
        Action::EditOrder { side, number, changes } => {
            ("PUT", *side, format!("order/{number}"), Some(body(Some(*number), changes)))
        }
        Action::DeleteOrders { side, numbers } => match numbers.as_slice() {
            [number] => ("DELETE", *side, format!("order/{number}"), None),
            _ => return None,
        },
        Action::Prepare { side, id, file, .. } => {
            let mut body = json!({"syncID": id, "dir": view.dir.join(SETS), "excludeNS": state.side_name(1 - side)});
            in_file(&mut body, file.as_deref());
            ("POST", *side, "admin/prepsynch".into(), Some(body))
        }
        // The rule of the environment decides there.
        Action::Apply { side, file, rule: None } => {
            let source = state.side_name(1 - side);
            let id = view.lanes[1 - side].prepared.iter().find(|card| card.file == *file)?.id;
            let mut body = json!({"syncID": id, "dir": file.parent()?, "srcNS": source});
            if file.file_name()?.to_string_lossy() != syncset::file_name(source, id) {
                in_file(&mut body, Some(file));
            }
            ("POST", *side, "admin/synchronize".into(), Some(body))
        }
        _ => return None,
    })
}

/// Names a file in a body: its folder and its name.
fn in_file(body: &mut Json, file: Option<&Path>) {
    if let Some((dir, name)) = file.and_then(|f| Some((f.parent()?, f.file_name()?))) {
        body["dir"] = json!(dir);
        body["file"] = json!(name.to_string_lossy());
    }
}

fn body(number: Option<i64>, draft: &OrderDraft) -> Json {
    let all = [
        ("orderNum", number.map(|v| json!(v))),
        ("employee", draft.employee.map(|v| json!(v))),
        ("customer", draft.customer.map(|v| json!(v))),
        ("dateOrder", draft.date_order.as_ref().map(|v| json!(v))),
        ("item", draft.item.map(|v| json!(v))),
        ("quantity", draft.quantity.map(|v| json!(v))),
        ("price", draft.price.map(|v| json!(v))),
    ];
    Json::Object(all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
}

/// Where a side's services are: the original's names while there are just a master and a client.
fn namespace(state: &State, side: SideIndex) -> Option<String> {
    let view = &state.snapshot.as_ref()?.view;
    Some(match (view.nodes.len(), view.sides[side].role) {
        (..=2, Role::Master) => "/synchmaster/rest/v1".to_owned(),
        (..=2, Role::Client) => "/synchclient/rest/v1".to_owned(),
        _ => format!("/synch/{}/rest/v1", state.side_name(side)),
    })
}
