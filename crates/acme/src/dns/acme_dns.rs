//! DNS-01 by acme-dns: a small DNS server with an HTTP interface, to which `_acme-challenge.NAME` is delegated by a CNAME.
//!
//! It keeps the last two values of an account side by side and forgets older ones by itself: there is nothing to take away.
//! Registering is not done here: an account is bound to a CNAME, which a person must set anyway.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::Path,
    time::Duration,
};

use bytes::Bytes;
use hickory_proto::rr::Name;
use http::{Request, Uri, header, uri::Scheme};
use http_body_util::Full;
use serde::Deserialize;
use tokio::time::timeout;
use vestibule_certs::Vault;
use vestibule_names::{Hostname, TenantId};

use super::{
    failed,
    lookup::{Lookups, shown},
    post::{Place, post},
    reach::Reach,
    secret,
    txt::Txt,
};
use crate::{
    failure::{Failure, FailureKind},
    printable::{printable, printable_bytes},
};

/// The request in all, look-up and connection included.
const POST_TIMEOUT: Duration = Duration::from_secs(20);
/// Of what a server says when it refuses.
const SAID_LIMIT: usize = 200;
/// The only port to which a tenant may send us.
const HTTPS_PORT: u16 = 443;
/// Addresses of the server that are tried.
const ADDRESSES_LIMIT: usize = 4;

/// What settings or a site say of a server.
pub(super) struct Access<'a> {
    pub(super) server: &'a str,
    pub(super) credentials_file: &'a Path,
}

/// An account as acme-dns gives it out; clients keep it so, with or without more.
#[derive(Deserialize)]
struct Account {
    username: String,
    password: String,
    fulldomain: String,
    subdomain: String,
}

/// One account for all names, or one for each, under the name without wildcard.
#[derive(Deserialize)]
#[serde(untagged)]
enum Credentials {
    One(Account),
    Each(BTreeMap<String, Account>),
}

/// Sets the value.
pub(super) async fn set(
    access: &Access<'_>,
    (vault, lookups): (&Vault, &Lookups),
    (whose, reach): (TenantId, Reach),
    txt: &Txt,
) -> Result<(), Failure> {
    let uri = endpoint(access.server, reach)?;
    let account =
        account(&secret::read(vault, access.credentials_file, whose).await?, access.credentials_file, &txt.host)?;
    is_delegated(txt, &account)?;
    let request = request(&uri, &account, &txt.value)?;
    let server = printable(access.server, SAID_LIMIT);
    let posting = async {
        let place = place(&uri, lookups, reach).await?;
        post(&place, vault, request).await.map_err(|fault| fault.to_string())
    };
    let answer = match timeout(POST_TIMEOUT, posting).await {
        Ok(answer) => answer,
        Err(_) => Err("it is too slow".to_owned()),
    };
    let unreachable =
        |reason| failed(FailureKind::ValidationDns, format!("acme-dns at {server} cannot be asked: {reason}"));
    let (status, body) = answer.map_err(unreachable)?;
    if !status.is_success() {
        let said = printable_bytes(&body, SAID_LIMIT);
        return Err(wrong(format!(
            "acme-dns at {server} does not take the value for {} ({status}): {said}; check the account in {}",
            txt.host,
            access.credentials_file.display()
        )));
    }
    Ok(())
}

/// Where values are set. Secrets go in clear only within this machine.
fn endpoint(server: &str, reach: Reach) -> Result<Uri, Failure> {
    let shown = printable(server, SAID_LIMIT);
    let uri: Uri = format!("{}/update", server.trim_end_matches('/'))
        .parse()
        .map_err(|_| wrong(format!("{shown} is no URL of an acme-dns server")))?;
    let scheme = uri.scheme();
    let is_https = scheme == Some(&Scheme::HTTPS);
    let is_clear = scheme == Some(&Scheme::HTTP) && reach == Reach::Anywhere;
    if !is_https && !is_clear {
        return Err(wrong(format!("{shown} must be an https URL: the account's password goes there")));
    }
    let port = uri.port_u16().unwrap_or(if is_https { HTTPS_PORT } else { 80 });
    if reach == Reach::Internet && port != HTTPS_PORT {
        return Err(wrong(format!("{shown} may not be used by a site: only servers at port {HTTPS_PORT}")));
    }
    Ok(uri)
}

fn account(file: &[u8], path: &Path, host: &Hostname) -> Result<Account, Failure> {
    let path = path.display();
    match serde_json::from_slice(file) {
        Ok(Credentials::One(account)) => Ok(account),
        Ok(Credentials::Each(mut accounts)) => {
            accounts.remove(host.as_str()).ok_or_else(|| wrong(format!("{path} has no acme-dns account for {host}")))
        }
        // What the parser says may quote the secret.
        Err(_) => Err(wrong(format!(
            "{path} holds no acme-dns account: it must be JSON with `username`, `password`, `fulldomain` and `subdomain`, \
             or such an object for each name"
        ))),
    }
}

/// Without the CNAME no CA would ever see the value: that is said before anything is asked of anybody.
fn is_delegated(txt: &Txt, account: &Account) -> Result<(), Failure> {
    let leads_there = Name::from_ascii(&account.fulldomain)
        .is_ok_and(|name| name.to_lowercase().eq_ignore_root(&txt.target.to_lowercase()));
    if leads_there {
        return Ok(());
    }
    let (asked, wanted) = (shown(&txt.asked), printable(account.fulldomain.trim_end_matches('.'), SAID_LIMIT));
    let now = if txt.target == txt.asked { "there is none".to_owned() } else { format!("it leads to {}", txt.shown()) };
    Err(failed(
        FailureKind::ValidationDns,
        format!(
            "{asked} must be a CNAME to {wanted} for acme-dns to prove {}, and {now}: set `{asked}. CNAME {wanted}.`",
            txt.host
        ),
    ))
}

fn request(uri: &Uri, account: &Account, value: &str) -> Result<Request<Full<Bytes>>, Failure> {
    let body = serde_json::json!({ "subdomain": account.subdomain, "txt": value }).to_string();
    let host = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    Request::post(uri.path_and_query().map_or("/update", http::uri::PathAndQuery::as_str))
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-api-user", &account.username)
        .header("x-api-key", &account.password)
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| wrong("the acme-dns account holds characters that no header can have".to_owned()))
}

/// The addresses of the server, judged after they were looked up: what is connected to is what was judged.
async fn place(uri: &Uri, lookups: &Lookups, reach: Reach) -> Result<Place, String> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let is_https = uri.scheme() == Some(&Scheme::HTTPS);
    let mut found = match host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => {
            let name = Name::from_ascii(format!("{}.", host.trim_end_matches('.')))
                .map_err(|_| "it has no valid name".to_owned())?;
            lookups.addresses(&name).await.map_err(|problem| problem.to_string())?
        }
    };
    found.retain(|address| reach.allows(*address));
    if found.is_empty() {
        return Err(
            "its address is not on the Internet, and a site may use no other: ask the operator to set it up".to_owned()
        );
    }
    if !is_https {
        found.retain(|address| address.to_canonical().is_loopback());
        if found.is_empty() {
            return Err("http is for servers on this machine only: write https".to_owned());
        }
    }
    let port = uri.port_u16().unwrap_or(if is_https { HTTPS_PORT } else { 80 });
    let addresses = found.into_iter().take(ADDRESSES_LIMIT).map(|address| SocketAddr::new(address, port)).collect();
    Ok(Place { addresses, tls_name: is_https.then_some(host) })
}

fn wrong(sentence: String) -> Failure {
    failed(FailureKind::Configuration, sentence)
}
