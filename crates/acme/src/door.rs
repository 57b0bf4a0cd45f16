//! [`Door`]: what the gateway's workers ask before anything of a tenant's has a say: the answer to a CA's challenge, and
//! whether an order for a name is in flight. Shared by the workers and the engine; look-ups never wait.

use std::sync::Arc;

use rustls::ServerConfig;

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Door {}

impl Door {
    /// The body of `/.well-known/acme-challenge/TOKEN` for this host (normal form: [`vestibule_names::HostRef::key`]), if a
    /// challenge for just this host is open (RFC 8555 section 8.3).
    pub fn key_authorization(&self, _host: &str, _token: &str) -> Option<Arc<str>> {
        todo!()
    }

    /// The configuration for a handshake that offers exactly `acme-tls/1` for this server name (normal form; for an address
    /// its name under `in-addr.arpa` or `ip6.arpa`, RFC 8738 section 6), if a challenge for it is open (RFC 8737).
    pub fn alpn_config(&self, _server_name: &str) -> Option<Arc<ServerConfig>> {
        todo!()
    }

    /// Is an order for this host in flight?
    pub fn is_ordering(&self, _host: &str) -> bool {
        todo!()
    }

    /// Ends when no order for this host is in flight any more.
    pub async fn settled(&self, _host: &str) {
        todo!()
    }

    /// Opens an HTTP-01 challenge until the guard is dropped.
    pub fn open_http(&self, _host: &str, _token: &str, _key_authorization: &str) -> Opened {
        todo!()
    }

    /// Opens a TLS-ALPN-01 challenge until the guard is dropped.
    pub fn open_alpn(&self, _server_name: &str, _config: Arc<ServerConfig>) -> Opened {
        todo!()
    }

    /// Names have an order in flight until the guard is dropped.
    pub fn ordering(&self, _hosts: Vec<String>) -> Opened {
        todo!()
    }
}

/// Ends on drop what it was given for.
#[derive(Debug)]
#[must_use]
pub struct Opened {}
