//! The files and programs that the settings name for certificates: are they there, and may this user read or run them?
//!
//! Not here: what is in them. Whoever needs one reads it, and says what is wrong with it.

use std::{fs, io, path::Path};

use rustix::fs::Access;
use vestibule_diagnostics::{Diagnostic, catalogue};
use vestibule_site::{
    Settings,
    acme::{Acme, AcmeCa, DnsProvider, NamedProvider},
    site::Spanned,
};

/// What is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Read,
    Run,
}

/// One finding for each that cannot be used, in the order in which they are written.
pub(super) fn look(settings: &Settings) -> Vec<Diagnostic> {
    let Some(acme) = &settings.acme else { return Vec::new() };
    let cas = std::iter::once(&acme.ca).chain(&acme.failover).flat_map(of_ca);
    let mut found: Vec<_> = cas.chain(acme.dns.iter().filter_map(of_provider)).chain(of_hooks(acme)).collect();
    found.sort_by_key(|finding| finding.primary.as_ref().map(|label| label.span.start));
    found
}

fn of_ca(ca: &AcmeCa) -> Vec<Diagnostic> {
    let root = ca.root.as_ref().and_then(|root| {
        let advice = "write there the PEM file of the root that the CA's own server certificate is from";
        unfit(root.span, &root.value, Use::Read, &format!("the root of the CA {}", ca.id()), advice)
    });
    let key = ca.eab.as_ref().and_then(|(_, file)| {
        let advice = "write into that file the HMAC key that the CA gave, in base64url";
        unfit(file.span, &file.value, Use::Read, &format!("the HMAC key for the CA {}", ca.id()), advice)
    });
    root.into_iter().chain(key).collect()
}

fn of_provider(named: &NamedProvider) -> Option<Diagnostic> {
    let whose = |what: &str| format!("{what} of the DNS provider {}", named.name);
    let file = |file: &Spanned<std::path::PathBuf>, what: &str, advice: &'static str| {
        unfit(file.span, &file.value, Use::Read, &whose(what), advice)
    };
    match &named.provider {
        DnsProvider::Exec { program, .. } => {
            let advice = "install the program there, and make it executable: `chmod 755 PROGRAM`";
            unfit(program.span, &program.value, Use::Run, &whose("the program"), advice)
        }
        DnsProvider::Rfc2136 { key_file, .. } => file(key_file, "the key", "write the TSIG secret into that file"),
        DnsProvider::AcmeDns { credentials_file, .. } => {
            file(credentials_file, "the registration", "write the answer of `/register` into that file")
        }
    }
}

fn of_hooks(acme: &Acme) -> impl Iterator<Item = Diagnostic> + '_ {
    acme.hooks.iter().filter_map(|hook| {
        let advice = "install the program there, and make it executable: `chmod 755 PROGRAM`";
        unfit(hook.span, Path::new(hook.value.first()?), Use::Run, "a hook", advice)
    })
}

fn unfit(
    span: vestibule_diagnostics::Span,
    path: &Path,
    purpose: Use,
    what: &str,
    advice: &'static str,
) -> Option<Diagnostic> {
    let why = reason(path, purpose)?;
    let verb = if purpose == Use::Run { "run" } else { "read" };
    let message = format!("{what} cannot be {verb}: {} {why}", vestibule_diagnostics::quote(&path.to_string_lossy()));
    Some(Diagnostic::new(catalogue::SETTINGS_FILE, message).at(span, "").help(advice))
}

/// Why it cannot be used; `None`: it can. Nothing is opened: it may be a pipe.
fn reason(path: &Path, purpose: Use) -> Option<String> {
    let access = if purpose == Use::Run { Access::EXEC_OK } else { Access::READ_OK };
    let looked = fs::metadata(path).and_then(|found| match found.is_file() {
        true => Ok(rustix::fs::accessat(rustix::fs::CWD, path, access, rustix::fs::AtFlags::EACCESS)?),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "no regular file")),
    });
    let error = looked.err()?;
    let uid = rustix::process::geteuid().as_raw();
    Some(match (error.kind(), purpose) {
        (io::ErrorKind::NotFound, _) => "is not there".to_owned(),
        (io::ErrorKind::InvalidInput, _) => "is no regular file".to_owned(),
        (io::ErrorKind::PermissionDenied, Use::Run) => format!("may not be run by uid {uid}"),
        (io::ErrorKind::PermissionDenied, Use::Read) => format!("may not be read by uid {uid}"),
        _ => format!("cannot be looked at ({})", error.kind()),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn each_file_and_program_that_cannot_be_used_is_named_in_its_order() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let put = |name: &str, mode: u32| {
            fs::write(dir.path().join(name), "x").unwrap();
            fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        put("good.pem", 0o644);
        put("good.sh", 0o755);
        put("plain.sh", 0o644);
        let text = format!(
            "acme:\n  hooks: [[{plain}, x], {good}]\n  root: {pem}\n  eab: {{kid: a, hmac_file: {none}}}\n  dns:\n    \
             default: {{exec: {none}}}\n    \
             b: {{exec: {good}}}\n    \
             c: {{rfc2136: {{server: 192.0.2.1, key_name: k, key_file: {folder}}}}}\n    \
             d: {{acme_dns: {{server: https://a.test, credentials_file: {pem}}}}}\n  \
             failover: [{{directory: https://b.test/d, root: {none}}}]\n",
            plain = at("plain.sh"),
            good = at("good.sh"),
            pem = at("good.pem"),
            none = at("none"),
            folder = dir.path().display(),
        );
        let parsed = vestibule_site::parse_settings(text.as_bytes());
        assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
        let found = look(&parsed.value.unwrap());
        let messages: Vec<_> = found.iter().map(|finding| finding.message.as_str()).collect();
        let uid = rustix::process::geteuid().as_raw();
        let expected = [
            format!("a hook cannot be run: `{}` may not be run by uid {uid}", at("plain.sh")),
            format!("the HMAC key for the CA letsencrypt cannot be read: `{}` is not there", at("none")),
            format!("the program of the DNS provider default cannot be run: `{}` is not there", at("none")),
            format!("the key of the DNS provider c cannot be read: `{}` is no regular file", dir.path().display()),
            format!("the root of the CA b-test cannot be read: `{}` is not there", at("none")),
        ];
        assert_eq!(messages, expected);
        assert!(found.iter().all(|finding| !finding.is_error()));
    }
}
