//! The chart's definitions are those of `config/crd`.

use std::path::Path;

use crate::config;

#[test]
fn the_definitions_are_those_of_config() {
    let folder = Path::new(&chart::chart()).join("files");
    let names = |folder: &Path| {
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
        let mut names: Vec<_> = files.filter(|name| name != "kustomization.yaml").collect();
        names.sort();
        names
    };
    for name in names(&config("crd")) {
        let made = std::fs::read(config("crd").join(&name)).unwrap();
        let copy = folder.join(&name);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&copy, &made).unwrap();
        }
        let stored = std::fs::read(&copy).unwrap_or_default();
        let file = copy.display();
        assert!(stored == made, "{file} is stale: UPDATE_EXPECT=1 cargo test -p chart rewrites it");
    }
    assert_eq!(names(&folder), names(&config("crd")), "definitions of the chart and of config/crd");
}
