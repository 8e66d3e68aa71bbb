//! From the library's errors to ours: what failed, at which host.
//!
//! In words of our own and of this machine's system only. A library's words may quote the other end: the data of an HTTP/2
//! GOAWAY, the names in a certificate. And what the other end says may quote what it was sent, token included.

use std::{error::Error, io, time::Duration};

use tokio_rustls::rustls::{self, CertificateError};

use super::HttpError;
use super::loopback::NotLoopback;

/// Begins what the system says about a name that it can't resolve.
const LOOKUP: &str = "failed to lookup address information";
/// What a tunnel through a proxy fails with: fixed texts of a library that doesn't show the type.
const TUNNEL: [(&str, &str); 4] = [
    ("tunnel error: proxy authorization required", "the proxy wants a user name and a password (407)"),
    ("tunnel error: proxy response headers too long", "the proxy's response is too long"),
    ("tunnel error: unexpected end of file", "the proxy closed the connection"),
    ("tunnel error: unsuccessful", "the proxy refuses to connect there"),
];

/// No response came.
pub(super) fn sending(error: &reqwest::Error, host: &str, after: Duration) -> HttpError {
    let host = host.to_owned();
    if let Some(reason) = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>()).map(tls) {
        return HttpError::Tls { host, reason };
    }
    match (error.is_timeout(), error.is_connect()) {
        (true, true) => HttpError::Connect { host, reason: "connecting took too long".to_owned() },
        (true, false) => HttpError::Timeout { host, after },
        _ => HttpError::Connect { host, reason: reason(error) },
    }
}

/// The response began and didn't end.
pub(super) fn reading(error: &reqwest::Error, host: &str, after: Duration) -> HttpError {
    let host = host.to_owned();
    if error.is_timeout() {
        HttpError::Timeout { host, after }
    } else {
        HttpError::Body { host, reason: reason(error) }
    }
}

/// The innermost cause that there are words for: "Connection refused (os error 111)" says more than "error sending request".
fn reason(error: &reqwest::Error) -> String {
    causes(error).filter_map(words).last().unwrap_or_else(|| "the connection failed".to_owned())
}

/// What is wrong with the settings of a client.
pub(super) fn settings(error: &reqwest::Error) -> String {
    let words = causes(error).filter_map(words).last();
    format!("the TLS settings are invalid: {}", words.as_deref().unwrap_or("the certificates can't be used"))
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

fn words(cause: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = cause.downcast_ref::<h2::Error>() {
        return Some(http2(error));
    }
    if let Some(error) = cause.downcast_ref::<rustls::Error>() {
        return Some(tls(error));
    }
    if let Some(error) = cause.downcast_ref::<io::Error>() {
        return system(error);
    }
    if let Some(error) = cause.downcast_ref::<NotLoopback>() {
        return Some(error.to_string());
    }
    if let Some(error) = cause.downcast_ref::<hyper::Error>() {
        return http(error).map(str::to_owned);
    }
    let text = cause.to_string();
    TUNNEL.iter().find(|(theirs, _)| *theirs == text).map(|(_, ours)| (*ours).to_owned())
}

fn system(error: &io::Error) -> Option<String> {
    if error.raw_os_error().is_some() {
        return Some(error.to_string());
    }
    match error.kind() {
        io::ErrorKind::Other | io::ErrorKind::InvalidData => None,
        // The kind that the system's resolver has no stable name for.
        _ if error.to_string().starts_with(LOOKUP) => Some(error.to_string()),
        kind if error.get_ref().is_none() || kind == io::ErrorKind::UnexpectedEof => Some(kind.to_string()),
        _ => None,
    }
}

fn http(error: &hyper::Error) -> Option<&'static str> {
    if error.is_incomplete_message() {
        Some("the connection was closed before the message was complete")
    } else if error.is_parse_too_large() {
        Some("the response's headers are too large")
    } else if error.is_parse() {
        Some("the response isn't valid HTTP")
    } else if error.is_closed() || error.is_canceled() {
        Some("the connection was closed")
    } else if error.is_body_write_aborted() {
        Some("the request wasn't taken whole")
    } else {
        None
    }
}

