//! Opening the sinks. One that can't open yet is waited for while the others run.

use std::sync::Arc;

use crate::component::{ComponentError, Context, Input, Sink, SinkSettings};
use crate::http::{Again, Failure, Retry};
use crate::telemetry::metrics;
use nordpass_env::Mutex;

/// A sink that may have to wait before it opens.
pub(super) struct Waiting {
    pub settings: Arc<dyn SinkSettings>,
    pub context: Context,
    /// Whether the state waits for it.
    pub required: bool,
    /// The set runs already: it goes on whatever keeps this sink from opening, and the next reload can repair that.
    pub patient: bool,
    /// It opens with the first chunk: of thousands of organizations, most are quiet at any time.
    pub opens_when_needed: bool,
}

/// Opens a sink before any source runs. `None`: it can't open yet. An error is one that waiting can't cure, of a sink that
/// the state waits for.
pub(super) async fn first_try(waiting: &Waiting) -> Result<Option<Box<dyn Sink>>, ComponentError> {
    match waiting.settings.build(waiting.context.clone()).await {
        Ok(sink) => {
            // Open is all that a sink can be before the first event: a quiet organization's pipeline is ready.
            waiting.context.telemetry.status().working();
            Ok(Some(sink))
        }
        Err(error) if waiting.stops(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Why a sink that waits to be opened doesn't any more.
enum End {
    /// The program ends.
    Shutdown,
    /// All that it could have had is read.
    NothingMore,
    /// Waiting can't cure it.
    Failed(ComponentError),
}

impl Waiting {
    fn stops(&self, error: &ComponentError) -> bool {
        self.required && !error.curable && !self.patient
    }

    /// Tries until it is open, and runs it.
    pub async fn open_and_run(self, mut input: Input) -> Result<(), ComponentError> {
        let Context { env, telemetry, shutdown, .. } = &self.context;
        if self.opens_when_needed {
            telemetry.status().working();
            if !input.begins().await {
                return Ok(());
            }
        }
        let last = Mutex::new(None);
        let attempt = || async {
            self.settings.build(self.context.clone()).await.map_err(|error| {
                if self.stops(&error) {
                    return Failure::Stop(End::Failed(error));
                }
                let hint = error.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
                let again = Again::because("open", format!("{error}{hint}"));
                *last.lock() = Some(error);
                Failure::Again(again)
            })
        };
        let end = async {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => End::Shutdown,
                () = self.miss(&mut input) => End::NothingMore,
            }
        };
        let opened = Retry::new(env, telemetry).run(end, attempt).await;
        match opened {
            Ok(sink) => {
                telemetry.status().working();
                sink.run(input).await
            }
            Err(End::Failed(error)) => Err(error),
            Err(End::Shutdown) => Ok(()),
            Err(End::NothingMore) => {
                Err(last.into_inner().unwrap_or_else(|| ComponentError::new("it couldn't be opened")))
            }
        }
    }

    /// What comes meanwhile waits for a required sink, which holds its sources up; an optional one misses it. Ends with the
    /// input.
    async fn miss(&self, input: &mut Input) {
        if self.required {
            return std::future::pending().await;
        }
        while let Some((_, chunk)) = input.receive().await {
            self.context.telemetry.add_labelled(&metrics::DISCARDED, "not open", chunk.records.len() as u64);
        }
    }
}
