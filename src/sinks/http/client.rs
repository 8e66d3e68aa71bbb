//! Sends one request: headers, token, metrics, log line, and what the response means.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header};

use super::STREAM;
use super::answer::{Question, classify};
use super::auth::{Auth, AuthSettings};
use super::format::{Compression, Format, Item, items};
use super::settings::Settings;
use super::template::{SECONDS_A_DAY, Template, Values, name_of, values_of};
use crate::component::Letter;
use crate::event::Record;
use crate::http::{Again, HttpClient, hidden, retry_after};
use crate::sinks::delivery::batch::{Encoded, Rows};
use crate::sinks::delivery::exchange::{Sending, exchange};
use crate::sinks::delivery::partition::Partition;
use crate::sinks::delivery::protocol::{Protocol, Refusal, ResponseClass};
use crate::telemetry::{ComponentReporter, TokenState};
use nordpass_env::Env;

/// Names a request's body, so that a destination that knows the header takes it once.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Posts bodies to one address.
pub struct Client {
    endpoint: Template,
    method: Method,
    format: Format,
    compression: Compression,
    headers: Vec<(HeaderName, HeaderValue)>,
    templates: Vec<(HeaderName, Template)>,
    /// Whether an address or a header depends on the organization, and whether on the day.
    by_organization: bool,
    by_date: bool,
    final_status: Vec<u16>,
    auth: Auth,
    http: Arc<dyn HttpClient>,
    env: Env,
    telemetry: ComponentReporter,
}

impl Client {
    /// Creates a client. Fails with a sentence about invalid settings.
    pub fn new(settings: &Settings, env: &Env, telemetry: &ComponentReporter) -> Result<Self, String> {
        if !matches!(settings.auth, AuthSettings::None) {
            telemetry.token(TokenState::Unknown);
        }
        let templates = || settings.templates.iter().map(|(_, template)| template).chain([&settings.endpoint]);
        Ok(Self {
            by_organization: templates().any(Template::has_organization),
            by_date: templates().any(Template::has_date),
            templates: settings.templates.clone(),
            endpoint: settings.endpoint.clone(),
            method: settings.method.clone(),
            format: settings.format,
            compression: settings.compression,
            headers: settings.headers.clone(),
            final_status: settings.final_status.clone(),
            auth: Auth::new(&settings.auth, &settings.http, env)?,
            http: env.network.client(&settings.http)?,
            env: env.clone(),
            telemetry: telemetry.clone(),
        })
    }

