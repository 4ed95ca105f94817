//! The window with a million orders a side: how soon it is there, how smoothly it scrolls, sorts and applies, what it needs.
//!
//! `cargo bench --bench window -- --help` says what can be chosen. Two ways of looking, each for what it can tell:
//!
//! - **the program itself** on a screen that nobody sees, Xvfb with software GL, so that figures are those of a machine without
//!   a GPU: first frame, memory, CPU while idle. Beside it an eframe window with nothing but a line of text: what of it is not ours.
//! - **the window's logic in this process**, on the real engine with its threads: what each frame takes, without drawing it.
//!
//! Both write in a folder of their own that is gone afterwards.

#[cfg(target_os = "linux")]
mod screen;
mod session;
#[path = "../whole_path/workload.rs"]
mod workload;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Parser;
use eframe::egui::{self, Event, Key, Modifiers, pos2};
use objsync::demo::install::{Installation, install};
use objsync::demo::populate::Amounts;
use objsync::sync::{Error, Node, Progress};
use session::{Frames, Session, press, wheel};

/// How the window does with very many orders.
#[derive(Parser)]
struct Options {
    /// Orders at each side.
    #[arg(long, default_value_t = 1_000_000)]
    orders: u32,
    /// Changes that are applied.
    #[arg(long, default_value_t = 100_000)]
    changes: usize,
    /// Starts of the program, of which the median is told.
    #[arg(long, default_value_t = 5)]
    starts: usize,
    /// Where the files lie; if not said, in memory (/dev/shm) where there is such a folder.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// What is measured.
    #[arg(long, value_enum, default_value_t = What::All)]
    what: What,
    /// For the window that this program opens as a process of its own.
    #[arg(long, hide = true)]
    bare: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum What {
    /// Everything below.
    All,
    /// First frame, memory, CPU while idle, of the program itself.
    Program,
    /// Frames while scrolling, sorting, filtering and applying, in this process.
    Frames,
}

fn main() {
    let options = Options::parse();
    if options.bare {
        return bare();
    }
    let in_memory = Path::new("/dev/shm");
    let folder = match &options.dir {
        Some(dir) => dir.clone(),
        None if in_memory.is_dir() => in_memory.to_owned(),
        None => std::env::temp_dir(),
    };
    println!("in {}, {} orders a side", folder.display(), options.orders);
    let temp = tempfile::Builder::new().prefix("objsync-bench-").tempdir_in(&folder).expect("a folder");
    let dir = temp.path().join("demo");
    let what = Installation {
        amounts: Amounts { items: 50, customers: 50, employees: 100, orders: options.orders },
        seed: Some(1),
        ..Installation::default()
    };
    drop(install(&dir, &what, &Progress::default()).expect("an environment"));
    if options.what != What::Frames {
        program(temp.path(), &dir, options.starts);
    }
    if options.what != What::Program {
        frames(&dir, &options);
    }
}

/// A line of the table.
fn say(what: &str, figure: String, wanted: &str) {
    let wanted = if wanted.is_empty() { String::new() } else { format!("  (wanted {wanted})") };
    println!("  {what:<58} {figure:>12}{wanted}");
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

fn not_measured(why: &str) {
    println!("\n*** NOT MEASURED: first frame, memory, CPU while idle: {why} ***\n");
}

#[cfg(not(target_os = "linux"))]
fn program(_folder: &Path, _dir: &Path, _starts: usize) {
    not_measured("Xvfb and /proc are of Linux");
}

/// The program itself, from outside.
#[cfg(target_os = "linux")]
fn program(folder: &Path, dir: &Path, starts: usize) {
    use std::process::Command;
    let Some(screen) = screen::Screen::start() else { return not_measured("Xvfb is not installed") };
    // Nobody is offered the tour.
    std::fs::write(folder.join("window.json"), "{\"toured\": true}").expect("settings");
    println!("the program itself, under Xvfb with software GL");
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    let (mut last, mut bare_memory) = (None, 0.0);
    for start in 0..starts.max(1) {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        let (running, took) = screen.first_frame(command.arg("--bare"), folder);
        bare.push(took);
        if start == 0 {
            screen::quiet(running.0.id());
            bare_memory = screen::resident(running.0.id(), "VmRSS:");
        }
        drop(running);
        screen.clear();
        let mut command = Command::new(env!("CARGO_BIN_EXE_objsync"));
        let (running, took) = screen.first_frame(command.arg("--dir").arg(dir), folder);
        ours.push(took);
        if start + 1 < starts {
            drop(running);
            screen.clear();
        } else {
            last = Some(running);
        }
    }
    say("first frame after the start, median", ms(median(&mut ours)), "300 ms at most");
    say("  the slowest start", ms(ours.last().copied().unwrap_or_default()), "");
    say("  an eframe window with a line of text, median", ms(median(&mut bare)), "");
    let Some(running) = last else { return };
    let pid = running.0.id();
    screen::quiet(pid);
    let used = screen::cpu_time(pid);
    say("memory with both sides loaded", format!("{:.0} MB", screen::resident(pid, "VmRSS:")), "250 MB at most");
    say("  at most, while they were loaded", format!("{:.0} MB", screen::resident(pid, "VmHWM:")), "");
    say("  an eframe window with a line of text", format!("{bare_memory:.0} MB"), "");
    say("CPU time until both sides were loaded", seconds(used), "");
    let (before, idle) = (screen::cpu_time(pid), Duration::from_secs(5));
    std::thread::sleep(idle);
    let used = screen::cpu_time(pid) - before;
    say("CPU time in 5 s while idle", ms(used), "none");
}

/// Sorts them.
#[cfg(target_os = "linux")]
fn median(of: &mut [Duration]) -> Duration {
    of.sort_unstable();
    of[of.len() / 2]
}

/// An eframe window of the same size with nothing but a line of text.
fn bare() {
    struct Bare;
    impl eframe::App for Bare {
        fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
            ui.heading("Nothing");
        }
    }
    let viewport = egui::ViewportBuilder::default().with_inner_size([1600.0, 1000.0]);
    let options = eframe::NativeOptions { viewport, persist_window: false, ..Default::default() };
    eframe::run_native("bare", options, Box::new(|_| Ok(Box::new(Bare)))).expect("a window");
}

/// The window's logic, frame by frame.
fn frames(dir: &Path, options: &Options) {
    println!("the window's logic: input, layout, shapes and triangles of a frame, without drawing them");
    let start = Instant::now();
    let mut session = Session::open(dir);
    let loading = session.frames_while("both sides", |s| !s.settled());
    say("both sides shown after the start", seconds(start.elapsed()), "");
    longest("longest frame meanwhile", &loading, "");
    session.frames_for(Duration::from_millis(500));

    scrolling(&mut session);
    sorting(&mut session);
    applying(&mut session, dir, options);
}

fn longest(what: &str, frames: &Frames, wanted: &str) {
    let longest = frames.longest();
    say(&format!("  {what}"), ms(longest.wall), wanted);
    say("    longest CPU time of one", ms(longest.cpu), "");
}

/// Both tables scroll together, by the wheel and by keys.
fn scrolling(session: &mut Session) {
    let over = pos2(400.0, 500.0);
    session.each(5, |_| vec![Event::PointerMoved(over)]);
    let mut all = Frames::default();
    for (what, points) in [("by the wheel, 50 points a frame", 50.0), ("by the wheel, 5,000 points a frame", 5000.0)] {
        let frames = session.each(400, |_| vec![wheel(points)]);
        say(&format!("  p99 CPU time of a frame, scrolling {what}"), ms(frames.cpu(0.99)), "");
        all.add(frames);
    }
    // Something is selected, as nearly always.
    session.click_at(over);
    for key in [Key::PageDown, Key::ArrowDown, Key::End] {
        let frames = session.each(100, |_| vec![press(key, Modifiers::NONE)]);
        say(&format!("  p99 CPU time of a frame, scrolling by {key:?}"), ms(frames.cpu(0.99)), "");
        all.add(frames);
    }
    session.key(Key::Home);
    say("p99 CPU time of a frame while scrolling", ms(all.cpu(0.99)), "8 ms at most");
    say("  median", ms(all.cpu(0.5)), "");
    longest(&format!("longest of {} frames", all.count()), &all, "");
}

/// Until the new rows are shown.
fn sorting(session: &mut Session) {
    let (mut slowest, mut all) = (Duration::ZERO, Frames::default());
    let mut measure = |session: &mut Session, what: &str, act: &mut dyn FnMut(&mut Session) -> Frames| {
        let start = Instant::now();
        let mut frames = act(session);
        frames.add(session.frames_while(what, |s| !s.settled()));
        let took = start.elapsed();
        slowest = slowest.max(took);
        say(&format!("  {what} shown after"), seconds(took), "");
        all.add(frames);
        session.frames_for(Duration::from_millis(200));
    };
    for column in ["Employee", "Customer", "Date", "Item", "Quantity", "Price", "Order"] {
        let header = format!("Sort by {column} at MASTER");
        let place = session.place(&header).expect("a header");
        measure(session, &format!("sorted by {}", column.to_lowercase()), &mut |s| s.click_at(place));
    }
    session.ctrl(Key::F);
    session.frames_for(Duration::from_millis(100));
    measure(session, "filtered by a number, typed at once,", &mut |s| {
        s.each(3, |n| vec![Event::Text(["9", "8", "7"][n].to_owned())])
    });
    measure(session, "no filter any more", &mut |s| s.key(Key::Escape));
    let customer = session.state().snapshot.as_ref().map(|s| s.choices(0, 1)[0].name.to_lowercase());
    let customer = customer.expect("a customer");
    let letters: Vec<char> = customer.chars().collect();
    session.ctrl(Key::F);
    session.frames_for(Duration::from_millis(100));
    measure(session, "filtered by a customer's name, typed at once,", &mut |s| {
        s.each(letters.len(), |n| vec![Event::Text(letters[n].to_string())])
    });
    let shown = session.state().rows[0].len();
    assert!(shown > 0 && shown < session.state().snapshot.as_ref().map_or(0, |s| s.counts.all), "{shown} rows");
    measure(session, "no filter any more", &mut |s| s.key(Key::Escape));
    for show in ["Differences", "All"] {
        let place = session.place(&format!("Show {show}:")).expect("the legend");
        measure(session, &format!("the legend's “{show}”"), &mut |s| s.click_at(place));
    }
    say("slowest until the new rows were shown", seconds(slowest), "1.5 s at most");
    longest("longest frame meanwhile", &all, "one of a screen, 16.7 ms");
}

/// Another program writes, the window prepares a set of it and applies it.
fn applying(session: &mut Session, dir: &Path, options: &Options) {
    let changes = workload::changes(options.changes, options.orders as usize, i64::from(options.orders) + 1, 7);
    let count = changes.len();
    let file = dir.join("master.db");
    let writing = std::thread::spawn(move || {
        let mut node = Node::open(&file).expect("a node");
        for some in changes.chunks(1000) {
            node.edit(|edit| {
                for change in some {
                    workload::write(edit.connection(), change)?;
                }
                Ok::<_, Error>(())
            })
            .expect("the changes are written");
        }
    });
    let start = Instant::now();
    let mut frames = session.frames_while("another program", |_| !writing.is_finished());
    writing.join().expect("the changes are written");
    // Four times a second it looks whether somebody has written.
    frames.add(session.frames_for(Duration::from_millis(300)));
    let mut quiet = Duration::ZERO;
    while quiet < Duration::from_millis(700) {
        let before = session.transaction();
        let start = Instant::now();
        frames.add(session.frames_for(Duration::from_millis(350)));
        frames.add(session.frames_while("what another program has written", |s| !s.settled()));
        quiet = if session.transaction() == before { quiet + start.elapsed() } else { Duration::ZERO };
    }
    say(&format!("{count} changes by another program shown after"), seconds(start.elapsed()), "");
    longest("longest frame meanwhile", &frames, "");

    session.ctrl(Key::P);
    session.frames_for(Duration::from_millis(200));
    let start = Instant::now();
    let mut frames = session.key(Key::Enter);
    frames.add(session.frames_while("a set", |s| s.prepared() == 0 || !s.settled()));
    say("a set of them prepared and shown after", seconds(start.elapsed()), "");
    longest("longest frame meanwhile", &frames, "");
    session.frames_for(Duration::from_millis(500));

    let start = Instant::now();
    let mut frames = session.ctrl(Key::Enter);
    frames.add(session.frames_for(Duration::from_millis(500)));
    let running = session.state().running.is_some();
    let told = session.state().progress.now().is_some() && session.place("Cancel").is_some();
    frames.add(session.frames_while("the set applied", |s| s.prepared() > 0 || !s.settled()));
    let took = start.elapsed();
    // What has changed is highlighted and fades.
    frames.add(session.frames_for(Duration::from_millis(3500)));
    say("the set applied and shown after", seconds(took), "");
    longest("longest frame meanwhile and until nothing fades", &frames, "16.7 ms at most");
    say("  p99 CPU time of these frames", ms(frames.cpu(0.99)), "");
    let words = match (running, told) {
        (true, true) => "yes",
        (true, false) => "no",
        (false, _) => "too fast",
    };
    say("  progress and Cancel after half a second", words.to_owned(), "yes");
}
