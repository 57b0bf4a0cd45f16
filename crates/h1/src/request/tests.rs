use http::HeaderValue;

use super::*;

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

fn head(method: Method, target: &str, fields: &[(&'static str, &'static str)]) -> String {
    let mut bytes = Vec::new();
    write_request_head(&method, &target.parse().unwrap(), &headers(fields), |_| {}, &mut bytes);
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_head_is_written_in_origin_form() {
    let fields = [("host", "a.test"), ("cookie", "a=1"), ("x-own", ""), ("cookie", "b=2")];
    assert_eq!(
        head(Method::GET, "/a/b?c=d", &fields),
        "GET /a/b?c=d HTTP/1.1\r\nhost: a.test\r\ncookie: a=1\r\ncookie: b=2\r\nx-own: \r\n\r\n"
    );
    for (target, written) in
        [("*", "*"), ("/", "/"), ("/?", "/?"), ("http://a.test", "/"), ("http://a.test?b", "/?b"), ("http://a/x", "/x")]
    {
        assert_eq!(head(Method::OPTIONS, target, &[]), format!("OPTIONS {written} HTTP/1.1\r\n\r\n"));
    }
}

#[test]
fn sizes_of_chunks_are_hexadecimal() {
    for size in [1, 9, 10, 15, 16, 255, 256, 4096, 65_535, 65_536, usize::MAX] {
        let mut bytes = Vec::new();
        write_chunk_size(size, &mut bytes);
        assert_eq!(String::from_utf8(bytes).unwrap(), format!("{size:X}\r\n"));
    }
}

#[test]
fn only_announced_trailers_are_written() {
    let announced = announced_trailers(&headers(&[("trailer", "X-Sum , x-other,,"), ("trailer", "x-third")]));
    let mut bytes = Vec::new();
    write_trailers(&headers(&[("x-sum", "1"), ("x-own", "2"), ("x-sum", "3")]), &announced, &mut bytes);
    assert_eq!(bytes, b"0\r\nx-sum: 1\r\nx-sum: 3\r\n\r\n");
    bytes.clear();
    write_trailers(&headers(&[("x-own", "2")]), &announced, &mut bytes);
    assert_eq!(bytes, LAST_CHUNK);
}

/// Names without end, on both sides, cost what their bytes cost: compared name by name they took seconds.
#[test]
fn many_names_of_trailers_are_cheap() {
    let names: Vec<String> = (0..20_000).map(|number| format!("x{number:x}")).collect();
    let mut said = headers(&[]);
    said.insert("trailer", HeaderValue::try_from(names.join(",")).unwrap());
    let announced = announced_trailers(&said);
    assert_eq!(announced.len(), 1, "kept as it came");
    let mut trailers = HeaderMap::new();
    for name in names.iter().rev() {
        trailers.insert(HeaderName::try_from(name.as_str()).unwrap(), HeaderValue::from_static("1"));
    }
    trailers.insert("x-own", HeaderValue::from_static("1"));
    let mut bytes = Vec::new();
    let began = std::time::Instant::now();
    write_trailers(&trailers, &announced, &mut bytes);
    assert!(began.elapsed().as_secs() < 1, "{:?}", began.elapsed());
    assert_eq!(bytes.split(|byte| *byte == b'\n').count(), 20_000 + 3);
}
