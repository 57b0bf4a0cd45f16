//! The looks at challenges: one bounded question each, and a problem document of the right kind when it fails.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use aws_lc_rs::digest;
use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use http::Request;
use http_body_util::{BodyExt as _, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs::default_provider, verify_tls13_signature_with_raw_key},
    pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
    version::TLS13,
};
use tokio::{
    net::{TcpStream, UdpSocket},
    time::timeout,
};
use tokio_rustls::TlsConnector;
use vestibule_names::HostPattern;
use x509_parser::{extensions::GeneralName, parse_x509_certificate};

use super::Question;
use crate::{
    ca::{jws, reply::Problem},
    client::no_body,
};

/// One look.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A key authorization is far shorter.
const BODY_LIMIT: usize = 4096;

fn connection(error: impl std::fmt::Display) -> Problem {
    Problem::new(400, "connection", error.to_string())
}

async fn connect(address: SocketAddr) -> Result<TcpStream, Problem> {
    match timeout(TIMEOUT, TcpStream::connect(address)).await {
        Ok(stream) => stream.map_err(connection),
        Err(_) => Err(connection("timeout during connect")),
    }
}

/// RFC 8555 section 8.3.
pub(super) async fn http(address: SocketAddr, question: &Question) -> Result<(), Problem> {
    let stream = connect(address).await?;
    let look = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let task = tokio::spawn(connection);
        let request = Request::get(format!("/.well-known/acme-challenge/{}", question.token))
            .header("host", host(&question.name))
            .header("user-agent", "simulated validation")
            .body(no_body())
            .unwrap();
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_LIMIT).collect().await;
        task.abort();
        Ok::<_, hyper::Error>((status, body.map(|body| body.to_bytes()).unwrap_or_default()))
    };
    let (status, body) = match timeout(TIMEOUT, look).await {
        Ok(answer) => answer.map_err(connection)?,
        Err(_) => return Err(connection("timeout after connect")),
    };
    let text = String::from_utf8_lossy(&body);
    if status != 200 {
        return Err(Problem::unauthorized(format!("Invalid response: {}", status.as_u16())));
    }
    if text.trim_end() != question.key_authorization {
        return Err(Problem::unauthorized(format!("the key authorization is wrong: {text:?}")));
    }
    Ok(())
}

/// The authority of HTTP-01 (RFC 8738 section 4 for addresses).
fn host(name: &HostPattern) -> String {
    match name {
        HostPattern::Address(std::net::IpAddr::V6(address)) => format!("[{address}]"),
        other => other.to_string(),
    }
}

/// RFC 8737 section 3, RFC 8738 section 6.
pub(super) async fn tls_alpn(address: SocketAddr, question: &Question) -> Result<(), Problem> {
    let stream = connect(address).await?;
    let tls = |error: &dyn std::fmt::Display| Problem::new(400, "tls", error.to_string());
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_protocol_versions(&[&TLS13]).unwrap();
    let mut config =
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anything(provider))).with_no_client_auth();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let name = ServerName::try_from(server_name(&question.name)).unwrap();
    let stream = match timeout(TIMEOUT, TlsConnector::from(Arc::new(config)).connect(name, stream)).await {
        Ok(stream) => stream.map_err(|error| tls(&error))?,
        Err(_) => return Err(connection("timeout in the handshake")),
    };
    let session = stream.get_ref().1;
    if session.alpn_protocol() != Some(b"acme-tls/1") {
        return Err(Problem::unauthorized("acme-tls/1 was not agreed on"));
    }
    let leaf = session.peer_certificates().and_then(|chain| chain.first());
    judge_certificate(leaf.ok_or_else(|| tls(&"no certificate"))?, question).map_err(Problem::unauthorized)
}

fn server_name(name: &HostPattern) -> String {
    match name {
        HostPattern::Address(std::net::IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        HostPattern::Address(std::net::IpAddr::V6(address)) => {
            let nibbles = address.octets().into_iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}.")).collect::<String>() + "ip6.arpa"
        }
        other => other.to_string(),
    }
}

