//! [`RoutePath`] and the one normal form of a request path: what is judged is what is forwarded.
//!
//! Normal form: percent-escapes of unreserved characters decoded, other escapes in upper case, dot segments removed
//! (RFC 3986 section 6.2.2), repeated slashes merged (before dot segments are removed). Refused, because two readers could
//! understand them differently: `%2f`, `%5c`, `%00` and other escaped controls, escapes that are an over-long UTF-8
//! spelling of ASCII (`%c0%af`), a raw backslash, bad escapes, path parameters on dot segments (`..;`), dot segments above
//! the root, raw control or non-ASCII bytes, blanks, a query, a fragment.

use std::{
    borrow::Cow,
    fmt,
    str::FromStr,
    sync::{Arc, LazyLock},
};

/// A path prefix of a route in normal form: begins with `/`, no trailing slash unless it is the root itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RoutePath(Arc<str>);

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// A path begins with a slash (RFC 9112 section 3.2.1).
    #[error("the path does not begin with a slash: write it as in /api")]
    NoLeadingSlash,
    /// `?` begins the query, which is no part of the path.
    #[error("the path has a query: leave away everything from the `?` on")]
    Query,
    /// Fragments are never sent (RFC 9110 section 4.2.5).
    #[error("the path has a fragment: leave away everything from the `#` on")]
    Fragment,
    /// Windows and some frameworks read it as a slash.
    #[error("the path has a backslash: write a slash")]
    Backslash,
    /// A blank or a control character.
    #[error("the path has the byte {0:#04x}: blanks are written as %20, and control characters are not possible")]
    Control(u8),
    /// A raw byte beyond ASCII.
    #[error("the path is not ASCII: write other letters as percent-escaped UTF-8, such as %C3%A9")]
    NonAscii,
    /// `%`, `%4`, `%zz`.
    #[error("the path has a `%` that is not followed by two hexadecimal digits: a percent sign itself is written %25")]
    BadEscape,
    /// `%2f`: some backends take it for a separator, others for a character.
    #[error("the path has an escaped slash (%2F): readers disagree on it, so write a plain slash or another character")]
    EscapedSlash,
    /// `%5c`.
    #[error("the path has an escaped backslash (%5C): readers disagree on it, so write a slash or another character")]
    EscapedBackslash,
    /// `%00` to `%1f`, `%7f`.
    #[error("the path has the escaped control character %{0:02X}: leave it away")]
    EscapedControl(u8),
    /// `%c0%af`: not UTF-8, but lenient readers take it for a slash (RFC 3629 section 10).
    #[error("the path has escapes that are no shortest UTF-8: write ASCII characters plainly")]
    OverlongEscape,
    /// `/..;/`: servlet containers drop the parameter and then see a dot segment.
    #[error("the path has a parameter on a dot segment (`..;`): leave both away")]
    DotParameter,
    /// `/../x`.
    #[error("the path climbs above the root: write as many `..` as there are segments before them")]
    AboveRoot,
}

impl RoutePath {
    /// Parses a prefix as a site file writes it; a trailing slash is dropped.
    ///
    /// # Errors
    /// As [`normalise`].
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let normal = normalise(text)?;
        let trimmed = normal.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(&normal);
        Ok(Self(Arc::from(trimmed)))
    }

    /// The root, `/`.
    pub fn root() -> Self {
        // The path of most routes: one text for all of them.
        static ROOT: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("/"));
        Self(Arc::clone(&ROOT))
    }

    /// The normal form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Does this prefix cover that normalised path, by whole segments? `/api` covers `/api` and `/api/x`, not `/apix`.
    pub fn covers(&self, normalised: &str) -> bool {
        if &*self.0 == "/" {
            return normalised.starts_with('/');
        }
        normalised.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for RoutePath {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}
impl fmt::Display for RoutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Brings the path of a request (no query) into normal form; borrowed when it already is.
///
/// # Errors
/// The first reason from left to right; what dot segments do is judged last.
pub fn normalise(path: &str) -> Result<Cow<'_, str>, PathError> {
    if !path.starts_with('/') {
        return Err(PathError::NoLeadingSlash);
    }
    match judge(path.as_bytes())? {
        Shape::Normal => Ok(Cow::Borrowed(path)),
        Shape::Segments => resolve_segments(path).map(Cow::Owned),
        Shape::Escapes => resolve_segments(&rewrite_escapes(path)).map(Cow::Owned),
    }
}

