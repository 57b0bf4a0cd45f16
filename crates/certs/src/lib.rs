//! The vault: keys and chains on disk and in memory, and the rustls configuration of every site.
//!
//! An [`Identity`] is what one site shows in a handshake. It is prepared before a site goes live, builds its rustls
//! configuration at the first handshake (a cold site costs almost nothing), and can be swapped while connections stay
//! open. Certificates come from an [`Origin`]: the built-in local CA, a site's own files, or what public CAs issued.
//!
//! ```text
//!   IdentityRequest ──prepare──▶ Identity ──offer_for(host)──▶ Arc<rustls::ServerConfig>, client policy   (one atomic load)
//!        │                          ▲
//!        ├─ LocalCa ── signs at the first handshake, and again near the end
//!        ├─ Files ──── read as hostile input, inspected, re-read by `refresh` when they change
//!        └─ Store ──── the latest issuance for each host, read at its first handshake; `refresh` asks the store again
//!                          ▲
//!   acme ──begin, commit──▶ Store    (a placeholder is shown until there is an issuance)
//! ```
//!
//! What an order brings passes the same inspection as files, before it is in the store. The configuration that answers a
//! challenge of `acme-tls/1` never goes through an [`Identity`]: [`Vault::challenge_config`].
//!
//! Resumption never crosses sites: tickets are sealed under keys of the process, with the site and its tenant as
//! associated data (`tickets`). A site that asks for client certificates gives no tickets and takes none (`clients`).
//!
//! What this crate deliberately does not do: it opens no socket, spawns nothing that outlives a call (a
//! store of many certificates is read by several threads), and never reads `sites.d`. Only
//! [`Vault::open`], [`Vault::prepare`], [`Vault::client_config`], [`Identity::refresh`] and the calls of the store touch
//! the disk; of what a handshake calls, only [`Identity::offer_for`] for a host of the store does: at first, and when its key has made
//! room for others since.
//!
//! | module | in reading order |
//! |---|---|
//! | `vault` | [`Vault`]: open, prepare, upstream configurations |
//! | `identity` | [`Identity`]: the live certificates of one site, sign, load, refresh, swap |
//! | `warm` | which certificates of the store are in memory, within a bound |
//! | `placeholder` | what is shown before there is a certificate |
//! | `challenge` | what answers `acme-tls/1` |
//! | `store` | [`store::Store`]: what CAs issued, on disk; orders that can be resumed |
//! | [`foreign`] | certificates in the stores of other programs |
//! | `local_ca` | the root on disk, and leaves |
//! | `private_folder` | our own files: private, whole or absent, durable |
//! | `clients` | who may visit a site by the certificate they show |
//! | `site_files` | chain and key of a site: from two paths to a checked pair |
//! | `tenant_file` | opening a path that a tenant chose |
//! | `secret_file` | keys of DNS servers and credentials, read through it |
//! | `inspect` | what makes a chain and key fit to be shown |
//! | `facts`, `fingerprint` | what people want to know of a certificate; its SHA-256 |
//! | `spelt` | a pattern as certificates are found by it |
//! | `tls` | provider and server template |
//! | `tickets` | resumption, bound to the site |
//! | `upstream` | client configurations |

mod challenge;
mod clients;
mod facts;
mod fingerprint;
pub mod foreign;
mod identity;
mod inspect;
mod local_ca;
mod placeholder;
mod private_folder;
mod secret_file;
mod site_files;
mod spelt;
pub mod store;
mod tenant_file;
mod tickets;
mod tls;
mod upstream;
mod vault;
mod warm;

#[cfg(test)]
mod testing;

pub use clients::{ClientCa, ClientPolicy, Demand, Visitor};
pub use facts::CertificateFacts;
pub use fingerprint::Fingerprint;
pub use identity::{
    CertificateFiles, CertificateRequest, GuestRefresh, Identity, IdentityError, IdentityRequest, Offer, Origin,
    Refresh, Shows, StoreNames,
};
pub use local_ca::{SignError, read_root};
pub use secret_file::SecretFileError;
pub use spelt::Spelt;
pub use vault::{Prepared, Vault, VaultError, check};
