//! Running a program of the operator: a clean environment, bounded time and output, and nothing of it left behind when
//! it does not end by itself.
//!
//! Not here: what the programs are told ([`crate::hooks`], [`crate::dns`]), and which programs may be run at all.

use std::{ffi::OsString, io, path::Path, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, Command},
    time::{Instant, sleep, timeout, timeout_at},
};

use crate::printable::printable_bytes;

/// More output than this is read and forgotten.
const OUTPUT_LIMIT: usize = 8 * 1024;
/// How much of it a sentence shows.
const SHOWN_LIMIT: usize = 600;
/// How long output is awaited after the program has ended: what it left running may hold the pipe for ever.
const LAST_WORDS_GRACE: Duration = Duration::from_millis(250);
/// How long a killed program may take to be gone.
const KILL_GRACE: Duration = Duration::from_secs(2);
/// How often the start is tried while somebody has the file open for writing.
const START_ATTEMPTS: u32 = 5;
/// Between two of them.
const START_PAUSE: Duration = Duration::from_millis(50);

/// What to run.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    /// The file.
    pub(crate) path: &'a Path,
    /// After its name.
    pub(crate) arguments: &'a [String],
    /// Beyond the few variables that every program gets.
    pub(crate) variables: &'a [(&'static str, String)],
    /// Standard input; `None`: nothing at all.
    pub(crate) input: Option<Vec<u8>>,
    /// After this it is killed, with everything it started.
    pub(crate) timeout: Duration,
}

/// Why a program did not do what it should. What it said is in there, printable and cut.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramFault {
    #[error("cannot be started: {0}")]
    Start(#[source] io::Error),
    #[error("did not end within {} s and was killed{}", .after.as_secs_f32(), said(.output))]
    Hung { after: Duration, output: String },
    #[error("ended with {status}{}", said(.output))]
    Failed { status: std::process::ExitStatus, output: String },
    #[error("could not be watched: {0}")]
    Lost(#[source] io::Error),
}

fn said(output: &str) -> String {
    if output.is_empty() { ", and said nothing".to_owned() } else { format!(", and said: {output}") }
}

impl Program<'_> {
    /// Runs it to its end; the answer is what it said. Dropping the future kills it as well.
    pub(crate) async fn run(mut self) -> Result<String, ProgramFault> {
        let deadline = Instant::now() + self.timeout;
        let mut child = self.start().await.map_err(ProgramFault::Start)?;
        let input = self.input.take();
        let mut group = Group::led_by(&child);
        let mut output = Output::default();
        let ended = timeout_at(deadline, converse(&mut child, input, &mut output)).await;
        match ended {
            Ok(Ok(status)) => {
                group.is_over();
                let output = output.shown();
                if status.success() { Ok(output) } else { Err(ProgramFault::Failed { status, output }) }
            }
            Ok(Err(error)) => Err(ProgramFault::Lost(error)),
            Err(_) => {
                group.kill();
                // Reaped here so that it is gone when the failure is told; a process that the kernel holds is left to it.
                if timeout(KILL_GRACE, child.wait()).await.is_ok() {
                    group.is_over();
                }
                Err(ProgramFault::Hung { after: self.timeout, output: output.shown() })
            }
        }
    }

    /// A file that is just being written cannot be run (ETXTBSY); that passes.
    async fn start(&self) -> io::Result<Child> {
        let mut attempts = 1;
        loop {
            match self.command().spawn() {
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && attempts < START_ATTEMPTS => {
                    attempts += 1;
                    sleep(START_PAUSE).await;
                }
                started => return started,
            }
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.path);
        command.args(self.arguments).env_clear().envs(inherited()).envs(self.variables.iter().cloned());
        command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: what it starts is killed with it, and a signal to our group does not reach it.
        command.process_group(0).kill_on_drop(true);
        command
    }
}

/// What programs need to find others and to speak; nothing else of ours is theirs to know.
fn inherited() -> impl Iterator<Item = (&'static str, OsString)> {
    const DEFAULTS: [(&str, &str); 3] =
        [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("HOME", "/"), ("LANG", "C.UTF-8")];
    DEFAULTS.into_iter().map(|(name, default)| (name, std::env::var_os(name).unwrap_or_else(|| default.into())))
}

/// Feeds it, reads what it says, and waits for its end, all at once: none of the three may block another.
async fn converse(
    child: &mut Child,
    input: Option<Vec<u8>>,
    output: &mut Output,
) -> io::Result<std::process::ExitStatus> {
    let feeding = feed(child.stdin.take(), input.unwrap_or_default());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let reading = output.read(stdout, stderr);
    tokio::pin!(feeding, reading);
    let (mut fed, mut read) = (false, false);
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            () = &mut feeding, if !fed => fed = true,
            () = &mut reading, if !read => read = true,
        }
    };
    if !read {
        // Not an error: whoever still holds the pipe is not the program.
        let _ = timeout(LAST_WORDS_GRACE, reading).await;
    }
    Ok(status)
}

/// A program that does not want its input is free not to read it.
async fn feed(stdin: Option<ChildStdin>, input: Vec<u8>) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(&input).await;
    }
}

/// What a program said on both its outputs, in the order of arrival.
#[derive(Default)]
struct Output {
    kept: Vec<u8>,
}

impl Output {
    async fn read(&mut self, stdout: Option<impl AsyncRead + Unpin>, stderr: Option<impl AsyncRead + Unpin>) {
        let (mut stdout, mut stderr) = (stdout, stderr);
        let (mut first, mut second) = ([0; 1024], [0; 1024]);
        while stdout.is_some() || stderr.is_some() {
            tokio::select! {
                count = read_some(&mut stdout, &mut first) => self.keep(&first[..count]),
                count = read_some(&mut stderr, &mut second) => self.keep(&second[..count]),
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = OUTPUT_LIMIT - self.kept.len();
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn shown(&self) -> String {
        printable_bytes(&self.kept, SHOWN_LIMIT)
    }
}

/// Reads once; at the end (or at an error, which for a pipe means the same) the source is gone. Never ready without one.
async fn read_some(source: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> usize {
    let Some(reader) = source else { return std::future::pending().await };
    let count = reader.read(buffer).await.unwrap_or(0);
    if count == 0 {
        *source = None;
    }
    count
}

/// The process group that a program leads, killed on drop unless it is over.
struct Group {
    leader: Option<Pid>,
}

impl Group {
    fn led_by(child: &Child) -> Self {
        let raw = child.id().and_then(|id| i32::try_from(id).ok());
        Self { leader: raw.and_then(Pid::from_raw) }
    }

    fn kill(&self) {
        if let Some(leader) = self.leader {
            // It fails only when there is nobody left to kill.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }

    /// The leader has been waited for: from now on its number may be anybody's.
    fn is_over(&mut self) {
        self.leader = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
