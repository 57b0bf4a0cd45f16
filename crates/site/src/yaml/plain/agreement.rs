//! The promise of `plain`: what it reads, the library reads likewise, and has nothing to say of. For tests and fuzzing.

use super::{super::build, parse};
use crate::{findings::Findings, yaml::Document};

/// Panics where the promise is broken. Was the text one of our forms at all?
pub(crate) fn hold(text: &str) -> bool {
    let Some(root) = parse(text) else { return false };
    assert_eq!((format!("{root:?}"), true), by_the_library(text), "{text:?}");
    true
}

/// What the library makes of it: the tree, and whether nothing is to be said.
fn by_the_library(text: &str) -> (String, bool) {
    let mut findings = Findings::default();
    let tree = match build::read(text, &mut findings) {
        Document::Root(root) => format!("{root:?}"),
        other => format!("{other:?}"),
    };
    (tree, findings.in_order().is_empty())
}