fn http2(error: &h2::Error) -> String {
    let what = if error.is_go_away() {
        "the HTTP/2 connection was closed"
    } else if error.is_reset() {
        "the HTTP/2 request was reset"
    } else {
        "HTTP/2 failed"
    };
    match (error.reason(), error.get_io().and_then(system)) {
        (Some(code), _) => format!("{what} (error code {})", u32::from(code)),
        (None, Some(system)) => system,
        (None, None) => what.to_owned(),
    }
}

fn tls(error: &rustls::Error) -> String {
    let words = match error {
        rustls::Error::InvalidCertificate(error) => certificate(error),
        rustls::Error::NoCertificatesPresented => "it sent no certificate",
        rustls::Error::AlertReceived(alert) => return format!("it sent the TLS alert {}", u8::from(*alert)),
        rustls::Error::InvalidMessage(_) | rustls::Error::PeerSentOversizedRecord => {
            "what it sends isn't TLS: check the port and the scheme"
        }
        rustls::Error::PeerIncompatible(_) | rustls::Error::NoApplicationProtocol => {
            "it supports no version or algorithm that this program has (TLS 1.2 and 1.3)"
        }
        rustls::Error::PeerMisbehaved(_)
        | rustls::Error::InappropriateMessage { .. }
        | rustls::Error::InappropriateHandshakeMessage { .. } => "it breaks the rules of TLS",
        rustls::Error::DecryptError => "its messages can't be decrypted",
        _ => "the TLS connection can't be set up",
    };
    words.to_owned()
}

fn certificate(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::UnknownIssuer => {
            "its certificate isn't signed by a trusted authority (add one with `tls.ca_file`)"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired; check this machine's clock, too"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate isn't valid yet; check this machine's clock"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another host name"
        }
        CertificateError::Revoked => "its certificate is revoked",
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "its certificate is signed in a way that this program doesn't verify, such as on the curve P-521"
        }
        _ => "its certificate is invalid",
    }
}

/// An error code of Azure, where it can be nothing else: words without a gap, with hardly a digit. What answers needn't be
/// Azure, and may quote the request's token.
pub fn azure_code(text: &str) -> Option<&str> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let is_code = (3..=60).contains(&text.len())
        && digits <= 2
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.split(|c: char| c.is_ascii_lowercase()).all(|capitals| capitals.len() <= 5)
        && text.contains(|c: char| c.is_ascii_lowercase());
    is_code.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_words_and_a_token_is_not() {
        for code in
            ["InvalidRecord", "RecordsTimeRangeIsMoreThan30Minutes", "ContentLengthLimitExceeded", "DCRNotFound"]
        {
            assert_eq!(azure_code(code), Some(code));
        }
        for text in
            ["", "a", "s3cret", "NPT4f9a0c27e1b8d6", "abcdef", "SECRETTOKEN", "<b>", "Two Words", &"Ab".repeat(31)]
        {
            assert_eq!(azure_code(text), None, "{text}");
        }
    }

    /// "Invalid" would make people renew a good certificate.
    #[test]
    fn a_signature_that_is_not_verified_here_is_named() {
        let error = CertificateError::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: Vec::new(),
            supported_algorithms: Vec::new(),
        };
        assert!(tls(&rustls::Error::InvalidCertificate(error)).contains("P-521"));
    }

    #[test]
    fn names_in_a_certificate_are_not_told() {
        let error = CertificateError::NotValidForNameContext {
            expected: rustls::pki_types::ServerName::try_from("host").unwrap(),
            presented: vec!["s3cret".to_owned()],
        };
        assert_eq!(tls(&rustls::Error::InvalidCertificate(error)), "its certificate is for another host name");
        assert_eq!(tls(&rustls::Error::General("s3cret".into())), "the TLS connection can't be set up");
    }
}
