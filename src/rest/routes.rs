//! Which request goes where: base URLs per namespace, signing in, and the documents that describe the interface.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use tower::ServiceExt;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ServerBuilder, ServerVariableBuilder};
use utoipa::{IntoResponses, Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::rest::access::Access;
use crate::rest::folders::Folders;
use crate::rest::origin::OwnNames;
use crate::rest::pool::{Namespace, Pool};
use crate::rest::problem::Problem;
use crate::rest::{admin, inspect, orders};

/// The most that a list holds.
pub(crate) const LONGEST_LIST: usize = 10_000;

/// What every handler may use.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) pool: Pool,
    pub(crate) folders: Folders,
    pub(crate) access: Arc<Access>,
    pub(crate) names: OwnNames,
    /// Clients that may still begin to listen to events.
    pub(crate) streams: Arc<tokio::sync::Semaphore>,
    /// True once the server is to stop.
    pub(crate) stopping: tokio::sync::watch::Receiver<bool>,
}

/// Who is at the other end of a connection.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) from: IpAddr,
    /// Set once a request of this connection has signed in.
    pub(crate) signed_in: Arc<AtomicBool>,
}

/// What a browser must know of every answer: it is what its type says, it is nobody else's to embed, and it loads and runs nothing.
const SAFE: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("content-security-policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
];

/// The page for people has its style inside.
const SAFE_PAGE: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The node of the base URL.
#[derive(Clone)]
pub(crate) struct At(pub(crate) Namespace);

impl<S: Send + Sync> FromRequestParts<S> for At {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<At>().cloned().ok_or_else(|| Problem::not_found("there is nothing here"))
    }
}

/// A whole number in a path, written as numbers are: `7`, not `+7`, `07` or `%37`. One thing has one URL.
pub(crate) fn number(name: &str, text: &str) -> Result<i64, Problem> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_plain =
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && (!digits.starts_with('0') || text == "0");
    let number = is_plain.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| {
        let what = format!("{name}: `{text}` is not a whole number; nothing was changed");
        Problem { property: Some(name.to_owned()), ..Problem::new(StatusCode::BAD_REQUEST, what) }
    })
}

/// How many a list is to have.
pub(crate) fn top(text: &str) -> Result<usize, Problem> {
    let limit = usize::try_from(number("topMax", text)?).ok().filter(|n| (1..=LONGEST_LIST).contains(n));
    limit.ok_or_else(|| {
        Problem::unusable(
            "topMax",
            format!("topMax: a whole number from 1 to {LONGEST_LIST}, not `{text}`; nothing was changed"),
        )
    })
}

/// How requests are refused.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "described, never made: a Problem is")]
pub(crate) enum Refused {
    /// The request is malformed
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// Not signed in
    #[response(status = 401, content_type = "application/problem+json")]
    NotSignedIn(Problem),
    /// A path outside the folders allowed, or a request in the name of another page
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// There is no such thing
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// The rest of the body did not come in time
    #[response(status = 408, content_type = "application/problem+json")]
    TimedOut(Problem),
    /// A gap, another target, a restored file: the databases stand otherwise
    #[response(status = 409, content_type = "application/problem+json")]
    Conflicting(Problem),
    /// The body is too large
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// Invalid value or damaged set
    #[response(status = 422, content_type = "application/problem+json")]
    Unusable(Problem),
    /// Too many sign-ins from this address failed: try again after the seconds that `Retry-After` names
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(Problem),
    /// A file or database cannot be used
    #[response(status = 500, content_type = "application/problem+json")]
    Failed(Problem),
    /// Busy: try again after the seconds that `Retry-After` names
    #[response(status = 503, content_type = "application/problem+json")]
    Busy(Problem),
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "objsync",
        description = "Object synchronization between occasionally connected databases. One base URL per namespace: the master, the first client, any node by name.",
    ),
    components(schemas(Problem)),
    modifiers(&SignIn),
    security(("basic" = [])),
    tags(
        (name = "orders", description = "The demo's data"),
        (name = "sets", description = "Preparing, exchanging and applying sync sets"),
        (name = "inside", description = "How everything stands"),
    ),
)]
struct Description;

struct SignIn;

impl Modify for SignIn {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let basic = HttpBuilder::new().scheme(HttpAuthScheme::Basic).build();
        let components = description.components.get_or_insert_with(Default::default);
        components.add_security_scheme("basic", SecurityScheme::Http(basic));
        let name = ServerVariableBuilder::new().default_value("MASTER");
        description.servers = Some(vec![
            ServerBuilder::new().url("/synchmaster/rest/v1").build(),
            ServerBuilder::new().url("/synchclient/rest/v1").build(),
            ServerBuilder::new().url("/synch/{name}/rest/v1").parameter("name", name).build(),
        ]);
    }
}

