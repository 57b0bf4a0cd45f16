//! `vestibule certs import`: takes certificates over from another program. The store is read here, as the user who types;
//! each certificate then goes to the gateway by itself, which judges it like one of its own.
//!
//! Not here: what a store looks like (`vestibule_gateway::foreign`).

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    io::Write,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Args;
use serde::Serialize;
use vestibule_gateway::{
    admin::model::{ClaimRow, ClaimState, ImportRequest, IssuedRow},
    foreign::{self, Contents, Foreign},
};
use vestibule_names::HostPattern;

use crate::commands::dates::expiry;
use crate::{
    admin_client::{AdminClient, AdminError},
    cli::{Format, FormatFlag, ReachFlags},
    exit::Exit,
    failure::Failure,
    reports::counted,
    terminal::escaped,
};

/// The flags of `certs import`.
#[derive(Debug, Args)]
#[command(after_help = "\
FOLDER is certbot's /etc/letsencrypt, Caddy's data folder (the one with `certificates` in it), or Traefik's acme.json or \
its folder. It is read as the user who runs this command and never changed; accounts are not taken over. Write the site \
files first: a certificate goes to the tenant who holds its names, and one whose names no site has is left out. Imported \
certificates are served at once and renewed when their time comes.

Exit code 65 says that an entry could not be used or was refused.

Examples:
  vestibule certs import /etc/letsencrypt --dry-run
  vestibule certs import /var/lib/caddy/.local/share/caddy
  vestibule certs import /srv/traefik/acme.json")]
pub(super) struct Flags {
    /// The store of the other program
    #[arg(value_name = "FOLDER")]
    store: PathBuf,
    /// Only say what would be taken over; works without a running gateway too
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    reach: ReachFlags,
    #[command(flatten)]
    format: FormatFlag,
}

/// The JSON form of the answer.
#[derive(Debug, Serialize)]
struct Told {
    store: String,
    certificates: Vec<Taken>,
    skipped: Vec<Passed>,
}

/// What became of one certificate.
#[derive(Debug, Serialize)]
struct Taken {
    names: Vec<String>,
    /// Names that no site has.
    unheld: Vec<String>,
    not_after: u64,
    origin: PathBuf,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
enum Outcome {
    Imported {
        issuance: String,
    },
    WouldImport,
    Refused {
        reason: String,
    },
    /// A later one for the same names is there.
    Superseded,
    /// No site has any of its names.
    Unheld,
}

/// An entry that is no use.
#[derive(Debug, Serialize)]
struct Passed {
    origin: PathBuf,
    reason: String,
}

/// Reads, hands in, tells.
pub(super) fn run(flags: &Flags, out: &mut dyn Write) -> Result<Exit, Failure> {
    let contents = foreign::read(&flags.store, SystemTime::now())?;
    let client = match AdminClient::reach(&flags.reach) {
        Ok(client) => Some(client),
        Err(_) if flags.dry_run => None,
        Err(error) => return Err(error.into()),
    };
    let claims = client.as_ref().map(|client| client.get::<Vec<ClaimRow>>("/v1/claims", &[])).transpose()?;
    let held = claims.as_deref().map(Held::of);
    let hand_in = |foreign: &Foreign| match client.as_ref().filter(|_| !flags.dry_run) {
        None => Ok(Outcome::WouldImport),
        Some(client) => imported(client, foreign),
    };
    let told = tell(contents, held.as_ref(), hand_in)?;
    match flags.format.format {
        Format::Json => crate::commands::write_json(out, &told)?,
        Format::Text => write_text(&told, out, SystemTime::now())?,
    }
    let refused = told.certificates.iter().any(|taken| matches!(taken.outcome, Outcome::Refused { .. }));
    Ok(if refused || !told.skipped.is_empty() { Exit::DATA } else { Exit::OK })
}

/// One certificate to the gateway. What it refuses is told and no failure of the whole; that it is gone is.
fn imported(client: &AdminClient, foreign: &Foreign) -> Result<Outcome, Failure> {
    let request = ImportRequest { chain: foreign.chain_pem.clone(), key: foreign.key_pem.clone() };
    match client.hand_in::<IssuedRow>("/v1/certs/import", &request) {
        Ok(issued) => Ok(Outcome::Imported { issuance: issued.issuance }),
        Err(AdminError::Refused { status, error }) if status.is_client_error() => {
            Ok(Outcome::Refused { reason: error })
        }
        Err(error) => Err(error.into()),
    }
}

/// Which names sites have, as the gateway tells it.
struct Held(HashSet<String>);

impl Held {
    fn of(claims: &[ClaimRow]) -> Self {
        let held = claims.iter().filter(|claim| matches!(claim.state, ClaimState::Held | ClaimState::Grace));
        Self(held.map(|claim| claim.name.clone()).collect())
    }

