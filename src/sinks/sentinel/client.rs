//! Sends one request: token, metrics, log line, and what the response means.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use http::StatusCode;

use super::columns::Columns;
use super::cut::cut;
use super::protocol::{self, MAX_WIRE_BYTES, Target, classify, request};
use super::settings::Settings;
use crate::azure::{self, TokenProvider};
use crate::component::Letter;
use crate::event::Chunk;
use crate::http::{Again, HttpClient, date, retry_after};
use crate::sinks::delivery::array::encode_array;
use crate::sinks::delivery::batch::{Encoded, Rows};
use crate::sinks::delivery::exchange::{Sending, exchange};
use crate::sinks::delivery::protocol::{Protocol, Refusal, ResponseClass};
use crate::telemetry::{ComponentReporter, TokenState};
use nordpass_env::{Env, Mutex};

/// Posts bodies to the streams of one rule.
pub struct IngestionClient {
    endpoint: String,
    rule: String,
    /// The streams' names, each once.
    streams: Vec<String>,
    /// The columns that they declare.
    columns: Mutex<Columns>,
    /// 0 to 9.
    gzip_level: u32,
    http: Arc<dyn HttpClient>,
    tokens: Arc<dyn TokenProvider>,
    env: Env,
    telemetry: ComponentReporter,
    /// Seconds by which this machine's clock was last ahead of Azure's.
    clock_ahead: AtomicI64,
}

impl IngestionClient {
    /// Creates a client. Fails with a sentence about invalid settings.
    pub fn new(settings: &Settings, env: &Env, telemetry: &ComponentReporter) -> Result<Self, String> {
        let http = env.network.client(&settings.http)?;
        telemetry.token(TokenState::Unknown);
        let streams = settings.distinct_streams();
        let scope = settings.credential.monitor_scope(&settings.endpoint);
        Ok(Self {
            endpoint: settings.endpoint.clone(),
            rule: settings.dcr_immutable_id.clone(),
            columns: Mutex::new(Columns::new(&streams, &settings.added_columns)),
            streams,
            gzip_level: settings.gzip_level,
            http,
            tokens: azure::provider(settings.credential.clone(), scope, &settings.http, env)?,
            env: env.clone(),
            telemetry: telemetry.clone(),
            clock_ahead: AtomicI64::new(0),
        })
    }

    /// Gets a token to test the credential. The error is a sentence.
    pub async fn try_token(&self) -> Result<(), String> {
        self.tokens.token().await.map(drop).map_err(|error| error.reason)
    }

    /// Seconds by which this machine's clock was ahead of Azure's at the last response.
    pub fn clock_ahead(&self) -> i64 {
        self.clock_ahead.load(Ordering::Relaxed)
    }
}

impl Protocol for IngestionClient {
    const NAME: &str = "Azure";

    fn max_body_bytes(&self) -> usize {
        MAX_WIRE_BYTES
    }

    fn added_bytes(&self, length: usize) -> usize {
        // The bracket or the comma before it.
        1 + length
    }

    fn shorten(&self, record: &str) -> Option<(String, u64)> {
        cut(record)
    }

    fn look_at_changed(&self, stream: usize, chunk: &Chunk) {
        self.columns.lock().look_at(stream, &self.streams[stream], chunk, &self.telemetry);
    }

    fn encode(&self, rows: &Rows) -> Encoded {
        encode_array(rows.pieces(), self.gzip_level)
    }

    fn encode_letter(&self, letter: Letter<'_>) -> Encoded {
        encode_array([letter.record], self.gzip_level)
    }

    /// Azure checks token, role, rule and stream of an empty array as it does for rows.
    fn encode_nothing(&self) -> Option<Encoded> {
        Some(encode_array([], 0))
    }

    /// Drops a refused token.
    async fn post(&self, stream: &str, takes_others: bool, encoded: &Encoded, request_id: &str) -> ResponseClass {
        let token = match self.tokens.token().await {
            Ok(token) => token,
            Err(error) => {
                self.telemetry.token(TokenState::Missing);
                return ResponseClass::Again(Again::because("token", error.reason));
            }
        };
        let target = Target { endpoint: &self.endpoint, rule: &self.rule, stream };
        let Ok(request) = request(target, encoded.body.clone(), &token, request_id) else {
            let reason = "the token or a name contains invalid characters".to_owned();
            return ResponseClass::Again(Again::because("token", reason));
        };
        let sending = Sending { stream, request_id, bytes: encoded.body.len() };
        let response = match exchange(&*self.http, &self.telemetry, request, sending).await {
            Ok(response) => response,
            Err(class) => return class,
        };
        let (status, headers) = (response.status(), response.headers());
        match status {
            StatusCode::UNAUTHORIZED => {
                self.telemetry.token(TokenState::Refused);
                self.tokens.invalidate(&token);
            }
            // Azure checks the token before the role and the rows.
            StatusCode::NO_CONTENT | StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN => {
                self.telemetry.token(TokenState::Valid);
            }
            _ => {}
        }
        if let Some(date) = date(headers) {
            self.clock_ahead.store(self.env.clock.now_seconds() - date, Ordering::Relaxed);
        }
        let mut class = classify(status, headers, response.body(), target, takes_others);
        if let ResponseClass::Again(again) = &mut class {
            again.wait = retry_after(headers, self.env.clock.now());
        }
        class
    }

    fn refuses_all(&self, refusal: &Refusal, stream: &str) -> String {
        protocol::refuses_all(refusal, stream)
    }

    fn refuses_one(&self, refusal: &Refusal, stream: &str) -> String {
        protocol::refuses_one(refusal, stream)
    }
}
