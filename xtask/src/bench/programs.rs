//! The programs that are measured, and those that measure, as releases.

use std::path::PathBuf;

use tools_common::process::cargo;
use tools_common::process::executables;

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
    let mut product = cargo();
    product.args(["build", "--release", "--locked", "--bin", "nordpass-sentinel"]);
    let mut built = executables(&mut product)?;
    let mut reference = cargo();
    reference.args(["build", "--release", "--locked", "--package", "bench-reference", "--bins"]);
    built.extend(executables(&mut reference)?);
    let mut take = |name: &str| built.remove(name).ok_or_else(|| format!("cargo built no `{name}`"));
    Ok(Programs {
        product: take("nordpass-sentinel")?,
        floor: take("floor")?,
        receiver: take("receiver")?,
        workload: take("workload")?,
    })
}
