//! Pages.

use std::fmt::Write as _;

use super::data::{Preview, Tab, Tile, escape, time};
use super::{Theme, WIDTH, chart, table};

const STYLE: &str = include_str!("style.css");
/// Heights in pixels: what stands above the tiles, a tile with a pie, one with numbers, what a table has around its rows,
/// one of these, what a chart has around it, and the gap below a tile.
const HEAD: u32 = 182;
const PIE: u32 = 322;
const NUMBERS: u32 = 122;
const AROUND: u32 = 98;
const LINE: u32 = 28;
const FRAME: u32 = 56;
const GAP: u32 = 12;

/// All tabs, one below the other.
pub fn whole(preview: &Preview) -> String {
    let mut body = String::new();
    for tab in &preview.tabs {
        let _ = write!(body, r#"<section id="{}">{}</section>"#, escape(&tab.id), content(preview, tab).0);
    }
    document(&body, Theme::White)
}

/// One tab, and the page's height.
pub fn tab(preview: &Preview, id: &str, theme: Theme) -> (String, u32) {
    let found = preview.tabs.iter().find(|tab| tab.id == id);
    let (body, height) = found.map(|tab| content(preview, tab)).unwrap_or_default();
    (document(&body, theme), height)
}

fn document(body: &str, theme: Theme) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>NordPass workbook</title><style>{STYLE}</style>\
         <body class=\"{}\">{body}</body></html>\n",
        theme.class()
    )
}

fn content(preview: &Preview, tab: &Tab) -> (String, u32) {
    let mut html = head(preview, tab);
    let mut height = HEAD;
    html.push_str("<main>");
    let tiles: Vec<_> = preview.tiles.iter().filter(|tile| tile.tab == tab.id).collect();
    for row in rows(&tiles) {
        let high = row.iter().map(|tile| needed(tile)).max().unwrap_or_default();
        height += high + GAP;
        for tile in row {
            let _ = write!(
                html,
                r#"<article style="width:calc({}% - 12px);height:{high}px"><h3>{}</h3>{}</article>"#,
                tile.width,
                escape(&tile.title),
                drawn(tile, f64::from(high - FRAME))
            );
        }
    }
    html.push_str("</main>");
    (html, height + GAP)
}

/// Tiles that stand side by side.
fn rows<'a>(tiles: &[&'a Tile]) -> Vec<Vec<&'a Tile>> {
    let (mut rows, mut used): (Vec<Vec<&Tile>>, u32) = (Vec::new(), 100);
    for &tile in tiles {
        if used + tile.width > 100 {
            rows.push(Vec::new());
            used = 0;
        }
        used += tile.width;
        if let Some(row) = rows.last_mut() {
            row.push(tile);
        }
    }
    rows
}

/// The height that a tile needs.
fn needed(tile: &Tile) -> u32 {
    match tile.visualization() {
        "tiles" => NUMBERS,
        "table" => AROUND + LINE * u32::try_from(tile.rows.len().clamp(1, table::ROWS)).unwrap_or(1),
        "piechart" => PIE,
        _ => FRAME + chart::needed(tile, inner(tile)),
    }
}

/// The width inside a tile.
fn inner(tile: &Tile) -> f64 {
    f64::from((WIDTH - 48) * tile.width / 100) - 46.0
}

/// The title, the pickers and the bar of tabs.
fn head(preview: &Preview, tab: &Tab) -> String {
    let range = format!("{} – {}", time(&preview.from), time(&preview.to));
    let mut html = String::from(r#"<header><h1>NordPass</h1><div class="pickers">"#);
    let pickers = [
        ("Time range", range.as_str()),
        ("Tables", "ASIM tables"),
        ("Organization", "All"),
        ("User", "All"),
        ("Platform", "All"),
    ];
    for (name, value) in pickers {
        let _ = write!(html, "<span>{name}: <b>{}</b></span>", escape(value));
    }
    html.push_str("</div><nav>");
    for other in &preview.tabs {
        let class = if other.id == tab.id { " class=\"open\"" } else { "" };
        let _ = write!(html, "<a{class}>{}</a>", escape(&other.label));
    }
    let _ = write!(html, "</nav><p>{}</p></header>", escape(&tab.about).replace(['*', '`'], ""));
    html
}

fn drawn(tile: &Tile, room: f64) -> String {
    match tile.visualization() {
        "timechart" => chart::over_time(tile, inner(tile), room, false),
        "barchart" => chart::over_time(tile, inner(tile), room, true),
        "piechart" => chart::pie(tile),
        "tiles" => table::numbers(tile),
        _ => table::table(tile, inner(tile)),
    }
}
