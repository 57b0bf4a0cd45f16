//! Flags over settings over defaults → one configuration in which nothing is optional. Pure: the environment and the files
//! were looked at before.

mod acme;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use vestibule_gateway::{
    Config,
    config::{Need, TenantLogs},
    tenancy::{Tenancy, UnknownUser},
    users,
};
use vestibule_names::ListenAddr;
use vestibule_site::{
    Settings,
    settings::{AccessLog, Keep, TenantLog, TenantSocket},
};

use crate::{
    cli::{ListenFlags, PlaceFlags},
    failure::Failure,
    place::{ADMIN_SOCKET_NAME, Standing, Surroundings, TENANT_SOCKET},
};

/// The folders, decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folders {
    /// Of site files.
    pub(crate) sites: PathBuf,
    /// The gateway's own; `None` when nothing says where and there is no home.
    pub(crate) state: Option<PathBuf>,
    /// The operator's admin socket, if there is a place for it.
    pub(crate) admin_socket: Option<PathBuf>,
    /// The tenants', if there is one.
    pub(crate) tenant_socket: Option<(PathBuf, Need)>,
}

impl Folders {
    /// Where the gateway of these folders answers: the operator's socket, which others cannot open, then the tenants'.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = &PathBuf> {
        self.admin_socket.iter().chain(self.tenant_socket.iter().map(|(path, _)| path))
    }
}

/// Decides the folders.
pub(crate) fn folders(flags: &PlaceFlags, settings: &Settings, surroundings: &Surroundings) -> Folders {
    let standing = surroundings.standing;
    let pick = |flag: &Option<PathBuf>, setting: &Option<PathBuf>| flag.clone().or_else(|| setting.clone());
    let sites = pick(&flags.sites, &settings.sites).unwrap_or_else(|| standing.sites());
    let state = pick(&flags.state, &settings.state).or_else(|| surroundings.state(standing)).map(absolute);
    let beside = state.as_deref().map(|state| state.join(ADMIN_SOCKET_NAME));
    // A state folder on the command line is another gateway than the one the settings speak of.
    let admin_socket = if flags.state.is_some() { beside } else { settings.admin_socket.clone().or(beside) };
    let tenant_socket = match &settings.tenant_socket {
        TenantSocket::At(path) => Some((path.clone(), Need::Required)),
        // A state folder on the command line is a gateway beside the box's.
        TenantSocket::Standard if standing == Standing::System && flags.state.is_none() => {
            Some((PathBuf::from(TENANT_SOCKET), Need::IfPossible))
        }
        TenantSocket::Standard | TenantSocket::Off => None,
    };
    Folders { sites: absolute(sites), state, admin_socket, tenant_socket }
}

/// Decides where to listen: (clear, TLS).
pub(crate) fn listeners(
    flags: &ListenFlags,
    settings: &Settings,
    surroundings: &Surroundings,
) -> (Vec<ListenAddr>, Vec<ListenAddr>) {
    let pick = |flag: &[ListenAddr], setting: &Option<Vec<ListenAddr>>, default: ListenAddr| {
        if flag.is_empty() { setting.clone().unwrap_or_else(|| vec![default]) } else { flag.to_vec() }
    };
    let standing = surroundings.standing;
    (pick(&flags.http, &settings.http, standing.http()), pick(&flags.https, &settings.https, standing.https()))
}

/// Decides everything that `run` needs. `cores` is how many workers there are unless somebody says otherwise.
pub(crate) fn config(
    place: &PlaceFlags,
    listen: &ListenFlags,
    settings: &Settings,
    surroundings: &Surroundings,
    cores: usize,
) -> Result<Config, Failure> {
    let Folders { sites, state, admin_socket, tenant_socket } = folders(place, settings, surroundings);
    let (state, admin_socket) = state.zip(admin_socket).ok_or(Failure::NoStateFolder)?;
    let (http, https) = listeners(listen, settings, surroundings);
    let tenant_logs = tenant_logs(settings, &state);
    Ok(Config {
        http,
        https,
        sites,
        state,
        workers: listen.workers.map(usize::from).or(settings.workers).unwrap_or(cores).max(1),
        limits: settings.limits,
        timeouts: settings.timeouts,
        admin_socket,
        tenant_socket,
        admin_address: settings.admin_address,
        address_metrics: settings.address_metrics,
        access: settings.log.access.clone(),
        tenant_logs,
        trusted_proxies: settings.trusted_proxies.clone(),
        tenancy: Tenancy::decide(&settings.tenancy, users::uid_of).0,
        acme: acme::policy(settings.acme.as_ref()),
    })
}

/// Where there are access events, tenants have theirs.
fn tenant_logs(settings: &Settings, state: &Path) -> Option<TenantLogs> {
    let TenantLog { keep, folder, client_addresses } = settings.log.tenants.clone();
    let usual = if settings.log.access == AccessLog::Off { Keep::No } else { Keep::Yes };
    (keep.unwrap_or(usual) == Keep::Yes)
        .then(|| TenantLogs { folder: folder.unwrap_or_else(|| state.join("logs")), client_addresses })
}

