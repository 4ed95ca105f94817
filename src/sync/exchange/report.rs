//! What applying a set did, object by object, and why, in words.

use std::path::PathBuf;

use serde::Serialize;

use crate::sync::data::guid::Guid;
use crate::words::grouped;

/// The outcome of an apply, or of a retry of what waits.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The set's file; empty for a retry.
    #[serde(serialize_with = "crate::words::path_as_text")]
    pub file: PathBuf,
    /// The node it was applied at.
    pub node: String,
    /// The node that sent it; empty for a retry.
    pub source: String,
    /// The set's number at its source; 0 for a retry.
    pub id: i64,
    /// Rows inserted.
    pub inserted: usize,
    /// Rows updated.
    pub updated: usize,
    /// Rows deleted.
    pub deleted: usize,
    /// Conflicts found and decided; their rows are not counted above.
    pub conflicts: usize,
    /// Objects of which different properties were changed on both sides, which were combined; not counted above either.
    pub combined: usize,
    /// Objects that wait.
    pub requeued: usize,
    /// Objects that waited and were given up.
    pub discarded: usize,
    /// Objects for which nothing had to change.
    pub skipped: usize,
    /// The objects, in the order of the set; at most [`Report::LINES`], first those that somebody may have to look at.
    pub objects: Vec<ObjectReport>,
    /// How many more there were; they are counted above.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: usize,
    /// What else somebody should know, such as a doubtful clock.
    pub warnings: Vec<String>,
    /// Where each of `objects` belongs among all, until the report is closed.
    #[serde(skip)]
    pub(crate) places: Vec<usize>,
}

/// What became of one object.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ObjectReport {
    /// Its class.
    pub class: String,
    /// Its identity.
    pub guid: Guid,
    /// Its key where that is content: `DE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its local number here, where it has or had one.
    pub number: Option<i64>,
    /// Its local number at the source.
    pub source_number: Option<i64>,
    /// What was done.
    pub outcome: Outcome,
    /// Why, in words.
    pub reason: String,
    /// The conflict record, where there was a conflict or a combination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflict: Option<i64>,
    /// Whether its row here is another one now.
    pub row_changed: bool,
}

/// What was done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Its row was inserted.
    Inserted,
    /// Its row was updated.
    Updated,
    /// Its row was deleted.
    Deleted,
    /// A conflict was found, decided and recorded.
    Conflict,
    /// Different properties were changed on both sides; they were combined, and that is recorded.
    Combined,
    /// It waits.
    Requeued,
    /// It waited and was given up; what is here stays, and that is recorded.
    Discarded,
    /// Nothing had to change.
    Skipped,
}

impl ObjectReport {
    /// What people call it beside its class: its number here, or at the source, its key, or its GUID.
    pub fn name(&self) -> String {
        object_name(self.number.or(self.source_number), self.key.as_deref(), &self.guid)
    }
}

