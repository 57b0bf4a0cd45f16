//! Before, while and after a name gets its first certificate.
