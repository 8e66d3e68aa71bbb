//! SIGINT and SIGTERM.

use std::io;

use futures::stream::{self, Stream, StreamExt};

use super::error::{CommandError, CommandResult};

/// Listens for the signals that ask this process to end. The handlers are in place when this returns.
pub(super) fn signals() -> CommandResult<impl Stream<Item = ()> + Unpin> {
    listen().map(|signals| signals.chain(stream::pending())).map_err(|error| {
        let hint = "the operating system refused it; check its limits";
        CommandError::failed(format!("can't listen for signals: {error}"), hint)
    })
}

#[cfg(unix)]
fn listen() -> io::Result<impl Stream<Item = ()> + Unpin> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(stream::poll_fn(move |context| match interrupt.poll_recv(context) {
        std::task::Poll::Pending => terminate.poll_recv(context),
        ready @ std::task::Poll::Ready(_) => ready,
    }))
}

#[cfg(not(unix))]
fn listen() -> io::Result<impl Stream<Item = ()> + Unpin> {
    Ok(Box::pin(stream::unfold((), |()| async { tokio::signal::ctrl_c().await.ok().map(|()| ((), ())) })))
}
