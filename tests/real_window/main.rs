//! The real window: the program itself under Xvfb, driven by xdotool with mouse and keys, and judged by what its databases
//! hold afterwards and by its pixels.
//!
//! Needs Xvfb, xdotool and ImageMagick's `import`; where they are missing the test says loudly that it was skipped, and
//! OBJSYNC_REQUIRE=window makes that a failure.

#![cfg(all(feature = "app", target_os = "linux"))]

#[path = "../common/mod.rs"]
mod common;
mod drop;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::skip;
use objsync::sync::{Environment, Status};

/// How long anything may take before the test gives up; far more than it needs on any machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Screen {
    display: String,
    _server: Running,
}

impl Screen {
    fn start(size: &str) -> Screen {
        // Xvfb picks a free display itself and writes its number.
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", &format!("{size}x24"), "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = server.stdout.take().unwrap();
        let (mut number, mut byte) = (String::new(), [0]);
        while output.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            number.push(byte[0] as char);
        }
        Screen { display: format!(":{number}"), _server: Running(server) }
    }

    fn tool(&self, program: &str, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new(program).args(arguments).env("DISPLAY", &self.display).output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn key(&self, keys: &str) {
        self.tool("xdotool", &["key", keys]);
    }

    fn type_text(&self, text: &str) {
        self.tool("xdotool", &["type", "--delay", "30", text]);
    }

    fn click(&self, x: i32, y: i32, times: &str) {
        self.tool("xdotool", &["mousemove", &x.to_string(), &y.to_string()]);
        // A frame must see the pointer before it is pressed.
        std::thread::sleep(Duration::from_millis(150));
        self.tool("xdotool", &["click", "--repeat", times, "--delay", "60", "1"]);
    }

    /// Red, green, blue of every pixel.
    fn pixels(&self) -> Vec<[u8; 3]> {
        let rgb = self.tool("import", &["-window", "root", "-depth", "8", "rgb:-"]);
        rgb.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect()
    }

    /// Keeps a picture for whoever looks into a failure.
    fn picture(&self, name: &str) {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        self.tool("import", &["-window", "root", file.to_str().unwrap()]);
    }
}

