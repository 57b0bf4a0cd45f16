//! What needs a process of its own: limits of the process, and descriptors that somebody else opened.
//!
//! Each test runs this test binary again for itself alone; a variable says which of the two it is.

use std::{
    env, io,
    net::TcpListener,
    os::fd::{AsRawFd, OwnedFd},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{net::TcpStream, time::timeout};
use vestibule_names::ListenAddr;

use crate::{Acceptor, BACK_OFF, ConnectionLimits, Permits, Protocol, bind};

/// Set in the child.
const CHILD: &str = "VESTIBULE_LISTENER_TEST_CHILD";

fn is_child() -> bool {
    let child = env::var_os(CHILD).is_some();
    if child {
        eprintln!("{CHILD}");
    }
    child
}

/// Runs one test of this binary in a child. `prelude` is shell that comes before the `exec`.
fn run_in_child(test: &str, prelude: &str, stdin: Stdio, stdout: Stdio) {
    let script = format!("{prelude}\nexec \"$0\" \"$@\"");
    let output = Command::new("sh")
        .args(["-c", &script])
        .arg(env::current_exe().unwrap())
        .args([&format!("tests::{test}"), "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .stdin(stdin)
        .stdout(stdout)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains(CHILD), "no test of that name ran");
}

fn permits() -> Permits {
    Permits::new(ConnectionLimits { total: 100, per_client: 100 })
}

fn set_descriptor_limit(current: Option<u64>) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
}

#[test]
fn without_descriptors_accepting_waits_and_then_goes_on() {
    if !is_child() {
        let name = "without_descriptors_accepting_waits_and_then_goes_on";
        return run_in_child(name, "", Stdio::null(), Stdio::null());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let addr = ListenAddr::parse("127.0.0.1:0").unwrap();
        let bound = bind(&[addr], &[], 1).unwrap().remove(0).remove(0);
        let mut acceptor = Acceptor::new(bound, permits()).unwrap();
        let client = TcpStream::connect(acceptor.local()).await.unwrap();

        // The lowest free descriptor is the limit: the next one that anybody opens is refused.
        let lowest_free = OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap()).as_raw_fd();
        let before = getrlimit(Resource::Nofile).current;
        set_descriptor_limit(Some(u64::try_from(lowest_free).unwrap()));
        let start = Instant::now();
        // Cancelled again and again: the wait must survive that, too.
        while acceptor.backed_off() < 4 {
            assert!(timeout(Duration::from_millis(1), acceptor.accept()).await.is_err());
        }
        assert!(start.elapsed() >= BACK_OFF * 3, "4 attempts have 3 waits between them: {:?}", start.elapsed());

        set_descriptor_limit(before);
        let accepted = acceptor.accept().await;
        assert_eq!(accepted.client.port(), client.local_addr().unwrap().port());
        assert_eq!(acceptor.backed_off(), 4);
    });
}

#[test]
fn sockets_of_systemd_are_adopted_by_every_worker() {
    if !is_child() {
        let sockets = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap()];
        let ports = sockets.each_ref().map(|socket| socket.local_addr().unwrap().port());
        let [first, second] = sockets.map(|socket| Stdio::from(OwnedFd::from(socket)));
        // What systemd does between fork and exec: descriptors from 3 on, and a process id that is the child's.
        let prelude = format!(
            "exec 3<&0 4>&1 </dev/null >/dev/null\n\
             export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=http:vestibule.socket PORTS='{} {}'",
            ports[0], ports[1]
        );
        return run_in_child("sockets_of_systemd_are_adopted_by_every_worker", &prelude, first, second);
    }
    let ports: Vec<u16> = env::var("PORTS").unwrap().split(' ').map(|port| port.parse().unwrap()).collect();
    let ignored = ListenAddr::parse("192.0.2.7:80").unwrap();
    let shares = bind(&[ignored], &[ignored], 2).unwrap();
    assert_eq!(shares.len(), 2);
    for share in &shares {
        let found: Vec<_> = share.iter().map(|bound| (bound.protocol, bound.local.port())).collect();
        assert_eq!(found, [(Protocol::Http, ports[0]), (Protocol::Https, ports[1])]);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for bound in shares.into_iter().flatten() {
            let mut acceptor = Acceptor::new(bound, permits()).unwrap();
            let client = TcpStream::connect(acceptor.local()).await.unwrap();
            let accepted = acceptor.accept().await;
            assert_eq!(accepted.client.port(), client.local_addr().unwrap().port());
            assert!(accepted.stream.nodelay().unwrap());
        }
    });
    assert!(env::var_os("LISTEN_FDS").is_none(), "children of the gateway must not adopt them again");
}

#[test]
fn what_systemd_hands_over_must_listen() {
    if !is_child() {
        let prelude = "exec 3</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1";
        return run_in_child("what_systemd_hands_over_must_listen", prelude, Stdio::null(), Stdio::null());
    }
    let error = bind(&[], &[], 1).unwrap_err();
    assert_eq!(error.to_string(), "cannot use socket 0 of those that systemd handed over");
    let source: &io::Error = std::error::Error::source(&error).unwrap().downcast_ref().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::InvalidInput);
}
