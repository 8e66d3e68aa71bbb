//! `cargo xtask preview`: what the workbook shows on the demo's rows, as a page that needs no Azure, and as pictures.
//!
//! The demo's events go through the real program into tables, the workbook's own queries run on them, and their results
//! are shown in the manner of Azure Workbooks: tables as HTML, charts by Vega-Lite. It shows what is in the tiles, not each
//! pixel of the portal.

mod chart;
mod data;
mod page;
mod table;
#[cfg(test)]
mod tests;

use std::{path::Path, process::Command};

use tools_common::json::parse;
use tools_common::process::{self, output};
use tools_common::root;

use crate::tools;
use crate::workbook::demo::{self, Demo};
use data::Preview;

/// The page's width in pixels.
const WIDTH: usize = 1440;
/// The most that a picture in the repository may take, in bytes.
const LARGEST: usize = 300_000;

/// The libraries that draw the charts, each a package with `build/NAME.min.js`. A page loads them in this order.
const SCRIPTS: [&str; 3] = ["vega", "vega-lite", "vega-embed"];

/// How Chromium is started.
const FLAGS: [&str; 11] = [
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
    "--virtual-time-budget=10000",
];

/// Each picture that the repository keeps: its path, the tab, and the theme.
const PICTURES: &[(&str, &str, &str)] = &[
    ("solution/Workbooks/Images/Preview/NordPassSentinelWhite.png", "Overview", "white"),
    ("solution/Workbooks/Images/Preview/NordPassSentinelBlack.png", "Overview", "black"),
    ("docs/images/workbook-overview.png", "Overview", "white"),
    ("docs/images/workbook-logins.png", "Logins", "white"),
    ("docs/images/workbook-health.png", "Health", "white"),
];

/// Makes the rows, runs the queries, draws the pages, and takes the pictures.
pub fn run() -> Result<(), String> {
    let work = root().join("target/preview");
    let (python, node) = (tools::kql_python()?, tools::kql_parser()?);
    demo::write(&work, &Demo { events: 12_000, rounds: 20, hostile: false })?;
    let mut command = Command::new(python);
    command.arg(root().join("solution/tests/demo.py")).arg("--work").arg(&work);
    process::run(command.arg("--node").arg(node).arg("preview"))?;
    draw(&work, &parse("preview.json", tools_common::bytes(work.join("preview.json"))?)?)
}

fn draw(work: &Path, preview: &Preview) -> Result<(), String> {
    let (chromium, libraries) = (tools::chromium()?, tools::vega()?);
    for name in SCRIPTS {
        let file = format!("{name}.min.js");
        tools_common::write(work.join(&file), tools_common::bytes(libraries.join(name).join("build").join(&file))?)?;
    }
    tools_common::write(work.join("index.html"), page::page(preview, &preview.tabs, "white"))?;
    for tab in &preview.tabs {
        for theme in ["white", "black"] {
            let name = format!("{}-{theme}", tab.id);
            tools_common::write(work.join(format!("{name}.html")), page::page(preview, [tab], theme))?;
            shoot(chromium, work, &name)?;
        }
    }
    for (path, tab, theme) in PICTURES {
        let bytes = tools_common::bytes(work.join(format!("{tab}-{theme}.png")))?;
        if bytes.len() > LARGEST {
            return Err(format!("the picture of {tab} has {} bytes", bytes.len()));
        }
        println!("{:>8} bytes  {path}", bytes.len());
        tools_common::write(path, bytes)?;
    }
    println!("the page: target/preview/index.html");
    Ok(())
}

/// Takes a picture of a page in the work folder, after its charts are drawn.
fn shoot(chromium: &str, work: &Path, name: &str) -> Result<(), String> {
    let page = browse(chromium, work, name, 1000, "--dump-dom")?;
    let height = page.split("data-height=\"").nth(1).and_then(|rest| rest.split('"').next()?.parse().ok());
    let height = height.ok_or_else(|| format!("the charts of {name} can't be drawn:\n{page}"))?;
    let picture = work.join(format!("{name}.png"));
    browse(chromium, work, name, height, &format!("--screenshot={}", picture.display()))?;
    if picture.exists() { Ok(()) } else { Err(format!("Chromium wrote no picture of {name}")) }
}

/// Opens a page of the work folder in a window of some height. Returns what Chromium writes. It needs no network: pages
/// and libraries are files.
fn browse(chromium: &str, work: &Path, name: &str, height: usize, action: &str) -> Result<String, String> {
    let mut command = Command::new(chromium);
    command.args(FLAGS);
    command.arg(format!("--user-data-dir={}", work.join("chromium").display()));
    command.arg(format!("--window-size={WIDTH},{height}")).arg(action);
    command.arg(format!("file://{}", work.join(format!("{name}.html")).display()));
    Ok(String::from_utf8_lossy(&output(&mut command)?.stdout).into_owned())
}
