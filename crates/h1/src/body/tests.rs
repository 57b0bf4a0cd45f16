use super::*;

/// What a body becomes when it comes in pieces of that size: the content, the trailers, what is left behind its end.
fn pieces(length: BodyLength, text: &[u8], size: usize) -> Result<(String, Vec<String>, String), Fault> {
    let (mut reader, mut bytes) = (BodyReader::new(length), BytesMut::new());
    let (mut content, mut trailers) = (Vec::new(), Vec::new());
    for piece in text.chunks(size) {
        bytes.extend_from_slice(piece);
        while let Some(part) = reader.read(&mut bytes)? {
            match part {
                Part::Data(data) => {
                    assert!(!data.is_empty());
                    content.extend_from_slice(&data);
                }
                Part::Trailers(map) => trailers.extend(map.iter().map(|(name, value)| format!("{name}={value:?}"))),
            }
        }
    }
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    if !reader.is_over() {
        return Ok((text(&content), vec!["cut".to_owned()], text(&bytes)));
    }
    Ok((text(&content), trailers, text(&bytes)))
}

fn check(length: BodyLength, text: &str, expected: Result<(&str, &[&str], &str), Fault>) {
    for size in 1..=text.len() {
        let found = pieces(length, text.as_bytes(), size);
        let expected = expected.map(|(content, trailers, rest)| {
            (content.to_owned(), trailers.iter().map(ToString::to_string).collect(), rest.to_owned())
        });
        assert_eq!(found, expected, "{text:?} by {size}");
    }
}

#[test]
fn a_body_ends_where_its_length_says() {
    check(BodyLength::Known(5), "hello", Ok(("hello", &[], "")));
    check(BodyLength::Known(6), "hello", Ok(("hello", &["cut"], "")));
    let (mut reader, mut bytes) = (BodyReader::new(BodyLength::Known(2)), BytesMut::from("okHTTP"));
    assert_eq!(reader.remaining(), Some(2));
    assert_eq!(reader.read(&mut bytes), Ok(Some(Part::Data("ok".into()))));
    assert_eq!((reader.is_over(), reader.remaining(), &bytes[..]), (true, Some(0), &b"HTTP"[..]));
    assert_eq!(reader.read(&mut bytes), Ok(None));
    assert!(BodyReader::new(BodyLength::Known(0)).is_over());
}

#[test]
fn content_that_is_all_there_is_takes_its_memory_along() {
    for (length, frame, behind) in [
        (BodyLength::Known(5), "", ""),
        (BodyLength::Known(9), "", ""),
        (BodyLength::UntilClose, "", ""),
        (BodyLength::Chunked, "5\r\n", ""),
        (BodyLength::Chunked, "5\r\n", "\r"),
    ] {
        let mut buffer = BytesMut::with_capacity(1 << 16);
        buffer.extend_from_slice(format!("{frame}hello{behind}").as_bytes());
        let part = BodyReader::new(length).read(&mut buffer);
        assert_eq!((part, &buffer[..]), (Ok(Some(Part::Data("hello".into()))), behind.as_bytes()));
        assert_eq!(buffer.capacity() == 0, behind.is_empty(), "{length:?}, {behind:?}");
    }
}

#[test]
fn chunks_become_content_and_trailers() {
    check(BodyLength::Chunked, "5\r\nhello\r\n1;a=b\r\n!\r\n0\r\n\r\n", Ok(("hello!", &[], "")));
    check(
        BodyLength::Chunked,
        "2\r\nok\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n",
        Ok(("ok", &["x-sum=\"1\"", "x-sum=\"2\""], "")),
    );
    check(BodyLength::Chunked, "5\r\nhello\r\n0\r\n", Ok(("hello", &["cut"], "")));
    let mut bytes = BytesMut::from("0\r\n\r\nHTTP/1.1");
    assert_eq!(BodyReader::new(BodyLength::Chunked).read(&mut bytes), Ok(None));
    assert_eq!(&bytes[..], b"HTTP/1.1");
}

