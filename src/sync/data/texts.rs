//! SQL that is put together once for a class, where it is written for every object.

use std::sync::OnceLock;

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// SQL texts about one class, each put together where it is used first.
        #[derive(Debug, Default)]
        pub(crate) struct Texts {
            $($(#[$doc])* pub(crate) $name: OnceLock<String>,)*
        }
    };
}

texts! {
    /// Version, key and row of an object that lives.
    living,
    /// Version and key of one that was deleted.
    buried,
    /// What its version has seen.
    vector,
    /// The local key of an object.
    key,
    /// The object with a local key.
    object,
    /// Whether a row has a local key.
    taken,
    /// The highest local key of rows and deleted objects.
    highest_key,
    /// The deleted object that had a local key last.
    last_with_key,
    /// The event that replaces a row.
    event_over_row,
    /// The event that replaces a tombstone.
    event_over_tombstone,
    insert_row,
    update_row,
    delete_row,
    /// The version of an object that was not there.
    new_object,
    /// The version of an object whose row is written.
    put_object,
    /// The version of one whose row stays as it is.
    put_version,
    put_tombstone,
    forget_object,
    forget_tombstone,
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
