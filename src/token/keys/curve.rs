//! Whether a public point lies on its curve.
//!
//! A provider may find that out at the first token only, where it looks like one bad signature after the other. Points
//! are public, and are checked once per key, so that the arithmetic below is plain and slow, and need not be constant
//! in time.

/// A number of some words, the least significant one first.
type Number<const WORDS: usize> = [u64; WORDS];

/// Whether `(x, y)` is a point of P-256: `y² = x³ − 3x + b`.
pub(super) fn is_on_p256(x: &[u8; 32], y: &[u8; 32]) -> bool {
    Field { prime: P256_PRIME }.has_point(from_big_endian(x), from_big_endian(y), P256_B)
}

/// Whether `(x, y)` is a point of P-384: `y² = x³ − 3x + b`.
pub(super) fn is_on_p384(x: &[u8; 48], y: &[u8; 48]) -> bool {
    Field { prime: P384_PRIME }.has_point(from_big_endian(x), from_big_endian(y), P384_B)
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

struct Field<const WORDS: usize> {
    prime: Number<WORDS>,
}

impl<const WORDS: usize> Field<WORDS> {
    /// Whether `y² = x³ − 3x + b`.
    fn has_point(&self, x: Number<WORDS>, y: Number<WORDS>, b: Number<WORDS>) -> bool {
        if !self.contains(x) || !self.contains(y) {
            return false;
        }
        let cube = self.multiply(self.multiply(x, x), x);
        let three_x = self.add(x, self.add(x, x));
        self.multiply(y, y) == self.add(self.subtract(cube, three_x), b)
    }

    fn contains(&self, number: Number<WORDS>) -> bool {
        subtract(number, self.prime).1
    }

    fn add(&self, a: Number<WORDS>, b: Number<WORDS>) -> Number<WORDS> {
        let (sum, carry) = add(a, b);
        let (reduced, borrow) = subtract(sum, self.prime);
        if carry || !borrow { reduced } else { sum }
    }

    fn subtract(&self, a: Number<WORDS>, b: Number<WORDS>) -> Number<WORDS> {
        let (difference, borrow) = subtract(a, b);
        if borrow { add(difference, self.prime).0 } else { difference }
    }

    fn multiply(&self, a: Number<WORDS>, b: Number<WORDS>) -> Number<WORDS> {
        bits(b).fold([0; WORDS], |product, bit| {
            let doubled = self.add(product, product);
            if bit { self.add(doubled, a) } else { doubled }
        })
    }

    fn one() -> Number<WORDS> {
        std::array::from_fn(|word| u64::from(word == 0))
    }

    fn power(&self, base: Number<WORDS>, exponent: Number<WORDS>) -> Number<WORDS> {
        bits(exponent).fold(Self::one(), |power, bit| {
            let squared = self.multiply(power, power);
            if bit { self.multiply(squared, base) } else { squared }
        })
    }
}

/// Most significant first.
fn bits<const WORDS: usize>(number: Number<WORDS>) -> impl Iterator<Item = bool> {
    number.into_iter().rev().flat_map(|word| (0..64).rev().map(move |bit| word >> bit & 1 == 1))
}

fn add<const WORDS: usize>(a: Number<WORDS>, b: Number<WORDS>) -> (Number<WORDS>, bool) {
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

fn subtract<const WORDS: usize>(a: Number<WORDS>, b: Number<WORDS>) -> (Number<WORDS>, bool) {
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

fn from_big_endian<const WORDS: usize>(bytes: &[u8]) -> Number<WORDS> {
    let mut number = [0; WORDS];
    for (word, chunk) in number.iter_mut().rev().zip(bytes.chunks(8)) {
        *word = chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    }
    number
}

const ZERO: Number<4> = [0; 4];
const ONE: Number<4> = [1, 0, 0, 0];

const P256_PRIME: Number<4> = [0xffff_ffff_ffff_ffff, 0x0000_0000_ffff_ffff, 0, 0xffff_ffff_0000_0001];
const P256_B: Number<4> = [0x3bce_3c3e_27d2_604b, 0x651d_06b0_cc53_b0f6, 0xb3eb_bd55_7698_86bc, 0x5ac6_35d8_aa3a_93e7];

const P384_PRIME: Number<6> =
    [0x0000_0000_ffff_ffff, 0xffff_ffff_0000_0000, 0xffff_ffff_ffff_fffe, u64::MAX, u64::MAX, u64::MAX];
const P384_B: Number<6> = [
    0x2a85_c8ed_d3ec_2aef,
    0xc656_398d_8a2e_d19d,
    0x0314_088f_5013_875a,
    0x181d_9c6e_fe81_4112,
    0x988e_056b_e3f8_2d19,
    0xb331_2fa7_e23e_e7e4,
];

/// 2²⁵⁵ − 19.
const ED25519_PRIME: Number<4> = [u64::MAX - 18, u64::MAX, u64::MAX, u64::MAX >> 1];
/// (prime − 1) / 2.
const ED25519_HALF: Number<4> = [u64::MAX - 9, u64::MAX, u64::MAX, u64::MAX >> 2];
const ED25519_D: Number<4> =
    [0x75eb_4dca_1359_78a3, 0x0070_0a4d_4141_d8ab, 0x8cc7_4079_7779_e898, 0x5203_6cee_2b6f_fe73];
/// The y of two points of order eight; its negative is that of the other two.
const ED25519_ORDER_8: Number<4> =
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

    /// S22: the base point (SEC 2 §2.5.1).
    #[test]
    fn a_point_off_p384_is_seen() {
        let bytes = |digits: &str| -> [u8; 48] {
            std::array::from_fn(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
        };
        let x = bytes(concat!(
            "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b98",
            "59f741e082542a385502f25dbf55296c3a545e3872760ab7"
        ));
        let y = bytes(concat!(
            "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147c",
            "e9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f"
        ));
        assert!(is_on_p384(&x, &y));
        assert!(!is_on_p384(&y, &x));
        assert!(!is_on_p384(&[0; 48], &[0; 48]));
        assert!(!is_on_p384(&[0xff; 48], &y));
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
