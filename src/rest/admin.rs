//! Preparing and applying sets, and the conflicts found: the administrative services of the original demo, under its names.

use std::path::{Path as FilePath, PathBuf};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::rest::body::JsonBody;
use crate::rest::orders::TOP;
use crate::rest::pool::Use;
use crate::rest::problem::Problem;
use crate::rest::routes::{App, At, Refused, top};
use crate::sync::{
    ApplyOptions, Chosen, ConflictRecord, ConflictSide, Environment, NodeId, PrepareOptions, RecordState, Report,
    Since, syncset,
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(prepare))
        .routes(routes!(synchronize))
        .routes(routes!(preview))
        .routes(routes!(conflicts))
        .routes(routes!(conflicts_top))
}

/// Which set to prepare, and for whom.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"syncID": 1000, "dir": "sets", "excludeNS": "CLIENT"}))]
pub(crate) struct PrepareBody {
    /// The set's number at this node, above 0 and not used before
    #[serde(rename = "syncID")]
    sync_id: i64,
    /// The folder of its file, from the environment's folder; `.` is that one
    dir: Option<String>,
    /// The node that it is for: what came from there unchanged is left out
    #[serde(rename = "excludeNS")]
    exclude_ns: Option<String>,
    /// The same by its GUID
    #[serde(rename = "GUID")]
    guid: Option<String>,
    /// The name of its file, instead of syncFrom<NAMESPACE>-<syncID>.syncset
    file: Option<String>,
    /// The first transaction, instead of the one after what was sent last
    first_trans: Option<u64>,
    /// The last transaction, instead of the last there is
    last_trans: Option<u64>,
    /// false: an extra copy, the next set covers its range again
    #[schema(value_type = Option<bool>)]
    update_sync_time: Option<Flag>,
}

/// A yes or no, which the original writes as 1 or 0.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Number(i64),
}

/// The set that was prepared.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PreparedSet {
    status: i64,
    /// Where the original keeps the set, too
    gbl_sync_set: String,
    /// The file, absolute
    file: String,
    first_transac: u64,
    /// The last transaction; one less than the first where nothing new was filed
    last_transac: u64,
    errors: i64,
    objects: usize,
    transactions: usize,
    bytes: u64,
}

/// Which set to apply.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"syncID": 1000, "dir": "sets", "srcNS": "MASTER"}))]
pub(crate) struct SynchronizeBody {
    /// The set's number at its source
    #[serde(rename = "syncID")]
    sync_id: Option<i64>,
    /// The folder of its file
    dir: Option<String>,
    /// The node that prepared it
    #[serde(rename = "srcNS")]
    src_ns: Option<String>,
    /// The name of its file, instead of syncFrom<srcNS>-<syncID>.syncset
    file: Option<String>,
}

/// What applying a set did.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Synchronized {
    status: i64,
    import_file: String,
    #[serde(flatten)]
    counts: Counts,
}

/// How many objects met which end.
#[derive(Serialize, ToSchema)]
pub(crate) struct Counts {
    inserted: usize,
    updated: usize,
    deleted: usize,
    conflicts: usize,
    combined: usize,
    requeued: usize,
    skipped: usize,
}

impl Counts {
    pub(crate) fn of(report: &Report) -> Counts {
        let Report { inserted, updated, deleted, conflicts, combined, requeued, skipped, .. } = *report;
        Counts { inserted, updated, deleted, conflicts, combined, requeued, skipped }
    }
}

/// What applying a set would do.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Previewed {
    import_file: String,
    #[serde(flatten)]
    counts: Counts,
    /// Object by object, in words
    #[schema(value_type = Vec<Object>)]
    objects: serde_json::Value,
}

