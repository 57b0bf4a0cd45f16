//! [`Table`], [`Key`], [`Shape`]: what a key is called, what it takes, what it means.

use std::{fmt, time::Duration};

use vestibule_names::{ByteSize, quantity::format_duration};

/// The keys of one kind of mapping.
#[derive(Debug)]
pub(crate) struct Table {
    /// Where these keys belong, as messages say it: ``a route``, `` `timeouts` ``.
    pub(crate) place: &'static str,
    pub(crate) keys: &'static [Key],
}

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    /// The default in words or as it would be written; empty where there is none.
    pub(crate) default: &'static str,
    /// What it means, a paragraph of Markdown.
    pub(crate) doc: &'static str,
    /// A piece of a file that uses it; a test compiles it (with hosts and an upstream where it has none).
    pub(crate) example: &'static str,
    /// What other programs call it: whoever writes one of these is told ours.
    pub(crate) elsewhere: &'static [&'static str],
}

/// What a key takes.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Text, in words: `a path`.
    Text(&'static str),
    /// Text for which bare digits are welcome too: `an upstream`.
    Address(&'static str),
    Flag,
    Number {
        least: u64,
        most: u64,
    },
    Duration {
        least: Duration,
        most: Duration,
    },
    Size {
        least: u64,
        most: u64,
    },
    /// A size, or `none`.
    SizeOrNone {
        least: u64,
        most: u64,
    },
    /// So many within so long, or `none`: `300/3h`.
    Rate,
    /// A program, or a list of it and its arguments.
    Command {
        most: usize,
    },
    Choice(&'static [&'static str]),
    /// One, or a list of them.
    OneOrMore {
        of: &'static Shape,
        most: usize,
    },
    /// One, or a list of them, which may be empty.
    AnyNumber {
        of: &'static Shape,
        most: usize,
    },
    Mapping(&'static Table),
    /// A mapping whose keys are the reader's own: `header names`.
    Entries {
        keys: &'static str,
        of: &'static Shape,
        most: usize,
    },
    Either(&'static [Shape]),
}

impl Table {
    pub(crate) fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// This table and those below it, each once per place.
    pub(crate) fn with_all_below(&'static self) -> Vec<&'static Self> {
        let mut all = vec![self];
        for key in self.keys {
            key.shape.tables(&mut all);
        }
        all
    }
}

impl Shape {
    fn tables(&'static self, all: &mut Vec<&'static Table>) {
        match self {
            Self::Mapping(table) => all.extend(table.with_all_below()),
            Self::OneOrMore { of, .. } | Self::AnyNumber { of, .. } | Self::Entries { of, .. } => of.tables(all),
            Self::Either(shapes) => shapes.iter().for_each(|shape| shape.tables(all)),
            _ => {}
        }
    }

    /// The mapping that this shape is, may be, or has as its values.
    pub(crate) fn table(&'static self) -> Option<&'static Table> {
        match self {
            Self::Mapping(table) => Some(table),
            Self::Entries { of, .. } => of.table(),
            Self::Either(shapes) => shapes.iter().find_map(Self::table),
            _ => None,
        }
    }

    /// May a list stand here?
    pub(crate) fn takes_list(&self) -> bool {
        match self {
            Self::OneOrMore { .. } | Self::AnyNumber { .. } => true,
            Self::Either(shapes) => shapes.iter().any(Self::takes_list),
            _ => false,
        }
    }
}

/// As messages and the reference say it: `a duration from 1ms to 1d`.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(what) | Self::Address(what) => f.write_str(what),
            Self::Flag => f.write_str("true or false"),
            Self::Number { least, most } => write!(f, "a whole number from {least} to {most}"),
            Self::Duration { least, most } => {
                write!(f, "a duration from {} to {}", format_duration(*least), format_duration(*most))
            }
            Self::Size { least, most } => write!(f, "a size from {} to {}", ByteSize(*least), ByteSize(*most)),
            Self::SizeOrNone { least, most } => {
                write!(f, "a size from {} to {}, or `none`", ByteSize(*least), ByteSize(*most))
            }
            Self::Rate => f.write_str("a number and a time, such as `50/7d`, or `none`"),
            Self::Command { .. } => f.write_str("an absolute path of a program"),
            Self::Choice(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
                match words.split_last() {
                    Some((last, before)) if !before.is_empty() => write!(f, "{} or {last}", before.join(", ")),
                    _ => f.write_str(&words.concat()),
                }
            }
            Self::OneOrMore { of, most } | Self::AnyNumber { of, most } => write!(f, "{of}, or a list of up to {most}"),
            Self::Mapping(_) => f.write_str("a mapping"),
            Self::Entries { keys, of, most } => write!(f, "a mapping of up to {most} {keys}, each with {of}"),
            Self::Either(shapes) => f.write_str(&shapes.iter().map(Self::to_string).collect::<Vec<_>>().join(", or ")),
        }
    }
}
