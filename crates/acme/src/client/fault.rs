//! [`Fault`]: one request to a CA that did not give what was asked for, before it is decided what that means (`classify`).

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use super::transport::{Answer, TransportError};
use crate::failure::printable;

/// More subproblems are not read: a certificate has at most a hundred names.
const SUBPROBLEM_LIMIT: usize = 128;
/// The namespace of RFC 8555 section 6.7.
const NAMESPACE: &str = "urn:ietf:params:acme:error:";

/// See the module.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// No answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// A problem document (RFC 9457).
    #[error("{}: {}", .0.kind, .0.detail)]
    Problem(Problem),
    /// An answer that is none of ACME: a page of some proxy, a redirect, half a document.
    #[error("HTTP status {} with {what}", .status.as_u16())]
    Strange {
        /// Its status.
        status: StatusCode,
        /// What it had, in words.
        what: &'static str,
        /// What it asked to wait.
        retry_after: Option<Duration>,
    },
    /// The library could not go on with the answer.
    #[error("{0}")]
    Library(String),
}

/// A problem document, as far as it could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Without the namespace for those of ACME (`rateLimited`); otherwise as it is.
    pub(crate) kind: String,
    /// What the CA says, printable.
    pub(crate) detail: String,
    /// Of the response, or of the document.
    pub(crate) status: u16,
    /// Where a person is to look (RFC 8555 section 7.3.3).
    pub(crate) instance: Option<String>,
    /// About single names (RFC 8555 section 6.7.1).
    pub(crate) subproblems: Vec<Subproblem>,
    /// What the CA asked to wait.
    pub(crate) retry_after: Option<Duration>,
}

/// One part of a compound problem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subproblem {
    /// The identifier's value.
    pub(crate) identifier: Option<String>,
    /// As in [`Problem`].
    pub(crate) kind: String,
    /// As in [`Problem`].
    pub(crate) detail: String,
}

impl Fault {
    /// What an answer without success says.
    pub(super) fn of(answer: &Answer) -> Self {
        let strange = |what| Self::Strange { status: answer.status, what, retry_after: answer.retry_after };
        if answer.status.is_redirection() {
            return strange("a redirect, which is not followed");
        }
        if answer.body.is_empty() {
            return strange("nothing else");
        }
        let document = serde_json::from_slice::<Value>(&answer.body).ok();
        match document.and_then(|document| Problem::read(&document)) {
            Some(problem) => {
                Self::Problem(Problem { status: answer.status.as_u16(), retry_after: answer.retry_after, ..problem })
            }
            None => strange("something that is no problem document"),
        }
    }

    /// The type of the problem, if it is one.
    pub(super) fn problem_type(&self) -> Option<&str> {
        match self {
            Self::Problem(problem) => Some(&problem.kind),
            _ => None,
        }
    }

    /// The status of the answer, if there was one.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Problem(problem) => Some(problem.status),
            Self::Strange { status, .. } => Some(status.as_u16()),
            Self::Transport(_) | Self::Library(_) => None,
        }
    }

    /// What the CA asked to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Problem(problem) => problem.retry_after,
            Self::Strange { retry_after, .. } => *retry_after,
            Self::Transport(_) | Self::Library(_) => None,
        }
    }

    /// May the same request work in a moment? The CA is busy, was not reached, or broke off: it refused nothing.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Transport(TransportError::Url(_) | TransportError::Roots(_)) => false,
            Self::Transport(_) => true,
            Self::Problem(problem) => problem.status >= 500 || problem.kind == "badNonce" || problem.status == 429,
            Self::Strange { status, .. } => status.is_server_error() || status.as_u16() == 429,
            Self::Library(_) => false,
        }
    }
}

impl Problem {
    /// `None` when it is no object, or has neither a type nor a detail.
    pub(super) fn read(document: &Value) -> Option<Self> {
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        let (kind, detail) = (text("type"), text("detail").or_else(|| text("title")));
        if kind.is_none() && detail.is_none() {
            return None;
        }
        let parts = document.get("subproblems").and_then(Value::as_array);
        Some(Self {
            kind: short(kind.unwrap_or("about:blank")),
            detail: printable(detail.unwrap_or_default()),
            status: document.get("status").and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok()).unwrap_or(0),
            instance: text("instance").map(printable),
            subproblems: parts.into_iter().flatten().take(SUBPROBLEM_LIMIT).map(Subproblem::read).collect(),
            retry_after: None,
        })
    }
}

impl Subproblem {
    fn read(document: &Value) -> Self {
        let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
        let identifier = document.get("identifier").and_then(|identifier| identifier.get("value")?.as_str());
        Self { identifier: identifier.map(printable), kind: short(text("type")), detail: printable(text("detail")) }
    }
}

fn short(kind: &str) -> String {
    printable(kind.strip_prefix(NAMESPACE).unwrap_or(kind))
}

impl From<instant_acme::Error> for Fault {
    fn from(error: instant_acme::Error) -> Self {
        use instant_acme::Error;
        match error {
            // What the transport had to say passes through the library in this box.
            Error::Other(other) => match other.downcast::<Self>() {
                Ok(fault) => *fault,
                Err(other) => Self::Library(printable(&other.to_string())),
            },
            Error::Api(problem) => Self::Problem(problem.into()),
            other => Self::Library(printable(&other.to_string())),
        }
    }
}

impl From<instant_acme::Problem> for Problem {
    fn from(problem: instant_acme::Problem) -> Self {
        let part = |part: instant_acme::Subproblem| Subproblem {
            identifier: part.identifier.map(|identifier| printable(&identifier.authorized(false).to_string())),
            kind: short(&part.r#type.unwrap_or_default()),
            detail: printable(&part.detail.unwrap_or_default()),
        };
        Self {
            kind: short(problem.r#type.as_deref().unwrap_or("about:blank")),
            detail: printable(&problem.detail.unwrap_or_default()),
            status: problem.status.unwrap_or_default(),
            instance: None,
            subproblems: problem.subproblems.into_iter().take(SUBPROBLEM_LIMIT).map(part).collect(),
            retry_after: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_is_read_as_far_as_it_can_be() {
        let document = json!({
            "type": "urn:ietf:params:acme:error:compound", "detail": "two\nfailed", "status": 403, "instance": 7,
            "subproblems": [
                {"type": "urn:ietf:params:acme:error:caa", "detail": "no", "identifier": {"type": "dns", "value": "a.test"}},
                {"type": "https://ca.test/errors/odd", "identifier": {"type": "future", "value": ["b"]}},
                "garbage",
            ],
        });
        let problem = Problem::read(&document).unwrap();
        assert_eq!((&*problem.kind, &*problem.detail, problem.status), ("compound", "two failed", 403));
        assert_eq!(problem.instance, None);
        let parts: Vec<_> =
            problem.subproblems.iter().map(|part| (part.identifier.as_deref(), &*part.kind, &*part.detail)).collect();
        let odd = "https://ca.test/errors/odd";
        assert_eq!(parts, [(Some("a.test"), "caa", "no"), (None, odd, ""), (None, "", "")]);
    }

    #[test]
    fn what_is_no_problem_document_is_none() {
        for document in [json!(null), json!([]), json!("x"), json!({}), json!({"status": 500}), json!({"type": 5})] {
            assert_eq!(Problem::read(&document), None, "{document}");
        }
    }
}
