//! Scalars and lists: the shapes that every other reader is made of.

use std::{fmt, path::PathBuf};

use vestibule_diagnostics::{Code, Diagnostic, Span, catalogue, quote};

use super::fields::Field;
use crate::{
    findings::Findings,
    schema::table::Shape,
    site::Spanned,
    yaml::{Node, Value},
};

/// The longest path of a file (PATH_MAX of Linux).
const PATH_LIMIT: usize = 4096;

/// A scalar as it was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar<'t> {
    pub(crate) text: &'t str,
    pub(crate) quoted: bool,
    pub(crate) span: Span,
}

impl<'t> Scalar<'t> {
    /// A value at the place of this scalar.
    pub(crate) fn spanned<T>(&self, value: T) -> Spanned<T> {
        Spanned { value, span: self.span }
    }

    /// A finding at the place of this scalar.
    pub(crate) fn finding(&self, code: Code, message: impl Into<String>, label: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, message).at(self.span, label)
    }

    /// A finding that this is no `what`; the error says why and, behind its last colon, what to write.
    pub(crate) fn is_not(&self, code: Code, what: &str, error: &dyn fmt::Display) -> Diagnostic {
        let error = error.to_string();
        let message = format!("{} is not {what}", self.quoted());
        match error.rsplit_once(": ") {
            Some((why, advice)) => self.finding(code, message, why).help(advice),
            None => self.finding(code, message, error),
        }
    }

    /// The text in backticks, safe for a message.
    pub(crate) fn quoted(&self) -> String {
        quote(self.text)
    }

    /// Nothing but digits?
    pub(crate) fn is_digits(&self) -> bool {
        !self.text.is_empty() && self.text.bytes().all(|b| b.is_ascii_digit())
    }

    /// The scalar of a node; anything else has been refused.
    pub(crate) fn of(node: &'t Node, name: &str, shape: &Shape, findings: &mut Findings) -> Option<Self> {
        let (text, quoted) = match &node.value {
            Value::Plain(text) => (text, false),
            Value::Quoted(text) => (text, true),
            Value::Refused => return None,
            Value::Null | Value::List(_) | Value::Mapping(_) => {
                findings.push(wrong_type(node, name, shape));
                return None;
            }
        };
        Some(Self { text, quoted, span: node.span })
    }
}

/// `{name}` takes {shape}, not {what the node is}.
pub(crate) fn wrong_type(node: &Node, name: &str, shape: &Shape) -> Diagnostic {
    let (message, label) = match node.value {
        Value::Null => (format!("an item of {name} has no value"), "nothing is here".to_owned()),
        _ => (format!("{name} takes {shape}, not {}", node.kind()), format!("this is {}", node.kind())),
    };
    Diagnostic::new(catalogue::WRONG_TYPE, message).at(node.span, label)
}

impl<'t> Field<'t> {
    /// The key's name in backticks.
    pub(crate) fn name(&self) -> String {
        format!("`{}`", self.key.name)
    }

    /// The value as text.
    pub(crate) fn scalar(&self, findings: &mut Findings) -> Option<Scalar<'t>> {
        Scalar::of(self.node, &self.name(), &self.key.shape, findings)
    }

    /// One value or the values of a list, within the number that the table allows.
    pub(crate) fn items(&self, findings: &mut Findings) -> &'t [Node] {
        items(self.node, &self.name(), &self.key.shape, findings)
    }

    /// The value as one of the table's words.
    pub(crate) fn choice(&self, findings: &mut Findings) -> Option<(Scalar<'t>, &'static str)> {
        choice(self.node, &self.name(), &self.key.shape, findings)
    }

    /// The value as true or false, and nothing that only resembles them.
    pub(crate) fn flag(&self, findings: &mut Findings) -> Option<bool> {
        let scalar = self.scalar(findings)?;
        match (scalar.text, scalar.quoted) {
            ("true", false) => return Some(true),
            ("false", false) => return Some(false),
            _ => {}
        }
        let help = match scalar.text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" | "1" => "write `true`, without quotes",
            "false" | "no" | "off" | "n" | "0" => "write `false`, without quotes",
            _ => "write `true` or `false`",
        };
        let message = format!("{} takes true or false, not {}", self.name(), scalar.quoted());
        findings.push(scalar.finding(catalogue::WRONG_TYPE, message, "this is text").help(help));
        None
    }

    /// The value as an absolute path of a file.
    pub(crate) fn absolute_path(&self, findings: &mut Findings) -> Option<Spanned<PathBuf>> {
        let scalar = self.scalar(findings)?;
        if !scalar.text.starts_with('/') {
            let message = format!("{} is not an absolute path", scalar.quoted());
            findings.push(
                scalar
                    .finding(catalogue::BAD_VALUE, message, "does not begin with `/`")
                    .note("the gateway's working directory is not yours")
                    .help("write the whole path, from `/`"),
            );
            return None;
        }
        path(&scalar, findings)
    }
}

