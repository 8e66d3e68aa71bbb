//! The Logs Ingestion API: builds requests and classifies responses.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use serde_json::Value;

use crate::azure::AccessToken;
use crate::http::{Again, azure_code, bearer};
use crate::sinks::delivery::protocol::{Refusal, RefusalKind, ResponseClass, THROTTLED, UNAVAILABLE};

/// Maximum bytes of a body after gzip: the gateway's limit of 1 MiB as received, minus a safety margin.
pub const MAX_WIRE_BYTES: usize = (1 << 20) - 4096;
/// Azure's code when rows for an auxiliary table are too far apart in time.
const TIME_RANGE: &str = "RecordsTimeRangeIsMoreThan30Minutes";
/// The 30 minutes of an auxiliary table, minus a safety margin.
const TIME_RANGE_SECONDS: i64 = 29 * 60;
/// Azure's own code when a body is too large. A proxy in front of it says something else.
const TOO_LONG: &str = "ContentLengthLimitExceeded";
/// 401 from Azure Monitor, whatever the credential.
pub const TOKEN_REFUSED: &str =
    "Azure refuses the token (401): check tenant, client and that the credential is for this cloud";

/// A rule's stream.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The logs ingestion endpoint, without a slash at its end.
    pub endpoint: &'a str,
    /// The rule's immutable id.
    pub rule: &'a str,
    /// The stream's name.
    pub stream: &'a str,
}

/// Builds a request that posts a gzip body. Fails if the token or a name has characters invalid in a header or URL.
pub fn request(
    target: Target<'_>,
    body: Bytes,
    token: &AccessToken,
    request_id: &str,
) -> Result<Request<Bytes>, http::Error> {
    let Target { endpoint, rule, stream } = target;
    Request::builder()
        .method(Method::POST)
        .uri(format!("{endpoint}/dataCollectionRules/{rule}/streams/{stream}?api-version=2023-01-01"))
        .header(header::AUTHORIZATION, bearer(&token.secret)?)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_ENCODING, "gzip")
        .header("x-ms-client-request-id", request_id)
        .body(body)
}

/// What a refusal is about.
fn kind_of(status: StatusCode, code: Option<&str>) -> RefusalKind {
    match (status, code) {
        (StatusCode::PAYLOAD_TOO_LARGE, code) => RefusalKind::Size { certain: code == Some(TOO_LONG) },
        (_, Some(TIME_RANGE)) => RefusalKind::TimeRange(TIME_RANGE_SECONDS),
        _ => RefusalKind::Content,
    }
}

/// Why a stream waits when Azure refuses all its records.
pub fn refuses_all(refusal: &Refusal, stream: &str) -> String {
    let (answer, advice) = (refusal.answer(), advice(refusal));
    format!("Azure refuses every record for stream {stream} with {answer}: {advice}; nothing is dead-lettered")
}

/// Why a stream waits when Azure refuses one of its records without proof that the record is at fault.
pub fn refuses_one(refusal: &Refusal, stream: &str) -> String {
    let (answer, advice) = (refusal.answer(), advice(refusal));
    format!(
        "Azure refuses a record for stream {stream} with {answer}; it is kept and retried until Azure accepts it, or \
         accepts others of the stream but not this one. If it accepts none: {advice}"
    )
}

/// What to do if the records aren't at fault.
fn advice(refusal: &Refusal) -> &'static str {
    if refusal.is_for_size() {
        "a proxy in between may refuse requests that Azure accepts"
    } else {
        "check that the rule's stream declaration has the columns and types of this version's rows"
    }
}

