//! `cargo xtask arrows`: the tables of ARCHITECTURE.md held against the dependencies as cargo resolves them.
//!
//! The document is the source of truth: an arrow that is not drawn there is an error, and so is one that is drawn and
//! does not exist. Development dependencies draw no arrows, but may not climb floors either.

mod drawing;

use std::{collections::BTreeMap, fs};

use cargo_metadata::{DependencyKind, Metadata, Package};
use drawing::{Drawing, Floor, Homes};

use crate::{Outcome, workspace};

/// Prints what is wrong, or how much was right.
pub(crate) fn run() -> Outcome {
    let text = fs::read_to_string(workspace::root().join("ARCHITECTURE.md"))?;
    let drawing = Drawing::read(&text)?;
    let found = crates(&workspace::metadata()?);
    let faults = compare(&drawing, &found);
    if faults.is_empty() {
        println!("{} crates, {} third-party homes: as drawn", drawing.arrows.len(), drawing.homes.len());
        return Ok(());
    }
    for fault in &faults {
        eprintln!("error: {fault}");
    }
    Err(format!("{} differences between ARCHITECTURE.md and Cargo.toml files", faults.len()).into())
}

/// What one crate of the workspace uses.
#[derive(Debug, Default)]
struct Uses {
    /// Crates of the workspace, by short name.
    own: Vec<String>,
    /// The same, for tests only.
    own_in_tests: Vec<String>,
    /// Crates of others.
    third_party: Vec<String>,
}

/// The crates of the workspace by short name (`names`, not `vestibule-names`), and what each uses.
fn crates(metadata: &Metadata) -> BTreeMap<String, Uses> {
    metadata.workspace_packages().into_iter().map(|package| (short(&package.name), uses(package))).collect()
}

fn uses(package: &Package) -> Uses {
    let mut uses = Uses::default();
    for dependency in &package.dependencies {
        let list = match (dependency.path.is_some(), dependency.kind) {
            (true, DependencyKind::Development) => &mut uses.own_in_tests,
            (true, _) => &mut uses.own,
            (false, DependencyKind::Development) => continue,
            (false, _) => &mut uses.third_party,
        };
        list.push(short(&dependency.name));
    }
    uses
}

fn short(package: &str) -> String {
    package.strip_prefix("vestibule-").unwrap_or(package).to_owned()
}

/// Every difference, as a sentence.
fn compare(drawing: &Drawing, found: &BTreeMap<String, Uses>) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, uses) in found {
        let Some(floor) = drawing.floors.get(name) else {
            faults.push(format!("crate `{name}` stands on no floor"));
            continue;
        };
        faults.extend(compare_arrows(drawing, name, *floor, uses));
        if *floor != Floor::Side {
            faults.extend(compare_homes(drawing, name, uses));
        }
    }
    let drawn = drawing.floors.keys().chain(drawing.arrows.keys());
    faults
        .extend(drawn.filter(|name| !found.contains_key(*name)).map(|name| format!("`{name}` is drawn but not there")));
    for third_party in drawing.homes.keys() {
        if !found.iter().any(|(name, uses)| drawing.is_floor(name) && uses.third_party.contains(third_party)) {
            faults.push(format!("`{third_party}` has a home but nobody uses it"));
        }
    }
    faults
}

fn compare_arrows(drawing: &Drawing, name: &str, floor: Floor, uses: &Uses) -> Vec<String> {
    let Some(drawn) = drawing.arrows.get(name) else { return vec![format!("crate `{name}` has no row of arrows")] };
    let mut faults = Vec::new();
    for used in &uses.own {
        if !drawn.contains(used) {
            faults.push(format!("`{name}` uses `{used}`: no such arrow is drawn"));
        }
    }
    for arrow in drawn {
        // Tests may be all that a side crate consists of.
        let in_tests = floor == Floor::Side && uses.own_in_tests.contains(arrow);
        if !uses.own.contains(arrow) && !in_tests {
            faults.push(format!("`{name}` may use `{arrow}` but does not: drop the arrow"));
        }
    }
    for used in uses.own.iter().chain(&uses.own_in_tests).chain(drawn) {
        let lower = drawing.floors.get(used).is_some_and(|below| floor.may_reach(*below));
        let fixture = used == "testkit" && uses.own_in_tests.contains(used);
        if !lower && !fixture {
            faults.push(format!("`{name}` uses `{used}`: arrows point to a lower floor"));
        }
    }
    faults
}

fn compare_homes(drawing: &Drawing, name: &str, uses: &Uses) -> Vec<String> {
    let judge = |used: &String| match drawing.homes.get(used) {
        None => Some(format!("`{name}` uses `{used}`, which has no home")),
        Some(Homes::Any) => None,
        Some(Homes::Crates(homes)) if homes.iter().any(|home| home == name) => None,
        Some(Homes::Crates(_)) => Some(format!("`{name}` uses `{used}`, whose home is elsewhere")),
    };
    uses.third_party.iter().filter_map(judge).collect()
}

#[cfg(test)]
mod tests;
