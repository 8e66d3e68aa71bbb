//! SIGINT, SIGTERM and SIGHUP.

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
    use std::task::Poll;
    use tokio::signal::unix::{SignalKind, signal};
    let mut asked = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
    // A terminal that goes sends one, and its shell another. Only the first counts: the second mustn't end the drain.
    // Listening to it would take back what `nohup` has asked for.
    let mut hangup = if nordpass_env::hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
    Ok(stream::poll_fn(move |context| {
        let ready = asked.iter_mut().map(|signal| signal.poll_recv(context)).find(Poll::is_ready);
        ready.unwrap_or_else(|| {
            let ready = hangup.as_mut().map_or(Poll::Pending, |hangup| hangup.poll_recv(context));
            if ready.is_ready() {
                hangup = None;
            }
            ready
        })
    }))
}

#[cfg(not(unix))]
fn listen() -> io::Result<impl Stream<Item = ()> + Unpin> {
    Ok(Box::pin(stream::unfold((), |()| async { tokio::signal::ctrl_c().await.ok().map(|()| ((), ())) })))
}
