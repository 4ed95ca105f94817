//! Units: which waiting objects must be applied together, because a commit of the sender filed them together.

use std::collections::HashMap;

use crate::sync::data::guid::Guid;

/// Groups `objects` (one entry a waiting state, an object may stand there twice) by the bonds: sets of objects that one
/// commit filed. Two objects are in one unit where a chain of bonds ties them. Units come in the order of their first
/// object; each lists places in `objects`.
pub(crate) fn units(objects: &[Guid], bonds: &[Vec<Guid>]) -> Vec<Vec<usize>> {
    let mut first: HashMap<Guid, usize> = HashMap::new();
    for (place, guid) in objects.iter().enumerate() {
        first.entry(*guid).or_insert(place);
    }
    let mut parent: Vec<usize> = (0..objects.len()).collect();
    for bond in bonds {
        let mut tied = bond.iter().filter_map(|g| first.get(g).copied());
        let Some(root) = tied.next() else { continue };
        for other in tied {
            let (a, b) = (find(&mut parent, root), find(&mut parent, other));
            parent[b] = a;
        }
    }
    let mut unit_of_root: HashMap<usize, usize> = HashMap::new();
    let mut units: Vec<Vec<usize>> = Vec::new();
    for (place, guid) in objects.iter().enumerate() {
        let root = find(&mut parent, first[guid]);
        let unit = *unit_of_root.entry(root).or_insert_with(|| {
            units.push(Vec::new());
            units.len() - 1
        });
        units[unit].push(place);
    }
    units
}

fn find(parent: &mut [usize], mut at: usize) -> usize {
    while parent[at] != at {
        parent[at] = parent[parent[at]];
        at = parent[at];
    }
    at
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
