//! A scripted Azure, and the sink in front of it.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::super::Settings;
use crate::azure::CredentialKind;
use crate::http::{HttpClient, HttpError, HttpSettings, Network};
use crate::settings::Secret;
use crate::sinks::delivery::run::Limits;
use crate::sinks::testing::{SinkRig, sink_env};
use nordpass_env::Env;

type Script = Box<dyn FnMut(usize, &[Value]) -> u16 + Send>;

/// An Azure that does what the script says: it gets the request's number and its rows, and answers a status.
pub struct Azure {
    pub script: Mutex<Script>,
    pub accepted: Mutex<Vec<Value>>,
    pub requests: Mutex<Vec<(tokio::time::Instant, usize)>>,
    pub headers: Mutex<HashMap<&'static str, String>>,
}

impl HttpClient for Net {
    fn send(&self, request: http::Request<Bytes>) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert!(request.uri().path().starts_with("/dataCollectionRules/dcr-1/streams/Custom-"));
            assert!(request.body().len() <= 1 << 20);
            let mut text = String::new();
            flate2::read::GzDecoder::new(&request.body()[..]).read_to_string(&mut text).expect("gzip");
            assert!(text.len() <= 1_000_000);
            let rows: Vec<Value> = serde_json::from_str(&text).expect("an array");
            let number = {
                let mut requests = self.0.requests.lock().unwrap();
                requests.push((tokio::time::Instant::now(), rows.len()));
                requests.len() - 1
            };
            let status = (self.0.script.lock().unwrap())(number, &rows);
            if status == 599 {
                return Err(HttpError::Connect { host: "azure".into(), reason: "refused".into() });
            }
            if status == 204 {
                self.0.accepted.lock().unwrap().extend(rows);
            }
            let mut response = http::Response::builder().status(status);
            for (name, value) in self.0.headers.lock().unwrap().iter() {
                response = response.header(*name, value);
            }
            let body = match status {
                413 => r#"{"error":{"code":"ContentLengthLimitExceeded"}}"#,
                // Stands for the 400 of an auxiliary table.
                430 => {
                    response = response.status(400);
                    r#"{"error":{"code":"RecordsTimeRangeIsMoreThan30Minutes"}}"#
                }
                414 => {
                    response = response.status(413);
                    "<html>too large for this proxy</html>"
                }
                _ => "",
            };
            Ok(response.body(Bytes::from_static(body.as_bytes())).expect("a response"))
        })
    }
}

#[derive(Clone)]
pub struct Net(Arc<Azure>);

impl Network for Net {
    fn client(&self, _: &HttpSettings) -> Result<Arc<dyn HttpClient>, String> {
        Ok(Arc::new(self.clone()))
    }
}

pub struct Rig {
    pub azure: Arc<Azure>,
    rig: SinkRig,
}

impl std::ops::Deref for Rig {
    type Target = SinkRig;

    fn deref(&self) -> &SinkRig {
        &self.rig
    }
}

impl std::ops::DerefMut for Rig {
    fn deref_mut(&mut self) -> &mut SinkRig {
        &mut self.rig
    }
}

pub fn azure(script: impl FnMut(usize, &[Value]) -> u16 + Send + 'static) -> Arc<Azure> {
    Arc::new(Azure {
        script: Mutex::new(Box::new(script)),
        accepted: Mutex::default(),
        requests: Mutex::default(),
        headers: Mutex::default(),
    })
}

pub fn settings() -> Settings {
    Settings {
        endpoint: "https://azure.example".into(),
        dcr_immutable_id: "dcr-1".into(),
        streams: vec!["Custom-A".into(), "Custom-B".into()],
        added_columns: Vec::new(),
        credential: CredentialKind::Token(Secret::literal("token")).into(),
        limits: Limits {
            max_bytes: 1_000_000,
            max_records: usize::MAX,
            timeout: Duration::from_secs(5),
            concurrency: 2,
        },
        gzip_level: 1,
        http: HttpSettings::default(),
    }
}

pub fn env(azure: &Arc<Azure>) -> Env {
    sink_env(Net(azure.clone()))
}

pub async fn rig(script: impl FnMut(usize, &[Value]) -> u16 + Send + 'static) -> Rig {
    rig_of(&settings(), script).await
}

pub async fn rig_of(settings: &Settings, script: impl FnMut(usize, &[Value]) -> u16 + Send + 'static) -> Rig {
    let azure = azure(script);
    let rig = SinkRig::new("sentinel", settings, env(&azure)).await;
    Rig { azure, rig }
}

impl Rig {
    pub fn accepted(&self) -> Vec<u64> {
        let mut ids: Vec<u64> =
            self.azure.accepted.lock().unwrap().iter().map(|row| row["id"].as_u64().expect("an id")).collect();
        ids.sort_unstable();
        ids
    }

    pub fn requests(&self) -> usize {
        self.azure.requests.lock().unwrap().len()
    }
}

pub fn rows(ids: std::ops::Range<u64>) -> Vec<Value> {
    ids.map(|id| json!({"id": id, "text": "x".repeat(100)})).collect()
}

/// A row that doesn't compress, of about 100 KiB after gzip.
pub fn large(id: u64) -> Value {
    let mut state = id;
    let mut text = || -> String {
        let letter = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'0' + state.to_be_bytes()[0] % 64)
        };
        std::iter::repeat_with(letter).filter(|letter| *letter != '\\').take(45_000).collect()
    };
    json!({"id": id, "a": text(), "b": text(), "c": text()})
}

pub fn holds(rows: &[Value], id: u64) -> bool {
    rows.iter().any(|row| row["id"] == id)
}
