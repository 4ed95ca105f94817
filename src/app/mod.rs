//! The window: both databases side by side, what differs, what travels, who won.
//!
//! ```text
//! Backend ──view──▶ worker ──outbox──▶ App ──▶ panels (read State, push Commands)
//!    ▲                 ▲                ▲                     │
//!    └────run(Action)──┴────channel─────┴──── handle(Command)─┘
//! ```
//!
//! The window knows [`view`]'s plain data only: nothing of SQLite. A [`Backend`] lives on the worker's thread (`engine/` and
//! `look.rs` are the real one); panels read the [`State`](state::State) and push [`Command`](command::Command)s; `App::handle`
//! alone carries them out, and `news.rs` takes in what comes of it. Very many orders are sorted by the [`sorter`]'s thread. The
//! [`tour`] plays the demo's scripts; [`settings`] are what is remembered from one start to the next. The invariant: nothing that
//! may take long happens on the window's thread, and an idle window paints nothing.

pub mod action;
mod activity;
mod ago;
#[expect(clippy::module_inception, reason = "`app::app` holds the `App`")]
pub mod app;
pub mod command;
mod decision;
pub mod dialogs;
mod display;
pub mod edit;
mod engine;
pub mod export;
mod handle;
mod inspect;
pub mod lines;
mod look;
mod news;
pub mod others;
mod panels;
pub mod rows;
mod selection;
pub mod settings;
pub mod snapshot;
pub mod sorter;
pub mod state;
mod tabs;
pub mod theme;
pub mod tour;
pub mod view;
mod widgets;
pub mod worker;

use eframe::egui;

use view::Backend;

pub use display::cannot_show;
pub use engine::Engine;

/// Refuses a folder with databases that the window cannot show; whether there are none, so that a demo can be made there.
pub fn check_shown(dir: &std::path::Path) -> crate::sync::Result<bool> {
    let folder = crate::demo::folder::Folder::read(dir)?;
    if !folder.is_empty() {
        engine::check_shown(&folder)?;
    }
    Ok(folder.is_empty())
}

/// The window's title.
pub const TITLE: &str = "Object Synchronization";

/// Opens the window and returns when it is closed.
pub fn run(backend: Box<dyn Backend>) -> eframe::Result {
    let kept = settings::file();
    let size = kept.as_deref().map(settings::Settings::load).unwrap_or_default().window;
    let viewport = egui::ViewportBuilder::default()
        .with_title(TITLE)
        .with_app_id("objsync")
        .with_inner_size(size)
        .with_min_inner_size([1000.0, 640.0])
        .with_drag_and_drop(true);
    let options = eframe::NativeOptions { viewport, persist_window: false, ..Default::default() };
    let create: eframe::AppCreator<'_> = Box::new(move |cc| {
        theme::install(&cc.egui_ctx);
        Ok(Box::new(match kept {
            Some(file) => app::App::remembering(&cc.egui_ctx, backend, file),
            None => app::App::new(&cc.egui_ctx, backend),
        }))
    });
    eframe::run_native("objsync", options, create)
}
