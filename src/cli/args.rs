//! What can be asked on the command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::demo::model::{Decimal, OrderDraft, parse_date, parse_price, parse_quantity};
use crate::demo::scenario::SCENARIOS;
use crate::sync::syncset::Size;
use crate::sync::{ApplyOptions, NodeInfo, Rule};

/// Object synchronization between occasionally connected databases: shown in a window, and really done.
///
/// Without a command the window opens on the demo environment; it is made on first start. A walk through the commands:
///
///   objsync install --dir demo
///   objsync random-order --dir demo --node MASTER --count 3
///   objsync prepare --dir demo --node MASTER --to CLIENT --id 1000
///   objsync apply demo/sets/syncFromMASTER-1000.syncset --dir demo --node CLIENT
///   objsync verify --dir demo
#[derive(Debug, Parser)]
#[command(name = "objsync", version, verbatim_doc_comment, after_help = EXIT_CODES)]
pub struct Args {
    /// Where the nodes are
    #[command(flatten)]
    pub place: Place,
    /// Answer with one JSON value on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do; none: open the window
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Where the nodes are: a folder with an environment, or single files.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Place {
    /// The environment's folder [default: OBJSYNC_DIR, or objsync in your data folder]
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "db")]
    pub dir: Option<PathBuf>,
    /// A node's file instead of an environment; several times for several nodes
    #[arg(long, global = true, value_name = "FILE")]
    pub db: Vec<PathBuf>,
}

