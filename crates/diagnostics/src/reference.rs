//! The catalogue as a page: `docs/diagnostics.md`.

use std::fmt::Write as _;

use crate::catalogue;

const INTRODUCTION: &str = "\
# Diagnostics

*Generated from the catalogue in `crates/diagnostics`; do not edit. `vestibule explain V0201` prints one entry.*

A diagnostic belongs to somebody who must edit a file. An **error** keeps the file from going live: its site stays at
the last good version, and no other site is touched. A **warning** does not.
";

/// The generated page of all diagnostics, as Markdown.
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    page.push_str("\n| code | severity | |\n|---|---|---|\n");
    for code in catalogue::ALL {
        let entry = code.entry();
        let anchor = entry.number.to_lowercase();
        line(&mut page, format_args!("| [{}](#{anchor}) | {} | {} |", entry.number, entry.severity, entry.title));
    }
    for code in catalogue::ALL {
        let entry = code.entry();
        line(&mut page, format_args!("\n## {}\n\n**{}** ({})\n", entry.number, entry.title, entry.severity));
        line(&mut page, format_args!("{}\n", entry.explanation));
        line(&mut page, format_args!("Wrong:\n```yaml\n{}\n```", entry.wrong.trim_end()));
        line(&mut page, format_args!("Right:\n```yaml\n{}\n```", entry.right.trim_end()));
    }
    page
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(page, "{text}").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_committed_page_is_the_generated_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/diagnostics.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, super::reference()).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == super::reference(), "run the tests with UPDATE_DOCS=1 to write docs/diagnostics.md anew");
    }
}
