//! One object: what is to become of the state here and the state that came.

use std::rc::Rc;

use crate::sync::data::guid::{Guid, NodeId};
use crate::sync::data::stamp::Stamp;
use crate::sync::decisions::conflict::{ConflictRecord, Found};
use crate::sync::decisions::decide::{self, Chosen, Decision, Finding, Version, decide};
use crate::sync::decisions::rule::{Conflict, OwnRule, Rule};
use crate::sync::error::{Error, Result};
use crate::sync::exchange::requeue::Pending;
use crate::sync::node::dots::{ListedDots, listed_for_merge, listed_for_taken_over, written_unseen};
use crate::sync::node::history::{Filed, State};
use crate::sync::node::{Node, Role};

/// The state to be filed, and why.
pub(crate) struct Merged {
    pub(crate) before: Option<Rc<Filed>>,
    pub(crate) new: State,
    /// The peer, where its state is taken as it is.
    pub(crate) origin: Option<NodeId>,
    /// What its event lists of who wrote what.
    pub(crate) dots: ListedDots,
    pub(crate) why: Why,
}

/// Why the new state is what it is.
pub(crate) enum Why {
    /// The state that came has seen ours, or there was none here.
    Newer,
    /// Both say the same.
    Same,
    /// Both changed, but only one of them changed anything since the common ancestors.
    OneUnchanged(Chosen),
    /// A conflict, or a combination of what both changed: decided and recorded.
    Recorded(Box<ConflictRecord>),
}

/// How conflicts about one object are decided.
#[derive(Clone, Copy)]
pub(crate) struct Deciding<'a> {
    pub(crate) rule: Rule,
    pub(crate) own: Option<&'a dyn OwnRule>,
    /// Whether values of both sides may be put together. Not after the table has refused the combination.
    pub(crate) combine: bool,
}

impl Node {
    /// Decides about one object, `before` here, as commit `number`. `None`: ours has seen it already. Notes what a merge has
    /// seen and records conflicts, with the other objects of the transaction; rows and versions are left to the caller.
    pub(crate) fn merge(
        &self,
        theirs: &Pending,
        before: Option<Rc<Filed>>,
        deciding: Deciding<'_>,
        siblings: impl FnOnce() -> Vec<Guid>,
        number: u64,
    ) -> Result<Option<Merged>> {
        let (class, guid) = (&self.classes[theirs.class], theirs.guid);
        let state = &theirs.state;
        let forgotten = if before.is_none() { self.forgotten(theirs)? } else { None };
        let known = before.as_deref().or(forgotten.as_ref());
        let Some(filed) = known.filter(|b| !b.state.vector.leq(&state.vector)) else {
            let had = before.as_ref().map_or(&None, |b| &b.state.content);
            let dots = theirs.dots.as_ref().map(|dots| listed_for_taken_over(had, state, dots)).unwrap_or_default();
            return Ok(Some(Merged { before, new: state.clone(), origin: Some(theirs.peer), dots, why: Why::Newer }));
        };
        let ours = &filed.state;
        if state.vector.leq(&ours.vector) {
            return Ok(None);
        }
        let mut ancestors = self.common_ancestors(class, filed, guid, &state.vector)?;
        if !decide::are_complete(&ancestors, ours, state) {
            ancestors.clear();
        }
        let written = match &theirs.dots {
            Some(dots) => {
                let enough = |filed: &Filed| filed.state.vector.leq(&state.vector);
                let of_ours = self.dots(class, guid, filed, enough, |past, _| past.vector.leq(&state.vector))?;
                Some((written_unseen(&of_ours, &state.vector), written_unseen(dots, &ours.vector)))
            }
            None => None,
        };
        self.note_merged(class, guid, state)?;
        let mut vector = ours.vector.join(&state.vector);
        let known = written.as_ref().zip(theirs.dots.as_ref()).map(|(w, dots)| (&*w.0, &*w.1, dots));
        let dots_of = |content| listed_for_merge(content, &ours.content, &state.content, known, class.properties.len());
        if ours.content == state.content {
            // Both said the same on their own: one version from now on, and nobody has to be told anything new.
            let stamp = decide::later(
                (ours.stamp, self.role_of(ours.stamp.author)),
                (state.stamp, self.role_of(state.stamp.author)),
            );
            let new = State { content: ours.content.clone(), vector, stamp };
            let dots = dots_of(&ours.content);
            return Ok(Some(Merged { before, new, origin: None, dots, why: Why::Same }));
        }
        let conclusive = decide::are_conclusive(&ancestors, ours, state);
        let contents: Vec<_> = ancestors.iter().filter(|_| conclusive).map(|a| &a.content).collect();
        let by = |side: usize| written.as_ref().map(|w| if side == 0 { &*w.0 } else { &*w.1 });
        let (mut version, mut theirs_version) = (self.version(ours, by(0)), self.version(state, by(1)));
        // Machines whose clocks differ doubt different times. Each decides by its doubt once; where the other side insists, the times
        // themselves decide, or the two would never agree.
        if version.doubtful != theirs_version.doubtful && self.was_decided(guid, ours.stamp, state.stamp)? {
            (version.doubtful, theirs_version.doubtful) = (false, false);
        }
        let conflict = Conflict { class, guid, ancestors: &contents, ours: version, theirs: theirs_version };
        let (decision, rule, because) = self.decided(&conflict, deciding)?;
        // The result has seen both and is a new commit of this node, so it supersedes both everywhere. It keeps the
        // stamp of the content that won, never the time of deciding.
        vector.set(self.info.guid, number);
        let why = match decision.finding() {
            Finding::NoConflict => Why::OneUnchanged(decision.chosen),
            _ => Why::Recorded(Box::new(self.record_conflict(&Found {
                class,
                guid,
                number: filed.key,
                source_number: theirs.key,
                ancestors: &ancestors,
                ours,
                theirs: state,
                kind: None,
                decision: &decision,
                rule: &rule,
                because,
                source: theirs.peer,
                set: theirs.set,
                siblings: &siblings(),
                commit: number,
            })?)),
        };
        let dots = dots_of(&decision.content);
        let new = State { content: decision.content, vector, stamp: decision.stamp };
        Ok(Some(Merged { before, new, origin: None, dots, why }))
    }

