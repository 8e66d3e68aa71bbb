//! `cargo xtask preview`: what the workbook shows on the demo's rows, as a page that needs no Azure, and as pictures.
//!
//! The demo's events go through the real program into tables, the workbook's own queries run on them, and their results
//! are drawn here in the manner of Azure Workbooks. The drawing is ours: it shows what is in the tiles, and not each
//! pixel of the portal.

mod chart;
mod data;
mod page;
mod series;
mod table;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;
use std::process::Command;

use tools_common::process::run as run_command;
use tools_common::root;

use crate::tools;
use crate::workbook::demo::{self, Demo};
use data::Preview;

/// The page's width in pixels.
pub const WIDTH: u32 = 1440;
/// The most that a picture in the repository may take.
const LARGEST: u64 = 300_000;

/// Colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    White,
    Black,
}

impl Theme {
    fn class(self) -> &'static str {
        match self {
            Self::White => "white",
            Self::Black => "black",
        }
    }
}

/// Each picture that the repository keeps: where, which tab, and the colours.
const PICTURES: &[(&str, &str, Theme)] = &[
    ("solution/Workbooks/Images/Preview/NordPassSentinelWhite.png", "Overview", Theme::White),
    ("solution/Workbooks/Images/Preview/NordPassSentinelBlack.png", "Overview", Theme::Black),
    ("docs/images/workbook-overview.png", "Overview", Theme::White),
    ("docs/images/workbook-logins.png", "Logins", Theme::White),
    ("docs/images/workbook-health.png", "Health", Theme::White),
];

/// Makes the rows, runs the queries, draws, and takes the pictures.
pub fn run() -> Result<(), String> {
    let work = root().join("target/preview");
    let (python, node) = (tools::kql_python()?, tools::kql_parser()?);
    demo::write(&work, &Demo { events: 12_000, rounds: 20 })?;
    let mut command = Command::new(python);
    command.arg(root().join("solution/tests/demo.py")).arg("--work").arg(&work);
    run_command(command.arg("--node").arg(node).arg("preview"))?;
    let text = fs::read_to_string(work.join("preview.json")).map_err(|error| format!("no results: {error}"))?;
    let preview: Preview = serde_json::from_str(&text).map_err(|error| format!("preview.json: {error}"))?;
    draw(&work, &preview)
}

fn draw(work: &Path, preview: &Preview) -> Result<(), String> {
    let chromium = tools::chromium()?;
    let save = |name: &str, text: &str| {
        fs::write(work.join(name), text).map_err(|error| format!("can't write {name}: {error}"))
    };
    save("index.html", &page::whole(preview))?;
    for tab in &preview.tabs {
        for theme in [Theme::White, Theme::Black] {
            let (text, height) = page::tab(preview, &tab.id, theme);
            let name = format!("{}-{}", tab.id, theme.class());
            save(&format!("{name}.html"), &text)?;
            shoot(chromium, work, &name, height)?;
        }
    }
    for (path, tab, theme) in PICTURES {
        let from = work.join(format!("{tab}-{}.png", theme.class()));
        let to = root().join(path);
        let size = fs::metadata(&from).map_err(|error| format!("no picture of {tab}: {error}"))?.len();
        if size > LARGEST {
            return Err(format!("the picture of {tab} has {size} bytes"));
        }
        fs::create_dir_all(to.parent().unwrap_or(work))
            .and_then(|()| fs::copy(&from, &to))
            .map_err(|error| format!("can't write {path}: {error}"))?;
        println!("{size:>8} bytes  {path}");
    }
    println!("the page: target/preview/index.html");
    Ok(())
}

/// A picture of a page of the work folder. Chromium asks nothing of a network: the pages are files without links.
fn shoot(chromium: &str, work: &Path, name: &str, height: u32) -> Result<(), String> {
    let mut command = Command::new(chromium);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--force-device-scale-factor=1",
    ]);
    command.arg(format!("--user-data-dir={}", work.join("chromium").display()));
    command.arg(format!("--window-size={WIDTH},{height}"));
    command.arg(format!("--screenshot={}", work.join(format!("{name}.png")).display()));
    command.arg(format!("file://{}", work.join(format!("{name}.html")).display()));
    let output = command.output().map_err(|error| format!("can't run {chromium}: {error}"))?;
    if output.status.success() && work.join(format!("{name}.png")).exists() {
        return Ok(());
    }
    Err(format!("no picture of {name}:\n{}", String::from_utf8_lossy(&output.stderr)))
}
