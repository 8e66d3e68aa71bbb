//! A model of the official connector, step by step as its source has it (`Solutions/NordPass` in
//! <https://github.com/Azure/Azure-Sentinel>), its mistakes included. Written apart from the product: it shares only the simulators with it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use nordpass_sentinel::http::{HttpClient, HttpSettings, Network};
use nordpass_simulator::ingestion::IMMUTABLE_ID;
use nordpass_simulator::{Simulation, nordpass};
use serde_json::{Value, json};

use crate::rig::{DAY, Rig};

/// Its container and its blob.
pub const CONTAINER: &str = "nordpass-function-container";
pub const CURSOR: &str = "nordpass-activities-cursor";

/// The table that it fills.
pub const TABLE: &str = "NordPassEventLogs_CL";

/// A token that the simulated Azure takes from anybody.
pub const TOKEN: &str = "ready-token";

/// The function app.
pub struct Official {
    simulation: Simulation,
    http: Arc<dyn HttpClient>,
    token: String,
}

/// Why a run failed.
#[derive(Debug, PartialEq, Eq)]
pub struct Failed;

impl Official {
    pub fn new(rig: &Rig) -> Self {
        rig.simulation.entra.tokens.accept(TOKEN);
        // Ten seconds for the whole exchange.
        let settings = HttpSettings { request_timeout: Duration::from_secs(10), ..HttpSettings::default() };
        let http = rig.network.client(&settings).expect("a client");
        Self { simulation: rig.simulation.clone(), http, token: nordpass::Settings::default().token }
    }

    /// The cursor, as it stands in its blob.
    pub fn cursor(&self) -> Option<i64> {
        let bytes = self.simulation.blobs.content(CONTAINER, CURSOR)?;
        Some(i64::from_be_bytes(bytes.try_into().expect("8 bytes")))
    }

    /// One run of the timer's function.
    pub async fn run(&self, rig: &Rig) -> Result<(), Failed> {
        let cursor = self.cursor().unwrap_or(rig.now() - 7 * DAY);
        for page in 1.. {
            let events = self.page(cursor, page).await?;
            if events.is_empty() {
                break;
            }
            self.upload(&events).await?;
        }
        // The clock, after everything; without a condition.
        let now = rig.now();
        let time = jiff::Timestamp::from_second(now).expect("a time");
        self.simulation.blobs.put(CONTAINER, CURSOR, &now.to_be_bytes(), time);
        Ok(())
    }

    async fn page(&self, from: i64, page: u64) -> Result<Vec<Value>, Failed> {
        let body = json!({"timestamp_from": from, "per_page": 100, "page": page}).to_string();
        let request = Request::post(Simulation::NORDPASS_URL)
            .header("authorization", &self.token)
            .header("content-type", "application/json")
            .header("x-source", "MSSentinel")
            .body(Bytes::from(body))
            .expect("a request");
        let answer = self.http.send(request).await.map_err(|_| Failed)?;
        if answer.status() != StatusCode::OK {
            return Err(Failed);
        }
        let answer: Value = serde_json::from_slice(answer.body()).map_err(|_| Failed)?;
        Ok(answer["data"].as_array().cloned().unwrap_or_default())
    }

    async fn upload(&self, events: &[Value]) -> Result<(), Failed> {
        let rows: Vec<Value> = events.iter().map(row).collect();
        let path = format!("dataCollectionRules/{IMMUTABLE_ID}/streams/Custom-{TABLE}?api-version=2023-01-01");
        let request = Request::post(format!("{}/{path}", Simulation::INGESTION_URL))
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json")
            .body(Bytes::from(Value::from(rows).to_string()))
            .expect("a request");
        let answer = self.http.send(request).await.map_err(|_| Failed)?;
        if answer.status() == StatusCode::NO_CONTENT { Ok(()) } else { Err(Failed) }
    }
}

/// The columns of an event; MSP staff replace the user.
fn row(event: &Value) -> Value {
    let msp = |key: &str| event["metadata"]["msp"][key].as_str().filter(|text| !text.is_empty());
    json!({
        "event_type": event["type"],
        "action": event["action"],
        "initiator": event["initiator"],
        "metadata": event["metadata"],
        "organization_uuid": event["organization_uuid"],
        "timestamp": event["timestamp"],
        "user_email": msp("user_email").or(event["user"]["email"].as_str()),
        "user_uuid": msp("user_uuid").or(event["user"]["uuid"].as_str()),
    })
}
