//! The real [`Backend`]: an environment's first two nodes, the master and a client, as the window sees them.
//!
//! Lives on the worker's thread. Reading is `look.rs`; here is what the window can ask for. Invariant: after any failure the
//! environment is as it was, and stays open.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::rngs::StdRng;

use crate::app::view::{Action, Backend, Choose, Done, Failure, PickValue, Question, SideIndex, View};
use crate::demo::edit::{change_order, delete_orders, new_order};
use crate::demo::install::{Installation, install};
use crate::demo::populate::{random_orders, rng};
use crate::demo::query;
use crate::demo::scenario::report_lines;
use crate::demo::tables::ORDER;
use crate::sync::syncset::{SyncSet, check_replaceable};
use crate::sync::{
    ApplyOptions, Choice, Environment, Error, ErrorKind, Guid, Node, Outcome, PrepareOptions, Progress, Report,
    Resolution, Result, Role, Since, Value,
};
use crate::words::count;

/// The engine behind the window.
pub struct Engine {
    /// The two nodes that are shown stand first.
    pub(super) env: Environment,
    /// Their names.
    shown: [String; 2],
    /// What identified each file's state when it was last read.
    seen: HashMap<PathBuf, FileState>,
    /// How many database files the folder held then.
    files: usize,
    /// Prepared sets by digest: reading one again for every view would be a waste.
    pub(super) sets: HashMap<String, Arc<SyncSet>>,
    rng: StdRng,
    progress: Progress,
}

/// Changes when another program writes to a file, or puts another file in its place.
type FileState = (Option<i64>, Option<(u64, u64)>);

impl Engine {
    /// Opens the environment in a folder; it must hold a master and a client.
    pub fn open(dir: &Path) -> Result<Engine> {
        let mut env = open(dir)?;
        let progress = Progress::default();
        env.set_progress(&progress)?;
        let shown = first_two(&env);
        let files = env.files().len();
        Ok(Engine { env, shown, seen: HashMap::new(), files, sets: HashMap::new(), rng: rng(None), progress })
    }

    /// Opens the environment again, or another one; shows the same nodes where they are there.
    fn reopen(&mut self, dir: &Path) -> Result<()> {
        self.env = open(dir)?;
        self.env.set_progress(&self.progress)?;
        let names: Vec<&str> = self.env.nodes.iter().map(|n| n.info().name.as_str()).collect();
        if !self.shown.iter().all(|name| names.contains(&name.as_str())) {
            self.shown = first_two(&self.env);
        }
        self.bring_to_front()
    }

    fn bring_to_front(&mut self) -> Result<()> {
        for (place, name) in self.shown.clone().iter().enumerate() {
            let at = self.env.index(name)?;
            self.env.nodes.swap(place, at);
        }
        Ok(())
    }

    /// Shows a node in a pane; if the other pane has it, they change places.
    fn show(&mut self, side: SideIndex, name: &str) -> Result<()> {
        let name = self.env.nodes[self.env.index(name)?].info().name.clone();
        if self.shown[1 - side] == name {
            self.shown.swap(0, 1);
        } else {
            self.shown[side] = name;
        }
        self.bring_to_front()
    }

    /// The pane of the node that a set is addressed to. One that is not shown is brought into view.
    pub(super) fn addressee(&mut self, file: &Path) -> Result<SideIndex> {
        let place = self.env.addressee(file)?;
        if place > 1 {
            let info = self.env.nodes[place].info().clone();
            let side = usize::from(info.role == Role::Client);
            self.show(side, &info.name)?;
            return Ok(side);
        }
        Ok(place)
    }

    fn file_states(&self) -> HashMap<PathBuf, FileState> {
        let state = |n: &Node| (n.path().to_owned(), (n.data_version().ok(), identity(n.path())));
        self.env.nodes.iter().map(state).collect()
    }

    fn name(&self, side: SideIndex) -> String {
        self.env.nodes[side].info().name.clone()
    }

    fn guid(&self, side: SideIndex, number: i64) -> Result<Option<Guid>> {
        let node = &self.env.nodes[side];
        node.guid_of(node.class(ORDER)?, number)
    }

    /// A done edit of one order, which is shown as changed.
    fn edited(&self, side: SideIndex, number: i64, text: String) -> Result<Done> {
        let changed = self.guid(side, number)?.map(|guid| (side, guid)).into_iter().collect();
        Ok(Done { text, changed, ..Done::default() })
    }

