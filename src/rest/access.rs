//! Who may ask: HTTP Basic credentials, compared in constant time.
//!
//! Argon2 is slow on purpose, and takes memory. So what was right last passes by a keyed hash, at once, whoever else guesses; all
//! else is verified on a thread of its own, few at a time, and in turns that `throttle.rs` gives to each source.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use tokio::sync::{Semaphore, watch};

use crate::rest::leftovers;
use crate::rest::problem::Problem;
use crate::rest::throttle::Throttle;
use crate::sync::{Error, ErrorKind, Result};

/// The credentials of the original demo, good on this machine only.
const DEMO: (&str, &str) = ("superuser", "sys");

/// The file in an environment's folder with credentials of its own.
pub const FILE: &str = "credentials.json";

/// The shortest password.
const SHORTEST: usize = 8;

/// Passwords verified at once; each takes 19 MiB.
const VERIFIED_AT_ONCE: usize = 2;

/// How long a password waits to be verified where many sources ask.
const PATIENCE: Duration = Duration::from_secs(10);

/// A sign-in that was refused: who was named, from where. Nothing in it is the password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedSignIn {
    /// The user's name as the client has sent it: escape it where you show it.
    pub user: String,
    /// The client's address.
    pub from: IpAddr,
    /// The failures of that source in a row, this one included.
    pub failures: u32,
}

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
    verified_at_once: Arc<Semaphore>,
    throttle: Arc<Throttle>,
    /// Told of every sign-in that fails.
    pub(crate) on_failure: Option<fn(&FailedSignIn)>,
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
        Ok(Access {
            stored,
            right: Mutex::new(None),
            key: rand::random(),
            verified_at_once: Arc::new(Semaphore::new(VERIFIED_AT_ONCE)),
            throttle: Arc::default(),
            on_failure: None,
        })
    }

    /// Whether they are this environment's own.
    pub(crate) fn are_own(&self) -> bool {
        self.stored.is_some()
    }

    /// Lets a request in that has the right credentials.
    pub(crate) async fn sign_in(
        self: &Arc<Self>,
        headers: &HeaderMap,
        from: IpAddr,
        mut stopping: watch::Receiver<bool>,
    ) -> std::result::Result<(), Problem> {
        // The demo's are known to everybody.
        if self.stored.is_none() && !from.to_canonical().is_loopback() {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "the demo's credentials are good on the server's machine only; nothing was changed",
            )
            .hint("store credentials of your own there: objsync credentials USER"));
        }
        let said = self.said(headers)?;
        // Told at once, whoever else guesses.
        if self.are_known(&said) {
            return Ok(());
        }
        let turn = self.throttle.turn(from).await.map_err(Problem::too_many)?;
        let permit = tokio::time::timeout(PATIENCE, self.verified_at_once.clone().acquire_owned()).await;
        let permit = permit.map_err(|_| Problem::busy())?;
        let access = self.clone();
        // All that it holds goes with it: a client that hangs up is verified, and counted, to the end.
        let verified = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            if access.are_right(&said) {
                turn.right();
                return Ok(());
            }
            let (failures, until) = turn.wrong();
            if let Some(on_failure) = access.on_failure {
                on_failure(&FailedSignIn { user: user_of(&said), from: from.to_canonical(), failures });
            }
            Err((until, turn))
        });
        match verified.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err((until, _turn))) => {
                // The answer comes late, too: who waits for it, and then says the right ones, waits no more.
                tokio::select! {
                    () = tokio::time::sleep_until(until) => {}
                    _ = stopping.wait_for(|stop| *stop) => {}
                }
                Err(self.refused())
            }
            Err(_) => Err(Problem::busy()),
        }
    }

    /// The user and password that a request says, as they stand in it.
    fn said(&self, headers: &HeaderMap) -> std::result::Result<Vec<u8>, Problem> {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|given| given.split_once(' '));
        let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
        let given = given.and_then(|(_, encoded)| STANDARD.decode(encoded.trim()).ok());
        given.ok_or_else(|| self.refused())
    }

    /// What is answered to who says the wrong ones.
    fn refused(&self) -> Problem {
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "not signed in; nothing was changed");
        problem.hint(match &self.stored {
            Some(_) => "sign in (curl -u USER:PASSWORD) with what `objsync credentials` has stored",
            None => "sign in with the demo's credentials: curl -u superuser:sys",
        })
    }

    /// Whether they are those that were right last, or the demo's.
    fn are_known(&self, said: &[u8]) -> bool {
        let said = self.hash(said);
        match &self.stored {
            None => equal(said, self.hash(format!("{}:{}", DEMO.0, DEMO.1).as_bytes())),
            Some(_) => self.last().is_some_and(|right| equal(right, said)),
        }
    }

    /// Whether they are right. This takes its time, and memory.
    fn are_right(&self, said: &[u8]) -> bool {
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

/// The user's name in credentials, cut to a length that fits in a line.
fn user_of(said: &[u8]) -> String {
    let user = said.split(|b| *b == b':').next().unwrap_or_default();
    String::from_utf8_lossy(user).chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demos_credentials_are_good_on_this_machine_only() {
        let dir = tempfile::tempdir().unwrap();
        let access = Arc::new(Access::read(dir.path()).unwrap());
        let value = format!("Basic {}", STANDARD.encode("superuser:sys"));
        let headers: HeaderMap = [(header::AUTHORIZATION, value.parse().unwrap())].into_iter().collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        for (from, status) in [("127.0.0.1", None), ("::1", None), ("::ffff:127.0.0.1", None), ("192.0.2.7", Some(403))]
        {
            let (_stop, stopping) = watch::channel(false);
            let answered = runtime.block_on(access.sign_in(&headers, from.parse().unwrap(), stopping));
            assert_eq!(answered.err().map(|problem| problem.status), status, "{from}");
        }
    }
}
