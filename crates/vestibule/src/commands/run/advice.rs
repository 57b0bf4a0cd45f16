//! What `run` says, in one line, when no public CA is asked though somebody could want one.

use std::path::Path;

use vestibule_names::HostPattern;
use vestibule_site::acme::{Acme, LETS_ENCRYPT, LETS_ENCRYPT_STAGING};

use crate::decide::shown;

/// Where Let's Encrypt publishes its terms of service.
const LETS_ENCRYPT_TERMS: &str = "https://letsencrypt.org/repository/";

/// The line, unless the terms are agreed to or nobody needs it. `public` looks for a public name: it reads every site
/// file, so it is asked only when the settings do not decide.
pub(super) fn to_agree(
    acme: Option<&Acme>,
    settings: &Path,
    public: impl FnOnce() -> Option<HostPattern>,
) -> Option<String> {
    let settings = shown(settings);
    match acme {
        Some(acme) if acme.agree => None,
        Some(acme) => Some(format!(
            "no CA is asked for certificates yet: read {}, then add `agree: true` to `acme` in {settings}",
            terms(acme)
        )),
        None => public().map(|name| {
            format!(
                "{name} is a public name with a certificate that browsers do not trust: read the terms of Let's Encrypt \
                 ({LETS_ENCRYPT_TERMS}), then write `acme: {{agree: true}}` into {settings}"
            )
        }),
    }
}

fn terms(acme: &Acme) -> String {
    let of = |directory: &str| match directory {
        LETS_ENCRYPT | LETS_ENCRYPT_STAGING => format!("the terms of Let's Encrypt ({LETS_ENCRYPT_TERMS})"),
        other => format!("the terms that {other} names"),
    };
    let mut all: Vec<String> = std::iter::once(&acme.ca).chain(&acme.failover).map(|ca| of(ca.directory())).collect();
    all.dedup();
    all.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(settings: &str, public: Option<&str>, expected: Option<&str>) {
        let acme = vestibule_site::parse_settings(settings.as_bytes()).value.unwrap().acme;
        let name = public.map(|name| HostPattern::parse(name).unwrap());
        let said = to_agree(acme.as_ref(), Path::new("/etc/vestibule/vestibule.yaml"), || name);
        assert_eq!(said.as_deref(), expected, "{settings} {public:?}");
    }

    #[test]
    fn one_line_says_what_to_write_and_only_where_it_matters() {
        check("acme: {agree: true}", Some("blog.example.com"), None);
        check("", None, None);
        check(
            "",
            Some("blog.example.com"),
            Some(
                "blog.example.com is a public name with a certificate that browsers do not trust: read the terms of Let's \
                 Encrypt (https://letsencrypt.org/repository/), then write `acme: {agree: true}` into \
                 /etc/vestibule/vestibule.yaml",
            ),
        );
        check(
            "acme: {directory: https://ca.test/dir, failover: [{staging: true}]}",
            None,
            Some(
                "no CA is asked for certificates yet: read the terms that https://ca.test/dir names and the terms of \
                 Let's Encrypt (https://letsencrypt.org/repository/), then add `agree: true` to `acme` in \
                 /etc/vestibule/vestibule.yaml",
            ),
        );
    }
}
