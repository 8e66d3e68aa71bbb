//! The real client, on reqwest.

use std::sync::Arc;

use super::{HttpClient, HttpSettings, Network};

/// Clients that use the machine's network.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNetwork;

impl Network for SystemNetwork {
    fn client(&self, _settings: &HttpSettings) -> Result<Arc<dyn HttpClient>, String> {
        Err("not built yet".into())
    }
}
