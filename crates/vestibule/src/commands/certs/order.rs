//! `vestibule certs renew`, `revoke` and `roll-over`: what the gateway asks of a CA because somebody says so. The answer comes
//! when the CA has done it, or did not.

use std::{
    io::{self, IsTerminal as _, Write},
    time::SystemTime,
};

use clap::{Args, ValueEnum};
use http::StatusCode;
use vestibule_gateway::admin::model::IssuedRow;

use crate::commands::dates;
use crate::{
    admin_client::{AdminClient, AdminError},
    cli::{Format, FormatFlag, ReachFlags},
    exit::Exit,
    failure::Failure,
    terminal::{escaped, tell, tell_person},
};

/// The flags of `certs renew`.
#[derive(Debug, Args)]
#[command(after_help = "\
A name in quarantine or waiting after failures is tried at once; a limit of the CA is never skipped. Renewals need no \
command: they come by themselves. Exit code 75 says that there is no new certificate; the old one is served on, and the \
gateway goes on trying.

Examples:
  vestibule certs renew blog.example.com
  vestibule certs renew '*.example.com' || vestibule certs explain '*.example.com'")]
pub(super) struct RenewFlags {
    /// The name, as the site file lists it
    #[arg(value_name = "HOST")]
    host: String,
    #[command(flatten)]
    reach: ReachFlags,
    #[command(flatten)]
    format: FormatFlag,
}

/// The flags of `certs revoke`.
#[derive(Debug, Args)]
#[command(after_help = "\
Another certificate with a new key is ordered first; when it is served, the old one is revoked, with all names in it. If \
there is none to be had, nothing is revoked. Only --reason key-compromise does not wait: the old one is revoked at once, \
and until another is there its names have none. A certificate that merely is not needed any more needs no revocation.

Examples:
  vestibule certs revoke blog.example.com --reason key-compromise
  vestibule certs revoke old.example.com --reason cessation --yes")]
pub(super) struct RevokeFlags {
    /// The name, as the site file lists it
    #[arg(value_name = "HOST")]
    host: String,
    /// Why (RFC 5280 section 5.3.1)
    #[arg(long, value_enum, default_value_t = Reason::Unspecified)]
    reason: Reason,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    reach: ReachFlags,
    #[command(flatten)]
    format: FormatFlag,
}

/// The flags of `certs roll-over`.
#[derive(Debug, Args)]
#[command(after_help = "\
Every account gets a new key (RFC 8555 section 7.3.5). Certificates and their keys are not touched.

Examples:
  vestibule certs roll-over")]
pub(super) struct RollOverFlags {
    #[command(flatten)]
    reach: ReachFlags,
    #[command(flatten)]
    format: FormatFlag,
}

/// Why a certificate is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Reason {
    /// Nothing is said.
    Unspecified,
    /// Somebody else has the key.
    KeyCompromise,
    /// The names changed hands.
    AffiliationChanged,
    /// Another certificate took its place.
    Superseded,
    /// The names are not used any more.
    Cessation,
}

impl Reason {
    /// The code of RFC 5280 section 5.3.1.
    fn code(self) -> &'static str {
        match self {
            Self::Unspecified => "0",
            Self::KeyCompromise => "1",
            Self::AffiliationChanged => "3",
            Self::Superseded => "4",
            Self::Cessation => "5",
        }
    }

    /// What there is in its place when the command ends.
    fn outcome(self) -> &'static str {
        match self {
            Self::KeyCompromise => "a new certificate is ordered; 'vestibule certs' shows when it is there",
            _ => "another one with a new key is served already",
        }
    }
}

/// Renews now.
pub(super) fn renew(flags: &RenewFlags, out: &mut dyn Write) -> Result<Exit, Failure> {
    let client = AdminClient::reach(&flags.reach)?;
    tell_person("vestibule: the gateway asks the CA; this can take a minute, and goes on if you leave\n");
    let issued = client.order::<IssuedRow>("/v1/certs/renew", &[("host", &flags.host)]);
    let issued = issued.map_err(|error| refused(&format!("{} was not renewed", flags.host), RESUMED, error))?;
    match flags.format.format {
        Format::Json => crate::commands::write_json(out, &issued)?,
        Format::Text => {
            let end = dates::expiry(issued.not_after, SystemTime::now());
            writeln!(out, "renewed: {}", escaped(&issued.names.join(", ")))?;
            writeln!(out, "  by {}, until {end}, kept as {}", escaped(&issued.ca), escaped(&issued.issuance))?;
        }
    }
    Ok(Exit::OK)
}

/// Revokes what is served for a name.
pub(super) fn revoke(flags: &RevokeFlags, out: &mut dyn Write) -> Result<Exit, Failure> {
    let client = AdminClient::reach(&flags.reach)?;
    if !flags.yes {
        let shown = client.get::<IssuedRow>("/v1/certs/shown", &[("host", &flags.host)])?;
        if !confirmed(&question(&shown, flags.reason)) {
            return Err(Failure::Unconfirmed);
        }
    }
    tell_person("vestibule: the gateway asks the CA; this can take a minute\n");
    let query = [("host", flags.host.as_str()), ("reason", flags.reason.code())];
    let revoked = client.order::<IssuedRow>("/v1/certs/revoke", &query);
    let revoked = revoked.map_err(|error| refused(&format!("{} was not revoked", flags.host), ASK_AGAIN, error))?;
    match flags.format.format {
        Format::Json => crate::commands::write_json(out, &revoked)?,
        Format::Text => {
            writeln!(out, "revoked: {} ({})", escaped(&revoked.names.join(", ")), escaped(&revoked.issuance))?;
            writeln!(out, "  {}", flags.reason.outcome())?;
        }
    }
    Ok(Exit::OK)
}

