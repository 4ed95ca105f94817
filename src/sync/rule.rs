//! The rules that decide a conflict.

use std::str::FromStr;

use serde::Serialize;

use crate::sync::error::Error;

/// Decides a conflict: whose content stays. Both rules answer the same at either end, so crossed sets converge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// What was made at a client beats what was made at the master; between two of the same, the later stamp, then the
    /// node. The default, and the rule of the original, which asks where the change was made.
    #[default]
    ClientWins,
    /// The later stamp wins; between equal ones, master before client, then the node.
    LatestWins,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 2] = [Rule::ClientWins, Rule::LatestWins];

    /// `client-wins`, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Rule::ClientWins => "client-wins",
            Rule::LatestWins => "latest-wins",
        }
    }

    /// `Client wins`, for people.
    pub fn label(self) -> &'static str {
        match self {
            Rule::ClientWins => "Client wins",
            Rule::LatestWins => "Latest wins",
        }
    }

    /// What it does, in one sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Rule::ClientWins => "What was changed at a client beats what was changed at the master.",
            Rule::LatestWins => "The change that was made later wins, wherever it was made.",
        }
    }
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Rule::ALL.into_iter().find(|r| r.name() == text).ok_or_else(|| {
            let names: Vec<_> = Rule::ALL.iter().map(|r| r.name()).collect();
            Error::usage(format!("there is no rule `{text}`; there are {}", names.join(", ")))
        })
    }
}