/// The context in which site files are judged without a running gateway.
pub(crate) fn review_context(
    place: &PlaceFlags,
    settings: &Settings,
    surroundings: &Surroundings,
) -> vestibule_gateway::review::Context {
    let folders = folders(place, settings, surroundings);
    let (http, https) = listeners(&ListenFlags::default(), settings, surroundings);
    let https_port = https.first().map(|addr| addr.0.port());
    let listen = http.into_iter().chain(https).map(|addr| addr.0).collect::<Vec<SocketAddr>>();
    vestibule_gateway::review::Context {
        admin_sockets: folders.sockets().cloned().collect(),
        sites: folders.sites,
        // The review takes a missing state folder as one without claims.
        state: folders.state.unwrap_or_default(),
        file_limit: settings.limits.site_file.0,
        claims: None,
        listen,
        https_port,
        acme: acme::policy(settings.acme.as_ref()).map(|policy| policy.standing()),
        tenancy: Tenancy::decide(&settings.tenancy, users::uid_of).0,
        tenant: None,
    }
}

/// Users in the settings whom the system does not know: what is written of them applies to nobody.
pub(crate) fn unknown_users(settings: &Settings) -> Vec<UnknownUser> {
    Tenancy::decide(&settings.tenancy, users::uid_of).1
}

/// Messages and the admin interface speak of folders to people elsewhere: absolute, but no link is resolved.
fn absolute(path: PathBuf) -> PathBuf {
    // Fails only for an empty path or a removed working folder; opening the path will say so better.
    std::path::absolute(&path).unwrap_or(path)
}

/// As people in that folder would write it.
pub(crate) fn shown(path: &Path) -> String {
    let relative = std::env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    match relative {
        Some(relative) if !relative.as_os_str().is_empty() => format!("./{}", relative.display()),
        _ => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(standing: Standing) -> Surroundings {
        Surroundings { standing, xdg_state_home: None, home: Some("/home/ann".into()) }
    }

    fn addr(text: &str) -> ListenAddr {
        ListenAddr(text.parse().unwrap())
    }

    fn decided(place: &PlaceFlags, listen: &ListenFlags, settings: &Settings, standing: Standing) -> Config {
        config(place, listen, settings, &at(standing), 4).unwrap()
    }

    #[test]
    fn without_a_word_the_standing_decides() {
        let user = decided(&PlaceFlags::default(), &ListenFlags::default(), &Settings::default(), Standing::User);
        assert_eq!((user.http, user.https), (vec![addr("127.0.0.1:8080")], vec![addr("127.0.0.1:8443")]));
        assert_eq!(user.state, Path::new("/home/ann/.local/state/vestibule"));
        assert_eq!(user.admin_socket, Path::new("/home/ann/.local/state/vestibule/admin.sock"));
        assert_eq!(user.tenant_socket, None, "a private gateway has no tenants");
        assert!(user.sites.is_absolute() && user.sites.ends_with("sites.d"));
        assert_eq!(user.workers, 4);

        let system = decided(&PlaceFlags::default(), &ListenFlags::default(), &Settings::default(), Standing::System);
        assert_eq!((system.http, system.https), (vec![addr("[::]:80")], vec![addr("[::]:443")]));
        assert_eq!(system.sites, Path::new("/etc/vestibule/sites.d"));
        assert_eq!(system.state, Path::new("/var/lib/vestibule"));
        assert_eq!(system.tenant_socket, Some(("/run/vestibule/admin.sock".into(), Need::IfPossible)));
    }

    #[test]
    fn settings_beat_defaults_and_flags_beat_settings() {
        let settings = Settings {
            http: Some(vec![]),
            https: Some(vec![addr("127.0.0.1:1443")]),
            sites: Some("/srv/sites".into()),
            state: Some("/srv/state".into()),
            admin_socket: Some("/run/v.sock".into()),
            tenant_socket: TenantSocket::At("/run/t.sock".into()),
            workers: Some(2),
            ..Settings::default()
        };
        let set = decided(&PlaceFlags::default(), &ListenFlags::default(), &settings, Standing::System);
        assert_eq!((set.http, set.https), (vec![], vec![addr("127.0.0.1:1443")]));
        assert_eq!((set.sites, set.state), ("/srv/sites".into(), "/srv/state".into()));
        assert_eq!((set.admin_socket, set.workers), ("/run/v.sock".into(), 2));
        assert_eq!(set.tenant_socket, Some(("/run/t.sock".into(), Need::Required)));
        let off = Settings { tenant_socket: TenantSocket::Off, ..Settings::default() };
        assert_eq!(
            decided(&PlaceFlags::default(), &ListenFlags::default(), &off, Standing::System).tenant_socket,
            None
        );
        let beside = PlaceFlags { state: Some("/b".into()), ..PlaceFlags::default() };
        let beside = decided(&beside, &ListenFlags::default(), &Settings::default(), Standing::System);
        assert_eq!(beside.tenant_socket, None, "the box's gateway has that socket");

        let place = PlaceFlags { settings: None, sites: Some("/a".into()), state: Some("/b".into()) };
        let listen = ListenFlags { http: vec![addr("[::1]:1"), addr("[::1]:2")], https: vec![], workers: Some(7) };
        let flagged = decided(&place, &listen, &settings, Standing::System);
        assert_eq!((flagged.http.len(), flagged.https), (2, vec![addr("127.0.0.1:1443")]));
        assert_eq!((flagged.sites, flagged.state), ("/a".into(), "/b".into()));
        assert_eq!((flagged.admin_socket, flagged.workers), ("/b/admin.sock".into(), 7));
    }

    #[test]
    fn without_a_home_run_says_so_and_check_goes_on() {
        let nowhere = Surroundings { standing: Standing::User, xdg_state_home: None, home: None };
        let (place, settings) = (PlaceFlags::default(), Settings::default());
        let refused = config(&place, &ListenFlags::default(), &settings, &nowhere, 1);
        assert!(matches!(refused, Err(Failure::NoStateFolder)));
        assert_eq!(review_context(&place, &settings, &nowhere).state, Path::new(""));
    }
}
