//! Delivery to a destination behind HTTP, whatever its protocol: what the sinks `sentinel` and `http` share.
//!
//! | file | what it does |
//! |---|---|
//! | [`run`] | collects records in one open batch for each stream, and starts the deliveries |
//! | [`deliver`] | sends a batch until each record is accepted or proven bad, then a dead letter |
//! | [`evidence`] | decides whether a refusal is the record's fault |
//! | [`sender`] | sends a body until the response says something about its records |
//! | [`partition`] | the partitions of a destination with an address of their own, as streams |
//! | [`stream`] | what is known about one stream |
//! | [`resend`] | sends single records again, for `dead-letters resend` |
//! | [`exchange`] | one request and its response, measured, counted and logged |
//! | [`protocol`] | what a destination is: its bodies, its requests, and what its responses mean |
//! | [`array`] | a body that is a JSON array |
//! | [`batch`] | records of one stream with their chunks' acknowledgements |
//!
//! Each file uses only files below it. None knows a destination.

pub mod array;
pub mod batch;
pub mod deliver;
pub mod evidence;
pub mod exchange;
pub mod partition;
pub mod protocol;
pub mod resend;
pub mod run;
pub mod sender;
pub mod stream;
