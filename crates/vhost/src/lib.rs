//! The map: sites → immutable [`Vhost`]s → one [`VhostTable`], looked up by SNI, authority and path.
//!
//! Pure but for the live cell ([`LiveTable`], an arc-swap): no clock, file, socket or lock. Nothing here parses text:
//! `site` does, and what arrives is valid but for what only this crate can see.
//!
//! | module | question |
//! |---|---|
//! | [`claims`] | who holds a name, and who waits for it? |
//! | [`mod@compile`] | what does a site become? |
//! | [`vhost`], [`redirect`] | where does a request of this site go? |
//! | [`table`] | whose is this host? |
//! | [`live`] | which table is the current one? |

pub mod claims;
pub mod compile;
pub mod live;
pub mod redirect;
mod routing;
pub mod table;
pub mod vhost;

pub use claims::{Claim, ClaimRule, Claims, HandError, Petition, Settlement, UnixTime, WaitReason};
pub use compile::{Compiled, compile};
pub use live::{LiveTable, TableReader};
pub use redirect::Redirect;
pub use table::{TableChange, VhostTable};
pub use vhost::{
    Action, CertificateFiles, ClientCa, HeaderChanges, Respond, Route, TlsPolicy, UpstreamGroup, UpstreamTls, Vhost,
};
