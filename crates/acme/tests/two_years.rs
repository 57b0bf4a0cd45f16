//! The pure planner against the rules of Let's Encrypt, on a virtual clock: two years of ten thousand sites in seconds, and
//! each of its promises alone.

#[path = "two_years/failures.rs"]
mod failures;
#[path = "two_years/promises.rs"]
mod promises;
#[path = "two_years/storms.rs"]
mod storms;
#[path = "two_years/world.rs"]
mod world;
#[path = "two_years/years.rs"]
mod years;
