//! Instants for people: a date, and how far away it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 86_400;

/// The end of a certificate.
pub(crate) fn expiry(end: u64, now: SystemTime) -> String {
    let Some(end) = instant(end) else { return "never".to_owned() };
    let distance = match end.duration_since(now) {
        Ok(left) if left.as_secs() < DAY => format!("in {} h", left.as_secs() / HOUR),
        Ok(left) => format!("in {} days", left.as_secs() / DAY),
        Err(past) => format!("EXPIRED {} days ago", past.duration().as_secs() / DAY),
    };
    format!("{} ({distance})", date(end))
}

/// Something that is to happen: `in 4 min`, `in 3 h`, or a date.
pub(crate) fn when(at: u64, now: SystemTime) -> String {
    let Some(at) = instant(at) else { return "never".to_owned() };
    match at.duration_since(now).map(|left| left.as_secs()) {
        Err(_) | Ok(0) => "now".to_owned(),
        Ok(left) if left < MINUTE => format!("in {left} s"),
        Ok(left) if left < HOUR => format!("in {} min", left / MINUTE),
        Ok(left) if left < DAY => format!("in {} h", left / HOUR),
        Ok(left) => format!("{} (in {} days)", date(at), left / DAY),
    }
}

/// Something that has happened: `4 min ago`.
pub(crate) fn ago(at: u64, now: SystemTime) -> String {
    let past = instant(at).and_then(|at| now.duration_since(at).ok()).unwrap_or_default().as_secs();
    match past {
        0..MINUTE => "just now".to_owned(),
        MINUTE..HOUR => format!("{} min ago", past / MINUTE),
        HOUR..DAY => format!("{} h ago", past / HOUR),
        _ => format!("{} days ago", past / DAY),
    }
}

/// Seconds since the epoch, unless they mean "never" (RFC 5280 section 4.1.2.5): an HTTP date ends with the year 9999.
fn instant(seconds: u64) -> Option<SystemTime> {
    let latest = UNIX_EPOCH + Duration::from_secs(253_402_300_799 - DAY);
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).filter(|end| *end <= latest)
}

/// `06 Nov 1994`, out of an HTTP date (RFC 9110 section 5.6.7: fixed places).
fn date(time: SystemTime) -> String {
    httpdate::fmt_http_date(time).get(5..16).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_767_225_600; // 01 Jan 2026

    fn check(tell: fn(u64, SystemTime) -> String, at: u64, expected: &str) {
        assert_eq!(tell(at, UNIX_EPOCH + Duration::from_secs(NOW)), expected);
    }

    #[test]
    fn an_expiry_is_a_date_and_a_distance() {
        check(expiry, NOW + 90 * DAY, "01 Apr 2026 (in 90 days)");
        check(expiry, NOW + 7_300, "01 Jan 2026 (in 2 h)");
        check(expiry, NOW - DAY, "31 Dec 2025 (EXPIRED 1 days ago)");
        check(expiry, u64::MAX, "never");
        check(expiry, 253_402_300_799, "never");
    }

    #[test]
    fn what_is_near_is_told_as_a_distance() {
        check(when, NOW - 5, "now");
        check(when, NOW + 5, "in 5 s");
        check(when, NOW + 240, "in 4 min");
        check(when, NOW + 7_300, "in 2 h");
        check(when, NOW + 30 * DAY, "31 Jan 2026 (in 30 days)");
        check(ago, NOW - 5, "just now");
        check(ago, NOW - 240, "4 min ago");
        check(ago, NOW - 7_300, "2 h ago");
        check(ago, NOW - 3 * DAY, "3 days ago");
        check(ago, NOW + 5, "just now");
    }
}
