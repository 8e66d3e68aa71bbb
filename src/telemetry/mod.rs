//! What the program tells about itself: metrics, health, progress, logs. Never a payload, never a secret.

mod component;
mod metric;

pub use component::{Component, ComponentKind, ComponentState, Health, Progress, Telemetry};
pub use metric::{METRICS, Metric, MetricKind, metrics};
