//! [`Process`]: a child that cannot outlive the test, with what it wrote.
//!
//! Children are ended by their own id only. Should the test itself be killed, the kernel ends them: they are started
//! through `setpriv --pdeathsig`, which sets that up and then becomes the program (same process id).

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{Read as _, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process, kill_process_group, waitid};

use crate::wait::{eventually, within};

/// Says something on the terminal, past the capture of test output.
pub fn note(what: &str) {
    let mut terminal = std::io::stderr();
    writeln!(terminal, "note: {what}").unwrap();
}

/// May we start processes of other users? If not, says on the terminal what is left out.
pub fn root_or_note(left_out: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        note(&format!("left out, because it needs root: {left_out}"));
    }
    root
}

/// Runs a command to its end as another user (needs root).
pub async fn output_as(uid: u32, dir: &Path, words: &[&str]) -> std::process::Output {
    let mut command = tokio::process::Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--clear-groups"]).args([format!("--reuid={uid}"), format!("--regid={uid}")]);
    command.arg("--").args(words).current_dir(dir).stdin(Stdio::null()).kill_on_drop(true);
    command.env_remove("XDG_STATE_HOME").env("HOME", "/nonexistent").output().await.unwrap()
}

/// Panics with the line to run when a program of a package of Debian is not there.
pub fn require(program: &str, package: &str) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    assert!(found, "there is no {program}; run\n    apt-get install --no-install-recommends {package}");
}

/// How a child is started.
#[derive(Debug)]
pub struct Program {
    words: Vec<OsString>,
    command: Command,
    user: Option<u32>,
    descriptors: Option<u64>,
    /// The signal that it gets when we are gone.
    farewell: &'static str,
}

impl Program {
    /// That program, by path or by name.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let (words, command) = (vec![program.as_ref().to_owned()], Command::new("setpriv"));
        Self { words, command, user: None, descriptors: None, farewell: "KILL" }
    }

    /// Arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.words.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// A variable of the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Without a variable that we have ourselves.
    #[must_use]
    pub fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Where it runs.
    #[must_use]
    pub fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// As another user (needs root).
    #[must_use]
    pub fn user(mut self, uid: u32) -> Self {
        self.user = Some(uid);
        self
    }

    /// It starts processes of its own, and ends them when it is asked to end: so it is asked, and not killed, when we are gone.
    #[must_use]
    pub fn with_children(mut self) -> Self {
        self.farewell = "TERM";
        self
    }

    /// With at most so many open files.
    #[must_use]
    pub fn descriptors(mut self, limit: u64) -> Self {
        self.descriptors = Some(limit);
        self
    }

    /// Starts it; its output goes to `NAME.stdout` and `NAME.stderr` in `logs`, added to what is there.
    pub fn start(mut self, name: &str, logs: &Path) -> Process {
        let log = |stream: &str| logs.join(format!("{name}.{stream}"));
        let open = |path: &Path| File::options().create(true).append(true).open(path).unwrap();
        let (stdout, stderr) = (log("stdout"), log("stderr"));
        self.command.args(["--pdeathsig", self.farewell]);
        if let Some(uid) = self.user {
            self.command.args(["--clear-groups".to_owned(), format!("--reuid={uid}"), format!("--regid={uid}")]);
        }
        self.command.arg("--");
        if let Some(limit) = self.descriptors {
            self.command.arg("prlimit").arg(format!("--nofile={limit}:{limit}")).arg("--");
        }
        self.command.args(&self.words).stdin(Stdio::null()).stdout(open(&stdout)).stderr(open(&stderr));
        // A group of its own: Ctrl-C on the terminal ends the test, and the test ends the child.
        self.command.process_group(0);
        let child = self.command.spawn().unwrap_or_else(|error| panic!("cannot start {:?}: {error}", self.words));
        Process { child, stdout, stderr }
    }
}

/// A running child, killed on drop with all that it has started.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.rustix_pid(), signal).unwrap();
    }

    /// Ends it at once, without a chance to clean up, and waits for the end.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Has it ended?
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Has it ended? Leaves its status for [`Process::exited`].
    pub fn has_ended(&self) -> bool {
        self.look().map_or(true, |status| status.is_some())
    }

    /// Its status if it has ended, which stays to be waited for; an error if that was waited for already.
    fn look(&self) -> rustix::io::Result<Option<WaitIdStatus>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.rustix_pid()), options)
    }

    /// Waits for its end, with a bound.
    pub async fn wait(&mut self) -> ExitStatus {
        let pid = self.pid();
        eventually(&format!("the end of process {pid}"), || std::future::ready(self.exited())).await
    }

    /// Waits for its end, at most so long.
    pub async fn wait_within(&mut self, bound: Duration) -> Option<ExitStatus> {
        within(bound, || std::future::ready(self.exited())).await
    }

    /// What it wrote to standard output so far.
    pub fn stdout(&self) -> String {
        read_lossy(&self.stdout)
    }

    /// What it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        read_lossy(&self.stderr)
    }

    /// How much memory it holds now, in KiB.
    pub fn resident_kib(&self) -> u64 {
        self.status_kib("VmRSS:")
    }

    /// The most memory it ever held, in KiB.
    pub fn peak_kib(&self) -> u64 {
        self.status_kib("VmHWM:")
    }

    /// A line of `status` in proc(5).
    fn status_kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// How much processor time it has used, in clock ticks of 10 ms (`utime` and `stime` of proc(5)).
    pub fn cpu_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum()
    }

    fn rustix_pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- end of {} ----\n{}", self.stderr.display(), tail(&self.stderr()));
            eprintln!("---- end of {} ----\n{}", self.stdout.display(), tail(&self.stdout()));
        }
        // With its group: whoever it has started, also when it has ended itself. Once that is waited for, its number may be
        // another's.
        if self.look().is_ok() {
            let _ = kill_process_group(self.rustix_pid(), Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

fn read_lossy(path: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(mut file) = File::open(path) {
        file.read_to_end(&mut bytes).unwrap();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The last lines.
fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell that starts something long, says which process that is, and does this.
    async fn parent(then: &str, logs: &Path) -> (Process, Pid) {
        let shell = Program::new("sh").args(["-c", &format!("sleep 600 & echo $!; {then}")]);
        let process = shell.start("parent", logs);
        let said = || std::future::ready(process.stdout().trim().parse().ok().and_then(Pid::from_raw));
        let child = eventually("the number of its child", said).await;
        (process, child)
    }

    /// Does it do anything? Whoever inherits it may leave its status where it is (`Z` in proc(5)).
    fn goes_on(process: Pid) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, fields)| !fields.trim_start().starts_with('Z'))
    }

    #[tokio::test]
    async fn whatever_a_process_has_started_ends_with_it() {
        let logs = tempfile::tempdir().unwrap();
        for then in ["wait", "exit 1"] {
            let (process, child) = parent(then, logs.path()).await;
            if then != "wait" {
                eventually("its own end", || std::future::ready(process.has_ended().then_some(()))).await;
            }
            assert!(goes_on(child), "{then}");
            drop(process);
            eventually("the end of its child", || std::future::ready((!goes_on(child)).then_some(()))).await;
            fs::remove_file(logs.path().join("parent.stdout")).unwrap();
        }
    }
}
