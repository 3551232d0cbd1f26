//! Expressions: what they give, how they fail, and what they may cost.

use expression::{Expression, fields};
use serde_json::json;

fn object() -> manifest::Value {
    json!({
        "metadata": {"generation": 3, "name": "a-b", "labels": {"x/y": "z"}},
        "spec": {"replicas": 2, "items": [1, 2, 3]},
        "status": {"phase": "Bound", "nothing": null, "conditions": [
            {"type": "Ready", "status": "True"}, {"type": "Other", "status": "False", "why": "so"},
        ]},
    })
    .into()
}

fn says(text: &str) -> String {
    let object = object();
    let value = Expression::parse(text).and_then(|e| e.value(&fields(&object)));
    value.map_or_else(|error| error.to_string(), |value| value.to_string())
}

#[test]
fn values() {
    for (text, value) in [
        ("status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')", "true"),
        ("status.conditions.filter(c, has(c.why)).map(c, c.type)", "[Other]"),
        ("spec.items.map(i, i > 1, i * 10)", "[20, 30]"),
        ("spec.replicas + 1 == 3.0", "true"),
        ("status.?none.?deeper.orValue('default')", "default"),
        ("status.conditions.all(c, c.why == 'so') || true", "true"),
        ("metadata.labels['x/y'] + metadata.name.split('-')[1]", "zb"),
        ("[1, 2].exists_one(i, i == spec.replicas)", "true"),
        ("'%s is %d'.format([status.phase, 7])", "Bound is 7"),
        ("timestamp('2024-02-29T23:00:00Z').getHours('Europe/Berlin')", "0"),
        ("timestamp('9999-12-31T23:59:59Z') - duration('1h')", "9999-12-31T22:59:59Z"),
        ("string(duration('1h30m'))", "5400s"),
        ("-7 / 2 - -spec.replicas", "-1"),
        ("has(status.nothing) ? status.nothing : 1", "null"),
        ("optional.of(2).optMap(x, x + 1).value()", "3"),
    ] {
        assert_eq!(says(text), value, "{text}");
    }
}

#[test]
fn failures_are_worded_as_the_reference_words_them() {
    let evaluating = |text: &str, why: &str| {
        assert_eq!(says(text), format!("failed to evaluate the CEL expression '{text}': {why}"));
    };
    evaluating("status.none == 1", "no such key: none");
    evaluating("other.a.b == 1", "no such attribute(s): other.a.b");
    evaluating("spec.items[7]", "index out of bounds: 7");
    evaluating("status.phase > 5", "no such overload");
    evaluating("1 / 0", "division by zero");
    assert_eq!(
        says("int('x')"),
        "failed to create CEL program: type conversion error from 'string' to 'int'"
    );
    assert_eq!(
        says("a.\n+"),
        "failed to parse the CEL expression 'a.\n+': ERROR: <input>:2:1: Syntax error: no viable \
         alternative at input '.\n+'\n | +\n | ^\nERROR: <input>:2:2: Syntax error: mismatched input \
         '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, \
         NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | +\n | .^"
    );
}

#[test]
fn static_types_are_judged_before_anything_is_evaluated() {
    let check = |text: &str| match Expression::parse_bool(text, &["self", "dep"]) {
        Ok(_) => "bool".to_owned(),
        Err(error) => error.to_string().lines().next().unwrap_or_default().to_owned(),
    };
    assert_eq!(check("dep.a.b == self.c[0] && dep.x"), "bool");
    assert_eq!(check("dep.a"), "CEL expression output type mismatch: expected bool, got dyn");
    for (text, problem) in [
        ("1 == 1.0", "1:3: found no matching overload for '_==_' applied to '(int, double)'"),
        ("other", "1:1: undeclared reference to 'other' (in container '')"),
        ("[1, 'a'] == []", "1:5: expected type 'int' but found 'string'"),
        (
            "'%d'.format(['x']) == ''",
            "1:14: error during formatting: decimal clause can only be \
          used on ints, uints, and doubles, was given string",
        ),
    ] {
        let wanted =
            format!("failed to parse the CEL expression '{text}': ERROR: <input>:{problem}");
        assert_eq!(check(text), wanted);
    }
}

/// Security D4: depth, cost and size are bounded, on a stack as small as a thread's may be.
#[test]
fn what_costs_too_much_is_refused() {
    let list = format!("[{}]", vec!["1"; 1000].join(","));
    let work = move || {
        for (open, close) in [("(", ")"), ("[", "]"), ("-(", ")"), ("f(", ")"), ("{1:", "}")] {
            let deep = format!("{}1{}", open.repeat(50_000 / open.len()), close.repeat(9));
            assert!(says(&deep).contains("expression recursion limit exceeded: 250"), "{open}");
            let allowed = format!("{}1{}", open.repeat(120), close.repeat(120));
            assert!(!says(&allowed).contains("limit"), "{open}");
        }
        for chain in ["1".to_owned() + &"+1".repeat(40_000), "a".to_owned() + &".b".repeat(40_000)]
        {
            assert!(says(&chain).contains("expression recursion limit exceeded: 250"));
        }
        let nested = format!("{list}.all(a, {list}.all(b, {list}.all(c, true)))");
        assert!(says(&nested).ends_with("actual cost limit exceeded"));
        let counted = format!("{list}.all(a, {list}.all(b, a + b > 0 && a < 9)) || true");
        assert!(says(&counted).ends_with("actual cost limit exceeded"));
        let grown = format!("{list}.map(a, '{}').join('x').replace('', 'y')", "z".repeat(50_000));
        assert!(says(&grown).ends_with("actual cost limit exceeded"));
        assert!(says("'%.999999999f'.format([1.0])").contains("parsing precision"));
        assert!(says(&" ".repeat(100_001)).contains("expression code point size exceeds limit"));
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(work);
    assert!(thread.is_ok_and(|thread| thread.join().is_ok()));
}
