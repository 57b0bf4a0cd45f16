//! [`Recorder`]: a backend that reads requests by the strictest grammar there is, and writes down each as it came.
//!
//! It is the judge of what may be forwarded: whatever it cannot read in exactly one way is a breach, which fails the
//! case that was running.

mod wanted;

use std::{
    collections::HashSet,
    mem,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

pub(crate) use wanted::{Transport, Wanted};

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrival {
    /// The request line.
    pub(crate) line: String,
    /// `name: value`, in alphabetical order.
    pub(crate) fields: Vec<String>,
    /// Without the frames of chunks.
    pub(crate) body: String,
    /// As the fields.
    pub(crate) trailers: Vec<String>,
}

/// See the module.
pub(crate) struct Recorder {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Result<Arrival, String>>>>,
    accepting: JoinHandle<()>,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<_>>>::default();
        let all = Arc::clone(&seen);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(serve(Reader { stream, held: Vec::new() }, Arc::clone(&all)));
            }
        });
        Self { address, seen, accepting }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came since the last call: requests, and breaches of the grammar.
    pub(crate) fn take(&self) -> Vec<Result<Arrival, String>> {
        mem::take(&mut self.seen.lock().unwrap())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Why reading stopped.
enum Stop {
    /// The end of the stream, perhaps within a message.
    End,
    Breach(String),
}

fn breach<T>(text: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Breach(text.into()))
}

async fn serve(mut reader: Reader, seen: Arc<Mutex<Vec<Result<Arrival, String>>>>) {
    loop {
        let arrival = match reader.request().await {
            Ok(arrival) => arrival,
            Err(Stop::End) => return,
            Err(Stop::Breach(text)) => return seen.lock().unwrap().push(Err(text)),
        };
        let answer = match arrival.line.starts_with("HEAD ") {
            true => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n",
            false => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        };
        seen.lock().unwrap().push(Ok(arrival));
        if reader.stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

struct Reader {
    stream: TcpStream,
    held: Vec<u8>,
}

impl Reader {
    async fn fill(&mut self) -> Result<(), Stop> {
        match self.stream.read_buf(&mut self.held).await {
            Ok(0) | Err(_) => Err(Stop::End),
            Ok(_) => Ok(()),
        }
    }

    /// A line that ends in CR LF and has neither elsewhere; visible ASCII, blanks, tabs and obs-text only.
    async fn line(&mut self) -> Result<String, Stop> {
        let end = loop {
            match self.held.iter().position(|byte| *byte == b'\n') {
                Some(end) => break end,
                None => self.fill().await?,
            }
        };
        let line: Vec<u8> = self.held.drain(..=end).collect();
        let Some(text) = line.strip_suffix(b"\r\n") else { return breach(format!("a bare LF: {}", shown(&line))) };
        match text.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f)) {
            true => Ok(shown(text)),
            false => breach(format!("a control byte: {}", shown(text))),
        }
    }

    async fn exactly(&mut self, count: usize) -> Result<Vec<u8>, Stop> {
        while self.held.len() < count {
            self.fill().await?;
        }
        Ok(self.held.drain(..count).collect())
    }

    async fn fields(&mut self) -> Result<Vec<String>, Stop> {
        let mut fields = Vec::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                fields.sort();
                return Ok(fields);
            }
            check_field(&line)?;
            fields.push(line);
        }
    }

    async fn request(&mut self) -> Result<Arrival, Stop> {
        let line = self.line().await?;
        check_line(&line)?;
        let fields = self.fields().await?;
        check_names(&fields)?;
        let (body, trailers) = match (value(&fields, "content-length"), value(&fields, "transfer-encoding")) {
            (None, None) => (Vec::new(), Vec::new()),
            (Some(length), None) => (self.exactly(decimal(length)?).await?, Vec::new()),
            (None, Some("chunked")) => self.chunks().await?,
            lengths => return breach(format!("lengths {lengths:?}")),
        };
        Ok(Arrival { line, fields, body: shown(&body), trailers })
    }

    async fn chunks(&mut self) -> Result<(Vec<u8>, Vec<String>), Stop> {
        let mut body = Vec::new();
        loop {
            let size = self.line().await?;
            if size.is_empty() || size.len() > 16 || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return breach(format!("the chunk size {size:?}"));
            }
            let size = usize::from_str_radix(&size, 16).or_else(|_| breach("a chunk size beyond all memory"))?;
            if size == 0 {
                return Ok((body, self.fields().await?));
            }
            body.extend(self.exactly(size).await?);
            if self.exactly(2).await? != b"\r\n" {
                return breach("chunk data without its end");
            }
        }
    }
}

/// Bytes as text that cannot lie: a character for each.
fn shown(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn decimal(text: &str) -> Result<usize, Stop> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    match text.parse() {
        Ok(length) if plain => Ok(length),
        _ => breach(format!("the length {text:?}")),
    }
}

fn value<'a>(fields: &'a [String], name: &str) -> Option<&'a str> {
    fields.iter().find_map(|field| field.strip_prefix(name)?.strip_prefix(": "))
}

fn check_line(line: &str) -> Result<(), Stop> {
    let parts: Vec<&str> = line.split(' ').collect();
    let [method, target, "HTTP/1.1"] = parts[..] else { return breach(format!("the request line {line:?}")) };
    let path = target.split('?').next().unwrap_or_default();
    let plain = target.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\#\"<>".contains(&byte));
    let folder = path.split('/').skip(1).map(|segment| segment.split(';').next().unwrap_or_default());
    let rooted = target == "*" || target.starts_with('/');
    let clear = !path.contains("//")
        && folder.into_iter().all(|segment| segment != "." && segment != "..")
        && !["%2e", "%2E", "%2f", "%2F", "%5c", "%5C", "%00"].iter().any(|escape| path.contains(escape));
    let token = !method.is_empty() && method.bytes().all(is_token);
    if plain && rooted && clear && token { Ok(()) } else { breach(format!("the request line {line:?}")) }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn check_field(field: &str) -> Result<(), Stop> {
    let Some((name, value)) = field.split_once(':') else { return breach(format!("the field {field:?}")) };
    let named =
        !name.is_empty() && name.bytes().all(|byte| is_token(byte) && !byte.is_ascii_uppercase() && byte != b'_');
    let valued =
        value.is_empty() || value == " " || (value.starts_with(' ') && value.trim_matches([' ', '\t']) == &value[1..]);
    if named && valued { Ok(()) } else { breach(format!("the field {field:?}")) }
}

/// Each of these exactly once, or at most once.
fn check_names(fields: &[String]) -> Result<(), Stop> {
    let names: Vec<&str> = fields.iter().filter_map(|field| field.split(':').next()).collect();
    let mut met = HashSet::new();
    for name in &names {
        let many = ["accept", "x-own", "cache-control"].contains(name);
        if !met.insert(*name) && !many {
            return breach(format!("{name} twice"));
        }
    }
    let ours = ["host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "x-request-id"];
    match ours.iter().find(|name| !met.contains(**name)) {
        Some(missing) => breach(format!("no {missing}")),
        None => Ok(()),
    }
}
