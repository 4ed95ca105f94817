//! Looking inside, beyond the original: how everything stands, what waits, the journal, sets as down- and uploads so that two machines
//! can exchange them with nothing but an HTTP client, and a stream of what is filed.

use std::convert::Infallible;
use std::io::Write;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::rest::admin::Counts;
use crate::rest::body;
use crate::rest::leftovers;
use crate::rest::pool::{Namespace, Use};
use crate::rest::problem::Problem;
use crate::rest::routes::{App, At, LONGEST_LIST, Refused, number};
use crate::sync::{ApplyOptions, Environment, JournalQuery, Node, SetRecord, syncset};
use crate::words::local_time;

/// The largest set that may be uploaded, bytes.
const LARGEST_SET: u64 = 1 << 30;

/// How often the databases are looked at for those who listen.
const LOOK: Duration = Duration::from_millis(300);

/// Clients that listen at once, apart from the requests of others.
pub(crate) const STREAMS: usize = 64;

/// When it is worth trying again where so many listen.
const LATER: Duration = Duration::from_secs(10);

/// Events of one look at most; who wants more asks for the journal.
const EVENTS: usize = 500;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(status))
        .routes(routes!(verify))
        .routes(routes!(journal))
        .routes(routes!(requeue))
        .routes(routes!(retry))
        .routes(routes!(sets, upload))
        .routes(routes!(download))
        .routes(routes!(events))
        .routes(routes!(echo_get, echo_post, echo_put, echo_delete))
}

fn as_json(value: &impl Serialize) -> Result<Json<Value>, Problem> {
    let failed = |e: serde_json::Error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string());
    Ok(Json(serde_json::to_value(value).map_err(failed)?))
}

/// How every node of the environment stands, as `objsync status --json`
#[utoipa::path(get, path = "/status", tag = "inside", responses((status = 200, body = Object), Refused))]
async fn status(State(app): State<App>, At(at): At) -> Result<Json<Value>, Problem> {
    // Nodes that have not met yet do so.
    let done = app.pool.with(Use::Writes, move |env| {
        at.place(env)?;
        Ok(env.status()?)
    });
    as_json(&done.await?)
}

/// Compare what all nodes hold, row by row, as `objsync verify --json`
#[utoipa::path(get, path = "/verify", tag = "inside", responses((status = 200, body = Object), Refused))]
async fn verify(State(app): State<App>, At(at): At) -> Result<Json<Value>, Problem> {
    let done = app.pool.with(Use::Reads, move |env| {
        at.place(env)?;
        Ok(env.verify()?)
    });
    as_json(&done.await?)
}

/// Which filing events
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Range {
    /// After which transaction
    after: Option<u64>,
    /// The last transaction
    upto: Option<u64>,
    /// How many at most, up to 10,000 [default: 100]
    limit: Option<usize>,
}

/// A filing event
#[derive(Serialize, ToSchema)]
struct Filing {
    transaction: u64,
    class: String,
    guid: String,
    /// Its number at this node
    number: Option<i64>,
    /// inserted, updated, deleted
    kind: String,
    /// In words: `quantity 417 → 77`
    changes: String,
    /// How it came here, in words
    through: String,
    /// When its content was made
    at: String,
    /// The node that made it
    author: String,
}

#[derive(Serialize, ToSchema)]
struct Journal {
    journal: Vec<Filing>,
}

fn filings(node: &mut Node, query: &JournalQuery) -> Result<Vec<Filing>, Problem> {
    let entries = node.journal(query)?;
    let filing = |e: &crate::sync::JournalEntry| Filing {
        transaction: e.number,
        class: e.class.clone(),
        guid: e.guid.to_string(),
        number: e.key,
        kind: serde_json::to_value(e.kind).ok().and_then(|k| k.as_str().map(str::to_owned)).unwrap_or_default(),
        changes: e.changes.clone(),
        through: e.through.words(),
        at: local_time(e.stamp.time),
        author: node.name_of(e.stamp.author),
    };
    Ok(entries.iter().map(filing).collect())
}

