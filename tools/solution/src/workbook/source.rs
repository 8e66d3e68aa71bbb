//! What people write: the tabs, the pickers and the views that the queries begin with.

use std::fs;
use std::path::Path;

use serde::Deserialize;

/// The folder in the repository.
const FOLDER: &str = "solution/Workbooks/source";

/// All of it.
pub struct Source {
    /// In the order of their files' names.
    pub tabs: Vec<Tab>,
    pub pickers: Vec<Picker>,
    views: Views,
}

/// The beginnings of queries, each a few `let` statements.
struct Views {
    events: String,
    health: String,
    billing: String,
    catalogue: String,
}

/// One tab.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tab {
    /// Its value of the parameter that the bar of tabs writes.
    pub id: String,
    pub label: String,
    /// A sentence or two for the reader, as Markdown.
    pub about: String,
    /// What its queries read, where a tile doesn't say it.
    #[serde(default)]
    pub source: View,
    #[serde(rename = "tile")]
    pub tiles: Vec<Tile>,
}

/// One query and how its result is shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tile {
    pub title: String,
    pub about: Option<String>,
    pub view: Kind,
    /// Per cent of the page.
    #[serde(default = "full")]
    pub width: u8,
    pub source: Option<View>,
    /// Whether the query looks up `Catalogue`.
    #[serde(default)]
    pub catalogue: bool,
    /// A column of numbers that are drawn as bars.
    pub bar: Option<String>,
    /// A column with a component's state.
    pub state: Option<String>,
    /// The column whose value in a chosen row goes to the other tiles of the tab, as `{Selected}`.
    pub select: Option<String>,
    pub query: String,
}

/// How a result is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A grid.
    Table,
    /// Columns time, series, number.
    Timechart,
    /// The same as stacked bars.
    Bars,
    /// Columns name, number.
    Pie,
    /// Columns `Name` and `Number`, one tile each.
    Numbers,
}

/// What a query reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum View {
    /// `Events`: those of the chosen tables, as the pickers filter them.
    #[default]
    Events,
    /// `Health`: the connector's own rows.
    Health,
    /// `Billing`: what the rows of each table take.
    Billing,
}

/// A drop-down whose choices are looked up.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Picker {
    pub name: String,
    pub label: String,
    query: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pickers {
    picker: Vec<Picker>,
}

fn full() -> u8 {
    100
}

/// Reads the folder.
pub fn read(root: &Path) -> Result<Source, String> {
    let folder = root.join(FOLDER);
    let text = |name: &str| {
        fs::read_to_string(folder.join(name)).map_err(|error| format!("can't read {FOLDER}/{name}: {error}"))
    };
    let entries = fs::read_dir(folder.join("tabs")).map_err(|error| format!("can't read {FOLDER}/tabs: {error}"))?;
    let mut names: Vec<_> =
        entries.flatten().map(|entry| format!("tabs/{}", entry.file_name().to_string_lossy())).collect();
    names.sort();
    let tabs = names.iter().map(|name| parse::<Tab>(name, &text(name)?)).collect::<Result<_, _>>()?;
    let pickers: Pickers = parse("pickers.toml", &text("pickers.toml")?)?;
    let views = Views {
        events: text("events.kql")?,
        health: text("health.kql")?.replace("{HealthColumns}", &super::lists::health_columns()),
        billing: text("billing.kql")?,
        catalogue: text("catalogue.kql")?,
    };
    Ok(Source { tabs, pickers: pickers.picker, views })
}

fn parse<T: for<'de> Deserialize<'de>>(name: &str, text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| format!("{FOLDER}/{name}: {error}"))
}

impl Source {
    /// Returns a tile's whole query, with the workbook's parameters still in it.
    pub fn query(&self, tab: &Tab, tile: &Tile) -> String {
        let mut query = match tile.view(tab) {
            View::Events => self.views.events.clone(),
            View::Health => self.views.health.clone(),
            View::Billing => self.views.billing.clone(),
        };
        if tile.catalogue {
            query.push_str(&self.views.catalogue);
        }
        query.push_str(tile.query.trim());
        query.replace("{Selected}", &format!("{{{}}}", tab.selected()))
    }

    /// Returns a picker's whole query.
    pub fn choices(&self, picker: &Picker) -> String {
        // Only what precedes the filters: a picker that is filtered by itself could never be widened again.
        let events = self.views.events.split("let Events =").next().unwrap_or_default();
        format!("{events}{}", picker.query.trim())
    }
}

impl Tile {
    /// Returns what its query reads.
    pub fn view(&self, tab: &Tab) -> View {
        self.source.unwrap_or(tab.source)
    }
}

impl Tab {
    /// Returns the parameter that a chosen row of this tab writes; each tab has its own, so that tabs don't disturb each other.
    pub fn selected(&self) -> String {
        format!("Selected{}", self.id)
    }
}
