//! `vestibule schema`: the JSON Schema of a site file or of the settings, from the same definition as the parser.

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
  vestibule schema > site.schema.json
  vestibule schema --settings > settings.schema.json")]
pub(crate) struct Flags {
    /// Print the schema of the settings file (vestibule.yaml) instead
    #[arg(long)]
    settings: bool,
}

/// Prints it.
pub(crate) fn run(flags: &Flags, out: &mut dyn Write) -> Result<Exit, Failure> {
    let schema = match flags.settings {
        true => vestibule_site::schema::settings_schema(),
        false => vestibule_site::schema::site_schema(),
    };
    super::write_json(out, &schema)?;
    Ok(Exit::OK)
}
