//! Who may ask: HTTP Basic credentials, compared in constant time.

use std::fs;
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
