//! Our HTTP client as `azure_core`'s transport.
//!
//! It also takes over decisions that the library can't make for us. The library computes a token's end by the machine's
//! clock, and for a virtual machine's identity it retries for more than a minute whatever its options say. So this
//! adapter notes how long the token lives, and hands over every failure as an error of a kind that is never retried.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::request::Body;
use azure_core::http::{
    AsyncRawResponse, ClientOptions, HttpClient as AzureClient, Request, RetryOptions, StatusCode, Transport,
};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::refusal::{self, Asked};
use crate::http::{HttpClient, date};
use nordpass_env::{Clock, Mutex};

/// No token lives longer; if one did, it would be renewed early.
pub const LONGEST_LIFE: i64 = 30 * 86_400;
/// The longest answer that holds a token.
pub const LONGEST_ANSWER: usize = 1 << 20;
/// The words for an answer without a token. The library's may quote it, and it may nearly be a token.
pub const NO_TOKEN: &str = "the token endpoint didn't return a token: check whether a proxy is in between";

/// The transport of one fetch of a token.
pub struct Exchange {
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    asked: Asked,
    seen: Mutex<Seen>,
}

/// What the last response said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Seen {
    /// There was none: the library sent no request.
    #[default]
    Nothing,
    /// No token, and why.
    Failed(String),
    /// A success, and how long the token in it lives; `None` where it doesn't say.
    Answer(Option<Duration>),
}

impl Exchange {
    /// A transport that has seen nothing yet.
    pub fn new(http: Arc<dyn HttpClient>, clock: Arc<dyn Clock>, asked: Asked) -> Arc<Self> {
        Arc::new(Self { http, clock, asked, seen: Mutex::default() })
    }

    /// Options for a credential that use this transport.
    pub fn options(self: &Arc<Self>) -> ClientOptions {
        ClientOptions {
            retry: RetryOptions::none(),
            transport: Some(Transport::new(self.clone())),
            ..ClientOptions::default()
        }
    }

    /// What the last response said.
    pub fn seen(&self) -> Seen {
        self.seen.lock().clone()
    }

    fn note(&self, seen: Seen) {
        *self.seen.lock() = seen;
    }

    async fn exchange(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let host = request.url().host_str().unwrap_or_default();
        let Some(ours) = translate(request) else {
            return Err(self.fail(format!("no token: the request to {host} can't be written")));
        };
        let answer = self.http.send(ours).await.map_err(|error| self.fail(format!("no token: {error}")))?;
        let status = answer.status().as_u16();
        if !answer.status().is_success() {
            let ahead = date(answer.headers()).map(|date| self.clock.now_seconds() - date);
            let answer = refusal::Answer { host, status, body: answer.body(), ahead };
            return Err(self.fail(refusal::sentence(self.asked, answer)));
        }
        let Some(body) = bounded(answer.body(), self.clock.now()) else {
            return Err(self.fail(NO_TOKEN.to_owned()));
        };
        self.note(Seen::Answer(lifetime(&body, self.clock.now())));
        Ok(AsyncRawResponse::from_bytes(StatusCode::from(status), Headers::new(), body))
    }

    /// Notes why there is no token, for the library to hand back.
    pub fn fail(&self, reason: String) -> azure_core::Error {
        self.note(Seen::Failed(reason.clone()));
        // Not `Io`, which the library takes for a reason to try again.
        azure_core::Error::with_message(ErrorKind::Other, reason)
    }
}

/// The library's request as ours; `None` if a value in it can't be sent.
fn translate(request: &Request) -> Option<http::Request<Bytes>> {
    let mut ours = http::Request::builder().method(request.method().as_ref()).uri(request.url().as_str());
    for (name, value) in request.headers().iter() {
        ours = ours.header(name.as_str(), value.as_str());
    }
    match request.body() {
        Body::Bytes(bytes) => ours.body(bytes.clone()).ok(),
        // No credential streams its request.
        Body::SeekableStream(_) => None,
    }
}

/// A number, or a string that holds one: Entra writes the first, a managed identity's endpoint the second.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(i64),
    Quoted(String),
}

