//! What a reader has found so far: bounded, and in order of place at the end.

use vestibule_diagnostics::{Diagnostic, Severity, catalogue};

/// Findings kept of one file; a file with more has one mistake repeated.
pub(crate) const FINDINGS_LIMIT: usize = 50;

/// The findings of one file.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    kept: Vec<Diagnostic>,
    dropped: usize,
    dropped_error: bool,
}

impl Findings {
    pub(crate) fn push(&mut self, finding: Diagnostic) {
        if self.is_full() {
            self.dropped += 1;
            self.dropped_error |= finding.is_error();
        } else {
            self.kept.push(finding);
        }
    }

    /// Would a further finding only be counted?
    pub(crate) fn is_full(&self) -> bool {
        self.kept.len() >= FINDINGS_LIMIT
    }

    /// In order of place; what concerns the whole file comes last.
    pub(crate) fn in_order(mut self) -> Vec<Diagnostic> {
        self.kept.sort_by_key(|found| found.primary.as_ref().map_or(usize::MAX, |label| label.span.start));
        if self.dropped > 0 {
            let message = format!("{} further findings are not shown", self.dropped);
            let mut rest = Diagnostic::new(catalogue::MORE_FINDINGS, message);
            // Warnings must not push an error out of sight and so let the file pass.
            if self.dropped_error {
                rest.severity = Severity::Error;
            }
            self.kept.push(rest);
        }
        self.kept
    }
}
