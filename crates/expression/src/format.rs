//! `'%s'.format([…])`.

use crate::fault::{Fault, Result};
use crate::source;
use crate::types::Type;
use crate::value::Value;

/// How many digits a number may be given after its point.
const PRECISION_MAX: usize = 1000;
/// How many it is given where nothing is said.
const PRECISION: usize = 6;

/// What is to be made of an argument.
#[derive(Clone, Copy)]
struct Clause {
    verb: char,
    precision: usize,
}

impl Clause {
    /// Why an argument of a type cannot be shown like this.
    fn refusal(self, type_name: &str) -> String {
        let rule = match self.verb {
            's' => {
                "string clause can only be used on strings, bools, bytes, ints, doubles, maps, \
                    lists, types, durations, and timestamps"
            }
            'd' => "decimal clause can only be used on ints, uints, and doubles",
            'f' => "fixed-point clause can only be used on ints, uints, and doubles",
            'e' => "scientific clause can only be used on ints, uints, and doubles",
            'b' => "only ints, uints, and bools can be formatted as binary",
            'o' => "octal clause can only be used on ints and uints",
            _ => "only ints, uints, bytes, and strings can be formatted as hex",
        };
        format!("error during formatting: {rule}, was given {type_name}")
    }
}

/// Reads a clause after its percent sign: what it is and how long.
fn clause(text: &str) -> std::result::Result<(Clause, usize), String> {
    let unread = |why: &str| format!("could not parse formatting clause: {why}");
    let mut precision = PRECISION;
    let mut read = 0;
    if let Some(after) = text.strip_prefix('.') {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        read = 1 + digits;
        if read == text.len() {
            return Err(unread(
                "error while parsing precision: could not find end of precision specifier",
            ));
        }
        let spelled = &after[..digits];
        precision =
            spelled.parse().ok().filter(|digits| *digits <= PRECISION_MAX).ok_or_else(|| {
                unread(&format!(
                    "error while parsing precision: error while converting precision to integer: \
                 strconv.Atoi: parsing {spelled:?}: invalid syntax"
                ))
            })?;
    }
    let verb = text[read..].chars().next().unwrap_or_default();
    if !"sdfebxXo".contains(verb) {
        return Err(unread(&format!("unrecognized formatting clause \"{verb}\"")));
    }
    Ok((Clause { verb, precision }, read + 1))
}

/// Puts what `show` makes of each argument in the place of its clause.
fn fill<E: From<String>>(
    text: &str,
    arguments: usize,
    mut show: impl FnMut(usize, Clause) -> std::result::Result<String, E>,
) -> std::result::Result<(String, usize), E> {
    let (mut out, mut used, mut rest) = (String::new(), 0, text);
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        if used < arguments && after.is_empty() {
            return Err("unexpected end of string".to_owned().into());
        }
        if used >= arguments {
            return Err(format!("index {used} out of range").into());
        }
        let (clause, length) = clause(after)?;
        out.push_str(&show(used, clause)?);
        used += 1;
        rest = &after[length..];
    }
    out.push_str(rest);
    Ok((out, used))
}

impl From<String> for Fault {
    fn from(text: String) -> Self {
        Self::Of(text)
    }
}

/// The text with its arguments.
pub(crate) fn format(text: &str, arguments: &[Value]) -> Result<Value> {
    let show = |at: usize, clause: Clause| {
        let argument = &arguments[at];
        show(clause, argument).ok_or_else(|| Fault::Of(clause.refusal(argument.type_name())))
    };
    fill(text, arguments.len(), show).map(|(text, _)| Value::from(text))
}

/// A problem, and the place of the argument that it lies in.
struct Trouble(Option<usize>, String);

impl From<String> for Trouble {
    fn from(text: String) -> Self {
        Self(None, text)
    }
}

