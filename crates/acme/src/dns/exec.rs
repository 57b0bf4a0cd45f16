//! DNS-01 by a program of the operator, in lego's calling convention: `PROGRAM present FQDN VALUE` and `PROGRAM cleanup FQDN
//! VALUE`, where FQDN ends in a dot and is what `_acme-challenge.NAME` leads to after CNAMEs, as lego has it.
//!
//! The name that is being proved stands in `VESTIBULE_NAME`. Scripts that work with `EXEC_MODE` unset work here.

use std::{path::Path, time::Duration};

use super::{failed, txt::Txt};
use crate::{
    failure::{Failure, FailureKind},
    program::Program,
};

/// What the program shall do, in lego's words.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Present,
    Cleanup,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Cleanup => "cleanup",
        }
    }
}

/// Runs it.
pub(super) async fn run(path: &Path, timeout: Duration, action: Action, txt: &Txt) -> Result<(), Failure> {
    let arguments = [action.word().to_owned(), txt.target.to_ascii(), txt.value.clone()];
    let variables = [("VESTIBULE_NAME", txt.host.to_string())];
    let program = Program { path, arguments: &arguments, variables: &variables, input: None, timeout };
    program.run().await.map(drop).map_err(|fault| {
        let program = path.display();
        let (action, target) = (action.word(), &txt.shown());
        failed(FailureKind::Configuration, format!("the DNS program `{program} {action}` for {target} {fault}"))
    })
}
