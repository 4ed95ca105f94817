#!/usr/bin/env python3
"""The executable model of the synchronization rules, with three of them mended, on histories in which values return.

The model beside the project writes every value once. Where values are drawn from three, it loses some: a node that has seen
0 and then 0 again takes it for unchanged, though somebody wrote 5 in between, which another has changed without having seen
the second 0. So a side is unchanged only if its content also has the stamp of every common ancestor, a deletion, too; and a
combination of properties, whose single stamp cannot tell that, is always recorded.

A decision gives the content that won its old stamp. So where 0 was decided against the 5 that another goes on from, content and
stamp are those of the common ancestor again, and who never had the 5 took the decided 0 for unchanged. So common ancestors tell
something only if they have seen all that both sides have: the least of both vectors, entry by entry.

`merge properties` compared contents: where one side had written a property and written it back, nothing told what it had written,
and all counted as changed on both sides. So a state carries, of each property, the commit that wrote it last (a dot). A side has
written a property only if the other has not seen that commit; no ancestors are needed to tell (Truth.overruled).

Objects may exclude each other: no two that live at a node have the same `u` (a unique column). Two nodes may make two such objects;
each then waits at the other, and where both give up what waits, one of the two must stay. So a discard also says anew what
excludes what it gives up, all of it with its own stamp (`discard`).

A node may doubt a stamp that is far ahead of its machine's clock: it counts as earlier than any that is not doubted. Machines whose
clocks differ doubt different stamps, and would decide against each other for ever. So a node decides a pair of stamps by its doubt
once; where the other side insists, the times decide.

Nothing is excused any more: the model beside the project takes a deletion that is overwritten without a record for covered if the
object was deleted before, and does not ask whether a side that it takes for unchanged was (Truth.unchanged).

`python3 sync_model.py 300` plays that many random histories for every mix of rule, failure and way of exchanging, and
checks them against what really happened (class Truth), which the nodes cannot see; `python3 sync_model.py 300 as-given` does it
with the rules as they are there. All that is marked "mended" or "values return" differs from the model beside the project.
  diverged / never quiet   all nodes end with the same objects, and then nothing is left to send
  lost                     every property value ever written was overwritten knowingly, or stands in a record
  silent                   no version is replaced by one whose author had not seen it, without a record
  overruled                `merge properties`: what only one of two sides has written is that side's
  needless                 no record for two versions of which one was made on top of the other
  half                     no node ever shows some objects of a transaction and not the others
  gone                     of objects that exclude each other and that nobody has deleted, one is there in the end
"""
import copy
import random
import sys

AS_GIVEN = sys.argv[2:] == ['as-given']

# -- version vectors: node -> number of that node's last commit that is in this state of the object -------------------


def leq(a, b):
    return all(n <= b.get(node, 0) for node, n in a.items())


def join(a, b):
    return {node: max(a.get(node, 0), b.get(node, 0)) for node in a.keys() | b.keys()}


class State:
    """One state of one object: properties (None = deleted), vector, and the stamp of the content: (clock, author)."""

    def __init__(self, content, vector, stamp, parents=(), writes=None, dots=None):
        self.content, self.vector, self.stamp = content, vector, stamp
        self.dots = dots or {}              # property -> (node, number): the commit that wrote it last
        self.parents, self.writes = tuple(parents), writes or {}     # for Truth only; not stored, not sent


class Row:
    def __init__(self, state, number, came_from):
        self.state, self.number, self.came_from = state, number, came_from
        self.past = []                      # (state, filed at, came from, replaced at), oldest first
        self.merged = []                    # states of others that a merge here has taken into account

    def replace(self, state, number, came_from):
        self.past.append((self.state, self.number, self.came_from, number))
        self.state, self.number, self.came_from = state, number, came_from

    def as_of(self, number):
        """(state, came from) after commit `number`, or None where the object did not exist."""
        for state, filed, came_from, replaced in self.past:
            if filed <= number < replaced:
                return state, came_from
        return (self.state, self.came_from) if self.number <= number else None

    def common_ancestors(self, vector):
        """Newest states below ours that a state with `vector` has seen; none of them below another."""
        seen = [s for s in [p[0] for p in self.past] + self.merged if leq(s.vector, vector)]
        return [s for s in seen if not any(s is not o and leq(s.vector, o.vector) and s.vector != o.vector for o in seen)]


