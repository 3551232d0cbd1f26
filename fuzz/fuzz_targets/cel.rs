//! An expression, read both ways, and evaluated over an object.
#![no_main]

use expression::{Expression, fields};
use libfuzzer_sys::fuzz_target;

const OBJECT: &str = "metadata: {name: a-b, generation: 3, labels: {x/y: z}}
spec: {replicas: 2, items: [1, 2.5, three, null, true], since: '2024-01-02T03:04:05Z'}
status: {conditions: [{type: Ready, status: 'True'}, {type: Other}]}
";

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let object = manifest::yaml::read_one(OBJECT).expect("it is YAML");
    let variables = fields(&object);
    if let Ok(expression) = Expression::parse(text) {
        let _ = expression.value(&variables);
    }
    // What was found to be true or false is nothing else.
    if let Ok(expression) = Expression::parse_bool(text, &["spec", "status"])
        && let Err(error) = expression.holds(&variables)
    {
        assert!(matches!(
            error,
            expression::Error::Evaluation { .. } | expression::Error::NotTrueOrFalse(_)
        ));
    }
});
