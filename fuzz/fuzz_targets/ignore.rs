//! Ignore rules, and below a line `=====` the paths that are asked about.
#![no_main]

use artifact::Ignore;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (rules, paths) = text.split_once("\n=====\n").unwrap_or((text, "deploy/app.yaml"));
    let Ok(ignore) = Ignore::from_texts([("", rules), ("deploy", rules)], Some(rules)) else {
        return;
    };
    let pushed = Ignore::of_pushed(rules).expect("it was read already");
    for path in paths.lines() {
        for rules in [&ignore, &pushed] {
            let _ = (rules.ignores_file(path), rules.ignores_directory(path));
        }
    }
    assert!(ignore.ignores_directory(".git") || rules.contains('!'), "version control stays out");
});