def differing(a, b):
    """The properties in which two states differ; where there was none, or was deleted, all that the other has."""
    x, y = (a and a.content) or {}, (b and b.content) or {}
    return {prop for prop in x.keys() | y.keys() if x.get(prop) != y.get(prop)}


def has_written(side, other, prop):
    """Whether a side has written a property without the other having seen it."""
    node, number = side.dots.get(prop, ('', 0))
    return number > other.vector.get(node, 0)


def merged_dots(ours, theirs, content, decision):
    """Who wrote what in the result of a merge: the side whose value stands; where both say the same, the one whose writing the other has
    not seen, ours before theirs; but where the other side had written another value, the decision did."""
    dots = {}
    for prop in ours.dots.keys() | theirs.dots.keys():
        pairs = [(ours, theirs), (theirs, ours)]
        stands = [(side, other) for side, other in pairs
                  if (side.content is None) == (content is None) and (side.content or {}).get(prop) == (content or {}).get(prop)]
        if len(stands) == 1 and has_written(*reversed(stands[0]), prop):
            dots[prop] = decision
        else:
            # Where both say the same: the dot that the other side has not seen.
            stands.sort(key=lambda pair: not has_written(*pair, prop))
            dots[prop] = next((side.dots[prop] for side, _ in stands if prop in side.dots), decision)
    return dots


class Nobody:
    """In the place of Truth while something is only tried."""

    def __getattr__(self, _):
        return lambda *_: []


class Refused(Exception):
    pass


