use http::HeaderName;

use super::*;

fn field(name: &str, value: &str) -> Field {
    let name = match name {
        ":method" => Name::Pseudo(Pseudo::Method),
        ":scheme" => Name::Pseudo(Pseudo::Scheme),
        ":authority" => Name::Pseudo(Pseudo::Authority),
        ":path" => Name::Pseudo(Pseudo::Path),
        name if name.starts_with(':') => Name::Pseudo(Pseudo::Other),
        name => HeaderName::from_lowercase(name.as_bytes()).map_or(Name::Malformed, Name::Field),
    };
    Field { name, value: HeaderValue::from_bytes(value.as_bytes()).ok() }
}

/// Method and target of a head, or what is wrong with it. Fields are `name=value`, with blanks between.
fn read(text: &str) -> Result<String, &'static str> {
    let mut fields = RequestFields::default();
    for each in text.split(' ').filter(|each| !each.is_empty()) {
        let (name, value) = each.split_once('=').expect("name=value");
        fields.push(field(name, value));
    }
    let head = fields.finish().map_err(|Malformed(why)| why)?;
    let length = head.length.map(|length| format!(" {length}")).unwrap_or_default();
    Ok(format!("{} {}{length}", head.request.method(), head.request.uri()))
}

const GET: &str = ":method=GET :scheme=https :authority=a.test :path=/";

#[test]
fn a_request_is_its_pseudo_header_fields() {
    for (text, expected) in [
        (GET, "GET https://a.test/"),
        (":path=/a?b :authority=a.test:8443 :scheme=http :method=PURGE", "PURGE http://a.test:8443/a?b"),
        (":method=GET :scheme=https :path=/a host=a.test", "GET /a"),
        (":method=OPTIONS :scheme=https :authority=a.test :path=*", "OPTIONS https://a.test*"),
        (":method=CONNECT :authority=a.test:443", "CONNECT a.test:443"),
    ] {
        assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_missing_doubled_late_or_unknown_is_malformed() {
    for (text, why) in [
        ("", "no :method"),
        (":method=GET :authority=a.test :path=/", "no :scheme"),
        (":method=GET :scheme=https :authority=a.test", "no :path"),
        (":method=GET :scheme=https :authority=a.test :path=", "no :path"),
        (":method= :scheme=https :authority=a.test :path=/", "a :method that is no token"),
        (":method=G(T :scheme=https :authority=a.test :path=/", "a :method that is no token"),
        (":method=GET :scheme=ht_tp :authority=a.test :path=/", "a :scheme that is none"),
        (":method=GET :scheme=https :authority= :path=/", "an :authority that is none"),
        (":method=GET :scheme=https :authority=a/b :path=/", "an :authority that is none"),
        (":method=GET :scheme=https :authority=a.test :path=x", "a :path that is none"),
        (":method=CONNECT :authority=a.test :path=/", "CONNECT with :scheme or :path"),
        (":method=CONNECT :authority=a.test :scheme=https", "CONNECT with :scheme or :path"),
        (":method=GET :method=GET", "a pseudo-header field twice"),
        ("x=1 :method=GET", "a pseudo-header field behind regular ones"),
        (":status=200", "a pseudo-header field of no request"),
        ("X=1", "a byte that belongs into no name"),
        ("x=\0", "a byte that belongs into no value"),
    ] {
        assert_eq!(read(text), Err(why), "{text}");
        if !text.starts_with(":method=") && !text.is_empty() {
            assert_eq!(read(&format!("{text} {GET}")), Err(why), "what is wrong first is told");
        }
    }
}

#[test]
fn fields_of_one_connection_are_malformed() {
    for field in ["connection=x", "keep-alive=1", "proxy-connection=x", "transfer-encoding=x", "upgrade=x", "te=gzip"] {
        assert_eq!(read(&format!("{GET} {field}")), Err("a field of one connection"));
    }
    assert!(read(&format!("{GET} te=trailers")).is_ok());
}

#[test]
fn a_length_is_one_number() {
    for (fields, expected) in [
        ("content-length=5", Some(" 5")),
        ("content-length=05", Some(" 5")),
        ("content-length=0", Some(" 0")),
        ("content-length=5 content-length=5", Some(" 5")),
        ("content-length=9999999999999999999", Some(" 9999999999999999999")),
        ("content-length=", None),
        ("content-length=+5", None),
        ("content-length=5,5", None),
        ("content-length=18446744073709551616", None),
    ] {
        let expected = expected.map(|length| format!("GET https://a.test/{length}")).ok_or("a length that is none");
        assert_eq!(read(&format!("{GET} {fields}")), expected);
    }
    assert_eq!(read(&format!("{GET} content-length=5 content-length=6")), Err("two different lengths"));
}

#[test]
fn trailers_have_no_pseudo_header_fields() {
    let read = |fields: &[(&str, &str)]| {
        let mut trailers = TrailerFields::default();
        fields.iter().for_each(|(name, value)| trailers.push(field(name, value)));
        trailers.finish().map(|fields| fields.len()).map_err(|Malformed(why)| why)
    };
    assert_eq!(read(&[]), Ok(0));
    assert_eq!(read(&[("x-own", "1"), ("x-own", "2")]), Ok(2));
    assert_eq!(read(&[("x-own", "1"), (":path", "/"), ("X", "1")]), Err("a pseudo-header field in trailers"));
    assert_eq!(read(&[("x-own", "\n")]), Err("a byte that belongs into no field"));
    assert_eq!(read(&[("connection", "x")]), Err("a field of one connection"));
}
