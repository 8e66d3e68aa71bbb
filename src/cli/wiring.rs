//! The places where the command line touches modules that are still being written. Each is one call.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::{LogArgs, LogFormat};
use crate::checkpoint::{CheckpointError, LocalStore, Store};
use crate::handles::Handles;
use crate::telemetry::Telemetry;

/// To become `telemetry::logs::init(format, level)`.
pub(super) fn init_logs(logs: LogArgs) {
    use std::io::IsTerminal;
    let filter = tracing_subscriber::EnvFilter::new(logs.log_level.as_str());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let json = match logs.log_format {
        LogFormat::Json => true,
        LogFormat::Human => false,
        LogFormat::Auto => !io::stderr().is_terminal(),
    };
    let _ = if json { builder.json().flatten_event(true).try_init() } else { builder.try_init() };
}

/// Opens the state of a `data_dir` and takes its lock.
pub(super) async fn open_store(handles: &Handles, data_dir: &Path) -> Result<Arc<dyn Store>, CheckpointError> {
    LocalStore::open(handles.clone(), data_dir).await
}

/// To become `telemetry::api::serve(listen, telemetry)`.
#[expect(clippy::unused_async, reason = "binding the port will wait")]
pub(super) async fn serve_api(
    _listen: SocketAddr,
    _telemetry: Telemetry,
) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    Err::<std::future::Pending<()>, _>(io::Error::new(io::ErrorKind::Unsupported, "this build has no API server"))
}
