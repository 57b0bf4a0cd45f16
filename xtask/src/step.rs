//! A named step of a longer task: announced, timed, and named again when it fails.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::Outcome;

/// Runs `work` as the step `name`.
pub(crate) fn step(name: &str, work: impl FnOnce() -> Outcome) -> Outcome {
    println!("==> {name}");
    let start = Instant::now();
    match work() {
        Ok(()) => {
            println!("==> {name}: ok in {}", seconds(start.elapsed()));
            Ok(())
        }
        Err(error) => Err(format!("step `{name}` failed after {}: {error}", seconds(start.elapsed())).into()),
    }
}

/// Runs a command without standard input to its end; anything but success is an error that shows the command.
pub(crate) fn succeed(command: &mut Command) -> Outcome {
    let line = shown(command);
    let status = command.stdin(Stdio::null()).status().map_err(|error| format!("cannot start `{line}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` ended with {status}").into()) }
}

/// As a person would type it, near enough.
fn shown(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let program = program.rsplit('/').next().unwrap_or_default();
    command.get_args().fold(program.to_owned(), |line, arg| line + " " + &arg.to_string_lossy())
}

/// Seconds with one digit after the point.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
