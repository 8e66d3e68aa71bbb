//! What Azure's answers mean, by the documentation of the Logs Ingestion API
//! (<https://learn.microsoft.com/azure/azure-monitor/logs/logs-ingestion-api-overview>) and Microsoft's own clients.

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use crate::http::HttpError;

/// What a request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseClass {
    /// All rows are Azure's now.
    Accepted,
    /// Something in this body is unacceptable: find out which record.
    Refused(Refusal),
    /// The body is too large.
    TooLarge(Refusal),
    /// The token isn't accepted.
    TokenRefused,
    /// Try the same again later. The sentence says why, and what an operator can do.
    Wait {
        /// For the metrics.
        kind: &'static str,
        /// For the operator.
        reason: String,
        /// Whether the whole sink has to pause.
        throttled: bool,
    },
}

/// Azure's words about a refused body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// The error code, from the body or the header `x-ms-error-code`.
    pub code: Option<String>,
    /// The request id, for Microsoft's support.
    pub request_id: Option<String>,
}

impl Refusal {
    /// Status and code.
    pub fn answer(&self) -> String {
        let code = self.code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default();
        format!("{}{code}", self.status)
    }

    /// What to do when it isn't the records' fault.
    pub fn advice(&self) -> &'static str {
        if self.status == StatusCode::PAYLOAD_TOO_LARGE.as_u16() {
            "a proxy in between may refuse requests that Azure accepts"
        } else {
            "check that the rule's stream declaration has the columns and types of this version's rows"
        }
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorDetail {
    code: Option<String>,
    message: Option<String>,
}

/// What was asked for, to name it to the operator.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The stream.
    pub stream: &'a str,
    /// The rule's immutable id.
    pub rule: &'a str,
    /// Whether the rule has taken other streams here: then id and endpoint are right.
    pub takes_others: bool,
}

/// Reads an answer. Azure's own message is never repeated: it may quote a record. Two words of it are looked for.
pub fn classify(status: StatusCode, headers: &HeaderMap, body: &[u8], target: Target<'_>) -> ResponseClass {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let detail = serde_json::from_slice::<ErrorBody>(body).map(|body| body.error).unwrap_or_default();
    let code = detail.code.or_else(|| text("x-ms-error-code")).filter(|code| is_word(code));
    let refusal = Refusal { status: status.as_u16(), code: code.clone(), request_id: text("x-ms-request-id") };
    let code = code.map(|code| format!(", {code}")).unwrap_or_default();
    let wait = |kind, reason: String| ResponseClass::Wait { kind, reason, throttled: false };
    match status {
        StatusCode::NO_CONTENT => ResponseClass::Accepted,
        // Gateways in front of Azure may say 200 or 202; a page of HTML is a proxy's, not Azure's.
        StatusCode::OK | StatusCode::ACCEPTED if body.is_empty() => ResponseClass::Accepted,
        StatusCode::BAD_REQUEST => ResponseClass::Refused(refusal),
        StatusCode::PAYLOAD_TOO_LARGE => ResponseClass::TooLarge(refusal),
        StatusCode::UNAUTHORIZED => ResponseClass::TokenRefused,
        StatusCode::FORBIDDEN => {
            wait("forbidden", forbidden(&code, target.rule, detail.message.as_deref().unwrap_or_default()))
        }
        StatusCode::NOT_FOUND => wait("not found", not_found(&code, target)),
        StatusCode::TOO_MANY_REQUESTS => ResponseClass::Wait {
            kind: "throttled",
            reason: format!("Azure is throttling requests to rule {} (429)", target.rule),
            throttled: true,
        },
        StatusCode::SERVICE_UNAVAILABLE => ResponseClass::Wait {
            kind: "unavailable",
            reason: "Azure is unavailable (503)".to_owned(),
            throttled: headers.contains_key(header::RETRY_AFTER),
        },
        _ => wait(
            "unexpected answer",
            format!("Azure returned {}{code}, which says nothing about the rows", status.as_u16()),
        ),
    }
}

/// 403. Where Azure says what it looked at, only that is told.
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

