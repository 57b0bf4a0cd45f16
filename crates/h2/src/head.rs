//! Fields to the head of a request, or to trailers (RFC 9113 sections 8.1 to 8.3 and 8.5): what makes them malformed is
//! found here, and nothing else is judged.

use http::{
    HeaderMap, HeaderValue, Method, Request, Version, header,
    uri::{Authority, Parts, PathAndQuery, Scheme, Uri},
};

use crate::hpack::{Field, Name, Pseudo, is_of_a_connection};

/// Longest decimal number that is read as a length.
const LENGTH_DIGITS: usize = 19;

/// Against the rules: the stream ends, the connection does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Gathers the fields of a request.
#[derive(Debug, Default)]
pub(crate) struct RequestFields {
    method: Option<HeaderValue>,
    scheme: Option<HeaderValue>,
    authority: Option<HeaderValue>,
    path: Option<HeaderValue>,
    fields: HeaderMap,
    regular: bool,
    malformed: Option<Malformed>,
}

/// A request, and how long its body says it is.
#[derive(Debug)]
pub(crate) struct RequestHead {
    pub(crate) request: Request<()>,
    pub(crate) length: Option<u64>,
}

impl RequestFields {
    pub(crate) fn push(&mut self, field: Field) {
        if self.malformed.is_none()
            && let Err(malformed) = self.take(field)
        {
            self.malformed = Some(malformed);
        }
    }

    fn take(&mut self, field: Field) -> Result<(), Malformed> {
        let value = field.value.ok_or(Malformed("a byte that belongs into no value"))?;
        let pseudo = match field.name {
            Name::Malformed => return Err(Malformed("a byte that belongs into no name")),
            Name::Field(name) => {
                if !self.regular {
                    self.regular = true;
                    self.fields.reserve(USUAL_FIELDS);
                }
                return append(&mut self.fields, name, value);
            }
            Name::Pseudo(pseudo) => pseudo,
        };
        if self.regular {
            return Err(Malformed("a pseudo-header field behind regular ones"));
        }
        let slot = match pseudo {
            Pseudo::Method => &mut self.method,
            Pseudo::Scheme => &mut self.scheme,
            Pseudo::Authority => &mut self.authority,
            Pseudo::Path => &mut self.path,
            Pseudo::Other => return Err(Malformed("a pseudo-header field of no request")),
        };
        match slot.replace(value) {
            None => Ok(()),
            Some(_) => Err(Malformed("a pseudo-header field twice")),
        }
    }

    /// All fields are there.
    pub(crate) fn finish(mut self) -> Result<RequestHead, Malformed> {
        if let Some(malformed) = self.malformed {
            return Err(malformed);
        }
        let method = self.method.take().ok_or(Malformed("no :method"))?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| Malformed("a :method that is no token"))?;
        let length = length(&self.fields)?;
        let uri = self.target(&method)?;
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = self.fields;
        Ok(RequestHead { request, length })
    }

    /// RFC 9113 section 8.3.1, and section 8.5 for CONNECT.
    fn target(&mut self, method: &Method) -> Result<Uri, Malformed> {
        let mut parts = Parts::default();
        if let Some(authority) = &self.authority {
            let authority = Authority::try_from(authority.as_bytes());
            parts.authority = Some(authority.map_err(|_| Malformed("an :authority that is none"))?);
        }
        if *method == Method::CONNECT {
            if self.scheme.is_some() || self.path.is_some() {
                return Err(Malformed("CONNECT with :scheme or :path"));
            }
        } else {
            let scheme = self.scheme.as_ref().ok_or(Malformed("no :scheme"))?;
            let scheme = Scheme::try_from(scheme.as_bytes()).map_err(|_| Malformed("a :scheme that is none"))?;
            // There is no URI of a scheme and a path alone; without an authority the field `host` says it.
            parts.scheme = parts.authority.is_some().then_some(scheme);
            let path = self.path.as_ref().filter(|path| !path.is_empty()).ok_or(Malformed("no :path"))?;
            let path = PathAndQuery::try_from(path.as_bytes());
            parts.path_and_query = Some(path.map_err(|_| Malformed("a :path that is none"))?);
        }
        Uri::from_parts(parts).map_err(|_| Malformed("pseudo-header fields that are no target"))
    }
}

/// Room for these at once: most requests have no more.
const USUAL_FIELDS: usize = 8;

/// Gathers the fields of trailers.
#[derive(Debug, Default)]
pub(crate) struct TrailerFields {
    fields: HeaderMap,
    malformed: Option<Malformed>,
}

impl TrailerFields {
    pub(crate) fn push(&mut self, field: Field) {
        let taken = match (field.name, field.value) {
            (Name::Field(name), Some(value)) => append(&mut self.fields, name, value),
            (Name::Pseudo(_), _) => Err(Malformed("a pseudo-header field in trailers")),
            (Name::Malformed, _) | (_, None) => Err(Malformed("a byte that belongs into no field")),
        };
        if let Err(malformed) = taken {
            self.malformed.get_or_insert(malformed);
        }
    }

    pub(crate) fn finish(self) -> Result<HeaderMap, Malformed> {
        self.malformed.map_or(Ok(self.fields), Err)
    }
}

/// RFC 9113 section 8.2.2.
fn append(fields: &mut HeaderMap, name: http::HeaderName, value: HeaderValue) -> Result<(), Malformed> {
    if is_of_a_connection(&name) || name == header::TE && !value.as_bytes().eq_ignore_ascii_case(b"trailers") {
        return Err(Malformed("a field of one connection"));
    }
    fields.try_append(name, value).map_err(|_| Malformed("more fields than there can be"))?;
    Ok(())
}

/// What Content-Length says, which is the same wherever it is said. How it may be written is judged by whoever forwards it.
fn length(fields: &HeaderMap) -> Result<Option<u64>, Malformed> {
    let mut said = None;
    for value in fields.get_all(header::CONTENT_LENGTH) {
        let digits = value.as_bytes();
        let is_number = (1..=LENGTH_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
        if !is_number {
            return Err(Malformed("a length that is none"));
        }
        let length = digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit & 0xf));
        if said.is_some_and(|said| said != length) {
            return Err(Malformed("two different lengths"));
        }
        said = Some(length);
    }
    Ok(said)
}

#[cfg(test)]
mod tests;
