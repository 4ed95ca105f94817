//! Databases that nobody made for objsync: track, copy, and the commands on single files.

use rusqlite::Connection;

use crate::demo::Demo;

/// The workshop and a van, each a file of its own.
fn workshop() -> Demo {
    let demo = Demo::empty();
    for args in [vec!["sample", "w.db"], vec!["track", "w.db"], vec!["copy", "w.db", "van.db"]] {
        let answer = demo.bare(&args);
        assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{}", answer.args);
    }
    demo
}

fn sql(demo: &Demo, file: &str, sql: &str) {
    Connection::open(demo.home.path().join(file)).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn a_database_is_tracked_copied_and_synchronized_by_file() {
    let demo = workshop();
    let at = |file: &str, args: &[&str]| demo.bare(&[args, &["--json", "--db", file]].concat());
    sql(&demo, "w.db", "UPDATE stock SET quantity = 1 WHERE van = 'north'; INSERT INTO job VALUES (500, 'new', 1, 0)");
    sql(&demo, "van.db", "UPDATE stock SET quantity = 2 WHERE van = 'north' AND sku = 'OIL-5'");
    let status = at("w.db", &["status"]).ok();
    assert_eq!(
        (&status["nodes"][0]["peers"][0]["name"], &status["nodes"][0]["peers"][0]["elsewhere"]),
        (&"VAN".into(), &true.into())
    );
    assert_eq!(status["nodes"][0]["peers"][0]["to_send"]["objects"], 3);
    let both = ["--db", "w.db", "--db", "van.db"];
    assert_eq!(demo.bare(&[&["verify"], &both[..]].concat()).code, 1);
    let text = demo.bare(&[&["verify"], &both[..]].concat()).stdout;
    assert!(text.contains("W north, OIL-5, VAN north, OIL-5") && text.contains("W 500, not at VAN"), "{text}");
    // For the only peer, under the next number, beside the file.
    let prepared = at("w.db", &["prepare"]).ok();
    assert_eq!((&prepared["id"], &prepared["target"], &prepared["objects"]), (&1000.into(), &"VAN".into(), &3.into()));
    let set = demo.home.path().join("syncFromW-1000.syncset");
    let set = set.to_str().unwrap();
    let preview = at("van.db", &["preview", set]).ok();
    let applied = at("van.db", &["apply", set]).ok();
    assert_eq!(preview["report"], applied);
    assert_eq!((&applied["inserted"], &applied["updated"], &applied["conflicts"]), (&1.into(), &1.into(), &1.into()));
    let records = at("van.db", &["conflicts"]).ok();
    assert_eq!((&records[0]["key"], &records[0]["number"]), (&"north, OIL-5".into(), &serde_json::Value::Null));
    assert_eq!(at("van.db", &["resolve", "1", "--theirs"]).ok()["record"]["result"]["quantity"], 2);
    let history = at("van.db", &["history", "--class", "stock", "north, OIL-5"]).ok();
    assert_eq!(history["states"][0]["content"]["quantity"], 1);
    assert_eq!(at("van.db", &["history", "--class", "stock", "north, NIX"]).code, 2);

    assert_eq!(demo.bare(&[&["sync"], &both[..]].concat()).code, 0);
    assert_eq!(demo.bare(&[&["verify"], &both[..]].concat()).code, 0);
    assert_eq!(demo.bare(&[&["status", "--json"], &both[..]].concat()).ok()["equal"], true);

    // What is wrong is said, and names how to go on with these very files.
    demo.bare(&[&["prepare"], &both[..]].concat()).fails(2, &["say at which node: --node NAME, one of W, VAN"]);
    at("w.db", &["prepare", "--to", "NOBODY"]).fails(2, &["W knows no peer `NOBODY`; it knows VAN"]);
    at("w.db", &["apply", set]).fails(3, &["addressed to VAN", "nothing was changed"]);
    at("w.db", &["verify"]).fails(2, &["only W is at hand"]);
    demo.bare(&["status", "--db", "w.db", "--dir", "x"]).fails(2, &["cannot be used with"]);
    demo.bare(&["--db", "w.db"]).fails(2, &["--dir FOLDER", "objsync --db w.db status"]);
    demo.bare(&["order", "list", "--db", "w.db"]).fails(2, &["W has no class", "demo's tables"]);
    demo.bare(&["status", "--db", "nothing.db"]).fails(2, &["there is no file"]);
    std::fs::copy(demo.home.path().join("w.db"), demo.home.path().join("w2.db")).unwrap();
    demo.bare(&["sync", "--db", "w.db", "--db", "w2.db"]).fails(2, &["are one node, W", "rejoin"]);
    at("w2.db", &["prepare"]).fails(3, &["moved or copied", "objsync --db w2.db rejoin"]);
    assert_eq!(at("w2.db", &["rejoin"]).code, 0);
    assert_eq!(demo.bare(&["sync", "--db", "w.db", "--db", "w2.db"]).code, 0);
}

#[test]
fn what_can_be_tracked_is_and_what_must_go_along_is_named() {
    let demo = Demo::empty();
    demo.bare(&["track", "w.db"]).fails(2, &["there is no file", "nothing was changed"]);
    assert_eq!(demo.bare(&["sample", "w.db"]).code, 0);
    demo.bare(&["sample", "w.db"]).fails(3, &["exists already"]);
    demo.bare(&["track", "w.db", "nix"]).fails(2, &["there is no table `nix`; nothing was changed"]);
    demo.bare(&["track", "w.db", "open_jobs"]).fails(2, &["no primary key", "make it anew with a PRIMARY KEY"]);
    demo.bare(&["track", "w.db", "job"])
        .fails(2, &["rows of job_part are changed or deleted when rows of job are", "name job_part as well"]);
    demo.bare(&["copy", "w.db", "van.db"]).fails(2, &["not a node"]);
    demo.bare(&["track", "w.db", "part", "--name", "a b"]).fails(2, &["letters, digits"]);
    // Parts alone; then, in the same file, jobs, whose mechanics only get identities.
    let tracked = demo.bare(&["track", "w.db", "PART", "--role", "client", "--name", "SHOP", "--json"]).ok();
    assert_eq!(
        (&tracked["tracked"]["journaled"], &tracked["node"]["name"]),
        (&serde_json::json!(["part"]), &"SHOP".into())
    );
    let more = demo.bare(&["track", "w.db", "job", "job_part", "--json"]).ok();
    assert_eq!(more["tracked"]["identified"], serde_json::json!(["mechanic"]));
    assert_eq!(more["tracked"]["was_node"], true);
    demo.bare(&["track", "w.db", "job"]).fails(2, &["tracked already"]);
    let rest = demo.bare(&["track", "w.db", "--json"]).ok();
    assert_eq!(rest["tracked"]["journaled"], serde_json::json!(["country", "stock"]));
    assert_eq!(rest["tracked"]["left_out"][0][0], "open_jobs");
    demo.bare(&["copy", "w.db", "shop.db"]).fails(2, &["knows a node SHOP already", "--name NAME"]);
    assert_eq!(demo.bare(&["copy", "w.db", "van.db", "--name", "VAN"]).code, 0);
    assert_eq!(demo.bare(&["verify", "--db", "w.db", "--db", "van.db"]).code, 0);
    demo.bare(&["copy", "w.db", "van.db", "--name", "OTHER"]).fails(3, &["exists already"]);
}

#[test]
fn a_node_becomes_an_ordinary_database_again() {
    let demo = Demo::empty();
    let file = demo.home.path().join("some.db");
    let file = file.to_str().unwrap();
    demo.bare(&["sample", file, "--json"]).ok();
    let conn = || rusqlite::Connection::open(file).unwrap();
    let objects = |conn: &rusqlite::Connection| -> Vec<String> {
        let mut statement = conn.prepare("SELECT name FROM sqlite_master ORDER BY name").unwrap();
        statement.query_map([], |r| r.get(0)).unwrap().map(|r| r.unwrap()).collect()
    };
    let before = objects(&conn());
    demo.bare(&["untrack", file]).fails(2, &["not a node", "nothing was changed"]);
    demo.bare(&["track", file, "--json"]).ok();
    assert!(objects(&conn()).len() > before.len() + 20);
    demo.bare(&["untrack", file, "--json"]).ok();
    assert_eq!(objects(&conn()), before);
    // Altered in a way that is not followed, and tracked again.
    conn().execute_batch("DROP TRIGGER job_opened; DROP TRIGGER job_closed; DROP TRIGGER job_gone; ALTER TABLE job DROP COLUMN done; DELETE FROM job_part; DELETE FROM job").unwrap();
    demo.bare(&["track", file, "--json"]).ok();
    demo.bare(&["untrack", "/no/such.db"]).fails(2, &["no file"]);
}

#[test]
fn columns_that_look_like_references_are_named_before_anything_is_tracked() {
    let demo = Demo::empty();
    sql_new(
        &demo,
        "m.db",
        "CREATE TABLE page (id INTEGER PRIMARY KEY, address TEXT, title_page INT, parent_id INT);
         CREATE TABLE mark (id INTEGER PRIMARY KEY, page_id INTEGER, owner INT, title TEXT);
         CREATE TABLE note (id INTEGER PRIMARY KEY, pid INT, page INTEGER REFERENCES page (id), old_page_id INT, page_key TEXT);
         INSERT INTO page VALUES (11, 'a', 11, 0), (12, 'b', 12, 11), (13, 'c', 13, NULL);
         INSERT INTO mark VALUES (1, 12, 11, 'x'), (2, 0, 12, 'y');
         INSERT INTO note VALUES (1, 13, 13, 99, 'k'), (2, 11, 11, 12, 'l');",
    );
    let before = std::fs::read(demo.home.path().join("m.db")).unwrap();
    // `owner` fits no table by name; half of the values of `old_page_id` are nowhere; `page` is declared; `page_key` holds text.
    demo.bare(&["track", "m.db"]).fails(
        3,
        &[
            "3 columns look like references",
            "nothing was changed",
            "mark.page_id looks like page.id (1 of 1 value there)",
            "note.pid looks like page.id (2 of 2 values there)",
            "page.parent_id looks like page.id",
            "objsync track m.db --no-reference mark.page_id --no-reference note.pid --no-reference page.parent_id",
            "objsync track m.db --yes",
        ],
    );
    assert_eq!(std::fs::read(demo.home.path().join("m.db")).unwrap(), before, "nothing was changed");
    let some = ["track", "m.db", "mark", "page", "--no-reference", "mark.page_id"];
    demo.bare(&some).fails(3, &["1 column looks", "--no-reference page.parent_id --no-reference mark.page_id"]);
    demo.bare(&[&some[..], &["--no-reference", "PAGE.parent_id", "--json"]].concat()).ok();
    // Further tables are asked about; those that were tracked are not asked about again.
    demo.bare(&["track", "m.db"]).fails(3, &["1 column looks", "note.pid"]);
    demo.bare(&["track", "m.db", "--yes", "--json"]).ok();
}

fn sql_new(demo: &Demo, file: &str, text: &str) {
    std::fs::File::create(demo.home.path().join(file)).unwrap();
    sql(demo, file, text);
}

#[cfg(unix)]
#[test]
fn a_file_name_that_is_no_utf8_is_as_good_as_another() {
    use std::os::unix::ffi::OsStrExt;
    let demo = Demo::empty();
    let name = std::ffi::OsStr::from_bytes(b"n\xff.db");
    let Ok(conn) = Connection::open(demo.home.path().join(name)) else { return };
    conn.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY)").unwrap();
    let run = |words: &[&std::ffi::OsStr]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_objsync"));
        let output = command.args(words).current_dir(demo.home.path()).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let os = std::ffi::OsStr::new;
    let said = run(&[os("track"), name]);
    assert!(said.contains("is the node N now") && said.contains("objsync copy $'n\\xff.db' COPY.db"), "{said}");
    run(&[os("copy"), name, os("m.db")]);
    run(&[os("copy"), os("m.db"), std::ffi::OsStr::from_bytes(b"o\xfe.db"), os("--json")]);
    for command in ["status", "check", "journal", "sets"] {
        let answer = run(&[os(command), os("--db"), name, os("--json")]);
        serde_json::from_str::<serde_json::Value>(&answer).unwrap();
    }
    run(&[
        os("prepare"),
        os("--db"),
        name,
        os("--to"),
        os("M"),
        os("--out"),
        std::ffi::OsStr::from_bytes(b"s\xfd.syncset"),
    ]);
    run(&[os("apply"), os("--db"), os("m.db"), std::ffi::OsStr::from_bytes(b"s\xfd.syncset"), os("--json")]);
    run(&[os("untrack"), name, os("--json")]);
}

