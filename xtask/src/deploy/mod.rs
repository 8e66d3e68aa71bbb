//! What stands in `deploy/`: the generated part of the Azure template, and the checks.

pub mod generate;
