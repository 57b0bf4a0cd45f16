//! Text → [`Node`]s: the part of YAML that a file of ours may use, within budgets.
//!
//! `serde_yaml` reads into a tree of our own and not into structs, for three reasons: a scalar keeps the text that was
//! written (`1.10` is no number to a header), every node and key keeps its place, and what is wrong with keys and
//! values is said all at once. Text that is no YAML, or uses more of it than is allowed here (anchors, aliases, further
//! documents), ends the reading where it stands. Nothing is ever expanded, so no file grows beyond its own size.

mod build;
mod plain;
mod refuse;
mod syntax;
mod tree;

pub(crate) use build::parse;
#[cfg(feature = "fuzzing")]
pub(crate) use plain::agreement::hold as hold_both_readers;
use vestibule_diagnostics::Span;

/// Files longer than this are not read at all, whatever limit the settings name.
pub(crate) const TEXT_LIMIT: usize = 1 << 20;
/// Mappings and lists inside each other.
pub(crate) const DEPTH_LIMIT: usize = 16;
/// Events of the YAML reader: twice the number of values, roughly.
pub(crate) const EVENT_LIMIT: usize = 50_000;

/// What a text holds.
#[derive(Debug)]
pub(crate) enum Document {
    /// Its one value.
    Root(Node),
    /// Nothing but comments and blanks, or `~`.
    Empty,
    /// It cannot be read, which has been said.
    Unreadable,
}

/// A value and where it stands.
#[derive(Debug)]
pub(crate) struct Node {
    /// Of a scalar all of it; of a mapping or list its first piece.
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// What a node holds.
#[derive(Debug)]
pub(crate) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// Text without quotes, as written.
    Plain(String),
    /// Text in quotes or in a block.
    Quoted(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order written, doubles included.
    Mapping(Vec<(MapKey, Node)>),
    /// Something that was refused and reported already.
    Refused,
}

/// A key of a mapping.
#[derive(Debug)]
pub(crate) struct MapKey {
    pub(crate) span: Span,
    pub(crate) text: String,
}

impl Node {
    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Plain(_) | Value::Quoted(_) => "text",
            Value::List(_) => "a list",
            Value::Mapping(_) => "a mapping",
            Value::Refused => "something refused",
        }
    }
}
