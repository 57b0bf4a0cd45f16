//! Forwarding headers that a client sends itself: they change nothing in what the application sees.

use crate::{
    Outcome,
    kestrel::{
        inside::Tag,
        report::Report,
        stage::{API, ASPIRE, CLIENT, SECOND, Stage, shown},
    },
};

/// Every forged value contains one of these.
const FORGED: [&str; 3] = ["203.0.113.66", "evil.test", "gopher"];

/// One way to lie.
struct Lie {
    about: &'static str,
    headers: &'static [&'static str],
}

const LIES: &[Lie] = &[
    Lie {
        about: "the three of them",
        headers: &["X-Forwarded-For: 203.0.113.66", "X-Forwarded-Proto: http", "X-Forwarded-Host: evil.test"],
    },
    Lie {
        about: "the last entry of a list, which is the one that the middleware reads",
        headers: &["X-Forwarded-For: 127.0.0.1, 203.0.113.66", "X-Forwarded-Proto: https, http"],
    },
    Lie {
        about: "each of them twice",
        headers: &[
            "X-Forwarded-For: 203.0.113.66",
            "X-Forwarded-For: 203.0.113.66",
            "X-Forwarded-Proto: gopher",
            "X-Forwarded-Host: evil.test",
            "X-Forwarded-Host: evil.test:99",
        ],
    },
    Lie {
        about: "underscores and dots, which some servers fold into hyphens",
        headers: &["X_Forwarded_For: 203.0.113.66", "X_Forwarded_Host: evil.test", "X.Forwarded.Proto: gopher"],
    },
    Lie {
        about: "RFC 7239",
        headers: &["Forwarded: for=203.0.113.66;host=evil.test;proto=gopher", "Forwarded: for=\"203.0.113.66\""],
    },
    Lie {
        about: "a prefix, and the middleware's own record of what was before",
        headers: &["X-Forwarded-Prefix: /evil.test", "X-Original-For: 203.0.113.66", "X-Original-Host: evil.test"],
    },
    Lie {
        about: "Connection names the gateway's own headers, so that they would be dropped as hop-by-hop",
        headers: &["Connection: close, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Forwarded"],
    },
    Lie { about: "an empty value", headers: &["X-Forwarded-For;", "X-Forwarded-Proto;", "X-Forwarded-Host;"] },
];

/// Prints this part of the table.
pub(in crate::kestrel) async fn run(report: &mut Report, stage: &Stage) {
    report.heading("Forged forwarding headers");
    for lie in LIES {
        report.check(lie.about, tell(stage, lie)).await;
    }
}

/// Tells it over HTTP/1.1 and HTTP/2 to all that listen.
async fn tell(stage: &Stage, lie: &Lie) -> Outcome<String> {
    let mut views = [String::new(), String::new()];
    for protocol in ["--http1.1", "--http2"] {
        // HTTP/2 has no Connection field (RFC 9113 section 8.2.2): curl itself leaves it out.
        for (view, (host, dashboard)) in views.iter_mut().zip([(ASPIRE, &stage.first), (SECOND, &stage.second)]) {
            let tag = Tag::new();
            let url = format!("https://{host}{}", tag.path("/structuredlogs"));
            let answer = forged(stage, protocol, lie, &url).await;
            let seen = dashboard.inside.seen(&tag).await?;
            let client = if host == SECOND { CLIENT } else { "127.0.0.1" };
            if seen.scheme != "https" || seen.host != host || seen.client != client || !seen.base.is_empty() {
                return Err(format!("{protocol} {host}: {seen:?}").into());
            }
            // The first answers with an absolute redirect.
            no_trace(&answer)?;
            *view = shown(&seen);
        }
        no_trace(&forged(stage, protocol, lie, &format!("https://{API}/echo")).await)?;
    }
    Ok(format!("aspire: {}; second: {}; nothing of it reaches api", views[0], views[1]))
}

async fn forged(stage: &Stage, protocol: &str, lie: &Lie, url: &str) -> String {
    let headers = lie.headers.iter().flat_map(|header| ["--header", header]);
    stage.curl().args([protocol]).args(headers).args([url]).text().await
}

fn no_trace(answer: &str) -> Outcome {
    match FORGED.iter().find(|forged| answer.contains(**forged)) {
        Some(forged) => Err(format!("{forged} is in the answer: {answer}").into()),
        None => Ok(()),
    }
}
