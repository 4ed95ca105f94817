//! Units: which waiting objects must be applied together, because a commit of the sender filed them together.

use std::collections::HashMap;

use crate::sync::data::guid::Guid;

/// Places that are tied together, by way of others if need be (union-find with path halving).
pub(crate) struct Partition(Vec<u32>);

/// Units in the order of their first place, each with its places in order; four bytes a place and four a unit.
pub(crate) struct Units {
    starts: Vec<u32>,
    places: Vec<u32>,
}

impl Partition {
    /// Each place by itself.
    pub(crate) fn new(places: usize) -> Partition {
        Partition((0..places as u32).collect())
    }

    fn find(&mut self, mut at: usize) -> usize {
        while self.0[at] as usize != at {
            self.0[at] = self.0[self.0[at] as usize];
            at = self.0[at] as usize;
        }
        at
    }

    pub(crate) fn tie(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        // The lower one leads, so chains stay short where places come in order.
        self.0[a.max(b)] = a.min(b) as u32;
    }

    /// The units of all places that are not left out.
    pub(crate) fn units(mut self, left_out: &[bool]) -> Units {
        let places = || (0..left_out.len()).filter(|place| !left_out[*place]);
        const NONE: u32 = u32::MAX;
        let mut unit_of_root = vec![NONE; left_out.len()];
        let mut sizes: Vec<u32> = Vec::new();
        for place in places() {
            let root = self.find(place);
            if unit_of_root[root] == NONE {
                unit_of_root[root] = sizes.len() as u32;
                sizes.push(0);
            }
            sizes[unit_of_root[root] as usize] += 1;
        }
        let mut starts = vec![0; sizes.len() + 1];
        for (unit, size) in sizes.iter().enumerate() {
            starts[unit + 1] = starts[unit] + size;
        }
        let mut next = starts.clone();
        let mut sorted = vec![0; starts.last().map_or(0, |n| *n as usize)];
        for place in places() {
            let root = self.find(place);
            let at = &mut next[unit_of_root[root] as usize];
            sorted[*at as usize] = place as u32;
            *at += 1;
        }
        Units { starts, places: sorted }
    }
}

impl Units {
    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether a place is one of a unit.
    pub(crate) fn has(&self, unit: usize, place: usize) -> bool {
        let places = &self.places[self.starts[unit] as usize..self.starts[unit + 1] as usize];
        u32::try_from(place).is_ok_and(|place| places.binary_search(&place).is_ok())
    }

    /// The places of a unit.
    pub(crate) fn of(&self, unit: usize) -> impl ExactSizeIterator<Item = usize> {
        self.places[self.starts[unit] as usize..self.starts[unit + 1] as usize].iter().map(|place| *place as usize)
    }
}

/// Groups `objects` (one entry a waiting state, an object may stand there twice) by the bonds: sets of objects that one
/// commit filed. Two objects are in one unit where a chain of bonds ties them. Units come in the order of their first
/// object; each lists places in `objects`.
pub(crate) fn units(objects: &[Guid], bonds: &[Vec<Guid>]) -> Vec<Vec<usize>> {
    let mut first: HashMap<Guid, usize> = HashMap::new();
    let mut parts = Partition::new(objects.len());
    for (place, guid) in objects.iter().enumerate() {
        match first.get(guid) {
            Some(first) => parts.tie(*first, place),
            None => drop(first.insert(*guid, place)),
        }
    }
    for bond in bonds {
        let tied: Vec<usize> = bond.iter().filter_map(|g| first.get(g).copied()).collect();
        tied.windows(2).for_each(|pair| parts.tie(pair[0], pair[1]));
    }
    let units = parts.units(&vec![false; objects.len()]);
    (0..units.len()).map(|unit| units.of(unit).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::data::guid::NodeId;

    fn g(serial: u64) -> Guid {
        Guid { node: NodeId(1), serial }
    }

    #[test]
    fn a_chain_of_bonds_makes_one_unit_and_order_is_kept() {
        let objects = [g(5), g(1), g(2), g(3), g(1)];
        // 9 does not wait, so it ties nothing: what a commit filed with it is here already.
        let bonds = [vec![g(1), g(2)], vec![g(2), g(9)], vec![g(9), g(3)]];
        assert_eq!(units(&objects, &bonds), vec![vec![0], vec![1, 2, 4], vec![3]]);
        let bonds = [vec![g(1), g(2)], vec![g(5), g(2), g(3)]];
        assert_eq!(units(&objects, &bonds), vec![vec![0, 1, 2, 3, 4]]);
    }
}
