//! Dots: which commit of which node wrote each property of a state last.
//!
//! `merge-properties` asks of each property which of two sides has written it without the other having seen that. Contents do not
//! tell: who writes a value and writes it back has written it. So every property has a dot (the term of the literature on dotted
//! version vectors), and a side has written a property exactly where the other side's vector does not cover its dot.
//!
//! Dots are not stored with the objects. The journal tells them: an event has written what differs between the state before it and
//! the state after it. A local event's dot is its own commit; that of an event that took over a peer's state is the last commit of
//! the state's author. `objsync_journal.dots` lists the exceptions: what a peer said it had written earlier, or had written and
//! written back, and what a merge here took from the other side. Purged events have been seen by every peer.

use rusqlite::OptionalExtension;

use crate::sync::data::guid::{Guid, NodeId};
use crate::sync::data::schema::Class;
use crate::sync::data::value::Value;
use crate::sync::data::vector::Dot;
use crate::sync::error::{Error, Result};
use crate::sync::node::Node;
use crate::sync::node::history::{Content, Filed, State};

/// Per property of a class, the commit that wrote it last; `None`: not written in the part of the history that was looked at.
pub(crate) type Dots = Vec<Option<Dot>>;

/// Exceptions to an event's dot: place of the property, and its dot; `None`: the event's own commit.
pub(crate) type ListedDots = Vec<(usize, Option<Dot>)>;

/// The dot of what a state's author wrote: the last commit of the author's that is in the state. Earlier versions left the old
/// node's stamp on what a copy had written before it became a new node; there any commit of the state must do.
pub(crate) fn authors_dot(state: &State) -> Dot {
    let author = state.stamp.author;
    let own = Some((author, state.vector.get(author))).filter(|(_, number)| *number > 0);
    let (node, number) = own.or(state.vector.entries().first().copied()).unwrap_or((author, 0));
    Dot { node, number }
}

/// Whether a property has another value in one state than in the other; where one is deleted, all have.
fn differs(a: &Content, b: &Content, place: usize) -> bool {
    let value = |content: &Content| content.as_ref().map(|values| values.get(place).cloned().unwrap_or(Value::Null));
    value(a) != value(b)
}

/// What is to be listed with the event that takes over `new`, whose dots are `dots`, in place of what was here.
pub(crate) fn listed_for_taken_over(before: &Content, new: &State, dots: &Dots) -> ListedDots {
    let usual = authors_dot(new);
    let listed = |(place, dot): (usize, &Option<Dot>)| {
        let dot = (*dot)?;
        (dot != usual || !differs(before, &new.content, place)).then_some((place, Some(dot)))
    };
    dots.iter().enumerate().filter_map(listed).collect()
}

/// Which properties a side with these dots has written without the other side, with `vector`, having seen that.
pub(crate) fn written_unseen(dots: &Dots, vector: &crate::sync::data::vector::Vector) -> Vec<bool> {
    dots.iter().map(|dot| dot.is_some_and(|dot| !vector.has_seen(dot))).collect()
}

/// What is to be listed with the event by which a merge of two states makes `content`: the side whose value stands has written it;
/// where both say the same, the one whose writing the other has not seen, ours before theirs; but where the other side had written
/// another value, the merge itself did. `written`: whether each side has written each property unseen, ours first, with theirs'
/// dots; `None`: not known.
pub(crate) fn listed_for_merge(
    content: &Content,
    ours: &Content,
    theirs: &Content,
    written: Option<(&[bool], &[bool], &Dots)>,
    properties: usize,
) -> ListedDots {
    let mut listed = Vec::new();
    for place in 0..properties {
        let overruled = |side: usize| written.is_none_or(|w| [w.0, w.1][side].get(place).copied().unwrap_or(true));
        if !differs(ours, theirs, place) {
            let only_theirs = written.is_some() && overruled(1) && !overruled(0);
            let dot = written.and_then(|w| w.2.get(place).copied().flatten()).filter(|_| only_theirs);
            listed.extend(dot.map(|dot| (place, Some(dot))));
            continue;
        }
        let dot = match (differs(content, ours, place), differs(content, theirs, place)) {
            (false, _) if !overruled(1) => continue,
            (_, false) if !overruled(0) => written.and_then(|w| w.2.get(place).copied().flatten()),
            _ => None,
        };
        listed.push((place, dot));
    }
    listed
}

