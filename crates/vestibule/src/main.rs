//! The door: one binary, one module per command.
//!
//! Nothing is decided here but the way in and the way out: parse the command line, run the command, turn what came of
//! it into an exit code. What the gateway *is* lives in `vestibule-gateway`.
//!
//! | module | what it is |
//! |---|---|
//! | [`cli`] | the command line as people type it |
//! | [`commands`] | one module per command |
//! | [`place`], [`settings_file`], [`decide`] | flags over settings over defaults → the gateway's configuration |
//! | [`admin_client`] | asks a running gateway over its Unix socket |
//! | [`signals`] | runs a gateway until it is told to end |
//! | [`terminal`], [`table`], [`reports`] | what people see |
//! | [`failure`], [`exit`] | why it did not work, and the exit code that says so |

mod admin_client;
mod cli;
mod commands;
mod decide;
mod exit;
mod failure;
mod place;
mod reports;
mod settings_file;
mod signals;
mod table;
mod terminal;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{cli::Cli, exit::Exit};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => return leave(&told),
    };
    match commands::run(cli.command) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            terminal::tell(&failure.chain());
            failure.exit().into()
        }
    }
}

/// What clap has to say is help that was asked for, or a usage error: sysexits has its own number for the latter.
fn leave(told: &clap::Error) -> ExitCode {
    // A closed standard output or error changes nothing about what happened.
    drop(told.print());
    if told.use_stderr() { Exit::USAGE.into() } else { Exit::OK.into() }
}