#[test]
fn small_chunks_that_came_together_are_one_part() {
    /// In which parts a text is read that has come as a whole; the last one is 0 if its end is there.
    fn parts(text: &[u8]) -> Vec<Result<usize, Fault>> {
        let (mut reader, mut bytes) = (BodyReader::new(BodyLength::Chunked), BytesMut::from(text));
        let mut parts = Vec::new();
        loop {
            match reader.read(&mut bytes) {
                Ok(Some(Part::Data(data))) => {
                    parts.push(Ok(data.len()));
                    continue;
                }
                Ok(Some(Part::Trailers(_)) | None) => parts.extend(reader.is_over().then_some(Ok(0))),
                Err(fault) => parts.push(Err(fault)),
            }
            return parts;
        }
    }
    let chunk = |length: usize| [format!("{length:x}\r\n").as_bytes(), &vec![b'0'; length], b"\r\n"].concat();
    let small = chunk(1).repeat(3);
    for (before, behind, expected) in [
        (&small, &b""[..], &[Ok(3)][..]),
        (&small, b"0\r\n\r\n", &[Ok(3), Ok(0)]),
        (&small, b"0\r\na: b\r\n\r\n", &[Ok(3), Ok(0)]),
        (&small, b"zz\r\n", &[Ok(3), Err(Fault::ChunkSize)]),
        (&small, b"0\r\nhost: a\r\n\r\n", &[Ok(3), Err(Fault::Trailer)]),
        (&small, b"5\r\nhe", &[Ok(5)]),
        (&small, b"1\r\nxy", &[Ok(4), Err(Fault::ChunkEnd)]),
        // However they are written.
        (&b"0001;a=b\r\n0\r\n".repeat(1_000), b"00\r\n\r\n", &[Ok(1_000), Ok(0)]),
        (&chunk(1).repeat(JOINED + 1), b"0\r\n\r\n", &[Ok(JOINED), Ok(1), Ok(0)]),
        // What is large is not copied.
        (&chunk(SMALL).repeat(2), b"0\r\n\r\n", &[Ok(SMALL), Ok(SMALL), Ok(0)]),
    ] {
        assert_eq!(parts(&[before, behind].concat()), expected, "{:?}", String::from_utf8_lossy(behind));
    }
}

#[test]
fn chunks_that_the_grammar_refuses_are_refused() {
    for (text, fault) in [
        ("zz\r\n", Fault::ChunkSize),
        ("5\r\nhelloX", Fault::ChunkEnd),
        ("0\r\nhost: a\r\n\r\n", Fault::Trailer),
        ("0\r\na: \0\r\n\r\n", Fault::Trailer),
    ] {
        check(BodyLength::Chunked, text, Err(fault));
    }
}

#[test]
fn the_end_of_the_connection_ends_only_what_has_no_other_end() {
    for (length, expected) in
        [(BodyLength::UntilClose, Ok(())), (BodyLength::Known(1), Err(Cut)), (BodyLength::Chunked, Err(Cut))]
    {
        let mut reader = BodyReader::new(length);
        assert_eq!(reader.end(), expected, "{length:?}");
        assert_eq!(reader.is_over(), expected.is_ok());
    }
    let mut bytes = BytesMut::from("all of it");
    assert_eq!(BodyReader::new(BodyLength::UntilClose).read(&mut bytes), Ok(Some(Part::Data("all of it".into()))));
}

/// A generator of bits, the same at each run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// What is written as chunks is read as the same content, however it is cut.
#[test]
fn chunks_survive_random_cuts() {
    let mut dice = Dice(1);
    for _ in 0..300 {
        let content: Vec<u8> = (0..dice.throw(3000)).map(|_| b"0123456789\r\nabcdef;:"[dice.throw(20)]).collect();
        let (mut text, mut left) = (Vec::new(), &content[..]);
        while !left.is_empty() {
            let (chunk, rest) = left.split_at(1 + dice.throw(left.len()));
            crate::write_chunk_size(chunk.len(), &mut text);
            text.extend_from_slice(chunk);
            text.extend_from_slice(crate::CHUNK_END);
            left = rest;
        }
        text.extend_from_slice(crate::LAST_CHUNK);
        let (mut reader, mut bytes, mut found) = (BodyReader::new(BodyLength::Chunked), BytesMut::new(), Vec::new());
        let mut left = &text[..];
        while !left.is_empty() {
            let (piece, rest) = left.split_at(1 + dice.throw(left.len()));
            bytes.extend_from_slice(piece);
            while let Some(part) = reader.read(&mut bytes).unwrap() {
                let Part::Data(data) = part else { panic!("no trailers were written") };
                found.extend_from_slice(&data);
            }
            left = rest;
        }
        assert!(reader.is_over() && bytes.is_empty() && found == content);
    }
}