/// Classifies a response. `takes_others`: the rule has accepted other streams at this endpoint, so both are right.
/// Azure's message is never repeated, as it may quote a record. It is only searched for two words.
pub fn classify(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    target: Target<'_>,
    takes_others: bool,
) -> ResponseClass {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let detail = |name: &str| json["error"][name].as_str();
    let code = detail("code").or_else(|| header("x-ms-error-code")).and_then(azure_code).map(str::to_owned);
    let shown = code.as_deref().map(|code| format!(", {code}")).unwrap_or_default();
    let rule = target.rule;
    let (kind, reason) = match status {
        StatusCode::NO_CONTENT => return ResponseClass::Accepted,
        // Gateways in front of Azure may return 200 or 202. A page of HTML is a proxy's, not Azure's.
        StatusCode::OK | StatusCode::ACCEPTED if body.is_empty() => return ResponseClass::Accepted,
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => {
            let request_id = header("x-ms-request-id").filter(|id| is_request_id(id)).map(str::to_owned);
            let kind = kind_of(status, code.as_deref());
            return ResponseClass::Refused(Refusal { status: status.as_u16(), code, request_id, kind });
        }
        StatusCode::UNAUTHORIZED => return ResponseClass::TokenRefused(TOKEN_REFUSED),
        StatusCode::FORBIDDEN => ("forbidden", forbidden(&shown, rule, detail("message").unwrap_or_default())),
        StatusCode::NOT_FOUND => ("not found", not_found(&shown, target, takes_others)),
        StatusCode::TOO_MANY_REQUESTS => (THROTTLED, format!("Azure is throttling requests to rule {rule} (429)")),
        StatusCode::SERVICE_UNAVAILABLE => (UNAVAILABLE, "Azure is unavailable (503)".to_owned()),
        _ => {
            let status = status.as_u16();
            ("unexpected answer", format!("Azure returned {status}{shown}, which says nothing about the rows"))
        }
    };
    ResponseClass::Again(Again::because(kind, reason))
}

/// 403. Explains a 403. If Azure says what it checked, reports only that.
fn forbidden(code: &str, rule: &str, message: &str) -> String {
    let denied = |word: &str| {
        let found = message.split(word).nth(1).unwrap_or_default();
        found.trim_start_matches([':', ' ']).get(..5).is_some_and(|value| value.eq_ignore_ascii_case("false"))
    };
    let role = format!(
        "give it the role Monitoring Metrics Publisher on the data collection rule {rule}; a new assignment takes up to \
         30 minutes"
    );
    let endpoint = format!(
        "the rule {rule} doesn't belong to this endpoint: take the endpoint from the rule itself (JSON view, \
         properties.endpoints.logsIngestion), or link the rule with this data collection endpoint, which must be in the \
         rule's region"
    );
    let advice = match (denied("IsRbacPresent"), denied("IsDcrDceBindingValid")) {
        (false, true) => endpoint,
        (true, true) => format!("{role}. Also, {endpoint}"),
        _ => role,
    };
    format!("Azure refuses this identity (403{code}): {advice}")
}

/// 404. Explains a 404: rule, stream or endpoint. Azure's responses don't reliably tell which.
fn not_found(code: &str, target: Target<'_>, takes_others: bool) -> String {
    let Target { stream, rule, .. } = target;
    if takes_others {
        format!(
            "Azure doesn't know the stream {stream} of rule {rule} (404{code}), and accepts other streams of it: \
             compare its name in `streams` with the rule's streamDeclarations"
        )
    } else {
        format!(
            "Azure doesn't know the stream {stream} of rule {rule} (404{code}): check dcr_immutable_id, the stream's \
             name, and that `endpoint` is this rule's own: an endpoint in another region won't know this rule"
        )
    }
}

