//! The fields of a head, between `wire` and `http`, in both directions.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use vestibule_wire::{self as wire, Fault};

/// What a line of a head takes, at a guess.
const LINE_GUESS: usize = 32;
/// More fields than this are not made room for before they are there: one may be as long as a head.
const ROOM_LIMIT: usize = 32;

/// Enough for all fields of an ordinary head, so that the map is built once.
pub(crate) fn room(head: &[u8]) -> usize {
    (head.len() / LINE_GUESS).min(ROOM_LIMIT)
}

/// Adds a field, which `note` is shown first.
pub(crate) fn append(
    headers: &mut HeaderMap,
    head: &Bytes,
    name: &[u8],
    value: &[u8],
    note: impl FnOnce(&HeaderName, &HeaderValue),
) -> Result<(), Fault> {
    let name = HeaderName::from_bytes(name).map_err(|_| Fault::FieldName)?;
    let value = HeaderValue::from_maybe_shared(head.slice_ref(value)).map_err(|_| Fault::FieldValue)?;
    note(&name, &value);
    headers.try_append(name, value).map_err(|_| Fault::TooManyFields)?;
    Ok(())
}

pub(crate) fn version(version: wire::Version) -> Version {
    match version {
        wire::Version::Http10 => Version::HTTP_10,
        wire::Version::Http11 => Version::HTTP_11,
    }
}

/// Writes a field line.
pub(crate) fn write(name: &[u8], value: &[u8], to: &mut Vec<u8>) {
    to.extend_from_slice(name);
    to.extend_from_slice(b": ");
    to.extend_from_slice(value);
    to.extend_from_slice(b"\r\n");
}
