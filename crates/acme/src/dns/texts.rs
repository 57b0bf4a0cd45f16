//! [`Texts`]: TXT records of any name, for who wants to see a proof other than a CA's. Bounded like every look-up.

use hickory_proto::rr::{Name, RData, RecordType};

use super::lookup::{Lookups, Problem, shown};
use crate::{
    Failure, FailureKind,
    printable::{printable, printable_bytes},
};

/// Characters of one text.
const TEXT_LIMIT: usize = 256;

/// Asks for TXT records. Cheap to clone.
#[derive(Clone)]
pub struct Texts {
    lookups: Lookups,
}

impl Texts {
    /// With these resolvers; without any, with those of the system. Nobody is asked yet. Within a tokio run time.
    ///
    /// # Errors
    /// When no resolver can be set up at all.
    pub fn new(resolvers: &[std::net::SocketAddr]) -> Result<Self, Failure> {
        let lookups = Lookups::new(resolvers).map_err(|error| {
            Failure::new(FailureKind::Configuration, format!("the DNS resolvers cannot be used: {error}"))
        })?;
        Ok(Self { lookups })
    }

    /// The texts at a name, aliases followed, each made printable and cut.
    ///
    /// # Errors
    /// One sentence for a person: why there are none.
    pub async fn at(&self, name: &str) -> Result<Vec<String>, String> {
        let name = Name::from_ascii(format!("{name}.")).map_err(|error| format!("no name to ask for: {error}"))?;
        let told = |problem: Problem| printable(&format!("{}: {problem}", shown(&name)), TEXT_LIMIT);
        let records = self.lookups.ask(&name, RecordType::TXT).await.map_err(told)?;
        let texts: Vec<_> = records
            .iter()
            .filter_map(|record| match &record.data {
                RData::TXT(text) => Some(printable_bytes(&text.txt_data.concat(), TEXT_LIMIT)),
                _ => None,
            })
            .collect();
        if texts.is_empty() { Err(told(Problem::NoRecords)) } else { Ok(texts) }
    }
}