/// What has to be rewritten.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    /// Nothing.
    Normal,
    /// Empty or dot segments, perhaps.
    Segments,
    /// Escapes, and then perhaps segments.
    Escapes,
}

/// The one scan that every path gets. Everything but dot segments is accepted or refused here.
fn judge(bytes: &[u8]) -> Result<Shape, PathError> {
    let mut shape = Shape::Normal;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'/' if is_unusual_segment(&bytes[at + 1..]) => shape = shape.max(Shape::Segments),
            b'%' => {
                shape = shape.max(judge_escape(&bytes[at..])?);
                at += 2;
            }
            b'?' => return Err(PathError::Query),
            b'#' => return Err(PathError::Fragment),
            b'\\' => return Err(PathError::Backslash),
            0..=b' ' | 0x7f => return Err(PathError::Control(byte)),
            0x80.. => return Err(PathError::NonAscii),
            _ => {}
        }
        at += 1;
    }
    Ok(shape)
}

/// An empty segment in the middle, or one that is or begins like a dot segment (`.well-known` does not).
fn is_unusual_segment(rest: &[u8]) -> bool {
    let after_dots = match rest {
        [b'/', ..] => return true,
        [b'.', b'.', after @ ..] | [b'.', after @ ..] => after,
        _ => return false,
    };
    // An escaped dot behind the dots needs no mention: unreserved escapes are rewritten anyway.
    matches!(after_dots, [] | [b'/' | b';', ..] | [b'%', b'3', b'B' | b'b', ..])
}

/// `rest` begins with the percent sign.
fn judge_escape(rest: &[u8]) -> Result<Shape, PathError> {
    let byte = escaped(rest).ok_or(PathError::BadEscape)?;
    match byte {
        b'/' => Err(PathError::EscapedSlash),
        b'\\' => Err(PathError::EscapedBackslash),
        0..0x20 | 0x7f => Err(PathError::EscapedControl(byte)),
        // RFC 3629 section 3: C0 and C1 never begin a sequence, E0 is followed by A0 or more, F0 by 90 or more.
        0xc0 | 0xc1 | 0xe0 | 0xf0 => match (byte, escaped(rest.get(3..).unwrap_or_default())) {
            (0xc0 | 0xc1, Some(0x80..=0xbf)) | (0xe0, Some(0x80..=0x9f)) | (0xf0, Some(0x80..=0x8f)) => {
                Err(PathError::OverlongEscape)
            }
            _ => Ok(escape_shape(rest, byte)),
        },
        _ => Ok(escape_shape(rest, byte)),
    }
}

fn escape_shape(rest: &[u8], byte: u8) -> Shape {
    let lower = rest[1..3].iter().any(u8::is_ascii_lowercase);
    if is_unreserved(byte) || lower { Shape::Escapes } else { Shape::Normal }
}

/// The byte that an escape at the front stands for.
fn escaped(text: &[u8]) -> Option<u8> {
    let &[b'%', high, low, ..] = text else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Decodes unreserved characters and brings the rest to upper case (RFC 3986 section 6.2.2.1 and 6.2.2.2).
fn rewrite_escapes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(percent) = rest.find('%') {
        out.push_str(&rest[..percent]);
        rest = &rest[percent..];
        match escaped(rest.as_bytes()) {
            Some(byte) if is_unreserved(byte) => out.push(char::from(byte)),
            _ => out.extend(rest.chars().take(3).map(|c| c.to_ascii_uppercase())),
        }
        rest = rest.get(3..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// RFC 3986 section 5.2.4, with empty segments merged; strict where that section forgives (`/..` at the root).
fn resolve_segments(path: &str) -> Result<String, PathError> {
    let mut out = String::with_capacity(path.len());
    let mut last = "";
    for segment in path.split('/') {
        last = segment;
        match segment {
            "" | "." => {}
            ".." => {
                let parent = out.rfind('/').ok_or(PathError::AboveRoot)?;
                out.truncate(parent);
            }
            _ if has_dot_parameter(segment) => return Err(PathError::DotParameter),
            _ => {
                out.push('/');
                out.push_str(segment);
            }
        }
    }
    // `/a/`, `/a/.` and `/a/b/..` all name the folder.
    if out.is_empty() || matches!(last, "" | "." | "..") {
        out.push('/');
    }
    Ok(out)
}

fn has_dot_parameter(segment: &str) -> bool {
    let after = segment.strip_prefix("..").or_else(|| segment.strip_prefix('.'));
    after.is_some_and(|rest| rest.starts_with(';') || rest.starts_with("%3B"))
}

#[cfg(test)]
mod tests;
