//! Checks all expressions of a template.

use std::collections::BTreeSet;

use serde_json::Value;

use super::expression::Expression;
use super::template::strings;

/// The functions that templates may use, in lower case: Azure ignores it. None of them reads a key.
const FUNCTIONS: &str = "and concat contains copyindex createarray createobject empty environment equals extensionresourceid first guid \
     if json last not null parameters reference replace resourcegroup resourceid split string subscription \
     subscriptionresourceid take tolower true uniquestring variables";

/// Checks that each expression can be read, calls known functions and names what is defined, and that all that is defined is
/// named. `text` checks each plain text, with its path.
pub fn check(template: &Value, text: impl Fn(&str, &str) -> Option<String>) -> Vec<String> {
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    for (path, whole) in strings(template) {
        let mut say = |words: String| wrong.push(format!("{path}: {words}"));
        let expression = match Expression::read(whole) {
            Ok(Some(expression)) => Ok(expression),
            Ok(None) if whole.starts_with('[') && !whole.starts_with("[[") => {
                Err(Some("it begins like an expression and has no end".to_owned()))
            }
            Ok(None) => Err(text(&path, whole)),
            Err(error) => Err(Some(error)),
        };
        if let Err(Some(words)) = &expression {
            say(words.clone());
        }
        for part in expression.iter().flat_map(Expression::parts) {
            match part {
                Expression::Text(inner) => text(&path, inner).into_iter().for_each(&mut say),
                Expression::Call(name, _) if name.starts_with("list") => say(format!("`{name}` reads a key")),
                Expression::Call(name, _) if !FUNCTIONS.split(' ').any(|known| name.eq_ignore_ascii_case(known)) => {
                    say(format!("no function is called `{name}`"));
                }
                Expression::Call(name, _) if ["parameters", "variables"].contains(&&**name) => match part.name_in(name)
                {
                    Some(target) => _ = used.insert((name.clone(), target.to_owned())),
                    None => say(format!("`{part}` names nothing")),
                },
                _ => {}
            }
        }
    }
    for section in ["parameters", "variables"] {
        let defined = template[section].as_object();
        wrong.extend(defined.into_iter().flatten().filter_map(|(name, value)| {
            let words = match value {
                Value::Null => "is null",
                _ if !used.contains(&(section.to_owned(), name.clone())) => "isn't used",
                _ => return None,
            };
            Some(format!("{section}('{name}') {words}"))
        }));
        let named = used.iter().filter(|(kind, _)| kind == section).map(|(_, name)| name);
        let missing = named.filter(|name| defined.is_none_or(|defined| !defined.contains_key(*name)));
        wrong.extend(missing.map(|name| format!("{section}('{name}') isn't defined")));
    }
    wrong
}
