//! One answer of the API: a page of events and the paging block.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::{Span, Text};

/// A page, decoded as far as it must be: the elements of `data` stay text.
#[derive(Debug)]
pub struct Page {
    /// The answer's text.
    pub text: Text,
    /// The elements of `data`, each a JSON value, in the answer's order.
    pub elements: Vec<Span>,
    /// `metadata.total`: how many events the whole query has; `None` where missing or no count.
    pub total: Option<u64>,
    /// `metadata.per_page`: the size that the server used.
    pub size: Option<u64>,
    /// The `Date` header in Unix seconds.
    pub server_time: Option<i64>,
    /// Whether the answer had bytes that aren't UTF-8, which were replaced.
    pub repaired: bool,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Paging<'a> {
    #[serde(borrow, default)]
    total: Option<&'a RawValue>,
    #[serde(borrow, default)]
    per_page: Option<&'a RawValue>,
}

impl Page {
    /// Decodes an answer with status 200. The error is a sentence without any of the answer's content.
    pub fn parse(body: Vec<u8>, server_time: Option<i64>) -> Result<Self, String> {
        if body.is_empty() {
            return Err("an empty response".to_owned());
        }
        let (text, repaired) = Text::from_bytes(body);
        let answer: Answer<'_> = serde_json::from_str(&text).map_err(|error| {
            let html = text.trim_start().starts_with('<');
            let what = if html { "HTML" } else { "an incomplete JSON object" };
            format!(
                "{what} where a page of events should be ({:?} error at byte {})",
                error.classify(),
                offset(&text, &error)
            )
        })?;
        let data = answer.data.map(RawValue::get).filter(|data| *data != "null");
        // An answer about something else, such as an error with status 200, must not pass for a time without events.
        if data.is_none() && answer.metadata.is_none_or(|paging| paging.get() == "null") {
            return Err("JSON that isn't a page of events".to_owned());
        }
        let elements = match data {
            None => Vec::new(),
            Some(data) => serde_json::from_str::<Vec<&RawValue>>(data)
                .map_err(|_| "`data` isn't an array".to_owned())?
                .into_iter()
                .map(|element| Span::of(&text, element.get()))
                .collect(),
        };
        let paging: Paging<'_> = answer
            .metadata
            .filter(|raw| raw.get().starts_with('{'))
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default();
        let (total, size) = (count(paging.total), count(paging.per_page));
        Ok(Self { text, elements, total, size, server_time, repaired })
    }
}

/// A count, also where it is written as a string or as `20.0`.
fn count(raw: Option<&RawValue>) -> Option<u64> {
    let text = raw?.get().trim_matches('"');
    let whole = text.strip_suffix(".0").unwrap_or(text);
    whole.parse().ok()
}

fn offset(text: &str, error: &serde_json::Error) -> usize {
    let lines: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    lines + error.column()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Page, String> {
        Page::parse(body.as_bytes().to_vec(), None)
    }

    #[test]
    fn elements_stay_as_they_came() {
        let page = parse(r#"{"data":[{"a":1}, null ,"x"],"metadata":{"total":"3","per_page":100.0}}"#).expect("a page");
        let elements: Vec<&str> = page.elements.iter().map(|span| page.text.at(*span)).collect();
        assert_eq!(elements, [r#"{"a":1}"#, "null", r#""x""#]);
        assert_eq!((page.total, page.size), (Some(3), Some(100)));
    }

    #[test]
    fn missing_and_odd_paging_is_no_error() {
        for body in [
            r#"{"data":null,"metadata":{}}"#,
            r#"{"data":[]}"#,
            r#"{"data":[],"metadata":null}"#,
            r#"{"metadata":{"total":-1}}"#,
            r#"{"data":[],"metadata":[1]}"#,
        ] {
            let page = parse(body).expect(body);
            assert_eq!((page.elements.len(), page.total), (0, None), "{body}");
        }
    }

    #[test]
    fn nonsense_is_an_error_without_content() {
        for body in [
            "",
            "<html>secret</html>",
            r#"{"data":[{"a":"secret"}"#,
            r#"{"data":{"secret":1}}"#,
            "[1]",
            "5",
            "{}",
            r#"{"error":"secret"}"#,
            r#"{"data":null,"metadata":null}"#,
        ] {
            let error = parse(body).expect_err(body);
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_cost_only_themselves() {
        let mut body = br#"{"data":[{"type":"x"#.to_vec();
        body.extend([0xff, 0xfe]);
        body.extend(br#""}]}"#);
        let page = Page::parse(body, None).expect("a page");
        assert!(page.repaired && page.elements.len() == 1);
    }
}
