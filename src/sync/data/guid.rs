//! Identity: which node made an object, and its serial there.

use std::fmt;
use std::str::FromStr;

use crate::sync::error::Error;

/// A node's GUID: 64 random bits, drawn when the node is made and never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl NodeId {
    /// Draws a new one.
    pub fn random() -> Self {
        NodeId(rand::random())
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for NodeId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let valid = text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let bits = u64::from_str_radix(text, 16).ok().filter(|_| valid);
        bits.map(NodeId).ok_or_else(|| Error::usage(format!("`{text}` is no node GUID (16 hexadecimal digits)")))
    }
}

/// An object's GUID: 128 bits, the node that made it and that node's serial. Shown as a UUID.
///
/// ```
/// use objsync::sync::{Guid, NodeId};
/// let guid = Guid { node: NodeId(0x7f3c_0000_0000_a91e), serial: 1004 };
/// assert_eq!(guid.to_string(), "7f3c0000-0000-a91e-0000-0000000003ec");
/// assert_eq!(guid.to_string().parse::<Guid>()?, guid);
/// # Ok::<(), objsync::sync::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid {
    /// The node that made the object.
    pub node: NodeId,
    /// Counts the objects made there, from 1.
    pub serial: u64,
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, s) = (self.node.0, self.serial);
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            n >> 32,
            n >> 16 & 0xffff,
            n & 0xffff,
            s >> 48,
            s & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Guid {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let hex: String = text.chars().filter(|c| *c != '-').collect();
        let bits = u128::from_str_radix(&hex, 16).ok().filter(|_| hex.len() == 32 && !hex.starts_with('+'));
        bits.map(|bits| Guid { node: NodeId((bits >> 64) as u64), serial: bits as u64 })
            .ok_or_else(|| Error::usage(format!("`{text}` is no GUID")))
    }
}

impl serde::Serialize for Guid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl serde::Serialize for NodeId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
