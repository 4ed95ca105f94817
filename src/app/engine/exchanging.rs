//! Sets that go and come, and comparing what both sides hold.

use std::path::PathBuf;

use super::Engine;
use crate::app::view::{Detail, Done, SideIndex};
use crate::demo::scenario::report_lines;
use crate::demo::tables::ORDER;
use crate::sync::{Outcome, PrepareOptions, Report, Result, Since};
use crate::words::{count, grouped};

/// Differences that a comparison lists, at most; all are counted.
const DIFFERENCES: usize = 1000;

impl Engine {
    pub(super) fn prepare(
        &mut self,
        side: SideIndex,
        id: i64,
        file: PathBuf,
        since: Since,
        overwrite: bool,
    ) -> Result<Done> {
        let options =
            PrepareOptions { id, file, since, upto: None, overwrite, compress: false, update_sync_time: true };
        let prepared = self.env.prepare(side, 1 - side, &options)?;
        let source = &prepared.source;
        let text = match prepared.objects {
            0 => format!("Prepared set {id} at {source}: nothing new, it carries the acknowledgement"),
            n => format!(
                "Prepared set {id} at {source}: {} in {}",
                count(n, "object"),
                count(prepared.transactions, "transaction")
            ),
        };
        Ok(Done { text, details: vec![prepared.file.display().to_string().into()], ..Done::default() })
    }

    pub(super) fn sync_both(&mut self) -> Result<Done> {
        let mut all = Done::default();
        let mut said = Vec::new();
        for report in self.env.exchange_until_quiet(&[(1, 0), (0, 1)], None)? {
            let side = usize::from(report.node == self.name(1));
            let done = applied(side, &report);
            said.push(format!("{} → {}: {}", report.source, report.node, report.summary()));
            all.details.extend(done.details);
            all.changed.extend(done.changed);
            all.conflict = all.conflict.or(done.conflict);
        }
        all.text = format!("Synchronized both ways. {}", said.join("; "));
        Ok(all)
    }

    pub(super) fn verify(&mut self) -> Result<Done> {
        let mut found = self.env.verify()?;
        // What counts stands first.
        found.classes.sort_by_key(|c| !c.journaled);
        let details = found.classes.iter().flat_map(|c| {
            let counts = if c.journaled { "" } else { " (not journaled, does not count)" };
            let heading = match c.differences.len() {
                1 => format!("{}{counts}: 1 differs", c.name),
                n => format!("{}{counts}: {} differ", c.name, grouped(n as u64)),
            };
            let digests =
                c.digests.iter().map(|(node, digest)| format!("{node} {}", digest.as_str().unwrap_or_default()));
            let objects = c.differences.iter().take(DIFFERENCES).map(|d| {
                let here = d.names().into_iter().zip(c.digests.keys()).map(|(name, node)| match name {
                    Some(name) => format!("{name} at {node}"),
                    None => format!("not at {node}"),
                });
                let text = format!("{}: {}", c.name, here.collect::<Vec<_>>().join(", "));
                Detail { text, object: (c.name == ORDER).then_some((0, d.guid)) }
            });
            [heading].into_iter().chain(digests).map(Detail::from).chain(objects).collect::<Vec<_>>()
        });
        let details = details.collect();
        let differing: usize = found.classes.iter().filter(|c| c.journaled).map(|c| c.differences.len()).sum();
        let text = match differing {
            0 => "Compared row by row: both sides hold the same".to_owned(),
            1 => "Compared row by row: 1 order differs".to_owned(),
            n => format!("Compared row by row: {} differ", count(n, "order")),
        };
        Ok(Done { text, details, ..Done::default() })
    }
}

/// Line by line what became of a set's objects.
fn details(side: SideIndex, report: &Report) -> Vec<Detail> {
    let objects = report.objects.iter().map(|o| Some((side, o.guid))).chain(std::iter::repeat(None));
    let lines = report_lines(report).into_iter().skip(1).zip(objects);
    lines.map(|(line, object)| Detail { text: line.trim_start().to_owned(), object }).collect()
}

/// What came of an apply.
pub(super) fn applied(side: SideIndex, report: &Report) -> Done {
    let conflict = report.objects.iter().find_map(|o| o.conflict).map(|record| (side, record));
    let changed =
        report.objects.iter().filter(|o| o.row_changed && o.outcome != Outcome::Deleted).map(|o| (side, o.guid));
    Done {
        text: format!("Applied set {} from {} at {}: {}", report.id, report.source, report.node, report.summary()),
        details: details(side, report),
        changed: changed.collect(),
        conflict,
        ..Done::default()
    }
}
