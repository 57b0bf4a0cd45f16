//! `vestibule logs`: a tenant's own access events, from the running gateway. Nobody needs rights for it, and the gateway tells
//! nobody another's.

use std::{io::Write, time::Duration};

use clap::Args;
use serde::Deserialize;
use vestibule_gateway::{admin::model::LogPage, users};
use vestibule_names::TenantId;

use crate::{
    admin_client::AdminClient,
    cli::{Format, FormatFlag, ReachFlags},
    exit::Exit,
    failure::Failure,
    terminal::escaped,
};

/// Seconds for which the gateway waits for something new.
const WAIT: &str = "20";
/// Between two questions that were answered at once: the gateway answers a tenant about twenty in a second.
const PAUSE: Duration = Duration::from_millis(200);

/// The flags of `logs`.
#[derive(Debug, Args)]
#[command(after_help = "\
Every tenant has a log of their own: one line per request to their sites, kept within limits.logs of the settings, the \
oldest leaving first. The gateway keeps it and knows who asks, so nobody needs a right for it, and nobody reads another's. \
Root may name any tenant. With --format json each line is the event as it was written, one JSON object.

Examples:
  vestibule logs
  vestibule logs -n 100 --site shop/blog.yaml
  vestibule logs --follow
  vestibule logs -n 1000 --format json | jq -r 'select(.status >= 500) | .target'
  vestibule logs --tenant ann --follow")]
pub(crate) struct Flags {
    /// Go on with what comes
    #[arg(short, long)]
    follow: bool,
    /// The last so many events, at most 1000
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    lines: u16,
    /// Everything that is kept
    #[arg(long, conflicts_with = "lines")]
    all: bool,
    /// Of this site only, by its file relative to the sites folder
    #[arg(long, value_name = "FILE")]
    site: Option<String>,
    /// Whose log, by name or number [default: your own]
    #[arg(long, value_name = "USER")]
    tenant: Option<String>,
    #[command(flatten)]
    reach: ReachFlags,
    #[command(flatten)]
    format: FormatFlag,
}

/// Asks and prints, and goes on if that is wanted.
pub(crate) fn run(flags: &Flags, out: &mut dyn Write) -> Result<Exit, Failure> {
    let client = AdminClient::reach(&flags.reach)?;
    let tenant = whose(flags)?.0.to_string();
    let lines = flags.lines.to_string();
    let mut after = flags.all.then(|| "0-0".to_owned());
    loop {
        let mut query = vec![("tenant", tenant.as_str()), ("limit", lines.as_str())];
        query.extend(flags.site.as_deref().map(|site| ("site", site)));
        if let Some(after) = &after {
            query.push(("after", after));
            query.extend(flags.follow.then_some(("wait", WAIT)));
        }
        let page: LogPage = client.inquire("/v1/logs", &query)?;
        for line in &page.lines {
            match flags.format.format {
                Format::Json => writeln!(out, "{line}")?,
                Format::Text => writeln!(out, "{}", in_words(line))?,
            }
        }
        out.flush()?;
        if !flags.follow && !page.more {
            return Ok(Exit::OK);
        }
        if !page.lines.is_empty() {
            std::thread::sleep(PAUSE);
        }
        after = Some(page.next);
    }
}

fn whose(flags: &Flags) -> Result<TenantId, Failure> {
    let Some(named) = &flags.tenant else { return Ok(TenantId(rustix::process::geteuid().as_raw())) };
    let uid = named.parse().map(TenantId).ok().or_else(|| users::uid_of(named));
    uid.ok_or_else(|| Failure::UnknownUser { written: named.clone() })
}

/// The parts of an event that people look for.
#[derive(Deserialize)]
struct Event {
    ts: f64,
    client: String,
    method: String,
    host: String,
    target: String,
    status: u16,
    bytes: u64,
    duration_ms: f64,
    code: Option<String>,
}

/// `22 Nov 2026 21:05:07  200  1.2 ms  311  192.0.2.7  GET shop.example/cart`; what is no event is shown as it is.
fn in_words(line: &str) -> String {
    let Ok(event) = serde_json::from_str::<Event>(line) else { return escaped(line).into_owned() };
    let at = Duration::try_from_secs_f64(event.ts).unwrap_or_default();
    let date = httpdate::fmt_http_date(std::time::UNIX_EPOCH + at);
    // `Sun, 22 Nov 2026 21:05:07 GMT`
    let date = date.get(5..25).unwrap_or(&date).to_owned();
    let Event { client, method, host, target, status, bytes, duration_ms, code, .. } = event;
    let code = code.map(|code| format!("  {code}")).unwrap_or_default();
    let told = format!("{date}  {status}  {duration_ms:.1} ms  {bytes}  {client}  {method} {host}{target}{code}");
    escaped(&told).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_told_in_a_line() {
        let event = "{\"ts\":1767225600.5,\"request_id\":\"0\",\"client\":\"192.0.2.7\",\"method\":\"GET\",\
                     \"host\":\"a.test\",\"target\":\"/x\\u001b\",\"status\":502,\"bytes\":311,\"duration_ms\":1.25,\
                     \"code\":\"upstream_refused\"}";
        assert_eq!(
            in_words(event),
            "01 Jan 2026 00:00:00  502  1.2 ms  311  192.0.2.7  GET a.test/x\\u{1b}  upstream_refused"
        );
        assert_eq!(in_words("torn"), "torn");
    }
}
