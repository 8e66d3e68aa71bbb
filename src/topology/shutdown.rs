//! Telling everybody to end.

use tokio::sync::watch;

/// Asks the program to end; kept by the runner.
#[derive(Debug)]
pub struct ShutdownSignal(watch::Sender<bool>);

/// Hears of it; every component has a clone.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl ShutdownSignal {
    /// A signal and its first listener.
    pub fn new() -> (Self, Shutdown) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Shutdown(receiver))
    }

    /// Begins the shutdown; again does nothing.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// A listener that is never told: for tests and for components that end by themselves.
    pub fn never() -> Self {
        let (sender, receiver) = watch::channel(false);
        // The sender must outlive the receiver; a test's few bytes may leak.
        std::mem::forget(sender);
        Self(receiver)
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves when it begins. A lost signal counts as one: whoever would have given it is gone.
    pub async fn begun(&self) {
        let _ = self.0.clone().wait_for(|begun| *begun).await;
    }
}
