//! Columns of the Azure template, from the schema that the rows are written by.
//!
//! The template is written by hand but for its stream declarations, its data flows and the columns of its custom tables.
//! They are put into the existing text, so that everything else stays as it was written.

use nordpass_env::catalogue::{self, Column, ColumnType};
use serde::de::IgnoredAny;
use serde_json::Deserializer;

use crate::tables::{CUSTOM, streams};

/// The template in the repository.
pub const TEMPLATE: &str = "deploy/azure/mainTemplate.json";

/// Returns the template with the columns of today.
pub fn template() -> Result<String, String> {
    generated(&tools_common::read(TEMPLATE)?)
        .ok_or_else(|| format!("{TEMPLATE}: a place for columns, streams or flows is missing"))
}

fn generated(text: &str) -> Option<String> {
    let streams = streams();
    let declarations = streams.iter().map(|stream| {
        let columns = columns(stream.table, ColumnType::name);
        format!("\"{}\": {}", stream.name, object("columns", &columns))
    });
    let flows = streams.iter().map(|stream| {
        format!(
            "{{ \"streams\": [\"{}\"], \"destinations\": [\"workspace\"], \"transformKql\": \"source\", \
             \"outputStream\": \"{}\" }}",
            stream.name, stream.output
        )
    });
    let text = put(text, "\"streamDeclarations\": {", &declarations.collect::<Vec<_>>())?;
    let mut text = put(&text, "\"dataFlows\": [", &flows.collect::<Vec<_>>())?;
    for table in CUSTOM {
        let place = format!("\"name\": \"{table}\",\n");
        let from = text.find(&place)?;
        let after = put(text.get(from..)?, "\"columns\": [", &columns(table, table_type))?;
        text.truncate(from);
        text.push_str(&after);
    }
    Some(text)
}

/// Returns a table's word for a type: Log Analytics writes this one in camel case.
fn table_type(kind: ColumnType) -> &'static str {
    if kind == ColumnType::Datetime { "dateTime" } else { kind.name() }
}

fn columns(table: &str, word: fn(ColumnType) -> &'static str) -> Vec<String> {
    let column = |(name, kind): &Column| format!("{{ \"name\": \"{name}\", \"type\": \"{}\" }}", word(*kind));
    catalogue::columns(table).iter().map(column).collect()
}

/// Returns an object with one list, as lines that are indented later.
fn object(key: &str, items: &[String]) -> String {
    format!("{{\n  \"{key}\": [\n    {}\n  ]\n}}", items.join(",\n    "))
}

/// Puts items between the bracket that `opening` ends with and its partner, each on lines of its own.
fn put(text: &str, opening: &str, items: &[String]) -> Option<String> {
    let start = text.find(opening)?;
    let from = start + opening.len();
    let mut value = Deserializer::from_str(text.get(from - 1..)?).into_iter::<IgnoredAny>();
    value.next()?.ok()?;
    let to = from + value.byte_offset() - 2;
    let line = text.get(..start)?.rfind('\n').map_or(0, |at| at + 1);
    let indent = " ".repeat(text.get(line..start)?.chars().take_while(|letter| *letter == ' ').count());
    let inner = items.join(",\n").replace('\n', &format!("\n{indent}  "));
    Some(format!("{}\n{indent}  {inner}\n{indent}{}", text.get(..from)?, text.get(to..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_items_between_brackets_and_leaves_the_rest() {
        let text = "{\n  \"a\": [ {\"x\": \"]\\\"}\"} ],\n  \"b\": 1\n}\n";
        let once = put(text, "\"a\": [", &["1".to_owned(), "{\n  \"c\": 2\n}".to_owned()]).expect("a place");
        assert_eq!(once, "{\n  \"a\": [\n    1,\n    {\n      \"c\": 2\n    }\n  ],\n  \"b\": 1\n}\n");
        assert_eq!(put(&once, "\"a\": [", &["1".to_owned(), "{\n  \"c\": 2\n}".to_owned()]).expect("a place"), once);
        assert!(put(text, "\"c\": [", &[]).is_none());
        assert!(put("\"a\": [ {", "\"a\": [", &[]).is_none());
    }

    #[test]
    fn a_column_that_is_missing_or_of_another_type_comes_back() {
        let now = template().expect("the template");
        assert_eq!(generated(&now).as_ref(), Some(&now), "it has nothing to add to its own work");
        let column = "{ \"name\": \"EventOriginalUid\", \"type\": \"string\" },";
        assert_eq!(now.matches(column).count(), 3, "one for each ASIM table");
        for spoilt in [now.replacen(column, "", 1), now.replacen("\"type\": \"long\"", "\"type\": \"int\"", 1)] {
            assert_ne!(spoilt, now);
            assert_eq!(generated(&spoilt).as_ref(), Some(&now));
        }
    }
}
