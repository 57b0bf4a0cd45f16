//! The nouns that hosts, paths, addresses and quantities are.

use std::{borrow::Cow, fmt::Display};

use vestibule_names::{
    Authority, ByteSize, ClientNetwork, Destination, HostPattern, HostRef, Hostname, ListenAddr, RoutePath,
    UpstreamAddr, path,
    quantity::{format_duration, parse_duration},
    suffix,
};

/// Any text as each of them.
pub fn names(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    authority(text);
    hostname(text);
    paths(text);
    reads_back(text, HostPattern::parse, HostPattern::to_string);
    reads_back(text, UpstreamAddr::parse, UpstreamAddr::to_string);
    reads_back(text, Destination::parse, Destination::to_string);
    reads_back(text, ClientNetwork::parse, ClientNetwork::to_string);
    reads_back(text, ListenAddr::parse, ListenAddr::to_string);
    reads_back(text, ByteSize::parse, ByteSize::to_string);
    reads_back(text, parse_duration, |duration| format_duration(*duration));
    if let Err(error) = ByteSize::parse(text) {
        bounded(text, &error);
    }
    if let Err(error) = parse_duration(text) {
        bounded(text, &error);
    }
}

/// What is written is read back as the same value, and written in the same way again.
fn reads_back<T: PartialEq + std::fmt::Debug, E: Display + std::fmt::Debug>(
    text: &str,
    parse: fn(&str) -> Result<T, E>,
    write: fn(&T) -> String,
) {
    match parse(text) {
        Ok(value) => {
            let written = write(&value);
            let again = parse(&written).unwrap_or_else(|error| panic!("{text:?} is written {written:?}: {error}"));
            assert_eq!(again, value, "{text:?} is written {written:?}");
            assert_eq!(write(&again), written, "{text:?}");
        }
        Err(error) => bounded(text, &error),
    }
}

/// What is said of a text is not much longer than it.
fn bounded(text: &str, error: &impl Display) {
    let said = error.to_string();
    // What is no ASCII is escaped by `{:?}`, in up to ten bytes for two.
    assert!(said.len() <= 400 + 6 * text.len(), "{} bytes are said of {}", said.len(), text.len());
}

fn authority(text: &str) {
    let Ok(authority) = Authority::parse(text) else { return };
    let normal = authority.normal_form(text);
    let again = Authority::parse(&normal).unwrap_or_else(|error| panic!("{text:?} is {normal:?}: {error}"));
    assert_eq!(again, authority, "{text:?} is {normal:?}");
    let twice = again.normal_form(&normal);
    assert_eq!(twice, normal, "the normal form of {text:?} is one");
    assert!(normal.len() <= text.len() + 16, "{text:?} grows to {normal:?}"); // `[::ffff:…]` as an address
    let key = authority.host.key();
    assert!(!key.is_empty() && key.len() <= 253);
    match &authority.host {
        HostRef::Name(name) => {
            assert!(
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte))
            );
            // The other reader, which people's files go through, means the same by it.
            if let Ok(host) = Hostname::parse(name) {
                assert_eq!(host.as_str(), name, "{text:?}");
                assert!(HostPattern::Exact(host).matches(&key));
            }
        }
        HostRef::Address(address) => {
            assert_eq!(*address, address.to_canonical(), "{text:?}");
            let pattern = HostPattern::parse(&key).unwrap_or_else(|error| panic!("{key} is no pattern: {error}"));
            assert!(pattern.matches(&key), "{text:?}");
        }
    }
}

fn hostname(text: &str) {
    let host = match Hostname::parse(text) {
        Ok(host) => host,
        Err(error) => return bounded(text, &error),
    };
    assert_eq!(Hostname::parse(host.as_str()).as_ref(), Ok(&host), "{text:?}");
    let unicode = host.to_unicode();
    assert_eq!(Hostname::parse(&unicode).as_ref(), Ok(&host), "{text:?} is shown as {unicode:?}");
    let key = Authority::parse(host.as_str()).map(|authority| authority.host.key().into_owned());
    assert_eq!(key.as_deref(), Ok(host.as_str()), "a site of that name is reached by it");
    if let Some(parent) = host.parent() {
        assert!(host.is_within(&parent) && !parent.is_within(&host));
    }
    let registered = suffix::registered_domain(&host);
    assert!(host.as_str() == registered || host.as_str().ends_with(&format!(".{registered}")), "{host}: {registered}");
}

fn paths(text: &str) {
    let Ok(normal) = path::normalise(text) else {
        assert!(RoutePath::parse(text).is_err(), "{text:?}");
        return;
    };
    assert!(normal.len() <= text.len(), "{text:?} grows to {normal:?}");
    assert!(matches!(path::normalise(&normal), Ok(Cow::Borrowed(again)) if again == normal), "{text:?}: {normal:?}");
    assert!(normal.starts_with('/') && !normal.contains("//") && normal.bytes().all(|byte| byte.is_ascii_graphic()));
    let climbs =
        |segment: &str| matches!(segment, "." | "..") || segment.starts_with("..;") || segment.starts_with(".;");
    assert!(!normal.split('/').any(climbs), "{text:?} is {normal:?}");
    let lower = normal.to_ascii_lowercase();
    assert!(!["%2f", "%5c", "%2e", "%00"].iter().any(|escape| lower.contains(escape)), "{text:?} is {normal:?}");
    reads_back(text, RoutePath::parse, RoutePath::to_string);
    let route = RoutePath::parse(text).unwrap_or_else(|error| panic!("{text:?} is a path: {error}"));
    assert!(route.covers(&normal), "{text:?}");
}