/// 404. Rule, stream or endpoint: Azure's answers don't surely tell which.
fn not_found(code: &str, target: Target<'_>) -> String {
    let Target { stream, rule, takes_others } = target;
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

/// Only a plain word of theirs is repeated: what answers needn't be Azure, and may quote the request's token.
fn is_word(text: &str) -> bool {
    (1..=60).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A request without an answer.
pub fn no_answer(error: &HttpError) -> ResponseClass {
    let kind = match error {
        HttpError::Connect { .. } => "no connection",
        HttpError::Tls { .. } => "tls",
        HttpError::Timeout { .. } => "timeout",
        HttpError::Body { .. } | HttpError::TooLarge { .. } => "broken answer",
    };
    ResponseClass::Wait { kind, reason: error.to_string(), throttled: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(status: u16, body: &str) -> ResponseClass {
        let status = StatusCode::from_u16(status).expect("a status");
        classify(status, &HeaderMap::new(), body.as_bytes(), TARGET)
    }

    const TARGET: Target<'_> = Target { stream: "Custom-A", rule: "dcr-1", takes_others: false };

    /// A proxy's 413 was told as Azure's 400.
    #[test]
    fn a_refusal_is_told_as_it_came() {
        let ResponseClass::TooLarge(refusal) = class(413, "") else { panic!("too large") };
        assert_eq!(refusal.answer(), "413");
        assert!(refusal.advice().contains("a proxy in between"));
        let body = r#"{"error":{"code":"InvalidPayload","message":"m"}}"#;
        let ResponseClass::Refused(refusal) = class(400, body) else { panic!("refused") };
        assert_eq!(refusal.answer(), "400 (InvalidPayload)");
        assert!(refusal.advice().contains("stream declaration"));
    }

    #[test]
    fn only_204_and_empty_successes_accept() {
        assert_eq!(class(204, ""), ResponseClass::Accepted);
        assert_eq!(class(202, ""), ResponseClass::Accepted);
        for (status, body) in [(200, "<html>login</html>"), (302, ""), (206, ""), (500, ""), (418, "")] {
            assert!(matches!(class(status, body), ResponseClass::Wait { .. }), "{status}");
        }
    }

    #[test]
    fn only_400_and_413_are_about_the_rows() {
        let body = r#"{"error":{"code":"InvalidRecord","message":"row of someone@example.com"}}"#;
        let ResponseClass::Refused(refusal) = class(400, body) else { panic!("refused") };
        assert_eq!((refusal.status, refusal.code.as_deref()), (400, Some("InvalidRecord")));
        assert!(matches!(class(413, body), ResponseClass::TooLarge(_)));
        for status in [403, 404, 408, 429, 500, 502, 503, 504] {
            let ResponseClass::Wait { reason, .. } = class(status, body) else { panic!("{status} waits") };
            assert!(!reason.contains("example.com"), "no payload in a reason: {reason}");
        }
    }

    #[test]
    fn a_missing_role_says_which_and_where() {
        let ResponseClass::Wait { reason, .. } = class(403, "") else { panic!("waits") };
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
            let ResponseClass::Wait { reason, .. } = class(403, &body) else { panic!("waits") };
            assert_eq!(reason.contains("Monitoring Metrics Publisher"), role, "{reason}");
            assert_eq!(reason.contains("logsIngestion"), endpoint, "{reason}");
            assert!(!reason.contains("example.com"), "{reason}");
        }
    }

    #[test]
    fn what_is_not_found_is_narrowed_by_what_was() {
        let others = Target { takes_others: true, ..TARGET };
        let told = |target| match classify(StatusCode::NOT_FOUND, &HeaderMap::new(), b"", target) {
            ResponseClass::Wait { reason, .. } => reason,
            class => panic!("{class:?}"),
        };
        assert!(told(TARGET).contains("another region") && told(TARGET).contains("dcr_immutable_id"));
        assert!(told(others).contains("streamDeclarations") && !told(others).contains("region"));
    }

    #[test]
    fn a_code_that_is_no_word_is_not_repeated() {
        let ResponseClass::Refused(refusal) = class(400, r#"{"error":{"code":"<b>someone@example.com</b>"}}"#) else {
            panic!("refused")
        };
        assert_eq!(refusal.code, None);
    }
}
