//! [`Hostname`]: a DNS name in its one normal form. IDN, case and trailing dots end here.
//!
//! What a client sends is read by [`crate::authority`], which is faster and more lenient (it never needs IDN); patterns
//! with a wildcard are in [`crate::pattern`].

use std::{borrow::Borrow, fmt, net::IpAddr, str::FromStr, sync::Arc};

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

/// A DNS name in normal form: A-labels (RFC 5890), lower case, no trailing dot, at most 253 octets, labels of 1 to 63.
/// Never an IP address: a name whose last label is numeric is refused (WHATWG URL, "ends in a number").
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hostname(Arc<str>);

/// The longest name, without the trailing dot (RFC 1035 section 2.3.4: 255 octets on the wire).
pub const NAME_LIMIT: usize = 253;
/// The longest label (RFC 1035 section 2.3.4).
pub const LABEL_LIMIT: usize = 63;
/// Text beyond this many bytes is no name in any script; it is refused before UTS 46 does work for it.
const TEXT_LIMIT: usize = 1024;

/// Why a text is no hostname, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostnameError {
    /// Nothing was written.
    #[error("the name is empty: write a host such as blog.example.com")]
    Empty,
    /// `https://blog.example.com`.
    #[error("a host has no scheme: leave `{0}://` away and write only the name")]
    Scheme(String),
    /// `blog.example.com/about`.
    #[error("a host has no path or query: leave away everything from the first `{0}` on (paths belong under `routes`)")]
    Path(char),
    /// `user@blog.example.com`.
    #[error("a host has no user name: leave away everything up to the `@`")]
    UserInfo,
    /// `blog.example.com:443`.
    #[error(
        "a host has no port: leave `:{port}` away and write `{name}` (the listeners of the gateway have the ports)"
    )]
    Port {
        /// What stands before the colon.
        name: String,
        /// What stands after it.
        port: String,
    },
    /// An IP address where only a name makes sense.
    #[error("{0} is an IP address: write a name here")]
    Address(IpAddr),
    /// The last label is a number, but the whole is no dotted quad: `127.1`, `0x7f.1`, `2130706433`.
    #[error("a name cannot end in a number: an IPv4 address is written as four decimal numbers, such as 192.0.2.7")]
    NumericEnd,
    /// Brackets or colons that are no IPv6 address.
    #[error("this is no IPv6 address: write it as in 2001:db8::7, without a zone")]
    BadIpv6,
    /// `my_app.example.com`.
    #[error("a host name has no underscores (RFC 1123): write a hyphen, and rename it in DNS too")]
    Underscore,
    /// Two dots in a row, or one at the front.
    #[error("there is an empty label: write exactly one dot between labels and none at the front")]
    EmptyLabel,
    /// A label of more than [`LABEL_LIMIT`] octets.
    #[error(
        "the label {0:?} is too long: DNS allows {LABEL_LIMIT} characters between dots (counted after IDN encoding)"
    )]
    LabelTooLong(String),
    /// A name of more than [`NAME_LIMIT`] octets.
    #[error("the name is too long: DNS allows {NAME_LIMIT} characters in all (counted after IDN encoding)")]
    TooLong,
    /// `-a.example.com`, `a-.example.com`.
    #[error("the label {0:?} begins or ends with a hyphen: write it with a letter or digit at both ends")]
    Hyphen(String),
    /// An `xn--` label that decodes to nothing valid, or letters that IDN does not allow.
    #[error("the label {0:?} is no valid international name (UTS 46): write it as browsers show it in the address bar")]
    Idn(String),
    /// A character that no host has.
    #[error("the character {0:?} cannot be in a host name: letters, digits, hyphens and dots can")]
    Forbidden(char),
    /// `*` alone.
    #[error("`*` alone would match every name: write `*.` and a domain, such as *.example.com")]
    WildcardAlone,
    /// `a.*.example.com`, `*a.example.com`, `*.*.example.com`.
    #[error("a wildcard stands only for the whole first label: write it as in *.example.com")]
    WildcardPlace,
    /// A wildcard where one name is needed.
    #[error("a wildcard is not possible here: write one exact name")]
    WildcardHere,
}

impl Hostname {
    /// Parses a name as a person writes it: any case, IDN, one trailing dot.
    ///
    /// # Errors
    /// The first reason, in the order in which a person would correct it (scheme before path before port …).
    pub fn parse(text: &str) -> Result<Self, HostnameError> {
        refuse_what_urls_have(text)?;
        let ascii = to_ascii(text)?;
        let name = ascii.strip_suffix('.').unwrap_or(&ascii);
        check_lengths(name)?;
        if ends_in_number(name) {
            return Err(name.parse().map_or(HostnameError::NumericEnd, HostnameError::Address));
        }
        Ok(Self(Arc::from(name)))
    }

    /// The normal form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The normal form, without a copy.
    pub(crate) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The name as people read it (U-labels), for messages only; whoever writes it like that means the same name.
    pub fn to_unicode(&self) -> String {
        let (unicode, _) = Uts46::new().to_unicode(self.0.as_bytes(), AsciiDenyList::STD3, Hyphens::Allow);
        // A label may be valid, and decode to one that looks encoded itself.
        if Self::parse(&unicode).as_ref() == Ok(self) { unicode.into_owned() } else { self.0.to_string() }
    }

