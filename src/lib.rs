//! Object synchronization between occasionally connected databases.
pub mod demo {
    pub mod model;
}
#[cfg(feature = "app")]
pub mod app {
    pub mod view;
}
/// The engine.
pub mod sync {
    /// 128-bit identity.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Guid {
        /// Creator.
        pub node: u64,
        /// Its serial.
        pub serial: u64,
    }
    /// Decides a conflict.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum Rule {
        /// What was made at a client beats what was made at the master.
        #[default]
        ClientWins,
        /// The later stamp.
        LatestWins,
    }
}