class Node:
    def __init__(self, name, role, truth):
        self.name, self.role, self.truth = name, role, truth
        self.number = 0                     # last commit: every edit and every applied unit takes the next number
        self.rows = {}                      # guid -> Row
        self.commits = []                   # (number, {guids}): the journal
        self.floor = 0                      # commits up to here are purged
        self.sent, self.acked, self.received = {}, {}, {}   # peer -> commit number
        self.lineage = []                   # [(node, number)]: this file was a copy of that node at that commit
        self.waiting = []                   # (guid, State, peer): the requeue
        self.bonds = []                     # {guids} filed together at their origin, for what waits
        self.blocked = set()                # guids that cannot be applied now (a missing reference, say)
        self.records = 0
        self.time = 0                       # when a discard is made
        self.unique = False                 # whether no two objects may have one `u`
        self.now = lambda: float('inf')     # the machine's clock; so far away no stamp is doubtful
        self.doubted = set()                # (guid, stamps) that were decided by doubt

    # -- filing ---------------------------------------------------------------------------------
    def edit(self, changes, clock):
        """changes: guid -> {property: value} or None to delete. One commit."""
        self.number += 1
        for guid, change in changes.items():
            row = self.rows.get(guid)
            old = row.state if row else None
            content = None if change is None else {**((old.content if old else None) or {}), **change}
            vector = join(old.vector if old else {}, {self.name: self.number})
            state = State(content, vector, (clock, self.role, self.name), [old] if old else self.truth.states_of(self, guid))
            state.dots = {**(old.dots if old else {}), **{prop: (self.name, self.number) for prop in differing(old, state)}}
            self.truth.edited(guid, old, state)
            self._file(guid, state, None)
        self.commits.append((self.number, set(changes)))
        self.truth.committed(self, set(changes))

    def _file(self, guid, state, came_from):
        if guid in self.rows:
            self.rows[guid].replace(state, self.number, came_from)
        else:
            self.rows[guid] = Row(state, self.number, came_from)

    # -- preparing a set ------------------------------------------------------------------------
    def start_for(self, peer, from_acked=False):
        return max((self.acked if from_acked else self.sent).get(peer.name, 0), self._level_with(peer))

    def _level_with(self, peer):
        """Up to which commit of ours the peer has everything, by descent alone (one file was copied from the other)."""
        return peer._has_of(self.name, self.lineage, self.number, descent_only=True)

    def prepare(self, peer, from_acked=False, upto=None):
        """Net state of every object filed in (start, end], less what the peer itself sent us unchanged."""
        start, end = self.start_for(peer, from_acked), self.number if upto is None else upto
        if start < self.floor:
            raise Refused('purged: the peer needs a fresh copy')
        objects, order = {}, {}
        commits = [(n, guids) for n, guids in self.commits if start < n <= end]
        for number, guids in commits:
            for guid in guids:
                state, came_from = self.rows[guid].as_of(end)
                if came_from != peer.name:
                    objects[guid], order[guid] = state, number
        self.sent[peer.name] = max(self.sent.get(peer.name, 0), end)
        return dict(source=self.name, target=peer.name, lineage=list(self.lineage), number=self.number, start=start, end=end,
                    received=dict(self.received), objects=objects, order=order, bonds=[g for _, g in commits])

    # -- applying a set -------------------------------------------------------------------------
    def _has_of(self, node, lineage, upto, descent_only=False):
        """Up to which commit of `node` (a file with that lineage) this node has received everything."""
        def coverage(name):
            own = [self.number] if self.name == name else []
            return max(own + [n for other, n in self.lineage if other == name] + [0 if descent_only else self.received.get(name, 0)])
        return max([min(upto, coverage(node))] + [min(n, coverage(other)) for other, n in lineage])

    def apply(self, syncset, rule):
        """All or nothing. Raises Refused, nothing changed."""
        source = syncset['source']
        if syncset['target'] != self.name:
            raise Refused('addressed to another node')
        if any(state.vector.get(self.name, 0) > self.number for state in syncset['objects'].values()):
            raise Refused('it knows commits of this node that this node has not made: this file was restored or copied')
        have = self._has_of(source, syncset['lineage'], syncset['number'])
        if syncset['start'] > have:
            raise Refused('an earlier set is missing')
        if syncset['end'] > have or not have:
            for guid in sorted(syncset['objects'], key=lambda g: (syncset['order'][g], g)):
                self.waiting.append((guid, syncset['objects'][guid], source))
            self.bonds += [set(b) for b in syncset['bonds']]
        self.received[source] = max(self.received.get(source, 0), have, syncset['end'])
        self.acked[source] = max(self.acked.get(source, 0), syncset['received'].get(self.name, 0))
        self.settle(rule)

    def settle(self, rule):
        """Apply everything that waits and can be applied, unit by unit; a unit is what commits tie together."""
        def known(guid, state):
            row = self.rows.get(guid)
            return row is not None and leq(state.vector, row.state.vector)
        pending = [w for w in self.waiting if not known(w[0], w[1])]
        pending = [w for i, w in enumerate(pending) if not any(
            w[0] == o[0] and leq(w[1].vector, o[1].vector) and (w[1].vector != o[1].vector or j < i) for j, o in enumerate(pending) if j != i)]
        unit = {w[0]: w[0] for w in pending}

        def find(guid):
            while unit[guid] != guid:
                guid = unit[guid]
            return guid
        for bond in self.bonds:
            tied = [g for g in bond if g in unit]
            for guid in tied[1:]:
                unit[find(guid)] = find(tied[0])
        stuck = {find(guid) for guid, _, _ in pending if guid in self.blocked}
        self.waiting = [w for w in pending if find(w[0]) in stuck]
        kept = self.bonds
        self.bonds = [b for b in self.bonds if any(w[0] in b for w in self.waiting)]
        units = {}
        for w in pending:
            if find(w[0]) not in stuck:
                units.setdefault(find(w[0]), []).append(w)
        # What is excluded by what is here waits; what goes through may make room for others.
        units, applied = list(units.values()), True
        while applied:
            applied = False
            for members in list(units):
                if not self._fits(members, rule):
                    continue
                units.remove(members)
                applied = True
                self.number += 1
                filed = {guid for guid, state, peer in members if self._merge(guid, state, peer, rule)}
                self.commits.append((self.number, filed))
        self.waiting += [w for members in units for w in members]
        self.bonds = [b for b in kept if any(w[0] in b for w in self.waiting)]

    def _fits(self, members, rule):
        """Tries a unit: whether no two objects would have one `u`."""
        if not self.unique:
            return True
        kept = copy.copy(self.rows), [(row, copy.copy(row.__dict__)) for row in self.rows.values()]
        for row in self.rows.values():
            row.past, row.merged = list(row.past), list(row.merged)
        truth, self.truth, records, doubted = self.truth, Nobody(), self.records, set(self.doubted)
        for guid, state, peer in members:
            self._merge(guid, state, peer, rule)
        values = [row.state.content['u'] for row in self.rows.values() if row.state.content]
        self.truth, self.records, self.rows, self.doubted = truth, records, kept[0], doubted
        for row, fields in kept[1]:
            row.__dict__.update(fields)
        return len(values) == len(set(values))

    def _excluding(self, guid, state):
        """What lives here, other than itself, and has the `u` of a state."""
        if not self.unique or state.content is None:
            return []
        return [g for g, row in self.rows.items() if g != guid and row.state.content and row.state.content['u'] == state.content['u']]

    def _merge(self, guid, theirs, peer, rule):
        row = self.rows.get(guid)
        if row is None or leq(row.state.vector, theirs.vector):
            if row is not None:
                self.truth.replaced(row.state, theirs)
            self._file(guid, theirs, peer)
            return True
        ours = row.state
        if leq(theirs.vector, ours.vector):
            return False
        # Concurrent. The result has seen both; unless both say the same it is a new commit of this node.
        both = join(ours.vector, theirs.vector)
        stamp = max(ours.stamp, theirs.stamp)
        ancestors = row.common_ancestors(theirs.vector)
        row.merged.append(theirs)
        if ours.content == theirs.content:
            state = State(ours.content, both, stamp, [ours, theirs])
            state.dots = merged_dots(ours, theirs, state.content, None)
            self.truth.merged(ours, theirs, state)
            self._file(guid, state, None)
            return True
        content, stamp, recorded = decide(ancestors, ours, theirs, rule, self, guid)
        if recorded:
            self.records += 1
            self.truth.recorded(guid, ours, theirs, content)
            if rule == 'merge properties':
                self.truth.combined(ours, theirs, content)
        else:
            self.truth.unchanged(ours, theirs, content)
        if not recorded and AS_GIVEN and (ours.content is None or theirs.content is None):
            self.truth.covers(ours, theirs)                     # mended: only a record covers what a side did not know
        state = State(content, join(both, {self.name: self.number}), stamp, [ours, theirs])
        state.dots = merged_dots(ours, theirs, content, (self.name, self.number))
        self.truth.merged(ours, theirs, state)
        self._file(guid, state, None)
        return True

    # -- what people do -------------------------------------------------------------------------
    def discard(self):
        """Give up what waits: a decision for ours, recorded, which travels like any other. Where something here excludes what waits, both
        are said anew with one stamp: two who give up each other's object have said the opposite of both, so one of the two stays."""
        if not self.waiting:
            return
        self.number += 1
        filed = set()
        given_up = [(g, s) for g, s, _ in self.waiting if g not in self.rows or not leq(s.vector, self.rows[g].state.vector)]
        survivors = {other for guid, state in given_up for other in self._excluding(guid, state)}
        excluded = {guid for guid, state in given_up if self._excluding(guid, state)}
        stamp = (self.time, self.role, self.name)
        self.truth.given_up |= {state.content['u'] for guid, state in given_up
                                if self.unique and state.content and guid not in self.rows and guid not in excluded}
        for guid, theirs, _ in self.waiting:
            row = self.rows.get(guid)
            ours = row.state if row else State(None, {}, theirs.stamp)
            if leq(theirs.vector, ours.vector):
                continue
            self.records += 1                                   # a record of its own kind: discarded
            self.truth.covers(ours, theirs)
            vector = join(join(ours.vector, theirs.vector), {self.name: self.number})
            if row:
                row.merged.append(theirs)
            state = State(ours.content, vector, stamp if guid in excluded | survivors else ours.stamp, [ours, theirs])
            state.dots = merged_dots(ours, theirs, ours.content, (self.name, self.number))
            self.truth.merged(ours, theirs, state)
            self._file(guid, state, None)
            filed.add(guid)
        for guid in survivors - filed:
            old = self.rows[guid].state
            state = State(old.content, {**old.vector, self.name: self.number}, stamp, [old], dict(old.writes))
            state.dots = {prop: (self.name, self.number) for prop in old.dots}
            self.truth.confirmed(state)
            self._file(guid, state, None)
            filed.add(guid)
        self.commits.append((self.number, filed))
        self.waiting, self.bonds = [], []

    def purge(self, peers):
        """Forget journal, history and tombstones that every other node has confirmed."""
        floor = min([max(self.acked.get(p.name, 0), self._level_with(p)) for p in peers], default=0)
        self.floor = max(self.floor, floor)
        self.commits = [(n, guids) for n, guids in self.commits if n > self.floor]
        for guid in list(self.rows):
            row = self.rows[guid]
            row.past = [p for p in row.past if p[3] > self.floor]
            if row.state.content is None and row.number <= self.floor and not any(w[0] == guid for w in self.waiting):
                self.truth.buried.append((guid, row.state))
                del self.rows[guid]

    def fresh_copy(self, name):
        """A copied (or restored) file goes on as a new node; its sync times with others start from what descent proves."""
        twin = copy.copy(self)
        twin.name, twin.role, twin.lineage = name, 'client', [(self.name, self.number)] + self.lineage
        twin.rows = {g: copy.copy(r) for g, r in self.rows.items()}
        for row in twin.rows.values():
            row.past, row.merged = list(row.past), list(row.merged)
        twin.commits, twin.waiting, twin.bonds = list(self.commits), list(self.waiting), [set(b) for b in self.bonds]
        twin.sent, twin.acked, twin.received, twin.blocked = dict(self.acked), dict(self.acked), dict(self.received), set()
        twin.received[self.name] = self.number
        return twin


