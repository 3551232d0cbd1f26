//! Every function: its name, the types that it takes, and the type that it gives.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::types::Type;

/// How the reference finds the code of a function, which shows in its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One piece of code that takes one argument.
    Unary,
    /// One piece of code that takes two.
    Binary,
    /// Chosen by the types of the arguments, or any number of them.
    Many,
    /// No code of its own: its second argument is only looked at where it is needed.
    Lazy,
}

/// One set of types that a function takes.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    /// Whether the first argument stands before a dot.
    pub(crate) method: bool,
    pub(crate) arguments: Vec<Type>,
    pub(crate) result: Type,
}

/// A function.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) shape: Shape,
    /// Whether arguments of other types are refused before the code sees them.
    pub(crate) guarded: bool,
    pub(crate) signatures: Vec<Signature>,
}

/// How many parameters a signature has at most.
pub(crate) const PARAMETERS: usize = 4;

/// The function of a name.
pub(crate) fn function(name: &str) -> Option<&'static Function> {
    static FUNCTIONS: LazyLock<HashMap<&str, Function>> = LazyLock::new(|| {
        let read = |(name, shape, guarded, signatures): &(_, _, _, &[&str])| {
            let signatures = signatures.iter().map(|text| signature(text)).collect();
            (*name, Function { shape: *shape, guarded: *guarded, signatures })
        };
        DECLARATIONS.iter().map(read).collect()
    });
    FUNCTIONS.get(name)
}

use Shape::{Binary, Lazy, Many, Unary};

const COMPARED: &[&str] = &[
    "(bool, bool) bool",
    "(int, int) bool",
    "(int, double) bool",
    "(int, uint) bool",
    "(uint, uint) bool",
    "(uint, double) bool",
    "(uint, int) bool",
    "(double, double) bool",
    "(double, int) bool",
    "(double, uint) bool",
    "(string, string) bool",
    "(bytes, bytes) bool",
    "(timestamp, timestamp) bool",
    "(duration, duration) bool",
];
const CALENDAR: &[&str] = &["timestamp.() int", "timestamp.(string) int"];
const CLOCK: &[&str] = &["timestamp.() int", "timestamp.(string) int", "duration.() int"];

