//! `cargo xtask licences` and `duplicates`: the resolved dependencies held against `deny.toml`.
//!
//! Reads the part of cargo-deny's format that we use, so that no tool must be installed; cargo-deny itself reads the
//! same file. What counts is what `cargo tree` lists, which is what gets built here: the resolution of `cargo metadata`
//! also names optional crates that no feature turns on.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde::Deserialize;
use spdx::{Expression, Licensee, ParseMode};

use crate::{Outcome, workspace};

/// `deny.toml`.
#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    #[serde(default)]
    skip: Vec<Skip>,
}

/// A version that may stand beside another of the same crate.
#[derive(Deserialize)]
struct Skip {
    /// `name`, `name@1` or `name@1.2.3`.
    #[serde(rename = "crate")]
    spec: String,
}

/// Every dependency's licence expression must be satisfied by the allowed licences.
pub(crate) fn run() -> Outcome {
    let deny = read()?;
    let allowed: Vec<Licensee> = deny
        .licenses
        .allow
        .iter()
        .map(|text| Licensee::parse(text).map_err(|error| format!("deny.toml allows `{text}`: {error}")))
        .collect::<Result<_, _>>()?;
    let packages = built()?;
    let faults: Vec<_> = packages.iter().filter_map(|package| licence_fault(package, &allowed)).collect();
    conclude(&faults, &format!("{} crates under allowed licences", packages.len()))
}

/// No crate may come in two versions unless `deny.toml` says so; a permission that nobody needs is an error too.
pub(crate) fn run_duplicates() -> Outcome {
    let deny = read()?;
    let packages = built()?;
    let faults = duplicate_faults(&packages, &deny.bans.skip);
    conclude(&faults, &format!("{} crates, no unexpected second version", packages.len()))
}

fn read() -> Outcome<Deny> {
    Ok(toml::from_str(&fs::read_to_string(workspace::root().join("deny.toml"))?)?)
}

/// A crate that gets built.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: String,
    /// As its author wrote it; empty when nothing is written.
    licence: String,
}

/// Everything that gets built for this platform, tests and build scripts included.
fn built() -> Outcome<BTreeSet<Package>> {
    let arguments =
        ["tree", "--locked", "--workspace", "--edges", "normal,build,dev", "--prefix", "none", "--format", "{p}|{l}"];
    let output = workspace::cargo(&arguments).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    String::from_utf8(output.stdout)?.lines().filter(|line| !line.is_empty()).map(package).collect()
}

/// From `name v1.2.3 (proc-macro)|MIT (*)`.
fn package(line: &str) -> Outcome<Package> {
    let parts = line.split_once('|').and_then(|(package, licence)| {
        let (name, version) = package.split_once(" v")?;
        Some((name, version.split_whitespace().next()?, licence.trim_end_matches(" (*)")))
    });
    let (name, version, licence) = parts.ok_or_else(|| format!("`cargo tree` wrote `{line}`"))?;
    Ok(Package { name: name.to_owned(), version: version.to_owned(), licence: licence.to_owned() })
}

fn licence_fault(package: &Package, allowed: &[Licensee]) -> Option<String> {
    let Package { name, version, licence } = package;
    match Expression::parse_mode(licence, ParseMode::LAX) {
        _ if licence.is_empty() => Some(format!("{name} {version} names no licence")),
        Err(error) => Some(format!("{name} {version}: `{licence}` is no SPDX expression: {}", error.reason)),
        Ok(expression) if expression.evaluate(|need| allowed.iter().any(|one| one.satisfies(need))) => None,
        Ok(_) => Some(format!("{name} {version}: `{licence}` is not allowed")),
    }
}

fn duplicate_faults(packages: &BTreeSet<Package>, skip: &[Skip]) -> Vec<String> {
    let mut by_name = BTreeMap::<&str, BTreeSet<&str>>::new();
    for package in packages {
        by_name.entry(&package.name).or_default().insert(&package.version);
    }
    let mut needed = BTreeSet::new();
    let mut faults = Vec::new();
    for (name, versions) in by_name.into_iter().filter(|(_, versions)| versions.len() > 1) {
        let skipped = |version: &&str| skip.iter().find(|skip| covers(&skip.spec, name, version));
        needed.extend(versions.iter().filter_map(skipped).map(|skip| skip.spec.as_str()));
        if versions.iter().filter(|version| skipped(version).is_none()).count() > 1 {
            faults.push(format!("{name} comes in versions {}", Vec::from_iter(versions).join(", ")));
        }
    }
    let idle = skip.iter().filter(|skip| !needed.contains(skip.spec.as_str()));
    faults.extend(idle.map(|skip| format!("deny.toml skips `{}`, which is no duplicate any more", skip.spec)));
    faults
}

/// Does `name@1.2` mean version `1.2.7` of that crate?
fn covers(spec: &str, name: &str, version: &str) -> bool {
    match spec.split_once('@') {
        None => spec == name,
        Some((spec_name, prefix)) => {
            let rest = version.strip_prefix(prefix);
            spec_name == name && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '+', '-']))
        }
    }
}

fn conclude(faults: &[String], success: &str) -> Outcome {
    if faults.is_empty() {
        println!("{success}");
        return Ok(());
    }
    for fault in faults {
        eprintln!("error: {fault}");
    }
    Err(format!("{} faults against deny.toml", faults.len()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Crates as `name 1.2.3`, permissions as in deny.toml, and the faults.
    fn check(packages: &[&str], skip: &[&str], expected: &[&str]) {
        let skip: Vec<_> = skip.iter().map(|spec| Skip { spec: (*spec).to_owned() }).collect();
        let packages = packages.iter().map(|text| package(&format!("{}|MIT (*)", text.replace(' ', " v"))).unwrap());
        assert_eq!(duplicate_faults(&packages.collect(), &skip), expected);
    }

    #[test]
    fn a_second_version_needs_a_permission_and_a_permission_needs_a_second_version() {
        let idle = "deny.toml skips `a@1`, which is no duplicate any more";
        check(&["a 1.0.0", "b 1.0.0"], &[], &[]);
        check(&["a 1.0.0", "a 2.0.0"], &[], &["a comes in versions 1.0.0, 2.0.0"]);
        check(&["a 1.0.0", "a 2.0.0"], &["a@1"], &[]);
        check(&["a 11.0.0", "a 2.0.0"], &["a@1"], &["a comes in versions 11.0.0, 2.0.0", idle]);
        check(&["a 1.0.0"], &["a@1"], &[idle]);
    }

    #[test]
    fn licences_are_judged_as_expressions() {
        let allowed = ["MIT", "Apache-2.0"].map(|text| Licensee::parse(text).unwrap());
        let fault = |licence: &str| licence_fault(&package(&format!("a v1.0.0|{licence}")).unwrap(), &allowed);
        assert_eq!(fault("MIT OR GPL-3.0-only"), None);
        assert_eq!(fault("MIT/Apache-2.0"), None);
        assert_eq!(fault("MIT AND GPL-3.0-only").unwrap(), "a 1.0.0: `MIT AND GPL-3.0-only` is not allowed");
        assert_eq!(fault("").unwrap(), "a 1.0.0 names no licence");
        assert!(fault("do what you like").unwrap().contains("is no SPDX expression"));
    }

    #[test]
    fn every_allowed_licence_is_one_and_the_file_reads() {
        for text in read().unwrap().licenses.allow {
            Licensee::parse(&text).unwrap();
        }
    }
}
