//! `Package/createUiDefinition.json`: what is asked at installation.

use serde_json::{Value, json};
use tools_common::json::text;

use super::content::{Content, Item};
use super::{DESCRIPTION, LOGO, NAME, WORKBOOK, template};
use crate::data;

/// Returns the form: the file beside this one, with a section for each piece of content.
pub fn create(content: &Content) -> Value {
    let named = |items: &[Item]| -> Vec<_> {
        items.iter().map(|item| (item.text("name").to_owned(), item.description().to_owned())).collect()
    };
    let mut form: Value = data(include_str!("createUiDefinition.json"));
    let counts = template::counts(content).replace("<strong>", "**").replace("</strong>", "**");
    form["parameters"]["config"]["basics"]["description"] = json!(format!("{LOGO}\n\n{DESCRIPTION}\n\n{counts}"));
    for step in form["parameters"]["steps"].as_array_mut().into_iter().flatten() {
        let (prefix, sections) = match text(&step["name"]) {
            "workbooks" => {
                let about = text(&WORKBOOK["description"]);
                step["elements"][0]["options"]["text"] = json!(about);
                ("workbook", vec![(NAME.to_owned(), about.to_owned())])
            }
            "analytics" => ("analytic", named(&content.rules)),
            "huntingqueries" => ("huntingquery", named(&content.hunting)),
            "watchlists" => {
                let lists = content.watchlists.iter();
                ("watchlist", lists.map(|list| (list.display_name.clone(), list.description.clone())).collect())
            }
            _ => continue,
        };
        let sections = (1..).zip(sections).map(|(number, (label, text))| {
            let name = format!("{prefix}{number}");
            let words = json!({"name": format!("{name}-text"), "type": "Microsoft.Common.TextBlock", "options": {"text": text}});
            json!({"name": name, "type": "Microsoft.Common.Section", "label": label, "elements": [words]})
        });
        if let Some(elements) = step["elements"].as_array_mut() {
            elements.extend(sections);
        }
    }
    form
}