#[test]
fn names_of_nodes_keep_the_letters_of_their_files_names() {
    let demo = Demo::empty();
    let many = format!("{}.db", "字".repeat(80));
    for (file, name) in [
        ("Привет мир (2).db", "ПРИВЕТ-МИР-2"),
        (".hid", "HID"),
        ("-x.db", "X"),
        ("(((.db", "NODE"),
        (many.as_str(), &"字".repeat(60)),
    ] {
        sql(&demo, file, "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 1)");
        let path = format!("./{file}");
        assert_eq!(demo.bare(&["track", &path, "--json"]).ok()["node"]["name"], name);
    }
    // Named in commands, in sets and their files.
    let file = "Привет мир (2).db";
    assert_eq!(demo.bare(&["copy", file, "Zoë.db", "--json"]).ok()["node"]["name"], "ZOË");
    sql(&demo, file, "UPDATE t SET v = 2");
    let both = ["--db", file, "--db", "Zoë.db"];
    let at = |words: &[&str]| demo.bare(&[words, &both[..]].concat());
    let prepared = at(&["prepare", "--node", "привет-мир-2", "--to", "zoë", "--json"]).ok();
    assert!(prepared["file"].as_str().unwrap().ends_with("syncFromПРИВЕТ-МИР-2-1000.syncset"), "{prepared}");
    assert_eq!(at(&["apply", "syncFromПРИВЕТ-МИР-2-1000.syncset", "--json"]).ok()["updated"], 1);
    assert_eq!(at(&["verify"]).code, 0);
    let said = demo.bare(&["track", "./Zoë.db", "nix"]);
    assert_eq!(said.code, 2);
}

#[test]
fn commands_that_are_proposed_name_the_file_and_can_be_pasted() {
    let demo = Demo::empty();
    sql(
        &demo,
        "my data (2024).db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, p REFERENCES u); CREATE TABLE u (id INTEGER PRIMARY KEY)",
    );
    let said = demo.bare(&["track", "my data (2024).db", "t"]).stdout;
    assert!(said.contains("(objsync --db 'my data (2024).db' classes journal CLASS synchronizes it, too)"), "{said}");
    assert!(said.contains("objsync copy 'my data (2024).db' COPY.db"), "{said}");
    std::fs::copy(demo.home.path().join("my data (2024).db"), demo.home.path().join("it's.db")).unwrap();
    demo.bare(&["copy", "it's.db", "c.db"]).fails(3, &["objsync --db 'it'\\''s.db' rejoin --node MY-DATA-2024"]);
}
