//! The head of a message: where it ends, and how long the body is that follows.
//!
//! Not here: what the target, `Host` or any other field means.

use memchr::{Memchr, memchr, memchr_iter};

use crate::{
    Fault, Progress,
    octets::{self, is_token, trimmed},
    target,
};

/// What a head may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The whole head, its last empty line included, bytes.
    pub head: usize,
    /// Its fields.
    pub fields: usize,
    /// The request target, bytes.
    pub target: usize,
}

/// How long a body is (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// So many bytes; zero for none.
    Known(u64),
    /// Chunks.
    Chunked,
    /// Up to the end of the connection; responses only.
    UntilClose,
}

/// What a head says about its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageHead {
    /// The length of the body.
    pub body: BodyLength,
    /// A request with `Connection: upgrade`, a response of status 101: what follows may be another protocol.
    pub upgrade: bool,
    /// The status of a response; zero for a request.
    pub status: u16,
}

/// Looks for the end of a head: past the first empty line. `seen` is how far earlier calls with the same bytes got; it is
/// moved on.
///
/// The usual case first: a head that is there, and whose lines are judged one by one when it is parsed.
fn find_end(bytes: &[u8], seen: &mut usize, limit: usize) -> Result<Option<usize>, Fault> {
    match empty_line(bytes, *seen) {
        Some(end) if end <= limit => {
            *seen = end;
            Ok(Some(end))
        }
        Some(_) | None => strict_end(bytes, seen, limit),
    }
}

/// Past the first empty line behind another line, of which so much was seen already. What no end of lines has in its place is
/// passed over four bytes at a time.
fn empty_line(bytes: &[u8], seen: usize) -> Option<usize> {
    const END: [u8; 4] = *b"\r\n\r\n";
    // The first half may be the end of the last line that was seen.
    let mut at = seen.saturating_sub(2) + END.len() - 1;
    while let Some(byte) = bytes.get(at) {
        at += match byte {
            b'\n' if bytes[at - 3..=at] == END => return Some(at + 1),
            b'\n' => 2,
            b'\r' => 1,
            _ => 4,
        };
    }
    None
}

/// Of what is wrong with a whole head, the ends of its lines come first: where they are in doubt, so is all the rest. No
/// part of a line that is parsed has room for a CR or LF, so that nobody needs to look for them in a head that is right.
fn worst(head: &[u8], fault: Fault) -> Fault {
    strict_end(head, &mut 0, head.len()).err().unwrap_or(fault)
}

/// The same as [`find_end`] line by line, each of which must end in CR LF.
fn strict_end(bytes: &[u8], seen: &mut usize, limit: usize) -> Result<Option<usize>, Fault> {
    let start = *seen;
    let mut lines = 0;
    // Every line has a CR in front of its LF: whatever there is more stands alone. Counted once, not looked for in each.
    let check = |to: usize, lines| {
        if memchr_iter(b'\r', &bytes[start..to]).count() == lines { Ok(()) } else { Err(Fault::LineEnd) }
    };
    for at in memchr_iter(b'\n', &bytes[start..]) {
        let end = start + at;
        let Some(line) = bytes[*seen..end].strip_suffix(b"\r") else { return Err(Fault::LineEnd) };
        let is_first = *seen == 0;
        lines += 1;
        *seen = end + 1;
        if *seen > limit || line.is_empty() {
            check(*seen, lines)?;
            return match () {
                () if is_first && line.is_empty() => Err(Fault::EmptyLine),
                () if *seen > limit => Err(Fault::HeadTooLarge),
                () => Ok(Some(*seen)),
            };
        }
    }
    check(*seen, lines)?;
    if bytes.len() >= limit {
        return Err(Fault::HeadTooLarge);
    }
    // A CR that is not the last byte so far has no LF behind it.
    match memchr(b'\r', &bytes[*seen..]) {
        Some(at) if *seen + at + 1 < bytes.len() => Err(Fault::LineEnd),
        _ => Ok(None),
    }
}

