//! The command line: [`args`] says what can be asked, `commands` does it (`decide` what decides, `inspect` what looks
//! inside, `check` what proves, `serve` serves REST, `track` makes nodes of other databases), `output` says what came of it.
//!
//! Invariant: with `--json`, standard output holds one JSON value, or nothing on failure; messages go to standard error.
//! Exit codes: 0 done, 1 only from `verify` (they differ) and `check` (something is
//! wrong), 2 wrong use, 3 refused or failed and nothing changed.

pub mod args;
mod check;
mod commands;
mod decide;
mod inspect;
mod nodes;
mod output;
mod progress;
mod references;
#[cfg(feature = "rest")]
mod serve;
mod track;

use std::path::PathBuf;
use std::process::ExitCode;
#[cfg(unix)]
use std::sync::Arc;

use clap::Parser;

#[cfg(feature = "app")]
use crate::demo::install::{Installation, install};
use crate::demo::scenario::TOUR;
#[cfg(feature = "app")]
use crate::sync::Progress;
use crate::sync::{Error, ErrorKind, Result};

/// Runs the program with the arguments of this process.
pub fn run() -> ExitCode {
    #[cfg(unix)]
    survive_full_files();
    let args = args::Args::parse();
    let place = named_place(&args);
    let outcome = match args.command {
        None if !args.place.db.is_empty() => {
            let what =
                "the window shows the demo in a folder (--dir FOLDER), not single databases; nothing was changed";
            Err(Error::new(ErrorKind::Usage, what).hint(
                "use the commands: objsync status, and in the same way sync, conflicts, verify and check; `objsync --help` lists all",
            ))
        }
        None => window(args.place.dir.clone()),
        Some(command) => commands::run(command, &place, args.json),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            progress::clear();
            output::error(&error, &place);
            ExitCode::from(match error.kind() {
                ErrorKind::Usage | ErrorKind::NotFound => 2,
                _ => 3,
            })
        }
    }
}

/// A file that would grow over the limit of the shell (`ulimit -f`) is an error like a full disk, not the end of the program.
#[cfg(unix)]
fn survive_full_files() {
    // Where that cannot be handled, it ends the program as before.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}

/// Where the nodes are, as the user named it, which commands that are proposed name as well.
fn named_place(args: &args::Args) -> args::Place {
    use args::Command::{Copy, Track};
    match &args.command {
        Some(Track { file, .. } | Copy { file, .. }) => args::Place { dir: None, db: vec![file.clone()] },
        _ => args.place.clone(),
    }
}

/// The folder meant where none is given: OBJSYNC_DIR, or the user's data folder.
fn default_dir() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("OBJSYNC_DIR").filter(|d| !d.is_empty()) {
        return Ok(dir.into());
    }
    let dirs = directories::ProjectDirs::from("", "", "objsync");
    dirs.map(|d| d.data_dir().to_owned()).ok_or_else(|| {
        Error::new(ErrorKind::Usage, "this machine tells no data folder of the user").hint("name a folder with --dir")
    })
}

fn dir_or_default(dir: Option<PathBuf>) -> Result<PathBuf> {
    dir.map_or_else(default_dir, Ok)
}

#[cfg(feature = "app")]
fn window(dir: Option<PathBuf>) -> Result<ExitCode> {
    let dir = dir_or_default(dir)?;
    // What cannot be shown is refused before anything else, and no demo is made among other databases.
    let is_new = crate::app::check_shown(&dir)?;
    if let Some(why) = crate::app::cannot_show() {
        eprintln!("{why}\n\nThe same demo, told in the terminal:\n");
        return commands::tour(TOUR.name, output::Output { json: false, place: &args::Place::default() });
    }
    if is_new {
        eprintln!("Making the demo environment in {}", dir.display());
        install(&dir, &Installation::default(), &Progress::default())?;
    }
    match crate::app::run(Box::new(crate::app::Engine::open(&dir)?)) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(e) => {
            eprintln!("The window cannot be shown: {e}");
            eprintln!(
                "Check that DISPLAY or WAYLAND_DISPLAY names a display that runs.\n\nThe same demo, told in the terminal:\n"
            );
            commands::tour(TOUR.name, output::Output { json: false, place: &args::Place::default() })
        }
    }
}

#[cfg(not(feature = "app"))]
fn window(_dir: Option<PathBuf>) -> Result<ExitCode> {
    eprintln!(
        "This objsync was built without its window (cargo feature `app`).\n`objsync --help` lists the commands.\n\nThe demo, told in the terminal:\n"
    );
    commands::tour(TOUR.name, output::Output { json: false, place: &args::Place::default() })
}
