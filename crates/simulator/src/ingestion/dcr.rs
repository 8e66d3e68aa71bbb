//! The data collection rule: which streams there are, their columns, and the tables they feed.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use nordpass_env::catalogue::{self, ColumnType, EVENT_LOG_TABLE, HEALTH_TABLE, Schema};

/// A stream of the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The table that it feeds.
    pub table: String,
    /// Its columns.
    pub columns: BTreeMap<String, ColumnType>,
}

/// The rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dcr {
    /// Its immutable id.
    pub immutable_id: String,
    /// Its streams by name.
    pub streams: BTreeMap<String, Stream>,
}

/// The immutable id where nobody gave one.
pub const IMMUTABLE_ID: &str = "dcr-00000000000000000000000000000001";

impl Default for Dcr {
    /// The three ASIM tables, the official table and the connector's health, with the columns of the catalogue.
    fn default() -> Self {
        let asim = Schema::ALL.map(|schema| (schema.stream().to_owned(), schema.table()));
        let custom = [EVENT_LOG_TABLE, HEALTH_TABLE].map(|table| (format!("Custom-{table}"), table));
        let streams = asim.into_iter().chain(custom).map(|(name, table)| {
            let columns = catalogue::columns(table).iter().map(|(column, kind)| ((*column).to_owned(), *kind));
            (name, Stream { table: table.to_owned(), columns: columns.collect() })
        });
        Self { immutable_id: IMMUTABLE_ID.to_owned(), streams: streams.collect() }
    }
}

#[derive(Deserialize)]
struct File {
    properties: Properties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    immutable_id: Option<String>,
    stream_declarations: BTreeMap<String, Declaration>,
    data_flows: Vec<Flow>,
}

#[derive(Deserialize)]
struct Declaration {
    columns: Vec<Column>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    kind: ColumnType,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Flow {
    streams: Vec<String>,
    output_stream: Option<String>,
}

impl Dcr {
    /// Reads a rule as an ARM resource or as Azure shows it (an object with `properties`), or the one rule of an ARM
    /// template, nested ones included. Transformations aren't run: a row arrives in its table as it was sent.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let refused = |error: serde_json::Error| format!("not a data collection rule: {error}");
        let document: Value = serde_json::from_str(text).map_err(refused)?;
        let rule = if document.get("resources").is_some() {
            let mut rules = Vec::new();
            rules_of(&document, &mut rules);
            match *rules {
                [rule] => rule,
                _ => return Err(format!("a template with {} data collection rules instead of one", rules.len())),
            }
        } else {
            &document
        };
        let File { properties } = File::deserialize(rule).map_err(refused)?;
        let mut streams = BTreeMap::new();
        for (name, declaration) in properties.stream_declarations {
            if !name.starts_with("Custom-") {
                return Err(format!("stream `{name}`: the name of a declared stream begins with `Custom-`"));
            }
            let flow = properties.data_flows.iter().find(|flow| flow.streams.contains(&name));
            let flow = flow.ok_or_else(|| format!("stream `{name}` is in no data flow"))?;
            let output = flow.output_stream.as_deref().unwrap_or(&name);
            let table = ["Custom-", "Microsoft-"].iter().find_map(|prefix| output.strip_prefix(prefix));
            let table = table
                .ok_or_else(|| format!("output stream `{output}` begins with neither `Custom-` nor `Microsoft-`"))?;
            let columns = declaration.columns.into_iter().map(|column| (column.name, column.kind)).collect();
            let stream = Stream { table: table.to_owned(), columns };
            streams.insert(name, stream);
        }
        Ok(Self { immutable_id: properties.immutable_id.unwrap_or_else(|| IMMUTABLE_ID.to_owned()), streams })
    }
}

