//! Keeps a source's lease.

use std::sync::Arc;

use tokio::time::Instant;

use super::attempts::{renew, take_again};
use super::source::Source;
use crate::component::LeaseRequested;

/// Keeps the lease until the source is dropped or lost. The source may be read from `from` on.
pub(super) fn keep(source: &Arc<Source>, granted: LeaseRequested, from: Instant) {
    // The source's users alone decide how long it is kept.
    let weak = Arc::downgrade(source);
    let renew = move |ended| {
        let weak = weak.clone();
        async move {
            let source = weak.upgrade()?;
            let (base, blob, id) = (&source.base, &source.names.state, source.own_lease()?);
            Some(if ended {
                take_again(base, blob, id, source.is_as_left()).await
            } else {
                renew(base, blob, id).await
            })
        }
    };
    let env = source.base.env.clone();
    let keeping = source.lease_keeper().clone().keep(env, source.base.times.renewal, from, granted, renew);
    source.kept_by(tokio::spawn(keeping).abort_handle());
}
