//! SQL that is put together once for a class, where it is written for every object.

use std::sync::OnceLock;

/// Put together where it is used first.
type Text = OnceLock<String>;

/// SQL texts about one class.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    /// Version, key and row of an object that lives.
    pub(crate) living: Text,
    /// The same of all that are in states filed in a range.
    pub(crate) in_order: Text,
    /// Version and key of one that was deleted.
    pub(crate) buried: Text,
    /// What its version has seen.
    pub(crate) vector: Text,
    /// The local key of an object.
    pub(crate) key: Text,
    /// The object with a local key.
    pub(crate) object: Text,
    /// Whether a row has a local key.
    pub(crate) taken: Text,
    /// The deleted object that had a local key last.
    pub(crate) last_with_key: Text,
    /// The event that replaces a row.
    pub(crate) event_over_row: Text,
    /// The event that replaces a tombstone.
    pub(crate) event_over_tombstone: Text,
    pub(crate) insert_row: Text,
    pub(crate) update_row: Text,
    pub(crate) delete_row: Text,
    /// The version of an object that was not there.
    pub(crate) new_object: Text,
    /// The version of an object whose row is written.
    pub(crate) put_object: Text,
    /// The version of one whose row stays as it is.
    pub(crate) put_version: Text,
    pub(crate) put_tombstone: Text,
    pub(crate) forget_object: Text,
    pub(crate) forget_tombstone: Text,
}

// A class is copied to be changed, and then its texts are others.
impl Clone for Texts {
    fn clone(&self) -> Self {
        Texts::default()
    }
}

impl PartialEq for Texts {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Texts {}
