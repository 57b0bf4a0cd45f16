//! Validated nouns: what a hostname, a tenant, a site, an address or a path *is*, decided once.
//!
//! Everything here is pure: strings in, values out. There is no file, socket, clock or lock. Whoever holds one of
//! these values may rely on its normal form; whoever has text must come through `parse`.
//!
//! | module | noun |
//! |---|---|
//! | [`hostname`] | [`Hostname`]: ASCII, lower case, no trailing dot |
//! | [`pattern`] | [`HostPattern`]: a name, `*.` and a name, or an address |
//! | [`authority`] | [`Authority`]: what a `Host` field, `:authority` or an SNI says, without allocation when it is normal |
//! | [`path`] | [`RoutePath`] and the one normal form of a request path |
//! | [`address`] | [`ListenAddr`], [`ClientAddr`], [`ClientNetwork`] |
//! | [`upstream`] | [`UpstreamAddr`]: scheme and target of a backend |
//! | [`destination`] | [`Destination`]: a set of places to connect to |
//! | [`scope`] | [`Scope`]: what kind of place an IP address is |
//! | [`identity`] | [`TenantId`], [`SiteId`], [`Generation`], [`RequestId`] |
//! | [`suffix`] | the registered domain of a name |
//! | [`quantity`] | [`ByteSize`] and durations as people write them |
//!
//! And two ways to keep very many of them: [`Few`], a list that mostly has one item, and [`Lookup`], an index without keys.
//!
//! ```
//! use vestibule_names::{Authority, HostPattern};
//!
//! let pattern = HostPattern::parse("*.Bücher.example").expect("a pattern");
//! let asked = Authority::parse("shop.xn--bcher-kva.example:8443").expect("an authority");
//! assert!(pattern.matches(&asked.host.key()));
//! ```

pub mod address;
#[cfg(test)]
mod arbitrary;
pub mod authority;
pub mod destination;
pub mod few;
pub mod hostname;
pub mod identity;
pub mod lookup;
pub mod path;
pub mod pattern;
pub mod quantity;
pub mod scope;
pub mod suffix;
pub mod upstream;

pub use address::{AddressError, ClientAddr, ClientNetwork, ListenAddr};
pub use authority::{Authority, AuthorityError, HostRef};
pub use destination::{Destination, DestinationError, DestinationHost};
pub use few::Few;
pub use hostname::{Hostname, HostnameError};
pub use identity::{Generation, RequestId, SiteId, TenantId};
pub use lookup::Lookup;
pub use path::{PathError, RoutePath};
pub use pattern::HostPattern;
pub use quantity::{ByteSize, QuantityError};
pub use scope::Scope;
pub use upstream::{UpstreamAddr, UpstreamScheme, UpstreamTarget};
