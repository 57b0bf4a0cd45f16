//! The one definition of every key: from it come the reader's known keys and ranges, the JSON Schema and the
//! reference pages. It reads nothing itself; see the modules under `read` for what a value means.

pub(crate) mod acme_keys;
mod json;
mod reference;
pub(crate) mod settings_keys;
pub(crate) mod site_keys;
pub(crate) mod table;
pub(crate) mod tenancy_keys;
#[cfg(test)]
mod tests;

pub use json::{settings_schema, site_schema};
pub use reference::{settings_reference, site_reference};

use table::{Key, Table};

/// Where, in the same kind of file, keys of that name live.
pub(crate) fn homes_of(table: &'static Table, name: &str) -> impl Iterator<Item = (&'static Table, &'static Key)> {
    let families = [&site_keys::SITE, &settings_keys::SETTINGS].map(Table::with_all_below);
    let family = families.into_iter().find(|family| family.iter().any(|one| std::ptr::eq(*one, table)));
    family.into_iter().flatten().filter_map(move |home| Some((home, home.key(name)?)))
}

/// The other kind of file, if `table` is the top of one kind and the key stands at the top of the other.
pub(crate) fn other_file(table: &'static Table, name: &str) -> Option<&'static Table> {
    let (site, settings) = (&site_keys::SITE, &settings_keys::SETTINGS);
    let other = [(site, settings), (settings, site)].into_iter().find(|(this, _)| std::ptr::eq(*this, table));
    other.map(|(_, other)| other).filter(|other| other.key(name).is_some())
}