    fn act(&mut self, action: Action) -> Result<Done> {
        match action {
            Action::RandomOrders { side, count } => {
                let numbers = random_orders(&mut self.env.nodes[side], count, &mut self.rng)?;
                let guids = numbers.iter().map(|n| self.guid(side, *n)).collect::<Result<Vec<_>>>()?;
                let name = self.name(side);
                let text = match numbers.as_slice() {
                    [one] => format!("Made order {one} at {name}"),
                    many => format!("Made {} random orders at {name}", many.len()),
                };
                Ok(Done { text, changed: guids.into_iter().flatten().map(|g| (side, g)).collect(), ..Done::default() })
            }
            Action::NewOrder { side, order } => {
                let number = new_order(&mut self.env.nodes[side], &order)?;
                self.edited(side, number, format!("Made order {number} at {}", self.name(side)))
            }
            Action::EditOrder { side, number, changes } => {
                let before = query::order(&self.env.nodes[side], number)?;
                change_order(&mut self.env.nodes[side], number, &changes)?;
                let after = query::order(&self.env.nodes[side], number)?;
                let mut what = Vec::new();
                if before.quantity != after.quantity {
                    what.push(format!("quantity {} → {}", before.quantity, after.quantity));
                }
                if before.price != after.price {
                    what.push(format!("price {} → {}", before.price, after.price));
                }
                if before.date_order != after.date_order {
                    what.push(format!("date {} → {}", before.date_order, after.date_order));
                }
                for (name, old, new) in [
                    ("employee", before.employee, after.employee),
                    ("customer", before.customer, after.customer),
                    ("item", before.item, after.item),
                ] {
                    if old != new {
                        what.push(format!("{name} {old} → {new}"));
                    }
                }
                let name = self.name(side);
                let text = match what.is_empty() {
                    true => format!("Order {number} at {name} had these values already"),
                    false => format!("Changed order {number} at {name}: {}", what.join(", ")),
                };
                self.edited(side, number, text)
            }
            Action::DeleteOrders { side, numbers } => {
                delete_orders(&mut self.env.nodes[side], &numbers)?;
                let name = self.name(side);
                let text = match numbers.as_slice() {
                    [one] => format!("Deleted order {one} at {name}"),
                    many => format!("Deleted {} orders at {name}, in one transaction", many.len()),
                };
                Ok(Done { text, ..Done::default() })
            }
            Action::Prepare { side, id, file, overwrite } => {
                let file = self.env.set_file(file.as_deref(), side, id)?;
                let options = PrepareOptions {
                    id,
                    file,
                    since: Since::Sent,
                    upto: None,
                    overwrite,
                    compress: false,
                    update_sync_time: true,
                };
                let prepared = self.env.prepare(side, 1 - side, &options)?;
                let text = match prepared.objects {
                    0 => {
                        format!("Prepared set {id} at {}: nothing new, it carries the acknowledgement", prepared.source)
                    }
                    1 => format!("Prepared set {id} at {}: 1 order", prepared.source),
                    n => format!(
                        "Prepared set {id} at {}: {n} orders in {} transactions",
                        prepared.source, prepared.transactions
                    ),
                };
                Ok(Done { text, details: vec![prepared.file.display().to_string()], ..Done::default() })
            }
            Action::Apply { side, file, rule } => {
                let report = self.env.apply(side, &file, ApplyOptions { rule, ..ApplyOptions::default() })?;
                Ok(applied(side, &report))
            }
            Action::ApplyWhereAddressed { file, rule } => {
                let side = self.addressee(&file)?;
                let report = self.env.apply(side, &file, ApplyOptions { rule, ..ApplyOptions::default() })?;
                Ok(applied(side, &report))
            }
            Action::SaveSetAs { file, to, overwrite } => save_as(&file, &to, overwrite),
            Action::SyncBoth => self.sync_both(),
            Action::Verify => self.verify(),
            Action::SetRule { class, rule } => {
                for node in &mut self.env.nodes {
                    node.set_rule(class.as_deref(), rule)?;
                }
                let rules = self.env.nodes[0].rules()?;
                let rule = class.as_deref().map_or(rules.default, |class| rules.of(class));
                let about = class.map_or_else(String::new, |class| format!(" for {class}"));
                let text = format!("From now on{about}: {}. {}", rule.label(), rule.sentence());
                Ok(Done { text, ..Done::default() })
            }
            Action::Preview { file, rule } => {
                let preview = self.preview(&file, rule)?;
                let text = format!(
                    "Previewed set {} from {} at {}: {}; nothing was changed",
                    preview.id,
                    preview.source,
                    self.name(preview.side),
                    preview.summary
                );
                Ok(Done { text, preview: Some(preview), ..Done::default() })
            }
            Action::TakeBack { side, seq } => {
                let report = self.env.nodes[side].take_back(seq)?;
                let text = format!("Took back set {} from {} at {}", report.id, report.source, report.node);
                Ok(Done { text, conflict: None, ..applied(side, &report) })
            }
            Action::Revert { side, seq, confirmed } => self.revert(side, seq, confirmed),
            Action::Resolve { side, record, choice, confirmed } => self.resolve(side, record, choice, confirmed),
            Action::Retry { side } => {
                let report = self.env.nodes[side].retry(ApplyOptions::default())?;
                let text = format!("Tried again what waits at {}: {}", report.node, report.summary());
                Ok(Done { text, ..applied(side, &report) })
            }
            Action::Discard { side, ids, confirmed } => self.discard(side, ids, confirmed),
            Action::History { side, guid } => {
                let history = self.history(side, guid)?;
                let text = format!("Read the history of {} at {}", history.title, self.name(side));
                Ok(Done { text, history: Some(history), ..Done::default() })
            }
            Action::ShowNode { side, name } => {
                self.show(side, &name)?;
                Ok(Done { text: format!("Showing {} beside {}", self.shown[1], self.shown[0]), ..Done::default() })
            }
            Action::RestartDemo => self.restart(),
            Action::Open { dir } => {
                self.reopen(&dir)?;
                self.sets.clear();
                Ok(Done { text: format!("Opened {}", self.env.dir().display()), ..Done::default() })
            }
        }
    }