/// Name, shape, guarded, signatures (`receiver.(arguments) result`), in the reference's order.
#[rustfmt::skip]
const DECLARATIONS: &[(&str, Shape, bool, &[&str])] = &[
    // Operators.
    ("!_", Unary, false, &["(bool) bool"]),
    ("-_", Unary, false, &["(double) double", "(int) int"]),
    ("_==_", Binary, false, &["(A, A) bool"]),
    ("_!=_", Binary, false, &["(A, A) bool"]),
    ("_<_", Binary, false, COMPARED),
    ("_<=_", Binary, false, COMPARED),
    ("_>_", Binary, false, COMPARED),
    ("_>=_", Binary, false, COMPARED),
    ("_+_", Binary, false, &[
        "(bytes, bytes) bytes", "(double, double) double", "(duration, duration) duration",
        "(duration, timestamp) timestamp", "(timestamp, duration) timestamp", "(int, int) int",
        "(list(A), list(A)) list(A)", "(string, string) string", "(uint, uint) uint",
    ]),
    ("_-_", Binary, false, &[
        "(double, double) double", "(duration, duration) duration", "(int, int) int",
        "(timestamp, duration) timestamp", "(timestamp, timestamp) duration", "(uint, uint) uint",
    ]),
    ("_*_", Binary, false, &["(double, double) double", "(int, int) int", "(uint, uint) uint"]),
    ("_/_", Binary, false, &["(double, double) double", "(int, int) int", "(uint, uint) uint"]),
    ("_%_", Binary, false, &["(int, int) int", "(uint, uint) uint"]),
    ("@in", Binary, false, &["(A, list(A)) bool", "(A, map(A, B)) bool"]),
    ("_?_:_", Many, false, &["(bool, A, A) A"]),
    ("_[_]", Binary, false, &[
        "(list(A), int) A", "(map(A, B), A) B", "(optional(list(A)), int) optional(A)",
        "(optional(map(A, B)), A) optional(B)",
    ]),
    ("_[?_]", Binary, false, &[
        "(list(A), int) optional(A)", "(optional(list(A)), int) optional(A)",
        "(map(A, B), A) optional(B)", "(optional(map(A, B)), A) optional(B)",
    ]),
    // Conversions.
    ("type", Unary, false, &["(A) type(A)"]),
    ("dyn", Unary, false, &["(A) dyn"]),
    ("bool", Many, true, &["(bool) bool", "(string) bool"]),
    ("bytes", Many, true, &["(bytes) bytes", "(string) bytes"]),
    ("double", Many, true, &["(double) double", "(int) double", "(string) double", "(uint) double"]),
    ("duration", Many, true, &["(duration) duration", "(int) duration", "(string) duration"]),
    ("int", Many, true, &[
        "(int) int", "(double) int", "(duration) int", "(string) int", "(timestamp) int",
        "(uint) int",
    ]),
    ("string", Many, true, &[
        "(string) string", "(bool) string", "(bytes) string", "(double) string",
        "(duration) string", "(int) string", "(timestamp) string", "(uint) string",
    ]),
    ("timestamp", Many, true, &["(timestamp) timestamp", "(int) timestamp", "(string) timestamp"]),
    ("uint", Many, true, &["(uint) uint", "(double) uint", "(int) uint", "(string) uint"]),
    // Texts and collections.
    ("size", Unary, false, &[
        "(bytes) int", "bytes.() int", "(list(A)) int", "list(A).() int", "(map(A, B)) int",
        "map(A, B).() int", "(string) int", "string.() int",
    ]),
    ("contains", Binary, false, &["string.(string) bool"]),
    ("endsWith", Binary, false, &["string.(string) bool"]),
    ("startsWith", Binary, false, &["string.(string) bool"]),
    ("matches", Binary, false, &["(string, string) bool", "string.(string) bool"]),
    ("charAt", Binary, true, &["string.(int) string"]),
    ("indexOf", Many, true, &["string.(string) int", "string.(string, int) int"]),
    ("lastIndexOf", Many, true, &["string.(string) int", "string.(string, int) int"]),
    ("lowerAscii", Unary, true, &["string.() string"]),
    ("upperAscii", Unary, true, &["string.() string"]),
    ("replace", Many, true, &["string.(string, string) string", "string.(string, string, int) string"]),
    ("split", Many, true, &["string.(string) list(string)", "string.(string, int) list(string)"]),
    ("substring", Many, true, &["string.(int) string", "string.(int, int) string"]),
    ("trim", Unary, true, &["string.() string"]),
    ("reverse", Unary, true, &["string.() string"]),
    ("format", Many, true, &["string.(list(dyn)) string"]),
    ("join", Many, true, &["list(string).() string", "list(string).(string) string"]),
    ("strings.quote", Unary, true, &["(string) string"]),
    ("base64.decode", Unary, true, &["(string) bytes"]),
    ("base64.encode", Unary, true, &["(bytes) string"]),
    ("sets.contains", Binary, true, &["(list(A), list(A)) bool"]),
    ("sets.equivalent", Binary, true, &["(list(A), list(A)) bool"]),
    ("sets.intersects", Binary, true, &["(list(A), list(A)) bool"]),
    ("first", Unary, true, &["list(A).() optional(A)"]),
    ("last", Unary, true, &["list(A).() optional(A)"]),
    // Optional values.
    ("optional.of", Unary, true, &["(A) optional(A)"]),
    ("optional.ofNonZeroValue", Unary, true, &["(A) optional(A)"]),
    ("optional.none", Many, true, &["() optional(A)"]),
    ("optional.unwrap", Unary, true, &["(list(optional(A))) list(A)"]),
    ("unwrapOpt", Unary, true, &["list(optional(A)).() list(A)"]),
    ("value", Unary, true, &["optional(A).() A"]),
    ("hasValue", Unary, true, &["optional(A).() bool"]),
    ("or", Lazy, false, &["optional(A).(optional(A)) optional(A)"]),
    ("orValue", Lazy, false, &["optional(A).(A) A"]),
    // Times.
    ("getFullYear", Many, true, CALENDAR),
    ("getMonth", Many, true, CALENDAR),
    ("getDayOfYear", Many, true, CALENDAR),
    ("getDayOfMonth", Many, true, CALENDAR),
    ("getDate", Many, true, CALENDAR),
    ("getDayOfWeek", Many, true, CALENDAR),
    ("getHours", Many, true, CLOCK),
    ("getMinutes", Many, true, CLOCK),
    ("getSeconds", Many, true, CLOCK),
    ("getMilliseconds", Many, true, CLOCK),
];

/// Reads a signature of the table above.
fn signature(text: &str) -> Signature {
    let (before, after) = text.split_at(text.find('(').unwrap_or_default());
    let mut rest = after;
    let mut arguments = Vec::new();
    let method = if let Some(receiver) = before.strip_suffix('.') {
        arguments.push(kind(&mut &*receiver));
        true
    } else if !before.is_empty() {
        // The receiver has parameters of its own, and its bracket was the first.
        rest = text;
        arguments.push(kind(&mut rest));
        rest = rest.trim_start_matches('.');
        true
    } else {
        false
    };
    rest = &rest[1..];
    while !rest.starts_with(')') {
        arguments.push(kind(&mut rest));
        rest = rest.trim_start_matches([',', ' ']);
    }
    let result = kind(&mut rest[1..].trim_start());
    Signature { method, arguments, result }
}

/// Reads a type, and leaves what follows it.
fn kind(text: &mut &str) -> Type {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    *text = rest;
    let mut inside = Vec::new();
    if name_takes_parameters(name) {
        *text = &text[1..];
        while !text.starts_with(')') {
            inside.push(kind(text));
            *text = text.trim_start_matches([',', ' ']);
        }
        *text = &text[1..];
    }
    let mut inside = inside.into_iter();
    let mut next = || inside.next().unwrap_or(Type::Dyn);
    match name {
        "A" => Type::Param(0),
        "B" => Type::Param(1),
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::Text,
        "bytes" => Type::Bytes,
        "duration" => Type::Duration,
        "timestamp" => Type::Timestamp,
        "list" => Type::list(next()),
        "map" => Type::map(next(), next()),
        "optional" => Type::optional(next()),
        "type" => Type::of(next()),
        _ => Type::Dyn,
    }
}

fn name_takes_parameters(name: &str) -> bool {
    matches!(name, "list" | "map" | "optional" | "type")
}
