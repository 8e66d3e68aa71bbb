//! Query strings and form bodies: `key=value&key=value`, percent-encoded.

use percent_encoding::percent_decode_str;

/// The decoded pairs of a query string or form body, in order. Keys are decoded as well: one official client sends
/// `api%2Dversion`.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        })
        .collect()
}

/// The first value of a key.
pub fn value<'a>(pairs: &'a [(String, String)], key: &str) -> Option<&'a str> {
    pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}

/// A text without its percent-encoding; `+` is a space.
pub fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_are_decoded() {
        let pairs = pairs("api%2Dversion=2023-01-01&scope=https%3A%2F%2Fa%2F.default&x=a+b&flag&bad=%4");
        assert_eq!(value(&pairs, "api-version"), Some("2023-01-01"));
        assert_eq!(value(&pairs, "scope"), Some("https://a/.default"));
        assert_eq!(value(&pairs, "x"), Some("a b"));
        assert_eq!(value(&pairs, "flag"), Some(""));
        assert_eq!(value(&pairs, "bad"), Some("%4"));
        assert_eq!(value(&pairs, "y"), None);
    }
}
