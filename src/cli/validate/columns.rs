//! Which columns a pipeline's rows have. Its transforms are asked by example: events of every known type, with everything
//! that such an event can have, and the events of the pipeline's own tests.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use nordpass_env::catalogue::entries;
use serde_json::{Value, json};

use crate::component::Records;
use crate::pipeline::{Chunks, Config, DryRun, Entry, Feed, InputRef, Seen};

/// A stream that a sink writes to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Stream {
    pub sink: String,
    pub name: String,
}

/// The columns of each stream's rows.
pub(super) fn columns(config: &Config) -> BTreeMap<Stream, BTreeSet<String>> {
    let mut columns: BTreeMap<Stream, BTreeSet<String>> = BTreeMap::new();
    let mut readers: HashMap<InputRef, Vec<Stream>> = HashMap::new();
    for sink in config.distinct_sinks() {
        for (input, name) in sink.inputs.iter().zip(sink.settings.streams()) {
            let stream = Stream { sink: sink.name.clone(), name: name.clone() };
            readers.entry(input.clone()).or_default().push(stream);
        }
    }
    let (mut dry_run, mut chunks) = (DryRun::new(config), Chunks::default());
    let mut see = |seen: Seen<'_>| {
        let Seen::Given(output, chunk) = seen else { return };
        for stream in readers.get(output).into_iter().flatten() {
            let columns = columns.entry(stream.clone()).or_default();
            for record in chunk.records.iter() {
                let row: Value = serde_json::from_str(chunk.body(record)).unwrap_or_default();
                columns.extend(row.as_object().into_iter().flatten().map(|(name, _)| name.clone()));
            }
        }
    };
    let examples = examples();
    let of_events = config.sources.iter().filter(|source| source.component_type.records == Records::Events);
    // The organizations' sources of one template have the same readers.
    let mut fed = BTreeSet::new();
    for source in of_events.filter(|source| fed.insert(&source.feeds)) {
        let output = source.output();
        if let Some(chunk) = chunks.read(examples.clone(), Records::Events).chunk {
            dry_run.feed(&Entry::Output(output), &chunk, &mut see);
        }
    }
    for input in config.tests.iter().flat_map(|test| &test.inputs) {
        if let Feed::Event(line) = &input.feed
            && let Some(chunk) = chunks.read(line.clone().into_bytes(), input.records).chunk
        {
            dry_run.feed(&input.at, &chunk, &mut see);
        }
    }
    for source in &config.sources {
        let output = source.output();
        for stream in readers.get(&output).into_iter().flatten() {
            let own = source.settings.columns().into_iter().map(str::to_owned);
            columns.entry(stream.clone()).or_default().extend(own);
        }
    }
    columns
}

/// Events of every known type, by a member, by the system and by staff of a service provider, one on each line.
fn examples() -> Vec<u8> {
    let user = json!({"uuid": "5b1d9a9e-6c1b-4f4e-9a44-0c8f7a3f2b10", "email": "anna.maier@example.com"});
    let metadata = json!({
        "platform": "windows", "ip_address": "203.0.113.7", "provider": "azure_ad", "status": "suspended",
        "emails": ["new.member@example.com"], "user_uuid": "0c8f7a3f-6c1b-4f4e-9a44-5b1d9a9e2b10",
        "group_name": "Finance", "group_uuid": "3e7c0f62-0a3f-4f6c-8f0f-5d7a52a2f0c1", "role": "admin",
        "items": ["7a0f4c1e-4a43-4f0e-9d55-0a8d4f0f6b11"],
    });
    let mut staff = metadata.clone();
    staff["msp"] = json!({
        "user_uuid": "9a44e6c1-0c8f-4f4e-9a44-5b1d9a9e2b10", "user_email": "staff@msp.example", "user_role": "admin",
    });
    let mut browser = metadata.clone();
    browser["platform"] = "web".into();
    let variants =
        [(&user, &metadata, ""), (&user, &staff, ""), (&Value::Null, &browser, "azure_ad"), (&user, &Value::Null, "")];
    let mut lines = Vec::new();
    let unknown = ("example", "of_an_unknown_type");
    for (kind, action) in entries().iter().map(|entry| (entry.kind, entry.action)).chain([unknown]) {
        for (user, metadata, initiator) in variants {
            let event = json!({
                "type": kind, "action": action, "timestamp": 1_767_225_600,
                "organization_uuid": "3e7c0f62-0a3f-4f6c-8f0f-5d7a52a2f0c1", "user": user, "initiator": initiator,
                "metadata": metadata,
            });
            lines.extend(event.to_string().into_bytes());
            lines.push(b'\n');
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use nordpass_env::catalogue::EVENT_LOG_TABLE;

    use super::*;
    use crate::pipeline::load;
    use crate::settings::Environment;

    /// The examples must have everything: a column that none of them fills would be dropped by Azure all the same.
    #[test]
    fn the_examples_fill_every_column() {
        let streams = [
            ("asim.audit_event", "ASimAuditEventLogs"),
            ("asim.authentication", "ASimAuthenticationEventLogs"),
            ("asim.user_management", "ASimUserManagementActivityLogs"),
            ("event_log", EVENT_LOG_TABLE),
        ];
        let inputs: Vec<&str> = streams.iter().map(|(input, _)| *input).collect();
        let map: Vec<String> =
            streams.iter().map(|(input, table)| format!("{input:?} = \"Custom-{table}\"\n")).collect();
        let text = format!(
            "[sources.in]\ntype = \"stdin\"\n[transforms.asim]\ntype = \"asim\"\ninputs = [\"in\"]\n[transforms.event_log]\n\
             type = \"event_log\"\ninputs = [\"in\"]\n[sinks.out]\ntype = \"sentinel\"\ninputs = {inputs:?}\n\
             endpoint = \"https://a.example\"\ndcr_immutable_id = \"dcr-00000000000000000000000000000000\"\n\
             credential = {{ kind = \"managed_identity\" }}\n[sinks.out.streams]\n{}",
            map.concat()
        );
        let (config, _) = load(&[("a.toml".into(), text)], &Environment::default()).expect("a pipeline");
        let found = columns(&config);
        for (_, table) in streams {
            let stream = Stream { sink: "out".to_owned(), name: format!("Custom-{table}") };
            let all: BTreeSet<String> =
                nordpass_env::catalogue::columns(table).iter().map(|(name, _)| (*name).to_owned()).collect();
            assert_eq!(found[&stream], all, "{table}");
        }
    }
}
