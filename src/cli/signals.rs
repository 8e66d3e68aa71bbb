//! SIGINT, SIGTERM and SIGHUP.

use std::io::{self, IsTerminal};

use futures::stream::{self, Stream, StreamExt};

use super::error::{CommandError, CommandResult};

/// Listens for the signals that ask this process to end. The handlers are in place when this returns.
pub(super) fn signals() -> CommandResult<impl Stream<Item = ()> + Unpin> {
    listen(true).map(|signals| signals.chain(stream::pending())).map_err(|error| refused(&error))
}

/// The same without SIGHUP, which asks a service to reload: its signals are the second stream. On a terminal it still means
/// that the terminal has gone.
pub(super) fn signals_and_reloads()
-> CommandResult<(impl Stream<Item = ()> + Unpin, impl Stream<Item = ()> + Send + Unpin + 'static)> {
    let reloads = !io::stdin().is_terminal() && !io::stderr().is_terminal();
    let listening = || Ok((listen(!reloads)?.chain(stream::pending()), if reloads { hangups()? } else { None }));
    let (ends, hangups) = listening().map_err(|error: io::Error| refused(&error))?;
    Ok((ends, hangups.into_iter().collect::<stream::SelectAll<_>>().chain(stream::pending())))
}

fn refused(error: &io::Error) -> CommandError {
    let hint = "the operating system refused it; check its limits";
    CommandError::failed(format!("can't listen for signals: {error}"), hint)
}

/// SIGHUP, unless whoever started this process wants it ignored.
#[cfg(unix)]
fn hangups() -> io::Result<Option<stream::BoxStream<'static, ()>>> {
    use tokio::signal::unix::{SignalKind, signal};
    if nordpass_env::hangup_is_ignored() {
        return Ok(None);
    }
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(Some(stream::poll_fn(move |context| hangup.poll_recv(context)).boxed()))
}

#[cfg(not(unix))]
fn hangups() -> io::Result<Option<stream::BoxStream<'static, ()>>> {
    Ok(None)
}

#[cfg(unix)]
fn listen(hangup_ends: bool) -> io::Result<impl Stream<Item = ()> + Unpin> {
    use std::task::Poll;
    use tokio::signal::unix::{SignalKind, signal};
    let mut asked = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
    // A terminal that goes sends one, and its shell another. Only the first counts: the second mustn't end the drain.
    // Listening to it would take back what `nohup` has asked for.
    let mut hangup = None;
    if hangup_ends && !nordpass_env::hangup_is_ignored() {
        hangup = Some(signal(SignalKind::hangup())?);
    }
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
fn listen(_: bool) -> io::Result<impl Stream<Item = ()> + Unpin> {
    Ok(Box::pin(stream::unfold((), |()| async { tokio::signal::ctrl_c().await.ok().map(|()| ((), ())) })))
}
