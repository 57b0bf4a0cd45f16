//! The identifier of a certificate for renewal information (RFC 9773 section 4.1).

use x509_parser::{certificate::X509Certificate, extensions::ParsedExtension};

/// `base64url(keyIdentifier).base64url(serial)`, without padding; `None` when the leaf does not name its issuer's key.
pub(super) fn identifier(leaf: &X509Certificate<'_>) -> Option<String> {
    let key = leaf.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(authority) => authority.key_identifier.as_ref(),
        _ => None,
    })?;
    // The serial is taken as the content octets of its DER, with the leading zero if there is one.
    Some(format!("{}.{}", base64url(key.0), base64url(leaf.raw_serial())))
}

/// RFC 4648 section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        // So many bytes make one character more.
        for place in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(group >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, Issuer, KeyIdMethod, KeyPair, SerialNumber};

    use super::*;
    use crate::facts;

    #[test]
    fn the_example_of_the_rfc() {
        let key_identifier = b"\x69\x88\x5B\x6B\x87\x46\x40\x41\xE1\xB3\x7B\x84\x7B\xA0\xAE\x2C\xDE\x01\xC8\xD4";
        let key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::default();
        ca.key_identifier_method = KeyIdMethod::PreSpecified(key_identifier.to_vec());
        let mut leaf = CertificateParams::new(["example.com".to_owned()]).unwrap();
        leaf.serial_number = Some(SerialNumber::from_slice(b"\x00\x87\x65\x43\x21"));
        leaf.use_authority_key_identifier_extension = true;
        let leaf = leaf.signed_by(&KeyPair::generate().unwrap(), &Issuer::new(ca, key)).unwrap();
        let parsed = facts::parse(leaf.der()).unwrap();
        assert_eq!(identifier(&parsed).unwrap(), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
    }

    #[test]
    fn without_the_issuers_key_there_is_none() {
        let made = crate::testing::Authority::new("CA").leaf(&["a.test"]).make();
        assert_eq!(identifier(&facts::parse(&made.chain_der[0]).unwrap()), None);
    }

    #[test]
    fn base64url_of_the_rfc() {
        for (input, expected) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE")]
        {
            assert_eq!(base64url(input.as_bytes()), expected);
        }
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
    }
}
