//! Who may ask: HTTP Basic credentials, compared in constant time; and which pages of a browser may not.
//!
//! A page somewhere on the web could make the browser of somebody who has signed in send requests here, also by a name that it
//! turns to this machine (DNS rebinding). So a request must name this machine in `Host`, and where it names an `Origin`, the same
//! there. A browser also says by `Sec-Fetch-Site` that a page of another server asks.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Mutex;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use crate::rest::leftovers;
use crate::rest::problem::Problem;
use crate::sync::{Error, ErrorKind, Result};

/// The credentials of the original demo, good on this machine only.
const DEMO: (&str, &str) = ("superuser", "sys");

/// The file in an environment's folder with credentials of its own.
pub const FILE: &str = "credentials.json";

/// The shortest password.
const SHORTEST: usize = 8;

/// A user, and the Argon2id hash of the password in PHC form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    user: String,
    password: String,
}

/// Who may sign in.
pub(crate) struct Access {
    stored: Option<Stored>,
    /// A keyed hash of what was right last: Argon2 is slow on purpose, and is not asked for every request.
    right: Mutex<Option<blake3::Hash>>,
    key: [u8; 32],
    /// One password is verified at a time: who guesses waits for others who do.
    pub(crate) guesses: Semaphore,
}

/// Stores credentials for an environment, in place of any before.
pub fn set_credentials(dir: &Path, user: &str, password: &str) -> Result<()> {
    let usage = |what: &str| Err(Error::new(ErrorKind::Usage, format!("{what}; nothing was changed")));
    if user.is_empty() || user.contains(':') || user.chars().any(char::is_control) {
        return usage("a user's name is not empty and has no colon");
    }
    if password.chars().count() < SHORTEST {
        return usage(&format!("a password has at least {SHORTEST} characters"));
    }
    let hash: PasswordHash = Argon2::default().hash_password(password.as_bytes()).map_err(failed)?;
    let stored = Stored { user: user.to_owned(), password: hash.to_string() };
    let json = serde_json::to_vec_pretty(&stored).map_err(failed)?;
    let file = dir.join(FILE);
    let cannot = |e: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Storage, format!("the credentials cannot be written: {e}: {}", file.display()))
    };
    // A temporary file is readable by its owner only, and so is what it becomes.
    let mut temporary =
        tempfile::Builder::new().prefix(leftovers::CREDENTIALS).tempfile_in(dir).map_err(|e| cannot(&e))?;
    std::io::Write::write_all(&mut temporary, &json).map_err(|e| cannot(&e))?;
    temporary.persist(&file).map_err(|e| cannot(&e.error))?;
    Ok(())
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Storage, error.to_string())
}

