//! Version vectors: what a state of an object has seen. Nothing else decides whether two states are concurrent.

use crate::sync::data::guid::NodeId;

/// Per node, the number of that node's last commit that is in a state. Usually one or two entries, kept in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Vector(Vec<(NodeId, u64)>);

/// One commit of one node: a dot, in the literature of version vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dot {
    /// The node.
    pub node: NodeId,
    /// The number of the commit.
    pub number: u64,
}

impl Vector {
    /// Whether a state with this vector was made with that commit in sight.
    pub fn has_seen(&self, dot: Dot) -> bool {
        dot.number <= self.get(dot.node)
    }

    /// The entries, in order of node.
    pub fn entries(&self) -> &[(NodeId, u64)] {
        &self.0
    }

    /// The number for `node`, 0 where it has none.
    pub fn get(&self, node: NodeId) -> u64 {
        self.0.binary_search_by_key(&node, |e| e.0).map_or(0, |at| self.0[at].1)
    }

    /// Sets the number for `node`; 0 takes the entry out.
    pub fn set(&mut self, node: NodeId, number: u64) {
        match self.0.binary_search_by_key(&node, |e| e.0) {
            Ok(at) if number == 0 => drop(self.0.remove(at)),
            Ok(at) => self.0[at].1 = number,
            Err(_) if number == 0 => {}
            Err(at) => self.0.insert(at, (node, number)),
        }
    }

    /// `self ≤ other`: the other state was made with this one in sight (or is the same).
    pub fn leq(&self, other: &Vector) -> bool {
        self.0.iter().all(|(node, number)| *number <= other.get(*node))
    }

    /// The least vector that has seen both.
    pub fn join(&self, other: &Vector) -> Vector {
        let mut both = self.clone();
        for (node, number) in &other.0 {
            both.set(*node, both.get(*node).max(*number));
        }
        both
    }

    /// The greatest vector of which both have seen all.
    pub fn meet(&self, other: &Vector) -> Vector {
        self.0.iter().map(|(node, number)| (*node, (*number).min(other.get(*node)))).collect()
    }
}

impl FromIterator<(NodeId, u64)> for Vector {
    fn from_iter<I: IntoIterator<Item = (NodeId, u64)>>(entries: I) -> Self {
        let mut vector = Vector::default();
        for (node, number) in entries {
            vector.set(node, number);
        }
        vector
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(entries: &[(u64, u64)]) -> Vector {
        entries.iter().map(|(node, number)| (NodeId(*node), *number)).collect()
    }

    #[test]
    fn order_is_by_every_entry() {
        assert!(v(&[]).leq(&v(&[(1, 1)])));
        assert!(v(&[(1, 1)]).leq(&v(&[(1, 2), (2, 1)])));
        assert!(!v(&[(1, 3)]).leq(&v(&[(1, 2), (2, 9)])));
        assert!(!v(&[(2, 1)]).leq(&v(&[(1, 2)])));
    }

    #[test]
    fn a_node_without_commits_has_no_entry() {
        let mut vector = v(&[(1, 3), (2, 0)]);
        assert_eq!(vector.entries(), [(NodeId(1), 3)]);
        vector.set(NodeId(1), 0);
        assert_eq!(vector, Vector::default());
    }

    #[test]
    fn join_is_the_least_upper_bound() {
        let (a, b) = (v(&[(1, 3), (2, 1)]), v(&[(2, 4), (3, 1)]));
        let both = a.join(&b);
        assert_eq!(both, v(&[(1, 3), (2, 4), (3, 1)]));
        assert!(a.leq(&both) && b.leq(&both));
    }
}
