//! Errors as problem JSON (RFC 9457): what happened, what was not changed, what to do next, under the right status.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::sync::{Error, ErrorKind, Refusal};

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Seconds after which it is worth trying again where the databases are busy.
const RETRY_AFTER: u64 = 1;

/// Why a request was not carried out.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"status": 404, "title": "Not Found", "detail": "there is no order 99 at MASTER; nothing was changed"}))]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// Its name.
    pub title: String,
    /// What happened, and what was not changed.
    pub detail: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The property of the request that is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// Seconds, for the header `Retry-After`.
    #[serde(skip)]
    pub(crate) retry_after: Option<u64>,
    /// Whether the words are the engine's, which names files by their whole paths.
    #[serde(skip)]
    pub(crate) by_engine: bool,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem {
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            detail: detail.into(),
            hint: None,
            property: None,
            retry_after: None,
            by_engine: false,
        }
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, detail)
    }

    /// A property of the request that cannot be what it is.
    pub(crate) fn unusable(property: &str, detail: impl Into<String>) -> Problem {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
        Problem { property: (!property.is_empty()).then(|| property.to_owned()), ..problem }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Problem {
        Problem { hint: Some(hint.into()), ..self }
    }

    pub(crate) fn retry_after(self, after: Duration) -> Problem {
        // Rounded up: who comes too early is sent away again.
        Problem { retry_after: Some(after.as_millis().div_ceil(1000) as u64), ..self }
    }

    /// A source whose passwords are not verified for a while.
    pub(crate) fn too_many(after: Duration) -> Problem {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many sign-ins from this address failed; nothing was changed")
            .hint("wait for the seconds that Retry-After names")
            .retry_after(after)
    }

    /// Takes the absolute paths out of the engine's words: where files lie on the server is nobody else's business. What lies in
    /// the environment's folder, or one that is allowed, is named from there.
    pub(crate) fn without_paths(mut self, folders: &[PathBuf]) -> Problem {
        if self.by_engine {
            self.detail = without_paths(&self.detail, folders);
            self.hint = self.hint.map(|hint| without_paths(&hint, folders));
        }
        self
    }

    pub(crate) fn busy() -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the databases are busy; nothing was changed")
            .hint("try again in a moment")
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        let status = match error.kind() {
            ErrorKind::Usage | ErrorKind::Constraint => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Refused(Refusal::Damaged | Refusal::NewerFormat) => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Refused(_) => StatusCode::CONFLICT,
            ErrorKind::Busy | ErrorKind::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Storage => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let problem = Problem { by_engine: true, ..Problem::new(status, error.message()) };
        match error.what_next() {
            "" => problem,
            hint => problem.hint(hint),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after.or((status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER));
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"objsync\", charset=\"UTF-8\""),
            );
        }
        response
    }
}

fn without_paths(text: &str, folders: &[PathBuf]) -> String {
    let mut text = text.to_owned();
    for folder in folders {
        let folder = folder.to_string_lossy();
        for separator in ['/', '\\'] {
            text = text.replace(&format!("{folder}{separator}"), "");
        }
        if folder.len() > 1 {
            text = text.replace(&*folder, ".");
        }
    }
    // Other paths become the names of their files.
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(begin) = absolute_in(rest) {
        let (before, path) = rest.split_at(begin);
        let length = path.find(|c: char| c.is_whitespace() || "`'\"’”;,)>".contains(c)).unwrap_or(path.len());
        let name = Path::new(&path[..length]).file_name().map_or("…".into(), |name| name.to_string_lossy());
        out += before;
        out += name.rsplit('\\').next().unwrap_or_default();
        rest = &path[length..];
    }
    out + rest
}

/// Where an absolute path begins: `/x` or `C:\`, at the begin of a word.
fn absolute_in(text: &str) -> Option<usize> {
    let begins = |at: usize| {
        let before = text[..at].chars().next_back();
        let rest = &text.as_bytes()[at..];
        let is_path = match rest {
            [b'/', next, ..] => !next.is_ascii_whitespace() && *next != b'/',
            [drive, b':', b'\\' | b'/', ..] => drive.is_ascii_alphabetic(),
            _ => false,
        };
        is_path && before.is_none_or(|c| !c.is_alphanumeric() && !"/.…-_\\".contains(c))
    };
    text.char_indices().map(|(at, _)| at).find(|at| begins(*at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_absolute_path_is_told() {
        let folders = [PathBuf::from("/home/me/my demo"), PathBuf::from("/srv/sets")];
        let error = |what: &str| Problem::from(Error::new(ErrorKind::Storage, what)).without_paths(&folders).detail;
        assert_eq!(error("cannot open /home/me/my demo/sets/a.syncset: no"), "cannot open sets/a.syncset: no");
        assert_eq!(error("in /home/me/my demo: no"), "in .: no");
        assert_eq!(error("`/srv/sets/b.syncset` is damaged"), "`b.syncset` is damaged");
        assert_eq!(error("no: /var/lib/x/y.db; nothing was changed"), "no: y.db; nothing was changed");
        assert_eq!(error("no (/y.db)"), "no (y.db)");
        assert_eq!(error("no: C:\\Users\\me\\y.db"), "no: y.db");
        assert_eq!(
            error("1/2 and a/b and 3 / 4, see https://x.example/y"),
            "1/2 and a/b and 3 / 4, see https://x.example/y"
        );
        let own = Problem::not_found("prepare it first (/admin/prepsynch)").without_paths(&folders);
        assert_eq!(own.detail, "prepare it first (/admin/prepsynch)", "ours name services");
    }
}
