//! What the grammar promises, seen from outside: a module per promise.
//!
//! Messages are snapshots: `INSTA_UPDATE=always cargo test -p vestibule-site` writes them anew, to be reviewed like code.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod catalogue;
mod examples;
mod hostile;
mod right;
mod right_acme;
mod wrong;
mod wrong_settings;

use vestibule_diagnostics::{Diagnostic, Report, Source};

/// All messages about a text, as `vestibule check` prints them.
fn messages(name: &str, text: &[u8], diagnostics: &[Diagnostic]) -> String {
    let source = Source { name: name.into(), text: String::from_utf8_lossy(text).into_owned().into() };
    let reports = diagnostics.iter().map(|found| Report::new(found, &source));
    reports.map(|report| report.text).collect::<Vec<_>>().join("\n\n")
}

/// Compares the messages about each text with its snapshot, and sees to it that no snapshot is left over.
fn compare(folder: &str, cases: &[(&str, &[u8])], parse: fn(&[u8]) -> Vec<Diagnostic>) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/grammar/snapshots").join(folder);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&path);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, text) in cases {
            let diagnostics = parse(text);
            assert!(!diagnostics.is_empty(), "{name} draws nothing");
            insta::assert_snapshot!(*name, messages(&format!("{name}.yaml"), text, &diagnostics));
        }
    });
    for entry in std::fs::read_dir(&path).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let name = file.split('.').next().unwrap();
        assert!(cases.iter().any(|(case, _)| *case == name), "{file} belongs to no case");
    }
}
