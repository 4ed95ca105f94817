//! The program itself on a screen that nobody sees: Xvfb with software GL.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use x11rb::connection::Connection;
use x11rb::protocol::xproto::{ConnectionExt, ImageFormat, MapState};
use x11rb::rust_connection::RustConnection;

/// How long anything may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// The part of a window that is looked at for its first frame, from its corner: both windows have text there.
const LOOKED_AT: [u16; 2] = [400, 80];

/// A process that ends with this.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An X server of its own.
pub struct Screen {
    display: String,
    conn: RustConnection,
    root: u32,
    _server: Running,
}

impl Screen {
    /// Starts one; `None` where there is no Xvfb.
    pub fn start() -> Option<Screen> {
        // Xvfb picks a free display itself and writes its number.
        let server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1600x1000x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut server = Running(server.ok()?);
        let mut output = server.0.stdout.take()?;
        let (mut number, mut byte) = (String::new(), [0]);
        while output.read(&mut byte).is_ok_and(|n| n == 1) && byte[0] != b'\n' {
            number.push(byte[0] as char);
        }
        let display = format!(":{number}");
        let (conn, screen) = x11rb::connect(Some(&display)).ok()?;
        let root = conn.setup().roots[screen].root;
        Some(Screen { display, conn, root, _server: server })
    }

    /// Starts a program and waits for its first frame: its window is mapped and has more than one colour. How long that took.
    pub fn first_frame(&self, program: &mut Command, folder: &Path) -> (Running, Duration) {
        let program = program
            .env("DISPLAY", &self.display)
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("WAYLAND_SOCKET")
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .env("OBJSYNC_DIR", folder.join("elsewhere"))
            .env("OBJSYNC_SETTINGS", folder.join("window.json"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let start = Instant::now();
        let mut running = Running(program.spawn().expect("the program starts"));
        while !self.painted() {
            assert!(start.elapsed() < PATIENCE, "waited in vain for the first frame");
            assert!(running.0.try_wait().is_ok_and(|ended| ended.is_none()), "the program has ended");
            std::thread::sleep(Duration::from_millis(2));
        }
        (running, start.elapsed())
    }

    /// Waits until no window is left of the program that has ended.
    pub fn clear(&self) {
        let start = Instant::now();
        while self.painted() && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn painted(&self) -> bool {
        // Windows come and go meanwhile; one that is gone is not painted.
        let children = self.conn.query_tree(self.root).ok().and_then(|c| c.reply().ok());
        children.is_some_and(|tree| tree.children.into_iter().any(|window| self.has_colours(window).unwrap_or(false)))
    }

    fn has_colours(&self, window: u32) -> Option<bool> {
        let attributes = self.conn.get_window_attributes(window).ok()?.reply().ok()?;
        let size = self.conn.get_geometry(window).ok()?.reply().ok()?;
        let [width, height] = LOOKED_AT;
        if attributes.map_state != MapState::VIEWABLE || size.width < width || size.height < height {
            return Some(false);
        }
        let image = self.conn.get_image(ImageFormat::Z_PIXMAP, window, 0, 0, width, height, !0).ok()?.reply().ok()?;
        let mut pixels = image.data.chunks_exact(4).map(|p| [p[0], p[1], p[2]]);
        let first = pixels.next()?;
        Some(pixels.any(|pixel| pixel != first))
    }
}

/// CPU time of all threads of a process so far.
pub fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name may hold spaces; after it, user and system time are the 12th and 13th field, in hundredths.
    let rest = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks: u64 = rest.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Waits until a process has nothing more to do.
pub fn quiet(pid: u32) {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let before = cpu_time(pid);
        std::thread::sleep(Duration::from_secs(1));
        if cpu_time(pid) - before < Duration::from_millis(30) {
            return;
        }
    }
}

/// Memory of a process that is in use, MB.
pub fn resident(pid: u32, what: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}
