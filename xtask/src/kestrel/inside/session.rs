//! A session of the .NET diagnostics protocol: one request that opens a stream of events.
//!
//! The protocol is documented by Microsoft (dotnet/diagnostics, "IPC protocol"): a header of 20 bytes with a magic
//! word, the total size, a command set and a command; strings are UTF-16 with their count of units before them and a
//! null unit at the end; all numbers are little-endian.

use std::{path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};
use vestibule_testkit::wait::within;

use super::events::PROPERTIES;
use crate::Outcome;

const MAGIC: &[u8; 14] = b"DOTNET_IPC_V1\0";
const HEADER_LENGTH: usize = 20;
/// The runtime opens its socket early in its start.
const SOCKET_LIMIT: Duration = Duration::from_secs(10);

/// Command set "event pipe", command "collect tracing, second form".
const COLLECT_TRACING: [u8; 2] = [2, 3];
/// In the place of set and command of an answer: success.
const SUCCESS: [u8; 2] = [0xFF, 0];

/// The bridge from the framework's in-process diagnostic events to the event stream.
const PROVIDER: &str = "Microsoft-Diagnostics-DiagnosticSource";
/// Its messages about itself, and the bridged events.
const KEYWORDS: u64 = 0x3;
const VERBOSE: u32 = 5;

/// Opens the session; what follows on the stream are events.
pub(super) async fn open(dir: &Path, pid: u32) -> Outcome<UnixStream> {
    let prefix = format!("dotnet-diagnostic-{pid}-");
    let look = async || {
        let names = std::fs::read_dir(dir).ok()?.filter_map(Result::ok);
        let path = names.map(|entry| entry.path()).find(|path| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(&prefix))
        })?;
        UnixStream::connect(path).await.ok()
    };
    let mut stream = within(SOCKET_LIMIT, look).await.ok_or("the process has no diagnostics socket")?;
    stream.write_all(&request()).await?;
    let mut header = [0; HEADER_LENGTH];
    stream.read_exact(&mut header).await?;
    if header[..MAGIC.len()] != *MAGIC || header[16..18] != SUCCESS {
        return Err(format!("the diagnostics socket answers {header:02x?}").into());
    }
    // The number of the session: it ends when we close the stream.
    stream.read_u64_le().await?;
    Ok(stream)
}

fn request() -> Vec<u8> {
    const BUFFER_MEGABYTES: u32 = 16;
    const NETTRACE_FORMAT: u32 = 1;
    const NO_RUNDOWN: u8 = 0;
    let mut payload = Vec::new();
    payload.extend(BUFFER_MEGABYTES.to_le_bytes());
    payload.extend(NETTRACE_FORMAT.to_le_bytes());
    payload.push(NO_RUNDOWN);
    payload.extend(1_u32.to_le_bytes()); // providers
    payload.extend(KEYWORDS.to_le_bytes());
    payload.extend(VERBOSE.to_le_bytes());
    put_string(&mut payload, PROVIDER);
    put_string(&mut payload, &format!("FilterAndPayloadSpecs=\"Microsoft.AspNetCore:-{PROPERTIES}\""));

    let size = u16::try_from(HEADER_LENGTH + payload.len()).expect("the payload is a few hundred bytes");
    let mut message = MAGIC.to_vec();
    message.extend(size.to_le_bytes());
    message.extend(COLLECT_TRACING);
    message.extend([0, 0]); // reserved
    message.extend(payload);
    message
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    let units: Vec<u16> = text.encode_utf16().chain([0]).collect();
    let count = u32::try_from(units.len()).expect("our own strings are short");
    out.extend(count.to_le_bytes());
    out.extend(units.into_iter().flat_map(u16::to_le_bytes));
}
