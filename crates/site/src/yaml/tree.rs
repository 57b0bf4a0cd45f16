//! What `serde_yaml` hands over: any YAML, each piece with its place and its tag. It decides nothing; `build` makes
//! nodes of it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Spanned, Tagged};

/// A value, where it stands, and the tag before it.
pub(super) type Piece = Spanned<Tagged<Raw>>;
/// A key, likewise.
pub(super) type KeyPiece = Spanned<Tagged<RawKey>>;

#[derive(Debug)]
pub(super) enum Raw {
    Null,
    Text(String),
    /// A number or a truth value to the deserialiser. Its text is taken from the file, where it is as written.
    Typed,
    List(Vec<Piece>),
    /// In the order written, doubles included.
    Mapping(Vec<(KeyPiece, Piece)>),
}

/// A key. Were it a list or a mapping, it would be an empty one here: `serde_yaml` copies a key before it reads it, and
/// would copy what is in keys of keys once for each.
#[derive(Debug)]
pub(super) struct RawKey(pub(super) Raw);

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyYaml::Value)
    }
}

impl<'de> Deserialize<'de> for RawKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyYaml::Key).map(RawKey)
    }
}

/// Takes whatever comes, at the place of a value or of a key.
enum AnyYaml {
    Value,
    Key,
}

impl<'de> Visitor<'de> for AnyYaml {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar, a list or a mapping")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Typed)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        match self {
            Self::Value => {
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
            }
            Self::Key => while items.next_element::<IgnoredAny>()?.is_some() {},
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut mapping = Vec::new();
        match self {
            Self::Value => {
                while let Some(entry) = entries.next_entry()? {
                    mapping.push(entry);
                }
            }
            Self::Key => while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {},
        }
        Ok(Raw::Mapping(mapping))
    }
}
