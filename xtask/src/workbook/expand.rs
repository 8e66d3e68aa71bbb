//! The workbook's parameters put into its queries, as the portal does it: for the checks and the preview.

use super::lists;

/// What somebody chose.
#[derive(Clone, Debug)]
pub struct Picks {
    /// `asim` or `official`.
    pub tables: &'static str,
    /// From when to when, RFC 3339.
    pub time: (String, String),
    /// The width of a time chart's steps, as KQL.
    pub grain: &'static str,
    /// None for all.
    pub organization: Option<String>,
    pub user: Option<String>,
    pub platform: Option<String>,
    /// The event of a chosen row.
    pub selected: String,
    /// What is looked for in all events.
    pub text: String,
}

impl Picks {
    /// All events of a time.
    pub fn all(tables: &'static str, from: &str, to: &str, grain: &'static str) -> Self {
        Self {
            tables,
            time: (from.to_owned(), to.to_owned()),
            grain,
            organization: None,
            user: None,
            platform: None,
            selected: String::new(),
            text: String::new(),
        }
    }

    /// The query as it is run.
    pub fn put_into(&self, query: &str) -> String {
        let one = |pick: &Option<String>| format!("'{}'", pick.as_deref().unwrap_or("*"));
        let mut query = query
            .replace("{TimeRange:startISO}", &self.time.0)
            .replace("{TimeRange:endISO}", &self.time.1)
            .replace("{TimeRange:grain}", self.grain)
            .replace("{Tables}", self.tables)
            .replace("{Organization}", &one(&self.organization))
            .replace("{User}", &one(&self.user))
            .replace("{Platform}", &one(&self.platform))
            .replace("{Text}", &self.text)
            .replace("{PricePerGB}", "4.30");
        for (name, text) in lists::parameters() {
            query = query.replace(&format!("{{{name}}}"), &text);
        }
        // Each tab's own.
        while let Some(start) = query.find("{Selected") {
            let Some(end) = query[start..].find('}') else { break };
            query.replace_range(start..=start + end, &self.selected);
        }
        query
    }
}