/// Reads the head of a request. `seen` starts at zero for each message and belongs to the caller between calls.
///
/// # Errors
/// As soon as the bytes allow; more bytes never turn an error into success.
pub fn read_request(bytes: &[u8], seen: &mut usize, limits: &Limits) -> Result<Progress<MessageHead>, Fault> {
    let Some(end) = request_end(bytes, seen, limits)? else { return Ok(Progress::Partial) };
    let (_, head) = parse_request(&bytes[..end], limits, |_, _| {})?;
    Ok(Progress::Complete(head, end))
}

/// Where the head of a request ends, if it is whole. `seen` as in [`read_request`].
///
/// # Errors
/// As soon as the bytes allow: ends of lines in what is not whole yet, the limits of a head and of a target.
pub fn request_end(bytes: &[u8], seen: &mut usize, limits: &Limits) -> Result<Option<usize>, Fault> {
    match find_end(bytes, seen, limits.head)? {
        Some(end) => Ok(Some(end)),
        None => early_request(bytes, limits).map(|()| None),
    }
}

/// Parses a whole head that ends where [`request_end`] said. `field` is shown the name and the value of each field, in
/// order.
///
/// # Errors
/// It is no head of a request. What was shown until then means nothing.
pub fn parse_request<'a>(
    head: &'a [u8],
    limits: &Limits,
    field: impl FnMut(&'a [u8], &'a [u8]),
) -> Result<(RequestLine<'a>, MessageHead), Fault> {
    request_lines(head, limits, field).map_err(|fault| worst(head, fault))
}

fn request_lines<'a>(
    head: &'a [u8],
    limits: &Limits,
    field: impl FnMut(&'a [u8], &'a [u8]),
) -> Result<(RequestLine<'a>, MessageHead), Fault> {
    // Without the empty line at the end.
    let mut lines = Lines::of(head.strip_suffix(b"\r\n").ok_or(Fault::LineEnd)?);
    let line = request_line(lines.next().ok_or(Fault::EmptyLine)?, limits.target)?;
    let fields = Fields::read(lines, limits.fields, field)?;
    let body = match fields.coding {
        Some(_) if line.version == Version::Http10 => return Err(Fault::Coding),
        _ => fields.length()?.unwrap_or(BodyLength::Known(0)),
    };
    Ok((line, MessageHead { body, upgrade: fields.upgrade, status: 0 }))
}

/// A target beyond its limit is told before the whole head has come.
fn early_request(bytes: &[u8], limits: &Limits) -> Result<(), Fault> {
    let line = &bytes[..memchr(b'\r', bytes).unwrap_or(bytes.len())];
    let Some(blank) = memchr(b' ', line) else { return Ok(()) };
    let rest = &line[blank + 1..];
    let target = &rest[..memchr(b' ', rest).unwrap_or(rest.len())];
    if target.len() > limits.target { Err(Fault::TargetTooLong) } else { Ok(()) }
}

/// Reads the head of a response to a request that was a `HEAD` or not.
///
/// # Errors
/// As [`read_request`].
pub fn read_response(
    bytes: &[u8],
    seen: &mut usize,
    limits: &Limits,
    to_head: bool,
) -> Result<Progress<MessageHead>, Fault> {
    let Some(end) = response_end(bytes, seen, limits)? else { return Ok(Progress::Partial) };
    let (_, head) = parse_response(&bytes[..end], limits, to_head, |_, _| {})?;
    Ok(Progress::Complete(head, end))
}

/// Where the head of a response ends, if it is whole. `seen` as in [`read_request`].
///
/// # Errors
/// As soon as the bytes allow: ends of lines in what is not whole yet, the limit of a head, and a beginning that is no
/// response's.
pub fn response_end(bytes: &[u8], seen: &mut usize, limits: &Limits) -> Result<Option<usize>, Fault> {
    if !begins_like_a_response(bytes) {
        return Err(Fault::StatusLine);
    }
    find_end(bytes, seen, limits.head)
}

