//! The page in a browser: trust, login, the circuit, interactivity, and what comes to the page without a reload.

use std::path::Path;

use serde_json::Value;
use vestibule_testkit::Curl;

use crate::{
    Outcome,
    kestrel::{
        browser::{Belief, Browser, Event, sockets},
        inside::Tag,
        report::{Report, hold},
        stage::{ASPIRE, SECOND, Stage, TOKEN, shown},
    },
};

/// The page that the application shows when it stands alone.
const LOGS: &str = "/structuredlogs";
/// The application renders nothing before its circuit is up, so this text came over the circuit.
const RENDERED: &str = "document.querySelector('h1')?.innerText || null";

/// Closes the dialog; true when there is none, since it lies over everything else.
const CLOSE_DIALOG: &str = "(() => { const dialog = document.querySelector('fluent-dialog'); \
                            dialog?.querySelector('[title=\"Close\"], [aria-label=\"Close\"]')?.click(); \
                            return !dialog; })()";

/// Prints this part of the table; pictures go to `pictures`.
pub(in crate::kestrel) async fn run(report: &mut Report, stage: &Stage, pictures: &Path) {
    report.heading("The page in a browser");
    report.check("without the gateway's root the browser refuses", refused(stage)).await;
    let root = stage.gateway.root_file();
    let mut browser = match Browser::start(Belief::Root(&root)).await {
        Ok(browser) => browser,
        Err(error) => return report.check("a browser starts", async { Err(error) }).await,
    };
    report.check("with the root in its database the page is secure", secure(stage, &mut browser)).await;
    report.check("the token logs in, and the cookie is Secure", log_in(stage, &mut browser)).await;
    report.check("the application sees the browser's request as it was", view(stage, &mut browser)).await;
    report.check("the circuit is up by WebSocket, frames both ways", circuit(stage, &mut browser)).await;
    report.check("what another client sends appears in the open page", pushed(stage, &mut browser)).await;
    report.check("a picture of the page", picture(&mut browser, &pictures.join("aspire.png"))).await;
    report.check("a click is answered over the circuit", clicked(&mut browser)).await;
    report.check("navigation stays in the circuit", navigated(&mut browser)).await;
    report.check("the second Kestrel, on the same port, has a circuit too", second(stage, &mut browser)).await;
}

async fn refused(stage: &Stage) -> Outcome<String> {
    let mut browser = Browser::start(Belief::Nothing).await?;
    match browser.go(&stage.url(ASPIRE, "/")).await {
        Ok(()) => Err("it goes to the page".into()),
        Err(error) => hold(error.to_string() == "net::ERR_CERT_AUTHORITY_INVALID", error.to_string()),
    }
}

async fn secure(stage: &Stage, browser: &mut Browser) -> Outcome<String> {
    let url = stage.url(ASPIRE, LOGS);
    browser.go(&url).await?;
    let response = browser.event("the page's response", document).await?;
    let details = &response["securityDetails"];
    let names = &details["sanList"];
    let seen = format!(
        "{}: {}, {}, certificate for {names}, issued by {}",
        response["securityState"].as_str().unwrap_or("no state"),
        response["protocol"].as_str().unwrap_or("no protocol"),
        details["protocol"].as_str().unwrap_or("no TLS"),
        details["issuer"],
    );
    let named = names.as_array().is_some_and(|names| names.iter().any(|name| name == ASPIRE));
    hold(named && response["securityState"] == "secure", seen)
}

/// The last response that was a page.
fn document(events: &[Event]) -> Option<Value> {
    let mut responses = events.iter().rev().filter(|event| event.method == "Network.responseReceived");
    responses.find(|event| event.params["type"] == "Document").map(|event| event.params["response"].clone())
}

async fn log_in(stage: &Stage, browser: &mut Browser) -> Outcome<String> {
    let before = browser.until("the login page", "location.pathname == '/login' && location.href").await?;
    let url = format!("{}?t={TOKEN}", stage.url(ASPIRE, "/login"));
    browser.go(&url).await?;
    browser.until("the page of logs", &format!("location.pathname == '{LOGS}'")).await?;
    let cookie = browser.event("the cookie", auth_cookie).await?;
    let attributes = cookie.split(';').skip(1).map(str::trim).collect::<Vec<_>>().join("; ");
    let secure = attributes.split("; ").any(|attribute| attribute.eq_ignore_ascii_case("secure"));
    let back = before.as_str().is_some_and(|url| url.starts_with(&stage.url(ASPIRE, "/login")));
    hold(secure && back, format!("sent to {before}, then a cookie with {attributes}"))
}

/// `Set-Cookie` is only in the event about the bytes.
fn auth_cookie(events: &[Event]) -> Option<String> {
    events.iter().filter(|event| event.method == "Network.responseReceivedExtraInfo").find_map(|event| {
        let headers = event.params["headers"].as_object()?;
        let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))?;
        value.as_str()?.lines().find(|cookie| cookie.starts_with(".Aspire.Dashboard.Auth")).map(str::to_owned)
    })
}

