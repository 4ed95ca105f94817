//! The REST interface, asked over a socket as any client would.

mod access;
mod clients;
#[path = "../common/mod.rs"]
mod common;
mod errors;
mod load;
mod pages;
mod program;
mod raw;
mod served;
mod services;
mod strangers;
mod tls;
