//! The real [`Backend`]: an environment's first two nodes, the master and a client, as the window sees them.
//!
//! Lives on the worker's thread. Reading is `look.rs`, with the orders that `kept.rs` keeps; here is what the window can ask
//! for: `exchanging.rs` has sets, `deciding.rs` what decides, `undoing.rs` undo, `touring.rs` the tour, `serving.rs` REST, `travelling.rs` a node
//! as it was, `files.rs` what is written into files, `opening.rs` other folders.
//! Invariant: after any failure the environment is as it was, and stays open.

mod deciding;
mod exchanging;
mod files;
pub(super) mod kept;
mod opening;
mod serving;
mod touring;
mod travelling;
mod undoing;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rand::rngs::StdRng;

use crate::app::snapshot::grouped_decimal;
use crate::app::view::{Action, Backend, Done, Failure, Restart, SideIndex, View};
use crate::demo::edit::{change_order, delete_orders, new_order};
use crate::demo::populate::{random_orders, rng};
use crate::demo::query;
use crate::demo::tables::ORDER;
use crate::sync::syncset::{self, Size, SyncSet};
use crate::sync::{ApplyOptions, Environment, Error, ErrorKind, Guid, Node, Progress, Result, Role, Since};
use crate::words::{count, visible};

use exchanging::applied;
pub(super) use opening::check_shown;
use opening::{Opened, bring_to_front};
use serving::Serving;
use touring::Touring;

/// The engine behind the window.
pub struct Engine {
    /// The two nodes that are shown stand first.
    pub(super) env: Environment,
    /// Their names.
    shown: [String; 2],
    /// What a restart would put aside.
    restart: Restart,
    /// What identified each file's state when it was last read.
    seen: HashMap<PathBuf, FileState>,
    /// How many database files the folder held then.
    files: usize,
    /// The files of prepared sets that are shown, and their times; none: not there.
    cards: Vec<(PathBuf, Option<SystemTime>)>,
    /// Prepared sets by digest, with their file's length and time: reading one again for every view would be a waste.
    pub(super) sets: HashMap<String, (Arc<SyncSet>, (u64, SystemTime))>,
    rng: StdRng,
    progress: Progress,
    /// What was read last.
    kept: Option<kept::Kept>,
    /// The tour whose environment is open.
    tour: Option<Touring>,
    serving: Serving,
}

/// SQLite's `cache_size` while a view is read, 2 MB: most is read once, from end to end, and keeping it is of no use.
const CACHE_OF_A_VIEW: i64 = -2048;

/// Changes when another program writes to a file, or puts another file in its place.
type FileState = (Option<i64>, Option<(u64, u64)>);

impl Engine {
    /// Opens the environment in a folder. It must hold a master and a client of the demo, and no node of anything else.
    pub fn open(dir: &Path) -> Result<Engine> {
        let progress = Progress::default();
        let Opened { env, shown, restart } = Opened::read(dir, None, &progress)?;
        let files = env.files().len();
        Ok(Engine {
            env,
            shown,
            restart,
            seen: HashMap::new(),
            files,
            cards: Vec::new(),
            sets: HashMap::new(),
            rng: rng(None),
            progress,
            kept: None,
            tour: None,
            serving: Serving::default(),
        })
    }

    /// Shows a node in a pane; if the other pane has it, they change places.
    fn show(&mut self, side: SideIndex, name: &str) -> Result<()> {
        let name = self.env.nodes[self.env.index(name)?].info().name.clone();
        if self.shown[1 - side] == name {
            self.shown.swap(0, 1);
        } else {
            self.shown[side] = name;
        }
        bring_to_front(&mut self.env, &self.shown)
    }