/// Parses a whole head that ends where [`response_end`] said, for a request that was a `HEAD` or not. `field` is shown the
/// name and the value of each field, in order.
///
/// # Errors
/// It is no head of a response. What was shown until then means nothing.
pub fn parse_response<'a>(
    head: &'a [u8],
    limits: &Limits,
    to_head: bool,
    field: impl FnMut(&'a [u8], &'a [u8]),
) -> Result<(StatusLine<'a>, MessageHead), Fault> {
    response_lines(head, limits, to_head, field).map_err(|fault| worst(head, fault))
}

fn response_lines<'a>(
    head: &'a [u8],
    limits: &Limits,
    to_head: bool,
    field: impl FnMut(&'a [u8], &'a [u8]),
) -> Result<(StatusLine<'a>, MessageHead), Fault> {
    // Without the empty line at the end.
    let mut lines = Lines::of(head.strip_suffix(b"\r\n").ok_or(Fault::LineEnd)?);
    let line = status_line(lines.next().ok_or(Fault::EmptyLine)?)?;
    let fields = Fields::read(lines, limits.fields, field)?;
    let said = fields.length()?;
    if fields.coding.is_some() && line.version == Version::Http10 {
        return Err(Fault::Coding);
    }
    // RFC 9112 section 6.3, rules 1 and 2.
    let body = match said {
        _ if to_head || line.status < 200 || matches!(line.status, 204 | 304) => BodyLength::Known(0),
        Some(length) => length,
        None => BodyLength::UntilClose,
    };
    let (status, upgrade) = (line.status, line.status == 101);
    Ok((line, MessageHead { body, upgrade, status }))
}

/// Who speaks another protocol often says a line and waits: that is told at once. Ends of lines are another matter.
fn begins_like_a_response(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(NAME.len())];
    NAME[..start.len()].eq_ignore_ascii_case(start) || matches!(bytes.first(), Some(b'\r' | b'\n'))
}

/// RFC 9112 section 2.3: with what a status line begins.
const NAME: &[u8] = b"HTTP/";

/// The protocol of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// The first line of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLine<'a> {
    /// A token; not `CONNECT`.
    pub method: &'a [u8],
    /// In one of the forms that a request to an origin has.
    pub target: &'a [u8],
    /// The protocol.
    pub version: Version,
}

/// The first line of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusLine<'a> {
    /// The protocol.
    pub version: Version,
    /// 100 to 999.
    pub status: u16,
    /// The reason phrase, often empty.
    pub reason: &'a [u8],
}

fn version(text: &[u8]) -> Result<Version, Fault> {
    match text {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        _ => Err(Fault::Version),
    }
}

fn request_line(line: &[u8], target_limit: usize) -> Result<RequestLine<'_>, Fault> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(last), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Fault::RequestLine);
    };
    if !is_token(method) || target.is_empty() {
        return Err(Fault::RequestLine);
    }
    if target.len() > target_limit {
        return Err(Fault::TargetTooLong);
    }
    let version = version(last)?;
    if method == b"CONNECT" {
        return Err(Fault::Connect);
    }
    target::check(target)?;
    Ok(RequestLine { method, target, version })
}

fn status_line(line: &[u8]) -> Result<StatusLine<'_>, Fault> {
    let (first, rest) = line.split_at_checked(8).ok_or(Fault::StatusLine)?;
    let version = version(first)?;
    // The reason, and even the blank before it, are left away by many servers.
    let (digits, reason) = match rest {
        [b' ', a, b, c] => ([*a, *b, *c], &b""[..]),
        [b' ', a, b, c, b' ', reason @ ..] => ([*a, *b, *c], reason),
        _ => return Err(Fault::StatusLine),
    };
    if !digits.iter().all(u8::is_ascii_digit) || digits[0] == b'0' || !octets::is_value(reason) {
        return Err(Fault::StatusLine);
    }
    let status = digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    Ok(StatusLine { version, status, reason })
}

/// Lines without their ends, of bytes that end with the end of a line. One that ends in LF alone keeps it, so that whoever
/// reads the line refuses it.
struct Lines<'a> {
    bytes: &'a [u8],
    start: usize,
    ends: Memchr<'a>,
}

