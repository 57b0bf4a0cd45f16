//! The tables against the reader, the schema and the committed pages.

use std::path::Path;

use super::{settings_keys, site_keys, table::Table, *};
use crate::{Parsed, parse_settings, parse_site};

/// An example as a whole site file: with hosts and an upstream where it has none.
fn completed(example: &str) -> String {
    let has = |key: &str| example.lines().any(|line| line.starts_with(&format!("{key}:")));
    let mut file = String::new();
    if !has("hosts") {
        file.push_str("hosts: blog.example.com\n");
    }
    if !["upstream", "redirect", "respond", "routes"].into_iter().any(has) {
        file.push_str("upstream: 5000\n");
    }
    file + example + "\n"
}

fn assert_clean<T>(parsed: &Parsed<T>, text: &str) {
    assert!(parsed.diagnostics.is_empty(), "{text}\n{:#?}", parsed.diagnostics);
    assert!(parsed.value.is_some(), "{text}");
}

fn tables(root: &'static Table) -> Vec<&'static Table> {
    root.with_all_below()
}

#[test]
fn every_example_of_a_site_key_compiles() {
    for key in tables(&site_keys::SITE).iter().flat_map(|table| table.keys) {
        assert!(key.example.contains(&format!("{}:", key.name)), "the example of `{}` shows it", key.name);
        let text = completed(key.example);
        assert_clean(&parse_site(text.as_bytes()), &text);
    }
}

#[test]
fn every_example_of_a_setting_compiles() {
    for key in tables(&settings_keys::SETTINGS).iter().flat_map(|table| table.keys) {
        assert!(key.example.contains(&format!("{}:", key.name)), "the example of `{}` shows it", key.name);
        assert_clean(&parse_settings(key.example.as_bytes()), key.example);
    }
}

/// A file that writes every default of these tables out.
fn with_defaults(tables: &[&Table]) -> String {
    let mut text = String::new();
    for table in tables {
        text += &format!("{}:\n", table.place.trim_matches('`'));
        for key in table.keys.iter().filter(|key| !key.default.starts_with("from ")) {
            text += &format!("  {}: {}\n", key.name, key.default);
        }
    }
    text
}

#[test]
fn the_defaults_of_the_tables_are_those_of_the_values() {
    let text = with_defaults(&[&settings_keys::LIMITS, &settings_keys::TIMEOUTS]);
    let parsed = parse_settings(text.as_bytes());
    assert_clean(&parsed, &text);
    let (settings, standard) = (parsed.value.unwrap(), crate::Settings::default());
    assert_eq!((settings.limits, settings.timeouts), (standard.limits, standard.timeouts));

    let text = completed(&with_defaults(&[&site_keys::LIMITS, &site_keys::TIMEOUTS]));
    let parsed = parse_site(text.as_bytes());
    assert_clean(&parsed, &text);
    let site = parsed.value.unwrap();
    assert_eq!((site.limits, site.timeouts), (crate::site::Limits::default(), crate::site::Timeouts::default()));
}

#[test]
fn every_entry_is_filled_in_and_unique() {
    for root in [&site_keys::SITE, &settings_keys::SETTINGS] {
        for table in tables(root) {
            for (n, key) in table.keys.iter().enumerate() {
                assert!(key.doc.ends_with('.') || key.doc.ends_with("`."), "{}: {:?}", key.name, key.doc);
                assert!(table.keys[..n].iter().all(|other| other.name != key.name), "`{}` twice", key.name);
                assert!(key.elsewhere.iter().all(|word| table.key(word).is_none()), "`{}`", key.name);
            }
        }
    }
}

#[test]
fn the_json_schema_knows_every_key_and_nothing_else() {
    fn keys(schema: &serde_json::Value, found: &mut Vec<String>) {
        match schema {
            serde_json::Value::Object(map) => {
                if let Some(properties) = map.get("properties").and_then(|value| value.as_object()) {
                    found.extend(properties.keys().cloned());
                    assert_eq!(map["additionalProperties"], false);
                }
                map.iter().filter(|(name, _)| *name != "examples").for_each(|(_, value)| keys(value, found));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
            _ => {}
        }
    }
    for (schema, root) in [(site_schema(), &site_keys::SITE), (settings_schema(), &settings_keys::SETTINGS)] {
        let mut found = Vec::new();
        keys(&schema, &mut found);
        let mut expected: Vec<String> =
            tables(root).iter().flat_map(|table| table.keys).map(|key| key.name.to_owned()).collect();
        found.sort();
        expected.sort();
        // A list of mappings stands in a schema twice: alone, and as the item of a list.
        found.dedup();
        expected.dedup();
        assert_eq!(found, expected);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    }
    let schema = site_schema();
    assert_eq!(schema["properties"]["limits"]["properties"]["tunnels"]["maximum"], 1_000_000);
}

#[test]
fn the_committed_references_are_the_generated_ones() {
    for (name, generated) in [("site-file.md", site_reference()), ("settings.md", settings_reference())] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &generated).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == generated, "run the tests with UPDATE_DOCS=1 to write docs/{name} anew");
    }
}
