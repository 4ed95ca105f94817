//! Errors as problem JSON (RFC 9457): what happened, what was not changed, what to do next, under the right status.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::sync::{Error, ErrorKind, Refusal};

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
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem {
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            detail: detail.into(),
            hint: None,
            property: None,
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
        let problem = Problem::new(status, error.message());
        match error.what_next() {
            "" => problem,
            hint => problem.hint(hint),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
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
