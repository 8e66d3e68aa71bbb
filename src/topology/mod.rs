//! The pipeline engine: builds the graph of components, runs it, and ends it in order.

mod channel;
mod component;
mod run;
mod shutdown;

pub use channel::{Closed, Entrance, Input, Output};
pub use component::{ComponentError, Context, Sink, Source, Transform};
pub use run::{Failure, RunOptions, RunReport, run};
pub use shutdown::{Shutdown, ShutdownSignal};
