//! A door to the inside for the fuzz targets (`tests/fuzz`), behind the feature `fuzzing`. Nothing is decided here.

use crate::yaml;

/// Panics if a text is read in two ways: by the reader of the usual forms, and by the YAML library that reads all.
pub fn hold_both_readers(text: &[u8]) {
    if let Ok(text) = str::from_utf8(text) {
        yaml::hold_both_readers(text);
    }
}
