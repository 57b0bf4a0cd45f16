//! The client against a real CA: Debian's pebble.

#[path = "../scene/mod.rs"]
mod scene;

mod cells;
