//! A range of versions, then a filter, then tags, one a line: the chosen tag is one of them that the
//! filter lets pass.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oci::constraint::Constraint;
use oci::filter::Filter;
use oci::select::{Range, Spelling};

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let expression = lines.next().unwrap_or_default().to_owned();
    let filter = lines.next().unwrap_or_default().to_owned();
    let tags: Vec<String> = lines.map(str::to_owned).collect();
    let reads = (Constraint::parse(&expression), Filter::new(&filter));
    let range = Range { expression, filter, spelling: Spelling::Plain };
    let chosen = range.select(&tags);
    match (chosen, reads) {
        (Ok(tag), (Ok(constraint), Ok(filter))) => {
            assert!(tags.contains(&tag));
            assert!(constraint.admits_text(&tag), "{tag}");
            assert!(range.filter.is_empty() || filter.matches(&tag), "{tag}");
        }
        (Ok(tag), _) => panic!("{tag} was chosen by what cannot be read"),
        (Err(error), _) => assert!(!error.to_string().is_empty()),
    }
});
