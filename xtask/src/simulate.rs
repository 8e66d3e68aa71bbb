//! `cargo xtask simulate`: the delivery guarantee in simulated worlds (`tests/worlds`).

use tools_common::process;

/// From so many worlds on, building the program once more with optimizations is worth its minutes.
const MANY: u64 = 1_000;

/// Passes its arguments to the worlds.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let seeds = arguments.iter().position(|word| *word == "--seeds").and_then(|at| arguments.get(at + 1));
    let many = seeds.and_then(|number| number.parse::<u64>().ok()).is_some_and(|number| number >= MANY);
    let mut cargo = process::cargo();
    cargo.args(["test", "--locked", "--test", "worlds"]);
    if many {
        cargo.args(["--profile", "simulation"]);
    }
    process::run(cargo.arg("--").args(arguments))
}