    /// A wildcard is of use to whoever has a name that it covers.
    fn has(&self, name: &str) -> bool {
        let pattern = HostPattern::parse(name).ok();
        let covers = |held: &String| pattern.as_ref().is_some_and(|pattern| pattern.matches(held));
        self.0.contains(name) || (name.starts_with("*.") && self.0.iter().any(covers))
    }
}

/// Goes through what was found, in order of expiry: of two for one name the gateway serves the one that came last. Without
/// `held` nobody was asked.
fn tell(
    contents: Contents,
    held: Option<&Held>,
    mut hand_in: impl FnMut(&Foreign) -> Result<Outcome, Failure>,
) -> Result<Told, Failure> {
    let set = |foreign: &Foreign| foreign.names.iter().cloned().collect::<BTreeSet<_>>();
    let last: HashMap<_, _> =
        contents.certificates.iter().enumerate().map(|(place, foreign)| (set(foreign), place)).collect();
    let mut certificates = Vec::new();
    for (place, foreign) in contents.certificates.iter().enumerate() {
        let unheld: Vec<String> = match held {
            Some(held) => foreign.names.iter().filter(|name| !held.has(name)).cloned().collect(),
            None => Vec::new(),
        };
        let outcome = if last.get(&set(foreign)) != Some(&place) {
            Outcome::Superseded
        } else if held.is_some() && unheld.len() == foreign.names.len() {
            Outcome::Unheld
        } else {
            hand_in(foreign)?
        };
        certificates.push(Taken {
            names: foreign.names.clone(),
            unheld,
            not_after: foreign.not_after.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            origin: foreign.origin.clone(),
            outcome,
        });
    }
    let skipped = contents.skipped.into_iter().map(|one| Passed { origin: one.origin, reason: one.reason }).collect();
    Ok(Told { store: contents.kind.to_string(), certificates, skipped })
}

fn write_text(told: &Told, out: &mut dyn Write, now: SystemTime) -> Result<(), Failure> {
    let found = counted(told.certificates.len(), "certificate");
    writeln!(out, "a store of {}: {found}", told.store)?;
    for taken in &told.certificates {
        let word = match &taken.outcome {
            Outcome::Imported { issuance } => format!("imported as {issuance}"),
            Outcome::WouldImport => "would be imported".to_owned(),
            Outcome::Refused { reason } => format!("REFUSED: {reason}"),
            Outcome::Superseded => "left out: a later one for the same names is there".to_owned(),
            Outcome::Unheld => "left out: no site has any of its names".to_owned(),
        };
        writeln!(out, "  {}", escaped(&taken.names.join(", ")))?;
        writeln!(out, "    {}, until {}", escaped(&word), expiry(taken.not_after, now))?;
        if !taken.unheld.is_empty() && taken.outcome != Outcome::Unheld {
            writeln!(out, "    no site has {}", escaped(&taken.unheld.join(", ")))?;
        }
    }
    for passed in &told.skipped {
        writeln!(out, "  {}: cannot be used: {}", escaped(&passed.origin.to_string_lossy()), escaped(&passed.reason))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use vestibule_gateway::foreign::{Kind, Skipped};

    use super::*;

    const NOW: u64 = 1_767_225_600; // 01 Jan 2026

    fn foreign(names: &[&str], days: u64) -> Foreign {
        Foreign {
            names: names.iter().map(|&name| name.to_owned()).collect(),
            chain_pem: String::new(),
            key_pem: String::new(),
            not_after: UNIX_EPOCH + Duration::from_secs(NOW + days * 86_400),
            origin: "/etc/letsencrypt/live/x".into(),
        }
    }

    fn contents() -> Contents {
        Contents {
            kind: Kind::Certbot,
            certificates: vec![
                foreign(&["a.test", "old.test"], 10),
                foreign(&["gone.test"], 20),
                foreign(&["*.b.test"], 30),
                foreign(&["old.test", "a.test"], 40),
                foreign(&["c.test"], 50),
            ],
            skipped: vec![Skipped { origin: "/etc/letsencrypt/live/y".into(), reason: "it has expired".into() }],
        }
    }

    fn claim(name: &str) -> ClaimRow {
        ClaimRow { name: name.into(), site: "x.yaml".into(), owner: 1000, since: 1, ..ClaimRow::default() }
    }

    #[test]
    fn every_certificate_is_told_of_once_and_the_latest_counts() {
        let held = Held::of(&[claim("a.test"), claim("shop.b.test"), claim("c.test")]);
        let told = tell(contents(), Some(&held), |one| {
            Ok(match &*one.names[0] {
                "c.test" => Outcome::Refused { reason: "its key is too short".into() },
                _ => Outcome::Imported { issuance: "0000000001-x".into() },
            })
        });
        let mut out = Vec::new();
        write_text(&told.unwrap(), &mut out, UNIX_EPOCH + Duration::from_secs(NOW)).unwrap();
        let expected = "\
a store of certbot: 5 certificates
  a.test, old.test
    left out: a later one for the same names is there, until 11 Jan 2026 (in 10 days)
    no site has old.test
  gone.test
    left out: no site has any of its names, until 21 Jan 2026 (in 20 days)
  *.b.test
    imported as 0000000001-x, until 31 Jan 2026 (in 30 days)
  old.test, a.test
    imported as 0000000001-x, until 10 Feb 2026 (in 40 days)
    no site has old.test
  c.test
    REFUSED: its key is too short, until 20 Feb 2026 (in 50 days)
  /etc/letsencrypt/live/y: cannot be used: it has expired
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn without_a_gateway_nobody_says_whose_a_name_is() {
        let told = tell(contents(), None, |_| Ok(Outcome::WouldImport)).unwrap();
        assert!(told.certificates.iter().all(|taken| taken.unheld.is_empty() && taken.outcome != Outcome::Unheld));
        let json = serde_json::to_value(&told).unwrap();
        assert_eq!(json["certificates"][4]["outcome"], "would-import");
        assert_eq!(json["skipped"][0]["reason"], "it has expired");
    }
}
