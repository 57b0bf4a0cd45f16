//! Text → [`Node`]s: the part of YAML that a file of ours may use, within budgets.
//!
//! Built on the parser's events and not on Deserialize, for three reasons: a scalar keeps the text that was written
//! (`1.10` is no number to a header), every node and key keeps its place, and whatever is refused (tags, anchors,
//! aliases, merge keys, further documents) is reported without ending the reading. Aliases are never expanded, so no
//! file grows beyond its own size.

mod build;
mod syntax;

pub(crate) use build::parse;
use vestibule_diagnostics::Span;

/// Files longer than this are not read at all, whatever limit the settings name.
pub(crate) const TEXT_LIMIT: usize = 1 << 20;
/// Mappings and lists inside each other.
pub(crate) const DEPTH_LIMIT: usize = 16;
/// Events of the parser: twice the number of values, roughly.
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
