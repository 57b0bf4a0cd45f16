//! What tenants and operators write.

use std::sync::Arc;

use vestibule_diagnostics::{Diagnostic, Report, Source, Span, render::coloured};
use vestibule_names::{SiteId, TenantId};
use vestibule_site::{Parsed, fuzzing, parse_settings, parse_site};

/// What is kept of one file, and the line that says how much was left away.
const FINDINGS_LIMIT: usize = 50 + 1;
/// Of one finding, as it is drawn: its lines are cut, and so are the lines of the file that it shows.
const REPORT_LIMIT: usize = 16 * 1024;

/// Any bytes as a site file; what is valid is compiled too. The two readers of YAML are held against each other.
pub fn site_file(data: &[u8]) {
    fuzzing::hold_both_readers(data);
    let parsed = parse_site(data);
    told(data, &parsed);
    assert_eq!(parse_site(data).diagnostics, parsed.diagnostics, "the same file is told the same");
    let Some(site) = parsed.valid() else { return };
    let names: Vec<_> = site.hosts.iter().map(|host| host.value.clone()).collect();
    let compiled = vestibule_vhost::compile(site, SiteId::new("fuzz"), TenantId(1000), &names);
    findings(data, &compiled.diagnostics);
    assert!(
        compiled.vhost.is_some() || compiled.diagnostics.iter().any(Diagnostic::is_error),
        "nothing, and no reason"
    );
    let Some(vhost) = compiled.vhost else { return };
    for path in ["/", "/a/b", "/api/x"] {
        if let Some(route) = vhost.route(path) {
            assert!(route.path.covers(path), "{path} leads to {}", route.path);
        }
    }
}

/// Any bytes as the gateway's settings.
pub fn settings_file(data: &[u8]) {
    let parsed = parse_settings(data);
    told(data, &parsed);
    assert_eq!(parse_settings(data).diagnostics, parsed.diagnostics, "the same file is told the same");
}

fn told<T>(data: &[u8], parsed: &Parsed<T>) {
    assert!(parsed.value.is_some() || parsed.diagnostics.iter().any(Diagnostic::is_error), "nothing, and no reason");
    findings(data, &parsed.diagnostics);
}

fn findings(data: &[u8], found: &[Diagnostic]) {
    assert!(found.len() <= FINDINGS_LIMIT, "{} findings", found.len());
    let places = found.iter().map(|one| one.primary.as_ref().map_or(usize::MAX, |label| label.span.start));
    assert!(places.is_sorted(), "in order of place");
    let source = Source { name: "fuzz.yaml".into(), text: Arc::from(&*String::from_utf8_lossy(data)) };
    let is_text = str::from_utf8(data).is_ok();
    for one in found {
        let inside =
            |span: Span| span.start <= span.end && (!is_text || source.text.get(span.start..span.end).is_some());
        let labels = one.primary.iter().chain(&one.secondary);
        assert!(labels.clone().all(|label| inside(label.span)), "{}: {:?}", one.message, one.primary);
        let report = Report::new(one, &source);
        assert!(report.text.len() <= REPORT_LIMIT, "{} bytes for {}", report.text.len(), report.code);
        let plain = |text: &str| !text.chars().any(|c| c.is_control() && c != '\n');
        assert!(
            plain(&report.text) && plain(&report.message),
            "control characters reach a terminal: {:?}",
            report.text
        );
        assert!(!report.message.contains('\n'), "{:?}", report.message);
        let _ = coloured(one, &source);
    }
}
