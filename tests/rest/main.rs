//! The REST interface, asked over a socket as any client would.

mod access;
mod clients;
#[path = "../common/mod.rs"]
mod common;
mod load;
mod program;
mod served;
mod services;
