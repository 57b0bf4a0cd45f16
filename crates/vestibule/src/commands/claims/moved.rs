//! `vestibule claims transfer` and `release`: names moved by the operator's hand.

use std::io::Write;

use clap::Args;
use vestibule_gateway::admin::model::{ClaimMoved, ClaimState};

use super::{shown_user, user_name};
use crate::{
    admin_client::AdminClient,
    cli::{Format, FormatFlag, ReachFlags},
    exit::Exit,
    failure::Failure,
    terminal::escaped,
};

/// The flags of `claims transfer`.
#[derive(Debug, Args)]
#[command(after_help = "\
The name, and with it what is below it, is the other user's from now on. The site that served it goes on with its other \
names; a site file of the new holder that asks for it gets it at once. If there is none yet, the name is kept for the \
grace period (at least a day). Only root, or the user as whom the gateway runs, may do this; each transfer is logged.

Examples:
  vestibule claims transfer shop.example.com shop
  vestibule claims transfer '*.shop.example.com' 1001")]
pub(super) struct TransferFlags {
    /// The name or wildcard, as `vestibule claims` lists it
    #[arg(value_name = "NAME")]
    name: String,
    /// Who gets it: the name or number of a user
    #[arg(value_name = "USER")]
    user: String,
    #[command(flatten)]
    reach: ReachFlags,
    #[command(flatten)]
    format: FormatFlag,
}

/// The flags of `claims release`.
#[derive(Debug, Args)]
#[command(after_help = "\
Ends the grace of a name, or takes it from its holder. Whoever has waited longest for it gets it; if nobody waits, the \
site that had it takes it again. Only root, or the user as whom the gateway runs, may do this; each release is logged.

Examples:
  vestibule claims release old.example.com
  vestibule claims --only grace")]
pub(super) struct ReleaseFlags {
    /// The name or wildcard, as `vestibule claims` lists it
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    reach: ReachFlags,
    #[command(flatten)]
    format: FormatFlag,
}

/// Gives a name away.
pub(super) fn transfer(flags: &TransferFlags, out: &mut dyn Write) -> Result<Exit, Failure> {
    let query = [("host", flags.name.as_str()), ("user", flags.user.as_str())];
    let moved = AdminClient::reach(&flags.reach)?.order("/v1/claims/transfer", &query)?;
    tell("transferred", moved, flags.format.format, out)
}

/// Frees a name.
pub(super) fn release(flags: &ReleaseFlags, out: &mut dyn Write) -> Result<Exit, Failure> {
    let moved = AdminClient::reach(&flags.reach)?.order("/v1/claims/release", &[("host", flags.name.as_str())])?;
    tell("released", moved, flags.format.format, out)
}

fn tell(deed: &str, mut moved: ClaimMoved, format: Format, out: &mut dyn Write) -> Result<Exit, Failure> {
    if let Some(now) = &mut moved.now {
        now.user = user_name(now.owner);
    }
    match format {
        Format::Json => crate::commands::write_json(out, &moved)?,
        Format::Text => {
            writeln!(
                out,
                "{deed}: {}, which {} held",
                escaped(&moved.name),
                shown_user(moved.from, user_name(moved.from).as_deref())
            )?;
            writeln!(out, "  {}", standing(&moved))?;
        }
    }
    Ok(Exit::OK)
}

fn standing(moved: &ClaimMoved) -> String {
    let Some(now) = &moved.now else { return "nobody holds it now".to_owned() };
    let user = shown_user(now.owner, now.user.as_deref());
    match now.state {
        ClaimState::Held => format!("{user} holds it now; the site {} serves it", escaped(&now.site)),
        _ => format!("{user} holds it now; no site serves it until a site file of that user lists it"),
    }
}
