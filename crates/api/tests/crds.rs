//! `config/crd/` holds what the types say. `UPDATE_EXPECT=1 cargo test -p sluice-api` rewrites it.
#![allow(clippy::unwrap_used, reason = "a test may stop at a surprise")]

use std::path::Path;

#[test]
fn the_definitions_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/crd");
    for crd in api::crds().unwrap() {
        let name = crd["metadata"]["name"].as_str().unwrap();
        let file = folder.join(format!("{name}.yaml"));
        let head =
            "# Made from the types in crates/api: UPDATE_EXPECT=1 cargo test -p sluice-api\n";
        let text = format!("{head}{}", manifest::yaml::to_string(&crd.clone().into()));
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        let stored = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(stored == text, "{} is stale: UPDATE_EXPECT=1 rewrites it", file.display());
    }
}
