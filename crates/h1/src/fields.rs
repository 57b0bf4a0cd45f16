//! The fields of a head, between `wire` and `http`, in both directions.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use memchr::memchr_iter;
use vestibule_wire::{self as wire, Fault, Limits};

/// Enough for all fields, so that the map is built once: it has as many as there are lines, at most.
pub(crate) fn room(head: &[u8], limits: &Limits) -> usize {
    memchr_iter(b'\n', head).count().min(limits.fields)
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
