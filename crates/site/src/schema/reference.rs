//! The references `docs/site-file.md` and `docs/settings.md`, written from the tables.

use std::fmt::{Arguments, Write as _};

use super::{
    settings_keys, site_keys,
    table::{Key, Table},
};

const SITE_INTRODUCTION: &str = "\
# The site file

*Generated from the tables in `crates/site/src/schema`; do not edit. Every example on this page is compiled by a test.*

A site file is YAML: `*.yaml` or `*.yml` in the folder of sites, or one folder down. Its owner is the tenant. The
smallest useful one has two lines:

```yaml
hosts: blog.example.com
upstream: 127.0.0.1:5000
```

What you save is live a moment later, or it is not and nothing changed: a file with an error keeps its last good
version, and no other site is touched. `vestibule check FILE` tells beforehand, `vestibule explain V0201` explains a
code (all are in [diagnostics.md](diagnostics.md)), and `vestibule schema` prints a JSON Schema by which editors complete
and check. With the YAML language server, put `# yaml-language-server: $schema=site.schema.json` into the first line.

- Unknown keys, doubled keys and values of the wrong shape are errors. Only `true` and `false` are truth values.
- Text is taken as written: `5000`, `1.10` and `off` need no quotes. What begins with `*`, `&`, `!`, `@`, `%` or a backtick
  needs them, so a wildcard is written `\"*.example.com\"`.
- Anchors, aliases, merge keys, tags and several documents in one file are refused.
";

const SETTINGS_INTRODUCTION: &str = "\
# The settings file

*Generated from the tables in `crates/site/src/schema`; do not edit. Every example on this page is compiled by a test.*

The settings are the operator's, one file for the gateway: `vestibule run --settings vestibule.yaml`. Every key is
optional, flags override the file, and an empty file means all defaults. The file is YAML with the same rules as a
[site file](site-file.md).
";

/// The generated reference of site files, as Markdown (`docs/site-file.md`).
pub fn site_reference() -> String {
    page(SITE_INTRODUCTION, &site_keys::SITE)
}

/// The generated reference of the settings file, as Markdown (`docs/settings.md`).
pub fn settings_reference() -> String {
    page(SETTINGS_INTRODUCTION, &settings_keys::SETTINGS)
}

fn page(introduction: &str, table: &'static Table) -> String {
    let mut page = introduction.to_owned();
    line(&mut page, format_args!("\n| key | |\n|---|---|"));
    for key in table.keys {
        line(&mut page, format_args!("| [`{0}`](#{0}) | {1} |", key.name, first_sentence(key.doc)));
    }
    for key in table.keys {
        line(&mut page, format_args!("\n## {}\n", key.name));
        describe(&mut page, key);
        below(&mut page, key, key.name);
    }
    page
}

/// The keys of the mappings under a key. A table that stands at several places is described at each: nobody should
/// have to assemble a page from references.
fn below(page: &mut String, key: &'static Key, path: &str) {
    let Some(table) = key.shape.table() else { return };
    for key in table.keys {
        let path = match path {
            "routes" => format!("{path}.PATH.{}", key.name),
            "acme.dns" => format!("{path}.NAME.{}", key.name),
            "tenants" => format!("{path}.USER.{}", key.name),
            _ => format!("{path}.{}", key.name),
        };
        line(page, format_args!("\n### {path}\n"));
        describe(page, key);
        if !already_described(table, key) {
            below(page, key, &path);
        }
    }
}

/// Inside a route, `redirect`, `headers` and their like are those of the top level.
fn already_described(table: &Table, key: &Key) -> bool {
    std::ptr::eq(table, &site_keys::ROUTE) && site_keys::SITE.key(key.name).is_some()
}

fn describe(page: &mut String, key: &Key) {
    line(page, format_args!("{}\n", key.doc));
    line(page, format_args!("Takes {}.", key.shape));
    if !key.default.is_empty() {
        line(page, format_args!("Default: {}.", key.default));
    }
    line(page, format_args!("\n```yaml\n{}\n```", key.example));
}

fn first_sentence(doc: &str) -> &str {
    let end = doc.find(". ").or(doc.find(": ")).unwrap_or(doc.len());
    doc[..end].trim_end_matches('.')
}

fn line(page: &mut String, text: Arguments<'_>) {
    writeln!(page, "{text}").expect("writing to a string cannot fail");
}
