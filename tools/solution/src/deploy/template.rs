//! An ARM template as the checks see it: scopes (the template and each nested one, with parameters and variables of its
//! own), resources with their ids, and every expression with its place.

use std::collections::BTreeMap;

use serde_json::Value;
use tools_common::json::{self, items, members};

use super::expression::Expression;

/// A template, or one nested in it.
pub struct Scope<'a> {
    /// Where it is, for messages.
    pub location: String,
    /// Its JSON.
    pub json: &'a Value,
    /// Its resources.
    pub resources: Vec<Resource<'a>>,
    /// The variables that are expressions or texts.
    variables: BTreeMap<&'a str, Expression>,
}

/// A resource.
pub struct Resource<'a> {
    /// Its JSON.
    pub json: &'a Value,
    /// Its type.
    pub kind: &'a str,
    /// Its id, with all variables filled in.
    pub id: Id,
}

/// What an id says: types are compared without their case, as Azure does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    /// The type in lower case.
    pub kind: String,
    /// The name's parts, as expressions.
    pub names: Vec<String>,
    /// What it extends: a role assignment's scope.
    pub of: Option<Box<Id>>,
}

/// Returns all scopes of a template, the template itself first. Errors name the place.
pub fn scopes<'a>(template: &'a Value, location: &str, errors: &mut Vec<String>) -> Vec<Scope<'a>> {
    let texts = members(&template["variables"]).filter_map(|(name, value)| Some((name, value.as_str()?)));
    let variables = texts.filter_map(|(name, text)| Some((name, read(text).ok()?))).collect();
    let mut scope = Scope { location: location.to_owned(), json: template, resources: Vec::new(), variables };
    let mut nested = Vec::new();
    for (number, json) in items(&template["resources"]).enumerate() {
        let kind = json::text(&json["type"]);
        let location = format!("{location}/{kind}[{number}]");
        match scope.own_id(json, kind) {
            Some(id) => scope.resources.push(Resource { json, kind, id }),
            None => errors.push(format!("{location}: its type, name and scope make no id")),
        }
        if kind == "Microsoft.Resources/deployments" {
            let inner = &json["properties"]["template"];
            if json["properties"]["expressionEvaluationOptions"]["scope"] != "Inner" {
                errors.push(format!("{location}: a nested template has a scope of its own: set `scope` to `Inner`"));
            }
            nested.extend(scopes(inner, &location, errors));
        }
    }
    std::iter::once(scope).chain(nested).collect()
}

/// Reads a string as an expression; a plain text is one.
pub fn read(text: &str) -> Result<Expression, String> {
    Ok(Expression::read(text)?.unwrap_or_else(|| Expression::Text(text.to_owned())))
}

impl Scope<'_> {
    /// Replaces variables by their values, and joins texts.
    pub fn filled_in(&self, expression: &Expression) -> Expression {
        expression.replaced(&|part| {
            if let Some(name) = part.name_in("variables") {
                return self.variables.get(name).map(|value| self.filled_in(value));
            }
            joined(part)
        })
    }

    /// Returns the id that an expression means: `resourceId(…)` and its relatives.
    pub fn id(&self, expression: &Expression) -> Option<Id> {
        id(&self.filled_in(expression))
    }

    /// Returns the resource with this id.
    pub fn resource(&self, id: &Id) -> Option<&Resource<'_>> {
        self.resources.iter().find(|resource| resource.id == *id)
    }

    fn own_id(&self, json: &Value, kind: &str) -> Option<Id> {
        let name = self.filled_in(&read(json["name"].as_str()?).ok()?);
        let of = match json["scope"].as_str() {
            Some(scope) => Some(Box::new(self.id(&read(scope).ok()?)?)),
            None => None,
        };
        let names = segments(&name);
        let wanted = kind.split('/').count().checked_sub(1)?;
        (wanted == names.len()).then(|| Id { kind: kind.to_lowercase(), names, of })
    }
}

/// Returns what a `concat` joins, or the expression alone.
fn pieces(of: &Expression) -> Vec<Expression> {
    match of {
        Expression::Call(name, pieces) if name == "concat" => pieces.clone(),
        other => vec![other.clone()],
    }
}

fn concat(mut pieces: Vec<Expression>) -> Expression {
    if pieces.len() == 1 { pieces.remove(0) } else { Expression::Call("concat".to_owned(), pieces) }
}

/// Joins the texts of a `concat` as far as they are known.
fn joined(part: &Expression) -> Option<Expression> {
    let Expression::Call(name, arguments) = part else { return None };
    let mut joined: Vec<Expression> = Vec::new();
    for piece in arguments.iter().flat_map(pieces) {
        match (joined.last_mut(), &piece) {
            (Some(Expression::Text(before)), Expression::Text(text)) => before.push_str(text),
            _ => joined.push(piece),
        }
    }
    (name == "concat").then(|| concat(joined))
}

/// Splits a name into its parts: `concat(a, '/default/', b)` has three.
fn segments(name: &Expression) -> Vec<String> {
    let (mut segments, mut open) = (Vec::new(), Vec::new());
    for piece in pieces(name) {
        let Expression::Text(text) = piece else {
            open.push(piece);
            continue;
        };
        for (number, part) in text.split('/').enumerate() {
            if number > 0 {
                segments.push(std::mem::take(&mut open));
            }
            if !part.is_empty() {
                open.push(Expression::Text(part.to_owned()));
            }
        }
    }
    segments.push(open);
    segments.into_iter().map(|pieces| concat(pieces).to_string()).collect()
}

fn id(expression: &Expression) -> Option<Id> {
    let Expression::Call(function, arguments) = expression else { return None };
    match function.as_str() {
        "resourceId" | "subscriptionResourceId" => {
            // Before the type there may be a subscription and a resource group.
            let is_type = |one: &Expression| one.text().is_some_and(|text| text.contains('/'));
            let (kind, names) = arguments.get(arguments.iter().position(is_type)?..)?.split_first()?;
            let names = names.iter().map(ToString::to_string).collect();
            Some(Id { kind: kind.text()?.to_lowercase(), names, of: None })
        }
        "extensionResourceId" => {
            let (of, rest) = arguments.split_first()?;
            let inner = id(&Expression::Call("resourceId".to_owned(), rest.to_vec()))?;
            Some(Id { of: Some(Box::new(id(of)?)), ..inner })
        }
        _ => None,
    }
}

/// Returns every string of a JSON value with its path; nested templates are left out.
pub fn strings(json: &Value) -> Vec<(String, &str)> {
    fn below<'a>(json: &'a Value, path: String, found: &mut Vec<(String, &'a str)>) {
        items(json).enumerate().for_each(|(number, item)| below(item, format!("{path}[{number}]"), found));
        for (name, value) in members(json) {
            // A key can be an expression too: user-assigned identities.
            found.push((path.clone(), name));
            if !(name == "template" && value.get("resources").is_some()) {
                below(value, format!("{path}.{name}"), found);
            }
        }
        found.extend(json.as_str().map(|text| (path, text)));
    }
    let mut found = Vec::new();
    below(json, String::new(), &mut found);
    found
}

/// Returns the parts of every expression in a JSON value, each with the path of its string.
pub fn parts(json: &Value) -> impl Iterator<Item = (String, Expression)> {
    strings(json).into_iter().flat_map(|(path, text)| {
        let whole = Expression::read(text).ok().flatten();
        let parts = whole.iter().flat_map(Expression::parts).cloned();
        parts.map(|part| (path.clone(), part)).collect::<Vec<_>>()
    })
}
