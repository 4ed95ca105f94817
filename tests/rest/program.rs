//! `objsync serve` as a program, and the commands of the original's documentation, by curl.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use crate::common::skip;

struct Program {
    child: Child,
    /// `127.0.0.1:52773`
    address: String,
}

fn objsync(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_objsync"));
    command.args(args).env("OBJSYNC_DIR", "/nonexistent");
    command
}

impl Program {
    fn serve(dir: &str, more: &[&str]) -> Program {
        let mut child = objsync(&[&["serve", "--dir", dir, "--port", "0", "--json"], more].concat())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        while serde_json::from_str::<serde_json::Value>(&said).is_err() {
            assert!(out.read_line(&mut said).unwrap() > 0, "it says where it serves: {said}");
        }
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        Program { child, address: said["address"].as_str().unwrap().to_owned() }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn install(dir: &str) {
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
    let mut child =
        objsync(&["credentials", "me", "--dir", demo]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"long enough\n").unwrap();
    assert!(child.wait().unwrap().success());
    let program = Program::serve(demo, &[]);
    fails(&["serve", "--dir", demo, "--port", "0"], 3, &["serves", "already"]);
    drop(program);
}

/// Ctrl-C ends it in good order.
#[cfg(unix)]
#[test]
fn the_program_stops_when_it_is_asked_to() {
    let dir = tempfile::tempdir().unwrap();
    let demo = dir.path().join("demo");
    install(demo.to_str().unwrap());
    let mut program = Program::serve(demo.to_str().unwrap(), &[]);
    let interrupted = Command::new("kill").args(["-INT", &program.child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
    assert!(std::net::TcpStream::connect(&program.address).is_err(), "nobody listens any more");
}