/// Asks again and again until `answer` is one; fails with a picture where it never is.
fn until<T>(screen: &Screen, what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = answer() {
            return found;
        }
        if start.elapsed() > PATIENCE {
            screen.picture("failed.png");
            panic!("waited in vain for: {what} (picture: {}/failed.png)", env!("CARGO_TARGET_TMPDIR"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn missing_tool() -> Option<&'static str> {
    ["Xvfb", "xdotool", "import"].into_iter().find(|tool| {
        !std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|dir| dir.join(tool).is_file())
    })
}

fn status(dir: &Path) -> Status {
    Environment::open(dir).unwrap().status().unwrap()
}

fn orders(dir: &Path, file: &str) -> i64 {
    let conn = rusqlite::Connection::open(dir.join(file)).unwrap();
    conn.query_row("SELECT count(*) FROM orders", [], |r| r.get(0)).unwrap()
}

fn quantity(dir: &Path, file: &str, number: i64) -> i64 {
    let conn = rusqlite::Connection::open(dir.join(file)).unwrap();
    conn.query_row("SELECT quantity FROM orders WHERE order_num = ?1", [number], |r| r.get(0)).unwrap()
}

fn conflicts(dir: &Path) -> usize {
    Environment::open(dir).unwrap().nodes[0].conflict_count().unwrap()
}

/// How many pixels have the conflict's violet: clearly more red and blue than green.
fn violet(screen: &Screen) -> usize {
    screen
        .pixels()
        .iter()
        .filter(|[r, g, b]| i32::from(*b) > i32::from(*g) + 40 && i32::from(*r) > i32::from(*g) + 15)
        .count()
}

/// The program with its window on the screen, its environment, settings and temporary files in a folder of the test.
fn start(screen: &Screen, folder: &Path) -> (Running, u32) {
    let dir = folder.join("demo");
    let temporary = folder.join("temporary");
    std::fs::create_dir_all(&temporary).unwrap();
    let program = Command::new(env!("CARGO_BIN_EXE_objsync"))
        .args(["--dir", dir.to_str().unwrap()])
        .env("DISPLAY", &screen.display)
        .env_remove("WAYLAND_DISPLAY")
        .env("LIBGL_ALWAYS_SOFTWARE", "1")
        .env("OBJSYNC_DIR", folder.join("elsewhere"))
        .env("OBJSYNC_SETTINGS", folder.join("window.json"))
        .env("TMPDIR", &temporary)
        .spawn()
        .unwrap();
    let program = Running(program);
    until(screen, "the demo environment", || {
        (dir.join("client.db").is_file() && Environment::open(&dir).is_ok()).then_some(())
    });
    let window = until(screen, "the window", || {
        let search = ["search", "--onlyvisible", "--name", "Object Synchronization"];
        let found = Command::new("xdotool").args(search).env("DISPLAY", &screen.display).output();
        String::from_utf8(found.unwrap().stdout).unwrap().lines().last().map(str::to_owned)
    });
    screen.tool(
        "xdotool",
        &["windowmove", &window, "0", "0", "windowsize", &window, "1600", "1000", "windowfocus", &window],
    );
    until(screen, "a painted window", || {
        let pixels = screen.pixels();
        let (dark, light) =
            pixels.iter().fold((0, 0), |(d, l), [r, ..]| (d + usize::from(*r < 60), l + usize::from(*r > 200)));
        (dark > 0 && light > 2000).then_some(())
    });
    (program, window.parse().unwrap())
}

/// The folder of the tour's own environment, while there is one.
fn tour(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder.join("temporary")).unwrap();
    entries.filter_map(|e| Some(e.ok()?.path().join("tour"))).find(|dir| dir.join("client.db").is_file())
}

#[test]
fn a_newcomer_takes_the_tour_by_keys_and_comes_home() {
    if let Some(tool) = missing_tool() {
        return skip("window", &format!("{tool} is not installed, so the real window was not driven"));
    }
    let temp = tempfile::tempdir().unwrap();
    let screen = Screen::start("1600x1000");
    let (mut program, _) = start(&screen, temp.path());
    screen.picture("offered.png");
    screen.key("ctrl+k");
    std::thread::sleep(Duration::from_millis(700));
    screen.type_text("guided tour");
    std::thread::sleep(Duration::from_millis(500));
    screen.key("Return");
    let dir = until(&screen, "the tour's environment", || tour(temp.path()));
    let known = |dir: &Path| -> bool {
        let sql = "SELECT count(*) FROM customers WHERE cust_name = 'Nova Textiles'";
        rusqlite::Connection::open(dir.join("client.db"))
            .and_then(|conn| conn.query_row(sql, [], |r| r.get(0)))
            .unwrap_or(false)
    };
    // A key pressed while a step is being done does nothing, so it is pressed until the last one has been.
    until(&screen, "the last situation settled", || {
        screen.key("F6");
        std::thread::sleep(Duration::from_millis(400));
        known(&dir).then_some(())
    });
    let mut env = Environment::open(&dir).unwrap();
    let kept = env.nodes[0].conflict_count().unwrap();
    assert_eq!(kept, 2, "a conflict, and a deletion against a change");
    assert!(env.verify().unwrap().equal);
    drop(env);
    screen.picture("toured.png");
    screen.key("Escape");
    until(&screen, "the tour's files gone", || tour(temp.path()).is_none().then_some(()));
    assert_eq!(orders(&temp.path().join("demo"), "master.db"), 1000, "the tour left the demo alone");
    // It is not offered again.
    until(&screen, "the settings", || {
        let text = std::fs::read_to_string(temp.path().join("window.json")).unwrap_or_default();
        text.contains("\"toured\": true").then_some(())
    });
    assert!(program.0.try_wait().unwrap().is_none(), "the window is still open");
}

#[test]
fn a_folder_of_other_databases_is_not_opened_and_the_demo_goes_on() {
    if let Some(tool) = missing_tool() {
        return skip("window", &format!("{tool} is not installed, so the real window was not driven"));
    }
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("window.json"), "{\"toured\": true}").unwrap();
    let own = temp.path().join("own");
    std::fs::create_dir(&own).unwrap();
    let shop = own.join("shop.db");
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'mine')";
    rusqlite::Connection::open(&shop).unwrap().execute_batch(sql).unwrap();
    let track = Command::new(env!("CARGO_BIN_EXE_objsync")).arg("track").arg(&shop).stdout(Stdio::null()).status();
    assert!(track.unwrap().success());
    let before = std::fs::read(&shop).unwrap();
    let screen = Screen::start("1600x1000");
    let (mut program, _) = start(&screen, temp.path());
    let dir = temp.path().join("demo");
    screen.key("ctrl+shift+o");
    std::thread::sleep(Duration::from_millis(900));
    screen.type_text(own.to_str().unwrap());
    std::thread::sleep(Duration::from_millis(500));
    screen.key("Return");
    std::thread::sleep(Duration::from_millis(1500));
    screen.picture("refused.png");
    screen.key("Escape");
    // The demo is shown still, and what is done is done there.
    until(&screen, "an order at MASTER", || {
        screen.key("ctrl+r");
        std::thread::sleep(Duration::from_millis(900));
        (orders(&dir, "master.db") > 1000).then_some(())
    });
    assert_eq!(std::fs::read(&shop).unwrap(), before);
    assert_eq!(std::fs::read_dir(&own).unwrap().count(), 1);
    assert!(program.0.try_wait().unwrap().is_none(), "the window is still open");
}

