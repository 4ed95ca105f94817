//! Serving REST while the window is open: for the environment that is shown, whichever that is.

use std::path::Path;
#[cfg(feature = "rest")]
use std::path::PathBuf;

use crate::app::settings::RestSettings;
use crate::app::view::RestView;
#[cfg(feature = "rest")]
use crate::rest::{Options, Server};
#[cfg(feature = "rest")]
use crate::sync::{Error, ErrorKind};

/// So many ports are tried, from the usual one on.
#[cfg(feature = "rest")]
const PORTS: u16 = 8;

/// What is to be served, and what is.
#[derive(Default)]
pub(super) struct Serving {
    wanted: Option<RestSettings>,
    /// For which environment it was tried, how, and what came of it.
    #[cfg(feature = "rest")]
    tried: Option<(PathBuf, RestSettings, Result<Server, Error>)>,
}

impl Serving {
    pub(super) fn set(&mut self, wanted: RestSettings, dir: &Path) -> RestView {
        self.wanted = Some(wanted);
        // Somebody asks: what failed before may go now.
        self.stop();
        self.follow(dir)
    }
}

#[cfg(feature = "rest")]
impl Serving {
    /// Serves the environment in that folder, if it is to be served; says where, or why not.
    pub(super) fn follow(&mut self, dir: &Path) -> RestView {
        let Some(wanted) = self.wanted.clone().filter(|wanted| wanted.on) else {
            self.stop();
            return RestView::default();
        };
        if self.tried.as_ref().is_none_or(|(tried, how, _)| tried != dir || *how != wanted) {
            self.stop();
            let start = |port| Server::start(dir, &Options { port, allow: wanted.allow.clone(), ..Options::default() });
            // A second window on this machine finds the usual port taken; one that somebody has chosen is not changed.
            let usual = wanted.port == RestSettings::default().port;
            let others = if usual { wanted.port..wanted.port + PORTS } else { wanted.port..wanted.port + 1 };
            let mut server = start(wanted.port);
            for port in others.skip(1) {
                match &server {
                    Err(error) if error.kind() == ErrorKind::Busy => server = start(port),
                    _ => break,
                }
            }
            self.tried = Some((dir.to_owned(), wanted, server));
        }
        match self.tried.as_ref().map(|(.., server)| server) {
            Some(Ok(server)) => RestView { address: Some(format!("http://{}", server.address())), why_not: None },
            Some(Err(error)) => RestView { address: None, why_not: Some(super::in_windows_words(&error.to_string())) },
            None => RestView::default(),
        }
    }

    /// Closes the databases that it has open, so that they can be replaced.
    pub(super) fn release(&self) {
        if let Some((.., Ok(server))) = &self.tried {
            server.release();
        }
    }

    fn stop(&mut self) {
        self.tried = None;
    }
}

#[cfg(not(feature = "rest"))]
impl Serving {
    pub(super) fn follow(&mut self, _dir: &Path) -> RestView {
        let on = self.wanted.as_ref().is_some_and(|wanted| wanted.on);
        RestView {
            address: None,
            why_not: on.then(|| "this objsync was built without REST (cargo feature `rest`)".to_owned()),
        }
    }

    pub(super) fn release(&self) {}

    fn stop(&mut self) {}
}
