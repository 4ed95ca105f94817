//! What the engine works with: identities, versions, stamps, values, and the shape of a class.

pub(crate) mod guid;
pub(crate) mod schema;
pub(crate) mod sql;
pub(crate) mod stamp;
pub(crate) mod texts;
pub(crate) mod value;
pub(crate) mod vector;
