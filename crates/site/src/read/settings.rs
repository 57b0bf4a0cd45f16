//! A whole settings file.

use std::path::PathBuf;

use vestibule_diagnostics::{Diagnostic, Severity, Span, catalogue};
use vestibule_names::{ClientNetwork, ListenAddr};

use super::{
    acme,
    fields::{Field, Fields},
    tenancy,
    values::{Scalar, path},
};
use crate::{
    findings::Findings,
    schema::{
        settings_keys,
        table::{Shape, Table},
    },
    settings::{
        AccessLog, AddressMetrics, ClientAddresses, Keep, Limits, Log, LogFormat, Settings, TenantLog, TenantSocket,
        Timeouts,
    },
    site::Spanned,
    yaml::Node,
};

/// Reads the root of a settings file.
pub(crate) fn settings(root: &Node, findings: &mut Findings) -> Option<Settings> {
    let fields = Fields::open("the settings", root, &settings_keys::SETTINGS, findings)?;
    let (http, https) = listen(fields.take("listen"), findings);
    let admin = admin(fields.take("admin"), findings);
    Some(Settings {
        http,
        https,
        sites: some_path(fields.take("sites"), findings),
        state: some_path(fields.take("state"), findings),
        user: fields.take("user").and_then(|field| tenancy::user_of(field, findings)),
        workers: fields.take("workers").and_then(|field| field.number::<usize>(findings)),
        limits: limits(fields.take("limits"), findings),
        timeouts: timeouts(fields.take("timeouts"), findings),
        admin_socket: admin.socket,
        tenant_socket: admin.tenants,
        admin_address: admin.address,
        address_metrics: admin.metrics,
        log: log(fields.take("log"), findings),
        trusted_proxies: trusted_proxies(fields.take("trusted_proxies"), findings),
        tenancy: tenancy::tenancy(fields.take("claims"), fields.take("upstreams"), fields.take("tenants"), findings),
        acme: fields.take("acme").and_then(|field| acme::acme(field, findings)),
    })
}

/// The keys of a mapping inside the settings.
fn open<'t>(field: Option<Field<'t>>, table: &'static Table, findings: &mut Findings) -> Option<Fields<'t>> {
    field.and_then(|field| Fields::open(table.place, field.node, table, findings))
}

type Listeners = Option<Vec<ListenAddr>>;

fn listen(field: Option<Field<'_>>, findings: &mut Findings) -> (Listeners, Listeners) {
    let Some(fields) = open(field, &settings_keys::LISTEN, findings) else { return (None, None) };
    let mut taken: Vec<Spanned<ListenAddr>> = Vec::new();
    let mut read = |name| fields.take(name).map(|field| listeners(field, &mut taken, findings));
    (read("http"), read("https"))
}

fn listeners(field: Field<'_>, taken: &mut Vec<Spanned<ListenAddr>>, findings: &mut Findings) -> Vec<ListenAddr> {
    let mut addrs = Vec::new();
    for node in field.items(findings) {
        let Some(addr) = listen_addr(node, &field.name(), findings) else { continue };
        // Port 0 is a port that the system chooses, a different one each time.
        if let Some(first) = taken.iter().find(|one| one.value == addr.value && addr.value.0.port() != 0) {
            findings.push(
                Diagnostic::new(catalogue::CONFLICTING_KEYS, format!("`{}` is listed twice", addr.value))
                    .at(addr.span, "again here")
                    .and_at(first.span, "first here")
                    .help("an address can be bound once, for HTTP or for HTTPS"),
            );
            continue;
        }
        addrs.push(addr.value);
        taken.push(addr);
    }
    addrs
}

fn listen_addr(node: &Node, name: &str, findings: &mut Findings) -> Option<Spanned<ListenAddr>> {
    let scalar = Scalar::of(node, name, &Shape::Address("an address to listen on"), findings)?;
    match ListenAddr::parse(scalar.text) {
        Ok(addr) => Some(scalar.spanned(addr)),
        Err(error) => {
            findings.push(scalar.is_not(catalogue::BAD_VALUE, "an address to listen on", &error));
            None
        }
    }
}

fn some_path(field: Option<Field<'_>>, findings: &mut Findings) -> Option<PathBuf> {
    let scalar = field?.scalar(findings)?;
    path(&scalar, findings).map(|path| path.value)
}

/// `admin`.
#[derive(Default)]
struct Admin {
    socket: Option<PathBuf>,
    tenants: TenantSocket,
    address: Option<ListenAddr>,
    metrics: AddressMetrics,
}

fn admin(field: Option<Field<'_>>, findings: &mut Findings) -> Admin {
    let Some(fields) = open(field, &settings_keys::ADMIN, findings) else { return Admin::default() };
    let socket = some_path(fields.take("socket"), findings);
    let address = fields.take("address").and_then(|field| listen_addr(field.node, &field.name(), findings));
    let address = address.filter(|addr| {
        let local = addr.value.0.ip().is_loopback();
        if !local {
            findings.push(not_local(addr));
        }
        local
    });
    let tenants = fields.take("tenants").and_then(|field| tenant_socket(field, findings));
    let metrics = fields.take("metrics").and_then(|field| field.choice(findings));
    Admin {
        socket,
        tenants: tenants.unwrap_or_default(),
        address: address.map(|addr| addr.value),
        metrics: match metrics {
            Some((_, "sites")) => AddressMetrics::Sites,
            _ => AddressMetrics::Totals,
        },
    }
}

