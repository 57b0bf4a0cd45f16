//! The command line as people type it. One definition per flag makes parsing, help and (later) the manual page; values are
//! parsed into validated nouns on the way in. Nothing here knows what a command does.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use vestibule_names::ListenAddr;

use crate::commands::{certs, check, claims, demo, explain, logs, new, run, schema, sites, status};

/// The shared entrance of a box: many tenants' backends behind one address and port.
#[derive(Debug, Parser)]
#[command(name = "vestibule", version, max_term_width = 100, arg_required_else_help = true, after_help = FIRST_STEPS)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const FIRST_STEPS: &str = "\
First steps:
  vestibule demo                            three backends and the gateway, ready to try
  vestibule new blog.localhost 5000         write its site file into the sites folder
  vestibule run                             serve every site file in that folder
  vestibule check                           would the site files be taken as they are?

Exit codes are those of sysexits(3): 0 done, 64 wrong command line, 65 wrong input, 66 no such file,
69 no gateway answers or an address is taken, 73 cannot make a file,
74 input or output failed, 75 a CA did not do what it was asked, 77 no permission, 78 a file needs editing.";

/// The commands, in the order in which one meets them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway
    Run(run::Flags),
    /// Check site files exactly as `run` would, without running anything
    Check(check::Flags),
    /// Say where a URL would lead and why, or what a diagnostic code means
    Explain(explain::Flags),
    /// Ask the running gateway how it stands
    Status(status::Flags),
    /// List the sites of the running gateway
    Sites(sites::Flags),
    /// How the certificates of the running gateway stand; explain, renew, revoke, import
    Certs(certs::Flags),
    /// What clients asked of your own sites: your access log
    Logs(logs::Flags),
    /// Who holds which name; transfer and release names
    Claims(claims::Flags),
    /// Write a site file
    New(new::Flags),
    /// Print the JSON Schema of site files or of the settings, for editors
    Schema(schema::Flags),
    /// Try everything: three backends and the gateway, in a temporary folder
    Demo(demo::Flags),
    /// One backend of the demo; ends when its standard input does.
    #[command(hide = true)]
    DemoBackend(demo::backend::Flags),
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For machines; keys are stable.
    Json,
}

/// Which folders and settings a command works on.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PlaceFlags {
    /// The settings file [default: /etc/vestibule/vestibule.yaml with the right to bind port 443, otherwise
    /// ./vestibule.yaml; either only if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
    /// The folder of site files [default: from the settings, else /etc/vestibule/sites.d with the right to bind port
    /// 443, otherwise ./sites.d]
    #[arg(long, value_name = "DIR")]
    pub(crate) sites: Option<PathBuf>,
    /// The gateway's own folder: claims, last good versions, the local CA, the admin socket [default: from the settings,
    /// else /var/lib/vestibule with the right to bind port 443, otherwise $XDG_STATE_HOME/vestibule or
    /// ~/.local/state/vestibule]
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
}

/// Where to listen; only `run` does.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ListenFlags {
    /// An address for clear HTTP, repeatable: ADDR:PORT, :PORT (all addresses, IPv4 and IPv6) or PORT [default: from the
    /// settings, else :80 with the right to bind it, otherwise 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", value_parser = ListenAddr::parse)]
    pub(crate) http: Vec<ListenAddr>,
    /// An address for HTTPS, repeatable, written likewise [default: from the settings, else :443 with the right to bind
    /// it, otherwise 127.0.0.1:8443]
    #[arg(long, value_name = "ADDR", value_parser = ListenAddr::parse)]
    pub(crate) https: Vec<ListenAddr>,
    /// Threads that serve connections, each with its own accept socket [default: from the settings, else one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,
}

/// Where the running gateway answers.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ReachFlags {
    /// The gateway's state folder, which holds its admin socket [default: from the settings that `run` would read, else
    /// this user's state folder, else /var/lib/vestibule, else the socket for tenants in /run/vestibule: the first whose
    /// gateway answers]
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// The admin socket itself [default: admin.sock in the state folder]
    #[arg(long, value_name = "PATH", conflicts_with = "state")]
    pub(crate) socket: Option<PathBuf>,
}

/// How to print.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct FormatFlag {
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_of_every_command_is_documented() {
        let mut commands: Vec<clap::Command> = Cli::command().get_subcommands().cloned().collect();
        while let Some(command) = commands.pop() {
            commands.extend(command.get_subcommands().cloned());
            assert!(command.get_about().is_some(), "{} says what it does", command.get_name());
            for flag in command.get_arguments() {
                assert!(flag.get_help().is_some(), "{} {} is documented", command.get_name(), flag.get_id());
            }
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(command.is_hide_set() || examples.contains("Examples:"), "{} has examples", command.get_name());
        }
    }
}
