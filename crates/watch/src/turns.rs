//! [`lightest_first`]: in which order many files are looked at. Whoever changed one file does not wait for somebody else's
//! hundred thousand. Knows paths alone, and no file.

use std::{collections::HashMap, path::Path};

use crate::name::Candidate;

/// The files of folders in which little has changed come first, and in order of name where that is the same. What
/// lies in the sites folder itself counts as one folder.
pub(crate) fn lightest_first(files: Vec<Candidate>) -> Vec<Candidate> {
    let mut counts: HashMap<&Path, usize> = HashMap::new();
    for file in &files {
        *counts.entry(folder(&file.path)).or_default() += 1;
    }
    let weights: Vec<usize> = files.iter().map(|file| counts[folder(&file.path)]).collect();
    let mut weighed: Vec<(usize, Candidate)> = weights.into_iter().zip(files).collect();
    weighed.sort_unstable();
    weighed.into_iter().map(|(_, file)| file).collect()
}

/// The folder of a path that is relative to the sites folder: empty for that folder itself.
pub(crate) fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use vestibule_names::SiteId;

    use super::*;

    #[test]
    fn a_folder_with_few_files_goes_before_one_with_many() {
        let files = ["a.yaml", "b.yaml", "bob/1.yaml", "bob/2.yaml", "bob/3.yaml", "bob/4.yaml", "zoe/z.yaml"];
        let files = files.map(|name| Candidate::of_site(&SiteId::new(name)).unwrap());
        let ordered = lightest_first(files.to_vec());
        let ordered: Vec<&str> = ordered.iter().map(|file| file.id.as_str()).collect();
        let expected = ["zoe/z.yaml", "a.yaml", "b.yaml", "bob/1.yaml", "bob/2.yaml", "bob/3.yaml", "bob/4.yaml"];
        assert_eq!(ordered, expected);
    }
}