/// One of the shape's words.
pub(crate) fn choice<'t>(
    node: &'t Node,
    name: &str,
    shape: &Shape,
    findings: &mut Findings,
) -> Option<(Scalar<'t>, &'static str)> {
    let Some(words) = choices(shape) else {
        debug_assert!(false, "{name} has choices in its table");
        return None;
    };
    let scalar = Scalar::of(node, name, shape, findings)?;
    let found = words.iter().find(|word| **word == scalar.text);
    if found.is_none() {
        let message = format!("{name} cannot be {}", scalar.quoted());
        let meant = vestibule_diagnostics::nearest(scalar.text, words.iter().copied());
        let help = meant.map_or_else(|| format!("it takes {shape}"), |word| format!("write `{word}`"));
        findings.push(scalar.finding(catalogue::BAD_VALUE, message, "not one of its values").help(help));
    }
    found.map(|word| (scalar, *word))
}

/// A path that the system could open.
pub(crate) fn path(scalar: &Scalar<'_>, findings: &mut Findings) -> Option<Spanned<PathBuf>> {
    let wrong = if scalar.text.is_empty() {
        "the path is empty"
    } else if scalar.text.contains(char::is_control) {
        "a path has no control characters"
    } else if scalar.text.len() > PATH_LIMIT {
        "the path is too long"
    } else {
        return Some(scalar.spanned(PathBuf::from(scalar.text)));
    };
    findings.push(scalar.finding(catalogue::BAD_VALUE, wrong, "cannot be a path"));
    None
}

/// One value or the values of a list, within the number that the shape allows.
pub(crate) fn items<'t>(node: &'t Node, name: &str, shape: &Shape, findings: &mut Findings) -> &'t [Node] {
    let Value::List(items) = &node.value else { return std::slice::from_ref(node) };
    let (most, may_be_empty) = list_bounds(shape);
    if items.is_empty() && !may_be_empty {
        findings.push(
            Diagnostic::new(catalogue::OUT_OF_RANGE, format!("{name} is an empty list"))
                .at(node.span, "at least one item is needed"),
        );
    }
    if items.len() > most {
        findings.push(
            Diagnostic::new(catalogue::OUT_OF_RANGE, format!("{name} has {} items", items.len()))
                .at(items[most].span, format!("no more than {most} are allowed")),
        );
    }
    &items[..items.len().min(most)]
}

fn list_bounds(shape: &Shape) -> (usize, bool) {
    match shape {
        Shape::OneOrMore { most, .. } => (*most, false),
        Shape::AnyNumber { most, .. } => (*most, true),
        Shape::Either(shapes) => shapes.iter().find(|shape| shape.takes_list()).map_or((1, false), list_bounds),
        _ => (1, false),
    }
}

fn choices(shape: &Shape) -> Option<&'static [&'static str]> {
    match shape {
        Shape::Choice(words) => Some(words),
        Shape::OneOrMore { of, .. } => choices(of),
        Shape::Either(shapes) => shapes.iter().find_map(choices),
        _ => None,
    }
}
