use http::{HeaderValue, StatusCode};
use vestibule_names::RoutePath;

use super::*;
use crate::{Action, Respond, vhost::Prefix};

fn index(paths: &[&str]) -> RouteIndex {
    let route = |path: &&str| {
        let action = Action::Respond(Box::new(Respond {
            status: StatusCode::OK,
            body: Arc::from(""),
            content_type: HeaderValue::from_static("text/plain"),
        }));
        let path = RoutePath::parse(path).unwrap();
        Arc::new(Route { path, action, prefix: Prefix::Keep, headers: None })
    };
    RouteIndex::new(paths.iter().map(route).collect())
}

fn covering<'a>(index: &'a RouteIndex, path: &str) -> Vec<&'a str> {
    index.covering(path).map(|route| route.path.as_str()).collect()
}

fn check(paths: &[&str], path: &str, expected: &[&str]) {
    assert_eq!(covering(&index(paths), path), expected, "{path} among {paths:?}");
}

#[test]
fn the_longest_route_wins_by_whole_segments() {
    let paths = ["/", "/api", "/api/v1", "/api-v1", "/api/v1/x/y", "/b"];
    check(&paths, "/", &["/"]);
    check(&paths, "/ap", &["/"]);
    check(&paths, "/api", &["/api", "/"]);
    check(&paths, "/api/", &["/api", "/"]);
    check(&paths, "/apix", &["/"]);
    check(&paths, "/api-v1/z", &["/api-v1", "/"]);
    check(&paths, "/api/v1/x", &["/api/v1", "/api", "/"]);
    check(&paths, "/api/v1/x/y/z", &["/api/v1/x/y", "/api/v1", "/api", "/"]);
    check(&paths, "/api/v10", &["/api", "/"]);
    check(&paths, "/zzz", &["/"]);
    check(&["/b"], "/a", &[]);
    check(&["/b"], "/c", &[]);
    check(&["/b"], "/", &[]);
    check(&[], "/", &[]);
}

#[test]
fn routes_are_listed_longest_first() {
    let index = index(&["/", "/b", "/api/v1", "/a"]);
    let listed: Vec<_> = index.longest_first().iter().map(|route| route.path.as_str()).collect();
    assert_eq!(listed, ["/api/v1", "/a", "/b", "/"]);
}

#[test]
fn the_index_agrees_with_a_scan() {
    // Every path of up to four segments over a small alphabet, against every third of them as routes.
    let mut paths = vec![String::new()];
    for _ in 0..4 {
        let longer: Vec<_> =
            paths.iter().flat_map(|p| ["a", "b", "a-"].map(|segment| format!("{p}/{segment}"))).collect();
        paths.extend(longer);
        paths.sort();
        paths.dedup();
    }
    paths.retain(|path| !path.is_empty());
    for step in 2..6 {
        let routes: Vec<&str> = paths.iter().map(String::as_str).step_by(step).collect();
        let index = index(&routes);
        for path in &paths {
            // Equal lengths cannot both cover, so that longest first is the one right order.
            let routes = index.longest_first().iter();
            let expected: Vec<_> = routes.filter(|r| r.path.covers(path)).map(|r| r.path.as_str()).collect();
            assert_eq!(covering(&index, path), expected, "{path}");
        }
    }
}

fn serves(hosts: &[&str], host: &str) -> bool {
    let hosts: Vec<_> = hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect();
    HostIndex::new(&hosts).serves(&hosts, host)
}

#[test]
fn a_vhost_knows_its_hosts() {
    let hosts = ["z.test", "a.test", "*.w.test", "*.a.test", "192.0.2.7", "2001:db8::7"];
    for host in ["z.test", "a.test", "x.w.test", "x.a.test", "192.0.2.7", "2001:db8::7"] {
        assert!(serves(&hosts, host), "{host}");
    }
    for host in ["w.test", "x.y.w.test", "b.test", ".w.test", "192.0.2.8", "", "2001:db8:0::7x"] {
        assert!(!serves(&hosts, host), "{host}");
    }
    for alone in hosts {
        let asked = alone.replacen('*', "x", 1);
        assert!(serves(&[alone], &asked) && !serves(&[alone], "b.test"), "{alone}");
    }
    assert!(!serves(&[], "a.test"));
}
