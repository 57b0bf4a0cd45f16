//! Where the gateway's own events go: standard error, as text or JSON lines. Access events are the gateway's matter.

use std::io;

use tracing_subscriber::EnvFilter;
use vestibule_site::settings::{Log, LogFormat};

use crate::{failure::Failure, terminal::Paint};

const DEFAULT_LEVEL: &str = "info";

/// Sends every event from now on to standard error. The environment has no say: what runs is what is written down.
pub(crate) fn subscribe(log: &Log) -> Result<(), Failure> {
    let level = log.level.as_deref().unwrap_or(DEFAULT_LEVEL);
    let filter = EnvFilter::try_new(level).map_err(|source| Failure::LogLevel { written: level.to_owned(), source })?;
    let events = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match log.format {
        LogFormat::Text => events.with_ansi(Paint::of_stderr() == Paint::Colour).init(),
        LogFormat::Json => events.json().flatten_event(true).init(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_no_filter_is_refused() {
        let log = Log { level: Some("vestibule=loud".into()), ..Log::default() };
        assert!(matches!(subscribe(&log), Err(Failure::LogLevel { .. })));
    }
}
