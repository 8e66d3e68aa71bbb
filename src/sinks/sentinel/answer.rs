//! What Azure's answers mean (`reference/sentinel.md` 1.2).

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use crate::http::HttpError;

/// What a request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
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

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Deserialize)]
struct ErrorDetail {
    #[serde(default)]
    code: Option<String>,
}

/// Reads an answer. `target` names rule and stream for the operator.
pub fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8], target: &str) -> Verdict {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let code = serde_json::from_slice::<ErrorBody>(body).ok().and_then(|body| body.error.code);
    let code = code.or_else(|| text("x-ms-error-code"));
    let refusal = Refusal { status: status.as_u16(), code: code.clone(), request_id: text("x-ms-request-id") };
    let code = code.map(|code| format!(", {code}")).unwrap_or_default();
    let wait = |kind, reason: String| Verdict::Wait { kind, reason, throttled: false };
    match status {
        StatusCode::NO_CONTENT => Verdict::Accepted,
        // Gateways in front of Azure may say 200 or 202; a page of HTML is a proxy's, not Azure's.
        StatusCode::OK | StatusCode::ACCEPTED if body.is_empty() => Verdict::Accepted,
        StatusCode::BAD_REQUEST => Verdict::Refused(refusal),
        StatusCode::PAYLOAD_TOO_LARGE => Verdict::TooLarge(refusal),
        StatusCode::UNAUTHORIZED => Verdict::TokenRefused,
        StatusCode::FORBIDDEN => wait(
            "forbidden",
            format!(
                "Azure refuses this identity (403{code}): give it the role Monitoring Metrics Publisher on {target}; a new \
                 assignment takes up to 30 minutes"
            ),
        ),
        StatusCode::NOT_FOUND => wait(
            "not found",
            format!(
                "Azure doesn't know {target} (404{code}): check dcr_immutable_id, the stream's name and the endpoint"
            ),
        ),
        StatusCode::TOO_MANY_REQUESTS => Verdict::Wait {
            kind: "throttled",
            reason: format!("Azure asks for fewer requests to {target} (429)"),
            throttled: true,
        },
        StatusCode::SERVICE_UNAVAILABLE => Verdict::Wait {
            kind: "unavailable",
            reason: "Azure is unavailable (503)".to_owned(),
            throttled: headers.contains_key(header::RETRY_AFTER),
        },
        _ => wait(
            "unexpected answer",
            format!("Azure answers {}{code}, which says nothing about the rows", status.as_u16()),
        ),
    }
}

/// A request without an answer.
pub fn no_answer(error: &HttpError) -> Verdict {
    let kind = match error {
        HttpError::Connect { .. } => "no connection",
        HttpError::Tls { .. } => "tls",
        HttpError::Timeout { .. } => "timeout",
        HttpError::Body { .. } | HttpError::TooLarge { .. } => "broken answer",
    };
    Verdict::Wait { kind, reason: error.to_string(), throttled: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, body: &str) -> Verdict {
        let status = StatusCode::from_u16(status).expect("a status");
        judge(status, &HeaderMap::new(), body.as_bytes(), "stream Custom-A of dcr-1")
    }

    #[test]
    fn only_204_and_empty_successes_accept() {
        assert_eq!(verdict(204, ""), Verdict::Accepted);
        assert_eq!(verdict(202, ""), Verdict::Accepted);
        for (status, body) in [(200, "<html>login</html>"), (302, ""), (206, ""), (500, ""), (418, "")] {
            assert!(matches!(verdict(status, body), Verdict::Wait { .. }), "{status}");
        }
    }

    #[test]
    fn only_400_and_413_are_about_the_rows() {
        let body = r#"{"error":{"code":"InvalidRecord","message":"row of someone@example.com"}}"#;
        let Verdict::Refused(refusal) = verdict(400, body) else { panic!("refused") };
        assert_eq!((refusal.status, refusal.code.as_deref()), (400, Some("InvalidRecord")));
        assert!(matches!(verdict(413, body), Verdict::TooLarge(_)));
        for status in [403, 404, 408, 429, 500, 502, 503, 504] {
            let Verdict::Wait { reason, .. } = verdict(status, body) else { panic!("{status} waits") };
            assert!(!reason.contains("example.com"), "no payload in a reason: {reason}");
        }
    }

    #[test]
    fn a_missing_role_says_which_and_where() {
        let Verdict::Wait { reason, .. } = verdict(403, "") else { panic!("waits") };
        assert!(reason.contains("Monitoring Metrics Publisher") && reason.contains("dcr-1"), "{reason}");
    }
}
