//! The fields that every network component shares: `[….tls]`, `proxy`, `request_timeout`.
//!
//! A component lists [`TLS`], [`PROXY`] and [`REQUEST_TIMEOUT`] among its fields and calls [`read_http`].

use std::{path::PathBuf, time::Duration};

use super::{Field, Kind, Section, value::shown_path};
use crate::http::{HttpSettings, LONGEST_PEM_FILE};

/// `[….tls]`
pub const TLS: Field = Field::optional("tls", Kind::Table(TLS_FIELDS))
    .doc("Certificates in addition to the system's. A sink's also apply to its credential's requests.");

/// `proxy`
pub const PROXY: Field = Field::optional("proxy", Kind::Text)
    .doc("URL of the HTTP proxy. By default `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` apply.");

/// `request_timeout` with the usual default.
pub const REQUEST_TIMEOUT: Field = request_timeout("30s");

/// `request_timeout` with a default of the component's own.
pub const fn request_timeout(default: &'static str) -> Field {
    Field::with_default("request_timeout", Kind::Duration { min: "100ms", max: "10m" }, default)
        .doc("Time limit of one request, including its response. After that it is retried.")
}

static TLS_FIELDS: &[Field] = &[
    Field::optional("ca_file", Kind::Text)
        .doc("PEM file of certificate authorities to trust in addition to the system's."),
    Field::optional("cert_file", Kind::Text).doc("PEM file with this client's certificate chain; needs `key_file`."),
    Field::optional("key_file", Kind::Text).doc("PEM file with the key of `cert_file`."),
];

/// Reads the shared fields. `default_timeout` holds where the component lists no `request_timeout`.
pub fn read_http(section: &mut Section, default_timeout: Duration) -> HttpSettings {
    let mut tls = section.table("tls");
    let ca_file = pem_file(&mut tls, "ca_file");
    let cert_file = pem_file(&mut tls, "cert_file");
    let key_file = pem_file(&mut tls, "key_file");
    match (tls.has("cert_file"), tls.has("key_file")) {
        (true, false) => {
            tls.error("cert_file", "`cert_file` needs `key_file`", "add the certificate's key: `key_file = \"…\"`");
        }
        (false, true) => {
            tls.error("key_file", "`key_file` needs `cert_file`", "add the key's certificate: `cert_file = \"…\"`");
        }
        _ => {}
    }
    let request_timeout =
        if section.declares("request_timeout") { section.duration("request_timeout") } else { default_timeout };
    HttpSettings {
        ca_file,
        cert_file,
        key_file,
        proxy: section.optional_proxy("proxy"),
        request_timeout,
        ..HttpSettings::default()
    }
}

fn pem_file(tls: &mut Section, name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(tls.optional_text(name)?);
    if tls.is_on_its_machine()
        && let Err(reason) = nordpass_env::read_bounded(&path, LONGEST_PEM_FILE)
    {
        tls.error(
            name,
            format!("can't read the file{}: {reason}", shown_path(&path)),
            "check that the path is right and that this user may read it",
        );
    }
    Some(path)
}
