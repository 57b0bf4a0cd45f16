//! `vestibule certs explain`: what stands between a name and its certificate, step by step.

use std::io::Write;

use clap::Args;
use vestibule_gateway::admin::model::CertExplanation;

use crate::{
    admin_client::AdminClient,
    cli::{Format, FormatFlag, ReachFlags},
    exit::Exit,
    failure::Failure,
    terminal::{Paint, escaped},
};

/// The flags of `certs explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
The gateway looks at everything that must work, in order: whose name it is, what DNS says (addresses, IPv6, CAA), whether \
the ports can be reached, the limits of the CA, the CA itself, and the last attempt. Each step is good, bad or unclear \
with what to do; the last line says what comes first. Nothing is asked of a CA that counts against its limits.

Examples:
  vestibule certs explain blog.example.com
  vestibule certs explain '*.example.com'
  vestibule certs explain blog.example.com --format json | jq -r .verdict")]
pub(super) struct Flags {
    /// The name, as the site file lists it
    #[arg(value_name = "HOST")]
    host: String,
    #[command(flatten)]
    reach: ReachFlags,
    #[command(flatten)]
    format: FormatFlag,
}

/// Asks and prints.
pub(super) fn run(flags: &Flags, out: &mut dyn Write) -> Result<Exit, Failure> {
    let client = AdminClient::reach(&flags.reach)?;
    let explanation: CertExplanation = client.inquire("/v1/certs/explain", &[("host", &flags.host)])?;
    match flags.format.format {
        Format::Json => crate::commands::write_json(out, &explanation)?,
        Format::Text => write_text(&explanation, out, Paint::of_stdout())?,
    }
    Ok(Exit::OK)
}

fn write_text(explanation: &CertExplanation, out: &mut dyn Write, paint: Paint) -> Result<(), Failure> {
    writeln!(out, "{}", paint.strong(&escaped(&explanation.name)))?;
    let widest = explanation.steps.iter().map(|step| step.subject.chars().count()).max().unwrap_or(0);
    for step in &explanation.steps {
        let standing = format!("{:<7}", escaped(&step.standing));
        let standing = match &*step.standing {
            "good" => paint.good(&standing),
            "bad" => paint.bad(&standing),
            _ => paint.doubtful(&standing),
        };
        writeln!(out, "  {:<widest$}  {standing}  {}", escaped(&step.subject), escaped(&step.sentence))?;
    }
    writeln!(out, "\n{}", escaped(&explanation.verdict))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use vestibule_gateway::admin::model::CertStep;

    use super::*;

    #[test]
    fn steps_stand_in_columns_and_the_verdict_comes_last() {
        let step = |subject: &str, standing: &str, sentence: &str| CertStep {
            subject: subject.into(),
            standing: standing.into(),
            sentence: sentence.into(),
        };
        let explanation = CertExplanation {
            name: "a.test".into(),
            steps: vec![step("claim", "good", "held by blog.yaml"), step("port 80", "bad", "nobody\u{1b} answers")],
            verdict: "open port 80".into(),
        };
        let mut out = Vec::new();
        write_text(&explanation, &mut out, Paint::Plain).unwrap();
        let expected = "\
a.test
  claim    good     held by blog.yaml
  port 80  bad      nobody\\u{1b} answers

open port 80
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
