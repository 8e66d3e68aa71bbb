//! How a cluster is reached: the fields that the source and the sink share.

use std::time::Duration;

use super::sasl::{self, SaslSettings};
use crate::http::HttpSettings;
use crate::settings::{Field, Kind, Section, http_fields, read_http};
use nordpass_env::is_loopback;

/// `bootstrap_servers`
pub const BOOTSTRAP_SERVERS: Field = Field::required("bootstrap_servers", Kind::List).doc(
    "Brokers to ask for the others, as `HOST:PORT`. For Event Hubs `NAMESPACE.servicebus.windows.net:9093`. A build from source needs \
     `--features kafka`.",
);

/// `security_protocol`
pub const SECURITY_PROTOCOL: Field = Field::optional("security_protocol", Kind::Choice(PROTOCOLS)).doc(
    "`SASL_SSL` is the default with `sasl`, `SSL` without it. `PLAINTEXT` is the default where all brokers are loopback hosts; to others \
     it shows what people did to the network. `SASL_PLAINTEXT` is for loopback hosts only.",
);

/// `sasl`
pub const SASL: Field =
    Field::optional("sasl", Kind::Table(sasl::FIELDS)).doc("Who reads or writes. Without it, nobody in particular.");

/// `tls`
pub const TLS: Field = http_fields::TLS;

/// `request_timeout`
pub const REQUEST_TIMEOUT: Field = http_fields::request_timeout("60s");

/// Kafka's words.
const PROTOCOLS: &[&str] = &["SASL_SSL", "SSL", "SASL_PLAINTEXT", "PLAINTEXT"];

/// Longest name of a topic.
const LONGEST_TOPIC: usize = 249;

/// The longest time that a connection is made in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Checked settings of a connection.
#[derive(Clone, Debug)]
pub struct ConnectionSettings {
    /// Brokers, as `HOST:PORT`.
    pub bootstrap_servers: Vec<String>,
    /// Whether connections are encrypted.
    pub is_encrypted: bool,
    /// Who connects.
    pub sasl: Option<SaslSettings>,
    /// TLS, the time limit of a request, and what the requests for tokens need.
    pub http: HttpSettings,
}

impl ConnectionSettings {
    /// Reads the shared fields of a component's table.
    pub fn read(section: &mut Section) -> Self {
        #[cfg(not(feature = "kafka"))]
        section.error(
            "bootstrap_servers",
            "this build has no client for Kafka",
            "it was built without the feature `kafka`: use a released program, or build with `--features kafka`",
        );
        let bootstrap_servers = section.list("bootstrap_servers");
        let mut hosts = Vec::new();
        for server in &bootstrap_servers {
            match host_of(server) {
                Some(host) => hosts.push(host.to_owned()),
                None => {
                    let hint = "write HOST:PORT, without `kafka://` in front; Event Hubs has port 9093";
                    section.error("bootstrap_servers", "this isn't a host with a port", hint);
                }
            }
        }
        let all_here = !hosts.is_empty() && hosts.iter().all(|host| is_loopback(host));
        let sasl = section.has("sasl").then(|| {
            let mut table = section.table("sasl");
            SaslSettings::read(&mut table, hosts.first().map_or("", String::as_str))
        });
        let protocol = section.optional_text("security_protocol");
        let is_encrypted = match protocol.as_deref() {
            Some(protocol) => protocol.ends_with("SSL"),
            None => !all_here,
        };
        if let Some(protocol) = &protocol
            && protocol.starts_with("SASL") != sasl.is_some()
            && !section.is_wrong("security_protocol")
        {
            let (message, hint) = match sasl {
                None => (format!("`{protocol}` needs `sasl`"), "add sasl = { mechanism = \"…\", … }"),
                Some(_) => (format!("`{protocol}` has no authentication"), "remove `sasl`, or write SASL_SSL"),
            };
            section.error("security_protocol", message, hint);
        } else if sasl.is_some() && !is_encrypted && !all_here {
            let hint = "write SASL_SSL: a credential isn't sent in the clear to another machine";
            section.error("security_protocol", "SASL without TLS is for loopback hosts only", hint);
        }
        let http = read_http(section, Duration::from_secs(60));
        Self { bootstrap_servers, is_encrypted, sasl, http }
    }

    /// The longest time that a connection is made in.
    pub fn connect_timeout(&self) -> Duration {
        CONNECT_TIMEOUT.min(self.http.request_timeout)
    }
}

/// Whether a topic can be called that.
pub fn is_topic(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=LONGEST_TOPIC).contains(&name.len()) && name.chars().all(good) && name != "." && name != ".."
}

/// The host of `HOST:PORT`.
fn host_of(server: &str) -> Option<&str> {
    let (host, port) = server.rsplit_once(':')?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    // An address of version 6 needs its brackets, or its last part would be the port.
    let is_host = !host.is_empty() && host.chars().all(fits) && (host.starts_with('[') || !host.contains(':'));
    (is_port && is_host).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Environment, Severity};

    static FIELDS: &[Field] = &[BOOTSTRAP_SERVERS, SECURITY_PROTOCOL, SASL, TLS, REQUEST_TIMEOUT];

    fn read(text: &str) -> (ConnectionSettings, Vec<String>) {
        let mut section = Section::parse(text, FIELDS, Environment::of([("PASSWORD", "s3cret-of-this-test")]));
        let settings = ConnectionSettings::read(&mut section);
        let errors = section.diagnostics().into_iter().filter(|found| found.severity == Severity::Error);
        (settings, errors.map(|found| found.message).collect())
    }

    const PLAIN: &str =
        "sasl = { mechanism = \"PLAIN\", username = \"$ConnectionString\", password = \"${PASSWORD}\" }";

    #[test]
    fn encrypted_unless_all_brokers_are_here() {
        for (servers, encrypted) in [
            ("\"a.example:9093\"", true),
            ("\"127.0.0.1:9092\", \"[::1]:9092\"", false),
            ("\"localhost:1\", \"b:2\"", true),
        ] {
            let (settings, errors) = read(&format!("bootstrap_servers = [{servers}]\n{PLAIN}"));
            assert_eq!((errors, settings.is_encrypted), (Vec::new(), encrypted), "{servers}");
        }
        let (settings, errors) = read("bootstrap_servers = [\"a.example:9092\"]\nsecurity_protocol = \"PLAINTEXT\"");
        assert_eq!((errors, settings.is_encrypted), (Vec::new(), false), "who writes it means it");
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, word) in [
            ("bootstrap_servers = []", "is empty"),
            ("bootstrap_servers = [\"kafka://a:9092\"]", "host with a port"),
            ("bootstrap_servers = [\"a\"]", "host with a port"),
            ("bootstrap_servers = [\"a:0\"]", "host with a port"),
            ("bootstrap_servers = [\"2001:db8::1:9092\"]", "host with a port"),
            ("bootstrap_servers = [\"a:1\"]\nsecurity_protocol = \"SASL_SSL\"", "needs `sasl`"),
            (&format!("bootstrap_servers = [\"a:1\"]\nsecurity_protocol = \"SSL\"\n{PLAIN}"), "no authentication"),
            (&format!("bootstrap_servers = [\"a:1\"]\nsecurity_protocol = \"SASL_PLAINTEXT\"\n{PLAIN}"), "loopback"),
        ] {
            let errors = read(text).1;
            assert!(errors.len() == 1 && errors[0].contains(word), "{text}: {errors:?}");
        }
    }
}
