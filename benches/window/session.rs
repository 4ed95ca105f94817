//! The window's own logic without a screen: an [`App`] on the real engine, whose frames are timed one by one.
//!
//! A frame is what eframe does for one, less the drawing itself: input, layout, every shape, their triangles. AccessKit is off, as
//! it is until a screen reader asks; it is switched on only for the frame that looks where something stands.

use std::path::Path;
use std::time::{Duration, Instant};

use eframe::egui::{
    self, Event, Key, Modifiers, MouseWheelSource, MouseWheelUnit, PointerButton, Pos2, TouchPhase, Vec2, vec2,
};
use objsync::app::Engine;
use objsync::app::app::App;
use objsync::app::state::State;
use objsync::app::theme;

/// A screen shows so many frames a second at most.
const FRAME: Duration = Duration::from_nanos(16_666_667);
/// How long anything may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// What one frame took.
#[derive(Clone, Copy)]
pub struct Took {
    /// Of the window's thread.
    pub cpu: Duration,
    /// By the clock.
    pub wall: Duration,
}

/// Many frames.
#[derive(Default)]
pub struct Frames(Vec<Took>);

impl Frames {
    /// That share of all frames took no longer, CPU time.
    pub fn cpu(&self, share: f64) -> Duration {
        let mut all: Vec<Duration> = self.0.iter().map(|took| took.cpu).collect();
        all.sort_unstable();
        let last = all.len().saturating_sub(1);
        all.get((last as f64 * share).ceil() as usize).copied().unwrap_or_default()
    }

    /// The longest by the clock, and the longest CPU time; they need not be of one frame.
    pub fn longest(&self) -> Took {
        let most = |of: fn(&Took) -> Duration| self.0.iter().map(of).max().unwrap_or_default();
        Took { cpu: most(|took| took.cpu), wall: most(|took| took.wall) }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Takes others in.
    pub fn add(&mut self, others: Frames) {
        self.0.extend(others.0);
    }
}

/// An open window that nobody sees.
pub struct Session {
    ctx: egui::Context,
    app: App,
    opened: Instant,
    size: Vec2,
}

impl Session {
    /// Opens an environment.
    pub fn open(dir: &Path) -> Session {
        let ctx = egui::Context::default();
        theme::install(&ctx);
        let opened = Instant::now();
        let engine = Engine::open(dir).expect("the environment");
        let app = App::new(&ctx, Box::new(engine));
        Session { ctx, app, opened, size: vec2(1600.0, 1000.0) }
    }

    /// What the window remembers.
    pub fn state(&self) -> &State {
        self.app.state()
    }

    /// The newest rows are shown, and nothing is being done.
    pub fn settled(&self) -> bool {
        let state = self.state();
        state.snapshot.is_some() && !state.sorting && state.running.is_none()
    }

    /// One frame with what the user does in it.
    pub fn frame(&mut self, events: Vec<Event>) -> Took {
        let input = self.input(events);
        let (cpu, wall) = (cpu_time(), Instant::now());
        let app = &mut self.app;
        let output = self.ctx.run_ui(input, |ui| app.show(ui));
        let triangles = self.ctx.tessellate(output.shapes, output.pixels_per_point);
        let took = Took { cpu: cpu_time() - cpu, wall: wall.elapsed() };
        std::hint::black_box(triangles);
        took
    }

    /// Frames at the screen's rate while something holds.
    pub fn frames_while(&mut self, what: &str, holds: impl Fn(&Session) -> bool) -> Frames {
        let (start, mut frames) = (Instant::now(), Frames::default());
        let mut next = start;
        while holds(self) {
            frames.0.push(self.frame(Vec::new()));
            assert!(start.elapsed() < PATIENCE, "waited in vain for: {what}");
            next = (next + FRAME).max(Instant::now());
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        frames
    }

    /// Frames at the screen's rate for a while.
    pub fn frames_for(&mut self, time: Duration) -> Frames {
        let start = Instant::now();
        self.frames_while("the end", |_| start.elapsed() < time)
    }

    /// Frames right after each other, each with what the user does in it.
    pub fn each(&mut self, count: usize, mut events: impl FnMut(usize) -> Vec<Event>) -> Frames {
        Frames((0..count).map(|n| self.frame(events(n))).collect())
    }

    /// Presses a key with Ctrl; the frame in which it is taken.
    pub fn ctrl(&mut self, key: Key) -> Frames {
        self.each(1, |_| vec![press(key, Modifiers::COMMAND | Modifiers::CTRL)])
    }

    /// Presses a key.
    pub fn key(&mut self, key: Key) -> Frames {
        self.each(1, |_| vec![press(key, Modifiers::NONE)])
    }

    /// Clicks a point.
    pub fn click_at(&mut self, pos: Pos2) -> Frames {
        let button =
            |pressed| Event::PointerButton { pos, button: PointerButton::Primary, pressed, modifiers: Modifiers::NONE };
        self.each(3, |n| vec![[Event::PointerMoved(pos), button(true), button(false)][n].clone()])
    }

    /// MASTER's last transaction.
    pub fn transaction(&self) -> u64 {
        self.state().snapshot.as_ref().map_or(0, |s| s.view.sides[0].transaction)
    }

    /// Sets prepared at MASTER and not applied.
    pub fn prepared(&self) -> usize {
        self.state().snapshot.as_ref().map_or(0, |s| s.view.lanes[0].prepared.len())
    }

    /// Where something stands, by how the name that a screen reader says begins.
    pub fn place(&mut self, name: &str) -> Option<Pos2> {
        self.ctx.enable_accesskit();
        let input = self.input(Vec::new());
        let app = &mut self.app;
        let output = self.ctx.run_ui(input, |ui| app.show(ui));
        self.ctx.disable_accesskit();
        let tree = output.platform_output.accesskit_update?;
        let bounds = tree
            .nodes
            .iter()
            .find(|(_, node)| node.label().is_some_and(|label| label.starts_with(name)))?
            .1
            .bounds()?;
        Some(Pos2::new((bounds.x0 + bounds.x1) as f32 / 2.0, (bounds.y0 + bounds.y1) as f32 / 2.0))
    }

    fn input(&self, events: Vec<Event>) -> egui::RawInput {
        egui::RawInput {
            screen_rect: Some(egui::Rect::from_min_size(Pos2::ZERO, self.size)),
            time: Some(self.opened.elapsed().as_secs_f64()),
            predicted_dt: FRAME.as_secs_f32(),
            events,
            ..egui::RawInput::default()
        }
    }
}

/// A key goes down.
pub fn press(key: Key, modifiers: Modifiers) -> Event {
    Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers }
}

/// The wheel is turned down by so many points.
pub fn wheel(points: f32) -> Event {
    Event::MouseWheel {
        unit: MouseWheelUnit::Point,
        delta: vec2(0.0, -points),
        phase: TouchPhase::Move,
        source: MouseWheelSource::Wheel,
        modifiers: Modifiers::NONE,
    }
}

/// CPU time of this thread so far.
#[cfg(target_os = "linux")]
fn cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Elsewhere the clock has to do.
#[cfg(not(target_os = "linux"))]
fn cpu_time() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}