/// Filing events, newest first
#[utoipa::path(get, path = "/journal", tag = "inside", params(Range), responses((status = 200, body = Journal), Refused))]
async fn journal(
    State(app): State<App>,
    At(at): At,
    range: Result<Query<Range>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Journal>, Problem> {
    let Query(range) = range.map_err(|e| Problem::unusable("", format!("{}; nothing was changed", e.body_text())))?;
    let limit = range.limit.unwrap_or(100);
    if !(1..=LONGEST_LIST).contains(&limit) {
        return Err(Problem::unusable(
            "limit",
            format!("limit: from 1 to {LONGEST_LIST}, not {limit}; nothing was changed"),
        ));
    }
    for (name, number) in [("after", range.after), ("upto", range.upto)] {
        if number.is_some_and(|number| i64::try_from(number).is_err()) {
            return Err(Problem::unusable(
                name,
                format!("{name}: no transaction has that number; nothing was changed"),
            ));
        }
    }
    let done = app.pool.with(Use::Reads, move |env| {
        let place = at.place(env)?;
        let query =
            JournalQuery { after: range.after.unwrap_or(0), upto: range.upto.unwrap_or(u64::MAX), object: None, limit };
        Ok(Journal { journal: filings(&mut env.nodes[place], &query)? })
    });
    Ok(Json(done.await?))
}

/// What could not be applied yet, and why
#[utoipa::path(get, path = "/admin/requeue", tag = "sets", responses((status = 200, body = Object), Refused))]
async fn requeue(State(app): State<App>, At(at): At) -> Result<Json<Value>, Problem> {
    let done = app.pool.with(Use::Reads, move |env| {
        let place = at.place(env)?;
        Ok(env.nodes[place].requeue()?)
    });
    as_json(&json!({"requeue": done.await?}))
}

/// Try again what waits
#[utoipa::path(post, path = "/admin/requeue/retry", tag = "sets", responses((status = 200, body = Counts), Refused))]
async fn retry(State(app): State<App>, At(at): At) -> Result<Json<Counts>, Problem> {
    let done = app.pool.with(Use::Writes, move |env| {
        let place = at.place(env)?;
        Ok(Counts::of(&env.nodes[place].retry(ApplyOptions::default())?))
    });
    Ok(Json(done.await?))
}

/// A set prepared or applied here
#[derive(Serialize, ToSchema)]
struct Set {
    #[serde(rename = "syncID")]
    sync_id: i64,
    /// Prepared here; else applied here
    sent: bool,
    /// The other node
    peer: String,
    first_transaction: u64,
    last_transaction: u64,
    objects: usize,
    bytes: u64,
    /// BLAKE3, hexadecimal
    digest: String,
    at: String,
    taken_back: bool,
}

#[derive(Serialize, ToSchema)]
struct Sets {
    sets: Vec<Set>,
}

/// The latest sets prepared and applied here
#[utoipa::path(get, path = "/admin/sets", tag = "sets", responses((status = 200, body = Sets), Refused))]
async fn sets(State(app): State<App>, At(at): At) -> Result<Json<Sets>, Problem> {
    let done = app.pool.with(Use::Reads, move |env| {
        let place = at.place(env)?;
        let set = |r: SetRecord| Set {
            sync_id: r.id,
            sent: r.sent,
            peer: r.peer_name,
            first_transaction: r.first,
            last_transaction: r.last,
            objects: r.objects,
            bytes: r.bytes,
            digest: r.digest,
            at: local_time(r.at),
            taken_back: r.taken_back,
        };
        Ok(Sets { sets: env.nodes[place].set_records(100)?.into_iter().map(set).collect() })
    });
    Ok(Json(done.await?))
}

/// The file of a set prepared here, to be uploaded where it is for
#[utoipa::path(get, path = "/admin/sets/{syncID}", tag = "sets", params(("syncID" = i64, Path)), responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), Refused))]
async fn download(State(app): State<App>, At(at): At, Path(id): Path<String>) -> Result<Response, Problem> {
    let id = number("syncID", &id)?;
    let folders = app.folders.clone();
    let (file, name, length) = app
        .pool
        .with(Use::Reads, move |env| {
            let place = at.place(env)?;
            let node = &env.nodes[place];
            let gone = |why: &str| Problem::not_found(format!("{} {why}; nothing was changed", node.info().name));
            let record = node.sets_of(id, true, None)?.into_iter().next();
            let record = record.ok_or_else(|| gone(&format!("has prepared no set {id}")))?;
            let lost = || {
                gone(&format!("has prepared set {id}, but its file is not where it was")).hint("prepare another one")
            };
            let outside = || match record.file.symlink_metadata() {
                Ok(_) => gone(&format!("has set {id} in a folder that is not served"))
                    .hint("allow the folder (objsync serve --allow FOLDER), or prepare the set again in `sets`"),
                Err(_) => lost(),
            };
            let path = folders.holds(&record.file).ok_or_else(outside)?;
            // A pipe would be waited for.
            if !path.is_file() {
                return Err(lost());
            }
            // Another file may lie there now.
            let header = syncset::read_header(&path, syncset::Size::Usual).map_err(|_| lost())?;
            if header.id != id || header.source.guid != node.info().guid {
                return Err(lost());
            }
            let file = std::fs::File::open(&path).map_err(|_| lost())?;
            let length = file.metadata().map_err(|_| lost())?.len();
            Ok((file, syncset::file_name(&node.info().name, id), length))
        })
        .await?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((headers, Body::from_stream(chunks(file))).into_response())
}

/// A file piece by piece, read on a thread that may wait.
fn chunks(file: std::fs::File) -> impl Stream<Item = std::io::Result<Vec<u8>>> {
    futures_util::stream::unfold(Some(file), |file| async move {
        let mut file = file?;
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; 1 << 16];
            let length = std::io::Read::read(&mut file, &mut piece)?;
            piece.truncate(length);
            Ok((piece, file))
        });
        match read.await.unwrap_or_else(|e| Err(std::io::Error::other(e))) {
            Ok((piece, _)) if piece.is_empty() => None,
            Ok((piece, file)) => Some((Ok(piece), Some(file))),
            Err(e) => Some((Err(e), None)),
        }
    })
}

