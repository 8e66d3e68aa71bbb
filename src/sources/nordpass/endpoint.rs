//! Sends one request to the API and classifies the response.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::context::ReadContext;
use super::page::Page;
use super::query::Query;
use super::time::timestamp;
use crate::event::Held;
use crate::http::{
    Again, AnswerMemory, GunzipError, HttpClient, HttpError, date, gunzip, hidden, is_gzip, retry_after,
};
use crate::telemetry::{TokenState, metrics};

/// The outcome of one request.
pub enum Attempt {
    /// A page.
    Page(Page),
    /// A condition that can pass.
    Wait(Again),
    /// A response that isn't a page, or a query that the API refuses.
    Unreadable(String),
    /// No complete response in time.
    TimedOut(String),
    /// A response larger than the limit.
    TooLarge,
}

/// The kind of failure that isn't the query's fault unless other queries succeed meanwhile.
pub const UNAVAILABLE: &str = "unavailable";

/// Sends requests.
pub struct Endpoint {
    context: Arc<ReadContext>,
    http: Arc<dyn HttpClient>,
}

impl Endpoint {
    /// Doesn't connect yet. Fails on invalid settings.
    pub fn new(context: Arc<ReadContext>) -> Result<Self, String> {
        let http = context.env.network.client(&context.settings.http)?;
        context.telemetry.token(TokenState::Unknown);
        Ok(Self { context, http })
    }

    /// Sends one request.
    pub async fn attempt(&self, query: &Query) -> Attempt {
        let ReadContext { settings, env, telemetry, .. } = &*self.context;
        let wait = |kind, reason| Attempt::Wait(Again::because(kind, reason));
        // Read for each request, which costs a file read, so that a renewed token file takes effect at once.
        let token = match settings.token.load(&*env.disk).await {
            Ok(token) => token,
            Err(error) => {
                telemetry.token(TokenState::Missing);
                return wait("token", format!("{error}; put the NordPass token there"));
            }
        };
        let refused = || {
            telemetry.token(TokenState::Missing);
            wait("token", "the NordPass token contains characters that are invalid in a header; renew it".to_owned())
        };
        let Ok(token) = hidden(token.expose_secret()) else { return refused() };
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&settings.endpoint)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, token);
        if let Some(value) = &settings.source_header {
            request = request.header("X-Source", value);
        }
        let Ok(request) = request.body(Bytes::from(serde_json::to_vec(query).unwrap_or_default())) else {
            return refused();
        };
        let began = Instant::now();
        let answer = self.http.send(request).await;
        telemetry.observe(&metrics::REQUEST_SECONDS, began.elapsed().as_secs_f64());
        let status = answer.as_ref().map_or("none".to_owned(), |answer| answer.status().as_u16().to_string());
        telemetry.add_labelled(&metrics::REQUESTS, &status, 1);
        let &Query { timestamp_from: from, timestamp_to: to, page, per_page, .. } = query;
        let (from, to) = (timestamp(from), timestamp(to));
        tracing::debug!(component = telemetry.name(), %from, %to, page, per_page, %status, "requested a page");
        match answer {
            Ok(answer) => self.classify(answer, per_page).await,
            Err(HttpError::TooLarge { .. }) => Attempt::TooLarge,
            Err(error @ HttpError::Timeout { .. }) => Attempt::TimedOut(error.to_string()),
            Err(error @ HttpError::Body { .. }) => Attempt::Unreadable(error.to_string()),
            Err(error) => wait("no answer", error.to_string()),
        }
    }

    async fn classify(&self, mut answer: http::Response<Bytes>, asked: u32) -> Attempt {
        let ReadContext { env, telemetry, clock, .. } = &*self.context;
        let now = env.clock.now();
        let server_time = date(answer.headers());
        if let Some(server_time) = server_time {
            clock.observe(server_time, telemetry);
        }
        let status = answer.status();
        let code = status.as_u16();
        match status {
            StatusCode::OK => telemetry.token(TokenState::Valid),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => telemetry.token(TokenState::Refused),
            // Other responses may come from something that never checked the token.
            _ => {}
        }
        let (kind, reason) = match status {
            StatusCode::OK => {
                let mut memory = answer.extensions_mut().remove::<Arc<AnswerMemory>>();
                let mut body = answer.into_body();
                // Some proxies compress unasked, with and without declaring it.
                if is_gzip(&body) {
                    let http = &self.context.settings.http;
                    match gunzip(&body, http.max_body_bytes, http.request_timeout).await {
                        Ok((whole, taken)) => (body, memory) = (whole, Some(Arc::new(taken))),
                        Err(GunzipError::TooLarge) => return Attempt::TooLarge,
                        Err(GunzipError::Damaged) => return Attempt::Unreadable("damaged gzip".to_owned()),
                    }
                }
                return match Page::parse(body.into(), server_time, asked, memory.map(|memory| memory as Held)) {
                    Ok(page) => Attempt::Page(page),
                    Err(reason) => Attempt::Unreadable(reason),
                };
            }
            StatusCode::NO_CONTENT => {
                telemetry.token(TokenState::Valid);
                return Attempt::Page(Page::empty(server_time));
            }
            StatusCode::PAYLOAD_TOO_LARGE => return Attempt::TooLarge,
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
                return Attempt::Unreadable(format!("NordPass refuses the query ({code})"));
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (
                "token refused",
                format!(
                    "NordPass refuses the token ({code}): it may be revoked, expired, or from the other data centre. \
                     Create a new one in the Admin Panel (Integrations, Events reporting) and put it where the \
                     pipeline file reads it"
                ),
            ),
            StatusCode::TOO_MANY_REQUESTS => ("throttled", "NordPass is throttling requests (429)".to_owned()),
            StatusCode::NOT_FOUND => (
                "not found",
                "NordPass doesn't know the endpoint (404): check its URL, which the Admin Panel shows".to_owned(),
            ),
            _ => (UNAVAILABLE, format!("NordPass answers {code}")),
        };
        let asks = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let wait = if asks { retry_after(answer.headers(), now) } else { None };
        Attempt::Wait(Again { wait, ..Again::because(kind, reason) })
    }
}