#[test]
fn a_set_file_is_dropped_on_the_window() {
    if let Some(tool) = missing_tool() {
        return skip("window", &format!("{tool} is not installed, so the real window was not driven"));
    }
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("window.json"), "{\"toured\": true}").unwrap();
    let screen = Screen::start("1600x1000");
    let (mut program, window) = start(&screen, temp.path());
    let dir = temp.path().join("demo");
    // Made elsewhere and carried here: a set that another program prepared, and its copy.
    let carried = temp.path().join("carried.syncset");
    let run = |args: &[&str]| {
        let all = [args, &["--dir", dir.to_str().unwrap()]].concat();
        let done = Command::new(env!("CARGO_BIN_EXE_objsync")).args(all).stdout(Stdio::null()).status().unwrap();
        assert!(done.success(), "{args:?}");
    };
    run(&["random-order", "--node", "MASTER", "--count", "2"]);
    run(&["prepare", "--node", "MASTER", "--to", "CLIENT", "--out", carried.to_str().unwrap()]);
    drop::drop_file(&screen.display, window, &carried);
    std::thread::sleep(Duration::from_millis(900));
    screen.picture("dropped.png");
    // The dialog has the path, and the keyboard is in it: Browse, Preview, and the button that applies at once.
    for key in ["Tab", "Tab", "Tab", "space"] {
        screen.key(key);
        std::thread::sleep(Duration::from_millis(300));
    }
    until(&screen, "the orders at CLIENT", || (orders(&dir, "client.db") == 1002).then_some(()));
    assert!(program.0.try_wait().unwrap().is_none(), "the window is still open");
}

/// Takes a minute or more, so it runs only where it is asked for.
#[test]
fn a_million_orders_a_side_can_be_worked_with() {
    if !common::required("million") {
        return skip("million", "a million orders take their time");
    }
    if let Some(tool) = missing_tool() {
        return skip("window", &format!("{tool} is not installed, so the real window was not driven"));
    }
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("demo");
    let make = ["install", "--orders", "1000000", "--seed", "1", "--dir", dir.to_str().unwrap()];
    let made = Command::new(env!("CARGO_BIN_EXE_objsync")).args(make).stdout(Stdio::null()).status().unwrap();
    assert!(made.success());
    std::fs::write(temp.path().join("window.json"), "{\"toured\": true}").unwrap();
    let screen = Screen::start("1600x1000");
    let (mut program, _) = start(&screen, temp.path());
    // Keys do nothing before the first view is there.
    until(&screen, "order 1,000,001", || {
        screen.key("ctrl+r");
        std::thread::sleep(Duration::from_millis(900));
        (orders(&dir, "master.db") > 1_000_000).then_some(())
    });
    let set = dir.join("sets/syncFromMASTER-1000.syncset");
    until(&screen, "set 1000 from MASTER", || {
        screen.key("ctrl+p");
        std::thread::sleep(Duration::from_millis(900));
        screen.key("Return");
        std::thread::sleep(Duration::from_millis(900));
        set.is_file().then_some(())
    });
    until(&screen, "the orders at CLIENT", || {
        screen.key("ctrl+Return");
        std::thread::sleep(Duration::from_millis(900));
        (orders(&dir, "client.db") > 1_000_000).then_some(())
    });
    screen.picture("million.png");
    assert!(program.0.try_wait().unwrap().is_none(), "the window is still open");
}

