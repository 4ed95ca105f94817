//! REST for both namespaces, as in the original demo: what the window and the command line do, over HTTP.
//!
//! 1. `server.rs` listens, with TLS (`tls.rs`) or without, to a bounded number of clients (`slots.rs`); a request must name this
//!    machine (`origin.rs`) and sign in (`access.rs`), and who guesses is slowed down (`throttle.rs`).
//! 2. `routes.rs` takes the base URL off, which says at which node it is, and finds the service: `orders.rs` has the demo's data,
//!    `admin.rs` preparing and applying, `inspect.rs` what the original had not.
//! 3. A service takes an open environment (`pool.rs`) and asks the engine, as any program would; files lie where
//!    `folders.rs` allows.
//! 4. What is refused is a [`Problem`].
//!
//! The invariant: whatever a request holds, it is carried out whole or changes nothing, and reaches no file but those allowed.
//!
//! ```no_run
//! use objsync::rest::{Options, Server};
//! let server = Server::start("demo".as_ref(), &Options::default())?;
//! println!("http://{}/", server.address());
//! # Ok::<(), objsync::sync::Error>(())
//! ```

mod access;
mod admin;
mod body;
mod folders;
mod inspect;
mod leftovers;
mod orders;
mod origin;
mod pool;
mod problem;
mod routes;
mod server;
mod slots;
mod throttle;
mod tls;

pub use access::{FILE as CREDENTIALS, FailedSignIn, set_credentials};
pub use problem::Problem;
pub use routes::description;
pub use server::{Options, PORT, Server, Warning};
pub use tls::TlsFiles;