    /// The name above: without the first label; `None` above a name of one label.
    pub fn parent(&self) -> Option<Self> {
        // The end of a valid name that begins after a dot is one: its labels and its last label are the same.
        self.0.split_once('.').map(|(_, parent)| Self(Arc::from(parent)))
    }

    /// Is this name that one, or a name below it?
    pub fn is_within(&self, zone: &Self) -> bool {
        self.0.strip_suffix(&*zone.0).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// True for names that no public CA would certify: `localhost`, `.localhost`, `.test`, `.internal`, `.local`,
    /// `.home.arpa`, `.invalid`, `.example`, `.onion`, and names of one label (RFC 6761, RFC 8375, ICANN `.internal`).
    pub fn is_private(&self) -> bool {
        !self.0.contains('.') || self.has_private_suffix()
    }

    /// True when the name is, or is below, a domain that the public DNS will never delegate.
    pub(crate) fn has_private_suffix(&self) -> bool {
        PRIVATE_SUFFIXES
            .iter()
            .any(|suffix| self.0.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
    }
}

/// RFC 6761 and 6762 (`localhost`, `test`, `invalid`, `example`, `local`), RFC 7686 (`onion`), RFC 8375 (`home.arpa`), and
/// `internal`, which ICANN reserved for private use in 2024.
const PRIVATE_SUFFIXES: [&str; 8] =
    ["localhost", "test", "internal", "local", "home.arpa", "invalid", "example", "onion"];

/// Names what was written too much, before UTS 46 would only say "invalid".
fn refuse_what_urls_have(text: &str) -> Result<(), HostnameError> {
    if text.is_empty() {
        return Err(HostnameError::Empty);
    }
    if text.len() > TEXT_LIMIT {
        return Err(HostnameError::TooLong);
    }
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(HostnameError::Scheme(scheme.to_owned()));
    }
    if let Some(found) = text.chars().find(|c| matches!(c, '/' | '?' | '#')) {
        return Err(HostnameError::Path(found));
    }
    if text.contains('@') {
        return Err(HostnameError::UserInfo);
    }
    if text.contains('*') {
        return Err(HostnameError::WildcardHere);
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Err(HostnameError::Address(address.to_canonical()));
    }
    if let Some((name, port)) = text.rsplit_once(':') {
        let bracketed = name.starts_with('[') && name.ends_with(']');
        return Err(if bracketed || !name.contains([':', '[']) {
            HostnameError::Port { name: name.to_owned(), port: port.to_owned() }
        } else {
            HostnameError::BadIpv6
        });
    }
    if text.contains('_') {
        return Err(HostnameError::Underscore);
    }
    Ok(())
}

/// UTS 46 with the letters-digits-hyphen rule; on failure finds out which label or character is to blame.
fn to_ascii(text: &str) -> Result<String, HostnameError> {
    let uts46 = Uts46::new();
    let convert = |part: &str, hyphens| {
        uts46.to_ascii(part.as_bytes(), AsciiDenyList::STD3, hyphens, DnsLength::Ignore).map(|a| a.into_owned())
    };
    if let Ok(ascii) = convert(text, Hyphens::CheckFirstLast) {
        return Ok(ascii);
    }
    if let Some(forbidden) = text.chars().find(|c| c.is_ascii() && !c.is_ascii_alphanumeric() && !"-.".contains(*c)) {
        return Err(HostnameError::Forbidden(forbidden));
    }
    let labels = || text.split('.').map(str::to_owned);
    if let Some(label) = labels().find(|label| label.starts_with('-') || label.ends_with('-')) {
        return Err(HostnameError::Hyphen(label));
    }
    let culprit = labels().find(|label| convert(label, Hyphens::CheckFirstLast).is_err());
    Err(HostnameError::Idn(culprit.unwrap_or_else(|| text.to_owned())))
}

fn check_lengths(name: &str) -> Result<(), HostnameError> {
    if name.is_empty() {
        return Err(HostnameError::Empty);
    }
    if name.split('.').any(str::is_empty) {
        return Err(HostnameError::EmptyLabel);
    }
    if let Some(label) = name.split('.').find(|label| label.len() > LABEL_LIMIT) {
        return Err(HostnameError::LabelTooLong(label.to_owned()));
    }
    if name.len() > NAME_LIMIT {
        return Err(HostnameError::TooLong);
    }
    Ok(())
}

/// WHATWG URL, "ends in a number": such a host is an IPv4 address in somebody's eyes, or nothing. Takes no trailing dot.
pub(crate) fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name).as_bytes();
    match last {
        [] => false,
        [b'0', b'x' | b'X', hex @ ..] => hex.iter().all(u8::is_ascii_hexdigit),
        digits => digits.iter().all(u8::is_ascii_digit),
    }
}

impl FromStr for Hostname {
    type Err = HostnameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}
impl AsRef<str> for Hostname {
    fn as_ref(&self) -> &str {
        &self.0
    }
}
impl Borrow<str> for Hostname {
    fn borrow(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl fmt::Debug for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests;
