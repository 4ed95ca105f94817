//! Serving the REST interface without a window, and who may sign in.

use std::io::{IsTerminal, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;

use serde_json::json;

use crate::cli::output::Output;
use crate::rest::{Options, Server, set_credentials};
use crate::sync::{Environment, Error, ErrorKind, Result};

pub(crate) fn serve(dir: &Path, port: u16, bind: IpAddr, allow: Vec<PathBuf>, out: Output<'_>) -> Result<ExitCode> {
    let server = Server::start(dir, &Options { bind, port, allow })?;
    let (stop, stopped) = mpsc::channel();
    // Ctrl-C, or being told to end (SIGTERM). A second one does not wait for what runs; the databases stay whole.
    let mut asked = false;
    let handler = move || {
        if std::mem::replace(&mut asked, true) {
            std::process::exit(0);
        }
        let _ = stop.send(());
    };
    ctrlc::set_handler(handler)
        .map_err(|e| Error::new(ErrorKind::Storage, format!("Ctrl-C cannot be listened for: {e}")))?;
    let address = server.address();
    let user = if server.has_own_credentials() { "USER:PASSWORD" } else { "superuser:sys" };
    out.done(&json!({"address": address.to_string(), "dir": dir}), || {
        vec![
            format!("Serving {} at http://{address}/ until Ctrl-C", dir.display()),
            format!("try: curl -u {user} -X POST http://{address}/synchmaster/rest/v1/randomorder"),
        ]
    })?;
    let _ = stopped.recv();
    server.stop();
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn credentials(dir: &Path, user: &str, out: Output<'_>) -> Result<ExitCode> {
    if !Environment::exists(dir) {
        return Environment::open(dir).map(|_| ExitCode::SUCCESS);
    }
    if std::io::stdin().is_terminal() {
        eprintln!("The password for {user}, then Enter (it is shown as you type):");
    }
    let mut password = String::new();
    match std::io::stdin().is_terminal() {
        true => std::io::stdin().read_line(&mut password)?,
        false => std::io::stdin().take(4096).read_to_string(&mut password)?,
    };
    let password = password.trim_end_matches(['\r', '\n']);
    set_credentials(dir, user, password)?;
    out.done(&json!({"user": user, "dir": dir}), || {
        vec![format!("{user} signs in with that password from now on; a server that runs must be started again")]
    })
}
