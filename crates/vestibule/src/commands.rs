//! One module per command: its flags, its help, and what it does. Commands know neither each other nor clap's errors; they
//! write their answer to standard output and return how they ended.

pub(crate) mod certs;
pub(crate) mod check;
pub(crate) mod claims;
mod dates;
pub(crate) mod demo;
pub(crate) mod explain;
pub(crate) mod logs;
pub(crate) mod new;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod sites;
pub(crate) mod status;

use std::io::{self, Write as _};

use crate::{cli::Command, exit::Exit, failure::Failure};

/// Runs one command to its end.
pub(crate) fn run(command: Command) -> Result<Exit, Failure> {
    let mut out = io::BufWriter::new(io::stdout());
    let ended = match command {
        Command::Run(flags) => return run::run(&flags),
        Command::DemoBackend(flags) => return demo::backend::run(flags),
        Command::Demo(flags) => return demo::run(&flags),
        Command::Check(flags) => check::run(&flags, &mut out),
        Command::Explain(flags) => explain::run(&flags, &mut out),
        Command::Status(flags) => status::run(&flags, &mut out),
        Command::Sites(flags) => sites::run(&flags, &mut out),
        Command::Certs(flags) => certs::run(&flags, &mut out),
        Command::Logs(flags) => logs::run(&flags, &mut out),
        Command::Claims(flags) => claims::run(&flags, &mut out),
        Command::New(flags) => new::run(&flags, &mut out),
        Command::Schema(flags) => schema::run(&flags, &mut out),
    };
    out.flush()?;
    ended
}

/// Writes a value as JSON that people can read too.
fn write_json(out: &mut dyn io::Write, value: &impl serde::Serialize) -> Result<(), Failure> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(())
}
