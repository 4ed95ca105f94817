//! Sets that go and come, and comparing what both sides hold.

use std::path::PathBuf;

use super::Engine;
use crate::app::view::{Compared, Detail, Done, SideIndex};
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
        all.text = match said.is_empty() {
            true => "Synchronized both ways: nothing was new".to_owned(),
            false => format!("Synchronized both ways. {}", said.join("; ")),
        };
        Ok(all)
    }

    /// Compares the contents of all nodes, class by class; what counts stands first.
    pub(super) fn compare(&mut self) -> Result<(Vec<Compared>, Vec<String>)> {
        let mut found = self.env.verify()?;
        found.classes.sort_by_key(|c| !c.journaled);
        let compared = found.classes.iter().map(|c| {
            let objects = c.differences.iter().take(DIFFERENCES).map(|d| {
                let here = d.names().into_iter().zip(c.digests.keys()).map(|(name, node)| match name {
                    Some(name) => format!("{name} at {node}"),
                    None => format!("not at {node}"),
                });
                let text = format!("{}: {}", c.name, here.collect::<Vec<_>>().join(", "));
                Detail { text, object: (c.name == ORDER).then_some((0, d.guid)) }
            });
            let digests = c.digests.iter().map(|(node, d)| (node.clone(), d.as_str().unwrap_or_default().to_owned()));
            Compared {
                class: c.name.clone(),
                journaled: c.journaled,
                digests: digests.collect(),
                differ: c.differences.len(),
                objects: objects.collect(),
            }
        });
        Ok((compared.collect(), found.disagree))
    }

    pub(super) fn verify(&mut self) -> Result<Done> {
        let (compared, disagree) = self.compare()?;
        let differing: usize = compared.iter().filter(|c| c.journaled).map(|c| c.differ).sum();
        let text = match differing {
            0 => "Compared row by row: both sides hold the same".to_owned(),
            1 => "Compared row by row: 1 order differs".to_owned(),
            n => format!("Compared row by row: {} differ", count(n, "order")),
        };
        let classes = compared.iter().map(|c| {
            let counts = if c.journaled { "" } else { " (not synchronized, does not count)" };
            let differ =
                if c.differ == 1 { "1 differs".to_owned() } else { format!("{} differ", grouped(c.differ as u64)) };
            Detail::from(format!("{}{counts}: {differ}", c.class))
        });
        let details = classes.chain(disagree.into_iter().map(Detail::from)).collect();
        Ok(Done { text, details, compared: Some(compared), ..Done::default() })
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
