//! Site files edited under a steady load: what the promise "an edit drops nothing" is judged by, in the black-box tests
//! and in `cargo xtask bench swap`.

mod edits;
mod load;

pub use edits::Edits;
pub use load::{Counts, Load};