/// Apply a set that is sent as the body, as it was downloaded from where it was prepared
#[utoipa::path(post, path = "/admin/sets", tag = "sets", request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses((status = 200, body = Counts), Refused))]
async fn upload(State(app): State<App>, At(at): At, request: Request) -> Result<Json<Counts>, Problem> {
    let failed = |e: &std::io::Error| {
        // Only the kind: the rest of the words names the file.
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the set cannot be kept: {}; nothing was changed", e.kind()),
        )
    };
    let mut file =
        tempfile::Builder::new().prefix(leftovers::UPLOAD).tempfile_in(app.pool.dir()).map_err(|e| failed(&e))?;
    body::pieces(request.into_body(), LARGEST_SET, |piece| file.write_all(&piece).map_err(|e| failed(&e))).await?;
    let done = app.pool.with(Use::Writes, move |env| {
        let place = at.place(env)?;
        Ok(Counts::of(&env.apply(place, file.path(), ApplyOptions::default())?))
    });
    Ok(Json(done.await?))
}

/// What is filed at this node from now on, as server-sent events
#[utoipa::path(get, path = "/events", tag = "inside", responses((status = 200, content_type = "text/event-stream", body = String), Refused))]
async fn events(
    State(app): State<App>,
    At(at): At,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let place = app.streams.clone().try_acquire_owned().map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{STREAMS} clients are listening, and no more can; nothing was changed"),
        )
        .hint("try again later, or ask for the journal")
        .retry_after(LATER)
    })?;
    let since = {
        let at = at.clone();
        app.pool.with(Use::Watches, move |env| Ok(env.nodes[at.place(env)?].number()?)).await?
    };
    let listening = futures_util::stream::unfold((since, Vec::new(), place), move |state| {
        let (mut since, mut ready, place): (u64, Vec<Event>, OwnedSemaphorePermit) = state;
        let (app, at, mut stopping) = (app.clone(), at.clone(), app.stopping.clone());
        async move {
            loop {
                if let Some(event) = ready.pop() {
                    return Some((Ok(event), (since, ready, place)));
                }
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    _ = stopping.wait_for(|stop| *stop) => return None,
                }
                let at = at.clone();
                // Where it is busy, or gone for a moment, it is looked at again.
                if let Ok((now, news)) = app.pool.with(Use::Watches, move |env| news(env, &at, since)).await {
                    since = now;
                    ready = news;
                }
            }
        }
    });
    Ok(Sse::new(listening).keep_alive(KeepAlive::default()))
}

/// What was filed after a commit, the newest first, and the last commit.
fn news(env: &mut Environment, at: &Namespace, since: u64) -> Result<(u64, Vec<Event>), Problem> {
    let place = at.place(env)?;
    let node = &mut env.nodes[place];
    let now = node.number()?;
    if now <= since {
        return Ok((now, Vec::new()));
    }
    let query = JournalQuery { after: since, upto: now, object: None, limit: EVENTS };
    let event = |filing: &Filing| {
        let text = serde_json::to_string(filing).unwrap_or_default();
        Event::default().event("filed").id(filing.transaction.to_string()).data(text)
    };
    Ok((now, filings(node, &query)?.iter().map(event).collect()))
}

/// What was asked, as it came: for trying a client
#[derive(Serialize, ToSchema)]
struct Echo {
    method: &'static str,
    /// The body as text
    body: String,
}

async fn echo(method: &'static str, request: Request) -> Result<Json<Echo>, Problem> {
    let mut bytes = Vec::new();
    body::pieces(request.into_body(), body::LARGEST_JSON as u64, |piece| {
        bytes.extend_from_slice(&piece);
        Ok(())
    })
    .await?;
    Ok(Json(Echo { method, body: String::from_utf8_lossy(&bytes).into_owned() }))
}

/// Say what was asked
#[utoipa::path(get, path = "/echo", tag = "inside", responses((status = 200, body = Echo), Refused))]
async fn echo_get(request: Request) -> Result<Json<Echo>, Problem> {
    echo("GET", request).await
}

/// Say what was asked
#[utoipa::path(post, path = "/echo", tag = "inside", responses((status = 200, body = Echo), Refused))]
async fn echo_post(request: Request) -> Result<Json<Echo>, Problem> {
    echo("POST", request).await
}

/// Say what was asked
#[utoipa::path(put, path = "/echo", tag = "inside", responses((status = 200, body = Echo), Refused))]
async fn echo_put(request: Request) -> Result<Json<Echo>, Problem> {
    echo("PUT", request).await
}

/// Say what was asked
#[utoipa::path(delete, path = "/echo", tag = "inside", responses((status = 200, body = Echo), Refused))]
async fn echo_delete(request: Request) -> Result<Json<Echo>, Problem> {
    echo("DELETE", request).await
}