# -- deciding: a pure function -------------------------------------------------------------------------------------------

def key_for(rule, doubted=()):
    preferred = {'client wins': 'client', 'master wins': 'master'}.get(rule)
    return lambda state: (state.stamp[1] == preferred, state.stamp not in doubted, state.stamp, repr(state.content and sorted(state.content.items())))


def telling(ancestors, ours, theirs):
    """Mended: the common ancestors, or none where they tell nothing. Both sides may have seen more than these have: something common
    never came here, and a side that is what they are may have come back to it. And a side that says what they all say, and says it
    anew (another stamp), was something else in between."""
    reached = {}
    for ancestor in ancestors:
        reached = join(reached, ancestor.vector)
    if not leq({node: min(n, theirs.vector.get(node, 0)) for node, n in ours.vector.items()}, reached):
        return []

    def anew(side):
        return all(a.content == side.content for a in ancestors) and any(a.stamp != side.stamp for a in ancestors)
    return [] if anew(ours) or anew(theirs) else ancestors


def doubted_ones(node, guid, ours, theirs):
    """The stamps of two states that a node takes for earlier than they say: those far ahead of its clock, once for each pair."""
    doubted = {state.stamp for state in (ours, theirs) if state.stamp[0] > node.now() + DAY}
    pair = (guid, frozenset((ours.stamp, theirs.stamp)))
    if len(doubted) != 1 or pair in node.doubted:
        return set()
    node.doubted.add(pair)
    return doubted


