//! Pages.

use std::fmt::Write as _;

use serde_json::Value;

use super::chart::{self, Chart};
use super::data::{Preview, Tab, Tile, escape, time};
use super::{SCRIPTS, WIDTH, table};

const STYLE: &str = include_str!("style.css");
/// What charts look like; the colours are those of the page.
const CONFIG: &str = include_str!("config.json");
/// Draws the charts, then says how high the page is.
const DRAW: &str = "const options = {renderer: 'svg', actions: false, config,
    formatLocale: {decimal: '.', thousands: ' ', grouping: [3], currency: ['', '']}};
Promise.all(specs.map((spec, at) => vegaEmbed(`#chart${at}`, spec, options)))
    .then(() => document.body.dataset.height = document.body.offsetHeight);";

/// Draws tabs, one below the other.
pub fn page<'a>(preview: &Preview, tabs: impl IntoIterator<Item = &'a Tab>, theme: &str) -> String {
    let (mut body, mut specs) = (String::new(), Vec::new());
    for tab in tabs {
        head(&mut body, preview, tab);
        body.push_str("<main>");
        for tile in preview.tiles.iter().filter(|tile| tile.tab == tab.id) {
            let content = content(tile, &mut specs);
            let (width, title) = (tile.width, escape(&tile.title));
            let _ = write!(body, r#"<article style="width:calc({width}% - 12px)"><h3>{title}</h3>{content}</article>"#);
        }
        body.push_str("</main>");
    }
    let scripts = SCRIPTS.map(|name| format!(r#"<script src="{name}.min.js"></script>"#)).concat();
    // A text of an event can't end the script.
    let specs = Value::from(specs).to_string().replace('<', "\\u003c");
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>NordPass workbook</title><style>{STYLE}</style>\
         <body class=\"{theme}\">{body}{scripts}<script>const config = {CONFIG};\nconst specs = {specs};\n{DRAW}</script></body></html>\n"
    )
}

/// Draws the title, the pickers and the bar of tabs.
fn head(html: &mut String, preview: &Preview, tab: &Tab) {
    let range = format!("{} – {}", time(&preview.from), time(&preview.to));
    let _ = write!(html, r#"<header id="{}"><h1>NordPass</h1><div class="pickers">"#, escape(&tab.id));
    let all = ["Organization", "User", "Platform"].map(|name| (name, "All"));
    for (name, value) in [("Time range", range.as_str()), ("Tables", "ASIM tables")].into_iter().chain(all) {
        let _ = write!(html, "<span>{name}: <b>{}</b></span>", escape(value));
    }
    html.push_str("</div><nav>");
    for other in &preview.tabs {
        let class = if other.id == tab.id { " class=\"open\"" } else { "" };
        let _ = write!(html, "<a{class}>{}</a>", escape(&other.label));
    }
    let _ = write!(html, "</nav><p>{}</p></header>", escape(&tab.about).replace(['*', '`'], ""));
}

/// Draws a tile. A chart becomes an empty element, and its specification is added to `specs`.
fn content(tile: &Tile, specs: &mut Vec<Value>) -> String {
    let width = (WIDTH - 48) * tile.width / 100 - 46;
    let chart = match tile.visualization() {
        "timechart" => chart::over_time(tile, width, false),
        "barchart" => chart::over_time(tile, width, true),
        "piechart" => chart::pie(tile),
        "tiles" => return table::numbers(tile),
        _ if tile.rows.is_empty() => None,
        _ => return table::table(tile),
    };
    let Some(Chart { spec, height }) = chart else {
        return r#"<p class="nothing">Nothing in this time.</p>"#.to_owned();
    };
    specs.push(spec);
    format!(r#"<div class="chart" id="chart{}" style="min-height:{height}px"></div>"#, specs.len() - 1)
}
