//! Programs of the operator that are told of events: `PROGRAM ARGS… EVENT`, details as environment and as JSON on standard
//! input. Bounded in time and number; a hook that fails or hangs changes nothing.

use crate::engine::Event;

/// Runs hooks one after the other.
#[derive(Debug)]
pub struct Hooks {}

impl Hooks {
    /// From their command lines.
    pub fn new(_commands: Vec<Vec<String>>) -> Self {
        todo!()
    }

    /// Notes an event to tell; the oldest are dropped (and counted) beyond a bound.
    pub fn tell(&self, _event: &Event) {
        todo!()
    }

    /// Runs what is noted, for ever. Dropped with the engine.
    pub async fn run(&self) {
        todo!()
    }
}
