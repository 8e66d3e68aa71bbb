//! Query strings and form bodies: `key=value&key=value`, percent-encoded.

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
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = |place: usize| bytes.get(place).and_then(|&digit| char::from(digit).to_digit(16));
        if byte == b'%'
            && let (Some(high), Some(low)) = (hex(at + 1), hex(at + 2))
        {
            out.push(u8::try_from(high * 16 + low).unwrap_or_default());
            at += 3;
        } else {
            out.push(if byte == b'+' { b' ' } else { byte });
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
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
