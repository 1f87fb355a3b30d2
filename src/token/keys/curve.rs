//! Whether a public point lies on its curve.
//!
//! A provider may find that out at the first token only, where it looks like one bad signature after the other. Points
//! are public, and are checked once per key, so that the arithmetic below is plain and slow, and need not be constant
//! in time.

/// A number below 2²⁵⁶, least significant word first.
type Number = [u64; 4];

/// Whether `(x, y)` is a point of P-256: `y² = x³ − 3x + b`.
pub(super) fn is_on_p256(x: &[u8; 32], y: &[u8; 32]) -> bool {
    let (x, y) = (from_big_endian(x), from_big_endian(y));
    let field = Field { prime: P256_PRIME };
    if !field.contains(x) || !field.contains(y) {
        return false;
    }
    let cube = field.multiply(field.multiply(x, x), x);
    let three_x = field.add(x, field.add(x, x));
    let right = field.add(field.subtract(cube, three_x), P256_B);
    field.multiply(y, y) == right
}

/// Whether `point` is the canonical encoding of a point of Ed25519 that has a large order (RFC 8032 §5.1.3).
///
/// For a point of small order, all zeros among them, anybody can make signatures.
pub(super) fn is_on_ed25519(point: &[u8; 32]) -> bool {
    let mut little_endian = *point;
    little_endian.reverse();
    little_endian[0] &= 0x7f;
    let y = from_big_endian(&little_endian);
    let field = Field { prime: ED25519_PRIME };
    let minus_one = field.subtract(ZERO, ONE);
    let small_order = [ZERO, ONE, minus_one, ED25519_ORDER_8, field.subtract(ZERO, ED25519_ORDER_8)];
    if !field.contains(y) || small_order.contains(&y) {
        return false;
    }
    // x² = (y² − 1) / (d·y² + 1); a quotient is a square exactly when the product is.
    let square = field.multiply(y, y);
    let numerator = field.subtract(square, ONE);
    let denominator = field.add(field.multiply(ED25519_D, square), ONE);
    let symbol = field.power(field.multiply(numerator, denominator), ED25519_HALF);
    symbol == ONE
}

struct Field {
    prime: Number,
}

impl Field {
    fn contains(&self, number: Number) -> bool {
        subtract(number, self.prime).1
    }

    fn add(&self, a: Number, b: Number) -> Number {
        let (sum, carry) = add(a, b);
        let (reduced, borrow) = subtract(sum, self.prime);
        if carry || !borrow { reduced } else { sum }
    }

    fn subtract(&self, a: Number, b: Number) -> Number {
        let (difference, borrow) = subtract(a, b);
        if borrow { add(difference, self.prime).0 } else { difference }
    }

    fn multiply(&self, a: Number, b: Number) -> Number {
        bits(b).fold(ZERO, |product, bit| {
            let doubled = self.add(product, product);
            if bit { self.add(doubled, a) } else { doubled }
        })
    }

    fn power(&self, base: Number, exponent: Number) -> Number {
        bits(exponent).fold(ONE, |power, bit| {
            let squared = self.multiply(power, power);
            if bit { self.multiply(squared, base) } else { squared }
        })
    }
}

/// Most significant first.
fn bits(number: Number) -> impl Iterator<Item = bool> {
    number.into_iter().rev().flat_map(|word| (0..64).rev().map(move |bit| word >> bit & 1 == 1))
}

fn add(a: Number, b: Number) -> (Number, bool) {
    let mut carry = false;
    let mut sum = a;
    for (word, other) in sum.iter_mut().zip(b) {
        let (partial, first) = word.overflowing_add(other);
        let (total, second) = partial.overflowing_add(u64::from(carry));
        *word = total;
        carry = first || second;
    }
    (sum, carry)
}

fn subtract(a: Number, b: Number) -> (Number, bool) {
    let mut borrow = false;
    let mut difference = a;
    for (word, other) in difference.iter_mut().zip(b) {
        let (partial, first) = word.overflowing_sub(other);
        let (total, second) = partial.overflowing_sub(u64::from(borrow));
        *word = total;
        borrow = first || second;
    }
    (difference, borrow)
}

fn from_big_endian(bytes: &[u8; 32]) -> Number {
    let mut number = ZERO;
    for (word, chunk) in number.iter_mut().rev().zip(bytes.chunks(8)) {
        *word = chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    }
    number
}

const ZERO: Number = [0; 4];
const ONE: Number = [1, 0, 0, 0];

const P256_PRIME: Number = [0xffff_ffff_ffff_ffff, 0x0000_0000_ffff_ffff, 0, 0xffff_ffff_0000_0001];
const P256_B: Number = [0x3bce_3c3e_27d2_604b, 0x651d_06b0_cc53_b0f6, 0xb3eb_bd55_7698_86bc, 0x5ac6_35d8_aa3a_93e7];

/// 2²⁵⁵ − 19.
const ED25519_PRIME: Number = [u64::MAX - 18, u64::MAX, u64::MAX, u64::MAX >> 1];
/// (prime − 1) / 2.
const ED25519_HALF: Number = [u64::MAX - 9, u64::MAX, u64::MAX, u64::MAX >> 2];
const ED25519_D: Number = [0x75eb_4dca_1359_78a3, 0x0070_0a4d_4141_d8ab, 0x8cc7_4079_7779_e898, 0x5203_6cee_2b6f_fe73];
/// The y of two points of order eight; its negative is that of the other two.
const ED25519_ORDER_8: Number =
    [0xb027_b2c2_8f95_e826, 0xf098_eff2_89f4_c345, 0x3933_c6d3_05ac_dfd5, 0x05fc_536d_8802_38b1];

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hexadecimal: &str) -> [u8; 32] {
        let digits: Vec<u8> =
            (0..64).step_by(2).map(|at| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap()).collect();
        digits.try_into().unwrap()
    }

    /// S22.
    #[test]
    fn a_point_off_p256_is_seen() {
        let x = bytes("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296");
        let y = bytes("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5");
        assert!(is_on_p256(&x, &y));
        assert!(!is_on_p256(&y, &x));
        assert!(!is_on_p256(&[0; 32], &[0; 32]));
        assert!(!is_on_p256(&[0xff; 32], &y));

        let mut other = y;
        other[31] ^= 1;
        assert!(!is_on_p256(&x, &other));
    }

    /// S22.
    #[test]
    fn a_point_off_ed25519_or_of_small_order_is_seen() {
        let good = [
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "5866666666666666666666666666666666666666666666666666666666666666",
        ];
        for point in good {
            assert!(is_on_ed25519(&bytes(point)), "{point}");
        }

        let bad = [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            // y = 2 is not on the curve.
            "0200000000000000000000000000000000000000000000000000000000000000",
        ];
        for point in bad {
            assert!(!is_on_ed25519(&bytes(point)), "{point}");
        }
    }
}