/// Whether this is a UUID, or several with separators as a gateway may join them. What responds may not be Azure, and
/// may quote the request's token.
fn is_request_id(text: &str) -> bool {
    let is_uuid = |part: &str| {
        let lengths = part.split('-').map(str::len);
        lengths.eq([8, 4, 4, 4, 12]) && part.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    };
    text.len() <= 200 && text.split(['|', ',', ' ', ';', '.']).all(is_uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(status: u16, body: &str) -> ResponseClass {
        let status = StatusCode::from_u16(status).expect("a status");
        classify(status, &HeaderMap::new(), body.as_bytes(), TARGET, false)
    }

    const TARGET: Target<'_> = Target { endpoint: "https://a", stream: "Custom-A", rule: "dcr-1" };

    /// A proxy's 413 was reported as Azure's 400.
    #[test]
    fn a_refusal_is_told_as_it_came() {
        let ResponseClass::Refused(refusal) = class(413, "") else { panic!("refused") };
        assert_eq!(refusal.answer(), "413");
        assert!(advice(&refusal).contains("a proxy in between"));
        let body = r#"{"error":{"code":"InvalidPayload","message":"m"}}"#;
        let ResponseClass::Refused(refusal) = class(400, body) else { panic!("refused") };
        assert_eq!(refusal.answer(), "400 (InvalidPayload)");
        assert!(advice(&refusal).contains("stream declaration"));
    }

    #[test]
    fn only_204_and_empty_successes_accept() {
        assert_eq!(class(204, ""), ResponseClass::Accepted);
        assert_eq!(class(202, ""), ResponseClass::Accepted);
        for (status, body) in [(200, "<html>login</html>"), (302, ""), (206, ""), (500, ""), (418, "")] {
            assert!(matches!(class(status, body), ResponseClass::Again(_)), "{status}");
        }
    }

    #[test]
    fn only_400_and_413_are_about_the_rows() {
        let body = r#"{"error":{"code":"InvalidRecord","message":"row of someone@example.com"}}"#;
        let ResponseClass::Refused(refusal) = class(400, body) else { panic!("refused") };
        assert_eq!((refusal.status, refusal.code.as_deref()), (400, Some("InvalidRecord")));
        let ResponseClass::Refused(refusal) = class(413, body) else { panic!("refused") };
        assert!(refusal.is_for_size());
        for status in [403, 404, 408, 429, 500, 502, 503, 504] {
            let ResponseClass::Again(Again { reason: Some(reason), .. }) = class(status, body) else {
                panic!("{status} waits")
            };
            assert!(!reason.contains("example.com"), "no payload in a reason: {reason}");
        }
    }

    #[test]
    fn a_missing_role_says_which_and_where() {
        let ResponseClass::Again(Again { reason: Some(reason), .. }) = class(403, "") else { panic!("waits") };
        assert!(reason.contains("Monitoring Metrics Publisher") && reason.contains("dcr-1"), "{reason}");
    }

    #[test]
    fn a_rule_that_does_not_belong_to_the_endpoint_is_told_from_a_missing_role() {
        for (rbac, binding, role, endpoint) in [
            ("False", "", true, false),
            ("True", "False", false, true),
            ("False", "False", true, true),
            ("", "", true, false),
        ] {
            let body = format!(
                r#"{{"error":{{"code":"OperationFailed","message":"someone@example.com AccessGranted: False, IsRbacPresent: {rbac}, IsDcrDceBindingValid: {binding}, DcrArmId: x"}}}}"#
            );
            let ResponseClass::Again(Again { reason: Some(reason), .. }) = class(403, &body) else { panic!("waits") };
            assert_eq!(reason.contains("Monitoring Metrics Publisher"), role, "{reason}");
            assert_eq!(reason.contains("logsIngestion"), endpoint, "{reason}");
            assert!(!reason.contains("example.com"), "{reason}");
        }
    }

    #[test]
    fn what_is_not_found_is_narrowed_by_what_was() {
        let told = |takes_others| match classify(StatusCode::NOT_FOUND, &HeaderMap::new(), b"", TARGET, takes_others) {
            ResponseClass::Again(Again { reason: Some(reason), .. }) => reason,
            class => panic!("{class:?}"),
        };
        assert!(told(false).contains("another region") && told(false).contains("dcr_immutable_id"));
        assert!(told(true).contains("streamDeclarations") && !told(true).contains("region"));
    }

    #[test]
    fn a_code_that_is_no_word_is_not_repeated() {
        let ResponseClass::Refused(refusal) = class(400, r#"{"error":{"code":"<b>someone@example.com</b>"}}"#) else {
            panic!("refused")
        };
        assert_eq!(refusal.code, None);
    }
}
