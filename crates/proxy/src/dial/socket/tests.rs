//! Sockets of this process and, as root, of others: a listening socket is given to another user by `fchown`, which is what
//! the kernel goes by.

use std::{
    cell::RefCell,
    net::{SocketAddr, TcpListener},
    os::unix::fs::{MetadataExt as _, fchown},
    sync::Mutex,
};

use tokio::task::LocalSet;
use vestibule_names::{Destination, TenantId, UpstreamAddr};
use vestibule_vhost::UpstreamTls;

use super::*;
use crate::{Account, AccountLimits, ProxyConfig, border::Rules, pool::Pool};

const LIMIT: Duration = Duration::from_millis(200);
const A: u32 = 52_001;
const B: u32 = 52_002;

/// A border on which a test stands, and what it was told.
struct Post {
    border: Border,
    told: Arc<Mutex<Vec<(Outcome, String)>>>,
}

impl Post {
    fn new(check: OwnerCheck, upstreams: &[&str]) -> Self {
        let upstreams: Vec<_> = upstreams.iter().map(|text| Destination::parse(text).unwrap()).collect();
        let told: Arc<Mutex<Vec<_>>> = Arc::default();
        let report = Arc::clone(&told);
        let border = Border::new(Rules {
            check,
            refuse: Vec::new(),
            own: Vec::new(),
            allowance: Box::new(move |tenant| {
                Arc::new(Allowance::Bound { tenant, owners: Vec::new(), upstreams: upstreams.clone() })
            }),
            report: Box::new(move |finding| {
                report.lock().unwrap().push((finding.outcome, finding.denial.to_string()));
            }),
        });
        Self { border, told }
    }

