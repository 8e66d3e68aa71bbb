//! What a response means. Nothing that it says is repeated: it may quote a record.
//!
//! A success is a status and a body: a proxy's login page comes with 200, and so do refusals of Splunk, Elastic and OTLP. Only the
//! statuses that the pipeline file lists in `final_status` are about the records; Vector answers 400 when its own sinks reject, for one.

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use super::format::Format;
use crate::http::Again;
use crate::sinks::delivery::protocol::{RecordClass, Refusal, RefusalKind, ResponseClass, THROTTLED, UNAVAILABLE};

/// What a token refused by the destination means for one that is fetched.
const TOKEN_REFUSED: &str =
    "the destination refuses the token (401): check scope and credential, and that the identity may send there";

/// What is known when a response comes.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What was sent.
    pub format: Format,
    /// Number of records in it.
    pub records: usize,
    /// The statuses that are about the records.
    pub final_status: &'a [u16],
    /// Whether a new token can be fetched.
    pub renews: bool,
}

/// Classifies a response.
pub fn classify(question: Question<'_>, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ResponseClass {
    let code = status.as_u16();
    if status.is_success() {
        return success(question, headers, body);
    }
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return refused(code, RefusalKind::Size { certain: false });
    }
    if question.final_status.contains(&code) {
        return refused(code, RefusalKind::Content);
    }
    let (kind, reason) = match code {
        401 if question.renews => return ResponseClass::TokenRefused(TOKEN_REFUSED),
        401 => ("unauthorized", "the destination refuses the secret (401): check `auth`".to_owned()),
        403 => (
            "forbidden",
            "the destination refuses this sender (403): check `auth`, and what it may do there".to_owned(),
        ),
        404 | 405 => {
            ("not found", format!("nothing takes records at this address ({code}): check `endpoint` and `method`"))
        }
        429 => (THROTTLED, "the destination is throttling (429)".to_owned()),
        503 => (UNAVAILABLE, "the destination is unavailable (503)".to_owned()),
        300..=399 => (
            "unexpected answer",
            format!(
                "the destination sends the request elsewhere ({code}): set `endpoint` to the address that takes it"
            ),
        ),
        _ => ("unexpected answer", format!("the destination returned {code}, which says nothing about the records")),
    };
    ResponseClass::Again(Again::because(kind, reason))
}

fn refused(status: u16, kind: RefusalKind) -> ResponseClass {
    ResponseClass::Refused(Refusal { status, kind, ..Refusal::default() })
}

fn odd(reason: &str) -> ResponseClass {
    ResponseClass::Again(Again::because("unexpected answer", reason.to_owned()))
}

/// A status of success: what the body says.
fn success(question: Question<'_>, headers: &HeaderMap, body: &[u8]) -> ResponseClass {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_page = body.trim_ascii_start().first() == Some(&b'<');
    if is_page || media_type.trim_start().to_ascii_lowercase().starts_with("text/html") {
        return odd(
            "a web page came instead of an answer: a proxy or a login page is between here and the destination",
        );
    }
    match question.format {
        Format::Ndjson | Format::JsonArray => ResponseClass::Accepted,
        Format::SplunkHec => splunk(body),
        Format::ElasticBulk => elastic(body, question.records),
        Format::OtlpJson => otlp(body),
    }
}

/// Splunk: `{"text":"Success","code":0}`.
fn splunk(body: &[u8]) -> ResponseClass {
    #[derive(Deserialize)]
    struct Answer {
        code: i64,
    }
    match serde_json::from_slice(body) {
        Ok(Answer { code: 0 }) => ResponseClass::Accepted,
        Ok(Answer { code }) => odd(&format!("Splunk accepts the request and says that it failed, with code {code}")),
        Err(_) => odd(
            "this isn't the answer of an HTTP Event Collector: check `endpoint`, which ends in /services/collector/event",
        ),
    }
}

/// Elastic: an answer for each record, in their order.
fn elastic(body: &[u8], records: usize) -> ResponseClass {
    #[derive(Deserialize)]
    struct Answer {
        items: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        create: Done,
    }
    #[derive(Deserialize)]
    struct Done {
        status: u16,
    }
    let Ok(Answer { items }) = serde_json::from_slice(body) else {
        return odd("this isn't the answer of a bulk request: check `endpoint`, which ends in /_bulk");
    };
    if items.len() != records {
        return odd("the answer doesn't name each record of the bulk request once");
    }
    let classes: Vec<_> = items
        .iter()
        .map(|item| match item.create.status {
            // 409: a record with this id is there.
            200..300 | 409 => RecordClass::Accepted,
            400 | 413 => RecordClass::Refused,
            _ => RecordClass::Again,
        })
        .collect();
    let all = |class| classes.iter().all(|known| *known == class);
    let status = items.first().map_or(200, |item| item.create.status);
    if all(RecordClass::Accepted) {
        ResponseClass::Accepted
    } else if all(RecordClass::Refused) {
        refused(status, if status == 413 { RefusalKind::Size { certain: false } } else { RefusalKind::Content })
    } else if all(RecordClass::Again) {
        let kind = if status == 429 { THROTTLED } else { "unexpected answer" };
        ResponseClass::Again(Again::because(kind, format!("Elastic has no place for the records now ({status})")))
    } else {
        ResponseClass::Partial(classes)
    }
}

