//! Header changes of a site and of its routes, merged and ready to apply. The route wins, name by name.
//!
//! Which names may be changed at all is the grammar's decision (V0209), not this file's.

use std::{collections::BTreeMap, sync::Arc};

use http::{HeaderName, HeaderValue};
use vestibule_diagnostics::{Diagnostic, catalogue};
use vestibule_site::site::Headers;

use crate::HeaderChanges;

/// The most header changes of one site, summed over the routes that have their own: every such route repeats the
/// site's, and a small file must not become a large vhost.
const MERGED_LIMIT: usize = 10_000;

/// Why headers could not be merged.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeaderProblem {
    Name(String),
    Value(String),
    TooMany,
}

impl HeaderProblem {
    pub(super) fn diagnostic(&self) -> Diagnostic {
        let (code, message) = match self {
            Self::Name(name) => (catalogue::BAD_VALUE, format!("{name:?} is no header name")),
            Self::Value(name) => (catalogue::BAD_VALUE, format!("the value of {name} cannot stand in a header")),
            Self::TooMany => {
                (catalogue::OUT_OF_RANGE, format!("the routes together change more than {MERGED_LIMIT} headers"))
            }
        };
        Diagnostic::new(code, message)
    }
}

/// The site's layer, and what has been merged onto it so far.
pub(super) struct HeaderLayers<'a> {
    site: &'a Headers,
    /// What routes without headers of their own share.
    shared: Option<Arc<HeaderChanges>>,
    merged: usize,
}

impl<'a> HeaderLayers<'a> {
    pub(super) fn new(site: &'a Headers) -> Self {
        Self { site, shared: None, merged: 0 }
    }

    /// `None`: nothing is changed.
    pub(super) fn merge(&mut self, route: &'a Headers) -> Result<Option<Arc<HeaderChanges>>, HeaderProblem> {
        let is_plain = *route == Headers::default();
        if is_plain && *self.site == Headers::default() {
            return Ok(None);
        }
        if let (true, Some(shared)) = (is_plain, &self.shared) {
            return Ok(Some(Arc::clone(shared)));
        }
        if self.merged > MERGED_LIMIT {
            return Err(HeaderProblem::TooMany);
        }
        let request = Side::of([
            (&self.site.request_set, &self.site.request_remove),
            (&route.request_set, &route.request_remove),
        ])?;
        let response = Side::of([
            (&self.site.response_set, &self.site.response_remove),
            (&route.response_set, &route.response_remove),
        ])?;
        self.merged += request.len() + response.len();
        if self.merged > MERGED_LIMIT {
            return Err(HeaderProblem::TooMany);
        }
        let merged = Arc::new(HeaderChanges {
            request_remove: request.remove,
            request_set: request.set,
            response_remove: response.remove,
            response_set: response.set,
        });
        if is_plain {
            self.shared = Some(Arc::clone(&merged));
        }
        Ok(Some(merged))
    }
}

/// Changes of one direction.
#[derive(Default)]
struct Side {
    remove: Vec<HeaderName>,
    set: Vec<(HeaderName, HeaderValue)>,
}

impl Side {
    /// From the weaker layer to the stronger. Within a layer, setting beats removing: it replaces anyway.
    fn of(layers: [(&BTreeMap<String, String>, &Vec<String>); 2]) -> Result<Self, HeaderProblem> {
        let mut changes: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        for (set, remove) in layers {
            changes.extend(remove.iter().map(|name| (name.as_str(), None)));
            changes.extend(set.iter().map(|(name, value)| (name.as_str(), Some(value.as_str()))));
        }
        let mut side = Self::default();
        for (name, change) in changes {
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| HeaderProblem::Name(name.to_owned()))?;
            match change {
                None => side.remove.push(header),
                Some(text) => {
                    let value = HeaderValue::from_bytes(text.as_bytes());
                    side.set.push((header, value.map_err(|_| HeaderProblem::Value(name.to_owned()))?));
                }
            }
        }
        Ok(side)
    }

    fn len(&self) -> usize {
        self.remove.len() + self.set.len()
    }
}
