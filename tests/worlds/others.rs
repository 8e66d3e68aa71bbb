//! Runs worlds of the other kinds, and prints what they came to.

use crate::world::Violations;
use crate::{Args, for_each, hostile, in_runtime};

/// What a world came to.
#[derive(Default)]
pub struct Tally {
    pub violations: Violations,
    /// What there was in it.
    pub counts: Vec<(u64, &'static str)>,
}

/// Something that is wrong on purpose, to see that the judge bites.
pub struct Lie {
    /// In words.
    pub what: &'static str,
    /// Among so many worlds there must be one in which it is seen.
    pub worlds: u64,
    /// The violations of a seed's world with it.
    pub run: fn(u64) -> Violations,
    /// How a violation begins, or what it has in it.
    pub seen: &'static str,
}

/// A kind of worlds.
pub struct Kind {
    /// What makes `worlds` run only these.
    pub flag: &'static str,
    pub name: &'static str,
    pub run: fn(u64) -> Tally,
    pub describe: fn(u64) -> String,
    pub lies: &'static [Lie],
}

impl Kind {
    /// Runs the worlds, and those with a lie. Whether everything is as it should be.
    pub fn run_all(&self, args: &Args, sets: &[(u64, u64)]) -> bool {
        let mut is_right = true;
        let (mut worlds, mut sums) = (0_u64, Vec::<(u64, &str)>::new());
        for (from, count) in sets {
            println!("{}: seeds {from} to {}", self.name, from + count - 1);
            let run = |seed| {
                let tally = (self.run)(seed);
                let is_right = tally.violations.is_empty();
                (tally, is_right)
            };
            for (seed, tally) in for_each(*from, *count, run) {
                for violation in &tally.violations {
                    is_right = false;
                    println!(
                        "FAILED seed {seed}: {violation}\nhint: cargo xtask simulate {} --seed {seed} --log",
                        self.flag
                    );
                }
                worlds += 1;
                sums.resize(tally.counts.len().max(sums.len()), (0, ""));
                for (sum, (count, what)) in sums.iter_mut().zip(tally.counts) {
                    *sum = (sum.0 + count, what);
                }
            }
        }
        let sums: Vec<String> = sums.iter().map(|(sum, what)| format!("{sum} {what}")).collect();
        println!("{worlds} worlds, {}", sums.join(", "));
        if args.one {
            println!("{}", (self.describe)(sets[0].0));
            return is_right;
        }
        self.lies.iter().all(|lie| lie.is_seen(args)) && is_right
    }
}

impl Lie {
    fn is_seen(&self, args: &Args) -> bool {
        let is_seen = |seed: &u64| {
            let violations = (self.run)(*seed);
            if args.log {
                println!("{}, seed {seed}: {violations:?}", self.what);
            }
            violations.iter().any(|violation| violation.contains(self.seen))
        };
        let found = (0..self.worlds).find(is_seen);
        match found {
            Some(seed) => println!("{}: found in seed {seed}", self.what),
            None => println!("FAILED: {}: nothing was found in {} worlds", self.what, self.worlds),
        }
        found.is_some()
    }
}

/// Runs a world; a panic is a violation.
pub fn in_world<F: Future<Output = Tally>>(world: impl FnOnce() -> F) -> Tally {
    hostile::forget_logs();
    in_runtime(world).unwrap_or_else(|panic| Tally { violations: vec![panic], ..Tally::default() })
}
