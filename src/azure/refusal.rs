//! What a token endpoint's refusal means, in a sentence an operator can act on.
//!
//! Entra's description isn't repeated: what it says is in the code, and it may quote what was sent. The numbers are
//! those of Microsoft's list of AADSTS errors; an unknown one gets a sentence that is right for all of its kind.

use serde::Deserialize;

use crate::http::clock_is_wrong;

/// Where a virtual machine's identity is asked for; App Service and Container Apps have an address of their own, and a
/// header.
const METADATA_HOST: &str = "169.254.169.254";

/// The names of errors that are repeated, those of OAuth 2.0 and Entra's own. Any other text may be what was sent.
const NAMES: [&str; 13] = [
    "access_denied",
    "consent_required",
    "interaction_required",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_resource",
    "invalid_scope",
    "login_required",
    "server_error",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_grant_type",
];
/// Entra's numbers are below this.
const HIGHEST_CODE: u64 = 1_000_000_000;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    #[serde(rename = "error")]
    name: Option<String>,
    error_codes: Vec<u64>,
}

/// Who was asked, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Entra ID, with a client secret.
    Secret,
    /// Entra ID, with an assertion that a certificate's key has signed.
    Certificate,
    /// Entra ID, with a platform's token.
    Federated,
    /// The endpoint of a managed identity.
    Identity,
}

/// A response that isn't a token.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Who answered.
    pub host: &'a str,
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
    /// By how many seconds this machine's clock is ahead of the response's `Date`.
    pub ahead: Option<i64>,
}

/// A sentence about a response that isn't a token.
pub fn sentence(asked: Asked, answer: Answer<'_>) -> String {
    match asked {
        Asked::Identity => identity(answer.host, answer.status),
        _ => entra(asked, answer),
    }
}

fn entra(asked: Asked, answer: Answer<'_>) -> String {
    let Answer { host, status, ahead, .. } = answer;
    let parsed: Option<Body> = serde_json::from_slice(answer.body).ok();
    let understood = parsed.is_some();
    let body = parsed.unwrap_or_default();
    let code = body.error_codes.first().filter(|code| **code < HIGHEST_CODE).copied();
    let mut what: Vec<String> = body.name.into_iter().filter(|name| NAMES.contains(&name.as_str())).collect();
    what.extend(code.map(|code| format!("AADSTS{code}")));
    what.push(status.to_string());
    let what = what.join(", ");
    let advice = match code {
        Some(7_000_215) => "the client secret is wrong: use the secret's value, not its ID",
        Some(7_000_222) => "the client secret has expired: create a new one for the application",
        Some(7_000_218) => "the application's credential is missing: check the credential's `kind` and its settings",
        Some(700_016 | 700_021) => "the tenant has no such application: check `client_id` and `tenant_id`",
        Some(90_002 | 900_023) => "there is no such tenant: check `tenant_id`",
        Some(500_011) => {
            "the tenant doesn't know what the token is for: check `endpoint`, `cloud` and `authority_host`, and `scope` where \
             one is set"
        }
        Some(53_003) => "a conditional access policy blocks it: exempt the application",
        Some(7_000_112) => "the application is disabled: enable it",
        Some(700_024 | 500_133) => return format!("no token from {host} ({what}): {}", not_its_time(asked, ahead)),
        Some(700_023) => "the assertion is for another authority: check `authority_host`, `cloud` and `tenant_id`",
        Some(700_211) => "the application doesn't trust this issuer: check the federated credential's issuer",
        Some(700_212) => {
            "the token is for another audience: the federated credential and the token's file must name the same one, \
             usually api://AzureADTokenExchange"
        }
        Some(70_021 | 700_213) => {
            "the application trusts another subject: the federated credential's must be \
             system:serviceaccount:NAMESPACE:NAME, as the pod runs"
        }
        Some(700_027) if asked == Asked::Certificate => {
            "the application doesn't have this certificate: upload it under Certificates & secrets, or check \
             `certificate_file` and `client_id`"
        }
        Some(700_027 | 50_013 | 50_027) if asked == Asked::Federated => {
            "the token in `federated_token_file` isn't from the trusted issuer: check the file"
        }
        Some(50_013) => "the assertion isn't accepted: check the certificate and this machine's clock",
        _ if status == 429 => "it is throttling requests",
        _ if status >= 500 => "it has an internal problem",
        _ if !understood => "this response isn't from Entra: check `authority_host`, and whether a proxy is in between",
        _ => match asked {
            Asked::Certificate => "check `tenant_id`, `client_id` and the certificate",
            Asked::Federated => "check `tenant_id`, `client_id` and the application's federated credential",
            _ => "check `tenant_id`, `client_id` and `client_secret`",
        },
    };
    format!("no token from {host} ({what}): {advice}")
}

