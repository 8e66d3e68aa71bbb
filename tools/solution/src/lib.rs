//! Builds and checks what runs in Azure: the workbook, the connector pages, the solution package, the deployment
//! template, and pictures of the workbook. `cargo xtask` has the commands.
#![expect(clippy::print_stdout, reason = "these commands are for people at a terminal")]

mod check;
mod connectors;
mod deploy;
mod moment;
mod package;
mod preview;
mod rows;
mod tables;
mod tools;
mod workbook;

use serde::de::DeserializeOwned;
use tools_common::json::pretty;

pub use check::{check as check_solution, measure as measure_solution, write as write_solution};
pub use deploy::check as check_deploy;
pub use package::write as write_package;
pub use preview::run as preview;
pub use workbook::check::run as check_workbook;

/// A generated file: its path in the repository, and what makes its text.
pub type Page = (&'static str, fn() -> Result<String, String>);

/// The files that this crate generates.
pub const GENERATED: &[Page] = &[
    (deploy::generate::TEMPLATE, deploy::generate::template),
    (workbook::PATH, workbook::text),
    (connectors::GENERIC, || connectors::generic().map(|page| pretty(&page))),
    (connectors::DEFINITION, || connectors::definition().map(|page| pretty(&page))),
    (connectors::RULE, || connectors::rule().map(|rule| pretty(&rule))),
    (connectors::TABLES, || Ok(pretty(&connectors::tables()))),
];

/// Reads JSON that is a part of the program.
fn data<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).expect("a test reads it")
}

/// Returns whether a text is like a shape in which `0` stands for any digit.
fn has_shape(text: &str, shape: &str) -> bool {
    let alike = |(byte, like): (u8, u8)| if like == b'0' { byte.is_ascii_digit() } else { byte == like };
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(alike)
}
