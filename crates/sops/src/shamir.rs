//! A secret from its shares: polynomials over GF(2⁸), as the reference splits them.

use zeroize::Zeroizing;

/// The secret of which each share holds a point: the last byte says where, the others what.
/// `None` when the shares are of different lengths or repeat each other.
pub(crate) fn combine(shares: &[&Zeroizing<Vec<u8>>]) -> Option<Zeroizing<Vec<u8>>> {
    let length = shares.first()?.len();
    let points: Vec<u8> =
        shares.iter().map(|share| share.last().copied()).collect::<Option<_>>()?;
    let unlike = shares.iter().any(|share| share.len() != length);
    let repeated = (1..points.len()).any(|at| points[..at].contains(&points[at]));
    if unlike || repeated || length < 2 {
        return None;
    }
    let byte = |at: usize| {
        let values: Vec<u8> = shares.iter().map(|share| share[at]).collect();
        at_zero(&points, &values)
    };
    Some(Zeroizing::new((0..length - 1).map(byte).collect()))
}

/// The value at zero of the polynomial through some points.
fn at_zero(points: &[u8], values: &[u8]) -> u8 {
    let basis = |i: usize| {
        let others = points.iter().enumerate().filter(|(j, _)| *j != i);
        others.fold(1, |product, (_, x)| multiply(product, multiply(*x, inverse(points[i] ^ x))))
    };
    values.iter().enumerate().fold(0, |sum, (i, value)| sum ^ multiply(*value, basis(i)))
}

fn multiply(a: u8, b: u8) -> u8 {
    let (mut a, mut product) = (a, 0);
    for bit in 0..8 {
        if b >> bit & 1 == 1 {
            product ^= a;
        }
        a = if a & 0x80 == 0 { a << 1 } else { (a << 1) ^ 0x1b };
    }
    product
}

/// The inverse: the power with one less than the number of elements that have one.
fn inverse(a: u8) -> u8 {
    (0..254).fold(1, |power, _| multiply(power, a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_give_the_secret() {
        assert_eq!(multiply(0x57, 0x83), 0xc1);
        assert!((1..=255).all(|a| multiply(a, inverse(a)) == 1));
        // The line 7 + 5x at 1 and 3, beside the line 9 + 2x.
        let share = |x: u8| Zeroizing::new(vec![7 ^ multiply(5, x), 9 ^ multiply(2, x), x]);
        let (one, three) = (share(1), share(3));
        assert_eq!(combine(&[&one, &three]).as_deref(), Some(&vec![7, 9]));
        assert_eq!(combine(&[&one, &one]), None);
        assert_eq!(combine(&[&one, &Zeroizing::new(vec![1])]), None);
        assert_eq!(combine(&[]), None);
    }
}
