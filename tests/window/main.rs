//! The window driven by label, as a screen reader would: what is pressed, what is asked of the engine, what is shown.

#![cfg(feature = "app")]

mod commands;
mod conflicts;
mod driver;
mod editing;
mod mock;
mod pictures;
mod raster;
mod sets;
mod touring;
mod window;
