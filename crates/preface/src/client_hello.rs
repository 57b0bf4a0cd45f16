//! The body of a ClientHello → [`ClientHello`]: server name and protocols. Everything else is walked over, so that its
//! lengths are known to add up, and not understood: what it means is for the TLS library that reads the bytes next.

use crate::{ClientHello, PrefaceError, fields::Fields};

/// More extensions than this are refused (browsers send about twenty).
pub const EXTENSION_LIMIT: usize = 128;
/// More protocols than this are refused (browsers offer two).
pub const ALPN_LIMIT: usize = 32;

const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
/// The only name type there is (RFC 6066 section 3).
const HOST_NAME: u8 = 0;
/// The longest name with its dots and a trailing dot, as text, rounded up to what one octet counts.
const SERVER_NAME_LIMIT: usize = 255;
const RANDOM: usize = 32;
/// RFC 8446 section 4.1.2.
const SESSION_ID_LIMIT: usize = 32;

/// `message` is the body, without the header of the handshake message.
pub(crate) fn parse(message: &[u8]) -> Result<ClientHello, PrefaceError> {
    let mut fields = Fields::new(message);
    skip_to_extensions(&mut fields).ok_or(PrefaceError::Malformed)?;
    let mut hello = ClientHello::default();
    if fields.is_empty() {
        // TLS 1.2 without extensions (RFC 5246 section 7.4.1.2).
        return Ok(hello);
    }
    let mut extensions = fields.vector16().filter(|_| fields.is_empty()).ok_or(PrefaceError::Malformed)?;
    let mut seen = Seen { kinds: [0; EXTENSION_LIMIT], count: 0 };
    while !extensions.is_empty() {
        let (Some(kind), Some(body)) = (extensions.u16(), extensions.vector16()) else {
            return Err(PrefaceError::Malformed);
        };
        seen.insert(kind)?;
        match kind {
            SERVER_NAME => hello.sni = Some(server_name(body).ok_or(PrefaceError::BadServerName)?),
            ALPN => hello.alpn = protocols(body).ok_or(PrefaceError::BadAlpn)?,
            // Unknown ones, and the deliberately meaningless ones of RFC 8701 (GREASE).
            _ => {}
        }
    }
    Ok(hello)
}

/// Version, random, session id, cipher suites, compression methods. (On `None` the caller gives up: how far this came
/// does not matter.)
fn skip_to_extensions(fields: &mut Fields<'_>) -> Option<()> {
    let [major, _minor] = fields.u16()?.to_be_bytes();
    fields.take(RANDOM)?;
    let session_id = fields.vector8()?.rest().len();
    let suites = fields.vector16()?.rest().len();
    let compressions = fields.vector8()?.rest().len();
    let valid = major == 3 && session_id <= SESSION_ID_LIMIT && suites >= 2 && suites % 2 == 0 && compressions >= 1;
    valid.then_some(())
}

/// The extension types so far, without a heap: a set of at most [`EXTENSION_LIMIT`].
struct Seen {
    kinds: [u16; EXTENSION_LIMIT],
    count: usize,
}

impl Seen {
    fn insert(&mut self, kind: u16) -> Result<(), PrefaceError> {
        if self.kinds[..self.count].contains(&kind) {
            return Err(PrefaceError::DuplicateExtension);
        }
        *self.kinds.get_mut(self.count).ok_or(PrefaceError::Malformed)? = kind;
        self.count += 1;
        Ok(())
    }
}

/// RFC 6066 section 3: a list of exactly one host name, in printable ASCII.
fn server_name(mut body: Fields<'_>) -> Option<String> {
    let mut list = body.vector16()?;
    let kind = list.u8()?;
    let name = list.vector16()?.rest();
    let whole = body.is_empty() && list.is_empty() && kind == HOST_NAME;
    let printable = name.iter().all(u8::is_ascii_graphic) && (1..=SERVER_NAME_LIMIT).contains(&name.len());
    if !whole || !printable {
        return None;
    }
    std::str::from_utf8(name).ok().map(str::to_owned)
}

/// RFC 7301 section 3.1: one or more names of one or more bytes.
fn protocols(mut body: Fields<'_>) -> Option<Vec<Vec<u8>>> {
    let mut list = body.vector16()?;
    let mut protocols = Vec::new();
    while !list.is_empty() && protocols.len() < ALPN_LIMIT {
        let name = list.vector8()?.rest();
        if name.is_empty() {
            return None;
        }
        protocols.push(name.to_vec());
    }
    let whole = body.is_empty() && list.is_empty() && !protocols.is_empty();
    whole.then_some(protocols)
}
