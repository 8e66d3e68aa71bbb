//! `cargo xtask chaos`: the real program, killed, starved and cut off (`tests/chaos`), for long and optimized.

use tools_common::process;

/// Passes its arguments to the test, whose short form is part of all tests.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let mut cargo = process::cargo();
    cargo.args(["test", "--locked", "--profile", "dist", "--test", "chaos", "--", "--long"]);
    process::run(cargo.args(arguments))
}
