//! What people write: the tabs, the pickers and the views that the queries begin with.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tools_common::files;

/// The folder in the repository.
const FOLDER: &str = "solution/Workbooks/source";

/// All of it.
pub struct Source {
    /// In the order of their files' names.
    pub tabs: Vec<Tab>,
    pub pickers: Pickers,
    // The beginnings of queries, each a few `let` statements.
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
    /// Fields above its tiles, as the workbook has them.
    #[serde(default, rename = "parameter")]
    pub parameters: Vec<Value>,
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
    /// The column whose value in a chosen row goes to the other tiles of the tab, as `{Selected}`. It isn't shown.
    pub select: Option<String>,
    pub query: String,
}

/// How a result is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A grid.
    Table,
    /// Columns time, series, number.
    Timechart,
    /// The same as stacked bars.
    #[serde(rename(serialize = "barchart"))]
    Bars,
    /// Columns name, number.
    #[serde(rename(serialize = "piechart"))]
    Pie,
    /// Columns `Name` and `Number`, one tile each.
    #[serde(rename(serialize = "tiles"))]
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

/// The pickers above the tabs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pickers {
    /// As the workbook has them.
    #[serde(rename = "parameter")]
    pub parameters: Vec<Value>,
    /// Those whose choices are looked up.
    #[serde(rename = "picker")]
    pub looked_up: Vec<Picker>,
}

fn full() -> u8 {
    100
}

/// Reads the folder.
pub fn read() -> Result<Source, String> {
    let text = |name: &str| tools_common::read(format!("{FOLDER}/{name}"));
    let tabs = files(format!("{FOLDER}/tabs"))?.into_iter().map(|name| parse(&format!("tabs/{name}")));
    Ok(Source {
        tabs: tabs.collect::<Result<_, _>>()?,
        pickers: parse("pickers.toml")?,
        events: text("events.kql")?,
        health: text("health.kql")?.replace("{HealthColumns}", &super::lists::health_columns()),
        billing: text("billing.kql")?,
        catalogue: text("catalogue.kql")?,
    })
}

fn parse<T: DeserializeOwned>(name: &str) -> Result<T, String> {
    let path = format!("{FOLDER}/{name}");
    toml::from_str(&tools_common::read(&path)?).map_err(|error| format!("{path}: {error}"))
}

impl Source {
    /// Returns a tile's whole query, with the workbook's parameters still in it.
    pub fn query(&self, tab: &Tab, tile: &Tile) -> String {
        let view = match tile.view(tab) {
            View::Events => &self.events,
            View::Health => &self.health,
            View::Billing => &self.billing,
        };
        let catalogue = if tile.catalogue { &self.catalogue } else { "" };
        [view, catalogue, tile.query.trim()].concat().replace("{Selected}", &format!("{{{}}}", tab.selected()))
    }

    /// Returns a picker's whole query.
    pub fn choices(&self, picker: &Picker) -> String {
        // Only what precedes the filters: a picker that is filtered by itself could never be widened again.
        let events = self.events.split("let Events =").next().unwrap_or_default();
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
