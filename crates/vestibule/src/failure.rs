//! [`Failure`]: why a command did not do what it was asked, told once, at the top, with what to do about it.

use std::{error::Error, fmt::Write as _, io, path::PathBuf};

use vestibule_gateway::{LedgerError, StartError, foreign::ForeignError, power::PowerError, review::ReviewError};

use crate::{admin_client::AdminError, exit::Exit, terminal::escaped_text};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A file or folder that was named.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The local CA's root.
    #[error("cannot read the local CA's root in {path}")]
    Root {
        /// The state folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A settings file beyond the limit.
    #[error("{path} is larger than {limit} bytes")]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// A file or folder that was to be made.
    #[error("cannot write {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `new` does not overwrite.
    #[error("{path} is already there")]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// There is nowhere to keep state.
    #[error("no state folder: neither XDG_STATE_HOME nor HOME is set")]
    NoStateFolder,
    /// The settings have errors, which were printed.
    #[error("the settings in {path} have errors")]
    Settings {
        /// Which.
        path: PathBuf,
    },
    /// `log.level` is no filter.
    #[error("log.level {written:?} cannot be used")]
    LogLevel {
        /// As it was written.
        written: String,
        /// Why.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The site file that `new` would write has errors, which were printed.
    #[error("no site file was written for {host}")]
    NewSite {
        /// For whom.
        host: String,
    },
    /// No site file can be named like that.
    #[error("{written:?} is no folder name for site files")]
    Folder {
        /// As it was written.
        written: String,
    },
    /// The run time of the main thread, or its signals.
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
    /// Root's power could not be given up.
    #[error("the gateway does not start with more power than it is to have")]
    Power(#[source] PowerError),
    /// The gateway.
    #[error("the gateway cannot start")]
    Start(#[source] StartError),
    /// The gateway ended without being asked.
    #[error("the gateway ended by itself")]
    Ended,
    /// A backend of the demo.
    #[error("the demo's backend {name} cannot start")]
    Backend {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Checking.
    #[error(transparent)]
    Review(#[from] ReviewError),
    /// Asking a running gateway.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// A command about a certificate that the gateway did not carry out.
    #[error("{what}: {sentence}")]
    Certificate {
        /// What was asked.
        what: String,
        /// Why not, in the words of the gateway or the CA, and when it is tried again.
        sentence: String,
    },
    /// The gateway went away before such a command was carried out.
    #[error("{what}: {why}: {then}")]
    Gone {
        /// What was asked.
        what: String,
        /// How it went away.
        why: String,
        /// What comes of it.
        then: &'static str,
    },
    /// A store of another program.
    #[error(transparent)]
    Foreign(#[from] ForeignError),
    /// A user whom the system does not know.
    #[error("there is no user {written}")]
    UnknownUser {
        /// As it was written.
        written: String,
    },
    /// Nobody said yes.
    #[error("nothing was done: nobody confirmed it")]
    Unconfirmed,
    /// Not in the catalogue.
    #[error("{written} is no diagnostic code")]
    UnknownCode {
        /// As it was written.
        written: String,
    },
    /// Standard output.
    #[error("cannot write the answer")]
    Output(#[source] io::Error),
}

/// Standard output is the only stream that commands write to with `?`.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl Failure {
    /// The exit code that tells this failure.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Read { source, .. } | Self::Root { source, .. } => Exit::of_reading(source),
            Self::Write { source, .. } => Exit::of_writing(source),
            Self::Exists { .. } => Exit::CANNOT_CREATE,
            Self::NoStateFolder | Self::Settings { .. } | Self::LogLevel { .. } | Self::NewSite { .. } => Exit::CONFIG,
            Self::TooLarge { .. } => Exit::CONFIG,
            Self::Folder { .. } | Self::UnknownCode { .. } => Exit::USAGE,
            Self::Signals(_) | Self::Backend { .. } => Exit::OS,
            Self::Power(PowerError::NotRoot { .. }) => Exit::NO_PERMISSION,
            Self::Power(PowerError::Unknown { .. } | PowerError::State { .. }) => Exit::CONFIG,
            Self::Power(_) => Exit::OS,
            Self::Start(error) if error.is_permission() => Exit::NO_PERMISSION,
            // Taken now, perhaps free later: systemd may try again.
            Self::Start(StartError::Ledger(LedgerError::Locked { .. })) => Exit::UNAVAILABLE,
            Self::Start(error) if root_kind(error) == Some(io::ErrorKind::AddrInUse) => Exit::UNAVAILABLE,
            Self::Start(_) => Exit::CONFIG,
            Self::Ended => Exit::SOFTWARE,
            Self::Review(ReviewError::Url(_)) => Exit::DATA,
            Self::Review(error) => root_io(error).map_or(Exit::IO, Exit::of_reading),
            Self::Admin(error) => error.exit(),
            Self::Certificate { .. } | Self::Gone { .. } => Exit::TEMPORARY,
            Self::Foreign(ForeignError::Io { source, .. }) => Exit::of_reading(source),
            Self::Foreign(_) => Exit::DATA,
            Self::Unconfirmed | Self::UnknownUser { .. } => Exit::USAGE,
            // Whoever reads has seen enough (`vestibule sites | head`).
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::OK,
            Self::Output(_) => Exit::IO,
        }
    }

    /// What to do about it.
    fn help(&self) -> Option<&'static str> {
        Some(match self {
            Self::Exists { .. } => "edit it, or pass --force to replace it",
            Self::NoStateFolder => "say where with --state DIR",
            Self::Settings { .. } => "nothing was started; 'vestibule explain CODE' tells more about a code",
            Self::LogLevel { .. } => {
                "write a level (error, warn, info, debug, trace) or target=level, separated by commas"
            }
            Self::Folder { .. } => "site files lie in the sites folder or one folder down: give one plain name",
            Self::UnknownCode { .. } => "codes look like V0201; a message of 'vestibule check' shows its own",
            Self::Power(PowerError::NotRoot { .. }) => {
                "start it as root or as that user, or take `user` out of the settings"
            }
            Self::Power(PowerError::Unknown { .. }) => {
                "make it with 'useradd --system --no-create-home', or name another"
            }
            Self::Power(PowerError::State { .. }) => {
                "give the folder with all that is in it to that user ('chown -R'), or name another with --state DIR"
            }
            Self::Start(StartError::Bind(_)) if self.exit() == Exit::NO_PERMISSION => {
                "ports below 1024 need root, 'setcap cap_net_bind_service=+ep' on the binary, or a socket from systemd; \
                 or choose others with --http 127.0.0.1:8080 --https 127.0.0.1:8443"
            }
            Self::Start(StartError::Bind(_)) if self.exit() == Exit::UNAVAILABLE => {
                "another process listens there: 'ss -ltnp' shows which; or choose another address with --http and --https"
            }
            Self::Start(_) if self.exit() == Exit::UNAVAILABLE => {
                "another gateway uses that state folder: stop it, or choose another with --state DIR"
            }
            Self::Start(_) | Self::Read { .. } | Self::Review(_) if self.exit() == Exit::NO_PERMISSION => {
                "run it as the user who owns that path, or name another with --sites, --state or --settings"
            }
            Self::Review(_) if self.exit() == Exit::NO_INPUT => {
                "name the site files to check, or their folder with --sites DIR"
            }
            Self::Read { .. } if self.exit() == Exit::NO_INPUT => {
                "a settings file is named with --settings, a folder of site files with --sites"
            }
            Self::Root { .. } => "the first 'vestibule run' makes the local CA; name its state folder with --state DIR",
            Self::Unconfirmed => "answer `y`, or pass --yes where nobody can be asked",
            Self::Certificate { .. } => "'vestibule certs explain HOST' says what stands in the way",
            Self::Gone { .. } => "'vestibule status' says whether the gateway is there again",
            Self::Foreign(ForeignError::Unknown { .. }) => {
                "name certbot's /etc/letsencrypt, Caddy's data folder, or Traefik's acme.json"
            }
            Self::Admin(error) => return error.help(),
            _ => return None,
        })
    }

    /// The message for people: every cause once, then the help line. Empty when there is nobody to tell.
    pub(crate) fn chain(&self) -> String {
        if self.exit() == Exit::OK {
            return String::new();
        }
        let mut text = format!("vestibule: {self}");
        let mut cause = self.source();
        while let Some(error) = cause {
            // Writing to a String cannot fail.
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        if let Some(help) = self.help() {
            let _ = write!(text, "\nhelp: {help}");
        }
        text.push('\n');
        escaped_text(&text)
    }
}

/// The operating system's word at the bottom of a chain.
fn root_io<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut cause = Some(error);
    let mut found = None;
    while let Some(error) = cause {
        found = error.downcast_ref::<io::Error>().or(found);
        cause = error.source();
    }
    found
}

fn root_kind(error: &StartError) -> Option<io::ErrorKind> {
    root_io(error).map(io::Error::kind)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    fn check(failure: Failure, exit: Exit, chain: &str) {
        assert_eq!(failure.exit(), exit, "{failure:?}");
        assert_eq!(failure.chain(), chain);
    }

    fn file(kind: ErrorKind) -> Failure {
        Failure::Review(ReviewError::File { path: "blog.yaml".into(), source: kind.into() })
    }

    #[test]
    fn a_failure_tells_every_cause_once_and_what_to_do() {
        check(
            file(ErrorKind::NotFound),
            Exit::NO_INPUT,
            "vestibule: cannot read blog.yaml: entity not found\n\
             help: name the site files to check, or their folder with --sites DIR\n",
        );
        check(
            file(ErrorKind::PermissionDenied),
            Exit::NO_PERMISSION,
            "vestibule: cannot read blog.yaml: permission denied\n\
             help: run it as the user who owns that path, or name another with --sites, --state or --settings\n",
        );
        check(
            Failure::Exists { path: "a.yaml".into() },
            Exit::CANNOT_CREATE,
            "vestibule: a.yaml is already there\nhelp: edit it, or pass --force to replace it\n",
        );
        check(Failure::Ended, Exit::SOFTWARE, "vestibule: the gateway ended by itself\n");
    }

    #[test]
    fn a_reader_who_left_is_no_failure() {
        check(Failure::Output(ErrorKind::BrokenPipe.into()), Exit::OK, "");
    }

    #[test]
    fn a_name_cannot_write_on_the_terminal() {
        let failure = Failure::UnknownCode { written: "V\u{1b}[2J".into() };
        assert!(!failure.chain().contains('\u{1b}'));
    }
}
