//! Secrets in headers.

use http::HeaderValue;
use http::header::InvalidHeaderValue;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

/// `Bearer` and the token.
pub fn bearer(token: &SecretString) -> Result<HeaderValue, InvalidHeaderValue> {
    let token = token.expose_secret();
    let mut text = Zeroizing::new(String::with_capacity(7 + token.len()));
    text.push_str("Bearer ");
    text.push_str(token);
    hidden(&text)
}

/// A header's value that `Debug` doesn't show, and HTTP/2 doesn't keep for later requests.
pub fn hidden(text: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(text)?;
    value.set_sensitive(true);
    Ok(value)
}
