//! Which names in the sites folder are of interest, and the site id of each. Pure: no file is touched.

use std::{
    ffi::{OsStr, OsString},
    fmt::Write as _,
    os::unix::ffi::OsStrExt as _,
    path::{Component, Path, PathBuf},
};

use vestibule_names::SiteId;

/// A path that may be a site file, because of its name alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Candidate {
    pub(crate) id: SiteId,
    /// Relative to the sites folder.
    pub(crate) path: PathBuf,
    pub(crate) quality: NameQuality,
}

/// Can a name be shown to people and written into a log as it is?
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NameQuality {
    Plain,
    /// The id is an escaped form of it. A plain name has no backslash, so that the two never meet.
    Escaped,
}

/// What a relative path may stand for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The sites folder itself.
    Root,
    /// Perhaps a folder of a tenant; perhaps a file that is nothing to us.
    Folder(OsString),
    File(Candidate),
}

impl Candidate {
    pub(crate) fn new(folder: Option<&OsStr>, name: &OsStr) -> Self {
        let path = folder.map_or_else(|| PathBuf::from(name), |folder| Path::new(folder).join(name));
        let quality = match path.to_str() {
            Some(text) if text.chars().all(is_plain) => NameQuality::Plain,
            _ => NameQuality::Escaped,
        };
        Self { id: SiteId::new(&escaped(path.as_os_str())), path, quality }
    }

    /// The file of a known site; `None` when its id is an escaped form.
    pub(crate) fn of_site(id: &SiteId) -> Option<Self> {
        let is_plain = !id.as_str().contains('\\');
        is_plain.then(|| Self { id: id.clone(), path: PathBuf::from(id.as_str()), quality: NameQuality::Plain })
    }
}

impl Subject {
    /// `None` when nothing at this path is of interest.
    pub(crate) fn of(relative: &Path) -> Option<Self> {
        let mut names = relative.components().map(|component| match component {
            Component::Normal(name) => Some(name),
            _ => None,
        });
        match (names.next(), names.next(), names.next()) {
            (None, ..) => Some(Self::Root),
            (Some(name), None, _) => {
                let name = name.filter(|name| !is_hidden(name))?;
                let file = || Self::File(Candidate::new(None, name));
                Some(if is_site_file(name) { file() } else { Self::Folder(name.to_owned()) })
            }
            (Some(folder), Some(name), None) => {
                let folder = folder.filter(|folder| is_folder_name(folder))?;
                let name = name.filter(|name| is_site_file(name))?;
                Some(Self::File(Candidate::new(Some(folder), name)))
            }
            _ => None,
        }
    }
}

/// `*.yaml` or `*.yml`. Editors' own files (`.x.yaml.swp`, `x.yaml~`, `#x.yaml#`, `.#x.yaml`, `4913`) are not.
pub(crate) fn is_site_file(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let stem = name.strip_suffix(b".yaml").or_else(|| name.strip_suffix(b".yml"));
    stem.is_some_and(|stem| !stem.is_empty() && !stem.starts_with(b"."))
}

/// May a folder of this name hold site files? One that is called like a site file is a mistake, and told as such.
pub(crate) fn is_folder_name(name: &OsStr) -> bool {
    !is_hidden(name) && !is_site_file(name)
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".")
}

/// Is a character what it looks like? Not control characters, nor the invisible ones that reorder text (UAX 9).
fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\\' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn escaped(path: &OsStr) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_plain(c) {
                text.push(c);
            } else {
                text.extend(c.escape_default());
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &[u8], expected: Option<&str>) {
        let found = match Subject::of(Path::new(OsStr::from_bytes(path))) {
            None => None,
            Some(Subject::Root) => Some("root".to_owned()),
            Some(Subject::Folder(name)) => Some(format!("folder {}", name.display())),
            Some(Subject::File(Candidate { id, quality, .. })) => Some(format!("{quality:?} {id}")),
        };
        assert_eq!(found.as_deref(), expected, "{:?}", String::from_utf8_lossy(path));
    }

    #[test]
    fn site_files_are_told_by_their_names() {
        check(b"", Some("root"));
        check(b"blog.yaml", Some("Plain blog.yaml"));
        check(b"blog.yml", Some("Plain blog.yml"));
        check(b"shop/blog.yaml", Some("Plain shop/blog.yaml"));
        check("läden/blög.yaml".as_bytes(), Some("Plain läden/blög.yaml"));
        check(b"shop", Some("folder shop"));
        check(b"x.yaml/y.yaml", None);
        check(b"a/b/c.yaml", None);
        check(b"../x.yaml", None);
        check(b"/x.yaml", None);
        for ignored in
            [".x.yaml", ".yaml", ".x.yaml.swp", ".#x.yaml", ".git", ".git/x.yaml", "a/x.yaml~", "a/4913", "a/b"]
        {
            check(ignored.as_bytes(), None);
        }
        for folder in ["x.yaml~", "#x.yaml#", "4913", "x.YAML", "x.yaml.bak"] {
            check(folder.as_bytes(), Some(&format!("folder {folder}")));
        }
    }

    #[test]
    fn odd_names_are_escaped_without_ambiguity() {
        check(b"a\nb.yaml", Some("Escaped a\\nb.yaml"));
        check(b"\x1b[0m.yaml", Some("Escaped \\u{1b}[0m.yaml"));
        check(b"a\\nb.yaml", Some("Escaped a\\\\nb.yaml"));
        check(b"\xff.yaml", Some("Escaped \\xff.yaml"));
        check(b"\\xff.yaml", Some("Escaped \\\\xff.yaml"));
        check("x/\u{202e}lmay.yaml".as_bytes(), Some("Escaped x/\\u{202e}lmay.yaml"));
        assert_eq!(Candidate::of_site(&SiteId::new("a\\nb.yaml")), None);
        let plain = Candidate::new(Some(OsStr::new("shop")), OsStr::new("x.yaml"));
        assert_eq!(Candidate::of_site(&plain.id), Some(plain));
    }
}
