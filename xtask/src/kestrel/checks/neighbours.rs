//! One address and port for all of them: the others answer by name, and a name that nobody has reaches nobody.

use crate::{
    Outcome,
    kestrel::{
        inside::Tag,
        report::{Report, hold},
        stage::{API, ASPIRE, FILES, FILES_PAGE, NOBODY, SECOND, Stage},
    },
};

/// Prints this part of the table.
pub(in crate::kestrel) async fn run(report: &mut Report, stage: &Stage) {
    report.heading("One address and port");
    report.check("alone, a second Kestrel on the port of the first does not start", twin(stage)).await;
    report.check("four names, four servers, one port", neighbours(stage)).await;
    report.check("a name that no site has reaches nobody", nobody(stage)).await;
    report.check("no request of those came to a Kestrel", unreached(stage)).await;
}

async fn twin(stage: &Stage) -> Outcome<String> {
    stage.first.start_twin(&stage.program).await
}

async fn neighbours(stage: &Stage) -> Outcome<String> {
    let body = async |url: String| stage.curl().args([url]).text().await;
    let files = body(format!("https://{FILES}/")).await;
    let api = body(format!("https://{API}/hello")).await;
    let first = body(format!("https://{ASPIRE}/login")).await;
    let second = body(format!("https://{SECOND}/health")).await;
    let right = files.contains(FILES_PAGE)
        && api.contains("x-origin: api")
        && first.contains("Blazor")
        && second.contains("Healthy");
    let servers = [&files, &api, &first, &second].map(|answer| server(answer));
    hold(right, format!("port {}: {}", stage.gateway.https().port(), servers.join(", ")))
}

fn server(answer: &str) -> String {
    super::view::field(answer, "server").unwrap_or_else(|| "api (no Server header)".to_owned())
}

/// By SNI, by Host on clear HTTP, and by Host under the certificate of another site.
async fn nobody(stage: &Stage) -> Outcome<String> {
    let unknown = stage.curl().args([format!("https://{NOBODY}/")]).run().await;
    if unknown.exit != 35 || !unknown.stderr.contains("unrecognized name") {
        return Err(format!("unknown SNI: {unknown:?}").into());
    }
    let clear = stage.curl().args([format!("http://{NOBODY}/")]).text().await;
    let foreign = status_for_host(stage, NOBODY, &Tag::new()).await;
    let neighbour = status_for_host(stage, FILES, &Tag::new()).await;
    let right = clear.starts_with("HTTP/1.1 404") && foreign == "421" && neighbour == "421";
    let clear = clear.lines().next().unwrap_or_default();
    hold(right, format!("SNI: unrecognized_name; clear HTTP: {clear}; Host under another's certificate: {foreign}"))
}

/// A request to the first dashboard's name whose Host is another.
async fn status_for_host(stage: &Stage, host: &str, tag: &Tag) -> String {
    let url = format!("https://{ASPIRE}{}", tag.path("/structuredlogs"));
    let answer = stage.curl().args(["--http1.1", "--header", &format!("Host: {host}"), &url]).text().await;
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

async fn unreached(stage: &Stage) -> Outcome<String> {
    let tags = [Tag::new(), Tag::new()];
    for (host, tag) in [NOBODY, FILES].into_iter().zip(&tags) {
        status_for_host(stage, host, tag).await;
    }
    // Events come in order: once these are there, the others would be.
    for (host, dashboard) in [(ASPIRE, &stage.first), (SECOND, &stage.second)] {
        let barrier = Tag::new();
        stage.curl().args([format!("https://{host}{}", barrier.path("/health"))]).text().await;
        dashboard.inside.seen(&barrier).await?;
        if let Some(seen) = tags.iter().find_map(|tag| dashboard.inside.find(tag)) {
            return Err(format!("{host} got {seen:?}").into());
        }
    }
    Ok("neither process saw one, and both saw the next request".to_owned())
}
