//! An environment: a folder with the files of several nodes and a folder `sets` for what they exchange.

use std::path::{Path, PathBuf};

use crate::sync::data::guid::NodeId;
use crate::sync::decisions::rule::Rule;
use crate::sync::error::{Error, ErrorKind, Refusal, Result};
use crate::sync::exchange::apply::{ApplyOptions, Preview};
use crate::sync::exchange::prepare::{PrepareOptions, Prepared};
use crate::sync::exchange::report::Report;
use crate::sync::exchange::sync_times::Since;
use crate::sync::exchange::syncset::{self, Size};
use crate::sync::node::check::{Checked, check};
use crate::sync::node::look;
use crate::sync::node::verify::{self, Verification};
use crate::sync::node::{Identity, Node, NodeInfo, Role};
use crate::sync::progress::Progress;
use crate::words::{count, quoted_path, same_name};

/// The folder for sets inside an environment's folder.
pub const SETS: &str = "sets";

/// How often [`Environment::sync`] goes both ways. Two are enough for rules that answer the same at both ends.
const ROUNDS: usize = 3;

/// An open environment: the master first, then the clients by name.
pub struct Environment {
    dir: PathBuf,
    sets: PathBuf,
    /// The nodes.
    pub nodes: Vec<Node>,
}

impl Environment {
    /// Opens every node in a folder. A folder without any is [`ErrorKind::NotFound`].
    pub fn open(dir: &Path) -> Result<Environment> {
        Environment::open_each(dir, Node::open)
    }

    /// Opens them to look at them: also where they cannot be written, see [`Node::open_to_read`].
    pub fn open_to_read(dir: &Path) -> Result<Environment> {
        Environment::open_each(dir, Node::open_to_read)
    }

    fn open_each(dir: &Path, open: fn(&Path) -> Result<Node>) -> Result<Environment> {
        if !Environment::exists(dir) {
            return Err(missing(dir));
        }
        let mut nodes = Vec::new();
        for file in Environment::files_in(dir) {
            match open(&file) {
                Ok(node) => nodes.push(node),
                // Somebody's other database may lie in the folder, or what is called one and is none.
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(_) if !look::is_database(&file) => {}
                Err(e) => return Err(e),
            }
        }
        if nodes.is_empty() {
            return Err(missing(dir));
        }
        sort(&mut nodes);
        let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        Ok(Environment { sets: dir.join(SETS), dir, nodes })
    }

    /// Opens single node files, which may lie anywhere. Sets are written beside the first.
    pub fn open_files(files: &[PathBuf]) -> Result<Environment> {
        Environment::open_each_file(files, Node::open)
    }

    /// Opens them to look at them: also where they cannot be written, see [`Node::open_to_read`].
    pub fn open_files_to_read(files: &[PathBuf]) -> Result<Environment> {
        Environment::open_each_file(files, Node::open_to_read)
    }

    fn open_each_file(files: &[PathBuf], open: fn(&Path) -> Result<Node>) -> Result<Environment> {
        let whole = |file: &PathBuf| file.canonicalize().unwrap_or_else(|_| file.clone());
        if let Some(twice) = (1..files.len()).find(|i| files[..*i].iter().any(|f| whole(f) == whole(&files[*i]))) {
            return Err(Error::usage(format!(
                "the file {} is named twice; nothing was changed",
                files[twice].display()
            ))
            .hint("name each file once"));
        }
        let mut nodes = files.iter().map(|file| open(file)).collect::<Result<Vec<_>>>()?;
        let first = nodes.first().ok_or_else(|| Error::usage("no file was named"))?;
        let dir = first.path().parent().unwrap_or(Path::new(".")).to_owned();
        sort(&mut nodes);
        if let Some(twice) = nodes.windows(2).find(|w| w[0].info().guid == w[1].info().guid) {
            let what = format!(
                "{} and {} are one node, {}",
                twice[0].path().display(),
                twice[1].path().display(),
                twice[0].info().name
            );
            let copy = if twice[0].was_at().is_some() { &twice[0] } else { &twice[1] };
            return Err(Error::usage(format!("{what}; nothing was changed")).hint(format!(
                "make the one that is a copy a new node, which loses nothing: objsync rejoin --db {}",
                quoted_path(copy.path())
            )));
        }
        Ok(Environment { sets: dir.clone(), dir, nodes })
    }