impl Node {
    /// The dots of a state, back to the newest state of its object for which `enough` holds: what was written up to there has none.
    pub(crate) fn dots(
        &self,
        class: &Class,
        guid: Guid,
        filed: &Filed,
        enough: impl Fn(&Filed) -> bool,
        further: impl Fn(&State, u64) -> bool,
    ) -> Result<Dots> {
        let past = self.past(class, guid, filed, further)?;
        let mut dots: Dots = vec![None; class.properties.len()];
        let mut open: Vec<usize> = (0..dots.len()).collect();
        for i in 0..=past.len() {
            let after = if i == 0 { filed } else { &past[i - 1].0 };
            if open.is_empty() || (i > 0 && enough(after)) {
                break;
            }
            let before = past.get(i).map(|(before, _)| &before.state.content);
            let (listed, usual) = self.dots_of_event(guid, after)?;
            open.retain(|&place| {
                let listed = listed.iter().find(|(at, _)| *at == place).map(|(_, dot)| dot.unwrap_or(usual));
                let differs = before.is_none_or(|before| differs(&after.state.content, before, place));
                dots[place] = listed.or(differs.then_some(usual));
                dots[place].is_none()
            });
        }
        Ok(dots)
    }

    /// What the event that filed a state lists, and its dot.
    pub(crate) fn dots_of_event(&self, guid: Guid, filed: &Filed) -> Result<(ListedDots, Dot)> {
        let sql = "SELECT dots, origin, number FROM objsync_journal WHERE pos = ?1 AND object = ?2";
        let mut event = self.conn.prepare_cached(sql)?;
        let found: Option<(Option<String>, Option<i64>, u64)> =
            event.query_row((filed.pos, self.nodes.id(guid)?), |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))).optional()?;
        let Some((listed, origin, number)) = found else { return Ok((Vec::new(), authors_dot(&filed.state))) };
        let own = Dot { node: self.recorder_of(number)?, number };
        let listed = listed.map(|text| self.listed_from_text(&text)).transpose()?.unwrap_or_default();
        let listed = listed.into_iter().map(|(place, dot)| (place, Some(dot.unwrap_or(own)))).collect();
        // A class that was switched on again is filed once more without a new version.
        let is_own = origin.is_none() && filed.state.vector.has_seen(own);
        Ok((listed, if is_own { own } else { authors_dot(&filed.state) }))
    }

    /// The node that made one of the commits in this file's journal: this one, or one of which the file is a copy.
    pub(crate) fn recorder_of(&self, number: u64) -> Result<NodeId> {
        let lineage = self.lineage_of(self.info.guid)?;
        let ancestor = lineage.into_iter().take_while(|(_, upto)| number <= *upto).last();
        Ok(ancestor.map_or(self.info.guid, |(node, _)| node))
    }

    /// As the journal and the requeue keep it: JSON, `[[place, n, commit], …]`, where `n` 0 means the event's own commit.
    pub(crate) fn listed_to_text(&self, listed: &ListedDots) -> Result<Option<String>> {
        let each = listed.iter().map(|(place, dot)| match dot {
            Some(dot) => Ok((*place, self.nodes.number(dot.node)?, dot.number)),
            None => Ok((*place, 0, 0)),
        });
        let each: Vec<(usize, i64, u64)> = each.collect::<Result<_>>()?;
        let text = serde_json::to_string(&each).map_err(|e| Error::storage(e.to_string()))?;
        Ok((!each.is_empty()).then_some(text))
    }

    fn listed_from_text(&self, text: &str) -> Result<ListedDots> {
        let each: Vec<(usize, i64, u64)> = serde_json::from_str(text)
            .map_err(|_| Error::storage("what the journal says of who wrote what is damaged"))?;
        let dot = |(place, n, number)| match n {
            0 => Ok((place, None)),
            n => Ok((place, Some(Dot { node: self.nodes.guid(n)?, number }))),
        };
        each.into_iter().map(dot).collect()
    }

    /// The dots of a state that waits, as they are kept.
    pub(crate) fn dots_from_text(&self, text: &str, properties: usize) -> Result<Dots> {
        let mut dots = vec![None; properties];
        for (place, dot) in self.listed_from_text(text)? {
            if let Some(known) = dots.get_mut(place) {
                *known = dot;
            }
        }
        Ok(dots)
    }

    /// The dots of a state that is to wait, as text.
    pub(crate) fn dots_to_text(&self, dots: &Dots) -> Result<String> {
        let listed = dots.iter().enumerate().filter_map(|(place, dot)| Some((place, Some((*dot)?)))).collect();
        Ok(self.listed_to_text(&listed)?.unwrap_or_else(|| "[]".to_owned()))
    }
}
