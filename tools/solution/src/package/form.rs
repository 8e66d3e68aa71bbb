//! `Package/createUiDefinition.json`: what is asked at installation.

use serde_json::{Value, json};

use super::content::Content;
use super::{DESCRIPTION, LOGO, NAME, WORKBOOK, template};

/// Returns the form: the file beside this one, with a section for each piece of content.
pub fn create(content: &Content) -> Value {
    let mut form = crate::data(include_str!("createUiDefinition.json"));
    let counts = template::counts(content).replace("<strong>", "**").replace("</strong>", "**");
    form["parameters"]["config"]["basics"]["description"] = json!(format!("{LOGO}\n\n{DESCRIPTION}\n\n{counts}"));
    let about = tools_common::json::text(&WORKBOOK["description"]);
    for step in form["parameters"]["steps"].as_array_mut().into_iter().flatten() {
        let named = |items: &[super::content::Item]| -> Vec<(String, String)> {
            items.iter().map(|item| (item.text("name").to_owned(), item.description().to_owned())).collect()
        };
        let (prefix, sections) = match step["name"].as_str() {
            Some("workbooks") => ("workbook", vec![(NAME.to_owned(), about.to_owned())]),
            Some("analytics") => ("analytic", named(&content.rules)),
            Some("huntingqueries") => ("huntingquery", named(&content.hunting)),
            Some("watchlists") => {
                let lists = content.watchlists.iter();
                ("watchlist", lists.map(|list| (list.display_name.clone(), list.description.clone())).collect())
            }
            _ => continue,
        };
        if prefix == "workbook" {
            step["elements"][0]["options"]["text"] = json!(about);
        }
        let sections = sections.iter().enumerate().map(|(place, (label, text))| {
            let name = format!("{prefix}{}", place + 1);
            json!({
                "name": name,
                "type": "Microsoft.Common.Section",
                "label": label,
                "elements": [{"name": format!("{name}-text"), "type": "Microsoft.Common.TextBlock", "options": {"text": text}}],
            })
        });
        step["elements"].as_array_mut().into_iter().for_each(|elements| elements.extend(sections.clone()));
    }
    form
}
