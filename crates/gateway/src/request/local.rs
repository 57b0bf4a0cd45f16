//! What a site answers by itself: redirects and fixed answers (steps 5 and 7 of the walk).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, uri};
use vestibule_certs::Shows;
use vestibule_names::{Authority, HostRef, path};
use vestibule_proxy::{Body, Refusal, Scheme};
use vestibule_vhost::{Redirect, Respond, Route, vhost::RedirectToHttps};

use super::{ASTERISK, Walker};
use crate::live::LiveSite;

/// Step 5: where the site as a whole says to go instead: to HTTPS, to its canonical name, or both at once. Never to a name
/// on HTTPS that has no certificate yet: browsers keep a permanent redirect, and one to an error is worse than none.
pub(super) fn moved(
    walker: &Walker,
    site: &LiveSite,
    authority: &Authority<'_>,
    scheme: Scheme,
    target: &uri::Uri,
) -> Option<String> {
    let https_port = walker.worker().https_port();
    let host = authority.host.key();
    let canonical = site.vhost.canonical().map(|name| name.as_str()).filter(|name| *name != host);
    let wants_https = scheme == Scheme::Http
        && https_port.is_some()
        && site.identity.is_some()
        && site.vhost.redirect_to_https == RedirectToHttps::Yes;
    if !wants_https && canonical.is_none() {
        return None;
    }
    let certified = site.shows(canonical.unwrap_or(&host)) == Shows::Certificate;
    let to_https = wants_https && certified;
    let stays = match scheme {
        Scheme::Http => !to_https && canonical.is_none(),
        Scheme::Https => !certified,
    };
    if stays {
        return None;
    }
    let (scheme, port) = if to_https {
        ("https", https_port.filter(|port| *port != 443))
    } else {
        match scheme {
            Scheme::Http => ("http", authority.port.filter(|port| *port != 80)),
            Scheme::Https => ("https", authority.port.filter(|port| *port != 443)),
        }
    };
    let host = canonical.unwrap_or(&host);
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let path = match target.path() {
        ASTERISK => "/".into(),
        path => path::normalise(path).ok()?, // refused one step later
    };
    let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{scheme}://{host}{port}{path}{query}"))
}

pub(super) fn redirect(status: StatusCode, location: &str) -> Result<Response<Body>, Refusal> {
    let location = HeaderValue::from_str(location).map_err(|_| Refusal::BadPath)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// Step 7a: a route that redirects.
pub(super) fn local_redirect(
    to: &Redirect,
    route: &Route,
    authority: &Authority<'_>,
    path: &str,
    query: Option<&str>,
) -> Result<Response<Body>, Refusal> {
    let path = if path == ASTERISK { "/" } else { path };
    let rest = if route.path.as_str() == "/" { path } else { path.strip_prefix(route.path.as_str()).unwrap_or("") };
    let host = match &authority.host {
        HostRef::Address(std::net::IpAddr::V6(address)) => format!("[{address}]"),
        host => host.key().into_owned(),
    };
    let mut response = redirect(to.status, &to.location(&host, rest, query))?;
    change_headers(response.headers_mut(), route);
    Ok(response)
}

/// Step 7b: a route with a fixed answer.
pub(super) fn fixed_response(fixed: &Respond, route: &Route) -> Response<Body> {
    let mut response = Response::new(Body::full(Bytes::copy_from_slice(fixed.body.as_bytes())));
    *response.status_mut() = fixed.status;
    response.headers_mut().insert(header::CONTENT_TYPE, fixed.content_type.clone());
    change_headers(response.headers_mut(), route);
    response
}

fn change_headers(headers: &mut HeaderMap, route: &Route) {
    for name in &route.headers().response_remove {
        headers.remove(name);
    }
    for (name, value) in &route.headers().response_set {
        headers.insert(name.clone(), value.clone());
    }
}
