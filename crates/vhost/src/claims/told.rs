//! What the owner of a file is told of a name that it cannot have. A tenant learns of others that they are others, since when
//! and until when: neither who they are nor what their files are called. The operator learns both.

use vestibule_diagnostics::{Code, Diagnostic, Span, catalogue};
use vestibule_names::{HostPattern, SiteId, TenantId, suffix::is_public_suffix};

use super::{
    Claim, UnixTime,
    decide::{Refusal, is_single},
};

/// Does this finding concern one name only, so that the others of its file go live?
pub fn concerns_one_name(code: Code) -> bool {
    [
        catalogue::HOST_CLAIMED,
        catalogue::HOST_RESERVED,
        catalogue::PUBLIC_SUFFIX,
        catalogue::HOST_NOT_ALLOWED,
        catalogue::NAMES_LIMIT,
        catalogue::HOST_UNPROVEN,
    ]
    .contains(&code)
}

/// Who holds it, as the owner of a file may know.
pub fn told_holder(claim: &Claim, reader: TenantId) -> String {
    match claim.tenant {
        holder if holder == reader => format!("your site {}", claim.site),
        holder if reader == TenantId::OPERATOR => format!("{holder} (site {})", claim.site),
        TenantId::OPERATOR => "the operator".to_owned(),
        _ => "another tenant".to_owned(),
    }
}

/// What is said of a lost name.
pub(super) fn told(name: &HostPattern, span: Span, refusal: &Refusal, site: &SiteId, reader: TenantId) -> Diagnostic {
    let label = "not served by this site";
    let new = |code, message: String| Diagnostic::new(code, message).at(span, label);
    match refusal {
        Refusal::Held(claim) if claim.tenant == reader => {
            new(catalogue::HOST_CLAIMED, format!("{name} is already held by {}", told_holder(claim, reader)))
                .note("the earlier file keeps it. The other names of this file work")
                .help("take the name out of this file, or out of the other: it is taken over at once")
        }
        Refusal::Held(claim) => {
            new(catalogue::HOST_CLAIMED, format!("{name} is held by {}", told_holder(claim, reader)))
                .note(format!("{}. The other names of this file work", since(claim)))
                .help(held_help(name, claim, site, reader))
        }
        Refusal::Reserved(zone, claim) => {
            let message = format!("{name} belongs to {zone}, which is held by {}", told_holder(claim, reader));
            new(catalogue::HOST_RESERVED, message)
                .note(format!("whoever holds a name holds what is below it; {}", since(claim)))
                .help(format!("take the name out of this file, or ask the operator to list {name} under your `hosts`"))
        }
        Refusal::Covers(below, claim) => {
            // Which name it is was not asked: to a tenant it would tell what others have.
            let message = match reader {
                TenantId::OPERATOR => format!("{name} would cover {below}, held by {}", told_holder(claim, reader)),
                _ => format!("{name} would cover a name that is held by {}", told_holder(claim, reader)),
            };
            new(catalogue::HOST_RESERVED, message)
                .note("a wildcard is claimed before the names below it, or by whoever holds all of them")
                .help("list the names that you need one by one")
        }
        Refusal::Suffix if name.base().is_some_and(is_single) && !name.base().is_some_and(is_public_suffix) => {
            new(catalogue::PUBLIC_SUFFIX, format!("{name} would cover what everybody may claim"))
                .note(
                    "a name of one label belongs to whoever claims it, and the names below it to whoever claims those",
                )
                .help("list the names that you need one by one, or take a wildcard of a name with a dot in it")
        }
        Refusal::Suffix => {
            new(catalogue::PUBLIC_SUFFIX, format!("{name} is a public suffix: everybody registers names below it"))
                .help("claim the name that you registered, and what is below that")
        }
        Refusal::NotAllowed => new(catalogue::HOST_NOT_ALLOWED, format!("{name} is not among the names you may claim"))
            .note("the operator lists them in the settings, under `hosts` of your user or of `default`")
            .help("take the name out of this file, or ask the operator to list it"),
        Refusal::Room(limit) => {
            new(catalogue::NAMES_LIMIT, format!("{name} is one name more than you may hold: {limit}"))
                .note("names that were given up count until their grace is over")
                .help("give another name up, or ask the operator to raise `limits.names`")
        }
        Refusal::Unproven(domain) => {
            new(catalogue::HOST_UNPROVEN, format!("{name} waits for the proof that {domain} is yours"))
                .note("it is looked for in DNS again and again; `vestibule claims` shows what was found last")
                .help(format!("add the TXT record `_vestibule.{domain}` with the text `{}`", proof_text(reader)))
        }
    }
}

/// What the TXT record of a proof says.
pub fn proof_text(tenant: TenantId) -> String {
    format!("uid={}", tenant.0)
}

fn since(claim: &Claim) -> String {
    let since = match claim.at {
        UnixTime::UNKNOWN => "it was claimed earlier".to_owned(),
        at => format!("it was claimed {at}"),
    };
    match claim.until {
        None => since,
        Some(until) => format!("{since} and given up; its grace lasts until {until}"),
    }
}

fn held_help(name: &HostPattern, claim: &Claim, site: &SiteId, reader: TenantId) -> String {
    match claim.until {
        _ if reader == TenantId::OPERATOR => format!("`vestibule claims transfer {name} root` gives it to this file"),
        Some(_) => {
            format!("wait: {site} gets it then, unless its holder takes it back; the operator can free it earlier")
        }
        None => "take the name out of this file; if it is yours by right, ask the operator".to_owned(),
    }
}