    /// The pane of the node that a set is addressed to. One that is not shown is brought into view.
    pub(super) fn addressee(&mut self, file: &Path) -> Result<SideIndex> {
        let place = self.env.addressee(file, Size::Usual)?;
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

    /// Sets how much of each file SQLite keeps in memory, as its `cache_size`; what that was.
    fn cache(&self, size: i64) -> Result<i64> {
        let mut before = size;
        for node in &self.env.nodes {
            before = node.connection().pragma_query_value(None, "cache_size", |r| r.get(0))?;
            node.connection().pragma_update(None, "cache_size", size)?;
        }
        Ok(before)
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
                    let [old, new] = [before.quantity, after.quantity].map(|n| grouped_decimal(n, false));
                    what.push(format!("quantity {old} → {new}"));
                }
                if before.price != after.price {
                    let [old, new] = [before.price, after.price].map(|n| grouped_decimal(n, true));
                    what.push(format!("price {old} → {new}"));
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
                self.prepare(side, id, file, Since::Sent, overwrite)
            }
            Action::PrepareAgain { side } => {
                let id = self.env.nodes[side].next_set_id()?;
                let file = self.env.set_file(None, side, id)?;
                self.prepare(side, id, file, Since::Acknowledged, false)
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
            Action::SaveSetAs { file, to, overwrite } => files::save_as(&file, &to, overwrite),
            Action::SyncBoth => self.sync_both(),
            Action::Verify => self.verify(),
            Action::SetRule { class, rule } => {
                let all: Vec<usize> = (0..self.env.nodes.len()).collect();
                self.env.at_each(&all, |node| node.set_rule(class.as_deref(), rule))?;
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
            Action::RestartDemo { files } => self.restart(&files),
            Action::Open { dir } => self.open_other(&dir),
            Action::NewEnvironment { dir } => self.make_other(&dir),
            Action::Serve { rest } => {
                let served = self.serving.set(rest, self.env.dir());
                let text = match (served.address, served.why_not) {
                    (Some(address), _) => format!("REST is served on {}", address.trim_start_matches("http://")),
                    (None, Some(why)) => format!("REST is not served: {}", why.lines().next().unwrap_or_default()),
                    (None, None) => "REST is not served".to_owned(),
                };
                Ok(Done { text, ..Done::default() })
            }
            Action::Undo { filed, again, confirmed } => self.undo(filed, again, confirmed),
            Action::StartTour { scenario, ready } => self.start_tour(scenario, ready),
            Action::PlayStep { step } => self.play_step(step),
            Action::TravelTo { side, number } => self.travel_to(side, number),
            Action::ObjectsOfSet { file } => {
                let set = syncset::read(&file, Size::Usual)?;
                let select = set.objects.iter().map(|o| o.guid).collect();
                let text = format!(
                    "Set {} from {}: {}",
                    set.header.id,
                    set.header.source.name,
                    count(set.objects.len(), "object")
                );
                Ok(Done { text, select, ..Done::default() })
            }
            Action::Write { what, text, to, overwrite } => files::write(&what, text.make().as_bytes(), &to, overwrite),
        }
    }
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
            self.reopen(&dir).map_err(|error| match error.kind() {
                ErrorKind::NotFound => gone(&dir),
                _ => failure(error),
            })?;
        }
        self.files = self.env.files().len();
        self.seen = self.file_states();
        let rest = self.serving.follow(self.env.dir());
        let usual = self.cache(CACHE_OF_A_VIEW).map_err(failure)?;
        let view = self.look();
        self.cache(usual).map_err(failure)?;
        let view = view.map_err(failure)?;
        let cards = view.lanes.iter().flat_map(|lane| &lane.prepared);
        self.cards = cards.map(|card| (card.file.clone(), modified(&card.file))).collect();
        Ok(View { rest, restart: self.restart.clone(), ..view })
    }

    fn progress(&self) -> Progress {
        self.progress.clone()
    }

    fn changed(&mut self) -> bool {
        self.seen != self.file_states()
            || self.env.files().len() != self.files
            || self.cards.iter().any(|(file, then)| modified(file) != *then)
    }

    fn run(&mut self, action: Action) -> std::result::Result<Done, Failure> {
        // An open file that was deleted or replaced still takes what is written, and it is gone with it.
        let here = |n: &Node| self.seen.get(n.path()).is_none_or(|seen| identity(n.path()) == seen.1);
        let elsewhere =
            matches!(action, Action::Open { .. } | Action::NewEnvironment { .. } | Action::StartTour { .. });
        let all_here = self.env.nodes.len() > 1 && self.env.nodes.iter().all(here);
        if !elsewhere && !all_here {
            let dir = self.env.dir().to_owned();
            let message = format!("the databases in {} were deleted or replaced; nothing was changed", dir.display());
            return Err(match Environment::exists(&dir) {
                true => Failure { message, hint: "wait until the window shows the new ones".to_owned() },
                false => gone(&dir),
            });
        }
        self.note_filed(action).map_err(failure)
    }
}

