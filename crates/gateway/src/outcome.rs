//! [`Outcome`]: how a connection ended, each in exactly one way; [`Ended`]: that, and what the log is told beside it.

use std::{fmt, sync::Arc};

use crate::{tenant::Tenant, vitals::Overdue};

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// The client or the server closed it in order.
    Closed,
    /// It became a tunnel, which goes on by itself.
    Upgraded,
    /// The client left in the middle of something.
    Vanished,
    /// The client broke the protocol.
    Broken,
    /// A client did not follow when the connection was closed.
    Overdue,
    /// A request head did not end in time.
    SlowHead,
    /// The client did not take what it had asked for.
    SlowReader,
    /// No site of that name.
    UnknownName,
    /// Neither TLS nor HTTP, or a handshake that failed.
    HandshakeFailed,
    /// A handshake without the client certificate that the site demands, or with a bad one.
    ClientCertificate,
    /// There is no certificate that could be shown: our fault, or the store's.
    Unprepared,
    /// A handshake that took too long.
    HandshakeTimeout,
    /// A client that speaks TLS to the clear port.
    TlsOnClearPort,
    /// A CA's challenge (`acme-tls/1`) was answered.
    Challenge,
    /// Refused because there is no certificate for the name yet.
    NoCertificate,
    /// Refused because the tenant of the name is over a limit.
    TenantLimit,
    /// The client sent more frames, resets or faults than anybody needs: it was told to calm down.
    Flooded,
    /// A bug of ours: it ended this connection only.
    Panicked,
}

impl Outcome {
    /// Every outcome, for metrics.
    pub(crate) const ALL: [Self; 18] = [
        Self::Closed,
        Self::Upgraded,
        Self::Vanished,
        Self::Broken,
        Self::Overdue,
        Self::SlowHead,
        Self::SlowReader,
        Self::UnknownName,
        Self::HandshakeFailed,
        Self::ClientCertificate,
        Self::Unprepared,
        Self::HandshakeTimeout,
        Self::TlsOnClearPort,
        Self::Challenge,
        Self::NoCertificate,
        Self::TenantLimit,
        Self::Flooded,
        Self::Panicked,
    ];

    /// As metrics name it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Upgraded => "upgraded",
            Self::Vanished => "vanished",
            Self::Broken => "broken",
            Self::Overdue => "overdue",
            Self::SlowHead => "slow_head",
            Self::SlowReader => "slow_reader",
            Self::UnknownName => "unknown_name",
            Self::HandshakeFailed => "handshake_failed",
            Self::ClientCertificate => "client_certificate",
            Self::Unprepared => "unprepared",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::TlsOnClearPort => "tls_on_clear_port",
            Self::Challenge => "challenge",
            Self::NoCertificate => "no_certificate",
            Self::TenantLimit => "tenant_limit",
            Self::Flooded => "flooded",
            Self::Panicked => "panicked",
        }
    }

    /// Did the gateway end it against the client's will?
    pub(crate) fn is_refusal(self) -> bool {
        !matches!(self, Self::Closed | Self::Upgraded | Self::Vanished | Self::Challenge)
    }

    /// With what the log is told beside it.
    pub(crate) fn because(self, why: impl fmt::Display) -> Ended {
        Ended { outcome: self, why: Some(why.to_string()), tenant: None }
    }
}

impl From<Overdue> for Outcome {
    fn from(overdue: Overdue) -> Self {
        match overdue {
            Overdue::Idle => Self::Overdue,
            Overdue::Head => Self::SlowHead,
            Overdue::WriteStall => Self::SlowReader,
        }
    }
}

/// How a connection ended, and what there is to say of it.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) why: Option<String>,
    /// Whose site it was for.
    pub(crate) tenant: Option<Arc<Tenant>>,
}

impl Ended {
    /// It was for a site of that tenant.
    pub(crate) fn of(self, tenant: &Arc<Tenant>) -> Self {
        Self { tenant: Some(Arc::clone(tenant)), ..self }
    }
}

impl From<Outcome> for Ended {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, why: None, tenant: None }
    }
}
