//! The programs that are measured, and those that measure, as they are delivered.

use std::path::PathBuf;

use tools_common::process;

use crate::package::binary::FEATURES;

/// Where they are.
pub struct Programs {
    /// The product.
    pub product: PathBuf,
    /// The lower bound.
    pub floor: PathBuf,
    /// Takes what the product sends.
    pub receiver: PathBuf,
    /// Writes the recording.
    pub workload: PathBuf,
}

/// Builds all of them.
pub fn build() -> Result<Programs, String> {
    // Apart from each other: built together, one could change the features of the other's dependencies.
    let release = |package: &str, program: &str, features: &str| {
        let select = ["--profile", "dist", "--package", package, "--features", features];
        process::build(program, |cargo| _ = cargo.args(select))
    };
    Ok(Programs {
        product: release("nordpass-sentinel", "nordpass-sentinel", FEATURES)?,
        floor: release("bench-reference", "floor", "")?,
        receiver: release("bench-reference", "receiver", "")?,
        workload: release("bench-reference", "workload", "")?,
    })
}
