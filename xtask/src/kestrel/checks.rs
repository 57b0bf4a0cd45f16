//! The claims, by what they are about; each module prints its part of the table.

pub(super) mod neighbours;
pub(super) mod page;
pub(super) mod spoof;
pub(super) mod streams;
pub(super) mod view;
