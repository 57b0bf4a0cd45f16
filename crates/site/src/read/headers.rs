//! `headers`: fields to set and remove, as far as they are not the gateway's own.

use std::collections::{BTreeMap, HashMap};

use vestibule_diagnostics::{Diagnostic, Span, catalogue};

use super::{
    fields::{Field, Fields, Seen},
    values::{Scalar, wrong_type},
};
use crate::{
    findings::Findings,
    schema::{site_keys, table::Shape},
    site::Headers,
    yaml::Value,
};

/// The longest name of a field.
const NAME_LIMIT: usize = 128;
/// The longest value of a field.
const VALUE_LIMIT: usize = 4096;

/// Framing and connection fields (RFC 9110 section 7.6.1, RFC 9112), and those by which the gateway says who asks for
/// what. `proxy` is the environment variable HTTP_PROXY to a CGI program.
const RESERVED: [&str; 21] = [
    "alt-used",
    "client-cert",
    "client-cert-chain",
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-original-host",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];
const RESERVED_PREFIXES: [&str; 4] = ["proxy-", "x-forwarded-", "sec-websocket-", "x-vestibule-"];

/// One direction's changes: set and remove.
type Changes = (BTreeMap<String, String>, Vec<String>);

/// The header changes of a site or route.
pub(super) fn headers(field: Option<Field<'_>>, findings: &mut Findings) -> Headers {
    let Some(field) = field else { return Headers::default() };
    let Some(fields) = Fields::open("`headers`", field.node, &site_keys::HEADERS, findings) else {
        return Headers::default();
    };
    let (request_set, request_remove) = changes(fields.take("request"), findings);
    let (response_set, response_remove) = changes(fields.take("response"), findings);
    Headers { request_set, request_remove, response_set, response_remove }
}

fn changes(field: Option<Field<'_>>, findings: &mut Findings) -> Changes {
    let Some(field) = field else { return Changes::default() };
    let Some(fields) = Fields::open(&field.name(), field.node, &site_keys::HEADER_CHANGES, findings) else {
        return Changes::default();
    };
    let mut places = HashMap::new();
    let set = fields.take("set").map(|field| set(field, &mut places, findings)).unwrap_or_default();
    let remove = fields.take("remove").map(|field| remove(field, &places, findings)).unwrap_or_default();
    (set, remove)
}

fn set(field: Field<'_>, places: &mut HashMap<String, Span>, findings: &mut Findings) -> BTreeMap<String, String> {
    let mut set = BTreeMap::new();
    let Value::Mapping(entries) = &field.node.value else {
        findings.push(
            wrong_type(field.node, &field.name(), &field.key.shape).help("write `Name: value`, each on its own line"),
        );
        return set;
    };
    let Shape::Entries { of, most, .. } = &field.key.shape else { return set };
    let mut seen = Seen::default();
    for (key, node) in entries {
        if seen.again(key, findings) {
            continue;
        }
        let name = name(&Scalar { text: &key.text, quoted: false, span: key.span }, findings);
        let value = Scalar::of(node, &vestibule_diagnostics::quote(&key.text), of, findings);
        let value = value.and_then(|scalar| self::value(&scalar, findings));
        let (Some(name), Some(value)) = (name, value) else { continue };
        if set.len() == *most {
            findings.push(
                Diagnostic::new(catalogue::OUT_OF_RANGE, format!("{} has more than {most} fields", field.name()))
                    .at(key.span, "one too many"),
            );
            break;
        }
        if let Some(first) = places.insert(name.clone(), key.span) {
            findings.push(twice(&name, key.span, first));
            continue;
        }
        set.insert(name, value);
    }
    set
}

fn remove(field: Field<'_>, set: &HashMap<String, Span>, findings: &mut Findings) -> Vec<String> {
    let mut removed: Vec<String> = Vec::new();
    for node in field.items(findings) {
        let Some(scalar) = Scalar::of(node, "an item of `remove`", &Shape::Text("a field name"), findings) else {
            continue;
        };
        let Some(name) = name(&scalar, findings) else { continue };
        if let Some(first) = set.get(&name) {
            findings.push(
                scalar
                    .finding(catalogue::CONFLICTING_KEYS, format!("`{name}` is both set and removed"), "removed here")
                    .and_at(*first, "set here")
                    .help("`set` replaces what is there already; remove one of the two"),
            );
        } else if !removed.contains(&name) {
            removed.push(name);
        }
    }
    removed
}

fn twice(name: &str, again: Span, first: Span) -> Diagnostic {
    Diagnostic::new(catalogue::DUPLICATE_KEY, format!("`{name}` is set twice"))
        .at(again, "again here")
        .and_at(first, "first here")
        .note("letter case makes no difference in field names")
}

/// The name of a field in lower case, if it is one that a site may change.
fn name(scalar: &Scalar<'_>, findings: &mut Findings) -> Option<String> {
    let is_token = !scalar.text.is_empty() && scalar.text.len() <= NAME_LIMIT && scalar.text.bytes().all(is_token_byte);
    if !is_token {
        findings.push(
            scalar
                .finding(catalogue::BAD_HEADER, format!("{} is not a field name", scalar.quoted()), "not a field name")
                .help("field names consist of letters, digits and hyphens"),
        );
        return None;
    }
    let name = scalar.text.to_ascii_lowercase();
    if is_reserved(&name) {
        findings.push(
            scalar
                .finding(
                    catalogue::RESERVED_HEADER,
                    format!("`{name}` is written by the gateway alone"),
                    "cannot be changed here",
                )
                .note("a wrong value here could make two readers understand one message differently"),
        );
        return None;
    }
    Some(name)
}

/// The value of a field, if it can be one (RFC 9110 section 5.5, without the obsolete bytes above ASCII).
pub(super) fn value(scalar: &Scalar<'_>, findings: &mut Findings) -> Option<String> {
    let text = scalar.text;
    let wrong = if text.len() > VALUE_LIMIT {
        "is too long for a field value"
    } else if text.bytes().any(|b| b != b'\t' && !(b' '..=b'~').contains(&b)) {
        "has a line end, control or non-ASCII character"
    } else if text.trim() != text {
        "begins or ends with a blank"
    } else {
        return Some(text.to_owned());
    };
    let message = format!("{} {wrong}", scalar.quoted());
    findings.push(
        scalar
            .finding(catalogue::BAD_HEADER, message, "not a field value")
            .help("a field value is one line of visible ASCII characters, blanks and tabs"),
    );
    None
}

/// RFC 9110 section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Also in the spellings that CGI and its heirs fold onto the reserved ones (`X_Forwarded_For`, `X.Forwarded.For`).
fn is_reserved(lower_case: &str) -> bool {
    let folded = lower_case.replace(['_', '.'], "-");
    RESERVED.contains(&folded.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| folded.starts_with(prefix))
}