    fn revert(&mut self, side: SideIndex, seq: i64, confirmed: bool) -> Result<Done> {
        let set = self.env.nodes[side].set_record(seq)?;
        let (name, set) = (self.name(side), format!("set {} from {}", set.id, set.peer_name));
        let reverted = match confirmed {
            true => self.env.nodes[side].revert(seq)?,
            false => self.env.nodes[side].preview_revert(seq)?,
        };
        let lines: Vec<String> = reverted
            .objects
            .iter()
            .map(|o| format!("{} {}: {}", o.class, o.name(), o.reason))
            .chain(reverted.kept.iter().cloned())
            .collect();
        if !confirmed {
            if reverted.number.is_none() {
                let text = format!("Nothing is left of {set} to be restored at {name}; nothing was changed");
                return Ok(Done { text, details: lines, ..Done::default() });
            }
            let text = format!(
                "New changes are made at {name} that restore what the set changed; they travel to {} like any other.",
                self.name(1 - side)
            );
            let action = Action::Revert { side, seq, confirmed: true };
            return Ok(asking(format!("Revert {set} at {name}?"), text, lines, "Revert", action));
        }
        let objects = count(reverted.objects.len(), "order");
        let changed =
            reverted.objects.iter().filter(|o| o.outcome != Outcome::Deleted).map(|o| (side, o.guid)).collect();
        Ok(Done {
            text: format!("Reverted {set} at {name}: {objects} restored"),
            details: lines,
            changed,
            ..Done::default()
        })
    }

    fn resolve(&mut self, side: SideIndex, record: i64, choose: Choose, confirmed: bool) -> Result<Done> {
        let node = &mut self.env.nodes[side];
        let found = node.conflict(record)?;
        let choice = match &choose {
            Choose::Side(chosen) if *chosen == side => Choice::Ours,
            Choose::Side(_) => Choice::Theirs,
            Choose::Properties(picks) => {
                let value = |(property, pick): &(String, PickValue)| {
                    let value = match pick {
                        PickValue::Text(text) => {
                            node.typed(&found.class, property, &as_typed(node, property, text)?)?
                        }
                        PickValue::Side(chosen) => {
                            let content = if *chosen == side { &found.ours.content } else { &found.theirs.content };
                            Value::from_stored_json(&content[property]).unwrap_or(Value::Null)
                        }
                    };
                    Ok((property.clone(), value))
                };
                Choice::Set(picks.iter().map(value).collect::<Result<_>>()?)
            }
        };
        let name = node.info().name.clone();
        let what = format!("{} {}", found.class, found.name());
        match node.resolve(record, &choice, confirmed)? {
            Resolution::MovedOn { moved_on, changes } => {
                let changes = if changes.is_empty() { "nothing".to_owned() } else { changes };
                let text = format!(
                    "{what} at {name} is not any more what the record says: {moved_on}. Your decision would change now: {changes}."
                );
                let action = Action::Resolve { side, record, choice: choose, confirmed: true };
                Ok(asking(format!("{what} has changed since"), text, Vec::new(), "File decision", action))
            }
            Resolution::Filed { changes, .. } => {
                let changes = if changes.is_empty() { "nothing had to change".to_owned() } else { changes };
                let changed = found.guid.parse().map(|guid| vec![(side, guid)])?;
                let text = format!("Decided conflict {record} at {name}: {what}, {changes}");
                Ok(Done { text, changed, conflict: Some((side, record)), ..Done::default() })
            }
        }
    }

