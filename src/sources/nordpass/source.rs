//! The component: reads the source while this process owns it.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::{error::unless_ended, probe::probe, session::session, settings::Settings};
use crate::component::{ComponentError, Context, OrganizationAccess, Output, Source, SourceKey, SourceSettings};
use crate::event::Organization;
use crate::sources::retry::retry_until_ready;
use crate::telemetry::{Telemetry, metrics};
use nordpass_env::Env;

impl SourceSettings for Settings {
    fn build(&self, _: &Telemetry) -> Box<dyn Source> {
        Box::new(self.clone())
    }

    fn state_key(&self, name: &str) -> Option<SourceKey> {
        let name = self.organization.as_ref().map_or(name, |organization| &organization.state);
        Some(SourceKey { name: name.to_owned(), endpoint: self.endpoint.clone() })
    }

    fn for_organization(&self, access: &OrganizationAccess) -> Option<Arc<dyn SourceSettings>> {
        let OrganizationAccess { organization, endpoint, token } = access;
        let (endpoint, token) = (endpoint.clone(), token.clone());
        Some(Arc::new(Self { endpoint, token, organization: Some(organization.clone()), ..self.clone() }))
    }

    fn organization(&self) -> Option<&Arc<Organization>> {
        self.organization.as_ref()
    }

    fn check<'a>(&'a self, env: &'a Env) -> BoxFuture<'a, Result<(), ComponentError>> {
        Box::pin(async { env.network.client(&self.http).map(drop).map_err(ComponentError::new) })
    }

    fn can_take_over(&self) -> bool {
        true
    }

    fn probe<'a>(&'a self, env: &'a Env) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(probe(self, env))
    }
}

impl Source for Settings {
    fn run(self: Box<Self>, context: Context, output: Output) -> BoxFuture<'static, Result<(), ComponentError>> {
        Box::pin(run(*self, context, output))
    }
}

/// Reads the source while this process owns it, and opens it again after another process took it over.
async fn run(settings: Settings, context: Context, output: Output) -> Result<(), ComponentError> {
    let Context { env, telemetry, shutdown, .. } = &context;
    let Some(key) = settings.state_key(&context.name) else { return Ok(()) };
    let mut output = Some(output);
    loop {
        let open = || match &settings.organization {
            Some(_) => context.store.open_organization(key.clone()),
            None => context.store.open(key.clone()),
        };
        let opening = retry_until_ready("can't open the checkpoint", env, telemetry, shutdown, open);
        let store = unless_ended(opening.await)?;
        let Some(store) = store else { return Ok(()) };
        let lease_guard = store.lease_guard();
        if lease_guard.can_end() {
            telemetry.set(&metrics::LEASE_HELD, 1.0);
            tracing::info!(component = telemetry.name(), "this process has the source");
        }
        let result = tokio::select! {
            biased;
            () = lease_guard.lost() => Ok(()),
            result = session(settings.clone(), &context, &mut output, store) => result,
        };
        if !lease_guard.is_lost() {
            return result;
        }
        // What was in flight is dropped, and read again by the new owner.
        if shutdown.is_cancelled() {
            return Ok(());
        }
        if output.is_none() {
            // Everything was read (`--once`, a range), and the readers downstream have seen the end: it can't restart.
            let message = "another process took over this source before everything read here was committed";
            return Err(ComponentError::new(message)
                .hint("that process reads the rest again, with the same ids; run this again after it ends"));
        }
        telemetry.status().begins_anew();
        telemetry.set(&metrics::LEASE_HELD, 0.0);
        tracing::warn!(component = telemetry.name(), "another process has taken over this source");
    }
}