const EXIT_CODES: &str = "Exit codes: 0 done (conflicts decided and units waiting are no failure), 1 only from verify (they differ) and check \
(something is wrong), 2 wrong use, 3 refused or failed and nothing changed.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a demo environment: MASTER and CLIENT with the same sample data
    Install {
        /// The master's namespace: letters, digits, - and _
        #[arg(long, default_value = "MASTER", value_parser = namespace)]
        master: String,
        /// The client's namespace
        #[arg(long, default_value = "CLIENT", value_parser = namespace)]
        client: String,
        /// How many items
        #[arg(long, default_value_t = 50)]
        items: u32,
        /// How many customers
        #[arg(long, default_value_t = 50)]
        customers: u32,
        /// How many employees
        #[arg(long, default_value_t = 100)]
        employees: u32,
        /// How many orders
        #[arg(long, default_value_t = 1000)]
        orders: u32,
        /// Makes the same data again on the same day
        #[arg(long)]
        seed: Option<u64>,
        /// Put a demo that is there, and its sets, into a folder beside the new one; other databases are never replaced
        #[arg(long)]
        overwrite: bool,
    },
    /// Add sample data to a node
    Populate {
        /// The node's namespace [default: the only one]
        #[arg(long)]
        node: Option<String>,
        /// How many items
        #[arg(long, default_value_t = 0)]
        items: u32,
        /// How many customers
        #[arg(long, default_value_t = 0)]
        customers: u32,
        /// How many employees
        #[arg(long, default_value_t = 0)]
        employees: u32,
        /// How many orders
        #[arg(long, default_value_t = 0)]
        orders: u32,
        /// Makes the same data again on the same day
        #[arg(long)]
        seed: Option<u64>,
    },
    /// How every node stands, and what it has to send
    Status,
    /// Insert random orders, one transaction each
    RandomOrder {
        /// The node's namespace [default: the only one]
        #[arg(long)]
        node: Option<String>,
        /// How many
        #[arg(long, default_value_t = 1)]
        count: u32,
        /// Makes the same orders again on the same day
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Show, make, change or delete orders
    Order {
        /// What to do
        #[command(subcommand)]
        command: OrderCommand,
    },
    /// Write a sync set: what one node has not yet sent to another
    Prepare {
        /// The node that sends [default: the only one]
        #[arg(long)]
        node: Option<String>,
        /// The node that is to apply it [default: the only peer]
        #[arg(long)]
        to: Option<String>,
        /// The set's number at this node, above 0 [default: the next one]
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
        id: Option<i64>,
        /// A file, or a folder (existing, or ending in /) for the default name [default: DIR/sets/syncFromNODE-ID.syncset, or beside
        /// the file that --db names]
        #[arg(long, value_name = "FILE or FOLDER/")]
        out: Option<PathBuf>,
        /// After which transaction it starts: what was last `sent`, or what the other has `acknowledged`, which repairs a lost set
        #[arg(long, default_value = "sent", value_parser = ["sent", "acknowledged"])]
        since: String,
        /// The first transaction it covers, instead of --since
        #[arg(long, value_name = "TRANSACTION", conflicts_with = "since", value_parser = clap::value_parser!(u64).range(1..))]
        from: Option<u64>,
        /// The last transaction it covers [default: the last one there is]
        #[arg(long, value_name = "TRANSACTION")]
        upto: Option<u64>,
        /// Pack the file (zstd); it is recognised when it is read
        #[arg(long)]
        zstd: bool,
        /// Leave "last sent" as it is, so that the next set covers the same again
        #[arg(long)]
        no_update: bool,
        /// Replace a file or a set of that id
        #[arg(long)]
        overwrite: bool,
    },
    /// Apply a sync set at the node it is addressed to
    Apply {
        /// The set's file
        file: PathBuf,
        /// Where and how
        #[command(flatten)]
        how: Applying,
    },
    /// Say what applying a set would do, object by object; nothing is changed
    Preview {
        /// The set's file
        file: PathBuf,
        /// Where and how
        #[command(flatten)]
        how: Applying,
    },
    /// Undo an applied set as if it had not been applied: only while nothing was prepared or built on it since
    TakeBack {
        /// The applied set
        #[command(flatten)]
        set: AppliedSet,
    },
    /// Undo an applied set by new changes that restore what it changed; they travel like any other
    Revert {
        /// The applied set
        #[command(flatten)]
        set: AppliedSet,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Synchronize in both directions, clients first; heals what lost sets left out
    Sync {
        /// Decides conflicts this time [default: what `objsync rules` says]
        #[arg(long)]
        rule: Option<RuleArg>,
        /// Make one collection of nodes that have nothing in common; what both have, is there twice then
        #[arg(long)]
        join: bool,
    },
    /// What each rule for conflicts does, and which is chosen; choose others
    Rules {
        /// What to do; none: list
        #[command(subcommand)]
        command: Option<RulesCommand>,
    },
    /// Decide a conflict, or decide it again; only what differs from what the record says is changed
    #[command(group(clap::ArgGroup::new("choice").required(true).args(["ours", "theirs", "set"])))]
    Resolve {
        /// The record's number at the node
        record: i64,
        /// The node's namespace [default: the only one]
        #[arg(long)]
        node: Option<String>,
        /// Take what was here
        #[arg(long)]
        ours: bool,
        /// Take what came
        #[arg(long)]
        theirs: bool,
        /// Take these values and leave the others; a reference is a number at the node, null is no value
        #[arg(long, value_name = "PROPERTY=VALUE", num_args = 1.., value_parser = assignment)]
        set: Vec<(String, String)>,
        /// Go on although the object has changed since it was decided
        #[arg(long)]
        confirm: bool,
    },
    /// The conflict records of a node: those to be decided first, then the newest
    Conflicts {
        /// The node's namespace [default: the only one]
        #[arg(long)]
        node: Option<String>,
        /// At most how many
        #[arg(long, default_value_t = 10_000)]
        limit: usize,
    },
    /// What waits at a node because it could not be applied yet; try it again, or give it up
    Requeue {
        /// The node's namespace [default: the only one]
        #[arg(long, global = true)]
        node: Option<String>,
        /// What to do; none: list
        #[command(subcommand)]
        command: Option<RequeueCommand>,
    },
    /// A node's journal: every filing event, newest first
    Journal {
        /// The node's namespace [default: the only one]
        #[arg(long)]
        node: Option<String>,
        /// Events of this object only
        #[command(flatten)]
        object: ObjectArgs,
        /// Those after this transaction
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// Those up to this transaction
        #[arg(long)]
        upto: Option<u64>,
        /// At most how many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Every state of one object at a node: what, who, when, and through which set
    History {
        /// Its number at the node, or its GUID
        object: String,
        /// Its class
        #[arg(long, default_value = "Order")]
        class: String,
        /// The node's namespace [default: the only one]
        #[arg(long)]
        node: Option<String>,
    },
    /// Look into a set: a file, or one that a node has sent or applied
    #[command(group(clap::ArgGroup::new("which").required(true).args(["file", "id"])))]
    Show {
        /// The set's file
        file: Option<PathBuf>,
        /// The set's number, prepared at the node; with --from, applied there
        #[arg(long)]
        id: Option<i64>,
        /// The node's namespace [default: the only one]
        #[arg(long)]
        node: Option<String>,
        /// The node that sent it
        #[arg(long, requires = "id")]
        from: Option<String>,
        /// One object only, in full: its number at the source, or its GUID
        #[arg(long)]
        object: Option<String>,
        /// Read the set however large it is, unpacked
        #[arg(long)]
        any_size: bool,
    },
    /// The sets that a node has prepared and applied, newest first
    Sets {
        /// The node's namespace [default: the only one]
        #[arg(long)]
        node: Option<String>,
        /// At most how many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// How far a node and its peers have heard of each other
    SyncTimes {
        /// The node's namespace [default: the only one]
        #[arg(long)]
        node: Option<String>,
    },
    /// Compare what all nodes hold, row by row; exit code 1 where journaled classes differ
    Verify,
    /// Check whether all that nodes keep (journal, versions, history, records, requeue) agrees with itself, with the tables and with
    /// the other nodes; only reads. Exit code 1 where something is wrong, 3 where a file cannot be checked
    Check {
        /// One node only [default: all]
        #[arg(long)]
        node: Option<String>,
    },
    /// Make a new client from a node's file; it is level with that node at once
    AddClient {
        /// Its namespace: letters, digits, - and _
        #[arg(value_parser = namespace)]
        name: String,
        /// The node it is made from [default: the master]
        #[arg(long, value_name = "NODE")]
        from: Option<String>,
    },
    /// Which classes are synchronized; journal another one, or stop
    Classes {
        /// What to do; none: list
        #[command(subcommand)]
        command: Option<ClassesCommand>,
    },
    /// By which public keys nodes are known: only sets signed with these are taken
    Keys {
        /// The node's namespace [default: every node here]
        #[arg(long, global = true)]
        node: Option<String>,
        /// What to do; none: list
        #[command(subcommand)]
        command: Option<KeysCommand>,
    },
    /// Give up a peer: no sets to and from it any more, and nothing is kept for it
    Retire {
        /// The peer's namespace or GUID
        peer: String,
        /// The node that gives it up [default: every other node here]
        #[arg(long)]
        node: Option<String>,
    },
    /// Forget journal, old states and deleted objects that every peer has confirmed
    Purge {
        /// The node's namespace [default: the only one]
        #[arg(long)]
        node: Option<String>,
        /// Nothing after this transaction
        #[arg(long, value_name = "TRANSACTION")]
        upto: Option<u64>,
        /// Keep at least the last ones, that many
        #[arg(long, value_name = "COUNT", conflicts_with = "upto")]
        keep: Option<u64>,
    },
    /// Say that a node's file was only moved: there is no other copy that goes on as this node
    Moved {
        /// The node's namespace [default: the only one]
        #[arg(long)]
        node: Option<String>,
    },
    /// Serve the REST interface until Ctrl-C or SIGTERM; the window does so by itself while it is open
    #[cfg(feature = "rest")]
    Serve(ServeArgs),
    /// Who may sign in to the REST interface: reads the password from standard input and stores its hash in the environment
    #[cfg(feature = "rest")]
    Credentials {
        /// The user's name
        user: String,
    },
    /// Make a copied or restored file a new node, so that it can exchange sets again
    Rejoin {
        /// The node's namespace [default: the only one]
        #[arg(long)]
        node: Option<String>,
        /// What it is called from now on [default: as before; with a number where another node here is called so]
        #[arg(long, value_parser = namespace)]
        name: Option<String>,
    },
    /// Make a database that is there a node: its tables are synchronized from now on
    Track {
        /// The database's file
        file: PathBuf,
        /// Tables to synchronize; those they refer to by number get identities [default: all that can be]
        tables: Vec<String>,
        /// Its namespace: letters, digits, - and _ [default: the file's name]
        #[arg(long, value_parser = namespace)]
        name: Option<String>,
        /// Its role, which some rules for conflicts ask for
        #[arg(long, default_value = "master", value_parser = ["master", "client"])]
        role: String,
        /// A column that looks like a reference by number and is none; may be repeated
        #[arg(long, value_name = "TABLE.COLUMN")]
        no_reference: Vec<String>,
        /// No column is a reference but those with a foreign key
        #[arg(long)]
        yes: bool,
    },
    /// Make a node an ordinary database again; its tables stay as they are, and may be altered in any way
    Untrack {
        /// The node's file
        file: PathBuf,
    },
    /// Make another node from a node's file: a client, level with it at once
    Copy {
        /// The node's file
        file: PathBuf,
        /// The file to be made
        copy: PathBuf,
        /// Its namespace: letters, digits, - and _ [default: the new file's name]
        #[arg(long, value_parser = namespace)]
        name: Option<String>,
    },
    /// Write a sample database with several related tables, to try `track` with; no node yet
    Sample {
        /// The file to be made
        file: PathBuf,
    },
    /// Print the licences of the libraries and fonts in this program
    Licences,
    /// A scenario told in the terminal, on a temporary environment
    Tour {
        /// Which
        #[arg(default_value = "tour", value_parser = scenario_names())]
        scenario: String,
    },
}

/// Where and how a set is applied.
#[derive(Debug, ClapArgs)]
pub struct Applying {
    /// The node [default: the one here that the set is addressed to]
    #[arg(long)]
    pub node: Option<String>,
    /// Decides conflicts this time [default: what `objsync rules` says]
    #[arg(long)]
    pub rule: Option<RuleArg>,
    /// Take a set from a node that has nothing in common with this one: two collections become one
    #[arg(long)]
    pub join: bool,
    /// Take a set however large it is, unpacked
    #[arg(long)]
    pub any_size: bool,
}

impl Applying {
    /// The same for the engine.
    pub fn options(&self) -> ApplyOptions<'static> {
        let rule = self.rule.map(|rule| rule.0);
        ApplyOptions { rule, join: self.join, size: size(self.any_size), ..ApplyOptions::default() }
    }
}

/// How large a set may be.
pub(crate) fn size(any: bool) -> Size {
    if any { Size::Any } else { Size::Usual }
}

/// An applied set.
#[derive(Debug, ClapArgs)]
pub struct AppliedSet {
    /// The set's number at its source
    pub id: i64,
    /// The node where it was applied [default: the only one]
    #[arg(long)]
    pub node: Option<String>,
    /// The node that sent it [default: whoever sent the last one of that number]
    #[arg(long)]
    pub from: Option<String>,
}

/// One object.
#[derive(Debug, ClapArgs)]
pub struct ObjectArgs {
    /// Events of this object only: its number at the node, or its GUID
    #[arg(long)]
    pub object: Option<String>,
    /// Its class
    #[arg(long, default_value = "Order")]
    pub class: String,
}

/// What can be done with classes.
#[derive(Debug, Subcommand)]
pub enum ClassesCommand {
    /// Synchronize classes from now on; what is there is filed as a baseline
    Journal {
        /// The classes
        #[arg(required = true)]
        classes: Vec<String>,
        /// At this node only [default: every node here]
        #[arg(long)]
        node: Option<String>,
    },
    /// Stop synchronizing classes
    Stop {
        /// The classes
        #[arg(required = true)]
        classes: Vec<String>,
        /// At this node only [default: every node here]
        #[arg(long)]
        node: Option<String>,
    },
}

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Know a node by a public key from now on
    Trust {
        /// The peer's namespace, or any node's GUID
        peer: String,
        /// Its public key, as `objsync keys` tells it there
        key: String,
    },
    /// Write a file by which another node can know this one
    Invite {
        /// The file [default: NODE.invitation, in this folder]
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Know the node of such a file by its key, as a peer
    Accept {
        /// The file that `objsync keys invite` wrote there
        file: PathBuf,
    },
    /// Take sets of a node without a signature, too: whoever can give a file to this one can then speak for it
    AcceptUnsigned {
        /// The peer's namespace, or any node's GUID
        peer: String,
    },
    /// Take only signed sets of a node again
    RefuseUnsigned {
        /// The peer's namespace, or any node's GUID
        peer: String,
    },
    /// Take each set once, none older than what was applied, and none without a signature
    Require,
    /// Take sets again, which then do nothing
    AllowRepeats,
}

/// What can be done with rules.
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Choose a rule, at every node of the environment
    Set {
        /// The rule
        rule: RuleArg,
        /// For this class only
        #[arg(long)]
        class: Option<String>,
        /// At this node only
        #[arg(long)]
        node: Option<String>,
    },
    /// Forget the rule of a class, or with no class that for all
    Unset {
        /// The class
        #[arg(long)]
        class: Option<String>,
        /// At this node only
        #[arg(long)]
        node: Option<String>,
    },
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (property, value) =
        text.split_once('=').ok_or_else(|| format!("`{text}` is no PROPERTY=VALUE, such as quantity=401"))?;
    Ok((property.trim().to_owned(), value.to_owned()))
}

fn scenario_names() -> Vec<&'static str> {
    SCENARIOS.iter().map(|s| s.name).collect()
}

