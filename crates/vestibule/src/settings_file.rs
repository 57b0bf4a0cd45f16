//! The gateway's settings file: found, read with a limit, parsed. What its diagnostics lead to is the command's matter:
//! `run` refuses to start, `check` lists them, `status` looks for a socket all the same. What else the settings name is
//! looked for in `named`.

mod named;

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use vestibule_diagnostics::{Diagnostic, Report, Source, catalogue, render::coloured};
use vestibule_gateway::tenancy::UnknownUser;
use vestibule_site::Settings;

use crate::{
    cli::PlaceFlags,
    decide,
    failure::Failure,
    place::Surroundings,
    terminal::{Paint, escaped_text, tell},
};

/// The largest settings file.
const FILE_LIMIT: u64 = 1 << 20;

/// Settings as they were found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loaded {
    /// The file; `None` when there is none and defaults apply.
    pub(crate) path: Option<PathBuf>,
    /// What was understood, with paths made absolute: they are meant from the settings file's folder.
    pub(crate) settings: Settings,
    /// What there is to say.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The text that the diagnostics point into.
    source: Option<Source>,
}

impl Loaded {
    /// Reads the file that was named, or the default one if it exists.
    pub(crate) fn find(flags: &PlaceFlags, surroundings: &Surroundings) -> Result<Self, Failure> {
        if let Some(path) = &flags.settings {
            return Self::read(path);
        }
        match Self::read(&surroundings.standing.settings()) {
            Err(Failure::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            other => other,
        }
    }

    /// Reads and parses one file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let unreadable = |source| Failure::Read { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        File::open(path).and_then(|file| file.take(FILE_LIMIT + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
        if bytes.len() as u64 > FILE_LIMIT {
            return Err(Failure::TooLarge { path: path.to_owned(), limit: FILE_LIMIT });
        }
        let parsed = vestibule_site::parse_settings(&bytes);
        let mut settings = parsed.value.unwrap_or_default();
        make_absolute(&mut settings, path).map_err(unreadable)?;
        let source =
            Source { name: Arc::from(path.to_string_lossy()), text: Arc::from(String::from_utf8_lossy(&bytes)) };
        Ok(Self { path: Some(path.to_owned()), settings, diagnostics: parsed.diagnostics, source: Some(source) })
    }

    /// The diagnostics as they travel, with what is missing around the file.
    pub(crate) fn reports(&self) -> Vec<Report> {
        let Some(source) = &self.source else { return Vec::new() };
        let own = self.diagnostics.iter().map(|diagnostic| Report::new(diagnostic, source));
        own.chain(self.missing()).collect()
    }

    /// Files and programs that the settings name and that cannot be used now.
    pub(crate) fn missing(&self) -> Vec<Report> {
        let Some(source) = &self.source else { return Vec::new() };
        named::look(&self.settings).iter().map(|diagnostic| Report::new(diagnostic, source)).collect()
    }

    /// Asks the system for the users of `tenants`, and adds a warning for each that it does not know.
    #[must_use]
    pub(crate) fn with_users_looked_up(mut self) -> Self {
        self.diagnostics.extend(decide::unknown_users(&self.settings).iter().map(unknown_user));
        self
    }

    /// Prints every diagnostic on standard error; an error among them is a failure.
    pub(crate) fn accepted(self) -> Result<Self, Failure> {
        if let Some(source) = &self.source {
            for diagnostic in &self.diagnostics {
                tell(&match Paint::of_stderr() {
                    Paint::Colour => coloured(diagnostic, source),
                    Paint::Plain => escaped_text(&Report::new(diagnostic, source).text),
                });
                tell("\n\n");
            }
        }
        match &self.path {
            Some(path) if self.diagnostics.iter().any(Diagnostic::is_error) => {
                Err(Failure::Settings { path: path.clone() })
            }
            _ => Ok(self),
        }
    }
}

fn unknown_user(unknown: &UnknownUser) -> Diagnostic {
    Diagnostic::new(catalogue::UNKNOWN_USER, format!("this system knows no user {}", unknown.user.value))
        .at(unknown.user.span, "applies to nobody")
        .help("correct the name, or make the user and start the gateway again; a number is never looked up")
}

/// A path in the settings means the same from wherever the gateway is started.
fn make_absolute(settings: &mut Settings, file: &Path) -> io::Result<()> {
    let file = std::path::absolute(file)?;
    // An absolute path of a file that was read has a parent.
    let folder = file.parent().unwrap_or(Path::new("/"));
    let log = &mut settings.log.tenants.folder;
    let paths = [&mut settings.sites, &mut settings.state, &mut settings.admin_socket, log];
    for path in paths.into_iter().flatten() {
        *path = folder.join(&*path);
    }
    if let Some(acme) = &mut settings.acme {
        for ca in std::iter::once(&mut acme.ca).chain(&mut acme.failover) {
            let files = ca.root.as_mut().into_iter().chain(ca.eab.as_mut().map(|(_, file)| file));
            files.for_each(|path| path.value = folder.join(&path.value));
        }
    }
    if let vestibule_site::settings::AccessLog::File(path) = &mut settings.log.access {
        *path = folder.join(&*path);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_meant_from_the_folder_of_the_settings_file() {
        let mut settings = Settings {
            sites: Some("sites.d".into()),
            state: Some("/var/lib/v".into()),
            log: vestibule_site::settings::Log {
                access: vestibule_site::settings::AccessLog::File("log/access.json".into()),
                ..Default::default()
            },
            ..Settings::default()
        };
        make_absolute(&mut settings, Path::new("/srv/door/vestibule.yaml")).unwrap();
        assert_eq!(settings.sites.unwrap(), Path::new("/srv/door/sites.d"));
        assert_eq!(settings.state.unwrap(), Path::new("/var/lib/v"));
        assert_eq!(settings.log.access, vestibule_site::settings::AccessLog::File("/srv/door/log/access.json".into()));
    }

    #[test]
    fn files_of_a_ca_are_meant_from_there_too() {
        let text = b"acme: {root: ca.pem, failover: [{staging: true, eab: {kid: a, hmac_file: eab.key}}]}";
        let mut settings = vestibule_site::parse_settings(text).value.unwrap();
        make_absolute(&mut settings, Path::new("/srv/door/vestibule.yaml")).unwrap();
        let acme = settings.acme.unwrap();
        assert_eq!(acme.ca.root.unwrap().value, Path::new("/srv/door/ca.pem"));
        assert_eq!(acme.failover[0].eab.as_ref().unwrap().1.value, Path::new("/srv/door/eab.key"));
    }

    #[test]
    fn a_file_that_was_named_must_be_there_and_a_default_one_need_not() {
        let named = PlaceFlags { settings: Some("/nonexistent/vestibule.yaml".into()), ..PlaceFlags::default() };
        assert!(matches!(Loaded::read(named.settings.as_deref().unwrap()), Err(Failure::Read { .. })));
    }
}