    /// Says what goes on at any of its nodes through this handle, and asks it whether to stop.
    pub fn set_progress(&mut self, progress: &Progress) -> Result<()> {
        self.nodes.iter_mut().try_for_each(|node| node.set_progress(progress.clone()))
    }

    /// Whether a folder seems to hold an environment: it holds a database file.
    pub fn exists(dir: &Path) -> bool {
        !Environment::files_in(dir).is_empty()
    }

    /// The folder, absolute.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The database files in the folder now.
    pub fn files(&self) -> Vec<PathBuf> {
        Environment::files_in(&self.dir)
    }

    /// The database files in a folder, by name; none where there is no such folder.
    pub fn files_in(dir: &Path) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
        let mut files: Vec<PathBuf> = entries
            .filter_map(|e| Some(e.ok()?.path()))
            .filter(|p| p.extension().is_some_and(|e| e == "db") && p.is_file())
            .collect();
        files.sort();
        files
    }

    /// The folder for sets.
    pub fn sets(&self) -> PathBuf {
        self.sets.clone()
    }

    /// The place of the node of that name, compared without case, or of that GUID.
    pub fn index(&self, name: &str) -> Result<usize> {
        let is_called = |n: &Node| same_name(&n.info().name, name) || n.info().guid.to_string() == name;
        let found: Vec<usize> = (0..self.nodes.len()).filter(|i| is_called(&self.nodes[*i])).collect();
        match found.as_slice() {
            [place] => Ok(*place),
            [] => {
                let names: Vec<_> = self.nodes.iter().map(|n| n.info().name.as_str()).collect();
                Err(Error::usage(format!(
                    "there is no node `{name}` in {}; there are {}",
                    self.dir.display(),
                    names.join(" and ")
                )))
            }
            several => {
                let each = several.iter().map(|i| &self.nodes[*i]);
                if let [a, b, ..] = each.clone().collect::<Vec<_>>().as_slice()
                    && a.info().guid == b.info().guid
                {
                    let (a, b) = if a.was_at().is_some() { (b, a) } else { (a, b) };
                    let (a, b) = (a.path(), b.path());
                    let what = format!("{} and {} go on as one node; nothing was changed", a.display(), b.display());
                    return Err(Error::usage(what).hint(format!(
                        "make the one that is the copy a new node: objsync rejoin --db {}",
                        quoted_path(b)
                    )));
                }
                let each: Vec<_> = each.map(|n| format!("{} in {}", n.info().guid, n.path().display())).collect();
                Err(Error::usage(format!("there are {} nodes named {name}; nothing was changed", several.len()))
                    .hint(format!("name the one that is meant by its GUID: {}", each.join(", "))))
            }
        }
    }

    /// The place of the node of that name whose file was moved or copied; or else of the one that has the name.
    pub fn index_in_doubt(&self, name: &str) -> Result<usize> {
        let in_doubt = |n: &Node| n.was_at().is_some() && same_name(&n.info().name, name);
        let found: Vec<usize> = (0..self.nodes.len()).filter(|i| in_doubt(&self.nodes[*i])).collect();
        match found.as_slice() {
            [place] => Ok(*place),
            _ => self.index(name),
        }
    }

    /// The node of that name, compared without case.
    pub fn node(&mut self, name: &str) -> Result<&mut Node> {
        let index = self.index(name)?;
        Ok(&mut self.nodes[index])
    }

    /// Where a set is written: `out`, a file or a folder (ending in a separator, or existing), or the folder for sets.
    pub fn set_file(&self, out: Option<&Path>, source: usize, id: i64) -> Result<PathBuf> {
        Ok(self.set_files(out, source)?(id))
    }

    /// The same for any id.
    fn set_files(&self, out: Option<&Path>, source: usize) -> Result<impl Fn(i64) -> PathBuf + use<>> {
        let node = self.nodes[source].info().name.clone();
        let folder = match out {
            None => {
                std::fs::create_dir_all(self.sets()).map_err(|e| {
                    let folder = self.sets();
                    Error::storage(format!(
                        "the folder for sets cannot be made, nothing was changed: {e}: {}",
                        folder.display()
                    ))
                    .hint("take away what is in its place, or say where the set is to go (--out)")
                })?;
                self.sets()
            }
            Some(path) if path.is_dir() || path.to_string_lossy().ends_with(std::path::is_separator) => {
                if !path.is_dir() {
                    return Err(Error::storage(format!("there is no folder {}; nothing was changed", path.display()))
                        .hint("make the folder first, or name another one"));
                }
                path.to_owned()
            }
            Some(_) => PathBuf::new(),
        };
        let file = out.filter(|_| folder.as_os_str().is_empty()).map(Path::to_owned);
        Ok(move |id| file.clone().unwrap_or_else(|| folder.join(syncset::file_name(&node, id))))
    }

    /// Prepares a set at `source` for `target`, whom it meets first if need be.
    pub fn prepare(&mut self, source: usize, target: usize, options: &PrepareOptions) -> Result<Prepared> {
        if source == target {
            return Err(Error::usage("a node does not send sets to itself; nothing was changed"));
        }
        let identity = self.nodes[target].identity()?;
        self.nodes[source].meet(&identity)?;
        self.prepare_for(source, identity.info.guid, options)
    }

    /// Prepares a set at `source` for a peer, which may be elsewhere.
    pub fn prepare_for(&mut self, source: usize, peer: NodeId, options: &PrepareOptions) -> Result<Prepared> {
        self.check_not_restored(source)?;
        self.nodes[source].prepare(peer, options)
    }

    /// Prepares a set for a peer under the next id that is free, at `out` as [`Environment::set_file`] has it; whatever id and file
    /// `options` name.
    pub fn prepare_next(
        &mut self,
        source: usize,
        peer: NodeId,
        out: Option<&Path>,
        options: &PrepareOptions,
    ) -> Result<Prepared> {
        self.check_not_restored(source)?;
        let files = self.set_files(out, source)?;
        self.nodes[source].prepare_next(peer, options, &files)
    }

    /// Applies a set at a node.
    pub fn apply(&mut self, place: usize, file: &Path, options: ApplyOptions<'_>) -> Result<Report> {
        self.check_not_restored(place)?;
        let at_hand = self.source_at_hand(place, file, options.size)?;
        let options = ApplyOptions { at_hand: at_hand.as_ref(), ..options };
        self.nodes[place].apply(file, options).map_err(|e| self.hint_for_elsewhere(place, file, options.size, e))
    }

    /// Who sent a set, where that node is at hand. What is wrong with the file is said when it is applied.
    fn source_at_hand(&self, place: usize, file: &Path, size: Size) -> Result<Option<Identity>> {
        let Ok(source) = syncset::read_header(file, size).map(|header| header.source) else { return Ok(None) };
        let found = self.others(place).into_iter().find(|node| node.info.guid == source.guid);
        found.map(Node::identity).transpose()
    }

    /// Where an earlier set is missing and its sender is not at hand, adds what to do there.
    fn hint_for_elsewhere(&self, place: usize, file: &Path, size: Size, error: Error) -> Error {
        if error.refusal() != Some(Refusal::Gap) {
            return error;
        }
        let Ok(source) = syncset::read_header(file, size).map(|header| header.source) else { return error };
        if self.nodes.iter().any(|n| n.info().guid == source.guid) {
            return error;
        }
        let (us, source) = (&self.nodes[place].info().name, self.nodes[place].called_here(&source));
        error.hint(format!(
            "apply the earlier set first, or have one prepared at {source} for all that {us} has not acknowledged (`prepare --to {us} --since acknowledged`)"
        ))
    }

    /// Says what [`Environment::apply`] would do now.
    pub fn preview(&mut self, place: usize, file: &Path, options: ApplyOptions<'_>) -> Result<Preview> {
        self.check_not_restored(place)?;
        let at_hand = self.source_at_hand(place, file, options.size)?;
        self.nodes[place].preview(file, ApplyOptions { at_hand: at_hand.as_ref(), ..options })
    }

    /// Refuses where any node at hand knows one at a point at which its file never was.
    fn check_not_restored(&self, place: usize) -> Result<()> {
        let node = &self.nodes[place];
        self.others(place).into_iter().try_for_each(|other| node.check_not_restored(other))
    }

    fn others(&self, place: usize) -> Vec<&Node> {
        let all = self.nodes.iter().enumerate();
        all.filter(|(i, _)| *i != place).map(|(_, node)| node).collect()
    }

    /// Makes a file that was copied or put back from a backup a new node, see [`Node::rejoin`]. It keeps its name where no other
    /// node here has it, or is called `name`; beside another master it is a client.
    pub fn rejoin(&mut self, place: usize, name: Option<&str>) -> Result<NodeInfo> {
        self.rejoin_as(place, name, NodeId::random())
    }

    /// The same with a GUID that is given; it must never have been used before.
    pub fn rejoin_as(&mut self, place: usize, name: Option<&str>, guid: NodeId) -> Result<NodeInfo> {
        let others = self.others(place);
        let taken = |name: &str| others.iter().any(|other| same_name(&other.info().name, name));
        let old = self.nodes[place].info();
        let name = match name {
            Some(name) if taken(name) => {
                let what = format!("there is a node {name} already; nothing was changed");
                return Err(Error::usage(what).hint("choose another name"));
            }
            Some(name) => name.to_owned(),
            None => {
                let numbered = (2..).map(|n| format!("{}-{n}", old.name));
                [old.name.clone()].into_iter().chain(numbered).find(|name| !taken(name)).unwrap_or_default()
            }
        };
        let beside_master = others.iter().any(|other| other.info().role == Role::Master);
        let role = if beside_master { Role::Client } else { old.role };
        let certain = self.nodes[place].certain_point(&others)?;
        let info = self.nodes[place].rejoin_from(NodeInfo { guid, name, role }, certain)?;
        sort(&mut self.nodes);
        Ok(info)
    }

    /// After which commit of `source` there is something that `target` does not have: what it has received, rather than
    /// what it was sent, so that lost sets do no harm.
    pub fn has_of(&self, target: usize, source: usize) -> Result<u64> {
        self.nodes[target].has_of(&self.nodes[source].identity()?, self.nodes[source].number()?)
    }

    /// Both directions between the master and each client: clients send first, as the original's documentation advises.
    /// Gaps that lost files left are healed. Goes on until nothing is left to send, a few rounds at most. Clients that were
    /// retired are left out. Gives a report of each set: there is none where nothing was new.
    pub fn sync(&mut self, rule: Option<Rule>) -> Result<Vec<Report>> {
        self.check_company()?;
        let mut clients = Vec::new();
        for client in 1..self.nodes.len() {
            if !self.is_retired(0, client)? {
                clients.push(client);
            }
        }
        let directions: Vec<(usize, usize)> =
            clients.iter().map(|&c| (c, 0)).chain(clients.iter().map(|&c| (0, c))).collect();
        self.exchange_until_quiet(&directions, rule)
    }

    /// Sets in these directions (source, target), one after the other, until nothing is left to send, a few rounds at most.
    pub fn exchange_until_quiet(&mut self, directions: &[(usize, usize)], rule: Option<Rule>) -> Result<Vec<Report>> {
        let mut reports = Vec::new();
        let mut refused: Vec<((usize, usize), Error)> = Vec::new();
        for round in 0..ROUNDS {
            let exchanged = reports.len();
            // A decision made at one end has still to be told at the other.
            for &(source, target) in directions {
                let before = reports.len();
                let stopped = |e: Error| match before {
                    0 => e,
                    done => e.after(format!("{} exchanged before stay", count(done, "set"))),
                };
                // What keeps two nodes apart keeps nobody else from exchanging.
                let apart = refused.iter().any(|(pair, _)| *pair == (source, target));
                if !apart && (round == 0 || self.has_news(source, target).map_err(stopped)?) {
                    match self.exchange(source, target, rule) {
                        Ok(report) => reports.extend(report),
                        Err(e) if e.refusal().is_some() => refused.push(((source, target), e)),
                        Err(e) => return Err(stopped(e)),
                    }
                }
            }
            if reports.len() == exchanged {
                break;
            }
        }
        match refused.into_iter().next() {
            Some((_, error)) if reports.is_empty() => Err(error),
            Some(((source, target), error)) => {
                let [source, target] = [source, target].map(|i| self.nodes[i].info().name.clone());
                let done = format!("{} exchanged before stay", count(reports.len(), "set"));
                Err(error.after(done).while_doing(format!("from {source} to {target}")))
            }
            None => Ok(reports),
        }
    }

    /// Whether a node has filed something that another has neither received nor, by way of a third, has in sight; or that is purged.
    pub(crate) fn has_news(&mut self, source: usize, target: usize) -> Result<bool> {
        let start = self.has_of(target, source)?;
        let node = &self.nodes[source];
        Ok(start < node.floor()? || node.has_news_for(&self.nodes[target], start)?)
    }

    /// Says that the nodes belong together though they have nothing in common and have rows, see [`Refusal::Strangers`].
    pub fn join(&mut self) -> Result<()> {
        let [first, others @ ..] = self.nodes.as_mut_slice() else { return Ok(()) };
        for other in others.iter() {
            first.check_same_classes(&other.classes, &other.info.name)?;
        }
        others.iter_mut().try_for_each(|other| first.acquaint_with(other))
    }

    /// One direction: prepares at `source` what `target` does not have, and applies it there. Where nothing is new there is no set:
    /// `target` is told how far it has everything, and tries again what waits; a report only where that did something.
    pub fn exchange(&mut self, source: usize, target: usize, rule: Option<Rule>) -> Result<Option<Report>> {
        self.check_not_restored(target)?;
        // Files what other programs have done to the tables, so that it is told, too.
        [source, target].into_iter().try_for_each(|place| self.nodes[place].refresh())?;
        if !self.has_news(source, target)? && self.nodes[source].has_the_classes_of(&self.nodes[target])? {
            return self.tell_without_set(source, target, rule);
        }
        self.nodes[target].check_no_stranger_at_hand(&self.nodes[source])?;
        self.nodes[target].check_same_classes(&self.nodes[source].classes, &self.nodes[source].info.name)?;
        let since = Since::Number(self.has_of(target, source)?);
        let identities = [self.nodes[source].identity()?, self.nodes[target].identity()?];
        let [sender, identity] = &identities;
        self.nodes[source].meet(identity)?;
        let options = PrepareOptions {
            id: 0,
            file: PathBuf::new(),
            since,
            upto: None,
            overwrite: false,
            compress: false,
            update_sync_time: true,
        };
        let prepared = self.prepare_next(source, identity.info.guid, None, &options)?;
        let applied = self.nodes[target]
            .apply(&prepared.file, ApplyOptions { rule, at_hand: Some(sender), ..ApplyOptions::default() });
        applied.map(Some).map_err(|e| {
            let error = e.after(format!("set {} from {} is prepared and not applied", prepared.id, prepared.source));
            match error.kind() {
                ErrorKind::Cancelled => error.hint("the next synchronization carries the same again"),
                _ => error,
            }
        })
    }

    fn tell_without_set(&mut self, source: usize, target: usize, rule: Option<Rule>) -> Result<Option<Report>> {
        self.check_not_restored(source)?;
        let [from, to] = self.nodes.get_disjoint_mut([source, target]).map_err(|e| Error::usage(e.to_string()))?;
        from.tell_without_set(to)?;
        let options = ApplyOptions { rule, ..ApplyOptions::default() };
        let tried = if to.waits()? { Some(to.retry(options)?) } else { None };
        Ok(tried.filter(|report| report.total() > report.requeued))
    }

    /// Does something at several nodes, at each in a transaction of its own; where it fails at one, says where it is done.
    pub fn at_each<T>(&mut self, places: &[usize], mut work: impl FnMut(&mut Node) -> Result<T>) -> Result<Vec<T>> {
        let mut done = Vec::new();
        for &place in places {
            done.push(work(&mut self.nodes[place]).map_err(|e| match done.len() {
                0 => e,
                before => {
                    let names: Vec<&str> =
                        places[..before].iter().map(|place| self.nodes[*place].info().name.as_str()).collect();
                    e.after(format!("it is done at {}", names.join(", ")))
                }
            })?);
        }
        Ok(done)
    }

    /// Makes a new client from the file of a node, level with it at once: nothing to send. Its file lies beside the others.
    pub fn add_client(&mut self, name: &str, from: usize) -> Result<usize> {
        if let Some(there) = self.nodes.iter().find(|n| same_name(&n.info().name, name)) {
            let what =
                format!("there is a node {} already in {}; nothing was changed", there.info().name, self.dir.display());
            return Err(Error::usage(what).hint("choose another name"));
        }
        let file = self.dir.join(format!("{}.db", name.to_lowercase()));
        let copy = self.nodes[from].fresh_copy(&file, name, Role::Client)?;
        let guid = copy.info().guid;
        self.nodes.push(copy);
        sort(&mut self.nodes);
        Ok(self.nodes.iter().position(|n| n.info().guid == guid).unwrap_or_default())
    }

    /// Whether one of two nodes has given the other up.
    pub fn is_retired(&self, a: usize, b: usize) -> Result<bool> {
        let [x, y] = [a, b].map(|i| self.nodes[i].info().guid);
        Ok(self.nodes[a].is_retired(y)? || self.nodes[b].is_retired(x)?)
    }

    /// Refuses where there is only one node: with nobody to compare with, saying that all is equal would be wrong.
    fn check_company(&self) -> Result<()> {
        if self.nodes.len() > 1 {
            return Ok(());
        }
        let (dir, name) = (self.dir.display(), &self.nodes[0].info().name);
        if self.sets == self.dir {
            let what = format!("only {name} is at hand; nothing was changed");
            return Err(Error::usage(what).hint("name the other node's file as well, or exchange sets as files"));
        }
        Err(Error::storage(format!(
            "{dir} holds one node only, {name}; the file of any other is missing or no node; nothing was changed"
        ))
        .hint("put the missing file back, from a backup if need be (then objsync rejoin), or exchange sets as files"))
    }

    /// The node that a set is addressed to.
    pub fn addressee(&self, file: &Path, size: Size) -> Result<usize> {
        let target = syncset::read_header(file, size)?.target;
        self.nodes.iter().position(|n| n.info().guid == target.guid).ok_or_else(|| {
            let known = self.nodes.iter().find_map(|n| n.nodes.find(target.guid));
            let (name, guid) = (&known.unwrap_or(&target).name, target.guid);
            let where_to = match self.nodes.iter().find(|n| n.info().name == *name) {
                Some(n) => format!("another {name} ({guid}); the one here is {}", n.info().guid),
                None => format!("{name} {guid}, which is not in this environment"),
            };
            Error::refused(Refusal::WrongNode, format!("the set is addressed to {where_to}; nothing was changed"))
                .hint(format!("apply it in the environment of node {guid}"))
        })
    }

    /// Checks every node's file, and what they say about each other; only reads.
    pub fn check(&self, progress: &Progress) -> Result<Checked> {
        let files: Vec<PathBuf> = self.nodes.iter().map(|node| node.path().to_owned()).collect();
        check(&files, progress)
    }

    /// Compares what all nodes hold, by reading every row.
    pub fn verify(&mut self) -> Result<Verification> {
        self.check_company()?;
        verify::verify(&mut self.nodes)
    }
}

/// A folder that holds no node.
pub(crate) fn missing(dir: &Path) -> Error {
    let error = Error::new(ErrorKind::NotFound, format!("there is no environment in {}", dir.display()));
    match Environment::files_in(dir).first() {
        Some(file) => error.hint(format!(
            "its databases are no nodes of objsync; objsync track {} makes one a node",
            quoted_path(file)
        )),
        None => error.hint(format!("make one: objsync install --dir {}", quoted_path(dir))),
    }
}

/// The master first, then by name.
fn sort(nodes: &mut [Node]) {
    nodes.sort_by_key(|n| (n.info().role != Role::Master, n.info().name.to_lowercase()));
}
