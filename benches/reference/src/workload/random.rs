//! Random numbers that are the same on every machine.

use std::fmt::Write;

/// `SplitMix64`: small, fast, and good enough to choose events.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// From 0 up to, but without, 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whether something happens that has this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        index(self.unit(), end)
    }

    /// A number below `end`; small ones are more frequent, as a few people do most of the work.
    pub fn skewed(&mut self, end: usize) -> usize {
        let unit = self.unit();
        index(unit * unit, end)
    }

    /// One of these.
    pub fn pick<'s, T>(&mut self, from: &'s [T]) -> &'s T {
        &from[self.below(from.len())]
    }

    /// A UUID.
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.bits(), self.bits());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0xfff,
            low & 0xffff_ffff_ffff
        )
    }

    /// An address of the ranges for documentation; one in eight is IPv6.
    pub fn address(&mut self) -> String {
        let mut text = String::new();
        // Writing to memory can't fail.
        let _ = if self.chance(0.12) {
            let bits = self.bits();
            write!(text, "2001:db8:{:x}:{:x}::{:x}", bits & 0xffff, bits >> 16 & 0xffff, bits >> 32 & 0xfff)
        } else {
            let network = self.pick(&["203.0.113", "198.51.100", "192.0.2"]);
            write!(text, "{network}.{}", 1 + self.below(254))
        };
        text
    }
}

/// `unit` of the way from 0 to `end`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below `end`, and never negative")]
fn index(unit: f64, end: usize) -> usize {
    (unit * end as f64) as usize
}