impl Number {
    fn value(&self) -> Option<i64> {
        match self {
            Self::Plain(value) => Some(*value),
            Self::Quoted(text) => text.trim().parse().ok(),
        }
    }
}

/// The answer with its times in bounds: the library adds them to the machine's clock, and panics where that is no date any
/// more. `None` where it isn't an object.
fn bounded(body: &[u8], now: Timestamp) -> Option<Bytes> {
    let mut answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
    for (name, most) in [
        ("expires_in", LONGEST_LIFE),
        ("ext_expires_in", LONGEST_LIFE),
        ("refresh_in", LONGEST_LIFE),
        ("expires_on", now.as_second().saturating_add(LONGEST_LIFE)),
        ("not_before", now.as_second().saturating_add(LONGEST_LIFE)),
    ] {
        let Some(value) = answer.get_mut(name) else { continue };
        let bounded = |number: f64| number > most as f64 || number < -(most as f64);
        match value {
            Value::Number(number) if number.as_f64().is_none_or(bounded) => *value = most.into(),
            Value::String(text) if text.trim().parse().is_ok_and(bounded) => *value = most.to_string().into(),
            _ => {}
        }
    }
    serde_json::to_vec(&answer).ok().map(Bytes::from)
}

/// How long the token in a response lives. `expires_in` holds whatever our clock shows, so it counts first. A token
/// that would have ended already comes from a wrong clock: then its life is unknown, and a refusal will show its end.
fn lifetime(body: &[u8], now: Timestamp) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Answer {
        expires_in: Option<Number>,
        expires_on: Option<Number>,
    }
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let expires_in = answer.expires_in.and_then(|number| number.value());
    let expires_on = || answer.expires_on?.value()?.checked_sub(now.as_second());
    let seconds = expires_in.or_else(expires_on).and_then(|seconds| u64::try_from(seconds).ok())?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange")
    }
}

type Answer<'a> = Pin<Box<dyn Future<Output = azure_core::Result<AsyncRawResponse>> + Send + 'a>>;

/// Written out instead of with `async_trait`: one method isn't worth a dependency.
impl AzureClient for Exchange {
    fn execute_request<'life0, 'life1, 'async_trait>(&'life0 self, request: &'life1 Request) -> Answer<'async_trait>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(self.exchange(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_are_no_dates_are_brought_into_bounds() {
        let now = Timestamp::from_second(1_000).expect("a time");
        let text = |body: &str| bounded(body.as_bytes(), now).map(|body| String::from_utf8(body.into()).expect("text"));
        for (body, expected) in [
            (r#"{"expires_in":1000000000000}"#, r#"{"expires_in":2592000}"#),
            (r#"{"expires_in":1e300}"#, r#"{"expires_in":2592000}"#),
            (r#"{"expires_on":"99999999999999999999"}"#, r#"{"expires_on":"2593000"}"#),
            (r#"{"expires_on":-9223372036854775808}"#, r#"{"expires_on":2593000}"#),
            (r#"{"access_token":"t","expires_in":3599}"#, r#"{"access_token":"t","expires_in":3599}"#),
            (r#"{"expires_in":"soon"}"#, r#"{"expires_in":"soon"}"#),
        ] {
            assert_eq!(text(body).as_deref(), Some(expected), "{body}");
        }
        assert_eq!((text("[1]"), text("<html>")), (None, None));
    }

    #[test]
    fn a_token_s_life_is_read_in_every_spelling() {
        let now = Timestamp::from_second(1_000).expect("a time");
        for (body, seconds) in [
            (r#"{"expires_in":3599}"#, Some(3599)),
            (r#"{"expires_in":"3599","expires_on":"9"}"#, Some(3599)),
            (r#"{"expires_on":"1600"}"#, Some(600)),
            (r#"{"expires_on":1600}"#, Some(600)),
            (r#"{"expires_on":"1000"}"#, None),
            (r#"{"expires_on":"-9223372036854775808"}"#, None),
            (r#"{"expires_in":-5}"#, None),
            (r#"{"expires_in":"soon"}"#, None),
            ("{}", None),
            ("<html>", None),
        ] {
            assert_eq!(lifetime(body.as_bytes(), now), seconds.map(Duration::from_secs), "{body}");
        }
    }
}
