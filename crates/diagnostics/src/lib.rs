//! Messages for somebody who must edit a file: what, where, why, and what to write instead.
//!
//! A [`Diagnostic`] is a value; it never stops anything by itself. Whoever finds something says so with a [`Code`] of
//! the [`catalogue`], and [`render`] turns it into text for people or a [`Report`] for machines.
//!
//! ```
//! use vestibule_diagnostics::{Diagnostic, Report, Source, Span, catalogue};
//!
//! let source = Source { name: "blog.yaml".into(), text: "upstram: 5000\n".into() };
//! let found = Diagnostic::new(catalogue::UNKNOWN_KEY, "unknown key `upstram`")
//!     .at(Span { start: 0, end: 7 }, "not a key of a site file")
//!     .help("write `upstream`");
//! let report = Report::new(&found, &source);
//! assert_eq!((report.line, report.column), (Some(1), Some(1)));
//! assert!(report.text.starts_with("error[V0201]: unknown key `upstram`"));
//! ```
//!
//! | module | what it knows |
//! |---|---|
//! | [`diagnostic`] | one finding: code, severity, message, places, note, help |
//! | [`catalogue`] | every code, with a wrong and a right example |
//! | [`render`] | a finding as text with an underlined excerpt, and as a [`Report`] |
//! | [`quote`](mod@quote) | a stranger's text inside a message: shortened, and harmless to a terminal |
//! | [`nearest`](mod@nearest) | the known word that was probably meant |
//! | [`reference`](mod@reference) | the catalogue as a page |

pub mod catalogue;
pub mod diagnostic;
mod excerpt;
pub mod nearest;
pub mod quote;
pub mod reference;
pub mod render;

pub use catalogue::{Code, Entry};
pub use diagnostic::{Diagnostic, Label, Severity, Source, Span};
pub use nearest::nearest;
pub use quote::quote;
pub use reference::reference;
pub use render::Report;
