//! A CA of the test's own: its rules as a pure model on a virtual clock, and whatever speaks for it over HTTP.
//!
//! | module | what |
//! |---|---|
//! | [`rules`] | Let's Encrypt's limits: what is refused, until when, and how often somebody ran into them |

pub mod rules;
