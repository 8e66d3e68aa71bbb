//! The source against a broker in memory, at paused time: the failures of comparable products, by their rows in the ADR.

mod groups;
mod reading;
mod support;
