//! Words, names and texts: the ordinary ones and those that YAML trips over.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::ink::raw;

/// Names that objects of one kind share, so that references meet.
pub const APPS: &[&str] = &["web", "api", "db", "my-app"];
/// Names of ConfigMaps and Secrets.
pub const SETTINGS: &[&str] = &["settings", "web", "app-config", "tls"];
/// Namespaces.
pub const SPACES: &[&str] = &["default", "prod", "team-a"];
/// Names of images, as containers and `images` entries use them.
pub const IMAGES: &[&str] =
    &["nginx", "library/nginx", "ghcr.io/org/app", "localhost:5000/app", "busybox"];

/// Scalars as somebody may have typed them. Not among them: infinities, which we refuse when we read
/// them and the reference when it prints them, and the line breaks of Unicode, which it loses.
const TYPED: &[&str] = &[
    "yes",
    "no",
    "on",
    "Off",
    "y",
    "N",
    "true",
    "True",
    "FALSE",
    "null",
    "Null",
    "~",
    "",
    "0x1f",
    "0o17",
    "017",
    "08",
    "0b11",
    "1e3",
    "1E+3",
    "1.0",
    "1.50",
    ".5",
    "5.",
    "-0",
    "+1",
    "1_000",
    "0.1e-2",
    "1e21",
    "1e-7",
    "100000000000000000000.0",
    "1e6",
    "123456.789",
    "1.7976931348623157e+308",
    "12:30:45",
    "1:30",
    "2001-01-01",
    "2001-12-14t21:59:43.10-05:00",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551616",
    "123456789012345678901234567890",
    "=",
    "!!str 123",
    "!!int \"3\"",
    "!!str true",
    "!!float 3",
    "!!binary aGVsbG8=",
    "''",
    "\"\"",
    "' '",
    "\"caf\\u00e9\\t\\x07\"",
    "'it''s'",
    "a#b",
    "a b",
    "a:b",
    "h\u{e9}llo",
    "\u{65e5}\u{672c}\u{8a9e}",
    "\u{1f600} ok",
    "\"\\U0001F600\"",
    "non\u{a0}breaking",
    "\"yes\"",
    "'0x1f'",
    "\"1e3\"",
    "'~'",
    "'null'",
    "\"12:30\"",
    "'1_000'",
    "'2001-01-01'",
    "\"- a\"",
    "'# no'",
    "\"a: b\"",
    "'{a}'",
    "'[b]'",
    "\"*c\"",
    "'&d'",
    "\"!e\"",
    "'%f'",
    "\"@g\"",
    "'`h`'",
    "\"trailing \"",
    "' leading'",
    "\"tab\\tinside\"",
    "-1",
    "0",
    "1",
    "42",
    "--",
    "---x",
    "?x",
    ":x",
    "<<",
    "'<<'",
    "\"\\\\\"",
    "\"a\\\"b\"",
    "\"\\0\"",
    "\"\\e[0m\"",
    "\"\\ufeff\"",
    "plain text\nthat goes on\n\nand on",
    "'quoted text\n  that goes on\n\n  and on'",
    "\"double \\\n  joined\n  folded\"",
    "|\n  literal\n   more\n\n  end",
    "|-\n  strip\n",
    "|+\n  keep\n\n",
    ">\n  folded\n  text\n\n  para\n  end",
    ">-\n  folded strip\n  two",
    ">+\n  folded keep\n\n",
    "|2\n    indented",
    "|2-\n   one more",
    "|1\n  lead",
    "|-\n  tab\there",
    "|\n  trailing \n  spaces  \n",
    "|\n  # no comment\n  a: b\n",
    "|",
    ">",
    "|+\n\n",
    "|-\n  \u{e9}\n",
    "$(VAR)",
    "${VAR}",
    "$$(X)",
];

