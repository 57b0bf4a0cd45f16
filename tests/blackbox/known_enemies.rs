//! Promise: the pages of known enemies and of threats name only tests that exist.

use std::{collections::BTreeSet, fs, path::Path};

/// What stands in backticks and looks like `module::test`.
fn named(page: &str) -> BTreeSet<(&str, &str)> {
    page.split('`').skip(1).step_by(2).filter_map(|text| text.split_once("::")).collect()
}

#[test]
fn a_named_test_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (page, least) in [("known-enemies", 35), ("threat-model", 35)] {
        let page = fs::read_to_string(root.join(format!("../docs/{page}.md"))).unwrap();
        let named = named(&page);
        assert!(named.len() >= least, "{}", named.len());
        all_exist(root, named);
    }
}

fn all_exist(root: &Path, named: BTreeSet<(&str, &str)>) {
    for (module, test) in named {
        let source = fs::read_to_string(root.join(format!("blackbox/{module}.rs"))).unwrap_or_default();
        let is_there = ["]\nasync fn ", "]\nfn "].iter().any(|start| source.contains(&format!("{start}{test}()")));
        assert!(is_there, "{module}::{test}");
    }
}
