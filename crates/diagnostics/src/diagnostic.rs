//! [`Diagnostic`]: one finding in one file.

use std::{fmt, sync::Arc};

use crate::Code;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// The file works, but probably not as meant.
    Warning,
    /// The file (or the part that the diagnostic names) does not go live.
    Error,
}

/// `error` or `warning`.
impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Byte offsets into the source, end exclusive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A file's name and text.
#[derive(Clone, Debug)]
pub struct Source {
    /// As the reader knows it: the path given, or the site's id.
    pub name: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
}

/// A span and what to say under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// A few words under the underline; may be empty.
    pub text: String,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its number in the catalogue.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// What is wrong, in one line, lower case, no full stop.
    pub message: String,
    /// Where; `None` concerns the file as a whole.
    pub primary: Option<Label>,
    /// Other places in the same file that belong to it.
    pub secondary: Vec<Label>,
    /// Why it matters.
    pub note: Option<String>,
    /// What to write instead.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A finding with the severity of its catalogue entry.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.entry().severity,
            message: message.into(),
            primary: None,
            secondary: Vec::new(),
            note: None,
            help: None,
        }
    }
    /// Points at a place.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.primary = Some(Label { span, text: text.into() });
        self
    }
    /// Points at another place that belongs to it.
    #[must_use]
    pub fn and_at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }
    /// Says why it matters.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.note = Some(text.into());
        self
    }
    /// Says what to write instead.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }
    /// Is it an error?
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
