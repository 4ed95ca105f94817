//! Reading one moment of both databases for the window.

use std::collections::HashSet;
use std::sync::Arc;

use crate::app::engine::Engine;
use crate::app::engine::kept::Referred;
use crate::app::inspect::{Names, cause_words, journal};
use crate::app::view::{
    Choice, ConflictView, Lane, Requeued, RestView, Restart, SetCard, SetCounts, SetView, Side, SideIndex, Times, View,
};
use crate::demo::query;
use crate::demo::tables::ORDER;
use crate::sync::syncset::{self, Change, Size};
use crate::sync::{ConflictRecord, Guid, RecordState, Result};
use crate::words::{count, grouped, local_time, visible};

/// Conflict records and sets shown at most.
const LONGEST_LIST: usize = 10_000;

/// Records whose objects are compared with them: the latest, and those to be decided, which stand first.
const LATEST: usize = 200;

impl Engine {
    pub(super) fn look(&mut self) -> Result<View> {
        let status = self.env.status()?;
        let referred = [Referred::read(&self.env.nodes[0])?, Referred::read(&self.env.nodes[1])?];
        let ahead = [self.ahead(0)?, self.ahead(1)?];
        let names = [[1, 0], [0, 1]].map(|order| order.into_iter().flat_map(|side| referred[side].names()).collect());
        let journals = [journal(&mut self.env.nodes[0])?, journal(&mut self.env.nodes[1])?];
        let mut sides = [self.side(0, &status.nodes[0])?, self.side(1, &status.nodes[1])?];
        for (side, journal) in sides.iter_mut().zip(journals) {
            side.journal = journal;
        }
        let rules = self.env.nodes[0].rules()?;
        let (lines, combined) = self.lines(referred, &ahead, rules.of(ORDER))?;
        let mut conflicts = self.conflict_views(0, &names[0], &ahead[1])?;
        conflicts.extend(self.conflict_views(1, &names[1], &ahead[0])?);
        let open = |c: &ConflictView| c.state == RecordState::Open;
        conflicts.sort_by(|a, b| open(b).cmp(&open(a)).then_with(|| b.decided_at.cmp(&a.decided_at)));
        let mut sets = self.set_views(0)?;
        sets.extend(self.set_views(1)?);
        sets.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        // Of all nodes where these two are all; else of these two.
        let equal = match status.nodes.len() {
            2 => status.equal,
            _ => ahead.iter().all(HashSet::is_empty) && status.nodes[..2].iter().all(|n| n.requeued == 0),
        };
        let mut nodes: Vec<String> = status.nodes.iter().map(|n| n.name.clone()).collect();
        nodes.sort();
        Ok(View {
            nodes,
            dir: self.env.dir().to_owned(),
            equal,
            lanes: [self.lane(0, &status.nodes[0], &combined)?, self.lane(1, &status.nodes[1], &combined)?],
            sides,
            lines,
            conflicts,
            sets: sets.into_iter().map(|(_, set)| set).collect(),
            rules,
            // What is served and what lies beside is not read here.
            rest: RestView::default(),
            restart: Restart::default(),
        })
    }

    /// What a side has filed that the other has not received.
    fn ahead(&mut self, side: SideIndex) -> Result<HashSet<Guid>> {
        let start = self.env.has_of(1 - side, side)?;
        let peer = self.env.nodes[1 - side].info().guid;
        Ok(self.env.nodes[side].objects_to_send(ORDER, peer, start)?.into_iter().collect())
    }

    fn side(&self, side: SideIndex, status: &crate::sync::NodeStatus) -> Result<Side> {
        let node = &self.env.nodes[side];
        let choices = |class| -> Result<Vec<Choice>> {
            Ok(query::choices(node, class)?
                .into_iter()
                .map(|(key, name)| Choice { key, name: visible(&name) })
                .collect())
        };
        let requeued = node.requeue()?.into_iter().map(|w| Requeued {
            id: w.id,
            guid: w.guid,
            cause: cause_words(w.cause).to_owned(),
            title: format!("{} {}", w.class, w.name()),
            set: format!("set {} from {}", w.set, w.source),
            reason: w.reason,
        });
        let other = self.env.nodes[1 - side].info().guid.to_string();
        let peer = status.peers.iter().find(|p| p.guid == other);
        let times = peer.map(|p| Times { sent: p.sent, acknowledged: p.acknowledged, received: p.received });
        Ok(Side {
            name: status.name.clone(),
            guid: status.guid.clone(),
            role: status.role,
            file: status.file.clone(),
            bytes: node.bytes(),
            transaction: status.transaction,
            orders: status.classes.iter().find(|c| c.name == ORDER).map_or(0, |c| c.count as usize),
            received: peer.map_or(0, |p| p.received),
            employees: choices("Employee")?,
            customers: choices("Customer")?,
            items: choices("Item")?,
            requeued: requeued.collect(),
            journal: Vec::new(),
            times: times.unwrap_or_default(),
        })
    }

