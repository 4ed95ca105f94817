//! The `objsync` program.

fn main() {}
