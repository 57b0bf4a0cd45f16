//! The grammar: text of a site file or of the gateway's settings → (value, diagnostics).
//!
//! Parsing never fails: it returns what could be understood, plus diagnostics. The values are plain; nothing that
//! derives Deserialize exists here. No file is read, nothing is resolved, nothing is compared with other sites.
//!
//! ```
//! let parsed = vestibule_site::parse_site(b"hosts: blog.localhost\nupstream: 5000\n");
//! assert!(parsed.diagnostics.is_empty());
//! assert_eq!(parsed.value.unwrap().hosts[0].value.to_string(), "blog.localhost");
//! ```
//!
//! ```text
//! bytes ──yaml──▶ nodes with places ──read, directed by schema──▶ Site or Settings
//!                        └────────────── findings ──────────────▶ diagnostics, in order of place
//! ```
//!
//! | module | what it knows |
//! |---|---|
//! | `yaml` | the part of YAML that is used here, and its budgets |
//! | [`schema`] | every key: name, shape, default, meaning, example; the JSON Schema and the references |
//! | `read` | what values mean |
//! | [`mod@site`], [`settings`], [`acme`] | the values that come out |

pub mod acme;
mod findings;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod read;
pub mod schema;
pub mod settings;
pub mod site;
pub mod tenancy;
mod yaml;

pub use settings::Settings;
pub use site::Site;
pub use vestibule_diagnostics::Diagnostic;

use findings::Findings;
use vestibule_diagnostics::catalogue;
use yaml::Document;

/// What parsing understood, and what it has to say.
#[derive(Debug, Clone)]
pub struct Parsed<T> {
    /// What was understood; `None` when nothing usable was.
    /// A value beside an error diagnostic is for tools only: a site with an error never goes live.
    pub value: Option<T>,
    /// In order of place.
    pub diagnostics: Vec<Diagnostic>,
}

impl<T> Parsed<T> {
    /// The value, when no diagnostic is an error.
    pub fn valid(&self) -> Option<&T> {
        if self.diagnostics.iter().any(Diagnostic::is_error) { None } else { self.value.as_ref() }
    }
}

/// Parses a site file. Bounded in time and memory whatever the bytes are: the size, the depth, the number of values
/// and of diagnostics have limits, and nothing in a file is ever expanded.
pub fn parse_site(text: &[u8]) -> Parsed<Site> {
    let mut findings = Findings::default();
    let value = match yaml::parse(text, &mut findings) {
        Document::Root(root) => read::site(&root, &mut findings),
        Document::Empty => {
            findings.push(
                Diagnostic::new(catalogue::EMPTY_FILE, "there is nothing in the file")
                    .note("comments do not count")
                    .help("to remove the site, remove the file"),
            );
            None
        }
        Document::Unreadable => None,
    };
    Parsed { value, diagnostics: findings.in_order() }
}

/// Parses the gateway's settings file, within the same bounds. A file with nothing in it means all defaults.
pub fn parse_settings(text: &[u8]) -> Parsed<Settings> {
    let mut findings = Findings::default();
    let value = match yaml::parse(text, &mut findings) {
        Document::Root(root) => read::settings(&root, &mut findings),
        Document::Empty => Some(Settings::default()),
        Document::Unreadable => None,
    };
    Parsed { value, diagnostics: findings.in_order() }
}
