//! [`Scanner`]: finds `HttpRequestIn.Stop` in a stream of events and reads the properties that come with it.
//!
//! An event of the bridge carries its name, then a count, then that many pairs of strings: all UTF-16 with a null unit
//! at the end. That is enough to read it where its name stands, without the frames of the stream around it.

use super::Seen;

/// What the bridge shall send with each event: a name of ours, and the way to the value from the `HttpContext`.
pub(super) const PROPERTIES: &str = "Scheme=Request.Scheme;Host=Request.Host;Base=Request.PathBase;\
                                     Query=Request.QueryString;Client=Connection.RemoteIpAddress";
/// Fires after the last middleware.
const EVENT: &str = "Microsoft.AspNetCore.Hosting.HttpRequestIn.Stop";
/// Nothing that we ask for is longer; a broken stream cannot make us keep more.
const EVENT_SIZE_LIMIT: usize = 64 << 10;

/// Keeps what has come in until an event is whole.
#[derive(Default)]
pub(super) struct Scanner {
    pending: Vec<u8>,
}

impl Scanner {
    /// Takes the next bytes and gives the events that are whole now.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Seen> {
        self.pending.extend_from_slice(bytes);
        let name = utf16(EVENT);
        let mut found = Vec::new();
        let mut position = 0;
        while let Some(start) = find(&self.pending[position..], &name).map(|at| position + at) {
            match parse(&self.pending[start + name.len()..]) {
                Some(seen) => {
                    found.push(seen);
                    position = start + name.len();
                }
                None if self.pending.len() - start < EVENT_SIZE_LIMIT => {
                    self.pending.drain(..start);
                    return found;
                }
                None => position = start + name.len(),
            }
        }
        // The beginning of a name may stand at the end.
        let keep = self.pending.len().saturating_sub(name.len()).max(position);
        self.pending.drain(..keep);
        found
    }
}

/// `None`: not whole yet.
fn parse(bytes: &[u8]) -> Option<Seen> {
    let (count, mut rest) = bytes.split_first_chunk::<2>()?;
    let mut seen = Seen {
        scheme: String::new(),
        host: String::new(),
        base: String::new(),
        query: String::new(),
        client: String::new(),
    };
    for _ in 0..u16::from_le_bytes(*count) {
        let (key, value);
        (key, rest) = string(rest)?;
        (value, rest) = string(rest)?;
        match key.as_str() {
            "Scheme" => seen.scheme = value,
            "Host" => seen.host = value,
            "Base" => seen.base = value,
            "Query" => seen.query = value,
            "Client" => seen.client = value,
            _ => {}
        }
    }
    Some(seen)
}

/// The string at the start, and what follows it.
fn string(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.chunks_exact(2).position(|unit| unit == [0, 0])? * 2;
    let units: Vec<u16> = bytes[..end].chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
    Some((String::from_utf16_lossy(&units), &bytes[end + 2..]))
}

/// With the null unit at the end.
fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = utf16("Microsoft.AspNetCore");
        bytes.extend(utf16(EVENT));
        bytes.extend(u16::try_from(pairs.len()).unwrap().to_le_bytes());
        for (key, value) in pairs {
            bytes.extend(utf16(key).into_iter().chain(utf16(value)));
        }
        bytes
    }

    #[test]
    fn an_event_is_found_however_the_stream_is_cut() {
        let mut stream = vec![1, 2, 3];
        stream.extend(event(&[("Scheme", "https"), ("Host", "a.test"), ("Client", "::1"), ("Query", "?q")]));
        stream.extend([0, 9]);
        stream.extend(event(&[("Scheme", "http"), ("Base", "/b")]));
        let seen = |scheme: &str, host: &str, base: &str, query: &str, client: &str| Seen {
            scheme: scheme.into(),
            host: host.into(),
            base: base.into(),
            query: query.into(),
            client: client.into(),
        };
        let expected = [seen("https", "a.test", "", "?q", "::1"), seen("http", "", "/b", "", "")];
        for size in 1..stream.len() {
            let mut scanner = Scanner::default();
            let found: Vec<_> = stream.chunks(size).flat_map(|chunk| scanner.feed(chunk)).collect();
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn an_event_that_never_ends_is_given_up() {
        let mut scanner = Scanner::default();
        let mut endless = utf16(EVENT);
        endless.extend([255, 255]);
        endless.extend(std::iter::repeat_n(b'x', EVENT_SIZE_LIMIT));
        assert_eq!(scanner.feed(&endless), []);
        assert!(scanner.pending.len() <= utf16(EVENT).len());
        assert_eq!(scanner.feed(&event(&[("Host", "a.test")])).len(), 1);
    }
}
