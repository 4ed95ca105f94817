//! What the window is told by the real engine: marks, lanes, cards, conflicts; and what it can ask for.

#![cfg(feature = "app")]

mod deciding;
mod environment;
mod marks;
mod opening;
mod sets;

use std::path::PathBuf;

use objsync::app::Engine;
use objsync::app::view::{Action, Backend, Done, Line, View};
use objsync::demo::install::{Installation, install};
use objsync::demo::model::{Decimal, OrderDraft};
use objsync::demo::populate::Amounts;
use objsync::sync::Progress;

struct Demo {
    dir: tempfile::TempDir,
    engine: Engine,
}

impl Demo {
    fn new() -> Demo {
        let dir = tempfile::tempdir().unwrap();
        let amounts = Amounts { items: 5, customers: 5, employees: 5, orders: 20 };
        install(dir.path(), &Installation { amounts, seed: Some(1), ..Installation::default() }, &Progress::default())
            .unwrap();
        let engine = Engine::open(dir.path()).unwrap();
        Demo { dir, engine }
    }

    fn quantity(&mut self, side: usize, number: i64, quantity: i64) {
        let changes = OrderDraft { quantity: Some(Decimal::whole(quantity)), ..OrderDraft::default() };
        self.engine.run(Action::EditOrder { side, number, changes }).unwrap();
    }

    fn sql(&self, file: &str, sql: &str) {
        rusqlite::Connection::open(self.dir.path().join(file)).unwrap().execute_batch(sql).unwrap();
    }

    fn set(&self, name: &str) -> PathBuf {
        self.dir.path().join("sets").join(name)
    }

    fn run(&mut self, action: Action) -> Done {
        self.engine.run(action).unwrap()
    }

    fn view(&mut self) -> View {
        self.engine.view().unwrap()
    }

    /// A new demo, asked for as the window does.
    fn restart(&mut self) -> Done {
        let files = self.view().restart.files;
        self.run(Action::RestartDemo { files })
    }
}

fn line(view: &View, side: usize, number: i64) -> Line {
    view.lines.iter().find(|l| l.orders[side].as_ref().is_some_and(|o| o.order_num == number)).unwrap()
}

/// Order 1 is changed on both sides, and CLIENT's set for it is prepared.
fn conflict(demo: &mut Demo) -> PathBuf {
    demo.quantity(0, 1, 2);
    demo.quantity(1, 1, 3);
    demo.engine.run(Action::Prepare { side: 1, id: 1000, file: None, overwrite: false }).unwrap();
    demo.set("syncFromCLIENT-1000.syncset")
}
