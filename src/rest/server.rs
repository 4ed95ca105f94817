//! Serving: a thread of its own that listens, bounded in every way in which a client could hold it up.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_io_timeout::TimeoutStream;

use crate::rest::access::Access;
use crate::rest::folders::Folders;
use crate::rest::leftovers;
use crate::rest::origin::OwnNames;
use crate::rest::pool::Pool;
use crate::rest::routes::{self, App};
use crate::sync::{Error, ErrorKind, Result};

/// The port of the original demo's examples.
pub const PORT: u16 = 52773;

/// Connections at once; more wait to be accepted.
const CONNECTIONS: usize = 512;

/// How long a client may take to say what it wants.
const HEADERS: Duration = Duration::from_secs(10);

/// How long a client may leave an answer unread.
const READING: Duration = Duration::from_secs(10);

/// How long databases stay open that nobody asks for.
const IDLE: Duration = Duration::from_secs(2);

/// How long the server waits for what runs when it is stopped.
const FAREWELL: Duration = Duration::from_secs(20);

/// Where and how to serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address to listen at. Any but a loopback address needs credentials of one's own.
    pub bind: IpAddr,
    /// The port; 0: any that is free.
    pub port: u16,
    /// Folders beside the environment's in which sets may lie.
    pub allow: Vec<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Options { bind: Ipv4Addr::LOCALHOST.into(), port: PORT, allow: Vec::new() }
    }
}

/// A server that runs until it is stopped or dropped.
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    pool: Pool,
    thread: Option<JoinHandle<()>>,
    own_credentials: bool,
    /// Held while it runs: one server an environment.
    _lock: File,
}

impl Server {
    /// Serves the environment in a folder, from a thread of its own.
    pub fn start(dir: &Path, options: &Options) -> Result<Server> {
        let pool = Pool::open(dir)?;
        let access = Access::read(pool.dir())?;
        let own_credentials = access.are_own();
        if !options.bind.is_loopback() && !own_credentials {
            let what = format!(
                "to serve at {}, where other machines can ask, credentials of your own are needed; nothing is served",
                options.bind
            );
            return Err(Error::new(ErrorKind::Usage, what).hint("set them first: objsync credentials USER"));
        }
        let folders = Folders::new(pool.dir(), &options.allow).map_err(|e| {
            Error::new(ErrorKind::Usage, format!("an allowed folder cannot be used: {e}; nothing is served"))
        })?;
        let pool = pool.also_in(folders.allowed());
        let lock = lock(pool.dir())?;
        leftovers::clear(pool.dir(), std::iter::once(pool.sets()).chain(folders.allowed()));
        let wanted = SocketAddr::new(options.bind, options.port);
        let listener = std::net::TcpListener::bind(wanted).map_err(|e| {
            let what = format!("{wanted} cannot be listened at: {e}; nothing is served");
            let taken = e.kind() == std::io::ErrorKind::AddrInUse;
            Error::new(if taken { ErrorKind::Busy } else { ErrorKind::Storage }, what)
                .hint("another program may be there; choose another port (--port)")
        })?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (stop, stopping) = watch::channel(false);
        let app = App {
            pool: pool.clone(),
            folders,
            access: Arc::new(access),
            names: OwnNames { bound: address, certified: None },
            stopping: stopping.clone(),
        };
        let router = routes::router(app);
        let idle = pool.clone();
        let thread = std::thread::Builder::new().name("rest".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::spawn(close_idle(idle));
                serve(listener, router, stopping).await;
            });
            runtime.shutdown_timeout(FAREWELL);
        })?;
        Ok(Server { own_credentials, address, stop, pool, thread: Some(thread), _lock: lock })
    }

    /// Whether credentials of one's own are stored; else they are the demo's.
    pub fn has_own_credentials(&self) -> bool {
        self.own_credentials
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the databases until somebody asks again, so that they can be replaced.
    pub fn release(&self) {
        self.pool.close_idle(Duration::ZERO);
    }

    /// Accepts nothing more, finishes what runs, and returns.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // Where nobody listens any more, it has ended already.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Locks an environment for one server.
fn lock(dir: &Path) -> Result<File> {
    let file = dir.join(".objsync-rest");
    let cannot = |e: std::io::Error| Error::new(ErrorKind::Storage, format!("{e}: {}", file.display()));
    let lock = File::options().create(true).truncate(false).write(true).open(&file).map_err(cannot)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => {
            let what = format!("another program serves {} already; nothing more is served", dir.display());
            Err(Error::new(ErrorKind::Storage, what).hint("use that one, or close it first"))
        }
        Err(std::fs::TryLockError::Error(e)) => Err(cannot(e)),
    }
}

async fn close_idle(pool: Pool) {
    loop {
        tokio::time::sleep(IDLE).await;
        pool.close_idle(IDLE);
    }
}

async fn serve(listener: std::net::TcpListener, router: axum::Router, mut stopping: watch::Receiver<bool>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let graceful = GracefulShutdown::new();
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = async {
            let permit = connections.clone().acquire_owned().await.ok();
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            accepted = accepted => accepted,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        let Ok((stream, _)) = accepted else {
            // No file handle left, say: that passes.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEADERS).keep_alive(true);
        // Who has no clock sends no date (RFC 9110, 6.6.1); and hyper panics before 1970.
        http.auto_date_header(SystemTime::now() >= SystemTime::UNIX_EPOCH);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(READING));
        let connection =
            http.serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(router.clone()));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A client that breaks off is its own affair.
            let _ = connection.await;
            drop(permit);
        });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(FAREWELL) => {}
    }
}
