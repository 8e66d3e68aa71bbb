//! From the library's errors to ours: what failed, at which host, in words without a URL or a header.

use std::{error::Error, io, time::Duration};

use tokio_rustls::rustls;

use super::HttpError;

/// No response came.
pub(super) fn sending(error: reqwest::Error, host: &str, after: Duration) -> HttpError {
    let host = host.to_owned();
    if let Some(reason) = tls_reason(&error) {
        return HttpError::Tls { host, reason };
    }
    match (error.is_timeout(), error.is_connect()) {
        (true, true) => HttpError::Connect { host, reason: "connecting took too long".to_owned() },
        (true, false) => HttpError::Timeout { host, after },
        _ => HttpError::Connect { host, reason: reason(&error.without_url()) },
    }
}

/// The response began and didn't end.
pub(super) fn reading(error: reqwest::Error, host: &str, after: Duration) -> HttpError {
    let host = host.to_owned();
    if error.is_timeout() {
        HttpError::Timeout { host, after }
    } else {
        HttpError::Body { host, reason: reason(&error.without_url()) }
    }
}

/// The innermost words: "Connection refused (os error 111)" says more than "error sending request".
pub(super) fn reason(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause| next_cause(*cause))
}

/// An `io::Error` around another error hands out that one's source, not the error itself.
fn next_cause<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => cause.source(),
    }
}

fn tls_reason(error: &reqwest::Error) -> Option<String> {
    let cause = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>())?;
    Some(match cause {
        rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer) => {
            "its certificate isn't signed by a trusted authority (add one with `tls.ca_file`)".to_owned()
        }
        other => other.to_string(),
    })
}
