//! h2load: its command line, and its report: totals from its output, percentiles from its log of requests, which it does
//! not compute.

use std::path::Path;

use super::{load::Loaded, open::latency::Latency};

/// h2load sets its own lists over those of the OpenSSL settings, which wrk obeys.
const TLS: &str = "--tls13-ciphers=TLS_AES_128_GCM_SHA256 --groups=X25519";
/// What it must have agreed on.
const PROTOCOL: &str = "h2";

/// The command line: 8 connections with 32 streams each.
pub(super) fn command(seconds: u32, log: &Path, url: &str) -> Vec<String> {
    let line = format!("h2load {TLS} -t1 -c8 -m32 -D{seconds} --log-file={} {url}", log.display());
    line.split_whitespace().map(str::to_owned).collect()
}

/// Totals. Anything but 2xx, a request that failed, or another protocol makes them worthless.
pub(super) fn parse(output: &str, log: &str) -> Result<Loaded, String> {
    let line = |start: &str| output.lines().find_map(|line| line.strip_prefix(start)).map(str::trim);
    let agreed = line("Application protocol:").ok_or("h2load never finished a handshake")?;
    if agreed != PROTOCOL {
        return Err(format!("spoke {agreed}, not {PROTOCOL}"));
    }
    let totals = line("requests:").ok_or("h2load reported no requests")?;
    let codes = line("status codes:").ok_or("h2load reported no status codes")?;
    let finished = line("finished in").ok_or("h2load reported no duration")?;
    let done = count(totals, "done")?;
    let mut bad = 0;
    for word in ["failed", "errored", "timeout"] {
        bad += count(totals, word)?;
    }
    // 2xx are counted by head: more than are done when the end cuts some off.
    for word in ["3xx", "4xx", "5xx"] {
        bad += count(codes, word)?;
    }
    if bad > 0 {
        return Err(format!("of {done} answers, not all are good: {totals}; {codes}"));
    }
    let span = finished.split(',').next().and_then(micros).ok_or_else(|| format!("no duration in {finished:?}"))?;
    Ok(Loaded { requests: done, bytes: None, micros: span, latency: latency(log)? })
}

/// `12 done, 3 failed` → the number before the word.
fn count(list: &str, word: &str) -> Result<u64, String> {
    let pair = list.split(',').filter_map(|pair| pair.trim().split_once(' ')).find(|(_, name)| *name == word);
    pair.and_then(|(number, _)| number.parse().ok()).ok_or_else(|| format!("no {word:?} in {list:?}"))
}

/// `117.32ms` or `3.00s`.
fn micros(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = [("us", 1.0), ("ms", 1e3), ("s", 1e6)]
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.parse::<f64>().ok()?, factor)))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a duration of seconds, not negative")]
    (number >= 0.0).then_some((number * unit) as u64)
}

/// From lines of start, status and duration in microseconds.
fn latency(log: &str) -> Result<Latency, String> {
    let durations: Option<Vec<u64>> = log.lines().map(|line| line.split('\t').nth(2)?.parse().ok()).collect();
    let durations = durations.ok_or("the log of h2load is not as expected")?;
    Latency::of(durations).ok_or_else(|| "the log of h2load is empty".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "1795368028537239\t200\t300\n1795368028537240\t200\t100\n1795368028537241\t200\t200\n";

    fn output(protocol: &str, requests: &str, codes: &str) -> String {
        format!(
            "TLS Protocol: TLSv1.3\nApplication protocol: {protocol}\n\nfinished in 117.32ms, 25.57 req/s, 0B/s\n\
             requests: 5 total, 5 started, {requests}\nstatus codes: {codes}\n"
        )
    }

    #[test]
    fn reports() {
        let check = |protocol: &str, requests: &str, codes: &str, expected: Result<Loaded, &str>| {
            let parsed = parse(&output(protocol, requests, codes), LOG);
            assert_eq!(parsed, expected.map_err(str::to_owned), "{protocol} {requests} {codes}");
        };
        let fine = "3 done, 3 succeeded, 0 failed, 0 errored, 0 timeout";
        let good =
            Loaded { requests: 3, bytes: None, micros: 117_320, latency: Latency { p50: 200, p99: 300, p999: 300 } };
        check("h2", fine, "4 2xx, 0 3xx, 0 4xx, 0 5xx", Ok(good));
        check("http/1.1", fine, "3 2xx, 0 3xx, 0 4xx, 0 5xx", Err("spoke http/1.1, not h2"));
        check(
            "h2",
            fine,
            "2 2xx, 1 3xx, 0 4xx, 0 5xx",
            Err("of 3 answers, not all are good: 5 total, 5 started, 3 done, 3 succeeded, 0 failed, 0 errored, \
                 0 timeout; 2 2xx, 1 3xx, 0 4xx, 0 5xx"),
        );
        let broken =
            ["1 failed, 0 errored, 0 timeout", "0 failed, 1 errored, 0 timeout", "0 failed, 0 errored, 1 timeout"];
        for broken in broken {
            let text = output("h2", &format!("3 done, 2 succeeded, {broken}"), "3 2xx, 0 3xx, 0 4xx, 0 5xx");
            assert!(parse(&text, LOG).is_err(), "{broken}");
        }
        check("h2", "", "3 2xx", Err("no \"done\" in \"5 total, 5 started,\""));
    }

    #[test]
    fn durations() {
        let check = |text: &str, expected| assert_eq!(micros(text), expected, "{text}");
        check(" 117.32ms", Some(117_320));
        check("3.00s", Some(3_000_000));
        check("950us", Some(950));
        check("soon", None);
    }

    #[test]
    fn logs() {
        assert_eq!(latency(LOG), Ok(Latency { p50: 200, p99: 300, p999: 300 }));
        assert!(latency("").is_err());
        assert!(latency("one line").is_err());
    }
}