fn services() -> (Router<App>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(orders::routes())
        .merge(admin::routes())
        .merge(inspect::routes())
        .split_for_parts()
}

/// The description of the interface, as `GET /openapi.json` gives it.
pub fn description() -> utoipa::openapi::OpenApi {
    services().1
}

pub(crate) fn router(app: App) -> Router {
    let (services, description) = services();
    let services = services
        .fallback(|| async { Problem::not_found("there is no such service") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed; nothing was changed")
        })
        .layer(middleware::from_fn_with_state(app.clone(), sign_in))
        .with_state(app.clone());
    let index = index(&description, &app);
    // Written once: anybody may ask for it, as often as they like.
    let description = axum::body::Bytes::from(description.to_json().unwrap_or_default());
    Router::new()
        .route("/", get(|| async { ([(header::CONTENT_SECURITY_POLICY, SAFE_PAGE)], Html(index)) }))
        .route("/openapi.json", get(|| async { ([(header::CONTENT_TYPE, "application/json")], description) }))
        .fallback(move |request: Request| to_namespace(services, request))
        .layer(middleware::from_fn_with_state(app, name_us))
        .layer(middleware::map_response(safe))
}

/// Takes the base URL off a request's path, and notes whose it is.
async fn to_namespace(services: Router, mut request: Request) -> Response {
    let Some((at, rest)) = namespace(request.uri().path()) else {
        let problem = Problem::not_found("there is nothing here");
        return problem
            .hint("base URLs are /synchmaster/rest/v1, /synchclient/rest/v1 and /synch/NAME/rest/v1")
            .into_response();
    };
    // No service needs it, and what is encoded could be read in two ways.
    if rest.contains('%') {
        let what = "the path is malformed: numbers and names of services are not percent-encoded; nothing was changed";
        return Problem::new(StatusCode::BAD_REQUEST, what).into_response();
    }
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let Ok(uri) = format!("{rest}{query}").parse::<Uri>() else {
        return Problem::new(StatusCode::BAD_REQUEST, "the path is malformed; nothing was changed").into_response();
    };
    *request.uri_mut() = uri;
    request.extensions_mut().insert(At(at));
    services.oneshot(request).await.unwrap_or_else(|never| match never {})
}

fn namespace(path: &str) -> Option<(Namespace, &str)> {
    let (named, rest) = path.strip_prefix('/')?.split_once("/rest/v1")?;
    if !rest.starts_with('/') {
        return None;
    }
    let at = match named.split_once('/') {
        None if named == "synchmaster" => Namespace::Master,
        None if named == "synchclient" => Namespace::Client,
        Some(("synch", name)) if !name.contains('/') => Namespace::Named(decoded(name)?),
        _ => return None,
    };
    Some((at, rest))
}

/// A name with what is encoded in it (RFC 3986, 2.1): letters of most scripts are.
fn decoded(name: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), name.bytes());
    while let Some(byte) = rest.next() {
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push(match byte {
            b'%' => (digit()? * 16 + digit()?) as u8,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

async fn name_us(State(app): State<App>, request: Request, next: Next) -> Response {
    match app.names.check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn safe(mut response: Response) -> Response {
    for (name, value) in SAFE {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn sign_in(
    State(app): State<App>,
    Extension(client): Extension<Client>,
    request: Request,
    next: Next,
) -> Response {
    let head = request.method() == Method::HEAD;
    let mut response = match app.access.sign_in(request.headers(), client.from, app.stopping.clone()).await {
        Ok(()) => {
            client.signed_in.store(true, Ordering::Relaxed);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    // What a database holds is no page's to keep.
    if !head {
        response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    response
}

/// A page for people: what can be asked, with an example.
fn index(description: &utoipa::openapi::OpenApi, app: &App) -> String {
    let mut rows = String::new();
    for (path, item) in &description.paths.paths {
        let methods = [("GET", &item.get), ("POST", &item.post), ("PUT", &item.put), ("DELETE", &item.delete)];
        for (method, operation) in methods {
            let Some(operation) = operation else { continue };
            let summary = operation.summary.as_deref().unwrap_or_default();
            rows += &format!("<tr><td>{method}</td><td><code>{path}</code></td><td>{summary}</td></tr>\n");
        }
    }
    let (user, who) = match app.access.are_own() {
        true => ("USER:PASSWORD", "with what <code>objsync credentials</code> has stored"),
        false => ("superuser:sys", "with the demo's <code>superuser:sys</code>, on this machine only"),
    };
    include_str!("../../assets/rest.html")
        .replace("{{services}}", &rows)
        .replace("{{user}}", user)
        .replace("{{who}}", who)
        .replace("{{server}}", &format!("{}://localhost:{}", app.names.scheme(), app.names.bound.port()))
}
