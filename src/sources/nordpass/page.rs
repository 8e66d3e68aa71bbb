//! A response of the API: a page of events and the paging block.

use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::event::{Held, Span, Text};

/// Elements accepted even if fewer were requested: the API's smallest page may be the documented one.
const USUAL_PAGE: usize = 100;

/// A page, decoded only as far as needed: the elements of `data` stay text.
#[derive(Debug)]
pub struct Page {
    /// The response's text.
    pub text: Text,
    /// The elements of `data`, each a JSON value, in the response's order.
    pub elements: Vec<Span>,
    /// `metadata.total`: the number of events that match the query; `None` if missing or not a count.
    pub total: Option<u64>,
    /// `metadata.per_page`: the page size that the server used.
    pub size: Option<u64>,
    /// The `Date` header in Unix seconds.
    pub server_time: Option<i64>,
    /// Whether invalid UTF-8 in the response was replaced.
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

/// Collects the elements of an array. Fails above `most`: a peer controls their number, and each costs memory.
struct Elements<'t> {
    text: &'t str,
    most: usize,
    too_many: &'t mut bool,
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = Vec<Span>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<Span>, A::Error> {
        let mut spans = Vec::new();
        while let Some(element) = elements.next_element::<&'de RawValue>()? {
            if spans.len() == self.most {
                *self.too_many = true;
                return Err(A::Error::custom("too many"));
            }
            spans.push(Span::of(self.text, element.get()));
        }
        Ok(spans)
    }
}

impl Page {
    /// A page without events, for a response without content.
    pub fn empty(server_time: Option<i64>) -> Self {
        let text = Text::default();
        Self { text, elements: Vec::new(), total: Some(0), size: None, server_time, repaired: false }
    }

    /// Decodes a response with status 200 to a query for `asked` events. `held` lives as long as its text. Errors
    /// contain none of the response's content.
    pub fn parse(body: Vec<u8>, server_time: Option<i64>, asked: u32, held: Option<Held>) -> Result<Self, String> {
        if body.is_empty() {
            return Err("an empty response".to_owned());
        }
        let (text, repaired) =
            Text::held_from_bytes(body, held).ok_or("bytes that aren't UTF-8 where a page of events should be")?;
        // Some proxies prepend a byte order mark.
        let json = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let answer: Answer<'_> = serde_json::from_str(json).map_err(|error| {
            let html = json.trim_start().starts_with('<');
            let what = if html { "HTML" } else { "an incomplete JSON object" };
            format!(
                "{what} where a page of events should be ({:?} error at byte {})",
                error.classify(),
                offset(json, &error)
            )
        })?;
        let data = answer.data.map(RawValue::get).filter(|data| *data != "null");
        // Another response, such as an error with status 200, must not pass for a time without events.
        if data.is_none() && answer.metadata.is_none_or(|paging| paging.get() == "null") {
            return Err("JSON that isn't a page of events".to_owned());
        }
        let most = usize::try_from(asked).unwrap_or(usize::MAX).max(USUAL_PAGE);
        let mut too_many = false;
        let elements = match data {
            None => Vec::new(),
            Some(data) => serde_json::Deserializer::from_str(data)
                .deserialize_seq(Elements { text: &text, most, too_many: &mut too_many })
                .map_err(|_| {
                    if too_many { "more events than were asked for" } else { "`data` isn't an array" }.to_owned()
                })?,
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

/// Parses a count, even if written as a string or as `20.0`.
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
        Page::parse(body.as_bytes().to_vec(), None, 100, None)
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
        let page = Page::parse(body, None, 100, None).expect("a page");
        assert!(page.repaired && page.elements.len() == 1);
    }
    /// 100 events were requested and 1,100,000 came: 715 MB for a response of 3 MB.
    #[test]
    fn more_elements_than_were_asked_for_are_refused() {
        let page = |number: usize, asked| {
            let body = format!(r#"{{"data":[{}],"metadata":{{"total":{number}}}}}"#, vec!["{}"; number].join(","));
            Page::parse(body.into_bytes(), None, asked, None).map(|page| page.elements.len())
        };
        let refused = Err("more events than were asked for".to_owned());
        assert_eq!((page(100, 100), page(101, 100), page(1_100_000, 100)), (Ok(100), refused.clone(), refused.clone()));
        assert_eq!((page(1_000, 1_000), page(1_001, 1_000)), (Ok(1_000), refused.clone()));
        assert_eq!((page(100, 1), page(101, 1)), (Ok(100), refused), "an API may have a smallest page");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_page() {
        let page = parse("\u{feff}{\"data\":[{\"a\":1}],\"metadata\":{\"total\":1}}").expect("a page");
        assert_eq!(page.elements.iter().map(|span| page.text.at(*span)).collect::<Vec<_>>(), [r#"{"a":1}"#]);
    }

    /// Each byte would become three: 96 MB from a response of 32 MB.
    #[test]
    fn a_page_of_bytes_that_are_no_text_is_refused() {
        let mut body = br#"{"data":[{"type":""#.to_vec();
        body.extend(vec![0xff; 1 << 20]);
        body.extend(br#""}]}"#);
        Page::parse(body, None, 100, None).expect_err("refused");
    }
}
