//! The sink against a scripted Azure, at paused time.

mod batches;
mod refusals;
mod resend;
mod support;
mod waits;
