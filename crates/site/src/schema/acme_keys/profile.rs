//! `profile` written as a mapping, in the settings and in a site file.

use super::{Key, Shape, Table};

const PLACE: &str = "`profile`";

pub(super) const SETTINGS_SHAPE: Shape =
    Shape::Either(&[Shape::Text("a profile's name"), Shape::Mapping(&OF_SETTINGS)]);
pub(super) const SITE_SHAPE: Shape = Shape::Either(&[Shape::Text("a profile's name"), Shape::Mapping(&OF_SITE)]);

static OF_SETTINGS: Table =
    Table { place: PLACE, keys: &keys("acme:\n  agree: true\n  profile:\n    name: tlsserver\n    required: true") };
static OF_SITE: Table =
    Table { place: PLACE, keys: &keys("tls:\n  profile:\n    name: shortlived\n    required: true") };

const fn keys(example: &'static str) -> [Key; 2] {
    [
        Key {
            name: "name",
            shape: Shape::Text("a profile's name"),
            default: "",
            doc: "As the CA names it in its directory.",
            example,
            elsewhere: &["profile", "id"],
        },
        Key {
            name: "required",
            shape: Shape::Flag,
            default: "false",
            doc: "Must it be had? Otherwise a CA that does not offer it issues what it has.",
            example,
            elsewhere: &["require", "must"],
        },
    ]
}
