//! One entry per diagnostic code: title, explanation, a wrong and a right example.
//!
//! Numbers: V01xx the YAML text, V02xx keys and values, V03xx hosts and claims, V04xx routes and upstreams, V05xx
//! certificates, V06xx the file itself (open, owner, size), V07xx the gateway's settings. A number is never given to
//! another meaning; a code that is no longer drawn keeps its entry.

use std::fmt;

use crate::Severity;

/// The number of a diagnostic, such as `V0201`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(&'static Entry);

/// What the catalogue knows of a code.
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    /// `V0201`.
    pub number: &'static str,
    /// A few words.
    pub title: &'static str,
    /// The usual severity.
    pub severity: Severity,
    /// Who finds it.
    pub found_by: FoundBy,
    /// Why it exists and what to do, a paragraph.
    pub explanation: &'static str,
    /// A site file (or settings) that draws it.
    pub wrong: &'static str,
    /// The same, right.
    pub right: &'static str,
}

/// Who finds a mistake: it says against what the examples can be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FoundBy {
    /// Reading the text of a site file; the examples are whole site files.
    Site,
    /// Reading the text of the settings; the examples are whole settings files.
    Settings,
    /// Looking at what the settings name on this machine; the examples are whole settings files, and only illustrate.
    Machine,
    /// Something beside the text: other sites, files, owners, the clock. The examples only illustrate.
    Context,
}

impl Code {
    /// Its entry.
    pub fn entry(self) -> &'static Entry {
        self.0
    }
    /// Finds a code by its number, any case.
    pub fn find(number: &str) -> Option<Self> {
        ALL.iter().copied().find(|code| code.0.number.eq_ignore_ascii_case(number))
    }
}
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.number)
    }
}
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.number)
    }
}

/// Declares codes and, for the order of the whole, the list of them.
macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $value:expr),* $(,)? })*) => {
        $( $(#[$doc])* pub const $name: Code = Code(&Entry { $($field: $value),* }); )*
        pub(super) const CODES: &[Code] = &[$($name),*];
    };
}

mod certificates;
mod files;
mod hosts;
mod keys;
mod routes;
mod settings;
mod text;

pub use self::{certificates::*, files::*, hosts::*, keys::*, routes::*, settings::*, text::*};

/// Every code, in order of number.
pub const ALL: &[Code] = &joined::<COUNT>();

const CHAPTERS: [&[Code]; 7] =
    [text::CODES, keys::CODES, hosts::CODES, routes::CODES, certificates::CODES, files::CODES, settings::CODES];

const COUNT: usize = {
    let (mut count, mut chapter) = (0, 0);
    while chapter < CHAPTERS.len() {
        count += CHAPTERS[chapter].len();
        chapter += 1;
    }
    count
};

const fn joined<const N: usize>() -> [Code; N] {
    let mut all = [text::SYNTAX; N];
    let (mut at, mut chapter) = (0, 0);
    while chapter < CHAPTERS.len() {
        let mut entry = 0;
        while entry < CHAPTERS[chapter].len() {
            all[at] = CHAPTERS[chapter][entry];
            entry += 1;
            at += 1;
        }
        chapter += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_in_order() {
        let numbers: Vec<_> = ALL.iter().map(|code| code.entry().number).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        for number in numbers {
            let digits = number.strip_prefix('V').unwrap();
            assert!(digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit()), "{number}");
        }
    }

    #[test]
    fn every_entry_is_filled_in() {
        for code in ALL {
            let entry = code.entry();
            for (what, text) in [
                ("title", entry.title),
                ("explanation", entry.explanation),
                ("wrong", entry.wrong),
                ("right", entry.right),
            ] {
                assert!(!text.trim().is_empty(), "{code} has no {what}");
            }
            assert!(entry.explanation.ends_with('.'), "{code}: an explanation is whole sentences");
            assert!(!entry.title.ends_with('.'), "{code}: a title is no sentence");
            assert_ne!(entry.wrong, entry.right, "{code}");
        }
    }

    #[test]
    fn a_code_is_found_in_any_case() {
        assert_eq!(Code::find("v0201"), Some(UNKNOWN_KEY));
        assert_eq!(Code::find("V9999"), None);
    }
}
