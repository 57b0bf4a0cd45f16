//! [`Wanted`]: what must arrive of a request, beside what the gateway says of the client.

use super::Arrival;

/// How the client came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Clear,
    Tls,
}

/// What must arrive: beside this, exactly what the gateway says of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) line: String,
    pub(crate) host: String,
    pub(crate) fields: Vec<String>,
    pub(crate) body: String,
    pub(crate) trailers: Vec<String>,
}

impl Wanted {
    pub(crate) fn new(line: &str, fields: &[&str], body: &str) -> Self {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        Self { line: line.to_owned(), host: "a.test".to_owned(), fields, body: body.to_owned(), trailers: Vec::new() }
    }

    pub(crate) fn with_trailers(mut self, trailers: &[&str]) -> Self {
        self.trailers = trailers.iter().map(|field| (*field).to_owned()).collect();
        self
    }

    pub(crate) fn for_host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// As the backend must get it.
    pub(crate) fn arrival(&self, transport: Transport) -> Arrival {
        let proto = match transport {
            Transport::Clear => "http",
            Transport::Tls => "https",
        };
        let host = &self.host;
        let quoted = if host.contains(':') { format!("\"{host}\"") } else { host.clone() };
        let mut fields = self.fields.clone();
        fields.extend([
            format!("host: {host}"),
            "x-forwarded-for: 127.0.0.1".to_owned(),
            format!("x-forwarded-proto: {proto}"),
            format!("x-forwarded-host: {host}"),
            format!("forwarded: for=127.0.0.1;host={quoted};proto={proto}"),
        ]);
        fields.sort();
        Arrival { line: self.line.clone(), fields, body: self.body.clone(), trailers: self.trailers.clone() }
    }
}

impl Arrival {
    /// The request id is another one each time: sixteen digits.
    pub(crate) fn without_id(mut self) -> Self {
        let is_id = |field: &String| {
            let id = field.strip_prefix("x-request-id: ");
            id.is_some_and(|id| id.len() >= 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
        };
        self.fields.retain(|field| !is_id(field));
        self
    }
}