impl<'a> Lines<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, start: 0, ends: memchr_iter(b'\n', bytes) }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.ends.next()? + 1;
        let line = &self.bytes[self.start..end];
        self.start = end;
        Some(line.strip_suffix(b"\r\n").unwrap_or(line))
    }
}

/// What the fields of a head say about its message.
#[derive(Default)]
struct Fields<'a> {
    length: Option<&'a [u8]>,
    coding: Option<&'a [u8]>,
    upgrade: bool,
}

impl<'a> Fields<'a> {
    fn read(lines: Lines<'a>, limit: usize, mut each: impl FnMut(&'a [u8], &'a [u8])) -> Result<Self, Fault> {
        let mut fields = Self::default();
        for (number, line) in lines.enumerate() {
            if number >= limit {
                return Err(Fault::TooManyFields);
            }
            let (name, value) = field(line)?;
            each(name, value);
            if name.eq_ignore_ascii_case(b"content-length") {
                once(&mut fields.length, value, Fault::Length)?;
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                once(&mut fields.coding, value, Fault::Coding)?;
            } else if name.eq_ignore_ascii_case(b"connection") {
                fields.upgrade |= value.split(|byte| *byte == b',').any(|option| is_upgrade(trimmed(option)));
            }
        }
        Ok(fields)
    }

    /// RFC 9112 sections 6.1 to 6.3: the length is said once, in one way.
    fn length(&self) -> Result<Option<BodyLength>, Fault> {
        match (self.length, self.coding) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(Fault::BothLengths),
            (Some(length), None) => {
                content_length(length).map(|length| Some(BodyLength::Known(length))).ok_or(Fault::Length)
            }
            (None, Some(coding)) => transfer_coding(coding).map(|()| Some(BodyLength::Chunked)),
        }
    }
}

fn is_upgrade(option: &[u8]) -> bool {
    option.eq_ignore_ascii_case(b"upgrade")
}

fn once<'a>(slot: &mut Option<&'a [u8]>, value: &'a [u8], doubled: Fault) -> Result<(), Fault> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(doubled),
    }
}

/// One field line: a token, a colon right behind it, a value without control bytes.
pub(crate) fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let (name, rest) = line.split_at(octets::token_length(line));
    let value = match (name, rest) {
        ([_, ..], [b':', value @ ..]) => value,
        ([], [b' ' | b'\t', ..]) => return Err(Fault::Folded),
        _ => return Err(Fault::FieldName),
    };
    if !octets::is_value(value) {
        return Err(Fault::FieldValue);
    }
    Ok((name, trimmed(value)))
}

/// The number that the value of a Content-Length is (RFC 9110 section 8.6). One spelling only: a zero in front is allowed
/// by the grammar, but some readers take it for octal. No more than fits the signed 64 bits of most readers.
pub fn content_length(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 || (text.len() > 1 && text[0] == b'0') {
        return None;
    }
    let digit = |number: u64, byte: &u8| byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0'));
    let number = text.iter().try_fold(0, digit)?;
    i64::try_from(number).is_ok().then_some(number)
}

/// Exactly `chunked`. A list that is well-formed and that we could decode if we knew its codings is told apart
/// (RFC 9112 section 6.1: 501); everything else could be read in two ways.
///
/// # Errors
/// [`Fault::UnknownCoding`] or [`Fault::Coding`].
pub fn transfer_coding(text: &[u8]) -> Result<(), Fault> {
    if text.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let mut codings = text.split(|byte| *byte == b',').map(trimmed);
    let last = codings.next_back().unwrap_or_default();
    let is_other = |coding: &[u8]| {
        is_token(coding) && !coding.eq_ignore_ascii_case(b"chunked") && !coding.eq_ignore_ascii_case(b"identity")
    };
    let mut others = codings.peekable();
    if last.eq_ignore_ascii_case(b"chunked") && others.peek().is_some() && others.all(is_other) {
        return Err(Fault::UnknownCoding);
    }
    Err(Fault::Coding)
}

#[cfg(test)]
mod tests;