/// What can be done with orders.
#[derive(Debug, Subcommand)]
pub enum OrderCommand {
    /// Show one order
    Get {
        /// Its number at the node
        number: i64,
        /// The node's namespace [default: the only one]
        #[arg(long)]
        node: Option<String>,
    },
    /// List orders, the highest numbers first
    List {
        /// The node's namespace [default: the only one]
        #[arg(long)]
        node: Option<String>,
        /// At most how many
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Make an order; it gets the next number
    New {
        /// The node's namespace [default: the only one]
        #[arg(long)]
        node: Option<String>,
        /// Its properties
        #[command(flatten)]
        properties: Properties,
    },
    /// Change the properties given
    Put {
        /// Its number at the node
        number: i64,
        /// The node's namespace [default: the only one]
        #[arg(long)]
        node: Option<String>,
        /// What to change
        #[command(flatten)]
        properties: Properties,
    },
    /// Delete orders, all in one transaction
    Delete {
        /// Their numbers at the node
        #[arg(required = true)]
        numbers: Vec<i64>,
        /// The node's namespace [default: the only one]
        #[arg(long)]
        node: Option<String>,
    },
}

/// What can be done with what waits.
#[derive(Debug, Subcommand)]
pub enum RequeueCommand {
    /// Try again to apply it
    Retry {
        /// Decides conflicts this time [default: what `objsync rules` says]
        #[arg(long)]
        rule: Option<RuleArg>,
    },
    /// Give up what waits: what is here stays, which is recorded and travels
    #[command(group(clap::ArgGroup::new("what").required(true).args(["ids", "all"])))]
    Discard {
        /// Numbers as `objsync requeue` lists them; what waits in the same transaction goes with them
        ids: Vec<i64>,
        /// Everything
        #[arg(long)]
        all: bool,
    },
}

/// An order's properties.
#[derive(Debug, ClapArgs)]
pub struct Properties {
    /// Key of an employee at the node
    #[arg(long, value_name = "KEY")]
    employee: Option<i64>,
    /// Key of a customer at the node
    #[arg(long, value_name = "KEY")]
    customer: Option<i64>,
    /// Date and time, "2026-11-20 16:44:42"
    #[arg(long = "date", alias = "date-order", value_name = "DATE", value_parser = parse_date)]
    date_order: Option<String>,
    /// Key of an item at the node
    #[arg(long, value_name = "KEY")]
    item: Option<i64>,
    /// 0 to 1000, at most two decimals
    #[arg(long, value_name = "NUMBER", value_parser = parse_quantity, allow_hyphen_values = true)]
    quantity: Option<Decimal>,
    /// 1 to 9999, at most two decimals
    #[arg(long, value_name = "NUMBER", value_parser = parse_price, allow_hyphen_values = true)]
    price: Option<Decimal>,
}

impl From<Properties> for OrderDraft {
    fn from(p: Properties) -> Self {
        let Properties { employee, customer, date_order, item, quantity, price } = p;
        OrderDraft { employee, customer, date_order, item, quantity, price }
    }
}

/// A node's name as an argument.
fn namespace(text: &str) -> Result<String, String> {
    NodeInfo::check_name(text).map(|()| text.to_owned()).map_err(|e| e.message().to_owned())
}

/// A rule as an argument.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuleArg(pub Rule);

impl std::str::FromStr for RuleArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(RuleArg).map_err(|e: crate::sync::Error| e.message().to_owned())
    }
}

impl std::fmt::Display for RuleArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name())
    }
}

/// Where and how to serve REST.
#[cfg(feature = "rest")]
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// The port; 0: any that is free
    #[arg(long, default_value_t = crate::rest::PORT)]
    pub port: u16,
    /// The address to listen at; any but this machine's own needs credentials of yours, and TLS
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub bind: std::net::IpAddr,
    /// A folder beside the environment's in which requests may name set files; several times for several
    #[arg(long, value_name = "FOLDER")]
    pub allow: Vec<PathBuf>,
    /// Serve HTTPS with the certificate in this file (PEM, followed by those that lead to its root)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The file of its private key (PEM, not encrypted)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Serve other machines without TLS: everybody on the network can read passwords and data
    #[arg(long, conflicts_with = "tls_cert")]
    pub insecure: bool,
}