DAY = 20


def decide(ancestors, ours, theirs, rule, node, guid):
    """(content, stamp, recorded?). A side is unchanged only where it equals every common ancestor; none known = changed."""
    if not AS_GIVEN:
        ancestors = telling(ancestors, ours, theirs)

    def unchanged(side):
        return bool(ancestors) and all(a.content == side.content for a in ancestors)
    if unchanged(ours):
        return theirs.content, theirs.stamp, False
    if unchanged(theirs):
        return ours.content, ours.stamp, False
    if rule == 'merge properties' and ours.content is not None and theirs.content is not None:
        content, recorded = {}, False
        bases = [a.content or {} for a in ancestors]
        later = max(ours, theirs, key=key_for('latest wins', doubted_ones(node, guid, ours, theirs)))

        def written(side, other, prop):
            if AS_GIVEN:
                return not bases or any(x.get(prop) != side.content.get(prop) for x in bases)
            return has_written(side, other, prop)
        for prop in sorted(ours.content.keys() | theirs.content.keys()):
            a, b = ours.content.get(prop), theirs.content.get(prop)
            by_ours, by_theirs = written(ours, theirs, prop), written(theirs, ours, prop)
            if a == b or (by_ours and not by_theirs):
                content[prop] = a
            elif by_theirs and not by_ours:
                content[prop] = b
            else:
                content[prop], recorded = later.content.get(prop), True
        return content, max(ours.stamp, theirs.stamp), recorded or not AS_GIVEN    # mended: every combination is recorded
    if rule == 'keep ours':
        winner = ours
    elif rule == 'accept theirs':
        winner = theirs
    else:
        doubted = doubted_ones(node, guid, ours, theirs)
        winner = max(ours, theirs, key=key_for('latest wins' if rule == 'merge properties' else rule, doubted))
    return winner.content, winner.stamp, True


RULES = ['client wins', 'master wins', 'latest wins', 'merge properties', 'keep ours', 'accept theirs']


# -- what really happened --------------------------------------------------------------------------------------------------