    fn discard(&mut self, side: SideIndex, ids: Vec<i64>, confirmed: bool) -> Result<Done> {
        let node = &mut self.env.nodes[side];
        let name = node.info().name.clone();
        if !confirmed {
            let report = node.preview_discard(Some(&ids))?;
            let lines: Vec<String> = report_lines(&report).split_off(1).iter().map(|l| l.trim().to_owned()).collect();
            let text = "What is here stays, and the other side is told so. What came is kept in a record.".to_owned();
            let action = Action::Discard { side, ids, confirmed: true };
            return Ok(asking(format!("Give up what waits at {name}?"), text, lines, "Discard", action));
        }
        let report = node.discard(Some(&ids))?;
        Ok(Done { text: format!("Gave up what waited at {name}: {}", report.summary()), ..applied(side, &report) })
    }

    fn sync_both(&mut self) -> Result<Done> {
        let mut all = Done::default();
        let mut said = Vec::new();
        for report in self.env.exchange_until_quiet(&[(1, 0), (0, 1)], None)? {
            let side = usize::from(report.node == self.name(1));
            let done = applied(side, &report);
            said.push(format!("{} → {}: {}", report.source, report.node, report.summary()));
            all.details.extend(done.details);
            all.changed.extend(done.changed);
            all.conflict = all.conflict.or(done.conflict);
        }
        all.text = format!("Synchronized both ways. {}", said.join("; "));
        Ok(all)
    }

    fn verify(&mut self) -> Result<Done> {
        let found = self.env.verify()?;
        let details = found
            .classes
            .iter()
            .flat_map(|c| {
                let counts = if c.journaled { "" } else { " (not journaled, does not count)" };
                let heading = format!("{}{counts}: {} differ", c.name, c.differences.len());
                let digests =
                    c.digests.iter().map(|(node, digest)| format!("{node} {}", digest.as_str().unwrap_or_default()));
                [heading].into_iter().chain(digests).collect::<Vec<_>>()
            })
            .collect();
        let differing: usize = found.classes.iter().filter(|c| c.journaled).map(|c| c.differences.len()).sum();
        let text = match differing {
            0 => "Compared row by row: both sides hold the same".to_owned(),
            1 => "Compared row by row: 1 order differs".to_owned(),
            n => format!("Compared row by row: {n} orders differ"),
        };
        Ok(Done { text, details, ..Done::default() })
    }

    /// A new demo in the same folder, under the same names. The files are closed meanwhile.
    fn restart(&mut self) -> Result<Done> {
        let dir = self.env.dir().to_owned();
        let what =
            Installation { master: self.name(0), client: self.name(1), overwrite: true, ..Installation::default() };
        self.env.nodes.clear();
        self.sets.clear();
        let installed = install(&dir, &what, &self.progress);
        self.reopen(&dir)?;
        installed?;
        Ok(Done { text: format!("Made a new demo in {}", dir.display()), ..Done::default() })
    }
}

fn first_two(env: &Environment) -> [String; 2] {
    [0, 1].map(|i| env.nodes[i].info().name.clone())
}

fn open(dir: &Path) -> Result<Environment> {
    let env = Environment::open(dir)?;
    if env.nodes.len() < 2 {
        let text = format!("{} holds one node only; the window shows a master and a client", dir.display());
        return Err(Error::new(ErrorKind::NotFound, text).hint("open another folder"));
    }
    Ok(env)
}

/// What was typed into a property of an order, as the engine reads it: names of what it refers to as their numbers, and
/// numbers without the commas that the window writes.
fn as_typed(node: &Node, property: &str, text: &str) -> Result<String> {
    let class = match property {
        "employee" => "Employee",
        "customer" => "Customer",
        "item" => "Item",
        "quantity" | "price" => return Ok(text.replace(',', "")),
        _ => return Ok(text.to_owned()),
    };
    let text = text.trim();
    let wrong = |what: String| Err(Error::new(ErrorKind::Constraint, format!("{what}; nothing was changed")));
    let named: Vec<i64> = query::choices(node, class)?
        .into_iter()
        .filter(|(_, name)| name.to_lowercase() == text.to_lowercase())
        .map(|(key, _)| key)
        .collect();
    match named.as_slice() {
        [key] => Ok(key.to_string()),
        [] if text.parse::<i64>().is_ok() => Ok(text.to_owned()),
        [] => wrong(format!("no {property} at {} is called “{text}”", node.info().name)),
        many => wrong(format!("{} {property}s at {} are called “{text}”; type a number", many.len(), node.info().name)),
    }
}