fn tenant_socket(field: Field<'_>, findings: &mut Findings) -> Option<TenantSocket> {
    match field.scalar(findings)?.text {
        "off" => Some(TenantSocket::Off),
        _ => field.absolute_path(findings).map(|path| TenantSocket::At(path.value)),
    }
}

fn not_local(addr: &Spanned<ListenAddr>) -> Diagnostic {
    Diagnostic::new(catalogue::SETTINGS_VALUE, format!("`{}` can be reached from other machines", addr.value))
        .at(addr.span, "not a loopback address")
        .note("the admin address answers whoever asks")
        .help(format!("write `127.0.0.1:{}`", addr.value.0.port()))
}

fn log(field: Option<Field<'_>>, findings: &mut Findings) -> Log {
    let Some(fields) = open(field, &settings_keys::LOG, findings) else { return Log::default() };
    let level = fields.take("level").and_then(|field| field.scalar(findings));
    let format = fields.take("format").and_then(|field| field.choice(findings));
    let access = fields.take("access").and_then(|field| access(field, findings));
    Log {
        level: level.map(|scalar| scalar.text.to_owned()),
        format: if format.is_some_and(|(_, word)| word == "json") { LogFormat::Json } else { LogFormat::Text },
        access: access.unwrap_or_default(),
        tenants: tenant_log(fields.take("tenants"), findings),
    }
}

fn tenant_log(field: Option<Field<'_>>, findings: &mut Findings) -> TenantLog {
    let Some(fields) = open(field, &settings_keys::TENANT_LOG, findings) else { return TenantLog::default() };
    let mut word = |name| fields.take(name).and_then(|field| field.choice(findings)).map(|(_, word)| word);
    let keep = match word("keep") {
        Some("yes") => Some(Keep::Yes),
        Some("no") => Some(Keep::No),
        _ => None,
    };
    let client_addresses = match word("client_addresses") {
        Some("shortened") => ClientAddresses::Shortened,
        _ => ClientAddresses::Full,
    };
    TenantLog { keep, folder: some_path(fields.take("folder"), findings), client_addresses }
}

fn access(field: Field<'_>, findings: &mut Findings) -> Option<AccessLog> {
    match field.scalar(findings)?.text {
        "stdout" => Some(AccessLog::Stdout),
        "off" => Some(AccessLog::Off),
        _ => field.absolute_path(findings).map(|path| AccessLog::File(path.value)),
    }
}

fn trusted_proxies(field: Option<Field<'_>>, findings: &mut Findings) -> Vec<ClientNetwork> {
    let Some(field) = field else { return Vec::new() };
    let mut networks = Vec::new();
    for node in field.items(findings) {
        let shape = Shape::Text("a network or address");
        let Some(scalar) = Scalar::of(node, &field.name(), &shape, findings) else { continue };
        match ClientNetwork::parse(scalar.text) {
            Ok(network) => {
                if scalar.text.ends_with("/0") {
                    findings.push(trusts_everybody(scalar.span));
                }
                networks.push(network);
            }
            Err(error) => findings.push(scalar.is_not(catalogue::BAD_VALUE, "a network or address", &error)),
        }
    }
    networks
}

/// Legitimate behind a firewall, so no error; but it is the classic way to have client addresses forged.
fn trusts_everybody(span: Span) -> Diagnostic {
    let mut finding = Diagnostic::new(catalogue::SETTINGS_VALUE, "every client is trusted as a proxy")
        .at(span, "this is everybody")
        .note("anybody could say to come from any address, by any scheme, for any host")
        .help("list the networks of your proxies alone");
    finding.severity = Severity::Warning;
    finding
}

fn limits(field: Option<Field<'_>>, findings: &mut Findings) -> Limits {
    let standard = Limits::default();
    let Some(fields) = open(field, &settings_keys::LIMITS, findings) else { return standard };
    let mut number = |name| fields.take(name).and_then(|field| field.number::<u32>(findings));
    let connections = number("connections").or(standard.connections);
    let connections_per_client = number("connections_per_client").unwrap_or(standard.connections_per_client);
    let request_headers = number("request_headers").unwrap_or(standard.request_headers);
    let streams_per_connection = number("streams_per_connection").unwrap_or(standard.streams_per_connection);
    let idle_upstream_connections = number("idle_upstream_connections").unwrap_or(standard.idle_upstream_connections);
    let mut size = |name| fields.take(name).and_then(|field| field.size(findings));
    Limits {
        connections,
        connections_per_client,
        request_head: size("request_head").unwrap_or(standard.request_head),
        request_headers,
        request_target: size("request_target").unwrap_or(standard.request_target),
        streams_per_connection,
        site_file: size("site_file").unwrap_or(standard.site_file),
        idle_upstream_connections,
    }
}

fn timeouts(field: Option<Field<'_>>, findings: &mut Findings) -> Timeouts {
    let standard = Timeouts::default();
    let Some(fields) = open(field, &settings_keys::TIMEOUTS, findings) else { return standard };
    let mut wait = |name| fields.take(name).and_then(|field| field.duration(findings));
    Timeouts {
        handshake: wait("handshake").unwrap_or(standard.handshake),
        request_head: wait("request_head").unwrap_or(standard.request_head),
        idle: wait("idle").unwrap_or(standard.idle),
        write_stall: wait("write_stall").unwrap_or(standard.write_stall),
        drain_grace: wait("drain_grace").unwrap_or(standard.drain_grace),
        upstream_keep_alive: wait("upstream_keep_alive").unwrap_or(standard.upstream_keep_alive),
        rescan: wait("rescan").unwrap_or(standard.rescan),
    }
}
