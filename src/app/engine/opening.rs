//! Opening the environment in a folder, and making a new demo in its place.
//!
//! The window shows the demo's tables only. Invariant: a folder is opened whole, or everything stays as it was; nothing is
//! written to databases that cannot be shown, and a new demo takes the place of nothing but a demo.

use std::path::{Path, PathBuf};

use super::Engine;
use crate::app::view::{Done, Restart};
use crate::demo::folder::{Folder, Holds};
use crate::demo::install::{Installation, install, reinstall};
use crate::sync::{Environment, Error, ErrorKind, Progress, Result};
use crate::words::quoted_path;

/// Nodes whose files a hint names one by one.
const NAMED: usize = 3;

/// An environment that is open.
pub(super) struct Opened {
    pub(super) env: Environment,
    /// The names of the two nodes shown, which stand first.
    pub(super) shown: [String; 2],
    /// What a restart would put aside.
    pub(super) restart: Restart,
}

impl Opened {
    /// Opens the environment in a folder; shows the nodes of these names where they are there.
    pub(super) fn read(dir: &Path, shown: Option<&[String; 2]>, progress: &Progress) -> Result<Opened> {
        let folder = Folder::read(dir)?;
        check_shown(&folder)?;
        let mut env = Environment::open(dir)?;
        env.set_progress(progress)?;
        let there = |name: &String| env.nodes.iter().any(|n| n.info().name == *name);
        let shown = match shown.filter(|names| names.iter().all(there)) {
            Some(names) => names.clone(),
            None => [0, 1].map(|i| env.nodes[i].info().name.clone()),
        };
        bring_to_front(&mut env, &shown)?;
        let strangers = folder.strangers();
        let why_not = (!strangers.is_empty()).then(|| format!("The folder holds more than the demo: {strangers}."));
        let restart = Restart { files: env.files(), why_not };
        Ok(Opened { env, shown, restart })
    }
}

/// Puts the nodes of these names first.
pub(super) fn bring_to_front(env: &mut Environment, shown: &[String; 2]) -> Result<()> {
    for (place, name) in shown.iter().enumerate() {
        let at = env.index(name)?;
        env.nodes.swap(place, at);
    }
    Ok(())
}

/// Refuses a folder that the window cannot show: with other tables, with what cannot be read, with less than two nodes.
pub(in crate::app) fn check_shown(folder: &Folder) -> Result<()> {
    let dir = folder.dir().display();
    let (mut demo, mut others) = (0, Vec::new());
    for database in folder.databases() {
        match &database.holds {
            Holds::Demo(_) => demo += 1,
            Holds::Others(..) => others.push(database.file.as_path()),
            Holds::NoNode => {}
            Holds::Unreadable(error) => {
                let hint = match error.what_next() {
                    "" => format!("objsync check --db {} says more", quoted_path(&database.file)),
                    hint => hint.to_owned(),
                };
                let what = format!("{dir} cannot be shown: {}; nothing was changed", folder.strangers());
                return Err(Error::new(error.kind(), what).hint(hint));
            }
        }
    }
    if !others.is_empty() {
        let what = format!(
            "{dir} cannot be shown: the window shows the demo's tables only, and {}; nothing was changed",
            folder.strangers()
        );
        return Err(Error::new(ErrorKind::Storage, what).hint(commands_for(&others)));
    }
    match demo {
        0 if folder.is_empty() => Err(crate::sync::missing(folder.dir())),
        0 => {
            let first = folder.databases().first().map(|d| quoted_path(&d.file)).unwrap_or_default();
            let what = format!("{dir} holds no environment: {}; nothing was changed", folder.strangers());
            let hint = "to synchronize such a database use the commands: objsync track";
            Err(Error::new(ErrorKind::Storage, what)
                .hint(format!("{hint} {first}, then objsync copy; or make the demo in another folder (--dir FOLDER)")))
        }
        1 => {
            let what =
                format!("{dir} holds one node only; the window shows a master and a client; nothing was changed");
            Err(Error::new(ErrorKind::NotFound, what)
                .hint("put the file of the other one back, or open another folder"))
        }
        _ => Ok(()),
    }
}

/// The commands that work for nodes with any tables.
fn commands_for(files: &[&Path]) -> String {
    let named = files.iter().take(NAMED).map(|file| format!(" --db {}", quoted_path(file)));
    let named: String = named.collect();
    let more = if files.len() > NAMED { " …" } else { "" };
    format!("use the commands for them: objsync status{named}{more}; in the same way sync, conflicts, verify and check")
}

impl Engine {
    /// Opens the environment in this folder anew, or another one; shows the same nodes where they are there.
    pub(super) fn reopen(&mut self, dir: &Path) -> Result<()> {
        let opened = Opened::read(dir, Some(&self.shown), &self.progress)?;
        self.put(opened);
        Ok(())
    }

    /// Puts an environment in the place of the one that is open, and gives that.
    fn put(&mut self, opened: Opened) -> Opened {
        let Opened { env, shown, restart } = opened;
        Opened {
            env: std::mem::replace(&mut self.env, env),
            shown: std::mem::replace(&mut self.shown, shown),
            restart: std::mem::replace(&mut self.restart, restart),
        }
    }

    /// Shows another environment. Where it cannot be opened or read, the one that is open stays, and all that is known of it.
    pub(super) fn open_other(&mut self, dir: &Path) -> Result<Done> {
        let opened = Opened::read(dir, Some(&self.shown), &self.progress)?;
        let beside =
            opened.restart.why_not.as_ref().map_or_else(String::new, |why| format!(". {why} They are left alone"));
        let before = self.put(opened);
        // A copied folder has the same nodes, and other rows.
        self.kept = None;
        if let Err(error) = self.look() {
            self.put(before);
            self.kept = None;
            return Err(error.while_doing(dir.display()));
        }
        drop(before);
        self.sets.clear();
        // Its files go with it; nothing has them open any more.
        self.tour = self.tour.take().filter(|tour| tour.is_at(self.env.dir()));
        Ok(Done { text: format!("Opened {}{beside}", self.env.dir().display()), ..Done::default() })
    }

    /// Makes a demo in a folder where there is none, and shows it.
    pub(super) fn make_other(&mut self, dir: &Path) -> Result<Done> {
        install(dir, &Installation::default(), &self.progress)?;
        self.open_other(dir).map_err(|e| e.after(format!("a demo is made in {}", dir.display())))
    }

    /// A new demo in the same folder, under the same names. These files are put aside, which were named to who asked for it. They are
    /// closed meanwhile.
    pub(super) fn restart(&mut self, files: &[PathBuf]) -> Result<Done> {
        let dir = self.env.dir().to_owned();
        let folder = Folder::read(&dir)?;
        folder.check_replaceable()?;
        if folder.files() != files {
            let what = format!(
                "the databases in {} are not those that were named any more; nothing was changed",
                dir.display()
            );
            return Err(Error::new(ErrorKind::Usage, what)
                .hint("choose “Restart demo…” once more: it names those that are there now"));
        }
        let what =
            Installation { master: self.name(0), client: self.name(1), overwrite: true, ..Installation::default() };
        self.env.nodes.clear();
        self.sets.clear();
        self.serving.release();
        let installed = reinstall(&dir, &what, &self.progress).map(|installed| installed.aside);
        let reopened = self.reopen(&dir);
        let aside = installed?;
        reopened.map_err(|e| e.after("a new demo is made"))?;
        let old = aside.map_or_else(String::new, |aside| format!("; the old files are in {}", aside.display()));
        Ok(Done { text: format!("Made a new demo in {}{old}", dir.display()), ..Done::default() })
    }
}
