//! Bech32, as keys are written.

use zeroize::Zeroizing;

const LETTERS: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// Letters of the checksum.
const CHECK_LETTERS: usize = 6;

/// The prefix and the bytes of a text; what is wrong with it shows one letter at most.
pub(super) fn decode(text: &str) -> Result<(&str, Zeroizing<Vec<u8>>), String> {
    if text.to_ascii_lowercase() != text && text.to_ascii_uppercase() != text {
        return Err("mixed case".into());
    }
    let length = text.len();
    let at = text.rfind('1').filter(|at| *at >= 1 && at + 7 <= length).ok_or_else(|| {
        let at = text.rfind('1').map_or("-1".into(), |at| at.to_string());
        format!("separator '1' at invalid position: pos={at}, len={length}")
    })?;
    let (prefix, data) = (&text[..at], &text[at + 1..]);
    let mut values = Zeroizing::new(Vec::with_capacity(data.len()));
    for (at, letter) in data.char_indices() {
        let letter = letter.to_ascii_lowercase();
        let value = LETTERS.find(letter).and_then(|value| u8::try_from(value).ok());
        let invalid = || format!("invalid character data part: s[{at}]={}", u32::from(letter));
        values.push(value.ok_or_else(invalid)?);
    }
    if !is_checked(prefix, &values) {
        return Err("invalid checksum".into());
    }
    let bytes = bytes(&values[..values.len() - CHECK_LETTERS]).ok_or("illegal zero padding")?;
    Ok((prefix, bytes))
}

fn is_checked(prefix: &str, values: &[u8]) -> bool {
    let prefix = prefix.to_ascii_lowercase();
    let high = prefix.bytes().map(|byte| byte >> 5);
    let low = prefix.bytes().map(|byte| byte & 31);
    let all = high.chain([0]).chain(low).chain(values.iter().copied());
    let polynomial = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let sum = all.fold(1_u32, |sum, value| {
        let top = sum >> 25;
        let next = (sum & 0x1ff_ffff) << 5 ^ u32::from(value);
        let terms = polynomial.iter().enumerate().filter(|(bit, _)| top >> bit & 1 == 1);
        terms.fold(next, |next, (_, term)| next ^ term)
    });
    sum == 1
}

/// Groups of five bits as bytes; what is left over must be zero.
fn bytes(values: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(values.len() * 5 / 8));
    let (mut bits, mut count) = (0_u32, 0);
    for value in values {
        bits = bits << 5 | u32::from(*value);
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    (count < 5 && bits & ((1 << count) - 1) == 0).then_some(out)
}