class Truth:
    def __init__(self):
        self.cache = {}
        self.written, self.over = set(), {}  # writes, and which writes each one (or the record about it) covers
        self.buried = []                    # purged tombstones
        self.given_up = set()               # `u` of objects that somebody gave up who has no other with it
        self.silent = self.needless = self.half = self.overruled = self.combinations = 0
        self.transactions = []              # [(guid, State)] of commits with several objects
        self.wrote = {}                     # id of a state -> the properties that the edit or the decision wrote which made it

    def ancestors(self, state):
        if id(state) not in self.cache:
            found, todo = {id(state): state}, [state]
            while todo:
                for parent in todo.pop().parents:
                    if id(parent) not in found:
                        found[id(parent)] = parent
                        todo.append(parent)
            self.cache[id(state)] = (state, found)
        return self.cache[id(state)][1]

    def edited(self, guid, old, new):
        """Every property value written, a deletion too, is a write; it knows the one it overwrites."""
        self.wrote[id(new)] = differing(old, new)
        before, after = (old.content if old else None) or {}, new.content or {}
        new.writes = dict(old.writes) if old else {}
        for prop in before.keys() | after.keys():
            if before.get(prop) != after.get(prop) or new.content is None:
                write = (guid, prop, len(self.written))
                self.written.add(write)
                self.over[write] = {new.writes[prop]} if prop in new.writes else set()
                new.writes[prop] = write

    def confirmed(self, state):
        """A discard says anew what is here: every property of it is written."""
        self.wrote[id(state)] = set(state.content)

    def merged(self, ours, theirs, result):
        """Which write each property of a merge result comes from. A decision writes what it gives instead of
        what the other side had written."""
        for side, other in ((ours, theirs), (theirs, ours)):
            lost = {prop for prop in differing(result, other) & differing(side, other) if prop not in differing(result, side)}
            self.wrote.setdefault(id(result), set()).update(
                prop for prop in lost if self.has_written(other, side, prop))
        for prop in ours.writes.keys() | theirs.writes.keys():
            a, b = ours.writes.get(prop), theirs.writes.get(prop)
            from_ours = (result.content or {}).get(prop) == (ours.content or {}).get(prop) and (result.content is None) == (ours.content is None)
            from_theirs = (result.content or {}).get(prop) == (theirs.content or {}).get(prop) and (result.content is None) == (theirs.content is None)
            result.writes[prop] = (a or b) if from_ours else (b or a)
            if from_ours and from_theirs and a and b and a != b:
                self.over[a].add(b)         # both say the same
                self.over[b].add(a)

    def committed(self, node, guids):
        if len(guids) > 1:
            self.transactions.append([(g, node.rows[g].state) for g in guids])

    def had_seen(self, new, old):
        """Was `new` made with `old` in sight? Two nodes may join the same pair on their own: that is one version."""
        seen = self.ancestors(new).values()
        joined = len(old.parents) == 2 and old.vector == join(old.parents[0].vector, old.parents[1].vector)
        return (any(s is old or (s.vector == old.vector and s.content == old.content) for s in seen)
                or joined and all(self.had_seen(new, p) for p in old.parents))

    def replaced(self, old, new):
        if not self.had_seen(new, old) and old.content != new.content:
            self.silent += 1

    def recorded(self, guid, ours, theirs, content):
        if self.had_seen(ours, theirs) or self.had_seen(theirs, ours):
            self.needless += 1
        self.covers(ours, theirs)

    def combined(self, ours, theirs, content):
        """What only one side has written, of two states with content, is that side's."""
        if content is None or ours.content is None or theirs.content is None:
            return
        self.combinations += 1
        for prop in content:
            by_ours, by_theirs = self.has_written(ours, theirs, prop), self.has_written(theirs, ours, prop)
            if by_ours != by_theirs:
                self.overruled += content[prop] != (ours if by_ours else theirs).content.get(prop)

    def has_written(self, side, other, prop):
        """Whether an edit, or a decision that gave a value back, has written a property on this side and the other has not seen it."""
        return any(prop in self.wrote.get(id(s), ()) for s in self.ancestors(side).values() if not self.had_seen(other, s))

    def unchanged(self, ours, theirs, content):
        """Mended, not recorded: the side that did not win must be what every newest state is that both really come from."""
        loser = theirs if content == ours.content else ours
        both = [s for side, other in ((ours, theirs), (theirs, ours)) for s in self.ancestors(side).values()
                if s.vector and self.had_seen(other, s)]           # not what a discard found of an object that was not there
        newest = [s for s in both if all(s.vector == o.vector or not self.had_seen(o, s) for o in both)]
        self.silent += any(s.content != loser.content or s.stamp != loser.stamp for s in newest)

    def covers(self, ours, theirs):
        for prop in ours.writes.keys() | theirs.writes.keys():
            pair = {ours.writes.get(prop), theirs.writes.get(prop)} - {None}
            for write in pair:
                self.over[write] |= pair - {write}

    def look(self, node):
        for transaction in self.transactions:
            shown = {any(id(s) in self.ancestors(state) for state in self.states_of(node, g)) for g, s in transaction}
            self.half += len(shown) > 1

    def states_of(self, node, guid):
        return [node.rows[guid].state] if guid in node.rows else [s for g, s in self.buried if g == guid]

    def lost(self, survivors):
        seen, todo = set(), [w for state in survivors for w in state.writes.values()]
        while todo:
            write = todo.pop()
            if write not in seen:
                seen.add(write)
                todo += self.over[write]
        return self.written - seen


