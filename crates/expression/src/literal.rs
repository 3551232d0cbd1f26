//! Spelled values → values.

use crate::lexer::Kind;
use crate::value::Value;

/// The value that a token spells, or what the reference says of it. `negative`: a minus stands
/// before it.
pub(crate) fn value(kind: Kind, text: &str, negative: bool) -> Result<Value, String> {
    let signed = |digits: &str| if negative { format!("-{digits}") } else { digits.to_owned() };
    match kind {
        Kind::Int => {
            let number = match text.strip_prefix("0x") {
                Some(hex) => i64::from_str_radix(&signed(hex), 16),
                None => signed(text).parse(),
            };
            number.map(Value::Int).map_err(|_| "invalid int literal".to_owned())
        }
        Kind::Uint => {
            let digits = &text[..text.len() - 1];
            let number = match digits.strip_prefix("0x") {
                Some(hex) => u64::from_str_radix(hex, 16),
                None => digits.parse(),
            };
            number.map(Value::Uint).map_err(|_| "invalid uint literal".to_owned())
        }
        Kind::Double => match signed(text).parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Value::Double(number)),
            _ => Err("invalid double literal".to_owned()),
        },
        Kind::Text => {
            let bytes = unescape(text, false)?;
            String::from_utf8(bytes).map(Value::from).map_err(|_| UNABLE.to_owned())
        }
        Kind::Bytes => unescape(&text[1..], true).map(|bytes| Value::Bytes(bytes.into())),
        Kind::Symbol("true") => Ok(Value::Bool(true)),
        Kind::Symbol("false") => Ok(Value::Bool(false)),
        _ => Ok(Value::Null),
    }
}

const UNABLE: &str = "unable to unescape string";

/// What stands between quotes. In bytes, escapes in octal and with `x` are single bytes.
fn unescape(quoted: &str, bytes: bool) -> Result<Vec<u8>, String> {
    let text = quoted.replace("\r\n", "\n").replace('\r', "\n");
    let raw = text.starts_with(['r', 'R']);
    let text = &text[usize::from(raw)..];
    let marks = if text.len() >= 6 && (text.starts_with("'''") || text.starts_with("\"\"\"")) {
        3
    } else {
        1
    };
    let inside = &text[marks..text.len() - marks];
    if raw {
        return Ok(inside.as_bytes().to_vec());
    }
    let mut out = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((before, after)) = rest.split_once('\\') {
        out.extend_from_slice(before.as_bytes());
        let kind = after.chars().next().ok_or(UNABLE)?;
        let (digits, base, start) = match kind {
            'x' | 'X' => (2, 16, 1),
            'u' => (4, 16, 1),
            'U' => (8, 16, 1),
            '0'..='3' => (3, 8, 0),
            other => {
                out.push(simple(other));
                rest = &after[other.len_utf8()..];
                continue;
            }
        };
        let number = after.get(start..start + digits).ok_or(UNABLE)?;
        let number = u32::from_str_radix(number, base).map_err(|_| UNABLE)?;
        match (bytes, kind) {
            (true, 'u' | 'U') => return Err(UNABLE.to_owned()),
            (true, _) => out.push(u8::try_from(number).map_err(|_| UNABLE)?),
            (false, _) => {
                let c = char::from_u32(number).ok_or(UNABLE)?;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        rest = &after[start + digits..];
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(out)
}

fn simple(escape: char) -> u8 {
    match escape {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        // The lexer lets nothing else through than signs that stand for themselves.
        other => u8::try_from(other).unwrap_or(b'?'),
    }
}