fn asking(title: String, text: String, lines: Vec<String>, yes: &str, action: Action) -> Done {
    let status = title.clone();
    Done { text: status, ask: Some(Question { title, text, lines, yes: yes.to_owned(), action }), ..Done::default() }
}

/// What came of an apply.
fn applied(side: SideIndex, report: &Report) -> Done {
    let conflict = report.objects.iter().find_map(|o| o.conflict).map(|record| (side, record));
    let changed =
        report.objects.iter().filter(|o| o.row_changed && o.outcome != Outcome::Deleted).map(|o| (side, o.guid));
    Done {
        text: format!("Applied set {} from {} at {}: {}", report.id, report.source, report.node, report.summary()),
        details: report_lines(report).into_iter().skip(1).map(|l| l.trim_start().to_owned()).collect(),
        changed: changed.collect(),
        conflict,
        ..Done::default()
    }
}

/// Copies a set, complete or not at all.
fn save_as(file: &Path, to: &Path, overwrite: bool) -> Result<Done> {
    let failed = |e: std::io::Error| {
        Error::new(ErrorKind::Storage, format!("the set was not saved: {e}: {}", to.display()))
            .hint("check that the folder exists and can be written, or name another one")
    };
    let bytes = std::fs::read(file).map_err(failed)?;
    let to = match to.is_dir() {
        true => to.join(file.file_name().unwrap_or_default()),
        false => to.to_owned(),
    };
    check_replaceable(&to, overwrite)?;
    let folder = to.parent().filter(|p| !p.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), Path::to_owned);
    let mut copy = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    std::io::Write::write_all(&mut copy, &bytes).and_then(|()| copy.as_file().sync_all()).map_err(failed)?;
    match overwrite {
        true => copy.persist(&to),
        false => copy.persist_noclobber(&to),
    }
    .map_err(|e| match e.error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Error::new(ErrorKind::Storage, format!("the file exists already and was left as it is: {}", to.display()))
                .hint("choose another name, or replace it on purpose")
        }
        _ => failed(e.error),
    })?;
    Ok(Done { text: format!("Saved the set as {}", to.display()), ..Done::default() })
}

#[cfg(unix)]
fn identity(file: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    file.metadata().ok().map(|m| (m.dev(), m.ino()))
}

#[cfg(not(unix))]
fn identity(file: &Path) -> Option<(u64, u64)> {
    file.metadata().ok().map(|m| (m.len(), 0))
}

impl Backend for Engine {
    fn view(&mut self) -> std::result::Result<View, Failure> {
        let now = self.file_states();
        let replaced = self.seen.iter().any(|(file, old)| now.get(file).is_some_and(|new| old.1 != new.1));
        if replaced || self.env.nodes.len() < 2 || self.env.files().len() != self.files {
            // Another program has put other files in their place, as `objsync install --overwrite` does, or added one.
            let dir = self.env.dir().to_owned();
            self.reopen(&dir).map_err(failure)?;
        }
        self.files = self.env.files().len();
        self.seen = self.file_states();
        self.look().map_err(failure)
    }

    fn progress(&self) -> Progress {
        self.progress.clone()
    }

    fn changed(&mut self) -> bool {
        self.seen != self.file_states() || self.env.files().len() != self.files
    }

    fn run(&mut self, action: Action) -> std::result::Result<Done, Failure> {
        // An open file that was deleted or replaced still takes what is written, and it is gone with it.
        let here = |n: &Node| self.seen.get(n.path()).is_none_or(|seen| identity(n.path()) == seen.1);
        let elsewhere = matches!(action, Action::Open { .. });
        if !elsewhere && !self.env.nodes.iter().all(here) {
            let message =
                format!("the databases in {} were deleted or replaced; nothing was changed", self.env.dir().display());
            return Err(Failure {
                message,
                hint: "wait until the window shows the new ones, or open another folder".to_owned(),
            });
        }
        self.act(action).map_err(failure)
    }
}

fn failure(error: Error) -> Failure {
    Failure { message: error.message().to_owned(), hint: error.what_next().to_owned() }
}
