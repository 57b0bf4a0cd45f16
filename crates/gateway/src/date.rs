//! [`write_now`]: the time as a `Date` field says it, written once a second for each worker.

use std::{
    cell::RefCell,
    time::{SystemTime, UNIX_EPOCH},
};

/// The second, and its text.
struct Written {
    second: u64,
    text: String,
}

thread_local! {
    static WRITTEN: RefCell<Written> = const { RefCell::new(Written { second: u64::MAX, text: String::new() }) };
}

/// Appends it as an IMF-fixdate (RFC 9110 section 5.6.7).
pub(crate) fn write_now(to: &mut Vec<u8>) {
    let now = SystemTime::now();
    let second = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    WRITTEN.with_borrow_mut(|written| {
        if written.second != second {
            *written = Written { second, text: httpdate::fmt_http_date(now) };
        }
        to.extend_from_slice(written.text.as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_now_and_of_the_one_form() {
        let mut text = Vec::new();
        write_now(&mut text);
        let text = String::from_utf8(text).expect("ASCII");
        let said = httpdate::parse_http_date(&text).expect("a date");
        let since = SystemTime::now().duration_since(said).expect("not before it was said");
        assert!(since.as_secs() < 60, "{text}");
        assert_eq!(text.len(), 29);
    }
}