# -- random histories ------------------------------------------------------------------------------------------------------

def play(seed, count, rule, failures, crossed, steps=60, objects=3):
    rnd, truth = random.Random(seed), Truth()
    nodes = [Node(f'N{i}', 'client' if i else 'master', truth) for i in range(count)]
    gone, in_flight, serial, backups = set(), [], 0, {}
    time, ahead, excluding = [0], {}, set()
    for node in nodes:
        ahead[node.name] = rnd.choice([-2 * DAY, 0, 0, 2 * DAY]) if failures.get('doubt') else 0
        node.unique = 'unique' in failures
        if failures.get('doubt'):
            node.now = lambda node=node: time[0] + ahead[node.name]

    def deliver(target, syncset):
        try:
            target.apply(syncset, rule)
        except Refused:
            return False
        if not failures.get('discard'):
            truth.look(target)
        return True
    for clock in range(1, steps + 1):
        node, dice, time[0] = rnd.choice(nodes), rnd.random(), clock
        if dice < .45 and node.unique:
            here = {guid: row.state.content['u'] for guid, row in node.rows.items() if row.state.content}
            free = sorted({'x', 'y', 'z'} - set(here.values()))
            serial += 1
            if free and rnd.random() < .4:
                u = rnd.choice(free)
                excluding.add(u)
                node.edit({f'{node.name} {serial}': {'u': u, 'a': f'a{serial}'}}, clock)
            elif here:
                node.edit({rnd.choice(sorted(here)): {'a': f'a{serial}'}}, clock)
        elif dice < .45:
            changes = {}
            for guid in rnd.sample(range(objects), 1 if rnd.random() < .6 else 2):
                row = node.rows.get(guid)
                if row and row.state.content and rnd.random() < .15:
                    changes[guid] = None
                    continue
                new = row is None or row.state.content is None
                props = ['a', 'b'] if new or rnd.random() < .3 else [rnd.choice('ab')]
                serial += 1
                changes[guid] = {p: f'{p}{rnd.randrange(3)}' for p in props}  # values return
            # An update that changes no value is no event.
            now = {guid: (node.rows[guid].state.content if guid in node.rows else None) or {} for guid in changes}
            changes = {guid: change and {p: v for p, v in change.items() if now[guid].get(p) != v} for guid, change in changes.items()}
            changes = {guid: change for guid, change in changes.items() if change != {}}
            if not changes:
                continue
            node.edit(changes, clock + ahead.get(node.name, 0) + (rnd.randint(-30, 30) if failures.get('clocks') else 0))
        elif dice < .68:
            peer = rnd.choice([n for n in nodes if n is not node])
            from_acked = rnd.random() < .3
            low = max(node.start_for(peer, from_acked), node.floor)
            upto = rnd.randint(low, node.number) if rnd.random() < .3 and low <= node.number else None
            try:
                syncset = node.prepare(peer, from_acked, upto)
            except Refused:
                continue
            if rnd.random() < .85:                              # else the file is lost
                in_flight.append((peer.name, syncset))
        elif dice < .92 and in_flight:
            letter = in_flight[0] if rnd.random() < .8 else rnd.choice(in_flight)
            target = next((n for n in nodes if n.name == letter[0]), None)
            if rnd.random() < .05:
                deliver(rnd.choice(nodes), letter[1])           # perhaps to the wrong node
            if target is None:
                in_flight.remove(letter)
            elif deliver(target, letter[1]) and rnd.random() < .9:
                in_flight.remove(letter)                        # else it is delivered again
        elif dice < .94 and failures.get('purge'):
            node.purge([n for n in nodes if n is not node])
        elif dice < .955 and failures.get('copies') and len(nodes) < 5:
            nodes.append(node.fresh_copy(f'C{clock}'))
        elif dice < .97 and failures.get('restore'):
            if rnd.random() < .5 or node.name not in backups:
                backups[node.name] = node.fresh_copy('backup')  # a backup is a copy that sleeps
            else:
                twin = backups.pop(node.name)
                twin.name, twin.role, twin.lineage[0] = f'R{clock}', node.role, (node.name, twin.lineage[0][1])
                nodes[nodes.index(node)] = twin                 # the newer file is gone
                gone.add(node.name)
        elif failures.get('requeue'):
            node.blocked = {rnd.randrange(objects)} if rnd.random() < .5 else set()
            if failures.get('discard') and rnd.random() < .2:
                node.time = clock
                node.discard()
            node.settle(rule)
    for node in nodes:
        node.blocked = set()
        node.settle(rule)
    hub, traffic, refused_to_the_end = nodes[0], 0, False
    for turn in range(14):                                      # quiet rounds through the hub
        traffic = 0
        for node in nodes:
            if node.unique and turn % 3 == 2 and turn < 10:
                traffic += len(node.waiting)                    # all give up what waits, none having heard of the others
                node.time = steps + turn
                node.discard()
        for node in nodes[1:]:
            pairs = ((node, hub), (hub, node))
            ready = {}
            for i, (source, target) in enumerate(pairs):
                if crossed:
                    try:
                        ready[i] = source.prepare(target, from_acked=True)
                    except Refused:                             # purged and not heard of yet: it must send first
                        traffic += 1
                        refused_to_the_end = turn == 13
            for i, (source, target) in enumerate(pairs):
                try:
                    if not crossed:
                        ready[i] = source.prepare(target, from_acked=True)
                    if i in ready:
                        traffic += len(ready[i]['objects'])
                        target.apply(ready[i], rule)
                except Refused as reason:
                    if gone and 'purged' in str(reason):
                        return None, truth                      # older than what the others purged: rightly refused
                    return f'refused: {reason}', truth
    if gone and refused_to_the_end:
        return None, truth
    final = [{g: r.state.content for g, r in n.rows.items() if r.state.content is not None} for n in nodes]
    if any(state != final[0] for state in final):
        return 'diverged', truth
    if traffic:
        return 'never quiet', truth
    # Rules that go by the place promise it to two only: a third may decide the one thing and not the other.
    promised = count == 2 or rule not in ('keep ours', 'accept theirs')
    if promised and excluding - truth.given_up - {content.get('u') for content in final[0].values()}:
        return 'gone', truth
    if not gone and truth.lost([r.state for r in hub.rows.values()] + [s for _, s in truth.buried]):
        return 'lost', truth
    return None, truth


