//! [`Fingerprint`]: the SHA-256 of a certificate, as bytes; as text only where people read it.

use std::fmt;

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;

/// Of its DER.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; digest::SHA256_OUTPUT_LEN]);

impl Fingerprint {
    /// Of this certificate, DER.
    pub fn of(certificate: &[u8]) -> Self {
        let mut bytes = [0; digest::SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
        Self(bytes)
    }

    /// From the text that its `Display` gave; `None` for any other.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// The digest.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Hexadecimal, lower case.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_written() {
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Fingerprint::of(b"abc").to_string(), abc);
        assert_eq!(Fingerprint::parse(abc), Some(Fingerprint::of(b"abc")));
        for other in ["", "ba78", &abc.to_uppercase(), &format!("{abc}00"), &abc.replace('b', "g")] {
            assert_eq!(Fingerprint::parse(other), None, "{other:?}");
        }
    }
}
