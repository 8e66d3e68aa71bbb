//! Fuzz targets: references, secrets, and values that people write.

use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::interpolate::Template;
use super::size::parse_size;
use super::url::{check_proxy, check_url};
use super::{Environment, Field, Flaw, Kind, Secret, Section, format_duration, parse_duration};
use crate::fuzz::{disk, marked, silent, text, wait};
use crate::http::is_loopback;

static TOKEN: &[Field] = &[Field::required("token", Kind::Secret)];

/// A string value with references.
pub(crate) fn reference(data: &[u8]) {
    let raw = text(&marked(data));
    // Files of this machine aren't read.
    let raw = raw.replace("${file:", "${FILE:");
    let environment = Environment::of([("NAME", "value"), ("EMPTY", "")]);
    match Template::parse(&raw).and_then(|template| Ok((template.text(&environment)?, template.has_references()))) {
        Err(problem) => {
            silent(&problem.message);
            silent(&problem.hint);
        }
        Ok((filled, referred)) => {
            assert!(referred || filled == raw.replace("$${", "${"), "a text without references changes");
            assert!(filled.len() <= raw.len() * 2, "grows by more than its variables");
        }
    }
}

/// A secret, in a file and in a variable.
pub(crate) fn secret(data: &[u8]) {
    let content = marked(data);
    let path = Path::new("secret");
    let loaded = wait(Secret::file(path).load(&disk("secret", content.clone())));
    if let Err(error) = &loaded {
        silent(&error.to_string());
    }
    let Ok(written) = String::from_utf8(content) else { return assert!(loaded.is_err(), "isn't UTF-8") };
    let written = written.trim_end_matches(['\r', '\n']);
    if let Ok(secret) = &loaded {
        assert_eq!(secret.expose_secret(), written, "what is taken is what was written");
        assert_eq!(Flaw::of(written), None);
        silent(&format!("{secret:?}"));
    }
    let mut section = Section::parse("token = \"${TOKEN}\"", TOKEN, Environment::of([("TOKEN", written.to_owned())]));
    let from_variable = section.secret("token");
    silent(&format!("{from_variable:?}"));
    let found = section.diagnostics();
    for diagnostic in &found {
        silent(&diagnostic.human(false));
    }
    let is_wrong = found.iter().any(|diagnostic| diagnostic.severity == super::Severity::Error);
    assert_eq!(is_wrong, loaded.is_err(), "a file and a variable are checked alike");
}

/// A duration, a size, a URL.
pub(crate) fn values(data: &[u8]) {
    let value = text(&marked(data));
    match parse_duration(&value) {
        Ok(duration) => assert_eq!(parse_duration(&format_duration(duration)), Ok(duration)),
        Err(error) => silent(&error.to_string()),
    }
    let milliseconds = data.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    let duration = Duration::from_millis(milliseconds);
    assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
    if let Some(size) = parse_size(&value) {
        assert!(size >= 0);
        assert_eq!(parse_size(&size.to_string()), Some(size));
    }
    match check_url("endpoint", &value) {
        Ok(()) => {
            let url = reqwest::Url::parse(&value).expect("a URL");
            let host = url.host_str().expect("a host");
            assert!(url.scheme() == "https" || is_loopback(host), "plain http to {host}");
            assert!(url.password().is_none() && url.username().is_empty());
        }
        Err((message, hint)) => {
            silent(&message);
            silent(&hint);
        }
    }
    if let Err((message, hint)) = check_proxy("proxy", &value) {
        silent(&message);
        silent(&hint);
    }
}
