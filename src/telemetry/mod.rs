//! What the program tells about itself: metrics, health, progress, logs. Never a payload, never a secret.

pub mod api;
mod component;
pub mod logs;
mod metric;
mod numbers;
pub mod progress;
mod reference;
mod status_page;
#[cfg(test)]
mod tests;

pub use component::{ComponentKind, ComponentReporter, ComponentState, Health, Progress, Telemetry};
pub use metric::{METRICS, Metric, MetricKind, metrics};
pub use numbers::{Lately, StreamTotals, TokenState, Totals};
pub use reference::reference_page;
