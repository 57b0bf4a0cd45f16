//! What the application sees of a request through the gateway: scheme, host and client.

use vestibule_testkit::Curl;

use crate::{
    Outcome,
    kestrel::{
        dashboard::Dashboard,
        inside::{Seen, Tag},
        report::{Report, hold},
        stage::{API, ASPIRE, CLIENT, LOCAL, SECOND, Stage, TOKEN, shown},
    },
};

const FORGED_CLIENT: &str = "X-Forwarded-For: 203.0.113.66";

/// Prints this part of the table.
pub(in crate::kestrel) async fn run(report: &mut Report, stage: &Stage) {
    report.heading("The application's view (read inside the process, after the last middleware)");
    report.check("control: whoever reaches Kestrel's own port is believed", direct(stage)).await;
    report.check("aspire: scheme and host are the client's", first(stage)).await;
    report.check("aspire: its redirect to the login is absolute and right", redirect(stage)).await;
    report.check("aspire: its login cookie is Secure", cookie(stage)).await;
    report.check("second: scheme, host and client are the client's", second(stage)).await;
    report.check("control: whoever reaches Kestrel's Unix socket is believed", direct_socket(stage)).await;
    report.check("second, over its Unix socket: the same view", socket(stage)).await;
    report.check("api: the headers themselves, as a second witness", headers(stage)).await;
}

/// Without this the checks of forged headers would prove nothing: the middleware does believe them.
async fn direct(stage: &Stage) -> Outcome<String> {
    let url = |dashboard: &Dashboard| format!("http://{}/health", dashboard.pages);
    let first = forged(&stage.first, &[&url(&stage.first), "--header", "X-Forwarded-Host: evil.test"]).await?;
    let second = forged(&stage.second, &[&url(&stage.second), "--header", FORGED_CLIENT]).await?;
    let believed = first.host == "evil.test" && second.client == "203.0.113.66";
    let both = [&first, &second].iter().all(|seen| seen.scheme == "https");
    hold(believed && both, format!("aspire: {}; second: {}", shown(&first), shown(&second)))
}

async fn direct_socket(stage: &Stage) -> Outcome<String> {
    let path = stage.second.socket.to_str().ok_or("no path")?;
    let request = ["http://a.test/health", "--unix-socket", path];
    let plain = look(&stage.second, &request).await?;
    let forged = forged(&stage.second, &[request.as_slice(), &["--header", FORGED_CLIENT]].concat()).await?;
    let believed = plain.client.is_empty() && forged.client == "203.0.113.66";
    hold(believed, format!("client {:?}; forged by hand: {}", plain.client, shown(&forged)))
}

/// What the application sees of a forged request that does not come through the gateway.
async fn forged(dashboard: &Dashboard, request: &[&str]) -> Outcome<Seen> {
    look(dashboard, &[request, &["--header", "X-Forwarded-Proto: https"]].concat()).await
}

/// What it sees of a request; the first word is the URL.
async fn look(dashboard: &Dashboard, request: &[&str]) -> Outcome<Seen> {
    let tag = Tag::new();
    let (url, options) = request.split_first().ok_or("no URL")?;
    let mut curl = std::process::Command::new("curl");
    curl.args(["--silent", "--max-time", "20", "--noproxy", "*", "--output", "/dev/null"]).args(options);
    crate::step::succeed(curl.arg(tag.path(url)))?;
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

async fn socket(stage: &Stage) -> Outcome<String> {
    let tag = Tag::new();
    let forged = ["--header", FORGED_CLIENT, "--header", "X-Forwarded-Proto: gopher"];
    stage.curl().args(forged).args([format!("https://{LOCAL}{}", tag.path("/health"))]).text().await;
    let seen = stage.second.inside.seen(&tag).await?;
    let right = seen.scheme == "https" && seen.host == LOCAL && seen.client == CLIENT;
    hold(right, format!("{}, forged headers or not", shown(&seen)))
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