/// What is wrong with a call whose text is known, before it is evaluated.
pub(crate) fn check(at: usize, text: &str, arguments: &[(usize, Type)]) -> Option<source::Fault> {
    let show = |index: usize, clause: Clause| {
        let (place, kind) = &arguments[index];
        if accepts(clause.verb, kind) {
            Ok(String::new())
        } else {
            Err(Trouble(Some(*place), clause.refusal(kind.name())))
        }
    };
    match fill(text, arguments.len(), show) {
        Err(Trouble(place, text)) => Some(source::Fault::new(place.unwrap_or(at), text)),
        Ok((_, used)) if used < arguments.len() => {
            let given = arguments.len();
            Some(source::Fault::new(
                at,
                format!(
                    "too many arguments supplied to string.format (expected {used}, got {given})"
                ),
            ))
        }
        Ok(_) => None,
    }
}

fn accepts(verb: char, kind: &Type) -> bool {
    match kind {
        Type::Dyn | Type::Int | Type::Uint => true,
        Type::Optional(_) | Type::Wrapper(_) | Type::Error | Type::Param(_) => false,
        Type::Double => matches!(verb, 's' | 'd' | 'f' | 'e'),
        Type::Bool => matches!(verb, 's' | 'b'),
        Type::Text | Type::Bytes => matches!(verb, 's' | 'x' | 'X'),
        _ => verb == 's',
    }
}

fn show(Clause { verb, precision }: Clause, value: &Value) -> Option<String> {
    Some(match (verb, value) {
        ('s', Value::Optional(_)) => return None,
        ('s', value) => plain(value)?,
        ('d', Value::Double(number)) => double(*number),
        ('d' | 'o' | 'b' | 'x' | 'X', Value::Int(number)) => {
            let digits = radix(verb, number.unsigned_abs());
            if *number < 0 { format!("-{digits}") } else { digits }
        }
        ('d' | 'o' | 'b' | 'x' | 'X', Value::Uint(number)) => radix(verb, *number),
        ('b', Value::Bool(truth)) => u8::from(*truth).to_string(),
        ('x', Value::Text(text)) => hex(text.as_bytes()),
        ('x', Value::Bytes(bytes)) => hex(bytes),
        ('X', Value::Text(text)) => hex(text.as_bytes()).to_uppercase(),
        ('X', Value::Bytes(bytes)) => hex(bytes).to_uppercase(),
        // Go has no such verbs for integers and says so in the text.
        ('f' | 'e', Value::Int(number)) => wrong_verb(verb, "int64", number),
        ('f' | 'e', Value::Uint(number)) => wrong_verb(verb, "uint64", number),
        ('f' | 'e', Value::Double(number)) if !number.is_finite() => double(*number),
        ('f', Value::Double(number)) => format!("{number:.precision$}"),
        ('e', Value::Double(number)) => {
            let text = format!("{number:.precision$e}");
            let (mantissa, exponent) = text.split_once('e')?;
            let exponent: i32 = exponent.parse().ok()?;
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.abs())
        }
        _ => return None,
    })
}

fn wrong_verb(verb: char, kind: &str, number: &impl std::fmt::Display) -> String {
    format!("%!{verb}({kind}={number})")
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a text cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn radix(verb: char, number: u64) -> String {
    match verb {
        'o' => format!("{number:o}"),
        'b' => format!("{number:b}"),
        'x' => format!("{number:x}"),
        'X' => format!("{number:X}"),
        _ => number.to_string(),
    }
}

fn double(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else {
        number.to_string()
    }
}

/// As `%s` shows it; nothing for what holds an optional value.
fn plain(value: &Value) -> Option<String> {
    Some(match value {
        Value::Double(number) => double(*number),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Timestamp(at, _) => crate::time::timestamp_text(*at, jiff::tz::Offset::UTC),
        Value::List(items) => {
            let items = items.iter().map(plain).collect::<Option<Vec<_>>>()?;
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let pair = |(key, value): (&crate::value::Key, &Value)| {
                Some((plain(&key.value())?, plain(value)?))
            };
            let mut pairs = map.iter().map(pair).collect::<Option<Vec<_>>>()?;
            pairs.sort();
            let pairs: Vec<_> =
                pairs.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        Value::Optional(_) => return None,
        other => other.to_string(),
    })
}
