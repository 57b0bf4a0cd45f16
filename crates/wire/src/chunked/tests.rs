use super::*;

/// Feeds the text in pieces of every size; says how much passed in all, or the fault.
fn read(text: &[u8]) -> Result<(usize, bool), Fault> {
    let whole = pieces(text, text.len().max(1));
    for size in [1, 2, 3, 5] {
        assert_eq!(pieces(text, size), whole, "{:?} by {size}", String::from_utf8_lossy(text));
    }
    whole
}

fn pieces(text: &[u8], size: usize) -> Result<(usize, bool), Fault> {
    let mut chunks = Chunks::new(|name| name.eq_ignore_ascii_case(b"x-forwarded-for"));
    let (mut passed, mut come) = (0, 0);
    while come < text.len() {
        come = (come + size).min(text.len());
        passed += chunks.admit(&text[passed..come])?;
    }
    Ok((passed, chunks.is_end()))
}

fn whole(text: &str) {
    assert_eq!(read(text.as_bytes()), Ok((text.len(), true)), "{text:?}");
}

fn refused(text: &str, fault: Fault) {
    assert_eq!(read(text.as_bytes()), Err(fault), "{text:?}");
}

#[test]
fn well_formed_bodies_pass_whole_and_nothing_behind_them() {
    whole("0\r\n\r\n");
    whole("5\r\nhello\r\n0\r\n\r\n");
    whole("A\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n");
    whole("5;a;b=c\r\nhello\r\n0;x=1\r\n\r\n");
    whole("2\r\n\r\n\r\n0\r\n\r\n");
    whole("0\r\nx-sum: 1\r\nx-other:\r\n\r\n");
    let text = b"0\r\n\r\nGET / HTTP/1.1\r\n";
    assert_eq!(read(text), Ok((5, true)));
}

#[test]
fn sizes() {
    for size in ["", "+5", "-5", "0x5", " 5", "5 ", "5\t", "g", "5_", "00000000000000005", "ffffffffffffffff", "5 ;a"] {
        refused(&format!("{size}\r\nhello\r\n0\r\n\r\n"), Fault::ChunkSize);
    }
    refused(&format!("{}\r\n", "0".repeat(400)), Fault::ChunkSize);
}

#[test]
fn extensions() {
    for extension in
        [";", ";a=", ";=b", "; a", ";a =b", ";a=\"b\"", ";a=\"\n\"", ";a\nb", ";a\rb", ";\r", ";a=b;", ";\u{0}"]
    {
        refused(&format!("5{extension}\r\nhello\r\n0\r\n\r\n"), Fault::ChunkExtension);
    }
    refused(&format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(EXTENSION_LIMIT + 1)), Fault::ChunkExtension);
    whole(&format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(EXTENSION_LIMIT)));
}

#[test]
fn ends() {
    refused("5\nhello\r\n0\r\n\r\n", Fault::ChunkExtension);
    refused("5\r\nhello\n0\r\n\r\n", Fault::ChunkEnd);
    refused("5\r\nhello0\r\n\r\n", Fault::ChunkEnd);
    refused("5\r\nhello\r0\r\n\r\n", Fault::ChunkEnd);
    refused("5\r\nhelloX\r\n0\r\n\r\n", Fault::ChunkEnd);
    refused("0\r\n\n", Fault::Trailer);
    refused("0\n\r\n", Fault::ChunkExtension);
    refused("0\r\nx: 1\n\r\n", Fault::Trailer);
}

#[test]
fn trailers() {
    for name in ["Content-Length", "transfer-encoding", "Host", "trailer", "X-Forwarded-For"] {
        refused(&format!("0\r\n{name}: 1\r\n\r\n"), Fault::Trailer);
    }
    refused("0\r\n x: 1\r\n\r\n", Fault::Trailer);
    refused("0\r\nx : 1\r\n\r\n", Fault::Trailer);
    refused("0\r\nx: \u{1}\r\n\r\n", Fault::Trailer);
    refused(&format!("0\r\nx: {}\r\n\r\n", "a".repeat(TRAILER_LIMIT)), Fault::Trailer);
    refused(&format!("0\r\n{}\r\n", "x: abcdefghi\r\n".repeat(TRAILER_LIMIT / 14 + 1)), Fault::Trailer);
    refused(&format!("0\r\n{}\r\n", "x:\r\n".repeat(TRAILER_FIELD_LIMIT + 1)), Fault::Trailer);
    whole(&format!("0\r\n{}\r\n", "x:\r\n".repeat(TRAILER_FIELD_LIMIT)));
}
