//! The pipeline files.

use std::fmt::Write as _;
use std::path::PathBuf;

use nordpass_sentinel::pipeline::{self, Config};
use nordpass_sentinel::settings::Environment;

use super::plan::{POLLER, Plan};
use crate::pipeline::{DATA_DIR, to_sentinel};

pub const BROKER: &str = "127.0.0.1:9092";
pub const TOPIC: &str = "nordpass";
pub const GROUP: &str = "sentinel";
/// The source in the processes that deliver.
pub const SOURCE: &str = "topic";

/// The host of an organization's API.
pub fn api(organization: usize) -> String {
    format!("o{organization}.nordpass.example")
}

/// An organization's token.
pub fn token(organization: usize) -> String {
    format!("token-{organization}")
}

/// What the file of a process says.
pub fn config(plan: &Plan, process: usize) -> Config {
    let text = if process == POLLER { poller(plan) } else { deliverer(plan, process) };
    match pipeline::load(&[(PathBuf::from("world.toml"), text)], &Environment::of::<&str, &str>([])) {
        Ok((config, _)) => config,
        Err(errors) => panic!("the world's pipeline file is wrong: {errors:?}"),
    }
}

fn poller(plan: &Plan) -> String {
    let mut text = format!("data_dir = \"{DATA_DIR}\"\n");
    for organization in 0..plan.organizations.len() {
        let _ = write!(
            text,
            r#"
[sources.o{organization}]
type = "nordpass"
endpoint = "https://{host}/activities/query"
token = "{token}"
initial_lookback = "{lookback}s"
request_timeout = "10s"
requests_per_second = 1000
"#,
            host = api(organization),
            token = token(organization),
            lookback = plan.lookback,
        );
    }
    let inputs: Vec<_> = (0..plan.organizations.len()).map(|organization| format!("o{organization}")).collect();
    let _ = write!(
        text,
        r#"
[sinks.kafka]
type = "kafka"
inputs = {inputs:?}
bootstrap_servers = ["{BROKER}"]
topic = "{TOPIC}"
key = "{key}"
"#,
        key = plan.key,
    );
    text
}

fn deliverer(plan: &Plan, process: usize) -> String {
    let name = if plan.is_static { format!("group_instance_id = \"m{process}\"") } else { String::new() };
    format!(
        r#"
data_dir = "{DATA_DIR}"
[sources.{SOURCE}]
type = "kafka"
bootstrap_servers = ["{BROKER}"]
topics = ["{TOPIC}"]
group_id = "{GROUP}"
session_timeout = "{session_timeout}s"
max_poll_interval = "{max_poll_interval}s"
{name}
{destination}
"#,
        session_timeout = plan.session_timeout,
        max_poll_interval = plan.max_poll_interval,
        destination = to_sentinel(SOURCE),
    )
}