    /// Opens a socket as a worker does; a name leads to these addresses.
    fn open(&self, tenant: u32, upstream: &str, resolved: &[SocketAddr]) -> Result<End, ForwardError> {
        let config = ProxyConfig { border: self.border.clone(), ..ProxyConfig::default() };
        let pool = Pool::new(config, Rc::new(drop));
        let account = Account::new(TenantId(tenant), AccountLimits::UNLIMITED);
        let backend = pool.backend(&UpstreamAddr::parse(upstream).unwrap(), &UpstreamTls::default(), &account);
        let mut opener = Opener::new(self.border.clone());
        let resolved = resolved.to_vec();
        opener.resolve = Arc::new(move |_, _| Ok(resolved.clone()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, opener.open(&backend, LIMIT))
    }

    fn told(&self) -> Vec<(Outcome, String)> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

fn own() -> u32 {
    tempfile::tempfile().unwrap().metadata().unwrap().uid()
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

fn is_untouched(listener: &TcpListener) -> bool {
    matches!(listener.accept(), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

#[test]
fn a_socket_of_the_tenant_is_opened_and_one_of_another_is_not() {
    let (_listener, addr) = listener();
    let post = Post::new(OwnerCheck::Enforce, &[]);
    assert!(post.open(own(), &addr.to_string(), &[]).is_ok());
    assert_eq!(post.told(), []);
    let denied = post.open(own() + 1, &addr.to_string(), &[]);
    let expected = format!("port {} is held by uid {}, not by you", addr.port(), own());
    assert!(matches!(denied, Err(ForwardError::Denied(Denial::Port { uid, .. })) if uid == own()));
    assert_eq!(post.told(), [(Outcome::Refused, expected)]);
}

#[test]
fn a_stranger_is_not_even_connected_to() {
    if own() != 0 {
        eprintln!("left out: needs root, for sockets of other users");
        return;
    }
    let (listener, addr) = listener();
    fchown(&listener, Some(A), None).unwrap();
    let post = Post::new(OwnerCheck::Enforce, &[]);
    assert!(matches!(post.open(B, &addr.to_string(), &[]), Err(ForwardError::Denied(Denial::Port { uid: A, .. }))));
    assert!(is_untouched(&listener));
    assert!(post.open(A, &addr.to_string(), &[]).is_ok(), "the owner gets there, though nobody has accepted");
    let vouched = Post::new(OwnerCheck::Enforce, &[&addr.to_string()]);
    assert!(vouched.open(B, &addr.to_string(), &[]).is_ok(), "as the operator listed it");
    let wide = Post::new(OwnerCheck::Enforce, &["*:*"]);
    assert!(wide.open(B, &addr.to_string(), &[]).is_err(), "a wide list opens no neighbour's port");
}

#[test]
fn each_address_of_a_name_is_judged_when_it_is_dialled() {
    let (listener, addr) = listener();
    let post = Post::new(OwnerCheck::Enforce, &[]);
    let name = format!("rebound.example:{}", addr.port());
    let metadata = SocketAddr::new("169.254.169.254".parse().unwrap(), addr.port());
    assert!(post.open(own(), &name, &[addr]).is_ok());
    assert!(matches!(
        post.open(own(), &name, &[metadata]),
        Err(ForwardError::Denied(Denial::Place { why: Why::Never(_), .. }))
    ));
    assert!(post.open(own(), &name, &[metadata, addr]).is_ok(), "one that is allowed is found among others");
    while listener.accept().is_ok() {}
    assert!(post.open(own() + 1, &name, &[metadata, addr]).is_err());
}

#[test]
fn a_port_at_which_nobody_listens_is_no_denial() {
    let (listener, addr) = listener();
    drop(listener);
    let post = Post::new(OwnerCheck::Enforce, &[]);
    assert!(matches!(post.open(own(), &addr.to_string(), &[]), Err(ForwardError::Connect(_))));
    assert!(matches!(post.open(own(), "unix:/nowhere/at/all.sock", &[]), Err(ForwardError::Connect(_))));
    assert_eq!(post.told(), []);
}

#[test]
fn who_warns_lets_through_and_tells() {
    let (_listener, addr) = listener();
    let post = Post::new(OwnerCheck::Warn, &[]);
    assert!(post.open(own() + 1, &addr.to_string(), &[]).is_ok());
    assert_eq!(post.told().first().map(|(outcome, _)| *outcome), Some(Outcome::LetThrough));
    let place = post.open(own() + 1, "169.254.169.254:80", &[]);
    assert!(matches!(place, Err(ForwardError::Denied(_))), "places are not a matter of owners");
    let off = Post::new(OwnerCheck::Off, &[]);
    assert!(off.open(own() + 1, &addr.to_string(), &[]).is_ok());
    assert_eq!(off.told(), []);
}

#[test]
fn sockets_of_the_gateways_own_process_are_out_of_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("admin.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let post = Post::new(OwnerCheck::Off, &["unix:/"]);
    let opened = post.open(own(), &format!("unix:{}", path.display()), &[]);
    assert!(matches!(opened, Err(ForwardError::Denied(Denial::Place { why: Why::Gateway, .. }))));
}

/// Not a bar, a figure: `cargo test --release -p vestibule-proxy -- --ignored --nocapture cost_of_a_dial`.
#[test]
#[ignore = "prints a figure"]
fn cost_of_a_dial() {
    const ROUNDS: u32 = 2000;
    let (listener, addr) = listener();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let spent = RefCell::new(Vec::new());
    for check in [OwnerCheck::Off, OwnerCheck::Enforce, OwnerCheck::Off, OwnerCheck::Enforce] {
        let post = Post::new(check, &[]);
        let config = ProxyConfig { border: post.border.clone(), ..ProxyConfig::default() };
        let pool = Pool::new(config, Rc::new(drop));
        let account = Account::new(TenantId(own()), AccountLimits::UNLIMITED);
        let backend = pool.backend(&UpstreamAddr::parse(&addr.to_string()).unwrap(), &UpstreamTls::default(), &account);
        let opener = Opener::new(post.border.clone());
        let began = std::time::Instant::now();
        LocalSet::new().block_on(&runtime, async {
            for _ in 0..ROUNDS {
                drop(opener.open(&backend, LIMIT).await.unwrap());
                drop(listener.accept());
            }
        });
        spent.borrow_mut().push((check, began.elapsed() / ROUNDS));
    }
    eprintln!("{:?}", spent.borrow());
}
