//! `vestibule certs --root`: the local CA's root certificate, which needs no running gateway.

use std::{io::Write, path::Path};

use vestibule_gateway::admin::model::Status;

use crate::{
    admin_client::AdminClient,
    cli::{PlaceFlags, ReachFlags},
    decide,
    exit::Exit,
    failure::Failure,
    place::Surroundings,
    settings_file::Loaded,
    terminal::{escaped, tell},
};

/// The PEM goes to standard output, so that it can be redirected; how to trust it goes to standard error.
pub(super) fn print(reach: &ReachFlags, out: &mut dyn Write) -> Result<Exit, Failure> {
    let state = match reach {
        ReachFlags { state: Some(state), .. } => state.clone(),
        reach => match AdminClient::reach(reach) {
            Ok(client) => client.get::<Status>("/v1/status", &[])?.state_dir.into(),
            Err(error) if reach.socket.is_some() => return Err(error.into()),
            Err(_) => {
                let (place, surroundings) = (PlaceFlags::default(), Surroundings::detect());
                let settings = Loaded::find(&place, &surroundings).unwrap_or_default().settings;
                decide::folders(&place, &settings, &surroundings).state.ok_or(Failure::NoStateFolder)?
            }
        },
    };
    let pem =
        vestibule_gateway::read_local_root(&state).map_err(|source| Failure::Root { path: state.clone(), source })?;
    out.write_all(pem.as_bytes())?;
    out.flush()?;
    tell(&how_to_trust(&state));
    Ok(Exit::OK)
}

fn how_to_trust(state: &Path) -> String {
    format!(
        "The root of the local CA kept in {}. To trust it on this machine only:\n  \
         curl:      vestibule certs --root > root.pem; curl --cacert root.pem https://NAME/\n  \
         Debian:    as root: vestibule certs --root > /usr/local/share/ca-certificates/vestibule.crt; \
         update-ca-certificates\n  \
         browsers:  import root.pem as an authority for web sites\n\
         Whoever can read that folder can sign for every name that you then trust: keep it yours.\n",
        escaped(&state.to_string_lossy())
    )
}
