//! Renewal information (RFC 9773): a GET without a signature.

use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, StatusCode};
use instant_acme::RenewalInfo;

use super::{Client, classify::Asking, fault::Fault, transport::Answer};
use crate::{
    Timestamp,
    failure::{Failure, FailureKind, printable},
    plan::RenewalWindow,
};

impl Client {
    pub(super) async fn ask_renewal_info(&self, certificate: &str) -> Result<RenewalWindow, Failure> {
        let catalogue = self.catalogue().await?;
        let Some(base) = &catalogue.renewal_info else {
            let sentence = format!("{} has no renewal information", self.config.id);
            return Err(Failure::new(FailureKind::Configuration, sentence));
        };
        let judge = |fault: &Fault| self.judging().judge(fault, Asking::RenewalInfo);
        let url = format!("{}/{certificate}", base.trim_end_matches('/'));
        let request = Request::get(url).body(Bytes::new());
        let request = request.map_err(|error| judge(&Fault::Library(printable(&error.to_string()))))?;
        let answer = self.transport.exchange(request).await.map_err(|error| judge(&error.into()))?;
        read(&answer).map_err(|fault| judge(&fault))
    }
}

fn read(answer: &Answer) -> Result<RenewalWindow, Fault> {
    if answer.status != StatusCode::OK {
        return Err(Fault::of(answer));
    }
    let strange = |what| Fault::Strange { status: answer.status, what, retry_after: answer.retry_after };
    let info: RenewalInfo =
        serde_json::from_slice(&answer.body).map_err(|_| strange("something that is no renewal information"))?;
    let (start, end) = (info.suggested_window.start, info.suggested_window.end);
    // RFC 9773 section 4.2: a window that ends before it starts counts as none.
    if end <= start {
        return Err(strange("a renewal window that ends before it begins"));
    }
    if let Some(why) = &info.explanation_url {
        tracing::info!(url = %printable(why), "the CA explains its renewal window");
    }
    let [start, end] = [start, end].map(|time| Timestamp::from(SystemTime::from(time)));
    Ok(RenewalWindow { start, end, retry_after: answer.retry_after })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let retry_after = Some(Duration::from_secs(60));
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers: HeaderMap::new(), body: body.to_owned().into(), retry_after, skew: None }
    }

    #[test]
    fn a_window_is_read() {
        let body = r#"{"suggestedWindow": {"start": "1970-01-02T04:00:00Z", "end": "1970-01-03T05:00:00.5+01:00"},
            "explanationURL": "https://ca.test/why", "new": 1}"#;
        let window = read(&answer(200, body)).unwrap();
        assert_eq!((window.start, window.end), (Timestamp(100_800_000), Timestamp(187_200_500)));
        assert_eq!(window.retry_after, Some(Duration::from_secs(60)));
    }

    #[test]
    fn what_is_no_window_is_told() {
        let window =
            |start: &str, end: &str| format!(r#"{{"suggestedWindow": {{"start": "{start}", "end": "{end}"}}}}"#);
        for (status, body, expected) in [
            (
                200,
                window("2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z"),
                "a renewal window that ends before it begins",
            ),
            (
                200,
                window("2026-01-03T00:00:00Z", "2026-01-02T00:00:00Z"),
                "a renewal window that ends before it begins",
            ),
            (200, window("tomorrow", "2026-01-02T00:00:00Z"), "something that is no renewal information"),
            (200, "<html>".to_owned(), "something that is no renewal information"),
            (404, String::new(), "nothing else"),
            (503, "<html>".to_owned(), "something that is no problem document"),
        ] {
            let fault = read(&answer(status, &body)).unwrap_err();
            assert_eq!(fault.to_string(), format!("HTTP status {status} with {expected}"), "{body}");
            assert_eq!(fault.retry_after(), Some(Duration::from_secs(60)));
        }
    }

    #[test]
    fn dates_before_the_epoch_are_the_epoch() {
        let body = r#"{"suggestedWindow": {"start": "0001-01-01T00:00:00Z", "end": "1960-01-03T00:00:00Z"}}"#;
        assert_eq!(read(&answer(200, body)).unwrap().end, Timestamp(0));
    }
}
