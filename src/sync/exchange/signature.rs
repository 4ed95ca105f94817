//! Signatures: every set is signed with the key of the node that prepared it (Ed25519, RFC 8032), over the set's digest.
//!
//! Nodes learn each other's public keys when one is made as a copy of the other, when both are at hand, and from sets that a
//! node whose key is known has signed. A node takes any set whose signature, if it has one, is right; told to
//! ([`Node::require_signed`]), it takes only sets signed with the key that it knows the sender by, each once and none that
//! is older than what it has applied already.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rusqlite::OptionalExtension;

use crate::sync::data::guid::NodeId;
use crate::sync::error::{Error, Refusal, Result};
use crate::sync::exchange::syncset::Header;
use crate::sync::node::Node;
use crate::words::quoted;

/// What is signed begins with this, so that no signature means anything elsewhere.
const CONTEXT: &[u8] = b"objsync syncset\0";

/// A node's public key: 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let key = from_hex::<32>(text).filter(|bytes| VerifyingKey::from_bytes(bytes).is_ok());
        key.map(PublicKey)
            .ok_or_else(|| Error::usage(format!("`{text}` is no public key of Ed25519, in 64 hexadecimal digits")))
    }
}

impl serde::Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A node that is known, and the key it is known by.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct KnownKey {
    /// The node.
    pub node: crate::sync::node::NodeInfo,
    /// Its public key; `None`: not known here.
    pub key: Option<PublicKey>,
}

/// Signs sets for one node.
pub(crate) struct Signing(SigningKey);

impl Signing {
    fn new() -> Signing {
        Signing(SigningKey::from_bytes(&rand::random()))
    }

    pub(crate) fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// The signature of a set with that digest, hexadecimal.
    pub(crate) fn sign(&self, digest: &blake3::Hash) -> String {
        let signature = self.0.sign(&signed(digest));
        signature.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn signed(digest: &blake3::Hash) -> Vec<u8> {
    [CONTEXT, digest.as_bytes()].concat()
}

/// Whether a signature is that of a set with that digest, made with that key.
pub(crate) fn is_signature(signature: &str, digest: &blake3::Hash, key: &PublicKey) -> bool {
    let Some(signature) = from_hex::<64>(signature) else { return false };
    let Ok(key) = VerifyingKey::from_bytes(&key.0) else { return false };
    key.verify_strict(&signed(digest), &Signature::from_bytes(&signature)).is_ok()
}

/// Lower case only: a set's file is byte-exact.
fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if text.len() != 2 * N || !text.bytes().all(digit) {
        return None;
    }
    let bytes: Vec<u8> = (0..N).filter_map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()).collect();
    bytes.try_into().ok()
}

impl Node {
    /// The key that this node signs with.
    pub(crate) fn signing(&self) -> Result<Signing> {
        let sql = "SELECT secret FROM objsync_state";
        let secret: Option<Vec<u8>> = self.conn.prepare_cached(sql)?.query_row([], |r| r.get(0))?;
        let secret = secret.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let secret = secret.ok_or_else(|| Error::storage("this node's key is missing: objsync_state is damaged"))?;
        Ok(Signing(SigningKey::from_bytes(&secret)))
    }

    /// The public key that a node is known by here; of this node its own.
    pub fn public_key(&self, node: NodeId) -> Result<Option<PublicKey>> {
        let sql = "SELECT public FROM objsync_node WHERE guid = ?1";
        let found: Option<Option<Vec<u8>>> =
            self.conn.prepare_cached(sql)?.query_row([node.0 as i64], |r| r.get(0)).optional()?;
        Ok(found.flatten().and_then(|bytes| Some(PublicKey(bytes.try_into().ok()?))))
    }

    /// This node and its peers with their keys.
    pub fn known_keys(&self) -> Result<Vec<KnownKey>> {
        let peers = self.peers()?;
        let shown = |info: &&crate::sync::node::NodeInfo| info.guid == self.info.guid || peers.contains(&info.guid);
        let all = self.nodes.all().filter(shown);
        all.map(|info| Ok(KnownKey { node: info.clone(), key: self.public_key(info.guid)? })).collect()
    }

