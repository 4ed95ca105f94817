//! `objsync serve` as a program, and the commands of the original's documentation, by curl.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::common::skip;
use crate::raw;
use crate::served::BASIC;

pub struct Program {
    pub child: Child,
    /// `127.0.0.1:52773`
    pub address: String,
    /// What it says on standard output, a JSON value.
    pub said: serde_json::Value,
}

pub fn objsync(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_objsync"));
    command.args(args).env("OBJSYNC_DIR", "/nonexistent");
    command
}

impl Program {
    pub fn serve(dir: &str, more: &[&str]) -> Program {
        let mut child = objsync(&[&["serve", "--dir", dir, "--port", "0", "--json"], more].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        while serde_json::from_str::<serde_json::Value>(&said).is_err() {
            assert!(out.read_line(&mut said).unwrap() > 0, "it says where it serves: {said}");
        }
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        Program { child, address: said["address"].as_str().unwrap().to_owned(), said }
    }
}

impl Program {
    /// Ends it by a signal; its exit code, and all that it has written to standard error.
    #[cfg(unix)]
    pub fn end(&mut self, signal: &str) -> (Option<i32>, String) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
        let mut told = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        (self.child.wait().unwrap().code(), told)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn install(dir: &str) {
    let done = objsync(&["install", "--dir", dir, "--orders", "12", "--items", "30", "--seed", "1"]).output().unwrap();
    assert!(done.status.success());
}

#[test]
fn the_commands_of_the_original_work_by_curl() {
    if Command::new("curl").arg("--version").output().is_err() {
        return skip("curl", "there is no curl here");
    }
    let dir = tempfile::tempdir().unwrap();
    let (demo, sets) = (dir.path().join("demo"), dir.path().join("temp"));
    std::fs::create_dir(&sets).unwrap();
    let (demo, sets) = (demo.to_str().unwrap(), sets.to_str().unwrap());
    install(demo);
    let program = Program::serve(demo, &["--allow", sets]);
    let curl = |args: &[&str], path: &str| -> serde_json::Value {
        let url = format!("http://{}{path}", program.address);
        let done = Command::new("curl").args(["-s", "-S", "-u", "superuser:sys"]).args(args).arg(url).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap()
    };
    assert_eq!(curl(&["-X", "POST"], "/synchmaster/rest/v1/randomorder")["id"], 13);
    let prepare = format!(r#"{{"syncID":1000,"dir":"{sets}","excludeNS":"CLIENT"}}"#);
    let prepared = curl(&["-X", "POST", "-d", &prepare], "/synchmaster/rest/v1/admin/prepsynch");
    assert_eq!((&prepared["status"], &prepared["gblSyncSet"]), (&1.into(), &"^OBJ.SYNC.1000".into()), "{prepared}");
    let apply = format!(r#"{{"syncID":1000,"dir":"{sets}","srcNS":"MASTER"}}"#);
    let applied = curl(&["-X", "POST", "-d", &apply], "/synchclient/rest/v1/admin/synchronize");
    assert_eq!((&applied["status"], &applied["inserted"]), (&1.into(), &1.into()), "{applied}");
    // The command line and the interface serve the same files.
    let status = objsync(&["status", "--dir", demo, "--json"]).output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["nodes"][1]["classes"][3]["count"], 13);
}

#[test]
fn the_program_says_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let demo = dir.path().join("demo");
    let demo = demo.to_str().unwrap();
    let fails = |args: &[&str], code: i32, words: &[&str]| {
        let done = objsync(args).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(code), "{args:?}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{args:?}: {said}");
        assert!(done.stdout.is_empty());
    };
    fails(&["serve", "--dir", demo], 2, &["no environment", "objsync install"]);
    fails(&["credentials", "me", "--dir", demo], 2, &["no environment"]);
    install(demo);
    fails(&["serve", "--dir", demo, "--bind", "0.0.0.0"], 2, &["nothing is served", "credentials USER"]);
    fails(&["serve", "--db", "x.db"], 2, &["--dir"]);
    fails(&["credentials", "me", "--dir", demo], 2, &["8 characters", "nothing was changed"]);
    set_credentials(demo, "me", "long enough\n");
    fails(
        &["serve", "--dir", demo, "--bind", "0.0.0.0"],
        2,
        &["TLS is needed", "--tls-cert", "--insecure", "nothing is served"],
    );
    fails(&["serve", "--dir", demo, "--tls-cert", "x.pem"], 2, &["--tls-key"]);
    let program = Program::serve(demo, &[]);
    fails(&["serve", "--dir", demo, "--port", "0"], 3, &["serves", "already"]);
    drop(program);
}

/// Credentials as a user of the command line stores them.
pub fn set_credentials(demo: &str, user: &str, password: &str) {
    let mut child =
        objsync(&["credentials", user, "--dir", demo]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Ctrl-C ends it in good order, and so does a service manager.
#[cfg(unix)]
#[test]
fn the_program_stops_when_it_is_asked_to() {
    let dir = tempfile::tempdir().unwrap();
    let demo = dir.path().join("demo");
    install(demo.to_str().unwrap());
    for signal in ["-INT", "-TERM"] {
        let mut program = Program::serve(demo.to_str().unwrap(), &[]);
        let address = program.address.parse().unwrap();
        // A request that runs: half of its body has come.
        let (begin, rest) = (r#"{"quantity": "#, "7}");
        let mut stream = raw::connect(address);
        let head = format!(
            "PUT /synchmaster/rest/v1/order/1 HTTP/1.1\r\nHost: {address}\r\nAuthorization: {BASIC}\r\nContent-Length: {}\r\n\r\n{begin}",
            begin.len() + rest.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        // One that says nothing, and one whose password is wrong once more: nobody waits for them.
        let silent = raw::connect(address);
        std::thread::sleep(Duration::from_millis(500));
        assert!(Command::new("kill").args([signal, &program.child.id().to_string()]).status().unwrap().success());
        std::thread::sleep(Duration::from_millis(500));
        assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
        stream.write_all(rest.as_bytes()).unwrap();
        let answer = raw::read(stream);
        assert_eq!(answer.status, 200, "{signal}: {}", answer.body);
        assert_eq!(program.child.wait().unwrap().code(), Some(0), "{signal}");
        drop(silent);
        // SQLite takes these away when it closes a file.
        for left in ["master.db-wal", "client.db-wal"] {
            assert!(!demo.join(left).exists(), "{signal}: {left}");
        }
        let conn = rusqlite::Connection::open(demo.join("master.db")).unwrap();
        let quantity: i64 =
            conn.query_row("SELECT quantity FROM orders WHERE order_num = 1", [], |r| r.get(0)).unwrap();
        assert_eq!(quantity, 7);
    }
}

#[cfg(unix)]
#[test]
fn failed_sign_ins_are_logged_and_the_demos_password_is_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let demo = dir.path().join("demo");
    let demo = demo.to_str().unwrap();
    install(demo);
    set_credentials(demo, "me", "long enough");
    let mut program = Program::serve(demo, &[]);
    let address = program.address.parse().unwrap();
    // me\n\u{1b}[2J:secret
    let head = "GET /synchmaster/rest/v1/orders HTTP/1.1\r\nConnection: close\r\nAuthorization: Basic bWUKG1sySjpzZWNyZXQ=\r\n";
    let answer = raw::ask(address, &format!("{head}Host: {address}\r\n\r\n"));
    assert_eq!(answer.status, 401);
    assert!(!answer.body.contains("superuser"), "{}", answer.body);
    let (code, told) = program.end("-TERM");
    assert_eq!(code, Some(0));
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 1, "{told:?}");
    assert!(lines[0].contains(r#"failed sign-in from 127.0.0.1 as "me\n\u{1b}[2J" (1 in a row)"#), "{told}");
    assert!(!told.contains("secret") && !told.contains('\u{1b}'), "{told}");
    // In words, too.
    let mut child = objsync(&["serve", "--dir", demo, "--port", "0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut shown = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    while !shown.contains("try: ") {
        assert!(out.read_line(&mut shown).unwrap() > 0, "{shown}");
    }
    assert!(shown.contains("USER:PASSWORD") && !shown.contains("superuser"), "{shown}");
    child.kill().unwrap();
    child.wait().unwrap();
}
