//! What transforms make of a record, on trees of JSON.

use std::net::IpAddr;

use ring::hmac;
use serde_json::{Map, Value};

use super::conditions::matches;

/// The key of every world's pseudonyms.
pub const KEY: &str = "a key of pseudonyms in the worlds";

/// What becomes of a record that can't be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    DeadLetter,
    Keep,
    Drop,
}

/// A `modify`. No path of one leads into another's.
#[derive(Clone, Debug)]
pub struct Modify {
    pub set: Vec<(&'static str, &'static str)>,
    pub rename: Vec<(&'static str, &'static str)>,
    pub remove: Vec<&'static str>,
    pub on_error: OnError,
}

/// Something stands where an object is needed.
#[derive(Debug)]
pub struct NoPlace;

impl Modify {
    /// The changed record.
    pub fn apply(&self, record: &Value, organization: &str) -> Result<Value, NoPlace> {
        let mut changed = record.clone();
        for path in self.remove.iter().copied().chain(self.rename.iter().map(|(from, _)| *from)) {
            take(&mut changed, path);
        }
        for (from, to) in &self.rename {
            if let Some(value) = take(&mut record.clone(), from) {
                put(&mut changed, to, value)?;
            }
        }
        for (path, value) in &self.set {
            put(&mut changed, path, value.replace("{organization}", organization).into())?;
        }
        Ok(changed)
    }
}

fn take(record: &mut Value, path: &str) -> Option<Value> {
    match path.split_once('.') {
        None => record.as_object_mut()?.remove(path),
        Some((first, rest)) => take(record.get_mut(first)?, rest),
    }
}

fn put(record: &mut Value, path: &str, value: Value) -> Result<(), NoPlace> {
    if record.is_null() {
        *record = Value::Object(Map::new());
    }
    let object = record.as_object_mut().ok_or(NoPlace)?;
    match path.split_once('.') {
        None => drop(object.insert(path.to_owned(), value)),
        Some((first, rest)) => put(object.entry(first).or_insert(Value::Null), rest, value)?,
    }
    Ok(())
}

/// A `pseudonymize`.
#[derive(Clone, Debug)]
pub struct Hide {
    pub fields: &'static [&'static str],
    pub mask: bool,
}

impl Hide {
    /// Replaces what is to be hidden, and adds the texts that were to `hidden`.
    pub fn apply(&self, record: &mut Value, hidden: &mut Vec<String>) {
        // A value is replaced once, however many paths lead to it.
        let paths: Vec<Vec<&str>> = self.fields.iter().map(|path| path.split('.').collect()).collect();
        let ways: Vec<&[&str]> = paths.iter().map(Vec::as_slice).collect();
        self.within(record, &ways, true, hidden);
    }

    fn within(&self, value: &mut Value, ways: &[&[&str]], named: bool, hidden: &mut Vec<String>) {
        match value {
            Value::Null => {}
            Value::Object(object) => {
                for (key, value) in object {
                    let deeper = ways.iter().filter(|way| matches(way[0], key)).map(|way| &way[1..]);
                    let deeper: Vec<&[&str]> = deeper.collect();
                    if deeper.iter().any(|way| way.is_empty()) {
                        self.whole(value, hidden);
                    } else if !deeper.is_empty() {
                        self.within(value, &deeper, ways.iter().any(|way| way[0] == key), hidden);
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.within(value, ways, named, hidden)),
            other if named => *other = "***".into(),
            _ => {}
        }
    }

    fn whole(&self, value: &mut Value, hidden: &mut Vec<String>) {
        *value = match value {
            Value::Null => return,
            Value::String(text) if text.is_empty() => return,
            Value::Array(values) => return values.iter_mut().for_each(|value| self.whole(value, hidden)),
            Value::String(text) => {
                hidden.push(text.clone());
                self.instead_of(text)
            }
            Value::Object(_) => "***".into(),
            Value::Bool(_) | Value::Number(_) => self.instead_of(&value.to_string()),
        };
    }

    fn instead_of(&self, text: &str) -> Value {
        if self.mask {
            return "***".into();
        }
        let text = text.trim();
        let usual = match text.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().to_string(),
            Err(_) if text.contains('@') => text.to_lowercase(),
            Err(_) => text.to_owned(),
        };
        format!("{:032x}", half(usual.as_bytes())).into()
    }
}

/// The first half of the HMAC with the worlds' key.
fn half(bytes: &[u8]) -> u128 {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes()), bytes);
    tag.as_ref().iter().take(16).fold(0, |half, byte| half << 8 | u128::from(*byte))
}

/// The id that rows behind a `pseudonymize` show.
pub fn shown_id(id: u128) -> u128 {
    half(format!("{id:032x}").as_bytes())
}
