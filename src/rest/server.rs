//! Serving: a thread of its own that listens, bounded in every way in which a client could hold it up.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use crate::rest::access::{Access, FailedSignIn};
use crate::rest::folders::Folders;
use crate::rest::inspect::STREAMS;
use crate::rest::leftovers;
use crate::rest::origin::OwnNames;
use crate::rest::pool::Pool;
use crate::rest::routes::{self, App, Client};
use crate::rest::slots::Slots;
use crate::rest::tls::{Tls, TlsFiles};
use crate::sync::{Error, ErrorKind, Result};

/// The port of the original demo's examples.
pub const PORT: u16 = 52773;

/// Connections at once. One more takes the place of the oldest that has not signed in.
const CONNECTIONS: usize = 512;

/// TLS handshakes at once. One more takes the place of the oldest.
const HANDSHAKES: usize = 64;

/// How long a TLS handshake may take, and the first byte of a client.
const HANDSHAKE: Duration = Duration::from_secs(10);

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
    /// The address to listen at. Any but a loopback address needs credentials of one's own, and TLS.
    pub bind: IpAddr,
    /// The port; 0: any that is free.
    pub port: u16,
    /// Folders beside the environment's in which sets may lie.
    pub allow: Vec<PathBuf>,
    /// Serves HTTPS with this certificate [default: HTTP].
    pub tls: Option<TlsFiles>,
    /// Serves other machines without TLS: whoever is on the way reads passwords and data, and can change them.
    pub insecure: bool,
    /// Is told of every sign-in that fails, on a thread of the server.
    pub on_failed_sign_in: Option<fn(&FailedSignIn)>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            bind: Ipv4Addr::LOCALHOST.into(),
            port: PORT,
            allow: Vec::new(),
            tls: None,
            insecure: false,
            on_failed_sign_in: None,
        }
    }
}

/// Something dangerous in how a server was started.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// Other machines are served without TLS.
    NotEncrypted(IpAddr),
    /// Every user of this machine can read the file of the private key.
    KeyIsOpen(PathBuf),
}

/// A server that runs until it is stopped or dropped.
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    pool: Pool,
    thread: Option<JoinHandle<()>>,
    own_credentials: bool,
    scheme: &'static str,
    warnings: Vec<Warning>,
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
        let tls = options.tls.as_ref().map(Tls::read).transpose()?;
        check_exposure(options, own_credentials)?;
        let mut warnings = Vec::new();
        if !is_local(options.bind) && tls.is_none() {
            warnings.push(Warning::NotEncrypted(options.bind));
        }
        if let (Some(files), true) = (&options.tls, tls.as_ref().is_some_and(|tls| tls.key_is_open)) {
            warnings.push(Warning::KeyIsOpen(files.key.clone()));
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
        let (acceptor, certified) = tls.map(|tls| (tls.acceptor, tls.names)).unzip();
        let names = OwnNames { bound: address, certified };
        let scheme = names.scheme();
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
                Service { router, acceptor, handshakes: Slots::new(HANDSHAKES), stopping }.run(listener).await;
            });
            runtime.shutdown_timeout(FAREWELL);
        })?;
        Ok(Server { own_credentials, address, scheme, warnings, stop, pool, thread: Some(thread), _lock: lock })
    }

    /// Whether credentials of one's own are stored; else they are the demo's.
    pub fn has_own_credentials(&self) -> bool {
        self.own_credentials
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http`, or `https` where it has a certificate.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// What is dangerous in how it was started.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
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

fn is_local(bind: IpAddr) -> bool {
    bind.to_canonical().is_loopback()
}

/// Refuses to serve other machines with credentials that everybody knows, or where others on the network can read along.
fn check_exposure(options: &Options, own_credentials: bool) -> Result<()> {
    if is_local(options.bind) {
        return Ok(());
    }
    let refused = |needed: &str| {
        let what =
            format!("to serve at {}, where other machines can ask, {needed} needed; nothing is served", options.bind);
        Error::new(ErrorKind::Usage, what)
    };
    if !own_credentials {
        return Err(refused("credentials of your own are").hint("set them first: objsync credentials USER"));
    }
    if options.tls.is_none() && !options.insecure {
        return Err(refused("TLS is").hint(
            "name a certificate and its key: --tls-cert FILE --tls-key FILE; or, where nobody else is on the network: --insecure",
        ));
    }
    Ok(())
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
    acceptor: Option<TlsAcceptor>,
    handshakes: Arc<Slots>,
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
                    () = service.connection(stream, client, watcher) => {}
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

    async fn connection(self, stream: TcpStream, client: Client, watcher: Watcher) {
        let Some(acceptor) = self.acceptor.clone() else { return self.requests(stream, client, watcher).await };
        let mut stopping = self.stopping.clone();
        let slot = self.handshakes.enter().await;
        let encrypted = tokio::select! {
            encrypted = tokio::time::timeout(HANDSHAKE, handshake(acceptor, stream)) => encrypted.ok().flatten(),
            () = slot.evicted() => None,
            _ = stopping.wait_for(|stop| *stop) => None,
        };
        drop(slot);
        if let Some(stream) = encrypted {
            self.requests(stream, client, watcher).await;
        }
    }

    async fn requests<S: AsyncRead + AsyncWrite + Send + 'static>(self, stream: S, client: Client, watcher: Watcher) {
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

/// None: it did not succeed, and the client knows as much as it can.
async fn handshake(acceptor: TlsAcceptor, mut stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    let mut first = [0];
    // A handshake begins with a byte that is no letter, a request of HTTP with a letter.
    if stream.peek(&mut first).await.ok()? == 1 && first[0].is_ascii_alphabetic() {
        // What cannot be sent is not waited for.
        let _ = stream.write_all(NOT_ENCRYPTED).await;
        let _ = stream.shutdown().await;
        // Until it hangs up: to close with something unread would take the answer away again.
        let _ = tokio::io::copy(&mut (&mut stream).take(BUFFER as u64), &mut tokio::io::sink()).await;
        return None;
    }
    acceptor.accept(stream).await.ok()
}

/// What is answered to a request without TLS where TLS is spoken.
const NOT_ENCRYPTED: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
Content-Type: application/problem+json\r\n\
Content-Length: 118\r\n\
X-Content-Type-Options: nosniff\r\n\
Cross-Origin-Resource-Policy: same-origin\r\n\
Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n\
Connection: close\r\n\r\n\
{\"status\":400,\"title\":\"Bad Request\",\"detail\":\"this port speaks HTTPS; nothing was changed\",\"hint\":\"ask with https://\"}";