/// What the engine's hints call by the terminal's words, and where the window has it.
const ELSEWHERE: [(&str, &str); 11] = [
    ("choose another port (--port)", "choose another port under “REST…” in the environment's menu"),
    ("or replace that set on purpose (--overwrite)", "or type the file of that set: “Replace the file” replaces it"),
    ("or overwrite it on purpose (--overwrite)", "or replace it by “Replace the file”"),
    (
        "name another folder with --dir, or replace it on purpose with --overwrite",
        "name another folder, or open this one",
    ),
    ("make one: objsync install --dir ", "make one by “New environment…” in the environment's menu, in "),
    ("make the demo in another folder (--dir FOLDER)", "make the demo in another folder"),
    ("; a single database has commands, such as", "; for a single database use the commands in the terminal:"),
    ("or name another one with --dir", "or name another one"),
    (" (--since acknowledged)", " (“Prepare again” in the commands, Ctrl K)"),
    ("`objsync prepare` says where it wrote the set", "Sync sets in the dock says where each was written"),
    (", written by `objsync prepare`", ", written by “Prepare set…”"),
];

/// A hint with the window's buttons in place of the terminal's options.
fn in_windows_words(hint: &str) -> String {
    let hint = ELSEWHERE.iter().fold(hint.to_owned(), |hint, (terminal, window)| hint.replace(terminal, window));
    // These name nodes between their words.
    for (command, window) in [
        ("(objsync prepare --node ", "(“Prepare again” in the commands, Ctrl K)"),
        ("(objsync revert ", "(“Revert…” under Sync sets)"),
    ] {
        if let Some((before, rest)) = hint.split_once(command)
            && let Some((_, after)) = rest.split_once(')')
        {
            return format!("{before}{window}{after}");
        }
    }
    hint
}

fn modified(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|m| m.modified()).ok()
}

/// The folder of the environment that is shown is not there any more.
fn gone(dir: &Path) -> Failure {
    Failure {
        message: format!("the databases in {} are not there any more; what is shown was read before", dir.display()),
        hint: "bring the folder back, and the window goes on by itself; or open another environment".to_owned(),
    }
}

fn failure(error: Error) -> Failure {
    Failure { message: visible(error.message()), hint: visible(&in_windows_words(error.what_next())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_the_windows_buttons() {
        for (hint, said) in [
            ("use another id, such as 7, or replace that set on purpose (--overwrite)", "“Replace the file”"),
            ("choose another name or number, or overwrite it on purpose (--overwrite)", "“Replace the file”"),
            ("name another folder with --dir, or replace it on purpose with --overwrite", "open this one"),
            ("make one: objsync install --dir somewhere", "“New environment…”"),
            ("prepare a new one at MASTER (--since acknowledged)", "“Prepare again”"),
            ("prepare again (objsync prepare --node A --to B --since acknowledged)", "“Prepare again”"),
            ("revert it instead (objsync revert 1000 --node A)", "“Revert…”"),
        ] {
            let hint = in_windows_words(hint);
            assert!(hint.contains(said) && !hint.contains("--") && !hint.contains("objsync"), "{hint}");
        }
    }
}
