//! Logs: for people on a terminal, NDJSON anywhere else, always to stderr. stdout belongs to the data.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, fmt};

use super::progress_bar;

/// A format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Human-readable on a terminal, JSON otherwise
    #[default]
    Auto,
    /// Human-readable
    Human,
    /// Print one JSON object per line
    Json,
}

/// How important a log line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// What failed
    Error,
    /// What needs a look
    Warn,
    /// What happens
    #[default]
    Info,
    /// Each request and each batch
    Debug,
    /// Everything
    Trace,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

/// Begins to log: this program's events from `level` on, the libraries' from `warn` on. The logs of a process are set
/// up once; a second call changes nothing.
pub fn init(format: LogFormat, level: LogLevel) {
    let subscriber = subscriber(format, level.into(), io::stderr().is_terminal(), || Lossy(io::stderr()));
    let _ = tracing::subscriber::set_global_default(subscriber);
}

fn subscriber<W>(format: LogFormat, ours: LevelFilter, terminal: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let theirs = ours.min(LevelFilter::WARN);
    let own = ["nordpass_sentinel", "nordpass_env", "nordpass_simulator"].map(|name| format!(",{name}={ours}"));
    let filter = EnvFilter::builder().parse_lossy(format!("{theirs}{}", own.concat()));
    let human = match format {
        LogFormat::Auto => terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    // The libraries' own complaint about a writer that fails goes to stderr with `eprintln!`, which panics when
    // stderr is closed: hence `log_internal_errors(false)`.
    let layer = fmt::layer().with_writer(writer).log_internal_errors(false);
    let layer = if human {
        let layer = layer.with_target(false);
        // On a terminal the library decides, which respects `NO_COLOR`.
        if terminal { layer.boxed() } else { layer.with_ansi(false).boxed() }
    } else {
        layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
    };
    Registry::default().with(layer.with_filter(filter))
}

/// Writes whole log lines. A closed pipe isn't an error, and a progress bar is lifted out of the way.
struct Lossy<W>(W);

impl<W: Write> Write for Lossy<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        progress_bar::without_bar(|| {
            let _ = self.0.write_all(line);
            let _ = self.0.flush();
        });
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    pub struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        pub fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged while `work` runs.
    pub fn logged(format: LogFormat, level: LevelFilter, work: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber = subscriber(format, level, false, move || Lossy(writer.clone()));
        tracing::subscriber::with_default(subscriber, work);
        captured.text()
    }

    fn events() {
        tracing::info!(component = "nordpass", "line\none");
        tracing::debug!("quiet");
        tracing::info!(target: "hyper", "theirs");
        tracing::warn!(target: "hyper", "their warning");
    }

    #[test]
    fn json_is_one_object_for_each_event() {
        let text = logged(LogFormat::Auto, LevelFilter::INFO, events);
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!(lines[0]["message"], "line\none");
        assert_eq!(lines[0]["component"], "nordpass");
        assert_eq!(lines[0]["level"], "INFO");
        assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z'));
        assert_eq!(lines[1]["target"], "hyper");
    }

    #[test]
    fn human_lines_have_no_colours_outside_a_terminal() {
        let text = logged(LogFormat::Human, LevelFilter::DEBUG, events);
        assert!(text.contains("INFO") && text.contains("quiet") && text.contains("their warning"), "{text}");
        assert!(!text.contains("theirs") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn a_level_holds_for_the_libraries_too_when_it_is_quieter() {
        assert_eq!(logged(LogFormat::Json, LevelFilter::ERROR, events), "");
        assert_eq!(logged(LogFormat::Json, LevelFilter::OFF, events), "");
    }

    #[test]
    fn a_closed_stderr_is_no_error() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        assert_eq!(Lossy(Closed).write(b"line").unwrap(), 4);
        let subscriber = subscriber(LogFormat::Json, LevelFilter::INFO, false, || Lossy(Closed));
        tracing::subscriber::with_default(subscriber, events);
    }
}