/// The data collection rules of a template and of those nested in it.
fn rules_of<'a>(template: &'a Value, rules: &mut Vec<&'a Value>) {
    for resource in template["resources"].as_array().into_iter().flatten() {
        match resource["type"].as_str() {
            Some("Microsoft.Insights/dataCollectionRules") => rules.push(resource),
            Some("Microsoft.Resources/deployments") => rules_of(&resource["properties"]["template"], rules),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_has_the_five_tables() {
        let dcr = Dcr::default();
        let tables: Vec<_> = dcr.streams.values().map(|stream| &*stream.table).collect();
        assert_eq!(
            tables,
            [
                "ASimAuditEventLogs",
                "ASimAuthenticationEventLogs",
                HEALTH_TABLE,
                EVENT_LOG_TABLE,
                "ASimUserManagementActivityLogs"
            ]
        );
        for stream in dcr.streams.values() {
            assert_eq!(stream.columns.get("TimeGenerated"), Some(&ColumnType::Datetime));
        }
        assert_eq!(dcr.streams["Custom-NordPassAuditEvent"].columns["EventCount"], ColumnType::Int);
    }

    #[test]
    fn a_rule_is_read_from_arm() {
        let dcr = Dcr::from_json(
            r#"{"type":"Microsoft.Insights/dataCollectionRules","kind":"Direct","properties":{"immutableId":"dcr-1",
            "streamDeclarations":{"Custom-A":{"columns":[{"name":"TimeGenerated","type":"datetime"},{"name":"n","type":"real"}]}},
            "dataFlows":[{"streams":["Custom-A"],"destinations":["law"],"outputStream":"Microsoft-ASimAuditEventLogs"}]}}"#,
        );
        let dcr = dcr.expect("a rule");
        assert_eq!((&*dcr.immutable_id, &*dcr.streams["Custom-A"].table), ("dcr-1", "ASimAuditEventLogs"));
        assert_eq!(dcr.streams["Custom-A"].columns["n"], ColumnType::Real);
    }

    #[test]
    fn a_template_has_one_rule_wherever_it_stands() {
        let rule = r#"{"type":"Microsoft.Insights/dataCollectionRules","properties":{
            "streamDeclarations":{"Custom-A":{"columns":[{"name":"x","type":"string"}]}},
            "dataFlows":[{"streams":["Custom-A"],"outputStream":"Custom-T_CL"}]}}"#;
        let template = |resources: &str| format!(r#"{{"resources":[{{"type":"Microsoft.Web/sites"}}{resources}]}}"#);
        let nested = |resources: &str| {
            let inner = template(resources);
            format!(r#",{{"type":"Microsoft.Resources/deployments","properties":{{"template":{inner}}}}}"#)
        };
        let own = format!(",{rule}");
        for resources in [own.clone(), nested(&own), nested(&nested(&own))] {
            let dcr = Dcr::from_json(&template(&resources)).expect("a rule");
            assert_eq!(dcr.streams["Custom-A"].table, "T_CL");
        }
        let two = template(&(own.clone() + &nested(&own)));
        for wrong in [template(""), template(&nested("")), two] {
            assert!(Dcr::from_json(&wrong).expect_err("no single rule").contains("instead of one"));
        }
    }

    #[test]
    fn wrong_rules_are_refused() {
        let rule = |name: &str, flow: &str, output: &str, kind: &str| {
            Dcr::from_json(&format!(
                r#"{{"properties":{{"streamDeclarations":{{"{name}":{{"columns":[{{"name":"x","type":"{kind}"}}]}}}},
                "dataFlows":[{{"streams":["{flow}"],"outputStream":"{output}"}}]}}}}"#
            ))
        };
        assert!(rule("Custom-A", "Custom-A", "Custom-T_CL", "string").is_ok());
        assert!(rule("A", "A", "Custom-T_CL", "string").is_err());
        assert!(rule("Custom-A", "Custom-B", "Custom-T_CL", "string").is_err());
        assert!(rule("Custom-A", "Custom-A", "T_CL", "string").is_err());
        assert!(rule("Custom-A", "Custom-A", "Custom-T_CL", "guid").is_err());
        assert!(Dcr::from_json("{}").is_err());
    }
}
