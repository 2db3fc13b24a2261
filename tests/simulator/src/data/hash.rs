//! Numbers that look random and are always the same.
//!
//! `SplitMix64` is used because it needs no state: each value is computed from its place alone. A generator with state
//! would have to be run up to row n.

/// Mixes a number so that each of its bits depends on all (finaliser of `SplitMix64`).
pub(super) fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// A number for a name (FNV-1a).
pub(super) fn name(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// A source of numbers for one value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dice(u64);

impl Dice {
    /// The source for one place.
    pub(super) fn new(seed: u64, salt: u64, n: u64) -> Self {
        Self(mix(mix(seed ^ salt).wrapping_add(n)))
    }

    /// A source that is independent of this one.
    pub(super) fn fork(self, salt: u64) -> Self {
        Self(mix(self.0 ^ salt.wrapping_mul(0xA24B_AED4_963E_E407)))
    }

    /// The next number below `bound`; 0 where the bound is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = mix(self.0);
        (self.0 >> 11).checked_rem(bound).unwrap_or(0)
    }

    /// True once in so many times.
    pub(super) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let place = self.below(u64::try_from(from.len()).unwrap_or(0));
        from.get(usize::try_from(place).unwrap_or(0))
    }

    /// One of these texts; empty where there are none.
    pub(super) fn text(&mut self, from: &[&'static str]) -> &'static str {
        self.pick(from).copied().unwrap_or("")
    }

    /// So many decimal digits, the first not 0.
    pub(super) fn digits(&mut self, count: u32) -> String {
        let mut digits = String::new();
        for place in 0..count {
            let digit = if place == 0 { 1 + self.below(9) } else { self.below(10) };
            digits.push(char::from(b'0'.saturating_add(u8::try_from(digit).unwrap_or(0))));
        }
        digits
    }
}
