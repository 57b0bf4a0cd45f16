//! What the application sees of a request through the gateway: scheme, host and client.

use vestibule_testkit::Curl;

use crate::{
    Outcome,
    kestrel::{
        dashboard::Dashboard,
        inside::{Seen, Tag},
        report::{Report, hold},
        stage::{API, ASPIRE, CLIENT, SECOND, Stage, TOKEN, shown},
    },
};

/// Prints this part of the table.
pub(in crate::kestrel) async fn run(report: &mut Report, stage: &Stage) {
    report.heading("The application's view (read inside the process, after the last middleware)");
    report.check("control: whoever reaches Kestrel's own port is believed", direct(stage)).await;
    report.check("aspire: scheme and host are the client's", first(stage)).await;
    report.check("aspire: its redirect to the login is absolute and right", redirect(stage)).await;
    report.check("aspire: its login cookie is Secure", cookie(stage)).await;
    report.check("second: scheme, host and client are the client's", second(stage)).await;
    report.check("api: the headers themselves, as a second witness", headers(stage)).await;
}

/// Without this the checks of forged headers would prove nothing: the middleware does believe them.
async fn direct(stage: &Stage) -> Outcome<String> {
    let first = forged(&stage.first, &["X-Forwarded-Host: evil.test", "X-Forwarded-Proto: https"]).await?;
    let second = forged(&stage.second, &["X-Forwarded-For: 203.0.113.66", "X-Forwarded-Proto: https"]).await?;
    let believed = first.host == "evil.test" && second.client == "203.0.113.66";
    let both = [&first, &second].iter().all(|seen| seen.scheme == "https");
    hold(believed && both, format!("aspire: {}; second: {}", shown(&first), shown(&second)))
}

/// What the application sees of a request that does not come through the gateway.
async fn forged(dashboard: &Dashboard, headers: &[&str]) -> Outcome<Seen> {
    let tag = Tag::new();
    let mut curl = std::process::Command::new("curl");
    curl.args(["--silent", "--max-time", "20", "--noproxy", "*", "--output", "/dev/null"]);
    curl.args(headers.iter().flat_map(|header| ["--header", header]));
    crate::step::succeed(curl.arg(format!("http://{}{}", dashboard.pages, tag.path("/health"))))?;
    dashboard.inside.seen(&tag).await
}

async fn first(stage: &Stage) -> Outcome<String> {
    let tag = Tag::new();
    stage.curl().args([format!("https://{ASPIRE}{}", tag.path("/structuredlogs"))]).text().await;
    let seen = stage.first.inside.seen(&tag).await?;
    let right = seen.scheme == "https" && seen.host == ASPIRE && seen.base.is_empty();
    hold(right, format!("{} (so set up, it does not read X-Forwarded-For)", shown(&seen)))
}

async fn redirect(stage: &Stage) -> Outcome<String> {
    let answer = stage.curl().args([format!("https://{ASPIRE}/structuredlogs")]).text().await;
    let location = field(&answer, "location").ok_or("no redirect")?;
    hold(location.starts_with(&format!("https://{ASPIRE}/login?")), location)
}

async fn cookie(stage: &Stage) -> Outcome<String> {
    let answer = stage.curl().args([format!("https://{ASPIRE}/login?t={TOKEN}")]).text().await;
    let cookie = field(&answer, "set-cookie").ok_or("no cookie")?;
    let (value, attributes) = cookie.split_once(';').unwrap_or((&cookie, ""));
    let name = value.split('=').next().unwrap_or_default();
    hold(attributes.split(';').any(|word| word.trim() == "secure"), format!("{name}:{attributes}"))
}

async fn second(stage: &Stage) -> Outcome<String> {
    let tag = Tag::new();
    stage.curl().args([format!("https://{SECOND}{}", tag.path("/structuredlogs"))]).text().await;
    let seen = stage.second.inside.seen(&tag).await?;
    hold(seen.scheme == "https" && seen.host == SECOND && seen.client == CLIENT, shown(&seen))
}

async fn headers(stage: &Stage) -> Outcome<String> {
    let curl = Curl::new(&stage.gateway).args(["--interface", CLIENT, &format!("https://{API}/echo")]);
    let seen: serde_json::Value = serde_json::from_str(&curl.text().await)?;
    let value = |name: &str| {
        let fields = seen["headers"].as_array()?.iter();
        fields.filter(|field| field[0] == name).map(|field| field[1].as_str()).collect::<Option<Vec<_>>>()
    };
    let expected =
        [("host", API), ("x-forwarded-for", CLIENT), ("x-forwarded-proto", "https"), ("x-forwarded-host", API)];
    for (name, expected) in expected {
        if value(name).as_deref() != Some(&[expected]) {
            return Err(format!("{name} is {:?}", value(name)).into());
        }
    }
    let forwarded = value("forwarded").unwrap_or_default().join(" | ");
    let right = ["for=", CLIENT, "proto=https", "host="].iter().all(|part| forwarded.contains(part));
    hold(right, format!("X-Forwarded-For, -Proto and -Host right; Forwarded: {forwarded}"))
}

/// The value of a header in the head of an answer as curl shows it; the name in lower case.
pub(super) fn field(answer: &str, name: &str) -> Option<String> {
    let lines = answer.lines().take_while(|line| !line.trim().is_empty());
    lines
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
}
