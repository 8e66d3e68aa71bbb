//! The workbook's items but for its parameters: texts, the bar of tabs, groups and queries.

use serde_json::{Value, json};
use tools_common::json::text;

use super::pickers::{self, LOGS};
use super::source::{Kind, Source, Tab, Tile};
use crate::data;

/// The workbook's key in the gallery.
pub const WORKBOOK: &str = "NordPassWorkbook";

/// Returns the text above the pickers.
pub fn introduction() -> Value {
    markdown(
        "introduction",
        "## NordPass\nWhat happens in the organization's NordPass: in the Admin Panel, in vaults and at log-in. *Tables* says \
         where the events are: in the ASIM tables, or in the official connector's table.",
    )
}

fn markdown(name: &str, text: &str) -> Value {
    json!({"type": 1, "content": {"json": text}, "name": name})
}

/// Returns the bar of tabs. The first one is open at the start.
pub fn tabs(source: &Source) -> Value {
    let link = |tab: &Tab| {
        json!({
            "id": pickers::id(&format!("tab {}", tab.id)),
            "cellValue": "SelectedTab",
            "linkTarget": "parameter",
            "linkLabel": tab.label,
            "subTarget": tab.id,
            "style": "link",
        })
    };
    let links: Vec<_> = source.tabs.iter().map(link).collect();
    json!({"type": 11, "content": {"version": "LinkItem/1.0", "style": "tabs", "links": links}, "name": "tabs"})
}

/// Returns a tab's content.
pub fn group(source: &Source, tab: &Tab) -> Value {
    let mut items = vec![markdown(&format!("{} - about", tab.id), &tab.about)];
    items.extend(tab.parameters.iter().map(|parameter| {
        let name = format!("{} - {}", tab.id, text(&parameter["name"]));
        pickers::item(&name, [parameter.clone()])
    }));
    for tile in &tab.tiles {
        if let Some(about) = &tile.about {
            items.push(markdown(&format!("{} - about {}", tab.id, tile.title), about));
        }
        items.push(query(source, tab, tile));
    }
    json!({
        "type": 12,
        "content": {"version": "NotebookGroup/1.0", "groupType": "editable", "items": items},
        "conditionalVisibility": {"parameterName": "SelectedTab", "comparison": "isEqualTo", "value": tab.id},
        "name": tab.id,
    })
}

fn query(source: &Source, tab: &Tab, tile: &Tile) -> Value {
    // No `timeContext`: the queries bound the time themselves. An event that came late has a later `TimeGenerated`, and
    // still belongs to the time when it happened.
    let mut content = json!({
        "version": "KqlItem/1.0",
        "query": source.query(tab, tile),
        "size": 0,
        "title": tile.title,
        "noDataMessage": "Nothing in this time.",
        "queryType": LOGS.0,
        "resourceType": LOGS.1,
        "visualization": tile.view,
    });
    let (key, settings) = match tile.view {
        Kind::Table => ("gridSettings", grid(tile)),
        Kind::Timechart | Kind::Bars => ("chartSettings", json!({"showLegend": true})),
        Kind::Pie => ("chartSettings", json!({"showMetrics": true, "showLegend": true})),
        Kind::Numbers => ("tileSettings", data(include_str!("numbers.json"))),
    };
    content[key] = settings;
    if let Some(column) = &tile.select {
        content["exportFieldName"] = json!(column);
        content["exportParameterName"] = json!(tab.selected());
        content["exportDefaultValue"] = json!("");
    }
    let mut item = json!({"type": 3, "content": content, "name": format!("{} - {}", tab.id, tile.title)});
    if tile.width < 100 {
        item["customWidth"] = json!(tile.width.to_string());
        item["styleSettings"] = json!({"maxWidth": format!("{}%", tile.width)});
    }
    item
}

fn grid(tile: &Tile) -> Value {
    // Times are short, and the whole of an object opens beside the workbook.
    let mut formatters: Vec<Value> = data(include_str!("grid.json"));
    formatters.extend(tile.bar.iter().map(|column| {
        let options = json!({"min": 0, "palette": "blue"});
        json!({"columnMatch": format!("^{column}$"), "formatter": 3, "formatOptions": options})
    }));
    formatters.extend(tile.state.as_deref().map(state));
    // What a chosen row gives to the other tiles is for queries, not for people.
    formatters.extend(tile.select.iter().map(|column| json!({"columnMatch": format!("^{column}$"), "formatter": 5})));
    json!({"formatters": formatters, "rowLimit": 500, "filter": true})
}

/// Returns the states of the health rows, and the `silent` that the query makes of old ones.
fn state(column: &str) -> Value {
    let icons = [("working", "success"), ("finished", "success"), ("starting", "pending"), ("waiting", "warning")];
    let known = icons.map(|(state, icon)| ("==", Some(state), icon)).into_iter();
    let thresholds = known.chain([("Default", None, "failed")]).map(|(operator, value, icon)| {
        json!({"operator": operator, "thresholdValue": value, "representation": icon, "text": "{0}{1}"})
    });
    json!({
        "columnMatch": format!("^{column}$"),
        "formatter": 18,
        "formatOptions": {"thresholdsOptions": "icons", "thresholdsGrid": thresholds.collect::<Vec<_>>()},
    })
}
