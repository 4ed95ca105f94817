//! Serving the REST interface without a window, and who may sign in.

use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc;

use serde_json::json;

use crate::cli::args::ServeArgs;
use crate::cli::output::Output;
use crate::rest::{FailedSignIn, Options, Server, TlsFiles, Warning, set_credentials};
use crate::sync::{Environment, Error, ErrorKind, Result};
use crate::words::quoted_path;

pub(crate) fn serve(dir: &Path, how: &ServeArgs, out: Output<'_>) -> Result<ExitCode> {
    let tls = how.tls_cert.clone().zip(how.tls_key.clone()).map(|(cert, key)| TlsFiles { cert, key });
    let options = Options {
        bind: how.bind,
        port: how.port,
        allow: how.allow.clone(),
        tls,
        insecure: how.insecure,
        on_failed_sign_in: Some(log_failure),
    };
    let server = Server::start(dir, &options)?;
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
    for warning in server.warnings() {
        eprintln!("Warning: {}", describe(warning));
    }
    let url = format!("{}://{}/", server.scheme(), server.address());
    // The demo's credentials are known to everybody; one's own are nobody's to read here.
    let user = if server.has_own_credentials() { "USER:PASSWORD" } else { "superuser:sys" };
    let trust = options.tls.map(|tls| format!(" --cacert {}", quoted_path(&tls.cert))).unwrap_or_default();
    out.done(&json!({"address": server.address().to_string(), "url": url, "dir": dir}), || {
        vec![
            format!("Serving {} at {url} until Ctrl-C", dir.display()),
            format!("try: curl{trust} -u {user} -X POST {url}synchmaster/rest/v1/randomorder"),
        ]
    })?;
    let _ = stopped.recv();
    server.stop();
    Ok(ExitCode::SUCCESS)
}

fn describe(warning: &Warning) -> String {
    match warning {
        Warning::NotEncrypted(bind) => format!(
            "--insecure serves {bind} without TLS: everybody on the network can read passwords and data, and change them.\n\
             With a certificate: --tls-cert FILE --tls-key FILE"
        ),
        Warning::KeyIsOpen(key) => {
            format!(
                "every user of this machine can read the private key in {}.\nTry: chmod 600 {}",
                crate::words::visible(&key.to_string_lossy()),
                quoted_path(key)
            )
        }
    }
}

/// One line for who watches the log. The name is the client's own words: it must not look like another line, nor like anything but
/// a text. Nobody asks for the log, so what cannot be written is left out.
fn log_failure(failure: &FailedSignIn) {
    use std::io::Write;
    let time = crate::words::now().format("%Y-%m-%d %H:%M:%S");
    let user = failure.user.escape_default();
    let line = format!("{time} failed sign-in from {} as \"{user}\" ({} in a row)\n", failure.from, failure.failures);
    let _ = std::io::stderr().write_all(line.as_bytes());
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
