//! Pages.

use std::fmt::Write as _;

use super::data::{Preview, Tab, Tile, escape, time};
use super::{Theme, WIDTH, chart, table};

const STYLE: &str = include_str!("style.css");
/// Heights in pixels: what stands above the tiles, and a row of them.
const HEAD: u32 = 222;
const ROW: u32 = 374;
const NUMBERS: u32 = 148;

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
    let mut used = 0;
    html.push_str("<main>");
    for tile in preview.tiles.iter().filter(|tile| tile.tab == tab.id) {
        let numbers = tile.visualization() == "tiles";
        if used == 0 {
            height += if numbers { NUMBERS } else { ROW };
        }
        used = (used + tile.width) % 100;
        let _ = write!(
            html,
            r#"<article class="{}" style="width:calc({}% - 12px)"><h3>{}</h3>{}</article>"#,
            if numbers { "low" } else { "high" },
            tile.width,
            escape(&tile.title),
            drawn(tile)
        );
    }
    html.push_str("</main>");
    (html, height)
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

fn drawn(tile: &Tile) -> String {
    let width = f64::from((WIDTH - 48) * tile.width / 100) - 46.0;
    match tile.visualization() {
        "timechart" => chart::over_time(tile, width, false),
        "barchart" => chart::over_time(tile, width, true),
        "piechart" => chart::pie(tile),
        "tiles" => table::numbers(tile),
        _ => table::table(tile),
    }
}
