//! `vestibule claims`: who holds which name, and the operator's hand on it. Alone it lists; `transfer` and `release` move.

mod list;
mod moved;

use std::io::Write;

use clap::{Args, Subcommand};

use crate::{exit::Exit, failure::Failure};

/// The flags of `claims`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
A name is held by the user whose site file claimed it first. It stays that user's for a grace period after the last of \
his files let it go, and with it everything below it. States: held; grace (given up, kept for its holder until then); \
and of names that a site asks for in vain: waiting (somebody else holds it), reserved (somebody else holds the name \
above it), full (its user holds as many names as he may), unproven (its TXT record was not found yet).

Examples:
  vestibule claims
  vestibule claims --user shop
  vestibule claims --only waiting
  vestibule claims --name example.com
  vestibule claims transfer example.com shop
  vestibule claims --format json | jq '.[] | select(.state == \"grace\") | {name, user, until}'"
)]
pub(crate) struct Flags {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: list::ListFlags,
}

/// What the operator can do about names.
#[derive(Debug, Subcommand)]
enum Action {
    /// Give a name to another user
    Transfer(moved::TransferFlags),
    /// Free a name at once
    Release(moved::ReleaseFlags),
}

/// Asks and prints.
pub(crate) fn run(flags: &Flags, out: &mut dyn Write) -> Result<Exit, Failure> {
    match &flags.action {
        None => list::run(&flags.list, out),
        Some(Action::Transfer(flags)) => moved::transfer(flags, out),
        Some(Action::Release(flags)) => moved::release(flags, out),
    }
}

/// A user as people know him: `shop (1001)`, or the number alone.
fn shown_user(uid: u32, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{} ({uid})", crate::terminal::escaped(name)),
        None => uid.to_string(),
    }
}

fn user_name(uid: u32) -> Option<String> {
    vestibule_gateway::users::name_of(vestibule_names::TenantId(uid))
}
