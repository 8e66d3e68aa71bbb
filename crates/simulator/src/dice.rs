//! The simulators' own randomness: one owner, no lock, the same numbers for the same seed.

use nordpass_env::{STEP, mix};

/// Numbers that depend on the seed alone (`SplitMix64`). Nothing secret is made of them.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice with this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 evenly distributed bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number from 0 (included) to 1 (excluded).
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something of this probability happens.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.fraction() < probability
    }

    /// A number below `limit`; 0 when `limit` is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        // The bias of the remainder is below 2^-40 for every limit used here.
        #[expect(clippy::cast_possible_truncation, reason = "the remainder fits into the limit's type")]
        let number = (self.bits() % (limit.max(1) as u64)) as usize;
        number
    }

    /// One of several, each as likely. The slice isn't empty.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A number below `limit`, which isn't 0, the small ones more likely.
    pub fn early(&mut self, limit: usize) -> usize {
        let number = self.fraction() * self.fraction() * limit as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the limit")]
        let number = number as usize;
        number.min(limit - 1)
    }

    /// One of several, the first ones more likely: few people do most of the work, few items are used most.
    pub fn pick_early<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.early(from.len())]
    }

    /// A version 4 UUID.
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.bits(), self.bits());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides() {
        let numbers = |seed| {
            let mut dice = Dice::new(seed);
            (dice.bits(), dice.uuid(), dice.below(100))
        };
        assert_eq!(numbers(3), numbers(3));
        assert_ne!(numbers(3), numbers(4));
    }

    #[test]
    fn uuids_have_their_form() {
        let mut dice = Dice::new(9);
        for _ in 0..1000 {
            let uuid = dice.uuid();
            assert_eq!(uuid.len(), 36);
            assert_eq!(uuid.as_bytes()[14], b'4');
            assert!(matches!(uuid.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{uuid}");
        }
    }

    #[test]
    fn picks_stay_inside() {
        let mut dice = Dice::new(1);
        let three = [1, 2, 3];
        for _ in 0..1000 {
            assert!(three.contains(dice.pick(&three)) && three.contains(dice.pick_early(&three)));
        }
    }
}
