//! Quantities of resources (`500m`, `1.5Gi`) in their one spelling.

/// The suffixes of powers of ten, from 10⁻⁹ in steps of a thousand.
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
/// The suffixes of powers of two, from 2¹⁰ in steps of 1024.
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// The smallest part that is counted, as a power of ten; less is rounded up to it.
const SCALE_MIN: i64 = -9;
/// Longer numbers are no quantities.
const DIGITS_MAX: usize = 64;
/// The most digits that Go counts with directly.
const DIRECT_DIGITS_MAX: usize = 18;

/// What a suffix stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// A power of ten, by its suffix.
    Decimal(i64),
    /// A power of ten, by its exponent.
    Exponent(i64),
    /// A power of two.
    Binary(u32),
}

/// A quantity taken apart.
struct Parts {
    digits: String,
    /// How many of the digits stand behind the point.
    fraction: usize,
    unit: Unit,
}

/// The one spelling of a quantity; `None` if the text is none.
pub(super) fn canonical(text: &str) -> Option<String> {
    let text = text.trim();
    let parts = Parts::of(text)?;
    let sign = if text.starts_with('-') { "-" } else { "" };
    if text == "0" || parts.is_as_written() {
        return Some(text.to_owned());
    }
    let fraction = i64::try_from(parts.fraction).ok()?;
    let number = match parts.unit {
        Unit::Decimal(power) => decimal(parts.digits, power - fraction, false),
        Unit::Exponent(power) => decimal(parts.digits, power.checked_sub(fraction)?, true),
        Unit::Binary(power) => binary(&parts.digits, power, parts.fraction),
    }?;
    Some(if number == "0" { number } else { format!("{sign}{number}") })
}

impl Parts {
    fn of(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let digits =
            |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (whole, rest) = unsigned.split_at(digits(unsigned));
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(digits(rest)),
            None => ("", rest),
        };
        if text.is_empty() || whole.len() + fraction.len() > DIGITS_MAX {
            return None;
        }
        let whole = whole.trim_start_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        let unit = unit(suffix)?;
        Some(Self { digits: format!("{whole}{fraction}"), fraction: fraction.len(), unit })
    }

    /// Whether Go keeps the spelling, because it looks canonical to it.
    fn is_as_written(&self) -> bool {
        let length = self.digits.len();
        let power = match self.unit {
            Unit::Decimal(power) | Unit::Exponent(power) => power,
            Unit::Binary(power) => {
                let room =
                    14_u32.checked_sub(power * 3 / 10).and_then(|room| usize::try_from(room).ok());
                let is_odd = self.digits.parse::<u64>().is_ok_and(|number| number & 7 != 0);
                return self.fraction == 0 && room.is_some_and(|room| length <= room) && is_odd;
            }
        };
        let scale = power.saturating_sub(i64::try_from(self.fraction).unwrap_or(i64::MAX));
        length <= DIRECT_DIGITS_MAX
            && scale >= SCALE_MIN
            && scale % 3 == 0
            && !self.digits.ends_with("000")
            && !self.digits.starts_with('0')
    }
}

fn unit(suffix: &str) -> Option<Unit> {
    let power = |at: usize, step: usize| u32::try_from(at * step).ok();
    if let Some(at) = DECIMAL.iter().position(|known| *known == suffix) {
        return Some(Unit::Decimal(SCALE_MIN + i64::from(power(at, 3)?)));
    }
    if let Some(at) = BINARY.iter().position(|known| *known == suffix) {
        return Some(Unit::Binary(power(at + 1, 10)?));
    }
    suffix.strip_prefix(['e', 'E'])?.parse().ok().map(Unit::Exponent)
}

/// `digits × 10^power`, with a suffix or an exponent that is a multiple of three.
fn decimal(mut digits: String, mut power: i64, with_exponent: bool) -> Option<String> {
    if power < SCALE_MIN {
        let cut = usize::try_from(SCALE_MIN - power).ok()?;
        digits = rounded_up(&digits, cut)?;
        power = SCALE_MIN;
    }
    let bare = digits.trim_start_matches('0').trim_end_matches('0');
    if bare.is_empty() {
        return Some("0".into());
    }
    let mut power = power
        .checked_add(i64::try_from(digits.len() - digits.trim_end_matches('0').len()).ok()?)?;
    let mut number = bare.to_owned();
    while power % 3 != 0 {
        number.push('0');
        power -= 1;
    }
    if with_exponent {
        return Some(if power == 0 { number } else { format!("{number}e{power}") });
    }
    let at = usize::try_from((power - SCALE_MIN) / 3).ok()?;
    Some(format!("{number}{}", DECIMAL.get(at)?))
}

/// The digits without the last `cut`, rounded away from zero.
fn rounded_up(digits: &str, cut: usize) -> Option<String> {
    let (kept, dropped) = digits.split_at(digits.len().saturating_sub(cut));
    let kept: u128 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    let up = dropped.bytes().any(|digit| digit != b'0');
    Some((kept + u128::from(up)).to_string())
}

/// `digits × 2^power ÷ 10^fraction`, in powers of 1024 where nothing is lost by that.
fn binary(digits: &str, power: u32, fraction: usize) -> Option<String> {
    let most = u128::from(i64::MAX.unsigned_abs());
    let (number, tens) = (digits.parse::<u128>().ok()?, u32::try_from(fraction).ok()?);
    let product = number.checked_mul(1_u128.checked_shl(power)?);
    let divisor = 10_u128.checked_pow(tens);
    let (Some(product), Some(divisor)) = (product, divisor) else {
        return decimal(most.to_string(), 0, false);
    };
    let whole = product / divisor;
    if whole >= most {
        return decimal(most.to_string(), 0, false);
    }
    if whole < 1024 || product % divisor != 0 {
        return decimal(product.to_string(), -i64::from(tens), false);
    }
    let (mut number, mut step) = (whole, 0);
    while number % 1024 == 0 && step < BINARY.len() {
        (number, step) = (number / 1024, step + 1);
    }
    Some(format!("{number}{}", step.checked_sub(1).map_or("", |at| BINARY[at])))
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn every_quantity_has_one_spelling() {
        for (text, expected) in [
            ("1.0", "1"),
            ("0.1", "100m"),
            ("1.5Gi", "1536Mi"),
            ("1000Ki", "1000Ki"),
            ("1E3", "1E3"),
            ("1E", "1E"),
            ("1e-3", "1e-3"),
            ("0.5Gi", "512Mi"),
            ("1024Pi", "1Ei"),
            ("5.", "5."),
            ("+5", "+5"),
            ("-1", "-1"),
            ("0.0000000001", "1n"),
            ("2000m", "2"),
            ("512", "512"),
            ("0.0001Ki", "102400u"),
            ("0Gi", "0"),
            ("12345678901234567890", "12345678901234567890"),
            ("10E", "10E"),
            ("1e0", "1e0"),
            (".", "0"),
            ("m", "0"),
            ("1e1000000", "10e999999"),
            ("2000", "2k"),
            ("16Ki", "16Ki"),
            ("99999999999999999999Ei", "9223372036854775807"),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "abc", "1.2.3", "1 Gi", "1e", "--1", "1gi"] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }
}
