//! wrk: its command line, what it asks for, and its report. The printed one is rounded to three digits, so a script of ours
//! prints the exact figures.

use std::{fmt::Write as _, path::Path};

use super::{
    load::Loaded,
    open::latency::Latency,
    workload::{Ask, Workload},
};

/// Runs once, when the load has ended: nothing of it is on the path of a request.
const REPORT: &str = r#"done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("exact %d %d %d %d %d %d %d %d %d %d %d\n",
    summary.requests, summary.bytes, summary.duration,
    e.connect, e.read, e.write, e.timeout, e.status,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
"#;

/// Every hundredth request asks for what fails: half of those get a 502 of the origin's, half a connection that it closes.
const OR_ERROR: &str = r#"local number, good, fails, closes = 0
init = function(args)
  good, fails, closes = wrk.format("GET"), wrk.format("GET", "/fails"), wrk.format("GET", "/closes")
end
request = function()
  number = number + 1
  if number % 100 > 0 then return good end
  return number % 200 > 0 and fails or closes
end
"#;

/// wrk sets `Host` before it calls this.
const CHUNKED: &str = r#"init = function(args)
  local chunk = "4000\r\n" .. string.rep("v", 16384) .. "\r\n"
  upload = "POST " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] ..
    "\r\nTransfer-Encoding: chunked\r\n\r\n" .. string.rep(chunk, bytes / 16384) .. "0\r\n\r\n"
end
request = function() return upload end
"#;

/// The script for a workload.
pub(super) fn script(workload: Workload, ask: Ask) -> String {
    let bytes = workload.body_bytes();
    let mut script = REPORT.to_owned();
    // Writing to a string does not fail.
    let _ = match ask {
        Ask::File => Ok(()),
        Ask::FileOrError => write!(script, "{OR_ERROR}"),
        Ask::Whole => write!(script, "wrk.method = \"POST\"\nwrk.body = string.rep(\"v\", {bytes})\n"),
        Ask::Chunked => write!(script, "local bytes = {bytes}\n{CHUNKED}"),
    };
    script
}

/// The command line.
pub(super) fn command(connections: u32, seconds: u32, script: &Path, url: &str) -> Vec<String> {
    let script = script.display();
    let line = format!("wrk -t1 -c{connections} -d{seconds}s --timeout 10s -s {script} {url}");
    line.split_whitespace().map(str::to_owned).collect()
}

/// Reads the line of [`REPORT`]. Errors make it worthless; so do answers that are no 2xx or 3xx, if there are others than
/// were asked for.
pub(super) fn parse(output: &str, ask: Ask) -> Result<Loaded, String> {
    let line = output.lines().find_map(|line| line.strip_prefix("exact ")).ok_or("wrk reported nothing")?;
    let numbers: Result<Vec<u64>, _> = line.split_whitespace().map(str::parse).collect();
    let numbers = numbers.map_err(|error| format!("wrk reported {line:?}: {error}"))?;
    let [requests, bytes, micros, connect, read, write, timeout, status, p50, p99, p999] = numbers[..] else {
        return Err(format!("wrk reported {line:?}"));
    };
    // HAProxy hangs up when an upstream connection that it used again is closed instead of answered: its client is to try
    // again.
    let (hung_up, expected) = match ask {
        // A few are under way at the end.
        Ask::FileOrError => (read, requests / 200..=requests / 100 + 64),
        Ask::File | Ask::Whole | Ask::Chunked => (0, 0..=0),
    };
    if connect + read + write + timeout > hung_up {
        return Err(format!("socket errors: {connect} connect, {read} read, {write} write, {timeout} timeout"));
    }
    if !expected.contains(&(status + hung_up)) {
        return Err(format!("{status} of {requests} answers are errors"));
    }
    Ok(Loaded { requests, bytes: Some(bytes), micros, latency: Latency { p50, p99, p999 } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports() {
        let check = |line: &str, ask, expected: Result<Loaded, &str>| {
            let output = format!("Running 1s test\n  2 requests in 1.00s, 2.01KB read\n{line}\n");
            assert_eq!(parse(&output, ask), expected.map_err(str::to_owned), "{line}");
        };
        let latency = Latency { p50: 279, p99: 5_558, p999: 6_000 };
        let good = Loaded { requests: 51_608, bytes: Some(65_232_512), micros: 1_003_434, latency };
        check("exact 51608 65232512 1003434 0 0 0 0 0 279 5558 6000", Ask::File, Ok(good));
        check("exact 51608 65232512 1003434 0 0 0 0 516 279 5558 6000", Ask::FileOrError, Ok(good));
        check("exact 51608 65232512 1003434 0 258 0 0 258 279 5558 6000", Ask::FileOrError, Ok(good));
        let socket = Err("socket errors: 1 connect, 2 read, 0 write, 3 timeout");
        check("exact 9 900 1000 1 2 0 3 0 5 6 7", Ask::File, socket);
        check("exact 9 900 1000 0 0 0 0 4 5 6 7", Ask::File, Err("4 of 9 answers are errors"));
        check("exact 9000 900 1000 0 0 0 0 0 5 6 7", Ask::FileOrError, Err("0 of 9000 answers are errors"));
        check("exact 9000 900 1000 0 0 0 0 300 5 6 7", Ask::FileOrError, Err("300 of 9000 answers are errors"));
        check("exact 9 900", Ask::File, Err("wrk reported \"9 900\""));
        check("unable to connect", Ask::File, Err("wrk reported nothing"));
    }
}
