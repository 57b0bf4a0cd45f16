//! A mapping whose keys a [`Table`] names: finds the unknown, the doubled and the empty, hands out the rest.

use vestibule_diagnostics::{Diagnostic, Span, catalogue, nearest, quote};

use crate::{
    findings::Findings,
    schema::{
        self,
        table::{Key, Table},
    },
    yaml::{MapKey, Node, Value},
};

/// The known keys of one mapping.
#[derive(Debug)]
pub(crate) struct Fields<'t> {
    table: &'static Table,
    found: Vec<Field<'t>>,
    /// Keys that were written but whose values were refused already: they are not missing.
    refused: Vec<&'static str>,
}

/// One known key and its value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'t> {
    pub(crate) key: &'static Key,
    pub(crate) key_span: Span,
    pub(crate) node: &'t Node,
}

impl<'t> Fields<'t> {
    /// Opens a mapping; `what` says what it is where it is none.
    pub(crate) fn open(what: &str, node: &'t Node, table: &'static Table, findings: &mut Findings) -> Option<Self> {
        let entries = match &node.value {
            Value::Mapping(entries) => entries,
            Value::Refused => return None,
            _ => {
                findings.push(
                    Diagnostic::new(catalogue::WRONG_TYPE, format!("{what} is a mapping, not {}", node.kind()))
                        .at(node.span, "`key: value` is expected")
                        .help(format!("its keys are {}", all_keys(table))),
                );
                return None;
            }
        };
        let mut fields = Self { table, found: Vec::new(), refused: Vec::new() };
        let mut seen = Seen::default();
        for (written, node) in entries {
            if seen.again(written, findings) {
                continue;
            }
            match table.key(&written.text) {
                Some(key) => fields.enter(Field { key, key_span: written.span, node }, findings),
                None => fields.enter_unknown(written, findings),
            }
        }
        Some(fields)
    }

    fn enter(&mut self, field: Field<'t>, findings: &mut Findings) {
        match field.node.value {
            Value::Null => {
                self.refused.push(field.key.name);
                findings.push(
                    Diagnostic::new(catalogue::WRONG_TYPE, format!("`{}` has no value", field.key.name))
                        .at(field.key_span, "nothing follows")
                        .help(format!("it takes {}; remove the key to keep the default", field.key.shape)),
                );
            }
            Value::Refused => self.refused.push(field.key.name),
            _ => self.found.push(field),
        }
    }

    fn enter_unknown(&mut self, written: &MapKey, findings: &mut Findings) {
        // Looking for what was meant is the one costly step, so it is not done for findings that nobody will see.
        let meant = if findings.is_full() { None } else { Meant::by(&written.text, self.table) };
        if let Some(Meant::Key(key, _)) = &meant {
            // It is there, only misspelt: saying that it is missing would be noise.
            self.refused.push(key);
        }
        let help = match meant {
            Some(Meant::Key(_, help) | Meant::Elsewhere(help)) => help,
            None => format!("the keys here are {}", all_keys(self.table)),
        };
        findings.push(
            Diagnostic::new(catalogue::UNKNOWN_KEY, format!("unknown key {}", quote(&written.text)))
                .at(written.span, format!("not a key of {}", self.table.place))
                .help(help),
        );
    }

    /// The value of a key, if it was written and is no nonsense.
    pub(crate) fn take(&self, name: &'static str) -> Option<Field<'t>> {
        debug_assert!(self.table.key(name).is_some(), "`{name}` is in the table of {}", self.table.place);
        self.found.iter().find(|field| field.key.name == name).copied()
    }

    /// The value of a key without which the mapping says nothing; `place` is where to point when it is missing.
    pub(crate) fn require(&self, name: &'static str, place: Span, findings: &mut Findings) -> Option<Field<'t>> {
        let field = self.take(name);
        if field.is_none() && !self.refused.contains(&name) {
            findings.push(
                Diagnostic::new(catalogue::MISSING_KEY, format!("`{name}` is missing in {}", self.table.place))
                    .at(place, format!("no `{name}` here")),
            );
        }
        field
    }

    /// Was the key written, sense or nonsense?
    pub(crate) fn mentions(&self, name: &'static str) -> bool {
        self.take(name).is_some() || self.refused.contains(&name)
    }
}

/// The keys of a mapping so far.
#[derive(Default)]
pub(crate) struct Seen<'t>(std::collections::HashMap<&'t str, Span>);

impl<'t> Seen<'t> {
    /// Was this key written before? Then that has been said.
    pub(crate) fn again(&mut self, key: &'t MapKey, findings: &mut Findings) -> bool {
        let first = *self.0.entry(&key.text).or_insert(key.span);
        let again = first != key.span;
        if again {
            findings.push(
                Diagnostic::new(catalogue::DUPLICATE_KEY, format!("{} is written twice", quote(&key.text)))
                    .at(key.span, "again here")
                    .and_at(first, "first here")
                    .help("keep one of them"),
            );
        }
        again
    }
}

/// What was probably meant by an unknown key.
enum Meant {
    /// That key of the same mapping.
    Key(&'static str, String),
    /// A key of another place.
    Elsewhere(String),
}

impl Meant {
    /// A slip, another program's word, or a key of another place.
    fn by(written: &str, table: &'static Table) -> Option<Self> {
        if let Some(name) = nearest(written, table.keys.iter().map(|key| key.name)) {
            return Some(Self::Key(name, format!("write `{name}`")));
        }
        let wanted = written.to_ascii_lowercase().replace('-', "_");
        if let Some(key) = table.keys.iter().find(|key| key.elsewhere.contains(&wanted.as_str())) {
            return Some(Self::Key(key.name, format!("it is called `{}` here", key.name)));
        }
        if let Some(other) = schema::other_file(table, &wanted) {
            let help = format!("`{wanted}` is a key of {}, and this is read as {}", other.place, table.place);
            return Some(Self::Elsewhere(help));
        }
        let (home, key) = schema::homes_of(table, &wanted).next()?;
        Some(Self::Elsewhere(format!("`{}` is a key of {}", key.name, home.place)))
    }
}

fn all_keys(table: &Table) -> String {
    table.keys.iter().map(|key| format!("`{}`", key.name)).collect::<Vec<_>>().join(", ")
}
