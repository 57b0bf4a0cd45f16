//! Nothing: the benches of this package are in `benches/`, and what they measure is in other packages.
