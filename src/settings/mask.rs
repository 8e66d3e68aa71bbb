//! Takes the secrets out of a file's text before lines of it are shown in an error.
//!
//! It works on the text and not on the parsed tables: a line with a syntax error or a mistyped key may hold a secret
//! too. Masking a word too many does no harm; the lines stay, so positions still match.

/// Words that make a key's value a secret.
const SECRET_WORDS: &[&str] = &["token", "secret", "password", "passwd"];

const MASK: &str = "\"…\"";

/// The text with the value of each key that looks like a secret's, and each URL's user part, replaced.
pub(super) fn mask_secrets(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('=') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        masked.push_str(before);
        masked.push('=');
        rest = after;
        if !is_secret_key(before) {
            continue;
        }
        let value_start = after.len() - after.trim_start_matches([' ', '\t']).len();
        let value = &after[value_start..];
        let length = value_length(value);
        masked.push_str(&after[..value_start]);
        if is_reference(&value[..length]) {
            masked.push_str(&value[..length]);
        } else {
            masked.push_str(MASK);
            masked.extend(value[..length].chars().filter(|c| *c == '\n'));
        }
        rest = &value[length..];
    }
    masked.push_str(rest);
    mask_user_parts(&masked)
}

/// Whether the key that ends a text looks like a secret's, typing mistakes included.
fn is_secret_key(before: &str) -> bool {
    let key = before.trim_end().trim_end_matches(['"', '\'']);
    let start = key
        .rfind(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
        .map_or(0, |at| at + key[at..].chars().next().map_or(1, char::len_utf8));
    let key = key[start..].to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| key.contains(word))
        || key
            .split(['_', '-'])
            .filter(|part| part.len() <= 16)
            .any(|part| SECRET_WORDS.iter().any(|word| strsim::osa_distance(part, word) <= 1))
}

/// The bytes of a value: to the end of a string of several lines, or to the end of the line.
fn value_length(value: &str) -> usize {
    for quote in ["\"\"\"", "'''"] {
        if let Some(inside) = value.strip_prefix(quote) {
            return inside.find(quote).map_or(value.len(), |end| end + 2 * quote.len());
        }
    }
    value.find(['\n', '\r']).unwrap_or(value.len())
}

/// Whether a value is one reference and nothing else: that is no secret but its name.
fn is_reference(value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'']);
    value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).is_some_and(|inside| {
        inside.starts_with("file:") && !inside.contains([' ', '"', '\'', '$'])
            || inside.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// `https://user:password@host` becomes `https://…@host`.
fn mask_user_parts(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        masked.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '?' | '#'));
        let authority = &after[..end.unwrap_or(after.len())];
        rest = match authority.rfind('@') {
            Some(user) => {
                masked.push('…');
                &after[user..]
            }
            None => after,
        };
    }
    masked.push_str(rest);
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_references_stay() {
        for (line, shown) in [
            ("token = \"abc\"", "token = \"…\""),
            ("token=abc # comment", "token=\"…\""),
            ("tokne = 'abc'", "tokne = \"…\""),
            ("\"client_secret\" = \"abc\"", "\"client_secret\" = \"…\""),
            ("c = { kind = \"token\", token = \"abc\" }", "c = { kind = \"token\", token = \"…\""),
            ("token = \"${NORDPASS_TOKEN}\"", "token = \"${NORDPASS_TOKEN}\""),
            ("token = \"${file:/run/secrets/a}\"", "token = \"${file:/run/secrets/a}\""),
            ("token = \"${A:-abc}\"", "token = \"…\""),
            ("token = \"${A} abc ${B}\"", "token = \"…\""),
            ("page_size = 100", "page_size = 100"),
            ("proxy = \"http://me:abc@proxy:1\"", "proxy = \"http://…@proxy:1\""),
            ("endpoint = \"https://host/@abc\"", "endpoint = \"https://host/@abc\""),
        ] {
            assert_eq!(mask_secrets(line), shown);
        }
    }

    #[test]
    fn a_secret_of_several_lines_is_masked_whole() {
        assert_eq!(mask_secrets("token = \"\"\"\nabc\ndef\"\"\"\nx = 1"), "token = \"…\"\n\n\nx = 1");
        assert_eq!(mask_secrets("token = '''\nabc\ndef"), "token = \"…\"\n\n");
    }
}