/// What people call an object beside its class.
pub(crate) fn object_name(number: Option<i64>, key: Option<&str>, guid: &dyn std::fmt::Display) -> String {
    match (number, key) {
        (Some(number), _) => number.to_string(),
        (None, Some(key)) => key.to_owned(),
        (None, None) => guid.to_string(),
    }
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Outcome {
    /// Whether nothing about it is to be decided or looked into.
    fn is_plain(self) -> bool {
        matches!(self, Outcome::Inserted | Outcome::Updated | Outcome::Deleted | Outcome::Skipped)
    }
}

impl Report {
    /// How many objects a report lists.
    pub const LINES: usize = 5_000;

    /// Counts an object and lists it at its place among all; where the list is full, only if that is worth a plain one.
    pub(crate) fn add(&mut self, place: usize, object: ObjectReport) {
        *match object.outcome {
            Outcome::Inserted => &mut self.inserted,
            Outcome::Updated => &mut self.updated,
            Outcome::Deleted => &mut self.deleted,
            Outcome::Conflict => &mut self.conflicts,
            Outcome::Combined => &mut self.combined,
            Outcome::Requeued => &mut self.requeued,
            Outcome::Discarded => &mut self.discarded,
            Outcome::Skipped => &mut self.skipped,
        } += 1;
        if self.objects.len() >= Self::LINES {
            self.left_out += 1;
            let to_look_at = self.conflicts + self.combined + self.requeued + self.discarded;
            if object.outcome.is_plain() || to_look_at > Self::LINES {
                return;
            }
            let Some(plain) = self.objects.iter().rposition(|o| o.outcome.is_plain()) else { return };
            self.objects.swap_remove(plain);
            self.places.swap_remove(plain);
        }
        self.objects.push(object);
        self.places.push(place);
    }

    /// Puts the list in order, and says if not all is in it. To be called when all was added.
    pub(crate) fn close(&mut self) {
        let mut listed: Vec<_> = self.places.drain(..).zip(self.objects.drain(..)).collect();
        listed.sort_by_key(|(place, _)| *place);
        self.objects = listed.into_iter().map(|(_, object)| object).collect();
        if self.left_out > 0 {
            let (listed, more) = (grouped(self.objects.len() as u64), grouped(self.left_out as u64));
            self.warnings.push(format!(
                "{listed} objects are listed, first what somebody may have to look at; {more} more are only counted"
            ));
        }
    }

    /// How many objects it is about.
    pub fn total(&self) -> usize {
        self.objects.len() + self.left_out
    }

    /// The counts in words: `2 inserted, 1 conflict`; `nothing to do` where there are none.
    pub fn summary(&self) -> String {
        let conflicts = if self.conflicts == 1 { "conflict" } else { "conflicts" };
        let waiting = if self.requeued == 1 { "waits" } else { "wait" };
        let parts = [
            (self.inserted, "inserted"),
            (self.updated, "updated"),
            (self.deleted, "deleted"),
            (self.conflicts, conflicts),
            (self.combined, "combined"),
            (self.requeued, waiting),
            (self.discarded, "discarded"),
            (self.skipped, "skipped"),
        ];
        let said: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        if said.is_empty() { "nothing to do".to_owned() } else { said.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::data::guid::NodeId;

    fn line(serial: usize, outcome: Outcome) -> ObjectReport {
        ObjectReport {
            class: "Note".to_owned(),
            guid: Guid { node: NodeId(1), serial: serial as u64 },
            key: None,
            number: None,
            source_number: None,
            outcome,
            reason: String::new(),
            conflict: None,
            row_changed: false,
        }
    }

    #[test]
    fn a_full_report_keeps_what_is_to_be_looked_at_counts_all_and_is_in_order() {
        let mut report = Report::default();
        let total = 3 * Report::LINES;
        for place in 0..total {
            // Conflicts come late, and waiting ones last, though their places are among the first.
            report.add(total - place, line(place, if place % 3 == 2 { Outcome::Conflict } else { Outcome::Inserted }));
        }
        report.add(0, line(total, Outcome::Requeued));
        report.close();
        assert_eq!((report.inserted, report.conflicts, report.requeued), (2 * Report::LINES, Report::LINES, 1));
        assert_eq!((report.objects.len(), report.total()), (Report::LINES, total + 1));
        assert!(report.objects.iter().all(|o| o.outcome == Outcome::Conflict), "no plain one is left");
        let serials: Vec<u64> = report.objects.iter().map(|o| o.guid.serial).collect();
        assert!(serials.is_sorted_by(|a, b| a > b), "by place, not in the order in which they were added");
        assert_eq!(report.warnings.len(), 1);
    }

    #[test]
    fn a_small_report_lists_all_in_order() {
        let mut report = Report::default();
        for place in [2, 0, 1] {
            report.add(place, line(place, Outcome::Skipped));
        }
        report.close();
        assert_eq!(report.objects.iter().map(|o| o.guid.serial).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!((report.left_out, report.warnings.len()), (0, 0));
    }
}
