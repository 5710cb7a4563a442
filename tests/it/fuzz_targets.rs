//! The fuzz package is not built by the tests; this holds it together with what is.

use std::path::Path;

/// Names in a folder of the fuzz package, without endings.
fn names(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder);
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> =
        entries.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn each_fuzz_target_is_built_described_and_tried_on_kept_inputs() {
    let targets = names("fuzz_targets");
    assert!(targets.len() >= 5, "{targets:?}");
    assert_eq!(names("corpus"), targets, "kept inputs and targets");
    let (manifest, readme) = (read("fuzz/Cargo.toml"), read("fuzz/README.md"));
    let tests =
        ["src/api/properties.rs", "src/domain/token/properties.rs", "src/gateway/properties/tests.rs"];
    let tests: String = tests.into_iter().map(read).collect();
    for target in targets {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "{target} is not built");
        assert!(readme.contains(&format!("`{target}`")), "{target} is not described");
        assert!(tests.contains(&format!("seeds(\"{target}\")")), "no test tries the kept inputs of {target}");
    }
}
