//! Keys and signatures of nodes (Ed25519, RFC 8032), and what nodes sign. Who is known by which key is said in `trust.rs`.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use rusqlite::Connection;

use crate::sync::data::guid::NodeId;
use crate::sync::error::{Error, Result};
use crate::sync::exchange::told::Point;

/// A node's public key: 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

/// What a node signed, as 128 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

/// What a node says and signs. Each kind has words of its own in front, so that no signature means anything elsewhere.
pub(crate) enum Statement<'a> {
    /// "I made the set with this digest."
    Set(&'a blake3::Hash),
    /// "I am this node, and I was at this point."
    Point(NodeId, Point),
    /// "My file was made this node, which has this key."
    Introduction(NodeId, PublicKey),
    /// "This is who I am", in the words of an invitation.
    Invitation(&'a [u8]),
}

impl Statement<'_> {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Statement::Set(digest) => [b"objsync syncset\0", digest.as_bytes().as_slice()].concat(),
            Statement::Point(node, Point { number, clock }) => {
                let parts = [node.0.to_be_bytes(), number.to_be_bytes(), clock.to_be_bytes()];
                [b"objsync point\0", parts.concat().as_slice()].concat()
            }
            Statement::Introduction(node, key) => {
                [b"objsync introduction\0", node.0.to_be_bytes().as_slice(), &key.0].concat()
            }
            Statement::Invitation(text) => [b"objsync invitation\0", *text].concat(),
        }
    }
}

impl PublicKey {
    /// Whether who has this key has signed that.
    pub(crate) fn has_signed(&self, statement: &Statement<'_>, signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify_strict(&statement.bytes(), &signature).is_ok())
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// As it is stored.
    pub(crate) fn stored(bytes: Vec<u8>) -> Option<PublicKey> {
        Some(PublicKey(bytes.try_into().ok()?))
    }
}

impl Signature {
    pub(crate) fn bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// As it is stored.
    pub(crate) fn stored(bytes: Vec<u8>) -> Option<Signature> {
        Some(Signature(bytes.try_into().ok()?))
    }
}

/// Signs for one node.
pub(crate) struct Signing(SigningKey);

impl Signing {
    /// The key that a node's file holds.
    pub(crate) fn of_file(conn: &Connection) -> Result<Signing> {
        let sql = "SELECT secret FROM objsync_state";
        let secret: Option<Vec<u8>> = conn.prepare_cached(sql)?.query_row([], |r| r.get(0))?;
        let secret = secret.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let secret = secret.ok_or_else(|| Error::storage("this node's key is missing: objsync_state is damaged"))?;
        Ok(Signing(SigningKey::from_bytes(&secret)))
    }

    pub(crate) fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    pub(crate) fn sign(&self, statement: &Statement<'_>) -> Signature {
        Signature(self.0.sign(&statement.bytes()).to_bytes())
    }
}

/// Gives the node of a file a key of its own, in place of any that it had.
pub(crate) fn make_key(conn: &Connection) -> Result<PublicKey> {
    let signing = Signing(SigningKey::from_bytes(&rand::random()));
    conn.execute("UPDATE objsync_state SET secret = ?1", [signing.0.to_bytes()])?;
    let sql = "UPDATE objsync_node SET public = ?1 WHERE n = (SELECT node FROM objsync_state)";
    conn.execute(sql, [signing.public().0])?;
    Ok(signing.public())
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

impl FromStr for PublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let key = from_hex::<32>(text).filter(|bytes| VerifyingKey::from_bytes(bytes).is_ok());
        key.map(PublicKey)
            .ok_or_else(|| Error::usage(format!("`{text}` is no public key of Ed25519, in 64 hexadecimal digits")))
    }
}

impl FromStr for Signature {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        from_hex::<64>(text).map(Signature).ok_or_else(|| Error::usage("a signature has 128 hexadecimal digits"))
    }
}

/// Both are shown, and stand in files, as lower-case hexadecimal digits.
macro_rules! as_hexadecimal {
    ($($kind:ty),*) => {$(
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl serde::Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

as_hexadecimal!(PublicKey, Signature);
