//! Tokens of the Azure CLI: `az account get-access-token`, for a person's own machine.
//!
//! A foreign process: bounded in time and output, and nothing that it writes is repeated. Its standard error
//! may quote what Entra said, and its output is the token.

use std::io;
use std::path::Path;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use super::{TokenError, credential::Fetched, transport::LONGEST_LIFE};

/// `az` is a Python program: several seconds are usual on a small machine.
pub const LIMIT: Duration = Duration::from_secs(60);
/// How long pipes are read on after it has ended.
const REST: Duration = Duration::from_secs(1);
/// A token's response has a few kilobytes.
const OUTPUT: u64 = 64 << 10;

/// Its response. `expiresOn`, which is older, is a local time and of no use.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "accessToken")]
    token: String,
    /// Unix seconds; versions before 2.54 don't say it.
    expires_on: Option<i64>,
}

/// Runs it once. `scope` is the resource's with `/.default` behind it.
pub async fn fetch(
    program: &Path,
    tenant: Option<&str>,
    scope: &str,
    now: Timestamp,
    limit: Duration,
) -> Result<Fetched, TokenError> {
    let failed = |why: String| TokenError { reason: format!("no token from the Azure CLI: {why}") };
    let mut command = Command::new(program);
    command.args(["account", "get-access-token", "--output", "json", "--scope", scope]);
    if let Some(tenant) = tenant {
        command.args(["--tenant", tenant]);
    }
    let name = program.display();
    let (status, output, errors) = match tokio::time::timeout(limit, run(command)).await {
        Ok(Ok(ended)) => ended,
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
            let hint = "install the Azure CLI, or set `azure_cli_path`; on a server use another kind of credential";
            return Err(failed(format!("there is no program {name}: {hint}")));
        }
        Ok(Err(error)) => return Err(failed(format!("can't run {name}: {error}"))),
        Err(_) => return Err(failed(format!("{name} didn't end within {} s", limit.as_secs()))),
    };
    if !status.success() {
        return Err(failed(format!("{name} ended with {status}: {}", advice(&errors))));
    }
    answer(&name.to_string(), &output, now).map_err(failed)
}

/// Reads what it wrote. The error is the end of a sentence.
pub(super) fn answer(name: &str, output: &[u8], now: Timestamp) -> Result<Fetched, String> {
    let answer: Answer = serde_json::from_slice(output)
        .map_err(|_| format!("what {name} wrote isn't a token: run `az version`, it must be 2.30 or later"))?;
    if answer.token.is_empty() {
        return Err(format!("what {name} wrote isn't a token"));
    }
    let left = answer.expires_on.and_then(|end| end.checked_sub(now.as_second()));
    let seconds = left.and_then(|left| u64::try_from(left.min(LONGEST_LIFE)).ok());
    Ok((SecretString::from(answer.token), seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs)))
}

/// Runs it to its end, with its output as far as that is read. Dropping this kills it.
async fn run(mut command: Command) -> io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let pipes = (child.stdout.take(), child.stderr.take());
    let status = {
        let mut reading = pin!(async { tokio::try_join!(read(pipes.0, &mut output), read(pipes.1, &mut errors)) });
        tokio::select! {
            biased;
            read = &mut reading => {
                read?;
                child.wait().await?
            }
            status = child.wait() => {
                // What it has written is in the pipes. Their end may never come: what it has started and left behind, such
                // as a telemetry upload, holds them open.
                let _ = tokio::time::timeout(REST, &mut reading).await;
                status?
            }
        }
    };
    Ok((status, output, errors))
}

/// Keeps at most [`OUTPUT`] bytes; the rest is read and dropped, so that the process never blocks.
async fn read(pipe: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) -> io::Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    (&mut pipe).take(OUTPUT).read_to_end(kept).await?;
    tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    Ok(())
}

/// What to do, by what its standard error speaks of. Only Entra's number is repeated.
pub(super) fn advice(errors: &[u8]) -> String {
    let text = String::from_utf8_lossy(errors);
    let code =
        text.split("AADSTS").nth(1).map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    let code = code.filter(|digits| (1..=9).contains(&digits.len()));
    match code {
        Some(code) => {
            format!("Entra refuses it (AADSTS{code}); run `az login` again, with `--tenant` where there are several")
        }
        None if text.contains("az login") => {
            "no user is signed in: run `az login` as the user that runs this program".to_owned()
        }
        None => "run `az account get-access-token --scope https://monitor.azure.com/.default` to see why".to_owned(),
    }
}