/// OTLP: a partial success that rejects records names none of them, so the request counts as refused, and is sent in halves. What was
/// taken the first time is there twice then.
fn otlp(body: &[u8]) -> ResponseClass {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Answer {
        partial_success: Option<Partial>,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Partial {
        rejected_log_records: Count,
    }
    /// 64-bit numbers are strings in this JSON; some write them as numbers.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Count {
        Text(String),
        Number(i64),
    }
    impl Default for Count {
        fn default() -> Self {
            Self::Number(0)
        }
    }
    let answer = if body.trim_ascii().is_empty() { Ok(Answer::default()) } else { serde_json::from_slice(body) };
    let Ok(Answer { partial_success }) = answer else {
        return odd("this isn't the answer of an OTLP receiver in JSON: check `endpoint`, which ends in /v1/logs");
    };
    match partial_success.unwrap_or_default().rejected_log_records {
        Count::Number(0) => ResponseClass::Accepted,
        Count::Text(text) if text == "0" || text.is_empty() => ResponseClass::Accepted,
        _ => refused(200, RefusalKind::Content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RecordClass::{Accepted, Again, Refused};

    fn ask(format: Format, status: u16, media_type: &str, body: &str) -> ResponseClass {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, media_type.parse().expect("a header"));
        let question = Question { format, records: 2, final_status: &[422], renews: false };
        classify(question, StatusCode::from_u16(status).expect("a status"), &headers, body.as_bytes())
    }

    fn waits(class: &ResponseClass) -> bool {
        matches!(class, ResponseClass::Again(_))
    }

    #[test]
    fn a_page_of_a_proxy_is_no_success() {
        for name in Format::NAMES {
            for (media_type, body) in
                [("text/html; charset=utf-8", "sign in"), ("application/json", " <html>"), ("Text/HTML", "")]
            {
                assert!(waits(&ask(Format::named(name), 200, media_type, body)), "{name} {media_type}");
            }
        }
        assert_eq!(ask(Format::Ndjson, 200, "text/plain", "ok"), ResponseClass::Accepted);
    }

    #[test]
    fn a_success_with_an_error_inside_is_no_success() {
        let json = "application/json";
        assert_eq!(ask(Format::SplunkHec, 200, json, r#"{"text":"Success","code":0}"#), ResponseClass::Accepted);
        for body in [r#"{"text":"Server is busy","code":9}"#, "{}", "", "[]", "ok"] {
            assert!(waits(&ask(Format::SplunkHec, 200, json, body)), "{body}");
        }
        for body in ["", "{}", r#"{"partialSuccess":{}}"#, r#"{"partialSuccess":{"rejectedLogRecords":"0"}}"#] {
            assert_eq!(ask(Format::OtlpJson, 200, json, body), ResponseClass::Accepted, "{body}");
        }
        for body in
            [r#"{"partialSuccess":{"rejectedLogRecords":"1"}}"#, r#"{"partialSuccess":{"rejectedLogRecords":2}}"#]
        {
            assert!(matches!(ask(Format::OtlpJson, 200, json, body), ResponseClass::Refused(_)), "{body}");
        }
        assert!(waits(&ask(Format::OtlpJson, 200, json, "no JSON")));
    }

    #[test]
    fn each_record_of_a_bulk_request_has_its_own_answer() {
        let bulk = |statuses: &[u16]| {
            let items: Vec<_> =
                statuses.iter().map(|status| serde_json::json!({ "create": { "status": status } })).collect();
            let body = serde_json::json!({ "errors": true, "items": items }).to_string();
            ask(Format::ElasticBulk, 200, "application/json", &body)
        };
        assert_eq!(bulk(&[201, 409]), ResponseClass::Accepted, "what is there is there");
        assert_eq!(bulk(&[201, 400]), ResponseClass::Partial(vec![Accepted, Refused]));
        assert_eq!(bulk(&[429, 201]), ResponseClass::Partial(vec![Again, Accepted]));
        assert!(matches!(bulk(&[400, 400]), ResponseClass::Refused(_)));
        assert!(waits(&bulk(&[429, 429])));
        for odd in [&[201][..], &[201, 201, 201], &[]] {
            assert!(waits(&bulk(odd)), "{odd:?}");
        }
        assert!(waits(&ask(Format::ElasticBulk, 200, "application/json", "{}")));
    }

    #[test]
    fn only_listed_statuses_are_about_the_records() {
        for status in [301, 400, 401, 403, 404, 409, 418, 429, 500, 502, 503] {
            assert!(waits(&ask(Format::Ndjson, status, "text/plain", "someone@example.com")), "{status}");
        }
        assert!(matches!(ask(Format::Ndjson, 422, "text/plain", ""), ResponseClass::Refused(_)));
        let ResponseClass::Refused(refusal) = ask(Format::Ndjson, 413, "text/plain", "") else { panic!("refused") };
        assert!(refusal.is_for_size());
    }

    #[test]
    fn nothing_of_an_answer_is_repeated() {
        let secret = "someone@example.com";
        for name in Format::NAMES {
            for status in [200, 302, 400, 401, 403, 404, 429, 500, 503] {
                if let ResponseClass::Again(again) = ask(Format::named(name), status, "application/json", secret) {
                    assert!(!again.reason.unwrap_or_default().contains(secret), "{name} {status}");
                }
            }
        }
    }
}
