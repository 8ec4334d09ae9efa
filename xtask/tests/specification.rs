//! SPECIFICATION.md names tests that exist.

use std::fs;
use std::path::{Path, PathBuf};

/// Every Rust file below a folder, but what is built.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder)
        .expect("the repository can be read")
        .flatten()
    {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(repository.join("SPECIFICATION.md")).expect("SPECIFICATION.md");
    let mut files = Vec::new();
    sources(&repository, &mut files);
    let mut named = 0;
    for reference in text.split('`').skip(1).step_by(2) {
        let Some((file, test)) = reference.split_once(": ") else {
            continue;
        };
        let exists = files.iter().filter(|path| path.ends_with(file)).any(|path| {
            let source = fs::read_to_string(path).unwrap_or_default();
            source.contains(&format!("fn {test}("))
        });
        assert!(
            exists,
            "SPECIFICATION.md names `{reference}`, which does not exist"
        );
        named += 1;
    }
    assert!(named > 20, "only {named} references found: has the form changed?");
    for promise in text
        .split("\n\n")
        .flat_map(|part| part.split("\n1"))
        .filter(|part| part.starts_with("**"))
    {
        assert!(promise.contains(".rs: "), "no test is named for: {promise}");
    }
}