async fn view(stage: &Stage, browser: &mut Browser) -> Outcome<String> {
    let tag = Tag::new();
    browser.go(&stage.url(ASPIRE, &tag.path(LOGS))).await?;
    let seen = stage.first.inside.seen(&tag).await?;
    let authority = format!("{ASPIRE}:{}", stage.gateway.https().port());
    hold(seen.scheme == "https" && seen.host == authority, shown(&seen))
}

async fn circuit(stage: &Stage, browser: &mut Browser) -> Outcome<String> {
    let heading = browser.until("the page to be rendered", RENDERED).await?;
    let expected = stage.url(ASPIRE, "/_blazor").replacen("https", "wss", 1);
    let wanted = |events: &[Event]| {
        let mut sockets = sockets(events).into_iter().rev().filter(|socket| socket.url.starts_with(&expected));
        sockets.find(|socket| socket.status == Some(101) && socket.sent > 0 && socket.received > 0 && !socket.closed)
    };
    let socket = browser.event("the circuit", wanted).await?;
    let url = socket.url.split('?').next().unwrap_or_default();
    Ok(format!("{url}: 101, {} frames sent, {} received; the page shows {heading}", socket.sent, socket.received))
}

async fn pushed(stage: &Stage, browser: &mut Browser) -> Outcome<String> {
    let mark = "telemetry through the gateway";
    let body = telemetry(mark, 1);
    let sent = Curl::new(&stage.gateway).args(["--header", "content-type: application/json", "--data", &body]);
    let answer = sent.args(["--fail", &format!("https://{ASPIRE}/v1/logs")]).text().await;
    let pages = documents(browser);
    // Fluent's components hide their text from `innerText` in shadow roots; the grid's cells are ordinary.
    browser.until("the record", &format!("document.body.innerText.includes('{mark}')")).await?;
    hold(documents(browser) == pages, format!("POST /v1/logs: {answer}; the record is shown, no page was loaded"))
}

/// Records of a service in the JSON form of OTLP.
pub(super) fn telemetry(text: &str, count: usize) -> String {
    let record = |number: usize| {
        serde_json::json!({
            "timeUnixNano": (1_790_000_000_000_000_000 + number).to_string(),
            "severityNumber": 9,
            "severityText": "Information",
            "body": {"stringValue": text},
        })
    };
    let records: Vec<_> = (0..count).map(record).collect();
    let service = serde_json::json!({"key": "service.name", "value": {"stringValue": "kestrel-case"}});
    serde_json::json!({"resourceLogs": [{
        "resource": {"attributes": [service]},
        "scopeLogs": [{"scope": {"name": "case"}, "logRecords": records}],
    }]})
    .to_string()
}

/// How many pages were loaded.
fn documents(browser: &Browser) -> usize {
    let requests = browser.events().iter().filter(|event| event.method == "Network.requestWillBeSent");
    requests.filter(|event| event.params["type"] == "Document").count()
}

fn frames(browser: &Browser) -> (usize, usize) {
    sockets(browser.events()).iter().fold((0, 0), |(sent, received), s| (sent + s.sent, received + s.received))
}

async fn clicked(browser: &mut Browser) -> Outcome<String> {
    let (pages, before) = (documents(browser), frames(browser));
    browser.click("document.getElementById('dashboard-settings-button')").await?;
    browser.until("the dialog", "!!document.querySelector('fluent-dialog')").await?;
    let after = frames(browser);
    let seen = format!("a dialog opens: {} frames sent, {} received", after.0 - before.0, after.1 - before.1);
    hold(documents(browser) == pages && after.0 > before.0 && after.1 > before.1, seen)
}

async fn navigated(browser: &mut Browser) -> Outcome<String> {
    browser.until("the end of the dialog", CLOSE_DIALOG).await?;
    let (pages, before) = (documents(browser), frames(browser));
    browser.click("document.querySelector('a[href$=\"/traces\"]')").await?;
    let shown = format!("location.pathname == '/traces' && ({RENDERED})");
    let heading = browser.until("the page of traces", &shown).await?;
    let after = frames(browser);
    let seen = format!("now {heading}: {} frames sent, {} received", after.0 - before.0, after.1 - before.1);
    hold(documents(browser) == pages && after.0 > before.0 && after.1 > before.1, seen)
}

async fn picture(browser: &mut Browser, path: &Path) -> Outcome<String> {
    browser.picture(path).await?;
    Ok(path.display().to_string())
}

async fn second(stage: &Stage, browser: &mut Browser) -> Outcome<String> {
    browser.go(&stage.url(SECOND, LOGS)).await?;
    let here = format!("location.host.startsWith('{SECOND}') && ({RENDERED})");
    let heading = browser.until("the page of the second", &here).await?;
    let expected = stage.url(SECOND, "/_blazor").replacen("https", "wss", 1);
    let wanted = |events: &[Event]| {
        sockets(events).into_iter().find(|socket| socket.url.starts_with(&expected) && socket.status == Some(101))
    };
    browser.event("the second circuit", wanted).await?;
    Ok(format!("{expected}: 101; the page shows {heading}"))
}
