//! Characters as Go reads, writes and changes them.

/// The first character of bytes and its length; a byte that begins none is U+FFFD by itself.
pub(super) fn first(bytes: &[u8]) -> (char, usize) {
    let length = match bytes.first() {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => 1,
    };
    let text = bytes.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
    match text.and_then(|text| text.chars().next()) {
        Some(c) => (c, length),
        None => (char::REPLACEMENT_CHARACTER, 1),
    }
}

/// All characters of bytes.
pub(super) fn all(mut bytes: &[u8]) -> Vec<char> {
    let mut chars = Vec::new();
    while !bytes.is_empty() {
        let (c, length) = first(bytes);
        chars.push(c);
        bytes = &bytes[length..];
    }
    chars
}

/// The characters in the opposite order.
pub(super) fn reversed(bytes: &[u8]) -> Vec<u8> {
    all(bytes).into_iter().rev().collect::<String>().into_bytes()
}

/// One character for one, without regard to its neighbours.
pub(super) fn upper(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (c, upper.next(), upper.next()) {
        (_, Some(one), None) => one,
        // Greek with an iota below has a capital letter of its own, which is not two.
        ('\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}', ..) => {
            char::from_u32(u32::from(c) + 8).unwrap_or(c)
        }
        ('\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}', ..) => char::from_u32(u32::from(c) + 9).unwrap_or(c),
        _ => c,
    }
}

/// One character for one, without regard to its neighbours.
pub(super) fn lower(c: char) -> char {
    // The only one whose small letter is two is `İ`, and the second of them is a dot.
    c.to_lowercase().next().unwrap_or(c)
}
