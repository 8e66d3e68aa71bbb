//! What a token endpoint's refusal means, in a sentence an operator can act on.
//!
//! Entra's description isn't repeated: what it says is in the code, and it may quote what was sent.

use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    #[serde(rename = "error")]
    name: Option<String>,
    error_codes: Vec<u64>,
}

/// Who was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Entra ID.
    Entra,
    /// The endpoint of a managed identity.
    Identity,
}

/// A sentence about an answer that isn't a token.
pub fn sentence(asked: Asked, host: &str, status: u16, body: &[u8]) -> String {
    let parsed: Option<Body> = serde_json::from_slice(body).ok();
    let understood = parsed.is_some();
    let body = parsed.unwrap_or_default();
    match asked {
        Asked::Entra => entra(host, status, &body, understood),
        Asked::Identity => identity(host, status),
    }
}

fn entra(host: &str, status: u16, body: &Body, understood: bool) -> String {
    let code = body.error_codes.first();
    let mut what: Vec<String> = body.name.iter().filter(|name| is_word(name)).cloned().collect();
    what.extend(code.map(|code| format!("AADSTS{code}")));
    what.push(status.to_string());
    let what = what.join(", ");
    let advice = match code {
        Some(7_000_215) => "the client secret is wrong: put the secret's value there, not its id",
        Some(7_000_222) => "the client secret has expired: create a new one for the application",
        Some(7_000_218) => "the application's credential is missing: check `client_secret`",
        Some(700_016) => "the tenant has no such application: check `client_id` and `tenant_id`",
        Some(90_002 | 900_023) => "there is no such tenant: check `tenant_id`",
        Some(500_011) => "the tenant knows no Azure Monitor of this cloud: check `endpoint` and `authority_host`",
        Some(53_003) => "a conditional access policy forbids it: exempt the application",
        Some(7_000_112) => "the application is disabled: enable it",
        _ if status == 429 => "it asks for fewer requests",
        _ if status >= 500 => "it has trouble of its own",
        _ if !understood => "that isn't an answer of Entra: is `authority_host` right, is a proxy in between?",
        _ => "check `tenant_id`, `client_id` and `client_secret`",
    };
    format!("no token from {host} ({what}): {advice}")
}

fn identity(host: &str, status: u16) -> String {
    let advice = match status {
        400 => {
            "this machine has no such identity: assign it one, or check the credential's `client_id` (needed where \
             there are several)"
        }
        401 | 403 => "it doesn't accept this process: restart it, so that it gets the current IDENTITY_HEADER",
        404 | 410 => "the identity service isn't there now",
        429 => "it asks for fewer requests",
        _ => "it has trouble of its own",
    };
    format!("no token from the managed identity at {host} ({status}): {advice}")
}

/// Only a plain word of theirs is repeated.
fn is_word(text: &str) -> bool {
    text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_stays_and_the_description_does_not() {
        let body = br#"{"error":"invalid_client","error_description":"AADSTS7000215: s3cret","error_codes":[7000215]}"#;
        assert_eq!(
            sentence(Asked::Entra, "login.example", 401, body),
            "no token from login.example (invalid_client, AADSTS7000215, 401): the client secret is wrong: put the \
             secret's value there, not its id"
        );
    }

    #[test]
    fn answers_of_others_are_told() {
        for (status, body, part) in [
            (403, "<html>", "is a proxy in between"),
            (503, "<html>", "trouble of its own"),
            (429, "", "fewer requests"),
            (400, r#"{"error":"a b<c>"}"#, "(400)"),
        ] {
            let text = sentence(Asked::Entra, "login.example", status, body.as_bytes());
            assert!(text.contains(part), "{text}");
        }
        assert!(sentence(Asked::Identity, "169.254.169.254", 400, b"").contains("no such identity"));
    }
}