/// Texts of more than a few words.
const TEXTS: &[&str] = &[
    "a: b\nc: d\n",
    "line one\nline two",
    "keep\n\n\n",
    "\nleading",
    "  indented first\nthen not\n",
    "trailing space \nnext\n",
    "tab\tin the middle\n",
    "windows\r\nline\r\n",
    "one\n",
    "\n",
    " ",
    "a\n\nb\n",
    "#!/bin/sh\nset -e\necho \"$HOME\" 'x'\n",
    "{\n  \"json\": [1, 2]\n}\n",
    "The quick brown fox jumps over the lazy dog, and then it goes on and on until the line has to fold somewhere.",
    "averyveryverylongwordwithoutanyspacesthatcannotbefoldedatalleventhoughitismorethaneightycharacterslong end",
    "folds with: colon and # hash and 'quotes' and \"double quotes\" in a text which is longer than eighty characters",
    "long line in a block that is more than eighty characters wide so that one may ask whether it folds or not\nshort\n",
    "trailing spaces in a long text that folds at some place or other, so that the end matters a lot   ",
    "double  spaces  in  a  long  text  that  folds  at  some  place  or  other,  so  that  runs  matter  much",
    "unicode \u{e9}\u{e8}\u{ea} in a long text that folds \u{2014} at some place or other \u{2014} so that width matters \u{65e5}\u{672c}",
    "- not a list\n- really\n",
    "--- \nnot a document\n",
    "back\\slash\n",
    "\u{1f600}\n",
    "\u{7}bell\n",
    "key=value",
    "a,b,c",
    "/etc/nginx/nginx.conf",
    "http://example.com:8080/path?x=y&z=1",
    "* star",
    "100%",
];

/// A short word.
pub fn word(dice: &mut Dice) -> &'static str {
    dice.word(&[
        "red",
        "green",
        "blue",
        "x",
        "v1",
        "front-end",
        "a.b/c",
        "tier",
        "UPPER",
        "0",
        "true",
        "1.5",
    ])
}

/// A scalar that is easily misread.
pub fn typed(dice: &mut Dice) -> Value {
    raw(dice.word(TYPED))
}

/// A scalar as an annotation's value: in quotes, as the reference keeps the spelling of others until
/// a JSON patch loses it.
pub fn annotation(dice: &mut Dice) -> Value {
    loop {
        let text = dice.word(TYPED);
        if text.starts_with(['\'', '"']) {
            return raw(text);
        }
    }
}

/// A text, long or short.
pub fn text(dice: &mut Dice) -> Value {
    if dice.chance(50) { json!(word(dice)) } else { json!(*dice.pick(TEXTS)) }
}

/// Any scalar.
pub fn scalar(dice: &mut Dice) -> Value {
    match dice.below(10) {
        0..=2 => typed(dice),
        3 | 4 => text(dice),
        5 => json!(dice.below(100_000)),
        6 => json!(dice.chance(50)),
        7 => json!(null),
        _ => json!(word(dice)),
    }
}

/// Any value: scalars, and now and then a list or a map of them.
pub fn value(dice: &mut Dice, depth: usize) -> Value {
    match dice.below(if depth == 0 { 6 } else { 10 }) {
        6 | 7 => (0..dice.below(4)).map(|_| value(dice, depth - 1)).collect(),
        8 | 9 => {
            Value::Object((0..dice.below(4)).map(|_| (key(dice), value(dice, depth - 1))).collect())
        }
        _ => scalar(dice),
    }
}

/// A value that can stand in another's place: mostly one of its type. Lists and maps stay what they
/// are: where a path of the reference's tables leads through a scalar it fails, we only if a name changed.
pub fn like(dice: &mut Dice, old: &Value) -> Value {
    let compound = matches!(old, Value::Array(_) | Value::Object(_));
    if !compound && dice.chance(12) {
        return value(dice, 2);
    }
    match old {
        Value::String(_) => text(dice),
        Value::Number(_) => json!(dice.below(10_000)),
        Value::Bool(_) => json!(dice.chance(50)),
        Value::Array(list) => dice.some(list, 60).into(),
        other => other.clone(),
    }
}

/// A key of a map; one that is a text even without quotes, since we do not know whether it had them.
pub fn key(dice: &mut Dice) -> String {
    let keys = [
        "name",
        "key",
        "value",
        "a",
        "b",
        "spec",
        "size",
        "some.key",
        "example.com/thing",
        "enabled",
        "items",
        "with space",
        "yes",
        "camelCase",
        "on",
        "\u{e9}t\u{e9}",
        "Zed",
        "-dash",
        "a:b",
    ];
    (*dice.pick(&keys)).to_owned()
}

/// Labels or annotations; `percent` of the values are odd.
pub fn pairs(dice: &mut Dice, percent: usize) -> Value {
    let keys = ["app", "tier", "app.kubernetes.io/name", "team", "example.com/x"];
    let pairs = (0..dice.between(1, 3)).map(|_| {
        let value = if dice.chance(percent) { text(dice) } else { json!(word(dice)) };
        ((*dice.pick(&keys)).to_owned(), value)
    });
    Value::Object(pairs.collect())
}
