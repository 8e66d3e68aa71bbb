//! Pages of NordPass.

use std::fmt::Write as _;

use super::rig::{LONG, Rig};
use super::server::{Answer, Server};
use crate::support::now;

const SOURCES: usize = 20;

fn event(metadata: &str) -> String {
    let time = now() - 3_600;
    format!(
        r#"{{"type":"item_access","action":"item_viewed","timestamp":{time},"organization_uuid":"o","user":{{"uuid":"u"}},"metadata":{metadata}}}"#
    )
}

fn page(elements: &[String]) -> Vec<u8> {
    let total = elements.len();
    format!(r#"{{"data":[{}],"metadata":{{"total":{total},"per_page":100}}}}"#, elements.join(",")).into_bytes()
}

fn fields(bytes: usize) -> String {
    let mut fields = String::from(r#"{"k":0"#);
    for number in 0_u64.. {
        if fields.len() > bytes {
            break;
        }
        let _ = write!(fields, r#","{number}":1"#);
    }
    fields + "}"
}

fn hundred(element: impl Fn(usize, &str) -> String) -> Vec<u8> {
    let filling = "x".repeat(LONG / 110);
    page(&(0..100).map(|number| element(number, &filling)).collect::<Vec<_>>())
}

/// Twenty sources get this answer at once.
async fn bounded(name: &str, body: Vec<u8>) {
    let answer = Answer::new("200 OK", body);
    let server = Server::new(move |_| answer.clone()).await;
    let rig = Rig::new().await;
    let names: Vec<String> = (0..SOURCES).map(|number| format!("\"n{number}\"")).collect();
    let mut text = String::new();
    for name in &names {
        let port = server.port;
        let _ = write!(
            text,
            "[sources.{name}]\ntype = \"nordpass\"\nendpoint = \"http://127.0.0.1:{port}/{}\"\ntoken = \"${{NORDPASS_TOKEN}}\"\n",
            name.trim_matches('"')
        );
    }
    let _ = write!(
        text,
        "[transforms.asim]\ntype = \"asim\"\ninputs = [{}]\n[sinks.drop]\ntype = \"blackhole\"\n\
         inputs = [\"asim.audit_event\", \"asim.authentication\", \"asim.user_management\"]\n",
        names.join(", ")
    );
    rig.survives(name, &text, async |_, round| server.answers() >= 2 * round * SOURCES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_elements_than_were_asked_for() {
    bounded("empty objects", page(&vec!["{}".to_owned(); LONG / 3])).await;
    bounded("zeros", page(&vec!["0".to_owned(); LONG / 2])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_values() {
    bounded("one string", page(&[event(&format!(r#"{{"name":"{}"}}"#, "x".repeat(LONG)))])).await;
    bounded("a hundred strings", hundred(|number, filling| format!(r#""{number}{filling}""#))).await;
    bounded("a hundred events", hundred(|number, filling| event(&format!(r#"{{"a":"{number}{filling}"}}"#)))).await;
    bounded("twins", hundred(|_, filling| event(&format!(r#"{{"a":"{filling}"}}"#)))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_fields() {
    bounded("metadata", page(&[event(&fields(LONG))])).await;
    bounded("nested", page(&[event(&format!(r#"{{"n":{}}}"#, fields(LONG)))])).await;
    bounded("unknown", page(&[fields(LONG)])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_names_and_bytes() {
    let organizations = |number: usize, filling: &str| {
        event(&format!(r#"{{"a":{number}}}"#)).replace(r#""o""#, &format!(r#""{number}{}""#, &filling[..100_000]))
    };
    bounded("organizations", hundred(organizations)).await;
    let names = |number: usize, filling: &str| format!(r#"{{"{number}{filling}":1}}"#);
    bounded("field names", hundred(names)).await;
    bounded("no UTF-8", [br#"{"data":[""#.to_vec(), vec![0xff; LONG], br#""]}"#.to_vec()].concat()).await;
    bounded("depth", page(&[event(&format!("{}{}", "[".repeat(LONG / 2), "]".repeat(LONG / 2)))])).await;
}
