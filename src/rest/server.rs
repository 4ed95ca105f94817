//! Serving: a thread of its own that listens, bounded in every way in which a client could hold it up.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

use crate::rest::access::{Access, FailedSignIn};
use crate::rest::folders::Folders;
use crate::rest::inspect::STREAMS;
use crate::rest::leftovers;
use crate::rest::origin::OwnNames;
use crate::rest::pool::Pool;
use crate::rest::routes::{self, App, Client};
use crate::rest::slots::Slots;
use crate::sync::{Error, ErrorKind, Result};

/// The port of the original demo's examples.
pub const PORT: u16 = 52773;

/// Connections at once. One more takes the place of the oldest that has not signed in.
const CONNECTIONS: usize = 512;

/// How long a client may take to say what it wants.
const HEADERS: Duration = Duration::from_secs(10);

/// How long a client may read nothing of an answer.
const READING: Duration = Duration::from_secs(30);

/// Bytes of answers that the system keeps for a client that does not read. It takes more only once a good part of them is read.
const UNREAD: u32 = 64 * 1024;

/// Bytes of requests that are read ahead, and of answers that are written ahead.
const BUFFER: usize = 64 * 1024;

/// Clients that the system lets wait to be accepted.
const BACKLOG: u32 = 1024;

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
    /// Is told of every sign-in that fails, on a thread of the server.
    pub on_failed_sign_in: Option<fn(&FailedSignIn)>,
}

impl Default for Options {
    fn default() -> Self {
        Options { bind: Ipv4Addr::LOCALHOST.into(), port: PORT, allow: Vec::new(), on_failed_sign_in: None }
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
        let mut access = Access::read(pool.dir())?;
        access.on_failure = options.on_failed_sign_in;
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
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            listen(SocketAddr::new(options.bind, options.port))?
        };
        let address = listener.local_addr()?;
        let names = OwnNames { bound: address, certified: None };
        let (stop, stopping) = watch::channel(false);
        let app = App {
            pool: pool.clone(),
            folders,
            access: Arc::new(access),
            names,
            streams: Arc::new(Semaphore::new(STREAMS)),
            stopping: stopping.clone(),
        };
        let router = routes::router(app);
        let idle = pool.clone();
        let thread = std::thread::Builder::new().name("rest".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::spawn(close_idle(idle));
                Service { router, stopping }.run(listener).await;
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

fn listen(wanted: SocketAddr) -> Result<TcpListener> {
    let listener = || {
        let socket = if wanted.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // As the standard library does it: elsewhere that means another thing.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        // Connections inherit it.
        socket.set_send_buffer_size(UNREAD)?;
        socket.bind(wanted)?;
        socket.listen(BACKLOG)
    };
    listener().map_err(|e: std::io::Error| {
        let what = format!("{wanted} cannot be listened at: {e}; nothing is served");
        let taken = e.kind() == std::io::ErrorKind::AddrInUse;
        Error::new(if taken { ErrorKind::Busy } else { ErrorKind::Storage }, what)
            .hint("another program may be there; choose another port (--port)")
    })
}

/// What every connection is served with.
#[derive(Clone)]
struct Service {
    router: axum::Router,
    stopping: watch::Receiver<bool>,
}

impl Service {
    /// Serves until it is to stop, and then finishes what runs.
    async fn run(self, listener: TcpListener) {
        let graceful = GracefulShutdown::new();
        let connections = Slots::new(CONNECTIONS);
        let mut stopping = self.stopping.clone();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stopping.wait_for(|stop| *stop) => break,
            };
            let Ok((stream, from)) = accepted else {
                // No file handle left, say: that passes.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let slot = tokio::select! {
                slot = connections.enter() => slot,
                _ = stopping.wait_for(|stop| *stop) => break,
            };
            let (service, watcher) = (self.clone(), graceful.watcher());
            tokio::spawn(async move {
                let client = Client { from: from.ip(), signed_in: slot.signed_in() };
                tokio::select! {
                    () = service.requests(stream, client, watcher) => {}
                    () = slot.evicted() => {}
                }
            });
        }
        drop(listener);
        tokio::select! {
            () = graceful.shutdown() => {}
            () = tokio::time::sleep(FAREWELL) => {}
        }
    }

    async fn requests(self, stream: TcpStream, client: Client, watcher: Watcher) {
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEADERS).keep_alive(true).max_buf_size(BUFFER);
        // Who has no clock sends no date (RFC 9110, 6.6.1); and hyper panics before 1970.
        http.auto_date_header(SystemTime::now() >= SystemTime::UNIX_EPOCH);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(READING));
        let router = self.router;
        let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(client.clone());
            router.clone().oneshot(request)
        });
        // A client that breaks off is its own affair.
        let _ = watcher.watch(http.serve_connection(TokioIo::new(Box::pin(stream)), service)).await;
    }
}
