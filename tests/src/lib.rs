//! Only tests live in this package: see `blackbox/`.
