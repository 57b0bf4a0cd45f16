//! The report of wrk. Its printed one is rounded to three digits, so a script of ours prints the exact figures.

/// Runs once, when the load has ended: nothing of it is on the path of a request.
pub(super) const SCRIPT: &str = r#"done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("exact %d %d %d %d %d %d %d %d %d %d\n",
    summary.requests, summary.bytes, summary.duration,
    e.connect, e.read, e.write, e.timeout, e.status,
    latency:percentile(50), latency:percentile(99)))
end
"#;

use super::load::Loaded;

/// Reads the line of [`SCRIPT`]; errors and answers that are no 2xx or 3xx make it worthless.
pub(super) fn parse(output: &str) -> Result<Loaded, String> {
    let line = output.lines().find_map(|line| line.strip_prefix("exact ")).ok_or("wrk reported nothing")?;
    let numbers: Result<Vec<u64>, _> = line.split_whitespace().map(str::parse).collect();
    let numbers = numbers.map_err(|error| format!("wrk reported {line:?}: {error}"))?;
    let [requests, bytes, micros, connect, read, write, timeout, status, p50, p99] = numbers[..] else {
        return Err(format!("wrk reported {line:?}"));
    };
    if connect + read + write + timeout > 0 {
        return Err(format!("socket errors: {connect} connect, {read} read, {write} write, {timeout} timeout"));
    }
    if status > 0 {
        return Err(format!("{status} of {requests} answers are errors"));
    }
    Ok(Loaded { requests, bytes: Some(bytes), micros, p50_us: p50, p99_us: p99 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports() {
        let check = |line: &str, expected: Result<Loaded, &str>| {
            let output = format!("Running 1s test\n  2 requests in 1.00s, 2.01KB read\n{line}\n");
            assert_eq!(parse(&output), expected.map_err(str::to_owned), "{line}");
        };
        let good = Loaded { requests: 51_608, bytes: Some(65_232_512), micros: 1_003_434, p50_us: 279, p99_us: 5_558 };
        check("exact 51608 65232512 1003434 0 0 0 0 0 279 5558", Ok(good));
        check("exact 9 900 1000 1 2 0 3 0 5 6", Err("socket errors: 1 connect, 2 read, 0 write, 3 timeout"));
        check("exact 9 900 1000 0 0 0 0 4 5 6", Err("4 of 9 answers are errors"));
        check("exact 9 900", Err("wrk reported \"9 900\""));
        check("unable to connect", Err("wrk reported nothing"));
    }
}
