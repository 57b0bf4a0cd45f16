//! The example site files of the repository parse without a word.

use std::path::Path;

use vestibule_site::parse_site;

#[test]
fn every_example_site_file_is_clean() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sites.d");
    let mut folders = vec![root];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if !path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
                continue;
            }
            let text = std::fs::read(&path).unwrap();
            let parsed = parse_site(&text);
            let name = path.display().to_string();
            assert!(parsed.diagnostics.is_empty(), "{}", super::messages(&name, &text, &parsed.diagnostics));
            let site = parsed.value.unwrap();
            // Whoever starts the gateway in a clone of the repository serves these: they must claim nobody's names.
            for host in site.hosts {
                let host = host.value.to_string();
                assert!(host.ends_with(".localhost") || host == "127.0.0.1", "{name}: {host}");
            }
            count += 1;
        }
    }
    assert!(count >= 5, "only {count} example files");
}
