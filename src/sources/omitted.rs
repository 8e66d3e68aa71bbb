//! A source that a command leaves out: its readers see the end of their input at once.

use std::future::ready;

use futures::future::BoxFuture;

use crate::component::{ComponentError, Context, Output, Source, SourceSettings};
use crate::telemetry::Telemetry;

/// Stands in for the settings of a source that doesn't take part.
#[derive(Clone, Copy, Debug)]
pub struct Omitted;

impl SourceSettings for Omitted {
    fn build(&self, _: &Telemetry) -> Box<dyn Source> {
        Box::new(Self)
    }
}

impl Source for Omitted {
    fn run(self: Box<Self>, _: Context, _: Output) -> BoxFuture<'static, Result<(), ComponentError>> {
        Box::pin(ready(Ok(())))
    }
}