/// Changes the keys of all accounts.
pub(super) fn roll_over(flags: &RollOverFlags, out: &mut dyn Write) -> Result<Exit, Failure> {
    let done = AdminClient::reach(&flags.reach)?.order::<serde_json::Value>("/v1/certs/roll-over", &[]);
    let done = done.map_err(|error| refused("the keys of the accounts were not all changed", ASK_AGAIN, error))?;
    match flags.format.format {
        Format::Json => crate::commands::write_json(out, &done)?,
        Format::Text => writeln!(out, "the accounts at all CAs have new keys")?,
    }
    Ok(Exit::OK)
}

/// What is about to happen, and to whom.
fn question(shown: &IssuedRow, reason: Reason) -> String {
    let consequence = match reason {
        Reason::KeyCompromise => "It is revoked at once. Until another one is there, these names have none",
        _ => "Another one is ordered first, for all of them. Then clients that look will refuse this one",
    };
    let names = shown.names.iter().map(|name| format!("  {}\n", escaped(name))).collect::<String>();
    let (issuance, ca) = (escaped(&shown.issuance), escaped(&shown.ca));
    format!("The certificate {issuance} of {ca} is for:\n{names}{consequence}. Revoke it? [y/N] ")
}

/// Asks whoever sits there. Nobody there is no yes.
fn confirmed(question: &str) -> bool {
    if !io::stdin().is_terminal() {
        return false;
    }
    tell(question);
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// After the gateway went away in the middle of a renewal.
const RESUMED: &str =
    "an order that was begun goes on after its next start, and certificates are renewed in time in any case";
/// After it went away in the middle of anything else: that is not remembered.
const ASK_AGAIN: &str = "look at 'vestibule certs' after its next start, and say it again if it is not done";

/// The gateway's answer when a CA did not do it says why and, where there is one, when the next attempt is. Where the
/// gateway went away meanwhile, `then` says what comes of it.
fn refused(what: &str, then: &'static str, error: AdminError) -> Failure {
    let gone = |why: String| Failure::Gone { what: what.to_owned(), why, then };
    match error {
        AdminError::Refused { status: StatusCode::CONFLICT, error } => {
            Failure::Certificate { what: what.to_owned(), sentence: error }
        }
        AdminError::Refused { status: StatusCode::SERVICE_UNAVAILABLE, error } => gone(error),
        AdminError::Http { .. } | AdminError::Body { .. } => gone("the gateway ended before it answered".to_owned()),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_ca_refuses_is_told_in_its_words_and_tells_scripts_to_wait() {
        let sentence = "a.test has no address; next attempt in 9 minutes";
        let failure = refused(
            "a.test was not renewed",
            RESUMED,
            AdminError::Refused { status: StatusCode::CONFLICT, error: sentence.into() },
        );
        assert_eq!(failure.exit(), Exit::TEMPORARY);
        assert_eq!(
            failure.chain(),
            "vestibule: a.test was not renewed: a.test has no address; next attempt in 9 minutes\n\
             help: 'vestibule certs explain HOST' says what stands in the way\n"
        );
    }

    #[test]
    fn what_the_gateway_does_not_understand_is_no_failure_of_a_ca() {
        let error = AdminError::Refused { status: StatusCode::NOT_FOUND, error: "no site has the name".into() };
        assert_eq!(refused("x", RESUMED, error).exit(), Exit::DATA);
    }

    #[test]
    fn a_gateway_that_goes_away_in_the_middle_leaves_nobody_in_doubt() {
        let stopping =
            AdminError::Refused { status: StatusCode::SERVICE_UNAVAILABLE, error: "the gateway is stopping".into() };
        let broken = AdminError::Body { question: "/v1/certs/renew".into(), why: "broke off".into() };
        for (error, why) in [(stopping, "the gateway is stopping"), (broken, "the gateway ended before it answered")] {
            let failure = refused("a.test was not renewed", RESUMED, error);
            assert_eq!(failure.exit(), Exit::TEMPORARY);
            let expected = format!(
                "vestibule: a.test was not renewed: {why}: {RESUMED}\n\
                 help: 'vestibule status' says whether the gateway is there again\n"
            );
            assert_eq!(failure.chain(), expected);
        }
    }

    #[test]
    fn whoever_is_asked_sees_every_name_and_what_comes() {
        let names = vec!["a.test".to_owned(), "b.test\x1b[2J".to_owned()];
        let shown = IssuedRow { issuance: "0000000001-a.test".to_owned(), names, ca: "ca".to_owned(), not_after: 0 };
        let asked = question(&shown, Reason::Superseded);
        assert!(asked.contains("\n  a.test\n  b.test") && !asked.contains('\x1b'), "{asked}");
        assert!(asked.contains("Another one is ordered first") && asked.ends_with("[y/N] "), "{asked}");
        assert!(question(&shown, Reason::KeyCompromise).contains("at once. Until another one is there"));
    }

    #[test]
    fn reasons_are_those_of_the_standard() {
        let codes: Vec<_> = Reason::value_variants().iter().map(|reason| reason.code()).collect();
        assert_eq!(codes, ["0", "1", "3", "4", "5"]);
    }
}
