//! `vestibule claims` alone: every name that is held, and every name that a site waits for.

use std::{collections::HashMap, io::Write, time::SystemTime};

use clap::{Args, ValueEnum};
use vestibule_gateway::admin::model::{ClaimRow, ClaimState};
use vestibule_names::HostPattern;

use super::{shown_user, user_name};
use crate::{
    admin_client::AdminClient,
    cli::{Format, FormatFlag, ReachFlags},
    commands::dates::{ago, when},
    exit::Exit,
    failure::Failure,
    reports::counted,
    table::{Align, Table},
    terminal::{self, escaped},
};

/// The flags of the list.
#[derive(Debug, Args)]
pub(super) struct ListFlags {
    /// Only what this user holds or asks for: a name or a number
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Only names that stand so
    #[arg(long, value_enum, value_name = "STATE")]
    only: Option<State>,
    /// Only this name and what is below it
    #[arg(long, value_name = "NAME", value_parser = HostPattern::parse)]
    name: Option<HostPattern>,
    #[command(flatten)]
    reach: ReachFlags,
    #[command(flatten)]
    format: FormatFlag,
}

/// How a name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    /// A site serves it.
    Held,
    /// Given up, and kept for its holder.
    Grace,
    /// Asked for, and held by somebody else.
    Waiting,
    /// Asked for, and below a name of somebody else.
    Reserved,
    /// Asked for by a user who holds as many names as he may.
    Full,
    /// Asked for, and its proof was not found yet.
    Unproven,
}

impl State {
    fn of(state: ClaimState) -> Self {
        match state {
            ClaimState::Held => Self::Held,
            ClaimState::Grace => Self::Grace,
            ClaimState::Waiting => Self::Waiting,
            ClaimState::Reserved => Self::Reserved,
            ClaimState::Full => Self::Full,
            ClaimState::Unproven => Self::Unproven,
        }
    }
}

/// Asks and prints.
pub(super) fn run(flags: &ListFlags, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut rows: Vec<ClaimRow> = AdminClient::reach(&flags.reach)?.get("/v1/claims", &[])?;
    let mut names: HashMap<u32, Option<String>> = HashMap::new();
    for row in &mut rows {
        row.user = names.entry(row.owner).or_insert_with(|| user_name(row.owner)).clone();
    }
    rows.retain(|row| flags.wants(row));
    match flags.format.format {
        Format::Json => crate::commands::write_json(out, &rows)?,
        Format::Text => write_text(&rows, out, terminal::width(), SystemTime::now())?,
    }
    Ok(Exit::OK)
}

impl ListFlags {
    fn wants(&self, row: &ClaimRow) -> bool {
        let is_user = |user: &String| row.user.as_ref() == Some(user) || row.owner.to_string() == *user;
        let is_name = |name: &HostPattern| {
            let zone = name.base().map(|base| HostPattern::Wildcard(base.clone()));
            let row = HostPattern::parse(&row.name);
            row.is_ok_and(|row| row == *name || zone.is_some_and(|zone| zone.allows(&row)))
        };
        self.user.as_ref().is_none_or(is_user)
            && self.only.is_none_or(|state| State::of(row.state) == state)
            && self.name.as_ref().is_none_or(is_name)
    }
}

fn write_text(rows: &[ClaimRow], out: &mut dyn Write, width: Option<usize>, now: SystemTime) -> Result<(), Failure> {
    if rows.is_empty() {
        writeln!(out, "no such name is held, and nobody waits for one")?;
        return Ok(());
    }
    let mut table = Table::new(&[
        ("NAME", Align::LeftCut),
        ("USER", Align::Left),
        ("STATE", Align::LeftCut),
        ("CLAIMED", Align::Left),
        ("SITE", Align::LeftCut),
    ]);
    for row in rows {
        let claimed = match row.claimed {
            0 => String::new(),
            at => ago(at, now),
        };
        let user = shown_user(row.owner, row.user.as_deref());
        table.push([row.name.clone(), user, state(row, now), claimed, row.site.clone()]);
    }
    write!(out, "{}", table.render(width))?;
    for (name, found) in rows.iter().filter_map(|row| Some((&row.name, row.found.as_ref()?))) {
        writeln!(out, "\n{}: {}", escaped(name), escaped(found))?;
    }
    let held = rows.iter().filter(|row| matches!(row.state, ClaimState::Held | ClaimState::Grace)).count();
    writeln!(out, "\n{} held, {} waited for", counted(held, "name"), rows.len() - held)?;
    Ok(())
}

fn state(row: &ClaimRow, now: SystemTime) -> String {
    let by = row.waits_for.as_deref().unwrap_or_default();
    match row.state {
        ClaimState::Held => "held".to_owned(),
        ClaimState::Grace => format!("grace, ends {}", when(row.until.unwrap_or(0), now)),
        ClaimState::Waiting => "waiting".to_owned(),
        ClaimState::Reserved if by.is_empty() => "covers names of others".to_owned(),
        ClaimState::Reserved => format!("reserved by {by}"),
        ClaimState::Full => "full: no room for one more".to_owned(),
        ClaimState::Unproven => format!("unproven: no TXT at {by}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    const NOW: u64 = 1_767_225_600; // 01 Jan 2026

    fn row(name: &str, owner: u32, state: ClaimState) -> ClaimRow {
        ClaimRow {
            name: name.to_owned(),
            site: "blog.yaml".to_owned(),
            owner,
            user: (owner == 1001).then(|| "shop".to_owned()),
            state,
            ..ClaimRow::default()
        }
    }

    #[test]
    fn every_state_is_told() {
        let rows = [
            ClaimRow { claimed: NOW - 7_200, ..row("a.test", 1001, ClaimState::Held) },
            ClaimRow { claimed: NOW - 60, until: Some(NOW + 7_200), ..row("b.test", 1002, ClaimState::Grace) },
            ClaimRow { waits_for: Some("a.test".into()), ..row("x.a.test", 1002, ClaimState::Reserved) },
        ];
        let mut out = Vec::new();
        write_text(&rows, &mut out, None, UNIX_EPOCH + Duration::from_secs(NOW)).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\
NAME      USER         STATE               CLAIMED    SITE
a.test    shop (1001)  held                2 h ago    blog.yaml
b.test    1002         grace, ends in 2 h  1 min ago  blog.yaml
x.a.test  1002         reserved by a.test             blog.yaml

2 names held, 1 waited for
"
        );
    }

    #[test]
    fn filters_go_by_user_state_and_zone() {
        let flags = |user: Option<&str>, state, name: Option<&str>| ListFlags {
            user: user.map(str::to_owned),
            only: state,
            name: name.map(|name| HostPattern::parse(name).unwrap()),
            reach: ReachFlags::default(),
            format: FormatFlag::default(),
        };
        let row = row("x.a.test", 1001, ClaimState::Waiting);
        for (flags, expected) in [
            (flags(None, None, None), true),
            (flags(Some("shop"), None, None), true),
            (flags(Some("1001"), None, None), true),
            (flags(Some("other"), None, None), false),
            (flags(None, Some(State::Waiting), None), true),
            (flags(None, Some(State::Held), None), false),
            (flags(None, None, Some("a.test")), true),
            (flags(None, None, Some("x.a.test")), true),
            (flags(None, None, Some("b.test")), false),
        ] {
            assert_eq!(flags.wants(&row), expected, "{flags:?}");
        }
    }
}
