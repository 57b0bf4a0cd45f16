//! Our own load: an open loop. Requests are due at a steady pace, whatever the answers before took, and what is late counts
//! from the moment it was due; a closed loop, which waits for an answer before it asks again, hides every pause of the
//! proxy but one request of each connection.
//!
//! It runs in the bench's own process and thread; that it is cheap enough is seen to by [`latency::Latency`] counting what
//! it is late itself, and by a build with optimisation.

pub(super) mod client;
pub(super) mod latency;
pub(super) mod messages;
pub(super) mod pace;
pub(super) mod paced;
pub(super) mod slow;
pub(super) mod visits;