/// A conflict, or a combination.
#[derive(Serialize, ToSchema)]
pub(crate) struct Conflict {
    /// The number of its record
    id: i64,
    /// The node that sent the set
    #[serde(rename = "syncSRC")]
    sync_src: String,
    #[serde(rename = "syncID")]
    sync_id: i64,
    /// What came, as JSON; `deleted`
    #[serde(rename = "srcObjectSTR")]
    src_object_str: String,
    /// What was here, as JSON; `deleted`
    #[serde(rename = "tgtObjectSTR")]
    tgt_object_str: String,
    /// What stands: remote, local, merged; open where nobody has decided
    chosen: &'static str,
    class: String,
    /// The object
    guid: String,
    /// Its number here
    number: Option<i64>,
    properties: Vec<String>,
    rule: String,
    why: String,
    /// What was chosen, as JSON, and decided later where somebody did
    #[schema(value_type = Object)]
    result: serde_json::Value,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Conflicts {
    conflicts: Vec<Conflict>,
}

/// The file of a set in a folder that a request names.
fn set_file(app: &App, env: &Environment, dir: Option<&str>, name: &str) -> Result<PathBuf, Problem> {
    let folder = match dir {
        Some(dir) => app.folders.folder(dir)?,
        None => {
            let sets = env.sets();
            std::fs::create_dir_all(&sets).map_err(crate::sync::Error::from)?;
            sets
        }
    };
    app.folders.file(&folder, name)
}

/// Prepare a set for another node
#[utoipa::path(post, path = "/admin/prepsynch", tag = "sets", request_body = PrepareBody, responses((status = 200, body = PreparedSet), Refused))]
async fn prepare(
    State(app): State<App>,
    At(at): At,
    JsonBody(body): JsonBody<PrepareBody>,
) -> Result<Json<PreparedSet>, Problem> {
    let pool = app.pool.clone();
    let done = pool.with(Use::Writes, move |env| {
        if body.sync_id <= 0 {
            return Err(Problem::unusable("syncID", "syncID: a set's number is above 0; nothing was changed"));
        }
        let source = at.place(env)?;
        let peer = target(env, source, &body)?;
        let name = syncset::file_name(&env.nodes[source].info().name, body.sync_id);
        let file = set_file(&app, env, body.dir.as_deref(), body.file.as_deref().unwrap_or(&name))?;
        let since = match body.first_trans {
            None => Since::Sent,
            Some(first) => Since::Number(first.checked_sub(1).ok_or_else(|| {
                Problem::unusable("firstTrans", "firstTrans: transactions begin with 1; nothing was changed")
            })?),
        };
        let used = !env.nodes[source].sets_of(body.sync_id, true, None)?.is_empty();
        if used || file.exists() {
            let what = match used {
                true => {
                    format!("syncID: {} has prepared a set {} already", env.nodes[source].info().name, body.sync_id)
                }
                false => "the file is there already".to_owned(),
            };
            let problem = Problem::new(StatusCode::CONFLICT, format!("{what}; nothing was changed"));
            return Err(problem.hint(format!("{} is free", env.nodes[source].next_set_id()?)));
        }
        let update_sync_time = match body.update_sync_time {
            None => true,
            Some(Flag::Bool(yes)) => yes,
            Some(Flag::Number(n)) => n != 0,
        };
        let options = PrepareOptions {
            id: body.sync_id,
            file,
            since,
            upto: body.last_trans,
            overwrite: false,
            compress: false,
            update_sync_time,
        };
        let prepared = env.prepare_for(source, peer, &options)?;
        Ok(PreparedSet {
            status: 1,
            gbl_sync_set: format!("^OBJ.SYNC.{}", prepared.id),
            file: prepared.file.to_string_lossy().into_owned(),
            first_transac: prepared.first_transaction,
            last_transac: prepared.last_transaction,
            errors: 0,
            objects: prepared.objects,
            transactions: prepared.transactions,
            bytes: prepared.bytes,
        })
    });
    Ok(Json(done.await?))
}

/// Whom a set is for: a node here, whom the source meets if need be, or a peer elsewhere.
fn target(env: &mut Environment, source: usize, body: &PrepareBody) -> Result<NodeId, Problem> {
    let (name, property) = match (&body.exclude_ns, &body.guid) {
        (Some(_), Some(_)) => {
            let what = "excludeNS and GUID both say whom the set is for; say one; nothing was changed";
            return Err(Problem::unusable("GUID", what));
        }
        (Some(name), None) => (name, "excludeNS"),
        (None, Some(guid)) => (guid, "GUID"),
        (None, None) => {
            let what = "excludeNS: say for which node the set is; nothing was changed";
            return Err(Problem::unusable("excludeNS", what));
        }
    };
    if let Ok(place) = env.index(name) {
        if place == source {
            let what = format!("{property}: a node does not send sets to itself; nothing was changed");
            return Err(Problem::unusable(property, what));
        }
        let identity = env.nodes[place].identity()?;
        env.nodes[source].meet(&identity)?;
        return Ok(identity.info.guid);
    }
    let peer = env.nodes[source].peer(name);
    peer.map(|info| info.guid).map_err(|e| {
        let problem = Problem::not_found(format!("{property}: {}; nothing was changed", e.message()));
        Problem { property: Some(property.to_owned()), ..problem }
    })
}

/// The file that a request means, which must be there.
fn meant(app: &App, env: &Environment, body: &SynchronizeBody) -> Result<PathBuf, Problem> {
    let name = match (&body.file, &body.src_ns, body.sync_id) {
        (Some(file), ..) => file.clone(),
        (None, Some(source), Some(id)) => syncset::file_name(source, id),
        (None, Some(_), None) => {
            return Err(Problem::unusable("syncID", "syncID: say which set, or name its file; nothing was changed"));
        }
        (None, None, _) => {
            return Err(Problem::unusable(
                "srcNS",
                "srcNS: say who prepared the set, or name its file; nothing was changed",
            ));
        }
    };
    let file = set_file(app, env, body.dir.as_deref(), &name)?;
    if !file.is_file() {
        let problem = Problem::not_found(format!("there is no set file {name} in that folder; nothing was changed"));
        return Err(problem.hint(
            "without `dir` it is looked for in the folder `sets`, where window and command line write; else prepare it first (/admin/prepsynch at its source), or upload it (/admin/sets)",
        ));
    }
    check_source(&file, body)?;
    Ok(file)
}

/// A file of another name may hold another set than the one that was meant.
fn check_source(file: &FilePath, body: &SynchronizeBody) -> Result<(), Problem> {
    let header = syncset::read_header(file, syncset::Size::Usual)?;
    let other_node = body.src_ns.as_ref().is_some_and(|name| !crate::words::same_name(&header.source.name, name));
    if other_node || body.sync_id.is_some_and(|id| id != header.id) {
        let what = format!("the file holds set {} from {}; nothing was changed", header.id, header.source.name);
        return Err(Problem::new(StatusCode::CONFLICT, what).hint("leave out srcNS and syncID where the file is named"));
    }
    Ok(())
}

/// Apply a set that another node has prepared
#[utoipa::path(post, path = "/admin/synchronize", tag = "sets", request_body = SynchronizeBody, responses((status = 200, body = Synchronized), Refused))]
async fn synchronize(
    State(app): State<App>,
    At(at): At,
    JsonBody(body): JsonBody<SynchronizeBody>,
) -> Result<Json<Synchronized>, Problem> {
    let pool = app.pool.clone();
    let done = pool.with(Use::Writes, move |env| {
        let place = at.place(env)?;
        let file = meant(&app, env, &body)?;
        let report = env.apply(place, &file, ApplyOptions::default())?;
        Ok(Synchronized { status: 1, import_file: file.to_string_lossy().into_owned(), counts: Counts::of(&report) })
    });
    Ok(Json(done.await?))
}

/// What applying a set would do now
#[utoipa::path(post, path = "/admin/preview", tag = "sets", request_body = SynchronizeBody, responses((status = 200, body = Previewed), Refused))]
async fn preview(
    State(app): State<App>,
    At(at): At,
    JsonBody(body): JsonBody<SynchronizeBody>,
) -> Result<Json<Previewed>, Problem> {
    let pool = app.pool.clone();
    let done = pool.with(Use::Writes, move |env| {
        let place = at.place(env)?;
        let file = meant(&app, env, &body)?;
        let report = env.preview(place, &file, ApplyOptions::default())?.report;
        Ok(Previewed {
            import_file: file.to_string_lossy().into_owned(),
            counts: Counts::of(&report),
            objects: serde_json::to_value(&report.objects).unwrap_or_default(),
        })
    });
    Ok(Json(done.await?))
}

/// Conflicts, open ones first
#[utoipa::path(get, path = "/admin/conflicts/{topMax}", tag = "sets", params(("topMax" = u32, Path)), responses((status = 200, body = Conflicts), Refused))]
async fn conflicts_top(
    State(app): State<App>,
    At(at): At,
    Path(limit): Path<String>,
) -> Result<Json<Conflicts>, Problem> {
    let limit = top(&limit)?;
    let done = app.pool.with(Use::Reads, move |env| {
        let place = at.place(env)?;
        let records = env.nodes[place].conflicts(limit)?;
        Ok(Conflicts { conflicts: records.into_iter().map(conflict).collect() })
    });
    Ok(Json(done.await?))
}

/// Ten conflicts, open ones first
#[utoipa::path(get, path = "/admin/conflicts", tag = "sets", responses((status = 200, body = Conflicts), Refused))]
async fn conflicts(state: State<App>, at: At) -> Result<Json<Conflicts>, Problem> {
    conflicts_top(state, at, Path(TOP.to_owned())).await
}

fn conflict(record: ConflictRecord) -> Conflict {
    let text = |side: &ConflictSide| match side.content.is_null() {
        true => "deleted".to_owned(),
        false => side.content.to_string(),
    };
    Conflict {
        id: record.id,
        sync_src: record.source.clone(),
        sync_id: record.set,
        src_object_str: text(&record.theirs),
        tgt_object_str: text(&record.ours),
        chosen: match (record.state, record.chosen) {
            (RecordState::Open, _) => "open",
            (_, Chosen::Ours) => "local",
            (_, Chosen::Theirs) => "remote",
            (_, Chosen::Merged) => "merged",
        },
        class: record.class,
        guid: record.guid,
        number: record.number,
        properties: record.properties,
        rule: record.rule,
        why: record.why,
        result: record.result,
    }
}
