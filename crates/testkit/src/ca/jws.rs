//! Signed requests (RFC 8555 section 6.2, RFC 7515, RFC 7638): taken apart and verified. ES256 only, as our client signs;
//! HS256 for external account binding.

use aws_lc_rs::{
    digest, hmac,
    signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey},
};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::Value;

use super::reply::Problem;

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// A P-256 public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    x: String,
    y: String,
    /// Uncompressed.
    point: Vec<u8>,
}

impl Key {
    pub(super) fn from_jwk(jwk: &Value) -> Result<Self, Problem> {
        let text = |name: &str| jwk[name].as_str().unwrap_or_default().to_owned();
        if (text("kty").as_str(), text("crv").as_str()) != ("EC", "P-256") {
            return Err(Problem::new(400, "badPublicKey", "only EC keys on P-256"));
        }
        let coordinates = decode(&text("x")).zip(decode(&text("y")));
        let (x, y) = coordinates.ok_or_else(|| Problem::new(400, "badPublicKey", "no base64url"))?;
        if (x.len(), y.len()) != (32, 32) {
            return Err(Problem::new(400, "badPublicKey", "coordinates of the wrong length"));
        }
        Ok(Self { x: encode(&x), y: encode(&y), point: [&[4], x.as_slice(), y.as_slice()].concat() })
    }

    /// RFC 7638.
    pub(super) fn thumbprint(&self) -> String {
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, self.x, self.y);
        encode(digest::digest(&digest::SHA256, canonical.as_bytes()))
    }

    /// A key that nobody has.
    pub(super) fn nobodys() -> Self {
        Self { x: String::new(), y: String::new(), point: Vec::new() }
    }

    pub(super) fn is_nobodys(&self) -> bool {
        self.point.is_empty()
    }

    /// As in the `subjectPublicKey` of a certificate.
    pub(super) fn point(&self) -> &[u8] {
        &self.point
    }
}

/// A flattened JWS, not verified yet.
#[derive(Debug)]
pub(super) struct Jws {
    pub(super) protected: Value,
    pub(super) payload: Vec<u8>,
    signed: String,
    signature: Vec<u8>,
}

impl Jws {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let outer = serde_json::from_slice(body).map_err(|_| Problem::malformed("the body is no JSON"))?;
        Self::from_value(&outer)
    }

    pub(super) fn from_value(outer: &Value) -> Result<Self, Problem> {
        let part = |name: &str| outer[name].as_str().ok_or_else(|| Problem::malformed(format!("no {name}")));
        let (protected, payload, signature) = (part("protected")?, part("payload")?, part("signature")?);
        let bytes = |text: &str| decode(text).ok_or_else(|| Problem::malformed("a part is no base64url"));
        let header = serde_json::from_slice(&bytes(protected)?);
        Ok(Self {
            protected: header.map_err(|_| Problem::malformed("the protected header is no JSON"))?,
            payload: bytes(payload)?,
            signed: format!("{protected}.{payload}"),
            signature: bytes(signature)?,
        })
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.protected[name].as_str()
    }

    /// The payload as a JSON object.
    pub(super) fn object(&self) -> Result<Value, Problem> {
        let value: Option<Value> = serde_json::from_slice(&self.payload).ok();
        value.filter(Value::is_object).ok_or_else(|| Problem::malformed("the payload is no JSON object"))
    }

    pub(super) fn verify(&self, key: &Key) -> Result<(), Problem> {
        if self.header("alg") != Some("ES256") {
            return Err(Problem::new(400, "badSignatureAlgorithm", "only ES256"));
        }
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.point);
        let verdict = key.verify(self.signed.as_bytes(), &self.signature);
        verdict.map_err(|_| Problem::malformed("the signature does not verify"))
    }

    /// RFC 8555 section 7.3.4.
    pub(super) fn verify_hmac(&self, key: &[u8]) -> Result<(), Problem> {
        if self.header("alg") != Some("HS256") {
            return Err(Problem::new(400, "badSignatureAlgorithm", "external account binding is by HS256"));
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let verdict = hmac::verify(&key, self.signed.as_bytes(), &self.signature);
        verdict.map_err(|_| Problem::unauthorized("the external account binding does not verify"))
    }
}
