//! The order of keys in what is written.

use std::cmp::Ordering;

/// The order of keys: letters after other characters, runs of digits by their value.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let common = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    if common == a.len() || common == b.len() {
        return a.len().cmp(&b.len());
    }
    let letters = |text: &str| text.as_bytes()[common].is_ascii_alphabetic();
    if letters(a) && letters(b) {
        return a.as_bytes()[common].cmp(&b.as_bytes()[common]);
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(x, y)| x != y) else {
        return a.len().cmp(&b.len());
    };
    let (x, y) = (a[at], b[at]);
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(&y),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let mut seed = 0_i64;
    if x == '0' || y == '0' {
        let digits = a[..at].iter().rev().take_while(|c| c.is_numeric());
        if digits.into_iter().any(|c| *c != '0') {
            seed = 1;
        }
    }
    let run = |text: &[char]| {
        let digits = text[at..].iter().take_while(|c| c.is_ascii_digit());
        digits.fold((seed, 0_usize), |(number, count), c| {
            let digit = i64::from(u32::from(*c) - u32::from('0'));
            (number.wrapping_mul(10).wrapping_add(digit), count + 1)
        })
    };
    run(&a).cmp(&run(&b)).then(x.cmp(&y))
}

/// Sorts and keeps equal items in order, whether or not the comparison is one of a total order:
/// that of keys is none where numbers overflow, and the library's sort may panic then.
pub(super) fn sort<T: Copy>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering + Copy) {
    if items.len() < 2 {
        return;
    }
    let (left, right) = items.split_at_mut(items.len() / 2);
    sort(left, compare);
    sort(right, compare);
    let mut merged = Vec::with_capacity(items.len());
    let (mut left, mut right) = items.split_at(items.len() / 2);
    while let (Some((first, others)), Some((second, rest))) =
        (left.split_first(), right.split_first())
    {
        if compare(first, second) == Ordering::Greater {
            merged.push(*second);
            right = rest;
        } else {
            merged.push(*first);
            left = others;
        }
    }
    merged.extend_from_slice(left);
    merged.extend_from_slice(right);
    items.copy_from_slice(&merged);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_is_none_does_no_harm() {
        let rock_paper_scissors = |a: &usize, b: &usize| match (3 + b - a) % 3 {
            0 => Ordering::Equal,
            1 => Ordering::Less,
            _ => Ordering::Greater,
        };
        let mut items: Vec<usize> = (0..100).map(|at| at * 7 % 3).collect();
        sort(&mut items, rock_paper_scissors);
        assert_eq!(items.iter().sum::<usize>(), 99);
        let mut keys = ["b", "a10", "a9", "-", "a"];
        sort(&mut keys, |a, b| natural(a, b));
        assert_eq!(keys, ["-", "a", "a9", "a10", "b"]);
    }
}
