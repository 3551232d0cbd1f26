//! Durations as Go reads and prints them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What `interval` and `timeout` accept in the API.
pub const PATTERN: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$";
/// The same without hours (OCIRepository `spec.timeout`).
pub const PATTERN_WITHOUT_HOURS: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m))+$";

/// A span of time in nanoseconds, read and printed as Go's `time.Duration`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(i64);

/// A text that Go's `time.ParseDuration` refuses, in its words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("time: {problem} {text}")]
pub struct InvalidDuration {
    problem: String,
    text: String,
}

/// Nanoseconds in each unit, longest names first where one starts another.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];
const OVERFLOW: u64 = 1 << 63;

impl GoDuration {
    /// From nanoseconds.
    pub const fn from_nanoseconds(nanoseconds: i64) -> Self {
        Self(nanoseconds)
    }

    /// In nanoseconds.
    pub const fn nanoseconds(self) -> i64 {
        self.0
    }

    /// As the standard library's type; negative spans are zero.
    pub fn std(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }

    /// Rounded to a multiple of `unit`, halves away from zero (Go's `Duration.Round`).
    #[must_use]
    pub fn round(self, unit: Self) -> Self {
        if unit.0 <= 0 {
            return self;
        }
        let rest = self.0 % unit.0;
        let magnitude = rest.unsigned_abs();
        let down = self.0 - rest;
        if magnitude < unit.0.unsigned_abs() - magnitude {
            return Self(down);
        }
        Self(if self.0 < 0 { down.saturating_sub(unit.0) } else { down.saturating_add(unit.0) })
    }
}

impl From<Duration> for GoDuration {
    fn from(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl FromStr for GoDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let invalid =
            |problem: &str| InvalidDuration { problem: problem.into(), text: quote(text) };
        let malformed = || invalid("invalid duration");
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(malformed());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (amount, after) = Amount::read(rest).ok_or_else(malformed)?;
            let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
            let (unit, next) = after.split_at(end);
            if unit.is_empty() {
                return Err(invalid("missing unit in duration"));
            }
            let (_, scale) = UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .ok_or_else(|| invalid(&format!("unknown unit {} in duration", quote(unit))))?;
            total = amount
                .in_nanoseconds(*scale)
                .and_then(|part| total.checked_add(part))
                .filter(|sum| *sum <= OVERFLOW)
                .ok_or_else(malformed)?;
            rest = next;
        }
        match (negative, i64::try_from(total)) {
            (true, _) if total == OVERFLOW => Ok(Self(i64::MIN)),
            (true, Ok(total)) => Ok(Self(-total)),
            (false, Ok(total)) => Ok(Self(total)),
            _ => Err(malformed()),
        }
    }
}

/// One `12.34` of a duration: digits before the point, and after it as a fraction.
struct Amount {
    whole: u64,
    fraction: u64,
    scale: f64,
}

impl Amount {
    /// Reads from the start of `text`; `None` when no digit or too large a number stands there.
    fn read(text: &str) -> Option<(Self, &str)> {
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (whole_text, mut rest) = text.split_at(digits(text));
        let whole = whole_text.bytes().try_fold(0u64, |value, digit| {
            value.checked_mul(10)?.checked_add(u64::from(digit - b'0')).filter(|v| *v <= OVERFLOW)
        })?;
        let mut amount = Self { whole, fraction: 0, scale: 1.0 };
        let mut fraction_text = "";
        if let Some(after) = rest.strip_prefix('.') {
            (fraction_text, rest) = after.split_at(digits(after));
            for digit in fraction_text.bytes() {
                // Digits past the precision of 63 bits are read and dropped, as Go does.
                let Some(next) = amount.fraction.checked_mul(10).filter(|v| *v <= OVERFLOW - 10)
                else {
                    break;
                };
                amount.fraction = next + u64::from(digit - b'0');
                amount.scale *= 10.0;
            }
        }
        (!whole_text.is_empty() || !fraction_text.is_empty()).then_some((amount, rest))
    }

    fn in_nanoseconds(&self, unit: u64) -> Option<u64> {
        let whole = self.whole.checked_mul(unit).filter(|value| *value <= OVERFLOW)?;
        if self.fraction == 0 {
            return Some(whole);
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "Go computes the fraction in a double and truncates it"
        )]
        let part = (self.fraction as f64 * (unit as f64 / self.scale)) as u64;
        whole.checked_add(part).filter(|value| *value <= OVERFLOW)
    }
}

/// Go's `quote` of package time: quotes and backslashes escaped, other bytes as hexadecimal.
fn quote(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        if (' '..'\u{80}').contains(&c) {
            if c == '"' || c == '\\' {
                out.push('\\');
            }
            out.push(c);
        } else {
            let bytes = c.to_string().into_bytes();
            out.extend(bytes.iter().map(|byte| format!("\\x{byte:02x}")));
        }
    }
    out.push('"');
    out
}

impl fmt::Display for GoDuration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanoseconds = self.0.unsigned_abs();
        if nanoseconds == 0 {
            return out.write_str("0s");
        }
        if self.0 < 0 {
            out.write_str("-")?;
        }
        let (unit, name) = match nanoseconds {
            ..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "\u{b5}s"),
            1_000_000..1_000_000_000 => (1_000_000, "ms"),
            _ => (1_000_000_000, "s"),
        };
        let minutes = nanoseconds / 60_000_000_000;
        if minutes >= 60 {
            write!(out, "{}h", minutes / 60)?;
        }
        if minutes > 0 {
            write!(out, "{}m", minutes % 60)?;
        }
        let rest = nanoseconds % 60_000_000_000;
        let width = unit.to_string().len() - 1;
        let fraction = format!("{:0width$}", rest % unit);
        let fraction = fraction.trim_end_matches('0');
        write!(out, "{}", rest / unit)?;
        if !fraction.is_empty() {
            write!(out, ".{fraction}")?;
        }
        out.write_str(name)
    }
}
