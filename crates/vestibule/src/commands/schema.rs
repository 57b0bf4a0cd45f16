//! `vestibule schema`: the JSON Schema of a site file, from the same definition as the parser.

use std::io::Write;

use clap::Args;

use crate::{exit::Exit, failure::Failure};

/// The flags of `schema`.
#[derive(Debug, Args)]
#[command(after_help = "\
Editors with the YAML language server complete and check site files with it. Either map it once \
(\"yaml.schemas\": {\"./site.schema.json\": \"sites.d/**/*.yaml\"}) or name it in the first line of a file:
  # yaml-language-server: $schema=/etc/vestibule/site.schema.json

Examples:
  vestibule schema > site.schema.json")]
pub(crate) struct Flags {}

/// Prints it.
pub(crate) fn run(Flags {}: &Flags, out: &mut dyn Write) -> Result<Exit, Failure> {
    super::write_json(out, &vestibule_site::schema::site_schema())?;
    Ok(Exit::OK)
}
