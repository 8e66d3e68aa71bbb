//! What a source, a transform and a sink are.

use std::{path::PathBuf, sync::Arc};

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::channel::{Input, Output};
use super::{DeadLetterStore, Store};
use crate::{event::Chunk, telemetry::ComponentReporter};
use nordpass_env::Env;

/// Why a component stopped, for a person: a sentence and, where there is one, what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ComponentError {
    /// What happened and where.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Time may cure it: a sink that can't open for this reason is waited for.
    pub curable: bool,
    /// A part of what a source had sent was dropped: it goes on from its committed position when it begins anew.
    pub begins_anew: bool,
}

impl ComponentError {
    /// An error without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, curable: false, begins_anew: false }
    }

    /// The same, as something that time may cure.
    #[must_use]
    pub fn curable(mut self) -> Self {
        self.curable = true;
        self
    }

    /// The same, of a source that is to begin anew.
    #[must_use]
    pub fn begins_anew(mut self) -> Self {
        self.begins_anew = true;
        self
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What every component gets.
#[derive(Clone)]
pub struct Context {
    /// Its name in the pipeline file.
    pub name: Arc<str>,
    /// Clock, randomness, disk, network.
    pub env: Env,
    /// Its metrics and its state in words.
    pub telemetry: ComponentReporter,
    /// The folder of this process's own files.
    pub data_dir: PathBuf,
    /// The sources' states.
    pub store: Arc<dyn Store>,
    /// Where its dead letters go.
    pub dead_letters: Arc<dyn DeadLetterStore>,
    /// Cancelled when the component is to end: with the program, or because a reload puts another one in its place.
    pub shutdown: CancellationToken,
    /// `run --once`: a source ends by itself when it has covered everything up to its start.
    pub once: bool,
}

/// Reads events and sends them as chunks.
///
/// A source ends when it is asked to shut down, or (`once`) when it has read everything. It then drops its output,
/// waits for the acknowledgements of what it sent, commits, and returns. It returns an error only for what waiting can't cure,
/// and one that [`ComponentError::begins_anew`] when a part of what it sent was dropped although it isn't to end.
pub trait Source: Send {
    /// Runs to the end.
    fn run(self: Box<Self>, context: Context, output: Output) -> BoxFuture<'static, Result<(), ComponentError>>;
}

/// Turns chunks into chunks. Pure computation: it never waits and never fails.
pub trait Transform: Send {
    /// Handles one chunk. Each output chunk is pushed with the index of its output in the transform's list of
    /// outputs. Whatever isn't passed on must be acknowledged here: the chunk's own acknowledgement is `delivered`
    /// once all outputs made of it carry their clones.
    fn transform(&mut self, chunk: Chunk, out: &mut Vec<(usize, Chunk)>);

    /// Takes what the transform couldn't handle of the chunks so far. It becomes dead letters of the transform.
    fn take_refused(&mut self) -> Vec<Refused> {
        Vec::new()
    }

    /// Whether a chunk may take so long that it is handled beside the threads that everything else runs on: a program of the
    /// operator's decides how long.
    fn is_slow(&self) -> bool {
        false
    }

    /// Takes the clock and the dice, before the first chunk of a pipeline that runs. A dry run gives none.
    fn attach(&mut self, _: &Env) {}
}

/// Records that a transform can't handle.
#[derive(Debug)]
pub struct Refused {
    /// The records. Acknowledged once they are dead letters.
    pub chunk: Chunk,
    /// Why, in a sentence. Never holds anything of the records.
    pub reason: String,
}

/// Writes records somewhere and acknowledges them.
///
/// A sink ends when its input does: then it delivers what it holds, and returns. It returns an error only for what
/// waiting can't cure.
pub trait Sink: Send {
    /// Runs to the end of the input.
    fn run(self: Box<Self>, input: Input) -> BoxFuture<'static, Result<(), ComponentError>>;
}
