//! Request bodies: JSON whatever the `Content-Type` says (curl sends a form's), bounded in size and in time.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::rest::problem::Problem;

/// The largest JSON body, bytes.
pub(crate) const LARGEST_JSON: usize = 64 * 1024;

/// How long a client may pause within a body.
pub(crate) const PAUSE: Duration = Duration::from_secs(10);

/// A JSON body. An empty one is `{}`.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let mut bytes = Vec::new();
        pieces(request.into_body(), LARGEST_JSON as u64, |piece| {
            bytes.extend_from_slice(&piece);
            Ok(())
        })
        .await?;
        parse(&bytes).map(JsonBody)
    }
}

/// The pieces of a body, one after the other.
pub(crate) async fn pieces(
    body: Body,
    largest: u64,
    mut each: impl FnMut(Bytes) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut stream = body.into_data_stream();
    let mut length = 0;
    loop {
        let next = tokio::time::timeout(PAUSE, stream.next()).await.map_err(|_| {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "the rest of the body did not come; nothing was changed")
        })?;
        let Some(piece) = next else { return Ok(()) };
        let piece =
            piece.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body broke off; nothing was changed"))?;
        length += piece.len() as u64;
        if length > largest {
            let what = format!("the body is larger than {largest} bytes; nothing was changed");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, what));
        }
        each(piece)?;
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let bytes = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes };
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let property = error.path().to_string();
        let said = error.inner();
        match said.classify() {
            Category::Data => {
                let name = if property == "." { "" } else { &property };
                let lead = if name.is_empty() { String::new() } else { format!("{name}: ") };
                Problem::unusable(name, format!("{lead}{}; nothing was changed", without_place(said)))
            }
            _ => malformed(said),
        }
    })?;
    json.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("the body is no JSON: {error}; nothing was changed"))
}

fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or_else(|| text.clone(), |(said, _)| said.to_owned())
}
