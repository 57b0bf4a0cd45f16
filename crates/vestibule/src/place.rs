//! [`Surroundings`]: who runs us and where, and the default places that follow from it. Only this file looks at the
//! environment; what is decided from it is in `decide.rs`.

use std::{
    env, fs,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use vestibule_names::ListenAddr;

/// The name under which settings lie beside the sites folder, and are recognised by `check`.
pub(crate) const SETTINGS_NAME: &str = "vestibule.yaml";
/// The admin socket inside a state folder, unless the settings say otherwise.
pub(crate) const ADMIN_SOCKET_NAME: &str = "admin.sock";
/// Where a box's gateway has its tenants' socket: the state folder is closed to them.
pub(crate) const TENANT_SOCKET: &str = "/run/vestibule/admin.sock";
/// The bit of CAP_NET_BIND_SERVICE in CapEff (capabilities(7)).
const NET_BIND_SERVICE: u32 = 10;

/// May we take the well-known ports?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The box's gateway: root, CAP_NET_BIND_SERVICE, or sockets handed over by systemd.
    System,
    /// Somebody trying it out.
    User,
}

impl Standing {
    /// Where the settings lie if there are any.
    pub(crate) fn settings(self) -> PathBuf {
        match self {
            Self::System => Path::new("/etc/vestibule").join(SETTINGS_NAME),
            Self::User => PathBuf::from(SETTINGS_NAME),
        }
    }

    /// The folder of site files.
    pub(crate) fn sites(self) -> PathBuf {
        PathBuf::from(match self {
            Self::System => "/etc/vestibule/sites.d",
            Self::User => "sites.d",
        })
    }

    /// Clear HTTP.
    pub(crate) fn http(self) -> ListenAddr {
        self.listen(80, 8080)
    }

    /// TLS.
    pub(crate) fn https(self) -> ListenAddr {
        self.listen(443, 8443)
    }

    fn listen(self, system: u16, user: u16) -> ListenAddr {
        ListenAddr(match self {
            // Dual stack: the listener turns IPV6_V6ONLY off for the unspecified address.
            Self::System => SocketAddr::from((Ipv6Addr::UNSPECIFIED, system)),
            Self::User => SocketAddr::from((Ipv4Addr::LOCALHOST, user)),
        })
    }
}

/// What the defaults depend on.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// Of this process.
    pub(crate) standing: Standing,
    /// `XDG_STATE_HOME`.
    pub(crate) xdg_state_home: Option<PathBuf>,
    /// `HOME`.
    pub(crate) home: Option<PathBuf>,
}

impl Surroundings {
    /// Of this process.
    pub(crate) fn detect() -> Self {
        let path = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self { standing: standing(), xdg_state_home: path("XDG_STATE_HOME"), home: path("HOME") }
    }

    /// The state folder of one standing; `None` when there is no home to put it in.
    pub(crate) fn state(&self, standing: Standing) -> Option<PathBuf> {
        if standing == Standing::System {
            return Some(PathBuf::from("/var/lib/vestibule"));
        }
        // The base directory specification: a relative path is invalid and must be ignored.
        let xdg = self.xdg_state_home.clone().filter(|path| path.is_absolute());
        let base = xdg.or_else(|| Some(self.home.as_ref()?.join(".local/state")))?;
        Some(base.join("vestibule"))
    }
}

fn standing() -> Standing {
    let capable = || fs::read_to_string("/proc/self/status").is_ok_and(|status| may_bind(&status));
    let handed_over = || listen_pid() == Some(std::process::id());
    if rustix::process::geteuid().is_root() || capable() || handed_over() { Standing::System } else { Standing::User }
}

/// sd_listen_fds(3): the variables are meant for the process that LISTEN_PID names, not for its children.
fn listen_pid() -> Option<u32> {
    env::var_os("LISTEN_FDS")?;
    env::var("LISTEN_PID").ok()?.parse().ok()
}

/// Is CAP_NET_BIND_SERVICE effective in this /proc/PID/status?
fn may_bind(status: &str) -> bool {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    set.is_some_and(|set| set >> NET_BIND_SERVICE & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capability_is_read_from_its_bit() {
        let check = |line: &str, expected| {
            assert_eq!(may_bind(&format!("Name:\tx\n{line}\nSeccomp:\t0\n")), expected, "{line}")
        };
        check("CapEff:\t0000000000000400", true);
        check("CapEff:\t000001ffffffffff", true);
        check("CapEff:\t0000000000000000", false);
        check("CapEff:\t0000000000000bff", false);
        check("CapPrm:\t0000000000000400", false);
        check("CapEff:\tnonsense", false);
    }

    #[test]
    fn state_lies_where_the_base_directory_specification_says() {
        let check = |xdg: Option<&str>, home: Option<&str>, expected: Option<&str>| {
            let surroundings = Surroundings {
                standing: Standing::User,
                xdg_state_home: xdg.map(PathBuf::from),
                home: home.map(PathBuf::from),
            };
            assert_eq!(surroundings.state(Standing::User), expected.map(PathBuf::from));
        };
        check(Some("/x"), Some("/home/ann"), Some("/x/vestibule"));
        check(None, Some("/home/ann"), Some("/home/ann/.local/state/vestibule"));
        check(Some("relative"), Some("/home/ann"), Some("/home/ann/.local/state/vestibule"));
        check(None, None, None);
    }

    #[test]
    fn standing_decides_the_ports() {
        assert_eq!(Standing::System.https().to_string(), "[::]:443");
        assert_eq!(Standing::User.http().to_string(), "127.0.0.1:8080");
    }
}
