//! What the program reports about itself: metrics, health, progress, logs. Never a payload, never a secret.

pub mod api;
mod distribution;
mod exposition;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
pub mod logs;
mod metric;
mod numbers;
mod progress;
pub mod progress_bar;
mod reference;
mod registry;
mod reloads;
mod reporter;
pub mod server;
mod state;
mod status;
mod status_page;
pub mod stderr;
pub mod terminal;
#[cfg(test)]
mod tests;

pub use metric::{METRICS, Metric, MetricKind, metrics};
pub use numbers::{LEFT_OUT, Lately, Numbers, StreamTotals, TokenState, Totals};
pub use progress::Progress;
pub use reference::reference_page;
pub use registry::Telemetry;
pub use reloads::ReloadTrouble;
pub use reporter::{ComponentKind, ComponentReporter};
pub use state::{ComponentState, Health};
pub use status::Status;