MIXES = {
    'plain': {},
    'requeue': {'requeue': 1},
    'requeue, discard': {'requeue': 1, 'discard': 1},
    'purge, clocks': {'purge': 1, 'clocks': 1},
    'copies, restore': {'copies': 1, 'restore': 1},
    'unique, discard': {'requeue': 1, 'discard': 1, 'unique': 1},
    'doubt': {'doubt': 1, 'requeue': 1},
    'everything': {'requeue': 1, 'purge': 1, 'clocks': 1, 'copies': 1, 'restore': 1},
}


def main():
    histories = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    failed = 0
    for crossed in (False, True):
        for rule in RULES:
            if crossed and rule in ('keep ours', 'accept theirs'):
                continue                                        # these promise nothing when sets cross for ever
            for mix, failures in MIXES.items():
                bad, first, silent, needless, half, overruled, combined = {}, None, 0, 0, 0, 0, 0
                for seed in range(histories):
                    verdict, truth = play(seed, 2 + seed % 3, rule, failures, crossed)
                    silent, needless, half = silent + truth.silent, needless + truth.needless, half + truth.half
                    overruled, combined = overruled + truth.overruled, combined + truth.combinations
                    if verdict:
                        bad[verdict] = bad.get(verdict, 0) + 1
                        first = seed if first is None else first
                failed += sum(bad.values()) + silent + needless + half + overruled
                print(f'{"crossed" if crossed else "in turn":8}{rule:17}{mix:17} {histories} histories: '
                      f'{bad or "0 bad"}{f" (seed {first})" if bad else ""}, silent {silent}, needless {needless}, half {half}, overruled {overruled} of {combined}', flush=True)
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