    fn lane(&mut self, source: SideIndex, status: &crate::sync::NodeStatus, combined: &HashSet<Guid>) -> Result<Lane> {
        let target = 1 - source;
        let peer = self.env.nodes[target].info().guid;
        let to_send = status.peers.iter().find(|p| p.guid == peer.to_string()).map(|p| p.to_send).unwrap_or_default();
        let has = self.env.has_of(target, source)?;
        let applied: HashSet<String> = self.env.nodes[target]
            .set_records(LONGEST_LIST)?
            .into_iter()
            .filter(|s| !s.sent && !s.taken_back)
            .map(|s| s.digest)
            .collect();
        let records = self.env.nodes[source].set_records(LONGEST_LIST)?;
        let newest = records.iter().find(|s| s.sent && s.peer == peer).map(|s| s.id);
        let mut prepared = Vec::new();
        for record in records.iter().filter(|s| s.sent && s.peer == peer && !applied.contains(&s.digest)) {
            // A set that carries only the acknowledgement is worth showing while it is the newest.
            let news = record.last > has || (record.first > record.last && newest == Some(record.id));
            if !news {
                continue;
            }
            // A file that was touched since may be damaged.
            let stamp = record.file.metadata().and_then(|m| Ok((m.len(), m.modified()?))).ok();
            let known = match self.sets.get(&record.digest) {
                Some((set, read)) if Some(*read) == stamp => Some(set.clone()),
                _ => syncset::read(&record.file, Size::Usual)
                    .ok()
                    .filter(|set| set.digest == record.digest)
                    .map(Arc::new),
            };
            let Some(set) = known else {
                let trouble = match record.file.exists() {
                    true => "Its file is damaged.",
                    false => "Its file is not there any more.",
                };
                let (counts, trouble) = (SetCounts::default(), Some(trouble.to_owned()));
                prepared.push(SetCard {
                    id: record.id,
                    file: record.file.clone(),
                    objects: record.objects,
                    counts,
                    trouble,
                });
                continue;
            };
            if let Some(stamp) = stamp {
                self.sets.insert(record.digest.clone(), (set.clone(), stamp));
            }
            let count = |change| set.objects.iter().filter(|o| o.change == change).count();
            let (mut conflicts, mut combinations) = (0, 0);
            let node = &self.env.nodes[target];
            for object in &set.objects {
                let class = node.class(&set.header.classes[object.class].name)?;
                let theirs = &object.state;
                let ours = node.current(class, object.guid)?.map(|filed| filed.state);
                let both = ours.is_some_and(|ours| {
                    !ours.vector.leq(&theirs.vector)
                        && !theirs.vector.leq(&ours.vector)
                        && ours.content != theirs.content
                });
                match combined.contains(&object.guid) {
                    true => combinations += usize::from(both),
                    false => conflicts += usize::from(both),
                }
            }
            let counts = SetCounts {
                new: count(Change::New),
                changed: count(Change::Changed),
                deleted: count(Change::Deleted),
                conflicts,
                combined: combinations,
            };
            prepared.push(SetCard {
                id: record.id,
                file: record.file.clone(),
                objects: set.objects.len(),
                counts,
                trouble: None,
            });
        }
        prepared.reverse();
        let next_id = self.env.nodes[source].next_set_id()?;
        Ok(Lane { objects: to_send.objects, transactions: to_send.transactions, prepared, next_id })
    }

    /// `unseen`: what the other side has filed that this one has not received.
    fn conflict_views(&self, side: SideIndex, names: &Names, unseen: &HashSet<Guid>) -> Result<Vec<ConflictView>> {
        let records = self.env.nodes[side].conflicts(LONGEST_LIST)?;
        let view = |(i, record): (usize, &ConflictRecord)| {
            let view = self.conflict_view(side, record, names, i < LATEST)?;
            let unseen = unseen.contains(&view.guid) && view.state != RecordState::TakenBack;
            Ok(ConflictView { unseen, ..view })
        };
        records.iter().enumerate().map(view).collect()
    }

    fn set_views(&self, side: SideIndex) -> Result<Vec<(i64, SetView)>> {
        let node = &self.env.nodes[side];
        node.set_records(LONGEST_LIST)?
            .into_iter()
            .map(|r| {
                let applied = !r.sent && !r.taken_back;
                let take_back = applied.then(|| node.can_take_back(&r)).transpose()?;
                let revert = applied.then(|| node.can_revert(&r)).transpose()?;
                let orders = count(r.objects, "order");
                let said = ["inserted", "updated", "deleted", "conflicts", "combined", "requeued", "skipped"]
                    .iter()
                    .filter_map(|what| {
                        let n = r.report[what].as_u64().filter(|n| *n > 0)?;
                        let what = if n == 1 && *what == "conflicts" { "conflict" } else { what };
                        Some(format!("{} {what}", grouped(n)))
                    });
                let counts = said.collect::<Vec<_>>().join(", ");
                let summary = if counts.is_empty() { orders } else { format!("{orders}: {counts}") };
                let view = SetView {
                    side,
                    sent: r.sent,
                    id: r.id,
                    peer: r.peer_name,
                    range: (r.first, r.last),
                    objects: r.objects,
                    file: r.file,
                    at: local_time(r.at),
                    summary,
                    seq: r.seq,
                    take_back,
                    revert,
                    taken_back: r.taken_back,
                };
                Ok((r.at, view))
            })
            .collect()
    }
}

pub(super) fn titled(class: &str, number: Option<i64>, guid: Guid) -> String {
    number.map_or_else(|| format!("{class} {guid}"), |n| format!("{class} {n}"))
}