/// Exactly this name, and the digest of the key authorization in a critical extension.
fn judge_certificate(leaf: &CertificateDer<'_>, question: &Question) -> Result<(), String> {
    let (_, leaf) = parse_x509_certificate(leaf).map_err(|error| error.to_string())?;
    let names = leaf.subject_alternative_name().ok().flatten().map(|names| &names.value.general_names);
    let is_it = match (names.map(Vec::as_slice), &question.name) {
        (Some([GeneralName::DNSName(name)]), HostPattern::Exact(wanted)) => name.eq_ignore_ascii_case(wanted.as_str()),
        (Some([GeneralName::IPAddress(bytes)]), HostPattern::Address(wanted)) => match wanted {
            std::net::IpAddr::V4(wanted) => *bytes == wanted.octets(),
            std::net::IpAddr::V6(wanted) => *bytes == wanted.octets(),
        },
        _ => false,
    };
    if !is_it {
        return Err(format!("the certificate is for {names:?}"));
    }
    let mut wanted = vec![4, 32]; // an OCTET STRING of that length
    wanted.extend_from_slice(digest::digest(&digest::SHA256, question.key_authorization.as_bytes()).as_ref());
    let proof = leaf.iter_extensions().find(|extension| extension.oid.to_id_string() == "1.3.6.1.5.5.7.1.31");
    match proof {
        Some(extension) if !extension.critical => Err("acmeIdentifier is not critical".to_owned()),
        Some(extension) if extension.value == wanted => Ok(()),
        Some(_) => Err("the key authorization is wrong".to_owned()),
        None => Err("no acmeIdentifier".to_owned()),
    }
}

/// `_acme-challenge.NAME` (RFC 8555 section 8.4), without the trailing dot.
pub(super) fn record(question: &Question) -> String {
    format!("_acme-challenge.{}", question.name.to_string().trim_start_matches("*."))
}

pub(super) fn judge_txt(record: &str, values: &[String], question: &Question) -> Result<(), Problem> {
    let wanted = jws::encode(digest::digest(&digest::SHA256, question.key_authorization.as_bytes()));
    if values.is_empty() {
        Err(Problem::unauthorized(format!("No TXT record found at {record}")))
    } else if values.contains(&wanted) {
        Ok(())
    } else {
        Err(Problem::unauthorized(format!("Incorrect TXT record {values:?} found at {record}")))
    }
}

/// All TXT values of that name.
pub(super) async fn txt(server: SocketAddr, record: &str) -> Result<Vec<String>, Problem> {
    let dns = |error: String| Problem::new(400, "dns", error);
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    let name = Name::from_ascii(format!("{record}.")).map_err(|error| dns(error.to_string()))?;
    message.add_query(Query::query(name, RecordType::TXT));
    let look = async {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        socket.connect(server).await?;
        socket.send(&message.to_vec().map_err(std::io::Error::other)?).await?;
        let mut buffer = vec![0; 4096];
        let length = socket.recv(&mut buffer).await?;
        Message::from_vec(&buffer[..length]).map_err(std::io::Error::other)
    };
    let answer = match timeout(TIMEOUT, look).await {
        Ok(answer) => answer.map_err(|error| dns(error.to_string()))?,
        Err(_) => return Err(dns(format!("timeout looking up TXT for {record}"))),
    };
    if answer.metadata.response_code != ResponseCode::NoError {
        return Err(dns(format!("{} looking up TXT for {record}", answer.metadata.response_code)));
    }
    let texts = answer.answers.iter().filter_map(|record| match &record.data {
        RData::TXT(text) => Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned()),
        _ => None,
    });
    Ok(texts.collect())
}

/// A validator takes any certificate: it is self-signed, and judged afterwards.
#[derive(Debug)]
struct Anything(Arc<CryptoProvider>);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("only TLS 1.3 was offered".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // By the bare key: webpki takes no certificate with a critical extension that it does not know.
        let (_, leaf) = parse_x509_certificate(cert).map_err(|error| rustls::Error::General(error.to_string()))?;
        let key = SubjectPublicKeyInfoDer::from(leaf.public_key().raw);
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