    /// From now on a node is known by this key, whatever key it was known by before. Compare it with what that node itself
    /// says (`objsync keys`), by a way on which nobody can change it.
    pub fn trust(&mut self, node: NodeId, key: PublicKey) -> Result<()> {
        if node == self.info.guid {
            return Err(Error::usage("a node's own key is made with it; nothing was changed"));
        }
        self.write(|here| {
            here.note_stranger(node)?;
            here.conn.execute("UPDATE objsync_node SET public = ?2 WHERE guid = ?1", (node.0 as i64, key.0))?;
            Ok(())
        })
    }

    /// Notes a key where none was known before.
    pub(crate) fn note_key(&self, node: NodeId, key: Option<PublicKey>) -> Result<()> {
        if let Some(key) = key {
            let sql = "UPDATE objsync_node SET public = ?2 WHERE guid = ?1 AND public IS NULL";
            self.conn.prepare_cached(sql)?.execute((node.0 as i64, key.0))?;
        }
        Ok(())
    }

    /// Whether only sets are taken that a known key has signed.
    pub fn requires_signed(&self) -> Result<bool> {
        Ok(self.conn.prepare_cached("SELECT signed_only FROM objsync_state")?.query_row([], |r| r.get(0))?)
    }

    /// Takes only sets that are signed with the key that the sender is known by, or any again.
    pub fn require_signed(&mut self, only: bool) -> Result<()> {
        self.write(|node| {
            node.conn.execute("UPDATE objsync_state SET signed_only = ?1", [only])?;
            Ok(())
        })
    }

    /// Refuses a set whose signature is not what this node demands. That it is the one of the key in its header was found when
    /// it was read.
    pub(crate) fn check_signature(&self, header: &Header, digest: &str) -> Result<()> {
        let (us, source) = (&self.info.name, &header.source);
        let known = self.public_key(source.guid)?;
        let required = self.requires_signed()?;
        let refused = |what: String, hint: String| Err(Error::refused(Refusal::Signature, what).hint(hint));
        match (header.key, known) {
            (None, _) if !required => return Ok(()),
            (None, _) => {
                return refused(
                    format!("the set is not signed, and {us} takes only signed ones; nothing was changed"),
                    format!(
                        "prepare it again at {} with this version of objsync, or take any set (objsync keys accept-any --node {})",
                        quoted(&source.name),
                        quoted(us)
                    ),
                );
            }
            (Some(key), Some(known)) if key != known => {
                return refused(
                    format!(
                        "the set is signed with the key {key}, but {us} knows {} by {known}: somebody else made it, or {0} has a new key; nothing was changed",
                        source.name
                    ),
                    format!(
                        "ask its owner what `keys` says there; if it is so: objsync keys trust {} {key} --node {}",
                        source.guid,
                        quoted(us)
                    ),
                );
            }
            (Some(key), None) if required => {
                return refused(
                    format!(
                        "the set is signed, but {us} knows no key of {} {}; nothing was changed",
                        source.name, source.guid
                    ),
                    format!(
                        "ask its owner for its key, which `keys` says there; if it is {key}: objsync keys trust {} {key} --node {}",
                        source.guid,
                        quoted(us)
                    ),
                );
            }
            _ => {}
        }
        if !required {
            return Ok(());
        }
        let seen = self.seen(source.guid)?;
        let sql = "SELECT taken_back FROM objsync_set WHERE sent = 0 AND digest = ?1 ORDER BY seq DESC LIMIT 1";
        let applied: Option<bool> = self.conn.prepare_cached(sql)?.query_row([digest], |r| r.get(0)).optional()?;
        if applied == Some(false) || header.clock < seen.clock || header.number < seen.number {
            return refused(
                format!(
                    "the set is not newer than what was applied from {} already, and {us} takes none twice; nothing was changed",
                    source.name
                ),
                format!("prepare a new one at {} (--since acknowledged)", source.name),
            );
        }
        Ok(())
    }
}

/// Gives the node of a file a key of its own, in place of any that it had.
pub(crate) fn make_key(conn: &rusqlite::Connection) -> Result<()> {
    let signing = Signing::new();
    conn.execute("UPDATE objsync_state SET secret = ?1", [signing.0.to_bytes()])?;
    let sql = "UPDATE objsync_node SET public = ?1 WHERE n = (SELECT node FROM objsync_state)";
    conn.execute(sql, [signing.public().0])?;
    Ok(())
}
