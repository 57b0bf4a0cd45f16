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

/// The YAML blocks of a page whose first line names a file.
fn blocks(page: &str) -> impl Iterator<Item = (&str, &str)> {
    let inside = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("\n```").map(|(block, _)| block));
    inside.filter_map(|block| Some((block.lines().next()?.strip_prefix("# ")?, block)))
}

#[test]
fn every_example_of_the_pages_about_it_is_clean() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut count = 0;
    for page in ["docs/certificates.md", "README.md"] {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        for (name, block) in blocks(&text) {
            let found = match name {
                "vestibule.yaml" => vestibule_site::parse_settings(block.as_bytes()).diagnostics,
                _ if name.starts_with("sites.d/") => parse_site(block.as_bytes()).diagnostics,
                _ => panic!("{page}: an example says that it is {name}"),
            };
            assert!(found.is_empty(), "{page}: {}", super::messages(name, block.as_bytes(), &found));
            count += 1;
        }
    }
    assert!(count >= 15, "only {count} examples in the pages");
}
