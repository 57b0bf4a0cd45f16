//! `vestibule new`: writes a small commented site file, checked before it is written and put in place in one step, so that a
//! watching gateway never sees half of it.

mod draft;
mod place_file;

use std::{
    io::Write,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use vestibule_diagnostics::{Report, Source};
use vestibule_names::{HostPattern, UpstreamAddr};

use crate::{
    cli::PlaceFlags,
    decide,
    exit::Exit,
    failure::Failure,
    place::Surroundings,
    settings_file::Loaded,
    terminal::{escaped, escaped_text, tell},
};

pub(crate) use draft::site_text;

/// The flags of `new`.
#[derive(Debug, Args)]
#[command(after_help = "\
The file is named after HOST: blog.example.com.yaml, _wildcard.example.com.yaml. Nothing that exists is overwritten \
without --force. UPSTREAM is PORT, ADDR:PORT, http://…, https://… or unix:/path/of.sock.

Examples:
  vestibule new blog.localhost 5000
  vestibule new '*.shop.example.com' unix:/run/shop.sock --in shop
  vestibule new api.example.com https://10.0.0.7:8443 --sites /etc/vestibule/sites.d")]
pub(crate) struct Flags {
    /// The name to serve; *.example.com matches one label
    #[arg(value_name = "HOST", value_parser = HostPattern::parse)]
    host: HostPattern,
    /// Where the backend listens
    #[arg(value_name = "UPSTREAM", value_parser = UpstreamAddr::parse)]
    upstream: UpstreamAddr,
    /// The folder of site files [default: from the settings that `run` would read, else /etc/vestibule/sites.d with the
    /// right to bind port 443, otherwise ./sites.d]
    #[arg(long, value_name = "DIR")]
    sites: Option<PathBuf>,
    /// Write into this folder inside the sites folder (a tenant's own)
    #[arg(long = "in", value_name = "FOLDER")]
    folder: Option<String>,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

/// Writes the file and says what next.
pub(crate) fn run(flags: &Flags, out: &mut dyn Write) -> Result<Exit, Failure> {
    let (surroundings, place) =
        (Surroundings::detect(), PlaceFlags { sites: flags.sites.clone(), ..PlaceFlags::default() });
    let settings = Loaded::find(&place, &surroundings)?.settings;
    let mut folder = decide::folders(&place, &settings, &surroundings).sites;
    if let Some(name) = &flags.folder {
        folder.push(plain(name)?);
    }
    let path = folder.join(file_name(&flags.host));
    let text = site_text(&flags.host, &flags.upstream);
    accepted(&flags.host, &path, &text)?;
    std::fs::create_dir_all(&folder).map_err(|source| Failure::Write { path: folder.clone(), source })?;
    let existing = if flags.force { place_file::Existing::Replace } else { place_file::Existing::Keep };
    place_file::place(&path, text.as_bytes(), existing)?;
    let shown = decide::shown(&path);
    writeln!(out, "{}", escaped(&shown))?;
    out.flush()?;
    tell(&format!(
        "Written. A running gateway that watches this folder serves {} at once; otherwise: vestibule run\n  \
         vestibule check {shown}\n  vestibule explain https://{}/\n",
        flags.host,
        example_host(&flags.host),
        shown = escaped(&shown),
    ));
    Ok(Exit::OK)
}

/// One plain name: site files lie in the sites folder or one folder down, and hidden folders are not looked into.
fn plain(name: &str) -> Result<&str, Failure> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(part)), None) if part == name && !name.starts_with('.') => Ok(name),
        _ => Err(Failure::Folder { written: name.to_owned() }),
    }
}

/// `*` and `:` would be a nuisance in shells and on other file systems.
fn file_name(host: &HostPattern) -> PathBuf {
    let stem = match host {
        HostPattern::Wildcard(suffix) => format!("_wildcard.{suffix}"),
        HostPattern::Exact(name) => name.to_string(),
        HostPattern::Address(ip) => ip.to_string().replace(':', "-"),
    };
    PathBuf::from(format!("{stem}.yaml"))
}

/// A host that the pattern matches, for an example.
fn example_host(host: &HostPattern) -> String {
    match host {
        HostPattern::Wildcard(suffix) => format!("any.{suffix}"),
        HostPattern::Exact(name) => name.to_string(),
        HostPattern::Address(std::net::IpAddr::V6(ip)) => format!("[{ip}]"),
        HostPattern::Address(ip) => ip.to_string(),
    }
}

/// The grammar may refuse what the nouns allow (a wildcard over a public suffix): then nothing is written.
fn accepted(host: &HostPattern, path: &Path, text: &str) -> Result<(), Failure> {
    let parsed = vestibule_site::parse_site(text.as_bytes());
    let source = Source { name: Arc::from(path.to_string_lossy()), text: Arc::from(text) };
    for diagnostic in &parsed.diagnostics {
        tell(&format!("{}\n\n", escaped_text(&Report::new(diagnostic, &source).text)));
    }
    if parsed.valid().is_some() { Ok(()) } else { Err(Failure::NewSite { host: host.to_string() }) }
}

#[cfg(test)]
mod tests {
    use vestibule_names::Hostname;

    use super::*;

    #[test]
    fn a_file_is_named_after_its_host() {
        let check = |host: &str, file: &str, example: &str| {
            let host = HostPattern::parse(host).unwrap();
            assert_eq!(file_name(&host), Path::new(file));
            assert_eq!(example_host(&host), example);
        };
        check("Blog.Example.com.", "blog.example.com.yaml", "blog.example.com");
        check("*.example.com", "_wildcard.example.com.yaml", "any.example.com");
        check("192.0.2.7", "192.0.2.7.yaml", "192.0.2.7");
        check("[2001:db8::7]", "2001-db8--7.yaml", "[2001:db8::7]");
        assert_eq!(Hostname::parse("bücher.example").unwrap().as_str(), "xn--bcher-kva.example");
    }

    #[test]
    fn a_folder_is_one_plain_name() {
        for (name, expected) in [
            ("shop", true),
            ("", false),
            (".", false),
            ("..", false),
            ("a/b", false),
            ("/etc", false),
            ("a/", false),
            (".git", false),
        ] {
            assert_eq!(plain(name).is_ok(), expected, "{name}");
        }
    }
}
