//! `validate --connect`: sends one request and reports the result.

use tokio_util::sync::CancellationToken;

use super::endpoint::{Attempt, Endpoint};
use super::{context::ReadContext, query::Query, settings::Settings};
use crate::{http::clock_is_wrong, telemetry::ComponentReporter};
use nordpass_env::Env;

/// Requests one event and reports the outcome.
pub async fn probe(settings: &Settings, env: &Env) -> Result<String, String> {
    let context =
        ReadContext::new(settings.clone(), env.clone(), ComponentReporter::detached(), CancellationToken::new());
    let now = context.clock.safe_now();
    match Endpoint::new(context.clone())?.attempt(&Query::smallest((now - 60, now))).await {
        Attempt::Page(_) => match clock_is_wrong(context.clock.ahead(), "NordPass") {
            Some(wrong) => Err(wrong),
            None => Ok("NordPass returns events".to_owned()),
        },
        Attempt::Unreadable(reason) => {
            Err(format!("{reason}: check `endpoint`; use the complete URL that the Admin Panel shows"))
        }
        Attempt::Wait(again) => Err(again.reason.unwrap_or_default()),
        Attempt::TimedOut(reason) => Err(reason),
        Attempt::TooLarge => Err("the response to a query for one event is too large".to_owned()),
    }
}
