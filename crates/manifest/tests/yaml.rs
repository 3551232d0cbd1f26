//! What is written can be read, and nothing that is read can do harm.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use manifest::value::Number;
use manifest::yaml::{self, DEPTH_MAX, Error};
use manifest::{Map, Value};
use proptest::prelude::*;

fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Number::Int),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Number::from),
    ];
    let text = prop_oneof![any::<String>(), "[ -~\n]{0,200}", "[0-9:._+xe-]{0,12}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number.prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        let key = prop_oneof!["[a-z0-9]{1,8}", any::<String>()];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            proptest::collection::vec((key, inner), 0..6)
                .prop_map(|entries| Value::Map(entries.into_iter().collect::<Map>())),
        ]
    })
}

/// Characters that YAML cannot carry, or that a reader takes for line breaks.
fn is_plain(value: &Value) -> bool {
    let text = |text: &str| {
        !text.contains(|c: char| {
            (c.is_control() && !matches!(c, '\n' | '\t'))
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
        })
    };
    match value {
        Value::String(inner) => text(inner),
        Value::List(items) => items.iter().all(is_plain),
        Value::Map(map) => map.iter().all(|(key, value)| text(key) && is_plain(value)),
        _ => true,
    }
}

proptest! {
    #[test]
    fn writing_and_reading_gives_the_same_tree(value in value()) {
        prop_assume!(is_plain(&value));
        let tree = Value::from(Map::from_iter([("v".to_owned(), value)]));
        let text = yaml::to_string(&tree);
        let read = yaml::read_configuration(&text);
        prop_assert_eq!(read.as_ref().ok(), Some(&tree), "{}", text);
        prop_assert_eq!(yaml::to_string(&read.unwrap()), text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = yaml::read_manifests(&text);
        let _ = yaml::read_configuration(&text);
    }

    #[test]
    fn any_flow_of_indicators_is_read_or_refused(text in "[-?:,\\[\\]{}#&*!|>'\"%@` \na<~0.]{0,60}") {
        let _ = yaml::read_manifests(&text);
    }
}

#[test]
fn bombs_are_refused() {
    let deep = "[".repeat(1_000_000);
    assert!(yaml::read_manifests(&deep).is_err());
    let lines: Vec<_> = (0..DEPTH_MAX + 10).map(|at| " ".repeat(at) + "a:").collect();
    let block = lines.join("\n");
    assert_eq!(yaml::read_manifests(&block), Err(Error::Limit("nesting depth")));
    let mut bomb = vec!["a0: &a0 [x, x, x, x, x, x, x, x, x]".to_owned()];
    for at in 1..20 {
        let alias = format!("*a{}", at - 1);
        bomb.push(format!("a{at}: &a{at} [{}]", vec![alias; 9].join(", ")));
    }
    let bomb = bomb.join("\n");
    assert_eq!(yaml::read_manifests(&bomb), Err(Error::Limit("alias expansion")));
}

#[test]
fn what_is_left_out_is_told_from_a_written_null() {
    let documents = yaml::read_manifests("a:\nb: null\nc: [~]\n").unwrap();
    assert_eq!(documents[0].blanks, [[yaml::Step::Key("a".to_owned())]]);
}

#[test]
fn errors_name_the_line() {
    let error = yaml::read_manifests("a: 1\nb: 2\na: 3\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "yaml: unmarshal errors:\n  line 3: mapping key \"a\" already defined at line 1"
    );
}

#[test]
fn a_key_that_looks_like_a_merge_stays_a_key() {
    let read = yaml::read_one("\"<<\": {a: 1}\n").unwrap();
    let text = yaml::to_string(&read);
    assert_eq!(text, "\"<<\":\n  a: 1\n");
    assert_eq!(yaml::read_one(&text).as_ref(), Ok(&read));
}

#[test]
fn what_go_lets_pass_is_read() {
    let read = |text: &str| {
        let documents = yaml::read_manifests(text)?;
        Ok(documents.iter().map(|document| yaml::to_json(&document.value)).collect::<Vec<_>>())
    };
    for (text, expected) in [
        ("a: [\nb,\n {c: d,\ne: f}\n]\n", &[r#"{"a":["b",{"c":"d","e":"f"}]}"#][..]),
        ("a:\n  b: \"c\nd\"\n", &[r#"{"a":{"b":"c d"}}"#]),
        ("a:\n  b:\tc\n  d: 'e'#f\n", &[r#"{"a":{"b":"c","d":"e"}}"#]),
        ("a: 1\n...\nb: 2\n---\n&c c: 3\n", &[r#"{"a":1}"#, r#"{"c":3}"#]),
        ("a: !!str 1\n--- # next\n\u{feff}b: 2\n", &[r#"{"a":"1"}"#, r#"{"b":2}"#]),
    ] {
        let expected = expected.iter().map(|&json| json.to_owned()).collect();
        assert_eq!(read(text), Ok::<_, Error>(expected), "{text}");
    }
    for text in [
        "a: &a 1\n---\nb: *a\n",
        "a: 1\n---b\nc: 1\n",
        "%YAML 1.1\n---\na: 1\n",
        "a: &a [*a]\n",
        "a: \"\u{1}\"\n",
        "b: &b {c: d}\na:\n  <<: *b\n  <<: *b\n",
    ] {
        assert!(yaml::read_manifests(text).is_err(), "{text}");
    }
}

#[test]
fn large_texts_are_read_in_time_or_refused() {
    let scalar = format!("a: \"{}\"\n", "x ".repeat(8 << 20));
    assert_eq!(yaml::read_one(&scalar).map(|value| value.nodes()), Ok(2));
    let large = " ".repeat(yaml::TEXT_BYTES_MAX + 1);
    assert_eq!(yaml::read_manifests(&large), Err(Error::Limit("document size")));
    let bombs = format!("a: &a [{}]\nb: [*a, *a]\n---\n", "x,".repeat(100)).repeat(3_000);
    assert_eq!(yaml::read_manifests(&bombs), Err(Error::Limit("alias expansion")));
}