    /// For `validate --connect`: asks the address without sending anything. Any answer shows that something is there.
    pub async fn probe(&self) -> Result<String, String> {
        let (own, _) = self.auth.header().await?;
        let today = Partition { organization: "".into(), day: self.env.clock.now_seconds().div_euclid(SECONDS_A_DAY) };
        let name = self.partition_name(&today);
        let request = self.head(Method::OPTIONS, own.as_ref(), values_of(STREAM, &name).unwrap_or_default());
        let request =
            request.body(Bytes::new()).map_err(|_| "the request can't be built: check `endpoint`".to_owned())?;
        match self.http.send(request).await {
            Ok(response) if [401, 403].contains(&response.status().as_u16()) => {
                Err(format!("the destination refuses this sender ({}): check `auth`", response.status().as_u16()))
            }
            Ok(_) => {
                Ok("something answers at its address; whether it takes records shows only when some are sent"
                    .to_owned())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// A request's head, with these values in its address and headers.
    fn head(
        &self,
        method: Method,
        own: Option<&(HeaderName, HeaderValue)>,
        values: Values<'_>,
    ) -> http::request::Builder {
        let mut request = Request::builder().method(method).uri(self.endpoint.render(values));
        for (name, value) in self.headers.iter().chain(own) {
            request = request.header(name, value);
        }
        for (name, template) in &self.templates {
            if let Ok(value) = hidden(&template.render(values)) {
                request = request.header(name, value);
            }
        }
        request
    }

    fn request(
        &self,
        own: Option<&(HeaderName, HeaderValue)>,
        encoded: &Encoded,
        values: Values<'_>,
    ) -> Result<Request<Bytes>, http::Error> {
        let mut request = self.head(self.method.clone(), own, values);
        request = request.header(header::CONTENT_TYPE, self.format.media_type());
        if let Some(encoding) = self.compression.encoding() {
            request = request.header(header::CONTENT_ENCODING, encoding);
        }
        if let Some(key) = &encoded.key {
            request = request.header(IDEMPOTENCY_KEY, &**key);
        }
        request.body(encoded.body.clone())
    }
}

impl Protocol for Client {
    const NAME: &str = "the destination";

    fn max_body_bytes(&self) -> usize {
        // Only the destination knows: it says 413.
        usize::MAX
    }

    fn added_bytes(&self, length: usize) -> usize {
        self.format.added(length)
    }

    fn shorten(&self, _: &str) -> Option<(String, u64)> {
        None
    }

    fn partition(&self, record: &Record) -> Option<Partition> {
        (self.by_organization || self.by_date).then(|| Partition {
            organization: if self.by_organization { record.organization.clone() } else { "".into() },
            day: if self.by_date { record.time.div_euclid(SECONDS_A_DAY) } else { 0 },
        })
    }

    fn partition_name(&self, partition: &Partition) -> String {
        name_of(STREAM, partition, self.by_date, self.by_organization)
    }

    /// A dead letter of a file without placeholders doesn't say where it would go with them, and the other way round.
    fn has_stream(&self, name: &str, is_fixed: bool) -> bool {
        let Some(Values { date, organization }) = values_of(STREAM, name) else {
            return is_fixed && !self.by_organization && !self.by_date;
        };
        date.is_empty() != self.by_date && organization.is_empty() != self.by_organization
    }

    fn encode(&self, rows: &Rows) -> Encoded {
        self.compression.encode(self.format.write(items(rows)), rows.len())
    }

    fn encode_letter(&self, letter: Letter<'_>) -> Encoded {
        let item = Item { id: letter.shown_id.unwrap_or(letter.id), time: None, text: letter.record };
        self.compression.encode(self.format.write(std::iter::once(item)), 1)
    }

    /// What an empty body means differs too much.
    fn encode_nothing(&self) -> Option<Encoded> {
        None
    }

    async fn post(&self, stream: &str, _: bool, encoded: &Encoded, request_id: &str) -> ResponseClass {
        let (own, token) = match self.auth.header().await {
            Ok(header) => header,
            Err(reason) => {
                self.telemetry.token(TokenState::Missing);
                return ResponseClass::Again(Again::because("token", reason));
            }
        };
        let values = values_of(STREAM, stream).unwrap_or_default();
        let Ok(request) = self.request(own.as_ref(), encoded, values) else {
            return ResponseClass::Again(Again::because(
                "token",
                "the request can't be built: check `endpoint`".to_owned(),
            ));
        };
        let sending = Sending { stream, request_id, bytes: encoded.body.len() };
        let response = match exchange(&*self.http, &self.telemetry, request, sending).await {
            Ok(response) => response,
            Err(class) => return class,
        };
        let (status, headers) = (response.status(), response.headers());
        if own.is_some() {
            let refused = [401, 403].contains(&status.as_u16());
            self.telemetry.token(if refused { TokenState::Refused } else { TokenState::Valid });
        }
        let renews = status.as_u16() == 401 && self.auth.refused(token.as_ref());
        let question =
            Question { format: self.format, records: encoded.records, final_status: &self.final_status, renews };
        let mut class = classify(question, status, headers, response.body());
        if let ResponseClass::Again(again) = &mut class {
            again.wait = retry_after(headers, self.env.clock.now());
        }
        class
    }

    fn refuses_all(&self, refusal: &Refusal, _: &str) -> String {
        format!(
            "the destination refuses every record with {}: check what it takes, and `format`; nothing is dead-lettered",
            refusal.answer()
        )
    }

    fn refuses_one(&self, refusal: &Refusal, _: &str) -> String {
        format!(
            "the destination refuses a record with {}; it is kept and retried until it is accepted, or others are accepted and it isn't",
            refusal.answer()
        )
    }
}
