//! The source's fields in the pipeline file.

use std::{sync::Arc, time::Duration};

use super::mode::ReadMode;
use crate::component::{ComponentType, Outputs, ReadSettings, Records};
use crate::event::Organization;
use crate::http::HttpSettings;
use crate::settings::{Field, Kind, Secret, Section, http_fields, read_http};

/// The `nordpass` type.
pub static TYPE: ComponentType = ComponentType {
    name: "nordpass",
    doc: "Polls the NordPass Activity Logs API. The first connection reads `initial_lookback`; later polls read only \
      new events plus `overlap`. Delivers each event once, including late ones: every poll, an hourly and a daily \
      sweep and a daily audit re-read events and drop known ones.",
    fields: FIELDS,
    outputs: Outputs::ONE,
    records: Records::Events,
    read: ReadSettings::Source(|section| Arc::new(Settings::read(section))),
};

static FIELDS: &[Field] = &[
    Field::per_organization("endpoint", Kind::Text)
        .doc("The complete URL of the API, as shown in the Admin Panel (EU or US). Nothing is appended."),
    Field::per_organization("token", Kind::Secret).doc(
        "The token from the Admin Panel, sent unchanged. With `${file:PATH}`, a renewed token takes effect \
         without a restart.",
    ),
    Field::with_default("source_header", Kind::Text, "MSSentinel").doc(
        "The value of the `X-Source` header: `MSSentinel` for a token made with the Microsoft Sentinel button, `none` \
         (no header) for a Custom token.",
    ),
    Field::with_default("poll_interval", Kind::Duration { min: "1s", max: "1d" }, "60s").doc("Time between polls."),
    Field::with_default("initial_lookback", Kind::Duration { min: "1s", max: "90d" }, "7d")
        .doc("How far back the first connection reads. The API keeps 90 days."),
    Field::with_default("overlap", Kind::Duration { min: "0s", max: "1d" }, "10m")
        .doc("How much each poll re-reads to find late events. Known events are dropped."),
    Field::with_default("lag", Kind::Duration { min: "0s", max: "1h" }, "5s")
        .doc("How far polls stay behind the clock: the API may still be writing the last moments."),
    Field::with_default("page_size", Kind::Integer { min: 1, max: 1000 }, "100")
        .doc("Events per page. The official connector uses 100; whether the API supports more is undocumented."),
    Field::with_default("concurrency", Kind::Integer { min: 1, max: 64 }, "4")
        .doc("Number of pages to fetch in parallel, in addition to live polls."),
    Field::with_default("requests_per_second", Kind::Integer { min: 1, max: 1000 }, "10")
        .doc("Maximum requests per second in total. Live polls have priority."),
    Field::with_default("max_in_flight_bytes", Kind::Size { min: 65_536, max: 1_073_741_824 }, "8388608").doc(
        "Maximum bytes of text in memory: pages, and the rows made from them. At the limit the source sends \
         nothing more, and soon requests nothing more. The same happens at four times this many bytes of \
         unacknowledged pages. Limits the source's memory while a sink is slow or down. With hundreds of sources \
         in one process, use a smaller value to limit their total.",
    ),
    http_fields::REQUEST_TIMEOUT,
    http_fields::PROXY,
    http_fields::TLS,
];

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The complete URL.
    pub endpoint: String,
    /// The token.
    pub token: Secret,
    /// The organization that it reads, where the organizations file lists it.
    pub organization: Option<Arc<Organization>>,
    /// The `X-Source` header's value; `None` sends none.
    pub source_header: Option<String>,
    /// Time between polls.
    pub poll_interval: Duration,
    /// The first connection's look-back.
    pub initial_lookback: Duration,
    /// How much each poll reads again.
    pub overlap: Duration,
    /// How far polls stay behind the clock.
    pub lag: Duration,
    /// Events per page.
    pub page_size: u32,
    /// Pages fetched in parallel.
    pub concurrency: usize,
    /// Maximum requests a second.
    pub requests_per_second: u32,
    /// Bytes of text in unacknowledged chunks before the source stops requesting.
    pub max_in_flight_bytes: usize,
    /// TLS, proxy, time-out.
    pub http: HttpSettings,
    /// What to read. Not from the pipeline file: commands other than `run` set it.
    pub mode: ReadMode,
    /// Whether a run with `once` also runs the sweeps and the audit that are due. Not from the pipeline file: set by
    /// `function`, whose runs follow each other.
    pub again_with_once: bool,
}

impl Settings {
    /// The keys in which two sources differ, besides those that each organization has for itself.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let differs = [
            ("source_header", self.source_header != other.source_header),
            ("poll_interval", self.poll_interval != other.poll_interval),
            ("initial_lookback", self.initial_lookback != other.initial_lookback),
            ("overlap", self.overlap != other.overlap),
            ("lag", self.lag != other.lag),
            ("page_size", self.page_size != other.page_size),
            ("concurrency", self.concurrency != other.concurrency),
            ("requests_per_second", self.requests_per_second != other.requests_per_second),
            ("max_in_flight_bytes", self.max_in_flight_bytes != other.max_in_flight_bytes),
            ("request_timeout, proxy or tls", self.http != other.http),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }

    /// Reads the component's table.
    pub fn read(section: &mut Section) -> Self {
        let positive = |value: i64| u32::try_from(value).unwrap_or(1).max(1);
        let header = section.text("source_header");
        let endpoint = section.url("endpoint");
        // Nothing is appended to it, and the API isn't at the root of a host.
        if endpoint.parse::<http::Uri>().is_ok_and(|url| url.path() == "/") {
            let hint = "copy the complete URL from the Admin Panel; it ends in /activities/query";
            section.error("endpoint", "`endpoint` has no path", hint);
        }
        Self {
            endpoint,
            token: section.secret("token"),
            organization: None,
            source_header: (header != "none").then_some(header),
            poll_interval: section.duration("poll_interval"),
            initial_lookback: section.duration("initial_lookback"),
            overlap: section.duration("overlap"),
            lag: section.duration("lag"),
            page_size: positive(section.integer("page_size")),
            concurrency: positive(section.integer("concurrency")) as usize,
            requests_per_second: positive(section.integer("requests_per_second")),
            max_in_flight_bytes: positive(section.integer("max_in_flight_bytes")) as usize,
            http: read_http(section, Duration::from_secs(30)),
            mode: ReadMode::Follow,
            again_with_once: false,
        }
    }
}
