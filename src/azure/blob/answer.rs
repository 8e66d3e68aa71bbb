//! What the responses of Azure Blob Storage mean.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;

use super::text;
use crate::http::{azure_code, retry_after};

/// Why a request didn't do what it should. None of the texts holds a token or what was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// Whether it took effect is unknown: no response, or one that isn't Azure's. Read it back before relying on it.
    #[error("{reason}")]
    Unclear {
        /// What happened.
        reason: String,
        /// What the server asks to wait.
        wait: Option<Duration>,
    },
    /// It had no effect; time, or an operator, can cure it.
    #[error("{reason}")]
    Refused {
        /// What happened, and what to do.
        reason: String,
        /// What the server asks to wait.
        wait: Option<Duration>,
    },
    /// It had no effect, because the blob isn't what the request demands: its version, its length, its lease.
    #[error("Azure Storage returned {status} ({code})")]
    Conflict {
        /// 409, 412 or 416.
        status: u16,
        /// Azure's error code.
        code: String,
    },
    /// There is no such blob.
    #[error("there is no such blob")]
    NoBlob,
    /// Blocks that were to be committed are missing: they have expired, or were never uploaded.
    #[error("blocks of the blob are missing")]
    NoBlocks,
    /// There is no such container.
    #[error(
        "the checkpoint's container no longer exists: restore it (a storage account can keep deleted containers for \
         some days), or recreate it under the same name"
    )]
    NoContainer,
}

impl BlobError {
    /// A response that can't be Azure's.
    pub fn nonsense(what: &str) -> Self {
        let reason = format!(
            "this response isn't from Azure Blob Storage ({what}): check `endpoint`, and whether a proxy is in \
             between"
        );
        Self::Unclear { reason, wait: None }
    }

    /// What the server asks to wait.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::Unclear { wait, .. } | Self::Refused { wait, .. } => *wait,
            _ => None,
        }
    }
}

/// What a response consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    /// Only headers (HEAD).
    Nothing,
    /// A body, perhaps.
    Content,
}

/// The response, if it is one of Azure's and a success.
pub fn classify(answer: Response<Bytes>, meant: Meant, now: Timestamp) -> Result<Response<Bytes>, BlobError> {
    let status = answer.status();
    let headers = answer.headers();
    let code = azure_code(text(headers, "x-ms-error-code")).unwrap_or_default().to_owned();
    let code = if code.is_empty() && meant == Meant::Content { code_in(answer.body()) } else { code };
    let azure = headers.contains_key("x-ms-request-id") || headers.contains_key("x-ms-version");
    let wait = retry_after(headers, now);
    let refused = |reason: String| Err(BlobError::Refused { reason, wait });
    match status {
        status if status.is_success() && azure => Ok(answer),
        status if status.is_success() => Err(BlobError::nonsense("its headers are missing")),
        // Only Azure's own word makes something a first run.
        StatusCode::NOT_FOUND if code == "BlobNotFound" => Err(BlobError::NoBlob),
        StatusCode::NOT_FOUND if code == "ContainerNotFound" => Err(BlobError::NoContainer),
        // HEAD without a code: Azure's headers are proof enough that the account is there; the next request
        // shows which of both is missing.
        StatusCode::NOT_FOUND if meant == Meant::Nothing && azure && code.is_empty() => Err(BlobError::NoBlob),
        StatusCode::NOT_FOUND => Err(BlobError::nonsense("404 without a reason")),
        StatusCode::CONFLICT if code == "ContainerBeingDeleted" => refused("the container is being deleted".to_owned()),
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED | StatusCode::RANGE_NOT_SATISFIABLE
            if !code.is_empty() =>
        {
            Err(BlobError::Conflict { status: status.as_u16(), code })
        }
        StatusCode::BAD_REQUEST if code == "InvalidBlockList" => Err(BlobError::NoBlocks),
        StatusCode::UNAUTHORIZED => refused(format!(
            "Azure Storage refuses a new token ({}): check the credential's tenant and this machine's clock",
            named(401, &code)
        )),
        StatusCode::FORBIDDEN => refused(forbidden(&code)),
        StatusCode::TOO_MANY_REQUESTS => refused("Azure Storage is throttling requests (429)".to_owned()),
        status if status.is_server_error() => {
            let reason = format!("Azure Storage has an internal problem ({})", named(status.as_u16(), &code));
            Err(BlobError::Unclear { reason, wait })
        }
        status if azure || !code.is_empty() => {
            refused(format!("Azure Storage refuses the request ({})", named(status.as_u16(), &code)))
        }
        status => Err(BlobError::nonsense(&format!("status {}", status.as_u16()))),
    }
}

fn forbidden(code: &str) -> String {
    let named = named(403, code);
    match code {
        "AuthorizationPermissionMismatch" => format!(
            "the identity may not use the container ({named}): give it the role Storage Blob Data \
             Contributor on the storage account or the container; a new role takes a few minutes"
        ),
        "AuthorizationFailure" | "AuthorizationSourceIPMismatch" | "AuthorizationServiceMismatch" => format!(
            "the storage account blocks this machine ({named}): check its firewall and private endpoints, and that the \
             identity has the role Storage Blob Data Contributor"
        ),
        "AuthenticationFailed" => {
            format!("Azure Storage doesn't accept the token ({named}): check the credential and this machine's clock")
        }
        _ => format!(
            "Azure Storage forbids it ({named}): give the identity the role Storage Blob Data Contributor on the storage \
             account or the container, and check the account's firewall"
        ),
    }
}

fn named(status: u16, code: &str) -> String {
    if code.is_empty() { status.to_string() } else { format!("{code}, {status}") }
}

/// The error code in a response's XML, where the header is missing. Only a plain word is taken.
fn code_in(body: &Bytes) -> String {
    let text = std::str::from_utf8(body.get(..body.len().min(1_024)).unwrap_or_default()).unwrap_or_default();
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    code.and_then(azure_code).unwrap_or_default().to_owned()
}
