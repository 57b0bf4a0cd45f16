//! `vestibule certs plan`: when each site would have its certificates, within the CA's limits.

use std::{io::Write, time::SystemTime};

use clap::Args;
use vestibule_gateway::admin::model::CertPlan;

use crate::commands::dates::when;
use crate::{
    admin_client::AdminClient,
    cli::{Format, FormatFlag, ReachFlags},
    exit::Exit,
    failure::Failure,
    reports::counted,
    table::{Align, Table},
    terminal,
};

/// The flags of `certs plan`.
#[derive(Debug, Args)]
#[command(after_help = "\
The running gateway plays its queue through against the limits of the CA and says when the last name of each site would \
have its certificate, if every order succeeds at once. No CA is asked. Sites that wait for nothing are not listed.

Examples:
  vestibule certs plan
  vestibule certs plan --format json | jq '.sites | last | .done | todate'")]
pub(super) struct Flags {
    #[command(flatten)]
    reach: ReachFlags,
    #[command(flatten)]
    format: FormatFlag,
}

/// Asks and prints.
pub(super) fn run(flags: &Flags, out: &mut dyn Write) -> Result<Exit, Failure> {
    let plan: CertPlan = AdminClient::reach(&flags.reach)?.inquire("/v1/certs/plan", &[])?;
    match flags.format.format {
        Format::Json => crate::commands::write_json(out, &plan)?,
        Format::Text => write_text(&plan, out, terminal::width(), SystemTime::now())?,
    }
    Ok(Exit::OK)
}

fn write_text(plan: &CertPlan, out: &mut dyn Write, width: Option<usize>, now: SystemTime) -> Result<(), Failure> {
    let Some(last) = plan.sites.iter().map(|row| row.done).max() else {
        writeln!(out, "nothing waits: every site has its certificates")?;
        return Ok(());
    };
    let mut table = Table::new(&[
        ("SITE", Align::LeftCut),
        ("DONE", Align::Left),
        ("ORDERS", Align::Right),
        ("WAITS FOR", Align::LeftCut),
    ]);
    for row in &plan.sites {
        let waits_for = row.waits_for.clone().unwrap_or_default();
        table.push([row.site.clone(), when(row.done, now), row.orders.to_string(), waits_for]);
    }
    write!(out, "{}", table.render(width))?;
    let (sites, orders) = (counted(plan.sites.len(), "site"), counted(plan.orders, "order"));
    writeln!(out, "\n{sites}, {orders}; the last is done {}", when(last, now))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use vestibule_gateway::admin::model::PlanRow;

    use super::*;

    fn check(orders: usize, sites: Vec<PlanRow>, expected: &str) {
        let mut out = Vec::new();
        write_text(&CertPlan { sites, orders }, &mut out, None, UNIX_EPOCH + Duration::from_secs(1_000_000)).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_plan_says_when_and_what_for() {
        let row = |site: &str, after: u64, orders, waits_for: Option<&str>| PlanRow {
            site: site.into(),
            done: 1_000_000 + after,
            orders,
            waits_for: waits_for.map(str::to_owned),
        };
        check(
            12,
            vec![row("a.yaml", 10, 1, None), row("shop/b.yaml", 7_200, 12, Some("orders of letsencrypt"))],
            "\
SITE         DONE     ORDERS  WAITS FOR
a.yaml       in 10 s       1
shop/b.yaml  in 2 h       12  orders of letsencrypt

2 sites, 12 orders; the last is done in 2 h
",
        );
        check(0, vec![], "nothing waits: every site has its certificates\n");
    }
}
