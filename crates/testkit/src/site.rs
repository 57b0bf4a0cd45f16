//! [`Site`]: the text of a site file, built up and written as an editor or a deploy script would.

use std::{fmt::Display, fs, path::Path};

/// A site file in the making. What has no method of its own goes in by [`Site::line`].
#[derive(Clone, Debug)]
pub struct Site {
    text: String,
}

impl Site {
    /// For these hosts: `a.test`, or `a.test, b.test`.
    pub fn new(hosts: &str) -> Self {
        // In quotes: a leading `*` would be a YAML alias.
        let names: Vec<_> = hosts.split(',').map(|name| format!("\"{}\"", name.trim())).collect();
        Self { text: format!("hosts: [{}]\n", names.join(", ")) }
    }

    /// `upstream:` with anything that shows itself as an upstream address.
    #[must_use]
    pub fn upstream(self, address: impl Display) -> Self {
        self.line(&format!("upstream: \"{address}\""))
    }

    /// `respond:` with that body: a site that needs no backend.
    #[must_use]
    pub fn respond(self, body: &str) -> Self {
        self.line(&format!("respond: {{body: \"{body}\"}}"))
    }

    /// Any line or lines.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.text.push_str(line);
        self.text.push('\n');
        self
    }

    /// The file's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Writes it as `file` in the folder, in one step.
    pub fn write(&self, dir: &Path, file: &str) {
        write(dir, file, &self.text);
    }
}

/// Puts text under a name in one step: a temporary name that is no site file, then a rename over it.
pub fn write(dir: &Path, file: &str, text: &str) {
    let target = dir.join(file);
    let temporary = target.with_extension("tmp");
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::write(&temporary, text).unwrap();
    fs::rename(&temporary, &target).unwrap();
}