    /// What must have been here of an object that is unknown, where its source has not heard of all that was purged here: a state
    /// of which something is known here was deleted here, and the deletion forgotten. When, and by whom, is not known any more.
    fn forgotten(&self, theirs: &Pending) -> Result<Option<Filed>> {
        if !theirs.fresh || self.behind != Some(theirs.peer) || theirs.state.content.is_none() {
            return Ok(None);
        }
        let floor = self.floor()?;
        let vector = &theirs.state.vector;
        let mut known = false;
        for (node, number) in vector.entries() {
            if *node == self.info.guid && *number >= floor {
                return Ok(None);
            }
            // Of the source itself everything counts as received by now.
            known |= *node != theirs.peer && *number <= self.covers(*node)?;
        }
        let id = self.nodes.known_id(theirs.guid);
        let sql = "SELECT EXISTS(SELECT 1 FROM objsync_waiting WHERE object = ?1 AND peer <> ?2)";
        let waits: bool =
            self.conn.prepare_cached(sql)?.query_row((id, self.nodes.number(theirs.peer)?), |r| r.get(0))?;
        let vector = [(self.info.guid, floor)].into_iter().collect();
        let state = State { content: None, vector, stamp: Stamp { time: 0, author: self.info.guid } };
        Ok((known && !waits).then_some(Filed { state, key: None, pos: None, number: floor, origin: None }))
    }

    /// The decision, the name of the rule that made it, and what is to be said before its reason.
    fn decided(&self, conflict: &Conflict<'_>, deciding: Deciding<'_>) -> Result<(Decision, String, &'static str)> {
        let Conflict { ancestors, ours, theirs, class, .. } = *conflict;
        let by_rule = |rule: Rule| decide(ancestors, ours, theirs, rule);
        let own = match decide::one_unchanged(ancestors, ours, theirs) {
            None => deciding.own.and_then(|own| Some((own, own.verdict(conflict)?))),
            Some(_) => None,
        };
        let (decision, rule) = match own {
            Some((own, verdict)) => {
                let decision = decide::own_verdict(verdict, ours, theirs);
                if decision.content.as_ref().is_some_and(|values| values.len() != class.properties.len()) {
                    return Err(Error::usage(format!(
                        "the rule `{}` gave a {} of another number of properties than its class has; nothing was changed",
                        own.name(),
                        class.name
                    )));
                }
                (decision, own.name().to_owned())
            }
            None => (by_rule(deciding.rule), deciding.rule.name().to_owned()),
        };
        if decision.chosen == Chosen::Merged && !deciding.combine {
            return Ok((by_rule(Rule::LatestWins), rule, "the table refuses the combination, so the later whole: "));
        }
        Ok((decision, rule, ""))
    }

    fn version<'a>(&self, state: &'a State, written: Option<&'a [bool]>) -> Version<'a> {
        let Stamp { time, author } = state.stamp;
        Version {
            content: &state.content,
            stamp: state.stamp,
            role: self.role_of(author),
            doubtful: self.is_doubtful(time),
            written,
        }
    }

    /// Whether a conflict of two states of an object with these stamps was recorded here before.
    fn was_decided(&self, guid: Guid, a: Stamp, b: Stamp) -> Result<bool> {
        let sql = "SELECT EXISTS(SELECT 1 FROM objsync_conflict WHERE object = ?1 AND state <> 3
                   AND (record ->> '$.ours.time', record ->> '$.theirs.time') IN (VALUES (?2, ?3), (?3, ?2)))";
        let mut statement = self.conn.prepare_cached(sql)?;
        Ok(statement.query_row((self.nodes.id(guid)?, a.time, b.time), |r| r.get(0))?)
    }

    fn role_of(&self, node: NodeId) -> Role {
        self.nodes.find(node).map(|info| info.role).unwrap_or_default()
    }
}