impl Access {
    /// The credentials stored in an environment's folder, or the demo's.
    pub(crate) fn read(dir: &Path) -> Result<Access> {
        let file = dir.join(FILE);
        let damaged = |e: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Storage, format!("the stored credentials cannot be read: {e}: {}", file.display()))
                .hint("set them anew: objsync credentials USER")
        };
        let stored = match fs::read(&file) {
            Ok(bytes) => {
                let stored: Stored = serde_json::from_slice(&bytes).map_err(|e| damaged(&e))?;
                PasswordHash::new(&stored.password).map_err(|e| damaged(&e))?;
                Some(stored)
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(damaged(&e)),
        };
        Ok(Access { stored, right: Mutex::new(None), key: rand::random(), guesses: Semaphore::new(1) })
    }

    /// Whether they are this environment's own.
    pub(crate) fn are_own(&self) -> bool {
        self.stored.is_some()
    }

    /// The user and password that a request says, as they stand in it.
    pub(crate) fn said(&self, headers: &HeaderMap) -> std::result::Result<Vec<u8>, Problem> {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|given| given.split_once(' '));
        let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
        let given = given.and_then(|(_, encoded)| STANDARD.decode(encoded.trim()).ok());
        given.ok_or_else(|| self.refused())
    }

    /// What is answered to who says the wrong ones.
    pub(crate) fn refused(&self) -> Problem {
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "not signed in; nothing was changed");
        problem.hint(match &self.stored {
            Some(_) => "sign in (curl -u USER:PASSWORD) with what `objsync credentials` has stored",
            None => "sign in with the demo's credentials: curl -u superuser:sys",
        })
    }

    /// Whether they are those that were right last, or the demo's: told at once, whoever else guesses.
    pub(crate) fn are_known(&self, said: &[u8]) -> bool {
        let said = self.hash(said);
        match &self.stored {
            None => equal(said, self.hash(format!("{}:{}", DEMO.0, DEMO.1).as_bytes())),
            Some(_) => self.last().is_some_and(|right| equal(right, said)),
        }
    }

    /// Whether they are right. This takes its time, and memory, so few should be asked for at once.
    pub(crate) fn are_right(&self, said: &[u8]) -> bool {
        let Some(stored) = &self.stored else { return self.are_known(said) };
        let colon = said.iter().position(|b| *b == b':').unwrap_or(said.len());
        let (user, password) = (&said[..colon], said.get(colon + 1..).unwrap_or_default());
        let user = equal(self.hash(user), self.hash(stored.user.as_bytes()));
        let password = PasswordHash::new(&stored.password)
            .is_ok_and(|stored| Argon2::default().verify_password(password, &stored).is_ok());
        if user && password {
            *self.last() = Some(self.hash(said));
        }
        user && password
    }

    fn hash(&self, bytes: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.key, bytes)
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<blake3::Hash>> {
        self.right.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Compared in constant time.
fn equal(a: blake3::Hash, b: blake3::Hash) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// Refuses what does not name this machine as whom it asks, or comes from a page of another.
pub(crate) fn check_names(headers: &HeaderMap, bound: SocketAddr) -> std::result::Result<(), Problem> {
    let forbidden = |what: String| {
        Problem::new(StatusCode::FORBIDDEN, format!("{what}; nothing was changed"))
            .hint(format!("ask http://localhost:{0} or http://127.0.0.1:{0}", bound.port()))
    };
    for name in [header::HOST, header::ORIGIN] {
        if headers.get_all(&name).iter().nth(1).is_some() {
            let what = format!("the request names two of {name}; nothing was changed");
            return Err(Problem::new(StatusCode::BAD_REQUEST, what));
        }
    }
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text("host").unwrap_or_default();
    if !names_us(host, bound) {
        return Err(forbidden(format!("`{host}` is not this server's name")));
    }
    // A page of this server asks it by the name by which it was asked for.
    if let Some(origin) = text("origin")
        && !origin.strip_prefix("http://").is_some_and(|from| from.eq_ignore_ascii_case(host))
    {
        return Err(forbidden(format!("a page of {origin} may not ask here")));
    }
    // As browsers say it also where they name no origin.
    if let Some(site @ ("cross-site" | "same-site")) = text("sec-fetch-site") {
        return Err(forbidden(format!("a page of another server may not ask here ({site})")));
    }
    Ok(())
}

/// `localhost`, a loopback address, or the address that was bound, with the port. A name could be anybody's.
fn names_us(host: &str, bound: SocketAddr) -> bool {
    let Some((name, port)) = host.rsplit_once(':') else { return false };
    if port != bound.port().to_string() {
        return false;
    }
    let address = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name).parse::<IpAddr>();
    match address {
        Ok(address) if bound.ip().is_loopback() => ["127.0.0.1", "::1"].contains(&address.to_string().as_str()),
        // Bound to all addresses: any of them, but no name.
        Ok(address) => bound.ip().is_unspecified() || address == bound.ip() || address.is_loopback(),
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::names_us;

    #[test]
    fn only_this_machine_is_named() {
        let here = "127.0.0.1:52773".parse().unwrap();
        for host in ["localhost:52773", "LOCALHOST:52773", "127.0.0.1:52773", "[::1]:52773"] {
            assert!(names_us(host, here), "{host}");
        }
        for host in [
            "localhost",
            "localhost:80",
            "evil.example:52773",
            "localhost.evil.example:52773",
            "127.0.0.2:52773",
            "",
            ":52773",
        ] {
            assert!(!names_us(host, here), "{host}");
        }
        let everywhere = "0.0.0.0:9".parse().unwrap();
        assert!(names_us("192.0.2.7:9", everywhere) && names_us("localhost:9", everywhere));
        assert!(!names_us("evil.example:9", everywhere));
        let one = "192.0.2.7:9".parse().unwrap();
        assert!(names_us("192.0.2.7:9", one) && !names_us("192.0.2.8:9", one));
    }
}