/// AADSTS700024: an assertion before its beginning or after its end, by Entra's clock.
fn not_its_time(asked: Asked, ahead: Option<i64>) -> String {
    if let Some(wrong) = clock_is_wrong(ahead, "Entra") {
        return wrong;
    }
    match asked {
        Asked::Federated => {
            "the token in `federated_token_file` has expired: check why that file is no longer renewed".into()
        }
        _ => "by Entra's clock the assertion isn't valid now: check this machine's clock (timedatectl status)".into(),
    }
}

fn identity(host: &str, status: u16) -> String {
    let advice = match status {
        400 => {
            "this machine has no such identity: assign one, or check the credential's `client_id` (required if there \
             are several)"
        }
        401 | 403 if host == METADATA_HOST => {
            "the service there gives this machine no tokens; it may not be an Azure machine: use another `kind` of \
             credential, or let it reach the metadata service"
        }
        401 | 403 => "it doesn't accept this process: restart the process to get the current IDENTITY_HEADER",
        404 | 410 => "the identity service is unavailable",
        429 => "it is throttling requests",
        _ => "it has an internal problem",
    };
    format!("no token from the managed identity at {host} ({status}): {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(asked: Asked, status: u16, body: &str, ahead: Option<i64>) -> String {
        sentence(asked, Answer { host: "login.example", status, body: body.as_bytes(), ahead })
    }

    #[test]
    fn the_code_stays_and_the_description_does_not() {
        let body = r#"{"error":"invalid_client","error_description":"AADSTS7000215: s3cret","error_codes":[7000215]}"#;
        assert_eq!(
            said(Asked::Secret, 401, body, None),
            "no token from login.example (invalid_client, AADSTS7000215, 401): the client secret is wrong: use the \
             secret's value, not its ID"
        );
    }

    #[test]
    fn answers_of_others_are_told() {
        for (status, body, part) in [
            (403, "<html>", "whether a proxy is in between"),
            (503, "<html>", "an internal problem"),
            (429, "", "throttling requests"),
            (400, r#"{"error":"a b<c>"}"#, "(400)"),
            (400, r#"{"error":"s3cret","error_codes":[123456789012345]}"#, "(400)"),
        ] {
            let text = said(Asked::Secret, status, body, None);
            assert!(text.contains(part), "{text}");
        }
        assert!(said(Asked::Identity, 400, "", None).contains("no such identity"));
    }

    #[test]
    fn an_assertion_out_of_its_time_says_whose_clock_it_is() {
        let body = r#"{"error":"invalid_client","error_codes":[700024]}"#;
        for (asked, ahead, part) in [
            (Asked::Certificate, Some(7_500), "this machine's clock is 2 hours ahead of Entra's"),
            (Asked::Federated, Some(-660), "this machine's clock is 11 minutes behind Entra's"),
            (Asked::Federated, Some(2), "no longer renewed"),
            (Asked::Certificate, None, "check this machine's clock"),
        ] {
            let text = said(asked, 401, body, ahead);
            assert!(text.contains(part), "{text}");
        }
    }

    /// A laptop or another cloud's machine was told to restart for a new `IDENTITY_HEADER`, which it never had.
    #[test]
    fn a_metadata_service_that_refuses_may_be_another_clouds() {
        let said = |host| sentence(Asked::Identity, Answer { host, status: 403, body: b"", ahead: None });
        assert!(said(METADATA_HOST).contains("may not be an Azure machine"), "{}", said(METADATA_HOST));
        assert!(said("localhost").contains("IDENTITY_HEADER"), "{}", said("localhost"));
    }
}