#[test]
fn a_presenter_walks_through() {
    if let Some(tool) = missing_tool() {
        return skip("window", &format!("{tool} is not installed, so the real window was not driven"));
    }
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("demo");
    std::fs::write(temp.path().join("window.json"), "{\"toured\": true}").unwrap();
    let screen = Screen::start("1600x1000");
    // First start: the demo environment is made, and the window shows it.
    let (mut program, _) = start(&screen, temp.path());
    assert_eq!(violet(&screen) / 2000, 0, "no conflict yet, so nothing large is violet");

    // A random order at MASTER, by mouse.
    until(&screen, "order 1001 at MASTER", || {
        if orders(&dir, "master.db") == 1000 {
            screen.click(73, 150, "1");
            std::thread::sleep(Duration::from_millis(900));
        }
        (orders(&dir, "master.db") > 1000).then_some(())
    });
    let made = orders(&dir, "master.db");

    // Prepared and applied at CLIENT, by keys.
    screen.key("ctrl+p");
    std::thread::sleep(Duration::from_millis(700));
    screen.key("Return");
    let set = dir.join("sets/syncFromMASTER-1000.syncset");
    until(&screen, "set 1000 from MASTER", || set.is_file().then_some(()));
    std::thread::sleep(Duration::from_millis(700));
    screen.key("ctrl+Return");
    until(&screen, "the order at CLIENT", || (orders(&dir, "client.db") == made).then_some(()));
    until(&screen, "both level", || status(&dir).equal.then_some(()));
    std::thread::sleep(Duration::from_millis(900));

    // The same order edited on both sides, in place.
    for (x, file, number) in [(576, "master.db", 401), (1494, "client.db", 460)] {
        screen.click(x, 241, "2");
        std::thread::sleep(Duration::from_millis(500));
        screen.key("ctrl+a");
        screen.type_text(&number.to_string());
        screen.key("Return");
        until(&screen, "the edited quantity", || (quantity(&dir, file, made) == number).then_some(()));
        std::thread::sleep(Duration::from_millis(900));
    }
    until(&screen, "the conflict ahead, in violet", || (violet(&screen) > 2000).then_some(()));
    screen.picture("conflict-ahead.png");

    // CLIENT's change comes to MASTER: the conflict is found and decided, and the decision goes back.
    screen.key("ctrl+shift+p");
    std::thread::sleep(Duration::from_millis(700));
    screen.key("Return");
    until(&screen, "set 1000 from CLIENT", || dir.join("sets/syncFromCLIENT-1000.syncset").is_file().then_some(()));
    std::thread::sleep(Duration::from_millis(700));
    screen.key("ctrl+shift+Return");
    until(&screen, "the conflict record", || (conflicts(&dir) == 1).then_some(()));
    assert_eq!(quantity(&dir, "master.db", made), 460, "client wins");
    std::thread::sleep(Duration::from_millis(900));
    screen.picture("conflict-decided.png");
    screen.key("ctrl+p");
    std::thread::sleep(Duration::from_millis(700));
    screen.key("Return");
    until(&screen, "set 1001 from MASTER", || dir.join("sets/syncFromMASTER-1001.syncset").is_file().then_some(()));
    std::thread::sleep(Duration::from_millis(700));
    screen.key("ctrl+Return");
    until(&screen, "both level again", || status(&dir).equal.then_some(()));
    let mut env = Environment::open(&dir).unwrap();
    assert!(env.verify().unwrap().equal);
    assert_eq!(quantity(&dir, "client.db", made), 460);

    // What another program does shows: a conflict made from outside turns rows violet.
    std::thread::sleep(Duration::from_millis(900));
    for (file, number) in [("master.db", 5), ("client.db", 6)] {
        let conn = rusqlite::Connection::open(dir.join(file)).unwrap();
        conn.execute("UPDATE orders SET quantity = ?1 WHERE order_num = ?2", [number, made]).unwrap();
    }
    until(&screen, "the change of another program", || (violet(&screen) > 2000).then_some(()));
    screen.picture("walked-through.png");
    assert!(program.0.try_wait().unwrap().is_none(), "the window is still open");
}

#[test]
fn without_a_display_the_demo_is_told_in_the_terminal() {
    let temp = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_objsync"))
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .env("OBJSYNC_DIR", temp.path().join("demo"))
        .output()
        .unwrap();
    assert!(output.status.success());
    let (said, told) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert!(said.contains("no display") && said.contains("DISPLAY"), "{said}");
    assert!(told.contains("wins over") && told.contains("0 objects differ"), "{told}");

    let output = Command::new(env!("CARGO_BIN_EXE_objsync"))
        .env("DISPLAY", ":98765")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .env("OBJSYNC_DIR", temp.path().join("demo"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot be shown"));
}
