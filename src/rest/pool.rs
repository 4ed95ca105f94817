//! Open environments for requests. SQLite lets many read while one writes, so requests that only read go on side by side, and
//! those that write stand in line here instead of waiting in SQLite for whoever is quickest.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as Line, Semaphore};

use crate::rest::problem::Problem;
use crate::sync::{Environment, Result, Role};

/// Requests that use the databases at once.
const AT_ONCE: usize = 8;

/// Streams that look at the databases at once, apart from requests: who listens holds up nobody who asks.
const WATCHING_AT_ONCE: usize = 2;

/// How long a request stands in line before it is told to come back.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whose base URL a request was sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Namespace {
    /// The master, whatever its name.
    Master,
    /// The first client.
    Client,
    /// The node of that name.
    Named(String),
}

impl Namespace {
    pub(crate) fn place(&self, env: &Environment) -> std::result::Result<usize, Problem> {
        let of_role = |role| env.nodes.iter().position(|node| node.info().role == role);
        match self {
            Namespace::Master => of_role(Role::Master)
                .ok_or_else(|| Problem::not_found("there is no master in this environment; nothing was changed")),
            Namespace::Client => of_role(Role::Client)
                .ok_or_else(|| Problem::not_found("there is no client in this environment; nothing was changed")),
            Namespace::Named(name) => place_of(env, name),
        }
    }
}

/// The place of the node of that name.
pub(crate) fn place_of(env: &Environment, name: &str) -> std::result::Result<usize, Problem> {
    env.index(name).map_err(|error| {
        let problem = Problem::from(error);
        Problem { hint: problem.hint, by_engine: problem.by_engine, ..Problem::not_found(problem.detail) }
    })
}

/// What a request does with the databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Reads,
    Writes,
    /// Reads for a stream of events.
    Watches,
}

/// Which files there are, and that they are still the same: "Restart demo" puts others in their place.
type Files = Vec<(PathBuf, Option<std::time::SystemTime>, u64)>;

/// An environment that nobody uses now, the files on which it was opened, and since when.
struct Idle {
    files: Files,
    env: Environment,
    since: Instant,
}

#[derive(Clone)]
pub(crate) struct Pool {
    dir: PathBuf,
    sets: PathBuf,
    idle: Arc<Mutex<Vec<Idle>>>,
    at_once: Arc<Semaphore>,
    watching: Arc<Semaphore>,
    /// The folders from which errors name files, links resolved and not.
    folders: Arc<Vec<PathBuf>>,
    writers: Arc<Line<()>>,
}

impl Pool {
    /// Opens the environment once, so that what is wrong with it is said before anybody asks.
    pub(crate) fn open(dir: &Path) -> Result<Pool> {
        let env = Environment::open(dir)?;
        let (dir, sets) = (env.dir().to_owned(), env.sets());
        let mut folders = vec![dir.clone()];
        folders.extend(dir.canonicalize().ok());
        Ok(Pool {
            idle: Arc::default(),
            dir,
            sets,
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            watching: Arc::new(Semaphore::new(WATCHING_AT_ONCE)),
            folders: Arc::new(folders),
            writers: Arc::default(),
        })
    }

    /// Errors name files in these folders, too, from there.
    pub(crate) fn also_in<'a>(mut self, folders: impl Iterator<Item = &'a Path>) -> Pool {
        Arc::make_mut(&mut self.folders).extend(folders.map(Path::to_owned));
        self
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of sets, which need not be there yet.
    pub(crate) fn sets(&self) -> &Path {
        &self.sets
    }

    /// Does something with the environment, on a thread that may wait.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        kind: Use,
        work: impl FnOnce(&mut Environment) -> std::result::Result<T, Problem> + Send + 'static,
    ) -> std::result::Result<T, Problem> {
        let in_time = |_| Problem::busy();
        let _writer = match kind {
            Use::Writes => {
                Some(tokio::time::timeout(PATIENCE, self.writers.clone().lock_owned()).await.map_err(in_time)?)
            }
            Use::Reads | Use::Watches => None,
        };
        let at_once = if kind == Use::Watches { &self.watching } else { &self.at_once };
        let permit = tokio::time::timeout(PATIENCE, at_once.clone().acquire_owned()).await.map_err(in_time)?;
        let pool = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            // Held until the work is done, also where nobody waits for the answer any more.
            let _held = (permit, _writer);
            let (files, mut env) = pool.take()?;
            let result = work(&mut env);
            pool.give(files, env);
            result
        });
        let done = done.await.unwrap_or_else(|_| {
            Err(Problem::new(
                axum::http::StatusCode::INTERNAL_SERVER_ERROR,
                "something went wrong in the server; what was not finished changed nothing",
            ))
        });
        done.map_err(|problem| problem.without_paths(&self.folders))
    }

    fn take(&self) -> Result<(Files, Environment)> {
        let now = files(&self.dir);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(last) = idle.pop() {
            if last.files == now {
                return Ok((last.files, last.env));
            }
        }
        drop(idle);
        // Files that change while it is opened make it stale at once, not wrong.
        Ok((now, Environment::open(&self.dir)?))
    }

    /// With the files on which it was opened: whoever takes it next sees whether they are others by now.
    fn give(&self, files: Files, env: Environment) {
        let idle = Idle { files, env, since: Instant::now() };
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle);
    }

    /// Closes what nobody has used for that long: an open database can be moved or replaced by nobody.
    pub(crate) fn close_idle(&self, for_long: Duration) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).retain(|idle| idle.since.elapsed() < for_long);
    }
}

/// The database files of a folder, each with when it was made and, where there is such a thing, its inode.
fn files(dir: &Path) -> Files {
    let identified = |path: PathBuf| {
        let metadata = path.metadata().ok()?;
        Some((path, metadata.created().ok(), inode(&metadata)))
    };
    Environment::files_in(dir).into_iter().filter_map(identified).collect()
}

#[cfg(unix)]
fn inode(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &std::fs::Metadata) -> u64 {
    0
}
