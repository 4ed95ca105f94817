//! Installing the demo environment: two nodes with the same sample data, level with each other.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::demo::aside::{Moved, put_aside};
use crate::demo::folder::Folder;
use crate::demo::populate::{Amounts, populate, rng};
use crate::demo::tables;
use crate::sync::{Environment, Error, ErrorKind, Node, NodeId, NodeInfo, Progress, Result, Role, SETS, private_file};

/// What to install.
#[derive(Clone, Debug)]
pub struct Installation {
    /// The master's namespace.
    pub master: String,
    /// The client's namespace.
    pub client: String,
    /// How much sample data.
    pub amounts: Amounts,
    /// Makes the data repeatable.
    pub seed: Option<u64>,
    /// Whether a demo that is there may be put aside for the new one.
    pub overwrite: bool,
}

impl Default for Installation {
    fn default() -> Self {
        Installation {
            master: "MASTER".to_owned(),
            client: "CLIENT".to_owned(),
            amounts: Amounts { items: 50, customers: 50, employees: 100, orders: 1000 },
            seed: None,
            overwrite: false,
        }
    }
}

/// What was installed.
pub struct Installed {
    /// The new environment.
    pub environment: Environment,
    /// Where the files of the one before are now, if there was one.
    pub aside: Option<PathBuf>,
}

/// Makes the environment: `master.db`, `client.db` and a folder `sets`. Everything is built beside and then put in place, so
/// a failure leaves what was there. `progress` can stop it.
pub fn install(dir: &Path, what: &Installation, progress: &Progress) -> Result<Environment> {
    reinstall(dir, what, progress).map(|installed| installed.environment)
}

/// The same, and says where the files of an environment went that was there. They are put aside whole: nothing is deleted.
pub fn reinstall(dir: &Path, what: &Installation, progress: &Progress) -> Result<Installed> {
    check(what)?;
    let folder = Folder::read(dir)?;
    folder.check_replaceable()?;
    if !folder.is_empty() && !what.overwrite {
        let text = format!("{} holds an environment already; nothing was changed", dir.display());
        return Err(Error::new(ErrorKind::Storage, text)
            .hint("name another folder with --dir, or replace it on purpose with --overwrite"));
    }
    let made_folder = !dir.exists();
    let installed = install_in(&folder, what, progress);
    if installed.is_err() && made_folder {
        // Fails where somebody has put something there meanwhile, and then it stays.
        let _ = std::fs::remove_dir(dir);
    }
    installed
}

fn install_in(folder: &Folder, what: &Installation, progress: &Progress) -> Result<Installed> {
    let dir = folder.dir();
    let failed = |e: std::io::Error| not_made(dir, e);
    std::fs::create_dir_all(dir).map_err(failed)?;
    let beside = tempfile::Builder::new().prefix(".objsync-install-").tempdir_in(dir).map_err(failed)?;
    build(beside.path(), what, progress)?;
    let mut moved = Moved::default();
    match put_in_place(beside.path(), folder, what.overwrite, &mut moved) {
        Ok(installed) => {
            moved.keep();
            Ok(installed)
        }
        Err(e) => Err(match moved.put_back().first() {
            None => not_made(dir, e),
            Some((from, to)) => {
                let (from, to) = (from.display(), to.display());
                let what =
                    format!("the environment could not be made ({}), and {from} could not be put back", e.message());
                Error::new(e.kind(), what)
                    .hint(format!("it is {to}: move it back, and the files beside it; nothing is lost"))
            }
        }),
    }
}

/// Refuses what cannot be installed anywhere.
fn check(what: &Installation) -> Result<()> {
    for name in [&what.master, &what.client] {
        NodeInfo::check_name(name)?;
    }
    if crate::words::same_name(&what.master, &what.client) {
        let text = format!("master and client need two names, and both are {}; nothing was changed", what.master);
        return Err(Error::new(ErrorKind::Usage, text));
    }
    let Amounts { items, customers, employees, orders } = what.amounts;
    if orders > 0 && [items, customers, employees].contains(&0) {
        let text = "orders need items, customers and employees to refer to; nothing was changed";
        return Err(
            Error::new(ErrorKind::Usage, text).hint("ask for at least one of each, or for no orders (--orders 0)")
        );
    }
    Ok(())
}

/// What was there goes aside, what was built takes its place.
fn put_in_place(built: &Path, folder: &Folder, overwrite: bool, moved: &mut Moved) -> Result<Installed> {
    let dir = folder.dir();
    let aside = if overwrite { put_aside(dir, &folder.files(), moved)? } else { None };
    for name in ["master.db", "client.db"] {
        moved.file(&built.join(name), &dir.join(name))?;
    }
    if !dir.join(SETS).is_dir() {
        moved.folder(&dir.join(SETS))?;
    }
    Ok(Installed { environment: Environment::open(dir)?, aside })
}

fn not_made(dir: &Path, error: impl Into<Error>) -> Error {
    let error = error.into();
    if error.message().contains("nothing was changed") {
        return error;
    }
    let what =
        format!("the environment could not be made, nothing was changed: {}: {}", error.message(), dir.display());
    Error::new(error.kind(), what).hint("check that the folder can be written, or name another one with --dir")
}

fn build(dir: &Path, what: &Installation, progress: &Progress) -> Result<()> {
    let file = dir.join("master.db");
    private_file::create(&file)?;
    let conn = Connection::open(&file)?;
    conn.execute_batch(tables::SCHEMA)?;
    drop(conn);
    let info = NodeInfo { guid: NodeId::random(), name: what.master.clone(), role: Role::Master };
    let mut master = Node::create_watched(&file, info, &tables::classes(), progress)?;
    populate(&mut master, what.amounts, &mut rng(what.seed))?;
    let client = master.fresh_copy(&dir.join("client.db"), &what.client, Role::Client)?;
    client.connection().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    master.connection().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(())
}
