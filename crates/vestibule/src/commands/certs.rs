//! `vestibule certs`: how certificates stand, and the operator's hand on them. Alone it lists; each subcommand is a file.

mod explain;
mod import;
mod list;
mod order;
mod plan;
mod root;

use std::io::Write;

use clap::{Args, Subcommand};

use crate::{exit::Exit, failure::Failure};

/// The flags of `certs`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Without a subcommand every name is listed: how it stands, who issued its certificate, when that ends and is renewed, what \
is tried next, and why the last attempt failed. States: valid, renewing (a renewal is due), waiting (for its first \
certificate), ordering, quarantined (failed so often that only DNS is looked at, until the name points here), expired; \
local (the local CA's) and files (the site's own).

Examples:
  vestibule certs
  vestibule certs explain blog.example.com
  vestibule certs --root > root.pem && curl --cacert root.pem https://blog.localhost:8443/
  vestibule certs --format json | jq '.certs[].names[] | select(.failure) | {name, failure}'"
)]
pub(crate) struct Flags {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: list::ListFlags,
}

/// What can be done about certificates.
#[derive(Debug, Subcommand)]
enum Action {
    /// Say what stands between a name and its certificate, and what to do
    Explain(explain::Flags),
    /// Say when each site would have its certificates, within the CA's limits; nobody is asked
    Plan(plan::Flags),
    /// Renew the certificate of a name now
    Renew(order::RenewFlags),
    /// Revoke the certificate of a name and order a new one
    Revoke(order::RevokeFlags),
    /// Take certificates over from certbot, Caddy or Traefik
    Import(import::Flags),
    /// Change the keys of the accounts at all CAs
    RollOver(order::RollOverFlags),
}

/// Asks and prints.
pub(crate) fn run(flags: &Flags, out: &mut dyn Write) -> Result<Exit, Failure> {
    match &flags.action {
        None => list::run(&flags.list, out),
        Some(Action::Explain(flags)) => explain::run(flags, out),
        Some(Action::Plan(flags)) => plan::run(flags, out),
        Some(Action::Renew(flags)) => order::renew(flags, out),
        Some(Action::Revoke(flags)) => order::revoke(flags, out),
        Some(Action::Import(flags)) => import::run(flags, out),
        Some(Action::RollOver(flags)) => order::roll_over(flags, out),
    }
}
